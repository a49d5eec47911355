"""The folds of the multi-task network, which has two heads and so its own way through a protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioaffect.evaluation import Fold, Protocol, loso, window_random
from physioaffect.evaluation.scoring.metrics import ccc, pearson, rmse
from physioaffect.native_threads import one_native_thread
from physioaffect.pinn import Identified, MultiTaskPINN, PINNSettings, eda_emotion_baselines
from physioaffect.reproduce.pinn_windows import REPORTS, PinnTable
from physioaffect.reproduce.rbtransformer import rbtransformer_trials
from physioaffect.reproduce.scores import Mean
from physioaffect.reproduce.values import Over

__all__ = [
    "EDA_SCORES",
    "NEAREST",
    "OVER",
    "PROTOCOLS",
    "SETS",
    "FoldResult",
    "constants_table",
    "eda_mean_of",
    "pinn_models",
    "run_fold",
]

Array = NDArray[np.float64]

SETS: Mapping[str, tuple[bool, bool]] = {
    "signals only": (True, False),
    "self-reports only": (False, True),
    "both": (True, True),
}
"""Whether physiology and whether self-reports are in the input; the time always is."""

NEAREST = "nearest window in time"
"""No model: the EDA (and class) of the training window of the same condition that is nearest in time."""


TRIALS = replace(rbtransformer_trials(), name="trials_5fold")
PROTOCOLS: tuple[Protocol, ...] = (window_random, TRIALS, loso)
OVER: Mapping[str, Over] = {window_random.name: "folds", TRIALS.name: "folds", loso.name: "people"}


class FoldResult(NamedTuple):
    """Predictions of all models in one fold and set, and the network's constants by model."""

    predictions: pd.DataFrame
    constants: dict[str, Identified]


def pinn_models(*, is_quick: bool, seed: int, device: Literal["auto", "cpu", "cuda"]) -> dict[str, Any]:
    """Make the network, its ablations and what it is held against.

    Parameters
    ----------
    is_quick : bool
        Short training, and only one ablation and one baseline.
    seed : int
        Of everything random.
    device : {"auto", "cpu", "cuda"}
        Where networks are trained.

    Returns
    -------
    dict from str to estimator
    """
    n_steps = 200 if is_quick else 1000

    def network(**changed: Any) -> MultiTaskPINN:
        return MultiTaskPINN(PINNSettings(steps=n_steps, **changed), random_state=seed, device=device)

    made: dict[str, Any] = {"pinn": network(), "pinn, no physics": network(physics_weight=0.0)}
    if not is_quick:
        made |= {"pinn, EDA alone": network(heads="eda"), "pinn, emotion alone": network(heads="emotion")}
    others = dict(eda_emotion_baselines(seed=seed))
    return made | ({name: others[name] for name in ("boosting", "constant")} if is_quick else others)


def _inputs(table: PinnTable, rows: NDArray[np.intp], name: str) -> tuple[Array | None, dict[str, Any]]:
    has_signals, has_reports = SETS[name]
    told: dict[str, Any] = {"time": table.time[rows]}
    if has_reports:
        told["reports"] = table.reports[rows]
    return table.X[rows] if has_signals else None, told


def run_fold(
    item: tuple[str, int, str], table: PinnTable, folds: Sequence[Fold], models: Mapping[str, Any]
) -> tuple[tuple[str, int, str], FoldResult]:
    """Fit all models on one fold with one input set.

    Parameters
    ----------
    item : tuple
        Protocol, number of the fold in ``folds``, name of the set.
    table : PinnTable
        All windows.
    folds : sequence of Fold
        Of all protocols.
    models : mapping from str to estimator
        As `pinn_models` makes them.

    Returns
    -------
    item : tuple
        As given.
    result : FoldResult
        Columns model, fold, dataset, subject, condition, start, truth, ``p_...``, ``eda``, ``eda_predicted``
        and ``eda_range``, the range of EDA in training.
    """
    protocol, number, name = item
    fold = folds[number]
    train, test = fold.fitted_idx, fold.test_idx
    X, told = _inputs(table, train, name)
    X_test, told_test = _inputs(table, test, name)
    classes = np.unique(table.y)
    common = {
        "fold": fold.name,
        "dataset": "wesad",
        "subject": table.people[test],
        "condition": table.conditions[test],
        "start": table.coords["start"].to_numpy()[test],
        "truth": table.y[test],
        "eda": table.eda[test],
        "eda_range": float(np.ptp(table.eda[train])),
    }
    frames, constants = [], {}
    # BLAS with several threads sums in another order.
    with one_native_thread():
        for label, model in models.items():
            fitted = type(model)(**model.get_params(deep=False))
            fitted.fit(
                X,
                table.y[train],
                eda=table.eda[train],
                groups=table.people[train],
                conditions=table.conditions[train],
                **told,
            )
            settings = getattr(fitted, "settings", None)
            shares = np.full((len(test), len(classes)), np.nan)
            if settings is None or settings.has_emotion:
                columns = np.searchsorted(classes, fitted.classes_)
                shares[:] = 0
                shares[:, columns] = fitted.predict_proba(X_test, **told_test)
            trace = np.full(len(test), np.nan)
            if settings is None or settings.has_eda:
                trace = fitted.predict_eda(X_test, **told_test)
            if getattr(fitted, "physics_", None) is not None:
                constants[label] = fitted.physics_
            frames.append(_frame(label, common, classes, shares, trace))
    if name == "both":
        frames.append(_frame(NEAREST, common, classes, *_nearest(table, train, test, classes)))
    return (protocol, number, name), FoldResult(pd.concat(frames, ignore_index=True), constants)


def _frame(
    label: str, common: Mapping[str, Any], classes: NDArray[np.str_], shares: Array, trace: Array
) -> pd.DataFrame:
    columns = {f"p_{c}": shares[:, number] for number, c in enumerate(classes)}
    return pd.DataFrame({"model": label, **common, **columns, "eda_predicted": trace})


def _nearest(
    table: PinnTable, train: NDArray[np.intp], test: NDArray[np.intp], classes: NDArray[np.str_]
) -> tuple[Array, Array]:
    """Copy the neighbour; mean and commonest class where training has nothing of the condition."""
    labels, counts = np.unique(table.y[train], return_counts=True)
    trace = np.full(len(test), table.eda[train].mean())
    guessed = np.full(len(test), labels[counts.argmax()], dtype=classes.dtype)
    for place, row in enumerate(test):
        own = train[table.conditions[train] == table.conditions[row]]
        if len(own):
            nearest = own[np.abs(table.time[own] - table.time[row]).argmin()]
            trace[place], guessed[place] = table.eda[nearest], table.y[nearest]
    return (guessed[:, None] == classes[None, :]).astype(np.float64), trace


def _r(truth: Array, predicted: Array, spread: float) -> float:  # noqa: ARG001
    return pearson(truth, predicted)


def _ccc(truth: Array, predicted: Array, spread: float) -> float:  # noqa: ARG001
    return ccc(truth, predicted)


def _rmse(truth: Array, predicted: Array, spread: float) -> float:
    return rmse(truth, predicted) / spread


EDA_SCORES: Mapping[str, Callable[[Array, Array, float], float]] = {
    "eda_rmse": _rmse,
    "eda_r": _r,
    "eda_ccc": _ccc,
}
"""RMSE as a share of the range in training, Pearson's r, Lin's concordance with 1/N."""


def eda_mean_of(predictions: pd.DataFrame, score: str, *, over: str) -> Mean:
    """Score the traces of one model, and average in per cent over folds or people.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Of one model, set and protocol.
    score : str
        A key of ``EDA_SCORES``.
    over : {"folds", "people"}
        Units that are scored by themselves, all windows of a unit together.

    Returns
    -------
    Mean
        A unit where r is not defined, since a prediction is constant, is left out.
    """
    compute = EDA_SCORES[score]
    values = [
        compute(
            own["eda"].to_numpy(dtype=float),
            own["eda_predicted"].to_numpy(dtype=float),
            float(own["eda_range"].iloc[0]),
        )
        for _, own in predictions.groupby("fold" if over == "folds" else "subject", sort=False)
        if own["eda_predicted"].notna().all()
    ]
    found = 100 * np.array([value for value in values if np.isfinite(value)])
    if len(found) == 0:
        return Mean(float("nan"), float("nan"), 0)
    return Mean(float(found.mean()), float(found.std(ddof=1)) if len(found) > 1 else float("nan"), len(found))


def constants_table(constants: Mapping[tuple[str, str, str], Identified]) -> pd.DataFrame:
    """Identified constants of every fold with their intervals, one row each.

    Parameters
    ----------
    constants : mapping from (protocol, fold, set) to Identified
        Of the network with physics and both heads.

    Returns
    -------
    pandas.DataFrame
        Columns protocol, fold, inputs, constant, unit, value, low, high.
    """
    rows = []
    for (protocol, fold, name), found in constants.items():
        reports = REPORTS if len(found.drive) else ()
        names = ["gamma alpha_0", *(f"gamma beta: {report}" for report in reports), "gamma (alpha_0 E_0 + b)"]
        units = ["1/s", *(["uS/s per point"] * len(reports)), "uS/s"]
        for label, unit, value, (low, high) in zip(names, units, found.values, found.intervals, strict=True):
            rows.append(
                {
                    "protocol": protocol,
                    "fold": fold,
                    "inputs": name,
                    "constant": label,
                    "unit": unit,
                    "value": value,
                    "low": low,
                    "high": high,
                }
            )
    return pd.DataFrame(
        rows, columns=["protocol", "fold", "inputs", "constant", "unit", "value", "low", "high"]
    )
