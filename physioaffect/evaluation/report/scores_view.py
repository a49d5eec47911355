"""The tables of scores: means over people with their intervals, chance and p-values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from physioaffect.evaluation.report.words import BASELINE_TITLES, counted
from physioaffect.evaluation.results import Result
from physioaffect.evaluation.scoring import POOLED

__all__ = [
    "Chance",
    "Row",
    "Score",
    "Scores",
    "chances",
    "intervals",
    "people_table",
    "permutation_notes",
    "score_rows",
]

Key = tuple[str, str, str, str]
"""Protocol, model, level and metric."""


class Score(NamedTuple):
    """A mean over people, its interval (cut at the metric's bounds), SD, people and the pooled value."""

    mean: float
    low: float
    high: float
    sd: float
    n: int
    pooled: float
    note: str


class Chance(NamedTuple):
    """What permuted labels reach: mean, their middle 95 %, p-value, and what was permuted in words."""

    mean: float
    low: float
    high: float
    p: float
    n_permutations: int
    n_distinct: float
    exchange: str
    is_refitted: bool
    tests: str


class Row(NamedTuple):
    """A model in a table."""

    model: str
    is_baseline: bool
    explanation: str
    scores: dict[tuple[str, str], Score]
    chance: Chance | None
    notes: list[str]


Scores = Mapping[Key, Score]


def people_table(result: Result, protocol: str, level: str, metric: str) -> pd.DataFrame:
    """Scores of people (index) by model (columns) under one protocol; NaN where undefined."""
    scores = result.scores
    is_own = (
        (scores["protocol"] == protocol)
        & (scores["level"] == level)
        & (scores["metric"] == metric)
        & (scores["subject"] != POOLED)
    )
    own = scores[is_own]
    people = list(dict.fromkeys(own["subject"]))
    models = [*result.run["models"], *result.run["baselines"]]
    return own.pivot(index="subject", columns="model", values="value").reindex(index=people, columns=models)


def intervals(result: Result) -> dict[Key, Score]:
    """Every score of the run with its 95 % interval over people, see `Result.intervals`."""
    table = result.intervals()
    columns = table[["mean", "low", "high", "sd", "n_subjects", "pooled", "note"]]
    return {
        key: Score(float(mean), float(low), float(high), float(sd), int(n), float(pooled), str(note))
        for key, mean, low, high, sd, n, pooled, note in columns.itertuples(name=None)
    }


def chances(permutations: pd.DataFrame | None) -> dict[Key, Chance]:
    """What was permuted, by protocol, model, level and metric; refitted models before fixed predictions."""
    if permutations is None or not len(permutations):
        return {}
    found: dict[Key, Chance] = {}
    for row in permutations.sort_values("refitted", kind="stable").to_dict("records"):
        key = (str(row["protocol"]), str(row["model"]), str(row["level"]), str(row["metric"]))
        found[key] = Chance(
            float(row["chance"]),
            float(row["low"]),
            float(row["high"]),
            float(row["p"]),
            int(row["n_permutations"]),
            float(row["n_distinct"]),
            str(row["exchange"]),
            bool(row["refitted"]),
            str(row["tests"]),
        )
    return found


def score_rows(
    result: Result,
    protocol: str,
    scores: Scores,
    chance: Mapping[Key, Chance],
    notes: Mapping[Any, list[str]],
) -> list[Row]:
    """Models, then baselines, with all their scores under one protocol."""
    primary = result.metrics[0]
    rows = []
    for name in (*result.run["models"], *result.run["baselines"]):
        is_baseline = name in result.run["baselines"]
        own = {key[2:]: score for key, score in scores.items() if key[:2] == (protocol, name)}
        rows.append(
            Row(
                name,
                is_baseline,
                BASELINE_TITLES.get(name, "") if is_baseline else "",
                own,
                chance.get((protocol, name, "trial", primary)),
                notes.get((protocol, name), []),
            )
        )
    return rows


def permutation_notes(rows: Sequence[Row]) -> list[str]:
    """Say what a p-value tests and what was permuted, once for all models for which it is the same."""
    alike: dict[str, list[str]] = {}
    tests: dict[str, None] = {}
    for row in rows:
        if (chance := row.chance) is None:
            continue
        # What holds for all models is said once.
        tests.update(dict.fromkeys(re.split(r"(?<=\.) ", chance.tests)))
        if chance.n_permutations:
            text = f"{counted(chance.n_permutations, 'permutation')}, {chance.exchange}"
            if chance.n_distinct < chance.n_permutations:
                text += f" ({counted(int(chance.n_distinct), 'distinct relabelling')})"
            text += "; models fitted anew for each" if chance.is_refitted else "; predictions held fixed"
            alike.setdefault(text, []).append(row.model)
    return [*tests, *(f"{', '.join(models)}: {text}." for text, models in alike.items())]
