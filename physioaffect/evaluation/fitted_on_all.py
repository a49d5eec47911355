"""A network fitted on all people of a data set, to be used on recordings of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from physioaffect.data_set import DataSet, Exclusion, Task
from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation.models import NETWORKS, get_model, uses_of
from physioaffect.evaluation.running.fitting import seeded
from physioaffect.evaluation.table import make_table
from physioaffect.features import Recipe, extract
from physioaffect.features.origin import Origin
from physioaffect.progress import Progress, silent

__all__ = ["FittedOnAll", "fit_on_all", "save_fitted", "task_and_network"]

# What is there when a model is fitted on everyone.
_GRANTED = frozenset({"checkpoint", "groups", "progress"})


class FittedOnAll(NamedTuple):
    """A fitted model, what it learned from, how many people and windows these were, what was left out."""

    model: Any
    origin: Origin
    n_subjects: int
    n_windows: int
    exclusions: tuple[Exclusion, ...]


def fit_on_all(  # noqa: PLR0913  All options are named.
    dataset: DataSet,
    root: Path | str,
    model: Any,
    recipe: Recipe,
    *,
    task: Task,
    subjects: Sequence[str] | None = None,
    seed: int = 0,
    strict: bool = False,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> FittedOnAll:
    """Fit a network on everyone; how well it does on others only `evaluate` tells.

    Parameters
    ----------
    dataset, root
        The data set and where it lies.
    model : estimator
        One with a ``layout``; not changed.
    recipe : Recipe
        Of EEG. Of several families the first that fits the model is taken, and is all that is kept.
    task : Task
        What to learn.
    subjects : sequence of str, optional
        Only these people.
    seed : int
        Of everything random to which the model gives no ``random_state`` of its own.
    strict : bool
        Whether a broken subject raises, instead of being left out.
    n_jobs : int
        Subjects read at once.
    progress : callable, optional
        Called with (what, done, total).

    Returns
    -------
    FittedOnAll
        Classes are learned as their places in ``task.classes``, and named by ``origin``.

    Raises
    ------
    DataError
        If the data are not what they should be.
    ProtocolError
        If the model needs what fitting on everyone cannot give it, or other features.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from physioaffect.datasets import DREAMER
    >>> from physioaffect.features import DifferentialEntropy
    >>> from physioaffect.graphs.linear import LinearClassifier
    >>> from physioaffect.windows import Windowing
    >>> recipe = Recipe(windows=Windowing(duration=2), features=(DifferentialEntropy(),))
    >>> model = LinearClassifier(epochs=1, batch_size=8, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     root = DREAMER.simulate(Path(folder, "dreamer"), n_subjects=2, n_clips=4, max_seconds=6)
    ...     fitted = fit_on_all(DREAMER, root, model, recipe, task=DREAMER.tasks["valence"])
    >>> fitted.origin.classes, fitted.origin.sfreq, len(fitted.origin.ch_names)
    (('low', 'high'), 128.0, 14)
    """
    tell = progress or silent
    layout = tuple(getattr(model, "layout", ()))
    if lacking := sorted(uses_of(model) - _GRANTED):
        raise ProtocolError(
            f"{type(model).__name__} uses {', '.join(lacking)} windows, and when a model is fitted on "
            "everyone there are none. Set it to do without (patience=None for validation), or take another."
        )
    is_raw = layout == ("channel", "time")
    features, left_out, raw = extract(
        dataset,
        root,
        recipe,
        subjects=subjects,
        keep="eeg" if is_raw else None,
        strict=strict,
        n_jobs=n_jobs,
        progress=tell,
    )
    fitting = [
        family
        for family in recipe.features
        if family.signals == ("eeg",) and (is_raw or features[family.name].dims[1:] == layout)
    ]
    if not fitting:
        there = ", ".join(
            f"{name} ({' x '.join(map(str, values.dims[1:]))})" for name, values in features.data_vars.items()
        )
        raise ProtocolError(
            f"{type(model).__name__} wants windows of EEG, {' x '.join(layout) or 'channel x band'}; the "
            f"recipe makes {there}. Take a family of that shape, such as de."
        )
    recipe = replace(recipe, features=(fitting[0],))
    table, unlabelled = make_table(features[[fitting[0].name]], task, raw=raw)
    y = table.target
    if task.kind != "regression":
        # By number, so that classes stay in the order of the task.
        y = np.array([task.classes.index(name) for name in y])
    first = table.coords.iloc[0]
    trial = next(iter(dataset.read(root, subjects=[str(first["subject"])], report=lambda _: None)))
    eeg = trial.signal("eeg")
    origin = Origin(
        recipe=recipe,
        ch_names=eeg.ch_names,
        sfreq=eeg.sfreq,
        unit=eeg.unit,
        dataset=dataset.name,
        task=task.name,
        classes=task.classes,
    )
    uses = uses_of(model)
    options: dict[str, Any] = {"groups": table.people} if "groups" in uses else {}
    if "progress" in uses:
        options["progress"] = lambda _name, done, total: tell("training", done, total)
    fitted = seeded(model, seed)
    fitted.fit(table.inputs(layout), y, **options)
    n_subjects = len(set(table.people.tolist()))
    return FittedOnAll(fitted, origin, n_subjects, len(table.coords), (*left_out, *unlabelled))


def task_and_network(
    dataset: DataSet, task: str | None, model: str, out: Path, *, epochs: int | None = None
) -> tuple[Task, Any]:
    """Find a task of a data set and make a network for it, that can be saved there.

    Parameters
    ----------
    dataset : DataSet
        Has the task.
    task : str, optional
        Its name. Default: the first.
    model : str
        Name of a network.
    out : path
        Where it will be saved; looked at before the work is done.
    epochs : int, optional
        Passes over the training windows instead of the network's own.

    Raises
    ------
    ProtocolError
        If there is no such task, or no such network for it.
    DataError
        If no network can be saved under that name, or torch is not installed.
    """
    if not dataset.tasks:
        raise ProtocolError(
            f"{dataset.title} has no tasks: its sessions are not labelled. Nothing can be learned."
        )
    task = task or next(iter(dataset.tasks))
    if task not in dataset.tasks:
        raise ProtocolError(f"{dataset.title} has no task {task!r}: use one of {', '.join(dataset.tasks)}.")
    if model not in NETWORKS:
        raise ProtocolError(
            f"{model!r} cannot be saved: only networks can, {', '.join(NETWORKS)}. Use one of them."
        )
    if out.suffix not in (".safetensors", ".onnx"):
        raise DataError(f"A network is saved as MODEL.safetensors or MODEL.onnx, got {out.name!r}.")
    network = get_model(model, dataset.tasks[task])
    return dataset.tasks[task], network if epochs is None else network.set_params(epochs=epochs)


def save_fitted(fitted: FittedOnAll, out: Path) -> None:
    """Save a network with its origin as what its file's name says: safetensors or ONNX."""
    from physioaffect.graphs import export_onnx, save_network  # noqa: PLC0415  They import torch.

    save = export_onnx if out.suffix == ".onnx" else save_network
    save(fitted.model, out, origin=fitted.origin)
