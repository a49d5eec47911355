"""Train on a part of every trial and test on another part of the same trials: no claim."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from physioaffect.data_set import Report
from physioaffect.errors import ProtocolError
from physioaffect.evaluation.protocols.folds import Fold, Indices, Protocol, codes, person_names
from physioaffect.evaluation.protocols.left_out import LeftOut

__all__ = ["trial_chunk"]


def trial_chunk(n_chunks: int = 5) -> Protocol:
    """Hold out a contiguous part of every trial and train on the other parts: no claim.

    A trial's windows are cut by their start into runs of equal number (by one window at most). Fold k tests
    the k-th run of every trial of everybody; training has all other windows but those that overlap a tested
    one. It exists to show what published numbers are worth that come from it: TorchEEG's
    ``KFoldGroupbyTrial`` does this with people mixed, despite its name.

    Parameters
    ----------
    n_chunks : int
        Number of parts, and of folds; trials of fewer windows are left out and reported.

    Raises
    ------
    ProtocolError
        If there are fewer than two parts, or (when it splits) every trial is too short.

    Examples
    --------
    >>> trial_chunk().name
    'trial_chunk_5'
    """
    name = f"trial_chunk_{n_chunks}"
    if not isinstance(n_chunks, int) or n_chunks < 2:
        raise ProtocolError(f"trial_chunk needs a number of parts from 2, got {n_chunks!r}.")

    def folds(coords: pd.DataFrame, rng: np.random.Generator, report: Report) -> Iterator[Fold]:  # noqa: ARG001
        n_windows = _n_windows(coords)
        is_short = n_windows < n_chunks
        left_out = LeftOut(name, report)
        short = coords[is_short].assign(person=person_names(coords)[is_short])
        for person, own in short.groupby("person", sort=False):
            trials = own.drop_duplicates(["session", "trial"])
            left_out.add(str(person), f"has {len(trials)} trials of fewer than {n_chunks} windows")
        if is_short.all():
            raise left_out.refuse(
                f"cuts every trial into {n_chunks} parts",
                "Take shorter windows, or fewer parts.",
            )
        chunk = _chunk(coords, n_chunks)
        for number in range(n_chunks):
            yield Fold(
                name=str(number + 1),
                train_idx=np.flatnonzero((chunk != number) & ~is_short),
                test_idx=np.flatnonzero((chunk == number) & ~is_short),
            )

    return Protocol(
        name=name,
        holds_out="window",
        shares="The person, the session, every trial and its label: other parts of each are trained on.",
        claim=None,
        folds=folds,
        units=lambda coords: _chunk(coords, n_chunks)[:, np.newaxis],
        is_within_trials=True,
    )


def _n_windows(coords: pd.DataFrame) -> Indices:
    """Number of windows in each window's trial."""
    trials = codes(coords, "trial")
    return np.bincount(trials)[trials]


def _chunk(coords: pd.DataFrame, n_chunks: int) -> Indices:
    """Part of its trial that each window belongs to, from 0."""
    rank = coords["start"].groupby(codes(coords, "trial")).rank(method="first").to_numpy() - 1
    return np.asarray(rank * n_chunks // _n_windows(coords), dtype=np.intp)
