"""What an audit works on: one table, its two sides, and what is known of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.evaluation.protocols.folds import LEVELS, Indices, Protocol, is_categorical
from physioaffect.evaluation.sharing import Places, places_of

__all__ = ["Material", "Split", "declared_levels", "material_of", "means_of"]

# Levels whose sharing can be declared; nothing excuses a trial or a sample on both sides.
DECLARABLE = ("subject", "session", "stimulus")


class Scaled(NamedTuple):
    """Standardised features, (n_windows, n_kept), which rows have all of them, and their names."""

    X: NDArray[np.float64]
    is_complete: NDArray[np.bool_]
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """A table to be audited, whatever its splits.

    ``coords`` has one row per window, ``X`` the features, shape (n_windows, n_features), ``y`` the labels;
    what is not known is None or a missing column.
    """

    coords: pd.DataFrame
    X: NDArray[np.float64] | None
    names: tuple[str, ...]
    y: NDArray[Any] | None
    places: Places

    def unit(self, level: str) -> Indices | None:
        """Number of each window's unit, or None where the level is not known."""
        return self.places.units.get(level)

    @cached_property
    def order(self) -> NDArray[np.float64] | None:
        """Position of each window in its person's session, from whichever columns tell it."""
        columns = set(self.coords)
        if "elapsed" in columns and np.isfinite(elapsed := self.column("elapsed")).all():
            return elapsed
        if {"order", "start"} <= columns:
            start = self.column("start")
            span = np.ptp(start[np.isfinite(start)]) + 1 if np.isfinite(start).any() else 1.0
            return np.asarray(self.column("order") * 2 * span + start)
        return None

    def column(self, name: str) -> NDArray[np.float64]:
        """A column of numbers; NaN where it is no number."""
        return np.asarray(pd.to_numeric(self.coords[name], errors="coerce"), dtype=float)

    @cached_property
    def is_class(self) -> bool:
        """Whether the labels are classes."""
        return self.y is not None and is_categorical(self.y)

    @cached_property
    def scaled(self) -> Scaled | None:
        """Features that vary, standardised; None if there are none, or no row is complete.

        Columns of which half or more is missing are left out, so that the others can be compared.
        """
        if self.X is None:
            return None
        is_kept = np.asarray(np.isfinite(self.X).mean(axis=0) > 0.5)
        is_complete = np.asarray(np.isfinite(self.X[:, is_kept]).all(axis=1))
        if not is_complete.any():
            return None
        complete = self.X[is_complete]
        with np.errstate(invalid="ignore"):
            sd = complete.std(axis=0)
            is_kept &= sd > 1e-12 * np.abs(complete).max(axis=0)
        if not is_kept.any():
            return None
        values = (self.X[:, is_kept] - complete[:, is_kept].mean(axis=0)) / sd[is_kept]
        names = tuple(name for name, keep in zip(self.names, is_kept, strict=True) if keep)
        return Scaled(values, is_complete, names)


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """One split of a `Material`: ``train`` is everything a model was fitted on."""

    material: Material
    train: Indices
    test: Indices
    allowed: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    grants: frozenset[str] = frozenset()
    seed: int = 0

    @cached_property
    def shared(self) -> dict[str, NDArray[np.bool_]]:
        """For each level, which test windows have a counterpart."""
        return self.material.places.shared(self.train, self.test)

    @cached_property
    def held_unit(self) -> Indices | None:
        """Units of the widest level that the sides do not share; None if they share even trials."""
        for level in ("subject", "session", "trial"):
            if level in self.shared and not self.shared[level].any():
                return self.material.unit(level)
        return None

    @cached_property
    def rng(self) -> np.random.Generator:
        """Decides which rows are looked at where there are too many."""
        return np.random.default_rng(self.seed)

    def some(self, rows: Indices, at_most: int) -> Indices:
        """Pick complete rows at random, in order."""
        scaled = self.material.scaled
        assert scaled is not None  # Only who compares features asks.
        rows = rows[scaled.is_complete[rows]]
        if len(rows) <= at_most:
            return rows
        return np.sort(np.random.default_rng(self.seed).choice(rows, at_most, replace=False))


def means_of(X: NDArray[np.float64], number: NDArray[np.intp]) -> NDArray[np.float64]:
    """Mean row of each group, (n_groups, n_features); ``number`` counts the groups from 0 without gaps."""
    order = np.argsort(number, kind="stable")
    counts = np.bincount(number)
    sums = np.add.reduceat(X[order], np.cumsum(counts) - counts, axis=0)
    return np.asarray(sums / counts[:, np.newaxis])


def declared_levels(declares: Protocol | Collection[str] | None) -> tuple[frozenset[str], frozenset[str]]:
    """Tell which levels may be shared and which are promised to be held out.

    Parameters
    ----------
    declares : Protocol or collection of str, optional
        A protocol: whatever it does not hold out may be shared, and what it holds out may not. Names out of
        subject, session, stimulus: these may be shared.

    Returns
    -------
    allowed, held : frozenset of str
        Empty without a declaration.
    """
    if declares is None:
        return frozenset(), frozenset()
    if isinstance(declares, Protocol):
        held = {
            level
            for level, columns in LEVELS.items()
            if any(set(LEVELS[own]) <= set(columns) for own in declares.levels)
        }
        return frozenset(set(DECLARABLE) - held), frozenset(held)
    if isinstance(declares, str) or (unknown := set(declares) - set(DECLARABLE)):
        got = repr(declares) if isinstance(declares, str) else ", ".join(sorted(unknown))
        raise ValueError(
            f"declares is a protocol or some of {', '.join(DECLARABLE)}, got {got}. Sharing of trials and "
            "samples cannot be declared away."
        )
    return frozenset(declares), frozenset()


def material_of(
    coords: pd.DataFrame,
    *,
    features: NDArray[Any] | pd.DataFrame | xr.Dataset | None = None,
    labels: Sequence[Any] | NDArray[Any] | pd.Series | None = None,
) -> Material:
    """Put together what is known.

    Parameters
    ----------
    coords : pandas.DataFrame, shape (n_windows, ...)
        Whatever is known of each window: dataset, subject, session, trial, stimulus, start and duration in
        seconds after the trial's onset, order, elapsed (seconds in the session), target or label,
        baseline_start, baseline_stop, baseline_trial. No column is required.
    features : array or DataFrame, shape (n_windows, n_features), optional
        Arrays of more dimensions are flattened.
    labels : sequence, shape (n_windows,), optional
        Default: the column ``target`` or ``label``.

    Raises
    ------
    DataError
        If the numbers of rows differ, or features are no numbers.
    """
    coords = coords.reset_index(drop=True)
    # A level whose column is lacking is not checked, but the levels below it may still be known.
    lacking = {"dataset", "subject", "session"} - set(coords)
    places = places_of(coords.assign(**dict.fromkeys(lacking, "")))
    units = {level: unit for level, unit in places.units.items() if level not in lacking}
    starts = {level: start for level, start in places.starts.items() if level in units}
    places = Places(units=units, starts=starts, durations=places.durations)
    X, names = _matrix(features, len(coords))
    if labels is None:
        column = next((name for name in ("target", "label") if name in coords), None)
        labels = coords[column] if column else None
    y = None if labels is None else np.asarray(labels)
    if y is not None and y.dtype == object:
        y = np.array(y.tolist())
    if y is not None and y.shape != (len(coords),):
        raise DataError(f"labels must be one for each of the {len(coords)} rows of coords, got {y.shape}.")
    return Material(coords=coords, X=X, names=names, y=y, places=places)


def _matrix(
    features: NDArray[Any] | pd.DataFrame | xr.Dataset | None, n_rows: int
) -> tuple[NDArray[np.float64] | None, tuple[str, ...]]:
    if features is None:
        return None, ()
    names: tuple[str, ...] = ()
    if isinstance(features, pd.DataFrame):
        names = tuple(map(str, features.columns))
        if lacking := [str(n) for n, kind in features.dtypes.items() if kind.kind not in "iufb"]:
            raise DataError(f"Features must be numbers; these columns are not: {', '.join(lacking[:5])}.")
        values = features.to_numpy(dtype=float)
    elif isinstance(features, xr.Dataset):
        parts = [
            np.asarray(v.values, dtype=float).reshape(v.shape[0], -1) for v in features.data_vars.values()
        ]
        values = np.concatenate(parts, axis=1)
    else:
        array = np.asarray(features)
        if array.dtype.kind not in "iufb" or array.ndim < 2:
            raise DataError(
                f"features must be numbers, (n_windows, n_features), got {array.dtype}, {array.shape}."
            )
        values = array.reshape(len(array), -1).astype(float)
    if len(values) != n_rows:
        raise DataError(f"features have {len(values)} rows, coords {n_rows}: give one row of each a window.")
    return values, names or tuple(f"feature {number}" for number in range(values.shape[1]))
