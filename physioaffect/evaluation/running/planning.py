"""Plans: the folds of each protocol, what they share, and the fits that they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from physioaffect.data_set import Exclusion, Task
from physioaffect.errors import ProtocolError
from physioaffect.evaluation.adaptation.transductive import PerSubjectScaled
from physioaffect.evaluation.leakage import audit_plan
from physioaffect.evaluation.models import FitsFolds, get_baselines, uses_of
from physioaffect.evaluation.protocols import Fold, Protocol
from physioaffect.evaluation.running.fitting import BASELINE, Job
from physioaffect.evaluation.running.request import layout_of
from physioaffect.evaluation.table import Table
from physioaffect.identity import stable_hash

__all__ = ["Plan", "folds_of", "make_jobs", "make_plans", "seed_of", "under"]


class Plan(NamedTuple):
    """A protocol, its folds, and what the audit of their coordinates found."""

    protocol: Protocol
    folds: tuple[Fold, ...]
    audit: dict[str, Any]


def make_plans(
    table: Table, task: Task, protocols: Sequence[Protocol], seed: int, *, strict: bool, is_validated: bool
) -> tuple[list[Plan], list[Exclusion]]:
    """Divide the windows by every protocol; folds that cannot be trained are left out and named."""
    plans: list[Plan] = []
    exclusions: list[Exclusion] = []
    classes, numbers = np.unique(table.target, return_inverse=True)
    for protocol in protocols:
        folds = []
        for fold in protocol.split(table.coords, protocol.rng(seed), exclusions.append):
            fitted = fold.train_idx if is_validated else fold.fitted_idx
            reason = _lacks_a_class(numbers, classes, fold, fitted) if task.kind != "regression" else None
            if reason is not None:
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
        plans.append(Plan(protocol, tuple(folds), audit_plan(table.coords, folds, protocol)))
    return plans, exclusions


def _lacks_a_class(
    numbers: NDArray[np.intp], classes: NDArray[Any], fold: Fold, fitted: NDArray[np.intp]
) -> str | None:
    is_known, is_tested = (
        np.bincount(numbers[rows], minlength=len(classes)) > 0 for rows in (fitted, fold.test_idx)
    )
    # One that is neither known nor tested is no loss: a person may never use some step of a scale.
    is_lacking = is_tested & ~is_known
    if not is_lacking.any():
        if is_known.sum() == 1 and len(classes) > 1:
            return f"in fold {fold.name} all training windows are {str(classes[is_known][0])!r}."
        return None
    lacking = " or ".join(repr(str(name)) for name in classes[is_lacking])
    return f"in fold {fold.name} no training window is {lacking}."


def folds_of(protocol: Protocol, coords: pd.DataFrame, seed: int, kept: Sequence[Fold]) -> list[Fold]:
    """Divide other labels as `make_plans` divided the true ones; of the same folds."""
    names = {fold.name for fold in kept}
    return [fold for fold in protocol.split(coords, protocol.rng(seed)) if fold.name in names]


def seed_of(seed: int, model: str, protocol: str, fold: str) -> int:
    """Seed of one fit, which depends on its names and on nothing else."""
    entropy = [seed, stable_hash(model), stable_hash(f"{protocol}/{fold}"), 0]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])


def make_jobs(plans: Sequence[Plan], named: Mapping[str, Any], task: Task, seed: int) -> list[Job]:
    """List the fits: each model and baseline on each fold, with a seed that depends on their names only."""
    jobs = []
    for p, plan in enumerate(plans):
        everyone = [(name, model, False) for name, model in named.items()]
        everyone += [(name, model, True) for name, model in get_baselines(task).items()]
        for m, (name, model, is_baseline) in enumerate(everyone):
            used = under(plan.protocol, model) if not is_baseline else model
            for f, fold in enumerate(plan.folds):
                jobs.append(
                    Job(
                        part=f"{p:02d}-{m:02d}-" + ("stack" if isinstance(used, FitsFolds) else f"{f:04d}"),
                        protocol=plan.protocol.name,
                        model_name=name,
                        model=used,
                        layout=BASELINE if is_baseline else layout_of(model),
                        fold=fold,
                        seed=seed_of(seed, name, plan.protocol.name, fold.name),
                    )
                )
    return jobs


def under(protocol: Protocol, model: Any) -> Any:
    """Standardise per person where the protocol grants the test windows and the model would not look."""
    if "unlabelled" in protocol.grants and "unlabelled" not in uses_of(model):
        return PerSubjectScaled(clone(model))
    return model
