"""What SEED, SEED-IV and SEED-V have in common: electrodes, files named by person and date, trials in MAT.

Zheng & Lu (2015), doi 10.1109/TAMD.2015.2431497; Zheng et al. (2019), doi 10.1109/TCYB.2018.2797176; Liu et
al. (2022), doi 10.1109/TCDS.2021.3071170. The facts on dates, labels and lengths are from several readers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.data_set import Exclusion, Report, Task
from physioaffect.errors import DataError
from physioaffect.recording import Signal, Trial

from .folders import contents
from .formats.matlab import Variables, browse

__all__ = [
    "ELECTRODES",
    "FILE_NAMES",
    "MAT_NAME",
    "MAT_RATE",
    "N_SESSIONS",
    "TRIAL_NAME",
    "Person",
    "SeedStudy",
    "Session",
    "check_labels",
    "emotion_task",
    "find_folder",
    "mat_trials",
    "report_missing_sessions",
    "session_files",
]

# As in the files, row by row.
FILE_NAMES = (
    *("FP1", "FPZ", "FP2", "AF3", "AF4"),
    *("F7", "F5", "F3", "F1", "FZ", "F2", "F4", "F6", "F8"),
    *("FT7", "FC5", "FC3", "FC1", "FCZ", "FC2", "FC4", "FC6", "FT8"),
    *("T7", "C5", "C3", "C1", "CZ", "C2", "C4", "C6", "T8"),
    *("TP7", "CP5", "CP3", "CP1", "CPZ", "CP2", "CP4", "CP6", "TP8"),
    *("P7", "P5", "P3", "P1", "PZ", "P2", "P4", "P6", "P8"),
    *("PO7", "PO5", "PO3", "POZ", "PO4", "PO6", "PO8"),
    *("CB1", "O1", "OZ", "O2", "CB2"),
)
ELECTRODES = tuple(name.replace("FP", "Fp").replace("Z", "z") for name in FILE_NAMES)
"""The same as mne spells them. CB1 and CB2 are in no montage; POO7 and POO8 lie near."""

MAT_RATE = 200.0
N_SESSIONS = 3
MAT_NAME = re.compile(r"(\d{1,3})_(\d{8})\.mat")
TRIAL_NAME = re.compile(r"(.+)_eeg(\d{1,3})")
# The longest trial has 27 MB; a file that announces more than this is no trial.
_LARGEST = 400_000_000


@dataclass(frozen=True, kw_only=True)
class SeedStudy:
    """What tells one of the three data sets from the others.

    Parameters
    ----------
    name, title : str
        As in `DataSet`.
    emotions : tuple of tuple of str
        Of each trial of each session.
    shares_clips : bool
        Whether all sessions show the same clips.
    """

    name: str
    title: str
    emotions: tuple[tuple[str, ...], ...]
    shares_clips: bool

    def stimulus(self, session: int, trial: int) -> str:
        """Name the clip of a trial, both counted from 1."""
        return str(trial) if self.shares_clips else f"{session}-{trial}"


class Session(NamedTuple):
    """One recording: its number from 1, its date as in the file's name, its file."""

    number: int
    date: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class Person:
    """Everything of one person: sessions in order, trials expected in each, what is wrong or may be."""

    sessions: tuple[Session, ...]
    n_trials: tuple[int, ...]
    tags: tuple[str, ...]
    fault: str = ""
    doubts: tuple[str, ...] = ()


def emotion_task(emotions: Sequence[str], description: str) -> Task:
    """Make the task of telling the emotions that the clips were chosen for."""
    return Task(
        name="emotion",
        description=description,
        kind="multiclass",
        classes=tuple(emotions),
        target=lambda trial: trial.condition or None,
        source="stimulus",
    )


def find_folder(root: Path, name: str, pattern: re.Pattern[str], title: str) -> Path:
    """Find the folder that holds the recordings: the root, or the only one of that name up to three below.

    Parameters
    ----------
    root : Path
        What the user named.
    name : str
        Name of the folder in the distribution.
    pattern : re.Pattern
        Names of what it holds.
    title : str
        The data set, for the sentence.
    """
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise DataError(f"{root} {what}. Name the folder of {title}, or {name} in it.")
    if any(pattern.fullmatch(entry.name) for entry in root.iterdir()):
        return root
    below = [folder for depth in ("", "*/", "*/*/") for folder in sorted(root.glob(f"{depth}{name}"))]
    found = [folder for folder in below if folder.is_dir()]
    if len(found) > 1:
        raise DataError(f"{root} holds {name} twice: {found[0]} and {found[1]}. Name one of the two.")
    if not found:
        raise DataError(
            f"{root} is not {title}: it holds {contents(root)}, and no folder {name} lies in it. Name "
            f"the folder as distributed, or {name} itself."
        )
    return found[0]


def session_files(folder: Path) -> dict[int, list[tuple[str, Path]]]:
    """Find the files that are named by person and date: for each person's number date and path, by date."""
    found: dict[int, list[tuple[str, Path]]] = {}
    for path in folder.iterdir():
        if (named := MAT_NAME.fullmatch(path.name)) and path.is_file():
            found.setdefault(int(named[1]), []).append((named[2], path))
    return {number: sorted(found[number]) for number in sorted(found)}


def mat_trials(study: SeedStudy, subject: str, person: Person, report: Report) -> Iterator[Trial]:
    """Read the trials of a person from one MAT file a session, one trial in memory at a time."""
    if person.fault:
        raise DataError(person.fault)
    report_missing_sessions(study, subject, person.sessions, report)
    for doubt in person.doubts:
        report(Exclusion(subject=subject, reason=doubt, expected=True))
    # The headers of all sessions come first, so that nobody is found to be incomplete half-way.
    for session in person.sessions:
        with browse(session.path, "x_eeg1") as variables:
            _numbered(session.path, variables, person.n_trials[session.number - 1])
    for session in person.sessions:
        with browse(session.path, "x_eeg1") as variables:
            n_trials = person.n_trials[session.number - 1]
            for number, name in enumerate(_numbered(session.path, variables, n_trials), start=1):
                value, note = variables.load(name, largest=_LARGEST)
                if note:
                    report(Exclusion(subject=subject, reason=note, expected=True))
                yield Trial(
                    dataset=study.name,
                    subject=subject,
                    session=str(session.number),
                    trial=str(number),
                    stimulus=study.stimulus(session.number, number),
                    signals={"eeg": _eeg(value, f"{name} in {session.path}")},
                    condition=study.emotions[session.number - 1][number - 1],
                    order=number - 1,
                    tags=person.tags,
                )


def report_missing_sessions(
    study: SeedStudy, subject: str, sessions: Sequence[Session], report: Report
) -> None:
    """Report the sessions that a person lacks."""
    numbers = [session.number for session in sessions]
    if missing := [str(number) for number in range(1, N_SESSIONS + 1) if number not in numbers]:
        reason = (
            f"Subject {subject} of {study.title} lacks session {' and '.join(missing)}; the others are read. "
            "Fetch the missing files, if you have them."
        )
        report(Exclusion(subject=subject, reason=reason))


def _numbered(path: Path, variables: Variables, n_trials: int) -> list[str]:
    """Names of the trials by their number; the prefix is anyone's initials, and the order in the file any."""
    names: dict[int, str] = {}
    for name in variables.shapes:
        if (parts := TRIAL_NAME.fullmatch(name)) is None:
            continue
        if (number := int(parts[2])) in names:
            raise DataError(
                f"{path} holds trial {number} twice, as {names[number]} and {name}. Use the file as "
                "distributed."
            )
        names[number] = name
    if sorted(names) != list(range(1, n_trials + 1)):
        there = ", ".join(map(str, sorted(names))) or "none"
        others = ", ".join([name for name in variables.shapes if name not in names.values()][:4])
        raise DataError(
            f"{path} holds the trials {there}{f', besides {others}' if others else ''}; expected 1 to "
            f"{n_trials}, as variables such as xyz_eeg1. Use the recordings as distributed, not the features."
        )
    for name in names.values():
        _check_shape(variables.shapes[name], f"{name} in {path}")
    return [names[number] for number in range(1, n_trials + 1)]


def _check_shape(shape: tuple[int, ...], where: str) -> None:
    n_channels = len(ELECTRODES)
    if len(shape) == 2 and shape[1] == n_channels != shape[0]:
        raise DataError(
            f"{where} has shape {shape}, time first; expected ({n_channels}, time). Transpose it back, or "
            "use the file as it was distributed."
        )
    if len(shape) != 2 or shape[0] != n_channels or shape[1] == 0:
        raise DataError(
            f"{where} has shape {shape}; expected ({n_channels}, time), the electrodes from "
            f"{FILE_NAMES[0]} to {FILE_NAMES[-1]} as channel-order.xlsx lists them. Use the file as it was "
            "distributed."
        )


def _eeg(value: object, where: str) -> Signal:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iuf":
        raise DataError(f"{where} holds no numbers. Use the file as it was distributed.")
    data: NDArray[np.float64] = value.astype(np.float64, copy=False)
    _check_samples(data, where)
    return Signal(data=data, sfreq=MAT_RATE, ch_names=ELECTRODES, kind="eeg", unit="au")


def _check_samples(data: NDArray[np.float64], where: str) -> None:
    with np.errstate(all="ignore"):
        total = data.sum(axis=1)  # Cheaper than a mask of everything.
    if np.isfinite(total).all():
        return
    for name, channel in zip(FILE_NAMES, data, strict=True):
        if np.isnan(channel).all():
            raise DataError(f"{where}: channel {name} is all NaN. Restore it, or leave the subject out.")
        if np.isinf(channel).any():
            raise DataError(f"{where}: channel {name} has infinite values. Use the file as distributed.")


def check_labels(
    found: Mapping[str, Sequence[float]], known: Mapping[str, Sequence[int]], where: str
) -> None:
    """Compare labels with those that everyone has; a beginning of them is right, too."""
    for name, labels in found.items():
        if not 1 <= len(labels) <= len(known[name]) or list(labels) != list(known[name][: len(labels)]):
            raise DataError(
                f"{where} says that {name} is {', '.join(map(str, labels)) or 'empty'}; everyone else's says "
                f"{', '.join(map(str, known[name]))}. Use the file as distributed."
            )
