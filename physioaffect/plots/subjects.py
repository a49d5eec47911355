"""A dot for each person and model, and a line between the dots of one person."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from physioaffect._drawing import new_figure, set_title
from physioaffect._style import COLOURS, PAGE, in_style
from physioaffect.errors import DataError
from physioaffect.evaluation.report.people_view import kept_apart
from physioaffect.evaluation.report.scores_view import chances, intervals, people_table
from physioaffect.evaluation.report.words import listed, marks_of, title_of, title_of_run
from physioaffect.evaluation.results import Result
from physioaffect.evaluation.sweeps.compare import Comparisons
from physioaffect.plots._chosen import Level, chosen, protocols_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_subjects"]

# Of these the guess is drawn where no labels were permuted.
_GUESSES = {"prior": "class prior", "mean": "mean of training"}
_MOST_COLUMNS = 24
_MEAN_AT = 0.27


class _Column(NamedTuple):
    """A model under a protocol: scores by person, their mean and interval, what chance reaches."""

    panel: str
    name: str
    people: pd.Series
    mean: float
    low: float
    high: float
    chance: tuple[float, float, float] | None
    guess: tuple[str, float] | None
    notes: tuple[str, ...]


@in_style
def plot_subjects(
    found: Result | Comparisons,
    *,
    protocols: Sequence[str] | str | None = None,
    models: Sequence[str] | str | None = None,
    metric: str | None = None,
    level: Level | None = None,
    title: str | None = None,
) -> Figure:
    """Draw the score of each person under each model, or under each protocol.

    Parameters
    ----------
    found : Result or Comparisons
        A finished run, or what `physioaffect.evaluation.sweeps.compare` found in several.
    protocols, models : str or sequence of str, optional
        Which to draw. Default: all protocols, and all models that are no baselines. Of one model under
        several protocols, these stand side by side; otherwise each protocol has a panel.
    metric : str, optional
        Default: the task's primary one. Comparisons are of one already.
    level : {"trial", "window"}, optional
        Default: by trial. Comparisons are of one already.
    title : str, optional
        What to write above. Default: data set and task.

    Returns
    -------
    figure : matplotlib.figure.Figure
        A line joins the dots of one person. Beside the dots their mean and its 95 % interval, which is that
        of ``found``, corrected where folds share training people; below, both in numbers, and what the score
        does not show. The dashed line is chance: what permuted labels reach, with the middle 95 % of them as
        a band, where they were permuted, else what guesses by class frequency reach.

    Raises
    ------
    DataError
        If nobody has such a score.
    ValueError
        If there is no such protocol, model or metric, or the metric or level of comparisons is asked for.
    """
    if isinstance(found, Comparisons):
        if metric is not None or level is not None:
            raise ValueError("Comparisons are of one metric and level: give both to compare.")
        columns = _of_comparisons(found, protocols, models)
        words = f"{listed([title_of(one) for one in dict.fromkeys(found.table['metric'])])} by {found.level}"
        told = ", ".join(
            f"{name}: {task}"
            for name, task in dict.fromkeys(zip(found.table["dataset"], found.table["task"], strict=True))
        )
    else:
        metric = chosen(found.metrics, found.metrics[:1] if metric is None else metric, "metric")[0]
        level = level or "trial"
        columns = _of_result(found, protocols, models, metric, level)
        words, told = f"{title_of(metric)} by {level}", title_of_run(found.run)
    if not any(column.people.notna().any() for column in columns):
        raise DataError("Nobody has a score of these models under these protocols. Choose others.")
    if len(columns) > _MOST_COLUMNS:
        raise ValueError(
            f"{len(columns)} columns are more than a figure holds: choose among protocols and models."
        )
    panels: dict[str, list[_Column]] = {}
    for column in columns:
        panels.setdefault(column.panel, []).append(column)
    sizes = [len(own) for own in panels.values()]
    figure = new_figure(min(PAGE, max(3.4, 1.35 * sum(sizes) + 0.7)), 3.7)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False, width_ratios=sizes)[0]
    for ax, (panel, own) in zip(axes, panels.items(), strict=True):
        _draw(ax, own)
        ax.set_title(panel)
    axes[0].set_ylabel(words)
    _add_legend(figure, columns)
    set_title(figure, told if title is None else title)
    return figure


def _of_result(
    result: Result,
    protocols: Sequence[str] | str | None,
    models: Sequence[str] | str | None,
    metric: str,
    level: Level,
) -> list[_Column]:
    run = result.run
    if level not in ("trial", "window"):
        raise ValueError(f"level must be trial or window, got {level!r}.")
    there = [*run["models"], *run["baselines"]]
    names = chosen(there, run["models"] if models is None else models, "model")
    about = protocols_of(result, protocols)
    scores, chance, notes = intervals(result), chances(result.permutations), result.notes()
    is_by_protocol = len(names) == 1 and len(about) > 1
    columns = []
    for one in about:
        protocol = str(one["name"])
        table = people_table(result, protocol, level, metric)
        marks = tuple(marks_of(run, one))
        guess = next((name for name in _GUESSES if name in run["baselines"]), None)
        for model in names:
            score, permuted = (
                scores[protocol, model, level, metric],
                chance.get((protocol, model, level, metric)),
            )
            own = tuple(note for note in notes.get((protocol, model), []) if note not in marks)
            columns.append(
                _Column(
                    panel=model if is_by_protocol else _with_marks(protocol, marks),
                    name=_with_marks(protocol, marks) if is_by_protocol else model,
                    people=table[model],
                    mean=score.mean,
                    low=score.low,
                    high=score.high,
                    chance=permuted and (permuted.mean, permuted.low, permuted.high),
                    guess=(_GUESSES[guess], scores[protocol, guess, level, metric].mean) if guess else None,
                    notes=own,
                )
            )
    return columns


def _with_marks(name: str, marks: Sequence[str]) -> str:
    return name + (f"\n({', '.join(marks)})" if marks else "")


def _of_comparisons(
    found: Comparisons, protocols: Sequence[str] | str | None, models: Sequence[str] | str | None
) -> list[_Column]:
    table = found.table
    own_models = table["model"][~table["is_baseline"]]
    names = chosen(
        list(dict.fromkeys(table["model"])),
        list(dict.fromkeys(own_models)) if models is None else models,
        "model",
    )
    wanted = chosen(list(dict.fromkeys(table["protocol"])), protocols, "protocol")
    keys = ["dataset", "task", "protocol"]
    parts = {tuple(map(str, key)): part for key, part in table.groupby(keys, sort=False)}
    groups = {key: part for key, part in parts.items() if key[2] in wanted}
    is_by_protocol = len(names) == 1 and len(groups) > 1
    n_data = len(dict.fromkeys(key[:2] for key in groups))
    columns = []
    for key, part in groups.items():
        by_model = part.set_index("model")
        means = by_model["mean"]
        scores = found.scores[(found.scores[keys] == list(key)).all(axis=1)]
        guess = next((name for name in _GUESSES if name in by_model.index), None)
        where = key[2] if n_data == 1 else f"{key[0]}: {key[1]}\n{key[2]}"
        for model in names:
            if model not in by_model.index:
                continue
            flags = [flag for flag in str(by_model["flags"][model]).split("; ") if flag]
            columns.append(
                _Column(
                    panel=model if is_by_protocol else where,
                    name=where if is_by_protocol else model,
                    people=scores[scores["model"] == model].set_index("subject")["value"],
                    mean=float(means[model]),
                    low=float(by_model["low"][model]),
                    high=float(by_model["high"][model]),
                    chance=None,
                    guess=(_GUESSES[guess], float(means[guess])) if guess else None,
                    notes=tuple(flags),
                )
            )
    return columns


def _draw(ax: Axes, columns: Sequence[_Column]) -> None:
    places: dict[str, list[tuple[float, float]]] = {}
    for x, column in enumerate(columns):
        _draw_chance(ax, x, column)
        known = column.people.dropna()
        offsets = kept_apart(known, apart=0.035, reach=0.15)
        at = x - 0.1 + np.array(offsets)
        ax.plot(at, known, "o", color=COLOURS[0], markersize=3, alpha=0.75, markeredgewidth=0, zorder=3)
        for person, place, value in zip(known.index, at, known, strict=True):
            places.setdefault(str(person), []).append((float(place), float(value)))
        if math.isfinite(column.mean):
            error = (
                None if math.isnan(column.low) else [[column.mean - column.low], [column.high - column.mean]]
            )
            ax.errorbar(
                [x + _MEAN_AT],
                [column.mean],
                yerr=error,
                fmt="D",
                color="black",
                markersize=4,
                linewidth=1.2,
                capsize=2.5,
                zorder=4,
            )
    for points in places.values():
        ax.plot(*zip(*points, strict=True), color="0.75", linewidth=0.6, zorder=1)
    ax.set_xticks(range(len(columns)), [_below(column) for column in columns])
    ax.set_xlim(-0.5, len(columns) - 0.4)
    ax.tick_params(axis="x", length=0)
    ax.spines[["top", "right"]].set_visible(False)


def _draw_chance(ax: Axes, x: int, column: _Column) -> None:
    ends = (x - 0.42, x + 0.42)
    if column.chance is not None:
        mean, low, high = column.chance
        ax.fill_between(ends, low, high, color="0.88", linewidth=0, zorder=0)
    elif column.guess is not None:
        mean = column.guess[1]
    else:
        return
    ax.plot(ends, (mean, mean), "--", color=COLOURS[1], linewidth=1.0, zorder=2)


def _below(column: _Column) -> str:
    """Name, mean with its interval, and what limits it."""
    lines = [column.name]
    if math.isfinite(column.mean):
        lines.append(
            f"{column.mean:.2f}"
            + ("" if math.isnan(column.low) else f" [{column.low:.2f}, {column.high:.2f}]")
        )
    if n_lacking := int(column.people.isna().sum()):
        lines.append(f"{n_lacking} undefined")
    return "\n".join([*lines, *column.notes])


def _add_legend(figure: Figure, columns: Sequence[_Column]) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415
    from matplotlib.patches import Patch  # noqa: PLC0415

    n = max(int(column.people.notna().sum()) for column in columns)
    handles: list[Line2D | Patch] = [
        Line2D(
            [],
            [],
            marker="o",
            color="0.75",
            markerfacecolor=COLOURS[0],
            markeredgewidth=0,
            markersize=4,
            linewidth=0.6,
            label=f"a person of {n}",
        ),
        Line2D([], [], marker="D", color="black", markersize=4, label="mean, 95 % interval"),
    ]
    if any(column.chance is not None for column in columns):
        handles.append(Line2D([], [], linestyle="--", color=COLOURS[1], linewidth=1, label="permuted labels"))
        handles.append(Patch(color="0.88", label="95 % of them"))
    for words in dict.fromkeys(c.guess[0] for c in columns if c.guess is not None and c.chance is None):
        handles.append(Line2D([], [], linestyle="--", color=COLOURS[1], linewidth=1, label=f"guess: {words}"))
    n_columns = len(handles) if figure.get_figwidth() > 5 else 2
    figure.legend(handles=handles, loc="outside lower center", ncols=n_columns)
