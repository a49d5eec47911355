"""From the scores of relabellings to chance and p.

Chance is the mean of these scores, never 1/K. The p-value is (1 + b) / (1 + n) for b of n relabellings that
score at least as well (Phipson & Smyth 2010, doi 10.2202/1544-6115.1585). It is one-sided: a score below
chance is no finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.evaluation.protocols.folds import Indices, codes
from physioaffect.evaluation.statistics.exchange import Exchange
from physioaffect.evaluation.statistics.trial_scores import (
    LOWER_IS_BETTER,
    Predicted,
    class_scores_by_subject,
    mean_scores,
    number_scores_by_subject,
)

__all__ = ["by_trial_sums", "numbers_of", "permutation_table"]

Floats = NDArray[np.float64]
# Scores that differ by rounding alone are equal.
_ROUNDING = 1e-10


def numbers_of(labels: NDArray[Any], kind: str, classes: Sequence[str]) -> NDArray[Any]:
    """Labels as numbers: of a regression as they are, else positions in ``classes``."""
    if kind == "regression":
        return labels.astype(float)
    if unknown := sorted({str(name) for name in labels} - set(classes)):
        raise DataError(f"Label {unknown[0]!r} is none of the task's classes {', '.join(classes)}.")
    return np.array([list(classes).index(name) for name in labels], dtype=np.intp)


def by_trial_sums(values: Floats, trial: Indices, n_trials: int, kind: str) -> tuple[Floats, Floats]:
    """Add up the predictions of each trial's windows, (n_windows, n_classes) or (n_windows, 1).

    Returns
    -------
    counts, scores : ndarray, shape (n_trials, ...)
        As `Predicted` has them.
    """
    if kind == "regression":
        counted, summed = np.ones_like(values), np.hstack([values, values**2])
    else:
        counted, summed = np.eye(values.shape[1])[values.argmax(axis=1)], values
    counts, scores = np.zeros((n_trials, counted.shape[1])), np.zeros((n_trials, summed.shape[1]))
    np.add.at(counts, trial, counted)
    np.add.at(scores, trial, summed)
    return counts, scores


def permutation_table(
    labels: NDArray[Any],
    predicted: Predicted,
    exchange: Exchange,
    *,
    refitted: bool,
    widening: float = 1.0,
    says: str | None = None,
) -> pd.DataFrame:
    """Compare the scores of the first label vector, the true one, with those of the others.

    Parameters
    ----------
    labels : ndarray, shape (1 + n_permutations, n_trials)
        True labels, then permuted ones; only the true ones where there is no test.
    predicted : Predicted
        Of each of them, or of all.
    exchange : Exchange
        What was permuted.
    refitted : bool
        Whether the model learnt each of them.
    widening : float
        Factor by which permuted scores are spread around their mean before anything is compared.
    says : str, optional
        What a small p says. Default: ``exchange.tests``.

    Returns
    -------
    pandas.DataFrame
        As `permute_fits` returns it.
    """
    subject = codes(exchange.trials, "subject")
    order = np.flatnonzero(predicted.counts.sum(axis=(0, 2)) > 0)
    order = order[np.argsort(subject[order], kind="stable")]
    if not np.isfinite(predicted.scores[:, order]).all():
        raise DataError("A prediction is NaN or infinite, so no score can be compared. Mend the model.")
    score = number_scores_by_subject if labels.dtype.kind == "f" else class_scores_by_subject
    found = score(
        labels[:, order],
        Predicted(counts=predicted.counts[:, order], scores=predicted.scores[:, order]),
        subject[order],
    )
    rows = []
    for (level, metric), by_subject in found.items():
        observed, permuted = np.split(mean_scores(by_subject), [1])
        rows.append(
            {"level": level, "metric": metric, **_compared(metric, float(observed[0]), permuted, widening)}
        )
    frame = pd.DataFrame(rows)
    frame["n_permutations"] = len(labels) - 1
    frame["n_distinct"] = exchange.n_distinct
    frame["exchange"] = exchange.name
    frame["refitted"] = refitted
    frame["tests"] = exchange.tests if says is None else says
    return frame


def _compared(metric: str, observed: float, permuted: Floats, widening: float) -> dict[str, float]:
    """Chance, its spread and p; NaN if the score is undefined for everyone, or nothing was permuted."""
    nothing = dict.fromkeys(("chance", "low", "high", "p"), float("nan"))
    is_there = ~np.isnan(permuted)
    if np.isnan(observed) or not is_there.any():
        return {"observed": observed} | nothing
    mean = permuted[is_there].mean()
    permuted = mean + widening * (permuted - mean)
    sign = -1 if metric in LOWER_IS_BETTER else 1
    # One that is undefined counts as if it were as good: p rather too large than too small.
    n_as_good = int((~is_there | (sign * (permuted - observed) >= -_ROUNDING)).sum())
    low, high = np.quantile(permuted[is_there], [0.025, 0.975])
    return {
        "observed": observed,
        "chance": float(mean),
        "low": float(low),
        "high": float(high),
        "p": (1 + n_as_good) / (1 + len(permuted)),
    }
