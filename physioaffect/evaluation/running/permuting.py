"""Permutation tests of an evaluation: refitted where that is cheap or asked for, else predictions fixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd

from physioaffect.data_set import Task
from physioaffect.evaluation.protocols.folds import Fold
from physioaffect.evaluation.running.planning import Plan, folds_of, seed_of, under
from physioaffect.evaluation.statistics.exchange import exchange_of, level_for, permuted_labels
from physioaffect.evaluation.statistics.linear_permutation import recognise
from physioaffect.evaluation.statistics.permutation import permute_predictions
from physioaffect.evaluation.statistics.refitting import permute_fits
from physioaffect.evaluation.table import Table
from physioaffect.progress import Progress

__all__ = ["Refit", "permute"]

Refit = Literal["linear", "all", "none"]

# Relabellings that show whether folds depend on labels.
_N_TRIES = 5


def permute(  # noqa: PLR0913
    predictions: pd.DataFrame,
    run: Mapping[str, Any],
    plans: Sequence[Plan],
    named: Mapping[str, Any],
    table: Table,
    task: Task,
    *,
    n_permutations: int,
    refit: Refit,
    seed: int,
    n_jobs: int,
    tell: Progress,
) -> pd.DataFrame:
    """Compare every score with those of permuted labels.

    Parameters
    ----------
    predictions, run
        Of the evaluation: ``predictions.parquet`` and ``run.json``.
    plans, named, table, task, seed, n_jobs, tell
        What was evaluated, and how.
    n_permutations : int
        Relabellings of each test.
    refit : {"linear", "all", "none"}
        Which models are fitted anew to every relabelling: linear ones, in folds that do not depend on labels,
        which takes seconds; all of them; none. Protocols without a claim are never tested by refits.

    Returns
    -------
    pandas.DataFrame
        Protocol, model and what `permute_fits` and `permute_predictions` tell.
    """
    todo = [
        (plan, name, model)
        for plan in plans
        if plan.protocol.claim is not None
        for name, model in named.items()
        if refit == "all" or (refit == "linear" and recognise(under(plan.protocol, model)) is not None)
    ]
    if refit == "linear":
        is_cheap = {plan.protocol.name: _is_cheap(plan, table, task, seed) for plan, _, _ in todo}
        todo = [item for item in todo if is_cheap[item[0].protocol.name]]
    frames = []
    for done, (plan, name, model) in enumerate(todo):
        tell("permuting", done, len(todo))
        frame = permute_fits(
            table,
            task,
            plan.folds,
            under(plan.protocol, model),
            n_permutations=n_permutations,
            seed=seed,
            seeds=[seed_of(seed, name, plan.protocol.name, fold.name) for fold in plan.folds],
            level=level_for(plan.protocol.levels, task.source),
            resplit=partial(_folds, plan, seed),
            n_jobs=n_jobs,
        )
        frame.insert(0, "protocol", plan.protocol.name)
        frame.insert(1, "model", name)
        frames.append(frame)
    if todo:
        tell("permuting", len(todo), len(todo))
    is_done = {(plan.protocol.name, name) for plan, name, _ in todo}
    pairs = zip(predictions["protocol"], predictions["model"], strict=True)
    others = predictions[np.fromiter((pair not in is_done for pair in pairs), bool, len(predictions))]
    # There always are others: baselines are never fitted anew.
    fixed = permute_predictions(
        others,
        run["task"],
        protocols=run["protocols"],
        coords=table.coords,
        n_permutations=n_permutations,
        seed=seed,
    )
    return pd.concat([*frames, fixed], ignore_index=True)


def _folds(plan: Plan, seed: int, coords: pd.DataFrame) -> list[Fold]:
    return folds_of(plan.protocol, coords, seed, plan.folds)


def _is_cheap(plan: Plan, table: Table, task: Task, seed: int) -> bool:
    """Whether folds are the same for all labels, so that all relabellings can be fitted at once."""
    level = level_for(plan.protocol.levels, task.source)
    exchange = exchange_of(table.coords, task.source, level=level)
    if exchange.n_distinct == 1:
        return False
    relabelled = permuted_labels(table.coords, task.source, _N_TRIES, seed, level=level)
    made = [_folds(plan, seed, table.coords.assign(target=target)) for target in relabelled]
    return all(len(folds) == len(plan.folds) and all(map(_is_same, plan.folds, folds)) for folds in made)


def _is_same(one: Fold, other: Fold) -> bool:
    parts = ("train_idx", "validation_idx", "calibration_idx", "test_idx")
    return all(np.array_equal(getattr(one, part), getattr(other, part)) for part in parts)
