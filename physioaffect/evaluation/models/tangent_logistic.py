"""The usual classifier of covariances: their tangent space, then a logistic regression."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from physioaffect.features.tangent_space import TangentSpace

__all__ = ["TangentLogistic"]


class TangentLogistic(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types.
    """Classify covariances by a logistic regression in their tangent space (needs pyRiemann).

    Parameters
    ----------
    C : float
        Inverse strength of the penalty on the logistic weights.

    Raises
    ------
    DataError
        If pyRiemann is not installed, or a covariance is singular.

    Notes
    -----
    Barachant et al., Neurocomputing 112, 172-178, 2013, doi 10.1016/j.neucom.2012.12.039, with a logistic
    regression, all classes of one weight, instead of a support vector machine.

    Examples
    --------
    >>> rows = np.array([[1.0, 0.0, 1.0], [9.0, 0.0, 1.0], [1.0, 0.0, 2.0], [8.0, 0.0, 1.0]])
    >>> TangentLogistic().fit(rows, np.array([0, 1, 0, 1])).predict(rows)
    array([0, 1, 0, 1])
    """

    layout = ("pair",)
    takes_covariances = True

    def __init__(self, C: float = 1.0) -> None:
        self.C = C

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit on upper triangles with diagonals, shape (n_windows, n_pairs), and labels."""
        logistic = LogisticRegression(C=self.C, class_weight="balanced", max_iter=1000)
        self.model_ = make_pipeline(TangentSpace(), logistic).fit(X, y)
        self.classes_ = self.model_.classes_
        self.n_features_in_ = np.shape(X)[1]
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probabilities of the classes, shape (n_windows, n_classes)."""
        return np.asarray(self.model_.predict_proba(X), dtype=np.float64)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Likeliest classes, shape (n_windows,)."""
        return np.asarray(self.model_.predict(X))
