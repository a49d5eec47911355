"""Power spectral density of windows, by Welch's method or by multitapers."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft, rfftfreq
from scipy.signal.windows import dpss, hann

from physioaffect.errors import ProtocolError
from physioaffect.features._blocks import Floats, prepared

# Bandwidths that the windows just resolve must not fail by rounding.
_SLACK = 1e-9

# Tapers that keep less of their energy inside the bandwidth would bring in what lies outside.
_LOWEST_CONCENTRATION = 0.9


class Density(NamedTuple):
    """One-sided power spectral density: ``freqs`` in Hz, ``density`` in the unit's square per Hz."""

    freqs: NDArray[np.float64]
    density: NDArray[np.float64]


def welch_density(X: Floats, *, sfreq: float, segment: float = 2.0, overlap: float = 0.5) -> Density:
    """Power spectral density by Welch's method with Hann's window.

    Parameters
    ----------
    X : ndarray, shape (..., n_times)
        Windows of any unit and any offset.
    sfreq : float
        Sampling rate in Hz.
    segment : float
        Length in seconds of the segments that are averaged; in a shorter window all of it.
    overlap : float
        Share of a segment that the next one repeats, from 0 to below 1.

    Returns
    -------
    freqs : ndarray, shape (n_freqs,)
        In Hz, from zero to the Nyquist frequency.
    density : ndarray, shape (..., n_freqs)
        One-sided, in the square of the unit per Hz. NaN for a window with a NaN or infinite sample, or
        without any change in its segments.

    Raises
    ------
    ProtocolError
        If a window has fewer than two samples.

    Notes
    -----
    Welch, IEEE Trans. Audio Electroacoust. 15, 70-73, 1967, doi 10.1109/TAU.1967.1161901, as
    `scipy.signal.welch` computes it: the mean of each segment is removed, and samples after the last whole
    segment are left out.

    Examples
    --------
    >>> t = np.arange(1000) / 200
    >>> freqs, density = welch_density(3 * np.sin(2 * np.pi * 10 * t), sfreq=200.0)
    >>> float((density.sum() * freqs[1]).round(6))
    4.5
    """
    check_welch(segment, overlap)
    x = prepared(X, 2, "A spectrum")
    n_segment = min(X.shape[-1], max(2, round(segment * sfreq)))
    step = n_segment - int(overlap * n_segment)
    segments = np.lib.stride_tricks.sliding_window_view(x, n_segment, axis=-1)[..., ::step, :]
    taper = hann(n_segment, sym=False)
    tapered = segments - segments.mean(axis=-1, keepdims=True)
    tapered *= taper
    squared = _squared(rfft(tapered, axis=-1, overwrite_x=True))
    density = squared[..., 0, :] if squared.shape[-2] == 1 else squared.mean(axis=-2)
    # All that changes may lie after the last whole segment.
    density[density.max(axis=-1) == 0] = np.nan
    return _scaled(density, n_times=n_segment, sfreq=sfreq, weight=float(np.square(taper).sum()))


def multitaper_density(X: Floats, *, sfreq: float, bandwidth: float = 4.0) -> Density:
    """Power spectral density by Thomson's method with discrete prolate spheroidal sequences.

    Parameters
    ----------
    X : ndarray, shape (..., n_times)
        Windows of any unit and any offset.
    sfreq : float
        Sampling rate in Hz.
    bandwidth : float
        Full width in Hz over which each frequency is smoothed. The wider, the more tapers, and the less
        the density scatters; but a narrower band also gets the power of its neighbours.

    Returns
    -------
    freqs : ndarray, shape (n_freqs,)
        In Hz, from zero to the Nyquist frequency.
    density : ndarray, shape (..., n_freqs)
        One-sided, in the square of the unit per Hz. NaN for a window with a NaN or infinite sample, or
        without any change.

    Raises
    ------
    ProtocolError
        If the bandwidth is below twice the resolution of the windows, so that no taper keeps to it, or
        reaches the Nyquist frequency.

    Notes
    -----
    Thomson, Proc. IEEE 70, 1055-1096, 1982, doi 10.1109/PROC.1982.12433. As
    `mne.time_frequency.psd_array_multitaper` with its default tapers (those with more than 90 % of their
    energy inside the bandwidth, weighted by that share) and ``normalization="full"``.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(64, 400))
    >>> freqs, density = multitaper_density(noise, sfreq=200.0)
    >>> float(density.mean().round(3))  # Variance 1 over 100 Hz.
    0.01
    """
    n_times = X.shape[-1]
    if bandwidth * n_times < 2 * sfreq * (1 - _SLACK):
        raise ProtocolError(
            f"Windows of {n_times / sfreq:g} s cannot resolve a bandwidth of {bandwidth:g} Hz: use at least "
            f"{2 * sfreq / n_times:g} Hz, or windows of at least {2 / bandwidth:g} s."
        )
    if bandwidth >= sfreq / 2:
        raise ProtocolError(
            f"A bandwidth of {bandwidth:g} Hz would smooth over all of a spectrum that ends at {sfreq / 2:g} "
            "Hz. Take a smaller one."
        )
    tapers, shares = _tapers(n_times, bandwidth * n_times / (2 * sfreq))
    x = prepared(X, 2, "A spectrum")
    x -= x.mean(axis=-1, keepdims=True)
    density = np.zeros((*x.shape[:-1], n_times // 2 + 1))
    for taper, share in zip(tapers, shares, strict=True):
        density += share * _squared(rfft(x * taper, axis=-1, overwrite_x=True))
    return _scaled(density, n_times=n_times, sfreq=sfreq, weight=float(shares.sum()))


@lru_cache(maxsize=4)  # Those of a minute at 1 kHz fill 114 MB.
def _tapers(n_times: int, half_bandwidth: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Tapers of unit energy, shape (n_tapers, n_times), and the share of it inside the bandwidth."""
    tapers, shares = dpss(n_times, half_bandwidth, int(2 * half_bandwidth), sym=False, return_ratios=True)
    is_kept = shares > _LOWEST_CONCENTRATION
    return tapers[is_kept], shares[is_kept]


def check_welch(segment: float, overlap: float) -> None:
    """Refuse settings of Welch's method that mean nothing."""
    if not 0 < segment < math.inf:
        raise ValueError(f"A segment needs a length above 0 s, got {segment}.")
    if not 0 <= overlap < 1:
        raise ValueError(f"Segments overlap by a share from 0 to below 1, got {overlap}.")


def _squared(spectrum: NDArray[np.complex128]) -> NDArray[np.float64]:
    squared: NDArray[np.float64] = np.square(spectrum.real)
    squared += np.square(spectrum.imag)
    return squared


def _scaled(density: NDArray[np.float64], *, n_times: int, sfreq: float, weight: float) -> Density:
    """Fold the negative frequencies onto the positive ones."""
    density *= 2 / (sfreq * weight)
    density[..., 0] /= 2
    if n_times % 2 == 0:
        density[..., -1] /= 2
    return Density(rfftfreq(n_times, 1 / sfreq), density)
