"""Elimination of the decomposition's equations sample by sample: linear in time and memory.

The matrix of a Newton step couples a sample of q with the next two, with the four splines that lie over it,
and with the columns that span the whole recording, if there are any. Eliminated in order of time, a sample
therefore touches only a *front*: two samples, four splines, the global columns. A spline leaves the front
after the last sample that it lies over. What a variable leaves behind for the way back is one short row of
numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physioaffect._compiled import compiled

__all__ = ["SPLINES", "factorise", "solve"]

Array = NDArray[np.float64]

SPLINES = 4
"""Cubic splines that lie over a sample."""


@compiled(fastmath={"contract", "reassoc"}, boundscheck=False)
def _add_outer(S: Array, b: Array, weight: float) -> None:
    for i in range(len(b)):
        scaled = weight * b[i]
        for j in range(len(b)):
            S[i, j] += scaled * b[j]


@compiled(fastmath={"contract", "reassoc"}, boundscheck=False)
def _leave(S: Array, p: int, row: Array) -> None:
    """Take variable p out of the part of the front that is no sample; ``row`` gets its multipliers."""
    inverse = 1.0 / S[p, p]
    n = S.shape[0]
    for j in range(n):
        row[j] = S[p, j] * inverse
    for i in range(n):
        if i != p:
            left = S[p, i]
            for j in range(n):
                if j != p:
                    S[i, j] -= left * row[j]
    for j in range(n):
        S[p, j] = 0.0
        S[j, p] = 0.0
    row[p] = inverse


@compiled(fastmath={"contract", "reassoc"}, boundscheck=False)
def factorise(  # Loops over plain numbers, written out, take a third of the time of small arrays.
    barrier: Array,
    weights: Array,
    basis: Array,
    trend: Array,
    ar: Array,
    ma: Array,
    penalty: Array,
    of_samples: Array,
    of_splines: Array,
    of_trend: Array,
) -> None:
    """Factorise ``M' W M + A' D A`` bordered by splines and trend.

    Parameters
    ----------
    barrier : ndarray, shape (n,)
        D, weight of each row of A (``q[k] + ar[0] q[k-1] + ar[1] q[k-2]``).
    weights : ndarray, shape (n,)
        W, weight of each observation (``ma[0] q[k-1] + ma[1] q[k-2]`` + splines + trend).
    basis : ndarray, shape (n_per_knot, 4)
        The four splines over each sample between two knots; n is a multiple of n_per_knot.
    trend : ndarray, shape (n, n_trend)
        Global columns; there may be none.
    penalty : ndarray, shape (n_splines + 4, 4)
        ``penalty[j, o]`` couples splines j and j + o.
    of_samples, of_splines, of_trend : ndarray
        Filled: multipliers, shapes (n, 3 + 4 + n_trend), (n_splines, 2 + 4 + n_trend), (n_trend, 4 +
        n_trend).
    """
    n, n_per_knot, n_trend = len(barrier), basis.shape[0], trend.shape[1]
    n_border = SPLINES + n_trend
    # The front: samples k, k+1, k+2 among themselves, each with the border, and the border.
    h00 = h01 = h02 = h11 = h12 = h22 = 0.0
    c0, c1, c2 = np.zeros(n_border), np.zeros(n_border), np.zeros(n_border)
    S, b, row_of_spline = np.zeros((n_border, n_border)), np.zeros(n_border), np.zeros(n_border)
    ar1, ar2, ma1, ma2 = ar[0], ar[1], ma[0], ma[1]
    for j in range(SPLINES):
        for o in range(SPLINES - j):
            S[j, j + o] += penalty[j, o]
            if o > 0:
                S[j + o, j] += penalty[j, o]
    # Rows 0 and 1 know nothing of samples before the first.
    h00 += barrier[0] + barrier[1] * ar1 * ar1
    h01 += barrier[1] * ar1
    h11 += barrier[1]
    for row in range(2):
        b[:SPLINES] = basis[row]
        b[SPLINES:] = trend[row]
        _add_outer(S, b, weights[row])
        if row == 1:
            h00 += weights[1] * ma1 * ma1
            c0 += weights[1] * ma1 * b
    spline, inside = 0, 1
    for k in range(n):
        row = k + 2
        if row < n:
            inside += 1
            if inside == n_per_knot:
                # The eldest spline lies over no further sample; another takes its place.
                inside, p = 0, spline % SPLINES
                _leave(S, p, row_of_spline)
                inverse, v0, v1 = row_of_spline[p], c0[p], c1[p]
                own = of_splines[spline]
                own[0], own[1] = v0 * inverse, v1 * inverse
                own[2:] = row_of_spline
                h00 -= v0 * own[0]
                h01 -= v0 * own[1]
                h11 -= v1 * own[1]
                for j in range(n_border):
                    c0[j] -= v0 * row_of_spline[j]
                    c1[j] -= v1 * row_of_spline[j]
                    # What couples the samples with the border also came through the spline.
                c0[p] = c1[p] = c2[p] = 0.0
                spline += 1
                for o in range(SPLINES):
                    other = (spline + 3 - o) % SPLINES
                    S[other, p] += penalty[spline + 3 - o, o]
                    if o > 0:
                        S[p, other] += penalty[spline + 3 - o, o]
            if weights[row] > 0:
                w = weights[row]
                for j in range(SPLINES):
                    b[(spline + j) % SPLINES] = basis[inside, j]
                for j in range(n_trend):
                    b[SPLINES + j] = trend[row, j]
                h00 += w * ma2 * ma2
                h01 += w * ma1 * ma2
                h11 += w * ma1 * ma1
                for j in range(n_border):
                    c0[j] += w * ma2 * b[j]
                    c1[j] += w * ma1 * b[j]
                _add_outer(S, b, w)
            d = barrier[row]
            h00 += d * ar2 * ar2
            h01 += d * ar1 * ar2
            h02 += d * ar2
            h11 += d * ar1 * ar1
            h12 += d * ar1
            h22 += d
        own = of_samples[k]
        inverse = 1.0 / h00
        own[0], own[1], own[2] = inverse, h01 * inverse, h02 * inverse
        next00, next01, next11 = h11 - h01 * own[1], h12 - h01 * own[2], h22 - h02 * own[2]
        for j in range(n_border):
            b[j] = c0[j]
            own[3 + j] = c0[j] * inverse
            c0[j] = c1[j] - h01 * own[3 + j]
            c1[j] = c2[j] - h02 * own[3 + j]
            c2[j] = 0.0
        for i in range(n_border):
            left = b[i]
            for j in range(n_border):
                S[i, j] -= left * own[3 + j]
        h00, h01, h02, h11, h12, h22 = next00, next01, 0.0, next11, 0.0, 0.0
    for j in range(SPLINES):
        own = of_splines[spline + j]
        own[0] = own[1] = 0.0
        _leave(S, (spline + j) % SPLINES, own[2:])
    for j in range(n_trend):
        _leave(S, SPLINES + j, of_trend[j])


@compiled(fastmath={"contract", "reassoc"}, boundscheck=False)
def solve(
    samples: Array,
    splines: Array,
    trend: Array,
    of_samples: Array,
    of_splines: Array,
    of_trend: Array,
    n_per_knot: int,
) -> None:
    """Solve with what `factorise` left; right-hand sides become solutions, in place."""
    n, n_trend = len(samples), len(trend)
    n_border = SPLINES + n_trend
    front = np.zeros(n_border)
    front[:SPLINES] = splines[:SPLINES]
    front[SPLINES:] = trend
    spline, inside = 0, 1
    for k in range(n):
        if k + 2 < n:
            inside += 1
            if inside == n_per_knot:
                inside, p, own = 0, spline % SPLINES, of_splines[spline]
                value = front[p]
                splines[spline] = value
                samples[k] -= own[0] * value
                samples[k + 1] -= own[1] * value
                for j in range(n_border):
                    if j != p:
                        front[j] -= own[2 + j] * value
                spline += 1
                front[p] = splines[spline + 3]
        own, value = of_samples[k], samples[k]
        if k + 1 < n:
            samples[k + 1] -= own[1] * value
        if k + 2 < n:
            samples[k + 2] -= own[2] * value
        for j in range(n_border):
            front[j] -= own[3 + j] * value
    for t in range(n_border):
        p = (spline + t) % SPLINES if t < SPLINES else t
        row = of_splines[spline + t, 2:] if t < SPLINES else of_trend[t - SPLINES]
        for j in range(n_border):
            if j != p:
                front[j] -= row[j] * front[p]
    # Back: the border first, in the opposite order.
    for t in range(n_border - 1, -1, -1):
        p = (spline + t) % SPLINES if t < SPLINES else t
        row = of_splines[spline + t, 2:] if t < SPLINES else of_trend[t - SPLINES]
        value = front[p] * row[p]
        # The multipliers of what had left before are zero.
        for j in range(n_border):
            if j != p:
                value -= row[j] * front[j]
        front[p] = value
        if t < SPLINES:
            splines[spline + t] = value
        else:
            trend[t - SPLINES] = value
    for k in range(n - 1, -1, -1):
        own = of_samples[k]
        value = samples[k] * own[0]
        if k + 1 < n:
            value -= own[1] * samples[k + 1]
        if k + 2 < n:
            value -= own[2] * samples[k + 2]
        for j in range(n_border):
            value -= own[3 + j] * front[j]
        samples[k] = value
        if k + 2 < n:
            if inside == 0:
                spline -= 1
                p, own = spline % SPLINES, of_splines[spline]
                value = splines[spline] * own[2 + p] - own[0] * samples[k] - own[1] * samples[k + 1]
                for j in range(n_border):
                    if j != p:
                        value -= own[2 + j] * front[j]
                front[p] = splines[spline] = value
                inside = n_per_knot
            inside -= 1
