"""SEED: 15 people, three sessions, the same 15 film clips each time, 62 electrodes at 200 Hz."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from physioaffect.data_set import DataSet, Report
from physioaffect.errors import DataError
from physioaffect.recording import Trial

from .formats.matlab import load
from .seed_cnt import CNT_RATE, Recordings
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
from .seed_simulate import simulate
from .seed_tables import SEED_DATES, SEED_EMOTIONS, SEED_LABELS, SEED_SECONDS, SEED_STARTS
from .seed_v_simulate import simulate_raw
from .simulated_mark import tags_of_folder

__all__ = ["SEED", "SEED_RAW", "STUDY", "open_folder"]

_FOLDER = "Preprocessed_EEG"
_PATTERN = re.compile(r"\d{1,3}_\d{8}\.mat|label\.mat")
STUDY = SeedStudy(name="seed", title="SEED", emotions=(SEED_EMOTIONS,) * N_SESSIONS, shares_clips=True)


def _folder(root: Path) -> Path:
    return _checked(find_folder(root, _FOLDER, _PATTERN, "SEED"))


def _checked(folder: Path) -> Path:
    if not session_files(folder):
        raise DataError(
            f"{folder} holds no recording of SEED: expected 1_20131027.mat, ... Copy them there again."
        )
    if not (folder / "label.mat").is_file():
        raise DataError(
            f"{folder} lacks label.mat, which says what each clip was chosen for. Copy it there from the "
            "distributed folder; without it nobody can tell whether these trials are SEED's."
        )
    return folder


def _files(root: Path) -> Sequence[Path]:
    folder = _folder(root)
    return [folder / "label.mat", *(path for files in session_files(folder).values() for _, path in files)]


def _n_trials(path: Path) -> int:
    """Check the labels and count them."""
    value = load(path, "label", largest=1_000_000).value
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iuf":
        raise DataError(f"{path} has a variable label that holds no numbers. Use the file as distributed.")
    labels = [int(item) if float(item).is_integer() else float(item) for item in value.ravel()[:99].tolist()]
    check_labels({"label": labels}, {"label": SEED_LABELS}, str(path))
    return len(labels)


def _open(root: Path) -> dict[str, Any]:
    return dict(with_doubts(open_folder(_folder(root))))


def open_folder(folder: Path) -> dict[str, Person]:
    """Tell everybody's sessions in a folder of files named by person and date, beside their label.mat."""
    _checked(folder)
    n_trials, tags = _n_trials(folder / "label.mat"), tags_of_folder(folder)
    return {
        str(number): _person(number, files, folder, n_trials, tags)
        for number, files in session_files(folder).items()
    }


def _person(
    number: int, files: Sequence[tuple[str, Path]], folder: Path, n_trials: int, tags: tuple[str, ...]
) -> Person:
    """Number a person's sessions: by the published dates if they are those, else in the order of dates."""
    where, dates = f"Subject {number} in {folder}", [date for date, _ in files]
    fault = ""
    if repeated := [date for date in dates if dates.count(date) > 1]:
        names = ", ".join(path.name for date, path in files if date == repeated[0])
        fault = f"{where} has two files of {repeated[0]}: {names}. Remove the one that is not the original."
    elif len(files) > N_SESSIONS:
        names = ", ".join(path.name for _, path in files)
        fault = f"{where} has {len(files)} sessions, {names}; expected {N_SESSIONS}. Remove what is foreign."
    published = SEED_DATES.get(number, ())
    others = {date for own in SEED_DATES.values() for date in own} - set(published)
    if published and not fault and (foreign := [name.name for date, name in files if date in others]):
        fault = (
            f"{where} has {foreign[0]}: on that date only somebody else was recorded. Give it its own name."
        )
    order = published if set(dates) <= set(published) else dates
    sessions = tuple(Session(order.index(date) + 1, date, path) for date, path in files)
    return Person(sessions=sessions, n_trials=(n_trials,) * N_SESSIONS, tags=tags, fault=fault)


def _trials(subject: str, source: Any, report: Report) -> Iterator[Trial]:
    return mat_trials(STUDY, subject, source, report)


SEED = DataSet(
    name="seed",
    title="SEED",
    doi="10.1109/TAMD.2015.2431497",
    licence="For academic use under a signed agreement; not to be passed on.",
    how_to_get="Apply at https://bcmi.sjtu.edu.cn/home/seed/seed.html, or simulate it.",
    layout=(
        "Preprocessed_EEG with 1_20131027.mat ... 15_20131105.mat and label.mat, or a folder up to three "
        "levels above. Each file is a session: 15 variables, one a clip, (62, time) at 200 Hz. The order of "
        "electrodes is built in (channel-order.xlsx holds the same and is not opened). No unit is "
        "documented, so the EEG is in arbitrary units; there is no rest before the clips. All sessions show "
        "the same clips in the same order: a new session is no new stimulus."
    ),
    n_subjects=15,
    n_trials=45,
    sfreqs={"eeg": MAT_RATE},
    ch_names={"eeg": ELECTRODES},
    montage="colin27_1005",
    passband=(0.0, 75.0),
    tasks={
        "emotion": emotion_task(
            ("negative", "neutral", "positive"),
            "What the clip was chosen for: negative (-1 in the file), neutral (0) or positive (1).",
        )
    },
    window=4.0,
    step=4.0,
    files=_files,
    open=_open,
    trials=_trials,
    simulate=simulate,
)

_RECORDINGS = Recordings(
    study=replace(STUDY, name="seed_raw", title="SEED, unprocessed"),
    folder="SEED_RAW_EEG",
    pattern=re.compile(r"(\d{1,3})_([1-3])\.cnt"),
    starts=(SEED_STARTS,) * N_SESSIONS,
    stops=(tuple(start + seconds for start, seconds in zip(SEED_STARTS, SEED_SECONDS, strict=True)),)
    * N_SESSIONS,
)

SEED_RAW = replace(
    SEED,
    name="seed_raw",
    title="SEED, unprocessed",
    layout=(
        "SEED_RAW_EEG with 1_1.cnt ... 15_3.cnt (person, session) or a folder up to three levels above: "
        "Neuroscan files of 62 electrodes at 1000 Hz, in volts; M1, M2, VEO and HEO are dropped. Trials are "
        "cut at the published seconds, which are built in (time.txt holds the same and is not opened)."
    ),
    sfreqs={"eeg": CNT_RATE},
    passband=None,
    files=_RECORDINGS.files,
    open=_RECORDINGS.open,
    trials=_RECORDINGS.trials,
    simulate=simulate_raw,
)
"""`SEED` before its makers filtered it and took every fifth sample."""
