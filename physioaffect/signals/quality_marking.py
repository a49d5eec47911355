"""The cleaning step that flags every signal of a trial that it knows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import PhysioaffectError
from physioaffect.recording import Events, Flag, Signal, Trial
from physioaffect.signals.quality_eda import EDARules, eda_flags
from physioaffect.signals.quality_local import Mask
from physioaffect.signals.quality_motion import CONTEXT_S, MotionRules, acceleration_flags, motion_level
from physioaffect.signals.quality_samples import missing, out_of_range
from physioaffect.signals.quality_temperature import (
    MINUTE_S,
    TemperatureRules,
    settling_time,
    temperature_flags,
)
from physioaffect.signals.quality_waves import WaveRules, wave_flags
from physioaffect.signals.quality_worn import (
    OffBodyRules,
    PerSecond,
    SecondBySecond,
    off_body,
    per_second,
    returns,
)

__all__ = ["UNITS", "MarkQuality"]

# What a rule is written in; a wave may have any unit.
UNITS = {"eda": "uS", "temperature": "degC", "acc": "g", "hr": "bpm"}
_WAVES = ("ecg", "emg", "ppg", "resp")
# What a strap around the chest records goes on when the wristband is off.
_WRIST = ("acc", "eda", "gyro", "hr", "ppg", "temperature")
# Pieces of a stream are cut a little wider than what is asked for, so that rounded instants do not matter.
_MARGIN_S = 1.0


class _Around(NamedTuple):
    """What the signals of a trial tell about one another."""

    skin: Signal | None
    acc: Signal | None
    level: NDArray[np.float64] | None
    seconds: PerSecond | None
    is_off: Mask | None
    begins: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class MarkQuality:
    """Cleaning step that flags what is not to be trusted; the samples stay as they are.

    Parameters
    ----------
    eda : EDARules, optional
        Skin conductance in uS.
    temperature : TemperatureRules, optional
        Skin temperature in degC.
    waves : WaveRules, optional
        Pulse wave, electrocardiogram, breathing and muscle in any unit.
    heart_rate : (low, high), optional
        Range of heart rates in bpm: `Flag.OUT_OF_RANGE`.
    motion : MotionRules, optional
        Acceleration in g, and the pulse wave and skin conductance at the moments when it was strong.
    off_body : OffBodyRules, optional
        All signals of a wristband that is not worn: acceleration, skin conductance, angular rate, heart rate,
        pulse wave and temperature.

    Notes
    -----
    None leaves a group of rules out. New flags join those that a signal has. Signals are known by their kind,
    whatever their names; where there are several of a kind, the first one answers for it to other signals.
    One in another unit than above is only looked through for gaps: the rules would be nonsense, and
    `quality_summary` says so. EEG, EOG and angular rate have no rules here (EEG has `EEGCleaning`). A sample
    is flagged if any of its channels is bad: pick the lead first where one is enough. Signals of other rates
    and starts are matched to the nearest sample in time.

    `Flag.SETTLING` after the beginning needs to know when that was: the trial's ``elapsed``. A trial without
    it, and a baseline, is only marked so where the band was put on again.

    Examples
    --------
    >>> eda = Signal(data=np.zeros((1, 1200)), sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS")
    >>> trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"eda": eda})
    >>> marked = MarkQuality()(trial).signal("eda")
    >>> bool((marked.flags & Flag.OFF_BODY).all())
    True
    """

    name: ClassVar[str] = "mark_quality"
    version: ClassVar[int] = 1

    eda: EDARules | None = field(default_factory=EDARules)
    temperature: TemperatureRules | None = field(default_factory=TemperatureRules)
    waves: WaveRules | None = field(default_factory=WaveRules)
    heart_rate: tuple[float, float] | None = (30.0, 220.0)
    motion: MotionRules | None = field(default_factory=MotionRules)
    off_body: OffBodyRules | None = field(default_factory=OffBodyRules)

    def __post_init__(self) -> None:
        if self.heart_rate is not None and not self.heart_rate[0] < self.heart_rate[1]:
            raise PhysioaffectError(f"MarkQuality needs heart rates (low, high), got {self.heart_rate}.")

    @classmethod
    def quick(cls) -> MarkQuality:
        """Make a step for streams: without the rules that look back or ahead for minutes.

        Those are whether the band is worn, whether temperature has settled, and stretches of temperature and
        acceleration that stay the same. Electrodes that touch nothing are still found.

        Examples
        --------
        >>> MarkQuality.quick().context
        (47.5, 16.25)
        """
        temperature = TemperatureRules(flat_s=None, settled=None)
        return cls(temperature=temperature, motion=MotionRules(flat_s=None), off_body=None)

    @property
    def context(self) -> tuple[float, float]:
        """Seconds before and after a moment outside of which nothing changes its flags."""
        groups = (self.eda, self.temperature, self.waves, self.motion)
        contexts = [group.context for group in groups if group is not None]
        before, after = (max((one[side] for one in contexts), default=0.0) for side in (0, 1))
        if self.off_body is not None:
            # What settles looks back to when the band was put on, which has a context of its own.
            settles = [0.0 if self.eda is None else self.eda.settling_s]
            if self.temperature is not None and self.temperature.settled is not None:
                settles.append(self.temperature.settling_s)
            if self.waves is not None:
                settles.append(self.waves.ppg_settling_s)
            before = max(before, self.off_body.context[0] + max(settles))
            after = max(after, self.off_body.context[1])
        elif self.temperature is not None and self.temperature.settled is not None:
            before = max(before, self.temperature.settling_s)
        if self.temperature is not None and self.temperature.settled is not None:
            after = max(after, MINUTE_S)
        return before + 1.0, after + 1.0

    def __call__(self, trial: Trial) -> Trial:
        """Return the trial with flags on its signals, and on those of its baseline."""
        signals = self._marked(trial.signals, trial.elapsed)
        baseline = None if trial.baseline is None else self._marked(trial.baseline, None)
        return replace(trial, signals=signals, baseline=baseline)

    def in_pieces(self) -> MarkingInPieces:
        """Make what marks a recording as it grows, for a stream: the same flags with less work."""
        return MarkingInPieces(self)

    def _marked(
        self, signals: Mapping[str, Signal | Events], elapsed: float | None
    ) -> dict[str, Signal | Events]:
        around = self._look_around(signals, elapsed)
        return {
            name: replace(one, flags=self._flags(one, one, around)) if _has_rules(one) else one
            for name, one in signals.items()
        }

    def _look_around(self, signals: Mapping[str, Signal | Events], elapsed: float | None) -> _Around:
        acc, eda, skin = (_first(signals, kind) for kind in ("acc", "eda", "temperature"))
        seconds = None
        if self.off_body is not None:
            seconds = per_second(eda=eda, temperature=skin, acc=acc)
        return self._around(acc, skin, seconds, elapsed)

    def _around(
        self, acc: Signal | None, skin: Signal | None, seconds: PerSecond | None, elapsed: float | None
    ) -> _Around:
        level, is_off = None, None
        if acc is not None and acc.n_times and self.motion is not None:
            level = motion_level(acc.data, sfreq=acc.sfreq)
        begins = [] if elapsed is None else [-elapsed]
        if seconds is not None:
            is_off = off_body(seconds, self.off_body)
            begins += [float(seconds.first + second) for second in returns(is_off)]
        return _Around(skin, acc, level, seconds, is_off, tuple(begins))

    def _flags(self, signal: Signal, longer: Signal, around: _Around) -> NDArray[np.uint8]:
        """All flags of a signal, of which ``longer`` reaches back to when the band was put on."""
        flags = signal.flags | self._own_flags(signal, around.skin)
        flags |= self._of_others(signal, longer, around)
        flags[missing(signal.data).any(axis=0)] |= np.uint8(Flag.GAP)
        return flags

    def _reach(self, kind: str) -> tuple[float, float]:
        """Seconds before and after a moment that a signal's own rules look at."""
        rules = {"eda": self.eda, "temperature": self.temperature, "acc": self.motion}
        group = rules.get(kind, self.waves if kind in _WAVES else None)
        return (0.0, 0.0) if group is None else group.context

    def _own_flags(self, signal: Signal, skin: Signal | None) -> NDArray[np.uint8]:
        """What a signal says of itself, all channels together."""
        nothing = np.zeros(signal.n_times, dtype=np.uint8)
        kind, data, sfreq = signal.kind, signal.data, signal.sfreq
        if signal.unit != UNITS.get(kind, signal.unit):
            return nothing
        if kind == "eda" and self.eda is not None:
            warmth = None if skin is None or self.eda.temperature is None else _nearest(signal, skin)
            return _any_channel(
                np.stack([eda_flags(row, sfreq=sfreq, rules=self.eda, temperature=warmth) for row in data])
            )
        if kind == "temperature" and self.temperature is not None:
            return _any_channel(temperature_flags(data, sfreq=sfreq, rules=self.temperature))
        if kind in _WAVES and self.waves is not None:
            return _any_channel(wave_flags(data, sfreq=sfreq, kind=kind, unit=signal.unit, rules=self.waves))
        if kind == "acc" and self.motion is not None:
            return acceleration_flags(data, sfreq=sfreq, rules=self.motion)
        if kind == "hr" and self.heart_rate is not None:
            low, high = self.heart_rate
            nothing[out_of_range(data, low=low, high=high).any(axis=0)] = np.uint8(Flag.OUT_OF_RANGE)
        return nothing

    def _of_others(self, signal: Signal, longer: Signal, around: _Around) -> NDArray[np.uint8]:
        """What the other signals and the time say of it."""
        flags = np.zeros(signal.n_times, dtype=np.uint8)
        most = {"ppg": self.motion.ppg, "eda": self.motion.eda}.get(signal.kind) if self.motion else None
        if most is not None and around.acc is not None and around.level is not None:
            idx, is_inside = _matching(signal, around.acc.start, around.acc.sfreq, len(around.level))
            with np.errstate(invalid="ignore"):
                is_moving = around.level > most
            flags[is_inside & is_moving[idx]] |= np.uint8(Flag.MOTION)
        if around.seconds is not None and around.is_off is not None and signal.kind in _WRIST:
            # A sample belongs to the second that it falls into.
            idx, is_inside = _matching(signal, around.seconds.first + 0.5, 1.0, len(around.is_off))
            flags[is_inside & around.is_off[idx]] |= np.uint8(Flag.OFF_BODY)
        for begin in around.begins:
            first = _first_from(signal, begin)
            flags[first : max(first, _first_from(signal, self._settled(longer, begin)))] |= np.uint8(
                Flag.SETTLING
            )
        return flags

    def _settled(self, signal: Signal, begin: float) -> float:
        """When a signal has settled that began, or came back to the body, at ``begin``."""
        if signal.kind == "eda" and self.eda is not None:
            return begin + self.eda.settling_s
        if signal.kind == "ppg" and self.waves is not None:
            return begin + self.waves.ppg_settling_s
        rules = self.temperature
        if signal.kind != "temperature" or rules is None or rules.settled is None or signal.unit != "degC":
            return begin
        first = _first_from(signal, begin)
        seen = signal.start + first / signal.sfreq
        left = begin + rules.settling_s - seen
        if first == signal.n_times or left <= 0:
            return begin
        return seen + settling_time(
            signal.data[0, first:], sfreq=signal.sfreq, settled=rules.settled, longest=left
        )


class MarkingInPieces:
    """A `MarkQuality` that is given the newest piece of a recording again and again.

    Each rule is run on no more than it looks at, and what a second says of whether the band is worn is worked
    out once.
    """

    def __init__(self, step: MarkQuality) -> None:
        self._step = step
        self._seconds = SecondBySecond()

    def __call__(self, trial: Trial, *, since: float, until: float) -> Mapping[str, Signal | Events]:
        """Mark what lies in [since, until) of a trial that reaches around it as far as the step looks.

        Returns
        -------
        signals : mapping of str to Signal or Events
            What lies there of those that have rules, and a little more that is not to be used. The others
            as they are.
        """
        step, signals = self._step, trial.signals
        acc, eda, skin = (_first(signals, kind) for kind in ("acc", "eda", "temperature"))
        seconds = None
        if step.off_body is not None:
            seconds = self._seconds(eda=eda, temperature=skin, acc=acc)
        since, until = since - _MARGIN_S, until + _MARGIN_S
        near = None if acc is None else _cut(acc, since - CONTEXT_S - 1, until + CONTEXT_S + 1)
        around = step._around(near, skin, seconds, trial.elapsed)
        marked: dict[str, Signal | Events] = {}
        for name, signal in signals.items():
            if not _has_rules(signal):
                marked[name] = signal
                continue
            before, after = step._reach(signal.kind)
            own = _cut(signal, since - before, until + after)
            if own.n_times:
                own = replace(own, flags=step._flags(own, signal, around))
            marked[name] = _cut(own, since, until)
        return marked


def _cut(signal: Signal, start: float, stop: float) -> Signal:
    """The samples from ``start`` to before ``stop``."""
    first, last = (_first_from(signal, time) for time in (start, stop))
    return replace(
        signal,
        data=signal.data[:, first:last],
        flags=signal.flags[first:last],
        start=signal.start + first / signal.sfreq,
    )


def _has_rules(signal: Signal | Events) -> TypeGuard[Signal]:
    return isinstance(signal, Signal) and signal.kind not in ("eeg", "eog") and signal.n_times > 0


def _first_from(signal: Signal, time: float) -> int:
    """The first sample at or after a time."""
    if math.isinf(time):
        return 0 if time < 0 else signal.n_times
    return min(max(0, math.ceil((time - signal.start) * signal.sfreq - 1e-6)), signal.n_times)


def _any_channel(flags: NDArray[np.uint8]) -> NDArray[np.uint8]:
    joined: NDArray[np.uint8] = np.bitwise_or.reduce(flags, axis=0)
    return joined


def _first(signals: Mapping[str, Signal | Events], kind: str) -> Signal | None:
    """The first signal of a kind that is in the unit of the rules."""
    for signal in signals.values():
        if isinstance(signal, Signal) and signal.kind == kind and signal.unit == UNITS[kind]:
            return signal
    return None


def _matching(signal: Signal, start: float, sfreq: float, n_times: int) -> tuple[NDArray[np.intp], Mask]:
    """Index of the nearest of ``n_times`` samples for each of the signal's, and whether it is near enough."""
    idx = np.floor(
        (signal.start - start) * sfreq + np.arange(signal.n_times) * (sfreq / signal.sfreq) + 0.5 + 1e-6
    )
    is_inside = (idx >= 0) & (idx < n_times)
    return np.clip(idx, 0, max(0, n_times - 1)).astype(np.intp), is_inside


def _nearest(signal: Signal, other: Signal) -> NDArray[np.float64]:
    """The first channel of another signal at the instants of this one; NaN where it does not reach."""
    idx, is_inside = _matching(signal, other.start, other.sfreq, other.n_times)
    if not other.n_times:
        return np.full(signal.n_times, np.nan)
    return np.where(is_inside, other.data[0, idx], np.nan)
