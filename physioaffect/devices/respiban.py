"""RespiBAN Professional: the chest recorder's text files (OpenSignals).

The transfer functions are those that the makers of WESAD give for this device (3 V, 16 bits).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.recording import Flag, Signal

__all__ = ["RespibanSession", "read_respiban", "respiban_temperature"]

Array = NDArray[np.float64]

_VOLTS, _STEPS = 3.0, 2**16
_LONGEST_LINE = 2**16
# Two days at the device's fastest, as text.
_LARGEST_FILE = 8 * 2**30
_SLOWEST_HZ, _FASTEST_HZ = 1.0, 4000.0
_AXES = ("ACC_X", "ACC_Y", "ACC_Z")


class RespibanSession(NamedTuple):
    """One recording.

    ``started_local`` is what the device's clock said, in a time zone that the file does not name; None if it
    is not there. ``signals`` has those of these names that were recorded, all from time 0: ``ecg`` and
    ``emg`` (V), ``eda`` (uS), ``temperature`` (degC), ``resp`` (%, from -50 to 50) and ``acc`` (g).
    """

    started_local: datetime | None
    signals: dict[str, Signal]


def respiban_temperature(counts: Array) -> Array:
    """Convert counts of the thermistor to degrees Celsius, elementwise.

    Counts at the ends of the scale, where the formula has no value, give absolute zero.

    Examples
    --------
    >>> respiban_temperature(np.array([32767.5, 0.0])).round(2)
    array([  25.  , -273.15])
    """
    volts = counts * _VOLTS / (_STEPS - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ohm = np.log(1e4 * volts / (_VOLTS - volts))
        kelvin = 1 / (1.12764514e-3 + 2.34282709e-4 * log_ohm + 8.77303013e-8 * log_ohm**3)
    return np.asarray(kelvin - 273.15, dtype=np.float64)


class _Sensor(NamedTuple):
    name: str
    kind: str
    unit: str
    convert: Callable[[Array], Array]
    plausible: tuple[float, float] = (-np.inf, np.inf)


def _volts(counts: Array) -> Array:
    return (counts / _STEPS - 0.5) * _VOLTS * 1e-3  # The makers' formula gives millivolts.


_SENSORS: Mapping[str, _Sensor] = {
    "ECG": _Sensor("ecg", "ecg", "V", _volts),
    "EDA": _Sensor("eda", "eda", "uS", lambda counts: counts / _STEPS * _VOLTS / 0.12),
    "EMG": _Sensor("emg", "emg", "V", _volts),
    "TEMP": _Sensor("temperature", "temperature", "degC", respiban_temperature, plausible=(10.0, 50.0)),
    "XYZ": _Sensor("acc", "acc", "g", lambda counts: (counts - 28000) / (38000 - 28000) * 2 - 1),
    "RESPIRATION": _Sensor("resp", "resp", "%", lambda counts: (counts / _STEPS - 0.5) * 100),
}


class _Header(NamedTuple):
    sfreq: float
    columns: tuple[str, ...]
    sensors: tuple[str, ...]  # One for each column that is no counter.
    started_local: datetime | None


def read_respiban(path: Path | str) -> RespibanSession:
    r"""Read one text file as written by OpenSignals.

    Parameters
    ----------
    path : path
        The file; which column holds which sensor is taken from its header.

    Returns
    -------
    RespibanSession
        In physical units. Samples that the line counter says are missing are NaN and flagged `Flag.GAP`;
        counts at either end of the scale are flagged `Flag.CLIPPED`, temperatures outside 10-50 degC
        `Flag.OUT_OF_RANGE`.

    Raises
    ------
    DataError
        If there is no such file, its header is not that of a RespiBAN, or a line is damaged.

    Examples
    --------
    >>> import tempfile
    >>> device = {
    ...     "sensor": ["ECG", "RESPIRATION"],
    ...     "column": ["nSeq", "DI", "CH1", "CH2"],
    ...     "sampling rate": 700,
    ...     "resolution": [16, 16],
    ...     "date": "2017-5-22",
    ...     "time": "9:39:1.0",
    ... }
    >>> head = ["# OpenSignals Text File Format", f"# {json.dumps({'00:07:80': device})}", "# EndOfHeader"]
    >>> rows = [f"{n}\t0\t32768\t32768" for n in (0, 1, 2, 5, 6)]  # Two samples were lost.
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "S2_respiban.txt")
    ...     _ = path.write_text("\n".join([*head, *rows, ""]))
    ...     session = read_respiban(path)
    >>> session.signals["ecg"].unit, session.signals["ecg"].data
    ('V', array([[ 0.,  0.,  0., nan, nan,  0.,  0.]]))
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            header = _read_header(stream, path)
            if size > _LARGEST_FILE:
                raise DataError(f"{path} has more than {_LARGEST_FILE // 2**30} GB: it is no one recording.")
            table = _read_table(stream, header, path)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}. Give a RespiBAN text file."
        ) from None
    positions = _positions(table[:, header.columns.index("nSeq")], path)
    return RespibanSession(header.started_local, _signals(header, table, positions))


def _bad_header(path: Path, what: str) -> DataError:
    return DataError(
        f"{path} is no RespiBAN text file: {what}. Expected '# OpenSignals Text File Format', a line of JSON "
        "after '# ' that describes the device, and '# EndOfHeader'. Use the file as OpenSignals wrote it."
    )


def _read_header(stream: BinaryIO, path: Path) -> _Header:
    lines = [stream.readline(_LONGEST_LINE).decode("utf-8-sig", errors="replace").strip() for _ in range(3)]
    if not re.fullmatch(r"#\s*OpenSignals Text File Format\.?", lines[0]):
        raise _bad_header(path, f"it starts with {lines[0][:60]!r}")
    if not re.fullmatch(r"#\s*EndOfHeader", lines[2]):
        raise _bad_header(path, f"its third line is {lines[2][:60]!r}")
    try:
        devices = json.loads(lines[1].removeprefix("#"))
    except (ValueError, RecursionError):
        raise _bad_header(path, f"its second line is {lines[1][:60]!r}") from None
    if not isinstance(devices, dict) or len(devices) != 1:
        raise _bad_header(path, "its second line does not describe exactly one device")
    (device,) = devices.values()
    if not isinstance(device, dict):
        raise _bad_header(path, "its second line does not describe a device")
    columns, sensors = (_names(device, key, path) for key in ("column", "sensor"))
    channels = [name for name in columns if name not in ("nSeq", "DI")]
    if columns.count("nSeq") != 1 or len(set(columns)) < len(columns) or len(channels) != len(sensors):
        raise _bad_header(
            path, f"it has the columns {', '.join(columns)} for the sensors {', '.join(sensors)}"
        )
    if unknown := [name for name in sensors if name not in _SENSORS]:
        raise DataError(
            f"{path} has a sensor {unknown[0]!r}; the conversion is known for {', '.join(_SENSORS)}. Read "
            "the file of a RespiBAN."
        )
    if twice := [
        name for name in _SENSORS if sensors.count(name) not in ((0, 3) if name == "XYZ" else (0, 1))
    ]:
        raise _bad_header(path, f"it has the sensor {twice[0]} {sensors.count(twice[0])} times")
    if device.get("resolution") != [16] * len(sensors):
        raise DataError(
            f"{path} has the resolutions {str(device.get('resolution'))[:60]}; the conversion is known for "
            f"16 bits in each of {len(sensors)} channels. Record with 16 bits."
        )
    sfreq = device.get("sampling rate")
    if (
        isinstance(sfreq, bool)
        or not isinstance(sfreq, int | float)
        or not _SLOWEST_HZ <= sfreq <= _FASTEST_HZ
    ):
        raise _bad_header(path, f"its sampling rate is {str(sfreq)[:60]}")
    return _Header(float(sfreq), tuple(columns), tuple(sensors), _started(device))


def _names(device: dict[str, Any], key: str, path: Path) -> list[str]:
    names = device.get(key)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise _bad_header(path, f"it does not name its {key}s")
    return [name.strip() for name in names]


def _started(device: dict[str, Any]) -> datetime | None:
    """Time on the device's clock; day and time come without padding (2017-5-22, 9:39:1.0)."""
    text = f"{device.get('date')} {device.get('time')}"
    found = re.fullmatch(r"(\d{4})-(\d\d?)-(\d\d?) (\d\d?):(\d\d?):(\d\d?)(?:\.\d*)?", text, re.ASCII)
    if found is None:
        return None
    try:
        year, month, day, hour, minute, second = map(int, found.groups())
        return datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None


def _lines(stream: BinaryIO, n_columns: int, path: Path) -> Iterator[bytes]:
    """Give the lines; stop at one with another number of fields, or with something other than digits."""
    for number, line in enumerate(iter(partial(stream.readline, _LONGEST_LINE), b""), start=4):
        fields = line.strip(b" \r\n").removesuffix(b"\t")
        # What else may be wrong with a line, the parser of numbers finds.
        if fields.count(b"\t") != n_columns - 1 or fields.translate(None, b"-0123456789\t"):
            raise _bad_line(path, number, line, n_columns)
        yield fields


def _bad_line(path: Path, number: int, line: bytes, n_columns: int) -> DataError:
    return DataError(
        f"{path} has {line[:80].decode('latin1')!r} in line {number}; expected {n_columns} whole numbers "
        "with tabs between them. If it is the last line, the file was cut off: copy it again, or delete the "
        "line."
    )


def _read_table(stream: BinaryIO, header: _Header, path: Path) -> NDArray[np.int64]:
    n_columns = len(header.columns)
    start = stream.tell()
    try:
        if next(_lines(stream, n_columns, path), None) is None:
            raise DataError(f"{path} ends after its header: it holds no samples. Copy the file again.")
        stream.seek(start)
        table = np.loadtxt(
            _lines(stream, n_columns, path), dtype=np.int64, delimiter="\t", comments=None, ndmin=2
        )
    except DataError:  # It is a ValueError, too.
        raise
    except ValueError:
        raise _find_bad_line(stream, start, n_columns, path) from None
    counts = table[:, [i for i, name in enumerate(header.columns) if name not in ("nSeq", "DI")]]
    if table.min() < 0 or counts.max() >= _STEPS:
        row = int(np.flatnonzero((counts >= _STEPS).any(axis=1) | (table < 0).any(axis=1))[0])
        raise DataError(
            f"{path} has {', '.join(map(str, table[row]))} in line {row + 4}; expected channels from 0 to "
            f"{_STEPS - 1}, and nothing below 0. Copy the file again."
        )
    return table


def _find_bad_line(stream: BinaryIO, start: int, n_columns: int, path: Path) -> DataError:
    stream.seek(start)
    for number, line in enumerate(iter(partial(stream.readline, _LONGEST_LINE), b""), start=4):
        fields = line.strip(b" \r\n").removesuffix(b"\t").split(b"\t")
        if not all(re.fullmatch(rb"-?\d{1,18}", field) for field in fields):
            return _bad_line(path, number, line, n_columns)
    return DataError(f"{path} cannot be read as lines of {n_columns} whole numbers. Copy the file again.")


def _positions(counter: NDArray[np.int64], path: Path) -> NDArray[np.int64]:
    """Tell which sample each line is: the counter leaves out what was lost, or starts anew at 0."""
    steps = np.diff(counter)
    is_back = steps <= 0
    if is_back.any():
        tops = counter[:-1][is_back]
        if (counter[1:][is_back] != 0).any() or len(set(tops.tolist())) > 1 or (steps[~is_back] != 1).any():
            row = int(np.flatnonzero(is_back)[0])
            raise DataError(
                f"{path} counts {counter[row]}, {counter[row + 1]} in lines {row + 4} and {row + 5}; "
                "expected a counter that grows, or one that always starts anew at 0 after the same number. "
                "Lines are missing or out of order: copy the file again."
            )
        return np.arange(len(counter))
    positions = counter - counter[0]
    if positions[-1] >= 2 * len(counter):
        raise DataError(
            f"{path} counts up to {counter[-1]} in {len(counter)} lines: more than half of the recording is "
            "missing. Copy the file again."
        )
    return np.asarray(positions, dtype=np.int64)


def _signals(header: _Header, table: NDArray[np.int64], positions: NDArray[np.int64]) -> dict[str, Signal]:
    n_times = int(positions[-1]) + 1
    rows: dict[str, list[int]] = {}
    channels = [i for i, name in enumerate(header.columns) if name not in ("nSeq", "DI")]
    for column, name in zip(channels, header.sensors, strict=True):
        rows.setdefault(name, []).append(column)
    signals = {}
    for name, columns in rows.items():
        sensor = _SENSORS[name]
        counts = table[:, columns].T
        data = np.full((len(columns), n_times), np.nan)
        data[:, positions] = sensor.convert(counts.astype(np.float64))
        flags = np.full(n_times, np.uint8(Flag.GAP))
        is_clipped = ((counts == 0) | (counts == _STEPS - 1)).any(axis=0)
        flags[positions] = np.where(is_clipped, np.uint8(Flag.CLIPPED), np.uint8(0))
        low, high = sensor.plausible
        flags[((data < low) | (data > high)).any(axis=0)] |= np.uint8(Flag.OUT_OF_RANGE)
        signals[sensor.name] = Signal(
            data=data,
            sfreq=header.sfreq,
            ch_names=_AXES if name == "XYZ" else (name.replace("RESPIRATION", "RESP"),),
            kind=sensor.kind,
            unit=sensor.unit,
            flags=flags,
        )
    return signals
