"""Any fitted model of EEG as a teacher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from physioaffect.errors import DataError, PhysioaffectError

__all__ = ["FittedTeacher", "Teacher", "as_teacher"]


class Teacher(Protocol):
    """What prototypes are made with: `MapTeacher`, or what `as_teacher` makes."""

    def predict(self, X: Any) -> Any:
        """What it says of windows; of a `MapTeacher` valence and arousal, (n, 2)."""
        ...

    def embed(self, X: Any) -> NDArray[np.float32]:
        """Features of windows, (n, n_dims), each row of length 1."""
        ...


@dataclass(frozen=True, eq=False)
class FittedTeacher:
    """A fitted model with features of length 1; see `as_teacher`.

    Parameters
    ----------
    fitted : estimator
        Predicts.
    features : callable
        Gives the features of windows, (n, n_dims), of any length.
    """

    fitted: Any
    features: Callable[[Any], Any]

    def predict(self, X: Any) -> Any:
        """What the model says, in its own unit."""
        return self.fitted.predict(X)

    def embed(self, X: Any) -> NDArray[np.float32]:
        """Features, (n, n_dims), each row of length 1.

        Raises
        ------
        DataError
            If a window's features are all zero, which have no direction, or not finite.
        """
        made = self.features(X)
        vectors = np.asarray(made.toarray() if hasattr(made, "toarray") else made, dtype=np.float64)
        vectors = vectors.reshape(len(vectors), -1)
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        if (bad := ~((length > 0) & np.isfinite(length))[:, 0]).any():
            raise DataError(
                f"{int(bad.sum())} of {len(bad)} windows have features that are all zero or not finite, the "
                f"first at row {int(bad.argmax())}: they have no direction. Leave these windows out."
            )
        unit: NDArray[np.float32] = (vectors / length).astype(np.float32)
        return unit


def as_teacher(fitted: Any) -> Teacher:
    """Make a teacher of a fitted model.

    Parameters
    ----------
    fitted : estimator
        One of these, fitted:

        * a `MapTeacher`, which is a teacher already;
        * a network of `physioaffect.graphs` or anything else with ``predict`` and ``embed``: its features are
          the penultimate activations;
        * a scikit-learn model with ``predict`` and ``transform``, such as `LinearDiscriminantAnalysis`, or a
          pipeline that ends in a model: its features are what ``transform`` gives, or what the pipeline's
          last step sees.

    Returns
    -------
    teacher : Teacher

    Raises
    ------
    PhysioaffectError
        If there is nothing to take features from.
    sklearn.exceptions.NotFittedError
        If it has not been fitted.

    Notes
    -----
    Features keep their own origin: whether they are centred is up to the model. Those of a model that
    standardises its inputs are, so that their cosines run from -1 to 1.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X = np.random.default_rng(0).normal(size=(50, 6))
    >>> teacher = as_teacher(make_pipeline(StandardScaler(), Ridge()).fit(X, X[:, :2]))
    >>> teacher.embed(X).shape, teacher.predict(X).shape
    ((50, 6), (50, 2))
    """
    if not hasattr(fitted, "predict"):
        raise PhysioaffectError(
            f"A teacher predicts, {type(fitted).__name__} does not. Give a fitted classifier or regressor."
        )
    check_is_fitted(fitted)
    if hasattr(fitted, "validation_people_") and hasattr(fitted, "embed"):
        return fitted  # type: ignore[no-any-return]
    for name in ("embed", "transform"):
        if hasattr(fitted, name):
            return FittedTeacher(fitted, getattr(fitted, name))
    if len(getattr(fitted, "steps", ())) > 1:
        return FittedTeacher(fitted, fitted[:-1].transform)
    raise PhysioaffectError(
        f"{type(fitted).__name__} has neither embed nor transform, so that there are no features to take. "
        "Put it at the end of a scikit-learn pipeline, of which it then sees the features, or use a network."
    )
