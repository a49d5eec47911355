"""From a data set to one feature table with coordinates: who, when, which trial, how well covered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr
from joblib import effective_n_jobs

from physioaffect.data_folder import data_folder
from physioaffect.data_set import DataSet, Exclusion, in_order_of_time
from physioaffect.errors import DataError, PhysioaffectError
from physioaffect.features._threads import computing_elsewhere, one_blas_thread
from physioaffect.features.lacking import channels_without_values
from physioaffect.features.recipe import Recipe
from physioaffect.features.trial_table import (
    TrialTable,
    columns,
    concatenate,
    difference,
    join,
    table_of_trial,
)
from physioaffect.parallel import run_all
from physioaffect.progress import Progress, silent
from physioaffect.recording import Signal
from physioaffect.windows import Intervals, Windows

__all__ = [
    "Extracted",
    "Shape",
    "SubjectFeatures",
    "extract",
    "extract_subjects",
    "stop_if_broken",
    "unlike_most",
]


class Extracted(NamedTuple):
    """What came out of a data set.

    ``features`` has the dimension ``window`` and one variable per family; ``exclusions`` says what was left
    out; ``raw`` holds the raw windows of the signal asked for, row by row as in ``features``, or None.
    """

    features: xr.Dataset
    exclusions: tuple[Exclusion, ...]
    raw: Windows | None


class SubjectFeatures(NamedTuple):
    """What came out of one subject; ``features`` is None if nothing could be used.

    ``raw`` holds the signal asked for and its windows, trial by trial.
    """

    subject: str
    features: xr.Dataset | None
    exclusions: tuple[Exclusion, ...]
    raw: tuple[tuple[Signal, Intervals], ...] = ()


class _Part(NamedTuple):
    """What came out of a part of a subject, which is all of it where the data set cannot be split further.

    ``begun`` says when the trials of ``tables`` were; ``failure`` why the subject cannot be used.
    """

    tables: Sequence[TrialTable]
    begun: Sequence[datetime | None]
    exclusions: Sequence[Exclusion]
    failure: str | None = None


def _of_part(subject: str, source: Any, dataset: DataSet, recipe: Recipe, keep: str | None) -> _Part:
    tables: list[TrialTable] = []
    begun: list[datetime | None] = []
    exclusions: list[Exclusion] = []
    try:
        for trial in dataset.trials(subject, _needed(dataset, source, recipe, keep), exclusions.append):
            try:
                table = table_of_trial(trial, recipe, keep=keep)
            except PhysioaffectError as error:
                # Elsewhere half a subject would be compared with whole ones, so all of its trials go.
                if not dataset.is_raw_export:
                    raise
                exclusions.append(Exclusion(subject=subject, trial=trial.trial, reason=str(error)))
                continue
            if len(table.intervals.starts) == 0:
                reason = f"The trial lasts {trial.duration:g} s, a window {recipe.windows.duration:g} s."
                exclusions.append(Exclusion(subject=subject, trial=trial.trial, reason=reason, expected=True))
                continue
            tables.append(table)
            begun.append(trial.recorded_at)
    except PhysioaffectError as error:
        return _Part((), (), exclusions, str(error))
    return _Part(tables, begun, exclusions)


def _of_subject(subject: str, parts: Sequence[_Part], dataset: DataSet, recipe: Recipe) -> SubjectFeatures:
    """Put the parts of a subject together."""
    exclusions = [item for part in parts for item in part.exclusions]
    if failures := [part.failure for part in parts if part.failure is not None]:
        return SubjectFeatures(subject, None, (*exclusions, Exclusion(subject=subject, reason=failures[0])))
    tables = [table for part in parts for table in part.tables]
    # Trials of one source are in the order that the data set's makers gave them.
    if len(parts) > 1:
        tables = in_order_of_time(tables, [began for part in parts for began in part.begun])
    if not tables:
        return SubjectFeatures(subject, None, tuple(exclusions))
    all_columns = [columns(table.families) for table in tables]
    usual = _usual(Counter(tuple(one.items()) for one in all_columns))
    for table, one in zip(tables, all_columns, strict=True):
        if one != usual:
            reason, odd = difference(one, usual), str(table.labels["trial"])
            exclusions.append(Exclusion(subject=subject, trial=odd, reason=reason))
            if not dataset.is_raw_export:
                return SubjectFeatures(subject, None, tuple(exclusions))
    alike = [table for table, one in zip(tables, all_columns, strict=True) if one == usual]
    raw = tuple((table.kept, table.intervals) for table in alike if table.kept is not None)
    features = join(alike, recipe.smoothing)
    return SubjectFeatures(subject, features, (*exclusions, *channels_without_values(features)), raw)


def _needed(dataset: DataSet, source: Any, recipe: Recipe, keep: str | None) -> Any:
    """The source of no more than the recipe reads, if the data set can tell it apart."""
    signals = {*recipe.signals, *([keep] if keep else [])}
    # What cleaning reads is not known.
    if dataset.select is None or recipe.cleaning or not signals <= set(dataset.sfreqs):
        return source
    return dataset.select(source, signals, recipe.baseline is not None)


def _usual(counted: Counter[tuple[tuple[str, tuple[str, ...]], ...]]) -> dict[str, tuple[str, ...]]:
    """The columns that most trials have; of equally common ones those that came first."""
    return dict(counted.most_common(1)[0][0]) if counted else {}


def extract_subjects(  # noqa: PLR0913  All options are named.
    dataset: DataSet,
    root: Path | str,
    recipe: Recipe,
    *,
    subjects: Sequence[str] | None = None,
    keep: str | None = None,
    strict: bool = False,
    n_jobs: int = 1,
    progress: Progress | None = None,
    client: Any = None,
) -> Iterator[SubjectFeatures]:
    """Read a data set and make its features subject by subject, in order.

    Parameters
    ----------
    dataset, root, recipe, subjects, keep, strict, n_jobs, progress, client
        As in `extract`.

    Yields
    ------
    SubjectFeatures
        One for each subject asked for, also for those that cannot be used.

    Raises
    ------
    DataError
        If the folder is wrong, or (``strict``) anything is broken.

    Examples
    --------
    >>> import tempfile
    >>> from physioaffect.datasets import DREAMER
    >>> from physioaffect.features import Hjorth
    >>> from physioaffect.windows import Windowing
    >>> recipe = Recipe(windows=Windowing(duration=2), features=(Hjorth(),))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     root = DREAMER.simulate(Path(folder, "dreamer"), n_subjects=2, n_clips=2, max_seconds=6)
    ...     found = list(extract_subjects(DREAMER, root, recipe))
    >>> [(one.subject, one.features.sizes["window"]) for one in found]
    [('1', 6), ('2', 6)]
    """
    sources = dataset.sources(Path(root), subjects)
    chosen = tuple(sources)
    done: Iterable[SubjectFeatures]
    if dataset.is_split_by_subject and (n_jobs != 1 or client is not None):
        split = {subject: dataset.parts(source) for subject, source in sources.items()}
        done = _several(split, (dataset, recipe, keep), n_jobs, client)
    else:
        done = (_one(subject, sources.pop(subject), (dataset, recipe, keep)) for subject in chosen)
    tell = progress or silent
    for number, one in enumerate(done, start=1):
        stop_if_broken(one.exclusions, strict=strict)
        tell("reading", number, len(chosen))
        yield one


def _one(subject: str, source: Any, shared: tuple[DataSet, Recipe, str | None]) -> SubjectFeatures:
    dataset, recipe, _ = shared
    parts = [_of_part(subject, part, *shared) for part in dataset.parts(source)]
    return _of_subject(subject, parts, dataset, recipe)


class _Piece(NamedTuple):
    """What one process works on: a subject, or a part of one."""

    subject: str
    source: Any
    is_whole: bool


def _of_piece(piece: _Piece, dataset: DataSet, recipe: Recipe, keep: str | None) -> SubjectFeatures | _Part:
    part = _of_part(piece.subject, piece.source, dataset, recipe, keep)
    # Joining and smoothing take as long as many features do, so these are done side by side too.
    return _of_subject(piece.subject, [part], dataset, recipe) if piece.is_whole else part


def _several(
    split: Mapping[str, Sequence[Any]],
    shared: tuple[DataSet, Recipe, str | None],
    n_jobs: int,
    client: Any,
) -> Iterator[SubjectFeatures]:
    dataset, recipe, _ = shared
    pieces = [
        _Piece(subject, source, is_whole=len(own) == 1) for subject, own in split.items() for source in own
    ]
    # Where the others are threads of this process, each has a core, and takes no more.
    with computing_elsewhere(max(effective_n_jobs(n_jobs) - 1, 0)), one_blas_thread():
        done = run_all(_of_piece, pieces, shared, n_jobs=n_jobs, client=client, is_ordered=True)
        for subject, own in split.items():
            made = [*islice(done, len(own))]
            parts = [one for one in made if isinstance(one, _Part)]
            whole = [one for one in made if isinstance(one, SubjectFeatures)]
            yield whole[0] if whole else _of_subject(subject, parts, dataset, recipe)


def extract(  # noqa: PLR0913  All options are named.
    dataset: DataSet,
    root: Path | str | None,
    recipe: Recipe,
    *,
    subjects: Sequence[str] | None = None,
    keep: str | None = None,
    strict: bool = False,
    n_jobs: int = 1,
    progress: Progress | None = None,
    source_hash: str | None = None,
    client: Any = None,
) -> Extracted:
    """Read a data set and make its feature table, subject by subject.

    Parameters
    ----------
    dataset : DataSet
        Which data set.
    root : path or None
        Where it lies. None: ``$PHYSIOAFFECT_DATA/<name>``.
    recipe : Recipe
        What to compute.
    subjects : sequence of str, optional
        Only these.
    keep : str, optional
        Name of a signal whose raw windows are kept too, after cleaning.
    strict : bool
        Whether the first unexpected exclusion raises. Otherwise the subject is left out and reported.
    n_jobs : int
        Subjects read at once, where they lie in files of their own, or parts of them, where a data set can be
        split further (`DataSet.split`: a wearable's recordings). Results do not depend on it.
    progress : callable, optional
        Called with ("reading", subjects done, number of subjects) whenever one is finished.
    source_hash : str, optional
        The data set's fingerprint, if it is known already.
    client : distributed.Client, optional
        A Dask cluster that reads instead of this machine, see `physioaffect.parallel.open_cluster`; its
        workers must find the files under the same path.

    Returns
    -------
    Extracted
        The attributes of ``features`` say what made it: the data set and its files' hash, the recipe, the
        version.

    Raises
    ------
    DataError
        If the folder is wrong, nothing usable is in it, or (``strict``) anything is broken.
    """
    root = data_folder(dataset.name, root)
    found = [
        *extract_subjects(
            dataset,
            root,
            recipe,
            subjects=subjects,
            keep=keep,
            strict=strict,
            n_jobs=n_jobs,
            progress=progress,
            client=client,
        )
    ]
    joined = _join(dataset, root, found, strict=strict)
    return joined._replace(
        features=joined.features.assign_attrs(
            made_by(dataset, recipe, source_hash or dataset.fingerprint(root))
        )
    )


def made_by(dataset: DataSet, recipe: Recipe, source_hash: str) -> dict[str, str]:
    """Attributes of a feature table that say where it comes from."""
    return {
        "dataset": dataset.name,
        "source_hash": source_hash,
        "recipe": recipe.to_json(),
        "physioaffect": version("physioaffect"),
    }


def _join(dataset: DataSet, root: Path, found: Sequence[SubjectFeatures], *, strict: bool) -> Extracted:
    having = {one.subject: one.features for one in found if one.features is not None}
    odd = unlike_most({subject: Shape.of(features) for subject, features in having.items()})
    exclusions = [*(item for one in found for item in one.exclusions), *odd]
    stop_if_broken(odd, strict=strict)
    left_out = {item.subject for item in odd}
    kept = [one for one in found if one.subject in having and one.subject not in left_out]
    tables = [one.features for one in kept if one.features is not None]
    if not tables:
        reasons = "; ".join(f"{item.subject}: {item.reason}" for item in exclusions[:3])
        raise DataError(f"Nothing in {root} can be used as {dataset.title}. {reasons}")
    raw = [pair for one in kept for pair in one.raw]
    windows = Windows([signal for signal, _ in raw], [cut for _, cut in raw]) if raw else None
    return Extracted(concatenate(tables), tuple(exclusions), windows)


class Shape(NamedTuple):
    """What is compared between subjects: the columns of their tables, and how much the table weighs."""

    columns: dict[str, tuple[str, ...]]
    n_trials: int
    first_trial: str

    @classmethod
    def of(cls, table: xr.Dataset) -> Shape:
        """Take it from a subject's table."""
        trials = [*zip(table["session"].values, table["trial"].values, strict=True)]
        return cls(columns(table.data_vars), len(set(trials)), str(trials[0][1]))


def unlike_most(shapes: Mapping[str, Shape]) -> list[Exclusion]:
    """Name the subjects whose columns are not those of most trials; their tables cannot be joined."""
    counted: Counter[Any] = Counter()
    for shape in shapes.values():
        counted[tuple(shape.columns.items())] += shape.n_trials
    usual = _usual(counted)
    return [
        Exclusion(subject=subject, trial=shape.first_trial, reason=difference(shape.columns, usual))
        for subject, shape in shapes.items()
        if shape.columns != usual
    ]


def stop_if_broken(exclusions: Sequence[Exclusion], *, strict: bool) -> None:
    """Raise the first that nobody expected, if asked to."""
    if strict and (broken := [item for item in exclusions if not item.expected]):
        raise DataError(
            f"Subject {broken[0].subject}: {broken[0].reason} (Without strict it would be left out.)"
        )
