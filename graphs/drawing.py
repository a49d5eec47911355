"""Pictures of electrode graphs: on a head, as a hierarchy of regions, as a matrix with its strongest edges.

Each function returns a matplotlib Figure, to be kept with ``figure.savefig("graph.png")``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull, QhullError

from physioaffect._drawing import (
    Colours,
    colours,
    draw_head,
    draw_matrix,
    new_figure,
    set_title,
)
from physioaffect._style import COLOURS, PAGE, in_style
from physioaffect.errors import DataError
from physioaffect.features.topomap import azimuthal_projection
from physioaffect.montage import electrode_positions

from .regions import Hierarchy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

__all__ = ["plot_adjacency", "plot_graph", "plot_hierarchy"]

Floats = NDArray[np.floating[Any]]

_EDGE = "#4C5B6B"

# Weights of one sign: a strong edge must be dark, as the paper is white.
_SEQUENTIAL = "viridis_r"

# Points by which a region reaches beyond its electrodes, twice.
_WIDE = 24

# With more electrodes than this, circles and names must be small.
_CROWD = 34


@in_style
def plot_graph(
    adjacency: ArrayLike, ch_names: Sequence[str], *, n_edges: int | None = None, title: str = ""
) -> Figure:
    """Draw a graph of electrodes on a head.

    Parameters
    ----------
    adjacency : array_like, shape (n_channels, n_channels)
        Weights; a zero is no edge. Loops are not drawn, and of a directed graph the mean of both directions.
    ch_names : sequence of str
        Electrodes of its rows, names of the 10-05 system.
    n_edges : int, optional
        How many edges to draw, the strongest; all by default.
    title : str
        What to write above.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Colour and width tell the weight, unless all edges weigh the same.

    Raises
    ------
    DataError
        If an electrode is unknown, or the matrix does not fit the names or has what is not a number.
    ValueError
        If ``n_edges`` is below 1.

    Examples
    --------
    >>> figure = plot_graph([[0, 1, 0], [1, 0, 1], [0, 1, 0]], ["Fz", "Cz", "Pz"])
    >>> len(figure.axes[0].collections[0].get_segments())
    2
    """
    weights, places = _checked(adjacency, ch_names, n_edges)
    chosen = _colours(weights)
    figure = new_figure(*((6.6, 6.2) if len(places) > _CROWD else (4.6, 4.4)))
    ax = figure.subplots()
    draw_head(ax, None, None, chosen)
    lines = _draw_edges(ax, weights, places, n_edges=n_edges, chosen=chosen)
    _draw_nodes(ax, places, ch_names)
    drawn = weights[weights != 0]
    if drawn.size and not np.allclose(drawn, drawn[0]):
        figure.colorbar(lines, ax=ax, shrink=0.6).set_label("weight")
    ax.set_title(title)
    return figure


@in_style
def plot_adjacency(
    adjacency: ArrayLike, ch_names: Sequence[str], *, n_edges: int = 30, title: str = "weight"
) -> Figure:
    """Draw an adjacency matrix, and its strongest edges on a head: what a network has learned to join.

    Parameters
    ----------
    adjacency : array_like, shape (n_channels, n_channels)
        Weights of any sign; a matrix that is not symmetric is one of a directed graph.
    ch_names : sequence of str
        Electrodes of its rows, names of the 10-05 system.
    n_edges : int
        How many edges to draw on the head, those of the largest magnitude.
    title : str
        What the weights are, for the colour bar.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The diagonal is left grey. On the head, a directed graph has the mean of both directions. Colours are
        symmetric around zero if a weight is negative.

    Raises
    ------
    DataError
        If an electrode is unknown, or the matrix does not fit the names or has what is not a number.
    ValueError
        If ``n_edges`` is below 1.

    Examples
    --------
    >>> figure = plot_adjacency([[1.0, 0.5], [0.5, 1.0]], ["F3", "F4"])
    >>> figure.axes[0].images[0].get_array().tolist()
    [[None, 0.5], [0.5, None]]
    """
    weights, places = _checked(adjacency, ch_names, n_edges)
    matrix = np.asarray(adjacency, dtype=np.float64).copy()
    np.fill_diagonal(matrix, 0)
    chosen = _colours(matrix)
    np.fill_diagonal(matrix, np.nan)
    figure = new_figure(PAGE, 3.7)
    left, right = figure.subplots(1, 2)
    drawn = draw_matrix(left, matrix, ch_names, chosen)
    is_directed = not np.allclose(matrix, matrix.T, equal_nan=True)
    left.set_title("all edges, directed" if is_directed else "all edges")
    draw_head(right, None, None, chosen)
    lines = _draw_edges(right, weights, places, n_edges=n_edges, chosen=chosen)
    _draw_nodes(right, places, ch_names)
    n_drawn = len(lines.get_segments())
    right.set_title(f"the {n_drawn} strongest" + (", mean of both ways" if is_directed else ""))
    figure.colorbar(drawn, ax=[left, right], shrink=0.8).set_label(title)
    return figure


@in_style
def plot_hierarchy(hierarchy: Hierarchy) -> Figure:
    """Draw the electrodes of each region with their edges, and beside it the graph of the regions.

    Parameters
    ----------
    hierarchy : Hierarchy
        Of electrodes of the 10-05 system.

    Returns
    -------
    figure : matplotlib.figure.Figure
        A region has one colour in both halves, and is drawn at the mean place of its electrodes.

    Raises
    ------
    DataError
        If an electrode is unknown.

    Examples
    --------
    >>> from physioaffect.graphs import HISTN_HIERARCHIES
    >>> figure = plot_hierarchy(HISTN_HIERARCHIES["V0"])
    >>> [ax.get_title() for ax in figure.axes]
    ['14 electrodes', '4 regions']
    """
    places = azimuthal_projection(electrode_positions(hierarchy.ch_names))
    sizes = [len(region.ch_names) for region in hierarchy.regions]
    of_region = np.split(places, np.cumsum(sizes)[:-1])
    shades = [COLOURS[index % len(COLOURS)] for index in range(len(sizes))]
    plain = Colours(_SEQUENTIAL, 0.0, 1.0)
    figure = new_figure(PAGE, 4.1)
    left, right = figure.subplots(1, 2)
    for ax in (left, right):
        draw_head(ax, None, None, plain)
        for own, shade in zip(of_region, shades, strict=True):
            _draw_patch(ax, own, shade, is_pale=ax is right)
    _draw_edges(left, hierarchy.adjacency, places, chosen=plain)
    _draw_nodes(left, places, hierarchy.ch_names, np.repeat(shades, sizes).tolist())
    left.set_title(f"{len(places)} electrodes")
    centres = np.array([own.mean(axis=0) for own in of_region])
    _draw_edges(right, hierarchy.region_adjacency, centres, chosen=plain)
    right.scatter(centres[:, 0], centres[:, 1], s=130, c=shades, edgecolors="white", zorder=4)
    halo = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.0}
    for region, (x, y) in zip(hierarchy.regions, centres, strict=True):
        words = region.name.replace(" ", "\n")
        right.text(x, y - 0.08, words, ha="center", va="top", fontsize=8, linespacing=1, zorder=5, bbox=halo)
    right.set_title(f"{len(sizes)} region{'s' * (len(sizes) != 1)}")
    set_title(figure, hierarchy.name)
    return figure


def _checked(adjacency: ArrayLike, ch_names: Sequence[str], n_edges: int | None) -> tuple[Floats, Floats]:
    """Weights without loops or direction, and places on the map."""
    places = azimuthal_projection(electrode_positions(ch_names))
    weights = np.asarray(adjacency, dtype=np.float64)
    if weights.shape != (len(places),) * 2:
        raise DataError(
            f"A graph of {len(places)} electrodes has an adjacency of shape ({len(places)}, {len(places)}), "
            f"got {weights.shape}. Pass the names of its rows, in their order."
        )
    if not np.isfinite(weights).all():
        raise DataError(
            "The adjacency has weights that are not finite numbers. An edge that is not there weighs 0."
        )
    if n_edges is not None and n_edges < 1:
        raise ValueError(f"A graph needs at least one edge, got n_edges={n_edges}.")
    undirected = (weights + weights.T) / 2
    np.fill_diagonal(undirected, 0)
    return undirected, places


def _colours(weights: Floats) -> Colours:
    """Colours of weights, from zero on if they have one sign."""
    if weights.min() < 0:
        return colours([weights], centre=0.0)
    return colours([weights, np.zeros(1)])._replace(cmap=_SEQUENTIAL)


def _draw_edges(
    ax: Axes, weights: Floats, places: Floats, *, chosen: Colours, n_edges: int | None = None
) -> LineCollection:
    from matplotlib.collections import LineCollection  # noqa: PLC0415  It takes a third of a second to import.

    rows, columns = np.nonzero(np.triu(weights, k=1))
    strength = weights[rows, columns]
    # The strongest are drawn last, above the others.
    shown = np.argsort(np.abs(strength), kind="stable")[-n_edges if n_edges else None :]
    strength = strength[shown]
    lines = LineCollection(
        list(np.stack([places[rows[shown]], places[columns[shown]]], axis=1)), capstyle="round", zorder=2
    )
    if strength.size and np.allclose(strength, strength[0]):
        lines.set(color=_EDGE, linewidth=0.9 if len(places) > _CROWD else 1.6)
    else:
        lines.set(cmap=chosen.cmap, array=strength, clim=(chosen.low, chosen.high))
        lines.set_linewidth((0.4 + 2.6 * np.abs(strength) / chosen.high).tolist())
    ax.add_collection(lines)
    return lines


def _draw_nodes(ax: Axes, places: Floats, ch_names: Sequence[str], shades: str | list[str] = "0.25") -> None:
    is_crowded = len(places) > _CROWD
    ax.scatter(
        places[:, 0],
        places[:, 1],
        s=120 if is_crowded else 300,
        facecolors="white",
        edgecolors=shades,
        zorder=3,
    )
    for name, (x, y) in zip(ch_names, places, strict=True):
        ax.text(x, y, name, ha="center", va="center_baseline", fontsize=5 if is_crowded else 7, zorder=4)


def _draw_patch(ax: Axes, places: Floats, shade: str, *, is_pale: bool) -> None:
    """Shade the area of a region: its convex hull, widened by half the width of a thick line."""
    from matplotlib.colors import to_rgb  # noqa: PLC0415

    pale = 1 - (0.14 if is_pale else 0.28) * (1 - np.array(to_rgb(shade)))
    try:
        outline = places[ConvexHull(places).vertices]
    except (QhullError, ValueError):  # Fewer than three electrodes, or all in a line.
        outline = places[np.lexsort(places.T)]
    ax.fill(*outline.T, facecolor=pale, edgecolor="none", zorder=0.5)
    closed = np.vstack([outline, outline[:1]])
    ax.plot(
        *closed.T, color=pale, linewidth=_WIDE, solid_joinstyle="round", solid_capstyle="round", zorder=0.5
    )
    ax.scatter(outline[:, 0], outline[:, 1], s=_WIDE**2, color=pale, linewidths=0, zorder=0.5)
