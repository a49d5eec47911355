"""From a data set to one feature table with coordinates: who, when, which trial, how well covered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from joblib import Parallel, delayed

from physioaffect.errors import DataError
from physioaffect.features.recipe import Recipe
from physioaffect.recording import DataSet, Exclusion, Signal, Trial
from physioaffect.windows import Intervals, Windows, coverage

__all__ = ["Extracted", "extract", "features_of_trial"]

_COORDINATES = ("dataset", "subject", "session", "trial", "stimulus", "condition", "order")


class Extracted(NamedTuple):
    """What came out of a data set.

    ``features`` has the dimension ``window`` and one variable per family; ``exclusions`` says what was left
    out; ``raw`` holds the raw windows of the signal asked for, row by row as in ``features``, or None.
    """

    features: xr.Dataset
    exclusions: tuple[Exclusion, ...]
    raw: Windows | None


class _TrialResult(NamedTuple):
    features: xr.Dataset
    raw: Signal | None
    intervals: Intervals


def _quality(
    trial: Trial, names: Sequence[str], intervals: Intervals
) -> np.ndarray[Any, np.dtype[np.float64]]:
    shares = [
        coverage(signal, intervals) for name in names if isinstance(signal := trial.signals.get(name), Signal)
    ]
    return np.min(shares, axis=0) if shares else np.ones(len(intervals.starts))


def features_of_trial(trial: Trial, recipe: Recipe) -> xr.Dataset:
    """Clean one trial, cut it and compute every family of the recipe.

    Parameters
    ----------
    trial : Trial
        With every signal that the recipe's families read.
    recipe : Recipe
        What to do.

    Returns
    -------
    features : xarray.Dataset
        Dimension ``window`` (none if the trial is shorter than a window). The coordinate ``window`` counts
        within the trial; ``start``, ``duration`` and ``elapsed`` are in seconds, after the trial's onset and
        after the session's first onset (NaN if the files do not tell). ``quality`` is the smallest coverage
        among the signals read; a family's values are NaN where the coverage of its own signals is below
        the recipe's ``min_coverage``.

    Raises
    ------
    DataError
        If a signal is missing.
    """
    return _of_trial(trial, recipe, keep=None).features


def _of_trial(trial: Trial, recipe: Recipe, *, keep: str | None) -> _TrialResult:
    for step in recipe.cleaning:
        trial = step(trial)
    for name in recipe.signals:
        if name not in trial.signals:
            trial.signal(name)  # Raises the sentence that says what there is.
    intervals = recipe.windows.intervals(trial.duration)
    n_windows = len(intervals.starts)
    variables = {}
    for family in recipe.features:
        values = family(trial, intervals)
        is_covered = _quality(trial, family.signals, intervals) >= recipe.windows.min_coverage
        variables[family.name] = values.where(xr.DataArray(is_covered, dims="window"))
        variables[family.name].attrs = values.attrs | {"family_version": family.version}
    per_window = {name: np.full(n_windows, getattr(trial, name)) for name in _COORDINATES} | {
        "tags": np.full(n_windows, "; ".join(trial.tags)),
        "window": np.arange(n_windows),
        "start": intervals.starts,
        "duration": np.full(n_windows, intervals.duration),
        "elapsed": np.full(n_windows, np.nan) if trial.elapsed is None else trial.elapsed + intervals.starts,
        "quality": _quality(trial, recipe.signals, intervals),
    }
    per_window |= {name: np.full(n_windows, float(value)) for name, value in trial.ratings.items()}
    features = xr.Dataset(variables).assign_coords(
        {name: ("window", values) for name, values in per_window.items()}
    )
    return _TrialResult(features, trial.signal(keep) if keep else None, intervals)


def _of_subject(
    dataset: DataSet, subject: str, source: Any, recipe: Recipe, keep: str | None
) -> tuple[list[_TrialResult], list[Exclusion]]:
    results: list[_TrialResult] = []
    exclusions: list[Exclusion] = []
    try:
        for trial in dataset.trials(subject, source, exclusions.append):
            result = _of_trial(trial, recipe, keep=keep)
            if len(result.intervals.starts) == 0:
                reason = f"The trial lasts {trial.duration:g} s, a window {recipe.windows.duration:g} s."
                exclusions.append(Exclusion(subject=subject, trial=trial.trial, reason=reason, expected=True))
                continue
            results.append(result)
    except DataError as error:
        # Half a subject would be compared with whole ones, so all of its trials go.
        return [], [*exclusions, Exclusion(subject=subject, reason=str(error))]
    return results, exclusions


def _differs(features: xr.Dataset, reference: xr.Dataset) -> str | None:
    """Say in which family's columns two subjects differ, or None."""
    for name, values in features.data_vars.items():
        for dim in values.dims[1:]:
            ours, theirs = (list(table[name][dim].values) for table in (features, reference))
            if ours != theirs:
                odd = [str(item) for item in ours if item not in theirs] or ["the same in another order"]
                lacking = [str(item) for item in theirs if item not in ours]
                return f"Its {name} differs along {dim} from the first subject's: it has {', '.join(odd)}" + (
                    f" and lacks {', '.join(lacking)}." if lacking else "."
                )
    return None


def extract(  # noqa: PLR0913  All options are named.
    dataset: DataSet,
    root: Path | str,
    recipe: Recipe,
    *,
    subjects: Sequence[str] | None = None,
    keep: str | None = None,
    strict: bool = False,
    n_jobs: int = 1,
    progress: Callable[[str, int], None] | None = None,
) -> Extracted:
    """Read a data set and make its feature table, subject by subject.

    Parameters
    ----------
    dataset : DataSet
        Which data set.
    root : path
        Where it lies.
    recipe : Recipe
        What to compute.
    subjects : sequence of str, optional
        Only these.
    keep : str, optional
        Name of a signal whose raw windows are kept too, after cleaning.
    strict : bool
        Whether the first unexpected exclusion raises. Otherwise the subject is left out and reported.
    n_jobs : int
        Subjects read at once, where they lie in files of their own. Results do not depend on it.
    progress : callable, optional
        Called with (subject, number of subjects) whenever one is finished.

    Returns
    -------
    Extracted

    Raises
    ------
    DataError
        If the folder is wrong, nothing usable is in it, or (``strict``) anything is broken.
    """
    root = Path(root)
    sources = dataset.sources(root, subjects)
    chosen = tuple(sources)
    done: Iterable[tuple[list[_TrialResult], list[Exclusion]]]
    if dataset.is_split_by_subject:
        done = Parallel(n_jobs=n_jobs, return_as="generator")(
            delayed(_of_subject)(dataset, subject, sources[subject], recipe, keep) for subject in chosen
        )
    else:
        done = (_of_subject(dataset, subject, sources.pop(subject), recipe, keep) for subject in chosen)
    return _join(dataset, root, chosen, done, strict=strict, progress=progress)


def _join(
    dataset: DataSet,
    root: Path,
    chosen: Sequence[str],
    done: Iterable[tuple[list[_TrialResult], list[Exclusion]]],
    *,
    strict: bool,
    progress: Callable[[str, int], None] | None,
) -> Extracted:
    results: list[_TrialResult] = []
    exclusions: list[Exclusion] = []
    for subject, (trials, left_out) in zip(chosen, done, strict=True):
        if trials and results and (difference := _differs(trials[0].features, results[0].features)):
            trials, left_out = [], [*left_out, Exclusion(subject=subject, reason=difference)]  # noqa: PLW2901
        if strict and (broken := [item for item in left_out if not item.expected]):
            raise DataError(f"Subject {subject}: {broken[0].reason} (Without strict it would be left out.)")
        results += trials
        exclusions += left_out
        if progress is not None:
            progress(subject, len(chosen))
    if not results:
        reasons = "; ".join(f"{item.subject}: {item.reason}" for item in exclusions[:3])
        raise DataError(f"Nothing in {root} can be used as {dataset.title}. {reasons}")
    features = xr.concat(
        [result.features for result in results],
        dim="window",
        join="override",
        coords="minimal",
        compat="override",
        combine_attrs="override",
    )
    is_kept = results[0].raw is not None
    raw = (
        Windows([r.raw for r in results if r.raw is not None], [r.intervals for r in results])
        if is_kept
        else None
    )
    return Extracted(features, tuple(exclusions), raw)
