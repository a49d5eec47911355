"""WESAD: stress, amusement and meditation, with one device on the wrist and one on the chest.

Schmidt et al. (2018). Introducing WESAD, a Multimodal Dataset for Wearable Stress and Affect Detection. ICMI
2018. doi:10.1145/3242969.3242985
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from physioaffect.data_set import DataSet, Exclusion, Report, Task
from physioaffect.devices.empatica import E4Session, read_e4
from physioaffect.devices.respiban import RespibanSession, read_respiban
from physioaffect.errors import DataError
from physioaffect.recording import Trial

from .folders import contents
from .wesad_pickle import CHEST, LABEL_RATE, WRIST, Device, Stretch, read_recording
from .wesad_quest import CONDITIONS, RATINGS, Quest, no_ratings, read_quest
from .wesad_simulate import simulate

__all__ = ["WESAD", "WESAD_CHEST", "wesad_e4", "wesad_quest", "wesad_respiban"]

_PERSON = re.compile(r"S(\d{1,3})")
# 5, 6 and 7 are reading in between, 0 is everything else.
_LABELS = {1: "baseline", 2: "stress", 3: "amusement", 4: "meditation"}
_LARGEST_README = 2**16
_NOTES = re.compile(r"^#+\s*Additional notes\s*#+\s*$", re.MULTILINE | re.IGNORECASE)


def _people(root: Path) -> dict[str, Path]:
    """Each person's folder, by name, in the order of their numbers."""
    if not root.is_dir():
        raise DataError(f"There is no folder {root}. Give the folder of WESAD that holds S2, S3 and so on.")
    for folder in (root, root / "WESAD"):
        if folder.is_dir():
            found = [
                (int(named[1]), path)
                for path in folder.iterdir()
                if (named := _PERSON.fullmatch(path.name)) and path.is_dir()
            ]
            if found:
                return {path.name: path for _, path in sorted(found)}
    raise DataError(
        f"{root} is not WESAD: expected folders S2, S3, ... S17 in it or in a folder WESAD in it; it holds "
        f"{contents(root)}. Unpack the download, "
        "and give the folder that holds them."
    )


def _file(folder: Path, ending: str) -> Path:
    return folder / f"{folder.name}{ending}"


def _files(root: Path) -> Sequence[Path]:
    return [
        path
        for folder in _people(root).values()
        for ending in (".pkl", "_quest.csv", "_readme.txt")
        if (path := _file(folder, ending)).is_file()
    ]


def _folder(root: Path | str, subject: str) -> Path:
    people = _people(Path(root))
    if subject not in people:
        raise DataError(f"WESAD at {root} has no subject {subject!r}; it has {', '.join(people)}.")
    return people[subject]


def wesad_e4(root: Path | str, subject: str) -> E4Session:
    """Read the wrist device's own export, which is longer than the pickle and not aligned with it.

    Parameters
    ----------
    root : path
        The folder of WESAD.
    subject : str
        Such as ``"S2"``.

    Returns
    -------
    E4Session
        See `physioaffect.devices.empatica.read_e4`. The data set's makers say to ignore ``hr``, ``ibi`` and
        ``tags``.

    Raises
    ------
    DataError
        If there is no such person, or the export is missing or damaged.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = WESAD.simulate(folder, n_subjects=1, max_seconds=5)
    ...     session = wesad_e4(folder, "S2")
    >>> sorted(session.signals)
    ['acc', 'eda', 'hr', 'ibi', 'ppg', 'tags', 'temperature']
    """
    folder = _folder(root, subject)
    unpacked = _file(folder, "_E4_Data")
    return read_e4(unpacked if unpacked.is_dir() else _file(folder, "_E4_Data.zip"))


def wesad_respiban(root: Path | str, subject: str) -> RespibanSession:
    """Read the chest device's own text file (about 260 MB), which begins before the pickle does.

    Parameters
    ----------
    root : path
        The folder of WESAD.
    subject : str
        Such as ``"S2"``.

    Raises
    ------
    DataError
        If there is no such person, or the file is missing or damaged.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = WESAD.simulate(folder, n_subjects=1, max_seconds=5)
    ...     session = wesad_respiban(folder, "S2")
    >>> sorted(session.signals), session.signals["ecg"].sfreq
    (['acc', 'ecg', 'eda', 'emg', 'resp', 'temperature'], 700.0)
    """
    return read_respiban(_file(_folder(root, subject), "_respiban.txt"))


def wesad_quest(root: Path | str, subject: str) -> Quest:
    """Read when each condition was, in seconds of the chest device's own file, and all answers.

    Parameters
    ----------
    root : path
        The folder of WESAD.
    subject : str
        Such as ``"S2"``.

    Raises
    ------
    DataError
        If there is no such person, or the file is missing or damaged.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = WESAD.simulate(folder, n_subjects=1, max_seconds=5)
    ...     quest = wesad_quest(folder, "S2")
    >>> quest.order
    ('baseline', 'stress', 'meditation_1', 'amusement', 'meditation_2')
    >>> sorted(quest.ratings["stress"])[:4]
    ['arousal', 'frustrated', 'happy', 'panas_negative']
    """
    return read_quest(_file(_folder(root, subject), "_quest.csv"))


def _notes(folder: Path, report: Report) -> tuple[str, ...]:
    """Tags from the makers' notes on a person."""
    path = _file(folder, "_readme.txt")
    if not path.is_file():
        reason = f"{folder.name} has no {path.name}: the makers' notes on this recording are not known."
        report(Exclusion(subject=folder.name, reason=reason, expected=True))
        return ()
    with path.open("rb") as stream:
        text = stream.read(_LARGEST_README).decode("utf-8-sig", errors="replace")
    _, *after = _NOTES.split(text, maxsplit=1)
    lines = (" ".join(line.strip(" \t-*").split()) for line in "".join(after).splitlines())
    notes = tuple(line for line in lines if line and not line.startswith("#"))
    return tuple("simulated" if note.startswith("Simulated") else note for note in notes)


def _questionnaire(folder: Path, report: Report) -> Quest | None:
    path = _file(folder, "_quest.csv")
    if not path.is_file():
        reason = f"{folder.name} has no {path.name}: its trials come without ratings."
        report(Exclusion(subject=folder.name, reason=reason, expected=True))
        return None
    return read_quest(path)


class _Named(NamedTuple):
    trial: str
    stretch: Stretch


def _condition(name: str) -> str:
    return name.partition("_")[0]


def _named(stretches: Sequence[Stretch], quest: Quest | None, where: str) -> list[_Named]:
    """Say which stretch is which trial: the label does not tell one meditation from the other."""
    kept = [stretch for stretch in stretches if stretch.label in _LABELS]
    found = [_LABELS[stretch.label] for stretch in kept]
    if sorted(found) != sorted(map(_condition, CONDITIONS.values())):
        listed = ", ".join(f"{name} {s.seconds:.0f} s" for name, s in zip(found[:12], kept, strict=False))
        raise DataError(
            f"{where} has the conditions {listed or '(none)'}{' and more' if len(found) > 12 else ''}; "
            "expected baseline, stress and amusement once and meditation twice, one stretch each. Use the "
            "file as it was distributed."
        )
    if quest is None:
        meditations = iter(("meditation_1", "meditation_2"))
        order = [next(meditations) if name == "meditation" else name for name in found]
    else:
        order = list(quest.order)
        if [_condition(name) for name in order] != found:
            raise DataError(
                f"{where} has the conditions {', '.join(found)}, its questionnaire {', '.join(order)}; "
                "expected the same order. Check that both files are of the same person, or remove the "
                "questionnaire to read without ratings."
            )
    return [_Named(trial, stretch) for trial, stretch in zip(order, kept, strict=True)]


def _trials(subject: str, source: Path, report: Report, *, name: str, device: Device) -> Iterator[Trial]:
    path = _file(source, ".pkl")
    if not path.is_file():
        raise DataError(
            f"{source} has no {path.name}. Unpack it again from the download, or leave this person out."
        )
    tags, quest = _notes(source, report), _questionnaire(source, report)
    recording = read_recording(path, device, subject)
    if quest is not None and quest.subject != subject:
        raise DataError(
            f"{_file(source, '_quest.csv')} says that it is of {quest.subject!r}; expected {subject!r}, as "
            "the folder is called. Put each file into its own person's folder."
        )
    for order, (trial, stretch) in enumerate(_named(recording.stretches, quest, str(path))):
        yield Trial(
            dataset=name,
            subject=subject,
            trial=trial,
            stimulus=_condition(trial),
            condition=_condition(trial),
            signals=recording.cut(stretch),
            ratings=no_ratings() if quest is None else quest.ratings[trial],
            elapsed=stretch.first / LABEL_RATE,
            order=order,
            tags=tags,
        )


def _is_stress(trial: Trial) -> str | None:
    if trial.condition == "meditation":
        return None
    return "stress" if trial.condition == "stress" else "no stress"


def _affect(trial: Trial) -> str | None:
    return None if trial.condition == "meditation" else trial.condition


_TASKS = (
    Task(
        name="stress",
        description="Stress (label 2) against baseline and amusement (labels 1 and 3); without meditation.",
        kind="binary",
        classes=("no stress", "stress"),
        target=_is_stress,
        source="condition",
    ),
    Task(
        name="affect_3class",
        description="Baseline, stress or amusement (labels 1, 2 and 3); without meditation.",
        kind="multiclass",
        classes=("baseline", "stress", "amusement"),
        target=_affect,
        source="condition",
    ),
)

WESAD = DataSet(
    name="wesad",
    title="WESAD (wrist)",
    doi="10.1145/3242969.3242985",
    licence="Scientific, non-commercial use with credit, as the makers' page says; not to be passed on.",
    how_to_get="Free from the University of Siegen or the UCI Machine Learning Repository; or simulate it.",
    layout=(
        "Folders S2 to S17 (there is no S1 and no S12), each with S2.pkl (about 1 GB), S2_quest.csv, "
        "S2_readme.txt, S2_respiban.txt and S2_E4_Data.zip, or a folder WESAD with them. Read are the "
        "pickle, in which both devices are aligned, the questionnaire and the readme."
    ),
    n_subjects=15,
    n_trials=len(CONDITIONS),
    sfreqs={name: sensor.sfreq for name, sensor in WRIST.sensors.items()},
    ch_names={name: sensor.ch_names for name, sensor in WRIST.sensors.items()},
    ratings=RATINGS,
    tasks={task.name: task for task in _TASKS},
    window=60.0,
    step=30.0,
    files=_files,
    open=_people,
    trials=partial(_trials, name="wesad", device=WRIST),
    simulate=simulate,
)
"""The wrist of WESAD: an Empatica E4 with skin conductance, temperature, acceleration and pulse."""

WESAD_CHEST = replace(
    WESAD,
    name="wesad_chest",
    title="WESAD (chest)",
    sfreqs={name: sensor.sfreq for name, sensor in CHEST.sensors.items()},
    ch_names={name: sensor.ch_names for name, sensor in CHEST.sensors.items()},
    trials=partial(_trials, name="wesad_chest", device=CHEST),
)
"""The chest of WESAD: a RespiBAN with ECG, skin conductance, EMG, breath, temperature and acceleration."""
