"""The measures that papers print, and their means over what the papers took them over.

Each takes ``(truth, scores, classes)`` as `physioaffect.evaluation.scoring.ordinal_metrics` has them, and
optionally ``weights`` of the windows, and returns a share from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import sklearn
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from physioaffect.evaluation.scoring.ordinal_metrics import seq2hr, top2_accuracy, tri_p

__all__ = ["HISTN_SCORES", "PLAIN_SCORES", "Mean", "Score", "accuracy", "macro_f1", "mean_of", "weighted_f1"]

Score = Callable[..., float]


def _predicted(scores: NDArray[Any], classes: NDArray[Any]) -> NDArray[Any]:
    likeliest: NDArray[Any] = classes[scores.argmax(axis=1)]
    return likeliest


def accuracy(
    truth: NDArray[Any], scores: NDArray[Any], classes: NDArray[Any], weights: NDArray[Any] | None = None
) -> float:
    """Share of windows that are right."""
    return float(np.average(_predicted(scores, classes) == truth, weights=weights))


def macro_f1(
    truth: NDArray[Any], scores: NDArray[Any], classes: NDArray[Any], weights: NDArray[Any] | None = None
) -> float:
    """Mean F1 over the classes that occur in ``truth`` or are predicted."""
    predicted = _predicted(scores, classes)
    return float(f1_score(truth, predicted, average="macro", zero_division=0, sample_weight=weights))


def weighted_f1(
    truth: NDArray[Any], scores: NDArray[Any], classes: NDArray[Any], weights: NDArray[Any] | None = None
) -> float:
    """F1 of each class, averaged with the (weighted) number of its windows: scikit-learn's "weighted".

    Examples
    --------
    >>> truth, scores = np.array(["a", "a", "b"]), np.array([[1, 0], [0, 1], [0, 1]])
    >>> round(weighted_f1(truth, scores, np.array(["a", "b"])), 4)
    0.6667
    """
    predicted = _predicted(scores, classes)
    return float(f1_score(truth, predicted, average="weighted", zero_division=0, sample_weight=weights))


def top2(
    truth: NDArray[Any], scores: NDArray[Any], classes: NDArray[Any], weights: NDArray[Any] | None = None
) -> float:
    """`top2_accuracy`; with weights, of windows that count by them."""
    if weights is None:
        return top2_accuracy(truth, scores, classes)
    is_there = np.isin(classes, truth)
    if is_there.sum() < 3:
        return float("nan")
    best = np.argsort(-np.where(is_there, scores, -np.inf), axis=1, kind="stable")[:, :2]
    return float(np.average((classes[best] == truth[:, np.newaxis]).any(axis=1), weights=weights))


def _with_weights(share: Callable[..., float]) -> Score:
    """Give weights to a measure that is a share of windows, each of which counts by itself."""

    def score(
        truth: NDArray[Any], scores: NDArray[Any], classes: NDArray[Any], weights: NDArray[Any] | None = None
    ) -> float:
        if weights is None:
            return share(truth, scores, classes)
        each = [share(truth[[row]], scores[[row]], classes) for row in range(len(truth))]
        return float(np.average(each, weights=weights))

    return score


PLAIN_SCORES: dict[str, Score] = {"accuracy": accuracy, "macro_f1": macro_f1}
HISTN_SCORES: dict[str, Score] = {
    "weighted_f1": weighted_f1,
    "top1": accuracy,
    "top2": top2,
    "tri_p": _with_weights(tri_p),
    "seq2hr": _with_weights(seq2hr),
}


class Mean(NamedTuple):
    """Mean and standard deviation (n - 1; NaN of one) in per cent over ``n`` folds or people."""

    mean: float
    sd: float
    n: int


def mean_of(
    predictions: pd.DataFrame,
    score: Score,
    *,
    over: str,
    is_balanced: bool = False,
    runs: Sequence[str] = (),
) -> Mean:
    """Score the predictions of one model (or of several runs of it) under one protocol.

    Parameters
    ----------
    predictions : pandas.DataFrame
        As in ``predictions.parquet``, of one protocol.
    score : callable
        One of this file.
    over : {"folds", "people", "people after folds"}
        Units that are scored by themselves; of the last, a person's folds are averaged first.
    is_balanced : bool
        Whether windows weigh so that the classes of a unit weigh the same: what is expected of a test that
        draws each class equally often.
    runs : sequence of str
        Models whose scores are averaged within a unit before anything else.

    Returns
    -------
    Mean
    """
    columns = [str(name) for name in predictions if str(name).startswith("p_")]
    classes = np.array([name.removeprefix("p_") for name in columns])
    people = ["dataset", "subject"]
    keys = {"folds": ["fold"], "people": people, "people after folds": [*people, "fold"]}[over]
    with sklearn.config_context(skip_parameter_validation=True, assume_finite=True):
        values = predictions.groupby(["model", *keys], sort=False, observed=True)[[*columns, "truth"]].apply(
            lambda own: _score_of(own, columns, classes, score, is_balanced)
        )
    if runs:
        values = values[values.index.get_level_values("model").isin(runs)]
    values = values.groupby(level=keys if over != "people after folds" else people, sort=False).mean()
    found = 100 * values.dropna().to_numpy(dtype=float)
    if len(found) == 0:
        return Mean(float("nan"), float("nan"), 0)
    return Mean(float(found.mean()), float(found.std(ddof=1)) if len(found) > 1 else float("nan"), len(found))


def _score_of(
    own: pd.DataFrame, columns: list[str], classes: NDArray[Any], score: Score, is_balanced: bool
) -> float:
    truth = own["truth"].to_numpy(dtype=str)
    weights = None
    if is_balanced:
        _, inverse, counts = np.unique(truth, return_inverse=True, return_counts=True)
        weights = 1 / counts[inverse]
    return score(truth, own[columns].to_numpy(), classes, weights)
