"""DEAP, preprocessed release: 32 people, 40 music videos, 32 EEG and 8 peripheral channels at 128 Hz.

Koelstra et al. (2012). DEAP: A Database for Emotion Analysis Using Physiological Signals. IEEE Transactions
on Affective Computing 3(1), 18-31. doi:10.1109/T-AFFC.2011.15

The files are pickles; `physioaffect.datasets.unpickle` reads them without unpickling.
"""

from __future__ import annotations

import filecmp
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.data_set import DataSet, Report
from physioaffect.errors import DataError
from physioaffect.recording import Signal, Trial

from .deap_bdf import DEAP_ORIGINAL
from .deap_ratings import (
    BASELINE,
    CLIP,
    ELECTRODES,
    N_CLIPS,
    SCALE,
    SCALES,
    TASKS,
    Presentation,
    checked_signal,
    find_ratings,
    numbered,
    only_file,
    read_ratings,
    subject_name,
)
from .deap_simulate import PASSBAND, RATE, simulate
from .folders import contents
from .formats.matlab import load as load_matlab
from .simulated_mark import tags_of_folder
from .unpickle import load as unpickle

__all__ = ["DEAP", "DEAP_ORIGINAL"]

_FOLDERS = {".dat": "data_preprocessed_python", ".mat": "data_preprocessed_matlab"}
_ADVICE = "Use the file as it was distributed."
_N_BEFORE, _N_TIMES = round(BASELINE * RATE), round((BASELINE + CLIP) * RATE)
_N_CHANNELS = 40
_SAMPLE = 1 << 16


class _Group(NamedTuple):
    """Neighbouring channels of the files' array."""

    kind: str
    first: int
    ch_names: tuple[str, ...]
    unit: str = "au"
    scale: float = 1.0


# GSR is a resistance and temperature a difference, both with an offset that nobody knows any more. They are
# not called eda and temperature, so that no feature of microsiemens or degrees takes them for these.
_GROUPS = {
    "eeg": _Group("eeg", 0, ELECTRODES, "V", 1e-6),
    "eog": _Group("eog", 32, ("hEOG", "vEOG"), "V", 1e-6),
    "emg": _Group("emg", 34, ("zEMG", "tEMG"), "V", 1e-6),
    "gsr": _Group("eda", 36, ("GSR",)),
    "resp": _Group("resp", 37, ("Resp",)),
    "ppg": _Group("ppg", 38, ("Plet",)),
    "skin_temperature": _Group("temperature", 39, ("Temp",)),
}


class _Person(NamedTuple):
    """Where a person's file lies (once, if all is well), when the clips were seen, and what is wrong.

    ``groups`` are made into signals of each clip, and of the rest before it if ``has_rest``.
    """

    paths: tuple[Path, ...]
    presented: Mapping[int, Presentation] | None
    ratings_path: Path | None
    number: int
    problem: str
    groups: Mapping[str, _Group] = _GROUPS
    has_rest: bool = True


def _recordings(root: Path) -> dict[int, tuple[Path, ...]]:
    if not root.is_dir():
        raise DataError(
            f"There is no folder {root}. Pass the folder that holds data_preprocessed_python (or s01.dat, "
            "s02.dat, ... themselves)."
        )
    for suffix, name in _FOLDERS.items():
        for folder in (root / name, root):
            if found := numbered(folder, suffix):
                return found
    raise DataError(
        f"{root} has neither s01.dat nor s01.mat, nor a folder {' or '.join(_FOLDERS.values())} that has; it "
        f"has {contents(root)}. For the .bdf files use deap_original. {DEAP.how_to_get}"
    )


def _files(root: Path) -> Sequence[Path]:
    paths = [path for of_person in _recordings(root).values() for path in of_person]
    ratings = find_ratings(root)
    return paths if ratings is None else [*paths, ratings]


def _middle(path: Path) -> tuple[int, bytes]:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size // 2 - _SAMPLE // 2))
        return size, file.read(_SAMPLE)


def _twins(recordings: Mapping[int, tuple[Path, ...]]) -> dict[int, str]:
    """Tell which people's files are one file under two names: one of them would be in train and in test."""
    first: dict[tuple[int, bytes], int] = {}
    problems: dict[int, str] = {}
    for number, (path, *_) in recordings.items():
        other = first.setdefault(_middle(path), number)
        if other != number and filecmp.cmp(path, recordings[other][0], shallow=False):
            sentence = (
                f"{recordings[other][0].name} and {path.name} in {path.parent} are the same recording under "
                "two names. Download both again."
            )
            problems |= {other: sentence, number: sentence}
    return problems


def _open(root: Path) -> dict[str, Any]:
    recordings, ratings = _recordings(root), find_ratings(root)
    table = None if ratings is None else read_ratings(ratings)
    problems = _twins(recordings)
    return {
        subject_name(number): _Person(
            paths=paths,
            presented=None if table is None else table.get(number, {}),
            ratings_path=ratings,
            number=number,
            problem=problems.get(number, ""),
        )
        for number, paths in recordings.items()
    }


def _read_file(path: Path) -> tuple[Any, Any]:
    if path.suffix.lower() == ".mat":
        return load_matlab(path, "data").value, load_matlab(path, "labels").value
    content = unpickle(path)
    if not isinstance(content, dict) or not {"data", "labels"} <= set(content):
        found = f"a dict with {', '.join(map(str, content))}" if isinstance(content, dict) else "no dict"
        raise DataError(f"{path} holds {found[:200]}; expected a dict with data and labels. {_ADVICE}")
    return content["data"], content["labels"]


def _check_shapes(path: Path, data: Any, labels: Any, *, is_simulated: bool) -> None:
    shapes = {}
    for name, value in (("data", data), ("labels", labels)):
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
            found = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
            raise DataError(f"{path} has {found} as {name}; expected an array of floats. {_ADVICE}")
        shapes[name] = value.shape
    shape, expected = shapes["data"], (N_CLIPS, _N_CHANNELS, _N_TIMES)
    is_whole = shape == expected
    if is_simulated and len(shape) == 3:  # Which may be cut short.
        is_whole = 1 <= shape[0] <= N_CLIPS and shape[1] == _N_CHANNELS and _N_BEFORE < shape[2] <= _N_TIMES
        expected = (shape[0], *expected[1:])
    if not is_whole:
        what = f"{path} has data of shape {shape}; expected {expected}, (clip, channel, sample)"
        if sorted(shape) == sorted(expected) or (len(shape) == 3 and shape[2] == _N_CHANNELS):
            raise DataError(f"{what}: its axes are swapped. Transpose them back, or download it again.")
        if len(shape) == 3 and shape[1] != _N_CHANNELS:
            raise DataError(
                f"{what}: it has {shape[1]} channels instead of 32 EEG and 8 peripheral ones. {_ADVICE}"
            )
        raise DataError(f"{what}. {_ADVICE}")
    if shapes["labels"] != (shape[0], len(SCALES)):
        raise DataError(
            f"{path} has labels of shape {shapes['labels']}; expected {(shape[0], len(SCALES))}, a row per "
            f"clip with {', '.join(SCALES)}. {_ADVICE}"
        )


def _ratings(path: Path, labels: NDArray[np.floating[Any]]) -> list[dict[str, float]]:
    is_wrong = ~((labels >= SCALE[0]) & (labels <= SCALE[1]))  # NaN, too.
    if is_wrong.any():
        clip, column = np.argwhere(is_wrong)[0]
        raise DataError(
            f"{path} has the rating {labels[clip, column]:g} of {SCALES[column]} for clip {clip + 1}; "
            f"expected {SCALE[0]:g} to {SCALE[1]:g}. {_ADVICE}"
        )
    return [dict(zip(SCALES, map(float, row), strict=True)) for row in labels]


def _presentations(path: Path, person: _Person, ratings: list[dict[str, float]]) -> list[Presentation]:
    """When each clip was seen; its ratings must be the same in both files."""
    if person.presented is None:
        return [Presentation(clip, np.nan, scores) for clip, scores in enumerate(ratings)]
    presented = []
    for clip, scores in enumerate(ratings, start=1):
        of_clip = person.presented.get(clip)
        if of_clip is None:
            raise DataError(
                f"{person.ratings_path} has no row for participant {person.number} and Experiment_id {clip}, "
                f"which {path} holds. Download it again, or remove it to read without the order of the clips."
            )
        if any(abs(of_clip.ratings[scale] - score) > 0.01 for scale, score in scores.items()):
            raise DataError(
                f"Participant {person.number} rated Experiment_id {clip} {_listed(of_clip.ratings)} in "
                f"{person.ratings_path}, but {_listed(scores)} in {path}: they do not belong together. "
                "Download both again, or remove the former to read without the order of the clips."
            )
        presented.append(of_clip)
    return presented


def _listed(scores: Mapping[str, float]) -> str:
    return ", ".join(f"{scores[scale]:.2f}" for scale in SCALES)


def _select(source: Any, signals: Collection[str], baseline: bool) -> Any:
    person: _Person = source
    groups = {name: group for name, group in _GROUPS.items() if name in signals}
    return person._replace(groups=groups, has_rest=baseline)


def _signals(block: NDArray[Any], groups: Mapping[str, _Group], where: str) -> dict[str, Signal]:
    """Make the signals of one clip out of its part of the array, shape (channel, sample)."""
    signals = {}
    for name, group in groups.items():
        rows = block[group.first : group.first + len(group.ch_names)]
        with np.errstate(all="ignore"):  # What float32 cannot hold becomes infinite, which is refused below.
            samples = rows.astype(np.float32)
        if group.scale != 1:
            samples *= np.float32(group.scale)
        signal = Signal(data=samples, sfreq=RATE, ch_names=group.ch_names, kind=group.kind, unit=group.unit)
        signals[name] = checked_signal(signal, where)
    return signals


def _trials(
    subject: str,
    source: Any,
    report: Report,  # noqa: ARG001  A file is whole or broken, so trials never go singly.
) -> Iterator[Trial]:
    person: _Person = source
    path = only_file(person.number, person.paths)
    if person.problem:
        raise DataError(person.problem)
    data, labels = _read_file(path)
    tags = tags_of_folder(path.parent)
    _check_shapes(path, data, labels, is_simulated=bool(tags))
    presented = _presentations(path, person, _ratings(path, labels))
    for clip in sorted(range(len(presented)), key=lambda clip: presented[clip].order):
        block = data[clip]
        where = f"{path}, clip {clip + 1}"
        elapsed = presented[clip].elapsed
        yield Trial(
            dataset="deap",
            subject=subject,
            trial=str(clip + 1),
            stimulus=str(clip + 1),
            signals=_signals(block[:, _N_BEFORE:], person.groups, where),
            baseline=_signals(block[:, :_N_BEFORE], person.groups, f"{where}, before it")
            if person.has_rest
            else None,
            ratings=presented[clip].ratings,
            elapsed=None if np.isnan(elapsed) else elapsed,
            order=presented[clip].order,
            tags=tags,
        )


DEAP = DataSet(
    name="deap",
    title="DEAP, preprocessed",
    doi="10.1109/T-AFFC.2011.15",
    licence="For academic research, on request under a signed agreement; not to be passed on.",
    how_to_get="Ask for it at https://www.eecs.qmul.ac.uk/mmv/datasets/deap/, or simulate it.",
    layout=(
        "data_preprocessed_python/s01.dat ... s32.dat (103 MB each), or data_preprocessed_matlab/s01.mat ..."
        ", or the folder with these files itself; participant_ratings.csv in the same folder, or in a folder "
        "of it, tells the order in which a person saw the clips. 40 clips of 60 s, each after 3 s of "
        "baseline. GSR (resistance) and skin temperature have lost their offsets and are in no unit."
    ),
    n_subjects=32,
    n_trials=N_CLIPS,
    sfreqs=dict.fromkeys(_GROUPS, RATE),
    ch_names={name: group.ch_names for name, group in _GROUPS.items()},
    montage="biosemi32",
    passband=PASSBAND,
    ratings=dict.fromkeys(SCALES, SCALE),
    tasks={task.name: task for task in TASKS},
    window=5.0,
    step=5.0,
    files=_files,
    open=_open,
    trials=_trials,
    select=_select,
    simulate=simulate,
)
