"""Plots of prototypes: what they were made of, how alike they are, and how they lie to one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physioaffect._drawing import new_figure, set_title
from physioaffect._style import COLOURS, in_style
from physioaffect.distill.grid import grid_centres
from physioaffect.distill.prototypes import Prototypes
from physioaffect.distill.stability import SplitHalfStability
from physioaffect.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_prototype_map", "plot_prototype_similarity", "plot_prototype_stability", "plot_prototypes"]

Floats = NDArray[np.float64]

_BLACK = "#000000"
_MOST_NUMBERS = 12  # Cells along an axis, beyond which no number can be read in a cell.


@in_style
def plot_prototypes(prototypes: Prototypes, *, title: str = "") -> Figure:
    """Draw how many windows and people each prototype is made of.

    Parameters
    ----------
    prototypes : Prototypes
        What to draw.
    title : str
        Above all.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Valence to the right, arousal upwards. Numbers of windows, of people if they are known, and the
        confidence. Cells without windows are white and hatched, and an arrow points to where they are filled
        from.

    Examples
    --------
    >>> from physioaffect.distill.prototypes import valence_arousal_prototypes
    >>> grid = valence_arousal_prototypes([[1, 0], [0, 1]], [-0.5, 0.5], [0.5, 0.5], k=2)
    >>> print(plot_prototypes(grid).axes[0].get_title(loc="left"))
    2 windows; 2 of 4 cells empty (hatched)
    in a cell: windows, confidence
    """
    from matplotlib.patches import Rectangle  # noqa: PLC0415

    k = prototypes.k
    side = max(3.6, min(8.0, 0.72 * k + 0.6))
    figure = new_figure(side + 0.9, side + (0.4 if title else 0.1))
    ax = figure.subplots()
    counts = prototypes.counts.reshape(k, k).astype(float)
    is_empty = prototypes.is_empty.reshape(k, k)
    top = max(1.0, float(counts.max()))
    image = ax.imshow(
        np.ma.masked_array(counts.T, is_empty.T),
        origin="lower",
        extent=(-1, 1, -1, 1),
        cmap="viridis",
        vmin=0,
        vmax=top,
    )
    figure.colorbar(image, ax=ax, label="windows", shrink=0.8)
    centres = prototypes.centres
    for cell, (valence, arousal) in enumerate(centres):
        if prototypes.is_empty[cell]:
            ax.add_patch(
                Rectangle(
                    (valence - 1 / k, arousal - 1 / k),
                    2 / k,
                    2 / k,
                    facecolor="white",
                    edgecolor="0.6",
                    hatch="////",
                    linewidth=0,
                )
            )
            _draw_arrow(ax, centres[cell], centres[prototypes.filled_from[cell]], 2 / k)
        elif k <= _MOST_NUMBERS:
            ax.text(
                valence,
                arousal,
                _words(prototypes, cell),
                ha="center",
                va="center",
                fontsize=8 if k <= 5 else 6,
                linespacing=1.15,
                color="white" if counts.flat[cell] < 0.6 * top else "black",
            )
    _draw_grid(ax, k)
    told = f"{int(prototypes.counts.sum()):,} windows; {prototypes.n_empty} of {k * k} cells empty"
    told += " (hatched)" if prototypes.n_empty else ""
    if k <= _MOST_NUMBERS:
        people = "" if prototypes.n_people is None else "people (p.), "
        told += f"\nin a cell: windows, {people}confidence"
    ax.set_title(told, fontsize=9, loc="left")
    ax.set(xlabel="valence", ylabel="arousal")
    if title:
        set_title(figure, title)
    return figure


def _words(prototypes: Prototypes, cell: int) -> str:
    lines = [f"{prototypes.counts[cell]:,}"]
    if prototypes.n_people is not None:
        lines.append(f"{prototypes.n_people[cell]} p.")
    return "\n".join([*lines, f"{prototypes.confidence[cell]:.2f}"])


def _draw_arrow(ax: Axes, start: Floats, end: Floats, width: float) -> None:
    step = (end - start) / np.linalg.norm(end - start)
    ax.annotate(
        "",
        xy=tuple(start + 0.36 * width * step),
        xytext=tuple(start - 0.3 * width * step),
        arrowprops={"arrowstyle": "-|>", "color": _BLACK, "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0},
    )


def _draw_grid(ax: Axes, k: int) -> None:
    edges = np.linspace(-1, 1, k + 1)
    for edge in edges:
        ax.axvline(edge, color="0.35", linewidth=0.5)
        ax.axhline(edge, color="0.35", linewidth=0.5)
    ticks = np.unique(grid_centres(k)[:, 0])
    if k <= _MOST_NUMBERS:
        ax.set(xticks=ticks, yticks=ticks)
        labels = [f"{tick + 0.0:.2g}" for tick in ticks]
        ax.set_xticklabels(labels, fontsize=8)
        ax.set_yticklabels(labels, fontsize=8)


@in_style
def plot_prototype_similarity(prototypes: Prototypes, *, title: str = "") -> Figure:
    """Draw the cosines between prototypes.

    Parameters
    ----------
    prototypes : Prototypes
        What to draw.
    title : str
        Above all.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Cells in the order of their numbers: blocks of one valence, in which arousal rises. Colours go from
        the smallest to the largest cosine between different cells, so that what prototypes of EEG all share
        does not hide how they differ. Empty cells, which are copies, are left out.
    """
    figure = new_figure(5.6, 4.9 if title else 4.6)
    ax = figure.subplots()
    filled = np.flatnonzero(~prototypes.is_empty)
    n = len(filled)
    cosines = prototypes.similarity[np.ix_(filled, filled)]
    others = cosines[~np.eye(n, dtype=bool)]
    low, high = (float(others.min()), float(others.max())) if others.size else (0.0, 1.0)
    shown = ax.imshow(
        cosines, origin="lower", cmap="viridis", vmin=low, vmax=max(high, low + 1e-6), interpolation="nearest"
    )
    figure.colorbar(shown, ax=ax, label="cosine", shrink=0.85, extend="max")
    valence, first, n_of_block = np.unique(
        prototypes.centres[filled, 0], return_index=True, return_counts=True
    )
    for edge in first[1:] - 0.5:
        ax.axvline(edge, color="white", linewidth=1.2)
        ax.axhline(edge, color="white", linewidth=1.2)
    middles = first + (n_of_block - 1) / 2
    labels = [f"{one + 0.0:.2g}" for one in valence]
    ax.set_xticks(middles, labels, fontsize=8)
    ax.set_yticks(middles, labels, fontsize=8)
    ax.tick_params(length=0)
    name = "valence (arousal rises within a block)"
    ax.set(xlabel=name, ylabel=name)
    ax.set_title(f"{n} of {prototypes.k**2} cells, without copies", fontsize=9, loc="left")
    if title:
        set_title(figure, title)
    return figure


@in_style
def plot_prototype_map(prototypes: Prototypes, *, title: str = "") -> Figure:
    """Draw prototypes in the plane in which they differ most.

    Parameters
    ----------
    prototypes : Prototypes
        At least three filled cells, not all alike.
    title : str
        Above all.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The first two principal components of the filled cells' prototypes, twice: with the valence of the
        cells in colour, and with their arousal. Below 0 marks point down, above 0 up, so that print without
        colour says as much. Lines join cells that are neighbours in the grid: where the mesh is not folded,
        near cells have near prototypes. The area of a mark grows with the cell's confidence.

    Raises
    ------
    DataError
        If fewer than three cells are filled or all prototypes are equal.

    Examples
    --------
    >>> from physioaffect.distill import valence_arousal_prototypes
    >>> rng = np.random.default_rng(0)
    >>> valence, arousal = rng.uniform(-1, 1, size=(2, 200))
    >>> made = valence_arousal_prototypes(np.stack([valence, arousal], axis=1), valence, arousal, k=3)
    >>> figure = plot_prototype_map(made, title="Prototypes")
    >>> [axes.get_ylabel() for axes in figure.axes[2:]]
    ['valence of the cell', 'arousal of the cell']
    """
    filled = np.flatnonzero(~prototypes.is_empty)
    if len(filled) < 3:
        raise DataError(f"A map needs at least 3 filled cells, got {len(filled)}. Take more windows.")
    at, explained = _principal(prototypes.vectors[filled].astype(np.float64))
    centres, k = prototypes.centres[filled], prototypes.k
    sizes = 25 + 95 * prototypes.confidence[filled]
    figure = new_figure(7.5, 3.9 if title else 3.6)
    axes = figure.subplots(1, 2)
    edges = [
        (i, j)
        for i in range(len(filled))
        for j in range(i)
        if np.abs(centres[i] - centres[j]).sum() < 2 / k + 1e-9
    ]
    # Equal steps on both axes, or a distance in the map would mean nothing.
    reach = 0.57 * float(np.ptp(at, axis=0).max())
    limits = [(middle - reach, middle + reach) for middle in (at.min(axis=0) + at.max(axis=0)) / 2]
    for ax, name, values in zip(axes, ("valence", "arousal"), centres.T, strict=True):
        for i, j in edges:
            ax.plot(*at[[i, j]].T, color="0.75", linewidth=0.8, zorder=1)
        for mark, chosen in (
            ("v", values < -1e-9),
            ("o", np.abs(values) <= 1e-9),
            ("^", values > 1e-9),
        ):
            if chosen.any():
                drawn = ax.scatter(
                    *at[chosen].T,
                    c=values[chosen],
                    s=sizes[chosen],
                    marker=mark,
                    cmap="PuOr_r",
                    vmin=-1,
                    vmax=1,
                    edgecolors=_BLACK,
                    linewidths=0.7,
                    zorder=2,
                )
        figure.colorbar(drawn, ax=ax, label=f"{name} of the cell", shrink=0.8, ticks=[-1, -0.5, 0, 0.5, 1])
        ax.set(xlim=limits[0], ylim=limits[1], aspect="equal")
        ax.set_title(f"{name}: ▽ below 0, ○ 0, △ above 0", fontsize=8, loc="left")
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_xlabel(f"component 1 ({explained[0]:.0%})")
        ax.set_ylabel(f"component 2 ({explained[1]:.0%})")
    if title:
        set_title(figure, title)
    return figure


def _principal(vectors: Floats) -> tuple[Floats, Floats]:
    centred = vectors - vectors.mean(axis=0)
    left, sizes, right = np.linalg.svd(centred, full_matrices=False)
    power = sizes**2
    if power.sum() < 1e-12:
        raise DataError("All prototypes are equal, so that there is no plane in which they differ.")
    if len(sizes) < 2:
        left, sizes, power = np.pad(left, ((0, 0), (0, 1))), np.pad(sizes, (0, 1)), np.pad(power, (0, 1))
        right = np.pad(right, ((0, 1), (0, 0)))
    # The sign of a component is free; the larger side of its weights points up on every machine.
    signs = np.sign(right[:2][np.arange(2), np.abs(right[:2]).argmax(axis=1)])
    return left[:, :2] * sizes[:2] * np.where(signs == 0, 1, signs), power[:2] / power.sum()


@in_style
def plot_prototype_stability(found: SplitHalfStability, *, title: str = "") -> Figure:
    """Draw how alike two halves of the people make each prototype, beside what chance gives.

    Parameters
    ----------
    found : SplitHalfStability
        What to draw.
    title : str
        Above all.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Left each cell's similarity between halves with the range over splits, and with shuffled ratings
        (crosses). Right the distinctness and the geometry of the whole, beside shuffled ratings.

    Examples
    --------
    >>> from physioaffect.distill import split_half_stability
    >>> rng = np.random.default_rng(0)
    >>> valence = np.tile(np.repeat([-1.0, 0.0, 1.0], 4), 8)
    >>> X = np.stack([valence, 1 - abs(valence)], axis=1) + 0.3 * rng.standard_normal((96, 2))
    >>> people, trials = np.repeat(np.arange(8), 12), np.tile(np.arange(12), 8)
    >>> found = split_half_stability(
    ...     X, valence, 0 * valence, k=3, n_splits=20, n_null=19, people=people, trials=trials
    ... )
    >>> figure = plot_prototype_stability(found)
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['cosine between halves', 'shuffles', 'shuffles']
    """
    figure = new_figure(7.5, 4.2 if title else 3.9)
    left, *right = figure.subplot_mosaic(
        [["cells", "distinct"], ["cells", "geometry"]], width_ratios=(2, 1)
    ).values()
    seen = np.flatnonzero(np.isfinite(found.similarity))
    at = np.arange(len(seen))
    # No error bars of the mean: where splits are skewed, it can lie outside the range of most of them.
    left.vlines(at, found.low[seen], found.high[seen], color=COLOURS[0], linewidth=1)
    left.plot(
        at,
        found.similarity[seen],
        "o",
        markersize=4,
        color=COLOURS[0],
        label=f"true ratings, with {found.level:.0%} of splits",
    )
    left.plot(at, found.chance[seen], "x", color=_BLACK, markersize=5, label="shuffled ratings")
    centres = grid_centres(found.k)[seen] + 0.0
    left.set_xticks(at, [f"{v:.2g}, {a:.2g}" for v, a in centres], rotation=90, fontsize=6)
    left.set(xlabel="cell (valence, arousal)", ylabel="cosine between halves")
    left.legend(fontsize=7, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    for ax, name, value, null, p in (
        (right[0], "distinctness", found.distinctness, found.distinctness_null, found.distinctness_p),
        (right[1], "geometry", found.geometry, found.geometry_null, found.geometry_p),
    ):
        ax.hist(null[np.isfinite(null)], bins=15, color="0.75", label="shuffled")
        ax.axvline(value, color=COLOURS[4], linewidth=2.5, label=f"true, p = {p:.2g}")
        ax.set(xlabel=name, ylabel="shuffles")
        ax.legend(fontsize=7, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    for ax in (left, *right):
        ax.spines[["top", "right"]].set_visible(False)
    if title:
        set_title(figure, title)
    return figure
