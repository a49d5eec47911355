"""What test rows and labels are replaced by, so that whoever looks at them is given away."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioaffect.evaluation.protocols.folds import Indices, is_categorical

__all__ = ["replaced_labels", "replaced_rows"]


def replaced_rows(
    X: Any, y: NDArray[Any] | None, rows: Indices, rng: np.random.Generator, *, telling: bool
) -> Any:
    """Copy ``X`` with other values in some rows.

    Parameters
    ----------
    X : ndarray, shape (n_rows, ...), or DataFrame
        Rows of numbers.
    y : ndarray, shape (n_rows,), or None
        Labels.
    rows : ndarray of int
        Which rows to replace.
    rng : numpy.random.Generator
        Source of the values.
    telling : bool
        Half of the columns, drawn at random, then tell the label of these rows, which selection by label
        cannot resist. Otherwise each column is shifted by five of its standard deviations, up or down, and
        three times as wide, which no mean, range or variance survives.
    """
    if isinstance(X, pd.DataFrame):
        values = replaced_rows(X.to_numpy(dtype=float), y, rows, rng, telling=telling)
        return pd.DataFrame(values, index=X.index, columns=X.columns)
    X = np.array(X)
    flat = X.reshape(len(X), -1).astype(float)
    mean, sd = np.nanmean(flat, axis=0), np.nanstd(flat, axis=0)
    sd = np.where(sd > 0, sd, 1)
    noise = rng.standard_normal((len(rows), flat.shape[1]))
    if telling and y is not None:
        code = np.unique(y, return_inverse=True)[1].astype(float)
        code = (code - code.mean())[rows] / max(float(code.std()), 1e-12)
        tells = rng.permutation(flat.shape[1]) < -(-flat.shape[1] // 2)
        new = mean + sd * (0.1 * noise + 3 * code[:, np.newaxis] * tells)
    else:
        new = mean + sd * (3 * noise + 5 * rng.choice([-1.0, 1.0], size=flat.shape[1]))
    if X.dtype.kind in "iub":
        new = np.round(new)
    with np.errstate(invalid="ignore"):
        X[rows] = new.reshape(len(rows), *X.shape[1:]).astype(X.dtype)
    return X


def replaced_labels(y: NDArray[Any], rows: Indices, rng: np.random.Generator, *, turn: int) -> NDArray[Any]:
    """Copy ``y`` with other labels in some rows; every one is another than it was.

    Classes are turned ``turn`` places on, in a ring of those in ``y``, from the second time on half of them
    at random; numbers are mirrored about the middle of their range, with some noise.
    """
    y = np.array(y)
    if not is_categorical(y):
        new = y[rows].max() + y[rows].min() - y[rows]
        y[rows] = new + 0.5 * max(float(y.std()), 1e-12) * rng.standard_normal(len(rows))
        return y
    classes, number = np.unique(y, return_inverse=True)
    if len(classes) > 1:
        step = 1 + turn % (len(classes) - 1)
        keeps = rng.random(len(rows)) < (0.5 if turn else 0.0)
        y[rows] = classes[(number[rows] + np.where(keeps, 0, step)) % len(classes)]
    return y
