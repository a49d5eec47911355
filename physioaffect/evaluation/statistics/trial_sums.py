"""Sums over trials from which linear models learn, and how folds add them up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.evaluation.protocols.folds import Fold, Indices

__all__ = ["CONSTANT", "NotLinear", "Roles", "Side", "TrialSums", "add_to", "tested", "unpacked"]

Floats = NDArray[np.float64]
# Variance of a standardised feature within a class or fold below which it counts as constant.
CONSTANT = 1e-10


class NotLinear(Exception):
    """The sums do not give what the model would learn; says why. The caller then fits the model itself."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Roles:
    """What each cell, a part of a trial that is never divided, does in each fold.

    ``trains`` and ``tests`` are (n_folds, n, n_cells) with n of 1 if folds are the same for all label
    vectors, else one entry for each.
    """

    cell_of_row: Indices
    trial_of_cell: Indices
    trains: NDArray[np.bool_]
    tests: NDArray[np.bool_]

    @classmethod
    def of(cls, folds: Sequence[Sequence[Fold]], trial_of_row: Indices) -> Roles:
        """Divide trials where folds do.

        Parameters
        ----------
        folds : sequence of sequence of Fold
            One list for all label vectors, or one for each, with whole trials in each fold.
        trial_of_row : ndarray of int, shape (n_windows,)
            Trials.
        """
        if len({len(own) for own in folds}) > 1:
            raise NotLinear("the number of folds depends on the labels")
        n_rows = len(trial_of_row)
        cells = trial_of_row
        if len(folds) == 1:
            for fold in folds[0]:
                role = np.zeros(n_rows, dtype=np.intp)
                role[fold.fitted_idx] = 1
                role[fold.test_idx] += 2
                cells = np.unique(cells * 4 + role, return_inverse=True)[1]
        first, size = np.unique(cells, return_index=True, return_counts=True)[1:]
        trains, tests = np.zeros((2, len(folds[0]), len(folds), len(first)), dtype=bool)
        for b, own in enumerate(folds):
            for f, fold in enumerate(own):
                for rows, there in ((fold.fitted_idx, trains), (fold.test_idx, tests)):
                    count = np.bincount(cells[rows], minlength=len(first))
                    if ((count > 0) & (count < size)).any():
                        raise NotLinear("trials are divided in another way for other labels")
                    there[f, b] = count > 0
        return cls(cell_of_row=cells, trial_of_cell=trial_of_row[first], trains=trains, tests=tests)


@dataclass(frozen=True, kw_only=True, eq=False)
class TrialSums:
    """Sums over the windows of each cell; ``rows[c]`` are the windows of cell c.

    ``first`` (n_cells, 1 + 2 p) has 1, x and x^2; ``second`` (n_cells, p (p + 1) / 2) the upper triangle of
    x x^T, row by row; ``fourth`` (n_cells, 2 p p), or empty, x^2 x^2^T and x^2 x^T.
    """

    X: Floats
    rows: list[Indices]
    first: Floats
    second: Floats
    fourth: Floats

    @classmethod
    def of(cls, X: Floats, cell_of_row: Indices, n_cells: int, *, with_fourth: bool) -> TrialSums:
        """Add up the windows of each cell; the third and fourth powers only where they are asked for."""
        p = X.shape[1]
        first, second = np.empty((n_cells, 1 + 2 * p)), np.empty((n_cells, p * (p + 1) // 2))
        fourth = np.empty((n_cells, 2 * p * p if with_fourth else 0))
        upper = np.triu(np.ones((p, p), dtype=bool))
        order = np.argsort(cell_of_row, kind="stable")
        cells = np.split(order, np.flatnonzero(np.diff(cell_of_row[order])) + 1)
        for c, rows in enumerate(cells):
            own = X[rows]
            square = own**2
            first[c] = np.concatenate([[float(len(own))], own.sum(axis=0), square.sum(axis=0)])
            second[c] = (own.T @ own)[upper]
            if with_fourth:
                fourth[c] = np.concatenate([(square.T @ square).ravel(), (square.T @ own).ravel()])
        return cls(X=X, rows=cells, first=first, second=second, fourth=fourth)


def unpacked(packed: Floats, p: int) -> Floats:
    """Make symmetric matrices (n, p, p) of the upper triangles in ``TrialSums.second``."""
    i, j = np.triu_indices(p)
    full = np.empty((len(packed), p, p))
    full[:, i, j] = full[:, j, i] = packed
    return full


class Side(NamedTuple):
    """How sums over a fold's training cells are made: from few cells, added, or taken off the whole."""

    cells: Indices
    # (1 or m, n_cells): which of the cells count.
    is_in: Floats
    is_complement: bool

    @classmethod
    def of(cls, trains: NDArray[np.bool_], *, may_take_off: bool = True) -> Side:
        """Choose the fewer cells; ``trains`` is (1 or m, n_cells)."""
        inside, outside = trains.any(axis=0), (~trains).any(axis=0)
        if not may_take_off or inside.sum() <= outside.sum():
            return cls(np.flatnonzero(inside), trains[:, inside].astype(float), False)
        return cls(np.flatnonzero(outside), (~trains)[:, outside].astype(float), True)

    def sums(self, weights: Floats, table: Floats, total: Floats) -> Floats:
        """Weighted sums (..., m, n_sums) over the training cells; ``total`` is over all cells."""
        few = (weights[..., self.cells] * self.is_in) @ table[self.cells]
        return np.subtract(total, few, out=few) if self.is_complement else few


def tested(
    sums: TrialSums, roles: Roles, tests: NDArray[np.bool_]
) -> tuple[Indices, Indices, Indices, Floats]:
    """Rows that any label vector tests, by cell, where each cell starts, its trial, and who tests it."""
    cells = np.flatnonzero(tests.any(axis=0))
    own = [sums.rows[cell] for cell in cells]
    rows, starts = np.concatenate(own), np.cumsum([0] + [len(some) for some in own[:-1]])
    return rows, starts, roles.trial_of_cell[cells], tests[:, cells].astype(float)


def add_to(there: Floats, trials: Indices, values: Floats) -> None:
    """Add to trials, of which one may occur twice."""
    for column, trial in enumerate(trials):
        there[:, trial] += values[:, column]
