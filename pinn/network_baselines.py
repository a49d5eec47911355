"""What the network is held against: one regressor and one classifier on the same inputs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from physioaffect.errors import DataError

from .network_inputs import checked_rows

__all__ = ["SideBySide", "eda_emotion_baselines"]


class _Pair(NamedTuple):
    regressor: Any
    classifier: Any


class SideBySide(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Two models with the face of `MultiTaskPINN`: nothing is shared between EDA and emotion, and no physics.

    Parameters
    ----------
    regressor, classifier : estimator
        Of scikit-learn. EDA is predicted from time, physiology and self-reports in standard deviations of
        EDA, classes from physiology and self-reports, as the network does by default.

    Examples
    --------
    >>> from physioaffect.pinn.network_simulation import simulate_conditions
    >>> made = simulate_conditions(n_people=3)
    >>> model = eda_emotion_baselines(seed=0)["svm"]
    >>> _ = model.fit(None, made.y, eda=made.eda, time=made.time, reports=made.reports)
    >>> model.predict_eda(None, time=made.time, reports=made.reports).shape
    (270,)
    """

    def __init__(self, regressor: Any, classifier: Any) -> None:
        self.regressor = regressor
        self.classifier = classifier

    def fit(
        self,
        X: ArrayLike | None,
        y: ArrayLike,
        *,
        eda: ArrayLike,
        time: ArrayLike,
        reports: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        conditions: ArrayLike | None = None,
    ) -> SideBySide:
        """Learn as `MultiTaskPINN.fit`; people and conditions are not used.

        Raises
        ------
        DataError
            If something is missing or cannot be what it should.
        """
        rows = checked_rows(X, time=time, eda=eda, reports=reports, groups=groups, conditions=conditions)
        if np.shape(y) != rows.time.shape:
            raise DataError(
                f"y has shape {np.shape(y)}; expected a class for each of {len(rows.time)} windows."
            )
        self.eda_mean_, self.eda_sd_ = float(rows.eda.mean()), float(rows.eda.std())
        scaled = (rows.eda - self.eda_mean_) / self.eda_sd_
        with warnings.catch_warnings():
            # A perceptron stops after so many epochs as the network does after so many steps.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.regressor_ = clone(self.regressor).fit(rows.inputs, scaled)
            self.classifier_ = clone(self.classifier).fit(_timeless(rows.inputs), np.asarray(y))
        self.classes_ = self.classifier_.classes_
        return self

    def predict_eda(
        self,
        X: ArrayLike | None,
        *,
        time: ArrayLike,
        reports: ArrayLike | None = None,
        groups: ArrayLike | None = None,  # noqa: ARG002  As MultiTaskPINN.predict_eda.
        conditions: ArrayLike | None = None,  # noqa: ARG002
    ) -> NDArray[np.float64]:
        """EDA in uS, shape (n,)."""
        inputs = checked_rows(X, time=time, reports=reports).inputs
        return np.asarray(self.eda_mean_ + self.eda_sd_ * self.regressor_.predict(inputs))

    def predict_proba(
        self, X: ArrayLike | None, *, time: ArrayLike, reports: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Probability of each class; 1 of the predicted one where the classifier knows no probabilities."""
        inputs = _timeless(checked_rows(X, time=time, reports=reports).inputs)
        if hasattr(self.classifier_, "predict_proba"):
            return np.asarray(self.classifier_.predict_proba(inputs))
        predicted = self.classifier_.predict(inputs)
        return np.asarray((predicted[:, None] == self.classes_[None, :]).astype(np.float64))

    def predict(
        self, X: ArrayLike | None, *, time: ArrayLike, reports: ArrayLike | None = None
    ) -> NDArray[Any]:
        """Class, shape (n,)."""
        return np.asarray(
            self.classifier_.predict(_timeless(checked_rows(X, time=time, reports=reports).inputs))
        )


def _timeless(inputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Physiology and reports; a column of zeros where there is neither."""
    return inputs[:, 1:] if inputs.shape[1] > 1 else np.zeros_like(inputs)


def eda_emotion_baselines(*, seed: int) -> Mapping[str, SideBySide]:
    """Make all of them by name.

    Parameters
    ----------
    seed : int
        Of the boosting and the perceptron.

    Returns
    -------
    mapping from str to SideBySide
        ``svm`` (Gaussian kernel, C = 1), ``boosting`` (histograms, in XGBoost's place), ``mlp`` (three layers
        of 64, tanh, like the network's, 300 epochs), and ``constant`` (mean EDA, commonest class).

    Examples
    --------
    >>> sorted(eda_emotion_baselines(seed=0))
    ['boosting', 'constant', 'mlp', 'svm']
    """
    shape: dict[str, Any] = {
        "hidden_layer_sizes": (64, 64, 64),
        "activation": "tanh",
        "max_iter": 300,
        "random_state": seed,
    }
    pairs = {
        "svm": _Pair(make_pipeline(StandardScaler(), SVR()), make_pipeline(StandardScaler(), SVC())),
        "boosting": _Pair(
            HistGradientBoostingRegressor(random_state=seed),
            HistGradientBoostingClassifier(random_state=seed),
        ),
        "mlp": _Pair(
            make_pipeline(StandardScaler(), MLPRegressor(**shape)),
            make_pipeline(StandardScaler(), MLPClassifier(**shape)),
        ),
        "constant": _Pair(DummyRegressor(), DummyClassifier()),
    }
    return {name: SideBySide(pair.regressor, pair.classifier) for name, pair in pairs.items()}
