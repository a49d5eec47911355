"""Scores of classes from how often each was taken for each: one count serves all of them.

They are those of `physioaffect.evaluation.scoring.metrics`, to the last bit, without counting anew for each;
the area under the ROC curve, from ranks, is the same up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

__all__ = ["FROM_CONFUSIONS", "area_under_roc", "confusions"]

_Counts = NDArray[np.int64]


def confusions(truth: NDArray[np.intp], predicted: NDArray[np.intp], n_classes: int) -> _Counts:
    """Count each pair of classes.

    Parameters
    ----------
    truth, predicted : ndarray of int, shape (n,)
        Positions of the classes, from 0.
    n_classes : int
        How many classes there are.

    Returns
    -------
    counts : ndarray of int, shape (n_classes, n_classes)
        Rows are true, columns predicted classes.

    Examples
    --------
    >>> confusions(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    array([[1, 1],
           [0, 1]])
    """
    pairs = np.bincount(truth * n_classes + predicted, minlength=n_classes**2)
    return pairs.reshape(n_classes, n_classes).astype(np.int64, copy=False)


def _occurring(counts: _Counts) -> _Counts:
    """Without classes that neither occur nor are predicted."""
    is_there = (counts.sum(axis=0) + counts.sum(axis=1)) > 0
    return counts[np.ix_(is_there, is_there)]


def _macro_f1(counts: _Counts) -> float:
    own = _occurring(counts)
    return float(np.mean(2 * np.diag(own) / (own.sum(axis=0) + own.sum(axis=1))))


def _balanced_accuracy(counts: _Counts) -> float:
    n_true = counts.sum(axis=1)
    is_there = n_true > 0
    return float(np.mean(np.diag(counts)[is_there] / n_true[is_there]))


def _accuracy(counts: _Counts) -> float:
    return float(np.trace(counts) / counts.sum())


def _kappa(counts: _Counts) -> float:
    own = _occurring(counts)
    if len(own) < 2:
        return float("nan")
    expected = np.outer(own.sum(axis=0, dtype=float), own.sum(axis=1)) / own.sum()
    # Weights, not a selection: sums of whole tables are scikit-learn's to the last bit.
    is_off = 1.0 - np.eye(len(own))
    return float(1 - np.sum(is_off * own) / np.sum(is_off * expected))


def _mcc(counts: _Counts) -> float:
    # As floating point: products of counts of large tables exceed 64 bits.
    n_true, n_predicted = counts.sum(axis=1).astype(float), counts.sum(axis=0).astype(float)
    n = n_true.sum()
    spread = (n**2 - n_predicted @ n_predicted) * (n**2 - n_true @ n_true)
    covariance = np.trace(counts).astype(float) * n - n_true @ n_predicted
    return float(covariance / np.sqrt(spread)) if spread > 0 else float("nan")


# Each takes the counts of `confusions`.
FROM_CONFUSIONS: dict[str, Callable[[_Counts], float]] = {
    "macro_f1": _macro_f1,
    "balanced_accuracy": _balanced_accuracy,
    "accuracy": _accuracy,
    "kappa": _kappa,
    "mcc": _mcc,
}


def area_under_roc(truth: NDArray[np.intp], scores: NDArray[np.floating]) -> float:
    """Area under the ROC curve, one class against the rest, averaged over the classes that occur.

    Parameters
    ----------
    truth : ndarray of int, shape (n,)
        Column of the true class in ``scores``.
    scores : ndarray, shape (n, n_classes)
        Higher means more of that class.

    Returns
    -------
    float
        NaN if fewer than two classes occur.

    Notes
    -----
    From mean ranks (Mann and Whitney 1947, doi:10.1214/aoms/1177730491), which needs one sort for each class.

    Examples
    --------
    >>> area_under_roc(np.array([0, 0, 1, 1]), np.array([[0.9, 0.1], [0.6, 0.4], [0.65, 0.35], [0.2, 0.8]]))
    0.75
    """
    present = np.unique(truth)
    if len(present) < 2:
        return float("nan")
    areas = []
    for column in present:
        is_own = truth == column
        n_own = int(is_own.sum())
        rank_sum = rankdata(scores[:, column])[is_own].sum()
        areas.append((rank_sum - n_own * (n_own + 1) / 2) / (n_own * (len(truth) - n_own)))
    return float(np.mean(areas))
