"""What both releases of DEAP share: names, rates, tasks, and participant_ratings.csv."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.data_set import Target, Task
from physioaffect.errors import DataError
from physioaffect.recording import Signal, Trial

from .formats.csv_rows import Row, read_rows
from .rating_tasks import rating_low_high, rating_score

__all__ = [
    "BASELINE",
    "CLIP",
    "ELECTRODES",
    "N_CLIPS",
    "RATINGS_FILE",
    "SCALE",
    "SCALES",
    "TASKS",
    "Presentation",
    "checked_signal",
    "find_ratings",
    "numbered",
    "only_file",
    "read_ratings",
    "subject_name",
]

# The order of the preprocessed release, "Geneva order".
ELECTRODES = (
    *("Fp1", "AF3", "F3", "F7", "FC5", "FC1", "C3", "T7", "CP5", "CP1", "P3", "P7", "PO3", "O1", "Oz", "Pz"),
    *("Fp2", "AF4", "Fz", "F4", "F8", "FC6", "FC2", "Cz", "C4", "T8", "CP6", "CP2", "P4", "P8", "PO4", "O2"),
)
N_CLIPS = 40
BASELINE, CLIP = 3.0, 60.0
"""Seconds before a clip's onset that are kept, and of the clip."""
SCALES = ("valence", "arousal", "dominance", "liking")
SCALE = (1.0, 9.0)
RATINGS_FILE = "participant_ratings.csv"
_COLUMNS = (
    "Participant_id",
    "Trial",
    "Experiment_id",
    "Start_time",
    "Valence",
    "Arousal",
    "Dominance",
    "Liking",
)
_LONGEST_LINE = 1000
_MOST_ROWS = 32 * N_CLIPS


class Presentation(NamedTuple):
    """One clip shown to one person: position in the session from 0, onset in seconds, ratings by `SCALES`."""

    order: int
    elapsed: float
    ratings: Mapping[str, float]


def subject_name(number: int) -> str:
    """Name a participant as the files do."""
    return f"s{number:02d}"


def numbered(folder: Path, suffix: str) -> dict[int, tuple[Path, ...]]:
    """Files s01, s02, ... of a folder by number; more than one where a copy, ``s01 (1)``, lies beside."""
    found: dict[int, tuple[Path, ...]] = {}
    pattern = re.compile(rf"s(\d{{1,2}})( ?\(\d+\))?{re.escape(suffix)}", re.IGNORECASE)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if (named := pattern.fullmatch(path.name)) and path.is_file():
            found[int(named[1])] = (*found.get(int(named[1]), ()), path)
    return dict(sorted(found.items()))


def only_file(number: int, paths: tuple[Path, ...]) -> Path:
    """Take the only one of a participant's files."""
    path, *others = paths
    if others:
        names = ", ".join(one.name for one in paths)
        raise DataError(
            f"{subject_name(number)} has {len(paths)} files in {path.parent}: {names}. Keep one of them."
        )
    return path


def find_ratings(root: Path) -> Path | None:
    """Find participant_ratings.csv in the folder or a folder in it, or None."""
    paths = [
        path for path in (root / RATINGS_FILE, *sorted(root.glob(f"*/{RATINGS_FILE}"))) if path.is_file()
    ]
    if len(paths) > 1:
        raise DataError(
            f"{root} has {RATINGS_FILE} {len(paths)} times: {', '.join(map(str, paths))}. Keep one of them."
        )
    return paths[0] if paths else None


def _whole(field: bytes, highest: int) -> int:
    value = float(field)
    if not (value.is_integer() and 1 <= value <= highest):
        raise ValueError
    return int(value)


def _row(path: Path, row: Row) -> tuple[int, int, Presentation]:
    """Take participant and clip out of a row, and when and how the clip was seen."""
    try:
        if row.problem:
            raise ValueError
        participant, order = _whole(row.fields[0], 99), _whole(row.fields[1], N_CLIPS)
        clip, start = _whole(row.fields[2], N_CLIPS), float(row.fields[3])
        scores: dict[str, float] = dict(zip(SCALES, map(float, row.fields[4:]), strict=True))
        is_good = 0 <= start < 1e11 and all(SCALE[0] <= score <= SCALE[1] for score in scores.values())
    except ValueError:  # An undecodable field, too, as float() takes bytes.
        is_good = False
    if not is_good:
        what = row.problem or f"has {', '.join(str(field, 'latin-1') for field in row.fields)!r}"
        raise DataError(
            f"{path}, line {row.line}, {what}; expected {', '.join(_COLUMNS)}: whole numbers from 1, Trial "
            f"and Experiment_id up to {N_CLIPS}, microseconds, and ratings from {SCALE[0]:g} to "
            f"{SCALE[1]:g}. Mend that line, or download the file again."
        )
    return participant, clip, Presentation(order - 1, start * 1e-6, scores)


def read_ratings(path: Path) -> dict[int, dict[int, Presentation]]:
    """Read participant_ratings.csv: by participant and by clip, which is Experiment_id and never the row.

    Raises
    ------
    DataError
        If a line cannot be read, a rating is outside its scale, or a person has a clip or a position twice.
    """
    found: dict[int, dict[int, Presentation]] = {}
    orders: set[tuple[int, int]] = set()
    for n_rows, row in enumerate(read_rows(path, _COLUMNS, longest=_LONGEST_LINE), start=1):
        participant, clip, presentation = _row(path, row)
        of_person = found.setdefault(participant, {})
        if clip in of_person or (participant, presentation.order) in orders or n_rows > _MOST_ROWS:
            raise DataError(
                f"{path}, line {row.line}: participant {participant} has Experiment_id {clip} or Trial "
                f"{presentation.order + 1} twice. Remove one, or download the file again."
            )
        of_person[clip] = presentation
        orders.add((participant, presentation.order))
    if not found:
        raise DataError(f"{path} has a header and no rows. Download it again.")
    return found


def checked_signal(signal: Signal, where: str) -> Signal:
    """Pass a signal on if no channel is infinite or missing throughout."""
    if not signal.is_good.all():
        for name, channel in zip(signal.ch_names, signal.data, strict=True):
            is_missing: NDArray[np.bool_] = np.isnan(channel)
            if is_missing.all() or np.isinf(channel).any():
                what = "is all NaN" if is_missing.all() else "has infinite values"
                raise DataError(
                    f"{where}: channel {name} {what}. Restore it from the original, or leave the subject out."
                )
    return signal


_QUADRANTS = ("LALV", "LAHV", "HALV", "HAHV")


def _quadrant(trial: Trial) -> Target:
    if not {"valence", "arousal"} <= set(trial.ratings):
        return None
    return _QUADRANTS[2 * (trial.ratings["arousal"] > 5) + (trial.ratings["valence"] > 5)]


def _thirds(trial: Trial) -> Target:
    if "valence" not in trial.ratings:
        return None
    rating = trial.ratings["valence"]
    return "low" if rating < 3.5 else "middle" if rating < 6.5 else "high"


TASKS = (
    *(
        rating_low_high(scale, scale, is_high=lambda rating: rating > 5, rule="low up to 5, high above")
        for scale in SCALES
    ),
    Task(
        name="quadrants",
        description=(
            "Own ratings of arousal (LA, HA) and valence (LV, HV) together: low up to 5, high above; four "
            "classes"
        ),
        kind="multiclass",
        classes=_QUADRANTS,
        target=_quadrant,
        source="rating",
    ),
    Task(
        name="valence_3class",
        description=(
            "Own rating of valence: low 1 to 3, middle 4 to 6, high 7 to 9; as ratings are continuous, low "
            "ends below 3.5 and high begins at 6.5"
        ),
        kind="ordinal",
        classes=("low", "middle", "high"),
        target=_thirds,
        source="rating",
    ),
    *(rating_score(f"{scale}_score", scale) for scale in SCALES),
)
