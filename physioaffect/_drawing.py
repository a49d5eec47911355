"""What the plots share: means over windows, readable units, colour limits and a head seen from above."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect._style import DIVERGING, NOTHING, SEQUENTIAL
from physioaffect.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

__all__ = [
    "Colours",
    "Panel",
    "averaged",
    "centre_of",
    "ch_names_of",
    "check_is_family",
    "colours",
    "draw_head",
    "draw_matrix",
    "image",
    "label_of",
    "n_with_number",
    "new_figure",
    "set_title",
    "title_of",
    "units_of",
]

Floats = NDArray[np.floating[Any]]

_READABLE = {"V": (1e6, "µV"), "V^2": (1e12, "µV²"), "V/s": (1e6, "µV/s")}
_RELATIVE_TO_REST = {"ratio": "ratio to rest", "z": "SD at rest"}
_MOST_LABELS = 16


class Panel(NamedTuple):
    """One picture: what it shows, its values without windows, and their unit ("" for none)."""

    title: str
    values: xr.DataArray
    unit: str


class Colours(NamedTuple):
    """A colour map and its ends."""

    cmap: str
    low: float
    high: float


def new_figure(width: float, height: float) -> Figure:
    """Make a figure that pyplot does not know of, so that none stays open, and that notebooks show."""
    from physioaffect._figure import NotebookFigure  # noqa: PLC0415  It takes a third of a second to import.

    return NotebookFigure(figsize=(width, height), layout="constrained")


def set_title(figure: Figure, text: str) -> None:
    """Write above a figure, on as many lines as its width asks for."""
    figure.suptitle(fill(text, width=max(24, round(13 * figure.get_figwidth()))))


def check_is_family(values: xr.DataArray) -> None:
    """Refuse a whole table."""
    if isinstance(values, xr.Dataset):
        names = ", ".join(map(str, values.data_vars))
        raise DataError(
            f"A plot shows one family of features, got a table of {names}. Choose one: "
            f"features[{names.partition(',')[0]!r}]."
        )


def _check(values: xr.DataArray, dims: Sequence[str], what: str) -> None:
    check_is_family(values)
    if "window" not in values.dims or not set(dims) <= set(values.dims):
        raise DataError(
            f"{what} needs the dimensions window, {', '.join(dims)}; {values.name or 'this array'} has "
            f"{', '.join(map(str, values.dims)) or 'none'}."
        )


def averaged(
    values: xr.DataArray, minus: xr.DataArray | None, *, dims: Sequence[str], what: str
) -> list[Panel]:
    """Average over windows, subtract another average, and take apart by the dimension that is left."""
    _check(values, dims, what)
    mean, rest = _mean(values), [dim for dim in values.dims if dim not in ("window", *dims)]
    if len(rest) > 1:
        raise DataError(
            f"{what} makes one picture for each {rest[-1]}; choose along {rest[0]} first: "
            f"values.sel({rest[0]}=...)."
        )
    if minus is not None:
        _check(minus, dims, what)
        other = _mean(minus)
        if mean.dims != other.dims or not all(mean[dim].equals(other[dim]) for dim in mean.dims):
            raise DataError(
                f"The two conditions differ in {', '.join(map(str, values.dims[1:]))}, so they cannot be "
                "subtracted. Compute both with one recipe and the same channels."
            )
        mean = mean - other
    split = rest[0] if rest else None
    names = [str(name) for name in mean[split].values] if split else [""]
    parts = [mean.isel({split: index}) for index in range(len(names))] if split else [mean]
    units = units_of(values, len(parts))
    return [
        Panel(name, (part * factor).assign_attrs(values.attrs), unit if minus is None else _of_change(unit))
        for name, part, (factor, unit) in zip(names, parts, units, strict=True)
    ]


def _mean(values: xr.DataArray) -> xr.DataArray:
    dims = [dim for dim in values.dims if dim != "window"]
    x = values.transpose("window", *dims).values
    is_there = np.isfinite(x)
    if not is_there.any():
        raise DataError(
            f"{values.name or 'The array'} has no number in {values.sizes['window']} windows. Choose others, "
            "or look at quality and tags of the table for what was wrong with them."
        )
    mean = np.full(x.shape[1:], np.nan)
    count = is_there.sum(axis=0)
    # A large table is not copied.
    np.divide(x.sum(axis=0, where=is_there, dtype=np.float64), count, out=mean, where=count > 0)
    return xr.DataArray(mean, dims=dims, coords={dim: values[dim] for dim in dims if dim in values.coords})


def _of_change(unit: str) -> str:
    """Unit of a difference: that of logarithms is one of a ratio, whatever the unit was."""
    if unit.startswith(("ln(", "log10(")):
        return f"{unit.partition('(')[0]} of the ratio"
    return unit.partition(" re ")[0]


def n_with_number(values: xr.DataArray) -> int:
    """Count the windows that have a number anywhere."""
    rows = values.transpose("window", ...).values.reshape(values.sizes["window"], -1)
    return int(np.isfinite(rows).any(axis=1).sum())


def units_of(values: xr.DataArray, n_parts: int) -> list[tuple[float, str]]:
    """Factor and name of the unit in which each part is easy to read."""
    baseline = values.attrs.get("baseline")
    if baseline in _RELATIVE_TO_REST:
        return [(1.0, _RELATIVE_TO_REST[baseline])] * n_parts
    found = values.attrs.get("units", values.attrs.get("unit", ""))
    listed = [found] * n_parts if isinstance(found, str) else list(found)
    if len(listed) != n_parts:  # A choice was made among features, and which unit is left is not known.
        listed = [""] * n_parts
    readable = [_READABLE.get(unit, (1.0, "" if unit == "1" else str(unit))) for unit in listed]
    # The zero of an entropy depends on the signal's unit; that of a difference of entropies does not.
    is_difference = any(str(dim).endswith("_pair") for dim in values.dims)
    relative = "" if is_difference or baseline else values.attrs.get("signal_unit", "")
    return [
        (factor, f"{unit} re {relative}" if unit in ("nat", "bit") and relative else unit)
        for factor, unit in readable
    ]


def centre_of(values: xr.DataArray, minus: xr.DataArray | None) -> float | None:
    """Value that means "no difference", if there is one."""
    if minus is not None:
        return 0.0
    return {"subtract": 0.0, "z": 0.0, "ratio": 1.0}.get(values.attrs.get("baseline", ""))


def colours(parts: Sequence[Floats], *, centre: float | None = None) -> Colours:
    """Choose limits that all parts share, symmetric around a centre if there is one."""
    all_values = np.concatenate([np.ravel(part) for part in parts])
    finite = all_values[np.isfinite(all_values)]
    if finite.size == 0:
        return Colours(SEQUENTIAL, 0.0, 1.0)
    if centre is None:
        low, high = float(finite.min()), float(finite.max())
        return Colours(SEQUENTIAL, low, high if high > low else low + 1.0)
    reach = float(np.abs(finite - centre).max()) or 1.0
    return Colours(DIVERGING, centre - reach, centre + reach)


def image(ax: Axes, grid: Floats, chosen: Colours, **options: Any) -> AxesImage:
    """Draw an array, with grey for what is not a number."""
    ax.set_facecolor(NOTHING)
    return ax.imshow(
        np.ma.masked_invalid(grid), cmap=chosen.cmap, vmin=chosen.low, vmax=chosen.high, **options
    )


def draw_head(ax: Axes, grid: Floats | None, places: Floats | None, chosen: Colours) -> AxesImage | None:
    """Draw a head from above, nose up, with a map of it and its electrodes.

    ``grid`` has shape (size, size), first y, then x, from -1 to 1; ``places`` shape (n, 2) as
    `physioaffect.features.topomap.azimuthal_projection` gives them.
    """
    from matplotlib.patches import Circle, Ellipse, Polygon  # noqa: PLC0415

    outline: dict[str, Any] = {"facecolor": "none", "edgecolor": "0.25", "linewidth": 1.2}
    ax.add_patch(Polygon([(-0.13, 0.99), (0, 1.13), (0.13, 0.99)], closed=False, **outline))
    for side in (-1, 1):
        ax.add_patch(Ellipse((side * 1.04, 0), 0.1, 0.32, zorder=0, **outline))
    drawn = None
    if grid is not None:
        # The outermost points lie on the circle, so their cells reach beyond it.
        edge = 1 + 1 / (len(grid) - 1)
        extent = (-edge, edge, -edge, edge)
        drawn = image(ax, grid, chosen, extent=extent, origin="lower", interpolation="nearest")
        drawn.set_clip_path(Circle((0, 0), 0.99, transform=ax.transData))
        ax.set_facecolor("none")
        if np.isfinite(grid).all(where=np.hypot(*np.meshgrid(*[np.linspace(-1, 1, len(grid))] * 2)) < 1):
            axis = np.linspace(-1, 1, len(grid))
            ax.contour(axis, axis, np.ma.masked_invalid(grid), 5, colors="k", linewidths=0.4, alpha=0.5)
        ax.add_patch(Circle((0, 0), 0.99, facecolor=NOTHING, edgecolor="none", zorder=-1))
    ax.add_patch(Circle((0, 0), 1, **outline))
    if places is not None:
        # Electrodes below the ears lie outside the circle.
        ax.plot(*places.T, "k.", markersize=2.5, clip_on=False)
    ax.set(xlim=(-1.15, 1.15), ylim=(-1.1, 1.18), aspect="equal")
    ax.axis("off")
    return drawn


def draw_matrix(ax: Axes, matrix: Floats, names: Sequence[str], chosen: Colours) -> AxesImage:
    """Draw a matrix of channels with as many of their names as can be read."""
    drawn = image(ax, matrix, chosen, interpolation="nearest")
    shown = range(0, len(names), -(-len(names) // _MOST_LABELS))
    labels = [names[index] for index in shown]
    ax.set_xticks(list(shown), labels, rotation=90, fontsize=7)
    ax.set_yticks(list(shown), labels, fontsize=7)
    return drawn


def ch_names_of(values: xr.DataArray) -> list[str]:
    """Channels of the rows of a matrix, which the family carries as an attribute."""
    if "ch_names" not in values.attrs:
        raise DataError(
            f"{values.name or 'The array'} has lost its attribute ch_names, as it may in arithmetic. Pass "
            "the family as it stands in the table; for a difference use minus=."
        )
    return [str(name) for name in values.attrs["ch_names"]]


def title_of(values: xr.DataArray, minus: xr.DataArray | None) -> str:
    """Say what was averaged, and of which condition if it is of one."""
    title = f"{values.name or 'feature'}, {_averaged_words(values)}"
    return title if minus is None else f"{title} minus {_averaged_words(minus)}"


def _averaged_words(values: xr.DataArray) -> str:
    n_windows = n_with_number(values)
    words = f"mean of {n_windows} window{'s' * (n_windows != 1)}"
    conditions = set(values["condition"].values.tolist()) if "condition" in values.coords else set()
    return f"{words} of {conditions.pop()}" if len(conditions) == 1 and conditions != {""} else words


def label_of(what: str, unit: str, minus: xr.DataArray | None) -> str:
    """Name of a scale: what it shows, whether as a difference, and the unit."""
    words = what if minus is None else f"difference of {what}" if what else "difference"
    return f"{words} [{unit}]".strip() if unit else words
