"""Variance of windows in frequency bands by short-time Fourier transform."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft
from scipy.signal.windows import hann

from physioaffect._compiled import compiled
from physioaffect.features._filter_kernel import native
from physioaffect.features._threads import in_threads, n_threads
from physioaffect.features.bands import Bands, band_bins, check_below_nyquist

__all__ = ["band_variance_frames", "band_variance_stft"]

Floats = NDArray[np.floating[Any]]

# With more bins than this a fast Fourier transform costs less than a product with the bins of the bands.
_MOST_BINS = 200
# Frames that go through a product together: all that they need stays in the cache, and BLAS does not start
# threads of its own, as it would for larger ones.
_BLOCK = 64


def band_variance_stft(
    windows: Floats, *, sfreq: float, bands: Bands, frame: float | None = None
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

    Returns
    -------
    variance : ndarray, shape (..., n_bands)
        In the square of the unit: one-sided density, scaled by the sum of the squared Hann weights, summed
        over the bins and multiplied by their distance. NaN for a window with any NaN, 0 for a flat one.

    Raises
    ------
    ProtocolError
        If a band reaches the Nyquist frequency or lies between two bins.

    Notes
    -----
    The STFT energy of Duan, Zhu & Lu, NER 2013, 81-84, doi 10.1109/NER.2013.6695876, normalised so that
    white noise of variance v gives ``v * n_bins * df / (sfreq / 2)`` and a sine of amplitude A gives
    ``A**2 / 2`` if a frame holds whole periods and the band the neighbouring bins.

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
        rows, np.zeros(1, dtype=np.intp), n_all, sfreq=sfreq, bands=bands, frame=frame
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
    sfreq, bands, frame
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
    check_below_nyquist(bands, sfreq=sfreq)
    n_times = n_samples if frame is None else min(n_samples, round(frame * sfreq))
    inside_bands = band_bins(
        bands, duration=n_times / sfreq, otherwise="a wider band, or the estimator 'bandpass'"
    )
    transform = _transform(n_times, inside_bands)
    # Spread evenly and overlapping by half at least, so that no sample of a window goes unused.
    n_frames = 1 + -(-2 * (n_samples - n_times) // n_times)
    inside = np.rint(np.linspace(0, n_samples - n_times, n_frames)).astype(np.intp)
    starts, place = np.unique(first[:, np.newaxis] + inside, return_inverse=True)
    rows = native(X).reshape(math.prod(X.shape[:-1]), X.shape[-1])
    of_frames = (
        _by_product(rows, starts, transform) if transform.cos.size else _by_fft(rows, starts, transform)
    )
    place = place.reshape(-1, n_frames)
    variance = of_frames[place[:, 0]] if n_frames == 1 else of_frames[place].mean(axis=1)
    shaped: NDArray[np.float64] = variance.reshape(len(first), *X.shape[:-1], len(bands))
    return shaped


class _Transform(NamedTuple):
    """A Hann-windowed DFT without mean, restricted to the bins of bands.

    ``cos``, shape (n_times // 2 + 1, n_bins), takes the even part of a frame, ``x[i] + x[n - i]``, ``sin``,
    shape ((n_times - 1) // 2, n_bins), its odd part: half the work of a product with the frame itself. Both
    are empty where a fast Fourier transform is cheaper.
    """

    n_times: int
    cos: NDArray[np.float64]
    sin: NDArray[np.float64]
    bins: NDArray[np.intp]  # Of each band, as positions in cos and sin, or in the DFT.
    scale: float


@lru_cache(maxsize=32)
def _transform(n_times: int, bins: tuple[tuple[int, int], ...]) -> _Transform:
    taper = hann(n_times, sym=False)
    # Twice, for the negative frequencies; no band holds the bins at zero and at Nyquist.
    scale = float(2 / (n_times * np.square(taper).sum()))
    used = np.unique(np.concatenate([np.arange(*edges) for edges in bins]))
    if len(used) > _MOST_BINS:
        return _Transform(n_times, np.empty((0, 0)), np.empty((0, 0)), np.array(bins, dtype=np.intp), scale)
    # Whole turns are taken away first: the cosine of a large number is less exact.
    turns = np.outer(np.arange(n_times), used) % n_times
    cos = np.cos(2 * np.pi * turns / n_times) * taper[:, np.newaxis]
    odd = slice(1, (n_times - 1) // 2 + 1)
    sin = np.sin(2 * np.pi * turns[odd] / n_times) * taper[odd, np.newaxis]
    # The even part holds each sample once: so much of its sum is the mean's.
    cos = cos[: n_times // 2 + 1] - cos.sum(axis=0) / n_times
    first, last = np.searchsorted(used, np.array(bins).T - [[0], [1]])
    places = np.stack([first, last + 1], axis=1).astype(np.intp)
    return _Transform(n_times, np.ascontiguousarray(cos), sin, places, scale)


def _by_product(rows: Floats, starts: NDArray[np.intp], transform: _Transform) -> NDArray[np.float64]:
    n_all = len(starts) * len(rows)
    variance = np.empty((n_all, len(transform.bins)))
    n_pieces = max(1, min(n_threads(), n_all // (4 * _BLOCK)))
    # Whole blocks: in BLAS the last bits of a row depend on how many go with it, and threads change nothing.
    edges = np.minimum(np.linspace(0, -(-n_all // _BLOCK), n_pieces + 1).astype(np.intp) * _BLOCK, n_all)

    def work(piece: int) -> None:
        here = variance[edges[piece] : edges[piece + 1]]
        _product_kernel(rows, starts, edges[piece], transform, _BLOCK, here)

    in_threads(work, range(n_pieces))
    return np.moveaxis(variance.reshape(len(rows), len(starts), len(transform.bins)), 0, 1)


@compiled()
def _product_kernel(X: Any, starts: Any, begin: Any, transform: Any, n_block: Any, out: Any) -> None:
    """Fill ``out`` for rows of (channel, frame) from number ``begin`` on: in the order of the memory."""
    n_frames, n = len(starts), transform.n_times
    n_odd, n_even = transform.sin.shape[0], transform.cos.shape[0]
    n_bins = transform.cos.shape[1]
    even, odd = np.empty((n_block, n_even)), np.empty((n_block, n_odd))
    real, imaginary = np.empty((n_block, n_bins)), np.empty((n_block, n_bins))
    for block in range(0, len(out), n_block):
        n_rows = min(n_block, len(out) - block)
        for row in range(n_rows):
            number = begin + block + row
            start = starts[number % n_frames]
            if start < 0 or start + n > X.shape[1]:
                even[row] = np.nan
                odd[row] = np.nan
                continue
            x = X[number // n_frames, start : start + n]
            # The first sample goes before the mean: then flat frames become exactly zero, at any offset.
            offset = np.float64(x[0])
            even[row, 0] = 0.0
            for i in range(n_odd):
                left = np.float64(x[i + 1]) - offset
                right = np.float64(x[n - 1 - i]) - offset
                even[row, i + 1] = left + right
                odd[row, i] = left - right
            if n % 2 == 0 and n > 1:
                even[row, n_even - 1] = np.float64(x[n_even - 1]) - offset
        np.dot(even[:n_rows], transform.cos, real[:n_rows])
        np.dot(odd[:n_rows], transform.sin, imaginary[:n_rows])
        for row in range(n_rows):
            for band in range(len(transform.bins)):
                total = 0.0
                for k in range(transform.bins[band, 0], transform.bins[band, 1]):
                    total += real[row, k] ** 2 + imaginary[row, k] ** 2
                out[block + row, band] = total * transform.scale


def _by_fft(rows: Floats, starts: NDArray[np.intp], transform: _Transform) -> NDArray[np.float64]:
    n = transform.n_times
    taper = hann(n, sym=False)
    variance = np.full((len(starts), len(rows), len(transform.bins)), np.nan)

    def work(index: int) -> None:
        start = starts[index]
        if start < 0 or start + n > rows.shape[1]:
            return
        x = rows[:, start : start + n].astype(np.float64)
        with np.errstate(invalid="ignore"):  # Infinite samples.
            x -= x[:, :1].copy()
            x -= x.mean(axis=1, keepdims=True)
            x *= taper
        spectrum = rfft(x, axis=-1)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        for band, (first, stop) in enumerate(transform.bins):
            variance[index, :, band] = transform.scale * power[:, first:stop].sum(axis=1)

    in_threads(work, range(len(starts)))
    return variance
