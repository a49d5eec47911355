"""Pairs of channels in the order of the upper triangle, and back to matrices."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["as_matrices", "edge_names", "upper"]


@lru_cache(maxsize=16)
def upper(n_channels: int, *, diagonal: bool = False) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and second channel of each edge, read-only."""
    rows, columns = np.triu_indices(n_channels, k=0 if diagonal else 1)
    rows.flags.writeable = columns.flags.writeable = False
    return rows, columns


def edge_names(ch_names: Sequence[str], *, diagonal: bool = False) -> list[str]:
    """Names of the edges, in order: "Fp1-Fp2", "Fp1-F7" and so on; with the diagonal from "Fp1-Fp1".

    Examples
    --------
    >>> edge_names(["Fp1", "Fp2", "Cz"])
    ['Fp1-Fp2', 'Fp1-Cz', 'Fp2-Cz']
    """
    rows, columns = upper(len(ch_names), diagonal=diagonal)
    return [f"{ch_names[i]}-{ch_names[j]}" for i, j in zip(rows, columns, strict=True)]


def as_matrices(
    values: ArrayLike,
    n_channels: int,
    *,
    axis: int = -1,
    diagonal: float = 1.0,
    antisymmetric: bool = False,
) -> NDArray[np.floating[Any]]:
    """Turn values of edges into matrices of channels.

    Parameters
    ----------
    values : array_like, shape (..., n_edges)
        One per pair of the upper triangle, row by row, without the diagonal or (covariances) with it.
    n_channels : int
        Number of channels.
    axis : int
        Which dimension the edges are: 1 for the families' (window, edge, band).
    diagonal : float
        What a channel has with itself, where ``values`` do not tell: 1 for phase locking, coherence and
        correlation, 0 for imaginary coherence and phase lag.
    antisymmetric : bool
        Whether the lower triangle has the other sign, as for imaginary coherence.

    Returns
    -------
    matrices : ndarray, shape (..., n_channels, n_channels)
        The other dimensions keep their order.

    Raises
    ------
    ValueError
        If the number of edges does not fit.

    Examples
    --------
    >>> as_matrices([0.1, 0.2, 0.3], 3)
    array([[1. , 0.1, 0.2],
           [0.1, 1. , 0.3],
           [0.2, 0.3, 1. ]])
    """
    edges = np.moveaxis(np.asarray(values), axis, -1)
    if edges.dtype.kind != "f":
        edges = edges.astype(np.float64)
    n_pairs = n_channels * (n_channels - 1) // 2
    has_diagonal = edges.shape[-1] == n_pairs + n_channels
    if edges.shape[-1] != n_pairs and not has_diagonal:
        raise ValueError(
            f"{n_channels} channels have {n_pairs} edges, or {n_pairs + n_channels} with the diagonal, got "
            f"{edges.shape[-1]} along axis {axis}. Say which axis holds the edges."
        )
    rows, columns = upper(n_channels, diagonal=has_diagonal)
    matrices = np.full((*edges.shape[:-1], n_channels, n_channels), diagonal, dtype=edges.dtype)
    matrices[..., columns, rows] = -edges if antisymmetric else edges
    matrices[..., rows, columns] = edges
    return matrices
