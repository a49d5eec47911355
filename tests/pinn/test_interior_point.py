"""The fast solver against dense algebra and against Clarabel."""

from importlib import import_module

import clarabel
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.interpolate import BSpline

from physioaffect.pinn import Sudomotor, simulate_eda

# Type checkers see only what the package says at its top.
_elimination = import_module("physioaffect.pinn._elimination")
_solver = import_module("physioaffect.pinn._interior_point")
factorise, solve = _elimination.factorise, _elimination.solve
interior_point, spline_basis = _solver.interior_point, _solver.spline_basis
_penalty = import_module("physioaffect.pinn.deconvolution")._penalty


def matrices(n, n_per_knot, ar, ma, trend):
    """A, M and B, C as sparse matrices."""
    A = sp.diags_array([1.0, *ar], offsets=[0, -1, -2], shape=(n, n)).tocsc()
    M = sp.diags_array(list(ma), offsets=[-1, -2], shape=(n, n)).tocsc()
    basis = spline_basis(n_per_knot)
    B = sp.lil_array((n, n // n_per_knot + 3))
    for k in range(n):
        B[k, k // n_per_knot : k // n_per_knot + 4] = basis[k % n_per_knot]
    return A, M, sp.hstack([B.tocsc(), sp.csc_array(trend)]).tocsc()


def full(bands):
    """The penalty as a matrix."""
    n = len(bands) - 4
    upper = sum(np.diag(bands[: n - o, o], o) for o in range(4))
    return upper + np.triu(upper, 1).T


def trends(n, n_trend):
    return np.column_stack([np.ones(n), np.linspace(0, 1, n)])[:, :n_trend].copy()


def test_the_splines_are_scipys_and_add_up_to_one():
    basis = spline_basis(10)
    assert_allclose(basis.sum(axis=1), 1)
    element = BSpline.basis_element(np.arange(5), extrapolate=False)
    # The first of the four is the one that ends first.
    for j in range(4):
        assert_allclose(basis[:, j], element(np.arange(10) / 10 + 3 - j), atol=1e-12)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    n_per_knot=st.integers(2, 9),
    n_knots=st.integers(2, 9),
    n_trend=st.integers(0, 2),
    missing=st.floats(0, 0.5),
)
def test_elimination_solves_the_whole_system(seed, n_per_knot, n_knots, n_trend, missing):
    rng = np.random.default_rng(seed)
    n = n_per_knot * n_knots
    steps = Sudomotor().discretise(4.0)
    ar, ma, trend = np.array(steps.ar), np.array(steps.ma), trends(n, n_trend)
    barrier, weights = rng.uniform(0.1, 3, n), (rng.random(n) >= missing) * rng.uniform(0.5, 2, n)
    # So that a trend is told from the splines whatever is missing.
    weights[[0, -1]] = 1
    n_splines = n // n_per_knot + 3
    bands = _penalty(n_splines, 0.7, is_ridge=False)
    bands[:n_splines, 0] += 0.1
    A, M, X = (matrix.toarray() for matrix in matrices(n, n_per_knot, ar, ma, trend))
    whole = np.hstack([M, X])
    H = whole.T @ (weights[:, np.newaxis] * whole)
    H[:n, :n] += A.T @ (barrier[:, np.newaxis] * A)
    H[n : n + n_splines, n : n + n_splines] += full(bands)
    right = rng.standard_normal(len(H))
    kept = [np.empty((n, 7 + n_trend)), np.zeros((n_splines, 6 + n_trend)), np.zeros((n_trend, 4 + n_trend))]
    factorise(barrier, weights, spline_basis(n_per_knot), trend, ar, ma, bands, *kept)
    found = [right[:n].copy(), right[n : n + n_splines].copy(), right[n + n_splines :].copy()]
    solve(*found, *kept, n_per_knot)
    x = np.concatenate(found)
    assert_allclose(H @ x, right, atol=1e-10 * np.abs(H).max() * np.abs(x).max())


def problem(seed, *, n_trend):
    rng = np.random.default_rng(seed)
    n_per_knot = 40
    made = simulate_eda(300, rate=rng.uniform(1, 12), snr_db=rng.uniform(10, 30), seed=seed)
    y = (made.eda - made.eda.mean()) / made.eda.std()
    n = len(y)
    weights = np.ones(n)
    first = rng.integers(0, n - 100)
    weights[first : first + rng.integers(1, 100)] = 0
    skin = Sudomotor(tau_rise=rng.uniform(0.3, 1), tau_decay=rng.uniform(1.5, 6))
    steps = skin.discretise(4.0)
    bands = _penalty(n // n_per_knot + 3, 10.0 ** rng.uniform(-2, 1), is_ridge=n_trend > 0)
    price = np.full(n, 10.0 ** rng.uniform(-3.1, -1))
    return y, weights, price, n_per_knot, trends(n, n_trend), np.array(steps.ar), np.array(steps.ma), bands


def by_clarabel(given):
    """Objective, driver and tonic part: the program in driver, phasic part, splines and errors, A r = M p."""
    y, weights, price, n_per_knot, trend, ar, ma, bands = given
    n, is_seen = len(y), weights > 0
    A, M, X = matrices(n, n_per_knot, ar, ma, trend)
    n_seen, n_slow = int(is_seen.sum()), X.shape[1]
    seen = sp.eye_array(n).tocsr()[is_seen]
    nothing = sp.csc_array((trend.shape[1], trend.shape[1]))
    quadratic = [sp.csc_array((2 * n, 2 * n)), full(bands), nothing, sp.diags_array(weights[is_seen])]
    rows = [
        sp.hstack([-M, A, sp.csc_array((n, n_slow + n_seen))]),
        sp.hstack([sp.csc_array((n_seen, n)), seen, seen @ X, -sp.eye_array(n_seen)]),
        sp.hstack([-sp.eye_array(n), sp.csc_array((n, n + n_slow + n_seen))]),
    ]
    options = clarabel.DefaultSettings()
    options.verbose = False
    options.tol_gap_abs = options.tol_gap_rel = options.tol_feas = 1e-12
    found = clarabel.DefaultSolver(
        sp.csc_matrix(sp.triu(sp.block_diag(quadratic))),
        np.concatenate([price, np.zeros(n + n_slow + n_seen)]),
        sp.csc_matrix(sp.vstack(rows)),
        np.concatenate([np.zeros(n), y[is_seen], np.zeros(n)]),
        [clarabel.ZeroConeT(n + n_seen), clarabel.NonnegativeConeT(n)],
        options,
    ).solve()
    assert str(found.status) == "Solved"
    x = np.array(found.x)
    return found.obj_val, x[:n], X @ x[2 * n : 2 * n + n_slow]


@pytest.mark.parametrize("n_trend", [0, 2])
@pytest.mark.parametrize("seed", range(10))
def test_the_optimum_is_clarabels(seed, n_trend):
    given = problem(seed, n_trend=n_trend)
    y, weights, price, n_per_knot, trend, ar, ma, bands = given
    n = len(y)
    ours = interior_point(y, weights, price, spline_basis(n_per_knot), trend, ar, ma, bands, 2.0, 1e-11, 100)
    _, driver, splines, slopes, objective, gap, n_iterations = ours
    assert n_iterations < 40
    assert gap <= 1e-11 * objective
    theirs, their_driver, their_tonic = by_clarabel(given)
    tonic = matrices(n, n_per_knot, ar, ma, trend)[2] @ np.concatenate([splines, slopes])
    assert abs(objective - theirs) <= 1e-9 * theirs
    assert np.abs(driver - their_driver).max() <= 1e-4 * np.ptp(driver)
    assert np.abs(tonic - their_tonic)[weights > 0].max() <= 1e-5 * np.ptp(tonic)
