"""What all wrappers share: windows are changed, then a model is fitted that gets what it uses of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from physioaffect.errors import ProtocolError
from physioaffect.evaluation.models import class_scores, uses_of

__all__ = ["Kind", "Part", "Wrapper", "by_person", "flat", "kind_of", "like", "needs_features"]

Labelled = tuple[Any, NDArray[Any], NDArray[Any]]
Unlabelled = tuple[Any, NDArray[Any]]
Kind = Literal["covariances", "features", "raw"]


class Part(NamedTuple):
    """Windows of one role; ``y`` is None where labels must not be seen."""

    X: Any
    y: NDArray[Any] | None
    groups: NDArray[Any] | None


def kind_of(model: Any) -> Kind:
    """What a model's windows are, as it declares by ``layout`` and ``takes_covariances``."""
    if getattr(model, "takes_covariances", False):
        return "covariances"
    layout = getattr(model, "layout", None)
    return "raw" if layout is not None and layout[-1] == "time" else "features"


def needs_features(model: Any, does: str, instead: str) -> None:
    """Refuse a model of raw windows or covariances.

    Parameters
    ----------
    model : estimator
        What is wrapped.
    does : str
        Begins the sentence, such as ``"CORAL mixes features"``.
    instead : str
        Ends it with what to do.

    Raises
    ------
    ValueError
        If the model takes something else than features.
    """
    if (kind := kind_of(model)) != "features":
        raise ValueError(f"{does}, but {type(model).__name__} takes {kind} windows. {instead}")


def flat(X: Any) -> NDArray[np.float64]:
    """Features side by side, (n_windows, n_features)."""
    values = np.asarray(X, dtype=np.float64)
    return values.reshape(len(values), -1)


def like(X: Any, values: NDArray[Any]) -> Any:
    """Give ``values`` the coordinates of ``X``, if that has any."""
    return X.copy(data=values) if isinstance(X, xr.DataArray) else values


def by_person(
    X: Any, groups: NDArray[Any], change: Callable[[Any, NDArray[np.float64]], NDArray[np.float64]]
) -> Any:
    """Replace each person's windows by ``change(person, windows)``; coordinates are kept."""
    values = np.array(X, dtype=np.float64)
    for person in np.unique(groups):
        values[groups == person] = change(person, values[groups == person])
    return like(X, values)


class Wrapper(BaseEstimator, ABC):  # type: ignore[misc]  # scikit-learn has no types.
    """A model behind a change of its windows; abstract.

    A wrapper says in ``own_uses`` what the change needs. The model gets what it uses, changed; calibration
    windows that the change asked for and the model did not, it learns from like from the others.
    ``keeps_missing`` says whether a feature that is missing in one window is after the change missing in that
    window alone.
    """

    own_uses: ClassVar[frozenset[str]]
    keeps_missing: ClassVar[bool] = False

    def __init__(self, model: Any) -> None:
        self.model = model

    @abstractmethod
    def _learn(self, parts: Mapping[str, Part]) -> None:
        """Learn the change from "train" and, where given, "validation", "calibration" and "target"."""

    @abstractmethod
    def _change(self, part: Part, role: str) -> Any:
        """Change windows of a role: one of those, or "test"."""

    def _names(self, names: Sequence[str]) -> Sequence[str]:
        """Of which feature each feature after the change is."""
        return names

    @property
    def uses(self) -> frozenset[str]:
        """What the model uses, and what the change uses."""
        return uses_of(self.model) | self.own_uses

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
        groups: NDArray[Any] | None = None,
        validation: Labelled | None = None,
        calibration: Labelled | None = None,
        target: Unlabelled | None = None,
        units: NDArray[np.intp] | None = None,
    ) -> Self:
        """Learn the change and fit the model.

        Parameters
        ----------
        X : array-like or Windows, shape (n_windows, ...)
            Windows to train on.
        y : ndarray, shape (n_windows,)
            Labels.
        groups : ndarray, shape (n_windows,), optional
            Person of each window.
        validation, calibration : tuple, optional
            ``(X, y, groups)``.
        target : tuple, optional
            Unlabelled windows ``(X, groups)``.
        units : ndarray of int, shape (n_windows, n_levels), optional
            For a model that searches: what may not be on both sides. Calibration windows that it learns from
            like from the others are a unit of their own.

        Raises
        ------
        ProtocolError
            If something is not given that the change uses.
        """
        if "groups" in self.own_uses and groups is None:
            raise ProtocolError(f"{self._name} needs the person of each window: pass groups to fit.")
        parts = {"train": Part(X, y, groups)}
        if validation is not None:
            parts["validation"] = Part(*validation)
        if calibration is not None:
            parts["calibration"] = Part(*calibration)
        if target is not None:
            parts["target"] = Part(target[0], None, target[1])
        self._learn(parts)
        changed = {role: part._replace(X=self._change(part, role)) for role, part in parts.items()}
        return self._fit_model(changed, units)

    def _fit_model(self, parts: dict[str, Part], units: NDArray[np.intp] | None) -> Self:
        used = uses_of(self.model)
        if "calibration" in parts and "calibration" not in used:
            if units is not None:
                own = np.full((len(parts["calibration"].X), units.shape[1]), units.max() + 1)
                units = np.concatenate([units, own])
            parts["train"] = _joined(parts["train"], parts.pop("calibration"))
        train = parts["train"]
        options: dict[str, Any] = {
            role: tuple(parts[role])
            for role in ("validation", "calibration")
            if role in parts and role in used
        }
        if "target" in parts and "unlabelled" in used:
            options["target"] = (parts["target"].X, parts["target"].groups)
        if "groups" in used:
            options["groups"] = train.groups
        if "units" in used and units is not None:
            options["units"] = units
        self._keep(clone(self.model).fit(train.X, train.y, **options))
        return self

    def _keep(self, fitted: Any) -> None:
        self.model_ = fitted
        if hasattr(fitted, "classes_"):
            self.classes_ = fitted.classes_

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _options(self, groups: NDArray[Any] | None) -> dict[str, Any]:
        return {"groups": groups} if "groups" in uses_of(self.model) else {}

    def predict_proba(self, X: Any, *, groups: NDArray[Any] | None = None) -> NDArray[Any]:
        """Probabilities (or what `class_scores` makes) of the model for the changed windows."""
        changed = self._change(Part(X, None, groups), "test")
        return class_scores(self.model_, changed, **self._options(groups))

    def predict(self, X: Any, *, groups: NDArray[Any] | None = None) -> NDArray[Any]:
        """Predictions of the model for the changed windows."""
        changed = self._change(Part(X, None, groups), "test")
        return np.asarray(self.model_.predict(changed, **self._options(groups)))


def _joined(one: Part, other: Part) -> Part:
    if isinstance(one.X, xr.DataArray):
        X: Any = xr.concat([one.X, other.X], one.X.dims[0])
    else:
        X = np.concatenate([one.X, other.X])
    y, groups = (
        None if own is None or others is None else np.concatenate([own, others])
        for own, others in zip(one[1:], other[1:], strict=True)
    )
    return Part(X, y, groups)
