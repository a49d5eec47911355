"""A plot of each family of EEG features: maps of the head, asymmetries, courses, connectivity, covariance.

Each function takes one family of a feature table, such as ``features["de"]``, draws what xarray's selection
left in it and returns a matplotlib Figure, to be kept with ``figure.savefig("de.png")``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect._course import plot_course
from physioaffect._drawing import (
    averaged,
    centre_of,
    check_is_family,
    colours,
    draw_head,
    draw_matrix,
    image,
    n_with_number,
    new_figure,
)
from physioaffect.errors import DataError
from physioaffect.features.connectivity import as_matrices
from physioaffect.features.topomap import azimuthal_projection, interpolation_matrix
from physioaffect.montage import electrode_positions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_asymmetry", "plot_bands", "plot_connectivity", "plot_course", "plot_covariance"]

Floats = NDArray[np.floating[Any]]

_MAP_SIZE = 128
_N_COLUMNS = 5


def plot_bands(values: xr.DataArray, minus: xr.DataArray | None = None) -> Figure:
    """Draw a map of the head for each band, or for each feature that a channel has.

    Parameters
    ----------
    values : xarray.DataArray, dimensions ("window", "channel", ...) or ("window", "y", "x", ...)
        A family with a value per channel (de, band_power, hjorth, line_length, ...), or topomap. Its windows
        are averaged.
    minus : xarray.DataArray, optional
        The same family of another condition; its mean is subtracted, channel by channel.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Volts are shown as microvolts. The maps of a difference share one scale that is symmetric around zero;
        otherwise each has its own.

    Raises
    ------
    DataError
        If an electrode is unknown, there is no number to draw, or the conditions do not match.

    Notes
    -----
    Maps are interpolated as those of `physioaffect.features.TopographicMap`, and grey where the electrodes do
    not settle a value. A channel without any number has no dot, and its place is interpolated.

    Examples
    --------
    >>> values = xr.DataArray(
    ...     np.random.default_rng(0).normal(size=(4, 5, 2)),
    ...     dims=("window", "channel", "band"),
    ...     coords={"channel": ["Fz", "C3", "Cz", "C4", "Pz"], "band": ["theta", "alpha"]},
    ...     name="de",
    ... )
    >>> figure = plot_bands(values[2:], minus=values[:2])
    >>> [ax.get_title() for ax in figure.axes if ax.get_title()]
    ['theta', 'alpha']
    """
    check_is_family(values)
    is_map = "y" in values.dims
    panels = averaged(values, minus, dims=("y", "x") if is_map else ("channel",), what="A map of the head")
    n_rows = -(-len(panels) // _N_COLUMNS)
    n_columns = min(len(panels), _N_COLUMNS)
    figure = new_figure(max(2.3 * n_columns, 4.0), 2.5 * n_rows + 0.5)
    axes = figure.subplots(n_rows, n_columns, squeeze=False)
    shares = minus is not None and len({panel.unit for panel in panels}) == 1
    centre = centre_of(values, minus)
    drawn = None
    for ax, panel in zip(axes.flat, panels, strict=False):
        own = panel.values.values
        chosen = colours([other.values.values for other in panels] if shares else [own], centre=centre)
        grid, places = (own, None) if is_map else _interpolated(panel.values)
        drawn = draw_head(ax, grid, places, chosen)
        ax.set_title(panel.title or str(values.name))
        if not shares and drawn is not None:
            bar = figure.colorbar(drawn, ax=ax, orientation="horizontal", shrink=0.8, pad=0.02)
            bar.set_label(_label("", panel.unit, minus), fontsize=8)
            bar.ax.tick_params(labelsize=8)
    if shares and drawn is not None:
        figure.colorbar(drawn, ax=axes, shrink=0.8).set_label(_label("", panels[0].unit, minus))
    for ax in axes.flat[len(panels) :]:
        ax.axis("off")
    figure.suptitle(_title(values, minus))
    return figure


def _interpolated(values: xr.DataArray) -> tuple[Floats, Floats]:
    names = [str(name) for name in values["channel"].values]
    places = azimuthal_projection(electrode_positions(names))
    is_there = np.isfinite(values.values)
    weights = interpolation_matrix(places[is_there], size=_MAP_SIZE)
    if np.isnan(weights).all():
        raise DataError(
            "A map of the head needs three electrodes or more that lie on no line and have numbers, got "
            f"{', '.join(name for name, is_one in zip(names, is_there, strict=True) if is_one) or 'none'}."
        )
    return weights @ values.values[is_there], places[is_there]


def _title(values: xr.DataArray, minus: xr.DataArray | None) -> str:
    n_windows = n_with_number(values)
    title = f"{values.name or 'feature'}, mean of {n_windows} window{'s' * (n_windows != 1)}"
    return title if minus is None else f"{title} minus mean of {n_with_number(minus)}"


def _label(what: str, unit: str, minus: xr.DataArray | None) -> str:
    words = what if minus is None else f"difference of {what}" if what else "difference"
    return f"{words} [{unit}]".strip() if unit else words


def plot_asymmetry(values: xr.DataArray, minus: xr.DataArray | None = None) -> Figure:
    """Draw a heat map of pairs of electrodes and bands.

    Parameters
    ----------
    values : xarray.DataArray, dimensions ("window", a pair, ...)
        Of dasm, rasm, asm, dcau or faa. Its windows are averaged.
    minus : xarray.DataArray, optional
        The same family of another condition; its mean is subtracted.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Colours are symmetric around zero, those of a ratio around 1.

    Raises
    ------
    DataError
        If the family has no pairs, there is no number to draw, or the conditions do not match.

    Examples
    --------
    >>> values = xr.DataArray(
    ...     [[[0.1, -0.2]]],
    ...     dims=("window", "mirror_pair", "band"),
    ...     coords={"mirror_pair": ["F3-F4"], "band": ["alpha", "beta"]},
    ... )
    >>> plot_asymmetry(values).axes[0].images[0].get_clim()
    (-0.2, 0.2)
    """
    check_is_family(values)
    found = [str(dim) for dim in values.dims if str(dim).endswith("_pair")]
    pair = found[0] if found else "mirror_pair"
    if found and "band" not in values.dims:
        values = values.expand_dims(band=[str(values.name or "")], axis=-1)
        minus = None if minus is None else minus.expand_dims(band=[str(minus.name or "")], axis=-1)
    panels = averaged(values, minus, dims=(pair, "band"), what="A plot of asymmetry")
    pairs, bands = (panels[0].values[dim].values.tolist() for dim in (pair, "band"))
    figure = new_figure((2.2 + 0.6 * len(bands)) * len(panels), 1.6 + 0.2 * len(pairs))
    for ax, panel in zip(figure.subplots(1, len(panels), squeeze=False).flat, panels, strict=True):
        formula = panel.title or str(values.attrs.get("formula", values.name or ""))
        is_ratio = panel.title == "ratio" or " / " in formula
        matrix = panel.values.transpose(pair, "band").values
        drawn = image(
            ax, matrix, colours([matrix], centre=1.0 if is_ratio and minus is None else 0.0), aspect="auto"
        )
        ax.set_xticks(range(len(bands)), bands, rotation=45, ha="right")
        ax.set_yticks(range(len(pairs)), pairs, fontsize=8)
        ax.set_ylabel(pair.replace("_", " "))
        figure.colorbar(drawn, ax=ax).set_label(_label(formula, panel.unit, minus))
    figure.suptitle(_title(values, minus), fontsize=10)
    return figure


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
    names = _ch_names(values)
    estimator = str(values.attrs.get("estimator", "connectivity"))
    is_antisymmetric = estimator == "imaginary_coherence"
    has_sign = minus is not None or is_antisymmetric or any((panel.values < 0).any() for panel in panels)
    chosen = colours([panel.values.values for panel in panels], centre=0.0 if has_sign else None)
    places = azimuthal_projection(electrode_positions(names))
    figure = new_figure(max(2.7 * len(panels), 4.5) + 0.8, 5.6)
    axes = figure.subplots(2, len(panels), squeeze=False)
    drawn = None
    for (upper, lower), panel in zip(axes.T, panels, strict=True):
        edges = panel.values.values
        matrix = as_matrices(edges, len(names), diagonal=np.nan, antisymmetric=is_antisymmetric)
        drawn = draw_matrix(upper, matrix, names, chosen)
        upper.set_title(panel.title or estimator)
        draw_head(lower, None, places, chosen)
        _draw_edges(lower, edges, places, n_edges, (chosen.cmap, chosen.low, chosen.high))
    if drawn is not None:
        figure.colorbar(drawn, ax=axes, shrink=0.6).set_label(_label(estimator, panels[0].unit, minus))
    figure.suptitle(f"{_title(values, minus)}; below, the {min(n_edges, len(edges))} strongest edges")
    return figure


def _ch_names(values: xr.DataArray) -> list[str]:
    if "ch_names" not in values.attrs:
        raise DataError(
            f"{values.name or 'The array'} has lost its attribute ch_names, as it may in arithmetic. Pass "
            "the family as it stands in the table; for a difference use minus=."
        )
    return [str(name) for name in values.attrs["ch_names"]]


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
    ax.add_collection(lines)


def plot_covariance(values: xr.DataArray, minus: xr.DataArray | None = None) -> Figure:
    """Draw the covariance matrix, one for each band if there are bands.

    Parameters
    ----------
    values : xarray.DataArray, dimensions ("window", "pair", ...)
        Of `physioaffect.features.Covariance` without ``log``. Its windows are averaged.
    minus : xarray.DataArray, optional
        The same of another condition; its mean is subtracted.

    Returns
    -------
    figure : matplotlib.figure.Figure
        In square microvolts if the signal was in volts; each scale is symmetric around zero.

    Raises
    ------
    DataError
        If the covariances are logarithms, there is no number to draw, or the conditions do not match.

    Examples
    --------
    >>> attrs = {"ch_names": ["O1", "O2"], "unit": "V^2"}
    >>> values = xr.DataArray([[4e-10, 1e-10, 2e-10]], dims=("window", "pair"), attrs=attrs)
    >>> plot_covariance(values).axes[0].images[0].get_clim()
    (-400.0, 400.0)
    """
    panels = averaged(values, minus, dims=("pair",), what="A plot of covariance")
    if values.attrs.get("log"):
        raise DataError("These covariances are logarithms, in no unit to look at. Use Covariance(log=False).")
    names = _ch_names(values)
    figure = new_figure(3.6 * len(panels) + 0.6, 3.9)
    for ax, panel in zip(figure.subplots(1, len(panels), squeeze=False).flat, panels, strict=True):
        matrix = as_matrices(panel.values.values, len(names))
        drawn = draw_matrix(ax, matrix, names, colours([matrix], centre=0.0))
        ax.set_title(panel.title)
        figure.colorbar(drawn, ax=ax, shrink=0.8).set_label(_label("covariance", panel.unit, minus))
    figure.suptitle(_title(values, minus))
    return figure
