"""Intervals of a mean over subjects: Student's t, the studentised bootstrap, the corrected t.

What is estimated is the expected score of this *procedure* (features, model, training on so many people) on
one more person of the same population. The scores of a leave-one-subject-out evaluation are not independent,
because the folds share most of their training people, and no unbiased estimator of the variance of their
mean exists (Bengio & Grandvalet 2004). docs/statistics.md measures what that costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from physioaffect.errors import DataError

__all__ = ["ESTIMAND", "Interval", "Method", "mean_interval", "mean_intervals"]

Method = Literal["t", "bootstrap", "corrected"]
METHODS: dict[str, str] = {
    "t": "t interval",
    "bootstrap": "studentised bootstrap interval",
    "corrected": "t interval corrected for shared training people",
}

ESTIMAND = "It is for the expected score of this procedure on a new person of the same population."
# What a reader must know about the people's independence.
_SHARING = {
    "within": "Each person has a model of their own, so people are independent.",
    "t": "People are taken as independent, though their folds share most of the training people: the "
    "interval shows how much people differ, and only in part what training on others would change (Bengio & "
    "Grandvalet 2004). It is too narrow where the score is near chance.",
    "corrected": "The folds share most of the training people; the interval is widened for that (Nadeau & "
    "Bengio 2003), too much so where the score is far from chance.",
}
_CHUNK = 128  # Columns bootstrapped at a time: 10,000 resamples of them are 10 MB.


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A mean over subjects and its interval.

    ``sd`` is between subjects (n - 1). ``low`` and ``high`` are NaN where there is no interval, and ``note``
    then says why; it also says what else must be known to read the interval, and is empty otherwise.
    """

    mean: float
    low: float
    high: float
    sd: float
    n: int
    level: float
    method: Method
    note: str = ""

    def sentence(self, name: str = "score", *, is_within_subject: bool = False) -> str:
        """Say the interval in words, estimand included, for a report.

        Parameters
        ----------
        name : str
            What the values are, e.g. ``"balanced accuracy"``.
        is_within_subject : bool
            Whether every person's model was trained on that person only, so that no training people are
            shared.

        Examples
        --------
        >>> print(mean_interval([0.5, 0.6, 0.7, 0.6]).sentence("balanced accuracy").split(". It")[0])
        Mean balanced accuracy over 4 people: 0.600 (SD 0.082), 95 % t interval 0.470 to 0.730
        """
        people = "1 person" if self.n == 1 else f"{self.n} people"
        start = f"Mean {name} over {people}: {self.mean:.3f}"
        if np.isnan(self.low):
            return f"{start}. No interval: {self.note}"
        kind = f"{100 * self.level:g} % {METHODS[self.method]}"
        said = f"{start} (SD {self.sd:.3f}), {kind} {self.low:.3f} to {self.high:.3f}."
        independence = "within" if is_within_subject else "corrected" if self.method == "corrected" else "t"
        return f"{said} {ESTIMAND} {_SHARING[independence]} {self.note}".rstrip()


class Limits(NamedTuple):
    """Of each column: mean, SD (n - 1), and the limits of the interval; each of shape (n_columns,)."""

    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def mean_interval(
    values: ArrayLike,
    *,
    level: float = 0.95,
    method: Method = "t",
    n_resamples: int = 10_000,
    seed: int = 0,
    bounds: tuple[float, float] | None = None,
) -> Interval:
    """Interval of a mean over subjects.

    Parameters
    ----------
    values : array-like, shape (n_subjects,)
        One score a subject. NaN is refused: decide, and say, whose score is undefined.
    level : float
        Confidence, between 0 and 1.
    method : {"t", "bootstrap", "corrected"}
        ``"t"``: mean ± t(n - 1) standard errors; right for roughly symmetric scores, too narrow near a
        ceiling. ``"bootstrap"``: the studentised (bootstrap-t) interval; follows skewness, a little wider.
        ``"corrected"``: as ``"t"``, with the variance of the mean raised from ``1 / n`` to ``1 / n + 1 / (n
        - 1)`` times that of the scores, for leave-one-subject-out, where all folds share training people
        [2]_.
    n_resamples : int
        Of the bootstrap.
    seed : int
        Of the bootstrap.
    bounds : (float, float), optional
        Smallest and largest possible score. The limits are cut there, which costs no coverage.

    Returns
    -------
    Interval
        With one subject, ``low`` and ``high`` are NaN.

    Raises
    ------
    DataError
        If there is no value, or one that is not finite.
    ValueError
        If a setting is out of range.

    Notes
    -----
    Studentised bootstrap: equation 12.22 of [1]_, as order statistics of 10,000 resamples (the
    ``(n_resamples + 1) (1 - level) / 2``-th from either end). Where a resample happens to draw equal scores
    only, its standard error is 0 and its t infinite; it is kept as such. So with few subjects of whom most
    score the same, a limit can be infinite: more than ``(1 - level) / 2`` of the resamples then cannot bound
    the mean. It becomes the score's own bound where ``bounds`` says what that is. Dropping these resamples,
    or giving them a floor, makes the interval narrower and its coverage too small (docs/statistics.md).

    The correction is [2]_'s, for random splits, with one test person to n - 1 training people.
    Leave-one-subject-out has its own reason for it: without any signal the mean score is nearly a degenerate
    U-statistic of pairs of people (each person's data meet every other's twice, once as training and once as
    test), whose variance is exactly twice what independent scores would have. With signal the factor falls
    towards one, and the correction is too wide.

    References
    ----------
    .. [1] Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 12.
    .. [2] Nadeau & Bengio 2003, Machine Learning 52:239-281, doi:10.1023/A:1024068626366.

    Examples
    --------
    >>> interval = mean_interval([0.5, 0.6, 0.7, 0.6])
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.47, 0.73)
    >>> mean_interval([0.5]).note
    'one person has no spread between people. Score at least two.'
    """
    scores = np.asarray(values, dtype=float)
    if scores.ndim != 1:
        raise ValueError(
            f"values must be one score a subject, shape (n_subjects,); got shape {scores.shape}."
        )
    if not len(scores):
        raise DataError("No score was given: an interval needs at least two subjects.")
    if not np.isfinite(scores).all():
        lost = np.flatnonzero(~np.isfinite(scores))
        named = values.index[lost] if isinstance(values, pd.Series) else lost
        places = ", ".join(map(str, named[:10]))
        raise DataError(
            f"{len(lost)} of {len(scores)} scores are not finite numbers (at {places}). A mean over subjects "
            "needs a score of each: leave those subjects out, and say so."
        )
    limits = mean_intervals(
        scores[:, None], level=level, method=method, n_resamples=n_resamples, seed=seed, bounds=bounds
    )
    mean, sd, low, high = (float(column[0]) for column in limits)
    note = note_on(n=len(scores), sd=sd, low=low, high=high, method=method, bounds=bounds)
    return Interval(
        mean=mean, low=low, high=high, sd=sd, n=len(scores), level=level, method=method, note=note
    )


def mean_intervals(
    columns: NDArray[np.float64],
    *,
    level: float = 0.95,
    method: Method = "t",
    n_resamples: int = 10_000,
    seed: int = 0,
    bounds: tuple[ArrayLike, ArrayLike] | None = None,
) -> Limits:
    """Intervals of the means of many columns at once; each equals `mean_interval` of that column.

    Parameters
    ----------
    columns : ndarray, shape (n_subjects, n_columns)
        Finite scores.
    level, method, n_resamples, seed
        As of `mean_interval`. The same resamples serve all columns.
    bounds : (array-like, array-like), optional
        Smallest and largest possible score, numbers or of shape (n_columns,).

    Returns
    -------
    Limits
        Mean, SD and limits of each column.

    Examples
    --------
    >>> mean_intervals(np.array([[0.5, 1.0], [0.7, 1.0]])).mean
    array([0.6, 1. ])
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}. For 95 % pass 0.95.")
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; got {method!r}.")
    n = len(columns)
    mean = columns.mean(axis=0)
    if n < 2:
        none = np.full_like(mean, np.nan)
        return Limits(mean, none, none, none)
    centred = columns - mean
    sd = centred.std(axis=0, ddof=1)
    # Equal scores whose mean is rounded seem to differ by some 1e-17.
    sd[sd <= 1e-12 * np.abs(columns).max(axis=0)] = 0.0
    error = sd * np.sqrt(1 / n + (1 / (n - 1) if method == "corrected" else 0))
    if method != "bootstrap":
        quantile = special.stdtrit(n - 1, (1 + level) / 2)
        below = above = np.full_like(mean, quantile)
    else:
        weights = resample_weights(n, n_resamples, seed)
        rank = int((n_resamples + 1) * (1 - level) / 2 + 1e-9)
        if rank < 1:
            raise ValueError(
                f"{n_resamples} resamples are too few for a level of {level:g}: "
                f"take at least {int(np.ceil(2 / (1 - level) - 1e-9)) - 1}."
            )
        below, above = np.empty_like(mean), np.empty_like(mean)
        for start in range(0, columns.shape[1], _CHUNK):
            part = slice(start, start + _CHUNK)
            t = _studentised(weights, centred[:, part], sd[part])
            t.sort(axis=1)  # Faster than a partition, where NumPy sorts with vector instructions.
            above[part], below[part] = -t[:, rank - 1], t[:, n_resamples - rank]
    with np.errstate(invalid="ignore"):  # 0 times infinity, where all scores are equal.
        low = np.where(sd > 0, mean - below * error, mean)
        high = np.where(sd > 0, mean + above * error, mean)
    if bounds is not None:
        low, high = np.maximum(low, bounds[0]), np.minimum(high, bounds[1])
    return Limits(mean, sd, low, high)


def note_on(
    *, n: int, sd: float, low: float, high: float, method: Method, bounds: tuple[float, float] | None = None
) -> str:
    """What must be known to read an interval; empty if nothing."""
    if n < 2:
        return ("no person has a score.", "one person has no spread between people. Score at least two.")[n]
    if sd == 0:
        return "All people score the same; the interval has no width, which does not make the mean certain."
    if not (np.isfinite(low) and np.isfinite(high)):
        return "Most people score the same: too many resamples have no spread to bound the mean on that side."
    if bounds is None or (low > bounds[0] and high < bounds[1]):
        return ""
    if method != "bootstrap":
        return "The t interval reaches the end of the scale: such scores are skewed, prefer the bootstrap."
    return "The interval reaches the end of the scale."


def resample_weights(n: int, n_resamples: int, seed: int) -> NDArray[np.float64]:
    """How often each of n subjects is drawn in each resample, shape (n_resamples, n)."""
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be at least 1, got {n_resamples}.")
    drawn = np.random.default_rng(seed).integers(0, n, size=(n_resamples, n))
    drawn += n * np.arange(n_resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=n_resamples * n)
    return counts.reshape(n_resamples, n).astype(np.float64)


def _studentised(
    weights: NDArray[np.float64], centred: NDArray[np.float64], sd: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(mean* - mean) / se* of every column and resample; infinite where a resample has no spread."""
    n = weights.shape[1]
    rows, sd = centred.T, sd[:, None]
    t: NDArray[np.float64] = rows @ weights.T
    t /= n
    variance = rows**2 @ weights.T
    variance /= n
    variance -= t**2
    # Sums of the same numbers in another order differ in the last digits.
    t[np.abs(t) <= 1e-10 * sd] = 0.0
    variance[variance <= 1e-10 * sd**2] = 0.0
    variance /= n - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        t /= np.sqrt(variance, out=variance)
    t[np.isnan(t)] = 0.0  # Resamples of equal scores that are the mean.
    return t
