"""Models by name, and the baselines that stand in every table.

A model is a scikit-learn estimator. A classifier gets its labels as positions in the task's classes, 0, 1 and
so on; a model of numbers gets the numbers. It may also state

``layout``
    The dimensions of its input after ``window``, e.g. ``("channel", "band")`` or ``("channel", "time")``;
    without one it gets a table, (n_windows, n_features). Raw windows come as a `Windows`, which gathers by
    integer index (``X[rows]``); ``np.asarray(X)`` makes one array of all.
``uses``
    What it wants besides ``X`` and ``y``: ``"groups"`` (the subject of each window, as the keyword ``groups``
    of ``fit`` and of prediction), ``"validation"`` (keyword ``validation=(X, y, groups)`` of ``fit``),
    ``"unlabelled"`` (keyword ``target=(X, groups)`` of ``fit``), ``"calibration"`` (keyword
    ``calibration=(X, y, groups)``; a model that does not ask for these trains on them), ``"units"`` (keyword
    ``units`` of ``fit``, (n_windows, n_levels): numbers of the units that the protocol holds out, by which a
    search within the training windows has to divide them). What a protocol does not grant is refused.
``takes_covariances``
    True if it takes covariances as ``Covariance`` gives them (without ``log``), so that whoever changes its
    windows lets them remain covariances.
``fit_folds(X, y, folds, *, seeds)``
    Fits all folds at once and returns one fitted estimator per fold. If the model uses them it also gets
    ``groups``; ``"checkpoint"``, a folder from which an interrupted training goes on; and ``"progress"``,
    called with (fold, epochs done, epochs).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from physioaffect.data_set import Task
from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation.models.tangent_logistic import TangentLogistic
from physioaffect.evaluation.protocols import Fold

__all__ = [
    "BASELINES",
    "MODELS",
    "EvenLDA",
    "FitsFolds",
    "PriorGuess",
    "class_scores",
    "get_baselines",
    "get_model",
    "uses_of",
]

# What a baseline sees: columns of coordinates, never of features.
BASELINE_COLUMNS = ("order", "time", "trial_number")


class _ByMethod(type(Protocol)):  # type: ignore[misc]  # typing names it only privately.
    def __instancecheck__(cls, instance: Any) -> bool:
        # By the instance and not its class: a wrapper fits folds only if its model does.
        return hasattr(instance, "fit_folds")


@runtime_checkable
class FitsFolds(Protocol, metaclass=_ByMethod):
    """A model that trains all folds at once."""

    def fit_folds(
        self, X: Any, y: NDArray[Any], folds: Sequence[Fold], *, seeds: Sequence[int], **options: Any
    ) -> list[Any]:
        """Return one fitted estimator per fold, each equal to fitting that fold alone with its seed."""
        ...


class PriorGuess(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types.
    """Guess each trial's class at random, by the class frequencies of the training windows.

    Unlike ``DummyClassifier(strategy="stratified")`` it guesses once a trial, not once a window, so that
    averaging over a trial's windows does not turn it into the majority class.

    Parameters
    ----------
    random_state : int, optional
        Seed.
    """

    def __init__(self, random_state: int | None = None) -> None:
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: ARG002
        """Count the classes of ``y``."""
        self.classes_, counts = np.unique(np.asarray(y), return_counts=True)
        self.prior_ = counts / counts.sum()
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """One-hot guesses, shape (n_windows, n_classes); the last column of ``X`` numbers the trials."""
        trials, inverse = np.unique(np.asarray(X)[:, -1], return_inverse=True)
        rng = np.random.default_rng(self.random_state)
        guesses = rng.choice(len(self.classes_), size=len(trials), p=self.prior_)
        return np.eye(len(self.classes_))[guesses[inverse]]

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Guessed classes, shape (n_windows,)."""
        guessed: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return guessed


class EvenLDA(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Linear discriminant analysis with a shrunk covariance and equal priors.

    scikit-learn's own wants the priors before it knows how many classes there are.

    Parameters
    ----------
    shrinkage : float or "auto"
        From 0, none, to 1, all. Default: by Ledoit & Wolf.
    """

    def __init__(self, shrinkage: float | str = "auto") -> None:
        self.shrinkage = shrinkage

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit with the prior 1/K for each of the K classes of ``y``."""
        n_classes = len(np.unique(np.asarray(y)))
        priors = np.full(n_classes, 1 / n_classes)
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=self.shrinkage, priors=priors)
        self.model_ = model.fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Posterior probabilities, shape (n_windows, n_classes)."""
        return np.asarray(self.model_.predict_proba(X), dtype=np.float64)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Likeliest classes, shape (n_windows,)."""
        return np.asarray(self.model_.predict(X))


def class_scores(model: Any, X: Any, **options: Any) -> NDArray[np.float64]:
    """Scores from 0 to 1 for each of ``model.classes_``, shape (n_windows, n_classes), rows adding up to 1.

    Probabilities where the model has them; else a logistic (two classes) or softmax of its decision values,
    which ranks but is not calibrated; else its hard predictions.

    Parameters
    ----------
    model : estimator
        A fitted classifier.
    X : array-like, shape (n_windows, ...)
        As the model takes it.
    **options
        For its methods.

    Examples
    --------
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> model = LinearDiscriminantAnalysis().fit(X, ["calm", "calm", "tense", "tense"])
    >>> scores = class_scores(model, X)
    >>> scores.shape, scores.argmax(axis=1).tolist(), bool(np.allclose(scores.sum(axis=1), 1))
    ((4, 2), [0, 0, 1, 1], True)
    """
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(X, **options), dtype=np.float64)
    if hasattr(model, "decision_function"):
        values = np.asarray(model.decision_function(X, **options), dtype=float)
        if values.ndim == 1:
            values = np.stack([-values, values], axis=1) / 2
        probabilities = softmax(values, axis=1)
        return np.asarray(probabilities, dtype=np.float64)
    predicted = np.asarray(model.predict(X, **options))
    return np.asarray(np.equal.outer(predicted, np.asarray(model.classes_)), dtype=np.float64)


def uses_of(model: Any) -> frozenset[str]:
    """What the model declares in ``uses``.

    Parameters
    ----------
    model : estimator
        Fitted or not.

    Returns
    -------
    uses : frozenset of str
        What it wants to see besides the training windows, such as ``"unlabelled"``; empty for most.

    Examples
    --------
    >>> from physioaffect.evaluation.adaptation.coral import CORAL
    >>> sorted(uses_of(CORAL(LinearDiscriminantAnalysis()))), sorted(uses_of(LinearDiscriminantAnalysis()))
    (['unlabelled'], [])
    """
    return frozenset(getattr(model, "uses", ()))


def _scaled(model: Any) -> Any:
    return make_pipeline(StandardScaler(), model)


# Each class weighs the same in training, because balanced accuracy and macro-F1 are what is reported.
CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "gradient_boosting": lambda: HistGradientBoostingClassifier(class_weight="balanced"),
    "knn": lambda: _scaled(KNeighborsClassifier(1)),
    "lda": lambda: _scaled(EvenLDA()),
    "logistic": lambda: _scaled(LogisticRegression(class_weight="balanced", max_iter=1000)),
    "random_forest": lambda: RandomForestClassifier(300, class_weight="balanced"),
    "riemann": TangentLogistic,
    "svm": lambda: _scaled(SVC(class_weight="balanced")),
}
REGRESSORS: dict[str, Callable[[], Any]] = {
    "gradient_boosting": HistGradientBoostingRegressor,
    "knn": lambda: _scaled(KNeighborsRegressor(1)),
    "random_forest": lambda: RandomForestRegressor(300),
    "ridge": lambda: _scaled(Ridge()),
    "svm": lambda: _scaled(SVR()),
}
# Names of physioaffect.graphs.NETWORKS, which takes seconds to import.
NETWORKS = (
    "dgcnn",
    "eegnet",
    "gcbnet",
    "histn",
    "lggnet",
    "linear",
    "mlp",
    "rbtransformer",
    "rgnn",
    "tsception",
)
MODELS = tuple(sorted(CLASSIFIERS | REGRESSORS)) + NETWORKS


def get_model(name: str, task: Task) -> Any:
    """Build a model by name for a task.

    Parameters
    ----------
    name : str
        One of ``MODELS``: all but the trees standardise the features inside their pipeline; ``lda`` shrinks
        its covariance (Ledoit & Wolf); ``knn`` is the nearest neighbour; classes weigh the same in all.
    task : Task
        Decides between classifier and regressor.

    Returns
    -------
    estimator
        Not fitted.

    Raises
    ------
    ProtocolError
        If there is no such model for this kind of task.

    Examples
    --------
    >>> from physioaffect.datasets import EEGMAT
    >>> [step for step, _ in get_model("logistic", EEGMAT.tasks["arithmetic"]).steps]
    ['standardscaler', 'logisticregression']
    """
    own = REGRESSORS if task.kind == "regression" else CLASSIFIERS
    if name in own:
        return own[name]()
    known = [*own, *NETWORKS]
    if name in NETWORKS:
        networks = _networks()
        made = networks[name].regressor if task.kind == "regression" else networks[name].classifier
        if made is not None:
            return made()
        known = [*own, *(other for other in networks if networks[other].regressor is not None)]
    raise ProtocolError(
        f"There is no model {name!r} for the {task.kind} task {task.name}: use one of {', '.join(known)}, or "
        "pass an estimator from Python."
    )


def _networks() -> Mapping[str, Any]:
    try:
        from physioaffect.graphs import NETWORKS as KNOWN  # noqa: PLC0415  It imports torch.
    except ImportError as error:
        if error.name != "torch":
            raise
        raise DataError(
            "Networks need torch, which is not installed: pip install 'physioaffect[torch]'"
        ) from error
    return KNOWN


def _clock(model: Any) -> Any:
    columns = [BASELINE_COLUMNS.index(name) for name in ("order", "time")]
    return make_pipeline(make_column_transformer((StandardScaler(), columns)), model)


_BASELINES_OF_CLASSES: dict[str, Callable[[], Any]] = {
    "majority": lambda: DummyClassifier(strategy="most_frequent"),
    "prior": PriorGuess,
    "clock_forest": lambda: _clock(RandomForestClassifier(50, class_weight="balanced")),
    "clock_1nn": lambda: _clock(KNeighborsClassifier(1)),
}
_BASELINES_OF_NUMBERS: dict[str, Callable[[], Any]] = {
    "mean": DummyRegressor,
    "clock_forest": lambda: _clock(RandomForestRegressor(50)),
    "clock_1nn": lambda: _clock(KNeighborsRegressor(1)),
}
# Names of all that any task has.
BASELINES = tuple(_BASELINES_OF_CLASSES | _BASELINES_OF_NUMBERS)


def get_baselines(task: Task) -> dict[str, Any]:
    """Baselines for a task; they see the columns `BASELINE_COLUMNS` and never a feature.

    ``majority`` or ``mean``; ``prior`` (guesses by class frequency); ``clock_forest`` and ``clock_1nn``
    (elapsed time and order in the session only).

    Parameters
    ----------
    task : Task
        Whether classes or numbers are predicted decides which there are.

    Returns
    -------
    baselines : dict of str to estimator
        By name, not fitted.

    Examples
    --------
    >>> from physioaffect.datasets import EEGMAT
    >>> list(get_baselines(EEGMAT.tasks["arithmetic"]))
    ['majority', 'prior', 'clock_forest', 'clock_1nn']
    """
    own = _BASELINES_OF_NUMBERS if task.kind == "regression" else _BASELINES_OF_CLASSES
    return {name: make() for name, make in own.items()}
