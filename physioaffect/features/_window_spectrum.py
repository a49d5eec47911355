"""Spectra of windows that may lack a few samples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft, rfftfreq
from scipy.signal import get_window

__all__ = ["MOST_MISSING", "Spectra", "band_power", "window_spectra"]

MOST_MISSING = 0.05
"""Largest share of a segment that may be missing: it takes up to a tenth off the power of a sine."""

# Overlapping windows repeat samples; this many at once are 32 MB.
_BLOCK = 2**22


class Spectra(NamedTuple):
    """Frequencies in Hz, shape (n_freqs,), and power density in unit^2/Hz, shape (n_windows, n_freqs)."""

    freqs: NDArray[np.float64]
    density: NDArray[np.float64]


def window_spectra(
    x: NDArray[np.float64],
    first: NDArray[np.intp],
    n_samples: int,
    *,
    sfreq: float,
    segment: int,
    taper: str,
) -> Spectra:
    """Welch's power density of ``x[first : first + n_samples]``, one-sided.

    Segments of ``segment`` samples overlap by half and end with the window at the latest; each loses its
    least-squares line and is tapered. A missing sample has no part in it, neither in the line nor in the
    normalisation; a segment that lacks more than `MOST_MISSING` is left out, a window without any is NaN.
    """
    freqs = rfftfreq(segment, 1 / sfreq)
    density = np.full((len(first), len(freqs)), np.nan)
    if n_samples < segment or len(x) < segment:
        return Spectra(freqs, density)
    weights = get_window(taper, segment)
    offsets = np.arange(0, n_samples - segment + 1, max(1, segment // 2))
    # Segments of neighbouring windows coincide: each is done once.
    starts = first[:, np.newaxis] + offsets
    own, place = np.unique(starts, return_inverse=True)
    inside = (own >= 0) & (own + segment <= len(x))
    power = np.full((len(own), len(freqs)), np.nan)
    every = np.lib.stride_tricks.sliding_window_view(x, segment)
    rows = np.flatnonzero(inside)
    size = max(1, _BLOCK // segment)
    for begin in range(0, len(rows), size):
        block = rows[begin : begin + size]
        power[block] = _power(every[own[block]], weights, sfreq)
    place = place.reshape(starts.shape)
    total, count = np.zeros_like(density), np.zeros((len(first), 1))
    for column in place.T:
        is_there = ~np.isnan(power[column, :1])
        total += np.where(is_there, power[column], 0)
        count += is_there
    np.divide(total, count, out=density, where=count > 0)
    return Spectra(freqs, density)


def _power(x: NDArray[np.float64], weights: NDArray[np.float64], sfreq: float) -> NDArray[np.float64]:
    is_missing = np.isnan(x)
    n_missing = is_missing.sum(axis=1, keepdims=True)
    times = np.arange(x.shape[1]) - (x.shape[1] - 1) / 2
    if n_missing.any():
        x, count = np.where(is_missing, 0.0, x), np.maximum(x.shape[1] - n_missing, 1)
        places = np.where(is_missing, 0.0, times)
        places = np.where(is_missing, 0.0, times - places.sum(axis=1, keepdims=True) / count)
        level = np.where(is_missing, 0.0, x.sum(axis=1, keepdims=True) / count)
        window = np.where(is_missing, 0.0, weights)
    else:
        places, level = times[np.newaxis], x.mean(axis=1, keepdims=True)
        window = weights[np.newaxis]
    x = x - level
    spread = np.maximum((places**2).sum(axis=1, keepdims=True), 1e-300)
    x -= (x * places).sum(axis=1, keepdims=True) / spread * places
    spectrum = rfft(x * window, axis=1)
    energy = np.maximum((window**2).sum(axis=1, keepdims=True), 1e-300)
    power: NDArray[np.float64] = (spectrum.real**2 + spectrum.imag**2) / (sfreq * energy)
    power[:, 1 : (x.shape[1] + 1) // 2] *= 2  # Of the negative frequencies; Nyquist's has none.
    power[n_missing[:, 0] > MOST_MISSING * x.shape[1]] = np.nan
    return power


def band_power(spectra: Spectra, low: float, high: float) -> NDArray[np.float64]:
    """Power in ``[low, high)`` Hz in unit^2: the densities times their distance, shape (n_windows,)."""
    freqs = spectra.freqs
    inside = (freqs >= low) & (freqs < high)
    power: NDArray[np.float64] = spectra.density[:, inside].sum(axis=1) * (freqs[1] - freqs[0])
    return power
