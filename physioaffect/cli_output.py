"""What the command line prints: text, tables, bars and errors."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from physioaffect.errors import PhysioaffectError

if TYPE_CHECKING:
    from pandas import DataFrame

    from physioaffect.data_set import DataSet, Exclusion
    from physioaffect.datasets import CheckResult
    from physioaffect.evaluation import Result
    from physioaffect.evaluation.prediction import Predictions
    from physioaffect.faces import FaceSet

OUT = Console()
ERR = Console(stderr=True)


def plain(text: str, style: str = "") -> Text:
    """Text that may come from a file: what a terminal would obey or cannot show is escaped."""
    shown = (c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
    return Text("".join(shown), style=style)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn an error that the user can mend into a paragraph and exit code 2."""
    try:
        yield
    except PhysioaffectError as error:
        ERR.print(plain("Error: ", style="bold red"), plain(str(error)), sep="", soft_wrap=True)
        raise typer.Exit(2) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        ERR.print(plain("Error: ", style="bold red"), plain(f"{where}{error.strerror or error}."), sep="")
        raise typer.Exit(2) from None


def print_dataset(known: DataSet | FaceSet) -> None:
    """Tell a data set's tasks, layout and source."""
    from physioaffect.data_set import DataSet  # noqa: PLC0415

    OUT.print(plain(known.name, style="bold"), plain(f"  {known.title}", style="dim"))
    if isinstance(known, DataSet):
        rates = ", ".join(f"{name} {rate:g} Hz" for name, rate in known.sfreqs.items())
        lines = [f"{known.n_subjects} people; {rates}"]
        lines += [f"task {task.name}: {task.description}" for task in known.tasks.values()]
    else:
        splits = ", ".join(f"{name or 'all'} {n}" for name, n in known.splits.items())
        lines = [f"faces; {splits}", f"classes: {', '.join(known.classes)}"]
    for line in (*lines, f"on disk: {known.layout}", f"get it: {known.how_to_get}", known.licence):
        OUT.print(plain(f"  {line}"))


def json_of_dataset(known: DataSet | FaceSet) -> dict[str, Any]:
    """Say about a data set what a script may want."""
    from physioaffect.data_set import DataSet  # noqa: PLC0415

    if isinstance(known, DataSet):
        own: dict[str, Any] = {
            "kind": "trials",
            "sfreqs": dict(known.sfreqs),
            "tasks": {task.name: task.description for task in known.tasks.values()},
            "can_download": known.download is not None,
        }
    else:
        own = {"kind": "faces", "classes": list(known.classes), "splits": dict(known.splits)}
    names = ("title", "doi", "n_subjects", "layout", "how_to_get")
    shared = {name: getattr(known, name) for name in names}
    return shared | own | {"can_simulate": known.simulate is not None}


def print_check(result: CheckResult) -> None:
    """Print what was expected, what was found and each deviation."""
    table = Table(title=f"{result.title} in {result.root}", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for title in ("", "what", "expected", "found"):
        table.add_column(title)
    marks = {True: plain("ok", style="green"), False: plain("!", style="bold red"), None: plain("")}
    for row in result.rows:
        table.add_row(marks[row.is_good], plain(row.what), plain(row.expected), plain(row.found))
    OUT.print(table)
    for note in result.notes:
        OUT.print(plain(f"Note: {note}", style="dim"), soft_wrap=True)
    for sentence in result.deviations:
        OUT.print(plain(f"Deviation: {sentence}", style="yellow"), soft_wrap=True)
    n_broken = len(result.deviations)
    many = f"{n_broken} deviation{'s'[: n_broken > 1]}"
    said = "good, everything is as expected" if result.is_good else f"it deviates, {many} above"
    OUT.print(plain(f"Verdict: {said}.", style="bold"))


@contextmanager
def bar(is_shown: bool) -> Iterator[Callable[[str, int, int | None], None]]:
    """Show a progress bar on standard error, one line per stage."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=ERR, disable=not is_shown) as progress:
        stages: dict[str, Any] = {}

        def tell(what: str, done: int, total: int | None) -> None:
            if what not in stages:
                stages[what] = progress.add_task(what, total=total)
            progress.update(stages[what], completed=done, total=total)

        yield tell


def print_result(result: Result, *, as_json: bool) -> None:
    """Print the scores of an evaluation, its claims and what was left out, or all of it as JSON."""
    if as_json:
        OUT.print_json(data=_json_of_result(result), allow_nan=False)
        return
    from physioaffect.data_set import Exclusion  # noqa: PLC0415

    run, about = result.run, result.run["table"]
    title = f"{run['dataset']['title'] if run['dataset'] else 'own data'}: {run['task']['name']}"
    OUT.print(plain(title + (" (SIMULATED DATA)" if about["simulated"] else ""), style="bold"))
    OUT.print(
        plain(
            f"{about['n_subjects']} people, {about['n_trials']} trials, "
            f"{about['n_windows']} windows; mean over people and its 95 % interval"
        )
    )
    chances = _chances(result)
    for protocol in run["protocols"]:
        OUT.print(_table_of(result, protocol, chances))
    for protocol in run["protocols"]:
        claim = protocol["claim"] or "Supports no claim: it shows what leakage is worth."
        OUT.print(Text.assemble((f"{protocol['name']}: ", "bold"), claim))
    if any(p.endswith("*") for _, p in chances.values()):
        OUT.print(plain("*: labels permuted with predictions held fixed, without fitting anew."))
    if any(protocol["scaled_per_subject"] for protocol in run["protocols"]):
        OUT.print(plain("z: features standardised within each person, the test person's windows included."))
    exclusions = [Exclusion(**item) for item in run["exclusions"]]
    print_left_out(exclusions, where="see the report")
    OUT.print(plain(f"Report: {result.path / 'report.html'}", style="bold"), soft_wrap=True)


def _table_of(
    result: Result, protocol: Mapping[str, Any], chances: Mapping[tuple[str, str], tuple[str, str]]
) -> Table:
    from physioaffect.evaluation.report.render import METRIC_TITLES  # noqa: PLC0415

    run, notes, name = result.run, result.notes(), protocol["name"]
    intervals = result.intervals().to_dict("index")
    first, second = result.metrics[:2]
    title = Text(name, style="bold")
    if protocol["claim"] is None:
        title.append("  no claim", style="bold red")
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("model", min_width=12, overflow="fold")
    table.add_column(f"by trial\n{METRIC_TITLES[first]}", justify="right", no_wrap=True, min_width=17)
    if chances:
        table.add_column("chance", justify="right", no_wrap=True)
        table.add_column("p", justify="right", no_wrap=True, min_width=6)
    shown = [("trial", second), ("window", first)]
    for level, metric in shown:
        wrapped = METRIC_TITLES[metric].replace(" ", "\n")
        table.add_column(f"by {level}\n{wrapped}", justify="right", no_wrap=True)
    table.add_column("note")
    for model in [*run["models"], *run["baselines"]]:
        key = name, model
        table.add_row(
            f"{model} z" if model in protocol["scaled_per_subject"] else model,
            _interval(intervals[*key, "trial", first]),
            *(chances.get(key, ("-", "-")) if chances else ()),
            *(f"{intervals[*key, *which]['mean']:.2f}" for which in shown),
            plain("; ".join(note for note in notes.get(key, []) if note != "no claim"), style="red"),
            style="dim" if model in run["baselines"] else "",
        )
    return table


def _interval(row: Mapping[Any, Any]) -> str:
    if math.isnan(row["low"]):
        return f"{row['mean']:.2f}"
    return f"{row['mean']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"


def _chances(result: Result) -> dict[tuple[str, str], tuple[str, str]]:
    """Chance and p of the primary score, by protocol and model; a star where predictions were held fixed."""
    if result.permutations is None:
        return {}
    frame = result.permutations
    own = frame[(frame["level"] == "trial") & (frame["metric"] == result.metrics[0])]
    return {
        (row["protocol"], row["model"]): ("-", "-")
        if math.isnan(row["p"])
        else (f"{row['chance']:.2f}", f"{row['p']:.3f}{'' if row['refitted'] else '*'}")
        for row in own.to_dict("records")
    }


def _json_of_result(result: Result) -> dict[str, Any]:
    columns = ["mean", "sd", "low", "high", "n_subjects", "pooled"]
    rows = _records(result.intervals()[columns].reset_index())
    notes = [
        {"protocol": protocol, "model": model, "notes": found}
        for (protocol, model), found in result.notes().items()
    ]
    return {
        "run": result.run,
        "scores": rows,
        "permutations": _records(result.permutations) if result.permutations is not None else None,
        "notes": notes,
        "out": str(result.path),
    }


def _records(frame: DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON can hold them: what is no finite number is null."""
    return [
        {
            str(name): None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in row.items()
        }
        for row in frame.to_dict("records")
    ]


def print_left_out(exclusions: Sequence[Exclusion], *, where: str = "") -> None:
    """Print what was left out against expectation, and how much was as expected.

    ``where`` says where that is told one by one; without it the first of it is shown.
    """
    for item in exclusions:
        if not item.expected:
            OUT.print(plain(f"Left out: {_told(item)}", style="yellow"))
    if expected := [item for item in exclusions if item.expected]:
        rest = where or f"{'the first is ' if len(expected) > 1 else ''}{_told(expected[0])}"
        OUT.print(plain(f"{len(expected)} expected exclusion{'s'[: len(expected) > 1]}: {rest.rstrip('.')}."))


def _told(item: Exclusion) -> str:
    whose = f"{item.subject}, trial {item.trial}" if item.trial else item.subject
    return f"{whose}. {item.reason}"


def print_predictions(predictions: Predictions) -> None:
    """Print a line for each window, and what they come to."""
    frame, classes, origin = predictions.windows, predictions.predictor.classes, predictions.predictor.origin
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for title in ("start in s", "duration", "prediction", *(["probability"] if classes else [])):
        table.add_column(title, justify="left" if title == "prediction" else "right")
    for row in frame.to_dict("records"):
        said = row["prediction"]
        cells = [f"{row['start']:g}", f"{row['duration']:g}"]
        if _is_missing(said):
            table.add_row(*cells, plain("too few good samples", style="yellow"))
        elif classes:
            table.add_row(*cells, plain(said), f"{row[f'p_{said}']:.3f}")
        else:
            table.add_row(*cells, f"{said:.4g}")
    OUT.print(table)
    known = frame["prediction"].dropna()
    if classes:
        counted = Counter(known)
        summary = ", ".join(f"{name} {counted[name]} of {len(known)}" for name in classes)
    else:
        summary = f"mean {known.mean():.4g} over {len(known)}"
    OUT.print(plain(f"{summary}; {len(frame) - len(known)} windows without a prediction.", style="bold"))
    OUT.print(
        plain(
            f"Task {origin.task or 'unknown'}, learned from {origin.dataset or 'unknown'} "
            f"({len(origin.ch_names)} electrodes at {origin.sfreq:g} Hz). It holds for recordings that were "
            "made and prepared likewise, and no better than evaluate found.",
            style="dim",
        )
    )


def json_of_predictions(predictions: Predictions) -> dict[str, Any]:
    """Say the same for scripts."""
    predictor = predictions.predictor
    return {
        "dataset": predictor.origin.dataset,
        "task": predictor.origin.task,
        "classes": list(predictor.classes),
        "windows": [
            {name: None if _is_missing(value) else value for name, value in row.items()}
            for row in predictions.windows.to_dict("records")
        ],
    }


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
