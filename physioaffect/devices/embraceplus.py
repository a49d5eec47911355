"""Raw files of the Empatica EmbracePlus wristband (Avro, schema 6): one for each 15 or 30 minutes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.devices._avro import read_avro
from physioaffect.devices.joining import join_sessions
from physioaffect.devices.session import DeviceSession
from physioaffect.errors import DataError
from physioaffect.recording import Events, Flag, Signal

__all__ = ["embraceplus_files", "read_embraceplus"]

Array = NDArray[np.float64]


class _Sensor(NamedTuple):
    name: str
    unit: str
    ch_names: tuple[str, ...]
    plausible: tuple[float, float] = (-np.inf, np.inf)


_SENSORS = {
    "accelerometer": _Sensor("acc", "g", ("ACC_X", "ACC_Y", "ACC_Z")),
    "gyroscope": _Sensor("gyro", "deg/s", ("GYRO_X", "GYRO_Y", "GYRO_Z")),
    "bvp": _Sensor("ppg", "nW", ("BVP",)),
    "eda": _Sensor("eda", "uS", ("EDA",), plausible=(0.0, 100.0)),
    "temperature": _Sensor("temperature", "degC", ("TEMP",), plausible=(10.0, 50.0)),
}
_INERTIAL = ("accelerometer", "gyroscope")
_MODELS = {"EMBRACEPLUS": "EmbracePlus", "EMBRACEPLUS2": "EmbracePlus 2", "EMBRACEMINI": "EmbraceMini"}

# Of the gyroscope's range of 2,000 degrees per second, before its files told it (schema 6.5).
_DEGREES_PER_COUNT = 0.07
_LOWEST_COUNT, _HIGHEST_COUNT = -(2**15), 2**15 - 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_MICROS, _LAST_MICROS = 1_420_070_400_000_000, 4_102_444_800_000_000  # The years 2015 to 2099.
_SLOWEST_HZ, _FASTEST_HZ = 0.001, 1000.0
_LONGEST_S = 48 * 3600
_LARGEST_OFFSET_S = 14 * 3600


def embraceplus_files(path: Path | str) -> list[Path]:
    """List the files that `read_embraceplus` would open: the file itself, or all ``.avro`` in the folder.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("3YK_1764153713.avro", "3YK_1764150113.avro", "._3YK_1764150113.avro"):
    ...         Path(folder, name).touch()
    ...     print([path.name for path in embraceplus_files(folder)])
    ['3YK_1764150113.avro', '3YK_1764153713.avro']
    """
    path = Path(path)
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*.avro") if file.is_file() and not file.name.startswith("."))


def read_embraceplus(
    path: Path | str | Iterable[Path | str], *, skip_broken: bool = False, max_shift: float = 0.05
) -> DeviceSession:
    """Read the raw files of one person and wristband as one recording.

    Parameters
    ----------
    path : path or iterable of paths
        A file, a folder with files (also in folders below it), or several of both.
    skip_broken : bool
        Whether a file that cannot be read is left out, named in the notes, rather than an error, as long as
        one can be read. Its time is a gap.
    max_shift : float
        See `join_sessions`.

    Returns
    -------
    DeviceSession
        It starts with the earliest sample. `Signal`: ``acc`` (g), ``gyro`` (deg/s), ``ppg`` (the blood
        volume pulse in nW), ``eda`` (uS), ``temperature`` (degC), each at the rate that the file states,
        which may be a measured one (63.9999 Hz). `Events`: ``ibi`` (seconds between systolic peaks, at the
        second one; NaN where nothing is before, where the interval is outside 0.3-2 s, and where a sample
        of the blood volume pulse is missing), ``tags`` (presses of the button, numbered from 1) and
        ``steps`` (number of steps, at the time of each count). Sensors that were off are missing. Files are
        joined by `join_sessions`. Counts at the ends of 16 bits are flagged `Flag.CLIPPED`; skin conductance
        outside 0-100 uS and temperature outside 10-50 degC `Flag.OUT_OF_RANGE`.

    Raises
    ------
    DataError
        If there is no file, one is damaged, is no raw file of an EmbracePlus or states impossible times or
        rates, or the files are of several people or wristbands.
    PhysioaffectError
        If fastavro is not installed.

    Notes
    -----
    Counts become g and degrees per second by the file's ``conversionFactor``; before schema 6.5, which
    introduced it, by the ratio of the physical to the digital range and, for the gyroscope, 0.07, as in the
    makers' example [1]_. Systolic peaks come some seconds late, so that the first ones of a file lie before
    its first sample.

    References
    ----------
    .. [1] Empatica support, "How to access Avro files with Python",
       https://support.empatica.com/hc/en-us/articles/17405877853981.

    Examples
    --------
    >>> import tempfile
    >>> import fastavro
    >>> def record(name, **kinds):
    ...     fields = [{"name": field, "type": kind} for field, kind in kinds.items()]
    ...     return {"type": "record", "name": name, "namespace": "empatica.format.avro", "fields": fields}
    >>> values = {"type": "array", "items": "float"}
    >>> eda = record("Eda", timestampStart="long", samplingFrequency="float", values=values)
    >>> schema = record(
    ...     "Session",
    ...     schemaVersion=record("Version", major="int", minor="int", patch="int"),
    ...     timezone="int",
    ...     enrollment=record("Enrollment", participantID="string"),
    ...     deviceSn="string",
    ...     rawData=record("RawData", eda=eda),
    ... )
    >>> raw = {"eda": {"timestampStart": 1764153713255728, "samplingFrequency": 4.0, "values": [0.5] * 8}}
    >>> made = {"schemaVersion": {"major": 6, "minor": 5, "patch": 0}, "timezone": 3600, "rawData": raw}
    >>> made |= {"enrollment": {"participantID": "P01"}, "deviceSn": "3YK"}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "3YK_1764153713.avro")
    ...     with path.open("wb") as stream:
    ...         fastavro.writer(stream, schema, [made])
    ...     session = read_embraceplus(path)
    >>> session.subject, session.signals["eda"].sfreq, session.signals["eda"].duration
    ('P01', 4.0, 2.0)
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    files = [file for each in paths for file in embraceplus_files(each)]
    if not files:
        raise DataError(
            f"There is no .avro file in {', '.join(map(str, paths)) or 'what was given'}: give the folder "
            "with the raw data (participant_data/DATE/PARTICIPANT-DEVICE/raw_data/v6)."
        )
    sessions: list[DeviceSession] = []
    broken: list[DataError] = []
    for file in files:
        try:
            sessions.extend([_session(record, file) for record in read_avro(file)])
        except DataError as error:
            if not skip_broken:
                raise
            broken.append(error)
    if not sessions:
        raise broken[0] if broken else DataError(f"{files[0]} holds no recording: download it again.")
    joined = join_sessions(sessions, max_shift=max_shift)
    signals = dict(joined.signals)
    beats, ppg = signals.get("ibi"), signals.get("ppg")
    if isinstance(beats, Events):
        signals["ibi"] = _intervals(beats.times, ppg if isinstance(ppg, Signal) else None)
    notes = (*joined.notes, *(f"Left out: {error}" for error in broken))
    return joined._replace(signals=signals, notes=notes)


def _intervals(times: Array, ppg: Signal | None) -> Events:
    """Intervals between peaks, at the second one, where both belong to one stretch of the pulse."""
    values = np.diff(times, prepend=np.nan)
    if ppg is not None and len(times):
        n_missing = np.concatenate([[0], np.cumsum(np.isnan(ppg.data[0]))])
        samples = np.clip(np.ceil((times - ppg.start) * ppg.sfreq), 0, ppg.n_times).astype(np.intp)
        values[1:][n_missing[samples[1:]] > n_missing[samples[:-1]]] = np.nan
    return Events.of_intervals(times, values)


def _session(record: Mapping[str, Any], path: Path) -> DeviceSession:
    raw = record.get("rawData")
    version = record.get("schemaVersion")
    if not isinstance(raw, dict) or not isinstance(version, dict) or version.get("major") != 6:
        found = version.get("major") if isinstance(version, dict) else None
        raise DataError(
            f"{path} is no raw file of an EmbracePlus: expected rawData and a schemaVersion of 6, found "
            f"{', '.join(map(str, record))[:60]} and version {found}. Give the files of raw_data/v6."
        )
    starts: dict[str, int] = {}
    signals: dict[str, Signal | Events] = {}
    for field, sensor in _SENSORS.items():
        stream = _stream(raw, field, path)
        axes = ("x", "y", "z") if field in _INERTIAL else ("values",)
        columns = [_numbers(stream, axis, field, path) for axis in axes]
        if len({len(column) for column in columns}) > 1:
            lengths = ", ".join(str(len(column)) for column in columns)
            raise DataError(f"{path} has {lengths} samples in the axes of {field}: download it again.")
        if len(columns[0]):
            starts[sensor.name], sfreq = _clock(stream, field, len(columns[0]), path)
            data = np.stack(columns)
            flags = np.zeros(data.shape[1], dtype=np.uint8)
            if field in _INERTIAL:
                is_clipped = ((data <= _LOWEST_COUNT) | (data >= _HIGHEST_COUNT)).any(axis=0)
                flags[is_clipped] = np.uint8(Flag.CLIPPED)
                data *= _scale(stream, field, path)
            low, high = sensor.plausible
            flags[((data < low) | (data > high)).any(axis=0)] |= np.uint8(Flag.OUT_OF_RANGE)
            signals[sensor.name] = Signal(
                data=data,
                sfreq=sfreq,
                ch_names=sensor.ch_names,
                kind=sensor.name,
                unit=sensor.unit,
                flags=flags,
            )
    if not starts:
        raise DataError(
            f"{path} holds no samples of {', '.join(_SENSORS)}: the sensors were off. Leave the file out."
        )
    started = min(starts.values())
    if max(starts.values()) - started > _LONGEST_S * 1e6:
        early, late = (pick(starts, key=starts.__getitem__) for pick in (min, max))
        raise DataError(
            f"{path} has {late} start {(starts[late] - started) / 3.6e9:.1f} h after {early}; a file holds "
            "half an hour. Download it again, or leave it out."
        )
    for name, start in starts.items():
        signal = signals[name]
        assert isinstance(signal, Signal)
        signals[name] = replace(signal, start=(start - started) / 1e6)
    signals |= _events(raw, started, path)
    model = _MODELS.get(str(record.get("deviceModel", "EMBRACEPLUS")), "EmbracePlus")
    enrolled = record.get("enrollment")
    person = enrolled.get("participantID") if isinstance(enrolled, dict) else None
    return DeviceSession(
        f"Empatica {model} {record.get('deviceSn') or ''}".strip(),
        _EPOCH + timedelta(microseconds=started),
        _utc_offset(record.get("timezone"), path),
        signals,
        str(person) if person else None,
    )


def _utc_offset(seconds: Any, path: Path) -> timedelta | None:
    if seconds is None:
        return None
    if not isinstance(seconds, int) or abs(seconds) > _LARGEST_OFFSET_S:
        raise DataError(
            f"{path} has {str(seconds)[:20]!r} as seconds between UTC and local time; expected at most "
            f"{_LARGEST_OFFSET_S}. Download it again, or leave it out."
        )
    return timedelta(seconds=seconds)


def _stream(raw: Mapping[str, Any], field: str, path: Path) -> Mapping[str, Any]:
    """Give what the file says about one sensor; nothing if it does not know it."""
    stream = raw.get(field)
    if stream is not None and not isinstance(stream, dict):
        raise DataError(f"{path} has no record as rawData.{field}. Give a raw file of an EmbracePlus.")
    return stream or {}


def _numbers(stream: Mapping[str, Any], axis: str, field: str, path: Path) -> Array:
    values = stream.get(axis, [])
    numbers = np.array(values if isinstance(values, list) else [values])
    if numbers.ndim != 1 or (len(numbers) and numbers.dtype.kind not in "if"):
        raise DataError(
            f"{path} has something other than numbers in rawData.{field}.{axis}. Give a raw file of an "
            "EmbracePlus."
        )
    return numbers.astype(np.float64)


def _clock(stream: Mapping[str, Any], field: str, n_samples: int, path: Path) -> tuple[int, float]:
    """Time of the first sample in microseconds since 1970, and the rate in Hz."""
    start, sfreq = stream.get("timestampStart"), stream.get("samplingFrequency")
    if not isinstance(start, int) or not _FIRST_MICROS <= start <= _LAST_MICROS:
        raise DataError(
            f"{path} has {field} start at {str(start)[:30]}; expected microseconds since 1970, from 2015 to "
            "2099. The wristband's clock may not have been set: leave the file out."
        )
    if not isinstance(sfreq, int | float) or not _SLOWEST_HZ <= sfreq <= _FASTEST_HZ:
        raise DataError(
            f"{path} states {str(sfreq)[:30]} Hz for {field}; expected {_SLOWEST_HZ:g} to {_FASTEST_HZ:g}. "
            "Download it again, or leave it out."
        )
    if n_samples / sfreq > _LONGEST_S:
        raise DataError(
            f"{path} has {n_samples} samples of {field} at {sfreq:g} Hz, more than two days. Download it "
            "again, or leave it out."
        )
    return start, float(sfreq)


def _scale(stream: Mapping[str, Any], field: str, path: Path) -> float:
    """Physical unit per count."""
    params = stream.get("imuParams")
    params = params if isinstance(params, dict) else {}
    if params.get("conversionFactor"):
        scale = params["conversionFactor"]
    elif field == "gyroscope":
        scale = _DEGREES_PER_COUNT
    else:
        low, high, lowest, highest = (
            params.get(f"{kind}{end}", 0) for kind in ("physical", "digital") for end in ("Min", "Max")
        )
        scale = (high - low) / (highest - lowest) if highest != lowest else 0.0
    if not isinstance(scale, int | float) or not 1e-9 < scale < 1e3:
        raise DataError(
            f"{path} does not tell what a count of its {field} is: got {str(dict(params))[:120]}. Download "
            "it again, or leave it out."
        )
    return float(scale)


def _events(raw: Mapping[str, Any], started: int, path: Path) -> dict[str, Signal | Events]:
    events: dict[str, Signal | Events] = {}
    peaks = _times(raw, "systolicPeaks", "peaksTimeNanos", 1000, started, path)
    if peaks is not None:
        # The intervals between them are made when all files are joined.
        events["ibi"] = Events(times=peaks, values=np.zeros(len(peaks)), kind="beats")
    tags = _times(raw, "tags", "tagsTimeMicros", 1, started, path)
    if tags is not None:
        events["tags"] = Events(times=tags, values=np.arange(1.0, len(tags) + 1), kind="tags")
    stream = _stream(raw, "steps", path)
    steps = _numbers(stream, "values", "steps", path)
    if len(steps):
        start, sfreq = _clock(stream, "steps", len(steps), path)
        times = (start - started) / 1e6 + np.arange(len(steps)) / sfreq
        events["steps"] = Events(times=times, values=steps, kind="steps")
    return events


def _times(
    raw: Mapping[str, Any], field: str, key: str, per_micro: int, started: int, path: Path
) -> Array | None:
    """Seconds since the beginning, counted in whole units: a double does not hold nanoseconds since 1970."""
    stream = _stream(raw, field, path)
    if key not in stream:
        return None
    stamps = stream[key]
    if not isinstance(stamps, list) or not all(isinstance(stamp, int) for stamp in stamps):
        raise DataError(f"{path} has something other than whole numbers in rawData.{field}.{key}.")
    times = np.array(
        [(stamp - started * per_micro) / (1e6 * per_micro) for stamp in stamps], dtype=np.float64
    )
    if len(times) and np.abs(times).max() > _LONGEST_S:
        raise DataError(
            f"{path} has one of its {field} {np.abs(times).max() / 3600:.1f} h from the beginning of the "
            "file, which holds half an hour. Download it again, or leave it out."
        )
    return np.sort(times)
