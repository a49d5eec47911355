"""Quality rules that hold for any signal: gaps, range, rate of change, flat stretches and clipping."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.signals.quality_local import (
    Mask,
    Runs,
    checked_rate,
    lasting,
    lowest_at,
    runs,
    spread,
)

__all__ = ["clipped", "flat", "missing", "out_of_range", "too_steep"]

# Clipping is judged by what a signal does within a second on either side.
CLIP_CONTEXT_S = 1.0
_FEWEST_EQUAL = 3
_MOST_STEPS = 8
_LEAST_SHARE = 0.05


def missing(x: NDArray[np.floating[Any]]) -> Mask:
    """Whether each sample is NaN or infinite, of the input's shape.

    Examples
    --------
    >>> missing(np.array([1.0, np.nan, np.inf]))
    array([False,  True,  True])
    """
    return np.asarray(~np.isfinite(x))


def out_of_range(x: NDArray[np.floating[Any]], *, low: float = -np.inf, high: float = np.inf) -> Mask:
    """Whether each sample lies below ``low`` or above ``high``; missing ones do not.

    Examples
    --------
    >>> out_of_range(np.array([382.2, np.nan, 33.0]), low=15, high=45)
    array([ True, False, False])
    """
    if not low < high:
        raise ValueError(f"A range needs low < high, got {low} and {high}.")
    with np.errstate(invalid="ignore"):
        return np.asarray(((x < low) | (x > high)) & np.isfinite(x))


def too_steep(x: NDArray[np.floating[Any]], *, sfreq: float, per_second: float, within: float = 0.25) -> Mask:
    """Mark changes that are faster than so much a second.

    Parameters
    ----------
    x : ndarray, shape (..., n_times)
        Any unit; NaN where missing.
    sfreq : float
        Samples per second.
    per_second : float
        Fastest change that is believed, in the signal's unit per second.
    within : float
        Seconds over which a change is measured, at least one sample.

    Returns
    -------
    mask : ndarray of bool, shape (..., n_times)
        Both ends of every such change, and what lies between them.

    Examples
    --------
    >>> eda = np.array([1.0, 1.1, 1.2, 9.0, 9.1, 9.2])
    >>> too_steep(eda, sfreq=4.0, per_second=10.0)
    array([False, False,  True,  True, False, False])
    """
    checked_rate(sfreq)
    if not per_second > 0:
        raise ValueError(f"per_second must be above 0, got {per_second}.")
    lag = max(1, round(within * sfreq))
    mask = np.zeros(np.shape(x), dtype=bool)
    if x.shape[-1] <= lag:
        return mask
    with np.errstate(invalid="ignore"):
        mask[..., :-lag] = np.abs(x[..., lag:] - x[..., :-lag]) > per_second * lag / sfreq
    return spread(mask, before=0, after=lag)


def flat(x: NDArray[np.floating[Any]], *, sfreq: float, longest: float, tolerance: float = 0.0) -> Mask:
    """Mark stretches that stay the same for too long.

    Parameters
    ----------
    x : ndarray, shape (..., n_times)
        Any unit; NaN where missing, which ends a stretch.
    sfreq : float
        Samples per second.
    longest : float
        Seconds that a signal may stay the same: what the steps of its converter explain.
    tolerance : float
        Largest change from one sample to the next that still counts as none.

    Returns
    -------
    mask : ndarray of bool, shape (..., n_times)
        All samples of every stretch that lasts ``longest`` or more. Context: ``longest`` to either side.

    Examples
    --------
    >>> flat(np.array([1.0, 2.0, 2.0, 2.0, 3.0]), sfreq=1, longest=3)
    array([False,  True,  True,  True, False])
    """
    checked_rate(sfreq)
    if not longest > 0 or tolerance < 0:
        raise ValueError(f"flat needs longest > 0 s and tolerance >= 0, got {longest} and {tolerance}.")
    is_same = np.zeros(x.shape, dtype=bool)
    with np.errstate(invalid="ignore"):
        is_same[..., 1:] = np.abs(np.diff(x, axis=-1)) <= tolerance
    # Of n equal samples n - 1 are the same as the one before.
    fewest = max(2, int(np.ceil(longest * sfreq - 1e-6)))
    return spread(lasting(is_same, fewest - 1), before=1, after=0)


def clipped(
    x: NDArray[np.floating[Any]], *, sfreq: float, low: float | None = None, high: float | None = None
) -> Mask:
    """Mark where a signal was cut off at the end of its range.

    Parameters
    ----------
    x : ndarray, shape (..., n_times)
        Any unit; NaN where missing.
    sfreq : float
        Samples per second.
    low, high : float, optional
        Ends of the device's range, where they are known: every sample at or beyond them is clipped. If
        neither is given, clipping is found by its shape.

    Returns
    -------
    mask : ndarray of bool, shape (..., n_times)
        Context: a second to either side where the shape tells.

    Notes
    -----
    By its shape, clipping is three or more equal samples at the highest or lowest value of the second
    before and after, from whose ends the signal leaves too fast. A round top that a converter made flat is a
    parabola: at half the plateau's length beyond its end it has fallen by four steps at most. Here it has to
    have fallen by eight, and by 5 % of the range of these seconds, on both sides (on one, if there is a gap
    on the other, or if it lasts for more than a second). Of a plateau of more than two seconds only the
    second at each end is marked; the rest is for `flat`. The figures are ours.

    Examples
    --------
    >>> clipped(np.array([0.2, 2.0, 2.5, np.nan]), sfreq=32.0, high=2.0)
    array([False,  True,  True, False])
    >>> wave = np.minimum(np.sin(2 * np.pi * np.arange(128) / 64), 0.7)
    >>> np.flatnonzero(clipped(wave, sfreq=64.0))[[0, -1]]
    array([ 8, 88])
    """
    checked_rate(sfreq)
    if low is not None or high is not None:
        with np.errstate(invalid="ignore"):
            below = x <= (-np.inf if low is None else low)
            above = x >= (np.inf if high is None else high)
        return np.asarray((below | above) & np.isfinite(x))
    if x.ndim > 1:
        rows = x.reshape(-1, x.shape[-1])
        return np.stack([clipped(row, sfreq=sfreq) for row in rows]).reshape(x.shape)
    with np.errstate(invalid="ignore"):
        step = np.abs(np.diff(x))
    same = runs(step == 0)
    is_long = same.stops - same.starts >= _FEWEST_EQUAL - 1
    if not is_long.any():
        return np.zeros(x.shape, dtype=bool)
    return _cut_off(
        x, step, Runs(same.starts[is_long], same.stops[is_long] + 1), round(CLIP_CONTEXT_S * sfreq)
    )


def _cut_off(x: NDArray[np.floating[Any]], step: NDArray[np.float64], same: Runs, around: int) -> Mask:
    """Mark those runs of equal samples that are clipped, no further than ``around`` from a clipped end."""
    steps = np.where(step > 0, step, np.inf)
    length = same.stops - same.starts
    beyond = np.minimum(length // 2 + 1, around)

    def leaves(end: NDArray[np.intp], outside: NDArray[np.intp]) -> tuple[Mask, Mask]:
        """Whether the signal leaves an end too fast, and whether nothing is known of it."""
        is_there = (outside >= 0) & (outside < len(x))
        value = np.where(is_there, x[np.clip(outside, 0, len(x) - 1)], np.nan)
        bottom = lowest_at(x, end, before=around, after=around)
        top = -lowest_at(-x, end, before=around, after=around)
        quantum = lowest_at(np.append(steps, np.inf), end, before=around, after=max(0, around - 1))
        with np.errstate(invalid="ignore"):
            least = np.maximum(_MOST_STEPS * quantum, _LEAST_SHARE * (top - bottom))
            is_extreme = (x[end] == top) | (x[end] == bottom)
            is_fast = np.abs(value - x[end]) >= least
        return np.asarray(is_extreme & is_fast), np.isnan(value)

    left, left_unknown = leaves(same.starts, same.starts - beyond)
    right, right_unknown = leaves(same.stops - 1, same.stops - 1 + beyond)
    is_short = length <= around
    both = (left | left_unknown) & (right | right_unknown)
    edges = np.zeros(len(x) + 1, dtype=np.int64)
    for is_end, starts, stops in (
        (left & (both | ~is_short), same.starts, np.minimum(same.stops, same.starts + around)),
        (right & (both | ~is_short), np.maximum(same.starts, same.stops - around), same.stops),
    ):
        np.add.at(edges, starts[is_end], 1)
        np.add.at(edges, stops[is_end], -1)
    return np.asarray(np.cumsum(edges[:-1]) > 0)
