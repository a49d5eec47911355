"""Fitting one model on one fold and predicting its test windows, here or on a cluster."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import parallel_config
from numpy.typing import NDArray
from sklearn.base import clone

from physioaffect.data_set import Task
from physioaffect.evaluation.models import FitsFolds, class_scores, uses_of
from physioaffect.evaluation.protocols import Fold
from physioaffect.evaluation.running.fit_details import choices_of, curves_of, importance_of
from physioaffect.evaluation.running.run_folder import RunFolder
from physioaffect.evaluation.table import Table
from physioaffect.native_threads import one_native_thread
from physioaffect.parallel import run_all
from physioaffect.progress import CALIBRATION, Progress
from physioaffect.windows import Windows

__all__ = ["BASELINE", "Job", "run_jobs"]

# Layout of what baselines see.
BASELINE = ("coordinate",)


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
    if "validation" not in uses:
        # What lies between training and validation must be kept from neither by such a model.
        rows = np.sort(np.concatenate([rows, fold.gap_idx]))
    if "unlabelled" in uses:
        options["target"] = (_take(X, fold.unlabelled_idx), groups[fold.unlabelled_idx])
    if "groups" in uses:
        options["groups"] = groups[rows]
    if "units" in uses and fold.units is not None:
        options["units"] = fold.units[rows]
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


class _Data(NamedTuple):
    """What all jobs share: inputs and names of their features by layout, labels, people."""

    inputs: dict[tuple[str, ...] | None, Any]
    names: dict[tuple[str, ...] | None, tuple[str, ...]]
    y: NDArray[Any]
    groups: NDArray[Any]
    task: Task


class _Done(NamedTuple):
    """A batch of jobs and what each of them came to; ``seconds`` is their mean."""

    batch: Sequence[Job]
    predictions: list[NDArray[np.float64]]
    curves: list[pd.DataFrame | None]
    importance: list[pd.DataFrame | None]
    choices: list[pd.DataFrame | None]
    seconds: float


def _run(batch: Sequence[Job], data: _Data, **options: Any) -> _Done:
    """Run jobs of one model, stacked if it fits folds at once.

    ``options`` are handed to ``fit_folds``.
    """
    began = time.perf_counter()
    first = batch[0]
    X, groups = data.inputs[first.layout], data.groups
    # One thread, so that sums are added in the same order wherever this runs.
    with one_native_thread():
        if isinstance(first.model, FitsFolds):
            folds = [job.fold for job in batch]
            if "groups" in uses_of(first.model):
                options["groups"] = groups
            seeds = [job.seed for job in batch]
            fitted = clone(first.model).fit_folds(X, data.y, folds, seeds=seeds, **options)
        else:
            fitted = [fit(seeded(job.model, job.seed), X, data.y, groups, job.fold) for job in batch]
        pairs = list(zip(fitted, batch, strict=True))
        predicted = [predict(model, X, groups, job.fold, data.task) for model, job in pairs]
        curves = [curves_of(model) for model in fitted]
        importance = [_importance(model, job, data) for model, job in pairs]
        choices = [choices_of(model) for model in fitted]
    return _Done(batch, predicted, curves, importance, choices, (time.perf_counter() - began) / len(batch))


def _importance(model: Any, job: Job, data: _Data) -> pd.DataFrame | None:
    if job.layout not in data.names:  # A baseline, which has no features.
        return None
    rows = job.fold.test_idx
    tested = _take(data.inputs[job.layout], rows)
    return importance_of(model, tested, data.names[job.layout], groups=data.groups[rows])


def _run_stack(batch: Sequence[Job], data: _Data, folder: str, tell: Progress | None = None) -> _Done:
    """Train a stack that goes on from its checkpoints in the run's folder."""
    uses = uses_of(batch[0].model)
    options: dict[str, Any] = {}
    if "checkpoint" in uses:
        options["checkpoint"] = Path(folder) / batch[0].part
    if "progress" in uses and tell is not None:
        options["progress"] = _Epochs(f"training {batch[0].model_name}", len(batch), tell)
    return _run(batch, data, **options)


def _batches(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    for _, own in groupby(jobs, key=lambda job: job.part):
        yield list(own)


def _frame(job: Job, table: Table, task: Task, predicted: NDArray[np.float64]) -> pd.DataFrame:
    rows = job.fold.test_idx
    frame = table.identity.take(rows).reset_index(drop=True)
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
    tell: Progress,
    client: Any = None,
) -> None:
    """Run the jobs whose parts are not in the folder yet, and write each as soon as it is finished."""
    if store.is_finished:
        return
    todo = [job for job in jobs if not store.has_part(job.part)]
    layouts = dict.fromkeys(job.layout for job in todo)
    y = table.target
    if task.kind != "regression":
        # Positions in the task's classes: scikit-learn mistakes classes named "1" and "2" for numbers.
        y = np.array([task.classes.index(name) for name in y])
    data = _Data(
        inputs={
            layout: table.baseline_inputs() if layout == BASELINE else table.inputs(layout)
            for layout in layouts
        },
        names={layout: table.names(layout) for layout in layouts if layout != BASELINE},
        y=y,
        groups=table.people,
        task=task,
    )
    n_done = len(jobs) - len(todo)
    batches = list(_batches(todo))
    stacks = [batch for batch in batches if isinstance(batch[0].model, FitsFolds)]
    others = [batch for batch in batches if not isinstance(batch[0].model, FitsFolds)]
    for done in chain(
        _stacks(stacks, data, store, n_jobs=n_jobs, tell=tell, client=client),
        # Unordered, so that a slow fold does not keep finished ones from the disk.
        run_all(_run, others, [data], n_jobs=n_jobs, client=client),
    ):
        # A stack is one part, so that it is continued whole or not at all.
        first = done.batch[0]
        pairs = list(zip(done.batch, done.predictions, strict=True))
        store.write_part(
            first.part,
            pd.concat([_frame(job, table, task, predicted) for job, predicted in pairs]),
            tables={
                "curves": _labelled(done.batch, done.curves),
                "importance": _labelled(done.batch, done.importance),
                "choices": _labelled(done.batch, done.choices),
            },
            model=first.model_name,
            seconds=round(done.seconds, 4),
        )
        # Not before: until now its weights were nowhere else.
        shutil.rmtree(store.checkpoints / first.part, ignore_errors=True)
        n_done += len(done.batch)
        tell("fitting", n_done, len(jobs))


def _stacks(
    batches: Sequence[Sequence[Job]],
    data: _Data,
    store: RunFolder,
    *,
    n_jobs: int,
    tell: Progress,
    client: Any,
) -> Iterator[_Done]:
    folder = str(store.checkpoints.absolute())
    if client is not None:
        yield from run_all(_run_stack, batches, [data, folder], client=client)
        return
    for batch in batches:
        # Here and one after another, because a stack takes all cores, or the graphics card, by itself.
        with parallel_config(backend="threading", n_jobs=n_jobs):
            done = _run_stack(batch, data, folder, tell)
        yield done


def _labelled(batch: Sequence[Job], tables: Sequence[pd.DataFrame | None]) -> pd.DataFrame | None:
    """One table of all jobs that have one, with protocol, model and fold before its columns."""
    frames = []
    for job, table in zip(batch, tables, strict=True):
        if table is not None:
            labels = {"protocol": job.protocol, "model": job.model_name, "fold": job.fold.name}
            frames.append(pd.DataFrame(labels, index=table.index).join(table))
    return pd.concat(frames, ignore_index=True) if frames else None


class _Epochs:
    """Adds up the epochs of a stack's networks, which end in any order; those of their calibration apart."""

    def __init__(self, what: str, n_networks: int, tell: Progress) -> None:
        self.what, self.n_networks, self.tell = what, n_networks, tell
        self.done: dict[str, dict[str, int]] = {}

    def __call__(self, name: str, done: int, epochs: int) -> None:
        stage = CALIBRATION if name.endswith(CALIBRATION) else ""
        of_stage = self.done.setdefault(stage, {})
        of_stage[name] = done
        self.tell(f"{self.what}{stage}", sum(of_stage.values()), self.n_networks * epochs)
