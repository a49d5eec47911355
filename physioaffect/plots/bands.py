"""Maps of the head: one for each band or feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect._drawing import (
    averaged,
    centre_of,
    check_is_family,
    colours,
    draw_head,
    label_of,
    n_with_number,
    new_figure,
    set_title,
    title_of,
)
from physioaffect._style import PAGE, in_style
from physioaffect.errors import DataError
from physioaffect.features.topomap import azimuthal_projection, interpolation_matrix
from physioaffect.montage import electrode_positions

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

__all__ = ["plot_bands"]

Floats = NDArray[np.floating[Any]]

_MAP_SIZE = 128
_N_COLUMNS = 5
_MOST_CLASSES = 8

# Inches: a map by itself, the least that a title needs, and a scale with its name.
_LARGEST, _NARROWEST, _BAR = 2.1, 3.6, 0.6


@in_style
def plot_bands(
    values: xr.DataArray,
    minus: xr.DataArray | None = None,
    *,
    by: str | None = None,
    title: str | None = None,
) -> Figure:
    """Draw a map of the head for each band, or for each feature that a channel has; for each class, if asked.

    Parameters
    ----------
    values : xarray.DataArray, dimensions ("window", "channel", ...) or ("window", "y", "x", ...)
        A family with a value per channel (de, band_power, hjorth, line_length, ...), or topomap. Its windows
        are averaged.
    minus : xarray.DataArray, optional
        The same family of another condition; its mean is subtracted, channel by channel.
    by : str, optional
        A coordinate of the windows, such as ``"condition"``: a row of maps for each of its values, in the
        order in which they come, and one scale for all maps of a band.
    title : str, optional
        What to write above. Default: what was averaged.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Volts are shown as microvolts. The maps of a difference share one scale that is symmetric around zero;
        otherwise each band has its own.

    Raises
    ------
    DataError
        If an electrode is unknown, there is no number to draw, the conditions do not match, or the windows
        have no such coordinate, or one of more than eight values.
    ValueError
        If both ``minus`` and ``by`` are given.

    Notes
    -----
    Maps are interpolated as those of `physioaffect.features.TopographicMap`, and grey where the electrodes do
    not settle a value. A channel without any number has no dot, and its place is interpolated.

    Examples
    --------
    >>> values = xr.DataArray(
    ...     np.random.default_rng(0).normal(size=(4, 5, 2)),
    ...     dims=("window", "channel", "band"),
    ...     coords={
    ...         "channel": ["Fz", "C3", "Cz", "C4", "Pz"],
    ...         "band": ["theta", "alpha"],
    ...         "condition": ("window", ["rest", "rest", "task", "task"]),
    ...     },
    ...     name="de",
    ... )
    >>> figure = plot_bands(values[2:], minus=values[:2])
    >>> [ax.get_title() for ax in figure.axes if ax.get_title()]
    ['theta', 'alpha']
    >>> plot_bands(values, by="condition").get_suptitle()
    'de, mean over windows by condition'
    """
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415  It takes a third of a second to import.

    check_is_family(values)
    if minus is not None and by is not None:
        raise ValueError("Maps are of a difference (minus) or of each class (by), not of both: choose one.")
    dims = ("y", "x") if "y" in values.dims else ("channel",)
    parts = {"": values} if by is None else _by_class(values, by)
    rows = [averaged(part, minus, dims=dims, what="A map of the head") for part in parts.values()]
    n_panels = len(rows[0])
    n_columns = n_panels if by is not None else min(n_panels, _N_COLUMNS)
    n_rows = len(rows) if by is not None else -(-n_panels // n_columns)
    shares_all = minus is not None and len({panel.unit for panel in rows[0]}) == 1
    side = min(_LARGEST, (PAGE - _BAR * shares_all) / n_columns)
    width = max(side * n_columns + _BAR * shares_all, _NARROWEST)
    n_bars = 0 if shares_all else 1 if by is not None else n_rows
    figure = new_figure(width, (side + 0.12) * n_rows + _BAR * n_bars + 0.4)
    figure.set_layout_engine("compressed")
    axes = figure.subplots(n_rows, n_columns, squeeze=False)
    centre = centre_of(values, minus)
    drawn: list[AxesImage | None] = []
    for index, ax in enumerate(axes.flat):
        if index >= n_panels * len(rows):
            ax.axis("off")
            continue
        row, column = divmod(index, n_panels)
        panel = rows[row][column]
        alike = rows[0] if shares_all else [own[column] for own in rows]
        chosen = colours([other.values.values for other in alike], centre=centre)
        own = panel.values.values
        grid, places = (own, None) if "y" in dims else _interpolated(panel.values)
        drawn.append(draw_head(ax, grid, places, chosen))
        if row == 0:
            ax.set_title(panel.title or _what(values))
    shown = [image for image in drawn[-n_panels:] if image is not None]
    if shares_all:
        figure.colorbar(shown[0], ax=axes, shrink=0.8).set_label(label_of("", rows[0][0].unit, minus))
    else:
        for column, (image, panel) in enumerate(zip(shown, rows[0], strict=True)):
            own_axes = axes[:, column] if by is not None else axes.flat[column]
            bar = figure.colorbar(image, ax=own_axes, orientation="horizontal", shrink=0.8, pad=0.02)
            bar.set_label(label_of("", panel.unit, minus))
            if side < _LARGEST:  # No more than two numbers have room beneath a small map.
                ends = image.get_clim()
                bar.set_ticks(list(ends), labels=[f"{end:.3g}" for end in ends])
            else:
                bar.locator = MaxNLocator(4, steps=[1, 2, 5, 10])
                bar.update_ticks()
    for ax, (name, part) in zip(axes[:, 0], parts.items(), strict=False):
        if name:
            n_windows = n_with_number(part)
            words = f"{name}\n{n_windows} window{'s' * (n_windows != 1)}"
            ax.text(-1.25, 0, words, ha="right", va="center", clip_on=False)
    set_title(figure, _title(values, minus, by) if title is None else title)
    return figure


def _title(values: xr.DataArray, minus: xr.DataArray | None, by: str | None) -> str:
    if by is None:
        return title_of(values, minus)
    return f"{values.name or 'feature'}, mean over windows by {by}"


def _what(values: xr.DataArray) -> str:
    """The band or feature that was chosen before, else the family."""
    chosen = [str(one.item()) for name, one in values.coords.items() if one.ndim == 0 and name != "channel"]
    return ", ".join(chosen) or str(values.name)


def _by_class(values: xr.DataArray, by: str) -> dict[str, xr.DataArray]:
    if by not in values.coords or values[by].dims != ("window",):
        there = ", ".join(str(name) for name in values.coords if values[name].dims == ("window",))
        raise DataError(
            f"The windows have no coordinate {by!r}; they have {there or 'none'}. Choose one, or add it: "
            f"values.assign_coords({by}=('window', ...))."
        )
    names = values[by].values.astype(str)
    classes = list(dict.fromkeys(names.tolist()))
    if len(classes) > _MOST_CLASSES:
        raise DataError(
            f"A row of maps for each of {len(classes)} values of {by} is more than a page holds; at most "
            f"{_MOST_CLASSES} fit. Make classes of them first."
        )
    return {name: values.isel(window=names == name) for name in classes}


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
