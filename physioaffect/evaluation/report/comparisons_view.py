"""Models compared over the same people, corrected for their number, and what the study could have seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from physioaffect.evaluation.results import Result, interval_method
from physioaffect.evaluation.statistics import compare_in, power_sentence

__all__ = ["DIFFERENCE", "Pair", "compared", "notes_of", "power_words"]

DIFFERENCE = 0.05
"""The difference whose price in people the report names."""


class Pair(NamedTuple):
    """Two models under one protocol: mean difference a - b over people, its interval, tests, Cohen's dz.

    ``family`` is "models" or "baselines"; ``p_holm`` is corrected within it.
    """

    family: str
    model_a: str
    model_b: str
    n: int
    difference: float
    low: float
    high: float
    p_wilcoxon: float
    p_sign_flip: float
    p_holm: float
    effect_size: float
    note: str


def compared(result: Result, protocol: str) -> list[Pair]:
    """Compare every two models, and every model with every baseline, by the primary metric by trial.

    Where folds share training people, intervals and the p that Holm corrects are those that allow for it.
    """
    [about] = [one for one in result.run["protocols"] if one["name"] == protocol]
    method = interval_method(about)
    frame = compare_in(
        _defined(result.scores),
        protocol,
        "trial",
        result.metrics[0],
        baselines=result.run["baselines"],
        method=method,
    )
    if method == "corrected":
        frame = frame.assign(p_holm=frame["p_corrected_holm"])
    return [Pair(*row) for row in frame[list(Pair._fields)].itertuples(index=False, name=None)]


def _defined(scores: pd.DataFrame) -> pd.DataFrame:
    """Leave out models of which no one has a score: there is nothing to compare."""
    is_known = scores.groupby(["protocol", "model", "level", "metric"])["value"].transform("count") > 0
    return scores[is_known]


def notes_of(pairs: Sequence[Pair]) -> list[str]:
    """Notes of comparisons, each once, with the pairs that it is about (three at most)."""
    about: dict[str, list[str]] = {}
    for pair in pairs:
        if pair.note:
            about.setdefault(pair.note, []).append(f"{pair.model_a} and {pair.model_b}")
    return [
        f"{'; '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}: {note}"
        for note, names in about.items()
    ]


def power_words(result: Result, people: pd.DataFrame) -> str:
    """Say how many people a difference of `DIFFERENCE` needs, with the SD of differences as observed.

    Parameters
    ----------
    result : Result
        Says which are models.
    people : DataFrame
        People by models (see `people_table`).
    """
    models = [name for name in result.run["models"] if people[name].notna().any()]
    if len(models) > 1:
        pairs = [(a, b) for i, a in enumerate(models) for b in models[i + 1 :]]
    else:
        pairs = [(a, b) for a in models for b in result.run["baselines"]]
    spreads = []
    for a, b in pairs:
        differences = (people[a] - people[b]).dropna()
        if len(differences) > 1 and (sd := float(differences.std())) > 0:
            spreads.append((sd, len(differences), a, b))
    if not spreads:
        return "Too few people, or no differences between them, to say anything about power."
    # The pair in the middle stands for all.
    sd, n, a, b = sorted(spreads)[(len(spreads) - 1) // 2]
    which = (
        f"{a} and {b}"
        if len(spreads) == 1
        else f"{a} and {b}, whose SD is the median of {len(spreads)} pairs"
    )
    return f"{power_sentence(n, DIFFERENCE, sd)} (Differences between {which}.)"
