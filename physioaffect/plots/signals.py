"""Signals over time, with what is not to be trusted shaded by its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioaffect._drawing import new_figure, set_title
from physioaffect._shading import patches_of, shade, unit_of_time
from physioaffect._style import COLOURS, PAGE, in_style
from physioaffect.errors import DataError
from physioaffect.quality_report.drawing import columns, extremes, robust_scale
from physioaffect.quality_report.shown_signals import place_of, shown_of, title_of, unit_of
from physioaffect.reasons import reasons_of
from physioaffect.recording import Events, Signal, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_signals"]

Array = NDArray[np.float64]

# More samples than this are drawn as the lowest and the highest of each of 600 columns.
_MOST_POINTS = 3000
_MOST_LINES = 12
_KINDS = {"beats": "beats", "steps": "steps", "tags": "tags", "stimuli": "stimuli"}


@in_style
def plot_signals(
    recording: Trial | Signal | Mapping[str, Signal | Events],
    *,
    names: Sequence[str] | None = None,
    start: float | None = None,
    stop: float | None = None,
    title: str | None = None,
) -> Figure:
    """Draw the signals of a recording over one axis of time, and shade what is not to be trusted.

    Parameters
    ----------
    recording : Trial, Signal or mapping of str to Signal or Events
        What a reader yields, such as ``next(iter(EEGMAT.read(root)))``, before or after it was cleaned. What
        is shaded are its flags and what is missing: cleaning sets most of the flags.
    names : sequence of str, optional
        Which of the signals to draw, from top to bottom. Default: all.
    start, stop : float, optional
        Seconds after the trial's onset between which to draw. Default: all.
    title : str, optional
        What to write above. Default: whose recording it is, if it is a trial.

    Returns
    -------
    figure : matplotlib.figure.Figure
        A panel for each signal, above it which share of its time is there and not flagged. A sample with
        several reasons is shaded by the first of the legend's. Of acceleration and rotation the length of the
        vector is drawn, of other signals each channel, twelve at most. The axis shows what all but a few per
        mille of the good samples reach; of long signals the lowest and the highest sample of each column are
        drawn.

    Raises
    ------
    DataError
        If there is no signal to draw.
    ValueError
        If a name is not among the signals, or ``stop`` is not after ``start``.

    Examples
    --------
    >>> flags = np.zeros(240, dtype=np.uint8)
    >>> flags[40:80] = 8  # Motion, from 10 to 20 s.
    >>> eda = Signal(
    ...     data=2 + np.sin(np.arange(240) / 9)[np.newaxis],
    ...     sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS", flags=flags,
    ... )
    >>> figure = plot_signals(eda)
    >>> figure.axes[0].get_title(loc="left"), figure.axes[0].get_title(loc="right")
    ('skin conductance', '83 % unflagged')
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['motion']
    """  # fmt: skip
    shown = _chosen(recording, names, start, stop)
    first = min(_ends(one)[0] for one in shown.values()) if start is None else start
    last = max(_ends(one)[1] for one in shown.values()) if stop is None else stop
    unit, seconds = unit_of_time(last - first)
    heights = [_height(one) for one in shown.values()]
    figure = new_figure(PAGE, sum(heights) + 0.9)
    axes = figure.subplots(len(shown), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    found: set[str] = set()
    for ax, (name, one) in zip(axes, shown.items(), strict=True):
        if isinstance(one, Events):
            _draw_events(ax, name, one, seconds)
        else:
            found |= _draw_signal(ax, name, one, seconds)
        ax.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel(f"time [{unit}]")
    axes[-1].set_xlim(first / seconds, last / seconds)
    figure.align_ylabels(axes)
    if patches := patches_of(found):
        figure.legend(handles=patches, loc="outside lower center", ncols=8)
    own = (
        f"{recording.dataset} {recording.subject}, {_words(recording)}"
        if isinstance(recording, Trial)
        else ""
    )
    if title or (title is None and own):
        set_title(figure, title or own)
    return figure


def _words(trial: Trial) -> str:
    told = [f"session {trial.session}", f"trial {trial.trial}"]
    what = trial.condition or trial.stimulus
    return ", ".join(told) + (f": {what}" if what and what not in ("none", trial.trial) else "")


def _chosen(
    recording: Trial | Signal | Mapping[str, Signal | Events],
    names: Sequence[str] | None,
    start: float | None,
    stop: float | None,
) -> dict[str, Signal | Events]:
    """Signals from top to bottom, cut."""
    if isinstance(recording, Signal):
        there: Mapping[str, Signal | Events] = {recording.kind: recording}
    else:
        there = recording.signals if isinstance(recording, Trial) else recording
    if names is not None and (lacking := [name for name in names if name not in there]):
        raise ValueError(
            f"There is no signal {', '.join(lacking)}: the recording has {', '.join(there) or 'none'}."
        )
    low, high = (-np.inf if start is None else start), (np.inf if stop is None else stop)
    if not low < high:
        raise ValueError(f"What is drawn must end after it begins, got start={start} and stop={stop} s.")
    found: dict[str, Signal | Events] = {}
    for name in sorted(there, key=place_of) if names is None else names:
        one = there[name]
        own = one.crop(max(low, _ends(one)[0]), min(high, _ends(one)[1] + 1e-9))
        if own.n_times if isinstance(own, Signal) else len(own.times):
            found[name] = own
    if not found:
        raise DataError(
            "There is no sample and no event to draw"
            + ("." if start is None and stop is None else f" between {start} and {stop} s.")
            + " Take another trial, or other times."
        )
    return found


def _ends(one: Signal | Events) -> tuple[float, float]:
    if isinstance(one, Signal):
        return one.start, one.stop
    return (float(one.times[0]), float(one.times[-1])) if len(one.times) else (np.inf, -np.inf)


def _lines(signal: Signal) -> list[int]:
    """Channels that are drawn each for itself; none where one line stands for all."""
    if signal.n_channels == 1 or shown_of(signal)[1] == "length of the vector":
        return []
    n = min(signal.n_channels, _MOST_LINES)
    return [round(place) for place in np.linspace(0, signal.n_channels - 1, n)]


def _height(one: Signal | Events) -> float:
    if isinstance(one, Events):
        return 1.15 if one.kind == "ibi" else 0.5
    return max(1.15, 0.22 * len(_lines(one)) + 0.3)


def _draw_signal(ax: Axes, name: str, signal: Signal, seconds: float) -> set[str]:
    """Draw one signal; which reasons it has."""
    factor, unit = unit_of(signal)
    rows = _lines(signal)
    # A channel without any sample is one that is not there; it takes no time from the others.
    is_there = np.isfinite(signal.data).any(axis=1)
    counted = signal.pick([signal.ch_names[k] for k in np.flatnonzero(is_there)])
    title = title_of(name, signal.kind)
    is_good = counted.is_good if is_there.any() else np.zeros(signal.n_times, dtype=bool)
    if rows:
        _draw_channels(ax, signal, rows, is_good, factor, unit, seconds)
        if len(rows) < signal.n_channels:
            title += f", {len(rows)} of {signal.n_channels} channels"
        if n_lacking := int((~is_there).sum()):
            title += f", {n_lacking} without a sample"
    else:
        values, what = shown_of(signal)
        title += f", {what}" if what else ""
        scale = robust_scale(values[is_good] if is_good.any() else values)
        _draw_line(ax, signal, factor * values, is_good, seconds)
        ax.set_ylim(factor * scale.low, factor * scale.high)
        ax.set_ylabel(f"[{unit}]" if unit else "")
    ax.set_title(title, loc="left")
    ax.set_title(f"{100 * is_good.mean():.0f} % unflagged", loc="right", fontsize=8)
    return _shade(ax, counted if is_there.any() else signal, seconds)


def _draw_channels(
    ax: Axes,
    signal: Signal,
    rows: list[int],
    is_good: NDArray[np.bool_],
    factor: float,
    unit: str,
    seconds: float,
) -> None:
    """Draw channels one below the other, all on one scale."""
    data = np.asarray(signal.data[rows], dtype=np.float64)
    has = np.isfinite(data) & (is_good if is_good.any() else True)
    middles = np.array(
        [np.median(row[own]) if own.any() else 0.0 for row, own in zip(data, has, strict=True)]
    )
    reach = [
        np.ptp(np.quantile(row[own], [0.005, 0.995])) for row, own in zip(data, has, strict=True) if own.any()
    ]
    apart = _rounded(factor * float(np.median(reach)) if reach else 1.0)
    for place, (row, middle) in enumerate(zip(data, middles, strict=True)):
        values = np.clip(factor * (row - middle) / apart, -1.0, 1.0) - place
        _draw_line(ax, signal, np.where(np.isfinite(row), values, np.nan), is_good, seconds)
    ax.set_yticks(-np.arange(len(rows)), [signal.ch_names[row] for row in rows])
    ax.set_ylim(-len(rows) + 0.2, 0.8)
    ax.set_ylabel(f"{apart:g} {unit} apart")


def _rounded(value: float) -> float:
    """The next number of 1, 2 or 5 with zeros."""
    if not value > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9)))


def _draw_line(ax: Axes, signal: Signal, values: Array, is_good: NDArray[np.bool_], seconds: float) -> None:
    """Draw what is good over what is not; of a long signal the extremes of each column."""
    if signal.n_times > _MOST_POINTS:
        cut = columns(signal.n_times, sfreq=signal.sfreq, start=0.0, duration=signal.duration)
        middles = (np.arange(cut.n) + 0.5) * signal.duration / cut.n
        times = np.repeat((signal.start + middles) / seconds, 2)

        def drawn(is_shown: NDArray[np.bool_]) -> Array:
            return np.stack(extremes(np.where(is_shown, values, np.nan), cut), axis=1).ravel()
    else:
        times = signal.times / seconds

        def drawn(is_shown: NDArray[np.bool_]) -> Array:
            return np.where(is_shown, values, np.nan)

    style: dict[str, Any] = {"linewidth": 0.6, "solid_joinstyle": "round"}
    if not is_good.all():
        ax.plot(times, drawn(np.ones_like(is_good)), color="0.6", **style)
    ax.plot(times, drawn(is_good), color="black", **style)


def _shade(ax: Axes, signal: Signal, seconds: float) -> set[str]:
    found = {reason.name: reason.is_first for reason in reasons_of(signal) if reason.is_first.any()}
    shade([ax], found, per_unit=signal.sfreq * seconds, start=signal.start / seconds)
    return set(found)


def _draw_events(ax: Axes, name: str, events: Events, seconds: float) -> None:
    times = events.times / seconds
    if events.kind == "ibi":
        is_trusted = np.isfinite(events.values)
        ax.plot(times[is_trusted], events.values[is_trusted], ".", markersize=2.5, color="black")
        rejected = times[~is_trusted]
        ax.vlines(rejected, 0, 0.08, transform=ax.get_xaxis_transform(), color=COLOURS[1], linewidth=0.8)
        n = len(rejected)
        ax.set_title(title_of(name, "ibi"), loc="left")
        if n:
            ax.set_title(f"{n} of {len(times)} rejected (marks below)", loc="right", fontsize=8)
        ax.set_ylabel("[s]")
        return
    ax.vlines(times, 0, 1, color=COLOURS[0], linewidth=0.8)
    ax.set_title(f"{name}, {len(times)}", loc="left")
    ax.set_yticks([])
    ax.set_ylim(0, 1)
