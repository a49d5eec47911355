"""What is asked of an evaluation: which data, task, models and protocols, looked up and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from physioaffect.data_folder import data_folder
from physioaffect.data_set import DataSet, Task
from physioaffect.datasets import DATASETS
from physioaffect.datasets import get as get_dataset
from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation.adaptation.imputed import takes_missing
from physioaffect.evaluation.models import get_baselines, uses_of
from physioaffect.evaluation.models.named import named_model
from physioaffect.evaluation.protocols import Protocol, get_protocol
from physioaffect.evaluation.table import Table
from physioaffect.identity import hash_of_table

__all__ = [
    "chosen_protocols",
    "chosen_subjects",
    "dataset_and_task",
    "identity_of",
    "layout_of",
    "named_models",
    "networks_among",
    "refuse_missing",
    "refuse_ungranted",
]

# What a model may use under any protocol.
_ALWAYS_GRANTED = frozenset({"checkpoint", "groups", "progress", "units", "validation"})


def dataset_and_task(
    data: str | DataSet | xr.Dataset, root: Path | str | None, task: str | Task | None
) -> tuple[DataSet | None, Path | None, Task]:
    """Look up the data set (None for a table of several, or of one's own), its folder and the task."""
    dataset: DataSet | None
    folder = None
    if not isinstance(data, str | DataSet | xr.Dataset):
        raise DataError(
            "data must be a data set, its name, or a feature table (xarray.Dataset) as "
            f"physioaffect.features.extract makes it, got {type(data).__name__}. How recordings of your own "
            "become one is in docs/your-own-data.md."
        )
    if not isinstance(data, xr.Dataset):
        dataset = get_dataset(data, root) if isinstance(data, str) else data
        folder = data_folder(dataset.name, root)
    elif root is not None:
        raise DataError(f"A feature table lies in no folder, got root={str(root)!r}. Leave root out.")
    else:
        names = [str(name) for name in np.unique(data["dataset"].values)] if "dataset" in data.coords else []
        dataset = DATASETS.get(names[0]) if len(names) == 1 else None
    if isinstance(task, Task):
        return dataset, folder, task
    if dataset is None:
        raise ProtocolError("A feature table of one's own data needs a Task value: pass task=Task(...).")
    if not dataset.tasks:
        raise ProtocolError(
            f"{dataset.title} has no tasks: its sessions are not labelled, so there is nothing to "
            "evaluate. Make trials of your own with a condition or ratings, and a Task: see "
            "docs/your-own-data.md."
        )
    task = task or next(iter(dataset.tasks))
    if task not in dataset.tasks:
        raise ProtocolError(f"{dataset.title} has no task {task!r}: use one of {', '.join(dataset.tasks)}.")
    return dataset, folder, dataset.tasks[task]


def chosen_subjects(subjects: Sequence[str] | None) -> list[str] | None:
    """Names of people as a list; None stands for all."""
    if subjects is None:
        return None
    if isinstance(subjects, str) or not all(isinstance(name, str) for name in subjects):
        raise ProtocolError(f"subjects must be a list of names, got {subjects!r}. For all leave it out.")
    return [str(name) for name in subjects]


def chosen_protocols(protocols: Sequence[str | Protocol]) -> list[Protocol]:
    """Look up protocols; refuse two of one name."""
    if isinstance(protocols, str) or not protocols:
        raise ProtocolError(f"protocols must be a list with at least one, got {protocols!r}.")
    chosen = [get_protocol(protocol) for protocol in protocols]
    if repeated := [p.name for n, p in enumerate(chosen) if p.name in {q.name for q in chosen[:n]}]:
        raise ProtocolError(f"Two protocols are called {repeated[0]!r}: name each once.")
    return chosen


def named_models(models: Sequence[Any] | Mapping[str, Any], task: Task) -> dict[str, Any]:
    """Look up models by name; refuse two of one name, and what is no estimator."""
    if isinstance(models, str) or not models:
        raise ProtocolError(f"models must be a list or a mapping with at least one model, got {models!r}.")
    pairs = (
        list(models.items())
        if isinstance(models, Mapping)
        else [(model if isinstance(model, str) else type(model).__name__, model) for model in models]
    )
    taken = {*get_baselines(task)}
    named = {}
    for name, model in pairs:
        if name in taken:
            raise ProtocolError(f"Two models are called {name!r}: pass a mapping with different names.")
        taken.add(name)
        named[name] = named_model(model, task) if isinstance(model, str) else model
        if not hasattr(named[name], "fit"):
            raise ProtocolError(
                f"Model {name!r} is no estimator: it has no fit. Pass a name or an estimator."
            )
    return named


def layout_of(model: Any) -> tuple[str, ...] | None:
    """Dimensions of a model's input after ``window``; None for a table."""
    layout = getattr(model, "layout", None)
    return tuple(layout) if layout is not None else None


def refuse_ungranted(named: Mapping[str, Any], protocol: Protocol) -> None:
    """Refuse models that look at what the protocol does not grant."""
    for name, model in named.items():
        if lacking := uses_of(model) - _ALWAYS_GRANTED - protocol.grants:
            better = "calibrated_trials" if "calibration" in lacking else "loso_transductive"
            raise ProtocolError(
                f"Model {name} uses {', '.join(sorted(lacking))} windows of the test person, which protocol "
                f"{protocol.name} does not grant. Use one that does, such as {better}, or another model."
            )


def refuse_missing(named: Mapping[str, Any], table: Table) -> None:
    """Refuse models that take no missing features, if there are any."""
    if np.isfinite(table.flat()).all():
        return
    for name, model in named.items():
        if layout_of(model) != ("channel", "time") and not takes_missing(model):
            raise ProtocolError(
                f"Some windows lack features, and model {name} cannot do with that: use imputed+{name}, a "
                "forest or gradient boosting, or leave those windows out (missing='leave_out')."
            )


def identity_of(
    data: str | DataSet | xr.Dataset, dataset: DataSet | None, root: Path | str | None
) -> dict[str, Any]:
    """What was evaluated, by content: the same files in another place are the same data."""
    if isinstance(data, xr.Dataset):
        return {"feature_table": hash_of_table(data)}
    assert dataset is not None
    assert root is not None
    return {"dataset": dataset.name, "source_hash": dataset.fingerprint(root)}


def networks_among(named: Mapping[str, Any]) -> list[Any]:
    """Networks among the models and what is inside of them."""
    inside = [
        part for model in named.values() for part in (model, *getattr(model, "get_params", dict)().values())
    ]
    return [
        part
        for part in inside
        if any(base.__module__.startswith("physioaffect.graphs") for base in type(part).__mro__)
    ]
