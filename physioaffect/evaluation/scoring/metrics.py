"""Scores of predictions: scikit-learn's where it has them, the concordance coefficient by its definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import (
    accuracy_score,
    cohen_kappa_score,
    f1_score,
    matthews_corrcoef,
    recall_score,
    roc_auc_score,
    root_mean_squared_error,
)

__all__ = [
    "CLASSIFICATION",
    "REGRESSION",
    "auroc",
    "balanced_accuracy",
    "ccc",
    "kappa",
    "macro_f1",
    "pearson",
]


def balanced_accuracy(truth: NDArray[Any], predicted: NDArray[Any]) -> float:
    """Mean recall over the classes that occur in ``truth``."""
    return float(recall_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0))


def macro_f1(truth: NDArray[Any], predicted: NDArray[Any]) -> float:
    """Mean F1 over the classes that occur in ``truth`` or ``predicted``; 0 for one that is never right."""
    return float(f1_score(truth, predicted, average="macro", zero_division=0))


def kappa(truth: NDArray[Any], predicted: NDArray[Any]) -> float:
    """Cohen's kappa; NaN if only one class occurs, because chance agreement is then perfect."""
    if len(np.unique(np.concatenate([truth, predicted]))) < 2:
        return float("nan")
    return float(cohen_kappa_score(truth, predicted))


def mcc(truth: NDArray[Any], predicted: NDArray[Any]) -> float:
    """Matthews' correlation coefficient; NaN if truth or prediction is constant (0/0)."""
    if min(len(np.unique(truth)), len(np.unique(predicted))) < 2:
        return float("nan")
    return float(matthews_corrcoef(truth, predicted))


def auroc(truth: NDArray[Any], scores: NDArray[np.floating[Any]], classes: NDArray[Any]) -> float:
    """Area under the ROC curve, one class against the rest, averaged over the classes that occur.

    Parameters
    ----------
    truth : ndarray, shape (n,)
        True classes.
    scores : ndarray, shape (n, n_classes)
        Higher means more of that class; columns as in ``classes``.
    classes : ndarray, shape (n_classes,)
        All classes.

    Returns
    -------
    float
        NaN if fewer than two classes occur in ``truth``.
    """
    present = [column for column, name in enumerate(classes) if np.any(truth == name)]
    if len(present) < 2:
        return float("nan")
    return float(np.mean([roc_auc_score(truth == classes[c], scores[:, c]) for c in present]))


def ccc(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Concordance correlation coefficient (Lin 1989, Biometrics 45:255-268), with 1/N throughout.

    Parameters
    ----------
    truth, predicted : array-like, shape (n,)
        In the same unit.

    Returns
    -------
    float
        Between -1 and 1; 0 if either is constant (and they differ), NaN if both are the same constant.

    Examples
    --------
    >>> round(ccc([3, -0.5, 2, 7], [2.5, 0, 2, 8]), 4)
    0.9768
    """
    x, y = np.asarray(truth, dtype=float), np.asarray(predicted, dtype=float)
    covariance = np.mean((x - x.mean()) * (y - y.mean()))
    spread = x.var() + y.var() + (x.mean() - y.mean()) ** 2
    return float(2 * covariance / spread) if spread > 0 else float("nan")


def pearson(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Pearson's correlation; NaN if either is constant."""
    x, y = np.asarray(truth, dtype=float), np.asarray(predicted, dtype=float)
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def rmse(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Root mean squared error, in the unit of the rating."""
    return float(root_mean_squared_error(truth, predicted))


def _accuracy(truth: NDArray[Any], predicted: NDArray[Any]) -> float:
    return float(accuracy_score(truth, predicted))


# Each takes (truth, predicted); auroc, which needs scores, is added where they are at hand.
CLASSIFICATION: dict[str, Callable[[NDArray[Any], NDArray[Any]], float]] = {
    "macro_f1": macro_f1,
    "balanced_accuracy": balanced_accuracy,
    "accuracy": _accuracy,
    "kappa": kappa,
    "mcc": mcc,
}
REGRESSION: dict[str, Callable[[NDArray[Any], NDArray[Any]], float]] = {
    "ccc": ccc,
    "pearson": pearson,
    "rmse": rmse,
}
