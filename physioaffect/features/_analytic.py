"""Recordings in frequency bands, with their analytic signals, band by band so that memory stays bounded."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import hyp2f1

from physioaffect.errors import DataError
from physioaffect.features._threads import in_threads, n_threads
from physioaffect.features.bands import Band, Bands, check_below_nyquist

__all__ = [
    "Spectrum",
    "analytic_signal",
    "band_gain",
    "band_parts",
    "independent_phases",
    "transform",
]

Floats = NDArray[np.floating[Any]]

# A band-pass filter rings for about this many periods of its lowest edge or its width.
_N_PERIODS = 3

# So many channels at once stay in a core's cache.
_N_ROWS = 4

# Sampling instants are rounded, so a window may lack this share of a cycle.
_SLACK = 1e-6


class Spectrum(NamedTuple):
    """Transform of a recording with mirrored ends: ``values`` (n_channels, n_bins) of ``n_fft`` samples.

    Each channel is divided by its ``scale`` (n_channels, 1), so that squares stay in the range of floats.
    """

    values: NDArray[np.complex128]
    scale: NDArray[np.float64]
    n_fft: int
    n_before: int
    n_times: int
    sfreq: float


def band_gain(freqs: Floats, *, band: Band, sfreq: float, order: int) -> NDArray[np.float64]:
    """Gain of a digital Butterworth band-pass run forwards and backwards, at ``freqs`` in Hz."""
    # The bilinear transform bends the frequency axis by a tangent; the low-pass prototype does the rest.
    w, low, high = (np.tan(np.pi * np.asarray(f) / sfreq) for f in (freqs, band.fmin, band.fmax))
    w = np.maximum(w, np.finfo(float).tiny)
    with np.errstate(over="ignore"):
        gain: NDArray[np.float64] = 1 / (1 + ((w * w - low * high) / ((high - low) * w)) ** (2 * order))
    return gain


def _fill_gaps(X: NDArray[np.float64]) -> None:
    """Join the samples on both sides of each gap by a line, and hold the first and last one outwards."""
    times = np.arange(X.shape[-1])
    for row in X:
        is_there = np.isfinite(row)
        if not is_there.any():
            row[:] = 0.0
        elif not is_there.all():
            row[~is_there] = np.interp(times[~is_there], times[is_there], row[is_there])


def transform(X: Floats, *, sfreq: float, bands: Bands) -> Spectrum:
    """Transform a whole recording once, for all bands.

    Parameters
    ----------
    X : ndarray, shape (n_channels, n_times)
        Any unit, offset and scale; NaN where missing, bridged by lines.
    sfreq : float
        Sampling rate in Hz.
    bands : Bands
        Decide how far the ends are mirrored.

    Raises
    ------
    DataError
        If the recording is too short for a filter to settle.
    """
    n_times = X.shape[-1]
    settling = {band: _N_PERIODS / min(band.fmin, band.fmax - band.fmin) for band in bands}
    slowest = max(settling, key=settling.__getitem__)
    n_before = int(np.ceil(settling[slowest] * sfreq))
    if n_times <= n_before:
        raise DataError(
            f"{n_times / sfreq:g} s are too short to filter {slowest}: the filter needs more than "
            f"{settling[slowest]:g} s to settle. Leave the recording or the band out."
        )
    n_fft = int(next_fast_len(n_times + 2 * n_before, real=True))
    filled = X.astype(np.float64)
    _fill_gaps(filled)
    filled -= filled[:, :1].copy()
    largest = np.abs(filled).max(axis=-1, keepdims=True)
    scale = np.where(largest > 0, largest, 1.0)
    filled /= scale
    padded = np.pad(filled, ((0, 0), (n_before, n_fft - n_times - n_before)), mode="reflect")
    del filled
    # Double precision here, so that drifts a million times larger than a band leave no rounding in it.
    values = rfft(padded, axis=-1, workers=n_threads())
    return Spectrum(values, scale, n_fft, n_before, n_times, sfreq)


def band_parts(
    spectrum: Spectrum,
    *,
    band: Band,
    order: int,
    is_analytic: bool,
    is_of_phases: bool = False,
    dtype: DTypeLike = np.float32,
) -> Floats:
    """Cut one band out: its real part and, if asked for, the imaginary one that Hilbert's transform adds.

    Returns
    -------
    parts : ndarray, shape (n_channels or 2 n_channels, n_times)
        All real parts, then all imaginary ones; ``is_of_phases`` divides both by their length. In double
        precision in the signal's unit; in single precision each channel has a scale of its own.
    """
    n_channels, n_bins = spectrum.values.shape
    freqs = np.arange(n_bins) * (spectrum.sfreq / spectrum.n_fft)
    gain = band_gain(freqs, band=band, sfreq=spectrum.sfreq, order=order)
    gain[0] = 0.0
    gains = np.repeat(gain, 2)
    parts = np.empty((2 if is_analytic else 1, n_channels, spectrum.n_times), dtype=dtype)
    inside = slice(spectrum.n_before, spectrum.n_before + spectrum.n_times)

    def fill(rows: slice) -> None:
        # In double precision throughout: where a drift's two ends meet rings a million times the band.
        in_band = (spectrum.values[rows].view(np.float64) * gains).view(np.complex128)
        found = [irfft(in_band, n=spectrum.n_fft, axis=-1)[:, inside]]
        if is_analytic:
            in_band *= -1j
            found.append(irfft(in_band, n=spectrum.n_fft, axis=-1)[:, inside])
        factor = spectrum.scale[rows] if np.dtype(dtype) == np.float64 else 1.0
        if is_of_phases:
            length = np.sqrt(found[0] * found[0] + found[1] * found[1])
            factor = 1 / np.maximum(length, np.finfo(np.float64).tiny)
        for part, signal in zip(parts, found, strict=True):
            np.multiply(signal, factor, out=part[rows], casting="same_kind")

    in_threads(fill, [slice(first, first + _N_ROWS) for first in range(0, n_channels, _N_ROWS)])
    return parts.reshape(-1, spectrum.n_times)


def analytic_signal(X: Floats, *, sfreq: float, bands: Bands, order: int = 4) -> NDArray[np.complex128]:
    """Band-pass a whole recording without a shift in time and add Hilbert's transform as imaginary part.

    Parameters
    ----------
    X : ndarray, shape (n_channels, n_times)
        Never a single window: both steps need seconds on either side. NaN gaps are bridged by lines.
    sfreq : float
        Sampling rate in Hz.
    bands : Bands
        Edges at which the gain, that of a Butterworth filter run forwards and backwards, is one half.
    order : int
        Of the low-pass prototype.

    Returns
    -------
    Z : ndarray, shape (n_bands, n_channels, n_times)
        In the unit of ``X``.

    Raises
    ------
    ProtocolError
        If a band reaches the Nyquist frequency.
    DataError
        If the recording is too short for the filter to settle.

    Examples
    --------
    >>> t = np.arange(2000) / 200
    >>> Z = analytic_signal(np.cos(2 * np.pi * 10 * t)[None], sfreq=200.0, bands=Bands.of(alpha=(8, 13)))
    >>> np.angle(Z[0, 0, 1000] / Z[0, 0, 995]).round(4)  # 0.025 s of 10 Hz are pi / 2.
    np.float64(1.5708)
    """
    check_below_nyquist(bands, sfreq=sfreq)
    spectrum = transform(X, sfreq=sfreq, bands=bands)
    Z = np.empty((len(bands), *X.shape), dtype=np.complex128)
    for index, band in enumerate(bands):
        parts = band_parts(spectrum, band=band, order=order, is_analytic=True, dtype=np.float64)
        Z.real[index], Z.imag[index] = parts[: len(X)], parts[len(X) :]
    return Z


def independent_phases(band: Band, *, duration: float, sfreq: float, order: int = 4) -> float:
    """How many independent phase differences a window of white noise holds after the band-pass.

    With n of them two unrelated channels have ``mean(PLV^2) = 1 / n`` and, from about 3 on, ``mean(PLV) =
    sqrt(pi / (4 n))``. EEG is steeper than white noise, so it has fewer.

    Parameters
    ----------
    band : Band
        Frequency band.
    duration : float
        Seconds of a window.
    sfreq : float
        Sampling rate in Hz.
    order : int
        Of the filter.

    Returns
    -------
    n : float
        About 1.2 times the bandwidth times the duration, and at least 1.

    Notes
    -----
    If a complex Gaussian process has the autocorrelation r, its phase factors ``z / |z|`` have ``(pi/4) |r|
    2F1(1/2, 1/2; 2; |r|^2)``. Squared (two channels) and averaged over all pairs of samples of the window,
    that is the mean of PLV^2.

    Examples
    --------
    >>> from physioaffect.features.bands import SEED_BANDS
    >>> [round(independent_phases(band, duration=1.0, sfreq=200.0), 1) for band in SEED_BANDS]
    [2.9, 4.0, 6.4, 19.7, 23.3]
    """
    n_times = round(duration * sfreq)
    n_fft = int(next_fast_len(max(2 * n_times, round(100 * sfreq / (band.fmax - band.fmin)))))
    freqs = np.arange(n_fft // 2 + 1) * (sfreq / n_fft)
    density = band_gain(freqs, band=band, sfreq=sfreq, order=order) ** 2
    r = np.hypot(irfft(density, n_fft), irfft(-1j * density, n_fft))[:n_times]
    r = np.minimum(r / r[0], 1)
    of_phases = np.square(np.pi / 4 * r * hyp2f1(0.5, 0.5, 2, r * r))
    weights = n_times - np.arange(n_times)
    return float(n_times**2 / (2 * (weights * of_phases).sum() - n_times * of_phases[0]))
