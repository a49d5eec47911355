"""What confusion tables and reliability diagrams show, before anybody draws it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioaffect.evaluation.protocols import person_names
from physioaffect.evaluation.statistics import calibrated_error, expected_calibration_error, reliability

__all__ = ["Calibration", "calibrations", "confusion_counts", "row_shares"]

_DRAWS = 50


def confusion_counts(
    predictions: pd.DataFrame, models: Sequence[str], classes: Sequence[str]
) -> NDArray[np.int64]:
    """Count what was taken for what.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Under one protocol: the columns model, truth and prediction.
    models, classes : sequence of str
        Whom and what to count, in this order.

    Returns
    -------
    counts : ndarray of int, shape (n_models, n_classes, n_classes)
        Rows are true, columns predicted classes.

    Examples
    --------
    >>> rows = pd.DataFrame({"model": "lda", "truth": ["a", "b", "b"], "prediction": ["a", "b", "a"]})
    >>> confusion_counts(rows, ["lda"], ["a", "b"])
    array([[[1, 0],
            [1, 1]]])
    """
    n = len(classes)
    truth, predicted, of = (
        pd.Categorical(predictions[name], list(categories)).codes.astype(int)
        for name, categories in (("truth", classes), ("prediction", classes), ("model", models))
    )
    is_shown = (of >= 0) & (truth >= 0) & (predicted >= 0)
    cells = np.ravel_multi_index([codes[is_shown] for codes in (of, truth, predicted)], (len(models), n, n))
    return np.bincount(cells, minlength=len(models) * n * n).reshape(len(models), n, n)


def row_shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Divide each row, the last axis, by its sum; rows of nothing stay zero.

    Examples
    --------
    >>> row_shares(np.array([[3, 1], [0, 0]]))
    array([[0.75, 0.25],
           [0.  , 0.  ]])
    """
    return np.asarray(counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1), np.float64)


class Calibration(NamedTuple):
    """Stated and observed probability of a model's likeliest class.

    ``bins`` are the rows of `physioaffect.evaluation.statistics.reliability`, ``error`` is the expected
    calibration error, and ``unavoidable`` what it were if all probabilities were true; ``n`` cases.
    """

    model: str
    error: float
    unavoidable: float
    bins: pd.DataFrame
    n: int


def calibrations(
    predictions: pd.DataFrame, models: Sequence[str], classes: Sequence[str]
) -> list[Calibration]:
    """Compare stated with observed probabilities; nothing for a model that states none.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Under one protocol, as in ``predictions.parquet`` or that by trial.
    models, classes : sequence of str
        Whom to judge, and what the columns ``p_<class>`` stand for.

    Returns
    -------
    list of Calibration
        In ten bins of equal width, with 95 % intervals over people.
    """
    columns = [f"p_{name}" for name in classes]
    found = []
    for model in models:
        rows = predictions[predictions["model"] == model]
        p = rows[columns].to_numpy(dtype=float)
        if not len(rows) or not np.isfinite(p).all() or not np.allclose(p.sum(axis=1), 1, atol=1e-3):
            continue
        # Stored with less precision than the sum of a row is checked.
        p = p / p.sum(axis=1, keepdims=True)
        truth = rows["truth"].to_numpy()
        found.append(
            Calibration(
                model,
                expected_calibration_error(truth, p, classes),
                calibrated_error(p, classes, n_draws=_DRAWS),
                reliability(truth, p, classes, subjects=person_names(rows)),
                len(rows),
            )
        )
    return found
