"""Brier score and log loss of stated probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physioaffect.errors import DataError

__all__ = ["brier_score", "log_loss"]


def brier_score(truth: ArrayLike, probabilities: ArrayLike, classes: Sequence[Any]) -> float:
    """Mean squared distance of the probabilities from the truth, summed over classes (Brier 1950): 0 to 2.

    Parameters
    ----------
    truth : array_like, shape (n,)
        The true class of each row.
    probabilities : array_like, shape (n, n_classes)
        Probability of each class; the rows add up to one.
    classes : sequence, length n_classes
        The class of each column.

    Raises
    ------
    DataError
        If the shapes do not fit, rows are no probabilities, or a class is unknown.

    Examples
    --------
    >>> round(brier_score(["a", "b"], [[0.9, 0.1], [0.9, 0.1]], ["a", "b"]), 3)
    0.82
    """
    stated = checked(probabilities, classes)
    return float(np.mean(np.sum((stated - one_hot(truth, classes, len(stated))) ** 2, axis=1)))


def log_loss(truth: ArrayLike, probabilities: ArrayLike, classes: Sequence[Any]) -> float:
    """Mean of -log of the true class's probability, in nats; infinite where that is 0, which is not cut off.

    Parameters
    ----------
    truth, probabilities, classes
        As for `brier_score`, with its errors.

    Examples
    --------
    >>> round(log_loss(["a", "b"], [[0.5, 0.5], [0.5, 0.5]], ["a", "b"]), 3)
    0.693
    """
    stated = checked(probabilities, classes)
    of_true = stated[one_hot(truth, classes, len(stated))]
    with np.errstate(divide="ignore"):
        return float(np.mean(-np.log(of_true)))


def checked(probabilities: ArrayLike, classes: Sequence[Any]) -> NDArray[np.float64]:
    """Probabilities as an array (n, n_classes), or an error that says what they are instead."""
    stated = np.asarray(probabilities, dtype=float)
    if stated.ndim != 2 or stated.shape[1] != len(classes) or not len(stated):
        raise DataError(
            f"probabilities must be (n, n_classes), n > 0, with {len(classes)} classes; got shape "
            f"{stated.shape}."
        )
    if len(set(classes)) < len(classes):
        raise DataError(f"A class is named twice in {list(classes)}.")
    # Networks return single precision.
    wrong = ~((stated >= 0).all(axis=1) & (np.abs(stated.sum(axis=1) - 1) < 1e-4))
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{int(wrong.sum())} of {len(stated)} rows are not probabilities that add up to one, the "
            f"first is row {first}: {stated[first].tolist()}. Pass predict_proba's output, not decision "
            "values."
        )
    return stated


def one_hot(truth: ArrayLike, classes: Sequence[Any], n: int) -> NDArray[np.bool_]:
    """Whether each class is the true one, (n, n_classes), or an error that names unknown classes."""
    true = np.asarray(truth)
    if true.shape != (n,):
        raise DataError(f"truth must be one class for each of {n} rows; got shape {true.shape}.")
    is_true: NDArray[np.bool_] = true[:, None] == np.asarray(classes)[None, :]
    if not is_true.any(axis=1).all():
        unknown = sorted({str(name) for name in true[~is_true.any(axis=1)]})
        raise DataError(
            f"True classes are not among the columns' {list(classes)}: {', '.join(unknown[:10])}."
        )
    return is_true
