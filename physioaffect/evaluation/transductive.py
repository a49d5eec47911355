"""Standardising within each person, the one who is tested included: transductive, and named so."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from physioaffect.errors import ProtocolError
from physioaffect.evaluation.models import class_scores, uses_of
from physioaffect.windows import Windows

__all__ = ["PerSubjectScaled"]

Labelled = tuple[Any, NDArray[Any], NDArray[Any]]
Unlabelled = tuple[Any, NDArray[Any]]


class PerSubjectScaled(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types.
    """Standardise each feature within each person, then fit a model: transductive.

    A person's mean and standard deviation come from all of that person's windows that were given to ``fit``,
    labelled or not; nobody's labels are used for it. A new person must therefore be given to ``fit`` as
    ``target``. Raw windows, ``("channel", "time")``, are standardised per channel, not per sample.

    Parameters
    ----------
    model : estimator
        Fitted on the standardised windows; it gets what it ``uses``. If it fits folds stacked, it is fitted
        fold by fold here.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    @property
    def uses(self) -> frozenset[str]:
        """What the model uses, and the people and the unlabelled windows."""
        return uses_of(self.model) | {"groups", "unlabelled"}

    @property
    def layout(self) -> tuple[str, ...] | None:
        """The model's own."""
        return getattr(self.model, "layout", None)

    def fit(
        self,
        X: Any,
        y: NDArray[Any],
        *,
        groups: NDArray[Any],
        target: Unlabelled | None = None,
        **labelled: Labelled,
    ) -> Self:
        """Fit on windows ``X`` of the people ``groups``.

        Parameters
        ----------
        X : array-like, shape (n_windows, ...)
            Windows.
        y : ndarray, shape (n_windows,)
            Labels.
        groups : ndarray, shape (n_windows,)
            Person of each window.
        target : tuple, optional
            Unlabelled windows ``(X, groups)``.
        **labelled : tuple
            ``validation`` and ``calibration``, ``(X, y, groups)``, for a model that uses them.
        """
        seen = [(X, groups)] + ([target] if target is not None else [])
        seen += [(windows, people) for windows, _, people in labelled.values()]
        self.statistics_ = {}
        for person in dict.fromkeys(name for _, people in seen for name in np.unique(people)):
            own = np.concatenate([_rows(windows, people == person) for windows, people in seen])
            axes = (0, -1) if self.layout is not None and self.layout[-1] == "time" else 0
            spread = own.std(axis=axes, keepdims=True)[0]
            mean = own.mean(axis=axes, keepdims=True)[0]
            self.statistics_[person] = mean, np.where(spread > 0, spread, 1.0)
        options: dict[str, Any] = {
            name: (self._scale(windows, people), labels, people)
            for name, (windows, labels, people) in labelled.items()
        }
        if "groups" in uses_of(self.model):
            options["groups"] = groups
        if "unlabelled" in uses_of(self.model) and target is not None:
            options["target"] = (self._scale(*target), target[1])
        self.model_ = clone(self.model).fit(self._scale(X, groups), y, **options)
        if hasattr(self.model_, "classes_"):
            self.classes_ = self.model_.classes_
        return self

    def _scale(self, X: Any, groups: NDArray[Any]) -> NDArray[np.floating[Any]]:
        scaled = np.empty(X.shape)
        for person in np.unique(groups):
            if person not in self.statistics_:
                raise ProtocolError(
                    f"PerSubjectScaled never saw subject {person}. Pass that person's unlabelled windows to "
                    "fit as target=(X, groups)."
                )
            mean, spread = self.statistics_[person]
            scaled[groups == person] = (_rows(X, groups == person) - mean) / spread
        return scaled

    def _options(self, groups: NDArray[Any]) -> dict[str, Any]:
        return {"groups": groups} if "groups" in uses_of(self.model) else {}

    def predict_proba(self, X: Any, *, groups: NDArray[Any]) -> NDArray[Any]:
        """Probabilities (or what `class_scores` makes) of the model on the standardised windows."""
        return class_scores(self.model_, self._scale(X, groups), **self._options(groups))

    def predict(self, X: Any, *, groups: NDArray[Any]) -> NDArray[Any]:
        """Predictions of the model on the standardised windows."""
        return np.asarray(self.model_.predict(self._scale(X, groups), **self._options(groups)))


def _rows(X: Any, is_chosen: NDArray[np.bool_]) -> NDArray[np.floating[Any]]:
    return X[np.flatnonzero(is_chosen)] if isinstance(X, Windows) else np.asarray(X)[is_chosen]
