"""Pictures of what a fitted network looks at: importance and attention on a head, spectra of its filters.

Each function returns a matplotlib Figure, to be kept with ``figure.savefig("importance.png")``. For a learned
graph there is `plot_adjacency`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect._drawing import (
    Colours,
    colours,
    draw_head,
    draw_matrix,
    image,
    new_figure,
    set_title,
)
from physioaffect._style import PAGE, in_style
from physioaffect.errors import DataError
from physioaffect.features.topomap import azimuthal_projection, interpolation_matrix
from physioaffect.montage import electrode_positions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

__all__ = ["plot_attention", "plot_filters", "plot_importance"]

Floats = NDArray[np.floating[Any]]

_MAP_SIZE = 128
_N_COLUMNS = 6

# Where the usual bands meet, in Hz.
_EDGES = (4, 8, 13, 30)


@in_style
def plot_importance(importance: xr.DataArray, *, title: str = "") -> Figure:
    """Draw the importance of electrodes as a map of the head, one for each band.

    Parameters
    ----------
    importance : DataArray, dimensions ("channel",) or ("channel", "band")
        Of `electrode_importance`, with electrodes of the 10-05 system.
    title : str
        What to write above.

    Returns
    -------
    figure : matplotlib.figure.Figure
        In per cent, on one scale that is symmetric around zero; above each map the sum over its electrodes.
        Maps are interpolated as those of `physioaffect.features.TopographicMap`.

    Raises
    ------
    DataError
        If the array has other dimensions, or an electrode is unknown.

    Examples
    --------
    >>> importance = xr.DataArray(
    ...     [[0.1, 0.5], [0.0, 0.3], [0.1, 0.0]],
    ...     dims=("channel", "band"),
    ...     coords={"channel": ["F3", "F4", "Oz"], "band": ["theta", "alpha"]},
    ... )
    >>> [ax.get_title() for ax in plot_importance(importance).axes[:2]]
    ['theta: 20 %', 'alpha: 80 %']
    """
    _check(importance, "An importance", ("channel",), ("channel", "band"))
    names = [str(name) for name in importance["channel"].values]
    shares = 100 * importance.values.reshape(len(names), -1).T
    bands = importance["band"].values.tolist() if "band" in importance.coords else [""] * len(shares)
    chosen = colours(list(shares), centre=0.0)
    n_rows, n_columns = -(-len(shares) // _N_COLUMNS), min(len(shares), _N_COLUMNS)
    side = min(1.75, (PAGE - 1.0) / n_columns)
    figure = new_figure(max(side * n_columns + 1.0, 4.0), (side + 0.35) * n_rows + 0.35 * bool(title))
    axes = figure.subplots(n_rows, n_columns, squeeze=False)
    drawn = None
    for ax, own, band in zip(axes.flat, shares, bands, strict=False):
        drawn = _draw_map(ax, own, names, chosen)
        # Adding zero, lest rounding make "-0".
        ax.set_title(f"{band}: {round(own.sum()) + 0} %" if band else "")
    for ax in axes.flat[len(shares) :]:
        ax.axis("off")
    if drawn is not None:
        figure.colorbar(drawn, ax=axes, shrink=0.8).set_label("importance [%]")
    if title:
        set_title(figure, title)
    return figure


@in_style
def plot_attention(attention: xr.DataArray, *, title: str = "") -> Figure:
    """Draw which electrode looks at which, and how much each is looked at by all.

    Parameters
    ----------
    attention : DataArray, dimensions ("channel", "looked_at")
        Of `attention_maps`, averaged over windows, blocks and heads or with one chosen.
    title : str
        What to write above.

    Returns
    -------
    figure : matplotlib.figure.Figure
        In multiples of even attention, 1 / n_channels, on scales that are symmetric around 1 and end at 2,
        twice as much.

    Raises
    ------
    DataError
        If the array has other dimensions, or an electrode is unknown.

    Examples
    --------
    >>> names = ["F3", "F4", "Oz"]
    >>> even = xr.DataArray(
    ...     np.full((3, 3), 1 / 3),
    ...     dims=("channel", "looked_at"),
    ...     coords={"channel": names, "looked_at": names},
    ... )
    >>> [ax.get_title() for ax in plot_attention(even).axes[:2]]
    ['who looks at whom', 'looked at by all']
    """
    _check(attention, "A map of attention", ("channel", "looked_at"))
    names = [str(name) for name in attention["channel"].values]
    multiples = attention.values * len(names)
    figure = new_figure(PAGE, 3.4)
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    received = multiples.mean(axis=0)
    matrix = draw_matrix(left, multiples, names, _around_one(multiples))
    left.set(xlabel="is looked at", ylabel="looks", title="who looks at whom")
    right.set_title("looked at by all")
    head = _draw_map(right, received, names, _around_one(received))
    for drawn, ax, values in ((matrix, left, multiples), (head, right, received)):
        bar = figure.colorbar(drawn, ax=ax, shrink=0.85, extend="max" if values.max() > 2 else "neither")
        bar.set_label("multiple of even attention")
    if title:
        set_title(figure, title)
    return figure


@in_style
def plot_filters(gain: xr.DataArray, *, fmax: float | None = None, title: str = "") -> Figure:
    """Draw which frequencies pass each temporal filter, and their mean.

    Parameters
    ----------
    gain : DataArray, dimensions ("filter", "frequency") or ("channel", "frequency")
        Of `temporal_filters`.
    fmax : float, optional
        Highest frequency to draw in Hz. Default: all.
    title : str
        What to write above.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Each row is a filter in units of its own largest gain, filters from the lowest peak to the highest,
        electrodes in their order. Above, the mean of the rows. Dotted lines at 4, 8, 13 and 30 Hz.

    Raises
    ------
    DataError
        If the array has other dimensions, or no frequency is left.

    Examples
    --------
    >>> gain = xr.DataArray(
    ...     [[0.0, 1.0, 0.5], [4.0, 2.0, 0.0]],
    ...     dims=("filter", "frequency"),
    ...     coords={"filter": [1, 2], "frequency": [0.0, 10.0, 20.0]},
    ... )
    >>> plot_filters(gain).axes[1].images[0].get_array().tolist()
    [[1.0, 0.5, 0.0], [0.0, 1.0, 0.5]]
    """
    _check(gain, "A spectrum of filters", ("filter", "frequency"), ("channel", "frequency"))
    if fmax is not None:
        gain = gain.sel(frequency=slice(None, fmax))
    frequency = gain["frequency"].values
    if len(frequency) < 2:
        raise DataError(f"No two frequencies lie below {fmax} Hz. Choose a higher fmax.")
    rows = gain.values / np.maximum(gain.values.max(axis=1, keepdims=True), np.finfo(float).tiny)
    if gain.dims[0] == "filter":
        rows = rows[np.argsort(rows.argmax(axis=1), kind="stable")]
    figure = new_figure(6.4, 4.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2.4))
    upper.plot(frequency, rows.mean(axis=0), color="0.2", linewidth=1.5)
    upper.set(ylabel="mean", ylim=(0, None))
    half = (frequency[1] - frequency[0]) / 2
    extent = (frequency[0] - half, frequency[-1] + half, len(rows) - 0.5, -0.5)
    drawn = image(lower, rows, Colours("viridis", 0.0, 1.0), extent=extent, aspect="auto")
    lower.set(xlabel="frequency [Hz]", xlim=(0, frequency[-1]))
    if gain.dims[0] == "channel" and "channel" in gain.coords:
        lower.set_yticks(range(len(rows)), gain["channel"].values.tolist(), fontsize=7)
    else:
        lower.set(ylabel=f"{len(rows)} {gain.dims[0]}s", yticks=[])
    for edge in _EDGES:
        upper.axvline(edge, color="0.6", linestyle=":", linewidth=0.8)
        lower.axvline(edge, color="white", linestyle=":", linewidth=0.8)
    figure.colorbar(drawn, ax=[upper, lower], shrink=0.7).set_label("gain / its maximum")
    if title:
        set_title(figure, title)
    return figure


def _check(values: xr.DataArray, what: str, *expected: Sequence[str]) -> None:
    if tuple(values.dims) not in [tuple(dims) for dims in expected]:
        known = " or ".join(f"({', '.join(dims)})" for dims in expected)
        raise DataError(
            f"{what} to draw has the dimensions {known}, got ({', '.join(map(str, values.dims))}). Choose or "
            "average along the others."
        )
    if expected[0][0] == "channel" and "channel" not in values.coords:
        raise DataError(f"{what} can be drawn on a head if its electrodes have names. Give it some.")


def _around_one(values: Floats) -> Colours:
    """Colours symmetric around 1 that do not go below 0, where there is no attention."""
    cmap, low, high = colours([values], centre=1.0)
    return Colours(cmap, max(low, 0.0), min(high, 2.0))


def _draw_map(ax: Axes, values: Floats, names: Sequence[str], chosen: Colours) -> AxesImage:
    places = azimuthal_projection(electrode_positions(names))
    drawn = draw_head(ax, interpolation_matrix(places, size=_MAP_SIZE) @ values, places, chosen)
    assert drawn is not None
    return drawn
