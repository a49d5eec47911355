"""What the quality rules share: moving extremes, runs and masks, all of them local in time.

Every function works along the last axis and looks no further than the samples that its arguments name, so
a rule made of them gives the same flags for a piece of a recording as for all of it, away from the ends.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d, uniform_filter1d

__all__ = [
    "Mask",
    "Runs",
    "checked_rate",
    "highest",
    "lasting",
    "lowest",
    "lowest_at",
    "moving_mean",
    "runs",
    "spread",
]

Mask = NDArray[np.bool_]

# Looking at some samples one by one is faster as long as no sample is seen more often than this.
_FEW = 4


class Runs(NamedTuple):
    """Half-open stretches ``[starts, stops)`` of samples."""

    starts: NDArray[np.intp]
    stops: NDArray[np.intp]


def checked_rate(sfreq: float) -> None:
    """Refuse a sampling rate that is none."""
    if not 0 < sfreq < np.inf:
        raise ValueError(f"sfreq must be above 0 Hz and finite, got {sfreq}.")


def lowest(x: NDArray[np.floating[Any]], *, before: int, after: int) -> NDArray[np.float64]:
    """Smallest present value from so many samples before to so many after each; inf where there is none.

    Examples
    --------
    >>> lowest(np.array([3.0, 1.0, np.nan, 2.0, 5.0]), before=1, after=0)
    array([3., 1., 1., 2., 2.])
    """
    n_times = x.shape[-1]
    # A window longer than the recording sees all of it, and the filter's cost grows with nothing.
    before, after = min(before, n_times), min(after, n_times)
    if not n_times:
        return np.empty(x.shape)
    size = before + after + 1
    smallest: NDArray[np.float64] = minimum_filter1d(
        np.where(np.isfinite(x), x, np.inf),
        size,
        axis=-1,
        mode="constant",
        cval=np.inf,
        origin=before - size // 2,
    )
    return smallest


def highest(x: NDArray[np.floating[Any]], *, before: int, after: int) -> NDArray[np.float64]:
    """Largest present value around each sample, as `lowest`; -inf where there is none."""
    return -lowest(-x, before=before, after=after)


def lowest_at(
    x: NDArray[np.floating[Any]], idx: NDArray[np.intp], *, before: int, after: int
) -> NDArray[np.float64]:
    """Take what `lowest` finds at a few samples of a signal of shape (n_times,)."""
    size = before + after + 1
    if len(idx) * size > _FEW * len(x):
        return lowest(x, before=before, after=after)[idx]
    padded = np.pad(x, (before, after), constant_values=np.inf)
    seen = np.lib.stride_tricks.sliding_window_view(padded, size)[idx]
    smallest: NDArray[np.float64] = np.where(np.isfinite(seen), seen, np.inf).min(axis=-1, initial=np.inf)
    return smallest


def moving_mean(x: NDArray[np.floating[Any]], n_samples: int) -> NDArray[np.float64]:
    """Centred mean of what is present in so many samples (one more if even); NaN where nothing is.

    Examples
    --------
    >>> moving_mean(np.array([0.0, 3.0, np.nan, 5.0]), 3)
    array([1.5, 1.5, 4. , 5. ])
    """
    size = min(n_samples | 1, 2 * x.shape[-1] + 1)
    is_present = np.isfinite(x)
    total = uniform_filter1d(np.where(is_present, x, 0.0), size, axis=-1, mode="constant")
    share = uniform_filter1d(is_present.astype(np.float64), size, axis=-1, mode="constant")
    # The filter runs a sum along, so an empty window leaves rounding errors and not zero.
    has_some = share > 0.5 / size
    mean = np.full(x.shape, np.nan)
    np.divide(total, share, out=mean, where=has_some)
    return mean


def spread(mask: Mask, *, before: int, after: int) -> Mask:
    """Mark also so many samples before and after every marked one.

    Examples
    --------
    >>> spread(np.array([False, False, True, False, False]), before=1, after=2)
    array([False,  True,  True,  True,  True])
    """
    if not mask.any():
        return mask.copy()
    n_times = mask.shape[-1]
    count = np.zeros((*mask.shape[:-1], n_times + 1), dtype=np.int64)
    np.cumsum(mask, axis=-1, out=count[..., 1:])
    samples = np.arange(n_times)
    first = np.maximum(samples - after, 0)
    last = np.minimum(samples + before + 1, n_times)
    return np.asarray(count[..., last] > count[..., first])


def runs(mask: Mask) -> Runs:
    """Find the stretches where a mask of shape (n_times,) holds.

    Examples
    --------
    >>> runs(np.array([True, False, True, True]))
    Runs(starts=array([0, 2]), stops=array([1, 4]))
    """
    edges = np.diff(mask.astype(np.int8), prepend=0, append=0)
    return Runs(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1))


def lasting(mask: Mask, n_samples: int) -> Mask:
    """Keep only stretches of at least so many samples; the last axis is time.

    Examples
    --------
    >>> lasting(np.array([True, False, True, True]), 2)
    array([False, False,  True,  True])
    """
    if n_samples <= 1 or not mask.any():
        return mask.copy()
    if mask.ndim > 1:
        return np.stack([lasting(row, n_samples) for row in mask])
    starts, stops = runs(mask)
    is_long = stops - starts >= n_samples
    step = np.zeros(len(mask) + 1, dtype=np.int64)
    step[starts[is_long]] = 1
    step[stops[is_long]] = -1
    return np.asarray(np.cumsum(step[:-1]) > 0)
