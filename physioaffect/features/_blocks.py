"""Features per window and channel, in blocks that fit the cache; NaN where there is nothing to measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import ProtocolError
from physioaffect.features._threads import in_threads
from physioaffect.recording import Signal
from physioaffect.windows import Intervals, gather, sample_grid

Floats = NDArray[np.floating[Any]]

# A block and what is computed from it should fit into a core's cache: half a megabyte in double precision.
_BLOCK = 2**16


def per_window_and_channel(
    signal: Signal,
    intervals: Intervals,
    compute: Callable[[Floats], NDArray[np.float64]],
    *shape: int,
    is_threaded: bool = True,
) -> NDArray[np.float64]:
    """Apply ``compute`` to a few windows at a time, so that memory stays bounded and close.

    Parameters
    ----------
    signal : Signal
        Flagged and infinite samples come out as NaN.
    intervals : Intervals
        Windows; there may be none.
    compute : callable
        From (..., n_samples) to (..., *shape).
    *shape : int
        What ``compute`` makes of one window of one channel.
    is_threaded : bool
        Whether ``compute`` may be called from several threads at once.

    Returns
    -------
    features : ndarray, shape (n_windows, n_channels, *shape)
    """
    # Looked through once here, not once a block.
    present = replace(signal, data=signal.masked)
    _, n_samples = sample_grid(signal, intervals)
    n_windows = len(intervals.starts)
    n_at_once = max(1, _BLOCK // (n_samples * signal.n_channels))
    features = np.empty((signal.n_channels, n_windows, *shape))

    def fill(first: int) -> None:
        block = slice(first, first + n_at_once)
        cut = intervals._replace(starts=intervals.starts[block])
        features[:, block] = compute(gather(present, cut, masked=False).swapaxes(0, 1))

    blocks = range(0, n_windows, n_at_once)
    if is_threaded:
        in_threads(fill, blocks)
    else:
        for first in blocks:
            fill(first)
    return features.swapaxes(0, 1)


def is_varied(windows: Floats) -> NDArray[np.bool_]:
    """Whether a window (..., n_times) has all of its samples and is not flat."""
    # A NaN among the samples makes both extremes NaN, and a NaN is above nothing.
    varied: NDArray[np.bool_] = windows.max(axis=-1) > windows.min(axis=-1)
    return varied


def prepared(X: Floats, n_needed: int, what: str) -> NDArray[np.float64]:
    """Copy in double precision, starting at zero; a window that cannot be measured becomes NaN.

    Parameters
    ----------
    X : ndarray, shape (..., n_times)
        Windows. Those with a NaN or infinite sample, or without any change, cannot be measured.
    n_needed : int
        Fewest samples.
    what : str
        Takes so many, for the sentence.

    Returns
    -------
    x : ndarray, shape (..., n_times)

    Raises
    ------
    ProtocolError
        If there are fewer samples.
    """
    if X.shape[-1] < n_needed:
        raise ProtocolError(
            f"{what} takes windows of at least {n_needed} samples, got {X.shape[-1]}. Use longer windows."
        )
    with np.errstate(invalid="ignore", over="ignore"):  # Infinite samples, or nearly so.
        x: NDArray[np.float64] = np.subtract(X, X[..., :1], dtype=np.float64)
        change = np.vecdot(x, x)
    x[~((change > 0) & np.isfinite(change))] = np.nan
    return x
