"""What of a recording of skin conductance is masked, drawn: shades by reason, and a recording refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioaffect._drawing import new_figure
from physioaffect.recording import Flag, Signal
from physioaffect.signals.quality_eda import HIGHEST, LOWEST

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_masked", "shade", "unit_of_time"]

# What is masked, by reason: hatches beside greys, so that print without colour says as much.
_MASKS = {
    Flag.OFF_BODY: ("0.75", "", "not worn"),
    Flag.CLIPPED: ("0.85", "xx", "clipped"),
    Flag.FLAT: ("0.85", "--", "flat"),
    Flag.MOTION: ("0.85", "//", "movement"),
    Flag.GAP: ("0.92", "..", "missing"),
    Flag.SETTLING: ("0.92", "\\\\", "settling"),
    Flag.OUT_OF_RANGE: ("0.85", "||", "out of range"),
}
_LONG_S = 7200.0


def plot_masked(signal: Signal, *, title: str = "") -> Figure:
    """Draw a recording of skin conductance as it is, and below it what is masked for which reason.

    Parameters
    ----------
    signal : Signal
        One channel in microsiemens with its flags, as `MarkQuality` leaves it.
    title : str
        Above all.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The trace, with the end of what skin conducts where it is left; a row for each reason.

    Examples
    --------
    >>> import numpy as np
    >>> from physioaffect.recording import Flag, Signal
    >>> dry = Signal(
    ...     data=np.full((1, 400), 0.02),
    ...     sfreq=4.0,
    ...     ch_names=("EDA",),
    ...     kind="eda",
    ...     unit="uS",
    ...     flags=np.full(400, Flag.OUT_OF_RANGE, dtype=np.uint8),
    ... )
    >>> [label.get_text() for label in plot_masked(dry).axes[1].get_yticklabels()]
    ['out of range']
    """
    figure = new_figure(7.5, 3.2)
    trace, rows = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    unit, per_second = unit_of_time(signal.n_times / signal.sfreq)
    times = np.arange(signal.n_times) / signal.sfreq / per_second
    values = np.asarray(signal.data[0], dtype=np.float64)
    is_good = np.isfinite(values) & (signal.flags == 0)
    trace.plot(times, np.where(is_good, np.nan, values), color="0.6", linewidth=0.7, label="masked")
    if is_good.any():
        trace.plot(times, np.where(is_good, values, np.nan), color="black", linewidth=0.7, label="left")
    for edge, said, is_beyond in (
        (LOWEST, "least", np.nanmin(values, initial=np.inf) < LOWEST),
        (HIGHEST, "most", np.nanmax(values, initial=-np.inf) > HIGHEST),
    ):
        if is_beyond:
            label = f"{said} that is believed of skin, {edge:g} µS"
            trace.axhline(edge, color="#D55E00", linewidth=0.8, linestyle="--", label=label)
    trace.set_ylabel("EDA (µS)")
    trace.set_xlim(0, signal.n_times / signal.sfreq / per_second)
    trace.margins(y=0.1)
    trace.legend(fontsize=7, ncols=3, loc="lower left", bbox_to_anchor=(0, 1.0), frameon=False)
    is_missing = ~np.isfinite(values)
    known: list[str] = []
    for flag, (_, _, label) in _MASKS.items():
        is_masked = (signal.flags & flag) > 0
        if flag is Flag.GAP:
            is_masked |= is_missing
        if is_masked.any():
            spans = _spans(is_masked, signal.sfreq * per_second)
            rows.broken_barh(spans, (len(known) - 0.4, 0.8), facecolor="0.6", linewidth=0)
            known.append(label)
    rows.set_yticks(range(len(known)), known)
    rows.set(ylim=(len(known) - 0.4, -0.6), xlabel=f"time ({unit})")
    for ax in (trace, rows):
        ax.spines[["top", "right"]].set_visible(False)
    if title:
        figure.suptitle(title, fontsize=9)
    return figure


def unit_of_time(seconds: float) -> tuple[str, float]:
    """Name of the unit for an axis of so many seconds, and how many seconds it has."""
    return ("h", 3600.0) if seconds > 2 * _LONG_S else ("min", 60.0)


def shade(
    axes: Sequence[Axes],
    is_used: NDArray[np.bool_],
    sfreq: float,
    signal: Signal | None,
    per_second: float,
) -> list[Any]:
    """Shade what is not used, by the first of its reasons; one patch of each reason for the legend."""
    from matplotlib.patches import Patch  # noqa: PLC0415

    left = ~is_used
    flags = np.zeros(len(left), dtype=np.uint8) if signal is None else signal.flags
    patches = []
    for flag, (colour, hatch, label) in _MASKS.items():
        own = left & ((flags & flag) > 0) if flag is not Flag.GAP else left & (flags & ~np.uint8(flag) == 0)
        if not own.any():
            continue
        left = left & ~own
        for ax in axes:
            ax.broken_barh(
                _spans(own, sfreq * per_second),
                (0, 1),
                transform=ax.get_xaxis_transform(),
                facecolor=colour,
                edgecolor="0.6",
                hatch=hatch,
                linewidth=0,
                zorder=0,
            )
        patches.append(Patch(facecolor=colour, edgecolor="0.6", hatch=hatch, linewidth=0, label=label))
    return patches


def _spans(mask: NDArray[np.bool_], per_unit: float) -> list[tuple[float, float]]:
    """Begin and length of each run, for an axis with so many samples a unit."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False)) / per_unit
    return [(begin, stop - begin) for begin, stop in zip(edges[::2], edges[1::2], strict=True)]
