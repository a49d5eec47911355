"""Scores of many runs side by side: intervals over subjects, seeds apart, models compared in pairs."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import pandas as pd

from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation.results import interval_method
from physioaffect.evaluation.scoring import POOLED
from physioaffect.evaluation.statistics import (
    CriticalDifference,
    compare_models,
    mean_interval,
)
from physioaffect.evaluation.statistics.intervals import Method
from physioaffect.evaluation.statistics.tabulation import BOUNDS
from physioaffect.evaluation.sweeps.comparable import Loaded, comparable_runs, named_apart
from physioaffect.evaluation.sweeps.compare_ranks import ERRORS, ranks_over_data_sets

__all__ = ["Comparisons", "compare"]

_GROUP = ["dataset", "task", "protocol"]
# Watermarks.
NO_CLAIM = "no claim"
SIMULATED = "simulated"


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparisons:
    """What `compare` found.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per dataset, task, protocol and model: ``is_baseline``, ``metric``, ``mean`` over subjects of
        each one's mean over seeds, ``low`` to ``high`` its t interval over subjects, ``sd`` between subjects,
        ``sd_seeds`` of the seeds' means (NaN for one seed), ``n_subjects``, ``n_seeds``, ``method`` of the
        interval (``"corrected"`` where folds share training people, see `mean_interval`), and ``flags``, the
        watermarks, separated by ``"; "``.
    pairs : pandas.DataFrame
        One row per dataset, task, protocol and pair of models: `compare_models` over the seeds that all have;
        Holm's correction is over the pairs of that data set, task and protocol. ``p`` is the one to go by:
        ``p_corrected_holm`` where folds share training people, else ``p_holm``. ``flags`` as above.
    scores : pandas.DataFrame
        What both are made of: per dataset, task, protocol, model and subject, the mean over seeds.
    ranks : mapping of str to CriticalDifference or str
        By protocol, over data sets; or why there is none.
    claims : mapping of (dataset, task, protocol) to str or None
        What a good score shows; None: nothing.
    runs : pandas.DataFrame
        The runs: ``run``, ``dataset``, ``task``, ``seed``, ``path``.
    warnings : tuple of str
        What limits the comparison.
    level : str
        ``"trial"`` or ``"window"``.
    confidence : float
        Of the intervals.
    """

    table: pd.DataFrame
    pairs: pd.DataFrame
    scores: pd.DataFrame
    ranks: Mapping[str, CriticalDifference | str]
    claims: Mapping[tuple[str, str, str], str | None]
    runs: pd.DataFrame
    warnings: tuple[str, ...]
    level: str
    confidence: float


def compare(
    paths: Sequence[Path | str],
    *,
    metric: str | None = None,
    level: Literal["trial", "window"] = "trial",
    confidence: float = 0.95,
    baselines: bool = False,
) -> Comparisons:
    """Compare finished runs, of one experiment or of several.

    Parameters
    ----------
    paths : sequence of path
        Folders of runs, or of experiments, which stand for all their finished runs.
    metric : str, optional
        Default: each task's primary one, macro-F1 or CCC.
    level : {"trial", "window"}
        Whether a trial's windows are averaged first. A trial has one label, so that is primary.
    confidence : float
        Of the intervals.
    baselines : bool
        Whether baselines are compared in pairs, too. They are always in the table.

    Returns
    -------
    Comparisons
        Runs of one data set and task that differ in their features or in a model's settings are told apart by
        the model's name.

    Raises
    ------
    RunError
        If a run is unfinished or broken, or runs of one data set and task have other labels, people or folds,
        so that their scores cannot be compared.
    ProtocolError
        If the runs have no such metric.

    Notes
    -----
    Seeds are not people: scores are averaged over seeds for each person first, and the interval is over
    people. The seeds' own spread says how much of a score is the luck of the draw (Bouthillier et al. 2021,
    MLSys, "Accounting for variance in machine learning benchmarks"), and is shown beside it.
    """
    if level not in ("trial", "window"):
        raise ValueError(f"level must be trial or window, got {level!r}.")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}.")
    runs, warnings = comparable_runs(paths)
    long = _long(runs)
    metrics = _metrics(runs, metric)
    own = _of_metric(long, metrics, level)
    n_seeds = own.groupby([*_GROUP, "model"], sort=False)["seed"].nunique()
    scores = (
        own.groupby([*_GROUP, "model", "is_baseline", "metric", "subject"], sort=False)["value"]
        .mean()
        .reset_index()
    )
    methods: dict[tuple[Any, ...], Method] = {
        (one.label, one.task, about["name"]): interval_method(about)
        for one in runs
        for about in one.run["protocols"]
    }
    table = _table(own, scores, n_seeds, methods, confidence)
    claims = {
        (one.label, one.task, about["name"]): about["claim"] for one in runs for about in one.run["protocols"]
    }
    simulated = {(one.label, one.task) for one in runs if one.run["table"]["simulated"]}
    table["flags"] = _flags(table, long, metrics, claims, simulated)
    pairs, uneven = _pairs(own if baselines else own[~own["is_baseline"]], methods, confidence)
    marks = {key: _marks(part["flags"].iloc[0]) for key, part in table.groupby(_GROUP, sort=False)}
    pairs["flags"] = [marks[key] for key in zip(*(pairs[name] for name in _GROUP), strict=True)]
    ranks, incomplete = ranks_over_data_sets(table[~table["is_baseline"]], runs)
    return Comparisons(
        table=table,
        pairs=pairs,
        scores=scores,
        ranks=ranks,
        claims=claims,
        runs=pd.DataFrame(
            [(one.name, one.label, one.task, one.seed, str(one.path)) for one in runs],
            columns=["run", "dataset", "task", "seed", "path"],
        ),
        warnings=(*warnings, *uneven, *incomplete),
        level=level,
        confidence=confidence,
    )


def _long(runs: Sequence[Loaded]) -> pd.DataFrame:
    """Scores of all runs and subjects; a baseline that several runs of a seed have is taken once."""
    names = named_apart(runs)
    parts = []
    for one, own_names in zip(runs, names, strict=True):
        part = one.scores[one.scores["subject"] != POOLED].copy()
        part["is_baseline"] = part["model"].isin(one.run["baselines"])
        part["model"] = part["model"].replace(own_names)
        part.insert(0, "dataset", one.label)
        part.insert(1, "task", one.task)
        part["seed"] = one.seed
        parts.append(part)
    keys = [*_GROUP, "model", "level", "subject", "metric", "seed"]
    return pd.concat(parts, ignore_index=True).drop_duplicates(keys, ignore_index=True)


def _metrics(runs: Sequence[Loaded], metric: str | None) -> dict[tuple[str, str], str]:
    """The metric of each data set and task."""
    chosen = {}
    for one in runs:
        there = list(dict.fromkeys(one.scores["metric"]))
        if metric is not None and metric not in there:
            raise ProtocolError(
                f"The run {one.name} has no metric {metric!r}, since its task {one.task} is "
                f"{one.run['task']['kind']}: use one of {', '.join(there)}, or compare it apart."
            )
        chosen[one.label, one.task] = metric or there[0]
    return chosen


def _of_metric(long: pd.DataFrame, metrics: Mapping[tuple[str, str], str], level: str) -> pd.DataFrame:
    wanted = pd.Series(
        [metrics[pair] for pair in zip(long["dataset"], long["task"], strict=True)], index=long.index
    )
    return long[(long["metric"] == wanted) & (long["level"] == level)]


def _table(
    own: pd.DataFrame,
    scores: pd.DataFrame,
    n_seeds: pd.Series,
    methods: Mapping[tuple[Any, ...], Method],
    confidence: float,
) -> pd.DataFrame:
    rows = []
    keys = [*_GROUP, "model"]
    by_seed = own.groupby([*keys, "seed"], sort=False)["value"].mean().groupby(keys, sort=False).std()
    for key, part in scores.groupby([*keys, "is_baseline", "metric"], sort=False):
        # pandas' stubs let a key be anything; these are names.
        *where, is_baseline, metric = cast(tuple[Any, ...], key)
        method = methods[tuple(where[:3])]
        values = part["value"].dropna().to_numpy()
        if len(values):
            found = mean_interval(values, level=confidence, method=method, bounds=BOUNDS.get(metric))
            numbers = found.mean, found.low, found.high, found.sd
        else:
            numbers = (math.nan,) * 4
        rows.append(
            (
                *where,
                is_baseline,
                metric,
                *numbers,
                by_seed[tuple(where)],
                len(values),
                n_seeds[tuple(where)],
                method,
            )
        )
    numbers_of = ["mean", "low", "high", "sd", "sd_seeds", "n_subjects", "n_seeds", "method"]
    return pd.DataFrame(rows, columns=[*keys, "is_baseline", "metric", *numbers_of])


def _flags(
    table: pd.DataFrame,
    long: pd.DataFrame,
    metrics: Mapping[tuple[str, str], str],
    claims: Mapping[tuple[str, str, str], str | None],
    simulated: Collection[tuple[str, str]],
) -> list[str]:
    """Watermarks of each row: no claim, simulated data, no better than the clock."""
    means = {}
    for level in ("trial", "window"):
        own = _of_metric(long, metrics, level)
        by_person = own.groupby([*_GROUP, "model", "subject"], sort=False)["value"].mean()
        means[level] = by_person.groupby([*_GROUP, "model"], sort=False).mean()
    clocks = {
        key: [model for model in part["model"] if model.startswith("clock")]
        for key, part in table[table["is_baseline"]].groupby(_GROUP, sort=False)
    }
    flags: list[str] = []
    for row in cast(Iterable[Any], table.itertuples()):
        key = row.dataset, row.task, row.protocol
        own_flags = [NO_CLAIM] if claims[key] is None else []
        if key[:2] in simulated:
            own_flags.append(SIMULATED)
        if not row.is_baseline:
            sign = -1 if row.metric in ERRORS else 1
            reached = [
                level
                for level, mean in means.items()
                if any(
                    sign * mean[(*key, clock)] >= sign * mean[(*key, row.model)]
                    for clock in clocks.get(key, ())
                )
            ]
            if reached:
                own_flags.append("clock is as good" + (f" by {reached[0]}" if len(reached) == 1 else ""))
        flags.append("; ".join(own_flags))
    return flags


def _marks(flags: str) -> str:
    """Those watermarks that are not of one model but of all under a protocol."""
    return "; ".join(flag for flag in flags.split("; ") if flag in (NO_CLAIM, SIMULATED))


def _pairs(
    own: pd.DataFrame, methods: Mapping[tuple[Any, ...], Method], confidence: float
) -> tuple[pd.DataFrame, list[str]]:
    """Compare models over subjects; say where seeds were lacking."""
    parts, warnings = [], []
    for (dataset, task, protocol), part in own.groupby(_GROUP, sort=False):
        where = f"{task} of {dataset} under {protocol}"
        models = list(dict.fromkeys(part["model"]))
        seeds = [set(part["seed"][part["model"] == model]) for model in models]
        common = set.intersection(*seeds)
        if len(models) < 2:
            continue
        if common != set.union(*seeds):
            told = f"only their {len(common)} common seeds are" if common else "they are not"
            warnings.append(f"Models of {where} have different seeds: {told} compared in pairs.")
        if not common:
            continue
        shared = part[part["seed"].isin(common)]
        # A person without a score in one of the seeds has no mean that is like the others'.
        by_seed = shared.pivot(index=["subject", "seed"], columns="model", values="value")[models]
        grouped = by_seed.groupby(level="subject", sort=False)
        wide = grouped.mean().where(grouped.count().eq(grouped.size(), axis=0))
        if n_lacking := int(wide.isna().any(axis=1).sum()):
            lost = f"{n_lacking} of {len(wide)} people of {where}"
            warnings.append(f"{lost} lack a score of some model, and are left out of its pairs.")
        scored = wide.dropna(axis="columns", how="all")
        if scored.shape[1] < 2:
            continue
        method = methods[dataset, task, protocol]
        try:
            found = compare_models(scored, level=confidence, method=method)
        except DataError as error:
            warnings.append(f"Models of {where} are not compared in pairs. {error}")
            continue
        found = found.drop(columns=["left_out"])
        found["p"] = found["p_corrected_holm" if method == "corrected" else "p_holm"]
        for position, (name, value) in enumerate(
            {"dataset": dataset, "task": task, "protocol": protocol, "metric": part["metric"].iloc[0]}.items()
        ):
            found.insert(position, name, value)
        parts.append(found)
    if parts:
        return pd.concat(parts, ignore_index=True), warnings
    return pd.DataFrame(columns=[*_GROUP, "metric", "model_a", "model_b", "p", "p_holm"]), warnings


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON values; what is no number is None."""
    return [{str(name): _json(value) for name, value in row.items()} for row in frame.to_dict("records")]


def _json(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return list(value) if isinstance(value, tuple) else value
