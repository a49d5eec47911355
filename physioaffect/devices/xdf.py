"""Recordings in XDF, as LabRecorder writes them from streams of the lab streaming layer, through pyxdf."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.devices._text_table import read_bytes
from physioaffect.devices._units import UNITS
from physioaffect.devices._xdf_check import Channel, Outline, Stream, walk_xdf
from physioaffect.devices.session import DeviceSession
from physioaffect.devices.stamps import place_rows
from physioaffect.errors import DataError, PhysioaffectError
from physioaffect.recording import Events, Flag, Signal

__all__ = ["kind_of", "read_xdf", "unit_of"]

Array = NDArray[np.float64]

_KINDS = {
    "acc": ("acc", "accel", "accelerometer", "accelerometers", "acceleration"),
    "ecg": ("ecg", "ekg"),
    "eda": ("eda", "gsr", "sc", "scl", "electrodermal"),
    "eeg": ("eeg",),
    "emg": ("emg",),
    "eog": ("eog", "heog", "veog"),
    "gyro": ("gyro", "gyr", "gyroscope"),
    "hr": ("hr", "heartrate", "heart rate"),
    "ppg": ("ppg", "bvp", "pleth"),
    "resp": ("resp", "rsp", "respiration", "breathing", "rip"),
    "temperature": ("temp", "temperature", "skt", "skintemperature"),
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names}
_INTERVALS = ("rr", "rri", "ibi", "ppi")
_MARKERS = ("markers", "marker", "events", "event", "stimuli", "triggers")
_SPELLINGS = {
    "V": ("volts", "volt"),
    "mV": ("millivolts", "millivolt"),
    "uV": ("microvolts", "microvolt", "µv", "μv"),
    "nV": ("nanovolts",),
    "uS": ("microsiemens", "µs", "μs"),
    "nS": ("nanosiemens",),
    "S": ("siemens",),
    "Ohm": ("ohms",),
    "kOhm": ("kiloohm", "kohms"),
    "degC": ("celsius", "degrees celsius", "c", "°c"),
    "K": ("kelvin",),
    "degF": ("fahrenheit",),
    "m/s2": ("m/s²", "m/s^2", "meters/second^2"),
    "deg/s": ("dps", "°/s", "degrees/s", "degrees/second"),
    "rad/s": ("radians/s", "radians/second"),
    "bpm": ("beats/min", "1/min"),
    "%": ("percent",),
}
_UNIT_OF = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings}


def kind_of(stream_type: str, channel: Channel | None = None) -> str | None:
    """Tell the kind of signal from a channel's type, its label, or the type of its stream, in this order.

    Examples
    --------
    >>> kind_of("GSR"), kind_of("ExG", Channel(label="ECG1", type="ECG")), kind_of("Mouse")
    ('eda', 'ecg', None)
    """
    channel = channel or Channel()
    words = (channel.type, channel.label.rstrip("0123456789_ xyzXYZ"), stream_type)
    return next((kind for word in words if (kind := _KIND_OF.get(word.strip().lower()))), None)


def unit_of(kind: str, text: str) -> str:
    """Give the name of a unit as the package knows it; ``"au"`` if it does not.

    Examples
    --------
    >>> unit_of("eeg", "microvolts"), unit_of("eda", "uS"), unit_of("eda", "")
    ('uV', 'uS', 'au')
    """
    text = text.strip()
    known = {name.lower(): name for name in UNITS[kind]}
    for candidate in (text, _UNIT_OF.get(text.lower(), ""), known.get(text.lower(), "")):
        if candidate in UNITS[kind]:
            return candidate
    return "au"


class _Part(NamedTuple):
    """Channels of one stream that are one signal."""

    kind: str
    unit: str
    rows: tuple[int, ...]


def read_xdf(path: Path | str) -> DeviceSession:
    """Read all physiological streams and markers of one recording.

    Parameters
    ----------
    path : path
        An ``.xdf`` file, or one compressed with gzip (``.xdfz``).

    Returns
    -------
    DeviceSession
        One signal for each kind in each stream, named after its kind (a second one of a kind ``"eeg_2"``);
        the kind is told by the types and labels of the channels or the type of the stream, other streams are
        left out with a note. Units are converted where a channel names one, else they are ``"au"``. Text
        streams and markers are merged into ``tags``, numbered by their texts in order of appearance. Time 0
        is the first sample; ``started_at`` is when the recorder opened the file, if that is in the file, and
        may be seconds earlier than the first sample. It says so in ``notes``.

    Raises
    ------
    DataError
        If the file is damaged, or holds no signal. A file that was cut off in its last chunk is read up to
        there.
    PhysioaffectError
        If pyxdf is not installed.

    Notes
    -----
    The clocks of the streams are brought to that of the recorder by pyxdf, by a robust line through the
    offsets that were measured while recording. Samples are then counted and the stamps taken as moments of
    reception (see `physioaffect.devices.stamps`), where pyxdf would draw one line through gaps of less than
    500 samples, two minutes of skin conductance. Before pyxdf sees the file, the lengths that it claims are
    checked.

    Examples
    --------
    >>> import struct
    >>> import tempfile
    >>> def chunk(tag, content):
    ...     return struct.pack("<BIH", 4, len(content) + 2, tag) + content
    >>> eda = (
    ...     b"<info><name>E4</name><type>GSR</type><channel_count>1</channel_count>"
    ...     b"<nominal_srate>4</nominal_srate><channel_format>float32</channel_format><desc><channels>"
    ...     b"<channel><label>EDA</label><type>GSR</type><unit>uS</unit></channel></channels></desc></info>"
    ... )
    >>> samples = b"".join(struct.pack("<Bdf", 8, 100 + n / 4, 2.5) for n in range(40))
    >>> chunks = [
    ...     chunk(1, b"<info><version>1.0</version></info>"),
    ...     chunk(2, struct.pack("<I", 1) + eda),
    ...     chunk(3, struct.pack("<IBI", 1, 4, 40) + samples),
    ...     chunk(6, struct.pack("<I", 1) + b"<info><sample_count>40</sample_count></info>"),
    ... ]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "session.xdf")
    ...     _ = path.write_bytes(b"XDF:" + b"".join(chunks))
    ...     session = read_xdf(path)
    >>> session.signals["eda"].unit, session.signals["eda"].data.shape
    ('uS', (1, 40))
    """
    path = Path(path)
    try:
        import pyxdf  # noqa: PLC0415
    except ImportError:
        raise PhysioaffectError("Reading XDF needs pyxdf: pip install 'physioaffect[wearable]'.") from None
    content = read_bytes(path)
    outline = walk_xdf(content, path)
    notes = []
    if outline.end < len(content):
        notes.append(f"{path.name} was cut off: its last {len(content) - outline.end} bytes are left out.")
    if not outline.streams:
        raise DataError(f"{path} holds no stream. Record it again.")
    streams = _load(pyxdf, content[: outline.end], path)
    session = _session(outline, streams, path, notes)
    if not any(isinstance(signal, Signal) for signal in session.signals.values()):
        raise DataError(
            f"{path} holds no signal of a known kind with samples; its streams are "
            f"{', '.join(f'{s.name} ({s.type})' for s in outline.streams.values())}. {' '.join(notes)}"
        )
    return session


def _load(pyxdf: Any, content: bytes, path: Path) -> dict[int, Any]:
    with _errors_of("pyxdf") as errors:
        try:
            with np.errstate(all="ignore"):
                found, _ = pyxdf.load_xdf(io.BytesIO(content), dejitter_timestamps=False)
        except Exception as error:  # It is written for good files, and fails in many ways on others.
            raise DataError(
                f"{path} is damaged: pyxdf says {type(error).__name__}: {str(error)[:120]}. Record it again."
            ) from None
    if errors:
        raise DataError(f"{path} is damaged: pyxdf says {errors[0][:200]!r}. Copy or record it again.")
    return {stream["info"]["stream_id"]: stream for stream in found}


@contextmanager
def _errors_of(name: str) -> Iterator[list[str]]:
    """Catch what a library would only log: it goes on after an error, with data missing."""
    errors: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.ERROR:
                errors.append(record.getMessage())

    handler, logger = Collect(), logging.getLogger(name)
    propagates = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield errors
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates


def _session(outline: Outline, streams: dict[int, Any], path: Path, notes: list[str]) -> DeviceSession:
    stamped = [
        stamps[0] for s in streams.values() if len(stamps := s["time_stamps"]) and np.isfinite(stamps[0])
    ]
    zero = min(stamped, default=0.0)
    signals: dict[str, Signal | Events] = {}
    marks: list[tuple[float, str]] = []
    for number, about in outline.streams.items():
        what = f"{path.name}, stream {about.name!r} ({about.type})"
        loaded = streams[number]
        stamps = np.asarray(loaded["time_stamps"], dtype=np.float64) - zero
        if about.n_offsets == 0 and len(outline.streams) > 1:
            notes.append(
                f"{what} has no clock offsets: its times are right only if it ran on the recorder's machine."
            )
        if not len(stamps):
            notes.append(f"{what} has no samples and is left out.")
        elif about.format == "string" or about.type.lower() in _MARKERS:
            marks += zip(stamps.tolist(), _texts(about, loaded["time_series"]), strict=True)
        elif about.sfreq == 0 and about.type.lower() in _INTERVALS and len(about.channels) == 1:
            order = np.argsort(stamps, kind="stable")
            values = np.asarray(loaded["time_series"], dtype=np.float64)[order, 0]
            is_ms = about.channels[0].unit.lower() in ("ms", "milliseconds")
            signals[_free("ibi", signals)] = Events.of_intervals(
                stamps[order], values * (1e-3 if is_ms else 1)
            )
        elif about.sfreq == 0:
            notes.append(f"{what} has no sampling rate and is left out.")
        else:
            data = np.asarray(loaded["time_series"], dtype=np.float64).T
            parts = _parts(about)
            if not parts:
                notes.append(f"{what} is of no known kind and is left out.")
                continue
            for name, signal in _signals(about, parts, stamps, data, what, notes):
                signals[_free(name, signals)] = signal
    if marks:
        marks.sort(key=lambda mark: mark[0])
        signals["tags"] = _tags(marks, path, notes)
    starts = [signal.start for signal in signals.values() if isinstance(signal, Signal)]
    first = min(starts, default=0.0)
    moved = {
        name: replace(s, start=s.start - first)
        if isinstance(s, Signal)
        else replace(s, times=s.times - first)
        for name, s in signals.items()
    }
    started_at, offset = None, None
    try:
        made = datetime.fromisoformat(outline.made)
    except ValueError:
        made = None
    if made is not None and made.tzinfo is not None:
        started_at, offset = made.astimezone(UTC), made.utcoffset()
        notes.append(
            "started_at is when the recorder opened the file; the first sample may be seconds later."
        )
    return DeviceSession("XDF", started_at, offset, moved, None, tuple(notes))


def _free(name: str, signals: dict[str, Any]) -> str:
    numbered = (name if number == 1 else f"{name}_{number}" for number in range(1, len(signals) + 2))
    return next(candidate for candidate in numbered if candidate not in signals)


def _parts(about: Stream) -> list[_Part]:
    """Group the channels of a stream by kind and unit, in order."""
    found: dict[tuple[str, str], list[int]] = {}
    for row, channel in enumerate(about.channels):
        kind = kind_of(about.type, channel)
        if kind is not None:
            found.setdefault((kind, unit_of(kind, channel.unit)), []).append(row)
    return [_Part(kind, unit, tuple(rows)) for (kind, unit), rows in found.items()]


def _signals(
    about: Stream, parts: list[_Part], stamps: Array, data: Array, what: str, notes: list[str]
) -> Iterator[tuple[str, Signal]]:
    placed = place_rows(
        stamps - stamps[0],
        stamps_are="received",
        sfreq=about.sfreq,
        tolerance=max(0.5, 1.5 / about.sfreq),
        what=what,
    )
    notes.extend(placed.notes)
    for part in parts:
        on_grid = np.full((len(part.rows), placed.n_times), np.nan)
        on_grid[:, placed.places] = data[list(part.rows)]
        flags = np.full(placed.n_times, np.uint8(Flag.GAP))
        flags[placed.places] = 0
        unit = UNITS[part.kind][part.unit] if part.unit != "au" else None
        yield (
            part.kind,
            Signal(
                data=on_grid if unit is None else unit.convert(on_grid),
                sfreq=placed.sfreq,
                ch_names=_labels(about.channels, part.rows),
                kind=part.kind,
                unit="au" if unit is None else unit.ours,
                start=float(stamps[0] + placed.start),
                flags=flags,
            ),
        )


def _labels(channels: Sequence[Channel], rows: Sequence[int]) -> tuple[str, ...]:
    labels = [channels[row].label or f"CH{row + 1}" for row in rows]
    if len(set(labels)) < len(labels):
        labels = [f"{label}_{row + 1}" for label, row in zip(labels, rows, strict=True)]
    return tuple(labels)


def _texts(about: Stream, series: Any) -> list[str]:
    if about.format == "string":
        return [" ".join(text for text in row if text) for row in series]
    return [f"{value:g}" for value in np.asarray(series, dtype=np.float64)[:, 0].tolist()]


def _tags(marks: list[tuple[float, str]], path: Path, notes: list[str]) -> Events:
    texts = [text for _, text in marks]
    times = np.array([time for time, _ in marks])
    try:
        values = np.array([float(text) for text in texts])
        if not np.isfinite(values).all():
            raise ValueError
    except ValueError:
        names = {text: number for number, text in enumerate(dict.fromkeys(texts), start=1)}
        values = np.array([float(names[text]) for text in texts])
        shown = ", ".join(f"{number} = {text[:40]}" for text, number in list(names.items())[:20])
        notes.append(f"{path.name}: tags are {shown}{' and more' if len(names) > 20 else ''}.")
    return Events(times=times, values=values, kind="tags")
