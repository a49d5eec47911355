"""Exports of the Empatica E4 wristband: a folder or a zip with one small csv file per sensor.

The first line of a file is the UTC time of its first sample in seconds since 1970, the second its sampling
rate; ``IBI.csv`` has only the first, ``tags.csv`` neither. Files of one session may start at different times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from physioaffect.devices._e4_files import E4_FILES, ZIP_ERRORS, e4_files, session_contents, text_of
from physioaffect.devices._e4_lines import (
    LONGEST_S,
    SENSORS,
    head_of,
    parse_intervals,
    parse_sampled,
    parse_tags,
)
from physioaffect.devices.joining import join_sessions
from physioaffect.devices.session import DeviceSession, Sampled
from physioaffect.errors import DataError
from physioaffect.recording import Events, Signal

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


# What its sensors measured; the other files are made of these, or of presses of the button.
_MEASURED = ("ACC.csv", "BVP.csv", "EDA.csv", "TEMP.csv")
_HEAD = 512  # Bytes, more than the first three lines of any file.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
    for name, sensor in SENSORS.items():
        if name in contents:
            with _losing(sensor.name, name, report):
                text = text_of(contents[name], path / name)
                starts[name], signals[sensor.name] = parse_sampled(text, sensor, path / name)
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
        signal = signals[SENSORS[name].name]
        assert isinstance(signal, Signal)
        signals[SENSORS[name].name] = replace(signal, start=start - started)
    for name in [name for name in contents if name not in SENSORS]:
        kind, parse = ("ibi", parse_intervals) if name == "IBI.csv" else ("tags", parse_tags)
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
    for name, sensor in SENSORS.items():
        if name in contents:
            with _losing(sensor.name, name, lambda _: None):
                _, sfreq, _ = head_of(text_of(contents[name], path / name), path / name)
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
        f"{', '.join(SENSORS)}, found {', '.join(contents) or 'none of them'}. Give the folder or zip that "
        "holds these files themselves, not the one above."
    )


def _check_span(starts: Mapping[str, float], path: Path) -> None:
    """Refuse files that begin too far apart to be of one session."""
    early, late = (pick(starts, key=starts.__getitem__, default="") for pick in (min, max))
    if starts and starts[late] - starts[early] > LONGEST_S:
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
