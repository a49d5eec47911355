"""The decomposition's quadratic program, solved by a primal-dual interior-point method in linear time.

    minimise   1/2 sum_k w_k (r_k + t_k - y_k)^2 + sum_k price_k p_k + 1/2 l' P l,   p >= 0,
    with       p = A q,  r = M q,  t = B l + C d:

q is the auxiliary signal of Greco et al. (2016), from which both the driver p and the phasic part r follow
by short filters, so that every matrix is banded; l are coefficients of cubic B-splines, d those of global
columns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physioaffect._compiled import compiled

from ._elimination import SPLINES, factorise, solve

__all__ = ["interior_point", "spline_basis"]

# Compiled into this, and numba sees changes of this file only: _elimination.py 02ec2e6a79985408

Array = NDArray[np.float64]

# Of the way to the boundary; further and the next steps get short.
_NEARLY = 0.995
_NOTHING = 1e-300


def spline_basis(n_per_knot: int) -> Array:
    """Values of the four uniform cubic B-splines over each sample between two knots, (n_per_knot, 4).

    Examples
    --------
    >>> spline_basis(2).round(4)
    array([[0.1667, 0.6667, 0.1667, 0.    ],
           [0.0208, 0.4792, 0.4792, 0.0208]])
    """
    u = np.arange(n_per_knot) / n_per_knot
    columns = [(1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3]
    return np.column_stack(columns) / 6


@compiled(boundscheck=False)
def _filtered(q: Array, ar: Array, out: Array) -> None:
    """``out = A q``."""
    for k in range(len(q)):
        value = q[k]
        if k > 0:
            value += ar[0] * q[k - 1]
        if k > 1:
            value += ar[1] * q[k - 2]
        out[k] = value


@compiled(boundscheck=False)
def _add_filtered_back(v: Array, ar: Array, out: Array) -> None:
    """``out += A' v``."""
    n = len(v)
    for k in range(n):
        value = v[k]
        if k + 1 < n:
            value += ar[0] * v[k + 1]
        if k + 2 < n:
            value += ar[1] * v[k + 2]
        out[k] += value


@compiled(boundscheck=False)
def _gradients(  # One pass over the recording.
    y: Array,
    weights: Array,
    basis: Array,
    trend: Array,
    ma: Array,
    penalty: Array,
    q: Array,
    splines: Array,
    slopes: Array,
    error: Array,
    of_q: Array,
    of_splines: Array,
    of_slopes: Array,
) -> float:
    """Gradients of the smooth part, whose value is returned; ``error`` becomes W (r + t - y)."""
    n, n_per_knot, n_trend = len(y), basis.shape[0], trend.shape[1]
    total = 0.0
    for j in range(len(splines)):
        value = penalty[j, 0] * splines[j]
        for o in range(1, SPLINES):
            if j + o < len(splines):
                value += penalty[j, o] * splines[j + o]
            if j >= o:
                value += penalty[j - o, o] * splines[j - o]
        of_splines[j] = value
        total += 0.5 * value * splines[j]
    for j in range(n_trend):
        of_slopes[j] = 0.0
    spline = inside = 0
    for k in range(n):
        if inside == n_per_knot:
            inside = 0
            spline += 1
        error[k] = 0.0
        if weights[k] > 0:
            value = -y[k]
            for j in range(SPLINES):
                value += basis[inside, j] * splines[spline + j]
            for j in range(n_trend):
                value += trend[k, j] * slopes[j]
            if k > 0:
                value += ma[0] * q[k - 1]
            if k > 1:
                value += ma[1] * q[k - 2]
            weighted = weights[k] * value
            total += 0.5 * weighted * value
            error[k] = weighted
            for j in range(SPLINES):
                of_splines[spline + j] += basis[inside, j] * weighted
            for j in range(n_trend):
                of_slopes[j] += trend[k, j] * weighted
        inside += 1
    for k in range(n):
        value = 0.0
        if k + 1 < n:
            value += ma[0] * error[k + 1]
        if k + 2 < n:
            value += ma[1] * error[k + 2]
        of_q[k] = value
    return total


@compiled(boundscheck=False)
def interior_point(
    y: Array,
    weights: Array,
    price: Array,
    basis: Array,
    trend: Array,
    ar: Array,
    ma: Array,
    penalty: Array,
    start: float,
    tolerance: float,
    max_iterations: int,
) -> tuple[Array, Array, Array, Array, float, float, int]:
    """Solve the program above.

    Parameters
    ----------
    y, weights, price : ndarray, shape (n,)
        Data (not read where the weight is 0), weights from 0 on, prices above 0; n is a multiple of the
        samples between knots.
    basis, trend, ar, ma, penalty
        As in `factorise`.
    start : float
        Driver to start from, above 0: its usual size.
    tolerance : float
        Duality gap over objective at which to stop.
    max_iterations : int
        When to give up.

    Returns
    -------
    q, driver, splines, slopes : ndarray
        The solution.
    objective, gap : float
        Its value, and how far above the optimum it is at most.
    n_iterations : int
        Newton steps; ``max_iterations`` if it gave up.
    """
    n, n_trend = len(y), trend.shape[1]
    n_splines = n // basis.shape[0] + SPLINES - 1
    p, z = np.full(n, start), price.copy()
    q = np.empty(n)
    for k in range(n):
        q[k] = p[k]
        if k > 0:
            q[k] -= ar[0] * q[k - 1]
        if k > 1:
            q[k] -= ar[1] * q[k - 2]
    splines, slopes = np.zeros(n_splines), np.zeros(n_trend)
    error, g_q, g_splines, g_slopes = np.empty(n), np.empty(n), np.empty(n_splines), np.empty(n_trend)
    step_q, step_splines, step_slopes = np.empty(n), np.empty(n_splines), np.empty(n_trend)
    step_p, step_z, barrier, work = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    of_samples = np.empty((n, 3 + SPLINES + n_trend))
    of_splines = np.zeros((n_splines, 2 + SPLINES + n_trend))
    of_trend = np.zeros((n_trend, SPLINES + n_trend))
    objective = gap = 0.0
    for iteration in range(max_iterations):
        objective = _gradients(
            y, weights, basis, trend, ma, penalty, q, splines, slopes, error, g_q, g_splines, g_slopes
        )
        gap = 0.0
        for k in range(n):
            objective += price[k] * p[k]
            gap += p[k] * z[k]
            step_q[k] = g_q[k]
            work[k] = price[k] - z[k]
        # How far from zero the gradient of the Lagrangian is: it falls with every step.
        _add_filtered_back(work, ar, step_q)
        worst = 0.0
        for k in range(n):
            worst = max(worst, abs(step_q[k]))
        for j in range(n_splines):
            worst = max(worst, abs(g_splines[j]))
        for j in range(n_trend):
            worst = max(worst, abs(g_slopes[j]))
        if gap <= tolerance * objective:
            return q, p, splines, slopes, objective, gap, iteration
        for k in range(n):
            barrier[k] = z[k] / p[k]
        factorise(barrier, weights, basis, trend, ar, ma, penalty, of_samples, of_splines, of_trend)
        target = 0.0
        length = 1.0
        # Mehrotra's two steps: straight at the optimum, then towards the central path and with its bend.
        for attempt in range(2):
            for k in range(n):
                # Of complementarity, p z -> target, over p.
                work[k] = 0.0 if attempt == 0 else (target - step_p[k] * step_z[k]) / p[k]
                step_q[k] = -g_q[k]
                step_z[k] = work[k] - price[k]
            _add_filtered_back(step_z, ar, step_q)
            step_splines[:] = -g_splines
            step_slopes[:] = -g_slopes
            solve(step_q, step_splines, step_slopes, of_samples, of_splines, of_trend, basis.shape[0])
            _filtered(step_q, ar, step_p)
            room = 1.0 if attempt == 0 else 1.0 / _NEARLY
            for k in range(n):
                step_z[k] = work[k] - z[k] - barrier[k] * step_p[k]
                if step_p[k] < 0:
                    room = min(room, -p[k] / step_p[k])
                if step_z[k] < 0:
                    room = min(room, -z[k] / step_z[k])
            if attempt == 0:
                reached = 0.0
                for k in range(n):
                    reached += (p[k] + room * step_p[k]) * (z[k] + room * step_z[k])
                target = (reached / gap) ** 3 * gap / n
            else:
                length = _NEARLY * room
        for k in range(n):
            q[k] += length * step_q[k]
            # Rounding may take the one that blocks the step to zero, where it may not be.
            p[k] = max(p[k] + length * step_p[k], _NOTHING)
            z[k] = max(z[k] + length * step_z[k], _NOTHING)
        splines += length * step_splines
        slopes += length * step_slopes
    return q, p, splines, slopes, objective, gap, max_iterations
