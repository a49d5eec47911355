"""Covariance between channels, as a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from physioaffect._drawing import (
    averaged,
    ch_names_of,
    colours,
    draw_matrix,
    label_of,
    new_figure,
    set_title,
    title_of,
)
from physioaffect._style import in_style
from physioaffect.errors import DataError
from physioaffect.features.connectivity import as_matrices

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_covariance"]


@in_style
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
    names = ch_names_of(values)
    figure = new_figure(3.6 * len(panels) + 0.6, 3.9)
    for ax, panel in zip(figure.subplots(1, len(panels), squeeze=False).flat, panels, strict=True):
        matrix = as_matrices(panel.values.values, len(names))
        drawn = draw_matrix(ax, matrix, names, colours([matrix], centre=0.0))
        ax.set_title(panel.title)
        figure.colorbar(drawn, ax=ax, shrink=0.8).set_label(label_of("covariance", panel.unit, minus))
    set_title(figure, title_of(values, minus))
    return figure
