"""From a result to the numbers that the page shows, and through the template to HTML."""

from __future__ import annotations

import base64
import json
import math
import shlex
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from physioaffect.evaluation.results import POOLED, Cell, Result, by_trial

__all__ = ["command_of", "render", "write_report"]

METRIC_TITLES = {
    "macro_f1": "macro-F1",
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "auroc": "AUROC",
    "kappa": "Cohen’s κ",
    "mcc": "MCC",
    "ccc": "CCC",
    "pearson": "Pearson r",
    "rmse": "RMSE",
}
_BASELINE_TITLES = {
    "majority": "always the commonest class of training",
    "prior": "guesses each trial by class frequency",
    "mean": "always the mean of training",
    "clock_forest": "random forest on elapsed time and order only",
    "clock_1nn": "nearest neighbour on elapsed time and order only",
}


class Row(NamedTuple):
    """A model in the table."""

    model: str
    is_baseline: bool
    explanation: str
    cells: list[Cell]
    notes: list[str]


class Dot(NamedTuple):
    """A subject in the chart, in the units of its drawing."""

    x: float
    y: float
    label: str


class Strip(NamedTuple):
    """A model in the chart."""

    model: str
    is_baseline: bool
    y: float
    mean: float
    low: float
    high: float
    dots: list[Dot]


class Confusion(NamedTuple):
    """Counts by true class (rows) and predicted class (columns), with each row's shares."""

    model: str
    level: str
    counts: list[list[int]]
    shares: list[list[float]]


class ProtocolView(NamedTuple):
    """Everything about one protocol."""

    about: dict[str, Any]
    rows: list[Row]
    strips: list[Strip]
    height: float
    confusions: list[Confusion]


# The chart's drawing area in its own units: names on the left, the axis from _LEFT to _RIGHT.
_LEFT, _RIGHT, _ROW = 150.0, 690.0, 34.0


def _columns(result: Result) -> list[tuple[str, str]]:
    metrics = result.metrics[:3]
    return [("trial", metric) for metric in metrics] + [("window", metric) for metric in metrics]


def _rows(result: Result, protocol: str) -> list[Row]:
    scored, notes = result.cells(), result.notes()
    models = [(name, False) for name in result.run["models"]]
    models += [(name, True) for name in result.run["baselines"]]
    rows = []
    for name, is_baseline in models:
        cells = [scored[protocol, name, level, metric] for level, metric in _columns(result)]
        explanation = _BASELINE_TITLES.get(name, "") if is_baseline else ""
        rows.append(Row(name, is_baseline, explanation, cells, notes.get((protocol, name), [])))
    return rows


def _position(value: float, low: float) -> float:
    return _LEFT + (min(max(value, low), 1.0) - low) / (1 - low) * (_RIGHT - _LEFT)


def _strips(result: Result, protocol: str, low: float) -> list[Strip]:
    metric = result.metrics[0]
    scores = result.scores
    scores = scores[
        (scores["protocol"] == protocol) & (scores["metric"] == metric) & (scores["level"] == "window")
    ]
    strips = []
    names = [*result.run["models"], *result.run["baselines"]]
    for row, name in enumerate(names):
        own = scores[(scores["model"] == name) & (scores["subject"] != POOLED)].dropna(subset="value")
        y = _ROW * (row + 0.5)
        values = own["value"].to_numpy()
        # A fixed zigzag keeps people with equal scores apart.
        dots = [
            Dot(_position(value, low), y + 3.2 * ((number % 5) - 2), f"{subject}: {value:.3f}")
            for number, (subject, value) in enumerate(zip(own["subject"], values, strict=True))
        ]
        mean = float(values.mean()) if len(values) else math.nan
        sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
        strips.append(
            Strip(
                name,
                name in result.run["baselines"],
                y,
                _position(mean, low) if len(values) else _LEFT,
                _position(mean - sd, low) if len(values) else _LEFT,
                _position(mean + sd, low) if len(values) else _LEFT,
                dots,
            )
        )
    return strips


def _confusions(result: Result, protocol: str) -> list[Confusion]:
    classes = result.run["task"]["classes"]
    own = result.predictions[result.predictions["protocol"] == protocol]
    confusions = []
    for level, frame in (("trial", by_trial(own, result.run["task"]["kind"])), ("window", own)):
        for model in result.run["models"]:
            rows = frame[frame["model"] == model]
            table = pd.crosstab(
                pd.Categorical(rows["truth"], classes),
                pd.Categorical(rows["prediction"], classes),
                dropna=False,
            ).to_numpy()
            shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
            confusions.append(Confusion(model, level, table.tolist(), shares.tolist()))
    return sorted(confusions, key=lambda confusion: result.run["models"].index(confusion.model))


def _view(result: Result, about: dict[str, Any]) -> ProtocolView:
    is_regression = result.run["task"]["kind"] == "regression"
    strips = _strips(result, about["name"], -1.0 if is_regression else 0.0)
    return ProtocolView(
        about=about,
        rows=_rows(result, about["name"]),
        strips=strips,
        height=_ROW * len(strips),
        confusions=[] if is_regression else _confusions(result, about["name"]),
    )


def command_of(run: dict[str, Any]) -> str:
    """Write the command line that repeats a run; its data are named PATH, its folder OUT."""
    request = run["request"]
    if run["dataset"] is None or "dataset" not in request["data"]:
        return "(made from Python, with a feature table of its own)"
    parts = ["physioaffect", "evaluate", run["dataset"]["name"], "PATH"]
    parts += ["--task", request["task"], "--model", ",".join(request["models"])]
    parts += ["--protocol", ",".join(request["protocols"]), "--out", "OUT", "--seed", str(request["seed"])]
    recipe = request["recipe"]
    parts += ["--features", ",".join(family["name"] for family in recipe["features"])]
    windows = recipe["windows"]
    parts += ["--window", f"{windows['duration']:g}", "--step", f"{windows['step'] or windows['duration']:g}"]
    if request["subjects"]:
        parts += ["--subjects", ",".join(request["subjects"])]
    if request["strict"]:
        parts.append("--strict")
    return shlex.join(parts)


def _exclusions(run: dict[str, Any]) -> list[dict[str, Any]]:
    """Unexpected ones first; the same reason for many trials of a subject once, with a count."""
    keys = [(e["expected"], e["subject"], e["reason"]) for e in run["exclusions"]]
    trials: dict[Any, list[str]] = {}
    for key, exclusion in zip(keys, run["exclusions"], strict=True):
        trials.setdefault(key, []).append(exclusion["trial"])
    return [
        {"expected": expected, "subject": subject, "reason": reason, "trials": ", ".join(filter(None, names))}
        for (expected, subject, reason), names in sorted(trials.items(), key=lambda item: item[0][0])
    ]


def _data_uri(frame: pd.DataFrame) -> str:
    content = base64.b64encode(frame.to_csv(index=False).encode()).decode()
    return f"data:text/csv;base64,{content}"


def _number(value: float, digits: int = 2) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _ticks(low: float) -> Iterable[tuple[float, str]]:
    return [(_position(value, low), f"{value:g}") for value in np.linspace(low, 1, 6 if low == 0 else 5)]


def render(result: Result) -> str:
    """Write a result as a self-contained HTML page.

    Parameters
    ----------
    result : Result
        A finished run.

    Returns
    -------
    str
        HTML. Every text from data files is escaped.
    """
    environment = Environment(
        loader=PackageLoader("physioaffect.evaluation", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "percent": _percent, "pretty": _pretty}
    run = result.run
    is_regression = run["task"]["kind"] == "regression"
    return environment.get_template("report.html").render(
        run=run,
        views=[_view(result, about) for about in run["protocols"]],
        columns=[(level, METRIC_TITLES[metric]) for level, metric in _columns(result)],
        primary=METRIC_TITLES[result.metrics[0]],
        ticks=_ticks(-1.0 if is_regression else 0.0),
        axis=(_LEFT, _RIGHT, _ROW),
        exclusions=_exclusions(run),
        n_left_out=Counter(e["expected"] for e in run["exclusions"]),
        command=command_of(run),
        metric_titles=METRIC_TITLES,
        scores_uri=_data_uri(result.scores),
    )


def write_report(result: Result) -> Path:
    """Write ``report.html`` into the result's folder and return its path."""
    path = result.path / "report.html"
    path.write_text(render(result), encoding="utf-8")
    return path
