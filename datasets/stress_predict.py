"""Stress-Predict: rest against stress, an Empatica E4 on the wrist.

Iqbal et al. (2022). Stress Monitoring Using Wearable Sensors: A Pilot Study and Stress-Predict Dataset.
Sensors 22(21), 8135. doi:10.3390/s22218135

35 people rested, did a Stroop test, rested, were interviewed, rested, hyperventilated and rested, all in this
order: elapsed time alone tells rest from stress better than any physiology, so look at the clock baseline.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.data_set import DataSet, Exclusion, Report, Task
from physioaffect.devices.empatica import E4Session, e4_files, read_e4
from physioaffect.errors import DataError
from physioaffect.recording import Events, Signal, Trial

from .folders import contents
from .simulated_mark import MARK, tags_of_folder
from .stress_predict_download import LABELS, download
from .stress_predict_simulate import simulate

__all__ = ["STRESS_PREDICT"]

_TITLE = "Stress-Predict"
_COLUMNS = ("Participant", "Time(sec)", "Label")
_PERSON = re.compile(r"S(\d{1,4})(_E4)?")
_SIGNALS = ("eda", "temperature", "hr", "acc", "ppg", "ibi")

_SEGMENTS = (
    ("baseline", "rest"),
    ("stroop", "stroop"),
    ("rest_1", "rest"),
    ("interview", "interview"),
    ("rest_2", "rest"),
    ("hyperventilation", "hyperventilation"),
    ("rest_3", "rest"),
)

# 35 people make 3 MB of labels.
_LARGEST_LABELS = 64 * 2**20
# Seconds since 1970 until the year 2514.
_LARGEST_NUMBER = 2**34


class _Source(NamedTuple):
    """One person: where the recording lies (once, if all is well); unix second and label, (n, 2)."""

    recordings: tuple[Path, ...]
    labels: NDArray[np.int64]
    tags: tuple[str, ...]


class _Segment(NamedTuple):
    start: int
    stop: int
    label: int

    def __str__(self) -> str:
        return f"{('rest', 'stress')[self.label]} {self.stop - self.start} s"


def _labels_file(root: Path) -> Path:
    if not root.is_dir():
        raise DataError(
            f"There is no folder {root}. Give the folder of {_TITLE}: the repository as downloaded, with "
            "Raw_data and Processed_data, or one with a zip per person and the labels."
        )
    folders = (root / "Processed_data", root, root / "Raw_data")
    for path in (folder / (LABELS + ending) for folder in folders for ending in ("", ".gz")):
        if path.is_file():
            return path
    raise DataError(
        f"{root} is not {_TITLE}: {LABELS} (or .csv.gz) is neither in it nor in its Processed_data or "
        f"Raw_data; it holds {contents(root)}. "
        "Give the folder that holds both the labels and the recordings."
    )


def _recordings(root: Path) -> dict[int, tuple[Path, ...]]:
    """Where each person's recording lies, by number; twice if there is a folder and a zip."""
    raw = root / "Raw_data"
    found: dict[int, tuple[Path, ...]] = {}
    for path in sorted((raw if raw.is_dir() else root).iterdir()):
        named = _PERSON.fullmatch(path.stem if path.suffix == ".zip" else path.name)
        if named and (path.is_dir() or (path.suffix == ".zip" and path.is_file())):
            number = int(named[1])
            found[number] = (*found.get(number, ()), path)
    if not found:
        raise DataError(
            f"{root} holds the labels of {_TITLE} but no recording: expected folders S01, S02, ... or zips "
            "such as S01_E4.zip in it or in its Raw_data."
        )
    return found


def _files(root: Path) -> Sequence[Path]:
    labels = _labels_file(root)
    return [
        labels,
        *(file for paths in _recordings(root).values() for path in paths for file in e4_files(path)),
        *([root / MARK] if tags_of_folder(root) else []),
    ]


def _read_labels(path: Path) -> NDArray[np.int64]:
    """Participant, second and label of each row, shape (n_rows, 3)."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            content = stream.read(_LARGEST_LABELS + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read ({error}): it may have been cut off. Download it again."
        ) from error
    if len(content) > _LARGEST_LABELS:
        raise DataError(
            f"{path} has more than {_LARGEST_LABELS // 2**20} MB, so it is not the labels of {_TITLE}, which "
            "have 3 MB. Download it again."
        )
    text = content.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").rstrip()
    header, _, body = text.partition("\n")
    names = [name.strip() for name in header.split(",")]
    if any(names.count(column) != 1 for column in _COLUMNS) or not body:
        raise DataError(
            f"{path} is not the labels of {_TITLE}: it starts with {content[:60]!r}; expected a line with "
            f"the columns {', '.join(_COLUMNS)} (among others), then one row a second. Download it again."
        )
    columns = [names.index(column) for column in _COLUMNS]
    # Not with pandas: on some damaged files its parser takes the whole process down.
    try:
        table = np.loadtxt(io.StringIO(body), delimiter=",", comments=None, usecols=columns, ndmin=2)
    except ValueError:
        table = np.empty((0, len(columns)))
    n_rows = body.count("\n") + 1
    is_whole = (table == np.rint(table)) & (table >= 0) & (table < _LARGEST_NUMBER)
    if len(table) != n_rows or body.count(",") != n_rows * (len(names) - 1) or not is_whole.all():
        raise DataError(_broken_row(path, body, names, columns))
    return table.astype(np.int64)


def _is_whole(field: str) -> bool:
    try:
        return float(field).is_integer() and 0 <= float(field) < _LARGEST_NUMBER
    except ValueError:
        return False


def _broken_row(path: Path, body: str, names: list[str], columns: list[int]) -> str:
    for number, line in enumerate(body.split("\n"), start=2):
        fields = line.split(",")
        if len(fields) != len(names) or not all(_is_whole(fields[column]) for column in columns):
            return (
                f"{path} has {line[:80]!r} in line {number}; expected {len(names)} fields, and whole "
                f"numbers, 0 or above, as {', '.join(_COLUMNS)}. Mend that line, or download the file again."
            )
    return f"{path} cannot be read as the labels of {_TITLE}. Download it again."


def _open(root: Path) -> dict[str, _Source]:
    table = _read_labels(_labels_file(root))
    recordings = _recordings(root)
    participants = table[:, 0]
    rows = {int(number): table[participants == number, 1:] for number in np.unique(participants)}
    nothing, tags = np.empty((0, 2), dtype=np.int64), tags_of_folder(root)
    return {
        f"S{number:02d}": _Source(recordings.get(number, ()), rows.get(number, nothing), tags)
        for number in sorted({*recordings, *rows})
    }


def _segments(labels: NDArray[np.int64]) -> list[_Segment]:
    """Runs of one label. Each row labels the second that begins with it."""
    seconds, values = labels.T
    edges = np.flatnonzero(np.diff(values)) + 1
    runs = zip([0, *edges], [*edges, len(values)], strict=True)
    return [_Segment(int(seconds[a]), int(seconds[b - 1]) + 1, int(values[a])) for a, b in runs]


def _protocol(subject: str, labels: NDArray[np.int64]) -> list[_Segment]:
    """The person's seven segments, or a sentence on what there is instead."""
    steps = np.diff(labels[:, 0])
    if (odd := np.flatnonzero(steps != 1)).size:
        before, after = labels[odd[0] : odd[0] + 2, 0]
        raise DataError(
            f"The labels of {subject} jump from second {before} to {after}; expected one row per second. "
            f"Download {LABELS} again."
        )
    if not np.isin(labels[:, 1], (0, 1)).all():
        found = ", ".join(map(str, np.unique(labels[:, 1])[:8]))
        raise DataError(
            f"The labels of {subject} are {found}; expected 0 for rest and 1 for stress. Download {LABELS} "
            "again."
        )
    segments = _segments(labels)
    if [segment.label for segment in segments] != [name != "rest" for _, name in _SEGMENTS]:
        found = ", ".join(map(str, segments[:12])) + (" and more" if len(segments) > 12 else "")
        raise DataError(
            f"The labels of {subject} make {len(segments)} segments ({found}); expected the protocol's "
            "seven: rest, Stroop, rest, interview, rest, hyperventilation, rest. Leave this person out, or "
            f"download {LABELS} again."
        )
    return segments


def _trials(subject: str, source: _Source, report: Report) -> Iterator[Trial]:
    if not source.recordings:
        report(
            Exclusion(subject=subject, reason=f"{subject} has labels but no recording here.", expected=True)
        )
        return
    if len(source.labels) == 0 and subject == "S01":
        report(Exclusion(subject=subject, reason="S01 was published without labels.", expected=True))
        return
    if len(source.labels) == 0:
        raise DataError(
            f"{subject} has a recording but no labels in {LABELS}. Leave this person out, or download that "
            "file again."
        )
    recording, *others = source.recordings
    if others:
        raise DataError(
            f"{subject} has {len(source.recordings)} recordings: "
            f"{', '.join(p.name for p in source.recordings)}. Keep one of them."
        )
    segments = _protocol(subject, source.labels)
    session = read_e4(recording)
    began = session.started_at.timestamp()
    cut = [_cropped(session, segment.start - began, segment.stop - began) for segment in segments]
    has_samples = [any(isinstance(s, Signal) and s.n_times for s in signals.values()) for signals in cut]
    if not any(has_samples):
        first = datetime.fromtimestamp(segments[0].start, UTC)
        raise DataError(
            f"The labels of {subject} begin at {first:%Y-%m-%d %H:%M:%S} UTC, its recording in "
            f"{recording} at {session.started_at:%Y-%m-%d %H:%M:%S} UTC, and they do not overlap. "
            "Check that both belong to the same person."
        )
    for order, (segment, signals) in enumerate(zip(segments, cut, strict=True)):
        name, condition = _SEGMENTS[order]
        if not has_samples[order]:
            reason = f"The recording of {subject} does not reach its segment {name}."
            report(Exclusion(subject=subject, trial=name, reason=reason))
            continue
        yield Trial(
            dataset="stress_predict",
            subject=subject,
            trial=name,
            stimulus=name,
            condition=condition,
            signals=signals,
            recorded_at=datetime.fromtimestamp(segment.start, UTC),
            elapsed=segment.start - began,
            order=order,
            tags=source.tags,
        )


def _cropped(session: E4Session, start: float, stop: float) -> dict[str, Signal | Events]:
    return {
        name: session.signals[name].crop(start, stop, onset=start)
        for name in _SIGNALS
        if name in session.signals
    }


def _is_stress(trial: Trial) -> str:
    return "rest" if trial.condition == "rest" else "stress"


def _is_cognitive_stress(trial: Trial) -> str | None:
    return None if trial.condition == "hyperventilation" else _is_stress(trial)


STRESS_PREDICT = DataSet(
    name="stress_predict",
    title=_TITLE,
    doi="10.3390/s22218135",
    licence="MIT",
    how_to_get="https://github.com/italha-d/Stress-Predict-Dataset, or with download.",
    layout=(
        "The repository's root with Raw_data/S01/*.csv ... and Processed_data/"
        f"{LABELS}; or one folder with S01_E4.zip ... and that file (or .csv.gz)."
    ),
    n_subjects=35,
    n_trials=7,
    sfreqs={"eda": 4.0, "temperature": 4.0, "hr": 1.0, "acc": 32.0, "ppg": 64.0},
    ch_names={
        "eda": ("EDA",),
        "temperature": ("TEMP",),
        "hr": ("HR",),
        "acc": ("ACC_X", "ACC_Y", "ACC_Z"),
        "ppg": ("BVP",),
    },
    tasks={
        "stress": Task(
            name="stress",
            description="Rest against Stroop test, interview and hyperventilation.",
            kind="binary",
            classes=("rest", "stress"),
            target=_is_stress,
            source="condition",
        ),
        "stress_cognitive": Task(
            name="stress_cognitive",
            description=(
                "Rest against Stroop test and interview; without hyperventilation, a breathing manoeuvre "
                "that is labelled stress."
            ),
            kind="binary",
            classes=("rest", "stress"),
            target=_is_cognitive_stress,
            source="condition",
        ),
    },
    window=60.0,
    step=30.0,
    files=_files,
    open=_open,
    trials=_trials,
    simulate=simulate,
    download=download,
)
