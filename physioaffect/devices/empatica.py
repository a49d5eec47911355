"""Exports of the Empatica E4 wristband: a folder or a zip with one small csv file per sensor.

The first line of a file is the UTC time of its first sample in seconds since 1970, the second its sampling
rate; ``IBI.csv`` has only the first, ``tags.csv`` neither. Files of one session may start at different times.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.devices._e4_files import E4_FILES, ZIP_ERRORS, e4_files, session_contents, text_of
from physioaffect.devices.joining import join_sessions
from physioaffect.devices.session import DeviceSession, Sampled
from physioaffect.errors import DataError
from physioaffect.recording import Events, Flag, Signal

__all__ = ["ZIP_ERRORS", "E4Session", "e4_files", "glance_e4", "read_e4", "read_e4_sessions"]


class E4Session(NamedTuple):
    """One recording.

    ``started_at`` is the UTC time of the earliest sampled file, and every time in ``signals`` counts in
    seconds from it. ``signals`` has those of these names that were recorded: the `Signal` ``acc`` (g),
    ``ppg`` (the blood volume pulse, in the device's own unit), ``eda`` (uS), ``temperature`` (degC) and
    ``hr`` (bpm, the device's average, ten seconds late), the `Events` ``ibi`` (seconds between beats, at the
    second beat, NaN outside 0.3 to 2) and ``tags`` (presses of the button, numbered from 1; before zero where
    pressed earlier).
    """

    started_at: datetime
    signals: dict[str, Signal | Events]


class _Sensor(NamedTuple):
    name: str
    kind: str
    unit: str
    ch_names: tuple[str, ...]
    scale: float = 1.0
    plausible: tuple[float, float] = (-np.inf, np.inf)


_SENSORS = {
    "ACC.csv": _Sensor("acc", "acc", "g", ("ACC_X", "ACC_Y", "ACC_Z"), scale=1 / 64),
    "BVP.csv": _Sensor("ppg", "ppg", "au", ("BVP",)),
    "EDA.csv": _Sensor("eda", "eda", "uS", ("EDA",), plausible=(0.0, 100.0)),
    "TEMP.csv": _Sensor("temperature", "temperature", "degC", ("TEMP",), plausible=(10.0, 50.0)),
    "HR.csv": _Sensor("hr", "hr", "bpm", ("HR",), plausible=(30.0, 200.0)),
}
# What its sensors measured; the other files are made of these, or of presses of the button.
_MEASURED = ("ACC.csv", "BVP.csv", "EDA.csv", "TEMP.csv")
_HEAD = 512  # Bytes, more than the first three lines of any file.
_NUMBER = re.compile(r"\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\s*", re.ASCII)

_LONGEST_S = 48 * 3600  # The battery lasts two days.
_MOST_LINES = 64 * _LONGEST_S  # The fastest sensor has 64 Hz.
_BLOCK = 2**18
_SLOWEST_HZ, _FASTEST_HZ = 0.1, 1000.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Values that are no dates, where the header was lost, and dates in milliseconds lie outside.
_FIRST_SECOND = 10**8
_LAST_SECOND = (datetime.max.replace(tzinfo=UTC) - _EPOCH).total_seconds() - 1


def read_e4(path: Path | str, *, report: Callable[[str], None] | None = None) -> E4Session:
    r"""Read one session as exported by Empatica.

    Parameters
    ----------
    path : path
        A zip or a folder with any of ``ACC.csv``, ``BVP.csv``, ``EDA.csv``, ``TEMP.csv``, ``HR.csv``,
        ``IBI.csv`` and ``tags.csv`` (or ``tags_S01.csv``). Members of a zip are read into memory by their
        last name, never unpacked. A file that is missing means that the session lacks that signal.
    report : callable, optional
        Called with a sentence for each of ``HR.csv``, ``IBI.csv`` and the tags that cannot be read; the
        session then lacks that signal. Without it they are errors, as what the sensors measured always is.

    Returns
    -------
    E4Session
        Values are as in the files but for acceleration, which is divided by 64. The first second of every
        sampled file is flagged `Flag.SETTLING` (there, temperature may read 382 degC and skin conductance
        0 uS); temperature outside 10-50 degC, skin conductance outside 0-100 uS and heart rate outside
        30-200 bpm are flagged `Flag.OUT_OF_RANGE`. Tags and intervals come out in order of time.

    Raises
    ------
    DataError
        If there is no such session, it has no sampled signal, or a file is empty, damaged or too large. The
        message names file and line.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     values = "".join(f"{2 + n / 1000}\n" for n in range(40))
    ...     _ = Path(folder, "EDA.csv").write_text("1644226061.000000\n4.000000\n" + values)
    ...     session = read_e4(folder)
    >>> session.started_at.isoformat(), session.signals["eda"].duration
    ('2022-02-07T09:27:41+00:00', 10.0)
    >>> session.signals["eda"].flags[:6]  # The first second is settling.
    array([32, 32, 32, 32,  0,  0], dtype=uint8)
    """
    path = Path(path)
    contents = session_contents(path)
    starts: dict[str, float] = {}
    signals: dict[str, Signal | Events] = {}
    for name, sensor in _SENSORS.items():
        if name in contents:
            with _losing(sensor.name, name, report):
                text = text_of(contents[name], path / name)
                starts[name], signals[sensor.name] = _parse_sampled(text, sensor, path / name)
    if not starts:
        raise _no_signal(path, contents)
    _check_span({name: start for name, start in starts.items() if name in _MEASURED}, path)
    is_together = False
    with _losing("hr", "HR.csv", report):
        _check_span(starts, path)
        is_together = True
    if not is_together:
        del starts["HR.csv"], signals["hr"]
    started = min(starts.values())
    for name, start in starts.items():
        signal = signals[_SENSORS[name].name]
        assert isinstance(signal, Signal)
        signals[_SENSORS[name].name] = replace(signal, start=start - started)
    for name in [name for name in contents if name not in _SENSORS]:
        kind, parse = ("ibi", _parse_intervals) if name == "IBI.csv" else ("tags", _parse_tags)
        with _losing(kind, name, report):
            signals[kind] = parse(text_of(contents[name], path / name), path / name, started)
    return E4Session(_EPOCH + timedelta(seconds=started), signals)


def glance_e4(path: Path) -> dict[str, Sampled]:
    r"""Tell which sampled signals a session has from the first lines of its files alone.

    Parameters
    ----------
    path : Path
        As in `read_e4`.

    Returns
    -------
    dict of str to Sampled
        Whether all other lines can be read is not known then.

    Raises
    ------
    DataError
        If there is no session, or already the first lines of what it must have cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "TEMP.csv").write_text("1644226061.000000\n4.000000\n33.1\n")
    ...     glance_e4(Path(folder))["temperature"].unit
    'degC'
    """
    contents = session_contents(path, _HEAD)
    found = {}
    for name, sensor in _SENSORS.items():
        if name in contents:
            with _losing(sensor.name, name, lambda _: None):
                _, sfreq, _ = _head(text_of(contents[name], path / name), path / name)
                found[sensor.name] = Sampled(sfreq, sensor.ch_names, sensor.kind, sensor.unit)
    if not found:
        raise _no_signal(path, contents)
    return found


@contextmanager
def _losing(signal: str, name: str, report: Callable[[str], None] | None) -> Iterator[None]:
    """Tell ``report`` why a file cannot be read, if the session can do without it."""
    try:
        yield
    except DataError as error:
        if report is None or name in _MEASURED:
            raise
        report(f"{error} The session is read without {signal}.")


def _no_signal(path: Path, contents: Iterable[str]) -> DataError:
    return DataError(
        f"{path} holds no sampled signal of an E4 session: expected at least one of "
        f"{', '.join(_SENSORS)}, found {', '.join(contents) or 'none of them'}. Give the folder or zip that "
        "holds these files themselves, not the one above."
    )


def _check_span(starts: Mapping[str, float], path: Path) -> None:
    """Refuse files that begin too far apart to be of one session."""
    early, late = (pick(starts, key=starts.__getitem__, default="") for pick in (min, max))
    if starts and starts[late] - starts[early] > _LONGEST_S:
        raise DataError(
            f"{path / late} starts {(starts[late] - starts[early]) / 3600:.1f} h after {early}; an E4 "
            "records for two days at most. Put the files of one session together and read each session by "
            "itself."
        )


def read_e4_sessions(
    paths: Path | str | Iterable[Path | str], *, skip_broken: bool = False, max_shift: float = 0.05
) -> DeviceSession:
    r"""Read several sessions of one person as one recording, each at its place in time.

    Parameters
    ----------
    paths : path or iterable of paths
        Sessions as `read_e4` takes them; or one folder of such zips and folders.
    skip_broken : bool
        Whether a session that cannot be read, or one of its signals that `read_e4` can do without, is left
        out, named in the notes, rather than an error, as long as one session can be read.
    max_shift : float
        See `join_sessions`.

    Returns
    -------
    DeviceSession
        As `join_sessions` gives it: what lies between the sessions is NaN and flagged `Flag.GAP`, tags are
        numbered through. The files do not name the person or the wristband: that the sessions are of one
        person is for the caller to know.

    Raises
    ------
    DataError
        If there is no session, one is broken, or they cannot be joined.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for started in (1644226061, 1644226121):
    ...         Path(folder, str(started)).mkdir()
    ...         _ = Path(folder, str(started), "EDA.csv").write_text(f"{started}\n4\n" + "2.5\n" * 40)
    ...     joined = read_e4_sessions(folder)
    >>> joined.signals["eda"].duration, joined.notes
    (70.0, ('eda: 1 gap, 50 s in all.',))
    """
    paths = _sessions_in(Path(paths)) if isinstance(paths, str | Path) else [Path(path) for path in paths]
    sessions: list[DeviceSession] = []
    broken: list[DataError] = []
    lost: list[str] = []
    for path in paths:
        try:
            started_at, signals = read_e4(path, report=lost.append if skip_broken else None)
            sessions.append(DeviceSession("Empatica E4", started_at, None, signals))
        except DataError as error:
            if not skip_broken:
                raise
            broken.append(error)
    if not sessions and broken:
        raise broken[0]
    joined = join_sessions(sessions, max_shift=max_shift)
    return joined._replace(
        notes=(*joined.notes, *lost, *(f"Left out: {error}" for error in broken)), lost=tuple(lost)
    )


def _sessions_in(path: Path) -> list[Path]:
    """List the sessions in a folder: the folder itself if it holds the files of one."""
    if not path.is_dir() or any(file.name in E4_FILES for file in e4_files(path)):
        return [path]
    found = sorted(
        each
        for each in path.iterdir()
        if (each.is_file() and each.suffix.lower() == ".zip")
        or (each.is_dir() and any(file.name in E4_FILES for file in e4_files(each)))
    )
    if not found:
        raise DataError(
            f"{path} holds no E4 session: expected zips, or folders with {', '.join(E4_FILES)}. Give the "
            "folder that holds them themselves."
        )
    return found


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


def _head(text: str, path: Path) -> tuple[float, float, str]:
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


def _parse_sampled(text: str, sensor: _Sensor, path: Path) -> tuple[float, Signal]:
    """Time of the first sample, and the signal with that as its zero."""
    start, sfreq, body = _head(text, path)
    data = _columns(body, len(sensor.ch_names), path, first_line=3)
    data *= sensor.scale
    low, high = sensor.plausible
    flags = np.where(((data < low) | (data > high)).any(axis=0), np.uint8(Flag.OUT_OF_RANGE), np.uint8(0))
    flags[: int(np.ceil(sfreq))] |= np.uint8(Flag.SETTLING)
    signal = Signal(
        data=data, sfreq=sfreq, ch_names=sensor.ch_names, kind=sensor.kind, unit=sensor.unit, flags=flags
    )
    return start, signal


def _parse_intervals(text: str, path: Path, started: float) -> Events:
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


def _parse_tags(text: str, path: Path, started: float) -> Events:
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
