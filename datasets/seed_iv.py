"""SEED-IV: 15 people, three sessions of 24 film clips, all different, 62 electrodes at 200 Hz."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from physioaffect.data_set import DataSet, Report
from physioaffect.errors import DataError
from physioaffect.recording import Trial

from .folders import contents
from .seed_files import (
    ELECTRODES,
    MAT_RATE,
    N_SESSIONS,
    Person,
    SeedStudy,
    Session,
    check_labels,
    emotion_task,
    find_folder,
    mat_trials,
    session_files,
)
from .seed_prefixes import with_doubts
from .seed_simulate import simulate_iv
from .seed_tables import SEED_IV_DATES, SEED_IV_EMOTIONS, SEED_IV_LABELS, SEED_IV_NAMES
from .simulated_mark import tags_of_folder

__all__ = ["SEED_IV", "STUDY", "open_folder"]

_FOLDER = "eeg_raw_data"
_README = "readme.txt"
_LONGEST_README = 1_000_000
_LINE = re.compile(r"session([1-3])_label\s*=\s*\[([^\]]*)\]")
_KNOWN = {f"session{number}_label": labels for number, labels in enumerate(SEED_IV_LABELS, start=1)}
STUDY = SeedStudy(name="seed_iv", title="SEED-IV", emotions=SEED_IV_EMOTIONS, shares_clips=False)


def _folder(root: Path) -> Path:
    return find_folder(root, _FOLDER, re.compile("[123]"), "SEED-IV")


def _readme(folder: Path, root: Path) -> Path:
    """Find ReadMe.txt, in the folder of recordings or beside it."""
    around = folder.absolute().parent if folder == root else folder.parent
    for place in (around, folder):
        for path in sorted(place.iterdir()):
            if path.name.lower() == _README and path.is_file():
                return path
    lines = " ".join(f"{name} = [{','.join(map(str, labels))}];" for name, labels in _KNOWN.items())
    raise DataError(
        f"Neither {folder} nor the folder around it has ReadMe.txt, which says what each clip was chosen "
        f"for. Copy it there from the distribution, or write one yourself: {lines}"
    )


def parse_readme(text: str, where: str) -> dict[str, list[int]]:
    """Find the labels of the three sessions in the text of ReadMe.txt."""
    found: dict[str, list[int]] = {}
    for number, numbers in _LINE.findall(text):
        words = re.split(r"[\s,;]+", numbers.strip())
        if f"session{number}_label" in found or not all(re.fullmatch("[0-9]", word) for word in words):
            raise DataError(
                f"{where} has a line session{number}_label twice, or one that holds other things than digits "
                f"({numbers[:60]!r}). Use the file as distributed."
            )
        found[f"session{number}_label"] = [int(word) for word in words]
    if lacking := [name for name in _KNOWN if name not in found]:
        raise DataError(
            f"{where} has no line {lacking[0]} = [1,2,...]; expected one for each session. Use the file as "
            "distributed."
        )
    return found


def _n_trials(path: Path) -> tuple[int, ...]:
    """Check the labels of the three sessions and count them."""
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST_README).decode("latin1")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None
    found = parse_readme(text, str(path))
    check_labels(found, _KNOWN, str(path))
    return tuple(len(found[name]) for name in _KNOWN)


def _sessions(folder: Path) -> Mapping[int, dict[int, list[tuple[str, Path]]]]:
    """Files of each session, by number and person."""
    found = {
        number: session_files(folder / str(number))
        for number in range(1, N_SESSIONS + 1)
        if (folder / str(number)).is_dir()
    }
    if not any(found.values()):
        raise DataError(
            f"{folder} holds no recording of SEED-IV: expected folders 1, 2 and 3 with 1_20160518.mat and so "
            f"on, found {contents(folder)}. Copy them there again."
        )
    return found


def _files(root: Path) -> Sequence[Path]:
    folder = _folder(root)
    recordings = [path for files in _sessions(folder).values() for own in files.values() for _, path in own]
    readme = _readme(folder, root)
    # Where it lies above the root it has no name below it; its labels are those that everyone has anyway.
    return [readme, *recordings] if readme.is_relative_to(root) else recordings


def _open(root: Path) -> dict[str, Any]:
    return dict(with_doubts(open_folder(_folder(root), root)))


def open_folder(folder: Path, root: Path) -> dict[str, Person]:
    """Tell everybody's sessions in the folders 1, 2 and 3 of a folder in (or the same as) the root."""
    sessions, n_trials, tags = _sessions(folder), _n_trials(_readme(folder, root)), tags_of_folder(folder)
    return {
        str(number): _person(number, sessions, folder, n_trials, tags)
        for number in sorted({number for files in sessions.values() for number in files})
    }


def _person(
    number: int,
    files: Mapping[int, dict[int, list[tuple[str, Path]]]],
    folder: Path,
    n_trials: tuple[int, ...],
    tags: tuple[str, ...],
) -> Person:
    where, fault = f"Subject {number} in {folder}", ""
    sessions = [
        Session(session, date, path) for session, own in files.items() for date, path in own.get(number, ())
    ]
    numbers, dates = [session.number for session in sessions], [session.date for session in sessions]
    published = SEED_IV_DATES.get(number, ())
    odd = [
        session
        for session in sessions
        if session.date in published and published[session.number - 1] != session.date
    ]
    if len(set(numbers)) < len(numbers):
        names = ", ".join(str(session.path.relative_to(folder)) for session in sessions)
        fault = f"{where} has two files of one session: {names}. Remove the one that is not the original."
    elif odd:
        fault = (
            f"{where} has {odd[0].path.name} in folder {odd[0].number}, but that day was session "
            f"{published.index(odd[0].date) + 1}, with other clips. Move the file back."
        )
    elif dates != sorted(set(dates)):
        fault = (
            f"{where} has sessions on {', '.join(dates)}; expected each later than the one before. Move the "
            "files to the folders in which they were distributed."
        )
    return Person(sessions=tuple(sessions), n_trials=n_trials, tags=tags, fault=fault)


def _trials(subject: str, source: Any, report: Report) -> Iterator[Trial]:
    return mat_trials(STUDY, subject, source, report)


SEED_IV = DataSet(
    name="seed_iv",
    title="SEED-IV",
    doi="10.1109/TCYB.2018.2797176",
    licence="For academic use under a signed agreement; not to be passed on.",
    how_to_get="Apply at https://bcmi.sjtu.edu.cn/home/seed/seed-iv.html, or simulate it.",
    layout=(
        "eeg_raw_data with folders 1, 2 and 3 (the sessions), in each 1_20160518.mat ... with 24 variables, "
        "one a clip, (62, time) at 200 Hz; ReadMe.txt with the labels in it or beside it. The order of "
        "electrodes is built in (Channel Order.xlsx holds the same and is not opened). No unit is "
        "documented, so the EEG is in arbitrary units. Each session has clips of its own."
    ),
    n_subjects=15,
    n_trials=72,
    sfreqs={"eeg": MAT_RATE},
    ch_names={"eeg": ELECTRODES},
    montage="colin27_1005",
    passband=(1.0, 75.0),
    tasks={
        "emotion": emotion_task(
            SEED_IV_NAMES, "What the clip was chosen for: neutral (0), sad (1), fear (2) or happy (3)."
        )
    },
    window=4.0,
    step=4.0,
    files=_files,
    open=_open,
    trials=_trials,
    simulate=simulate_iv,
)
