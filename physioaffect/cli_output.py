"""What the command line prints: text, tables, bars and errors."""

from __future__ import annotations

import errno
import logging
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from physioaffect.errors import PhysioaffectError
from physioaffect.exclusion_words import told
from physioaffect.printable import printable

if TYPE_CHECKING:
    from pandas import DataFrame

    from physioaffect.data_set import DataSet, Exclusion
    from physioaffect.datasets import CheckResult
    from physioaffect.evaluation import Result
    from physioaffect.evaluation.prediction import Predictions
    from physioaffect.evaluation.report.in_text import ScoreTable
    from physioaffect.faces import FaceSet

# Brackets and colons in a name of a file or model are no markup and no emoji.
OUT = Console(markup=False, emoji=False)
ERR = Console(stderr=True, markup=False, emoji=False)

_MENDS = {
    errno.EACCES: "Mend its rights, or name another",
    errno.EEXIST: "There is something of that name: name another",
    errno.EISDIR: "It is a folder: name a file",
    errno.ENOENT: "Look for a slip in the path",
    errno.ENOSPC: "Make room, or name a place on another disk",
    errno.ENOTDIR: "A part of the path is a file: name another",
    errno.EPERM: "Mend its rights, or name another",
    errno.EROFS: "Name a place that can be written",
}
# What NumPy advises where a file holds Python objects; here nothing is unpickled.
_FOREIGN_ADVICE = re.compile(r" If you trust the file you can load it unsafely [^.]*\.load\(\)`\.+")


def plain(text: str, style: str = "") -> Text:
    """Text that may come from a file: what a terminal would obey or cannot show is escaped."""
    return Text(printable(text), style=style)


class _Notices(logging.Handler):
    """Prints what the package logs, with what a terminal would obey escaped."""

    def emit(self, record: logging.LogRecord) -> None:
        ERR.print(plain(f"Note: {record.getMessage()}", style="yellow"), soft_wrap=True)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn an error that the user can mend into a paragraph and exit code 2; print what is warned of."""
    log, notices = logging.getLogger("physioaffect"), _Notices(logging.WARNING)
    log.addHandler(notices)
    try:
        yield
    except PhysioaffectError as error:
        _refuse(_FOREIGN_ADVICE.sub("", str(error)))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        mend = f" {_MENDS[error.errno]}." if error.errno in _MENDS else ""
        _refuse(f"{where}{error.strerror or error}.{mend}")
    finally:
        log.removeHandler(notices)


def _refuse(sentence: str) -> NoReturn:
    ERR.print(plain("Error: ", style="bold red"), plain(sentence), sep="", soft_wrap=True)
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
    names = ("title", "doi", "n_subjects", "layout", "how_to_get", "licence")
    shared = {name: getattr(known, name) for name in names}
    return shared | own | {"can_simulate": known.simulate is not None}


def print_check(result: CheckResult) -> None:
    """Print what was expected, what was found and each deviation."""
    where = plain(f"{result.title} in {result.root}", style="table.title")
    table = Table(title=where, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
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
def told_below(is_told: bool) -> Iterator[None]:
    """Keep the log of `evaluate` still, if what it says is printed below the table."""
    log = logging.getLogger("physioaffect.evaluation.evaluating")

    def passes(_: logging.LogRecord) -> bool:
        return not is_told

    log.addFilter(passes)
    try:
        yield
    finally:
        log.removeFilter(passes)


@contextmanager
def bar(is_shown: bool) -> Iterator[Callable[[str, int, int | None], None]]:
    """Show a progress bar on standard error, one line per stage."""
    columns = (
        TextColumn("{task.description}", markup=False),
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
    from physioaffect.evaluation.report.in_text import heading, remarks, score_tables  # noqa: PLC0415

    title, size = heading(result)
    OUT.print(plain(title, style="bold"))
    OUT.print(plain(size))
    for table in score_tables(result):
        OUT.print(_drawn(table))
    for line in remarks(result):
        OUT.print(plain(line))
    print_left_out(result.exclusions, where="see the report")
    OUT.print(plain(f"Report: {result.path / 'report.html'}", style="bold"), soft_wrap=True)


def _drawn(found: ScoreTable) -> Table:
    title = Text(found.protocol, style="bold")
    if not found.has_claim:
        title.append("  no claim", style="bold red")
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    first, primary, *numbers, note = found.columns
    table.add_column(first, min_width=12, overflow="fold")
    table.add_column(primary, justify="right", no_wrap=True, min_width=17)
    for column in numbers:
        table.add_column(column, justify="right", no_wrap=True, min_width=6 if column == "p" else None)
    table.add_column(note)
    for row in found.rows:
        *cells, remark = row.cells
        table.add_row(*map(plain, cells), plain(remark, style="red"), style="dim" if row.is_baseline else "")
    return table


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
            OUT.print(plain(f"Left out: {told(item)}", style="yellow"))
    if expected := [item for item in exclusions if item.expected]:
        rest = where or f"{'the first is ' if len(expected) > 1 else ''}{told(expected[0])}"
        OUT.print(plain(f"{len(expected)} expected exclusion{'s'[: len(expected) > 1]}: {rest.rstrip('.')}."))


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
