"""Fitting one model on one fold and predicting its test windows, one after another or in parallel."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, parallel_config
from numpy.typing import NDArray
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from physioaffect.evaluation.models import FitsFolds, class_scores, uses_of
from physioaffect.evaluation.protocols import Fold
from physioaffect.evaluation.results import RunFolder
from physioaffect.evaluation.table import IDENTIFIERS, Table
from physioaffect.recording import Task
from physioaffect.windows import Windows

__all__ = ["Job", "run_jobs"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """One model on one fold; ``part`` names its file, which a stack shares, ``layout`` its input."""

    part: str
    protocol: str
    model_name: str
    model: Any
    layout: tuple[str, ...] | None
    fold: Fold
    seed: int


def seeded(model: Any, seed: int) -> Any:
    """Clone a model and give ``seed`` to every random_state that is None."""
    model = clone(model)
    free = {
        name: seed
        for name, value in model.get_params(deep=True).items()
        if value is None and name.rsplit("__", 1)[-1] == "random_state"
    }
    return model.set_params(**free)


def fit(model: Any, X: Any, y: NDArray[Any], groups: NDArray[Any], fold: Fold) -> Any:
    """Fit a model on a fold, passing what it ``uses`` and no more.

    Returns
    -------
    estimator
        What ``model.fit`` returns.
    """
    uses = uses_of(model)
    rows = fold.train_idx
    options: dict[str, Any] = {}
    for name, idx in (("validation", fold.validation_idx), ("calibration", fold.calibration_idx)):
        if name in uses:
            options[name] = (_take(X, idx), y[idx], groups[idx])
        else:
            # A model that does not set these windows apart learns from them like from the others.
            rows = np.sort(np.concatenate([rows, idx]))
    if "unlabelled" in uses:
        options["target"] = (_take(X, fold.unlabelled_idx), groups[fold.unlabelled_idx])
    if "groups" in uses:
        options["groups"] = groups[rows]
    return model.fit(_take(X, rows), y[rows], **options)


def _take(X: Any, rows: NDArray[np.intp]) -> Any:
    """Rows of an array, or a view of raw windows that gathers none."""
    return X.select(rows) if isinstance(X, Windows) else X[rows]


def predict(model: Any, X: Any, groups: NDArray[Any], fold: Fold, task: Task) -> NDArray[np.float64]:
    """Predict the test windows.

    Returns
    -------
    predictions : ndarray, shape (n_test, n_classes) or (n_test, 1)
        Scores per class of the task, in its order, or the predicted number.
    """
    options = {"groups": groups[fold.test_idx]} if "groups" in uses_of(model) else {}
    if task.kind == "regression":
        predicted = model.predict(_take(X, fold.test_idx), **options)
        return np.asarray(predicted, dtype=float).reshape(-1, 1)
    scores = np.zeros((len(fold.test_idx), len(task.classes)))
    scores[:, np.asarray(model.classes_)] = class_scores(model, _take(X, fold.test_idx), **options)
    return scores


def _run(
    jobs: Sequence[Job], X: Any, y: NDArray[Any], groups: NDArray[Any], task: Task, **options: Any
) -> tuple[Sequence[Job], list[NDArray[np.float64]], float]:
    """Run jobs of one model, stacked if it fits folds at once; returns them, predictions and seconds each.

    ``options`` are handed to ``fit_folds``.
    """
    began = time.perf_counter()
    # One thread, so that sums are added in the same order wherever this runs.
    with threadpool_limits(1):
        if isinstance(jobs[0].model, FitsFolds):
            folds = [job.fold for job in jobs]
            if "groups" in uses_of(jobs[0].model):
                options["groups"] = groups
            seeds = [job.seed for job in jobs]
            fitted = clone(jobs[0].model).fit_folds(X, y, folds, seeds=seeds, **options)
        else:
            fitted = [fit(seeded(job.model, job.seed), X, y, groups, job.fold) for job in jobs]
        predicted = [predict(m, X, groups, job.fold, task) for m, job in zip(fitted, jobs, strict=True)]
    return jobs, predicted, (time.perf_counter() - began) / len(jobs)


def _batches(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    for _, own in groupby(jobs, key=lambda job: job.part):
        yield list(own)


def _frame(job: Job, table: Table, task: Task, predicted: NDArray[np.float64]) -> pd.DataFrame:
    rows = job.fold.test_idx
    frame = table.coords.loc[rows, [*IDENTIFIERS, "start", "duration"]].reset_index(drop=True)
    frame.insert(0, "protocol", job.protocol)
    frame.insert(1, "model", job.model_name)
    frame.insert(2, "fold", job.fold.name)
    frame["truth"] = table.target[rows]
    if task.kind == "regression":
        frame["prediction"] = predicted[:, 0]
        return frame
    frame["prediction"] = np.array(task.classes)[predicted.argmax(axis=1)]
    for column, name in enumerate(task.classes):
        frame[f"p_{name}"] = predicted[:, column]
    return frame


def run_jobs(
    jobs: Sequence[Job],
    table: Table,
    task: Task,
    store: RunFolder,
    *,
    n_jobs: int,
    tell: Callable[[str, int, int], None],
) -> None:
    """Run the jobs whose parts are not in the folder yet, and write each as soon as it is finished."""
    if store.is_finished:
        return
    todo = [job for job in jobs if not store.part(job.part).exists()]
    inputs = {
        layout: table.baseline_inputs() if layout == ("coordinate",) else table.inputs(layout)
        for layout in dict.fromkeys(job.layout for job in todo)
    }
    groups, y = table.people, table.target
    if task.kind != "regression":
        # Positions in the task's classes: scikit-learn mistakes classes named "1" and "2" for numbers.
        y = np.array([task.classes.index(name) for name in y])
    n_done = len(jobs) - len(todo)
    batches = list(_batches(todo))
    alone = [batch for batch in batches if isinstance(batch[0].model, FitsFolds)]
    others = [batch for batch in batches if not isinstance(batch[0].model, FitsFolds)]

    def stacks() -> Iterator[Any]:
        # Here and one after another, because a stack takes all cores, or the graphics card, by itself.
        for batch in alone:
            told = f"training {batch[0].model_name}"
            options: dict[str, Any] = {}
            if "checkpoint" in uses_of(batch[0].model):
                options["checkpoint"] = store.checkpoint(batch[0].part)
            if "progress" in uses_of(batch[0].model):
                options["progress"] = _Epochs(told, len(batch), tell)
            with parallel_config(backend="threading", n_jobs=n_jobs):
                done = _run(batch, inputs[batch[0].layout], y, groups, task, **options)
            yield done

    def fits() -> Iterator[Any]:
        # Unordered, so that a slow fold does not keep finished ones from the disk.
        yield from Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
            delayed(_run)(batch, inputs[batch[0].layout], y, groups, task) for batch in others
        )

    for batch, predictions, seconds in chain(stacks(), fits()):
        # A stack is one part, so that it is continued whole or not at all.
        frames = [_frame(job, table, task, p) for job, p in zip(batch, predictions, strict=True)]
        store.write_part(
            batch[0].part, pd.concat(frames), model=batch[0].model_name, seconds=round(seconds, 4)
        )
        n_done += len(batch)
        tell("fitting", n_done, len(jobs))


class _Epochs:
    """Adds up the epochs of a stack's networks, which end in any order."""

    def __init__(self, what: str, n_networks: int, tell: Callable[[str, int, int], None]) -> None:
        self.what, self.n_networks, self.tell = what, n_networks, tell
        self.done: dict[str, int] = {}

    def __call__(self, name: str, done: int, epochs: int) -> None:
        self.done[name] = done
        self.tell(self.what, sum(self.done.values()), self.n_networks * epochs)
