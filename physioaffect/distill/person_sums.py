"""Sums of unit vectors for each person in each cell: all that prototypes and their stability need."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from physioaffect.errors import DataError

__all__ = ["PersonSums", "add_rows", "person_sums"]

Floats = NDArray[np.float64]

_ROWS_AT_ONCE = 8192


class PersonSums(NamedTuple):
    """Sums over the windows of one person in one cell; the first axis is over such pairs.

    Without people there is one row for each cell, and ``own_squares`` and ``own_masses`` are the sums of the
    windows' own squares; with people they are those of the rows.
    """

    cells: NDArray[np.intp]
    people: NDArray[np.intp]
    totals: Floats
    masses: Floats
    own_squares: Floats
    own_masses: Floats


def person_sums(
    embeddings: ArrayLike,
    cells: NDArray[np.intp],
    people: ArrayLike | None,
    weights: Floats | None = None,
) -> PersonSums:
    """Add up the directions of each person's windows in each cell."""
    X = np.asarray(embeddings)
    if X.ndim != 2 or len(X) != len(cells) or not np.issubdtype(X.dtype, np.number) or np.iscomplexobj(X):
        raise DataError(
            f"Embeddings must be (n_windows, n_dims) with a row of real numbers for each of {len(cells)} "
            f"ratings, got {X.dtype} of shape {X.shape}."
        )
    if not X.size:
        raise DataError(f"There are no embeddings to average: their shape is {X.shape}.")
    mass = np.ones(len(cells)) if weights is None else weights
    if people is None:
        who = np.zeros(len(cells), dtype=np.intp)
    else:
        names = np.asarray(people)
        if names.shape != cells.shape:
            raise DataError(f"People must be one for each of {len(cells)} windows, got shape {names.shape}.")
        who = np.unique(names, return_inverse=True)[1]
    n_people = int(who.max()) + 1
    pairs, row = np.unique(cells * n_people + who, return_inverse=True)
    totals = np.zeros((len(pairs), X.shape[1]))
    for start in range(0, len(X), _ROWS_AT_ONCE):  # So that no float64 copy of all is made.
        part = slice(start, start + _ROWS_AT_ONCE)
        values = X[part].astype(np.float64)
        lengths = _lengths(values, start)
        totals += add_rows(values, row[part], len(pairs), mass[part] / lengths)
    masses = np.bincount(row, mass).astype(np.float64)
    if people is None:
        squares = own_masses = np.bincount(row, mass**2).astype(np.float64)
    else:
        squares, own_masses = (totals**2).sum(axis=1), masses**2
    return PersonSums(pairs // n_people, pairs % n_people, totals, masses, squares, own_masses)


def add_rows(values: Floats, row: NDArray[np.intp], n_rows: int, weights: Floats | None = None) -> Floats:
    """Add up rows of an array by the row that each goes to."""
    n = len(row)
    adder = sparse.csr_array((np.ones(n) if weights is None else weights, (row, np.arange(n))), (n_rows, n))
    return np.asarray(adder @ values)


def _lengths(values: Floats, start: int) -> Floats:
    lengths: Floats = np.linalg.norm(values, axis=1)
    if not np.isfinite(lengths).all():
        where = int(np.flatnonzero(~np.isfinite(lengths))[0])
        raise DataError(
            f"The embedding of window {start + where} has a value that is no number. Leave such windows out, "
            "or train the teacher again with a lower learning rate."
        )
    if not (lengths > 0).all():
        where = int(np.flatnonzero(lengths == 0)[0])
        raise DataError(
            f"The embedding of window {start + where} is all zeros and has no direction. Leave such "
            "windows out."
        )
    return lengths
