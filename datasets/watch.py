"""A folder of a watch: heart rate, acceleration and rotation of people who saw film clips and rated them.

A layout of this package for recordings with any watch, as CSV files that every spreadsheet writes. There is
no public labelled study with a gyroscope; `simulate` makes one up.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from physioaffect.data_set import DataSet, Exclusion, Report, Task
from physioaffect.errors import DataError
from physioaffect.recording import Flag, Signal, Trial

from .folders import contents
from .simulated_mark import MARK, tags_of_folder
from .watch_simulate import CATEGORIES, COLUMNS, NEUTRAL, RATES, RATING_COLUMNS, RATINGS, SCALE, simulate

__all__ = ["WATCH"]

_UNITS = {"hr": "bpm", "acc": "g", "gyro": "deg/s"}
_CHANNELS = {
    "hr": ("HR",),
    "acc": ("ACC_X", "ACC_Y", "ACC_Z"),
    "gyro": ("GYR_X", "GYR_Y", "GYR_Z"),
}
# An hour at 50 Hz has 180,000 rows of some 30 bytes.
_LARGEST = 64 * 2**20
_LONGEST_S = 6 * 3600.0


class _Clip(NamedTuple):
    """A line of the ratings: the clip, its makers' category, place from 1, seconds, valence, arousal."""

    name: str
    category: str
    order: int
    elapsed: float
    ratings: Mapping[str, float]


class _Source(NamedTuple):
    folder: Path
    clips: tuple[_Clip, ...]
    tags: tuple[str, ...]


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}). Check that it is there.") from error
    if len(content) > _LARGEST:
        raise DataError(
            f"{path} has more than {_LARGEST // 2**20} MB, more than a clip takes. Check the file."
        )
    return content.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").rstrip()


def _body(path: Path, columns: Sequence[str]) -> str:
    header, _, body = _text(path).partition("\n")
    if tuple(name.strip() for name in header.split(",")) != tuple(columns):
        raise DataError(
            f"{path} starts with {header[:80]!r}; expected the line {','.join(columns)!r} and then one row "
            "for each sample or rating. Mend the header."
        )
    return body


def _read_ratings(root: Path) -> dict[str, list[_Clip]]:
    path = root / RATINGS
    if not path.is_file():
        what = f"holds {contents(root)}" if root.is_dir() else "is no folder"
        raise DataError(
            f"{root} is no folder of a watch: it {what}. Expected {RATINGS}, and a folder for each person "
            "with clip01_hr.csv, clip01_acc.csv, clip01_gyro.csv and so on."
        )
    people: dict[str, list[_Clip]] = {}
    for number, line in enumerate(_body(path, RATING_COLUMNS).split("\n"), start=2):
        fields = [field.strip() for field in line.split(",")]
        try:
            person, name, category, order, elapsed, valence, arousal = fields
            ratings = {"valence": float(valence), "arousal": float(arousal)}
            clip = _Clip(name, category, int(order), float(elapsed), ratings)
        except ValueError:
            clip = None
        is_fine = (
            clip is not None
            and _is_plain(person)
            and _is_plain(clip.name)
            and clip.name != NEUTRAL
            and clip.category in CATEGORIES
            and np.isfinite(clip.elapsed)
            and all(SCALE[0] <= value <= SCALE[1] for value in clip.ratings.values())
        )
        if clip is None or not is_fine:
            raise DataError(
                f"{path} has {line[:80]!r} in line {number}; expected {', '.join(RATING_COLUMNS)}: names "
                f"without slashes, {' or '.join(CATEGORIES)}, numbers, and ratings from {SCALE[0]} to "
                f"{SCALE[1]}. Mend that line."
            )
        if clip.name in {other.name for other in people.setdefault(person, [])}:
            raise DataError(f"{path} has {person} rate {clip.name} twice, in line {number}. Keep one line.")
        people[person].append(clip)
    return people


def _is_plain(name: str) -> bool:
    """Whether a name from the file may become part of a path."""
    return bool(name) and name == Path(name).name and not name.startswith(".") and "\\" not in name


def _files(root: Path) -> Sequence[Path]:
    people = _read_ratings(root)
    wanted = [
        root / person / f"{name}_{what}.csv"
        for person, clips in people.items()
        for name in (NEUTRAL, *(clip.name for clip in clips))
        for what in RATES
    ]
    return [
        root / RATINGS,
        *(path for path in wanted if path.is_file()),
        *([root / MARK] if tags_of_folder(root) else []),
    ]


def _open(root: Path) -> dict[str, _Source]:
    tags = tags_of_folder(root)
    return {
        person: _Source(root / person, tuple(sorted(clips, key=lambda clip: clip.order)), tags)
        for person, clips in _read_ratings(root).items()
    }


def _read_signal(path: Path, what: str) -> Signal:
    """Put the rows on the grid of the rate; instants without a row are missing and flagged as a gap."""
    columns = COLUMNS[what]
    body = _body(path, columns)
    try:
        table = np.loadtxt(io.StringIO(body or "nan"), delimiter=",", comments=None, ndmin=2)
    except ValueError as error:
        raise DataError(
            f"{path} has a row that is not {len(columns)} numbers ({error}). Mend it, or export the file "
            "again."
        ) from error
    if table.shape[1] != len(columns):
        found = f"rows of {table.shape[1]} numbers" if body else "a header but no row"
        raise DataError(f"{path} has {found}, expected rows of {', '.join(columns)}. Export it again.")
    rate = RATES[what]
    times, data = table[:, 0], table[:, 1:].T
    if not (times.min() >= 0 and times.max() <= _LONGEST_S):  # NaN, too.
        raise DataError(f"{path} has times outside of 0 to {_LONGEST_S:g} s. Count seconds from the onset.")
    places = np.rint(times * rate).astype(np.intp)
    if np.any(np.diff(places) < 1):
        row = int(np.flatnonzero(np.diff(places) < 1)[0])
        raise DataError(
            f"{path} goes from {times[row]:g} s to {times[row + 1]:g} s in line {row + 3}; expected times "
            f"that rise by {1 / rate:g} s, up to gaps. Resample to {rate:g} Hz, or mend the line."
        )
    whole = np.full((len(data), int(places[-1]) + 1), np.nan)
    whole[:, places] = data
    flags = np.full(whole.shape[1], Flag.GAP, dtype=np.uint8)
    flags[places] = 0
    about = {"sfreq": rate, "ch_names": _CHANNELS[what], "kind": what, "unit": _UNITS[what]}
    return Signal(data=whole, flags=flags, **about)  # type: ignore[arg-type]


def _read_clip(folder: Path, name: str) -> dict[str, Signal]:
    return {what: _read_signal(folder / f"{name}_{what}.csv", what) for what in RATES}


def _trials(subject: str, source: _Source, report: Report) -> Iterator[Trial]:
    neutral: dict[str, Signal] | None = None
    try:
        neutral = _read_clip(source.folder, NEUTRAL)
    except DataError as error:
        reason = f"{error} The clips of {subject} are read without a rest before them."
        report(Exclusion(subject=subject, trial=NEUTRAL, reason=reason))
    for clip in source.clips:
        try:
            signals = _read_clip(source.folder, clip.name)
        except DataError as error:
            report(Exclusion(subject=subject, trial=clip.name, reason=str(error)))
            continue
        yield Trial(
            dataset="watch",
            subject=subject,
            trial=clip.name,
            stimulus=clip.name,
            condition=clip.category,
            signals=signals,
            baseline=neutral,
            ratings=clip.ratings,
            elapsed=clip.elapsed,
            order=clip.order,
            tags=source.tags,
        )


def _low_high(scale: str) -> Task:
    def target(trial: Trial) -> str | None:
        rating = trial.ratings.get(scale, 5.0)
        return "high" if rating >= 6 else "low" if rating <= 4 else None

    return Task(
        name=scale,
        description=f"Own rating of {scale}: low is up to 4, high from 6 of 1 to 9; between is left out.",
        kind="binary",
        classes=("low", "high"),
        target=target,
        source="rating",
    )


def _category(trial: Trial) -> str:
    return trial.condition


WATCH = DataSet(
    name="watch",
    title="Folder of a watch",
    doi="",
    licence="As the recordings' owner says; what simulate writes is free.",
    how_to_get="Your own recordings in this layout, or physioaffect simulate watch FOLDER.",
    layout=(
        f"{RATINGS} with the columns {', '.join(RATING_COLUMNS)} (category pleasant or unpleasant, order "
        "from 1, seconds from the session's beginning, ratings 1 to 9), and a folder for each person with "
        "NAME_hr.csv (seconds, bpm; 1 Hz), NAME_acc.csv (seconds, x, y, z in g; 50 Hz) and NAME_gyro.csv "
        f"(the same in deg/s; 50 Hz) for each clip's name and for {NEUTRAL}, seen before all others. "
        "Seconds count from the clip's onset; rows may be missing, and their samples then are."
    ),
    n_subjects=16,
    n_trials=12,
    sfreqs=RATES,
    ch_names=_CHANNELS,
    ratings={"valence": (1.0, 9.0), "arousal": (1.0, 9.0)},
    tasks={
        "valence": _low_high("valence"),
        "arousal": _low_high("arousal"),
        "category": Task(
            name="category",
            description="Pleasant against unpleasant clips, as their makers meant them.",
            kind="binary",
            classes=CATEGORIES,
            target=_category,
            source="stimulus",
        ),
    },
    window=30.0,
    step=15.0,
    files=_files,
    open=_open,
    trials=_trials,
    simulate=simulate,
)
"""Heart rate at 1 Hz, acceleration and rotation at 50 Hz of people who rated film clips."""
