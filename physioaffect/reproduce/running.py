"""`reproduce`: a published system, its protocol beside honest ones, its numbers beside ours."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from physioaffect.data_set import DataSet
from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation import Result, evaluate
from physioaffect.evaluation.running.durable import write_whole
from physioaffect.evaluation.scoring import by_trial
from physioaffect.features import open_features, save_features
from physioaffect.progress import Progress, silent
from physioaffect.reproduce.scores import mean_of
from physioaffect.reproduce.values import Evaluation, Request, Row, System

__all__ = ["Reproduction", "reproduce", "rows_of", "write_json"]

QUICK_PEOPLE = 3


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """A system's table: ``rows``, in what it differs from what was published, and where all of it lies."""

    system: System
    request: Request
    rows: tuple[Row, ...]
    differences: tuple[str, ...]
    exclusions: Mapping[str, int]
    n_people: int
    path: Path

    @property
    def verdict(self) -> str:
        """What the table may be taken for, in a sentence."""
        quick = "A quick run, no estimate of anything. " if self.request.is_quick else ""
        if self.request.is_simulated:
            world = f", {self.system.world}" if self.request.is_own_world else ""
            return f"{quick}Published numbers cannot be compared with these: the data are simulated{world}."
        return f"{quick}{self.request.dataset.title}: {self.n_people} people."

    def to_json(self) -> dict[str, Any]:
        """All of it, for scripts."""
        rows = []
        for row in self.rows:
            told = asdict(row)
            told |= {name: None if math.isnan(told[name]) else told[name] for name in ("mean", "sd")}
            rows.append(told)
        return {
            "system": self.system.name,
            "citation": self.system.citation,
            "url": self.system.url,
            "dataset": self.request.dataset.name,
            "simulated": self.request.is_simulated,
            "quick": self.request.is_quick,
            "variant": self.request.variant,
            "seed": self.request.seed,
            "n_people": self.n_people,
            "verdict": self.verdict,
            "rows": rows,
            "differences": list(self.differences),
            "exclusions": dict(self.exclusions),
        }


def reproduce(  # noqa: PLR0913  All options are named.
    system: System,
    root: Path | str | None = None,
    *,
    out: Path | str,
    quick: bool = False,
    variant: str | None = None,
    tasks: Sequence[str] | None = None,
    subjects: Sequence[str] | None = None,
    seed: int = 0,
    n_jobs: int = 1,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    progress: Progress | None = None,
) -> Reproduction:
    """Run a published system under its own protocol and under honest ones.

    Parameters
    ----------
    system : System
        One of ``physioaffect.reproduce.SYSTEMS``.
    root : path, optional
        Where one of its data sets lies. Default: the layout of the first is simulated within ``out``.
    out : path
        Folder of the results: one for each evaluation, and ``reproduction.json`` and ``reproduction.html``.
        Given again after an interruption, what is finished is kept.
    quick : bool
        Three people, three epochs, one task: whether it runs, no estimate.
    variant : str, optional
        One of the system's. Default: its first.
    tasks : sequence of str, optional
        Some of the system's tasks. Default: those of the paper; of a quick run the first.
    subjects : sequence of str, optional
        Only these people. Default: all; of a quick run the first three.
    seed : int
        Source of all randomness.
    n_jobs : int
        Processes.
    device : {"auto", "cpu", "cuda"}
        Where networks are trained.
    progress : callable, optional
        Called with (what, done, total).

    Returns
    -------
    Reproduction

    Raises
    ------
    DataError
        If ``root`` holds none of the system's data sets.
    ProtocolError
        If there is no such variant or task, or the data do not support a protocol.
    RunError
        If ``out`` holds something else.
    """
    out = Path(out)
    variant = next(iter(system.variants)) if variant is None else variant
    if variant not in system.variants:
        raise ProtocolError(
            f"{system.title} has no variant {variant!r}: use one of {', '.join(system.variants)}."
        )
    dataset = _dataset_of(system, root)
    known, usual = system.tasks[dataset.name], system.default_tasks[dataset.name]
    chosen = tuple(tasks) if tasks is not None else tuple(usual[:1] if quick else usual)
    if unknown := [name for name in chosen if name not in known]:
        raise ProtocolError(
            f"{system.title} has no task {unknown[0]!r} on {dataset.title}: use some of {', '.join(known)}."
        )
    if system.run is not None:
        return system.run(
            root,
            out=out,
            quick=quick,
            tasks=chosen,
            subjects=subjects,
            seed=seed,
            n_jobs=n_jobs,
            device=device,
            progress=progress,
        )
    request = Request(
        dataset=dataset,
        is_quick=quick,
        is_simulated=root is None,
        is_own_world=root is None,
        variant=variant,
        tasks=chosen,
        seed=seed,
        device=device,
    )
    if root is None:
        tell_simulating = progress or silent
        tell_simulating("simulating", 0, 1)
        (out / "simulated").mkdir(parents=True, exist_ok=True)
        root = system.simulate(out / "simulated", quick)
        tell_simulating("simulating", 1, 1)
    if quick and subjects is None:
        subjects = list(dataset.sources(root))[:QUICK_PEOPLE]
    rows: list[Row] = []
    exclusions: dict[str, int] = {}
    people: set[str] = set()
    tables: dict[str, xr.Dataset] = {}
    is_simulated = request.is_simulated
    for evaluation in system.evaluations(request):
        data: DataSet | xr.Dataset = dataset
        options: dict[str, Any] = {"root": root, "recipe": evaluation.recipe, "subjects": subjects}
        if evaluation.columns:
            # Many evaluations on one table: it is made once and kept.
            key = evaluation.recipe.key(dataset, "")[:12]
            if key not in tables:
                tables[key] = _kept_table(
                    dataset, root, evaluation, out / f"features-{key}.zarr", subjects, n_jobs, progress
                )
            data = _columns(tables[key], evaluation)
            # Who has no usable trial, such as Stress-Predict's S01 without labels, is not in the table.
            present = set(map(str, data["subject"].values))
            options = {"subjects": subjects and [name for name in subjects if name in present]}
        result = evaluate(
            data,
            models=evaluation.models,
            protocols=list(evaluation.protocols),
            task=evaluation.task,
            out=out / evaluation.name,
            seed=seed,
            n_jobs=n_jobs,
            progress=progress,
            **options,
        )
        rows += rows_of(result, evaluation)
        exclusions[evaluation.name] = len(result.run["exclusions"])
        people |= set(result.predictions["subject"])
        is_simulated |= bool(result.run["table"]["simulated"])
    request = replace(request, is_simulated=is_simulated)
    made = Reproduction(
        system=system,
        request=request,
        rows=tuple(rows),
        differences=system.differences(request),
        exclusions=exclusions,
        n_people=len(people),
        path=out,
    )
    from physioaffect.reproduce.page import write_page  # noqa: PLC0415  jinja2 is not needed before.

    write_json(made)
    write_page(made)
    return made


def write_json(made: Reproduction) -> None:
    """Write ``reproduction.json`` into the folder of the results."""
    text = json.dumps(made.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(made.path / "reproduction.json", (text + "\n").encode())


def _dataset_of(system: System, root: Path | str | None) -> DataSet:
    """Tell by the files which of the system's data sets lies there."""
    if root is None:
        return next(iter(system.datasets.values()))
    reasons = []
    for dataset in system.datasets.values():
        try:
            dataset.files(Path(root))
        except DataError as error:
            reasons.append(str(error))
        else:
            return dataset
    titles = " or ".join(dataset.title for dataset in system.datasets.values())
    raise DataError(f"{system.title} was published on {titles}, and {root} is none. {reasons[0]}")


def _kept_table(
    dataset: DataSet,
    root: Path | str,
    evaluation: Evaluation,
    path: Path,
    subjects: Sequence[str] | None,
    n_jobs: int,
    progress: Progress | None,
) -> xr.Dataset:
    save_features(dataset, root, evaluation.recipe, path, subjects=subjects, n_jobs=n_jobs, progress=progress)
    return open_features(path).load()


def _columns(table: xr.Dataset, evaluation: Evaluation) -> xr.Dataset:
    name = evaluation.recipe.features[0].name
    dim = table[name].dims[1]
    return table.sel({dim: list(evaluation.columns)})


def rows_of(result: Result, evaluation: Evaluation) -> list[Row]:
    """Score a finished run as its system's papers did.

    Parameters
    ----------
    result : Result
        What `evaluate` made of it.
    evaluation : Evaluation
        What was asked.

    Returns
    -------
    list of Row
        For each protocol, model and measure by window, and by trial for the first measure; the baseline that
        always says the commonest class is among the models.
    """
    runs = dict(evaluation.runs) or {name: (name,) for name in evaluation.models}
    rows = []
    for about in result.run["protocols"]:
        own = result.predictions[result.predictions["protocol"] == about["name"]]
        for model, parts in [*runs.items(), ("majority", ("majority",))]:
            part = own[own["model"].isin(parts)]
            for number, (name, score) in enumerate(evaluation.scores.items()):
                for is_by_trial in (False, True)[: 2 if number == 0 else 1]:
                    frame, over = part, evaluation.over[about["name"]]
                    if is_by_trial:
                        frame = by_trial(part, result.run["task"]["kind"])
                        over = "people"
                    mean = mean_of(
                        frame,
                        score,
                        over=over,
                        is_balanced=about["name"] in evaluation.balanced and not is_by_trial,
                        runs=parts,
                    )
                    key = (about["name"], model, name)
                    rows.append(
                        Row(
                            evaluation=evaluation.title or evaluation.task.name,
                            protocol=about["name"],
                            is_published=about["name"]
                            in {protocol for protocol, _, _ in evaluation.published},
                            claim=about["claim"],
                            model=model,
                            is_baseline=model == "majority",
                            score=name,
                            by_trial=is_by_trial,
                            published=None if is_by_trial else evaluation.published.get(key),
                            mean=mean.mean,
                            sd=mean.sd,
                            n=mean.n,
                            over=over,
                            shared=100 * float(np.nan_to_num(about["shared"]["trial"])),
                        )
                    )
    return rows
