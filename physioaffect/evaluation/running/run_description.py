"""What a run's folder says of itself: ``run.json``, from which the report is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from physioaffect.data_set import DataSet, Exclusion, Task
from physioaffect.device import resolve_device
from physioaffect.evaluation.leakage import audit_table
from physioaffect.evaluation.models import get_baselines
from physioaffect.evaluation.running.planning import Plan, under
from physioaffect.evaluation.running.request import networks_among
from physioaffect.evaluation.table import Table
from physioaffect.identity import digest

__all__ = ["describe_run"]

_N_LOOKED_AT = 20_000


def describe_run(
    request: dict[str, Any],
    dataset: DataSet | None,
    task: Task,
    table: Table,
    plans: Sequence[Plan],
    named: Mapping[str, Any],
    exclusions: Sequence[Exclusion],
) -> dict[str, Any]:
    """Say as JSON what was asked, of which data, and what the protocols made of them."""
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
        "table": _describe_table(table) | {"audit": _audit_features(table)},
        "protocols": [_describe_protocol(plan, named) for plan in plans],
        "audit": {plan.protocol.name: _without_shared(plan.audit) for plan in plans},
        "models": list(named),
        "baselines": list(get_baselines(task)),
        "exclusions": [asdict(item) for item in exclusions],
        "threads": 1,
    }
    if networks := networks_among(named):
        # A part that was computed elsewhere is not continued here.
        run["devices"] = sorted({resolve_device(network.device) for network in networks})
    return run


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
        "undefined_features": list(table.undefined),
        "missing": _missing_shares(table),
        "families": {
            str(name): {"dims": list(map(str, v.dims[1:])), "shape": list(v.shape[1:])}
            for name, v in table.features.data_vars.items()
        },
    }


def _audit_features(table: Table) -> dict[str, Any]:
    """Whether a feature is the label or a clock, looked at in so many windows."""
    rows = np.arange(0, len(table.coords), -(-len(table.coords) // _N_LOOKED_AT))
    coords = table.coords.iloc[rows].reset_index(drop=True)
    values = table.flat()[rows]
    # What is missing can be neither the label nor a clock; what is there is looked at.
    is_there = np.isfinite(values)
    medians = [
        np.median(own[has]) if has.any() else 0.0 for own, has in zip(values.T, is_there.T, strict=True)
    ]
    features = pd.DataFrame(np.where(is_there, values, medians), columns=list(table.feature_names))
    return audit_table(coords, features, labels=table.target[rows])


def _missing_shares(table: Table) -> dict[str, float]:
    """Share of the windows in which a family lacks a feature, of the families that lack any."""
    shares = {}
    for name, values in table.features.data_vars.items():
        is_there = np.isfinite(values.values).reshape(len(table.coords), -1).all(axis=1)
        if not is_there.all():
            shares[str(name)] = round(1 - float(is_there.mean()), 6)
    return shares


def _counts(labels: pd.Series) -> dict[str, int]:
    return {str(name): int(count) for name, count in labels.value_counts().sort_index().items()}


def _describe_protocol(plan: Plan, named: Mapping[str, Any]) -> dict[str, Any]:
    protocol = plan.protocol
    scaled = [name for name, model in named.items() if under(protocol, model) is not model]
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
                for idx in (f.train_idx, f.gap_idx, f.validation_idx, f.calibration_idx, f.test_idx)
            ]
        ),
        "shared": plan.audit["shared"],
    }


def _without_shared(audit: dict[str, Any]) -> dict[str, Any]:
    """The audit without what stands beside the protocol."""
    return {name: value for name, value in audit.items() if name != "shared"}
