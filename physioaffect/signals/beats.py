"""Beats of the heart from ECG and PPG: the cleaning steps, and what they are made of.

Everything rests on what was recorded from 98 s before to 37 s after it (`CONTEXT_S`): a part of a recording
gives the same beats as all of it, but for its edges.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.recording import Events, Signal, Trial
from physioaffect.signals.beat_intervals import (
    CONTEXT_S,
    Beats,
    beats_from_ecg,
    beats_from_ppg,
    heart_rate,
)
from physioaffect.signals.cardiac import SLOWEST_ECG_HZ
from physioaffect.signals.ppg import SLOWEST_PPG_HZ

__all__ = [
    "CONTEXT_S",
    "SLOWEST_HZ",
    "Beats",
    "BeatsFromECG",
    "BeatsFromPPG",
    "BeatsOfHeart",
    "beats_from_ecg",
    "beats_from_ppg",
    "heart_rate",
]

Floats = NDArray[np.float64]

# Samples per second that a signal must have for beats to be found in it.
SLOWEST_HZ = {"ecg": SLOWEST_ECG_HZ, "ppg": SLOWEST_PPG_HZ}

_NO_BEATS = Beats(np.empty(0), np.empty(0), np.empty(0), np.empty(0, dtype=np.bool_))


def _checked(how: BeatsFromECG | BeatsFromPPG) -> None:
    if not 0 <= how.min_quality <= 1:
        raise ValueError(f"min_quality is a correlation from 0 to 1, got {how.min_quality}.")
    if how.rate_sfreq is not None and not how.rate_sfreq > 0:
        raise ValueError(f"The heart rate needs a sampling rate above 0 Hz, got rate_sfreq={how.rate_sfreq}.")
    if how.keeps_own_rate and how.rate_sfreq is None:
        raise ValueError(
            "keeps_own_rate says which trials are given a heart rate, got rate_sfreq=None, which gives none: "
            "set rate_sfreq too, or leave keeps_own_rate out."
        )


def _context(how: BeatsFromECG | BeatsFromPPG) -> tuple[float, float]:
    # That a trial has no rate of its own is known when it is over.
    return (math.inf, math.inf) if how.keeps_own_rate else CONTEXT_S


def _lead(trial: Trial, name: str, channel: str | None) -> tuple[Signal, Floats]:
    """The signal and the one channel of it, NaN where flagged."""
    signal = trial.signal(name)
    if channel is not None and channel not in signal.ch_names:
        raise DataError(
            f"The {name} of subject {trial.subject}, trial {trial.trial} has no channel {channel!r}: it has "
            f"{', '.join(signal.ch_names)}."
        )
    row = 0 if channel is None else signal.ch_names.index(channel)
    # Flags of one channel's reasons count for all; what is missing in another channel does not.
    return signal, np.where(signal.flags == 0, signal.data[row], np.nan)


def _with_beats(trial: Trial, source: str, beats: Beats, how: BeatsFromECG | BeatsFromPPG) -> Trial:
    """The trial with its intervals and perhaps its heart rate; the device's own are kept beside."""
    signals, tags, start = dict(trial.signals), trial.tags, trial.signal(source).start
    made: dict[str, Signal | Events] = {
        "ibi": Events(times=start + beats.times, values=beats.intervals, kind="ibi")
    }
    if how.rate_sfreq is not None and not (how.keeps_own_rate and _has_rate(trial)):
        made["hr"] = rate = _rate_of(beats, trial.signal(source), how.rate_sfreq)
        if how.keeps_own_rate:
            signals.pop("hr", None)  # There was no number in it.
            # In one table with rates of devices nothing else would tell them apart.
            tags = (*tags, f"heart rate made of the beats in its {source}") if rate.is_good.any() else tags
    for name, own in made.items():
        if name in signals:
            signals.setdefault(f"{name}_device", signals[name])
        signals[name] = own
    return replace(trial, signals=signals, tags=tags)


def _has_rate(trial: Trial) -> bool:
    own = trial.signals.get("hr")
    return isinstance(own, Signal) and bool(np.isfinite(own.data).any())


def _rate_of(beats: Beats, signal: Signal, sfreq: float) -> Signal:
    n_rates = int(np.floor(signal.duration * sfreq + 1e-9))
    rate = heart_rate(beats.times, beats.intervals, np.arange(n_rates) / sfreq)
    return Signal(
        data=rate[np.newaxis], sfreq=sfreq, ch_names=("HR",), kind="hr", unit="bpm", start=signal.start
    )


def _number_of_first(signal: Signal) -> int:
    return round(signal.start * signal.sfreq)


@dataclass(frozen=True, kw_only=True)
class BeatsFromPPG:
    """Cleaning step that makes ``ibi`` (and ``hr``) of the trial's ``ppg``.

    Parameters
    ----------
    channel : str, optional
        Name of the channel. Default: the first.
    min_quality : float
        A beat is good from this correlation with its neighbours on.
    fiducial : {"foot", "upslope"}
        When a beat is: ``"foot"`` for the wrist, ``"upslope"`` for the finger.
    points_down : bool
        Whether systole is down in this recording, as in the raw light of some devices. An E4's points up.
    rate_sfreq : float, optional
        If given, the signal ``hr`` is made too, at so many samples per second.
    keeps_own_rate : bool
        Whether a trial keeps the ``hr`` that it has, if one sample of it is a number: then no rate is made of
        its beats, nor is the trial's own one mended where it is missing. Other trials are given one, and
        their tags say so. For tables of several devices, of which some tell the rate.

    Notes
    -----
    Flagged samples count as missing. What the trial had as ``ibi`` and ``hr`` becomes ``ibi_device`` and
    ``hr_device``, unless there is such a signal already. Where no interval is trusted the rate is NaN. See
    `beats_from_ppg` and `heart_rate`.
    """

    name: ClassVar[str] = "ppg_beats"
    version: ClassVar[int] = 1

    channel: str | None = None
    min_quality: float = 0.8
    fiducial: Literal["foot", "upslope"] = "foot"
    points_down: bool = False
    rate_sfreq: float | None = None
    keeps_own_rate: bool = False

    def __post_init__(self) -> None:
        _checked(self)
        if self.fiducial not in ("foot", "upslope"):
            raise ValueError(f'fiducial must be "foot" or "upslope", got {self.fiducial!r}.')

    @property
    def context(self) -> tuple[float, float]:
        """Seconds before and after a moment outside of which nothing changes what comes out."""
        return _context(self)

    def __call__(self, trial: Trial) -> Trial:
        """Return the trial with its beats.

        Raises
        ------
        DataError
            If the trial has no PPG, or not that channel, or at too low a rate.
        """
        signal, ppg = _lead(trial, "ppg", self.channel)
        beats = beats_from_ppg(
            -ppg if self.points_down else ppg,
            sfreq=signal.sfreq,
            min_quality=self.min_quality,
            fiducial=self.fiducial,
            first=_number_of_first(signal),
        )
        return _with_beats(trial, "ppg", beats, self)


@dataclass(frozen=True, kw_only=True)
class BeatsFromECG:
    """Cleaning step that makes ``ibi`` (and ``hr``) of the trial's ``ecg``.

    Parameters
    ----------
    channel : str, optional
        Name of the lead. Default: the first.
    min_quality : float
        A beat is good from this correlation with its neighbours on.
    rate_sfreq : float, optional
        If given, the signal ``hr`` is made too, at so many samples per second.
    keeps_own_rate : bool
        Whether a trial keeps the ``hr`` that it has, if one sample of it is a number: then no rate is made of
        its beats, nor is the trial's own one mended where it is missing. Other trials are given one, and
        their tags say so. For tables of several devices, of which some tell the rate.

    Notes
    -----
    Flagged samples count as missing. What the trial had as ``ibi`` and ``hr`` becomes ``ibi_device`` and
    ``hr_device``, unless there is such a signal already. Where no interval is trusted the rate is NaN. See
    `beats_from_ecg` and `heart_rate`.
    """

    name: ClassVar[str] = "ecg_beats"
    version: ClassVar[int] = 1

    channel: str | None = None
    min_quality: float = 0.8
    rate_sfreq: float | None = None
    keeps_own_rate: bool = False

    def __post_init__(self) -> None:
        _checked(self)

    @property
    def context(self) -> tuple[float, float]:
        """Seconds before and after a moment outside of which nothing changes what comes out."""
        return _context(self)

    def __call__(self, trial: Trial) -> Trial:
        """Return the trial with its beats.

        Raises
        ------
        DataError
            If the trial has no ECG, or not that lead, or at too low a rate.
        """
        signal, ecg = _lead(trial, "ecg", self.channel)
        beats = beats_from_ecg(
            ecg, sfreq=signal.sfreq, min_quality=self.min_quality, first=_number_of_first(signal)
        )
        return _with_beats(trial, "ecg", beats, self)


@dataclass(frozen=True, kw_only=True)
class BeatsOfHeart:
    """Cleaning step that makes ``ibi`` (and ``hr``) of a trial's ``ecg`` if that was recorded, else ``ppg``.

    Parameters
    ----------
    ecg : BeatsFromECG
        How an ECG is read.
    ppg : BeatsFromPPG
        How a pulse wave is read.

    Notes
    -----
    For recordings of several devices in one table. An ECG that is too slow for beats is passed over, if there
    is a pulse wave that is not. In a trial in which neither holds a sample no beats are found: its ``ibi`` is
    empty, and ``hr``, if the one that it has would make one, is NaN.
    """

    name: ClassVar[str] = "beats"
    version: ClassVar[int] = 2

    ecg: BeatsFromECG = BeatsFromECG()
    ppg: BeatsFromPPG = BeatsFromPPG()

    @property
    def context(self) -> tuple[float, float]:
        """All of the recording: that an ECG holds no sample is known when it is over."""
        return (math.inf, math.inf)

    def __call__(self, trial: Trial) -> Trial:
        """Return the trial with its beats.

        Raises
        ------
        DataError
            If the trial has neither signal, or at too low a rate.
        """
        steps: dict[str, BeatsFromECG | BeatsFromPPG] = {"ecg": self.ecg, "ppg": self.ppg}
        there = [name for name in steps if isinstance(trial.signals.get(name), Signal)]
        if not there:
            raise DataError(
                f"Beats are found in an ecg or a ppg; subject {trial.subject}, trial {trial.trial} has "
                f"{', '.join(sorted(trial.signals)) or 'no signal'}. Choose features that need no beats."
            )
        recorded = [name for name in there if np.isfinite(trial.signal(name).data).any()]
        if not recorded:
            # Nothing is looked for: it may be days of nothing, or at a rate at which there are no beats.
            return _with_beats(trial, there[0], _NO_BEATS, steps[there[0]])
        fast = [name for name in recorded if trial.signal(name).sfreq >= SLOWEST_HZ[name]]
        return steps[(fast or recorded)[0]](trial)
