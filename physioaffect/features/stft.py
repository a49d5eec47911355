"""Variance of windows in frequency bands by short-time Fourier transform."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import rfft

from physioaffect.features._filter_kernel import native
from physioaffect.features._frame_kernel import N_LANES, Plan, frame_power, plan_of
from physioaffect.features._threads import in_threads, n_threads
from physioaffect.features.bands import Bands, band_bins, check_below_nyquist
from physioaffect.features.tapers import TAPERS, Taper, check_taper

__all__ = ["band_variance_frames", "band_variance_stft"]

Floats = NDArray[np.floating[Any]]

# Longer frames do not stay in the cache, eight side by side.
_LONGEST = 8192
# Samples that SciPy gets at once.
_TOGETHER = 1 << 17


def band_variance_stft(
    windows: Floats, *, sfreq: float, bands: Bands, frame: float | None = None, taper: Taper = "hann"
) -> NDArray[np.float64]:
    """Variance of each window in each band, from Hann-windowed periodograms.

    Parameters
    ----------
    windows : ndarray, shape (..., n_times)
        Any unit and any offset: the mean of each frame is removed first.
    sfreq : float
        Sampling rate in Hz.
    bands : Bands
        The bins with ``fmin <= f < fmax`` count, so that neighbours that share an edge share no bin.
    frame : float, optional
        Length in seconds of the frames inside a window, which overlap by half or more and are averaged: a
        longer one resolves narrower bands, more of them scatter less. Default, and where a window is
        shorter: all of it.
    taper : {"hann", "hann_symmetric", "hanning"}
        By which the samples of a frame are weighed, as in `Taper`.

    Returns
    -------
    variance : ndarray, shape (..., n_bands)
        In the square of the unit: one-sided density, scaled by the sum of the squared weights, summed
        over the bins and multiplied by their distance. NaN for a window with any NaN, 0 for a flat one.

    Raises
    ------
    ProtocolError
        If a band reaches the Nyquist frequency or lies between two bins.
    ValueError
        If the taper is unknown.

    Notes
    -----
    The STFT energy of Duan, Zhu & Lu, NER 2013, 81-84, doi 10.1109/NER.2013.6695876, normalised so that
    white noise of variance v gives ``v * n_bins * df / (sfreq / 2)`` and a sine of amplitude A gives
    ``A**2 / 2`` if a frame holds whole periods, the band the neighbouring bins, and the taper is ``"hann"``.

    Examples
    --------
    >>> t = np.arange(1000) / 200
    >>> sine = 3 * np.sin(2 * np.pi * 10 * t)
    >>> band_variance_stft(sine, sfreq=200.0, bands=Bands.of(alpha=(8, 13))).round(6)
    array([4.5])
    """
    n_all = windows.shape[-1]
    rows = windows.reshape(math.prod(windows.shape[:-1]), n_all)
    variance = band_variance_frames(
        rows, np.zeros(1, dtype=np.intp), n_all, sfreq=sfreq, bands=bands, frame=frame, taper=taper
    )
    shaped: NDArray[np.float64] = variance[0].reshape(*windows.shape[:-1], len(bands))
    return shaped


def band_variance_frames(
    X: Floats,
    first: NDArray[np.intp],
    n_samples: int,
    *,
    sfreq: float,
    bands: Bands,
    frame: float | None = None,
    taper: Taper = "hann",
) -> NDArray[np.float64]:
    """Do what `band_variance_stft` does for windows of a recording, each shared frame once.

    Parameters
    ----------
    X : ndarray, shape (..., n_times)
        Recordings.
    first : ndarray of int, shape (n_windows,)
        First sample of each window; it may lie outside.
    n_samples : int
        Samples of a window.
    sfreq, bands, frame, taper
        As in `band_variance_stft`.

    Returns
    -------
    variance : ndarray, shape (n_windows, ..., n_bands)
        NaN for a window that reaches out of the recording.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal((2, 1280))
    >>> bands = Bands.of(alpha=(8, 13), beta=(14, 30))
    >>> band_variance_frames(noise, np.arange(0, 1280, 128), 128, sfreq=128.0, bands=bands).shape
    (10, 2, 2)
    """
    check_taper(taper)
    check_below_nyquist(bands, sfreq=sfreq)
    n_times = n_samples if frame is None else min(n_samples, round(frame * sfreq))
    inside_bands = band_bins(
        bands, duration=n_times / sfreq, otherwise="a wider band, or the estimator 'bandpass'"
    )
    # Spread evenly and overlapping by half at least, so that no sample of a window goes unused.
    n_frames = 1 + -(-2 * (n_samples - n_times) // n_times)
    starts, place = _frames(first, n_samples - n_times, n_frames)
    rows = native(X).reshape(math.prod(X.shape[:-1]), X.shape[-1])
    bins = np.array(inside_bands, dtype=np.intp)
    scale = _scale(n_times, taper)
    plan = plan_of(n_times, taper) if n_times <= _LONGEST else None
    if plan is None:
        of_frames = _by_scipy(rows, starts, TAPERS[taper](n_times), bins, scale)
    else:
        of_frames = _by_kernel(rows, starts, plan, bins, scale)
    variance = of_frames if place is None else of_frames[place].mean(axis=1)
    shaped: NDArray[np.float64] = variance.reshape(len(first), *X.shape[:-1], len(bands))
    return shaped


@lru_cache(maxsize=32)
def _scale(n_times: int, taper: str) -> float:
    # Twice, for the negative frequencies; no band holds the bins at zero and at Nyquist.
    return float(2 / (n_times * np.square(TAPERS[taper](n_times)).sum()))


def _frames(
    first: NDArray[np.intp], room: int, n_frames: int
) -> tuple[NDArray[np.intp], NDArray[np.intp] | None]:
    """Each frame's first sample once, and which frames a window has; None where it is one, its own."""
    if n_frames == 1:
        return np.ascontiguousarray(first, dtype=np.intp), None  # Of another kind it is compiled anew.
    inside = np.rint(np.linspace(0, room, n_frames)).astype(np.intp)
    starts, place = np.unique(first[:, np.newaxis] + inside, return_inverse=True)
    return starts, place.reshape(-1, n_frames)


def _by_kernel(
    rows: Floats, starts: NDArray[np.intp], plan: Plan, bins: NDArray[np.intp], scale: float
) -> NDArray[np.float64]:
    samples = np.ascontiguousarray(rows)
    variance = np.empty((len(rows) * len(starts), len(bins)))
    n_pieces = max(1, min(n_threads(), len(variance) // (32 * N_LANES)))
    # Frames beside each other change nothing of each other's, so pieces may end anywhere.
    edges = np.linspace(0, len(variance), n_pieces + 1).astype(np.intp)

    def work(piece: int) -> None:
        here = variance[edges[piece] : edges[piece + 1]]
        frame_power(samples, starts, edges[piece], plan, bins, scale, here)

    in_threads(work, range(n_pieces))
    return np.moveaxis(variance.reshape(len(rows), len(starts), len(bins)), 0, 1)


def _by_scipy(
    rows: Floats, starts: NDArray[np.intp], taper: Floats, bins: NDArray[np.intp], scale: float
) -> NDArray[np.float64]:
    n_times = len(taper)
    variance = np.full((len(starts), len(rows), len(bins)), np.nan)
    (inside,) = np.nonzero((starts >= 0) & (starts + n_times <= rows.shape[1]))
    if not len(inside):
        return variance
    frames = sliding_window_view(rows, n_times, axis=1)
    n_together = max(1, _TOGETHER // (len(rows) * n_times))

    def work(begin: int) -> None:
        here = inside[begin : begin + n_together]
        x = frames[:, starts[here]].astype(np.float64)
        with np.errstate(invalid="ignore"):  # Infinite samples.
            x -= x[..., :1].copy()
            x -= x.mean(axis=-1, keepdims=True)
            x *= taper
        spectrum = rfft(x, axis=-1)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        for band, (first, stop) in enumerate(bins):
            variance[here, :, band] = scale * power[..., first:stop].sum(axis=-1).T

    in_threads(work, range(0, len(inside), n_together))
    return variance
