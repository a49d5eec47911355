"""EDF, EDF+ and BDF files: every sensor at its own rate, where mne brings all to the fastest.

Samples and annotations are read by pyedflib, a library in C. What a header claims is held against the file
before pyedflib sees it, so that a damaged or hostile file is an error and no crash.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyedflib
from numpy.typing import NDArray

from physioaffect.devices._edf_header import EDFBROWSER, read_header
from physioaffect.errors import DataError
from physioaffect.recording import KINDS, Events, Flag, Signal

__all__ = ["Annotation", "EdfRecording", "read_edf"]


class Annotation(NamedTuple):
    """A note in an EDF+ file: onset and duration in seconds, None if not told; text of 512 bytes at most."""

    onset: float
    duration: float | None
    text: str


class EdfRecording(NamedTuple):
    """One recording.

    ``recorded_at`` is when the first sample was taken. It is in UTC where the file tells how far its clock is
    from it (as Bittium's Faros does, ``TZ=+0200``), and otherwise what the clock said, without a time zone:
    EDF has none. It is None where the file was made anonymous (1 January 1985) or names a day that is none.

    ``signals`` has one `Signal` for all channels of one kind and rate, by the name of the kind. Where a kind
    comes at several rates or in several units, these belong to the name: ``acc_25Hz``, ``acc_100Hz``.
    Everything begins at 0 s. ``annotations`` are in order of time.
    """

    recorded_at: datetime | None
    signals: Mapping[str, Signal | Events]
    annotations: tuple[Annotation, ...]


class _Channel(NamedTuple):
    number: int
    label: str
    kind: str
    unit: str
    scale: float
    lowest: float  # In the unit, at the lowest count.
    sfreq: float


_LARGEST_RANGE = 1e30
_EVENTS = ("ibi", "tags")
_WORDS = {
    "ecg": "ECG|EKG",
    "eeg": "EEG",
    "emg": "EMG",
    "eog": "[HV]?EOG",
    "acc": "ACC|Accelerometer",
    "gyro": "Gyro|Gyroscope",
    "eda": "EDA|GSR",
    "ppg": "PPG|BVP|Pleth",
    "resp": "Resp|Respiration",
    "temperature": "Temp|Temperature",
    "hr": "HR",
    "ibi": "HRV",
    "tags": "Marker",
}
_SITE = re.compile(r"([NI]z|(Fp|AF|FC|FT|F|CP|C|TP|T|PO|P|O)(z|\d{1,2}))(-\w+)?\.*", re.IGNORECASE)
_VOLTS = {"V": 1.0, "mV": 1e-3, "uV": 1e-6, "nV": 1e-9}
_UNITS: Mapping[str, tuple[str, Mapping[str, float]]] = {
    **dict.fromkeys(("ecg", "eeg", "emg", "eog"), ("V", _VOLTS)),
    "acc": ("g", {"g": 1.0, "mg": 1e-3, "m/s2": 1 / 9.80665, "m/s^2": 1 / 9.80665}),
    "eda": ("uS", {"uS": 1.0, "nS": 1e-3, "S": 1e6}),
    "temperature": ("degC", {"degC": 1.0, "deg C": 1.0, "C": 1.0}),
    "hr": ("bpm", {"bpm": 1.0, "BPM": 1.0, "1/min": 1.0}),
    "ibi": ("s", {"s": 1.0, "ms": 1e-3}),
}

_UNREAD = np.int32(2**30)  # No sample: BDF's have 24 bits.
_LOCK = threading.Lock()  # pyedflib keeps what is open in one table, which is not made for threads.


def read_edf(path: Path | str, *, kinds: Mapping[str, str | None] | None = None) -> EdfRecording:
    """Read one file of a device.

    Parameters
    ----------
    path : path
        EDF, EDF+C, BDF or BDF+C, up to 2 GiB.
    kinds : mapping of str to str or None, optional
        Kind of the channels with a label, for labels that do not tell it or tell it wrongly: one of `KINDS`,
        ``"ibi"`` or ``"tags"``; None leaves the channels out. Labels that the file lacks do not matter.

    Returns
    -------
    EdfRecording
        Channels are named by their labels. Voltages are in V, acceleration in g, skin conductance in uS,
        temperature in degC, heart rate in bpm. A unit that is none of these, and the unit of another kind,
        stays as it is; it is ``"au"`` where the file names none. Where a channel stays at an end of its
        range for two samples or more, all its samples there are flagged `Flag.CLIPPED`; samples beyond the
        range are flagged `Flag.OUT_OF_RANGE`. A flag of one channel holds for the whole `Signal`.

    Raises
    ------
    DataError
        If there is no such file, it is not whole, it is discontinuous (EDF+D), a label does not tell its
        kind, or skin conductance is given as a resistance.
    ValueError
        If ``kinds`` names a kind that does not exist.

    Notes
    -----
    The formats are those of [1]_ and [2]_, and BioSemi's with 24 bits. A label tells its kind if its first
    word, in capitals or not, is one of EDF+ (ECG, EEG, EMG, EOG, Resp, Temp) or ACC, Accelerometer, BVP, EDA,
    EKG, GSR, Gyro, Gyroscope, HEOG, HR, HRV, Marker, Pleth, PPG, Respiration, Temperature, VEOG; or if it is
    a site of the 10-10 system, with or without a reference, in volts (``Fp1``, ``Fc5.``, ``T3-A2``).

    The Faros samples its beats: ``HRV`` is 0 but in the sample in which a beat falls, which has the
    milliseconds since the beat before. These become `Events` of kind ``"ibi"``, in seconds, at the beginning
    of that sample, and NaN where no heart takes so long. ``Marker`` becomes `Events` of kind ``"tags"``,
    wherever it changes to another value than 0. A file whose channels were scaled to the range of their data
    reaches both ends without having been clipped, usually in one sample each, which is why one sample does
    not make the flag.

    References
    ----------
    .. [1] Kemp et al., Electroencephalogr. Clin. Neurophysiol. 82, 391-393 (1992),
       doi:10.1016/0013-4694(92)90009-7.
    .. [2] Kemp and Olivan, Clin. Neurophysiol. 114, 1755-1761 (2003), doi:10.1016/S1388-2457(03)00123-8.

    Examples
    --------
    >>> example = Path(pyedflib.__file__).parent / "data" / "test_generator.edf"
    >>> waves = ["ramp", "noise", *(f"sine {hertz} Hz" for hertz in (1, 8, 8.1777, 8.5, 15, 17, 50))]
    >>> kinds = {"squarewave": "ecg", "pulse": "ppg"} | dict.fromkeys(waves)
    >>> recording = read_edf(example, kinds=kinds)
    >>> {name: (signal.sfreq, signal.unit) for name, signal in recording.signals.items()}
    {'ecg': (200.0, 'V'), 'ppg': (200.0, 'uV')}
    >>> recording.annotations[1]
    Annotation(onset=600.0, duration=None, text='Recording ends')
    """
    path, kinds = Path(path), kinds or {}
    known = (*KINDS, *_EVENTS)
    if wrong := [kind for kind in kinds.values() if kind is not None and kind not in known]:
        raise ValueError(f"Unknown kind {wrong[0]!r} in kinds: use None or one of {', '.join(known)}.")
    if not path.is_file():
        raise DataError(f"There is no file {path}: give an EDF or BDF file.")
    try:
        with path.open("rb") as stream:
            header = read_header(stream, path.stat().st_size, path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Check its permissions.") from None
    with _LOCK, _opened(path) as reader:
        channels = _channels(reader, header.record_s, kinds, path)
        signals = _signals(reader, channels, path)
        annotations = _annotations(reader)
        started = header.started and header.started + timedelta(microseconds=reader.starttime_subsecond / 10)
    if started and header.utc_offset is not None:
        started = (started - header.utc_offset).replace(tzinfo=UTC)
    return EdfRecording(started, signals, annotations)


def _opened(path: Path) -> pyedflib.EdfReader:
    """Open a file without harm to other files that are open.

    A reader that could not open its file believes to own the first of pyedflib's open files (versions 0.1.38
    to 0.1.42) and closes it when it is freed; whoever had that one open then reads zeros. Asking for an
    impossible kind of annotations makes the reader forget it.
    """
    reader = pyedflib.EdfReader.__new__(pyedflib.EdfReader)
    try:
        reader.__init__(str(path))  # type: ignore[misc]
    except (OSError, LookupError, UnicodeError) as error:
        with suppress(OSError, LookupError):
            reader.__init__("", annotations_mode=-1)  # type: ignore[misc]
        if "already been opened" in str(error):
            raise DataError(f"{path} is already open in pyedflib: close it there first.") from None
        reason = str(error).removeprefix(f"{path}: ")
        raise DataError(f"{path} cannot be read by pyedflib: {reason}. {EDFBROWSER}") from None
    return reader


def _channels(
    reader: pyedflib.EdfReader, record_s: float, kinds: Mapping[str, str | None], path: Path
) -> list[_Channel]:
    channels, unknown = [], []
    for index, label in enumerate(reader.getSignalLabels()):
        dimension = reader.getPhysicalDimension(index).strip()
        kind = kinds[label] if label in kinds else _kind(label, dimension)
        if kind == "":
            unknown.append(label)
        if not kind:
            continue
        unit, factor = _unit(label, kind, dimension, path)
        lowest, highest = reader.physical_min(index), reader.physical_max(index)
        n_steps = reader.digital_max(index) - reader.digital_min(index)
        if n_steps < 1 or not 0 < abs(highest - lowest) <= _LARGEST_RANGE:
            raise DataError(
                f"{path} gives {label!r} a range from {lowest:g} to {highest:g} {dimension} in {n_steps} "
                f"steps, which cannot be. {EDFBROWSER}"
            )
        scale = (highest - lowest) / n_steps
        sfreq = reader.samples_in_datarecord(index) / record_s
        channels.append(_Channel(index, label, kind, unit, scale * factor, lowest * factor, sfreq))
    if unknown:
        raise DataError(
            f"{path} has labels that do not tell the kind of the channel: {', '.join(map(repr, unknown))}. "
            f"Say it with kinds={{{unknown[0]!r}: ...}}, one of {', '.join((*KINDS, *_EVENTS))}, or None to "
            "leave a channel out."
        )
    if not channels:
        raise DataError(f"{path} has no channels but those that kinds leaves out. Leave in what you need.")
    return channels


def _kind(label: str, dimension: str) -> str:
    """Tell the kind by the rules of `read_edf`; empty where they do not."""
    for kind, words in _WORDS.items():
        if re.match(rf"({words})(?![A-Z])", label, re.IGNORECASE):
            return kind
    return "eeg" if dimension in _VOLTS and _SITE.fullmatch(label) else ""


def _unit(label: str, kind: str, dimension: str, path: Path) -> tuple[str, float]:
    """Unit of the values, and what to multiply those in the file with."""
    if kind == "eda" and dimension.lower().endswith("ohm"):
        raise DataError(
            f"{path} has {label!r} as a resistance in {dimension}, which is the inverse of skin conductance "
            f"(1000 / kOhm = uS). Export the conductance, or leave it out with kinds={{{label!r}: None}}."
        )
    unit, factors = _UNITS.get(kind, ("", {}))
    if dimension in factors:
        return unit, factors[dimension]
    if kind == "ibi":
        raise DataError(
            f"{path} has the intervals {label!r} in {dimension!r}; expected ms or s. If they are not those "
            f"between beats, leave them out with kinds={{{label!r}: None}}."
        )
    return dimension or "au", 1.0


def _signals(
    reader: pyedflib.EdfReader, channels: Sequence[_Channel], path: Path
) -> dict[str, Signal | Events]:
    groups: dict[tuple[str, float, str], list[_Channel]] = {}
    for channel in channels:
        groups.setdefault((channel.kind, channel.sfreq, channel.unit), []).append(channel)
    signals: dict[str, Signal | Events] = {}
    for (kind, sfreq, unit), group in groups.items():
        labels = [channel.label for channel in group]
        rates, units = ({key[n] for key in groups if key[0] == kind} for n in (1, 2))
        is_events = kind in _EVENTS
        if len(set(labels)) < len(labels) or (is_events and len(group) * len(rates) * len(units) > 1):
            raise DataError(
                f"{path} has {', '.join(map(repr, labels))} as {kind}, which cannot be told apart. Leave "
                "channels out with kinds={label: None}, or rename them in EDFbrowser (Tools, Header editor)."
            )
        name = kind + (f"_{sfreq:.9g}Hz" if len(rates) > 1 else "") + (f"_{unit}" if len(units) > 1 else "")
        signals[name] = _events(reader, group[0], path) if is_events else _signal(reader, group, path)
    return signals


def _counts(reader: pyedflib.EdfReader, channel: _Channel, path: Path) -> NDArray[np.int32]:
    counts = np.full(reader.samples_in_file(channel.number), _UNREAD)
    reader.read_digital_signal(channel.number, 0, len(counts), counts)
    if counts[-1] == _UNREAD:  # pyedflib prints that it could not read, and goes on.
        raise DataError(f"{path} was closed or cut off while it was read. Read it again.")
    return counts


def _physical(
    reader: pyedflib.EdfReader, channel: _Channel, counts: NDArray[np.int32]
) -> NDArray[np.float64]:
    values = (counts - reader.digital_min(channel.number)) * channel.scale + channel.lowest
    return np.asarray(values, dtype=np.float64)


def _signal(reader: pyedflib.EdfReader, group: Sequence[_Channel], path: Path) -> Signal:
    n_times = reader.samples_in_file(group[0].number)
    data, flags = np.empty((len(group), n_times)), np.zeros(n_times, dtype=np.uint8)
    for row, channel in enumerate(group):
        counts = _counts(reader, channel, path)
        data[row] = _physical(reader, channel, counts)
        low, high = reader.digital_min(channel.number), reader.digital_max(channel.number)
        for is_there in (counts == low, counts == high):
            if (is_there[1:] & is_there[:-1]).any():
                flags[is_there] |= np.uint8(Flag.CLIPPED)
        flags[(counts < low) | (counts > high)] |= np.uint8(Flag.OUT_OF_RANGE)
    return Signal(
        data=data,
        sfreq=group[0].sfreq,
        ch_names=tuple(channel.label for channel in group),
        kind=group[0].kind,
        unit=group[0].unit,
        flags=flags,
    )


def _events(reader: pyedflib.EdfReader, channel: _Channel, path: Path) -> Events:
    values = _physical(reader, channel, _counts(reader, channel, path))
    is_event = np.abs(values) > abs(channel.scale) / 2  # Zero may be off by rounding, never by half a step.
    if channel.kind == "tags":
        is_event &= np.diff(values, prepend=0.0) != 0
    times, values = np.flatnonzero(is_event) / channel.sfreq, values[is_event]
    if channel.kind == "ibi":
        return Events.of_intervals(times, values)
    return Events(times=times, values=values, kind=channel.kind)


def _annotations(reader: pyedflib.EdfReader) -> tuple[Annotation, ...]:
    # They are bytes, against pyedflib's own annotation of types; times are in units of 100 ns.
    found = [
        Annotation(
            int(onset) / 1e7,
            float(duration) if duration else None,
            bytes(text).decode("utf-8", errors="replace"),  # type: ignore[arg-type]
        )
        for onset, duration, text in reader.read_annotation()
    ]
    return tuple(sorted(found, key=lambda note: note.onset))
