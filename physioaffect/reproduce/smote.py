"""SMOTE, on the windows a model learns from and no others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.neighbors import NearestNeighbors

from physioaffect.errors import ProtocolError
from physioaffect.evaluation import Fold

__all__ = ["Smote", "smote"]


def smote(
    X: NDArray[np.floating[Any]], y: NDArray[Any], *, rng: np.random.Generator, n_neighbors: int = 5
) -> tuple[NDArray[np.floating[Any]], NDArray[Any]]:
    """Make new windows of the rarer classes until all are as frequent as the commonest.

    A new window lies on the line between a window of the class and one of its nearest neighbours in the
    class: ``x + u (x' - x)`` with u uniform in [0, 1).

    Parameters
    ----------
    X : ndarray, shape (n_windows, n_features)
        Windows.
    y : ndarray, shape (n_windows,)
        Their classes.
    rng : numpy.random.Generator
        Source of the choices.
    n_neighbors : int
        Neighbours of which one is drawn; fewer where a class has no more.

    Returns
    -------
    X, y : ndarray
        The new windows alone; none if the classes are even.

    Raises
    ------
    ProtocolError
        If a class has a single window, which has no neighbour.

    Notes
    -----
    Chawla et al. (2002), JAIR 16, 321-357, doi 10.1613/jair.953, with windows and neighbours drawn anew for
    each new window, as imbalanced-learn does, instead of each window used equally often.

    Examples
    --------
    >>> X, y = np.array([[0.0], [1.0], [5.0], [6.0], [7.0], [8.0]]), np.array([0, 0, 1, 1, 1, 1])
    >>> made, labels = smote(X, y, rng=np.random.default_rng(0))
    >>> labels, bool(((made > 0) & (made < 1)).all())
    (array([0, 0]), True)
    """
    classes, counts = np.unique(y, return_counts=True)
    made, labels = [X[:0]], [y[:0]]
    for name, count in zip(classes, counts, strict=True):
        n_new = int(counts.max() - count)
        if n_new == 0:
            continue
        if count < 2:
            raise ProtocolError(
                f"SMOTE needs two windows of each class in training, class {name} has one. Leave it out."
            )
        own = X[y == name]
        n_near = min(n_neighbors, int(count) - 1)
        # Without X they are each window's neighbours, itself not among them.
        near = NearestNeighbors(n_neighbors=n_near).fit(own).kneighbors(return_distance=False)
        base = rng.integers(count, size=n_new)
        other = near[base, rng.integers(n_near, size=n_new)]
        share = rng.random((n_new, 1))
        made.append((own[base] + share * (own[other] - own[base])).astype(X.dtype))
        labels.append(np.full(n_new, name, dtype=y.dtype))
    return np.concatenate(made), np.concatenate(labels)


class Smote(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types.
    """A network that also learns from what `smote` makes of its own training windows.

    Parameters
    ----------
    model : estimator
        A classifier with ``fit_folds`` that takes features, such as those of `physioaffect.graphs`.
    n_neighbors : int
        As of `smote`.
    """

    def __init__(self, model: Any, *, n_neighbors: int = 5) -> None:
        self.model = model
        self.n_neighbors = n_neighbors

    @property
    def layout(self) -> tuple[str, ...] | None:
        """The model's own."""
        return getattr(self.model, "layout", None)

    @property
    def uses(self) -> frozenset[str]:
        """What the model uses of what has nothing to do with windows."""
        return frozenset(getattr(self.model, "uses", ())) & {"checkpoint", "progress"}

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Fit on all windows given, and on what is made of them."""
        y = np.asarray(y)
        rows = np.arange(len(y))
        fold = Fold(name="fit", train_idx=rows, test_idx=rows[:0])
        seed = int(np.random.SeedSequence(getattr(self.model, "random_state", None)).generate_state(1)[0])
        self.model_ = self.fit_folds(X, y, [fold], seeds=[seed])[0]
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities of ``classes_``, shape (n_windows, n_classes)."""
        return np.asarray(self.model_.predict_proba(X), dtype=np.float64)

    def predict(self, X: Any) -> NDArray[Any]:
        """Likeliest classes, shape (n_windows,)."""
        return np.asarray(self.model_.predict(X))

    def fit_folds(
        self, X: Any, y: ArrayLike, folds: Sequence[Fold], *, seeds: Sequence[int], **options: Any
    ) -> list[Any]:
        """Fit one model a fold.

        Parameters
        ----------
        X : array-like or DataArray, shape (n_windows, ...)
            Features.
        y : array-like, shape (n_windows,)
            Classes.
        folds : sequence of Fold
            The windows of each; those of validation and calibration are learned from like the others.
        seeds : sequence of int
            One for each fold.
        **options
            What the model's own ``fit_folds`` takes.

        Returns
        -------
        list of estimators
        """
        values, y = np.asarray(X, dtype=np.float32), np.asarray(y)
        flat = values.reshape(len(values), -1)
        parts, labels, rows = [values], [y], []
        n_known = len(y)
        nothing = np.empty(0, dtype=np.intp)
        for fold, seed in zip(folds, seeds, strict=True):
            own = fold.fitted_idx
            rng = np.random.default_rng(np.random.SeedSequence([int(seed), 7]))
            made, of_class = smote(flat[own], y[own], rng=rng, n_neighbors=self.n_neighbors)
            parts.append(made.reshape(-1, *values.shape[1:]))
            labels.append(of_class)
            new = np.arange(n_known, n_known + len(of_class))
            rows.append(Fold(name=fold.name, train_idx=np.concatenate([own, new]), test_idx=nothing))
            n_known += len(of_class)
        joined: Any = np.concatenate(parts)
        if isinstance(X, xr.DataArray):
            names = {dim: X[dim].values for dim in X.dims[1:] if dim in X.coords}
            joined = xr.DataArray(joined, dims=X.dims, coords=names)
        fitted: list[Any] = clone(self.model).fit_folds(
            joined, np.concatenate(labels), rows, seeds=seeds, **options
        )
        return fitted
