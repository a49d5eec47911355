"""Choosing a model's parameters by cross-validation inside the training windows: a nested search."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import ParameterGrid

from physioaffect.errors import ProtocolError
from physioaffect.evaluation.adaptation.wrapping import Labelled, Wrapper
from physioaffect.evaluation.models import class_scores, uses_of
from physioaffect.evaluation.models.grids import Grid, usual_grid
from physioaffect.evaluation.protocols.dealing import InnerFold, inner_folds
from physioaffect.evaluation.scoring.metrics import ccc, macro_f1

__all__ = ["Tuned", "choices_of", "tuned"]

Score = Callable[[NDArray[Any], NDArray[Any]], float]

# What is given to fits of networks together, and to no fit alone.
_OF_STACKS = frozenset({"checkpoint", "progress"})


class Tuned(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types.
    """A model whose parameters are chosen by cross-validation within the training windows, then refitted.

    Every candidate of the grid is fitted on part of the training windows and predicts the others, divided by
    the units that the protocol holds out: people under ``loso``, trials under ``within_subject_trial``, both
    people and stimuli under ``loso_stimulus``. The candidate whose predictions, of all inner folds together,
    score best is fitted again on all training windows. Test windows are in none of it.

    Parameters
    ----------
    model : estimator
        A model of features. It gets what it ``uses`` in every fit; one that uses windows of the tested
        person, ``"unlabelled"`` or ``"calibration"``, is refused: stand it outside, ``scaled+tuned+lda``.
    grid : mapping, optional
        From names of parameters (as ``model.get_params`` has them) to values, every combination of which is a
        candidate. Default: `usual_grid`.
    n_folds : int
        Inner folds, at most; fewer if there are fewer units.
    score : callable, optional
        ``score(truth, predicted)``, the higher the better. Default: macro-F1, or for numbers the concordance
        coefficient, which are what the report shows first.
    random_state : int, optional
        Deals the units into inner folds.

    Attributes
    ----------
    best_params_ : dict
        What was chosen.
    search_ : pandas.DataFrame
        One row per candidate, in the order of the grid: params (JSON), score (NaN where the candidate could
        not be fitted or predicted a constant), problem (why, or empty).
    n_inner_folds_ : int
        Inner folds in which training knew every class; the others are not used.
    model_ : estimator
        Fitted on all training windows.

    Raises
    ------
    ProtocolError
        If there is one unit only, no inner fold has every class, or no candidate can be scored.
    ValueError
        If the grid is empty or names a parameter that the model does not have.

    Notes
    -----
    Cawley & Talbot, JMLR 11, 2079-2107, 2010: choosing parameters on what is then tested biases the score.
    Inner scores are of windows, and the best of them is biased in turn: it is no estimate of anything.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> rng = np.random.default_rng(0)
    >>> y, people = np.arange(80) % 2, np.arange(80) // 10
    >>> X = y[:, np.newaxis] + rng.normal(size=(80, 1))
    >>> model = Tuned(KNeighborsClassifier(), {"n_neighbors": [1, 15]}, random_state=0)
    >>> model.fit(X, y, groups=people).best_params_
    {'n_neighbors': 15}
    """

    def __init__(
        self,
        model: Any,
        grid: Grid | None = None,
        *,
        n_folds: int = 5,
        score: Score | None = None,
        random_state: int | None = None,
    ) -> None:
        self.model = model
        self.grid = grid
        self.n_folds = n_folds
        self.score = score
        self.random_state = random_state

    @property
    def uses(self) -> frozenset[str]:
        """What the model uses, and the units that the protocol holds out."""
        return (uses_of(self.model) - _OF_STACKS) | {"units"}

    @property
    def layout(self) -> tuple[str, ...] | None:
        """The model's own."""
        return getattr(self.model, "layout", None)

    @property
    def takes_covariances(self) -> bool:
        """As of the model."""
        return getattr(self.model, "takes_covariances", False)

    def fit(
        self,
        X: Any,
        y: NDArray[Any],
        *,
        units: NDArray[np.intp] | None = None,
        groups: NDArray[Any] | None = None,
        validation: Labelled | None = None,
    ) -> Self:
        """Choose the parameters and fit the model.

        Parameters
        ----------
        X : array-like, shape (n_windows, ...)
            Windows to train on.
        y : ndarray, shape (n_windows,)
            Labels: floats make it a regression.
        units : ndarray of int, shape (n_windows, n_levels), optional
            Units that may not be on both sides of an inner fold. Default: the people of ``groups``.
        groups : ndarray, shape (n_windows,), optional
            Person of each window.
        validation : tuple, optional
            ``(X, y, groups)``: the same in every fit of the model.
        """
        _refuse_windows_of_the_tested(self.model)
        if units is None:
            if groups is None:
                raise ProtocolError(
                    "Tuned needs units to divide by: pass units, or the person of each window as groups."
                )
            units = np.unique(groups, return_inverse=True)[1][:, np.newaxis]
        is_validated = validation is not None and "validation" in uses_of(self.model)
        options = {"validation": validation} if is_validated else {}
        y = np.asarray(y)
        candidates = self._candidates()
        inner = self._inner(y, units)
        self.n_inner_folds_ = len(inner)
        found = [self._scored(candidate, X, y, groups, inner, options) for candidate in candidates]
        self.search_ = pd.DataFrame(
            [(json.dumps(one, default=str), *row) for one, row in zip(candidates, found, strict=True)],
            columns=["params", "score", "problem"],
        )
        scores = self.search_["score"].to_numpy()
        if np.isnan(scores).all():
            raise ProtocolError(
                "No candidate of the grid can be scored; of the first, "
                f"{found[0][1] or 'predictions are constant'}. Use another grid, or the model without tuned."
            )
        self.best_params_ = candidates[int(np.nanargmax(scores))]
        self.model_ = self._fitted(self.best_params_, X, y, groups, np.arange(len(y)), options)
        if hasattr(self.model_, "classes_"):
            self.classes_ = self.model_.classes_
        return self

    def _candidates(self) -> list[dict[str, Any]]:
        grid = usual_grid(self.model) if self.grid is None else self.grid
        if not grid or not all(len(values) for values in grid.values()):
            raise ValueError(f"The grid of Tuned has no candidate: {dict(grid)}. Name values to choose from.")
        if unknown := sorted(set(grid) - set(self.model.get_params())):
            raise ValueError(
                f"{type(self.model).__name__} has no parameter {unknown[0]!r}: it has "
                f"{', '.join(sorted(self.model.get_params()))}."
            )
        return list(ParameterGrid(dict(grid)))

    def _inner(self, y: NDArray[Any], units: NDArray[np.intp]) -> list[InnerFold]:
        """The inner folds in which training knows every class."""
        if not isinstance(self.n_folds, int) or self.n_folds < 2:
            raise ValueError(f"n_folds of Tuned must be a whole number from 2, got {self.n_folds!r}.")
        labels = None if y.dtype.kind == "f" else np.unique(y, return_inverse=True)[1]
        inner = inner_folds(units, labels, self.n_folds, np.random.default_rng(self.random_state))
        if not inner:
            raise ProtocolError(
                "Tuned divides the training windows by what the protocol holds out, but there is only one "
                "such unit. Use the model without tuned, or a protocol that trains on more."
            )
        if labels is None:
            return inner
        n_classes = int(labels.max()) + 1
        whole = [fold for fold in inner if len(np.unique(labels[fold.train])) == n_classes]
        if not whole:
            raise ProtocolError(
                "Tuned finds no inner fold whose training side has every class: too few units have one of "
                "them. Use the model without tuned, or a protocol that trains on more."
            )
        return whole

    def _scored(
        self,
        candidate: dict[str, Any],
        X: Any,
        y: NDArray[Any],
        groups: NDArray[Any] | None,
        inner: Sequence[InnerFold],
        options: Mapping[str, Any],
    ) -> tuple[float, str]:
        """Score of a candidate over all inner folds together, or NaN and why."""
        predicted = []
        for fold in inner:
            try:
                model = self._fitted(candidate, X, y, groups, fold.train, options)
                own = {"groups": groups[fold.test]} if groups is not None and self._asks_for_groups else {}
                predicted.append(np.asarray(model.predict(X[fold.test], **own)))
            except ValueError as error:  # More neighbours than windows, say.
                return float("nan"), str(error)
        score = self.score or (ccc if y.dtype.kind == "f" else macro_f1)
        truth = np.concatenate([y[fold.test] for fold in inner])
        return float(score(truth, np.concatenate(predicted))), ""

    @property
    def _asks_for_groups(self) -> bool:
        return "groups" in uses_of(self.model)

    def _fitted(
        self,
        candidate: dict[str, Any],
        X: Any,
        y: NDArray[Any],
        groups: NDArray[Any] | None,
        rows: NDArray[np.intp],
        options: Mapping[str, Any],
    ) -> Any:
        own = {"groups": groups[rows]} if groups is not None and self._asks_for_groups else {}
        return clone(self.model).set_params(**candidate).fit(X[rows], y[rows], **own, **options)

    def predict_proba(self, X: Any, *, groups: NDArray[Any] | None = None) -> NDArray[Any]:
        """Probabilities (or what `class_scores` makes) of the chosen model."""
        own = {"groups": groups} if self._asks_for_groups else {}
        return class_scores(self.model_, X, **own)

    def predict(self, X: Any, *, groups: NDArray[Any] | None = None) -> NDArray[Any]:
        """Predictions of the chosen model."""
        own = {"groups": groups} if self._asks_for_groups else {}
        return np.asarray(self.model_.predict(X, **own))


def tuned(model: Any) -> Tuned:
    """Wrap a model in a search over its usual grid, which is then part of what the run says of itself.

    Raises
    ------
    ProtocolError
        If it has no usual grid, or uses windows of the tested person.
    """
    _refuse_windows_of_the_tested(model)
    return Tuned(model, usual_grid(model))


def choices_of(model: Any) -> pd.DataFrame | None:
    """What a fitted model's search found, through any wrappers; None of a model that did not search.

    Returns
    -------
    DataFrame or None
        One row per candidate: params (JSON), score, problem, is_chosen.
    """
    while isinstance(model, Wrapper):
        model = model.model_
    if not isinstance(model, Tuned):
        return None
    chosen = json.dumps(model.best_params_, default=str)
    return model.search_.assign(is_chosen=model.search_["params"] == chosen)


def _refuse_windows_of_the_tested(model: Any) -> None:
    """Refuse what wants windows of the tested person: those that are tested inside have not given any."""
    if used := sorted({"unlabelled", "calibration"} & uses_of(model)):
        raise ProtocolError(
            f"Tuned has no {used[0]} windows of the people on whom it tries its candidates, and "
            f"{type(model).__name__} uses them. Put that around it instead, as in scaled+tuned+lda."
        )
