"""Spectra of sliding windows: each short segment once, however many windows it lies in."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Parts", "average", "cut", "densities", "peak_frequency"]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

# Segments of so many samples are transformed at once: 32 MB.
_BLOCK = 2**22


class Parts(NamedTuple):
    """Equal parts of windows: first sample of every different one, which of them each window has, length."""

    starts: Indices
    of_window: Indices
    n_samples: int


def cut(first: Indices, n_samples: int, n_part: int, hop: int) -> Parts:
    """Cut windows into parts from their beginning on; parts that several windows share come once.

    Parameters
    ----------
    first : ndarray of int, shape (n_windows,)
        First samples of the windows.
    n_samples : int
        Length of a window.
    n_part, hop : int
        Length of a part, at most that of the window, and from the beginning of one to that of the next. What
        is left at the end of a window and too short for a part is in none.

    Examples
    --------
    >>> cut(np.array([0, 2]), 6, 4, 2).starts
    array([0, 2, 4])
    """
    offsets = np.arange(0, n_samples - n_part + 1, hop)
    starts, inverse = np.unique(first[:, np.newaxis] + offsets, return_inverse=True)
    return Parts(starts.astype(np.intp), inverse.reshape(len(first), len(offsets)), n_part)


def average(values: Floats, parts: Parts) -> Floats:
    """Mean over the parts of each window that are there.

    Parameters
    ----------
    values : ndarray, shape (n_parts, ...)
        Of each different part, NaN (all of it) where that part is missing.
    parts : Parts
        As `cut` made them.

    Returns
    -------
    means : ndarray, shape (n_windows, ...)
        NaN where fewer than half of a window's parts are there.
    """
    is_there = np.atleast_1d(
        np.isfinite(values.reshape(len(values), math.prod(values.shape[1:]))).all(axis=1)
    )
    filled = np.where(is_there.reshape(-1, *[1] * (values.ndim - 1)), values, 0.0)
    n_windows, n_parts = parts.of_window.shape
    total = np.zeros((n_windows, *values.shape[1:]))
    for column in parts.of_window.T:
        total += filled[column]
    count = is_there[parts.of_window].sum(axis=1)
    divisor = np.where((count > 0) & (2 * count >= n_parts), count, np.nan)
    total /= divisor.reshape(-1, *[1] * (values.ndim - 1))
    return total


def densities(
    x: Floats, is_good: NDArray[np.bool_], parts: Parts, *, sfreq: float, fmax: float
) -> tuple[Floats, Floats]:
    """Power density of each part: Hann window, its mean removed, one-sided.

    Parameters
    ----------
    x : ndarray, shape (n_channels, n_times)
        Samples.
    is_good : ndarray of bool, shape (n_times,)
        Which of them count.
    parts : Parts
        The segments.
    sfreq : float
        Samples per second.
    fmax : float
        Frequencies below this are kept.

    Returns
    -------
    freqs : ndarray, shape (n_freqs,)
        In Hz, from 0.
    density : ndarray, shape (n_parts, n_channels, n_freqs)
        Unit squared per Hz; NaN where a sample of the part is missing or outside the signal. Averaged over a
        window's parts it is what ``scipy.signal.welch`` gives with its defaults.
    """
    import scipy.fft  # noqa: PLC0415  Only here.

    n = parts.n_samples
    freqs = np.arange(n // 2 + 1) * sfreq / n
    n_kept = max(1, int(np.count_nonzero(freqs < fmax)))
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    scale = np.full(n_kept, 2 / (sfreq * np.square(hann).sum() or 1.0))
    scale[0] /= 2
    if n % 2 == 0 and n_kept == len(freqs):
        scale[-1] /= 2
    density = np.full((len(parts.starts), len(x), n_kept), np.nan)
    n_good = np.concatenate([[0], np.cumsum(is_good)])
    inside = np.clip(np.stack([parts.starts, parts.starts + n]), 0, x.shape[1])
    whole = np.flatnonzero(n_good[inside[1]] - n_good[inside[0]] == n)
    if not len(whole):
        return freqs[:n_kept], density
    every = np.lib.stride_tricks.sliding_window_view(x, n, axis=-1)
    at_once = max(1, _BLOCK // (n * len(x)))
    for begin in range(0, len(whole), at_once):
        rows = whole[begin : begin + at_once]
        segments: NDArray[Any] = every[:, parts.starts[rows]]
        segments = (segments - segments.mean(axis=-1, keepdims=True)) * hann
        found = scipy.fft.rfft(segments, axis=-1)[..., :n_kept]
        density[rows] = (scale * (np.square(found.real) + np.square(found.imag))).swapaxes(0, 1)
    return freqs[:n_kept], density


def peak_frequency(density: Floats, freqs: Floats) -> Floats:
    """Frequency of the highest value, by a parabola through the logarithms of it and its neighbours.

    Parameters
    ----------
    density : ndarray, shape (..., n_freqs)
        Not negative; NaN gives NaN.
    freqs : ndarray, shape (n_freqs,)
        Evenly spaced.

    Returns
    -------
    peak : ndarray, shape (...)
        The bin's own frequency at an edge, or beside a bin without power. Of a sine of a few periods under a
        Hann window it is off by less than a twentieth of the spacing.
    """
    filled = np.where(np.isnan(density), -1.0, density)
    at = filled.argmax(axis=-1)
    step = freqs[1] - freqs[0] if len(freqs) > 1 else 0.0
    around = np.clip(at[..., np.newaxis] + np.array([-1, 0, 1]), 0, len(freqs) - 1)
    before, here, after = np.moveaxis(np.take_along_axis(density, around, axis=-1), -1, 0)
    is_inner = (at > 0) & (at < len(freqs) - 1) & (before > 0) & (after > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b, c = np.log(before), np.log(here), np.log(after)
        bend = a - 2 * b + c
        shift = np.where(is_inner & (bend < 0), 0.5 * (a - c) / bend, 0.0)
    peak: Floats = freqs[at] + shift * step
    return np.where(np.isnan(density).any(axis=-1), np.nan, peak)
