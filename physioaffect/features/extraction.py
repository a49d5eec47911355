"""From a data set to one feature table with coordinates: who, when, which trial, how well covered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from joblib import Parallel, delayed

from physioaffect.errors import DataError
from physioaffect.features.recipe import Recipe
from physioaffect.recording import DataSet, Exclusion, Signal, Trial
from physioaffect.windows import Intervals, Windows, coverage

__all__ = ["Extracted", "concatenate", "extract", "features_of_trial"]

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


def _extent(trial: Trial, names: Sequence[str]) -> float:
    """Seconds that windows may fill: to the end of the signals read.

    Ends that lie less than a second apart are the same end in the devices' rounding, and the first counts. A
    signal that stops earlier has failed; its windows are made, lack values and are reported.
    """
    ends = [signal.stop for name in names if isinstance(signal := trial.signals.get(name), Signal)]
    return min((end for end in ends if end > max(ends) - 1), default=trial.duration)


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
    intervals = recipe.windows.intervals(_extent(trial, [*recipe.signals, *([keep] if keep else [])]))
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


def _columns(features: xr.Dataset) -> dict[str, tuple[str, ...]]:
    """What must be the same in all trials of a table: each family's channels, features and units."""
    columns = {}
    for name, values in features.data_vars.items():
        for dim in values.dims[1:]:
            columns[f"{dim} of {name}"] = tuple(map(str, values[dim].values))
        columns[f"unit of {name}"] = (str(values.attrs.get("signal_unit", "")),)
    return columns


def _difference(ours: dict[str, tuple[str, ...]], usual: dict[str, tuple[str, ...]]) -> str:
    """Say the first thing that differs."""
    for name, values in ours.items():
        expected = usual.get(name, ())
        if values != expected:
            lacking = [value for value in expected if value not in values]
            odd = [value for value in values if value not in expected]
            found = f"it has {', '.join(odd)}" if odd else f"its order is {', '.join(values)}"
            return f"The {name} differs from most trials: {found}" + (
                f" and lacks {', '.join(lacking)}." if lacking else "."
            )
    return "Its features differ from those of most trials."


def concatenate(tables: Sequence[xr.Dataset]) -> xr.Dataset:
    """Put feature tables below one another; a rating that one lacks is NaN there.

    Parameters
    ----------
    tables : sequence of xarray.Dataset
        As `features_of_trial` makes them, of the same recipe.

    Returns
    -------
    xarray.Dataset
        With all windows, in order.

    Raises
    ------
    DataError
        If channels, features or units differ.
    """
    usual = _columns(tables[0])
    for table in tables:
        if (columns := _columns(table)) != usual:
            who = "subject {}, trial {}".format(*(table[name].values[:1] for name in ("subject", "trial")))
            raise DataError(f"The tables cannot be joined at {who}. {_difference(columns, usual)}")
    names = dict.fromkeys(str(name) for table in tables for name in table.coords)
    filled = [
        table.assign_coords(
            {
                name: ("window", np.full(table.sizes["window"], np.nan))
                for name in names
                if name not in table.coords
            }
        )
        for table in tables
    ]
    return xr.concat(
        filled, dim="window", join="override", coords="minimal", compat="override", combine_attrs="override"
    )


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
    source_hash: str | None = None,
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
    source_hash : str, optional
        The data set's fingerprint, if it is known already.

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
    joined = _join(dataset, root, chosen, done, strict=strict, progress=progress)
    made_by = {
        "dataset": dataset.name,
        "source_sha256": source_hash or dataset.fingerprint(root),
        "recipe": recipe.to_json(),
        "physioaffect": version("physioaffect"),
    }
    return joined._replace(features=joined.features.assign_attrs(made_by))


def _join(
    dataset: DataSet,
    root: Path,
    chosen: Sequence[str],
    done: Iterable[tuple[list[_TrialResult], list[Exclusion]]],
    *,
    strict: bool,
    progress: Callable[[str, int], None] | None,
) -> Extracted:
    collected: dict[str, list[_TrialResult]] = {}
    exclusions: list[Exclusion] = []
    for subject, (trials, left_out) in zip(chosen, done, strict=True):
        _stop_if_broken(subject, left_out, strict=strict)
        collected[subject] = trials
        exclusions += left_out
        if progress is not None:
            progress(subject, len(chosen))
    results: list[_TrialResult] = []
    usual = _usual_columns([result for trials in collected.values() for result in trials])
    for subject, trials in collected.items():
        odd = [result for result in trials if _columns(result.features) != usual]
        if odd:
            trial = str(odd[0].features["trial"].values[0])
            reason = _difference(_columns(odd[0].features), usual)
            exclusions.append(Exclusion(subject=subject, trial=trial, reason=reason))
            _stop_if_broken(subject, exclusions[-1:], strict=strict)
        else:
            results += trials
    if not results:
        reasons = "; ".join(f"{item.subject}: {item.reason}" for item in exclusions[:3])
        raise DataError(f"Nothing in {root} can be used as {dataset.title}. {reasons}")
    raw = None
    if results[0].raw is not None:
        raw = Windows([r.raw for r in results if r.raw is not None], [r.intervals for r in results])
    return Extracted(concatenate([result.features for result in results]), tuple(exclusions), raw)


def _stop_if_broken(subject: str, exclusions: Sequence[Exclusion], *, strict: bool) -> None:
    if strict and (broken := [item for item in exclusions if not item.expected]):
        raise DataError(f"Subject {subject}: {broken[0].reason} (Without strict it would be left out.)")


def _usual_columns(results: Sequence[_TrialResult]) -> dict[str, tuple[str, ...]]:
    """The columns that most trials have; of equally common ones those that came first."""
    counted = Counter(tuple(_columns(result.features).items()) for result in results)
    return dict(counted.most_common(1)[0][0]) if counted else {}
