"""Leave one subject out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from physioaffect.errors import ProtocolError
from physioaffect.evaluation.folds import Fold, Protocol, codes, person_names
from physioaffect.recording import Report

__all__ = ["loso"]


def _loso_folds(coords: pd.DataFrame, rng: np.random.Generator, report: Report) -> Iterator[Fold]:  # noqa: ARG001
    units = codes(coords, "subject")
    names = person_names(coords)
    first_rows = np.unique(units, return_index=True)[1]
    if len(first_rows) < 2:
        raise ProtocolError(
            f"Protocol loso holds out one subject and trains on the others, but there is only "
            f"{len(first_rows)}: {', '.join(map(str, names[first_rows]))}. Add people, or use "
            "within_subject_trial."
        )
    for unit, row in enumerate(first_rows):
        yield Fold(
            name=str(names[row]),
            train_idx=np.flatnonzero(units != unit),
            test_idx=np.flatnonzero(units == unit),
        )


loso = Protocol(
    name="loso",
    holds_out="subject",
    shares="Stimuli, where everyone met the same ones; nothing of the person.",
    claim="Works for a new person who meets stimuli like those of the training people.",
    folds=_loso_folds,
)
