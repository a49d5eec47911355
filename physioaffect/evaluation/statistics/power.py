"""How many subjects a difference needs: power of the paired, two-sided t test.

The SD is that of the *differences between two models within subjects*, or of one model's scores where it is
held against a fixed number. Give the difference that would matter, not the one observed: power computed from
the observed difference only says the p-value again (Hoenig & Heisey 2001, The American Statistician
55:19-24).
"""

from __future__ import annotations

import numpy as np
from scipy import optimize, stats

__all__ = ["detectable_difference", "power_of", "power_sentence", "subjects_needed"]

# Beyond it the power is 1 to fifteen digits, and scipy's noncentral t begins to return NaN.
_CERTAIN = 35.0
_MOST_SUBJECTS = 10_000_000


def power_of(n: int, difference: float, sd: float, alpha: float = 0.05) -> float:
    """Probability that the paired two-sided t test finds a true difference.

    Parameters
    ----------
    n : int
        Subjects, at least two.
    difference : float
        True mean difference.
    sd : float
        Between-subject SD of the difference, in the same unit.
    alpha : float
        Level of the test.

    Returns
    -------
    float
        Probability of p < alpha, in either direction.

    Notes
    -----
    Noncentral t with n - 1 degrees of freedom and noncentrality ``sqrt(n) difference / sd`` (Cohen 1988,
    chapter 2). Scores are taken as normal; for a few trials a subject that is an approximation.

    Examples
    --------
    >>> round(power_of(34, 0.05, 0.1), 3)
    0.808
    """
    _check(sd=sd, alpha=alpha)
    if n < 2:
        raise ValueError(f"Power needs at least two subjects, got n={n}.")
    shift = np.sqrt(n) * abs(difference) / sd
    critical = stats.t.isf(alpha / 2, n - 1)
    if shift - critical > _CERTAIN:
        return 1.0
    nearer = float(stats.nct.sf(critical, n - 1, shift))
    # In the wrong direction it is at most alpha / 2, and 0 where scipy cannot tell it from that.
    further = float(np.nan_to_num(stats.nct.cdf(-critical, n - 1, shift)))
    return min(nearer + further, 1.0)


def subjects_needed(difference: float, sd: float, *, power: float = 0.8, alpha: float = 0.05) -> int:
    """Smallest number of subjects with which the difference is found with this probability.

    Parameters
    ----------
    difference : float
        The smallest difference that would matter.
    sd : float
        Between-subject SD of the difference, in the same unit.
    power : float
        Wanted probability of p < alpha.
    alpha : float
        Level of the test.

    Examples
    --------
    >>> subjects_needed(0.05, 0.1)
    34
    """
    _check(sd=sd, alpha=alpha, power=power)
    if difference == 0 or not np.isfinite(difference):
        raise ValueError(
            f"No number of subjects finds a difference of {difference}: give the smallest that would matter."
        )
    high = 2
    while power_of(high, difference, sd, alpha) < power:
        high *= 2
        if high > _MOST_SUBJECTS:
            raise ValueError(
                f"A difference of {difference:g} with an SD of {sd:g} needs more than {_MOST_SUBJECTS:,} "
                "subjects."
            )
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(middle, difference, sd, alpha) >= power else (middle, high)
    return high


def detectable_difference(n: int, sd: float, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """Difference that n subjects find with this probability: the inverse of `power_of`.

    Parameters
    ----------
    n : int
        Subjects, at least two.
    sd : float
        Between-subject SD of the difference.
    power : float
        Wanted probability of p < alpha; above alpha, which a difference of 0 already has.
    alpha : float
        Level of the test.

    Returns
    -------
    float
        In the unit of ``sd``.

    Examples
    --------
    >>> round(detectable_difference(23, 0.1), 3)
    0.061
    """
    _check(sd=sd, alpha=alpha, power=power)
    power_of(n, 0.0, sd, alpha)  # Checks n.
    high = 1.0
    while power_of(n, high, 1.0, alpha) < power:
        high *= 2
    return float(sd * optimize.brentq(lambda d: power_of(n, d, 1.0, alpha) - power, 0.0, high, xtol=1e-12))


def power_sentence(n: int, difference: float, sd: float, *, power: float = 0.8, alpha: float = 0.05) -> str:
    """Say what n subjects can find, and how many a difference needs, given an SD observed in n subjects.

    Parameters
    ----------
    n : int
        Subjects in whom ``sd`` was observed.
    difference : float
        The smallest difference that would matter.
    sd : float
        Observed between-subject SD of the difference.
    power, alpha : float
        As of `subjects_needed`.

    Notes
    -----
    The SD of a few subjects is itself uncertain; the range of subjects is that of the SD's 95 % interval (chi
    squared, for normal scores).

    Examples
    --------
    >>> power_sentence(23, 0.05, 0.1).split(";")[0]
    'With 23 people and an SD of 0.1 a true difference of 0.05 is found (p < 0.05) in 63 % of studies'
    """
    needed = subjects_needed(difference, sd, power=power, alpha=alpha)
    here = power_of(n, difference, sd, alpha)
    sds = [sd * float(np.sqrt((n - 1) / stats.chi2.ppf(q, n - 1))) for q in (0.975, 0.025)]
    few, many = (subjects_needed(difference, each, power=power, alpha=alpha) for each in sds)
    least = detectable_difference(n, sd, power=power, alpha=alpha)
    return (
        f"With {n} people and an SD of {sd:.2g} a true difference of {abs(difference):.2g} is found (p < "
        f"{alpha:g}) in {100 * here:.0f} % of studies; for {100 * power:g} % it takes {needed} people "
        f"({few} to {many}, since {n} people tell the SD only to within {sds[0]:.2g} to {sds[1]:.2g}). "
        f"Found with {100 * power:g} % here: {least:.2g} and more."
    )


def _check(*, sd: float, alpha: float, power: float | None = None) -> None:
    if not (sd > 0 and np.isfinite(sd)):
        raise ValueError(
            f"sd must be a positive number, got {sd}. If all subjects score the same, power says nothing."
        )
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, got {alpha}.")
    if power is not None and not alpha < power < 1:
        raise ValueError(f"power must be between alpha ({alpha:g}) and 1, got {power}. Usual is 0.8.")
