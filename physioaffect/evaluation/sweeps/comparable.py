"""Which runs may be compared: the same task, labels, people and folds of the same data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from physioaffect.errors import RunError
from physioaffect.evaluation.results import Result
from physioaffect.evaluation.running.durable import read_json, read_table, told_as_broken
from physioaffect.evaluation.scoring import POOLED
from physioaffect.evaluation.sweeps.experiment_file import ExperimentFile
from physioaffect.evaluation.sweeps.experiment_plan import run_name
from physioaffect.evaluation.sweeps.sweep import COPY

__all__ = ["Loaded", "comparable_runs", "named_apart"]


class Loaded(NamedTuple):
    """A finished run: ``label`` is the data set's name in its experiment, or else its own, ``data_name``."""

    name: str
    path: Path
    label: str
    data_name: str
    run: dict[str, Any]
    scores: pd.DataFrame

    @property
    def task(self) -> str:
        """The task's name."""
        return str(self.run["task"]["name"])

    @property
    def seed(self) -> int:
        """The seed."""
        return int(self.run["request"]["seed"])


def comparable_runs(paths: Sequence[Path | str]) -> tuple[list[Loaded], list[str]]:
    """Load runs and make sure that they can be compared.

    Parameters
    ----------
    paths : sequence of path
        As in `compare`.

    Returns
    -------
    runs : list of Loaded
        Each once, in their order.
    warnings : list of str
        What was left out, and versions that differ.

    Raises
    ------
    RunError
        As in `compare`.
    """
    if isinstance(paths, str | Path) or not paths:
        raise RunError(f"paths must be a list with at least one folder, got {paths!r}.")
    folders, warnings = _expanded([Path(path) for path in paths])
    runs = [_load(folder) for folder in folders]
    groups: dict[tuple[str, str], list[Loaded]] = {}
    for one in runs:
        groups.setdefault((one.label, one.task), []).append(one)
    for group in groups.values():
        _refuse_unlike(group)
    return runs, warnings + _versions(runs)


def _expanded(paths: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """Replace folders of experiments by their finished runs; each run once."""
    found: dict[Path, Path] = {}
    unfinished: list[str] = []
    for path in paths:
        if path.is_dir() and not (path / "run.json").is_file():
            inside = _in_order(path, [item.parent for item in path.glob("*/run.json")])
            finished = [folder for folder in inside if _is_finished(folder)]
            unfinished += [str(folder) for folder in inside if folder not in finished]
            if not finished:
                raise RunError(
                    f"{path} holds no finished run. Name the folder of a run, or of an experiment, after run "
                    "or evaluate has finished."
                )
        else:
            finished = [path]
        for folder in finished:
            found.setdefault(folder.resolve(), folder)
    told = [f"Left out, because unfinished: {', '.join(unfinished)}."] if unfinished else []
    return list(found.values()), told


def _in_order(path: Path, inside: Iterable[Path]) -> list[Path]:
    """Runs of an experiment in its order of data sets and tasks; others by name."""
    order: list[str] = []
    if (path / COPY).is_file():
        file = ExperimentFile.read(path / COPY)
        for label, settings in file.datasets.items():
            order += [run_name(label, task, 0)[:-1] for task in settings.get("tasks", file.tasks or ())]

    def place(folder: Path) -> tuple[int, int, str]:
        start, _, seed = folder.name.rpartition("seed")
        known = order.index(f"{start}seed") if f"{start}seed" in order else len(order)
        return known, int(seed) if seed.isdecimal() else 0, folder.name

    return sorted(inside, key=place)


def _is_finished(path: Path) -> bool:
    return all((path / f"{name}.parquet").is_file() for name in ("predictions", "scores"))


def _load(path: Path) -> Loaded:
    if not (path / "run.json").is_file() or not _is_finished(path):
        Result.load(path)  # Says what is lacking.
    run = read_json(path / "run.json")
    with told_as_broken(path):
        scores = read_table(path / "scores.parquet")
        about, data = run["dataset"], run["request"]["data"]
        name = str(about["name"]) if about else f"own data {str(data['feature_table'])[:8]}"
        loaded = Loaded(path.resolve().name, path, "", name, run, scores)
        label = _label(path.resolve(), loaded) or name
        # What is read later must be there, so that a broken file is told as one.
        _ = run["table"]["labels"], run["table"]["simulated"], run["request"]["versions"], run["baselines"]
        _ = [(about["folds"], about["claim"], about["holds_out"]) for about in run["protocols"]]
        return loaded._replace(label=label)


def _label(path: Path, loaded: Loaded) -> str | None:
    """The data set's name in the experiment of which this is a run, from the folder's name."""
    end = run_name("", loaded.task, loaded.seed)
    if (path.parent / COPY).is_file() and path.name.endswith(end):
        return path.name.removesuffix(end)
    return None


def _refuse_unlike(group: Sequence[Loaded]) -> None:
    """Compare each run of a data set and task with the first, and its folds with those of the same seed."""
    first = group[0]
    for other in group[1:]:
        for what, of in _SAME.items():
            if (mine := of(first)) != (others := of(other)):
                shown = f" ({mine} and {others})" if isinstance(mine, str) and len(mine) < 60 else ""
                raise RunError(
                    f"The runs {first.name} and {other.name} cannot be compared: both are {first.task} of "
                    f"{first.label}, but {what} differ{shown}. Scores of other windows or people say nothing "
                    "about which model is better: compare them apart."
                )
    seen: dict[tuple[str, int], tuple[Loaded, Any]] = {}
    for one in group:
        people = one.scores[one.scores["subject"] != POOLED].groupby("protocol")["subject"].agg(set)
        for about in one.run["protocols"]:
            key = about["name"], one.seed
            folds = about["folds"], people.get(about["name"])
            before, theirs = seen.setdefault(key, (one, folds))
            if theirs != folds:
                what = "folds" if theirs[0] != folds[0] else "people"
                raise RunError(
                    f"The runs {before.name} and {one.name} cannot be compared: under {about['name']} with "
                    f"seed {one.seed} their {what} differ. Run both with the same version, people and "
                    "exclusions, or compare them apart."
                )


def _task(one: Loaded) -> Any:
    return {key: one.run["task"].get(key) for key in ("kind", "classes", "description", "source")}


_SAME: dict[str, Callable[[Loaded], Any]] = {
    "their data sets": lambda one: one.data_name,
    "the files": lambda one: one.run["request"]["data"],
    "their classes, or what the task is,": _task,
    "their numbers of windows": lambda one: str(one.run["table"]["n_windows"]),
    "the labels of their windows": lambda one: one.run["table"]["labels"],
}


def _versions(runs: Sequence[Loaded]) -> list[str]:
    """Name what was another version, or another device, in some of the runs."""
    warnings = []
    all_of = [one.run["request"]["versions"] | _device(one) for one in runs]
    for library in dict.fromkeys(name for versions in all_of for name in versions):
        numbers: dict[str, list[str]] = {}
        for one, versions in zip(runs, all_of, strict=True):
            if library in versions:
                numbers.setdefault(str(versions[library]), []).append(one.name)
        if len(numbers) > 1:
            said = "; ".join(
                f"{number} in {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"
                for number, names in numbers.items()
            )
            warnings.append(
                f"Runs differ in {library}: {said}. Small differences of scores may come from that."
            )
    return warnings


def _device(one: Loaded) -> dict[str, str]:
    devices = one.run.get("devices")
    return {"the device": ", ".join(devices)} if devices else {}


def named_apart(runs: Sequence[Loaded]) -> list[dict[str, str]]:
    """Names of each run's models, with what tells them from a model of the same name in another run.

    Raises
    ------
    RunError
        If two runs are of the same model, settings and seed, but have other scores.
    """
    variants: dict[tuple[str, str, str], dict[str, Any]] = {}
    for one in runs:
        for model in one.run["models"]:
            own = variants.setdefault((one.label, one.task, model), {})
            own.setdefault(_variant(one, model), one.run["request"]["recipe"])
    names: list[dict[str, str]] = []
    taken: dict[tuple[Any, ...], Loaded] = {}
    for one in runs:
        renamed = {}
        for model in one.run["models"]:
            own = variants[one.label, one.task, model]
            key = _variant(one, model)
            if len(own) > 1:
                renamed[model] = f"{model} ({_called(list(own.values()), list(own).index(key))})"
            for protocol in one.run["protocols"]:
                _refuse_twice(
                    taken, one, (one.label, one.task, protocol["name"], model, key, one.seed), model
                )
        names.append(renamed)
    return names


def _variant(one: Loaded, model: str) -> str:
    request = one.run["request"]
    return json.dumps([request["recipe"], request["models"][model]], sort_keys=True)


def _called(recipes: Sequence[Any], position: int) -> str:
    """The families of features, if they tell the variants apart; else a number."""
    families = [
        ", ".join(family["name"] for family in recipe["features"]) if recipe else "" for recipe in recipes
    ]
    is_clear = len(set(families)) == len(families) and all(families)
    return families[position] if is_clear else f"#{position + 1}"


def _refuse_twice(
    taken: dict[tuple[Any, ...], Loaded], one: Loaded, key: tuple[Any, ...], model: str
) -> None:
    before = taken.setdefault(key, one)
    if before is one:
        return
    protocol = key[2]
    mine, theirs = (
        run.scores[(run.scores["model"] == model) & (run.scores["protocol"] == protocol)]["value"].to_numpy()
        for run in (before, one)
    )
    if not np.array_equal(mine, theirs, equal_nan=True):
        raise RunError(
            f"The runs {before.name} and {one.name} are both {model} with seed {one.seed} under {protocol}, "
            "but their scores differ. Leave one of them out."
        )
