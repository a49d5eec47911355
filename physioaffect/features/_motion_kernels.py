"""Statistics of sliding windows in one pass over the samples, compiled.

Samples that do not count hold 0 in ``x`` and in ``good``, so that sums need no branch.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from physioaffect._compiled import compiled

__all__ = ["correlations", "means", "moments", "quartiles"]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

# A spread below this share of the largest sample is what rounding leaves of none.
_ROUNDING = 1e-10
# Samples are many and good ones are not NaN, so that their order in a sum may be the processor's.
_FAST = {"reassoc", "contract", "nsz"}


@compiled(fastmath=_FAST)
def moments(x: Floats, good: Floats, first: Indices, n_samples: int, sfreq: float) -> Floats:
    """Mean, sd, rms, min, max, skewness, excess kurtosis, crossings of the mean per second, mean deviation.

    Parameters
    ----------
    x : ndarray, shape (n_channels, n_times)
        Zero where ``good`` is.
    good : ndarray, shape (n_times,)
        1.0 where a sample counts, otherwise 0.0.
    first : ndarray of int, shape (n_windows,)
        First sample of each window; what lies outside the signal is missing.
    n_samples : int
        Samples of a window.
    sfreq : float
        Samples per second.

    Returns
    -------
    moments : ndarray, shape (n_windows, n_channels, 9)
        All divide by the number of samples. NaN without samples; skewness and kurtosis also of a constant.
    """
    n_channels, n_times = x.shape
    found = np.full((len(first), n_channels, 9), np.nan)
    for window in range(len(first)):
        begin, end = max(first[window], 0), min(first[window] + n_samples, n_times)
        count = 0.0
        pairs = 0.0
        for i in range(begin, end):
            count += good[i]
        for i in range(begin + 1, end):
            pairs += good[i] * good[i - 1]
        if count == 0:
            continue
        for channel in range(n_channels):
            own = x[channel]
            total = 0.0
            low, high = math.inf, -math.inf
            for i in range(begin, end):
                total += own[i]
                low = min(low, own[i] if good[i] > 0 else math.inf)
                high = max(high, own[i] if good[i] > 0 else -math.inf)
            mean = total / count
            second, third, fourth, absolute, crossings = 0.0, 0.0, 0.0, 0.0, 0.0
            for i in range(begin, end):
                away = (own[i] - mean) * good[i]
                squared = away * away
                second += squared
                third += squared * away
                fourth += squared * squared
                absolute += abs(away)
            for i in range(begin + 1, end):
                is_crossing = (own[i] >= mean) != (own[i - 1] >= mean)
                crossings += good[i] * good[i - 1] if is_crossing else 0.0
            variance = second / count
            row = found[window, channel]
            row[0] = mean
            row[1] = math.sqrt(variance)
            row[2] = math.sqrt(mean * mean + variance)
            row[3] = low
            row[4] = high
            if row[1] > _ROUNDING * max(abs(low), abs(high)):
                row[5] = third / count / variance**1.5
                row[6] = fourth / count / variance**2 - 3
            if pairs > 0:
                row[7] = crossings / pairs * sfreq
            row[8] = absolute / count
    return found


@compiled(fastmath=_FAST)
def correlations(x: Floats, good: Floats, averages: Floats, first: Indices, n_samples: int) -> Floats:
    """Pearson's correlation of the axes 0 and 1, 0 and 2, 1 and 2.

    Parameters
    ----------
    x : ndarray, shape (3 or more, n_times)
        As of `moments`.
    good : ndarray, shape (n_times,)
        As of `moments`.
    averages : ndarray, shape (n_windows, 3 or more)
        Means of the channels in each window.
    first, n_samples
        As of `moments`.

    Returns
    -------
    correlations : ndarray, shape (n_windows, 3)
        NaN where one of the two is constant.
    """
    found = np.full((len(first), 3), np.nan)
    n_times = x.shape[1]
    for window in range(len(first)):
        begin, end = max(first[window], 0), min(first[window] + n_samples, n_times)
        at_0, at_1, at_2 = averages[window, 0], averages[window, 1], averages[window, 2]
        s00, s11, s22, s01, s02, s12, top = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for i in range(begin, end):
            a = (x[0, i] - at_0) * good[i]
            b = (x[1, i] - at_1) * good[i]
            c = (x[2, i] - at_2) * good[i]
            s00 += a * a
            s11 += b * b
            s22 += c * c
            s01 += a * b
            s02 += a * c
            s12 += b * c
            top += good[i]
        floors = _ROUNDING * np.abs(averages[window, :3])
        is_0, is_1, is_2 = s00 > top * floors[0] ** 2, s11 > top * floors[1] ** 2, s22 > top * floors[2] ** 2
        if is_0 and is_1:
            found[window, 0] = s01 / math.sqrt(s00 * s11)
        if is_0 and is_2:
            found[window, 1] = s02 / math.sqrt(s00 * s22)
        if is_1 and is_2:
            found[window, 2] = s12 / math.sqrt(s11 * s22)
    return found


@compiled(fastmath=_FAST)
def means(x: Floats, good: Floats, first: Indices, n_samples: int, least: int) -> Floats:
    """Mean of each channel in each window.

    Parameters
    ----------
    x, good, first, n_samples
        As of `moments`.
    least : int
        Samples that have to be there; at least 1.

    Returns
    -------
    means : ndarray, shape (n_windows, n_channels)
        NaN of fewer samples.
    """
    n_channels, n_times = x.shape
    found = np.full((len(first), n_channels), np.nan)
    for window in range(len(first)):
        begin, end = max(first[window], 0), min(first[window] + n_samples, n_times)
        count = 0.0
        for i in range(begin, end):
            count += good[i]
        if count < least:
            continue
        for channel in range(n_channels):
            own = x[channel]
            total = 0.0
            for i in range(begin, end):
                total += own[i]
            found[window, channel] = total / count
    return found


@compiled()
def _quantile(ordered: Floats, count: int, share: float) -> float:
    """Interpolate linearly, as numpy's default does."""
    place = (count - 1) * share
    below = math.floor(place)
    above = min(below + 1, count - 1)
    return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


@compiled()
def _collected(own: Floats, good: Floats, begin: int, end: int) -> Floats:
    """Samples that count, in order of size."""
    kept = np.empty(max(0, end - begin))
    count = 0
    for i in range(max(begin, 0), min(end, len(own))):
        if good[i] > 0:
            kept[count] = own[i]
            count += 1
    kept = kept[:count]
    kept.sort()
    return kept


@compiled()
def quartiles(x: Floats, good: Floats, first: Indices, n_samples: int) -> Floats:
    """First and third quartile of each channel in each window.

    Windows that begin after one another and overlap by half or more are not sorted anew: what leaves is taken
    out of the ordered samples and what enters is put in, in one walk along them. The quartiles are the same.

    Parameters
    ----------
    x, good, first, n_samples
        As of `moments`.

    Returns
    -------
    quartiles : ndarray, shape (n_windows, n_channels, 2)
        NaN without samples.
    """
    n_channels = x.shape[0]
    found = np.full((len(first), n_channels, 2), np.nan)
    for channel in range(n_channels):
        own = x[channel]
        ordered, spare = np.empty(n_samples), np.empty(n_samples)
        count = 0
        for window in range(len(first)):
            begin = first[window]
            step = begin - first[window - 1] if window else -1
            if 0 <= step <= n_samples // 2:
                old = _collected(own, good, begin - step, begin)
                new = _collected(own, good, begin - step + n_samples, begin + n_samples)
                n_old, n_new, kept = 0, 0, 0
                for i in range(count):
                    value = ordered[i]
                    if n_old < len(old) and old[n_old] == value:
                        n_old += 1
                        continue
                    while n_new < len(new) and new[n_new] < value:
                        spare[kept] = new[n_new]
                        kept += 1
                        n_new += 1
                    spare[kept] = value
                    kept += 1
                while n_new < len(new):
                    spare[kept] = new[n_new]
                    kept += 1
                    n_new += 1
                ordered, spare, count = spare, ordered, kept
            else:
                fresh = _collected(own, good, begin, begin + n_samples)
                count = len(fresh)
                ordered[:count] = fresh
            if count:
                found[window, channel, 0] = _quantile(ordered, count, 0.25)
                found[window, channel, 1] = _quantile(ordered, count, 0.75)
    return found
