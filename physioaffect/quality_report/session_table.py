"""The table of all sessions: a line each, with how much of every signal and family there is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from physioaffect.page import number, percent
from physioaffect.quality_report.session_view import SessionView

__all__ = ["Cell", "SessionTable", "Windows", "table_of"]

_HALF = 0.5


class Windows(NamedTuple):
    """Windows of one session in the feature table, and in how many of them each family has a number."""

    n: int
    families: dict[str, int]


class Cell(NamedTuple):
    """What is shown, what is sorted by ("" for nothing, which comes last), and whether it is a warning."""

    text: str
    value: str | float
    is_bad: bool = False


class SessionTable(NamedTuple):
    """Heads by group ("" for those without), each with its column; cells of each line after its first."""

    groups: list[tuple[str, list[tuple[int, str]]]]
    cells: list[list[Cell]]


def table_of(
    views: Sequence[SessionView], windows: Sequence[Windows], families: Sequence[str]
) -> SessionTable:
    """Make the table; columns that would say the same of everyone, or nothing, are left out."""
    signals = {one.name: one.title for view in views for one in view.pictures}
    columns: list[tuple[str, str, list[Cell]]] = []
    if any(view.session != "1" or view.stimulus for view in views):
        texts = [", ".join(filter(None, (view.session, view.stimulus))) for view in views]
        columns.append(("", "session", [Cell(text, text) for text in texts]))
    if any(view.device for view in views):
        columns.append(("", "device", [Cell(view.device, view.device) for view in views]))
    starts = [f"{view.started:%Y-%m-%d %H:%M}" if view.started else "" for view in views]
    columns.append(("", "start in UTC", [Cell(start or "–", start) for start in starts]))
    columns.append(("", "minutes", [_number(view.duration / 60, 1) for view in views]))
    columns += [
        ("usable", title, [_share(view.coverage.get(name, math.nan)) for view in views])
        for name, title in signals.items()
    ]
    if any(not math.isnan(view.heart_rate) for view in views):
        columns.append(("", "median heart rate in bpm", [_number(view.heart_rate, 0) for view in views]))
    if any(not math.isnan(view.scr_rate) for view in views):
        columns.append(("", "skin responses per min", [_number(view.scr_rate, 1) for view in views]))
    columns.append(("windows", "all", [Cell(str(own.n), own.n) for own in windows]))
    columns += [
        ("windows", family, [_count(own.families.get(family, 0), own.n) for own in windows])
        for family in families
    ]
    groups: list[tuple[str, list[tuple[int, str]]]] = [("", [(0, "person")])]
    for number_of_column, (group, head, _) in enumerate(columns, start=1):
        if group != groups[-1][0]:
            groups.append((group, []))
        groups[-1][1].append((number_of_column, head))
    return SessionTable(groups, [[cells[row] for *_, cells in columns] for row in range(len(views))])


def _number(value: float, digits: int) -> Cell:
    return Cell(number(value, digits), "" if math.isnan(value) else value)


def _share(value: float) -> Cell:
    return Cell(percent(value), "" if math.isnan(value) else value, value < _HALF)


def _count(n: int, n_all: int) -> Cell:
    return Cell(str(n), n, n < _HALF * n_all)
