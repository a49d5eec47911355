"""Graphs of channels from measured connectivity, and what makes a matrix a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physioaffect.errors import DataError
from physioaffect.features.connectivity import as_matrices

__all__ = ["check_undirected", "functional"]


def functional(values: ArrayLike, *, n_channels: int) -> NDArray[np.float64]:
    """Join channels by their mean connectivity over training windows.

    Parameters
    ----------
    values : array_like, shape (n_windows, n_edges) or (n_windows, n_channels, n_channels)
        Connectivity that is not negative (coherence, phase locking, ...), the edges in the order of
        `physioaffect.features.Connectivity`; choose a band first. Of training windows only: a graph of all
        windows has seen the test person.
    n_channels : int
        Number of channels.

    Returns
    -------
    adjacency : ndarray, shape (n_channels, n_channels)
        Mean over the windows that have a number; the diagonal is zero.

    Raises
    ------
    DataError
        If the shape does not fit, a pair has no number in any window, or the mean is negative or not
        symmetric.

    Examples
    --------
    >>> functional([[0.2, 0.4, 0.6], [0.4, 0.4, np.nan]], n_channels=3).round(2)
    array([[0. , 0.3, 0.4],
           [0.3, 0. , 0.6],
           [0.4, 0.6, 0. ]])
    """
    x = np.asarray(values, dtype=np.float64)
    n_edges = n_channels * (n_channels - 1) // 2
    if x.shape[1:] not in ((n_edges,), (n_channels, n_channels)):
        raise DataError(
            f"Connectivity of {n_channels} channels has shape (n_windows, {n_edges}) or (n_windows, "
            f"{n_channels}, {n_channels}), got {x.shape}. Of several bands choose one: values.sel(band=...)."
        )
    matrices = as_matrices(x, n_channels) if x.ndim == 2 else x
    is_there = np.isfinite(matrices)
    count = is_there.sum(axis=0)
    np.fill_diagonal(count, 1)
    if not count.all():
        row, column = (int(index) for index in np.argwhere(count == 0)[0])
        raise DataError(
            f"Channels {row} and {column} have no connectivity in any of {len(x)} windows. Leave one of them "
            "out, or choose other windows."
        )
    mean = matrices.sum(axis=0, where=is_there) / count
    np.fill_diagonal(mean, 0)
    return check_undirected(mean, n_channels)


def check_undirected(adjacency: NDArray[np.floating[Any]], n_channels: int) -> NDArray[np.float64]:
    """Refuse what is no adjacency matrix of an undirected graph of so many channels; return it as it is."""
    weights = np.asarray(adjacency, dtype=np.float64)
    if weights.shape != (n_channels, n_channels):
        raise DataError(
            f"The adjacency of {n_channels} channels must have shape ({n_channels}, {n_channels}), got "
            f"{weights.shape}."
        )
    if not (weights >= 0).all() or np.isinf(weights).any():
        worst = weights[~((weights >= 0) & (weights < np.inf))][0]
        raise DataError(
            f"Weights of a graph must be finite and not negative, got {worst:g}. For a measure with a sign "
            "pass its magnitude: np.abs(values)."
        )
    if not np.allclose(weights, weights.T):
        row, column = (int(i) for i in np.unravel_index(np.abs(weights - weights.T).argmax(), weights.shape))
        raise DataError(
            f"The graph is directed: channels {row} and {column} have {weights[row, column]:g} one way and "
            f"{weights[column, row]:g} the other. For an undirected one pass the mean of both."
        )
    return weights
