"""Statistics of every window in one compiled pass: each window by itself, so none depends on another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physioaffect._compiled import compiled

__all__ = [
    "COUNT",
    "HIGHEST",
    "LOWEST",
    "MEAN",
    "SD",
    "SLOPE",
    "events_per_window",
    "moments",
    "quantiles_per_window",
]

COUNT, MEAN, SD, LOWEST, HIGHEST, SLOPE = range(6)
"""Columns of `moments`."""


@compiled()
def moments(x: NDArray[np.float64], first: NDArray[np.intp], n_samples: int) -> NDArray[np.float64]:
    """Count, mean, standard deviation (1/n), lowest, highest and least-squares slope per sample.

    Of ``x[first : first + n_samples]``, shape (n_windows, 6). NaN and what lies outside of ``x`` is passed
    over; a window with nothing is NaN, and so is the slope of one sample.
    """
    values = np.full((len(first), 6), np.nan)
    for row in range(len(first)):
        begin, stop = max(first[row], 0), min(first[row] + n_samples, len(x))
        count, total, places = 0, 0.0, 0.0
        low, high = np.inf, -np.inf
        # Sums of differences from a value of the window: nothing is lost however high the level is.
        level = 0.0
        for i in range(begin, stop):
            value = x[i]
            if np.isnan(value):
                continue
            if count == 0:
                level = value
            count += 1
            total += value - level
            places += i - begin
            low, high = min(low, value), max(high, value)
        values[row, 0] = count
        if count == 0:
            continue
        mean, place = total / count, places / count
        square, product, spread = 0.0, 0.0, 0.0
        for i in range(begin, stop):
            value = x[i]
            if np.isnan(value):
                continue
            deviation, distance = value - level - mean, i - begin - place
            square += deviation * deviation
            product += deviation * distance
            spread += distance * distance
        values[row, 1], values[row, 2] = level + mean, np.sqrt(square / count)
        values[row, 3], values[row, 4] = low, high
        if spread > 0:
            values[row, 5] = product / spread
    return values


@compiled()
def events_per_window(
    values: NDArray[np.float64], begin: NDArray[np.intp], stop: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Count, mean, sum, highest and standard deviation (1/n) of ``values[begin:stop]``, shape (n_windows, 5).

    NaN is passed over. The sum of none is 0, the rest NaN.
    """
    found = np.full((len(begin), 5), np.nan)
    for row in range(len(begin)):
        count, total, high = 0, 0.0, -np.inf
        for i in range(begin[row], stop[row]):
            value = values[i]
            if np.isnan(value):
                continue
            count += 1
            total += value
            high = max(high, value)
        found[row, 0], found[row, 2] = count, total
        if count == 0:
            continue
        mean, square = total / count, 0.0
        for i in range(begin[row], stop[row]):
            if not np.isnan(values[i]):
                square += (values[i] - mean) ** 2
        found[row, 1], found[row, 3], found[row, 4] = mean, high, np.sqrt(square / count)
    return found


@compiled()
def quantiles_per_window(
    values: NDArray[np.float64],
    begin: NDArray[np.intp],
    stop: NDArray[np.intp],
    quantiles: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Quantiles of ``values[begin:stop]`` that are not NaN, linear between values; shape (n_windows, n)."""
    found = np.full((len(begin), len(quantiles)), np.nan)
    for row in range(len(begin)):
        own = values[begin[row] : stop[row]]
        own = np.sort(own[~np.isnan(own)])
        if len(own) == 0:
            continue
        for column in range(len(quantiles)):
            place = quantiles[column] * (len(own) - 1)
            below = int(place)
            above = min(below + 1, len(own) - 1)
            found[row, column] = own[below] + (place - below) * (own[above] - own[below])
    return found
