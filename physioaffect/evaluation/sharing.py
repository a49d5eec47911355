"""What the two sides of a split have in common, measured on the windows themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioaffect.evaluation.protocols.folds import LEVELS, Fold, Indices, codes

__all__ = ["Places", "Sharing", "places_of", "sharing"]

# Times are rounded to a grid, so neighbours may reach into each other by this share of a window.
_SLACK = 1e-6


class Sharing(NamedTuple):
    """Share of the test windows, 0 to 1, that have a counterpart among the windows a model was fitted on.

    ``samples``: a window of the same trial that overlaps it in time, or of the same session by the session's
    clock, so that raw samples are shared.
    """

    subject: float
    session: float
    trial: float
    stimulus: float
    samples: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Places:
    """Where each window comes from, numbered once so that many folds are measured quickly.

    Parameters
    ----------
    units : mapping of str to ndarray of int, shape (n_windows,)
        Number of each window's unit for each known level; -1 where it is not known.
    starts : mapping of str to ndarray, shape (n_windows,)
        Start of each window in seconds: for ``trial`` after its onset, for ``session`` by the session's
        clock. What is not known is NaN, or not there.
    durations : ndarray, shape (n_windows,), or None
        Seconds.
    """

    units: Mapping[str, Indices]
    starts: Mapping[str, NDArray[np.float64]]
    durations: NDArray[np.float64] | None

    def shared(self, fitted: Indices, test: Indices) -> dict[str, NDArray[np.bool_]]:
        """Find the test windows that have a counterpart among the fitted ones.

        Parameters
        ----------
        fitted, test : ndarray of int
            Positions of the windows of both sides.

        Returns
        -------
        dict of str to ndarray of bool, shape (n_test,)
            One for each known level, and ``samples`` where trials and times are known.
        """
        found = {}
        for level, numbers in self.units.items():
            # One place more, which stays empty, for the windows numbered -1.
            is_fitted = np.zeros(numbers.max(initial=-1) + 2, dtype=bool)
            is_fitted[numbers[fitted]] = True
            is_fitted[-1] = False
            found[level] = is_fitted[numbers[test]]
        by_clock = [
            self._in_time(fitted, test, found[level], level) for level in self.starts if level in found
        ]
        if self.durations is not None and by_clock:
            found["samples"] = np.any(by_clock, axis=0)
        return found

    def _in_time(
        self, fitted: Indices, test: Indices, is_candidate: NDArray[np.bool_], level: str
    ) -> NDArray[np.bool_]:
        """Which test windows overlap a fitted one of the same unit."""
        is_shared = np.zeros(len(test), dtype=bool)
        asked = test[is_candidate]
        if self.durations is None or len(asked) == 0:
            return is_shared
        units, begins, ends = self.units[level], self.starts[level], self.starts[level] + self.durations
        others = fitted[np.isin(units[fitted], units[asked]) & np.isfinite(ends[fitted])]
        if len(others) == 0:
            return is_shared
        # Every unit gets a stretch of its own on one line, so that one search serves them all.
        offset = units * 2.0 * (np.nanmax(ends) - np.nanmin(begins) + 1)
        others = others[np.argsort(begins[others] + offset[others], kind="stable")]
        line = begins[others] + offset[others]
        reach = np.maximum.accumulate(ends[others] + offset[others])
        slack = _SLACK * self.durations[asked]
        before = np.searchsorted(line, ends[asked] + offset[asked] - slack)
        reached = np.where(before > 0, reach[np.maximum(before - 1, 0)], -np.inf)
        is_shared[is_candidate] = reached > begins[asked] + offset[asked] + slack
        return is_shared


def places_of(coords: pd.DataFrame) -> Places:
    """Number the units of each level that the table knows.

    Parameters
    ----------
    coords : pandas.DataFrame
        One row per window. A level counts as known if all columns of `LEVELS` are there.

    Returns
    -------
    Places
    """
    units = {}
    for level in ("subject", "session", "trial", "stimulus"):
        if set(LEVELS[level]) <= set(coords):
            is_known = coords[list(LEVELS[level])].notna().all(axis=1).to_numpy()
            units[level] = np.full(len(coords), -1, dtype=np.intp)
            units[level][is_known] = codes(coords if is_known.all() else coords[is_known], level)
    starts = {
        level: coords[name].to_numpy(dtype=float)
        for level, name in (("trial", "start"), ("session", "elapsed"))
        if name in coords and level in units
    }
    if "session" in starts:
        # Where windows that start apart have one time, it is their trial's, and tells no overlap.
        own = pd.DataFrame({"unit": units["session"], "elapsed": starts["session"]})
        if own[np.isfinite(starts["session"])].duplicated().any():
            del starts["session"]
    durations = coords["duration"].to_numpy(dtype=float) if "duration" in coords else None
    return Places(units=units, starts=starts, durations=durations)


def sharing(coords: pd.DataFrame | Places, fold: Fold) -> Sharing:
    """Measure what one fold shares.

    Parameters
    ----------
    coords : pandas.DataFrame or Places
        One row per window, with the identifiers and ``start`` and ``duration`` in seconds; or what
        `places_of` makes of it, which saves time over many folds.
    fold : Fold
        The split.

    Returns
    -------
    Sharing

    Examples
    --------
    >>> coords = pd.DataFrame({"subject": list("aabb"), "trial": list("1212")})
    >>> coords = coords.assign(dataset="own", session="1", stimulus=coords["trial"], start=0.0, duration=4.0)
    >>> sharing(coords, Fold(name="b", train_idx=np.array([0, 1]), test_idx=np.array([2, 3])))
    Sharing(subject=0.0, session=0.0, trial=0.0, stimulus=1.0, samples=0.0)
    >>> sharing(coords, Fold(name="2", train_idx=np.array([0, 2]), test_idx=np.array([1, 3]))).subject
    1.0
    """
    places = coords if isinstance(coords, Places) else places_of(coords)
    shared = places.shared(fold.fitted_idx, fold.test_idx)
    return Sharing(**{name: float(shared[name].mean()) for name in Sharing._fields})
