"""The unprocessed recordings of SEED and SEED-V: Neuroscan CNT files at 1000 Hz, one a session."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.data_set import Exclusion, Report
from physioaffect.errors import DataError
from physioaffect.recording import Signal, Trial

from .seed_files import (
    ELECTRODES,
    FILE_NAMES,
    N_SESSIONS,
    Person,
    SeedStudy,
    Session,
    find_folder,
    report_missing_sessions,
)
from .simulated_mark import MARK, tags_of_folder

__all__ = ["CNT_RATE", "Recordings", "span_line"]

CNT_RATE = 1000.0
_SETUP, _ELECTRODE, _EVENTS = 900, 75, 9
_OVERFLOW = 2_000_000_000  # Where MNE no longer trusts the position of the event table.
_IMPOSSIBLE = 1.0  # Volts; no amplifier for EEG takes as much.


class _Source(NamedTuple):
    """A person, and for each session the seconds at which trials begin and end."""

    person: Person
    spans: Sequence[Sequence[tuple[int, int]]]


@dataclass(frozen=True, kw_only=True)
class Recordings:
    """Where the recordings lie, how they are named, and when their trials begin and end.

    Parameters
    ----------
    study : SeedStudy
        The data set.
    folder : str
        Name of the folder in the distribution.
    pattern : re.Pattern
        Of the files' names: person, session and, if there is a third group, date.
    starts, stops : tuple of tuple of int
        Seconds of each session's trials.
    """

    study: SeedStudy
    folder: str
    pattern: re.Pattern[str]
    starts: tuple[tuple[int, ...], ...]
    stops: tuple[tuple[int, ...], ...]

    def _sessions(self, root: Path) -> dict[int, list[Session]]:
        folder = find_folder(root, self.folder, self.pattern, self.study.title)
        found: dict[int, list[Session]] = {}
        for path in folder.iterdir():
            if (named := self.pattern.fullmatch(path.name)) and path.is_file():
                date = named[3] if self.pattern.groups == 3 else ""
                found.setdefault(int(named[1]), []).append(Session(int(named[2]), date, path))
        if not found:
            raise DataError(f"{folder} holds no recording of {self.study.title}. Copy them there again.")
        return {number: sorted(found[number]) for number in sorted(found)}

    def files(self, root: Path) -> Sequence[Path]:
        """Every recording; the times of the trials are built in."""
        return [session.path for sessions in self._sessions(root).values() for session in sessions]

    def open(self, root: Path) -> dict[str, Any]:
        """Everybody's sessions, ordered by their number, never by date."""
        return {str(number): self._person(number, own) for number, own in self._sessions(root).items()}

    def _person(self, number: int, sessions: Sequence[Session]) -> _Source:
        folder, fault = sessions[0].path.parent, ""
        numbers = [session.number for session in sessions]
        if repeated := [session for session in sessions if numbers.count(session.number) > 1]:
            names = ", ".join(session.path.name for session in repeated)
            fault = (
                f"Subject {number} in {folder} has session {repeated[0].number} twice: {names}. Remove the "
                "one that is not the original."
            )
        spans = [list(zip(*both, strict=True)) for both in zip(self.starts, self.stops, strict=True)]
        if tags := tags_of_folder(folder):
            spans = _simulated_spans(folder / MARK) or spans
        return _Source(
            person=Person(sessions=tuple(sessions), n_trials=tuple(map(len, spans)), tags=tags, fault=fault),
            spans=spans,
        )

    def trials(self, subject: str, source: Any, report: Report) -> Iterator[Trial]:
        """Cut the trials out of each recording, one in memory at a time."""
        person: Person = source.person
        if person.fault:
            raise DataError(person.fault)
        report_missing_sessions(self.study, subject, person.sessions, report)
        for session in person.sessions:  # All, before anything is read of the first.
            _sample_format(session.path)
        for session in person.sessions:
            yield from self._of_session(subject, session, source, report)

    def _of_session(self, subject: str, session: Session, source: _Source, report: Report) -> Iterator[Trial]:
        raw, picks = _open_raw(session.path)
        for order, (start, stop) in enumerate(source.spans[session.number - 1]):
            if round(stop * CNT_RATE) > raw.n_times:
                reason = (
                    f"{session.path} ends after {raw.n_times / CNT_RATE:g} s; trial {order + 1} lasts from "
                    f"{start} to {stop} s. Download it again if it should be longer."
                )
                report(Exclusion(subject=subject, trial=str(order + 1), reason=reason))
                continue
            yield Trial(
                dataset=self.study.name,
                subject=subject,
                session=str(session.number),
                trial=str(order + 1),
                stimulus=self.study.stimulus(session.number, order + 1),
                signals={"eeg": _eeg(raw, picks, start, stop, session.path)},
                condition=self.study.emotions[session.number - 1][order],
                elapsed=float(start),
                order=order,
                tags=source.person.tags,
            )


def span_line(session: int, spans: Sequence[tuple[int, int]]) -> str:
    """Write down when a simulated session's trials begin and end, since clips may be cut short there."""
    return f"session {session}: {' '.join(f'{start}-{stop}' for start, stop in spans)}\n"


def _simulated_spans(path: Path) -> list[list[tuple[int, int]]]:
    with path.open("rb") as file:
        text = file.read(1 << 16).decode("ascii", errors="replace")
    lines = re.findall(r"^session [1-3]: (\d{1,6}-\d{1,6}(?: \d{1,6}-\d{1,6})*)$", text, flags=re.MULTILINE)
    spans = [[(int(a), int(b)) for a, b in re.findall(r"(\d+)-(\d+)", line)][:15] for line in lines]
    return spans if len(spans) == N_SESSIONS and all(a < b for own in spans for a, b in own) else []


def _sample_format(path: Path) -> Mapping[str, Any]:
    """Compare what the header announces with the file; how MNE is to take the samples."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            setup = file.read(_SETUP)
            if len(setup) < _SETUP or not setup.startswith(b"Version"):
                raise DataError(
                    f"{path} ({size} bytes) does not begin with the header of a Neuroscan CNT file. Download "
                    "it again."
                )
            n_channels, n_times = (
                struct.unpack_from("<H", setup, 370)[0],
                struct.unpack_from("<I", setup, 864)[0],
            )
            events_at = struct.unpack_from("<i", setup, 886)[0]
            data_at = _SETUP + _ELECTRODE * n_channels
            width = next((w for w in (4, 2) if data_at + n_channels * n_times * w == events_at), None)
            if size >= _OVERFLOW:
                width = next((w for w in (4, 2) if data_at + n_channels * n_times * w <= size), None)
                events_at = data_at + n_channels * n_times * (width or 0)
            file.seek(max(events_at, 0) + 1)
            n_events = file.read(8)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None
    end = events_at + _EVENTS + (struct.unpack("<I", n_events[:4])[0] if len(n_events) == 8 else 0)
    if not n_channels or events_at <= data_at or end > size:
        raise DataError(
            f"{path} has {size} bytes, but its header announces {n_channels} channels and a table of events "
            f"up to byte {end}. The file is incomplete or damaged: download it again."
        )
    if width is not None:
        return {"data_format": f"int{8 * width}"}
    # The header's count of samples is not reliable. Then these amplifiers' 32 bits, and as many as there are.
    if (events_at - data_at) % (4 * n_channels):
        raise DataError(
            f"{path} has {events_at - data_at} bytes of samples, which is no whole number for {n_channels} "
            "channels of 32 bits. The file is damaged: download it again."
        )
    return {"data_format": "int32", "recompute_n_samples": True}


def _open_raw(path: Path) -> tuple[Any, list[int]]:
    """Open a recording without reading its samples; where its 62 electrodes are."""
    import mne  # noqa: PLC0415  It takes a second, which importing physioaffect.datasets must not.

    options = dict(_sample_format(path))
    if "recompute_n_samples" not in signature(mne.io.read_raw_cnt).parameters:
        options.pop("recompute_n_samples", None)  # Older versions of MNE always do.
    try:
        raw = mne.io.read_raw_cnt(path, verbose="error", **options)
    except Exception as error:  # mne raises whatever its parts do, even Exception itself.
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path} is not a readable CNT file ({reason}). Download it again.") from error
    places = {name.strip().upper(): index for index, name in enumerate(raw.ch_names)}
    if lacking := [name for name in FILE_NAMES if name not in places]:
        raise DataError(
            f"{path} lacks the channels {', '.join(lacking[:8])}; it has {', '.join(raw.ch_names)}. Use the "
            "file as distributed."
        )
    if raw.info["sfreq"] != CNT_RATE:
        raise DataError(
            f"{path} is sampled at {raw.info['sfreq']:g} Hz, expected {CNT_RATE:g}. Use it as distributed."
        )
    return raw, [places[name] for name in FILE_NAMES]


def _eeg(raw: Any, picks: Sequence[int], start: int, stop: int, path: Path) -> Signal:
    first, last = round(start * CNT_RATE), round(stop * CNT_RATE)
    try:
        data: NDArray[np.float64] = raw.get_data(picks=list(picks), start=first, stop=last)
    except Exception as error:
        raise DataError(f"{path} cannot be read from {start} to {stop} s ({error}).") from error
    if not np.abs(data).max() < _IMPOSSIBLE:
        raise DataError(
            f"{path} reaches {np.abs(data).max():g} V between {start} and {stop} s, so its header is "
            "damaged. Download it again."
        )
    return Signal(data=data, sfreq=CNT_RATE, ch_names=ELECTRODES, kind="eeg", unit="V")
