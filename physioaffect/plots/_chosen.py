"""What of a result is drawn: which protocols and models, and how their panels stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import pandas as pd

from physioaffect.evaluation.report.words import marks_of
from physioaffect.evaluation.results import Result
from physioaffect.evaluation.scoring import by_trial

__all__ = [
    "Cell",
    "Level",
    "cells_of",
    "chosen",
    "classes_of",
    "of_level",
    "protocols_of",
    "shape_of",
    "titled",
]

Level = Literal["trial", "window"]
_MOST_PANELS = 24


class Cell(NamedTuple):
    """A panel: a model under a protocol, which ``run["protocols"]`` describes."""

    protocol: Mapping[str, Any]
    model: str


def chosen(there: Sequence[str], wanted: Sequence[str] | str | None, what: str) -> list[str]:
    """Take names that are there; all of them by default."""
    if wanted is None:
        return list(there)
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    if lacking := [name for name in names if name not in there]:
        raise ValueError(f"The result has no {what} {', '.join(lacking)}; it has {', '.join(there)}.")
    if not names:
        raise ValueError(f"No {what} was named to draw; the result has {', '.join(there)}.")
    return names


def protocols_of(result: Result, wanted: Sequence[str] | str | None) -> list[Mapping[str, Any]]:
    """What the run says of the protocols that are drawn."""
    about = {one["name"]: one for one in result.run["protocols"]}
    return [about[name] for name in chosen(list(about), wanted, "protocol")]


def cells_of(
    result: Result, protocols: Sequence[str] | str | None, models: Sequence[str] | str | None
) -> list[list[Cell]]:
    """Panels, a row for each protocol and in it one for each model; baselines only if they are named."""
    run = result.run
    there = [*run["models"], *run["baselines"]]
    names = chosen(there, run["models"] if models is None else models, "model")
    rows = [[Cell(about, name) for name in names] for about in protocols_of(result, protocols)]
    if (n := sum(map(len, rows))) > _MOST_PANELS:
        raise ValueError(f"{n} panels are more than a figure holds: choose among protocols and models.")
    return rows


def classes_of(result: Result, what: str) -> list[str]:
    """The classes of the task, in its order."""
    task = result.run["task"]
    if not task["classes"]:
        raise ValueError(f"{what} is of classes, and {task['name']} is a {task['kind']}: use plot_subjects.")
    return list(task["classes"])


def of_level(result: Result, protocol: str, level: Level) -> pd.DataFrame:
    """Predictions under one protocol, by trial or by window."""
    if level not in ("trial", "window"):
        raise ValueError(f"level must be trial or window, got {level!r}.")
    own = result.predictions[result.predictions["protocol"] == protocol]
    return own if level == "window" else by_trial(own, result.run["task"]["kind"])


def titled(result: Result, cell: Cell) -> str:
    """Name a panel, with the marks without which it must not be shown."""
    marks = marks_of(result.run, cell.protocol)
    return f"{cell.model}, {cell.protocol['name']}" + (f"\n({', '.join(marks)})" if marks else "")


def shape_of(rows: Sequence[Sequence[Cell]]) -> tuple[int, int]:
    """Rows and columns of panels: as they are, but of a single row no more than four stand side by side."""
    n_cells = sum(map(len, rows))
    n_columns = len(rows[0]) if len(rows) > 1 else min(n_cells, 4)
    return -(-n_cells // n_columns), n_columns
