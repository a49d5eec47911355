"""Any BIDS data set with EEG or physio recordings, so that a lab's own study is a data set too."""

from __future__ import annotations

import importlib.util
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from physioaffect.data_set import DataSet, Task
from physioaffect.errors import DataError

from .bids_files import check_inside, number, read_json, read_tsv
from .bids_recordings import Outline, Recording, outline, recordings_by_subject
from .bids_trials import JOINED_BY, Person, trials
from .condition_tasks import condition_task
from .folders import contents
from .rating_tasks import rating_low_high, rating_score
from .simulated_mark import MARK, tags_of_folder

__all__ = ["bids"]

_TABLES = ("dataset_description.json", "participants.tsv", "ratings.tsv", MARK)


def bids(
    root: Path | str,
    *,
    task: str | None = None,
    thresholds: Mapping[str, float] | None = None,
    person_ratings: Sequence[str] = (),
    tasks: Sequence[Task] = (),
    window: float | None = None,
    step: float | None = None,
) -> DataSet:
    r"""Any data set in BIDS with EEG or physio files, read through mne-bids: a lab's own study.

    Rows of ``events.tsv`` with a ``trial_type`` and a duration are the trials, whole recordings where there
    are none. Numbers in other columns are ratings; ``ratings.tsv`` in the root adds more, joined by those of
    the columns participant_id, session_id, task, run, trial_type, stimulus and trial (1 for the first of its
    recording) that it has.

    Parameters
    ----------
    root : path
        The folder that holds dataset_description.json.
    task : str, optional
        Only recordings of this BIDS task (the name's ``task-``).
    thresholds : mapping of str to float, optional
        Ratings above these are high. Without one the middle of the scale that ``events.json`` describes
        (``Minimum`` and ``Maximum``, or ``Levels``) is taken; without that there is only the score.
    person_ratings : sequence of str
        Columns of participants.tsv that count as ratings of all of a person's trials.
    tasks : sequence of Task
        More tasks, which come first; see `condition_task`.
    window, step : float, optional
        Usual windows in seconds. Default: 5 without overlap with EEG, else 60 every 30.

    Returns
    -------
    DataSet
        Under the name ``bids``. Its tasks are those passed, ``trial_type`` (``task`` where whole recordings
        are the trials), and for each rating ``NAME`` and ``NAME_score``. Its signals are those that more
        than half of the recordings have.

    Raises
    ------
    DataError
        If mne-bids is not installed, the folder is no BIDS data set, or there is nothing to read.

    Examples
    --------
    >>> import gzip
    >>> import json
    >>> import tempfile
    >>> name = {"Name": "Ours", "BIDSVersion": "1.9.0"}
    >>> about = {"SamplingFrequency": 4.0, "StartTime": 0.0, "Columns": ["eda"], "eda": {"Units": "uS"}}
    >>> events = [("onset", "duration", "trial_type"), (0, 60, "rest"), (60, 60, "stroop")]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     beh = Path(folder, "sub-01", "beh")
    ...     beh.mkdir(parents=True)
    ...     _ = Path(folder, "dataset_description.json").write_text(json.dumps(name))
    ...     _ = (beh / "sub-01_task-lab_physio.json").write_text(json.dumps(about))
    ...     _ = (beh / "sub-01_task-lab_physio.tsv.gz").write_bytes(gzip.compress(b"2.5\n" * 480))
    ...     rows = "".join("\t".join(map(str, row)) + "\n" for row in events)
    ...     _ = (beh / "sub-01_task-lab_events.tsv").write_text(rows)
    ...     study = bids(folder)
    ...     trials = list(study.read(folder))
    >>> study.tasks["trial_type"].classes, study.sfreqs
    (('rest', 'stroop'), {'eda': 4.0})
    >>> [(trial.condition, trial.signal("eda").duration) for trial in trials]
    [('rest', 60.0), ('stroop', 60.0)]
    """
    root = Path(root)
    if importlib.util.find_spec("mne_bids") is None:
        raise DataError('BIDS data sets are read with mne-bids: pip install "physioaffect[bids]".')
    description = _description(root)
    found = recordings_by_subject(root, task)
    outlines = _outlines(root, found, task)
    rates, ch_names = _signals(outlines)
    table = read_tsv(root / "ratings.tsv", "participant_id") if (root / "ratings.tsv").is_file() else []
    people = _people(root, person_ratings)
    scales = {name: scale for each in outlines for name, scale in each.scales.items()}
    names = _rating_names(outlines, table, person_ratings)
    every = [*tasks, _condition_task(outlines), *_rating_tasks(names, scales, thresholds or {})]
    has_eeg = "eeg" in rates
    title = str(description.get("Name") or root.name)
    return DataSet(
        name="bids",
        title=title,
        doi=str(description.get("DatasetDOI", "")),
        licence=str(description.get("License", "")),
        how_to_get="Your own, or from https://openneuro.org.",
        layout="A folder in BIDS: dataset_description.json, sub-*/[ses-*/]eeg and beh.",
        n_subjects=max(len(found), len(people)),
        sfreqs=rates,
        ch_names=ch_names,
        ratings={name: scale for name, scale in scales.items() if name in names},
        tasks={one.name: one for one in every},
        window=window or (5.0 if has_eeg else 60.0),
        step=step or window or (5.0 if has_eeg else 30.0),
        passband=_passband(rates.get("eeg")),
        files=partial(_files, task=task),
        open=partial(_open, task=task, person_ratings=tuple(person_ratings)),
        trials=partial(trials, ch_names=ch_names),
    )


def _description(root: Path) -> dict[str, object]:
    path = root / "dataset_description.json"
    check_inside(root, path)
    if path.is_file():
        return read_json(path)
    if not root.is_dir():
        raise DataError(f"There is no folder {root}. Pass the root of a BIDS data set.")
    raise DataError(
        f"{root} has no dataset_description.json, so it is no BIDS data set; it has {contents(root)}. "
        "Pass the folder that holds that file and sub-01, sub-02 and so on."
    )


def _outlines(root: Path, found: Mapping[str, tuple[Recording, ...]], task: str | None) -> list[Outline]:
    """Outlines of all recordings that have a sound one; the others complain when they are read."""
    outlines, errors = [], []
    for recording in (one for recordings in found.values() for one in recordings):
        try:
            outlines.append(outline(recording))
        except DataError as error:
            errors.append(error)
    if outlines:
        return outlines
    if errors:
        raise errors[0]
    wanted = "" if task is None else f" of task-{task}"
    raise DataError(
        f"{root} has no EEG (.edf, .bdf, .vhdr, .set) and no physio recording (_physio.tsv.gz){wanted} in "
        "sub-*/eeg or sub-*/beh, with or without ses-* between. Nothing else is read."
    )


def _signals(outlines: Sequence[Outline]) -> tuple[dict[str, float], dict[str, tuple[str, ...]]]:
    """Rates and channels of the signals that more than half of the recordings have, as most have them."""
    rates, ch_names = {}, {}
    for name in dict.fromkeys(name for each in outlines for name in each.signals):
        known = [each.signals[name] for each in outlines if name in each.signals]
        if 2 * len(known) > len(outlines):
            rates[name] = Counter(rate for rate, _ in known).most_common(1)[0][0]
            ch_names[name] = Counter(channels for _, channels in known).most_common(1)[0][0]
    return rates, ch_names


def _passband(rate: float | None) -> tuple[float, float] | None:
    """Keep away from half of a low sampling rate; what filters were used BIDS tells in free text only."""
    return None if rate is None or rate >= 125 else (0.1, 0.4 * rate)


def _condition_task(outlines: Sequence[Outline]) -> Task:
    spans = [span for each in outlines for span in each.spans]
    has_events = any(span.is_event for span in spans)
    conditions = sorted({span.condition for span in spans})
    what = "The event's trial_type" if has_events else "The recording's BIDS task"
    name = "trial_type" if has_events else "task"
    return condition_task(name, conditions, f"{what}: {', '.join(conditions)}")


def _rating_names(
    outlines: Sequence[Outline], table: Sequence[Mapping[str, str]], person_ratings: Sequence[str]
) -> list[str]:
    names = dict.fromkeys(name for each in outlines for span in each.spans for name in span.ratings)
    numeric = [
        name for row in table for name in row if name not in JOINED_BY and not math.isnan(number(row, name))
    ]
    return list(dict.fromkeys([*names, *numeric, *person_ratings]))


def _rating_tasks(
    names: Sequence[str], scales: Mapping[str, tuple[float, float]], thresholds: Mapping[str, float]
) -> list[Task]:
    if unknown := [name for name in thresholds if name not in names]:
        raise DataError(
            f"There is a threshold for {unknown[0]!r}, but no such rating; there is "
            f"{', '.join(names) or 'none'}."
        )
    made = []
    for name in names:
        limit = thresholds.get(name, sum(scales[name]) / 2 if name in scales else None)
        if limit is not None:
            is_high = partial(_exceeds, limit=limit)
            made.append(rating_low_high(name, name, is_high=is_high, rule=f"low up to {limit:g}, high above"))
    return made + [rating_score(f"{name}_score", name) for name in names]


def _exceeds(rating: float, limit: float) -> bool:
    return rating > limit


def _people(root: Path, person_ratings: Sequence[str]) -> dict[str, dict[str, float]]:
    """Ratings of each listed participant, by the subject's label."""
    path = root / "participants.tsv"
    if not path.is_file():
        if person_ratings:
            raise DataError(f"{path} is missing, so there is no {person_ratings[0]}.")
        return {}
    rows = read_tsv(path, "participant_id", *person_ratings)
    people = {}
    for row in rows:
        values = {name: number(row, name) for name in person_ratings}
        people[row["participant_id"].removeprefix("sub-")] = {
            name: value for name, value in values.items() if not math.isnan(value)
        }
    return people


def _files(root: Path, *, task: str | None) -> list[Path]:
    """Everything in the folders of the recordings, and the tables beside and above them."""
    _description(root)
    folders = {one.path.parent for each in recordings_by_subject(root, task).values() for one in each}
    above = {parent for folder in folders for parent in folder.parents if root in parent.parents}
    found = {path for folder in folders for path in folder.rglob("*") if path.is_file()}
    for folder in (root, *above):
        for path in folder.iterdir():
            is_sidecar = path.name.endswith(("_eeg.json", "_channels.tsv", "_physio.json", "_scans.tsv"))
            is_events = path.stem.endswith("events") and path.suffix in (".json", ".tsv")
            if path.is_file() and (is_sidecar or is_events or path.name in _TABLES):
                found.add(path)
    return sorted(found)


def _open(root: Path, *, task: str | None, person_ratings: tuple[str, ...]) -> dict[str, Person]:
    _description(root)
    people = _people(root, person_ratings)
    table = read_tsv(root / "ratings.tsv", "participant_id") if (root / "ratings.tsv").is_file() else []
    tags = tags_of_folder(root)
    sources = {}
    for subject, recordings in recordings_by_subject(root, task).items():
        own = [
            row | {"participant_id": f"sub-{subject}"}
            for row in table
            if row["participant_id"].removeprefix("sub-") == subject
        ]
        sources[subject] = Person(recordings, people.get(subject, {}), own, tags)
    return sources
