"""Scores of a run's predictions: by trial and by window, per subject and pooled."""

from __future__ import annotations

import numpy as np
import pandas as pd
import sklearn

from physioaffect.evaluation.protocols import person_names
from physioaffect.evaluation.scoring.confusion import FROM_CONFUSIONS, area_under_roc, confusions
from physioaffect.evaluation.scoring.metrics import CLASSIFICATION, REGRESSION
from physioaffect.evaluation.scoring.ordinal_metrics import ORDINAL

__all__ = ["POOLED", "by_trial", "score"]

POOLED = "(pooled)"
_TRIAL = ["protocol", "model", "dataset", "subject", "session", "trial", "stimulus"]


def _numbered(predictions: pd.DataFrame) -> pd.DataFrame:
    """Add the columns of ``truth`` and ``prediction`` among those of the classes' scores, sorted."""
    classes = sorted(str(name).removeprefix("p_") for name in predictions if str(name).startswith("p_"))
    numbers = {
        "_" + column: pd.Categorical(predictions[column], categories=classes).codes.astype(np.intp)
        for column in ("truth", "prediction")
    }
    return predictions.assign(**numbers)


def _score_one(rows: pd.DataFrame, kind: str) -> dict[str, float]:
    truth, predicted = rows["truth"].to_numpy(), rows["prediction"].to_numpy()
    if kind == "regression":
        return {name: metric(truth, predicted) for name, metric in REGRESSION.items()}
    columns = sorted(str(name) for name in rows if str(name).startswith("p_"))
    true = rows["_truth"].to_numpy()
    counts = confusions(true, rows["_prediction"].to_numpy(), len(columns))
    values = {
        name: FROM_CONFUSIONS[name](counts) if name in FROM_CONFUSIONS else metric(truth, predicted)
        for name, metric in CLASSIFICATION.items()
    }
    values["auroc"] = area_under_roc(true, rows[columns].to_numpy())
    if kind == "ordinal":
        # In the order of the task, not of the alphabet.
        ordered = [str(name) for name in rows if str(name).startswith("p_")]
        classes = np.array([name.removeprefix("p_") for name in ordered])
        scores = rows[ordered].to_numpy()
        values |= {name: metric(truth, scores, classes) for name, metric in ORDINAL.items()}
    return values


def by_trial(predictions: pd.DataFrame, kind: str) -> pd.DataFrame:
    """One prediction per trial: the mean over its windows, then the likeliest class.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Window by window, as in ``predictions.parquet``.
    kind : str
        The task's kind.

    Returns
    -------
    pandas.DataFrame
        The same columns without ``fold``, ``window``, ``start``, ``duration``.

    Examples
    --------
    >>> predictions = pd.DataFrame(
    ...     {
    ...         "trial": ["1", "1", "1", "2", "2"],
    ...         "stimulus": ["1", "1", "1", "2", "2"],
    ...         "truth": ["calm", "calm", "calm", "tense", "tense"],
    ...         "prediction": ["calm", "tense", "tense", "tense", "tense"],
    ...         "p_calm": [0.9, 0.4, 0.4, 0.1, 0.2],
    ...         "p_tense": [0.1, 0.6, 0.6, 0.9, 0.8],
    ...     }
    ... )
    >>> run = {"protocol": "loso", "model": "lda", "dataset": "own", "subject": "a", "session": "1"}
    >>> trials = by_trial(predictions.assign(**run), "binary")
    >>> trials[["trial", "truth", "prediction"]].values.tolist()
    [['1', 'calm', 'calm'], ['2', 'tense', 'tense']]
    """
    columns = [str(name) for name in predictions if str(name).startswith("p_")]
    averaged = ["prediction"] if kind == "regression" else columns
    grouped = predictions.groupby(_TRIAL, sort=False, observed=True)
    trials = grouped[averaged].mean()
    trials["truth"] = grouped["truth"].first()
    if kind != "regression":
        best = trials[columns].to_numpy().argmax(axis=1)
        trials["prediction"] = np.array([name.removeprefix("p_") for name in columns])[best]
    return trials.reset_index()


def score(predictions: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Score every model under every protocol, by window and by trial, per subject and pooled.

    Parameters
    ----------
    predictions : pandas.DataFrame
        As in ``predictions.parquet``.
    kind : str
        The task's kind.

    Returns
    -------
    pandas.DataFrame
        Long: protocol, model, level (``"trial"`` or ``"window"``), subject (or ``"(pooled)"``; with several
        data sets ``dataset/subject``), metric, value and n, the number of trials or windows scored.

    Examples
    --------
    >>> predictions = pd.DataFrame(
    ...     {
    ...         "trial": ["1", "1", "2", "2"],
    ...         "stimulus": ["1", "1", "2", "2"],
    ...         "window": [0, 1, 0, 1],
    ...         "truth": ["calm", "calm", "tense", "tense"],
    ...         "prediction": ["calm", "tense", "tense", "tense"],
    ...         "p_calm": [0.9, 0.4, 0.1, 0.2],
    ...         "p_tense": [0.1, 0.6, 0.9, 0.8],
    ...     }
    ... )
    >>> run = {"protocol": "loso", "model": "lda", "dataset": "own", "subject": "a", "session": "1"}
    >>> found = score(predictions.assign(**run), "binary")
    >>> accuracy = found[(found["metric"] == "accuracy") & (found["subject"] == "a")]
    >>> accuracy[["level", "value"]].values.tolist()
    [['trial', 1.0], ['window', 0.75]]
    """
    rows = []
    # The arguments are our own; checking them takes longer than scoring one person.
    with sklearn.config_context(skip_parameter_validation=True, assume_finite=True):
        for level, rated in (("trial", by_trial(predictions, kind)), ("window", predictions)):
            frame = rated if kind == "regression" else _numbered(rated)
            for (protocol, model), own in frame.groupby(["protocol", "model"], sort=False, observed=True):
                people = [*own.groupby(person_names(own), sort=False), (POOLED, own)]
                for subject, part in people:
                    rows += [
                        (protocol, model, level, subject, metric, value, len(part))
                        for metric, value in _score_one(part, kind).items()
                    ]
    return pd.DataFrame(rows, columns=["protocol", "model", "level", "subject", "metric", "value", "n"])
