"""Prototypes of halves of the people, from sums over their trials."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physioaffect.distill.geometry import falls_with_distance
from physioaffect.distill.person_sums import add_rows, person_sums
from physioaffect.errors import DataError

__all__ = ["Across", "PeopleGrid", "Trials", "grid_of", "sums_of_trials"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_NOWHERE = 1e-9
# Numbers that the halves of one block of splits take.
_NUMBERS_AT_ONCE = 4_000_000


class Trials(NamedTuple):
    """Sums of directions of trials (n_trials, n_dims), their cells, and the people they are of."""

    sums: Floats
    cells: NDArray[np.intp]
    people: NDArray[np.intp]
    names: NDArray[Any]


class Across(NamedTuple):
    """Cosines of cells with themselves (n_splits, n_cells), and by how much they exceed those with others."""

    own: Floats
    distinctness: float


def sums_of_trials(
    embeddings: ArrayLike, cells: NDArray[np.intp], people: ArrayLike, trials: ArrayLike
) -> Trials:
    """Add up the directions of each trial, and check that it has one rating."""
    who, which = np.asarray(people), np.asarray(trials)
    for name, values in (("People", who), ("Trials", which)):
        if values.shape != cells.shape:
            raise DataError(f"{name} must be one for each of {len(cells)} windows, got shape {values.shape}.")
    names, person = np.unique(who, return_inverse=True)
    labels, label = np.unique(which, return_inverse=True)
    keys, first, trial = np.unique(person * len(labels) + label, return_index=True, return_inverse=True)
    if (differ := cells != cells[first][trial]).any():
        row = int(np.flatnonzero(differ)[0])
        raise DataError(
            f"Windows of trial {which[row]!s} of person {who[row]!s} lie in different cells. A trial "
            "has one rating: number trials within each person, and cut those rated while they went on."
        )
    sums = person_sums(embeddings, trial, None)
    return Trials(sums.totals, cells[first], keys // len(labels), names)


class PeopleGrid(NamedTuple):
    """Sums of each person's directions in each cell, (n_cells, n_people, n_dims), and where there are any."""

    sums: Floats
    is_there: Bools
    k: int

    def across(self, halves: Bools) -> Across:
        """Compare halves, (n_splits, n_people), True for people in the first."""
        n_cells, _, n_dims = self.sums.shape
        own, apart = [], []
        for part in _blocks(halves, n_cells * n_dims):
            both = []
            for half in (part, ~part):
                total = np.tensordot(half.astype(np.float64), self.sums, axes=(1, 1))
                both.append(_units(total, half.astype(np.float64) @ self.is_there.T > 0))
            cosines = both[0] @ both[1].transpose(0, 2, 1)
            diagonal = np.diagonal(cosines, axis1=1, axis2=2)
            own.append(diagonal)
            # Cells that only one half has, the small and noisy ones, would count as others and never as own.
            is_both = np.isfinite(diagonal)
            pair = is_both[:, :, None] & is_both[:, None, :]
            n_own = is_both.sum(axis=1)
            n_other = n_own * (n_own - 1)
            own_sum = np.nansum(diagonal, axis=1)
            other_sum = np.where(pair, cosines, 0).sum(axis=(1, 2)) - own_sum
            counted = (n_own > 0) & (n_other > 0)
            apart.append(own_sum[counted] / n_own[counted] - other_sum[counted] / n_other[counted])
        gaps = np.concatenate(apart)
        return Across(np.concatenate(own), float(gaps.mean()) if len(gaps) else float("nan"))

    def geometry(self) -> float:
        """Correlation of the similarity of filled cells with minus their distance."""
        filled = np.flatnonzero(self.is_there.any(axis=1))
        units = _units(self.sums.sum(axis=1)[filled], np.ones(len(filled), dtype=bool))
        return falls_with_distance(units @ units.T, filled, self.k)

    def agreement(self) -> Floats:
        """By how much each person's cells are more like those cells of the others than like other cells."""
        found = np.full(self.sums.shape[1], np.nan)
        for person in range(len(found)):
            others = np.arange(len(found)) != person
            shared = np.flatnonzero(self.is_there[:, person] & self.is_there[:, others].any(axis=1))
            if len(shared) < 2:
                continue
            there = np.ones(len(shared), dtype=bool)
            own = _units(self.sums[shared, person], there)
            rest = _units(self.sums[np.ix_(shared, others)].sum(axis=1), there)
            cosines = own @ rest.T
            is_same = np.eye(len(shared), dtype=bool)
            found[person] = np.nanmean(cosines[is_same]) - np.nanmean(cosines[~is_same])
        return found


def grid_of(trials: Trials, cells: NDArray[np.intp], k: int) -> PeopleGrid:
    """Put trials into cells."""
    n_people = len(trials.names)
    row = cells * n_people + trials.people
    sums = add_rows(trials.sums, row, k * k * n_people)
    is_there = np.bincount(row, minlength=k * k * n_people).reshape(k * k, n_people) > 0
    return PeopleGrid(sums.reshape(k * k, n_people, -1), is_there, k)


def _units(vectors: Floats, is_there: Bools) -> Floats:
    lengths = np.linalg.norm(vectors, axis=-1)
    fine = is_there & (lengths > _NOWHERE)
    return np.where(fine[..., None], vectors / np.where(fine, lengths, 1)[..., None], np.nan)


def _blocks(halves: Bools, numbers: int) -> Iterator[Bools]:
    step = max(1, _NUMBERS_AT_ONCE // numbers)
    for start in range(0, len(halves), step):
        yield halves[start : start + step]
