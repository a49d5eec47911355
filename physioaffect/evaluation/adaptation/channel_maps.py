"""Linear maps of the channels, one a person, of raw windows and of covariances alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.evaluation.adaptation.wrapping import Kind, by_person, like
from physioaffect.features import as_matrices
from physioaffect.windows import Windows

__all__ = ["ChannelMap", "Moments", "map_channels", "moments"]

Floats = NDArray[np.float64]

# Raw windows gathered at once, so that a person's need not fit into memory together.
_BLOCK = 256


class ChannelMap(NamedTuple):
    """``x -> matrix @ x + offset`` for the channels x at an instant; a covariance C becomes M C M'."""

    matrix: Floats
    offset: Floats


class Moments(NamedTuple):
    """Mean of the channels, (n_channels,), and of their products, (n_channels, n_channels)."""

    first: Floats
    second: Floats


def moments(windows: Sequence[Any], kind: Kind) -> Moments:
    """Average over all windows, and over the instants of raw ones.

    Parameters
    ----------
    windows : sequence of Windows or ndarray
        Raw windows, (n_windows, n_channels, n_times), or covariances, (n_windows, n_pairs).
    kind : {"raw", "covariances"}
        Which of the two.

    Returns
    -------
    Moments
        Of covariances the first are zero: each window's mean is gone.
    """
    if kind == "covariances":
        rows = np.concatenate([np.asarray(some, dtype=np.float64) for some in windows])
        mean = _as_covariances(rows.mean(axis=0))
        return Moments(np.zeros(len(mean)), mean)
    n_channels = windows[0].shape[1]
    first, second, n_instants = np.zeros(n_channels), np.zeros((n_channels, n_channels)), 0
    for some in windows:
        for begin in range(0, len(some), _BLOCK):
            block = np.asarray(some[begin : begin + _BLOCK], dtype=np.float64)
            instants = block.swapaxes(0, 1).reshape(n_channels, -1)
            first += instants.sum(axis=1)
            second += instants @ instants.T
            n_instants += instants.shape[1]
    return Moments(first / n_instants, second / n_instants)


def map_channels(X: Any, groups: NDArray[Any], maps: Mapping[Any, ChannelMap], kind: Kind) -> Any:
    """Map the channels of each person's windows; raw `Windows` only when they are gathered.

    Parameters
    ----------
    X : Windows or array-like
        Raw windows, (n_windows, n_channels, n_times), or covariances, (n_windows, n_pairs).
    groups : ndarray, shape (n_windows,)
        Person of each window.
    maps : mapping
        From person to map.
    kind : {"raw", "covariances"}
        Which of the two.

    Returns
    -------
    mapped
        As ``X``.
    """
    if isinstance(X, Windows):
        people, which = np.unique(groups, return_inverse=True)
        matrices, offsets = (np.stack(parts) for parts in zip(*(maps[name] for name in people), strict=True))
        return X.mixed(matrices, offsets, which)
    if kind == "raw":

        def mapped_by_own(person: Any, own: Floats) -> Floats:
            return maps[person].matrix @ own + maps[person].offset[:, np.newaxis]

        return by_person(X, groups, mapped_by_own)
    matrices = np.stack([maps[name].matrix for name in groups])
    mapped = matrices @ _as_covariances(np.asarray(X, dtype=np.float64)) @ matrices.swapaxes(-1, -2)
    return like(X, mapped[:, *np.triu_indices(mapped.shape[-1])])


def _as_covariances(rows: Floats) -> Floats:
    """Upper triangles with diagonals, (..., n_pairs), as matrices."""
    n_channels = int(np.sqrt(2 * rows.shape[-1]))
    return np.asarray(as_matrices(rows, n_channels), dtype=np.float64)
