"""The lag at which a piece of one signal fits another one best, with missing samples left out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.interpolate import CubicSpline

from physioaffect.recording import Signal

__all__ = ["Lag", "Lags", "Track", "best_lag", "on_grid"]

Array = NDArray[np.float64]

_LEAST_OVERLAP = 0.5
_FINE = 64  # Steps per sample in which the peak of the spline is looked for.
_AROUND = 4  # Samples on either side of the peak that the spline goes through.


class Track(NamedTuple):
    """One evenly sampled line of numbers, NaN where missing."""

    values: Array
    sfreq: float
    start: float

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.values) / self.sfreq


class Lag(NamedTuple):
    """Where in time (of the other signal) which offset fits best, in seconds, and the correlation there.

    ``curve`` is the correlation at all offsets from ``first_offset`` on, a sample apart.
    """

    time: float
    offset: float
    correlation: float
    first_offset: float
    curve: Array


class Lags(NamedTuple):
    """Several of these, shape (n_pieces,) and (n_pieces, n_lags)."""

    times: Array
    offsets: Array
    correlations: Array
    first_offsets: Array
    curves: Array

    def keep(self, is_kept: NDArray[np.bool_]) -> Lags:
        """Take some."""
        return Lags(*(column[is_kept] for column in self))


def on_grid(signal: Signal, sfreq: float) -> Track:
    """Average a signal over the sampling intervals of a lower rate, without shifting it in time.

    Parameters
    ----------
    signal : Signal
        Of kind ``acc`` or ``gyro`` (the magnitude is taken), or with one channel.
    sfreq : float
        Rate in Hz; not above that of the signal.
    """
    data = signal.masked
    if signal.kind in ("acc", "gyro"):
        values = np.sqrt((data.astype(np.float64) ** 2).sum(axis=0))
    elif len(data) == 1:
        values = data[0].astype(np.float64)
    else:
        raise ValueError(
            f"Clocks are compared by one channel, got {len(data)} of kind {signal.kind}: choose one with "
            "pick()."
        )
    is_present = np.isfinite(values)
    mean = values[is_present].mean() if is_present.any() else 0.0
    # Means of intervals are differences of the integral, whatever the ratio of the two rates.
    edges = np.arange(len(values) + 1) - 0.5
    total = np.concatenate([[0.0], np.cumsum(np.where(is_present, values - mean, 0.0))])
    count = np.concatenate([[0.0], np.cumsum(is_present)])
    ratio = signal.sfreq / sfreq
    n_times = max(0, int((len(values) - 1) / ratio + 1e-9) + 1) if len(values) else 0
    cuts = (np.arange(n_times + 1) - 0.5) * ratio
    totals, counts = (np.diff(np.interp(cuts, edges, column)) for column in (total, count))
    is_there = counts > ratio / 2
    averages = np.divide(totals, counts, out=np.full(n_times, np.nan), where=is_there)
    return Track(averages, sfreq, signal.start)


def best_lag(
    reference: Track, other: Track, first: int, n_window: int, guess: float, max_offset: float
) -> Lag | None:
    """Slide a piece of ``other`` along ``reference``; None if there is too little of either."""
    piece = other.values[first : first + n_window]
    sfreq = other.sfreq
    # An offset o brings sample n of the other to (other.start + n / sfreq + o - reference.start) * sfreq.
    exact = (other.start + guess - reference.start) * sfreq + first
    reach = int(np.ceil(max_offset * sfreq))
    begin = round(exact) - reach
    lo, hi = max(begin, 0), min(begin + 2 * reach + n_window, len(reference.values))
    is_present = np.isfinite(piece)
    if hi - lo < n_window // 2 or is_present.mean() < _LEAST_OVERLAP or np.nanstd(piece) == 0:
        return None
    around = np.full(2 * reach + n_window, np.nan)
    around[lo - begin : hi - begin] = reference.values[lo:hi]
    correlation = masked_correlation(around, piece)
    peak = int(correlation.argmax())
    if not correlation[peak] > 0:
        return None
    # A peak at the end of the range rises further outside.
    if peak in (0, 2 * reach):
        return None
    place, height = _refined(correlation, peak)
    first_offset = (begin - first) / sfreq + reference.start - other.start
    offset = first_offset + place / sfreq
    weights = np.where(is_present, piece - piece[is_present].mean(), 0.0) ** 2
    centre = float(weights @ np.arange(n_window) / weights.sum())
    return Lag(other.start + (first + centre) / sfreq, offset, height, first_offset, correlation)


def _refined(correlation: Array, peak: int) -> tuple[float, float]:
    lo, hi = max(peak - _AROUND, 0), min(peak + _AROUND + 1, len(correlation))
    if hi - lo < _AROUND or not np.isfinite(correlation[lo:hi]).all():
        return float(peak), float(correlation[peak])
    spline = CubicSpline(np.arange(lo, hi), correlation[lo:hi])
    fine = peak + np.arange(-_FINE, _FINE + 1) / _FINE
    fine = fine[(fine >= lo) & (fine <= hi - 1)]
    heights = spline(fine)
    best = int(heights.argmax())
    # Newton's step on the spline takes the rest.
    slope, bend = float(spline(fine[best], 1)), float(spline(fine[best], 2))
    step = np.clip(-slope / bend, -1 / _FINE, 1 / _FINE) if bend < 0 else 0.0
    return float(fine[best] + step), float(heights[best])


def masked_correlation(around: Array, piece: Array) -> Array:
    """Correlation coefficient of a piece with every stretch of its length; 0 where they share too little.

    Parameters
    ----------
    around : ndarray, shape (n_lags + n_piece - 1,)
        What it is slid along; NaN where missing.
    piece : ndarray, shape (n_piece,)
        The piece; NaN where missing.

    Returns
    -------
    correlation : ndarray, shape (n_lags,)
        From -1 to 1.
    """
    n_lags = len(around) - len(piece) + 1
    n_fft = fft.next_fast_len(len(around), real=True)
    transforms = []
    for values in (around, piece):
        mask = np.isfinite(values)
        # Sums of squares lose digits where the mean is large.
        clean = np.where(mask, values - (values[mask].mean() if mask.any() else 0.0), 0.0)
        clean /= np.abs(clean).max() or 1.0
        transforms.append(fft.rfft(np.stack([mask.astype(np.float64), clean, clean**2]), n_fft))
    a, b = transforms

    def slide(one: NDArray[np.complex128], two: NDArray[np.complex128]) -> Array:
        return np.asarray(fft.irfft(one * two.conj(), n_fft)[:n_lags])

    count = np.maximum(np.rint(slide(a[0], b[0])), 0.0)
    is_enough = count >= _LEAST_OVERLAP * len(piece)
    n = np.where(is_enough, count, 1.0)
    sum_a, sum_b = slide(a[1], b[0]), slide(a[0], b[1])
    spread_a = slide(a[2], b[0]) - sum_a**2 / n
    spread_b = slide(a[0], b[2]) - sum_b**2 / n
    product = slide(a[1], b[1]) - sum_a * sum_b / n
    least = 1e-9 * len(piece)
    is_enough &= (spread_a > least) & (spread_b > least)
    scale = np.sqrt(np.where(is_enough, spread_a * spread_b, 1.0))
    return np.where(is_enough, np.clip(product / scale, -1.0, 1.0), 0.0)
