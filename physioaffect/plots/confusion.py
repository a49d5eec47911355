"""What was taken for what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physioaffect._drawing import new_figure, set_title
from physioaffect._style import NOTHING, PAGE, in_style
from physioaffect.evaluation.report.tallies import confusion_counts, row_shares
from physioaffect.evaluation.report.words import title_of_run
from physioaffect.evaluation.results import Result
from physioaffect.plots._chosen import Level, cells_of, classes_of, of_level, shape_of, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

__all__ = ["plot_confusion"]

_MOST_NUMBERS = 8  # Classes, beyond which no number can be read in a cell.


@in_style
def plot_confusion(
    result: Result,
    *,
    protocols: Sequence[str] | str | None = None,
    models: Sequence[str] | str | None = None,
    level: Level = "trial",
    title: str | None = None,
) -> Figure:
    """Draw how often each class was taken for each.

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
        Rows are true, columns predicted classes, of all people together. Colours tell the share of the row;
        numbers are counts, below them the share, of eight classes or fewer. A row without a case is grey.

    Raises
    ------
    ValueError
        If the task is a regression, or the result has no such protocol or model.

    Notes
    -----
    These are the tables of the report. A score is a mean over people, and is not computed from them.
    """
    classes = classes_of(result, "A confusion")
    rows = cells_of(result, protocols, models)
    n = len(classes)
    n_rows, n_columns = shape_of(rows)
    side = min(2.1 if n < 5 else 3.4, (PAGE - 0.8) / n_columns)
    figure = new_figure(max(side * n_columns + 0.8, 3.2), (side + 0.35) * n_rows + 0.35)
    figure.set_layout_engine("compressed")
    axes = figure.subplots(n_rows, n_columns, squeeze=False)
    free = iter(axes.flat)
    for cells in rows:
        predictions = of_level(result, str(cells[0].protocol["name"]), level)
        counts = confusion_counts(predictions, [cell.model for cell in cells], classes)
        for cell, own, shares in zip(cells, counts, row_shares(counts), strict=True):
            ax = next(free)
            drawn = _draw(ax, own, shares, classes)
            ax.set_title(titled(result, cell))
    for ax in free:
        ax.axis("off")
    figure.colorbar(drawn, ax=axes, shrink=0.8, label="share of the true class", aspect=30)
    set_title(figure, f"{title_of_run(result.run)}, by {level}" if title is None else title)
    return figure


def _draw(
    ax: Axes, counts: NDArray[np.int64], shares: NDArray[np.float64], classes: Sequence[str]
) -> AxesImage:
    n = len(classes)
    ax.set_facecolor(NOTHING)
    has_none = np.broadcast_to(counts.sum(axis=1, keepdims=True) == 0, shares.shape)
    drawn = ax.imshow(np.ma.masked_where(has_none, shares), cmap="Blues", vmin=0, vmax=1)
    if n <= _MOST_NUMBERS:
        for (true, predicted), count in np.ndenumerate(counts):
            share = shares[true, predicted]
            ax.text(
                predicted,
                true,
                "0" if count == 0 else f"{count}\n{100 * share:.0f} %",
                ha="center",
                va="center",
                fontsize=8 if n < 5 else 6,
                color="white" if share > 0.55 else "black",
            )
    is_crowded = n * max(map(len, classes)) > 20
    ax.set_xticks(range(n), classes, rotation=90 if is_crowded else 0)
    ax.set_yticks(range(n), classes, rotation=0 if is_crowded else 90, va="center")
    ax.tick_params(length=0)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    return drawn
