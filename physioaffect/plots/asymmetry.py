"""Heat maps of what differs between pairs of electrodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from physioaffect._drawing import (
    averaged,
    check_is_family,
    colours,
    image,
    label_of,
    new_figure,
    set_title,
    title_of,
)
from physioaffect._style import in_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_asymmetry"]


@in_style
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
        figure.colorbar(drawn, ax=ax).set_label(label_of(formula, panel.unit, minus))
    set_title(figure, title_of(values, minus))
    return figure
