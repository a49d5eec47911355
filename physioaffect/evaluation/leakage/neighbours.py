"""Nearest rows, by blocks, so that no matrix of all distances is ever held."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.evaluation.protocols.folds import Indices

__all__ = ["Nearest", "nearest"]

_BLOCK = 5e6  # Distances at a time.


class Nearest(NamedTuple):
    """Distances and positions of neighbours, each of shape (n_asked, n_neighbours), the nearest first."""

    distances: NDArray[np.float64]
    rows: Indices


def _blocks(
    X: NDArray[np.float64], asked: Indices, among: Indices
) -> list[tuple[Indices, NDArray[np.float64]]]:
    others = X[among]
    norms = np.einsum("ij,ij->i", others, others)
    n = max(1, int(_BLOCK / max(len(among), 1)))
    return [
        (rows, norms - 2 * X[rows] @ others.T + np.einsum("ij,ij->i", X[rows], X[rows])[:, np.newaxis])
        for rows in np.array_split(asked, max(1, -(-len(asked) // n)))
    ]


def nearest(
    X: NDArray[np.float64],
    asked: Indices,
    among: Indices,
    n_neighbours: int,
    *,
    units: Indices | None = None,
) -> Nearest:
    """Find the nearest rows of other units.

    Parameters
    ----------
    X : ndarray, shape (n_rows, n_features)
    asked, among : ndarray of int
        Rows whose neighbours are wanted, and rows that may be neighbours.
    n_neighbours : int
        How many; fewer if there are not as many.
    units : ndarray of int, shape (n_rows,), optional
        Unit of each row of ``X``. Default: a row is only not its own neighbour.

    Returns
    -------
    Nearest
        Distances are infinite where there is no such row.
    """
    numbers = np.arange(len(X)) if units is None else units
    n_neighbours = min(n_neighbours, len(among))
    found, is_none = [], []
    for rows, squared in _blocks(X, asked, among):
        squared[numbers[rows][:, np.newaxis] == numbers[among]] = np.inf
        chosen = np.argpartition(squared, n_neighbours - 1, axis=1)[:, :n_neighbours]
        found.append(among[chosen])
        is_none.append(np.isinf(np.take_along_axis(squared, chosen, 1)))
    rows = np.concatenate(found)
    # From the differences themselves: the expansion of the square loses small distances.
    distances = np.linalg.norm(X[rows] - X[asked][:, np.newaxis], axis=-1)
    distances[np.concatenate(is_none)] = np.inf
    order = np.argsort(distances, axis=1, kind="stable")
    return Nearest(np.take_along_axis(distances, order, 1), np.take_along_axis(rows, order, 1))
