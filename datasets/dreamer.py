"""DREAMER: 23 people, 18 film clips, 14 EEG and 2 ECG channels from wireless low-cost devices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.data_set import DataSet, Exclusion, Report
from physioaffect.errors import DataError
from physioaffect.recording import Signal, Trial

from .dreamer_file import ECG_RATE, EEG_RATE, ELECTRODES, LEADS, PASSBAND, SCALE, SCORES, simulate
from .folders import contents
from .formats.matlab import load
from .rating_tasks import rating_classes, rating_low_high, rating_score

__all__ = ["DREAMER"]

_ADVICE = "Use the file as it was distributed."


def _files(root: Path) -> tuple[Path]:
    if root.is_file():
        return (root,)
    if not root.is_dir():
        raise DataError(f"There is no {root}. Pass the folder that holds DREAMER.mat, or the file itself.")
    path = root / "DREAMER.mat"
    if not path.is_file():
        raise DataError(
            f"{root} has no DREAMER.mat; it has {contents(root)}. Pass the folder that holds "
            f"DREAMER.mat, or the file itself. {DREAMER.how_to_get}"
        )
    return (path,)


@dataclass(frozen=True, kw_only=True)
class _Person:
    """One cell of DREAMER.Data, and what the rest of the file says of it."""

    where: str
    record: Any
    n_clips: int
    electrodes: tuple[str, ...]  # In the file's order.
    tags: tuple[str, ...]
    notes: list[str]  # Shared by all; whoever is read first reports them.


def _field(record: Any, name: str, where: str) -> Any:
    if not isinstance(record, dict) or name not in record:
        found = f"it has {', '.join(record)}" if isinstance(record, dict) else "it is no single struct"
        raise DataError(f"{where} has no field {name}; {found}. {_ADVICE}")
    return record[name]


def _number(record: Any, name: str, where: str) -> float:
    value = np.asarray(_field(record, name, where))
    if value.size != 1 or value.dtype.kind not in "iuf" or not np.isfinite(value).all():
        raise DataError(f"{where} has a field {name} that is no single number. {_ADVICE}")
    return float(value.flat[0])


def _cells(record: Any, name: str, n_cells: int, where: str) -> list[Any]:
    value = _field(record, name, where)
    if not isinstance(value, np.ndarray) or value.dtype != object:
        raise DataError(
            f"{where} has a field {name} that is no cell array; expected {n_cells} cells. {_ADVICE}"
        )
    if value.size != n_cells:
        raise DataError(f"{where} has {value.size} cells in {name}; expected {n_cells}. {_ADVICE}")
    return list(value.flat)


def _electrodes(top: Any, where: str) -> tuple[str, ...]:
    """Names of the EEG's columns."""
    if "EEG_Electrodes" not in top:
        return ELECTRODES
    names = tuple(str(cell) for cell in np.ravel(top["EEG_Electrodes"]))
    if sorted(names) != sorted(ELECTRODES):
        raise DataError(
            f"{where} names the electrodes {', '.join(names) or 'nothing'}; expected, in any order, "
            f"{', '.join(ELECTRODES)}. {_ADVICE}"
        )
    return names


def _open(root: Path) -> dict[str, Any]:
    (path,) = _files(root)
    # About 2 GB. Nothing but the returned values may keep any of it alive.
    top, note = load(path, "DREAMER", largest=3_000_000_000)
    where = f"DREAMER in {path}"
    for name, expected in {"EEG_SamplingRate": EEG_RATE, "ECG_SamplingRate": ECG_RATE}.items():
        if (rate := _number(top, name, where)) != expected:
            raise DataError(f"{where} has {name} {rate:g}; expected {expected:g} Hz. {_ADVICE}")
    n_clips = int(_number(top, "noOfVideoSequences", where))
    records = _cells(top, "Data", int(_number(top, "noOfSubjects", where)), where)
    electrodes, notes = _electrodes(top, where), [note] if note else []
    tags = ("simulated",) if str(top.get("Disclaimer")).startswith("Simulated") else ()
    return {
        str(number): _Person(
            where=f"Subject {number} in {path}",
            record=record,
            n_clips=n_clips,
            electrodes=electrodes,
            tags=tags,
            notes=notes,
        )
        for number, record in enumerate(records, start=1)
    }


def _samples(cell: Any, names: tuple[str, ...], where: str) -> NDArray[np.float64]:
    """Check one recording, (time, channel) in the file, and turn it."""
    shape = np.shape(cell)
    if not isinstance(cell, np.ndarray) or cell.dtype.kind not in "iuf":
        raise DataError(f"{where} holds no numbers. {_ADVICE}")
    if len(shape) == 2 and shape[0] == len(names) != shape[1]:
        raise DataError(
            f"{where} has shape {shape}, channels first; expected (time, {len(names)}). Transpose it back, "
            "or use the file as it was distributed."
        )
    if len(shape) != 2 or shape[1] != len(names) or shape[0] == 0:
        raise DataError(
            f"{where} has shape {shape}; expected (time, {len(names)}), {', '.join(names)}. {_ADVICE}"
        )
    data = cell.T.astype(np.float64, copy=False)
    with np.errstate(all="ignore"):
        total = data.sum(axis=1)  # Cheaper than a mask of everything.
    if not np.isfinite(total).all():
        for name, channel in zip(names, data, strict=True):
            if np.isnan(channel).all():
                raise DataError(f"{where}: channel {name} is all NaN. Restore it, or leave the subject out.")
            if np.isinf(channel).any():
                raise DataError(f"{where}: channel {name} has infinite values. {_ADVICE}")
    return data


def _ratings(person: _Person) -> list[dict[str, float]]:
    columns = {}
    for name, field in SCORES.items():
        value = np.asarray(_field(person.record, field, person.where))
        if value.size != person.n_clips or value.dtype.kind not in "iuf":
            raise DataError(
                f"{person.where} has {value.size} values in {field}; expected {person.n_clips}. {_ADVICE}"
            )
        wrong = [item for item in value.flat if item not in range(SCALE[0], SCALE[1] + 1)]
        if wrong:
            raise DataError(
                f"{person.where} has the rating {float(wrong[0])} in {field}; expected whole numbers from "
                f"{SCALE[0]} to {SCALE[1]}. {_ADVICE}"
            )
        columns[name] = value.ravel()
    return [{name: float(column[clip]) for name, column in columns.items()} for clip in range(person.n_clips)]


def _signals(person: _Person, part: str) -> list[dict[str, Signal]]:
    """Signals of all clips, or of the rests before them."""
    eeg_record, ecg_record = (_field(person.record, kind, person.where) for kind in ("EEG", "ECG"))
    eeg_cells = _cells(eeg_record, part, person.n_clips, f"{person.where}, EEG,")
    ecg_cells = _cells(ecg_record, part, person.n_clips, f"{person.where}, ECG,")
    signals = []
    for clip, (eeg_cell, ecg_cell) in enumerate(zip(eeg_cells, ecg_cells, strict=True), start=1):
        where = f"{person.where}, {part} of clip {clip}"
        eeg = Signal(
            data=_samples(eeg_cell, person.electrodes, f"{where}, EEG"),
            sfreq=EEG_RATE,
            ch_names=person.electrodes,
            kind="eeg",
            unit="au",
        )
        ecg = Signal(
            data=_samples(ecg_cell, LEADS, f"{where}, ECG"),
            sfreq=ECG_RATE,
            ch_names=LEADS,
            kind="ecg",
            unit="au",
        )
        if abs(eeg.duration - ecg.duration) > 0.5:
            raise DataError(
                f"{where} has {eeg.n_times} samples of EEG ({eeg.duration:g} s) and {ecg.n_times} of ECG "
                f"({ecg.duration:g} s); expected twice as many of ECG. {_ADVICE}"
            )
        signals.append({"eeg": eeg if person.electrodes == ELECTRODES else eeg.pick(ELECTRODES), "ecg": ecg})
    return signals


def _trials(subject: str, source: Any, report: Report) -> Iterator[Trial]:
    """Everything of a person is checked before the first trial comes."""
    person: _Person = source
    while person.notes:
        report(Exclusion(subject=subject, reason=person.notes.pop(), expected=True))
    ratings, stimuli, baselines = _ratings(person), _signals(person, "stimuli"), _signals(person, "baseline")
    for clip in range(person.n_clips):
        yield Trial(
            dataset="dreamer",
            subject=subject,
            trial=str(clip + 1),
            stimulus=str(clip + 1),
            signals=stimuli[clip],
            baseline=baselines[clip],
            ratings=ratings[clip],
            order=clip,
            tags=person.tags,
        )


_TASKS = (
    *(
        rating_low_high(scale, scale, is_high=lambda rating: rating > 3, rule="low up to 3, high above")
        for scale in SCORES
    ),
    *(
        rating_low_high(
            f"{scale}_ge3",
            scale,
            is_high=lambda rating: rating >= 3,
            rule="low below 3, high from 3, which moves a whole class",
        )
        for scale in ("valence", "arousal")
    ),
    *(rating_classes(f"{scale}_5class", scale, ratings=range(1, 6)) for scale in ("valence", "arousal")),
    *(rating_score(f"{scale}_score", scale) for scale in ("valence", "arousal")),
)

DREAMER = DataSet(
    name="dreamer",
    title="DREAMER",
    doi="10.1109/JBHI.2017.2688239",
    licence="For research, on request; not to be passed on.",
    how_to_get="Ask for it at https://zenodo.org/records/546113, or simulate it.",
    layout=(
        "DREAMER.mat (MATLAB v5, about 450 MB, 2 GB in memory): a struct DREAMER with a cell per person, in "
        "it EEG (time, 14) at 128 Hz, ECG (time, 2) at 256 Hz and ratings of 18 clips, with a rest before "
        "each. Units are the devices' own; the EEG has an offset of about 4200. The order in which a person "
        "saw the clips is not stored: trials come in the file's order, the same for everyone."
    ),
    n_subjects=23,
    n_trials=18,
    sfreqs={"eeg": EEG_RATE, "ecg": ECG_RATE},
    ch_names={"eeg": ELECTRODES, "ecg": LEADS},
    montage="biosemi32",
    passband=PASSBAND,
    ratings=dict.fromkeys(SCORES, SCALE),
    tasks={task.name: task for task in _TASKS},
    window=5.0,
    step=5.0,
    last=60.0,
    files=_files,
    open=_open,
    trials=_trials,
    is_split_by_subject=False,
    simulate=simulate,
)
