"""The multi-task PINN (Mandal 2025, arXiv 2505.18169) on WESAD, and what its numbers do and do not show."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from physioaffect.data_set import Exclusion
from physioaffect.datasets import WESAD
from physioaffect.errors import ProtocolError, RunError
from physioaffect.evaluation import Fold, Protocol, window_random
from physioaffect.evaluation.running.durable import parquet_bytes, write_whole
from physioaffect.evaluation.sharing import places_of
from physioaffect.parallel import run_all
from physioaffect.pinn import Identified
from physioaffect.progress import Progress, silent
from physioaffect.reproduce.pinn_folds import (
    EDA_SCORES,
    NEAREST,
    OVER,
    PROTOCOLS,
    SETS,
    constants_table,
    eda_mean_of,
    pinn_models,
    run_fold,
)
from physioaffect.reproduce.pinn_reading import differences_of, read_numbers, tell_left_out
from physioaffect.reproduce.pinn_windows import PinnTable, pinn_recipe, pinn_table
from physioaffect.reproduce.running import QUICK_PEOPLE, Reproduction, write_json
from physioaffect.reproduce.scores import PLAIN_SCORES, mean_of
from physioaffect.reproduce.simulated import wesad_with_effects
from physioaffect.reproduce.values import Evaluation, Published, Request, Row, System

__all__ = ["PINN", "PINN_PUBLISHED", "reproduce_pinn"]

_OVER = "five folds, of which nothing says that people or conditions were held out"
_SOURCE = "abstract of arXiv 2505.18169"
PINN_PUBLISHED = {
    "macro_f1": Published(value=94.08, over=f"{_OVER}; which average of F1 is not stated", source=_SOURCE),
    "eda_rmse": Published(
        value=3.62,
        over=f"{_OVER}; printed as 0.0362 without a unit: per cent of the range if EDA went from 0 to 1",
        source=_SOURCE,
    ),
    "eda_r": Published(value=99.19, over=f"{_OVER}; printed as 0.9919", source=_SOURCE),
}
# One block of the table each, in this order.
_MEASURES = {
    "macro_f1": "emotion, macro-F1",
    "accuracy": "emotion, accuracy",
    "eda_rmse": "EDA, RMSE",
    "eda_r": "EDA, Pearson's r",
    "eda_ccc": "EDA, concordance",
}


def reproduce_pinn(  # noqa: PLR0913  All options are named.
    root: Path | str | None = None,
    *,
    out: Path | str,
    quick: bool = False,
    tasks: Sequence[str] | None = None,
    subjects: Sequence[str] | None = None,
    seed: int = 0,
    n_jobs: int = 1,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    progress: Progress | None = None,
) -> Reproduction:
    """Run the network with three input sets under three protocols, beside its ablations and baselines.

    Parameters
    ----------
    root : path, optional
        Where WESAD lies. Default: its layout is simulated within ``out``.
    out : path
        Folder of the results: predictions and constants of every fold, ``reproduction.json`` and
        ``reproduction.html``. Given again after an interruption, protocols that are finished are kept.
    quick : bool
        Three people, short training, one ablation and one baseline: whether it runs, no estimate.
    tasks : sequence of str, optional
        One of ``"affect_3class"`` (default: baseline, stress, amusement; the abstract does not state its
        classes) and ``"stress"``.
    subjects : sequence of str, optional
        Only these people.
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
        If ``root`` is not WESAD, or nothing in it can be used.
    ProtocolError
        If there is no such task, or the data do not support a protocol.
    RunError
        If ``out`` holds another run.
    """
    out = Path(out)
    known = PINN.tasks[WESAD.name]
    task, *others = PINN.default_tasks[WESAD.name] if tasks is None else tasks
    if others or task not in known:
        raise ProtocolError(
            f"{PINN.title} runs one task on {WESAD.title}, got {', '.join([task, *others])}. Use one of "
            f"{', '.join(known)}."
        )
    tell = progress or silent
    is_own_world = root is None
    out.mkdir(parents=True, exist_ok=True)
    if root is None:
        tell("simulating", 0, 1)
        root = PINN.simulate(out / "simulated", quick)
        tell("simulating", 1, 1)
    if quick and subjects is None:
        subjects = list(WESAD.sources(root))[:QUICK_PEOPLE]
    table, exclusions, is_simulated = pinn_table(
        root, task=task, subjects=subjects, n_jobs=n_jobs, progress=tell
    )
    request = Request(
        dataset=WESAD,
        is_quick=quick,
        is_simulated=is_own_world or is_simulated,
        is_own_world=is_own_world,
        variant=next(iter(PINN.variants)),
        tasks=(task,),
        seed=seed,
        device=device,
    )
    _claim_folder(out, request, table)
    predictions, constants = _run(table, request, out, n_jobs, tell, exclusions)
    constants.to_csv(out / "constants.csv", index=False)
    pd.DataFrame(
        [(e.subject, e.trial, e.reason, e.expected) for e in exclusions],
        columns=["subject", "trial", "reason", "expected"],
    ).to_csv(out / "exclusions.csv", index=False)
    made = Reproduction(
        system=PINN,
        request=request,
        rows=tuple(_rows(predictions, table, request)),
        differences=(
            *read_numbers(predictions, constants, table),
            *tell_left_out(exclusions),
            *differences_of(request),
        ),
        exclusions={},
        n_people=len(np.unique(table.people)),
        path=out,
    )
    write_json(made)
    from physioaffect.reproduce.page import write_page  # noqa: PLC0415  jinja2 is late.

    write_page(made)
    return made


def _claim_folder(out: Path, request: Request, table: PinnTable) -> None:
    """Write what is run; refuse a folder of another run."""
    content = hashlib.sha256()
    for values in (table.X, table.reports, table.eda, table.time):
        content.update(np.ascontiguousarray(values).tobytes())
    told = {
        "task": request.tasks[0],
        "quick": request.is_quick,
        "seed": request.seed,
        "windows": content.hexdigest(),
    }
    path = out / "run.json"
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != told:
        raise RunError(
            f"{out} holds another run (other data, task, seed or length). Remove it, or choose another "
            "folder."
        )
    write_whole(path, json.dumps(told).encode())


def _run(
    table: PinnTable,
    request: Request,
    out: Path,
    n_jobs: int,
    tell: Progress,
    exclusions: list[Exclusion],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions and constants of all folds; a protocol that is finished is read again."""
    models = pinn_models(is_quick=request.is_quick, seed=request.seed, device=request.device)
    frames, tables = [], []
    for protocol in PROTOCOLS:
        name = protocol.name
        kept, kept_constants = out / f"{name}.parquet", out / f"{name}-constants.parquet"
        if not (kept.exists() and kept_constants.exists()):
            folds = _folds(protocol, table, request, exclusions)
            items = [(name, number, inputs) for number in range(len(folds)) for inputs in SETS]
            parts: list[pd.DataFrame] = []
            found: dict[tuple[str, str, str], Identified] = {}
            done = run_all(run_fold, items, (table, folds, models), n_jobs=n_jobs, is_ordered=True)
            for (_, number, inputs), result in done:
                parts.append(result.predictions.assign(protocol=name, inputs=inputs))
                found[name, folds[number].name, inputs] = result.constants["pinn"]
                tell(name, len(parts), len(items))
            write_whole(kept_constants, parquet_bytes(constants_table(found)))
            write_whole(kept, parquet_bytes(pd.concat(parts, ignore_index=True)))
        frames.append(pd.read_parquet(kept))
        tables.append(pd.read_parquet(kept_constants))
    return pd.concat(frames, ignore_index=True), pd.concat(tables, ignore_index=True)


def _folds(protocol: Protocol, table: PinnTable, request: Request, exclusions: list[Exclusion]) -> list[Fold]:
    number = PROTOCOLS.index(protocol)
    return list(
        protocol.split(table.coords, np.random.default_rng([request.seed, number]), exclusions.append)
    )


def _shared(protocol: Protocol, table: PinnTable, request: Request) -> float:
    """Per cent of test windows of whose condition training has a part."""
    places = places_of(table.coords)
    folds = _folds(protocol, table, request, [])
    found = np.concatenate([places.shared(fold.fitted_idx, fold.test_idx)["trial"] for fold in folds])
    return 100 * float(found.mean())


def _rows(predictions: pd.DataFrame, table: PinnTable, request: Request) -> list[Row]:
    rows = []
    for protocol in PROTOCOLS:
        own = predictions[predictions["protocol"] == protocol.name]
        shared = _shared(protocol, table, request)
        over = OVER[protocol.name]
        for measure, title in _MEASURES.items():
            for inputs in SETS:
                for model in dict.fromkeys(own["model"]):
                    part = own[(own["inputs"] == inputs) & (own["model"] == model)]
                    is_alike = model in ("constant", NEAREST)  # Of every input set.
                    if len(part) == 0 or (is_alike and inputs != "both"):
                        continue
                    if measure in EDA_SCORES:
                        if part["eda_predicted"].isna().all():
                            continue
                        mean = eda_mean_of(part, measure, over=over)
                    else:
                        if part.filter(like="p_").isna().to_numpy().all():
                            continue
                        mean = mean_of(
                            part.drop(columns=["eda", "eda_predicted", "eda_range"]),
                            PLAIN_SCORES[measure],
                            over=over,
                        )
                    is_theirs = protocol is window_random and (model, inputs) == ("pinn", "both")
                    rows.append(
                        Row(
                            evaluation=f"{request.tasks[0]}: {title}",
                            protocol=protocol.name,
                            is_published=protocol is window_random,
                            claim=protocol.claim,
                            model=model if is_alike else f"{inputs}: {model}",
                            is_baseline=is_alike,
                            score=measure,
                            by_trial=False,
                            published=PINN_PUBLISHED.get(measure) if is_theirs else None,
                            mean=mean.mean,
                            sd=mean.sd,
                            n=mean.n,
                            over=over,
                            shared=shared,
                        )
                    )
    return rows


def _evaluations(request: Request) -> Sequence[Evaluation]:
    """What is run, for those who list it; `reproduce_pinn` runs it, since `evaluate` knows one head."""
    return [
        Evaluation(
            name=name,
            task=WESAD.tasks[name],
            recipe=pinn_recipe(),
            models={},
            protocols=PROTOCOLS,
            over=OVER,
            scores=PLAIN_SCORES,
        )
        for name in request.tasks
    ]


PINN = System(
    run=reproduce_pinn,
    name="pinn",
    title="Multi-task PINN",
    citation="Mandal (2025). Interpretable Multi-Task PINN for Emotion Recognition and EDA Prediction.",
    url="https://arxiv.org/abs/2505.18169",
    datasets={"wesad": WESAD},
    evaluations=_evaluations,
    differences=differences_of,
    simulate=wesad_with_effects,
    world="in which affect shows by as much as was planted, and skin does not obey the equation",
    variants={"paper": "as far as the abstract tells"},
    tasks={"wesad": ("affect_3class", "stress")},
    default_tasks={"wesad": ("affect_3class",)},
)
