"""Compiled loops over windows of intervals between beats: statistics, asymmetry, entropy, fluctuations.

Each takes ``ms`` (n_intervals,) and ``follows`` as in `NN`, and of each window its ``first`` interval and the
first behind its ``last``; it fills a row of ``out`` per window. Differences below a nanosecond are rounding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physioaffect._compiled import compiled

__all__ = ["entropies", "fluctuations", "poincare", "statistics"]

Array = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

ROUNDING_MS = 1e-6
# Of a normal distribution, the standard deviation over the median absolute deviation.
_NORMAL_MAD = 1.482602218505602


@compiled()
def _quantile(ordered: Array, share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


@compiled()
def statistics(ms: Array, follows: Bools, first: Ints, last: Ints, out: Array) -> None:
    """Fill the columns of `hrv_time.FEATURES` but for the geometric ones."""
    for window in range(len(first)):
        x = ms[first[window] : last[window]]
        n = len(x)
        row = out[window]
        row[:] = np.nan
        if n < 2:
            continue
        mean = x.mean()
        squares = 0.0
        for value in x:
            squares += (value - mean) ** 2
        sdnn = np.sqrt(squares / (n - 1))
        n_pairs, above_50, above_20 = 0, 0, 0
        total, squares = 0.0, 0.0
        for i in range(first[window] + 1, last[window]):
            if follows[i]:
                change = ms[i] - ms[i - 1]
                n_pairs += 1
                total += change
                squares += change * change
                above_50 += abs(change) > 50 + ROUNDING_MS
                above_20 += abs(change) > 20 + ROUNDING_MS
        ordered = np.sort(x)
        middle = _quantile(ordered, 0.5)
        row[0], row[1], row[6], row[8] = mean, sdnn, sdnn / mean, middle
        row[9] = _NORMAL_MAD * _quantile(np.sort(np.abs(x - middle)), 0.5)
        row[10] = _quantile(ordered, 0.75) - _quantile(ordered, 0.25)
        row[11], row[12], row[13] = 6e4 / mean, 6e4 / ordered[-1], 6e4 / ordered[0]
        if n_pairs > 0:
            row[2] = np.sqrt(squares / n_pairs)
            row[4], row[5] = 100 * above_50 / n_pairs, 100 * above_20 / n_pairs
            row[7] = row[2] / mean
        if n_pairs > 1:
            row[3] = np.sqrt(max(squares - total * total / n_pairs, 0.0) / (n_pairs - 1))


@compiled()
def poincare(ms: Array, follows: Bools, first: Ints, last: Ints, out: Array) -> None:
    """Fill SD1, SD2, Porta's and Guzik's index."""
    for window in range(len(first)):
        row = out[window]
        row[:] = np.nan
        n, across, along = 0, 0.0, 0.0
        n_up, n_down, up, down = 0, 0, 0.0, 0.0
        for i in range(first[window] + 1, last[window]):
            if follows[i]:
                change = ms[i] - ms[i - 1]
                n += 1
                across += change
                along += ms[i] + ms[i - 1]
                if change > ROUNDING_MS:
                    n_up += 1
                    up += change * change
                elif change < -ROUNDING_MS:
                    n_down += 1
                    down += change * change
        if n < 2:
            continue
        across /= n
        along /= n
        squares_across, squares_along = 0.0, 0.0
        for i in range(first[window] + 1, last[window]):
            if follows[i]:
                squares_across += (ms[i] - ms[i - 1] - across) ** 2
                squares_along += (ms[i] + ms[i - 1] - along) ** 2
        row[0] = np.sqrt(squares_across / (2 * (n - 1)))
        row[1] = np.sqrt(squares_along / (2 * (n - 1)))
        if n_up + n_down > 0:
            row[2] = 100 * n_down / (n_up + n_down)
            row[3] = 100 * up / (up + down)


@compiled()
def entropies(
    ms: Array, follows: Bools, first: Ints, last: Ints, fewest: int, share: float, out: Array
) -> None:
    """Fill sample entropy with pieces of two, tolerance ``share`` of the standard deviation (n - 1)."""
    for window in range(len(first)):
        begin, end = first[window], last[window]
        out[window] = np.nan
        if end - begin < fewest:
            continue
        x = ms[begin:end]
        spread = np.sqrt(x.var() * len(x) / (len(x) - 1))
        if spread < ROUNDING_MS:
            continue
        r = share * spread
        # Pieces of three that no gap cuts: the same ones are compared over two and over three.
        pieces = np.empty(len(x), dtype=np.intp)
        n = 0
        for i in range(begin, end - 2):
            if follows[i + 1] and follows[i + 2]:
                pieces[n] = i - begin
                n += 1
        of_two, of_three = 0, 0
        for a in range(n):
            i = pieces[a]
            for b in range(a):
                j = pieces[b]
                if abs(x[i] - x[j]) <= r and abs(x[i + 1] - x[j + 1]) <= r:
                    of_two += 1
                    of_three += abs(x[i + 2] - x[j + 2]) <= r
        if of_three > 0:
            out[window] = np.log(of_two / of_three)


@compiled()
def _fluctuation(profile: Array, n: int) -> float:
    """Mean square about the straight lines through boxes of ``n`` values."""
    n_boxes = len(profile) // n
    middle = (n - 1) / 2
    spread = n * (n * n - 1) / 12
    total = 0.0
    for box in range(n_boxes):
        y = profile[box * n : (box + 1) * n]
        mean = y.mean()
        slope = 0.0
        for i in range(n):
            slope += (i - middle) * (y[i] - mean)
        slope /= spread
        for i in range(n):
            total += (y[i] - mean - slope * (i - middle)) ** 2
    return total / (n_boxes * n)


@compiled()
def fluctuations(
    ms: Array, follows: Bools, first: Ints, last: Ints, sizes: Ints, fewest: int, out: Array
) -> None:
    """Fill the slope of the fluctuation over boxes of ``sizes`` on double logarithmic axes.

    It looks at the longest run of intervals without a gap; NaN if that has fewer than ``fewest``.
    """
    log_sizes = np.log(sizes.astype(np.float64))
    log_sizes -= log_sizes.mean()
    spread = (log_sizes**2).sum()
    for window in range(len(first)):
        out[window] = np.nan
        longest, best, begin = 0, 0, first[window]
        for i in range(first[window], last[window]):
            if i > first[window] and not follows[i]:
                begin = i
            if i + 1 - begin > longest:
                longest, best = i + 1 - begin, begin
        if longest < fewest:
            continue
        x = ms[best : best + longest]
        if x.max() - x.min() < ROUNDING_MS:
            continue
        profile = np.cumsum(x - x.mean())
        slope = 0.0
        for j in range(len(sizes)):
            slope += log_sizes[j] * 0.5 * np.log(_fluctuation(profile, sizes[j]))
        out[window] = slope / spread
