"""`evaluate`: this data, these models, these protocols, an honest table."""

from __future__ import annotations

import json
import logging
import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from numbers import Integral
from pathlib import Path
from typing import Any, get_args

import numpy as np
import xarray as xr

from physioaffect.data_set import DataSet, Exclusion, Task
from physioaffect.datasets import DATASETS
from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation.models import uses_of
from physioaffect.evaluation.protocols import PROTOCOLS, Protocol
from physioaffect.evaluation.report import write_report
from physioaffect.evaluation.results import Result
from physioaffect.evaluation.running.durable import read_json
from physioaffect.evaluation.running.fitting import run_jobs
from physioaffect.evaluation.running.passing_folder import PassingFolder
from physioaffect.evaluation.running.permuting import Refit, permute
from physioaffect.evaluation.running.planning import make_jobs, make_plans
from physioaffect.evaluation.running.request import (
    chosen_protocols,
    chosen_subjects,
    dataset_and_task,
    identity_of,
    layout_of,
    named_models,
    networks_among,
    refuse_missing,
    refuse_ungranted,
)
from physioaffect.evaluation.running.run_description import describe_run
from physioaffect.evaluation.running.run_folder import RunFolder, refuse_another_request
from physioaffect.evaluation.table import Missing, make_table
from physioaffect.exclusion_words import told
from physioaffect.features import Recipe, default_recipe, extract
from physioaffect.features.extraction import Extracted, stop_if_broken
from physioaffect.identity import describe
from physioaffect.parallel import open_cluster
from physioaffect.progress import Progress, silent

__all__ = ["evaluate"]

_LOG = logging.getLogger(__name__)
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "pandas", "xarray", "mne")


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
    permutations: int = 1000,
    refit: Refit = "linear",
    missing: Missing = "leave_out",
    strict: bool = False,
    n_jobs: int = 1,
    cluster: Any = None,
    progress: Progress | None = None,
) -> Result:
    """Evaluate models under protocols and keep everything in a folder.

    Parameters
    ----------
    data : str, DataSet or xarray.Dataset
        A data set, by name or as a value, or a feature table made by `physioaffect.features.extract`.
    root : path, optional
        Where the data set lies; not for a feature table. Default: ``$PHYSIOAFFECT_DATA/<name>``.
    models : sequence or mapping
        Names (see `named_model`), estimators, or a mapping from names to estimators.
    protocols : sequence of str or Protocol
        Names of ``PROTOCOLS``, or protocols. Under one that grants the unlabelled test windows, models that
        do not use them themselves get features standardised per person (`PerSubjectScaled`).
    task : str or Task, optional
        Default: the data set's first.
    out : path, optional
        The folder of the result; if it holds a part of the same run, that is continued. Default: a
        temporary folder, named by ``Result.path``, that is removed with the result.
    recipe : Recipe, optional
        Windows, cleaning and features. Default: `default_recipe`.
    subjects : sequence of str, optional
        Only these people.
    seed : int
        Source of all randomness; no result depends on the order of execution or on ``n_jobs``.
    permutations : int
        Relabellings with which every score is compared, see `physioaffect.evaluation.statistics`; 0 for none.
    refit : {"linear", "all", "none"}
        Which models are fitted anew to each of them: ``lda`` and ``ridge``, where that takes seconds; all,
        ``permutations`` times as long as the evaluation; none. Of others the predictions are held fixed.
    missing : {"leave_out", "keep"}
        Whether a window that lacks a feature is left out and reported, or kept for models that can do with
        that: trees, and what is inside ``imputed+`` (`Imputed`).
    strict : bool
        Whether a broken subject or an impossible fold raises, instead of being left out and reported.
    n_jobs : int
        Processes, -1 for as many as cores; with ``cluster="slurm"`` the number of its jobs.
    cluster : str or distributed.Client, optional
        A Dask cluster that reads and fits instead: the address of its scheduler, or ``"slurm"``. The numbers
        are the same. See `physioaffect.parallel.open_cluster`.
    progress : callable, optional
        Called with (what, done, total).

    Returns
    -------
    Result
        Its folder also holds ``report.html``. For each of ``Result.exclusions`` that nobody expected, such as
        a person whose file is damaged, a warning is logged.

    Raises
    ------
    DataError
        If the data are not what they should be.
    ProtocolError
        If the data cannot support what was asked.
    RunError
        If ``out`` holds something else. What was asked is compared before anything is read.
    """
    tell = progress or silent
    dataset, root, task = dataset_and_task(data, root, task)
    chosen = chosen_protocols(protocols)
    subjects = chosen_subjects(subjects)
    _check_options(n_jobs=n_jobs, seed=seed, permutations=permutations, refit=refit, missing=missing)
    named = named_models(models, task)
    for protocol in chosen:
        refuse_ungranted(named, protocol)
    if recipe is None and dataset is not None and root is not None:
        recipe = default_recipe(dataset)
    libraries = (*_LIBRARIES, *(["torch"] if networks_among(named) else []))
    request: dict[str, Any] = {
        "recipe": json.loads(recipe.to_json()) if recipe else None,
        "subjects": subjects,
        "task": task.name,
        "models": {name: describe(model) for name, model in named.items()},
        "protocols": [protocol.name for protocol in chosen],
        "permutations": permutations,
        "refit": refit,
        "missing": missing,
        "seed": seed,
        "strict": strict,
        "versions": {"python": platform.python_version(), "physioaffect": version("physioaffect")}
        | {name: version(name) for name in libraries},
    }
    named_folder = Path(out) if out is not None else None
    if named_folder is not None:
        refuse_another_request(named_folder, request)
    request["data"] = identity_of(data, dataset, root)
    if named_folder is not None:
        refuse_another_request(named_folder, request)
    # What is not registered under its name can differ from another of that name: then the labels and folds
    # themselves are compared, which takes reading the data.
    if named_folder is not None and _are_registered(dataset, task, protocols):
        finished = _finished(named_folder, request)
        if finished is not None:
            _warn_of(finished.exclusions)
            return finished
    with open_cluster(cluster, n_workers=n_jobs) as client:
        if isinstance(data, xr.Dataset):
            features, exclusions, raw = Extracted(_only(data, subjects), (), None)
        else:
            assert dataset is not None  # Checked by dataset_and_task.
            assert root is not None
            assert recipe is not None
            is_raw = any(layout_of(model) == ("channel", "time") for model in named.values())
            features, exclusions, raw = extract(
                dataset,
                root,
                recipe,
                subjects=subjects,
                keep="eeg" if is_raw else None,
                strict=strict,
                n_jobs=n_jobs,
                progress=tell,
                source_hash=request["data"]["source_hash"],
                client=client,
            )
        table, unlabelled = make_table(features, task, raw=raw, missing=missing)
        refuse_missing(named, table)
        stop_if_broken(unlabelled, strict=strict)
        needs_all = any("validation" in uses_of(model) for model in named.values())
        plans, impossible = make_plans(table, task, chosen, seed, strict=strict, is_validated=needs_all)
        left_out = (*exclusions, *unlabelled, *impossible)
        _warn_of(left_out)
        run = describe_run(request, dataset, task, table, plans, named, left_out)
        # Only now, when nothing is refused any more.
        held, folder = None, named_folder
        if folder is None:
            held = PassingFolder()
            folder = held.path
        with RunFolder(folder, run) as store:
            jobs = make_jobs(plans, named, task, seed)
            run_jobs(jobs, table, task, store, n_jobs=n_jobs, tell=tell, client=client)
            store.finish(dict.fromkeys(job.part for job in jobs))
            if permutations and not store.has_table("permutations"):
                tested = permute(
                    Result.load(folder).predictions,
                    run,
                    plans,
                    named,
                    table,
                    task,
                    n_permutations=permutations,
                    refit=refit,
                    seed=seed,
                    n_jobs=n_jobs,
                    tell=tell,
                )
                store.write_table("permutations", tested)
            return replace(_reported(folder), _held=held)


def _warn_of(exclusions: Sequence[Exclusion]) -> None:
    for item in exclusions:
        if not item.expected:
            _LOG.warning("Left out: %s", told(item))


def _check_options(**options: Any) -> None:
    n_jobs = options["n_jobs"]
    if not isinstance(n_jobs, Integral) or n_jobs == 0:
        raise ProtocolError(f"n_jobs must be a whole number, 1 or more, or -1 for all cores, got {n_jobs!r}.")
    for name in ("seed", "permutations"):
        if not isinstance(options[name], int) or options[name] < 0:
            raise ProtocolError(f"{name} must be a whole number from 0, got {options[name]!r}.")
    for name, known in (("refit", get_args(Refit)), ("missing", get_args(Missing))):
        if options[name] not in known:
            raise ProtocolError(f"{name} must be one of {', '.join(known)}, got {options[name]!r}.")


def _are_registered(dataset: DataSet | None, task: Task, protocols: Sequence[str | Protocol]) -> bool:
    """Whether data set, task and protocols are those that go by their names."""
    if dataset is None or dataset is not DATASETS.get(dataset.name) or task not in dataset.tasks.values():
        return False
    return all(isinstance(one, str) or one is PROTOCOLS.get(one.name) for one in protocols)


def _only(features: xr.Dataset, subjects: Sequence[str] | None) -> xr.Dataset:
    if subjects is None:
        return features
    there = features["subject"].values
    if not subjects:
        everyone = ", ".join(sorted(set(there)))
        raise DataError(f"subjects names nobody: name some of {everyone}, or leave it out for all of them.")
    if unknown := sorted(set(subjects) - set(there)):
        raise DataError(f"The feature table has no subject {', '.join(unknown)}.")
    return features.isel(window=np.flatnonzero(np.isin(there, list(subjects))))


def _finished(folder: Path, request: dict[str, Any]) -> Result | None:
    """Give back a finished result of the same request, without reading the data again."""
    if not (folder / "run.json").is_file():
        return None
    run = read_json(folder / "run.json")
    if run.get("request") != json.loads(json.dumps(request)):
        return None
    with RunFolder(folder, run) as store:
        is_tested = store.has_table("permutations") or not request["permutations"]
        # Tables that were damaged have been removed, and are computed again.
        if not store.is_finished or not is_tested:
            return None
        store.finish(())
        return _reported(folder)


def _reported(folder: Path) -> Result:
    result = Result.load(folder)
    write_report(result)
    return result
