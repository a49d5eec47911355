"""Connectivity between channels: a matrix, and its strongest edges on a head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect._drawing import (
    averaged,
    ch_names_of,
    colours,
    draw_head,
    draw_matrix,
    label_of,
    new_figure,
    set_title,
    title_of,
)
from physioaffect._style import PAGE, in_style
from physioaffect.features.connectivity import as_matrices
from physioaffect.features.topomap import azimuthal_projection
from physioaffect.montage import electrode_positions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_connectivity"]

Floats = NDArray[np.floating[Any]]

_N_COLUMNS = 3


@in_style
def plot_connectivity(
    values: xr.DataArray, minus: xr.DataArray | None = None, *, n_edges: int = 50
) -> Figure:
    """Draw connectivity as a matrix and as a graph on the head, for each band.

    Parameters
    ----------
    values : xarray.DataArray, dimensions ("window", "edge", ...)
        Of `physioaffect.features.Connectivity`. Its windows are averaged.
    minus : xarray.DataArray, optional
        The same of another condition; its mean is subtracted.
    n_edges : int
        How many edges the graph has: the strongest, whatever their sign.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Bands share one scale; it is symmetric around zero for differences and measures with a sign.

    Raises
    ------
    DataError
        If an electrode is unknown, there is no number to draw, or the conditions do not match.
    ValueError
        If ``n_edges`` is below 1.

    Examples
    --------
    >>> values = xr.DataArray(
    ...     [[0.2, 0.9, 0.4]],
    ...     dims=("window", "edge"),
    ...     attrs={"ch_names": ["F3", "F4", "Pz"], "estimator": "plv"},
    ... )
    >>> plot_connectivity(values, n_edges=1).axes[0].images[0].get_clim()
    (0.2, 0.9)
    """
    if n_edges < 1:
        raise ValueError(f"A graph needs at least one edge, got n_edges={n_edges}.")
    panels = averaged(values, minus, dims=("edge",), what="A plot of connectivity")
    names = ch_names_of(values)
    estimator = str(values.attrs.get("estimator", "connectivity"))
    is_antisymmetric = estimator == "imaginary_coherence"
    has_sign = minus is not None or is_antisymmetric or any((panel.values < 0).any() for panel in panels)
    chosen = colours([panel.values.values for panel in panels], centre=0.0 if has_sign else None)
    places = azimuthal_projection(electrode_positions(names))
    n_columns = min(len(panels), _N_COLUMNS)
    n_rows = -(-len(panels) // n_columns)
    figure = new_figure(min(2.7 * n_columns + 0.9, PAGE), 4.9 * n_rows + 0.3)
    axes = figure.subplots(2 * n_rows, n_columns, squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    drawn = None
    for index, panel in enumerate(panels):
        row, column = divmod(index, n_columns)
        upper, lower = axes[2 * row : 2 * row + 2, column]
        upper.axis("on")
        edges = panel.values.values
        matrix = as_matrices(edges, len(names), diagonal=np.nan, antisymmetric=is_antisymmetric)
        drawn = draw_matrix(upper, matrix, names, chosen)
        upper.set_title(panel.title or estimator)
        draw_head(lower, None, places, chosen)
        _draw_edges(lower, edges, places, n_edges, (chosen.cmap, chosen.low, chosen.high))
    if drawn is not None:
        figure.colorbar(drawn, ax=axes, shrink=0.6).set_label(label_of(estimator, panels[0].unit, minus))
    set_title(figure, f"{title_of(values, minus)}; below, the {min(n_edges, len(edges))} strongest edges")
    return figure


def _draw_edges(
    ax: Axes, edges: Floats, places: Floats, n_edges: int, colouring: tuple[str, float, float]
) -> None:
    from matplotlib.collections import LineCollection  # noqa: PLC0415

    cmap, low, high = colouring
    rows, columns = np.triu_indices(len(places), k=1)
    strength = np.where(np.isfinite(edges), np.abs(edges), -1.0)
    # The strongest are drawn last, above the others.
    strongest = [index for index in np.argsort(strength)[-n_edges:] if strength[index] >= 0]
    ends = np.stack([places[rows[strongest]], places[columns[strongest]]], axis=1)
    lines = LineCollection(list(ends), cmap=cmap, linewidths=1.2)
    lines.set_array(edges[strongest])
    lines.set_clim(low, high)
    lines.set_clip_on(False)
    ax.add_collection(lines)
