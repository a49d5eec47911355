"""From a result to the numbers that the page shows, and through the templates to HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from physioaffect.evaluation.report import words
from physioaffect.evaluation.report.claims import Summary, summarized
from physioaffect.evaluation.report.command import command_of, repeat_of
from physioaffect.evaluation.report.comparisons_view import Pair, compared, notes_of, power_words
from physioaffect.evaluation.report.downloads import Download, csv_download, text_download
from physioaffect.evaluation.report.maps import MOST_MAPS, Importance, importance_pictures
from physioaffect.evaluation.report.methods import methods_of
from physioaffect.evaluation.report.people_view import LEFT, RIGHT, ROW, Chart, people_chart, ticks
from physioaffect.evaluation.report.pictures import (
    Confusion,
    Curves,
    Reliability,
    confusions,
    curve_pictures,
    reliabilities,
)
from physioaffect.evaluation.report.scores_view import (
    Chance,
    Key,
    Row,
    Scores,
    chances,
    intervals,
    people_table,
    permutation_notes,
    score_rows,
)
from physioaffect.evaluation.report.words import METRIC_TITLES
from physioaffect.evaluation.results import Result
from physioaffect.evaluation.running.durable import write_whole
from physioaffect.evaluation.scoring import by_trial
from physioaffect.page import render_page

__all__ = ["METRIC_TITLES", "command_of", "render", "write_report"]

# From so many on, what is not the trial-level result of a protocol with a claim is folded away.
_MANY = 12


class View(NamedTuple):
    """Everything about one protocol."""

    id: str
    about: Mapping[str, Any]
    marks: list[str]
    summary: Summary
    rows: list[Row]
    charts: list[Chart]
    pairs: list[Pair]
    notes: list[str]
    power: str
    confusions: list[Confusion]
    reliabilities: list[Reliability]
    curves: list[Curves]
    importance: list[Importance]
    audit: list[Mapping[str, Any]] | None


def _of(frame: pd.DataFrame | None, protocol: str) -> pd.DataFrame | None:
    """Rows of one protocol of a table that not every run has."""
    return None if frame is None else frame[frame["protocol"] == protocol]


class _Prepared(NamedTuple):
    """What all protocols share."""

    result: Result
    scores: Scores
    chance: Mapping[Key, Chance]
    notes: Mapping[Any, list[str]]
    trials: pd.DataFrame
    curves: pd.DataFrame | None
    importance: pd.DataFrame | None


def _view(prepared: _Prepared, number: int, about: Mapping[str, Any], budget: int) -> View:
    result, name = prepared.result, str(about["name"])
    run, metric = result.run, result.metrics[0]
    models, is_regression = run["models"], run["task"]["kind"] == "regression"
    rows = score_rows(result, name, prepared.scores, prepared.chance, prepared.notes)
    people = {level: people_table(result, name, level, metric) for level in ("trial", "window")}
    charts = [
        people_chart(
            people[level],
            level,
            {row.model: row.scores[level, metric] for row in rows},
            {
                model: chance
                for (p, model, at, of), chance in prepared.chance.items()
                if (p, at, of) == (name, level, metric)
            },
            run["baselines"],
            _lowest(run),
        )
        for level in ("trial", "window")
    ]
    pairs = compared(result, name)
    classes = run["task"]["classes"]
    own = {"trial": prepared.trials, "window": result.predictions}
    own = {level: frame[frame["protocol"] == name] for level, frame in own.items()}
    curves, importance = _of(prepared.curves, name), _of(prepared.importance, name)
    return View(
        id=f"p{number}",
        about=about,
        marks=words.marks_of(run, about),
        summary=summarized(result, about, rows, pairs),
        rows=rows,
        charts=charts,
        pairs=pairs,
        notes=notes_of(pairs),
        power=power_words(result, people["trial"]),
        confusions=[]
        if is_regression
        else [one for level in own for one in confusions(own[level], level, models, classes)],
        reliabilities=[] if is_regression else reliabilities(own["trial"], models, classes),
        curves=[] if curves is None else curve_pictures(curves, models),
        importance=[] if importance is None else importance_pictures(importance, models, budget),
        audit=_findings(run, name),
    )


def _common(views: Sequence[View]) -> list[str]:
    """What may be claimed under none of the protocols; said once."""
    first, *others = (view.summary.may_not for view in views)
    return [text for text in first if others and all(text in other for other in others)]


def _lowest(run: Mapping[str, Any]) -> float:
    return -1.0 if run["task"]["kind"] == "regression" else 0.0


def _findings(run: Mapping[str, Any], protocol: str) -> list[Mapping[str, Any]] | None:
    """What the audit found, the worst first; None if there was no audit."""
    audit = run.get("audit")
    if not isinstance(audit, Mapping) or protocol not in audit:
        return None
    own = audit[protocol]
    found = own.get("findings", []) if isinstance(own, Mapping) else own
    order = {"leak": 0, "error": 0, "high": 0, "warning": 1, "medium": 1}
    return sorted(found, key=lambda finding: order.get(str(finding.get("severity", "")), 2))


def _exclusions(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Unexpected ones first; the same reason for many trials of a subject once, with a count."""
    keys = [(e["expected"], e["subject"], e["reason"]) for e in run["exclusions"]]
    trials: dict[Any, list[str]] = {}
    for key, exclusion in zip(keys, run["exclusions"], strict=True):
        trials.setdefault(key, []).append(exclusion["trial"])
    return [
        {"expected": expected, "subject": subject, "reason": reason, "trials": ", ".join(filter(None, names))}
        for (expected, subject, reason), names in sorted(trials.items(), key=lambda item: item[0][0])
    ]


def _downloads(prepared: _Prepared, views: Sequence[View], methods: str) -> list[Download]:
    """All tables, each row with the watermarks of its protocol and model."""
    result = prepared.result
    marks = {
        (view.about["name"], row.model): "; ".join(dict.fromkeys([*view.marks, *row.notes]))
        for view in views
        for row in view.rows
    }

    def marked(frame: pd.DataFrame) -> pd.DataFrame:
        keys = zip(frame["protocol"], frame["model"], strict=True)
        return frame.assign(watermark=[marks.get(key, "") for key in keys])

    scores = pd.DataFrame(
        [(*key, *score) for key, score in prepared.scores.items()],
        columns=[
            "protocol",
            "model",
            "level",
            "metric",
            "mean",
            "low",
            "high",
            "sd",
            "n_people",
            "pooled",
            "note",
        ],
    )
    pairs = pd.DataFrame(
        [(view.about["name"], *pair) for view in views for pair in view.pairs],
        columns=["protocol", *Pair._fields],
    )
    pairs = pairs.assign(watermark=["; ".join(view.marks) for view in views for _ in view.pairs])
    windows = result.predictions
    return [
        csv_download(marked(scores), "intervals.csv", "mean scores over people with their 95 % intervals"),
        csv_download(marked(result.scores), "scores.csv", "every score of every person"),
        csv_download(pairs, "comparisons.csv", "paired comparisons of models"),
        csv_download(marked(prepared.trials), "predictions_by_trial.csv", "a prediction for each trial"),
        csv_download(marked(windows), "predictions_by_window.csv", "a prediction for each window"),
        text_download(methods, "methods.txt", "the methods paragraph with its references"),
    ]


_FILTERS = {
    "pretty": words.pretty,
    "probability": words.probability,
    "signed": words.signed,
    "permutation_notes": permutation_notes,
    "title_of": words.title_of,
}


def render(result: Result) -> str:
    """Write a result as a self-contained HTML page.

    Parameters
    ----------
    result : Result
        A finished run.

    Returns
    -------
    str
        HTML. Every text from data files is escaped, and a content security policy forbids the network.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from physioaffect.datasets import DREAMER
    >>> from physioaffect.evaluation import evaluate
    >>> from physioaffect.features import Hjorth, Recipe
    >>> from physioaffect.windows import Windowing
    >>> recipe = Recipe(windows=Windowing(duration=2), features=(Hjorth(),))
    >>> options = {"task": "valence", "protocols": ["loso"], "models": ["lda", "knn"], "permutations": 0}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     root = DREAMER.simulate(Path(folder, "dreamer"), n_subjects=3, n_clips=4, max_seconds=6)
    ...     result = evaluate(DREAMER, root, recipe=recipe, **options)
    >>> html = render(result)
    >>> html.startswith("<!DOCTYPE html>"), "Simulated" in html
    (True, True)
    """
    run, permutations = result.run, result.permutations
    prepared = _Prepared(
        result=result,
        scores=intervals(result),
        chance=chances(permutations),
        notes=result.notes(),
        trials=by_trial(result.predictions, run["task"]["kind"]),
        curves=result.curves,
        importance=result.importance,
    )
    views: list[View] = []
    for number, about in enumerate(run["protocols"], start=1):
        n_maps = sum(len(one.maps) for view in views for one in view.importance)
        views.append(_view(prepared, number, about, MOST_MAPS - n_maps))
    methods = methods_of(result, {view.about["name"]: view.summary for view in views}, permutations)
    return render_page(
        "physioaffect.evaluation.report",
        "report.html",
        style="report.css",
        filters=_FILTERS,
        run=run,
        title=run["dataset"]["title"] if run["dataset"] else "Own data",
        views=views,
        is_many=len(views) * len(run["models"]) > _MANY,
        metrics=result.metrics[:3],
        primary=words.title_of(result.metrics[0]),
        metric=result.metrics[0],
        ticks=ticks(_lowest(run)),
        axis=(LEFT, RIGHT, ROW),
        exclusions=_exclusions(run),
        n_left_out=Counter(e["expected"] for e in run["exclusions"]),
        repeat=repeat_of(run),
        methods=methods,
        downloads=_downloads(prepared, views, methods.text),
        has_permutations=bool(prepared.chance),
        common=_common(views),
        baseline_titles=words.BASELINE_TITLES,
    )


def write_report(result: Result) -> Path:
    """Write ``report.html`` into the result's folder.

    Parameters
    ----------
    result : Result
        As `evaluate` returns it, or `Result.load`.

    Returns
    -------
    path : Path
        The page; one that was there is replaced.
    """
    path = result.path / "report.html"
    write_whole(path, render(result).encode())
    return path
