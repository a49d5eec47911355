"""Plots of skin conductance that was taken apart, and of what was learned about its equation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioaffect._drawing import new_figure, set_title
from physioaffect._shading import patches_of, shade, spans, unit_of_time
from physioaffect._style import COLOURS, PAGE, in_style
from physioaffect.errors import DataError
from physioaffect.pinn import Bursts, Deconvolution, Uncertainty
from physioaffect.reasons import reasons_of
from physioaffect.recording import Signal
from physioaffect.signals.quality_eda import HIGHEST, LOWEST

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_eda", "plot_eda_masks", "plot_parameters", "plot_residual"]

Array = NDArray[np.float64]

_BLUE, _RED, _GREEN, _PURPLE, _ORANGE, _SKY = COLOURS
# More points than a page has dots are taken together, smallest and largest of each bin.
_MOST_POINTS = 8000
# From a curve to the middle of a mark above it.
_ABOVE_POINTS = 3.0


@in_style
def plot_eda(
    found: Deconvolution,
    *,
    bursts: Bursts | None = None,
    band: Uncertainty | None = None,
    signal: Signal | None = None,
    title: str = "",
) -> Figure:
    """Draw a recording with its tonic part, phasic part, driver and residual.

    Parameters
    ----------
    found : Deconvolution
        The parts.
    bursts : Bursts, optional
        Marks the peaks of the responses; hollow ones are not seen all through.
    band : Uncertainty, optional
        Shades the intervals of tonic and phasic part, and gives the noise beside the residual.
    signal : Signal, optional
        The recording with its flags, at the same rate: what is masked is shaded by its reason. Otherwise
        what is missing is.
    title : str
        Above all.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Four panels over one axis of time, for a page's width. Nothing is drawn where nothing was used.

    Examples
    --------
    >>> from physioaffect.pinn import deconvolve, simulate_eda
    >>> figure = plot_eda(deconvolve(simulate_eda(120).eda, sfreq=4.0))
    >>> [ax.get_ylabel() for ax in figure.axes]
    ['EDA [µS]', 'phasic [µS]', 'driver [µS]', 'residual [µS]']
    """
    from matplotlib.transforms import ScaledTranslation  # noqa: PLC0415

    figure = new_figure(PAGE, 6.2)
    axes = figure.subplots(4, 1, sharex=True, height_ratios=(3, 2, 1.3, 1.0))
    n = len(found.tonic)
    unit, per_second = unit_of_time(n / found.sfreq)
    times = np.arange(n) / found.sfreq / per_second
    used = found.is_present
    recorded = found.tonic + found.phasic + found.residual
    if signal is not None:
        if signal.n_times != n:
            raise ValueError(
                f"The signal has {signal.n_times} samples, its parts {n}. Pass the same recording."
            )
        recorded = np.asarray(signal.data[0], dtype=np.float64)
        _line(axes[0], times, np.where(used, np.nan, recorded), color="0.6", linewidth=0.5)
    _line(axes[0], times, np.where(used, recorded, np.nan), color="black", linewidth=0.7, label="recorded")
    tonic, phasic = (np.where(used, part, np.nan) for part in (found.tonic, found.phasic))
    if band is not None:
        said = f"{band.level:.0%} interval"
        _fill(axes[0], times, used, band.tonic_low, band.tonic_high, color=_ORANGE, label=said)
        _fill(axes[1], times, used, band.phasic_low, band.phasic_high, color=_SKY, label=said)
    _line(axes[0], times, tonic, color=_RED, linewidth=1.2, label="tonic")
    _line(axes[1], times, phasic, color=_BLUE, linewidth=0.8, label="phasic")
    if bursts is not None:
        # On the curve, which is higher than a response is by itself where others overlap with it.
        above = ScaledTranslation(0, _ABOVE_POINTS / 72, figure.dpi_scale_trans)
        seen = bursts.is_seen
        for which, face, label in ((seen, _RED, "response"), (~seen, "none", "partly masked")):
            if which.any():
                axes[1].plot(
                    bursts.peak_times[which] / per_second,
                    np.interp(bursts.peak_times[which] * found.sfreq, np.arange(n), found.phasic),
                    "v",
                    transform=axes[1].transData + above,
                    markersize=3,
                    markerfacecolor=face,
                    markeredgecolor=_RED,
                    markeredgewidth=0.5,
                    linestyle="none",
                    label=label,
                )
    _line(axes[2], times, np.where(used, found.driver, np.nan), color=_GREEN, linewidth=0.6)
    _draw_residual(axes[3], times, found, None if band is None else band.noise)
    _limits(axes, recorded[used], found, used)
    for ax, label in zip(axes, ("EDA", "phasic", "driver", "residual"), strict=True):
        ax.set_ylabel(f"{label} [µS]")
        ax.spines[["top", "right"]].set_visible(False)
        ax.margins(x=0)
    stretches = _unused(found, signal)
    told, _ = axes[0].get_legend_handles_labels()
    axes[0].legend(
        handles=[*told, *patches_of(stretches)], ncols=6, loc="lower left", bbox_to_anchor=(0, 1.0)
    )
    if bursts is not None or band is not None:
        axes[1].legend(ncols=4, loc="upper right")
    shade(axes, stretches, per_unit=found.sfreq * per_second)  # After the legends, which say it once.
    axes[-1].set_xlabel(f"time [{unit}]")
    figure.align_ylabels(axes)
    if title:
        set_title(figure, title)
    return figure


@in_style
def plot_eda_masks(signal: Signal, *, title: str = "") -> Figure:
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
    >>> [label.get_text() for label in plot_eda_masks(dry).axes[1].get_yticklabels()]
    ['out of range']
    """
    figure = new_figure(PAGE, 3.2)
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
    trace.set_ylabel("EDA [µS]")
    trace.set_xlim(0, signal.n_times / signal.sfreq / per_second)
    trace.margins(y=0.1)
    trace.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1.0))
    known: list[str] = []
    for reason in reasons_of(signal):
        stretches = spans(reason.is_it, signal.sfreq * per_second)
        rows.broken_barh(stretches, (len(known) - 0.4, 0.8), facecolor="0.6", linewidth=0)
        known.append(reason.title)
    rows.set_yticks(range(len(known)), known)
    rows.set(ylim=(len(known) - 0.4, -0.6), xlabel=f"time [{unit}]")
    for ax in (trace, rows):
        ax.spines[["top", "right"]].set_visible(False)
    if title:
        set_title(figure, title)
    return figure


@in_style
def plot_residual(found: Deconvolution, *, window: float = 60.0, noise: float | None = None) -> Figure:
    """Draw what neither part explains over time, and whether it is white.

    Parameters
    ----------
    found : Deconvolution
        The parts.
    window : float
        Seconds over which the residual's size is taken.
    noise : float, optional
        Standard deviation of the noise in microsiemens, as `uncertainty` finds it.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The residual; its standard deviation per window; its correlation with itself a while later, with the
        range in which that of white noise lies 95 times of 100.

    Examples
    --------
    >>> from physioaffect.pinn import deconvolve, simulate_eda
    >>> figure = plot_residual(deconvolve(simulate_eda(120).eda, sfreq=4.0), window=30.0)
    >>> [ax.get_ylabel() for ax in figure.axes]
    ['residual [µS]', 'SD in 30 s [µS]', 'autocorrelation']
    """
    figure = new_figure(PAGE, 4.2)
    over_time, size, echo = figure.subplots(3, 1, height_ratios=(1.2, 1, 1))
    n_window = max(2, round(window * found.sfreq))
    times = np.arange(len(found.residual)) / found.sfreq / 60
    _draw_residual(over_time, times, found, noise)
    over_time.set(ylabel="residual [µS]", xlabel="time [min]")
    shade([over_time], _unused(found, None), per_unit=found.sfreq * 60)
    cut = found.residual[: len(found.residual) // n_window * n_window].reshape(-1, n_window)
    enough = np.isfinite(cut).sum(axis=1) >= n_window / 2
    sizes = np.full(len(cut), np.nan)
    sizes[enough] = np.nanstd(cut[enough], axis=1)
    size.plot(
        (np.arange(len(cut)) + 0.5) * window / 60, sizes, ".-", color=_BLUE, markersize=4, linewidth=0.8
    )
    size.set(
        ylabel=f"SD in {window:g} s [µS]", xlabel="time [min]", ylim=(0, None), xlim=over_time.get_xlim()
    )
    x = np.where(found.is_present, found.residual - np.nanmean(found.residual), 0.0)
    n_lags = min(round(10 * found.sfreq), len(x) - 1)
    n_pairs = [int((found.is_present[k:] & found.is_present[: len(x) - k]).sum()) for k in range(n_lags + 1)]
    pairs = np.maximum(np.array(n_pairs), 1)
    correlation = np.array([x[k:] @ x[: len(x) - k] for k in range(n_lags + 1)]) / pairs
    lags = np.arange(1, n_lags + 1) / found.sfreq
    echo.fill_between(lags, -1.96 / np.sqrt(pairs[1:]), 1.96 / np.sqrt(pairs[1:]), color="0.85", linewidth=0)
    echo.vlines(lags, 0, correlation[1:] / correlation[0], color=_BLUE, linewidth=1)
    echo.axhline(0, color="black", linewidth=0.5)
    echo.set(ylabel="autocorrelation", xlabel="lag [s]")
    for ax in (over_time, size, echo):
        ax.spines[["top", "right"]].set_visible(False)
    return figure


@in_style
def plot_parameters(table: pd.DataFrame, *, truth: dict[str, float] | None = None) -> Figure:
    """Draw what was learned in each fold about each person.

    Parameters
    ----------
    table : pandas.DataFrame
        A row for each estimate with the columns ``parameter``, ``subject``, ``fold``, ``estimate``, and
        ``low`` and ``high`` for intervals if there are any; ``unit`` if there is one.
    truth : dict of str to float, optional
        Known values by parameter, of a simulation.

    Returns
    -------
    figure : matplotlib.figure.Figure
        A panel for each parameter, people beside one another, folds by colour and mark.

    Raises
    ------
    DataError
        If a column is missing, or no row is there.

    Examples
    --------
    >>> import pandas as pd
    >>> row = {"parameter": "tau_decay", "unit": "s", "subject": "S2", "fold": 1, "estimate": 2.1}
    >>> [ax.get_ylabel() for ax in plot_parameters(pd.DataFrame([row])).axes]
    ['tau_decay [s]']
    """
    needed = ["parameter", "subject", "fold", "estimate"]
    if missing := [name for name in needed if name not in table.columns]:
        raise DataError(f"The table of parameters lacks {', '.join(missing)}; it takes {', '.join(needed)}.")
    if table.empty:
        raise DataError("The table of parameters has no rows, so there is nothing to draw.")
    parameters = list(dict.fromkeys(table["parameter"]))
    subjects, folds = list(dict.fromkeys(table["subject"])), list(dict.fromkeys(table["fold"]))
    figure = new_figure(
        max(4.0, min(12.0, 1.5 + 0.25 * len(subjects) * len(folds) ** 0.5)), 1.9 * len(parameters)
    )
    axes = figure.subplots(len(parameters), 1, sharex=True, squeeze=False)[:, 0]
    for ax, parameter in zip(axes, parameters, strict=True):
        rows = table[table["parameter"] == parameter]
        for index, fold in enumerate(folds):
            own = rows[rows["fold"] == fold]
            at = np.array([subjects.index(name) for name in own["subject"]])
            shift = 0.6 * ((index + 0.5) / len(folds) - 0.5)
            error = None
            if {"low", "high"} <= set(own.columns):
                error = np.abs([own["estimate"] - own["low"], own["high"] - own["estimate"]])
            ax.errorbar(
                at + shift,
                own["estimate"],
                yerr=error,
                fmt="os^Dv<>"[index % 7],
                color=COLOURS[index % len(COLOURS)],
                markersize=3.5,
                linewidth=0.8,
                linestyle="none",
                label=f"fold {fold}",
            )
        if truth and parameter in truth:
            ax.axhline(truth[parameter], color="black", linewidth=0.8, linestyle="--", label="true")
        units = set(rows["unit"]) if "unit" in rows.columns else set()
        ax.set_ylabel(f"{parameter} [{units.pop()}]" if len(units) == 1 else parameter)
        ax.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xticks(range(len(subjects)), [str(name) for name in subjects], rotation=90)
    if len(folds) <= 10:
        axes[0].legend(ncols=5, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2)
    return figure


def _unused(found: Deconvolution, signal: Signal | None) -> dict[str, NDArray[np.bool_]]:
    """What the parts were not made from, by the first of its reasons; missing where none is known."""
    left = ~found.is_present
    stretches = {}
    if signal is not None:
        stretches = {reason.name: reason.is_first & left for reason in reasons_of(signal)}
    for is_it in stretches.values():
        left = left & ~is_it
    stretches["missing"] = stretches.get("missing", np.zeros_like(left)) | left
    return {reason: is_it for reason, is_it in stretches.items() if is_it.any()}


def _line(ax: Axes, times: Array, values: Array, **options: Any) -> None:
    """Draw a line; of a long one, the smallest and largest of each bin, so that no peak is lost."""
    n_bin = -(-2 * len(values) // _MOST_POINTS)
    if n_bin > 2:
        n_bins = -(-len(values) // n_bin)
        cut = np.pad(values, (0, n_bins * n_bin - len(values)), constant_values=np.nan).reshape(n_bins, n_bin)
        has = np.isfinite(cut).any(axis=1)
        ends = np.full((n_bins, 2), np.nan)
        ends[has] = np.stack([np.nanmin(cut[has], axis=1), np.nanmax(cut[has], axis=1)], axis=1)
        times, values = np.repeat(times[::n_bin], 2), ends.ravel()
    ax.plot(times, values, **options)


def _fill(ax: Axes, times: Array, used: NDArray[np.bool_], low: Array, high: Array, **options: Any) -> None:
    every = max(1, len(times) // _MOST_POINTS)
    shown = slice(None, None, every)
    ax.fill_between(
        times[shown], low[shown], high[shown], where=used[shown].tolist(), alpha=0.4, linewidth=0, **options
    )


def _draw_residual(ax: Axes, times: Array, found: Deconvolution, noise: float | None) -> None:
    _line(ax, times, found.residual, color="0.3", linewidth=0.5)
    size = float(np.nanstd(found.residual)) if noise is None else noise
    for side in (-1.96, 1.96):
        ax.axhline(side * size, color=_RED, linewidth=0.6, linestyle="--")
    low, high = np.nanquantile(found.residual, [0.002, 0.998])
    reach = 1.3 * max(abs(low), abs(high), 2.2 * size)
    ax.set_ylim(-reach, reach)


def _limits(axes: Sequence[Axes], recorded: Array, found: Deconvolution, used: NDArray[np.bool_]) -> None:
    """As the parts need, whatever lies in what is masked."""
    low = min(float(np.nanmin(recorded)), float(found.tonic[used].min()))
    high = float(np.nanmax(recorded))
    edge = 0.06 * (high - low)
    axes[0].set_ylim(low - edge, high + edge)
    top = float(found.phasic[used].max())
    axes[1].set_ylim(-0.06 * top, 1.2 * top if top > 0 else 1.0)
    axes[2].set_ylim(0, 1.05 * max(float(found.driver[used].max()), 1e-9))
