"""Whether prototypes would be the same had other people been measured.

Prototypes of different cells are alike in most of what they are, since every embedding of a teacher shares a
direction: a similarity of 0.98 between two halves of the people may be worth nothing. So everything here is
told beside the same for ratings that were dealt out anew among each person's trials.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from physioaffect.distill.grid import grid_cells, grid_centres
from physioaffect.distill.split_halves import grid_of, sums_of_trials
from physioaffect.errors import DataError

__all__ = ["SplitHalfStability", "split_half_stability"]

Floats = NDArray[np.float64]

_ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitHalfStability:
    """What two halves of the people have in common, cell by cell and as a whole.

    Attributes
    ----------
    k : int
        Cells along each axis.
    similarity, low, high : ndarray, shape (k * k,)
        Cosine between a cell's prototypes from the two halves: mean over splits, and the middle ``level`` of
        splits. NaN where no split has the cell in both halves. The range tells how much the choice of halves
        matters; it is no confidence interval of anything.
    chance : ndarray, shape (k * k,)
        Mean similarity with shuffled ratings.
    n_windows, n_people, n_splits_of_cell : ndarray of int, shape (k * k,)
        Windows and people in a cell, and splits that have it in both halves.
    distinctness : float
        Mean cosine of cells with themselves across halves, minus that with other cells that both halves have:
        0 if the cell that a window is from says nothing about its direction.
    distinctness_null : ndarray, shape (n_null,)
        The same with shuffled ratings.
    geometry : float
        Spearman's correlation, over pairs of filled cells, of similarity with minus the cells' distance.
    geometry_null : ndarray, shape (n_null,)
        The same with shuffled ratings.
    people : tuple
        Whose windows they are.
    agreement : ndarray, shape (n_people,)
        For each person the distinctness of their own directions against the prototypes of all others; NaN
        for someone who shares fewer than two cells with others.
    n_splits, n_movable : int
        Splits; people whose ratings can be shuffled, as they have trials in several cells.
    level : float
    """

    k: int
    similarity: Floats
    low: Floats
    high: Floats
    chance: Floats
    n_windows: NDArray[np.intp]
    n_people: NDArray[np.intp]
    n_splits_of_cell: NDArray[np.intp]
    distinctness: float
    distinctness_null: Floats
    geometry: float
    geometry_null: Floats
    people: tuple[Any, ...]
    agreement: Floats
    n_splits: int
    n_movable: int
    level: float

    @property
    def distinctness_p(self) -> float:
        """Part of shuffles, and of the data at hand, with a distinctness as large."""
        return _p_value(self.distinctness, self.distinctness_null)

    @property
    def geometry_p(self) -> float:
        """Part of shuffles, and of the data at hand, with a geometry as large."""
        return _p_value(self.geometry, self.geometry_null)

    def table(self) -> pd.DataFrame:
        """A row for each cell."""
        centres = grid_centres(self.k)
        return pd.DataFrame(
            {
                "valence": centres[:, 0],
                "arousal": centres[:, 1],
                "windows": self.n_windows,
                "people": self.n_people,
                "similarity": self.similarity,
                "low": self.low,
                "high": self.high,
                "chance": self.chance,
                "splits": self.n_splits_of_cell,
            }
        )

    def to_json(self) -> dict[str, Any]:
        """What it says, for scripts; NaN as null."""
        return {
            "distinctness": _number(self.distinctness),
            "distinctness_chance": _number(float(np.mean(self.distinctness_null))),
            "distinctness_p": self.distinctness_p,
            "geometry": _number(self.geometry),
            "geometry_chance": _number(float(np.mean(self.geometry_null))),
            "geometry_p": self.geometry_p,
            "agreement": {
                str(name): _number(value) for name, value in zip(self.people, self.agreement, strict=True)
            },
            "n_splits": self.n_splits,
            "n_null": len(self.distinctness_null),
            "n_movable": self.n_movable,
            "level": self.level,
            "cells": [
                {str(name): _number(value) for name, value in row.items()}
                for row in self.table().to_dict("records")
            ],
        }


def split_half_stability(  # noqa: PLR0913  All options are named.
    embeddings: ArrayLike,
    valence: ArrayLike,
    arousal: ArrayLike,
    *,
    people: ArrayLike,
    trials: ArrayLike,
    k: int = 5,
    n_splits: int = 100,
    n_null: int = 99,
    level: float = 0.95,
    seed: int = 0,
) -> SplitHalfStability:
    """Compare prototypes from random halves of the people, and shuffled ratings with the true ones.

    Parameters
    ----------
    embeddings : array-like, shape (n_windows, n_dims)
        As for `valence_arousal_prototypes`; of people whom the teacher was not trained on, or what is found
        is what the teacher remembers.
    valence, arousal : array-like, shape (n_windows,)
        Ratings in [-1, 1].
    people, trials : array-like, shape (n_windows,)
        Whose window it is, and from which of that person's trials; a trial has one rating.
    k : int
        Cells along each axis.
    n_splits : int
        Random halves, of equal numbers of people, or with one more in one.
    n_null : int
        Shuffles of the ratings, each with the same halves.
    level : float
        Part of splits between ``low`` and ``high``.
    seed : int
        Source of randomness.

    Returns
    -------
    SplitHalfStability

    Raises
    ------
    DataError
        As `valence_arousal_prototypes`, or if there are fewer than two people, ratings differ within a trial,
        or nobody has trials in two cells.

    Notes
    -----
    The null hypothesis is that a person's ratings say nothing about that person's embeddings; then pairs of
    valence and arousal could have belonged to that person's trials in any order. Trials, not windows, are
    shuffled: windows of a trial are alike whatever was rated. People who rate alike, and embeddings that
    differ between people, cannot feign stability, as shuffles keep who is in which cell. Trials next to one
    another in time that were rated alike can.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> valence = np.tile(np.repeat([-1.0, 0.0, 1.0], 4), 8)
    >>> X = np.stack([valence, 1 - abs(valence)], axis=1) + 0.3 * rng.standard_normal((96, 2))
    >>> found = split_half_stability(X, valence, 0 * valence, k=3, n_splits=20, n_null=19,
    ...     people=np.repeat(np.arange(8), 12), trials=np.tile(np.arange(12), 8))
    >>> found.distinctness > 0.5, found.distinctness_p
    (True, 0.05)
    """
    _check_settings(n_splits, n_null, level)
    cells = grid_cells(valence, arousal, k=k)
    found = sums_of_trials(embeddings, cells, people, trials)
    n_people = len(found.names)
    if n_people < 2:
        raise DataError(f"Split halves need at least 2 people, got {n_people}. Pass more, or name them.")
    levels = [len(set(found.cells[found.people == one].tolist())) for one in range(n_people)]
    if not (n_movable := int(np.sum(np.array(levels) > 1))):
        raise DataError(
            "Nobody has trials in two cells, so that ratings cannot be shuffled within people. Take a larger "
            "k, or data with several ratings a person."
        )
    rng = np.random.default_rng(seed)
    halves = np.zeros((n_splits, n_people), dtype=bool)
    for half in halves:
        half[rng.permutation(n_people)[: n_people // 2]] = True
    split = grid_of(found, found.cells, k).across(halves)
    null_mean, null_distinct, null_geometry = [], [], []
    for _ in range(n_null):
        # Trials in an order that is random within people take the cells of the trials in order.
        order = np.lexsort((rng.random(len(found.cells)), found.people))
        shuffled = np.empty_like(found.cells)
        shuffled[order] = found.cells[np.argsort(found.people, kind="stable")]
        grid = grid_of(found, shuffled, k)
        across = grid.across(halves)
        null_mean.append(_mean_of_splits(across.own))
        null_distinct.append(across.distinctness)
        null_geometry.append(grid.geometry())
    true = grid_of(found, found.cells, k)
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.full((2, k * k), np.nan)
    n_splits_of_cell = np.isfinite(split.own).sum(axis=0)
    seen = n_splits_of_cell > 0
    low[seen], high[seen] = np.nanquantile(split.own[:, seen], tails, axis=0)
    return SplitHalfStability(
        k=k,
        similarity=_mean_of_splits(split.own),
        low=low,
        high=high,
        chance=_mean_of_splits(np.array(null_mean)),
        n_windows=np.bincount(cells, minlength=k * k),
        n_people=true.is_there.sum(axis=1),
        n_splits_of_cell=n_splits_of_cell,
        distinctness=split.distinctness,
        distinctness_null=np.array(null_distinct),
        geometry=true.geometry(),
        geometry_null=np.array(null_geometry),
        people=tuple(found.names.tolist()),
        agreement=true.agreement(),
        n_splits=n_splits,
        n_movable=n_movable,
        level=level,
    )


def _mean_of_splits(values: Floats) -> Floats:
    counted = np.isfinite(values).sum(axis=0)
    return np.where(counted > 0, np.nansum(values, axis=0) / np.maximum(counted, 1), np.nan)


def _p_value(found: float, null: Floats) -> float:
    return float((1 + np.sum(~(null < found - _ROUNDING))) / (1 + len(null)))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _check_settings(n_splits: int, n_null: int, level: float) -> None:
    if n_splits < 1 or n_null < 1:
        raise ValueError(f"n_splits and n_null must be at least 1, got {n_splits} and {n_null}.")
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level!r}.")
