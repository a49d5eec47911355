"""Any estimator of skada, with the tested person's unlabelled windows as its target domain."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator, clone

from physioaffect.errors import ProtocolError
from physioaffect.evaluation.adaptation.wrapping import flat
from physioaffect.evaluation.models import class_scores

__all__ = ["Skada"]


class Skada(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types.
    """Adapt to the unlabelled windows of the tested person with an estimator of skada: transductive.

    Each training person is a source domain of its own, the tested one the target. skada wants scikit-learn's
    metadata routing and switches it on for the whole process when it is imported; here it is on only while
    the estimator works, so import skada as the example does.

    Parameters
    ----------
    estimator : estimator
        A pipeline or estimator of skada (``skada.make_da_pipeline(...)``, ``skada.JDOTClassifier(...)``)
        whose ``predict`` takes ``sample_domain``. It sees features side by side, and labels as numbers. skada
        takes no pipeline of scikit-learn for a step: give it the steps one by one.

    Raises
    ------
    ProtocolError
        If there are no unlabelled windows.

    Notes
    -----
    skada is the extra ``physioaffect[adaptation]``; this class needs none of it, only its manner of calling:
    positive domains are sources and negative ones targets, and a target's label is -1, or NaN for numbers.

    Examples
    --------
    In a script, with skada installed::

        from sklearn import config_context
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        with config_context():  # Restores what importing skada changes.
            import skada
        with config_context(enable_metadata_routing=True):
            mapping = skada.make_da_pipeline(
                StandardScaler(), skada.LinearOTMappingAdapter(), LogisticRegression()
            )
        evaluate(..., models={"ot": Skada(mapping)}, protocols=["loso_transductive"])
    """

    uses = frozenset({"groups", "unlabelled"})

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(
        self,
        X: Any,
        y: NDArray[Any],
        *,
        groups: NDArray[Any],
        target: tuple[Any, NDArray[Any]] | None = None,
    ) -> Self:
        """Fit on labelled windows of the people ``groups`` and unlabelled ones, ``target=(X, groups)``."""
        if target is None or not len(target[0]):
            raise ProtocolError(
                "Skada needs unlabelled windows of the tested person, got none. Pass them to fit as "
                "target=(X, groups)."
            )
        people, source = np.unique(groups, return_inverse=True)
        self._target = -(len(people) + 1)
        n_target = len(target[0])
        is_number = np.asarray(y).dtype.kind == "f"
        labels = np.concatenate([y, np.full(n_target, np.nan if is_number else -1)])
        domains = np.concatenate([source + 1, np.full(n_target, self._target)])
        with config_context(enable_metadata_routing=True):
            windows = np.concatenate([flat(X), flat(target[0])])
            # Some of skada's fits return nothing.
            self.estimator_ = clone(self.estimator)
            self.estimator_.fit(windows, labels, sample_domain=domains)
        if not is_number:
            self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X: Any, *, groups: NDArray[Any] | None = None) -> NDArray[np.float64]:  # noqa: ARG002
        """Scores of the classes, as `class_scores` makes them, for windows of the tested person."""
        if not any(hasattr(self.estimator_, name) for name in ("predict_proba", "decision_function")):
            return np.asarray(np.equal.outer(self.predict(X), self.classes_), dtype=np.float64)
        with config_context(enable_metadata_routing=True):
            return class_scores(self.estimator_, flat(X), sample_domain=self._domains(X))

    def predict(self, X: Any, *, groups: NDArray[Any] | None = None) -> NDArray[Any]:  # noqa: ARG002
        """Predictions for windows of the tested person."""
        with config_context(enable_metadata_routing=True):
            return np.asarray(self.estimator_.predict(flat(X), sample_domain=self._domains(X)))

    def _domains(self, X: Any) -> NDArray[np.intp]:
        return np.full(len(X), self._target)
