"""What lies in a folder of exports: recordings, whose they are, and what is passed over."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from physioaffect.devices.any_file import FORMATS, is_text_table, map_beside, sniff
from physioaffect.devices.csv_map import CsvMap
from physioaffect.devices.empatica import e4_files
from physioaffect.devices.map_file import MAP_NAME
from physioaffect.errors import DataError

from .bids_files import check_inside, read_tsv
from .folders import contents

__all__ = ["SESSIONS", "FoundRecordings", "PassedOver", "WearableRecording", "find_recordings"]

SESSIONS = "sessions.tsv"

_DEEPEST, _MOST_FILES = 8, 100_000
_NOT_LOOKED_AT = re.compile(r"\..*|__MACOSX|Thumbs\.db|desktop\.ini", re.IGNORECASE)

# Folders with such names, or a day's, say nothing about the person.
_WRAPPER = re.compile(
    r"(raw|data|export|exported|recording|session|wearable|wrist|sourcedata|participant|e4|empatica|embraceplus"
    r"|device|v\d+|s|_|-|\s)+|(19|20)\d\d[-_]?\d\d[-_]?\d\d",
    re.IGNORECASE,
)
_DEVICE = re.compile(
    r"[-_ ]+(e4|empatica|embraceplus|respiban|opensignals|faros|shimmer|muse)([-_ ]?data)?$", re.IGNORECASE
)
_WITH_SESSION = re.compile(
    r"(?P<subject>.+?)[-_ ](?P<session>(ses|session|visit|day)[-_ ]?\w+)", re.IGNORECASE
)
_AVRO = re.compile(r"(?P<subject>.+)_(?P<second>\d{10})")


class WearableRecording(NamedTuple):
    """One session of one person: a file or a folder, or the files of one day that belong together.

    ``fault`` says why it cannot be read if that is known already: its map is broken.
    """

    subject: str
    session: str
    format: str
    paths: tuple[Path, ...]
    csv_map: CsvMap | None = None
    fault: str = ""

    @property
    def name(self) -> str:
        """File or folder as it is called on the disk, in characters that can be shown."""
        path, *others = self.paths
        return _shown(path.name) + (f" and {len(others)} more" if others else "")


class PassedOver(NamedTuple):
    """A file or folder that is no recording, or that may not be looked into, and why."""

    path: Path
    reason: str


class FoundRecordings(NamedTuple):
    """Recordings of each person, in order of name, everything else that lies there, and maps of tables."""

    people: dict[str, tuple[WearableRecording, ...]]
    passed_over: tuple[PassedOver, ...]
    maps: tuple[Path, ...]


class _Map(NamedTuple):
    """The map of the text tables in a folder, or what is wrong with it."""

    csv_map: CsvMap | None
    fault: str = ""


class _Place(NamedTuple):
    """A recording and where it lies: the names of folders above it in the data set, and its own."""

    format: str
    path: Path
    parts: tuple[str, ...]
    csv_map: CsvMap | None = None
    fault: str = ""


def find_recordings(root: Path | str, csv_map: CsvMap | None = None) -> FoundRecordings:
    """Look through a folder of exports, or at one of them.

    Parameters
    ----------
    root : path
        The folder, or a single recording.
    csv_map : CsvMap, optional
        Of text tables in folders without a map of their own.

    Returns
    -------
    FoundRecordings
        By the rule that `wearable` states.

    Raises
    ------
    DataError
        If there is no such folder, it is too deep or too large, holds no recording, or its sessions.tsv names
        one that is not there.
    """
    root = Path(root)
    if not root.exists():
        raise DataError(f"There is no {root}. Pass the folder that the recordings were exported to.")
    passed: list[PassedOver] = []
    places = list(_walk(root, csv_map, passed)) if root.is_dir() else _alone(root, csv_map)
    if not places:
        seen = "; ".join(f"{_shown(item.path.name)}: {item.reason}" for item in passed[:5])
        raise DataError(
            f"There is no recording in {root}: it holds {contents(root)}. Known are "
            f"{_known()}. {seen}".strip()
        )
    has_table = root.is_dir() and (root / SESSIONS).is_file()
    recordings = _by_table(root, places, passed) if has_table else _by_rule(places)
    if not recordings:
        raise DataError(f"{root / SESSIONS} names no recording. Fill it in, or delete it.")
    people: dict[str, list[WearableRecording]] = {}
    for recording in sorted(recordings, key=lambda one: [_natural(name) for name in one[:2]]):
        people.setdefault(recording.subject, []).append(recording)
    passed.sort(key=lambda item: item.path)
    named = {who: _distinct(own, is_by_rule=not has_table) for who, own in people.items()}
    base = root if root.is_dir() else root.parent
    folders = {folder for one in places if one.format == "csv" for folder in _up_to(base, one.path)}
    maps = sorted(folder / MAP_NAME for folder in folders if (folder / MAP_NAME).is_file())
    return FoundRecordings(named, tuple(passed), tuple(maps))


def _up_to(root: Path, path: Path) -> list[Path]:
    """Folders of a file from its own up to the root."""
    return [folder for folder in path.parents if folder == root or root in folder.parents]


def _known() -> str:
    return (
        f"{', '.join(known.title for known in FORMATS.values())}, and text tables with {MAP_NAME} beside them"
    )


def _alone(path: Path, csv_map: CsvMap | None) -> list[_Place]:
    name = sniff(path)
    if name is None:
        csv_map = map_beside(path) or csv_map
        name = sniff(path, csv_map=csv_map)
    if name is None:
        raise DataError(f"{path} is no recording of a known format. Known are {_known()}.")
    return [_Place(name, path, (_shown(path.stem),), csv_map)]


def _walk(root: Path, csv_map: CsvMap | None, passed: list[PassedOver]) -> Iterator[_Place]:
    """Find recordings in and below a folder; links are followed only to places inside it."""
    n_seen = 0
    waiting: list[tuple[Path, tuple[str, ...], _Map]] = [(root, (), _Map(csv_map))]
    while waiting:
        folder, parts, above = waiting.pop()
        own_map = _own_map(folder, above, passed)
        try:
            is_e4 = sniff(folder) == "e4"
            entries = sorted(folder.iterdir())
        except (DataError, OSError) as error:
            passed.append(PassedOver(folder, str(error)))
            continue
        n_seen += len(entries)
        if n_seen > _MOST_FILES:
            raise DataError(
                f"{root} holds more than {_MOST_FILES} files. Pass a folder that holds the recordings alone."
            )
        own = set()
        if is_e4:
            own = set(e4_files(folder))
            yield _Place("e4", folder, parts or (_shown(folder.resolve().name),))
        for path in entries:
            is_ours = path.name == MAP_NAME or (not parts and path.name == SESSIONS)
            if path in own or is_ours or _NOT_LOOKED_AT.fullmatch(path.name):
                continue
            below = (*parts, _shown(path.name if path.is_dir() else path.stem))
            if reason := _barred(root, path, len(below)):
                passed.append(PassedOver(path, reason))
            elif path.is_dir():
                waiting.append((path, below, own_map))
            else:
                yield from _look(path, below, own_map, passed)


def _own_map(folder: Path, above: _Map, passed: list[PassedOver]) -> _Map:
    """A map holds for the folders below it too, where there is no other; so does what is wrong with it."""
    try:
        csv_map = map_beside(folder / MAP_NAME)
    except DataError as error:
        passed.append(PassedOver(folder / MAP_NAME, str(error)))
        return _Map(None, str(error))
    return above if csv_map is None else _Map(csv_map)


def _barred(root: Path, path: Path, depth: int) -> str:
    """Why a path may not be looked at, if so."""
    if path.is_symlink():
        try:
            check_inside(root, path)
        except DataError:
            return "a link to another place, which is not followed"
        if path.is_dir():
            return "a link to another folder of this one, which is not followed"
    if depth > _DEEPEST:
        return f"deeper than {_DEEPEST} folders"
    return ""


def _look(path: Path, parts: tuple[str, ...], own_map: _Map, passed: list[PassedOver]) -> Iterator[_Place]:
    try:
        name = sniff(path, csv_map=own_map.csv_map)
    except DataError as error:
        passed.append(PassedOver(path, str(error)))
        return
    if name is None and own_map.fault and is_text_table(path):
        yield _Place("csv", path, parts, None, own_map.fault)
    elif name is None:
        passed.append(PassedOver(path, "no recording of a known format"))
    else:
        yield _Place(name, path, parts, own_map.csv_map)


def _by_rule(places: Sequence[_Place]) -> list[WearableRecording]:
    recordings = []
    together: dict[tuple[Path, str, str], list[Path]] = {}
    for place in places:
        named = _AVRO.fullmatch(place.parts[-1]) if place.format == "embraceplus" else None
        if named:
            day = datetime.fromtimestamp(int(named["second"]), UTC).strftime("%Y-%m-%d")
            together.setdefault((place.path.parent, named["subject"], day), []).append(place.path)
            continue
        subject, session = _named(place.parts)
        recordings.append(WearableRecording(subject, session, place.format, (place.path,), *place[3:]))
    for (_, subject, day), paths in together.items():
        recordings.append(WearableRecording(subject, day, "embraceplus", tuple(sorted(paths))))
    return recordings


def _named(parts: tuple[str, ...]) -> tuple[str, str]:
    """Person and session of a recording by the names of its folders and its own."""
    own = _DEVICE.sub("", parts[-1]) or parts[-1]
    above = [part for part in parts[:-1] if not _WRAPPER.fullmatch(part)]
    days = [part for part in parts[:-1] if part[:2] in ("19", "20") and _WRAPPER.fullmatch(part)]
    if above:
        return above[0], "/".join([*days, *above[1:], parts[-1]])
    found = _WITH_SESSION.fullmatch(own)
    if found:
        return found["subject"], found["session"]
    return own, "/".join([*days, parts[-1]])


def _by_table(root: Path, places: Sequence[_Place], passed: list[PassedOver]) -> list[WearableRecording]:
    """Take the persons and sessions that sessions.tsv names, and nothing else."""
    path = root / SESSIONS
    rows: dict[PurePosixPath, dict[str, str]] = {}
    for row in read_tsv(path, "file", "subject"):
        if not row["subject"]:
            raise DataError(f"{path} names no subject for {row['file']}. Fill it in, or delete that line.")
        if rows.setdefault(key := PurePosixPath(row["file"]), row) is not row:
            raise DataError(f"{path} names {key} twice. Delete one of the lines.")
    used, recordings = set(), []
    together: dict[PurePosixPath, list[Path]] = {}
    for place in places:
        relative = PurePosixPath(place.path.relative_to(root).as_posix())
        keys = [one for one in (relative, *relative.parents) if one in rows]
        if not keys:
            passed.append(PassedOver(place.path, f"not in {SESSIONS}"))
            continue
        key = keys[0]
        used.add(key)
        session = rows[key].get("session", "")
        if place.format == "embraceplus" and key != relative:
            together.setdefault(key, []).append(place.path)
            continue
        name = session or place.parts[-1]
        own = WearableRecording(rows[key]["subject"], name, place.format, (place.path,), *place[3:])
        recordings.append(own)
    for place_of_all, paths in together.items():
        row = rows[place_of_all]
        name = row.get("session", "") or place_of_all.name
        recordings.append(WearableRecording(row["subject"], name, "embraceplus", tuple(sorted(paths))))
    if lost := [key for key in rows if key not in used]:
        raise DataError(
            f"{path} names {lost[0]}, where there is no recording. Names are relative to {root}, with / "
            "between folders."
        )
    return recordings


def _distinct(recordings: Sequence[WearableRecording], *, is_by_rule: bool) -> tuple[WearableRecording, ...]:
    """Sessions of one person with different names; the only one is called 1 if nobody named it."""
    if len(recordings) == 1 and is_by_rule:
        return (recordings[0]._replace(session="1"),)
    names = [one.session for one in recordings]
    seen: dict[str, int] = {}
    distinct = []
    for one, name in zip(recordings, names, strict=True):
        seen[name] = seen.get(name, 0) + 1
        distinct.append(one._replace(session=f"{name} ({seen[name]})") if names.count(name) > 1 else one)
    return tuple(distinct)


def _natural(name: str) -> list[tuple[int, str]]:
    """Order in which S2 comes before S10, and capitals do not matter."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _shown(name: str) -> str:
    """Characters that every file and terminal can hold, whatever the disk's are."""
    return unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "replace"))
