"""The result in words: what was trained on what, what may be claimed from it, and what may not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from physioaffect.evaluation.report.comparisons_view import Pair
from physioaffect.evaluation.report.scores_view import Row, Score
from physioaffect.evaluation.report.words import (
    counted,
    listed,
    number,
    percent,
    probability,
    sentence,
    title_of,
)
from physioaffect.evaluation.results import Result
from physioaffect.evaluation.statistics import holm

__all__ = ["Summary", "summarized"]

_ALPHA = 0.05
# So many models are named one by one.
_MANY = 4

_LABELS = {
    "rating": "That it measures what people felt: the label is what they reported on a scale.",
    "stimulus": "That it recognises what people felt: the label is that of the stimulus, not their report.",
    "condition": "That it recognises what people felt: the label is what they did, not what they reported.",
}


_UNITS = {
    "dataset": "data sets",
    "subject": "people",
    "session": "sessions",
    "trial": "trials",
    "stimulus": "stimuli",
    "window": "windows",
}


class Summary(NamedTuple):
    """One protocol in words: ``verdict`` is whether its claim is shown, ``may`` the claim itself."""

    trained: str
    tested: str
    reached: str
    guessing: str
    verdict: str
    may: str
    is_shown: bool
    may_not: list[str]


def summarized(
    result: Result, about: Mapping[str, Any], rows: Sequence[Row], pairs: Sequence[Pair]
) -> Summary:
    """Put one protocol into words."""
    key = ("trial", result.metrics[0])
    models = [row for row in rows if not row.is_baseline]
    above = _above_guessing(models, pairs)
    verdict, may, is_shown = _may(result, about, models, above, key)
    return Summary(
        _trained(about),
        _tested(result, about),
        _reached(models, key),
        _guessing(rows, key),
        verdict,
        may,
        is_shown,
        _may_not(result, about, models, pairs),
    )


def _trained(about: Mapping[str, Any]) -> str:
    shared, grants = about["shared"], about["grants"]
    n_folds = about["n_folds"]
    begin = "Once" if n_folds == 1 else f"Anew in each of {n_folds} folds"
    if shared["subject"] == 0:
        whom = "on windows of people other than those tested in the fold"
    elif shared["subject"] == 1:
        whom = "on windows of the tested people themselves"
        what = [level for level in ("session", "trial") if shared[level] > 0]
        if what:
            whom += f", from the same {listed([_plural(level) for level in what])}"
    else:
        whom = (
            f"on windows of which some are of the tested people (of {percent(shared['subject'])} of the test)"
        )
    text = f"{begin}, {whom}"
    if shared["samples"] > 0:
        text += f"; {percent(shared['samples'])} of the test windows share raw samples with training"
    if "calibration" in grants:
        text += "; also on labelled calibration windows of the test person, which are not tested"
    if "unlabelled" in grants:
        text += "; the test windows were seen too, without their labels"
    return text + "."


def _plural(level: str) -> str:
    return {"session": "sessions", "trial": "trials"}[level]


def _tested(result: Result, about: Mapping[str, Any]) -> str:
    predictions = result.predictions
    own = predictions[predictions["protocol"] == about["name"]]
    own = own[own["model"] == own["model"].iloc[0]] if len(own) else own
    people = own[["dataset", "subject"]].drop_duplicates()
    trials = own[["dataset", "subject", "session", "trial"]].drop_duplicates()
    held = listed([_UNITS.get(level, level) for level in map(str.strip, about["holds_out"].split(","))])
    in_turn = ", in turn" if about["n_folds"] > 1 else ""
    return (
        f"On {held} held out of that training{in_turn}: {counted(len(own), 'window')} of "
        f"{counted(len(trials), 'trial')} of {counted(len(people), 'person', 'people')} in all."
    )


def _said(score: Score) -> str:
    text = f"{number(score.mean)} (mean over {counted(score.n, 'person', 'people')}"
    if score.sd == 0:
        text += ", the same for all"
    elif not math.isnan(score.low):
        text += f"; 95 % interval {number(score.low)} to {number(score.high)}"
    return text + ")"


def _reached(models: Sequence[Row], key: tuple[str, str]) -> str:
    known = [row for row in models if not math.isnan(row.scores[key].mean)]
    if not known:
        return "No score is defined."
    best = max(known, key=lambda row: row.scores[key].mean)
    text = f"{best.model}: {title_of(key[1])} by trial {_said(best.scores[key])}"
    if len(known) > 1:
        text += f", the highest of {len(known)} models; picked by this very score, it is a little too high"
    return text + "."


def _guessing(rows: Sequence[Row], key: tuple[str, str]) -> str:
    blind = [f"{row.model} {number(row.scores[key].mean)}" for row in rows if row.is_baseline]
    text = f"Without looking at the body: {', '.join(blind)}." if blind else ""
    chances = [row.chance for row in rows if not row.is_baseline and row.chance is not None]
    chances = [chance for chance in chances if not math.isnan(chance.mean)]
    if chances:
        means = [chance.mean for chance in chances]
        low, high = number(min(means)), number(max(means))
        text += f" With permuted labels: {low if low == high else f'{low} to {high}'}"
        text += f" (mean of {counted(chances[0].n_permutations, 'permutation')}, {chances[0].exchange})."
    return text.strip()


def _above_guessing(models: Sequence[Row], pairs: Sequence[Pair]) -> dict[str, float]:
    """Models told apart from guessing, with p after Holm over models.

    By permutation where there is one; else a model has to beat every blind baseline: its largest p counts.
    """
    p: dict[str, float] = {}
    blind = [pair for pair in pairs if pair.family == "baselines" and not pair.model_b.startswith("clock")]
    for row in models:
        own = [pair for pair in blind if pair.model_a == row.model]
        if row.chance is not None and not math.isnan(row.chance.p):
            p[row.model] = row.chance.p
        elif own:
            p[row.model] = max(pair.p_sign_flip if pair.difference > 0 else 1.0 for pair in own)
    corrected: Iterable[float] = holm(list(p.values())) if p else ()
    return {model: float(value) for model, value in zip(p, corrected, strict=True) if value < _ALPHA}


def _may(
    result: Result,
    about: Mapping[str, Any],
    models: Sequence[Row],
    above: Mapping[str, float],
    key: tuple[str, str],
) -> tuple[str, str, bool]:
    """Verdict, claim and whether it is shown."""
    claim = about["claim"]
    if claim is None:
        return (
            "Nothing.",
            "This protocol shows what leakage is worth; it supports no statement about people.",
            False,
        )
    would = f"With evidence for it this protocol supports: “{claim}”"
    if result.run["table"]["simulated"]:
        return "Nothing about people: the data are simulated.", would, False
    if max((row.scores[key].n for row in models), default=0) < 2:
        return "Nothing about other people: the scores are of one person.", would, False
    if not above:
        return "Nothing yet: no model’s score is told apart from guessing (p < 0.05, Holm).", would, False
    shown = [row for row in models if row.model in above]
    free = [row for row in shown if not any(note.startswith("clock") for note in row.notes)]
    if not free:
        names = _these([f"{row.model} (p {_p(above[row.model])})" for row in shown], models)
        verdict = "Not that anything is read from the body: elapsed time and order alone do as well."
        return verdict, f"Above guessing: {names}. {would}", False
    by = listed([f"{row.model} ({number(row.scores[key].mean)}, p {_p(above[row.model])})" for row in free])
    if len(free) > _MANY:
        means = [row.scores[key].mean for row in free]
        largest = max(above[row.model] for row in free)
        span = f"{number(min(means))} to {number(max(means))}, all p {_p(largest).replace('=', '≤')}"
        by = f"{_these([row.model for row in free], models)} ({span})"
    return claim, f"Shown for {by}: told apart from guessing, by trial, with Holm’s correction.", True


def _these(names: Sequence[str], models: Sequence[Row]) -> str:
    """Names of models, or their number if they are many."""
    return listed(names) if len(names) <= _MANY else f"{len(names)} of the {len(models)} models"


def _p(value: float) -> str:
    text = probability(value)
    return text if text.startswith("<") else f"= {text}"


def _may_not(
    result: Result, about: Mapping[str, Any], models: Sequence[Row], pairs: Sequence[Pair]
) -> list[str]:
    shared, task = about["shared"], result.run["task"]
    said = []
    if shared["trial"] > 0:
        said.append(
            "That anything but the trial is recognised, and with it the label: "
            f"{percent(shared['trial'])} of the test windows have windows of their own trial in training."
        )
    if shared["samples"] > 0:
        said.append(
            f"That more than shared samples is recognised: {percent(shared['samples'])} of the test windows "
            "overlap in time with one of training."
        )
    clocked = [row.model for row in models if any(note.startswith("clock") for note in row.notes)]
    if clocked:
        said.append(
            f"That the body’s signals are needed ({_these(clocked, models)}): a model that sees only elapsed "
            "time and order in the session is as good or better."
        )
    unsure = [row.model for row in models if row.model not in clocked and _is_unsure(row.model, pairs)]
    if unsure:
        said.append(
            f"That the body’s signals are needed ({_these(unsure, models)}): the 95 % interval of the "
            "difference to a model that sees only elapsed time and order in the session holds 0."
        )
    if shared["subject"] > 0:
        said.append("That it works for a person who gave no labelled training data.")
    if shared["stimulus"] > 0:
        said.append(
            f"That it works for other stimuli or tasks: {percent(shared['stimulus'])} of the test windows "
            "were "
            "recorded under one that training knew."
        )
    if shared["session"] > 0:
        said.append("That it works on another day: training knew the session.")
    if about["holds_out"] != "dataset":
        title = result.run["dataset"]["title"] if result.run["dataset"] else "one study"
        said.append(f"That it works elsewhere, with another device or population: all data are of {title}.")
    said.append(_LABELS.get(task["source"], ""))
    if task["uses_own_ratings"]:
        said.append("That it works without ratings: the label depends on the test person’s other ratings.")
    said.append(_between_models(pairs))
    return [sentence(text) for text in said if text]


def _is_unsure(model: str, pairs: Sequence[Pair]) -> bool:
    """Whether some clock is not told apart from the model."""
    return any(pair.model_a == model and pair.model_b.startswith("clock") and pair.low <= 0 for pair in pairs)


def _between_models(pairs: Sequence[Pair]) -> str:
    """What the comparisons of models with models leave open."""
    among = [pair for pair in pairs if pair.family == "models"]
    if not among:
        return ""
    certain = [pair for pair in among if pair.p_holm < _ALPHA]
    if not certain:
        least = min((pair.p_holm for pair in among if not math.isnan(pair.p_holm)), default=math.nan)
        many = "the only difference" if len(among) == 1 else f"none of the {len(among)} differences"
        is_not = "is not certain" if len(among) == 1 else "is certain"
        p = f"(smallest corrected p {_p(least)})"
        return f"That one of these models is better than another: {many} {is_not} {p}."
    better = [
        f"{pair.model_a if pair.difference > 0 else pair.model_b} over "
        f"{pair.model_b if pair.difference > 0 else pair.model_a}"
        for pair in certain
    ]
    if len(better) > 4:
        return f"Differences between models other than {len(better)} of {len(among)}: see the comparisons."
    return f"Differences between models, but for {listed(better)} (corrected p < 0.05)."
