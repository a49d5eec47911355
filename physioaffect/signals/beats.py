"""Beats of the heart from ECG and PPG: the cleaning steps, and what they are made of.

Everything rests on what was recorded from 98 s before to 37 s after it (`CONTEXT_S`): a part of a recording
gives the same beats as all of it, but for its edges.
"""

from __future__ import annotations

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

__all__ = [
    "CONTEXT_S",
    "Beats",
    "BeatsFromECG",
    "BeatsFromPPG",
    "BeatsOfHeart",
    "beats_from_ecg",
    "beats_from_ppg",
    "heart_rate",
]

Floats = NDArray[np.float64]


def _checked(quality: float, rate_sfreq: float | None) -> None:
    if not 0 <= quality <= 1:
        raise ValueError(f"min_quality is a correlation from 0 to 1, got {quality}.")
    if rate_sfreq is not None and not rate_sfreq > 0:
        raise ValueError(f"The heart rate needs a sampling rate above 0 Hz, got rate_sfreq={rate_sfreq}.")


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


def _with_beats(trial: Trial, signal: Signal, beats: Beats, rate_sfreq: float | None) -> Trial:
    """The trial with its intervals and perhaps its heart rate; the device's own are kept beside."""
    signals = dict(trial.signals)
    made: dict[str, Signal | Events] = {
        "ibi": Events(times=signal.start + beats.times, values=beats.intervals, kind="ibi")
    }
    if rate_sfreq is not None:
        n_rates = int(np.floor(signal.duration * rate_sfreq + 1e-9))
        rate = heart_rate(beats.times, beats.intervals, np.arange(n_rates) / rate_sfreq)
        made["hr"] = Signal(
            data=rate[np.newaxis],
            sfreq=rate_sfreq,
            ch_names=("HR",),
            kind="hr",
            unit="bpm",
            start=signal.start,
        )
    for name, own in made.items():
        if name in signals:
            signals.setdefault(f"{name}_device", signals[name])
        signals[name] = own
    return replace(trial, signals=signals)


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

    Notes
    -----
    Flagged samples count as missing. What the trial had as ``ibi`` and ``hr`` becomes ``ibi_device`` and
    ``hr_device``, unless there is such a signal already. See `beats_from_ppg`.
    """

    name: ClassVar[str] = "ppg_beats"
    version: ClassVar[int] = 1

    channel: str | None = None
    min_quality: float = 0.8
    fiducial: Literal["foot", "upslope"] = "foot"
    points_down: bool = False
    rate_sfreq: float | None = None

    def __post_init__(self) -> None:
        _checked(self.min_quality, self.rate_sfreq)
        if self.fiducial not in ("foot", "upslope"):
            raise ValueError(f'fiducial must be "foot" or "upslope", got {self.fiducial!r}.')

    @property
    def context(self) -> tuple[float, float]:
        """Seconds before and after a moment outside of which nothing changes what comes out."""
        return CONTEXT_S

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
        return _with_beats(trial, signal, beats, self.rate_sfreq)


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

    Notes
    -----
    Flagged samples count as missing. What the trial had as ``ibi`` and ``hr`` becomes ``ibi_device`` and
    ``hr_device``, unless there is such a signal already. See `beats_from_ecg`.
    """

    name: ClassVar[str] = "ecg_beats"
    version: ClassVar[int] = 1

    channel: str | None = None
    min_quality: float = 0.8
    rate_sfreq: float | None = None

    def __post_init__(self) -> None:
        _checked(self.min_quality, self.rate_sfreq)

    @property
    def context(self) -> tuple[float, float]:
        """Seconds before and after a moment outside of which nothing changes what comes out."""
        return CONTEXT_S

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
        return _with_beats(trial, signal, beats, self.rate_sfreq)


@dataclass(frozen=True, kw_only=True)
class BeatsOfHeart:
    """Cleaning step that makes ``ibi`` of a trial's ``ecg`` where that was recorded, else of its ``ppg``.

    Parameters
    ----------
    ecg : BeatsFromECG
        How an ECG is read.
    ppg : BeatsFromPPG
        How a pulse wave is read.

    Notes
    -----
    For recordings of several devices in one table. A trial in which neither holds a sample has an ``ibi``
    without beats.
    """

    name: ClassVar[str] = "beats"
    version: ClassVar[int] = 1

    ecg: BeatsFromECG = BeatsFromECG()
    ppg: BeatsFromPPG = BeatsFromPPG()

    @property
    def context(self) -> tuple[float, float]:
        """Seconds before and after a moment outside of which nothing changes what comes out."""
        return CONTEXT_S

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
            nothing = Events(times=np.empty(0), values=np.empty(0), kind="ibi")
            return replace(trial, signals={**trial.signals, "ibi": nothing})
        return steps[recorded[0]](trial)
