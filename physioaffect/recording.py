"""What every reader yields and every step takes: signals, events, trials, tasks and data sets.

All classes are frozen values. Arrays are never copied on the way in; treat them as read-only.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import IntFlag
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from physioaffect.data_folder import data_folder
from physioaffect.errors import DataError, PhysioaffectError

if TYPE_CHECKING:
    import mne
    import pandas as pd
    import xarray as xr

__all__ = ["KINDS", "DataSet", "Events", "Exclusion", "Flag", "Signal", "Target", "Task", "Trial"]

KINDS = ("acc", "ecg", "eda", "eeg", "emg", "eog", "gyro", "hr", "ppg", "resp", "temperature")


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
            In MNE's units (volts, degrees Celsius). Channels of a kind that MNE lacks are ``misc``.

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
            Kind of the channels to take.

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


# A class, a number, or the weights of several classes; None leaves the trial out.
Target = str | float | Mapping[str, float] | None


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be predicted, and from what it was made.

    Parameters
    ----------
    name : str
        Name on the command line.
    description : str
        Says the threshold or the conditions in words.
    kind : {"binary", "multiclass", "ordinal", "regression"}
        Kind of target.
    classes : tuple of str
        In order; empty for regression.
    target : callable
        From a trial to one of ``classes``, a number (regression), weights of several classes (soft labels,
        the heaviest is the truth), or None, which leaves the trial out. It looks at the ratings, stimulus,
        condition and identifiers only, never at signals.
    source : {"rating", "stimulus", "condition"}
        Where the label comes from.
    threshold : float, optional
        What the rating is compared with, where there is one.
    uses_own_ratings : bool
        Whether the test person's own ratings shape the label beyond the rating itself (a per-person median).
    """

    name: str
    description: str
    kind: Literal["binary", "multiclass", "ordinal", "regression"]
    classes: tuple[str, ...] = ()
    target: Callable[[Trial], Target]
    source: Literal["rating", "stimulus", "condition"]
    threshold: float | None = None
    uses_own_ratings: bool = False

    def __post_init__(self) -> None:
        n_classes = len(set(self.classes))
        is_fine = {"regression": n_classes == 0, "binary": n_classes == 2}.get(self.kind, n_classes > 0)
        if not is_fine or n_classes < len(self.classes):
            raise PhysioaffectError(
                f"Task {self.name} is {self.kind} and got the classes {self.classes}. A regression has none, "
                "a binary task two, any other at least one, and all are different."
            )


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """Something that was left out, and why; ``expected`` if the data set is known for it."""

    subject: str
    reason: str
    trial: str = ""
    expected: bool = False


Report = Callable[[Exclusion], None]

_MOST_FILES_AT_ONCE = 4  # More than a disk delivers: a core hashes 3 GB a second.


def _hash_of_file(path: Path) -> str:
    # In blocks: a file mapped into memory is hardly faster, and a disk that fails would kill the process.
    try:
        with path.open("rb", buffering=0) as stream:
            return hashlib.file_digest(stream, blake3).hexdigest()  # type: ignore[arg-type]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Mend the file or its rights.") from error


def raise_unless_expected(exclusion: Exclusion) -> None:
    """Stop at what nobody expected: the report of those who give none."""
    if not exclusion.expected:
        raise DataError(exclusion.reason)


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """Everything known about one data set, as a value.

    Parameters
    ----------
    name, title, doi, licence, how_to_get, layout : str
        Name in code; name in papers; DOI of the paper; licence note; where it comes from; what is expected
        on disk, in words.
    n_subjects : int
        People in the complete data set.
    n_trials : int, optional
        Trials of a complete person, all sessions together; None if it differs.
    sfreqs : mapping of str to float
        Sampling rate in Hz of each signal that a trial holds.
    ch_names : mapping of str to tuple of str
        Channels of the signals whose channels are always the same.
    montage : str, optional
        Name of mne's montage that knows the electrodes.
    passband : tuple of float, optional
        Band in Hz that the distributed EEG still holds; features outside it would be filter leakage.
    ratings : mapping of str to (lowest, highest)
        The scales of the person's own ratings.
    tasks : mapping of str to Task
        The first is the default.
    window, step : float
        Usual window length and step in seconds.
    last : float, optional
        If the data set's makers use only the last so many seconds of a trial.
    files : callable
        ``files(root)``: every file that reading would open. Cheap; raises `DataError` for a wrong folder.
    open : callable
        ``open(root)``: what ``trials`` needs for each subject, usually a path.
    trials : callable
        ``trials(subject, source, report)``: the subject's trials, in order. Raises `DataError` if the subject
        cannot be used; reports single trials that cannot.
    select : callable, optional
        ``select(source, signals, baseline)``: a source of which ``trials`` makes only the signals named, and
        baselines only if ``baseline``. It saves the time of converting and checking what nobody asked for.
    is_raw_export : bool
        Whether these are recordings as they came out of devices, which nobody has looked through: the usual
        recipe then marks what is not to be trusted, finds beats, and takes every family that fits.
    is_split_by_subject : bool
        Whether subjects lie in files of their own, so that they can be read in parallel.
    simulate : callable, optional
        ``simulate(root, world, ...)`` writes the layout from a generative model.
    download : callable, optional
        ``download(root)`` fetches a public data set.
    """

    name: str
    title: str
    doi: str
    licence: str
    how_to_get: str
    layout: str
    n_subjects: int
    n_trials: int | None = None
    sfreqs: Mapping[str, float]
    ch_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    montage: str | None = None
    passband: tuple[float, float] | None = None
    ratings: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    tasks: Mapping[str, Task]
    window: float
    step: float
    last: float | None = None
    files: Callable[[Path], Sequence[Path]]
    open: Callable[[Path], dict[str, Any]]
    trials: Callable[[str, Any, Report], Iterator[Trial]]
    select: Callable[[Any, Collection[str], bool], Any] | None = None
    is_raw_export: bool = False
    is_split_by_subject: bool = True
    simulate: Callable[..., Path] | None = None
    download: Callable[[Path], Path] | None = None

    def sources(self, root: Path | str, subjects: Sequence[str] | None = None) -> dict[str, Any]:
        """Open the data and give what ``trials`` needs for each subject asked for, in that order.

        Raises
        ------
        DataError
            If the folder is not this data set, or a subject is unknown.
        """
        everyone = self.open(Path(root))
        chosen = tuple(everyone if subjects is None else dict.fromkeys(subjects))
        if unknown := [subject for subject in chosen if subject not in everyone]:
            raise DataError(
                f"{self.title} at {root} has no subject {unknown[0]!r}; it has {', '.join(everyone)}."
            )
        return {subject: everyone[subject] for subject in chosen}

    def read(
        self,
        root: Path | str | None = None,
        *,
        subjects: Sequence[str] | None = None,
        report: Report | None = None,
    ) -> Iterator[Trial]:
        """Read trial by trial, subject by subject, holding one subject at a time.

        Parameters
        ----------
        root : path, optional
            The folder (or file) as distributed. Default: ``$PHYSIOAFFECT_DATA/<name>``.
        subjects : sequence of str, optional
            Which subjects, and in which order. Default: all, in their natural order.
        report : callable, optional
            Called with an `Exclusion` for every subject or trial that cannot be used; the others are still
            read. Without it the first unexpected one raises.

        Yields
        ------
        Trial

        Raises
        ------
        DataError
            If the folder is not this data set, a subject is unknown, or (without ``report``) is broken.
        """
        report = report or raise_unless_expected
        sources = self.sources(data_folder(self.name, root), subjects)
        for subject in tuple(sources):
            # Popped, so that a source that holds data can be freed once it has been read.
            source = sources.pop(subject)
            try:
                yield from self.trials(subject, source, report)
            except DataError as error:
                report(Exclusion(subject=subject, reason=str(error)))

    def fingerprint(self, root: Path | str) -> str:
        r"""Hash the relative names and the contents of all files that reading would open.

        Parameters
        ----------
        root : path
            The folder (or file) as distributed.

        Returns
        -------
        str
            ``"blake3:"`` and 64 hexadecimal digits. The same files in another place have the same.

        Raises
        ------
        DataError
            If the folder is not this data set, or a file cannot be read.

        Notes
        -----
        BLAKE3 [1]_ of one line for each file, in the order of their names: the name with ``/`` between
        folders, ``\0``, BLAKE3 of the content in hexadecimal digits, ``\n``.

        References
        ----------
        .. [1] O'Connor et al. (2020). BLAKE3: one function, fast everywhere.
           https://github.com/BLAKE3-team/BLAKE3-specs
        """
        root = Path(root)
        base = root if root.is_dir() else root.parent
        paths = {path.relative_to(base).as_posix(): path for path in self.files(root)}
        names = sorted(paths)
        total = blake3()
        with ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_FILES_AT_ONCE)) as pool:
            contents = pool.map(_hash_of_file, (paths[name] for name in names))
            for name, content in zip(names, contents, strict=True):
                total.update(f"{name}\0{content}\n".encode(errors="surrogateescape"))
        return f"blake3:{total.hexdigest()}"
