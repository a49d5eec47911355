"""Train on some data sets and test on another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from physioaffect.data_set import Report
from physioaffect.errors import ProtocolError
from physioaffect.evaluation.protocols.folds import Fold, Protocol, codes

__all__ = ["cross_dataset"]


def _cross_dataset_folds(
    coords: pd.DataFrame,
    rng: np.random.Generator,  # noqa: ARG001
    report: Report,  # noqa: ARG001
) -> Iterator[Fold]:
    units, names = codes(coords, "dataset"), coords["dataset"].to_numpy(dtype=str)
    first_rows = np.unique(units, return_index=True)[1]
    if len(first_rows) < 2:
        raise ProtocolError(
            "Protocol cross_dataset trains on some data sets and tests on another, but there is only "
            f"{', '.join(names[first_rows]) or 'nothing'}. Join the feature tables of several with "
            "join_features, label them by common_task, and evaluate that table; or use loso."
        )
    for unit, row in enumerate(first_rows):
        yield Fold(
            name=str(names[row]),
            train_idx=np.flatnonzero(units != unit),
            test_idx=np.flatnonzero(units == unit),
        )


cross_dataset = Protocol(
    name="cross_dataset",
    holds_out="dataset",
    shares="Nothing but what both data sets have in common: channels, features and the task.",
    claim="Works for new people in another laboratory, with its devices and its stimuli.",
    folds=_cross_dataset_folds,
    # Of two data sets one trains, and a single one cannot be divided by data set.
    validates="subject",
)
