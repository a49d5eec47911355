"""Are differences symmetric about 0? Sign flips and signed ranks."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

__all__ = ["sign_flip", "signed_rank"]

# Two halves of 18 differences have 2^18 sums each: 2^36 sign patterns are counted in some 15 ms.
_MOST_ENUMERATED = 36


def sign_flip(differences: ArrayLike, *, n_permutations: int = 10_000, seed: int = 0) -> tuple[float, bool]:
    """Two-sided sign-flip test of a mean difference of 0.

    Parameters
    ----------
    differences : array-like, shape (n,)
        One a subject.
    n_permutations, seed : int
        Random sign patterns, beyond 36 subjects that differ.

    Returns
    -------
    p : float
        Share of the sign patterns whose mean is at least as far from 0. Exact: the observed pattern is one
        of them. Random: ``(b + 1) / (n_permutations + 1)`` [1]_.
    is_exact : bool
        Whether all patterns were counted.

    Notes
    -----
    All 2^n patterns need not be visited: the sums of each half's 2^(n/2) are sorted, and for each sum of the
    one half a search tells how many of the other reach the observed sum (meet in the middle, Horowitz &
    Sahni 1974). Zeros do not change with their sign.

    References
    ----------
    .. [1] Phipson & Smyth 2010, Permutation p-values should never be zero, doi:10.2202/1544-6115.1585.

    Examples
    --------
    >>> sign_flip([1.0, 2.0, 3.0])
    (0.25, True)
    """
    if n_permutations < 1:
        raise ValueError(f"n_permutations must be at least 1, got {n_permutations}.")
    values = np.asarray(differences, dtype=float)
    values = values[values != 0]
    # Sums that are equal but for rounding count as reached.
    reached = abs(values.sum()) - 1e-10 * np.abs(values).sum()
    if len(values) == 0 or reached <= 0:
        return 1.0, True
    if len(values) <= _MOST_ENUMERATED:
        half = len(values) // 2
        left, right = np.sort(_signed_sums(values[:half])), np.sort(_signed_sums(values[half:]))
        n_reaching = len(left) * len(right) - int(np.searchsorted(right, reached - left, side="left").sum())
        return 2 * n_reaching / 2 ** len(values), True
    rng = np.random.default_rng(seed)
    n_reaching = 0
    for start in range(0, n_permutations, 10_000):
        size = (min(10_000, n_permutations - start), len(values))
        signs = 2.0 * rng.integers(0, 2, size=size, dtype=np.int8) - 1.0
        n_reaching += int(np.count_nonzero(np.abs(signs @ values) >= reached))
    return (n_reaching + 1) / (n_permutations + 1), False


def _signed_sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum under each of the 2^n sign patterns."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums - value, sums + value])
    return sums


def signed_rank(differences: ArrayLike) -> float:
    """Two-sided p of Wilcoxon's signed ranks; zeros are ranked and then dropped (Pratt 1959).

    Parameters
    ----------
    differences : array-like, shape (n,)
        One a subject.

    Returns
    -------
    float
        Exact up to 36 subjects that differ, with ties and zeros too, where scipy goes over to the normal
        approximation; scipy's approximation beyond.

    Examples
    --------
    >>> signed_rank([1.0, 1.0, -2.0, 3.0, 0.0])
    0.5
    """
    values = np.asarray(differences, dtype=float)
    if np.count_nonzero(values) > _MOST_ENUMERATED:
        return float(stats.wilcoxon(values, zero_method="pratt", method="approx").pvalue)
    return sign_flip(np.sign(values) * stats.rankdata(np.abs(values)))[0]
