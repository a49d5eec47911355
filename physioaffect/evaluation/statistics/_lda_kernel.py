"""Coefficients of `EvenLDA` from class sums, one label vector at a time, compiled.

All passes over a covariance then happen in the processor's cache.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physioaffect._compiled import compiled

__all__ = ["solve_discriminants"]

Floats = NDArray[np.float64]
# Share of a feature's variance that those before it leave, below which the covariance counts as singular.
_SINGULAR = 1e-10
# Reassociated sums let the compiler add several numbers at once. So do slices that begin with a row: it need
# not ask whether an index is below 0.
_fast = compiled(fastmath={"reassoc", "contract", "nsz"})


@_fast
def solve_discriminants(  # noqa: PLR0913, PLR0917
    seconds: Floats,
    rest: Floats,
    n: Floats,
    means: Floats,
    weights: Floats,
    lengths: Floats,
    n_features: int,
    coef: Floats,
) -> bool:
    """Solve C a_k = m_k - m_0 for each class k after the first, with C as in `linear_permutation`.

    Parameters
    ----------
    seconds : ndarray, shape (n_classes - 1, m, p (p + 1) / 2)
        Sums of x x^T, its upper triangle row by row, over the training windows of each class but the last.
    rest : ndarray, shape (1 or m, p (p + 1) / 2)
        Those over all classes.
    n, lengths : ndarray, shape (n_classes, m)
        Training windows, and the sum of the fourth powers of the lengths of standardised ones.
    means, weights : ndarray, shape (n_classes, m, p)
        Means and 1 / variance.
    n_features : int
        p and the features that never vary: they count in what is shrunk to, as in scikit-learn.
    coef : ndarray, shape (m, n_classes - 1, p)
        Filled in.

    Returns
    -------
    is_regular : bool
        False, and ``coef`` unfinished, if a covariance is singular but for rounding.

    Raises
    ------
    LinAlgError
        If a covariance is not positive definite.
    """
    n_classes, m, p = means.shape
    mu = p / n_features
    within, last = np.empty((2, rest.shape[1]))
    # The upper triangle by rows is the lower one by columns, as LAPACK wants it.
    upper = np.empty((p, p))
    for b in range(m):
        upper[:] = 0
        last[:] = rest[b % len(rest)]
        for k in range(n_classes):
            second = last
            if k < n_classes - 1:
                second = seconds[k, b]
                last -= second  # The last class is what the others leave.
            square = _covariance(second, n[k, b], means[k, b], weights[k, b], within)
            shrinkage = 0.0
            if n_features > 1:
                beta = (lengths[k, b] / n[k, b] - square) / (n_features * n[k, b])
                delta = (square - 2 * mu * p + n_features * mu * mu) / n_features
                beta = min(beta, delta)
                shrinkage = beta / delta if beta != 0 else 0.0
            _add(within, (1 - shrinkage) / n_classes, shrinkage * mu / n_classes, upper)
        factor = np.linalg.cholesky(upper.T)
        for i in range(p):
            if not factor[i, i] ** 2 > _SINGULAR * upper[i, i]:
                return False
        for k in range(1, n_classes):
            coef[b, k - 1] = means[k, b] - means[0, b]
            _substitute(factor, coef[b, k - 1])
    return True


@_fast
def _covariance(second: Floats, n: float, mean: Floats, weight: Floats, within: Floats) -> float:
    """Fill in S = sum x x^T / n - m m^T, and return ||R||^2 = sum_ij w_i w_j S_ij^2."""
    p = len(mean)
    per_window, square, at = 1 / n, 0.0, 0
    for i in range(p):
        x, row, others, weights = second[at:], within[at:], mean[i:], weight[i:]
        own, in_row = mean[i], 0.0
        for j in range(p - i):
            value = x[j] * per_window - own * others[j]
            row[j] = value
            in_row += weights[j] * value * value
        # What is beside the diagonal stands for two.
        square += weight[i] * (2 * in_row - weight[i] * row[0] * row[0])
        at += p - i
    return square


@_fast
def _add(within: Floats, kept: float, on_diagonal: float, upper: Floats) -> None:
    """Add kept S + on_diagonal diag(S)."""
    p, at = len(upper), 0
    for i in range(p):
        row, there = within[at:], upper[i, i:]
        for j in range(p - i):
            there[j] += kept * row[j]
        there[0] += on_diagonal * row[0]
        at += p - i


@_fast
def _substitute(factor: Floats, a: Floats) -> None:
    """Solve L L^T x = a in place; L has its columns in one piece."""
    p = len(a)
    for j in range(p):
        column, below = factor[j:, j], a[j:]
        below[0] /= column[0]
        for i in range(1, p - j):
            below[i] -= column[i] * below[0]
    for j in range(p - 1, -1, -1):
        column, below = factor[j:, j], a[j:]
        total = below[0]
        for i in range(1, p - j):
            total -= column[i] * below[i]
        below[0] = total / column[0]
