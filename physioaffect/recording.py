"""What every reader yields and every step takes: signals, events and trials.

All classes are frozen values. Arrays are never copied on the way in; treat them as read-only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import IntFlag
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError

if TYPE_CHECKING:
    import mne
    import pandas as pd
    import xarray as xr

__all__ = ["IBI_RANGE_S", "KINDS", "Events", "Flag", "Signal", "Trial"]

KINDS = ("acc", "ecg", "eda", "eeg", "emg", "eog", "gyro", "hr", "ppg", "resp", "temperature")

# Seconds from one beat to the next: 200 and 30 beats per minute.
IBI_RANGE_S = (0.3, 2.0)


class Flag(IntFlag):
    """Reasons why a sample is not to be trusted; zero where it is good."""

    OFF_BODY = 1
    CLIPPED = 2
    FLAT = 4
    MOTION = 8
    GAP = 16
    SETTLING = 32
    OUT_OF_RANGE = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Signal:
    """An evenly sampled recording of one kind.

    Parameters
    ----------
    data : ndarray, shape (n_channels, n_times)
        Samples in ``unit``; NaN where missing.
    sfreq : float
        Samples per second.
    ch_names : tuple of str
        One unique name per channel.
    kind : str
        One of `KINDS`.
    unit : str
        EEG in ``"V"``, EDA in ``"uS"``, temperature in ``"degC"``, acceleration in ``"g"``, heart rate in
        ``"bpm"``; ``"au"`` where the device's unit is not known.
    start : float
        Time of the first sample in seconds after the trial's onset.
    flags : ndarray of uint8, shape (n_times,), optional
        Bit field of `Flag`, zero where the sample is good. Default: all good.

    Examples
    --------
    >>> eda = Signal(data=np.ones((1, 240)), sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS")
    >>> eda.duration
    60.0
    >>> eda.crop(10, 20).n_times
    40
    """

    data: NDArray[np.floating[Any]]
    sfreq: float
    ch_names: tuple[str, ...]
    kind: str
    unit: str
    start: float = 0.0
    flags: NDArray[np.uint8] = None  # type: ignore[assignment]  # Filled in below.

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"Unknown kind of signal {self.kind!r}: use one of {', '.join(KINDS)}.")
        if self.data.ndim != 2 or self.data.dtype.kind != "f":
            raise ValueError(
                f"data must be floats of shape (n_channels, n_times), got {self.data.dtype} of shape "
                f"{self.data.shape}. For one channel pass data[np.newaxis].astype(float)."
            )
        if not self.sfreq > 0:
            raise ValueError(f"sfreq must be above 0 Hz, got {self.sfreq}.")
        if len(self.ch_names) != len(self.data) or len(set(self.ch_names)) != len(self.ch_names):
            raise ValueError(
                f"{len(self.data)} channels need {len(self.data)} different names, got {self.ch_names}."
            )
        if self.flags is None:
            object.__setattr__(self, "flags", np.zeros(self.n_times, dtype=np.uint8))
        if self.flags.shape != (self.n_times,) or self.flags.dtype != np.uint8:
            raise ValueError(
                f"flags must be uint8 of shape ({self.n_times},), one per sample, got {self.flags.dtype} of "
                f"shape {self.flags.shape}."
            )

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return int(self.data.shape[0])

    @property
    def n_times(self) -> int:
        """Number of samples per channel."""
        return int(self.data.shape[1])

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.n_times / self.sfreq

    @property
    def stop(self) -> float:
        """Time of the end, one sample after the last, in seconds after the trial's onset."""
        return self.start + self.duration

    @property
    def times(self) -> NDArray[np.float64]:
        """Time of each sample in seconds after the trial's onset, shape (n_times,)."""
        return self.start + np.arange(self.n_times) / self.sfreq

    @cached_property
    def is_good(self) -> NDArray[np.bool_]:
        """Whether each instant is present in every channel and not flagged, shape (n_times,)."""
        # The sum over the channels is finite where they all are, and takes a third of the time.
        with np.errstate(invalid="ignore", over="ignore"):
            is_present = np.isfinite(self.data.sum(axis=0))
        if not is_present.all():
            is_present = np.isfinite(self.data).all(axis=0)
        return np.asarray(is_present & (self.flags == 0))

    @property
    def masked(self) -> NDArray[np.floating[Any]]:
        """The data with NaN wherever a sample is flagged or infinite, shape (n_channels, n_times)."""
        if self.is_good.all():
            return self.data
        return np.where(np.isfinite(self.data) & (self.flags == 0), self.data, np.nan)

    def crop(self, start: float, stop: float, *, onset: float | None = None) -> Signal:
        """Cut out the half-open interval [start, stop) in seconds, clamped to what is there.

        Parameters
        ----------
        start, stop : float
            Interval in seconds after the trial's onset.
        onset : float, optional
            If given, the moment that becomes time zero of the result.

        Returns
        -------
        Signal
            A view; it may be empty.
        """
        first, last = (
            round(min(max((edge - self.start) * self.sfreq, 0), self.n_times)) for edge in (start, stop)
        )
        last = max(first, last)
        return replace(
            self,
            data=self.data[:, first:last],
            flags=self.flags[first:last],
            start=self.start + first / self.sfreq - (onset or 0.0),
        )

    def pick(self, ch_names: Sequence[str]) -> Signal:
        """Take channels by name, in the order given."""
        missing = [name for name in ch_names if name not in self.ch_names]
        if missing:
            raise ValueError(f"No channel {missing[0]!r}: there are {', '.join(self.ch_names)}.")
        rows = [self.ch_names.index(name) for name in ch_names]
        return replace(self, data=self.data[rows], ch_names=tuple(ch_names))

    def scaled(self, factor: float, *, unit: str) -> Signal:
        """Multiply by ``factor`` and declare the new unit, e.g. ``scaled(1e-6, unit="V")``."""
        return replace(self, data=self.data * factor, unit=unit)

    def to_xarray(self) -> xr.DataArray:
        """Convert to a labelled array, dimensions channel and time.

        Returns
        -------
        xarray.DataArray, shape (n_channels, n_times)
            The same samples, with the coordinates ``channel``, ``time`` (seconds after the trial's onset) and
            ``flags`` along time, and the attributes ``kind``, ``unit`` and ``sfreq``.

        Examples
        --------
        >>> eda = Signal(data=np.ones((1, 8)), sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS")
        >>> eda.to_xarray().sel(time=slice(0.5, 1)).sizes["time"]
        3
        """
        import xarray as xr  # noqa: PLC0415  A signal is of use without it.

        return xr.DataArray(
            self.data,
            dims=("channel", "time"),
            coords={"channel": list(self.ch_names), "time": self.times, "flags": ("time", self.flags)},
            name=self.kind,
            attrs={"kind": self.kind, "unit": self.unit, "sfreq": self.sfreq},
        )

    def to_pandas(self) -> pd.DataFrame:
        """Convert to a table: a row per sample, a column per channel, and ``flags``.

        Returns
        -------
        pandas.DataFrame, shape (n_times, n_channels + 1)
            Indexed by ``time`` in seconds after the trial's onset.

        Examples
        --------
        >>> eda = Signal(data=np.ones((1, 2)), sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS")
        >>> eda.to_pandas().reset_index()
           time  EDA  flags
        0  0.00  1.0      0
        1  0.25  1.0      0
        """
        import pandas as pd  # noqa: PLC0415

        columns: dict[str, Any] = dict(zip(self.ch_names, self.data, strict=True))
        return pd.DataFrame(columns | {"flags": self.flags}, index=pd.Index(self.times, name="time"))

    def to_mne(self) -> mne.io.RawArray:
        """Convert to an MNE ``Raw``; flagged stretches become annotations named ``bad_<reason>``.

        Returns
        -------
        mne.io.RawArray
            In MNE's units (volts, siemens, degrees Celsius). Skin conductance in microsiemens is ``gsr``; in
            another unit it is ``misc``, as are channels of a kind that MNE lacks.

        Raises
        ------
        ValueError
            If MNE's type has a unit and the signal is in another one.
        """
        from physioaffect._mne import to_mne  # noqa: PLC0415  mne takes a second to import.

        return to_mne(self)

    @classmethod
    def from_mne(cls, raw: mne.io.BaseRaw, *, kind: str = "eeg") -> Signal:
        """Take all channels of one kind out of an MNE ``Raw``; ``bad_`` annotations become flags.

        Parameters
        ----------
        raw : mne.io.BaseRaw
            The recording. Channels marked bad are taken too, as NaN.
        kind : str
            Kind of the channels to take. For ``eda`` those of type ``gsr``, in microsiemens; where there is
            none ``misc``, whose unit is not known.

        Raises
        ------
        ValueError
            If there is no channel of that kind.
        """
        from physioaffect._mne import from_mne  # noqa: PLC0415

        return from_mne(raw, kind=kind)


@dataclass(frozen=True, kw_only=True, eq=False)
class Events:
    """What is not sampled evenly: beats, inter-beat intervals, tags, stimuli.

    Parameters
    ----------
    times : ndarray, shape (n_events,)
        Seconds after the trial's onset, not decreasing.
    values : ndarray, shape (n_events,)
        One value each: an inter-beat interval in seconds, a tag's number.
    kind : str
        ``"beats"``, ``"ibi"``, ``"steps"``, ``"tags"`` or ``"stimuli"``.
    """

    times: NDArray[np.float64]
    values: NDArray[np.float64]
    kind: str

    def __post_init__(self) -> None:
        if self.times.ndim != 1 or self.times.shape != self.values.shape:
            raise ValueError(
                "times and values must be 1-D and equally long, got "
                f"{self.times.shape} and {self.values.shape}."
            )
        if np.any(np.diff(self.times) < 0):
            raise ValueError("times must not decrease: sort the events by time.")

    @classmethod
    def of_intervals(cls, times: NDArray[np.float64], intervals: NDArray[np.float64]) -> Events:
        """Make inter-beat intervals, shape (n_beats,), in seconds and at the later beat.

        One that no heart takes, shorter than 0.3 or longer than 2 s, ends at a beat too many or spans one
        that was missed: its value is NaN, as that of any interval that is not to be trusted.

        Examples
        --------
        >>> Events.of_intervals(np.array([1.0, 1.8, 14.8]), np.array([np.nan, 0.8, 13.0])).values
        array([nan, 0.8, nan])
        """
        with np.errstate(invalid="ignore"):
            is_possible = (intervals >= IBI_RANGE_S[0]) & (intervals <= IBI_RANGE_S[1])
        return cls(times=times, values=np.where(is_possible, intervals, np.nan), kind="ibi")

    def crop(self, start: float, stop: float, *, onset: float | None = None) -> Events:
        """Keep the events in [start, stop), times shifted so that ``onset`` becomes zero."""
        inside = slice(*np.searchsorted(self.times, [start, stop], side="left"))
        return replace(self, times=self.times[inside] - (onset or 0.0), values=self.values[inside])


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """One trial of one person: the atomic unit of every reader.

    Parameters
    ----------
    dataset, subject, session, trial, stimulus : str
        Identifiers. ``session`` is ``"1"`` where there is only one; ``trial`` is unique in a session;
        ``stimulus`` is shared by everyone who met the same clip or task.
    signals : mapping of str to Signal or Events
        By name, usually the kind.
    baseline : mapping, optional
        The same names, recorded at rest before this trial; kept apart from the trial itself.
    ratings : mapping of str to float
        The person's own ratings.
    condition : str
        What the protocol asked for (``"rest"``, ``"stroop"``), empty if there is only a stimulus.
    recorded_at : datetime, optional
        Onset in UTC, where the files tell it.
    elapsed : float, optional
        Seconds from the beginning of the session to the onset, where the files tell it.
    order : int
        Position of the trial in its session, from 0.
    tags : tuple of str
        Notes on quality from the data set's makers.
    """

    dataset: str
    subject: str
    session: str = "1"
    trial: str
    stimulus: str
    signals: Mapping[str, Signal | Events]
    baseline: Mapping[str, Signal | Events] | None = None
    ratings: Mapping[str, float] = field(default_factory=dict)
    condition: str = ""
    recorded_at: datetime | None = None
    elapsed: float | None = None
    order: int = 0
    tags: tuple[str, ...] = ()

    @property
    def duration(self) -> float:
        """Seconds from the trial's onset to the end of the signal that lasts longest."""
        return max((s.stop for s in self.signals.values() if isinstance(s, Signal)), default=0.0)

    def signal(self, name: str) -> Signal:
        """Take a sampled signal by name; a `DataError` says what there is instead."""
        found = self.signals.get(name)
        if not isinstance(found, Signal):
            raise DataError(
                f"Subject {self.subject}, trial {self.trial} of {self.dataset} has no signal {name!r}; it "
                f"has {', '.join(sorted(self.signals)) or 'none'}. Choose features that need only those."
            )
        return found
