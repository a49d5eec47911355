"""Leave people out: one at a time, or in folds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from physioaffect.data_set import Report
from physioaffect.errors import ProtocolError
from physioaffect.evaluation.protocols.dealing import deal
from physioaffect.evaluation.protocols.folds import Fold, Protocol, codes, person_names

__all__ = ["loso", "loso_kfold"]

_SHARES = "Stimuli, where everyone met the same ones; nothing of the person."
_CLAIM = "Works for a new person who meets stimuli like those of the training people."


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
    shares=_SHARES,
    claim=_CLAIM,
    folds=_loso_folds,
)


def loso_kfold(n_folds: int = 10) -> Protocol:
    """K-fold over people: each is tested once, by a model of the people of the other folds.

    Parameters
    ----------
    n_folds : int
        Into how many folds people are dealt at random; their sizes differ by one at most.

    Raises
    ------
    ProtocolError
        If there are fewer than two folds, or (when it splits) fewer people than folds.

    Examples
    --------
    >>> loso_kfold(5).name
    'loso_5fold'
    """
    name = f"loso_{n_folds}fold"
    if not isinstance(n_folds, int) or n_folds < 2:
        raise ProtocolError(f"loso_kfold needs a number of folds from 2, got {n_folds!r}.")

    def folds(coords: pd.DataFrame, rng: np.random.Generator, report: Report) -> Iterator[Fold]:  # noqa: ARG001
        units = codes(coords, "subject")
        n_people = int(units.max(initial=-1)) + 1
        if n_people < n_folds:
            raise ProtocolError(
                f"Protocol {name} deals people into {n_folds} folds, but there are only {n_people}. Use "
                f"loso, or loso_{max(n_people, 2)}fold."
            )
        groups = deal(n_people, n_folds, rng)[units]
        for number in range(n_folds):
            yield Fold(
                name=str(number + 1),
                train_idx=np.flatnonzero(groups != number),
                test_idx=np.flatnonzero(groups == number),
            )

    return Protocol(name=name, holds_out="subject", shares=_SHARES, claim=_CLAIM, folds=folds)
