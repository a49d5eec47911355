"""Whether stated probabilities come true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from physioaffect._drawing import new_figure, set_title
from physioaffect._style import COLOURS, PAGE, in_style
from physioaffect.errors import DataError
from physioaffect.evaluation.report.tallies import Calibration, calibrations
from physioaffect.evaluation.report.words import title_of_run
from physioaffect.evaluation.results import Result
from physioaffect.plots._chosen import Level, cells_of, classes_of, of_level, shape_of, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_reliability"]

_TICKS = (0, 0.25, 0.5, 0.75, 1)


@in_style
def plot_reliability(
    result: Result,
    *,
    protocols: Sequence[str] | str | None = None,
    models: Sequence[str] | str | None = None,
    level: Level = "trial",
    title: str | None = None,
) -> Figure:
    """Draw the share of right answers against the probability that was stated, and how often it was stated.

    Parameters
    ----------
    result : Result
        Of `physioaffect.evaluation.evaluate` or ``Result.load``, with a task of classes.
    protocols, models : str or sequence of str, optional
        Which to draw, each pair in a panel. Default: all protocols, and all models that are no baselines.
    level : {"trial", "window"}
        Whether the windows of a trial are averaged first.
    title : str, optional
        What to write above. Default: data set and task.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Of the likeliest class, in ten bins of equal width, all people together; on the dashed diagonal what
        is said comes true. Upright lines are 95 % intervals over people, by bin; below, how many cases a bin
        has. ECE is the expected calibration error over these bins, and beside it what it would be by chance
        if all probabilities were true.

    Raises
    ------
    DataError
        If no chosen model states probabilities.
    ValueError
        If the task is a regression, or the result has no such protocol or model.

    Notes
    -----
    The numbers are those of the report: `physioaffect.evaluation.statistics.reliability` and
    `physioaffect.evaluation.statistics.expected_calibration_error`.
    """
    classes = classes_of(result, "Reliability")
    rows = cells_of(result, protocols, models)
    found = {
        (str(cells[0].protocol["name"]), one.model): one
        for cells in rows
        for one in calibrations(
            of_level(result, str(cells[0].protocol["name"]), level), [cell.model for cell in cells], classes
        )
    }
    if not found:
        raise DataError("None of the chosen models states probabilities. Choose others.")
    n_rows, n_columns = shape_of(rows)
    side = min(2.4, PAGE / n_columns)
    figure = new_figure(max(side * n_columns, 3.6), 1.5 * side * n_rows + 0.4)
    axes = figure.subplots(2 * n_rows, n_columns, squeeze=False, height_ratios=[3, 1] * n_rows)
    pairs = [pair for row in range(n_rows) for pair in zip(axes[2 * row], axes[2 * row + 1], strict=True)]
    for ax in axes.flat:
        ax.axis("off")
    for (ax, below), cell in zip(pairs, (cell for own in rows for cell in own), strict=False):
        one = found.get((str(cell.protocol["name"]), cell.model))
        words = "states no probabilities"
        if one is not None:
            words = f"ECE {one.error:.2f} ({one.unavoidable:.2f} if all were true)"
            _draw(ax, one)
            _draw_counts(below, one, level)
        ax.set_title(f"{titled(result, cell)}\n{words}")
    set_title(figure, f"{title_of_run(result.run)}, by {level}" if title is None else title)
    return figure


def _draw(ax: Axes, one: Calibration) -> None:
    bins = one.bins
    stated, low, high = (bins[name].to_numpy(dtype=float) for name in ("stated", "low", "high"))
    ax.axis("on")
    ax.plot([0, 1], [0, 1], "--", color="0.6", linewidth=0.8)
    has = np.isfinite(low)
    ax.vlines(stated[has], low[has], high[has], color=COLOURS[0], linewidth=0.9)
    ax.plot(stated, bins["observed"], "o-", color=COLOURS[0], markersize=3.5, linewidth=0.9)
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.03), xticks=_TICKS, yticks=_TICKS, ylabel="share right")
    ax.tick_params(labelbottom=False)
    ax.spines[["top", "right"]].set_visible(False)


def _draw_counts(ax: Axes, one: Calibration, level: Level) -> None:
    lower, upper, n = (one.bins[name].to_numpy(dtype=float) for name in ("lower", "upper", "n"))
    ax.axis("on")
    ax.bar((lower + upper) / 2, n, width=0.9 * (upper - lower), color="0.75")
    for x, count in zip((lower + upper) / 2, n, strict=True):
        ax.text(x, count, f"{count:.0f}", ha="center", va="bottom", fontsize=6)
    ax.set(xlim=(-0.02, 1.02), ylim=(0, 1.35 * n.max()), xticks=_TICKS, yticks=[])
    ax.set(xlabel="stated probability", ylabel=f"{level}s")
    ax.spines[["top", "right", "left"]].set_visible(False)
