"""A result as text: the table, what a good score would show, and who was left out.

``print(result)`` shows the lines as they are; the command line draws the same table with colours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from physioaffect.evaluation.report.words import mean_and_interval, title_of, title_of_run, would_show
from physioaffect.evaluation.results import Result
from physioaffect.exclusion_words import left_out_in_short
from physioaffect.printable import printable

__all__ = ["ScoreTable", "heading", "remarks", "score_tables", "text_of"]


class ScoreRow(NamedTuple):
    """One model: a cell for each column."""

    cells: tuple[str, ...]
    is_baseline: bool


class ScoreTable(NamedTuple):
    """The scores under one protocol; titles of ``columns`` have several lines, the last column is a note."""

    protocol: str
    has_claim: bool
    columns: tuple[str, ...]
    rows: tuple[ScoreRow, ...]


def heading(result: Result) -> tuple[str, str]:
    """What was evaluated, and of how many people."""
    about = result.run["table"]
    size = (
        f"{about['n_subjects']} people, {about['n_trials']} trials, "
        f"{about['n_windows']} windows; mean over people and its 95 % interval"
    )
    return title_of_run(result.run), size


def score_tables(result: Result) -> list[ScoreTable]:
    """One table a protocol: the primary score with its interval, chance and p, two more scores, notes."""
    intervals, notes, chances = result.intervals().to_dict("index"), result.notes(), _chances(result)
    first, second = result.metrics[:2]
    more = [("trial", second), ("window", first)]
    columns = (
        "model",
        f"by trial\n{title_of(first)}",
        *(("chance", "p") if chances else ()),
        *(f"by {level}\n" + title_of(metric).replace(" ", "\n") for level, metric in more),
        "note",
    )

    def row(protocol: Mapping[str, Any], model: str) -> ScoreRow:
        key = protocol["name"], model
        cells = (
            f"{model} z" if model in protocol["scaled_per_subject"] else model,
            mean_and_interval(intervals[*key, "trial", first]),
            *(chances.get(key, ("-", "-")) if chances else ()),
            *(f"{intervals[*key, *which]['mean']:.2f}" for which in more),
            "; ".join(note for note in notes.get(key, []) if note != "no claim"),
        )
        return ScoreRow(cells, model in result.baselines)

    models = [*result.models, *result.baselines]
    return [
        ScoreTable(
            protocol["name"], protocol["claim"] is not None, columns, tuple(row(protocol, m) for m in models)
        )
        for protocol in result.run["protocols"]
    ]


def remarks(result: Result) -> list[str]:
    """What a good score would show under each protocol, and what the marks in the table mean."""
    lines = [would_show(protocol) for protocol in result.run["protocols"]]
    if any(p.endswith("*") for _, p in _chances(result).values()):
        lines.append("*: labels permuted with predictions held fixed, without fitting anew.")
    if any(protocol["scaled_per_subject"] for protocol in result.run["protocols"]):
        lines.append("z: features standardised within each person, the test person's windows included.")
    return lines


def text_of(result: Result) -> str:
    """Write a result for a terminal.

    Parameters
    ----------
    result : Result
        A finished run.

    Returns
    -------
    str
        Lines without colours; what a terminal would obey is escaped.
    """
    lines = list(heading(result))
    for table in score_tables(result):
        lines += ["", table.protocol + ("" if table.has_claim else "  no claim"), *_aligned(table)]
    lines += ["", *remarks(result), *left_out_in_short(result.exclusions), f"Folder: {result.path}"]
    return printable("\n".join(lines))


def _aligned(table: ScoreTable) -> Iterator[str]:
    """Lines of a table: numbers to the right, titles at the bottom of their lines."""
    titles = [title.split("\n") for title in table.columns]
    height = max(map(len, titles))
    padded = [[""] * (height - len(title)) + title for title in titles]
    # A name that holds a line break stays on its line.
    cells = [tuple(cell.replace("\n", " ") for cell in row.cells) for row in table.rows]
    lines = [*zip(*padded, strict=True), *cells]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    last = len(widths) - 1
    for line in lines:
        justified = (
            cell.ljust(width) if at in (0, last) else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        yield "  ".join(justified).rstrip()


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
