"""A feature over the time of a session."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect._drawing import (
    check_is_family,
    new_figure,
    set_title,
    units_of,
)
from physioaffect._shading import unit_of_time
from physioaffect._style import COLOURS, PAGE, in_style
from physioaffect.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_course"]

Floats = NDArray[np.floating[Any]]

_SERIES = ("channel", "frontal_pair", "mirror_pair", "caudal_pair", "edge", "pair")
_PERSON = ("dataset", "subject", "session")
_MOST_NAMES = 12


class _Timeline(NamedTuple):
    """Windows in order: positions in the table, middles in seconds, edges of trials and their names."""

    rows: NDArray[np.intp]
    middles: Floats
    bounds: list[int]
    spans: list[tuple[float, float]]
    names: list[str]
    is_by_clock: bool


@in_style
def plot_course(values: xr.DataArray, *, trials: str = "trial") -> Figure:
    """Draw a family over the time of one session, its trials marked.

    Parameters
    ----------
    values : xarray.DataArray, dimensions ("window", ...)
        Any family of one person and session with the table's coordinates: faa, hjorth, line_length,
        spectral_entropy, aperiodic, eda, ... What is left along band or feature gets a panel each.
    trials : str
        The coordinate that names the trials above the panels, e.g. "condition" or "stimulus".

    Returns
    -------
    figure : matplotlib.figure.Figure
        One line per channel or pair, up to six; of more the median and the range of the middle 80 %. A line
        breaks between trials and where a value is NaN. Where the files do not tell when a trial began, trials
        stand one after the other.

    Raises
    ------
    DataError
        If there are several people or sessions, no window, or the table's coordinates are missing.

    Examples
    --------
    >>> about = {name: ("window", ["a", "a"]) for name in ("dataset", "subject", "session", "trial")}
    >>> seconds = {"start": ("window", [0.0, 4.0]), "duration": ("window", [4.0, 4.0])}
    >>> values = xr.DataArray([0.5, 0.7], dims="window", coords={**about, **seconds}, name="spectral_entropy")
    >>> plot_course(values).axes[0].lines[0].get_xdata()
    array([2., 6.])
    """
    line = _timeline(values, trials)
    ordered = values.transpose("window", ...).isel(window=line.rows)
    series = next((dim for dim in _SERIES if dim in ordered.dims), None)
    others = [str(dim) for dim in ordered.dims if dim not in ("window", series)]
    if len(others) > 1:
        raise DataError(
            f"A course has one panel for each {others[-1]}; choose along {others[0]} first: "
            f"values.sel({others[0]}=...)."
        )
    panels = (
        [str(name) for name in ordered[others[0]].values]
        if others
        else [str(values.attrs.get("formula", values.name or ""))]
    )
    units = units_of(values, len(panels))
    figure = new_figure(PAGE, 0.9 + 1.4 * len(panels))
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    time_unit, seconds = unit_of_time(line.spans[-1][1])
    for index, (ax, name, (factor, unit)) in enumerate(zip(axes, panels, units, strict=True)):
        part = ordered.isel({others[0]: index}) if others else ordered
        labels = [str(label) for label in part[series].values] if series else [""]
        lines = part.values.reshape(len(line.rows), -1).astype(np.float64) * factor
        _draw(ax, lines, labels, line, seconds=seconds)
        words = name.replace("_", " ")
        ax.set_ylabel(f"{words}\n[{unit}]" if unit else words)
        ax.spines[["top", "right"]].set_visible(False)
    handles, names = axes[0].get_legend_handles_labels()
    if names:
        figure.legend(handles, names, loc="outside lower center", ncols=len(names))
    _name_trials(axes[0], line, seconds=seconds)
    how = "time in the session" if line.is_by_clock else "time, trials one after the other"
    axes[-1].set_xlabel(f"{how} [{time_unit}]")
    person = str(values["subject"].values[0])
    set_title(figure, f"{values.name or 'feature'} of {person}")
    return figure


def _timeline(values: xr.DataArray, trials: str) -> _Timeline:
    check_is_family(values)
    if lacking := [
        name for name in (*_PERSON, "trial", trials, "start", "duration") if name not in values.coords
    ]:
        raise DataError(
            f"A course needs the coordinates of a feature table, and {', '.join(lacking)} is not there. Pass "
            "the family as features_of_trial, extract or open_features made it."
        )
    if values.sizes["window"] == 0:
        raise DataError("There is no window to draw. Choose others.")
    for name in _PERSON:
        found = sorted(set(map(str, values[name].values.tolist())))
        if len(found) > 1:
            raise DataError(
                f"A course is that of one {name}, got {', '.join(found)}. Choose one: "
                f"values[values.{name} == {found[0]!r}]."
            )
    n_windows = values.sizes["window"]
    start, duration = (values[name].values.astype(np.float64) for name in ("start", "duration"))
    elapsed = values["elapsed"].values if "elapsed" in values.coords else np.full(n_windows, np.nan)
    is_by_clock = bool(np.isfinite(elapsed).all())
    order = values["order"].values if "order" in values.coords else np.zeros(n_windows)
    trial = values["trial"].values.astype(str)
    _, first_rows, code = np.unique(trial, return_index=True, return_inverse=True)
    # Trials of equal order stand as in the table, and never mix.
    appearance = first_rows[code]
    rows = np.lexsort((start, elapsed) if is_by_clock else (start, appearance, order))
    which = trial[rows]
    bounds = [0, *(np.flatnonzero(which[1:] != which[:-1]) + 1).tolist(), n_windows]
    begins = (elapsed if is_by_clock else start)[rows].astype(np.float64)
    ends = begins + duration[rows]
    if not is_by_clock:
        shift = 0.0
        for first, last in pairwise(bounds):
            moved = shift - begins[first]
            begins[first:last] += moved
            ends[first:last] += moved
            shift = ends[last - 1]
    return _Timeline(
        rows=rows,
        middles=(begins + ends) / 2,
        bounds=bounds,
        spans=[(begins[first], ends[last - 1]) for first, last in pairwise(bounds)],
        names=[str(values[trials].values[rows[first]]) for first in bounds[:-1]],
        is_by_clock=is_by_clock,
    )


def _draw(ax: Axes, lines: Floats, labels: list[str], line: _Timeline, *, seconds: float) -> None:
    for index, (begin, end) in enumerate(line.spans):
        ax.axvspan(begin / seconds, end / seconds, color="0.93" if index % 2 == 0 else "0.98", linewidth=0)
    # A NaN between trials breaks the line.
    breaks = line.bounds[1:-1]
    time = np.insert(line.middles / seconds, breaks, np.nan)
    y = np.insert(lines, breaks, np.nan, axis=0)
    is_single = bool(np.diff(line.bounds).min() == 1)
    style: dict[str, Any] = {"linewidth": 1.2, "marker": "." if is_single else "", "markersize": 3}
    if len(labels) <= len(COLOURS):
        for column, label, colour in zip(y.T, labels, COLOURS, strict=False):
            ax.plot(time, column, color=colour, label=label or "_", **style)
        return
    low, middle, high = _quantiles(y)
    ax.fill_between(
        time, low, high, color=COLOURS[0], alpha=0.25, linewidth=0, label=f"80 % of {len(labels)}"
    )
    ax.plot(time, middle, color=COLOURS[0], label="median", **style)


def _quantiles(y: Floats) -> Floats:
    quantiles = np.full((3, len(y)), np.nan)
    has_some = np.isfinite(y).any(axis=1)
    quantiles[:, has_some] = np.nanquantile(y[has_some], [0.1, 0.5, 0.9], axis=1)
    return quantiles


def _name_trials(ax: Axes, line: _Timeline, *, seconds: float) -> None:
    step = -(-len(line.names) // _MOST_NAMES)
    for (begin, end), name in list(zip(line.spans, line.names, strict=True))[::step]:
        ax.annotate(
            name,
            ((begin + end) / 2 / seconds, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=7,
        )
