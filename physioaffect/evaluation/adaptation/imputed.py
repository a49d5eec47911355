"""Missing features filled with medians of the training windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags

from physioaffect.evaluation.adaptation.wrapping import Part, Wrapper, flat, like, needs_features
from physioaffect.evaluation.models.tuned import Tuned

__all__ = ["Imputed", "takes_missing"]


class Imputed(Wrapper):
    """Fill missing features with their medians over the training windows, then fit a model.

    A feature that no training window has becomes 0 everywhere, so that no model can use it.

    Parameters
    ----------
    model : estimator
        A model of features. It gets what it ``uses``.

    Attributes
    ----------
    medians_ : ndarray, shape (n_features,)
        What missing values become.
    is_known_ : ndarray of bool, shape (n_features,)
        Whether a training window has the feature.

    Raises
    ------
    ValueError
        If the model takes raw windows or covariances.

    Notes
    -----
    Inside `PerSubjectScaled` values are in a person's own standard deviations by then, and the median over
    training people is near that person's mean. Which windows lack values may itself tell the label (people
    move in one condition and not in the other); a filled value does not say that it was missing.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = np.array([[1.0], [2.0], [np.nan], [9.0]]), np.array([0, 0, 0, 1])
    >>> Imputed(LogisticRegression()).fit(X, y).medians_
    array([2.])
    """

    own_uses = frozenset()
    keeps_missing = True

    def _learn(self, parts: Mapping[str, Part]) -> None:
        needs_features(
            self.model,
            "Imputed fills features",
            "Use a model of features, or leave windows with missing samples out.",
        )
        rows = flat(parts["train"].X)
        self.medians_ = np.zeros(rows.shape[1])
        self.is_known_ = np.isfinite(rows).any(axis=0)
        known = np.where(np.isfinite(rows), rows, np.nan)[:, self.is_known_]
        self.medians_[self.is_known_] = np.nanmedian(known, axis=0)

    def _change(self, part: Part, role: str) -> Any:  # noqa: ARG002  All roles alike.
        rows = flat(part.X)
        rows = np.where(np.isfinite(rows) & self.is_known_, rows, self.medians_)
        return like(part.X, rows.reshape(np.shape(part.X)))


def takes_missing(model: Any) -> bool:
    """Whether a model takes features that are missing, as trees do, and what is inside `Imputed`."""
    while isinstance(model, Wrapper | Tuned):
        if isinstance(model, Imputed):
            return True
        if isinstance(model, Wrapper) and not model.keeps_missing:
            return False
        model = model.model
    # A pipeline says of itself what its first step takes; what comes after it need not.
    if not isinstance(model, BaseEstimator) or hasattr(model, "steps"):
        return False
    return bool(get_tags(model).input_tags.allow_nan)
