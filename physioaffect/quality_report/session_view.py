"""One cleaned trial to what its part of the page shows: pictures, shares of time, beats, responses."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.features.decomposing import function_of
from physioaffect.features.eda import EDA
from physioaffect.features.recipe import Recipe
from physioaffect.page import number
from physioaffect.quality_report.drawing import COLUMNS, Columns, band, boxes, columns, robust_scale, ticks
from physioaffect.quality_report.shown_signals import place_of, shown_of, title_of, unit_of
from physioaffect.reasons import REASON_WORDS, reasons_of
from physioaffect.recording import Events, Signal, Trial
from physioaffect.signals.eda import ResampleEDA, scr_peaks
from physioaffect.signals.quality import unit_notes

__all__ = ["Picture", "SessionView", "Share", "view_of"]

_FASTEST_BEAT, _SLOWEST_BEAT = 0.25, 2.5
_FASTEST_EDA = 16.0  # The family brings what is faster down.
_SMALL = 0.01
_SHORT, _MINUTES = 60.0, 5400.0


class Share(NamedTuple):
    """How much of the session one reason takes, counted once or with overlaps, and where."""

    reason: str
    title: str
    share: float
    overlapping: float
    boxes: str


class Picture(NamedTuple):
    """One signal over the whole session; paths in a box of 600 by 100."""

    name: str
    title: str
    what: str
    low: str
    high: str
    good: str
    bad: str
    marks: str
    coverage: float
    shares: list[Share]

    @property
    def large(self) -> list[Share]:
        """The reasons that take a hundredth of the session or more."""
        return [one for one in self.shares if one.overlapping >= _SMALL]

    @property
    def small(self) -> list[Share]:
        """The other ones, which are named but have no strip of their own."""
        return [one for one in self.shares if one.overlapping < _SMALL]

    @property
    def bar(self) -> list[tuple[str, float, float]]:
        """Reason (or good), left edge and width of the parts of a bar from 0 to 100."""
        parts, left = [], 0.0
        for reason, share in [("good", self.coverage), *((one.reason, one.share) for one in self.shares)]:
            parts.append((reason, round(left, 2), round(100 * share, 2)))
            left += 100 * share
        return parts


class SessionView(NamedTuple):
    """Everything about one session."""

    subject: str
    session: str
    trial: str
    stimulus: str
    device: str
    started: datetime | None
    duration: float
    heart_rate: float
    scr_rate: float
    pictures: list[Picture]
    lacking: list[str]
    notes: list[str]
    clock: list[str]

    @property
    def coverage(self) -> dict[str, float]:
        """Share of the session in which each signal is there and trusted."""
        return {one.name: one.coverage for one in self.pictures}

    @property
    def length(self) -> str:
        """The duration in a fitting unit."""
        if self.duration < _SHORT:
            return f"{number(self.duration, 1)} s"
        if self.duration < _MINUTES:
            return f"{number(self.duration / 60, 1)} min"
        return f"{number(self.duration / 3600, 1)} h"

    def without_pictures(self) -> SessionView:
        """Keep the numbers only."""
        bare = [
            one._replace(good="", bad="", marks="", shares=[s._replace(boxes="") for s in one.shares])
            for one in self.pictures
        ]
        return self._replace(pictures=bare)


def view_of(trial: Trial, recipe: Recipe) -> SessionView:
    """Clean a trial as the recipe says, and draw it.

    Raises
    ------
    DataError
        If a cleaning step refuses it.
    """
    for step in recipe.cleaning:
        trial = step(trial)
    duration, pictures, lacking = trial.duration, [], []
    for name in sorted(trial.signals, key=place_of):
        signal = trial.signals[name]
        if isinstance(signal, Events):
            if signal.kind == "ibi" and len(signal.times) > 1:
                pictures.append(_of_beats(name, signal, duration))
        elif signal.n_times and np.isfinite(signal.data).any():
            pictures.append(_of_signal(name, signal, duration))
        else:
            lacking.append(title_of(name, signal.kind))
    responses = _responses(trial, recipe)
    if responses is not None:
        pictures = [
            one._replace(marks=ticks(responses, duration=duration)) if one.name == "eda" else one
            for one in pictures
        ]
    covered = next((one.coverage for one in pictures if one.name == "eda"), 0.0) * duration / 60
    device = next((tag.removeprefix("device ") for tag in trial.tags if tag.startswith("device ")), "")
    return SessionView(
        subject=trial.subject,
        session=trial.session,
        trial=trial.trial,
        stimulus="" if trial.stimulus == "none" else trial.condition or trial.stimulus,
        device=device,
        started=trial.recorded_at,
        duration=duration,
        heart_rate=_heart_rate(trial),
        scr_rate=len(responses) / covered if responses is not None and covered else np.nan,
        pictures=pictures,
        lacking=lacking,
        notes=[tag for tag in trial.tags if not tag.startswith("device ")] + _doubts(trial),
        clock=_clock(trial.recorded_at, duration),
    )


def _of_signal(name: str, signal: Signal, duration: float) -> Picture:
    drawn, what = shown_of(signal)
    cut = columns(signal.n_times, sfreq=signal.sfreq, start=signal.start, duration=duration)
    is_good = signal.is_good
    scale = robust_scale(drawn[is_good] if is_good.any() else drawn)
    n_all = round(duration * signal.sfreq)
    # Devices round the ends of their signals by up to a second.
    n_all = n_all if n_all > signal.n_times + signal.sfreq else signal.n_times
    shares = []
    n_outside = n_all - signal.n_times
    found = {one.name: one for one in reasons_of(signal)}
    for reason, words in REASON_WORDS.items():
        one = found.get(reason)
        n_more = n_outside if reason == "missing" else 0
        n_own, n_overlapping = (
            (int(has.sum()) + n_more for has in (one.is_first, one.is_it)) if one else (n_more,) * 2
        )
        if n_overlapping:
            drawn_boxes = boxes(one.is_it, cut) if one else ""
            shares.append(Share(reason, words.title, n_own / n_all, n_overlapping / n_all, drawn_boxes))
    factor, unit = unit_of(signal)
    return Picture(
        name=name,
        title=title_of(name, signal.kind),
        what=what,
        low=_labelled(factor * scale.low, factor * scale.high, unit, at_top=False),
        high=_labelled(factor * scale.low, factor * scale.high, unit, at_top=True),
        good=band(np.where(is_good, drawn, np.nan), cut, scale),
        bad="" if is_good.all() else band(np.where(is_good, np.nan, drawn), cut, scale),
        marks="",
        coverage=int(is_good.sum()) / n_all,
        shares=shares,
    )


def _labelled(low: float, high: float, unit: str, *, at_top: bool) -> str:
    digits = int(np.clip(np.ceil(1 - np.log10(max(high - low, 1e-9))), 0, 6))
    return f"{number(high if at_top else low, digits)} {unit}"


def _of_beats(name: str, beats: Events, duration: float) -> Picture:
    """Tachogram: each trusted interval at the beat that ends it; what none covers is a reason."""
    # At least one beat of a slow heart falls into every column where there are beats.
    n = int(np.clip(duration / _SLOWEST_BEAT, 1, COLUMNS))
    edges = np.searchsorted(beats.times, np.arange(n + 1) * (duration / n)).astype(np.intp)
    cut, is_trusted = Columns(edges), np.isfinite(beats.values)
    scale = robust_scale(beats.values)
    lengths = np.diff(beats.times, prepend=-np.inf)
    is_drawn = ~is_trusted & (lengths <= _SLOWEST_BEAT)
    # Tenths of a second from the beginning: which of them lie in a trusted interval.
    n_tenths = max(1, round(10 * duration))
    change = np.zeros(n_tenths + 1)
    for times, by in ((beats.times - beats.values, 1), (beats.times, -1)):
        np.add.at(change, np.clip(np.rint(10 * times[is_trusted]), 0, n_tenths).astype(np.intp), by)
    is_bare = np.cumsum(change[:-1]) <= 0
    share = float(is_bare.mean())
    n_rejected = int((~is_trusted).sum())
    # A device that judges its intervals itself leaves out what it does not trust.
    why = f"{n_rejected} of {len(beats.times)} beats rejected" if n_rejected else "none is given there"
    title = f"no trusted interval ({why})"
    bare = boxes(is_bare, columns(n_tenths, sfreq=10.0, start=0.0, duration=duration))
    return Picture(
        name=name,
        title=title_of(name, "ibi"),
        what="",
        low=_labelled(scale.low, scale.high, "s", at_top=False),
        high=_labelled(scale.low, scale.high, "s", at_top=True),
        good=band(beats.values, cut, scale, is_joined=False),
        bad=band(np.where(is_drawn, lengths, np.nan), cut, scale, is_joined=False),
        marks="",
        coverage=1 - share,
        shares=[Share("rejected", title, share, share, bare)] if share > 0 else [],
    )


def _responses(trial: Trial, recipe: Recipe) -> NDArray[np.float64] | None:
    """Seconds of the peaks of skin conductance responses, as the recipe's own EDA family finds them."""
    eda = trial.signals.get("eda")
    if not isinstance(eda, Signal) or eda.unit != "uS" or not np.isfinite(eda.data).any():
        return None
    family = next((one for one in recipe.features if isinstance(one, EDA)), EDA())
    if eda.sfreq > _FASTEST_EDA:
        eda = ResampleEDA()(replace(trial, signals={"eda": eda})).signal("eda")
    level = np.where(eda.is_good, eda.data[0], np.nan)
    phasic = function_of(family.decompose)(level, sfreq=eda.sfreq).phasic
    found = scr_peaks(phasic, eda=level, sfreq=eda.sfreq, threshold=family.threshold)
    return np.asarray(eda.start + found.peak_idx / eda.sfreq)


def _heart_rate(trial: Trial) -> float:
    """Median beats per minute, of trusted intervals if there are any, else as the device says."""
    beats, rate = trial.signals.get("ibi"), trial.signals.get("hr")
    if isinstance(beats, Events):
        known = beats.values[np.isfinite(beats.values) & (beats.values > _FASTEST_BEAT)]
        if len(known):
            return float(60 / np.median(known))
    if isinstance(rate, Signal) and rate.is_good.any():
        return float(np.median(rate.data[0][rate.is_good]))
    return np.nan


def _doubts(trial: Trial) -> list[str]:
    """What looks wrong with the units."""
    sampled = [signal for signal in trial.signals.values() if isinstance(signal, Signal)]
    return [note for signal in sampled for note in unit_notes(signal)]


def _clock(started: datetime | None, duration: float) -> list[str]:
    """Five moments from beginning to end: in UTC, or after the start if that is unknown or close."""
    moments = [duration * quarter / 4 for quarter in range(5)]
    if duration < _SHORT:
        return [f"{moment:.1f} s" for moment in moments]
    if started is not None:
        return [f"{started + timedelta(seconds=moment):%H:%M:%S}" for moment in moments]
    return [str(timedelta(seconds=round(moment))) for moment in moments]
