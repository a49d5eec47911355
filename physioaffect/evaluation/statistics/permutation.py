r"""Permutation tests that hold predictions fixed: fast, for any model.

Labels are exchanged within what one fold tests, so that nothing a model learnt there changes. For one fold
that is exact. Scores of several folds are not independent, though: under loso the labels of person A train
the model that is tested on B and the other way round, and the mean over people varies more than permuted
scores do. Write a person's permuted score as a sum of interactions with the labels of others. Where these are
pairwise, as for linear models and nearest neighbours, the pair of A and B enters twice, and since
:math:`(a + b)^2 \le 2 (a^2 + b^2)` the variance is at most twice that of the permuted mean. Permuted scores
are therefore spread by :math:`\sqrt 2` around their mean before they are compared with the observed one.
docs/statistics.md measures what that costs and what leaving it out would do. `permute_fits` needs no such
care.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from physioaffect.errors import ProtocolError
from physioaffect.evaluation.statistics.exchange import Exchange, exchange_of, level_for
from physioaffect.evaluation.statistics.permutation_tables import (
    by_trial_sums,
    numbers_of,
    permutation_table,
)
from physioaffect.evaluation.statistics.trial_scores import Predicted

__all__ = ["permute_predictions"]

_WIDENED = (
    "Predictions were held fixed. Because labels tested in one fold trained others, permuted scores were "
    "spread by the root of two, which makes p rather too large; refits give a sharper one."
)
_FIXED = "Predictions were held fixed."


def permute_predictions(
    predictions: pd.DataFrame,
    task: Mapping[str, Any],
    *,
    protocols: Sequence[Mapping[str, Any]] | None = None,
    coords: pd.DataFrame | None = None,
    n_permutations: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare scores with those of permuted labels, predictions held fixed.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Window by window, as in ``predictions.parquet``.
    task : mapping
        ``run["task"]``: kind, classes and source.
    protocols : sequence of mapping, optional
        ``run["protocols"]``: what each holds out and shares. Without it a protocol is taken to share stimuli,
        and trials if one occurs in several folds.
    coords : pandas.DataFrame, optional
        Coordinates of the windows with ``order``, which tells whether everyone had the same conditions in the
        same order.
    n_permutations : int
        Relabellings, the same for all models of a protocol.
    seed : int
        Draws them.

    Returns
    -------
    pandas.DataFrame
        As of `permute_fits`, after the columns protocol and model. ``chance``, ``low``, ``high`` and ``p``
        are NaN where fixed predictions allow no test; ``tests`` says why.

    Raises
    ------
    DataError
        If a trial has two labels or a prediction is not finite.
    ProtocolError
        If predictions lack a column.

    Examples
    --------
    >>> trial = [str(t) for t in range(8)]
    >>> predictions = pd.DataFrame({"protocol": "loso", "model": "m", "fold": ["A"] * 8 + ["B"] * 8})
    >>> predictions = predictions.assign(dataset="made", subject=predictions["fold"], session="1")
    >>> predictions = predictions.assign(trial=trial * 2, stimulus=trial * 2, truth=[*"llllhhhh"] * 2)
    >>> predictions = predictions.assign(p_l=[0.9] * 4 + [0.2] * 4 + [0.9] * 4 + [0.2] * 4)
    >>> predictions = predictions.assign(p_h=1 - predictions["p_l"])
    >>> task = {"kind": "binary", "classes": ["l", "h"], "source": "rating"}
    >>> tested = permute_predictions(predictions, task)
    >>> tested.loc[0, "metric"], float(tested.loc[0, "observed"]), bool(tested.loc[0, "p"] < 0.01)
    ('macro_f1', 1.0, True)
    """
    _check(predictions, task)
    if coords is not None:
        predictions = _with_order(predictions, coords)
    known = {str(protocol["name"]): protocol for protocol in protocols or ()}
    frames = []
    for (protocol, model), own in predictions.groupby(["protocol", "model"], sort=False, observed=True):
        frame = _one(own, task, known.get(str(protocol)), n_permutations, seed)
        frame.insert(0, "protocol", str(protocol))
        frame.insert(1, "model", str(model))
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _check(predictions: pd.DataFrame, task: Mapping[str, Any]) -> None:
    needed = {"protocol", "model", "fold", "dataset", "subject", "session", "trial", "stimulus", "truth"}
    needed |= {f"p_{name}" for name in task["classes"]} or {"prediction"}
    if lacking := sorted(needed - set(predictions)):
        raise ProtocolError(
            f"Predictions lack the columns {', '.join(lacking)}. Pass them as in predictions.parquet."
        )
    if predictions.empty:
        raise ProtocolError("There are no predictions, so there is nothing to test.")


_TRIAL = ["dataset", "subject", "session", "trial"]


def _with_order(predictions: pd.DataFrame, coords: pd.DataFrame) -> pd.DataFrame:
    order = coords.drop_duplicates(_TRIAL)[[*_TRIAL, "order"]]
    return predictions.drop(columns="order", errors="ignore").merge(order, on=_TRIAL, how="left")


def _one(
    own: pd.DataFrame,
    task: Mapping[str, Any],
    protocol: Mapping[str, Any] | None,
    n_permutations: int,
    seed: int,
) -> pd.DataFrame:
    """Test one model under one protocol."""
    kind, classes, source = str(task["kind"]), list(task["classes"]), str(task["source"])
    holds_out = str(protocol["holds_out"]).split(", ") if protocol else []
    level = level_for(holds_out, source)
    rows = own.assign(target=own["truth"]).reset_index(drop=True)
    exchange = exchange_of(rows, source, level=level, within=rows["fold"].to_numpy())
    columns = ["prediction"] if kind == "regression" else [f"p_{name}" for name in classes]
    values = rows[columns].to_numpy(dtype=float)
    counts, scores = by_trial_sums(values, exchange.trial_of_row, len(exchange.trials), kind)
    predicted = Predicted(counts=counts[np.newaxis], scores=scores[np.newaxis])
    labels = numbers_of(exchange.labels, kind, classes)
    taken = np.arange(len(labels))[np.newaxis]
    if why := _why_not(rows, exchange, source, holds_out, protocol):
        return permutation_table(labels[taken], predicted, exchange, refitted=False, says=why)
    taken = np.vstack([taken, exchange.positions(n_permutations, seed)])
    is_alone = rows["fold"].nunique() == 1
    return permutation_table(
        labels[taken],
        predicted,
        exchange,
        refitted=False,
        widening=1.0 if is_alone else math.sqrt(2),
        says=f"{exchange.tests} {_FIXED if is_alone else _WIDENED}",
    )


def _why_not(
    rows: pd.DataFrame,
    exchange: Exchange,
    source: str,
    holds_out: Sequence[str],
    protocol: Mapping[str, Any] | None,
) -> str:
    """Say why fixed predictions allow no test; empty if they do."""
    is_divided = rows.groupby(exchange.trial_of_row)["fold"].nunique().max() > 1
    if is_divided or (protocol is not None and protocol.get("shared", {}).get("trial", 0) > 0):
        return (
            "No test: windows of the test trials were trained on with their labels, so predictions know the "
            "labels that would be permuted. Refits are needed."
        )
    if source == "stimulus" and "stimulus" not in holds_out:
        return (
            "No test: the stimulus gives the label, and the model learnt these stimuli with their true "
            "labels from other people. Other maps from stimuli to labels need refits."
        )
    if exchange.n_distinct < 2:
        return (
            f"{exchange.tests} Only what one fold tests can be exchanged while predictions are held fixed; "
            "refits can exchange more."
        )
    if exchange.level == "subject":
        return (
            "No test: all labels of a person are equal, and the people who would exchange them trained each "
            "other's models. Refits are needed."
        )
    return ""
