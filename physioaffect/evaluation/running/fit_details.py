"""What a fitted model tells besides its predictions: how its training went, and what it looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from physioaffect.errors import DataError
from physioaffect.evaluation.adaptation.wrapping import Part, Wrapper
from physioaffect.evaluation.models.tuned import Tuned, choices_of
from physioaffect.windows import Windows

__all__ = ["choices_of", "curves_of", "importance_of", "linear_importance"]

# Windows and places on the path that are enough for a map of what a network looked at.
_N_WINDOWS = 128
_N_STEPS = 8


def curves_of(model: Any) -> pd.DataFrame | None:
    """Loss by epoch: columns epoch (from 1), loss (of training) and validation (NaN where there is none)."""
    history = getattr(_inner(model), "history_", None)
    if not history:
        return None
    frame = pd.DataFrame([tuple(epoch) for epoch in history], columns=["loss", "validation"], dtype=float)
    frame.insert(0, "epoch", np.arange(1, len(frame) + 1))
    return frame


def importance_of(
    model: Any, X: Any, names: Sequence[str], *, groups: NDArray[Any] | None = None
) -> pd.DataFrame | None:
    """Share out what makes a model's outputs differ among its features.

    Parameters
    ----------
    model : estimator
        Fitted: one with ``coef_``, a network, or one of these in a pipeline or a wrapper.
    X : array-like or Windows
        Windows, as for prediction.
    names : sequence of str
        Of the features, in the order of a flattened window; of raw windows, of the channels.
    groups : ndarray, optional
        Person of each window.

    Returns
    -------
    importance : DataFrame or None
        Columns feature and value: the share of the variance of the output over the windows that comes with
        the feature, ``cov(a_i, f) / var(f)`` where ``f = sum_i a_i``; negative for what works against the
        others. They add up to 1. With several outputs the mean over them. None if the model cannot tell.

    Notes
    -----
    For a linear model ``a_i = w_i x_i``, so that the share is weight times pattern over the output's variance
    (patterns: Haufe et al. 2014, doi:10.1016/j.neuroimage.2013.10.067, equation 6). For networks ``a_i`` are
    integrated gradients, which for a linear network are the same. It says what a model looked at, not that
    this is what tells the classes apart.
    """
    if isinstance(model, Wrapper):
        changed = model._change(Part(X, None, groups), "test")
        return importance_of(model.model_, changed, model._names(names), groups=groups)
    if isinstance(model, Tuned):
        return importance_of(model.model_, X, names, groups=groups)
    if isinstance(model, Pipeline):
        return importance_of(model[-1], model[:-1].transform(X), names) if len(model) > 1 else None
    values: NDArray[np.float64] | None
    if (weights := _weights(model)) is not None:
        values = linear_importance(weights, np.asarray(X, dtype=np.float64).reshape(len(X), -1))
    elif hasattr(model, "network_"):
        values = _network_importance(model, X)
    else:
        return None
    if values is None or len(values) != len(names):
        return None
    shares = pd.DataFrame({"feature": list(names), "value": values})
    # A feature that a wrapper gives to the model in two ways has the shares of both.
    return shares.groupby("feature", sort=False, as_index=False).sum(min_count=1)


def linear_importance(weights: NDArray[np.float64], X: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Shares of linear outputs' variance, mean over outputs; None if an output is constant.

    Parameters
    ----------
    weights : ndarray, shape (n_outputs, n_features)
        As in ``coef_``.
    X : ndarray, shape (n_windows, n_features)
        What the weights are applied to.

    Returns
    -------
    shares : ndarray, shape (n_features,)
        Adding up to 1.

    Examples
    --------
    >>> X = np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    >>> linear_importance(np.array([[2.0, 1.0]]), X)
    array([0.8, 0.2])
    """
    centred = X - X.mean(axis=0)
    outputs = centred @ weights.T
    variance = (outputs**2).sum(axis=0)
    if not (variance > 0).all():
        return None
    shares = weights.T * (centred.T @ outputs) / variance
    return np.asarray(shares.mean(axis=1))


def _inner(model: Any) -> Any:
    while isinstance(model, Wrapper | Tuned):
        model = model.model_
    return model


def _weights(model: Any) -> NDArray[np.float64] | None:
    # Of a support vector machine only the linear one has them; asking another raises AttributeError, too.
    found = getattr(getattr(model, "model_", model), "coef_", None)
    return None if found is None else np.atleast_2d(np.asarray(found, dtype=np.float64))


def _network_importance(model: Any, X: Any) -> NDArray[np.float64] | None:
    from physioaffect.graphs import electrode_importance  # noqa: PLC0415  It imports torch.

    rows = np.unique(np.linspace(0, len(X) - 1, min(_N_WINDOWS, len(X))).astype(int))
    classes = getattr(model, "classes_", [None])
    targets = list(classes) if len(classes) > 2 else [None]
    some = X.select(rows) if isinstance(X, Windows) else X[rows]
    try:
        found = [electrode_importance(model, some, target=target, n_steps=_N_STEPS) for target in targets]
    except DataError:
        # The output is the same for all windows: the network has learnt nothing to look at.
        return None
    return np.asarray(np.mean([one.values.ravel() for one in found], axis=0))
