"""One trial to its part of a feature table, and parts to a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.features.baseline import remove_baseline
from physioaffect.features.recipe import Covered, Family, Recipe
from physioaffect.features.smoothing import Smoothing, smooth
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Intervals, coverage

__all__ = [
    "COVERAGE",
    "LABELS",
    "TrialTable",
    "concatenate",
    "coverage_of",
    "extent_of",
    "families_of",
    "features_of_trial",
    "join",
    "table_of_trial",
]

COVERAGE = "coverage_"
"""What the coordinates begin with that tell of each window what share of it a family's features rest on."""

# What a trial says of all its windows.
LABELS = ("dataset", "subject", "session", "trial", "stimulus", "condition", "order")


class TrialTable(NamedTuple):
    """What `table_of_trial` makes.

    Families and coordinates by name, with a value for each window; ``labels`` are those of all windows.
    """

    families: dict[str, xr.DataArray]
    coordinates: dict[str, NDArray[Any]]
    labels: dict[str, str | float]
    intervals: Intervals
    kept: Signal | None


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
        after the session's first onset (NaN if the files do not tell). ``coverage_de`` is the share of the
        window that the family ``de`` rests on, and so on; the family's values are NaN where it is below the
        recipe's ``min_coverage`` or the family's own. ``quality`` is the smallest of them.

    Raises
    ------
    DataError
        If a signal is missing.
    """
    return join([table_of_trial(trial, recipe)], recipe.smoothing)


def table_of_trial(trial: Trial, recipe: Recipe, *, keep: str | None = None) -> TrialTable:
    """Do what `features_of_trial` does, and keep a cleaned signal if asked to."""
    for step in recipe.cleaning:
        trial = step(trial)
    for name in recipe.signals:
        if name not in trial.signals:
            trial.signal(name)  # Raises the sentence that says what there is.
    intervals = recipe.windows.intervals(extent_of(trial, [*recipe.signals, *([keep] if keep else [])]))
    n_windows = len(intervals.starts)
    families, covered = families_of(trial, recipe, intervals)
    if recipe.baseline is not None and n_windows:
        at_rest = _of_rest(trial, recipe)
        families = {
            name: remove_baseline(values, at_rest[name], how=recipe.baseline)
            for name, values in families.items()
        }
    coordinates = {
        "window": np.arange(n_windows),
        "start": intervals.starts,
        "duration": np.full(n_windows, intervals.duration),
        "elapsed": np.full(n_windows, np.nan) if trial.elapsed is None else trial.elapsed + intervals.starts,
        "quality": np.min([*covered.values()], axis=0),
    }
    coordinates |= {f"{COVERAGE}{name}": share for name, share in covered.items()}
    labels = {name: getattr(trial, name) for name in LABELS} | {"tags": "; ".join(trial.tags)}
    labels |= {name: float(value) for name, value in trial.ratings.items()}
    return TrialTable(families, coordinates, labels, intervals, trial.signal(keep) if keep else None)


def families_of(
    trial: Trial, recipe: Recipe, intervals: Intervals
) -> tuple[dict[str, xr.DataArray], dict[str, NDArray[np.float64]]]:
    """Each family's features, and the share of each window that they rest on."""
    families, covered = {}, {}
    for family in recipe.features:
        values = family(trial, intervals)
        covered[family.name] = share = coverage_of(family, trial, intervals)
        needed = max(recipe.windows.min_coverage, getattr(family, "min_coverage", 0.0))
        is_covered = share >= needed
        if not is_covered.all():
            is_there = np.reshape(is_covered, (-1, *[1] * (values.ndim - 1)))
            values = values.copy(deep=False, data=np.where(is_there, values.values, np.nan))
        values.attrs["family_version"] = family.version
        families[family.name] = values
    return families, covered


def _of_rest(trial: Trial, recipe: Recipe) -> dict[str, xr.DataArray]:
    """Compute the same features of the rest before the trial, in windows of the same length and step."""
    where = f"Subject {trial.subject}, trial {trial.trial} of {trial.dataset}"
    lacking = [name for name in recipe.signals if name not in (trial.baseline or {})]
    if trial.baseline is None or lacking:
        raise DataError(
            f"{where} has no rest of {', '.join(lacking) or 'any signal'} before it, and the recipe removes "
            f"the baseline by {recipe.baseline!r}. Leave baseline=None."
        )
    first = min(signal.start for signal in trial.baseline.values() if isinstance(signal, Signal))
    rest = replace(
        trial,
        signals={
            name: replace(signal, start=signal.start - first) if isinstance(signal, Signal) else signal
            for name, signal in trial.baseline.items()
        },
        baseline=None,
    )
    intervals = replace(recipe.windows, last=None).intervals(extent_of(rest, recipe.signals))
    if len(intervals.starts) == 0:
        raise DataError(
            f"{where} has {rest.duration:g} s of rest before it, too short for a window of "
            f"{recipe.windows.duration:g} s. Take shorter windows or baseline=None."
        )
    return families_of(rest, recipe, intervals)[0]


def coverage_of(family: Family, trial: Trial, intervals: Intervals) -> NDArray[np.float64]:
    """Share of each window that a family's features rest on, shape (n_windows,).

    What the family says of itself, otherwise the smallest coverage among the signals that it reads.
    """
    # By name: Python 3.11 takes longer to look a protocol up than most families for their coverage.
    if hasattr(family, "coverage"):
        return cast("Covered", family).coverage(trial, intervals)
    shares = [coverage(trial.signals[name], intervals) for name in family.signals if name in trial.signals]
    return np.min(shares, axis=0) if shares else np.ones(len(intervals.starts))


def extent_of(trial: Trial, names: Sequence[str]) -> float:
    """Seconds that windows may fill: to the end of the signals read.

    Ends that lie less than a second apart are the same end in the devices' rounding, and the first counts. A
    signal that stops earlier has failed; its windows are made, lack values and are reported.
    """
    ends = [signal.stop for name in names if isinstance(signal := trial.signals.get(name), Signal)]
    return min((end for end in ends if end > max(ends) - 1), default=trial.duration)


def join(parts: Sequence[TrialTable], smoothing: Sequence[Smoothing] = ()) -> xr.Dataset:
    """Put the parts of trials below one another and smooth them; a rating that one lacks is NaN there.

    All parts must have the same channels, features and units, which is not checked here.

    Raises
    ------
    DataError
        If two families share a dimension and name it differently.
    """
    # By hand, because xarray takes milliseconds for what 1,280 trials of DEAP need in microseconds.
    coordinates: dict[str, Any] = {}
    n_windows = [len(part.intervals.starts) for part in parts]
    for name in dict.fromkeys(name for part in parts for name in part.labels):
        labels = [part.labels.get(name, np.nan) for part in parts]
        coordinates[name] = ("window", np.repeat(labels, n_windows))
    for name in parts[0].coordinates:
        columns = [part.coordinates[name] for part in parts]
        coordinates[name] = ("window", np.concatenate(columns))
    variables = {}
    for family, first in parts[0].families.items():
        values = np.concatenate([part.families[family].values for part in parts])
        variables[family] = (first.dims, values, first.attrs)
        for key, axis in first.coords.items():
            known = coordinates.setdefault(str(key), axis)
            if known is not axis and not known.equals(axis):
                raise DataError(
                    f"Features {family} have {', '.join(map(str, axis.values))} as {key}, those before them "
                    f"{', '.join(map(str, known.values))}. Give all families the same, or make two tables."
                )
    table = xr.Dataset(variables, coords=coordinates)
    for one in smoothing:
        table = smooth(table, one)
    return table


def columns(families: Mapping[Any, xr.DataArray]) -> dict[str, tuple[str, ...]]:
    """What must be the same in all trials of a table: each family's channels, features and units."""
    found = {}
    for name, values in families.items():
        for dim in values.dims[1:]:
            found[f"{dim} of {name}"] = tuple(map(str, values.indexes[dim]))
        found[f"unit of {name}"] = (str(values.attrs.get("signal_unit", "")),)
    return found


def difference(ours: dict[str, tuple[str, ...]], usual: dict[str, tuple[str, ...]]) -> str:
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
    usual = columns(tables[0].data_vars)
    for table in tables:
        if (found := columns(table.data_vars)) != usual:
            who = "subject {}, trial {}".format(*(table[name].values[:1] for name in ("subject", "trial")))
            raise DataError(f"The tables cannot be joined at {who}. {difference(found, usual)}")
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
