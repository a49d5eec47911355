"""`evaluate`: this data, these models, these protocols, an honest table."""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from sklearn.base import clone

from physioaffect.datasets import DATASETS
from physioaffect.datasets import get as get_dataset
from physioaffect.device import resolve_device
from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation.fitting import Job, run_jobs
from physioaffect.evaluation.identity import describe, digest, hash_of_table, stable_hash
from physioaffect.evaluation.models import FitsFolds, get_baselines, uses_of
from physioaffect.evaluation.named import named_model
from physioaffect.evaluation.protocols import PROTOCOLS, Fold, Protocol, get_protocol
from physioaffect.evaluation.report import write_report
from physioaffect.evaluation.results import Result, RunFolder, read_json
from physioaffect.evaluation.sharing import Sharing, sharing
from physioaffect.evaluation.table import Table, make_table
from physioaffect.evaluation.transductive import PerSubjectScaled
from physioaffect.features import Recipe, default_recipe, extract
from physioaffect.recording import DataSet, Exclusion, Task

__all__ = ["Progress", "evaluate"]

# Called with (what is being done, how many are done, how many there are).
Progress = Callable[[str, int, int], None]

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "pandas", "xarray", "mne")

# What a model may use under any protocol.
_ALWAYS_GRANTED = frozenset({"checkpoint", "groups", "progress", "validation"})


def evaluate(  # noqa: PLR0913  The one call that everything else hangs on; all options are named.
    data: str | DataSet | xr.Dataset,
    root: Path | str | None = None,
    *,
    models: Sequence[Any] | Mapping[str, Any],
    protocols: Sequence[str | Protocol],
    task: str | Task | None = None,
    out: Path | str | None = None,
    recipe: Recipe | None = None,
    subjects: Sequence[str] | None = None,
    seed: int = 0,
    strict: bool = False,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Result:
    """Evaluate models under protocols and keep everything in a folder.

    Parameters
    ----------
    data : str, DataSet or xarray.Dataset
        A data set, by name or as a value, or a feature table made by `physioaffect.features.extract`.
    root : path
        Where the data set lies; not for a feature table.
    models : sequence or mapping
        Names (see `named_model`), estimators, or a mapping from names to estimators.
    protocols : sequence of str or Protocol
        Names of ``PROTOCOLS``, or protocols. Under one that grants the unlabelled test windows, models that
        do not use them themselves get features standardised per person (`PerSubjectScaled`).
    task : str or Task, optional
        Default: the data set's first.
    out : path, optional
        The folder of the result; if it holds a part of the same run, that is continued. Default: a new
        temporary folder, named by ``Result.path``.
    recipe : Recipe, optional
        Windows, cleaning and features. Default: `default_recipe`.
    subjects : sequence of str, optional
        Only these people.
    seed : int
        Source of all randomness; no result depends on the order of execution or on ``n_jobs``.
    strict : bool
        Whether a broken subject or an impossible fold raises, instead of being left out and reported.
    n_jobs : int
        Processes.
    progress : callable, optional
        Called with (what, done, total).

    Returns
    -------
    Result
        Its folder also holds ``report.html``.

    Raises
    ------
    DataError
        If the data are not what they should be.
    ProtocolError
        If the data cannot support what was asked.
    RunError
        If ``out`` holds something else.
    """
    tell = progress or (lambda _what, _done, _total: None)
    dataset, task = _dataset_and_task(data, root, task)
    chosen = _chosen_protocols(protocols)
    if not isinstance(seed, int) or seed < 0:
        raise ProtocolError(f"seed must be a whole number from 0, got {seed!r}.")
    named = _named_models(models, task)
    for protocol in chosen:
        _refuse_ungranted(named, protocol)
    if recipe is None and dataset is not None and root is not None:
        recipe = default_recipe(dataset)
    request: dict[str, Any] = {
        "data": _identity(data, dataset, root),
        "recipe": json.loads(recipe.to_json()) if recipe else None,
        "subjects": list(subjects) if subjects is not None else None,
        "task": task.name,
        "models": {name: describe(model) for name, model in named.items()},
        "protocols": [protocol.name for protocol in chosen],
        "seed": seed,
        "strict": strict,
        "versions": {"python": platform.python_version(), "physioaffect": version("physioaffect")}
        | {name: version(name) for name in (*_LIBRARIES, *_more_libraries(named))},
    }
    folder = Path(out) if out is not None else Path(tempfile.mkdtemp(prefix="physioaffect-"))
    # What is not registered under its name can differ from another of that name: then the labels and folds
    # themselves are compared, which takes reading the data.
    is_known = dataset is DATASETS.get(dataset.name if dataset else "") and dataset is not None
    is_known &= task in (dataset.tasks.values() if dataset else ())
    is_known &= all(protocol is PROTOCOLS.get(protocol.name) for protocol in chosen)
    if is_known and (finished := _finished(folder, request)) is not None:
        return finished

    exclusions: tuple[Exclusion, ...] = ()
    if isinstance(data, xr.Dataset):
        features, raw = data, None
        if subjects is not None:
            there = data["subject"].values
            if unknown := sorted(set(subjects) - set(there)):
                raise DataError(f"The feature table has no subject {', '.join(unknown)}.")
            features = data.isel(window=np.flatnonzero(np.isin(there, list(subjects))))
    else:
        assert dataset is not None  # Checked by _dataset_and_task.
        assert root is not None
        assert recipe is not None
        n_read = 0

        def tell_read(_subject: str, total: int) -> None:
            nonlocal n_read
            n_read += 1
            tell("reading", n_read, total)

        features, exclusions, raw = extract(
            dataset,
            root,
            recipe,
            subjects=subjects,
            keep="eeg" if any(_layout(model) == ("channel", "time") for model in named.values()) else None,
            strict=strict,
            n_jobs=n_jobs,
            progress=tell_read,
            source_hash=request["data"]["source_hash"],
        )
    table, unlabelled = make_table(features, task, raw=raw)
    if strict and (broken := [item for item in unlabelled if not item.expected]):
        raise DataError(
            f"Subject {broken[0].subject}: {broken[0].reason} (Without strict it would be left out.)"
        )
    needs_all = any("validation" in uses_of(model) for model in named.values())
    plans, impossible = _plan(table, task, chosen, seed, strict=strict, is_validated=needs_all)
    run = {
        "request": request,
        "dataset": _describe_dataset(dataset),
        "task": {
            "name": task.name,
            "description": task.description,
            "kind": task.kind,
            "classes": list(task.classes),
            "source": task.source,
            "uses_own_ratings": task.uses_own_ratings,
        },
        "table": _describe_table(table),
        "protocols": [_describe_protocol(plan, named) for plan in plans],
        "models": list(named),
        "baselines": list(get_baselines(task)),
        "exclusions": [asdict(item) for item in (*exclusions, *unlabelled, *impossible)],
        "threads": 1,
    }
    if networks := _networks(named):
        # A part that was computed elsewhere is not continued here.
        run["devices"] = sorted({resolve_device(network.device) for network in networks})
    store = RunFolder(folder, run)
    jobs = _jobs(plans, named, task, seed)
    run_jobs(jobs, table, task, store, n_jobs=n_jobs, tell=tell)
    store.finish(dict.fromkeys(job.part for job in jobs))
    return _reported(folder)


def _networks(named: Mapping[str, Any]) -> list[Any]:
    """Networks among the models and what is inside of them."""
    inside = [
        part for model in named.values() for part in (model, *getattr(model, "get_params", dict)().values())
    ]
    return [
        part
        for part in inside
        if any(base.__module__.startswith("physioaffect.graphs") for base in type(part).__mro__)
    ]


def _more_libraries(named: Mapping[str, Any]) -> tuple[str, ...]:
    """Libraries on which only some models' numbers depend."""
    return ("torch",) if _networks(named) else ()


class _Plan(NamedTuple):
    protocol: Protocol
    folds: tuple[Fold, ...]
    shared: Sharing


def _dataset_and_task(
    data: str | DataSet | xr.Dataset, root: Path | str | None, task: str | Task | None
) -> tuple[DataSet | None, Task]:
    dataset: DataSet | None
    if not isinstance(data, xr.Dataset):
        data = get_dataset(data, root) if isinstance(data, str) else data
        if root is None:
            raise DataError(f"Where is {data.title}? Pass root. It is to be had so: {data.how_to_get}")
        dataset = data
    else:
        names = [str(name) for name in np.unique(data["dataset"].values)] if "dataset" in data.coords else []
        dataset = DATASETS.get(names[0]) if len(names) == 1 else None
    if isinstance(task, Task):
        return dataset, task
    if dataset is None:
        raise ProtocolError("A feature table of one's own data needs a Task value: pass task=Task(...).")
    task = task or next(iter(dataset.tasks))
    if task not in dataset.tasks:
        raise ProtocolError(f"{dataset.title} has no task {task!r}: use one of {', '.join(dataset.tasks)}.")
    return dataset, dataset.tasks[task]


def _chosen_protocols(protocols: Sequence[str | Protocol]) -> list[Protocol]:
    if isinstance(protocols, str) or not protocols:
        raise ProtocolError(f"protocols must be a list with at least one, got {protocols!r}.")
    chosen = [get_protocol(protocol) for protocol in protocols]
    if repeated := [p.name for n, p in enumerate(chosen) if p.name in {q.name for q in chosen[:n]}]:
        raise ProtocolError(f"Two protocols are called {repeated[0]!r}: name each once.")
    return chosen


def _named_models(models: Sequence[Any] | Mapping[str, Any], task: Task) -> dict[str, Any]:
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


def _layout(model: Any) -> tuple[str, ...] | None:
    layout = getattr(model, "layout", None)
    return tuple(layout) if layout is not None else None


def _refuse_ungranted(named: Mapping[str, Any], protocol: Protocol) -> None:
    for name, model in named.items():
        if lacking := uses_of(model) - _ALWAYS_GRANTED - protocol.grants:
            better = "calibrated_trials" if "calibration" in lacking else "loso_transductive"
            raise ProtocolError(
                f"Model {name} uses {', '.join(sorted(lacking))} windows of the test person, which protocol "
                f"{protocol.name} does not grant. Use one that does, such as {better}, or another model."
            )


def _identity(
    data: str | DataSet | xr.Dataset, dataset: DataSet | None, root: Path | str | None
) -> dict[str, Any]:
    """What was evaluated, by content: the same files in another place are the same data."""
    if isinstance(data, xr.Dataset):
        return {"feature_table": hash_of_table(data)}
    assert dataset is not None
    assert root is not None
    return {"dataset": dataset.name, "source_hash": dataset.fingerprint(root)}


def _finished(folder: Path, request: dict[str, Any]) -> Result | None:
    """Give back a finished result of the same request, without reading the data again."""
    if not (folder / "run.json").is_file() or not (folder / "predictions.parquet").is_file():
        return None
    run = read_json(folder / "run.json")
    if run.get("request") != json.loads(json.dumps(request)):
        return None
    RunFolder(folder, run).finish(())
    return _reported(folder)


def _reported(folder: Path) -> Result:
    result = Result.load(folder)
    write_report(result)
    return result


def _plan(
    table: Table, task: Task, protocols: Sequence[Protocol], seed: int, *, strict: bool, is_validated: bool
) -> tuple[list[_Plan], list[Exclusion]]:
    plans: list[_Plan] = []
    exclusions: list[Exclusion] = []
    for protocol in protocols:
        rng = np.random.default_rng(np.random.SeedSequence([seed, stable_hash(protocol.name)]))
        folds = []
        for fold in protocol.split(table.coords, rng, exclusions.append):
            fitted = fold.train_idx if is_validated else fold.fitted_idx
            if reason := _lacks_a_class(table, task, fold, fitted):
                if strict:
                    raise ProtocolError(f"Protocol {protocol.name}: {reason}")
                exclusions.append(
                    Exclusion(subject=fold.name, reason=f"Protocol {protocol.name}: {reason}", expected=True)
                )
                continue
            folds.append(fold)
        if not folds:
            raise ProtocolError(
                f"Protocol {protocol.name} has no fold left in which training knows every class. Add people, "
                "or choose another task or protocol."
            )
        measured = [sharing(table.coords, fold) for fold in folds]
        sizes = [len(fold.test_idx) for fold in folds]
        plans.append(_Plan(protocol, tuple(folds), Sharing(*np.average(measured, axis=0, weights=sizes))))
    return plans, exclusions


def _lacks_a_class(table: Table, task: Task, fold: Fold, fitted: NDArray[np.intp]) -> str | None:
    if task.kind == "regression":
        return None
    lacking = set(table.target) - set(table.target[fitted])
    if not lacking:
        return None
    classes = " or ".join(repr(str(name)) for name in sorted(lacking))
    return f"in fold {fold.name} no training window is {classes}."


def _jobs(plans: Sequence[_Plan], named: Mapping[str, Any], task: Task, seed: int) -> list[Job]:
    jobs = []
    for p, plan in enumerate(plans):
        everyone = [(name, model, False) for name, model in named.items()]
        everyone += [(name, model, True) for name, model in get_baselines(task).items()]
        for m, (name, model, is_baseline) in enumerate(everyone):
            used = _under(plan.protocol, model) if not is_baseline else model
            for f, fold in enumerate(plan.folds):
                entropy = [seed, stable_hash(name), stable_hash(f"{plan.protocol.name}/{fold.name}"), 0]
                jobs.append(
                    Job(
                        part=f"{p:02d}-{m:02d}-" + ("stack" if isinstance(used, FitsFolds) else f"{f:04d}"),
                        protocol=plan.protocol.name,
                        model_name=name,
                        model=used,
                        layout=("coordinate",) if is_baseline else _layout(model),
                        fold=fold,
                        seed=int(np.random.SeedSequence(entropy).generate_state(1)[0]),
                    )
                )
    return jobs


def _under(protocol: Protocol, model: Any) -> Any:
    """Standardise per person where the protocol grants the test windows and the model would not look."""
    if "unlabelled" in protocol.grants and "unlabelled" not in uses_of(model):
        return PerSubjectScaled(clone(model))
    return model


def _describe_dataset(dataset: DataSet | None) -> dict[str, Any] | None:
    if dataset is None:
        return None
    return {
        "name": dataset.name,
        "title": dataset.title,
        "doi": dataset.doi,
        "licence": dataset.licence,
        "n_subjects": dataset.n_subjects,
    }


def _describe_table(table: Table) -> dict[str, Any]:
    coords = table.coords
    trials = coords.drop_duplicates(["dataset", "subject", "session", "trial"])
    is_regression = coords["target"].dtype.kind == "f"
    return {
        "n_subjects": len(np.unique(table.people)),
        "labels": digest([table.target]),
        "n_trials": len(trials),
        "n_windows": len(coords),
        "windows_per_class": {} if is_regression else _counts(coords["target"]),
        "trials_per_class": {} if is_regression else _counts(trials["target"]),
        "duration": float(coords["duration"].max()),
        "simulated": bool(coords["tags"].str.contains("simulated").any()),
        "notes": sorted({note for tags in coords["tags"].unique() for note in tags.split("; ") if note}),
        "n_features": len(table.feature_names),
        "families": {
            str(name): {"dims": list(map(str, v.dims[1:])), "shape": list(v.shape[1:])}
            for name, v in table.features.data_vars.items()
        },
    }


def _counts(labels: pd.Series) -> dict[str, int]:
    return {str(name): int(count) for name, count in labels.value_counts().sort_index().items()}


def _describe_protocol(plan: _Plan, named: Mapping[str, Any]) -> dict[str, Any]:
    protocol = plan.protocol
    scaled = [name for name, model in named.items() if _under(protocol, model) is not model]
    return {
        "name": protocol.name,
        "holds_out": ", ".join(protocol.levels),
        "shares": protocol.shares,
        "claim": protocol.claim,
        "grants": sorted(protocol.grants),
        "scaled_per_subject": scaled,
        "n_folds": len(plan.folds),
        "folds": digest(
            [
                idx
                for f in plan.folds
                for idx in (f.train_idx, f.validation_idx, f.calibration_idx, f.test_idx)
            ]
        ),
        "shared": {name: round(value, 6) for name, value in plan.shared._asdict().items()},
    }
