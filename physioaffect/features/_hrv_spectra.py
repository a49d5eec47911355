"""Compiled loops for spectra of intervals between beats: uneven sines, and splines for Welch's way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physioaffect._compiled import compiled

__all__ = ["powers", "segments"]

Array = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

# What is left of a determinant when two sines cannot be told apart at the beats.
_SINGULAR = 1e-12


@compiled()
def _line(t: Array, x: Array) -> tuple[float, float, float]:
    """Mean time, mean value and slope of the straight line through a window."""
    middle, mean = t.mean(), x.mean()
    up, spread = 0.0, 0.0
    for i in range(len(t)):
        up += (t[i] - middle) * (x[i] - mean)
        spread += (t[i] - middle) ** 2
    return middle, mean, up / spread if spread > 0 else 0.0


@compiled()
def powers(t: Array, x: Array, first: Ints, last: Ints, begin_hz: float, step_hz: float, out: Array) -> None:
    """Fill (n_windows, n_freqs) with what sines explain of ``x`` at times ``t``: Lomb and Scargle's power.

    It is the drop in the mean square when a sine and an offset are fitted to what is left of a straight line.
    Sums over a window are differences of sums over all, so no sine is computed twice however much the windows
    overlap.
    """
    n, n_windows = len(t), len(first)
    origin, level = t[0], x.mean()
    t = t - origin
    x = x - level
    lines = np.empty((n_windows, 3))
    for window in range(n_windows):
        a, b = first[window], last[window]
        if b - a >= 3:
            lines[window] = _line(t[a:b], x[a:b])
    re, im = np.cos(2 * np.pi * begin_hz * t), np.sin(2 * np.pi * begin_hz * t)
    turn_re, turn_im = np.cos(2 * np.pi * step_hz * t), np.sin(2 * np.pi * step_hz * t)
    sums = np.zeros((n + 1, 8))
    for j in range(out.shape[1]):
        for i in range(n):
            c, s = re[i], im[i]
            sums[i + 1, 0] = sums[i, 0] + c
            sums[i + 1, 1] = sums[i, 1] + s
            sums[i + 1, 2] = sums[i, 2] + (c * c - s * s)
            sums[i + 1, 3] = sums[i, 3] + 2 * c * s
            sums[i + 1, 4] = sums[i, 4] + x[i] * c
            sums[i + 1, 5] = sums[i, 5] + x[i] * s
            sums[i + 1, 6] = sums[i, 6] + t[i] * c
            sums[i + 1, 7] = sums[i, 7] + t[i] * s
            re[i], im[i] = c * turn_re[i] - s * turn_im[i], c * turn_im[i] + s * turn_re[i]
        for window in range(n_windows):
            a, b = first[window], last[window]
            if b - a < 3:
                out[window, j] = np.nan
                continue
            size = b - a
            middle, mean, slope = lines[window]
            c, s = sums[b, 0] - sums[a, 0], sums[b, 1] - sums[a, 1]
            c2, s2 = sums[b, 2] - sums[a, 2], sums[b, 3] - sums[a, 3]
            yc = sums[b, 4] - sums[a, 4] - mean * c - slope * (sums[b, 6] - sums[a, 6] - middle * c)
            ys = sums[b, 5] - sums[a, 5] - mean * s - slope * (sums[b, 7] - sums[a, 7] - middle * s)
            cc = 0.5 * (size + c2) - c * c / size
            ss = 0.5 * (size - c2) - s * s / size
            cs = 0.5 * s2 - c * s / size
            determinant = cc * ss - cs * cs
            if determinant > _SINGULAR * size * size:
                drop = (ss * yc * yc + cc * ys * ys - 2 * cs * yc * ys) / determinant
            else:
                drop = (yc * yc + ys * ys) / (cc + ss) if cc + ss > 0 else 0.0
            out[window, j] = max(drop, 0.0) / size


@compiled()
def _spline(t: Array, x: Array, times: Array, out: Array) -> None:
    """Natural cubic spline through (t, x) at ``times``, which do not decrease and lie inside."""
    n = len(t)
    # Second derivatives: a tridiagonal system, solved in one sweep forth and one back.
    curve, factor = np.zeros(n), np.zeros(n)
    for i in range(1, n - 1):
        left, right = t[i] - t[i - 1], t[i + 1] - t[i]
        pivot = 2 * (left + right) - left * factor[i - 1]
        factor[i] = right / pivot
        bend = 6 * ((x[i + 1] - x[i]) / right - (x[i] - x[i - 1]) / left)
        curve[i] = (bend - left * curve[i - 1]) / pivot
    for i in range(n - 2, 0, -1):
        curve[i] -= factor[i] * curve[i + 1]
    i = 0
    for k in range(len(times)):
        while i < n - 2 and times[k] > t[i + 1]:
            i += 1
        gap = t[i + 1] - t[i]
        b = (times[k] - t[i]) / gap
        a = 1 - b
        bend = (a * a * a - a) * curve[i] + (b * b * b - b) * curve[i + 1]
        out[k] = a * x[i] + b * x[i + 1] + bend * gap * gap / 6


@compiled()
def segments(  # noqa: PLR0913, PLR0917  Compiled code takes no options.
    t: Array,
    x: Array,
    begins: Array,
    follows: Bools,
    first: Ints,
    last: Ints,
    starts: Array,
    duration: float,
    sfreq: float,
    longest: float,
    out: Array,
    scale: Array,
) -> None:
    """Fill ``out`` (n_segments, n_fft) with evenly sampled, detrended, Hann-weighted stretches.

    ``scale`` is what squared Fourier coefficients are to be divided by for a one-sided density, NaN where a
    beat is missing anywhere in the segment.
    """
    for segment in range(len(starts)):
        a, b = first[segment], last[segment]
        row = out[segment]
        row[:] = 0
        scale[segment] = np.nan
        is_whole = b - a >= 4 and begins[a] - starts[segment] <= longest
        is_whole = is_whole and starts[segment] + duration - t[b - 1] <= longest
        for i in range(a + 1, b):
            is_whole = is_whole and follows[i]
        if not is_whole:
            continue
        n = min(int((t[b - 1] - t[a]) * sfreq + 1e-6) + 1, len(row))
        if n < 4:
            continue
        times = np.minimum(t[a] + np.arange(n) / sfreq, t[b - 1])
        y = row[:n]
        _spline(t[a:b], x[a:b], times, y)
        middle, mean, slope = _line(times, y)
        weight = 0.0
        for k in range(n):
            hann = 0.5 - 0.5 * np.cos(2 * np.pi * k / n)
            y[k] = hann * (y[k] - mean - slope * (times[k] - middle))
            weight += hann * hann
        scale[segment] = 0.5 * sfreq * weight
