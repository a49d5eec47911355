"""The lines of an E4's files: a time, a rate, and numbers, checked one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.recording import Events, Flag, Signal

__all__ = ["LONGEST_S", "SENSORS", "Sensor", "head_of", "parse_intervals", "parse_sampled", "parse_tags"]


class Sensor(NamedTuple):
    """What one file holds: our name of the signal, kind, unit, channels, and what its numbers are times."""

    name: str
    kind: str
    unit: str
    ch_names: tuple[str, ...]
    scale: float = 1.0
    plausible: tuple[float, float] = (-np.inf, np.inf)


SENSORS = {
    "ACC.csv": Sensor("acc", "acc", "g", ("ACC_X", "ACC_Y", "ACC_Z"), scale=1 / 64),
    "BVP.csv": Sensor("ppg", "ppg", "au", ("BVP",)),
    "EDA.csv": Sensor("eda", "eda", "uS", ("EDA",), plausible=(0.0, 100.0)),
    "TEMP.csv": Sensor("temperature", "temperature", "degC", ("TEMP",), plausible=(10.0, 50.0)),
    "HR.csv": Sensor("hr", "hr", "bpm", ("HR",), plausible=(30.0, 200.0)),
}

_NUMBER = re.compile(r"\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\s*", re.ASCII)
LONGEST_S = 48 * 3600  # The battery lasts two days.
_MOST_LINES = 64 * LONGEST_S  # The fastest sensor has 64 Hz.
_BLOCK = 2**18
_SLOWEST_HZ, _FASTEST_HZ = 0.1, 1000.0
# Values that are no dates, where the header was lost, and dates in milliseconds lie outside.
_FIRST_SECOND = 10**8
_LAST_SECOND = datetime.max.replace(tzinfo=UTC).timestamp() - 1


def _fields(line: str) -> list[float]:
    """Parse the numbers of a line; none if one of them is not a finite number."""
    fields = line.split(",")
    values = [float(field) for field in fields if _NUMBER.fullmatch(field)]
    return values if len(values) == len(fields) and np.isfinite(values).all() else []


def _start(values: list[float], path: Path, line: str) -> float:
    """Check the first line: one time, the same in every column."""
    if len(set(values)) != 1 or not _FIRST_SECOND <= values[0] <= _LAST_SECOND:
        raise DataError(
            f"{path} starts with {_shown(line)}; expected the time of its first sample in seconds since "
            "1970, such as 1644226061.000000, the same in every column. Export the session again, or put "
            "that line back if a program removed or changed it."
        )
    return values[0]


def _shown(line: str) -> str:
    return repr(line if len(line) <= 60 else line[:57] + "...")


def _empty(path: Path) -> DataError:
    return DataError(
        f"{path} holds no samples. Export the session again; if the sensor recorded nothing, delete the "
        "file, and the session is read without it."
    )


def head_of(text: str, path: Path) -> tuple[float, float, str]:
    """Time of the first sample, sampling rate, and the lines of the samples."""
    if not text:
        raise _empty(path)
    lines = text.split("\n", 2)
    start = _start(_fields(lines[0]), path, lines[0])
    rates = _fields(lines[1]) if len(lines) > 1 else []
    if len(set(rates)) != 1 or not _SLOWEST_HZ <= rates[0] <= _FASTEST_HZ:
        found = _shown(lines[1]) if len(lines) > 1 else "nothing"
        raise DataError(
            f"{path} has {found} in line 2; expected the sampling rate in Hz, from {_SLOWEST_HZ:g} to "
            f"{_FASTEST_HZ:g} and the same in every column, such as 4.000000. Export the session again."
        )
    if len(lines) < 3:
        raise _empty(path)
    return start, rates[0], lines[2]


def parse_sampled(text: str, sensor: Sensor, path: Path) -> tuple[float, Signal]:
    """Time of the first sample, and the signal with that as its zero."""
    start, sfreq, body = head_of(text, path)
    data = _columns(body, len(sensor.ch_names), path, first_line=3)
    data *= sensor.scale
    low, high = sensor.plausible
    flags = np.where(((data < low) | (data > high)).any(axis=0), np.uint8(Flag.OUT_OF_RANGE), np.uint8(0))
    flags[: int(np.ceil(sfreq))] |= np.uint8(Flag.SETTLING)
    signal = Signal(
        data=data, sfreq=sfreq, ch_names=sensor.ch_names, kind=sensor.kind, unit=sensor.unit, flags=flags
    )
    return start, signal


def parse_intervals(text: str, path: Path, started: float) -> Events:
    if not text:  # The device found no beat that it trusts.
        return Events.of_intervals(np.empty(0), np.empty(0))
    header, _, body = text.partition("\n")
    first, _, second = header.partition(",")
    if second.strip() != "IBI":
        raise DataError(
            f"{path} starts with {_shown(header)}; expected the time of its beginning in seconds since 1970, "
            "a comma and IBI, such as '1644226061.000000, IBI'. Export the session again."
        )
    shift = _start(_fields(first), path, header) - started
    times, values = _columns(body, 2, path, first_line=2) if body else np.empty((2, 0))
    order = np.argsort(times, kind="stable")
    return Events.of_intervals((times + shift)[order], values[order])


def parse_tags(text: str, path: Path, started: float) -> Events:
    times = _columns(text, 1, path, first_line=1)[0] if text else np.empty(0)
    return Events(times=np.sort(times) - started, values=np.arange(1.0, len(times) + 1), kind="tags")


def _columns(text: str, n_columns: int, path: Path, *, first_line: int) -> NDArray[np.float64]:
    """Parse lines of so many numbers each; a line that is not so is looked for only when there is one."""
    n_lines = text.count("\n") + 1
    if n_lines > _MOST_LINES:
        raise DataError(
            f"{path} has {n_lines} lines, more than an E4 can record in two days, so it is not one of its "
            "files. Export the session again."
        )
    columns = np.empty((n_columns, n_lines))
    n_parsed, at = 0, 0
    while at < len(text):  # In blocks: the parser takes four bytes for each character.
        stop = text.find("\n", at + _BLOCK)
        block = text[at:] if stop < 0 else text[at:stop]
        at += len(block) + 1
        if not block.strip():
            break
        try:
            table = np.loadtxt(StringIO(block), delimiter=",", comments=None, ndmin=2)
        except ValueError:
            break
        # The fast parser leaves out empty lines, which would move all later samples in time.
        if table.shape != (block.count("\n") + 1, n_columns) or not np.isfinite(table).all():
            break
        columns[:, n_parsed : n_parsed + len(table)] = table.T
        n_parsed += len(table)
    if n_parsed != n_lines:
        raise DataError(_broken_line(text, n_columns, path, first_line))
    return columns


def _numbered(text: str, first_line: int) -> Iterator[tuple[int, str]]:
    return enumerate(text.split("\n"), start=first_line)


def _broken_line(text: str, n_columns: int, path: Path, first_line: int) -> str:
    expected = "one number" if n_columns == 1 else f"{n_columns} numbers with commas between them"
    last = first_line + text.count("\n")
    for number, line in _numbered(text, first_line):
        if len(_fields(line)) != n_columns:
            cure = (
                "It is the last line: if the file was cut off there when it was copied, delete that line."
                if number == last and number > first_line
                else "Export the session again, or mend that line; do not delete it, all later samples would "
                "move in time."
            )
            return f"{path} has {_shown(line)} in line {number}; expected {expected}. {cure}"
    return f"{path} cannot be read as lines of {expected}. Export the session again."
