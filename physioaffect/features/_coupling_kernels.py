"""Compiled loops over windows for how two signals go together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physioaffect._compiled import compiled

__all__ = ["lagged_correlation", "phase_regression"]

Array = NDArray[np.float64]
Ints = NDArray[np.intp]

# What rounding leaves of the mean square of something that does not change.
_ROUNDING = 1e-20


@compiled()
def _without_line(x: Array) -> Array:
    """What is left of the least-squares line through the values that are there."""
    n, middle, mean = 0, 0.0, 0.0
    for i in range(len(x)):
        if np.isfinite(x[i]):
            n += 1
            middle += i
            mean += x[i]
    out = np.full(len(x), np.nan)
    if n < 2:
        return out
    middle /= n
    mean /= n
    up, spread, square = 0.0, 0.0, 0.0
    for i in range(len(x)):
        if np.isfinite(x[i]):
            up += (i - middle) * (x[i] - mean)
            spread += (i - middle) ** 2
            square += x[i] * x[i]
    left = 0.0
    for i in range(len(x)):
        if np.isfinite(x[i]):
            out[i] = x[i] - mean - up / spread * (i - middle)
            left += out[i] * out[i]
    if left <= _ROUNDING * square:
        out[:] = np.nan
    return out


@compiled()
def lagged_correlation(
    x: Array, y: Array, first: Ints, last: Ints, max_lag: int, fewest: int, out: Array
) -> None:
    """Fill Pearson's r without lag, the r of the largest size, and its lag: how many samples y follows x.

    Each window loses its own straight line first; pairs are of samples in the window that are both there.
    """
    for window in range(len(first)):
        row = out[window]
        row[:] = np.nan
        a = _without_line(x[first[window] : last[window]])
        b = _without_line(y[first[window] : last[window]])
        n_times = len(a)
        # From the shortest lag outwards, so that of equals the shortest counts.
        for turn in range(2 * max_lag + 1):
            lag = (turn + 1) // 2 if turn % 2 else -(turn // 2)
            n = 0
            sa, sb, saa, sbb, sab = 0.0, 0.0, 0.0, 0.0, 0.0
            for i in range(max(0, -lag), min(n_times, n_times - lag)):
                u, v = a[i], b[i + lag]
                if np.isfinite(u) and np.isfinite(v):
                    n += 1
                    sa += u
                    sb += v
                    saa += u * u
                    sbb += v * v
                    sab += u * v
            if n < fewest:
                continue
            product = (saa - sa * sa / n) * (sbb - sb * sb / n)
            if not product > 0:
                continue
            r = min(max((sab - sa * sb / n) / np.sqrt(product), -1.0), 1.0)
            if lag == 0:
                row[0] = r
            if not abs(r) <= abs(row[1]):  # Also if there is none yet.
                row[1], row[2] = r, lag


@compiled()
def phase_regression(  # noqa: PLR0913, PLR0917  Compiled code takes no options.
    t: Array, x: Array, cosine: Array, sine: Array, first: Ints, last: Ints, fewest: int, out: Array
) -> None:
    """Fill share of variance, full swing and phase of the first harmonic of ``x``.

    ``x`` is fitted by an offset, a line, and a cosine and a sine of a phase, NaN where there is no phase. The
    share is of what the line leaves.
    """
    left = np.empty((3, len(t)))
    for window in range(len(first)):
        row = out[window]
        row[:] = np.nan
        n, middle = 0, 0.0
        means = np.zeros(3)
        for i in range(first[window], last[window]):
            if np.isfinite(cosine[i]):
                left[0, n], left[1, n], left[2, n] = x[i], cosine[i], sine[i]
                n += 1
                middle += t[i]
                means += np.array((x[i], cosine[i], sine[i]))
        if n < fewest:
            continue
        middle /= n
        means /= n
        spread = 0.0
        slopes = np.zeros(3)
        k = 0
        for i in range(first[window], last[window]):
            if np.isfinite(cosine[i]):
                spread += (t[i] - middle) ** 2
                for part in range(3):
                    left[part, k] -= means[part]
                    slopes[part] += (t[i] - middle) * left[part, k]
                k += 1
        k = 0
        for i in range(first[window], last[window]):
            if np.isfinite(cosine[i]):
                for part in range(3):
                    left[part, k] -= slopes[part] / spread * (t[i] - middle)
                k += 1
        y, c, s = left[0, :n], left[1, :n], left[2, :n]
        yy, cc, ss = (y * y).sum(), (c * c).sum(), (s * s).sum()
        cs, yc, ys = (c * s).sum(), (y * c).sum(), (y * s).sum()
        determinant = cc * ss - cs * cs
        if yy <= _ROUNDING * n * means[0] ** 2 or determinant <= 1e-9 * n * n:
            continue
        on_c, on_s = (ss * yc - cs * ys) / determinant, (cc * ys - cs * yc) / determinant
        row[0] = min(max((on_c * yc + on_s * ys) / yy, 0.0), 1.0)
        row[1] = 2 * np.hypot(on_c, on_s)
        row[2] = np.arctan2(on_s, on_c)
