"""Many models on many data sets: Friedman's test and the Nemenyi critical difference (Demšar 2006)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from physioaffect.errors import DataError, ProtocolError

__all__ = ["CriticalDifference", "critical_difference", "nemenyi"]

_LEAST_DATA_SETS = 6
_LEAST_MODELS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class CriticalDifference:
    """Result of `critical_difference`.

    ``ranks`` has each model's mean rank over the data sets (1 is best), best first. Two models differ where
    their mean ranks are at least ``difference`` apart; ``groups`` are the largest sets of models of which no
    two do. ``chi2``, ``p_friedman``: Friedman's test; ``f``, ``p_iman_davenport``: its less conservative F
    form.
    """

    ranks: pd.Series
    difference: float
    groups: tuple[tuple[str, ...], ...]
    chi2: float
    p_friedman: float
    f: float
    p_iman_davenport: float
    n_data_sets: int
    alpha: float

    def table(self) -> pd.DataFrame:
        """One row a pair of models, the better first: their ranks' difference and whether it counts."""
        rows = [
            (better, worse, gap := self.ranks[worse] - self.ranks[better], bool(gap >= self.difference))
            for place, better in enumerate(self.ranks.index)
            for worse in self.ranks.index[place + 1 :]
        ]
        return pd.DataFrame(rows, columns=["better", "worse", "rank_difference", "differ"])

    def sentence(self) -> str:
        """Say the result in words; the pairs are only spoken of if the F test finds any difference."""
        start = (
            f"Over {self.n_data_sets} data sets the mean ranks of {len(self.ranks)} models "
            f"{{}} (Iman-Davenport F = {self.f:.2f}, p = {self.p_iman_davenport:.2g})"
        )
        if self.p_iman_davenport >= self.alpha:
            return start.format("do not differ") + "; no two models are told apart."
        n_differ = int(self.table()["differ"].sum())
        return start.format("differ") + (
            f"; mean ranks at least {self.difference:.2f} apart differ (Nemenyi, alpha = {self.alpha:g}): "
            f"{n_differ} of {len(self.table())} pairs."
        )


def critical_difference(
    scores: pd.DataFrame, *, alpha: float = 0.05, higher_is_better: bool = True
) -> CriticalDifference:
    """Compare models over data sets by their ranks.

    Parameters
    ----------
    scores : pandas.DataFrame, index data set, columns model
        One score of each model on each data set, without holes; at least six data sets and three models.
    alpha : float
        Level of the tests; family-wise over all pairs.
    higher_is_better : bool
        False for errors such as ``rmse``.

    Returns
    -------
    CriticalDifference
        Ranks, tests and critical difference.

    Raises
    ------
    ProtocolError
        If there are fewer than six data sets or three models.
    DataError
        If a score is missing, or a data set or model is named twice.

    Notes
    -----
    Mean ranks for ties. F form: equation for F_F in section 3.2.2 of [1]_; critical difference: its section
    3.2.2, with the studentised range distribution at infinite degrees of freedom divided by the root of two.
    We differ in one thing: chi squared is corrected for ties (scipy's ``friedmanchisquare``), [1]_ is not.

    References
    ----------
    .. [1] Demšar 2006, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7:1-30.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> scores = pd.DataFrame(rng.random((8, 3)) + [0, 0, 1], columns=["a", "b", "c"])
    >>> critical_difference(scores).groups
    (('c',), ('b', 'a'))
    """
    n, k = scores.shape
    if n < _LEAST_DATA_SETS:
        raise ProtocolError(
            f"A critical difference needs at least {_LEAST_DATA_SETS} data sets, got {n}: ranks of fewer "
            f"tell nothing apart. Compare the models over the subjects of each data set with compare_models."
        )
    if k < _LEAST_MODELS:
        raise ProtocolError(
            f"A critical difference needs at least {_LEAST_MODELS} models, got {k}. Compare two with "
            "compare_paired."
        )
    if not (scores.index.is_unique and scores.columns.is_unique):
        raise DataError("Every data set and every model must be named once. Average repeated runs first.")
    missing = [
        (row, column)
        for row, column in zip(*np.nonzero(~np.isfinite(scores.to_numpy(dtype=float))), strict=True)
    ]
    if missing:
        named = ", ".join(f"{scores.columns[c]} on {scores.index[r]}" for r, c in missing[:5])
        raise DataError(
            f"{len(missing)} scores are missing ({named}). Ranks need every model on every data set: run "
            f"those, or leave the model or the data set out."
        )
    values = scores.to_numpy(dtype=float) * (-1 if higher_is_better else 1)
    # Scores equal but for rounding are ties.
    values = np.round(values, 12)
    ranks = pd.Series(stats.rankdata(values, axis=1).mean(axis=0), index=scores.columns).sort_values(
        kind="stable"
    )
    if np.all(values == values[:, :1]):
        chi2, p = 0.0, 1.0
    else:
        chi2, p = (float(value) for value in stats.friedmanchisquare(*values.T))
    left = n * (k - 1) - chi2
    f = (n - 1) * chi2 / left if left > 1e-9 else np.inf
    cd = nemenyi(n, k, alpha)
    return CriticalDifference(
        ranks=ranks,
        difference=cd,
        groups=_groups(ranks, cd),
        chi2=chi2,
        p_friedman=p,
        f=f,
        p_iman_davenport=float(stats.f.sf(f, k - 1, (k - 1) * (n - 1))),
        n_data_sets=n,
        alpha=alpha,
    )


def nemenyi(n_data_sets: int, n_models: int, alpha: float = 0.05) -> float:
    """Critical difference of mean ranks (Demšar 2006, section 3.2.2).

    Parameters
    ----------
    n_data_sets, n_models : int
        How many were compared; each model on each data set.
    alpha : float
        Chance of any false difference among all pairs, between 0 and 1.

    Raises
    ------
    ValueError
        If ``alpha`` is not between 0 and 1.

    Examples
    --------
    >>> round(nemenyi(14, 4), 2)
    1.25
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, got {alpha}.")
    q = stats.studentized_range.isf(alpha, n_models, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(n_models * (n_models + 1) / (6 * n_data_sets)))


def _groups(ranks: pd.Series, difference: float) -> tuple[tuple[str, ...], ...]:
    """Runs of neighbouring ranks closer than the difference that are part of no longer run."""
    values, names = ranks.to_numpy(), list(ranks.index)
    ends = [int(np.searchsorted(values, value + difference, side="left")) for value in values]
    runs = [(start, end) for start, end in enumerate(ends) if start == 0 or end > ends[start - 1]]
    return tuple(tuple(names[start:end]) for start, end in runs)
