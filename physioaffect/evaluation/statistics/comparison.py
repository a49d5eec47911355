"""Paired comparison of models over subjects: Wilcoxon, sign flips, Holm's correction, effect sizes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from physioaffect.errors import DataError
from physioaffect.evaluation.statistics.intervals import METHODS, Interval, Method, mean_interval
from physioaffect.evaluation.statistics.symmetry import sign_flip, signed_rank

__all__ = ["Comparison", "compare_models", "compare_paired", "compare_pairs", "holm"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Model a against model b over the same subjects.

    ``difference`` is the mean of a - b over ``n`` subjects, ``low`` to ``high`` its interval of kind
    ``method``; ``p_wilcoxon``, ``p_sign_flip`` and ``p_corrected`` are two-sided; ``effect_size`` is Cohen's
    dz (mean over SD of the differences) and ``rank_biserial`` the share of signed ranks in favour of a minus
    that in favour of b. ``is_exact`` says whether all sign patterns were counted. ``left_out`` names
    subjects that only one of the two has a score of, ``note`` says what else must be known.
    """

    n: int
    difference: float
    low: float
    high: float
    method: Method
    p_wilcoxon: float
    p_sign_flip: float
    p_corrected: float
    effect_size: float
    rank_biserial: float
    is_exact: bool
    left_out: tuple[str, ...] = ()
    note: str = ""

    def sentence(self, a: str = "a", b: str = "b") -> str:
        """Say the comparison in words, with the models' names."""
        said = (
            f"{a} minus {b} over {self.n} people: {self.difference:+.3f} ({METHODS[self.method]} "
            f"{self.low:+.3f} to {self.high:+.3f}), sign-flip p = {self.p_sign_flip:.2g}, Wilcoxon p = "
            f"{self.p_wilcoxon:.2g}, dz = {self.effect_size:.2f}."
        )
        if self.left_out:
            said += f" Left out, since one of the two has no score: {', '.join(self.left_out)}."
        return f"{said} {self.note}".rstrip()


def compare_paired(
    a: ArrayLike,
    b: ArrayLike,
    *,
    level: float = 0.95,
    method: Method = "t",
    n_permutations: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compare two models on the same subjects.

    Parameters
    ----------
    a, b : array-like, shape (n_subjects,), or pandas.Series
        Scores. Two Series are aligned by their index, and subjects with a score in one only are left out and
        named; arrays must be in the same order and without NaN.
    level, method
        Confidence and kind of the interval of the mean difference, see `mean_interval`.
    n_permutations : int
        Random sign patterns, used beyond 36 subjects that differ; up to there all are counted.
    seed : int
        Of the random sign patterns.

    Returns
    -------
    Comparison
        Two-sided throughout; swapping ``a`` and ``b`` changes signs and no p-value.

    Raises
    ------
    DataError
        If arrays differ in length or hold NaN, an index names a subject twice, or no subject has both scores.

    Notes
    -----
    Both tests ask whether the differences are symmetric about 0. Sign flips test the mean difference,
    Wilcoxon's signed ranks [1]_ are less moved by single subjects; zeros are ranked and then dropped (Pratt).
    Both count all sign patterns up to 36 subjects that differ, with ties too; beyond, the one draws patterns
    and the other is scipy's normal approximation. Differences that are equal but for rounding are ties.

    Where folds share training people (leave-one-subject-out), the subjects' differences are not independent,
    and of two equally good models both tests find one better too often, up to 16 % instead of 5
    (docs/statistics.md). ``p_corrected`` is of the t test with Nadeau & Bengio's variance [2]_, which does
    not; it finds less.

    References
    ----------
    .. [1] Demšar 2006, JMLR 7:1-30, section 3.1.3, recommends it for this use.
    .. [2] Nadeau & Bengio 2003, Machine Learning 52:239-281, doi:10.1023/A:1024068626366.

    Examples
    --------
    >>> found = compare_paired([0.6, 0.7, 0.8, 0.7, 0.9, 0.6], [0.5, 0.6, 0.7, 0.5, 0.6, 0.4])
    >>> round(found.difference, 3), found.p_sign_flip
    (0.167, 0.03125)
    """
    first, second, left_out = _aligned(a, b)
    difference = _differences(first, second)
    interval = mean_interval(difference, level=level, method=method)
    sd, n_nonzero = interval.sd, int(np.count_nonzero(difference))
    p, is_exact = sign_flip(difference, n_permutations=n_permutations, seed=seed)
    if sd > 0:
        effect = interval.mean / sd
    else:
        # Of one subject there is no SD; where all differ by the same amount there is no limit.
        effect = np.nan if interval.n == 1 else float(np.sign(interval.mean)) * np.inf if n_nonzero else 0.0
    note = ""
    if n_nonzero == 0:
        note = "No person's scores differ."
    elif (smallest := 2.0 ** (1 - n_nonzero)) > 1 - level:
        note = f"{n_nonzero} people who differ cannot give a sign-flip p below {smallest:.2g}, however much."
    return Comparison(
        n=interval.n,
        difference=interval.mean,
        low=interval.low,
        high=interval.high,
        method=method,
        p_wilcoxon=signed_rank(difference),
        p_sign_flip=p,
        p_corrected=_corrected(interval),
        effect_size=effect,
        rank_biserial=_rank_biserial(difference),
        is_exact=is_exact,
        left_out=left_out,
        note=note,
    )


def compare_models(
    scores: pd.DataFrame,
    *,
    level: float = 0.95,
    method: Method = "t",
    n_permutations: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare every pair of models over the same subjects.

    Parameters
    ----------
    scores : pandas.DataFrame, index subject, columns model
        NaN where a subject has no score; such a subject is left out of that pair and named.
    level, method, n_permutations, seed
        As of `compare_paired`.

    Returns
    -------
    pandas.DataFrame
        One row a pair: ``model_a``, ``model_b``, the fields of `Comparison`, ``p_holm``, the sign-flip p
        corrected over all rows, and ``p_corrected_holm``, the same of ``p_corrected``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> scores = pd.DataFrame(rng.normal(size=(20, 3)) + [0, 0, 1], columns=["x", "y", "z"])
    >>> found = compare_models(scores)
    >>> found[found["p_holm"] < 0.05][["model_a", "model_b"]].to_numpy().tolist()
    [['x', 'z'], ['y', 'z']]
    """
    pairs = combinations(scores.columns, 2)
    options: dict[str, Any] = {
        "level": level,
        "method": method,
        "n_permutations": n_permutations,
        "seed": seed,
    }
    return compare_pairs(scores, pairs, **options)


def compare_pairs(
    scores: pd.DataFrame,
    pairs: Iterable[tuple[str, str]],
    **options: Any,
) -> pd.DataFrame:
    """As `compare_models` with its ``options``, of the pairs named only: one family for Holm's correction."""
    if not scores.columns.is_unique:
        twice = sorted(set(scores.columns[scores.columns.duplicated()]))
        raise DataError(
            f"Models are named twice: {', '.join(map(str, twice))}. Give each column its own name."
        )
    rows = []
    for a, b in pairs:
        found = compare_paired(scores[a], scores[b], **options)
        rows.append({"model_a": a, "model_b": b} | asdict(found))
    fields = ["model_a", "model_b", *Comparison.__dataclass_fields__]
    frame = pd.DataFrame(rows, columns=fields)
    for p, corrected in (("p_sign_flip", "p_holm"), ("p_corrected", "p_corrected_holm")):
        frame.insert(list(frame).index(p) + 1, corrected, holm(frame[p].to_numpy(dtype=float)))
    return frame


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """p-values corrected for their number after Holm (1979, Scand. J. Statist. 6:65-70).

    Parameters
    ----------
    p : array-like, shape (n,)
        Between 0 and 1.

    Returns
    -------
    ndarray, shape (n,)
        Rejecting those at most alpha keeps the chance of any false rejection at alpha, however the tests
        depend on each other.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    values = np.asarray(p, dtype=float)
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError("p-values must be between 0 and 1, and none may be NaN.")
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def _aligned(a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[str, ...]]:
    """Scores of the subjects that both have, in the same order, and the names of the others."""
    if isinstance(a, pd.Series) and isinstance(b, pd.Series):
        for series in (a, b):
            if not series.index.is_unique:
                twice = sorted(map(str, set(series.index[series.index.duplicated()])))
                raise DataError(
                    f"Subjects have two scores: {', '.join(twice[:10])}. Average them first, and say so."
                )
        pairs = pd.DataFrame({"a": a.astype(float), "b": b.astype(float)})
        is_whole = np.asarray(np.isfinite(pairs.to_numpy()).all(axis=1))
        left_out = tuple(str(name) for name in pairs.index[~is_whole])
        if not is_whole.any():
            raise DataError(
                f"No subject has a score of both models ({len(a)} and {len(b)} subjects). Compare models "
                "that were run on the same people, under the same names."
            )
        return pairs["a"].to_numpy()[is_whole], pairs["b"].to_numpy()[is_whole], left_out
    first, second = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if isinstance(a, pd.Series) or isinstance(b, pd.Series) or first.ndim != 1 or first.shape != second.shape:
        raise DataError(
            f"a and b must be scores of the same subjects; got shapes {first.shape} and {second.shape}. "
            "Pass two arrays in the same order, or two Series with the subjects' names as index."
        )
    n_missing = int(np.count_nonzero(~np.isfinite(first) | ~np.isfinite(second)))
    if n_missing or not len(first):
        raise DataError(
            f"{n_missing} of {len(first)} pairs of scores are not finite numbers. Pass two Series with "
            "the subjects' names as index: those subjects are then left out and named."
        )
    return first, second, ()


def _differences(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a - b with twelve digits, so that 0.6 - 0.5 and 0.5 - 0.4 are tied."""
    scale = float(max(np.abs(a).max(), np.abs(b).max()))
    if scale == 0:
        return np.zeros_like(a)
    rounded: NDArray[np.float64] = np.round((a - b) / scale, 12) * scale
    return rounded


def _corrected(interval: Interval) -> float:
    """Two-sided p of the t test with Nadeau & Bengio's variance for one test and n - 1 training people."""
    if interval.n < 2 or interval.mean == 0:
        return 1.0
    if interval.sd == 0:
        return 0.0
    t = interval.mean / (interval.sd * np.sqrt(1 / interval.n + 1 / (interval.n - 1)))
    return float(2 * stats.t.sf(abs(t), interval.n - 1))


def _rank_biserial(differences: NDArray[np.float64]) -> float:
    """Matched-pairs rank-biserial correlation (Kerby 2014, doi:10.2466/11.IT.3.1), zeros left out."""
    values = differences[differences != 0]
    if not len(values):
        return 0.0
    ranks = stats.rankdata(np.abs(values))
    return float(np.sum(np.sign(values) * ranks) / ranks.sum())
