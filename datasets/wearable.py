"""A folder of exports of wearables, so that whoever has recordings has a data set."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from physioaffect.data_set import DataSet, Exclusion, Report, in_order_of_time
from physioaffect.devices.any_file import FORMATS, glance, read_device
from physioaffect.devices.empatica import e4_files
from physioaffect.devices.map_file import MAP_NAME, read_map
from physioaffect.devices.session import DeviceSession, Sampled
from physioaffect.errors import DataError
from physioaffect.recording import Events, Flag, Signal, Trial

from .wearable_files import SESSIONS, FoundRecordings, WearableRecording, find_recordings

__all__ = ["describe_found", "wearable"]

_NAME = "wearable"
_MOST_NOTES, _LONGEST_NOTE = 6, 200


class _Person(NamedTuple):
    recordings: tuple[WearableRecording, ...]
    usual: Mapping[str, Sampled]
    # Of one that has several a broken recording costs only itself, whichever of them are read here.
    is_alone: bool


def wearable(
    root: Path | str, *, csv_map: Path | str | None = None, window: float = 60.0, step: float = 10.0
) -> DataSet:
    """Any folder of exports of wearables: E4, EmbracePlus, RespiBAN, Faros and other EDF, XDF, Shimmer, Muse.

    Every file is known by its content. One file, or one folder of an E4's csv files, is one session; the
    avro files of one EmbracePlus, person and day (in UTC) that lie in one folder are one session, joined by
    their clock. Whose a session is: the EmbracePlus says it in the name of the file; other recordings belong
    to the outermost folder that they lie in, those in no folder to the person whose name they have without
    the device's (``S01_E4.zip`` is S01, ``S01_visit2.zip`` the session visit2 of S01). Folders with names
    such as data, raw, export, E4 or a date do not count. Where that is wrong, ``sessions.tsv`` in the root
    says it: the columns file, subject and, if you like, session, with tabs between them; then nothing else
    is read.

    Parameters
    ----------
    root : path
        The folder, or a single recording.
    csv_map : path, optional
        A map (TOML, see `physioaffect.devices.csv_map.CsvMap`) of text tables of other devices, inside
        ``root``. Default: ``physioaffect.toml`` in their folder or one above it.
    window, step : float
        Usual windows in seconds.

    Returns
    -------
    DataSet
        Under the name ``wearable``: one trial for each session, without condition, stimulus or tasks.
        Sessions of a person come in order of time where all files tell theirs. The tags of a trial name
        device and local time, and what its reader noted. A signal that other recordings have and this one
        lacks is all missing in it, so that one table holds them all: features of it are not numbers.

    Raises
    ------
    DataError
        If there is no recording, or none that can be read.

    Notes
    -----
    Hidden files, what macOS and Windows leave behind, links to other places and files of unknown formats are
    passed over; `find_recordings` lists these. A recording that cannot be read is left out and reported; all
    others are used. Of an E4, ``HR.csv``, ``IBI.csv`` and the tags cost their own signal only. Where a map of
    text tables is broken, these are left out. There are the signals that any recording has, at the rate and
    with the channels and the unit of most that have them: of an E4 the first lines of its files tell them,
    every other recording is read for it.
    """
    root = Path(root)
    stated = None if csv_map is None else Path(csv_map)
    found = _found(root, stated)
    usual = _usual(found)
    return DataSet(
        name=_NAME,
        is_raw_export=True,
        title=f"Wearable recordings in {root.resolve().name}",
        doi="",
        licence="",
        how_to_get="Your own: export the recordings of your devices into one folder.",
        layout=describe_found(found),
        n_subjects=len(found.people),
        sfreqs={name: one.sfreq for name, one in usual.items()},
        tasks={},
        window=window,
        step=step,
        files=partial(_files, csv_map=stated),
        open=partial(_open, csv_map=stated, usual=usual),
        trials=_trials,
        split=_split,
    )


def describe_found(found: FoundRecordings) -> str:
    """Say what was found, and whose it is."""
    recordings = [one for own in found.people.values() for one in own]
    titles = {name: known.title for name, known in FORMATS.items()} | {"csv": "text table"}
    counts = Counter(titles[one.format] for one in recordings)
    n_more = len(found.people) - 6
    people = ", ".join(
        who + (f" ({len(own)} sessions)" if len(own) > 1 else "")
        for who, own in islice(found.people.items(), 6)
    )
    said = f"{len(recordings)} sessions of {len(found.people)} people: " if len(recordings) > 1 else ""
    said += ", ".join(f"{n} {title}" for title, n in counts.items())
    said += f". People: {people}{f' and {n_more} more' if n_more > 0 else ''}."
    if found.passed_over:
        said += f" {len(found.passed_over)} other files and folders were passed over."
    # Of tables without a map nothing else may say that they are missing.
    said += "".join(f" {item.reason}" for item in found.passed_over if item.path.name == MAP_NAME)
    return said


def _refuse_faulty(recording: WearableRecording) -> None:
    if recording.fault:
        raise DataError(recording.fault)


def _read(recording: WearableRecording, report: Callable[[str, str], None]) -> DeviceSession:
    """Read a session; a broken one of several files is told to ``report`` and left out."""
    _refuse_faulty(recording)
    try:
        return read_device(recording.paths, csv_map=recording.csv_map)
    except DataError:
        if len(recording.paths) == 1:
            raise
    whole = []
    for path in recording.paths:
        try:
            read_device(path)
            whole.append(path)
        except DataError as error:
            report(path.name, str(error))
    if not whole:
        raise DataError(f"None of the {len(recording.paths)} files of {recording.name} can be read.")
    return read_device(whole)


def _usual(found: FoundRecordings) -> dict[str, Sampled]:
    """Learn what signals there are, and what most recordings that have one have it like."""
    counted: dict[str, Counter[Sampled]] = {}
    errors: list[DataError] = []
    for recording in chain.from_iterable(found.people.values()):
        try:
            _refuse_faulty(recording)
            # One file of many is enough.
            likes = glance(recording.paths[0], csv_map=recording.csv_map)
        except DataError as error:
            errors.append(error)
            continue
        for name, like in likes.items():
            counted.setdefault(name, Counter())[like] += 1
    if not counted:
        reason = errors[0] if errors else "They hold no sampled signal."
        raise DataError(f"Of the recordings found none can be read. The first says: {reason}")
    return {name: likes.most_common(1)[0][0] for name, likes in counted.items()}


def _found(root: Path, csv_map: Path | None) -> FoundRecordings:
    if csv_map is None:
        return find_recordings(root)
    base = root if root.is_dir() else root.parent
    if not csv_map.resolve().is_relative_to(base.resolve()):
        raise DataError(
            f"The map {csv_map} lies outside {base}. Put it into that folder, so that whoever has the "
            "recordings has the map, and features are made anew when it changes."
        )
    found = find_recordings(root, read_map(csv_map))
    own = base / csv_map.resolve().relative_to(base.resolve())
    return found._replace(maps=tuple(sorted({*found.maps, own})))


def _files(root: Path, *, csv_map: Path | None) -> Sequence[Path]:
    found = _found(root, csv_map)
    files = [
        file
        for own in found.people.values()
        for one in own
        for path in one.paths
        for file in (e4_files(path) if one.format == "e4" else [path])
    ]
    stated = [root / SESSIONS] if (root / SESSIONS).is_file() else []
    return [*files, *found.maps, *stated]


def _open(root: Path, *, csv_map: Path | None, usual: Mapping[str, Sampled]) -> dict[str, _Person]:
    return {who: _Person(own, usual, len(own) == 1) for who, own in _found(root, csv_map).people.items()}


def _split(person: _Person) -> list[_Person]:
    return [person._replace(recordings=(one,)) for one in person.recordings]


def _trials(subject: str, person: _Person, report: Report) -> Iterator[Trial]:
    tell = _teller(subject, report)
    several = len(person.recordings) > 1
    for recording in _by_time(person.recordings, tell) if several else person.recordings:
        try:
            # Sessions may be as long as days, so each is read when its turn comes, and held alone.
            session = _read(recording, tell)
            signals = _complete(session.signals, person.usual, recording)
        except DataError as error:
            if person.is_alone:
                raise
            tell(recording.name, str(error))
            continue
        for reason in session.lost:
            tell(recording.name, reason)
        yield Trial(
            dataset=_NAME,
            subject=subject,
            session=recording.session,
            trial=recording.name,
            stimulus="none",
            signals=signals,
            recorded_at=session.started_at,
            elapsed=0.0,
            tags=_tags(session),
        )


def _by_time(
    recordings: Sequence[WearableRecording], tell: Callable[[str, str], None]
) -> list[WearableRecording]:
    """Bring sessions into the order of time if all tell theirs; of one file that is broken, tell it."""
    there: list[WearableRecording] = []
    begun: list[datetime | None] = []
    for one in recordings:
        began = None
        try:
            _refuse_faulty(one)
            began = read_device(one.paths[0], csv_map=one.csv_map).started_at
        except DataError as error:
            if len(one.paths) == 1:
                tell(one.name, str(error))
                continue
        there.append(one)
        begun.append(began)
    return in_order_of_time(there, begun)


def _teller(subject: str, report: Report) -> Callable[[str, str], None]:
    return lambda name, reason: report(Exclusion(subject=subject, trial=name, reason=reason))


def _complete(
    signals: Mapping[str, Signal | Events], usual: Mapping[str, Sampled], recording: WearableRecording
) -> dict[str, Signal | Events]:
    """Add what other recordings have and this one lacks as missing from beginning to end."""
    sampled = [signal for signal in signals.values() if isinstance(signal, Signal) and signal.n_times]
    if not sampled:
        raise DataError(f"{recording.name} holds no sample of any signal. Export it again, or leave it out.")
    duration = max(signal.stop for signal in sampled)
    complete = dict(signals)
    for name, like in usual.items():
        if name not in complete:
            n_times = max(1, int(np.floor(duration * like.sfreq)))
            # One number stands for all, so that what is not there takes no memory.
            nothing = np.broadcast_to(np.float64(np.nan), (len(like.ch_names), n_times))
            flags = np.full(n_times, Flag.GAP, dtype=np.uint8)
            complete[name] = Signal(data=nothing, flags=flags, **like._asdict())
    return complete


def _tags(session: DeviceSession) -> tuple[str, ...]:
    tags = [f"device {session.device}"]
    if session.started_at is not None and session.utc_offset is not None:
        hours = session.utc_offset.total_seconds() / 3600
        local = (session.started_at + session.utc_offset).replace(tzinfo=None)
        tags.append(f"local start {local:%Y-%m-%d %H:%M:%S} (UTC{hours:+g} h)")
    if session.subject:
        tags.append(f"the device calls the person {session.subject}")
    notes = [textwrap.shorten(note, _LONGEST_NOTE, placeholder=" …") for note in session.notes]
    n_more = len(notes) - _MOST_NOTES
    # Every window of the table carries them.
    return (*tags, *notes[:_MOST_NOTES], *([f"and {n_more} more notes of the reader"] if n_more > 0 else []))
