"""Transforms whose marks are left in the numbers: columns that are standardised exactly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from physioaffect.evaluation.leakage.finding import Finding, NotMade
from physioaffect.evaluation.leakage.material import Split
from physioaffect.evaluation.protocols.folds import Indices

__all__ = ["centred_on_later", "scaled_on_all", "standardised_per_person"]

# Of the SD of a column: rounding leaves 1e-16 in double and 1e-7 or more in single precision; the mean of a
# thousand windows is as close to 0 by chance in 2.5 of ten thousand columns, and several columns are asked
# for.
_TOLERANCE = 1e-5


def scaled_on_all(split: Split) -> Iterator[Finding | NotMade]:
    """Columns that are standardised, ranged or whitened exactly over both sides, and not over training."""
    X = split.material.X
    if X is None:
        yield NotMade(reason="no features were given.")
        return
    both = np.sort(np.concatenate([split.train, split.test]))
    everything = np.arange(len(X))
    groups = [both] if len(both) == len(X) else [both, everything]
    for name, marks in (
        ("mean 0 and standard deviation 1", _standardised),
        ("the same smallest and largest value", _ranged),
        ("correlations of exactly 0", _whitened),
    ):
        alone = marks(X[split.train])
        for rows in groups:
            is_marked = marks(X[rows])
            # Of ranges, those whose ends both lie in training look alike either way.
            if is_marked.sum() < _at_least(len(is_marked)) or not (is_marked & ~alone).any():
                continue
            is_marked &= ~alone
            of = (
                "training and test rows together"
                if len(rows) == len(both)
                else "all rows of the table together"
            )
            yield Finding(
                kind="scaler_on_all",
                severity="leak",
                sentence=f"{is_marked.sum()} of {X.shape[1]} features have {name} over {of}, not over the "
                "training rows: the transform was fitted on test rows.",
                value=float(is_marked.mean()),
            )
            break


def standardised_per_person(split: Split) -> Finding | NotMade | None:
    """Columns that have mean 0 over all windows of every test person."""
    X, people = split.material.X, split.material.unit("subject")
    if X is None or people is None:
        return NotMade(reason="it needs features and the column subject.")
    persons = np.unique(people[split.test])
    rows = [np.flatnonzero(people == person) for person in persons if person >= 0]
    rows = [own for own in rows if len(own) > 2]
    if not rows:
        return NotMade(reason="no test person has three windows.")
    is_marked = np.asarray(np.stack([_centred(X[own]) for own in rows]).all(axis=0))
    # The only person of a table is centred by any scaler.
    if is_marked.sum() < _at_least(len(is_marked)) or len(np.unique(people)) < 2:
        return None
    is_granted = "unlabelled" in split.grants
    return Finding(
        kind="standardised_per_person",
        severity="note" if is_granted else "warning",
        sentence=f"{is_marked.sum()} of {X.shape[1]} features have mean 0 over all windows of each test "
        "person: windows were used before they could have been recorded"
        + (", as the protocol declares." if is_granted else "."),
        value=float(is_marked.mean()),
    )


def centred_on_later(split: Split) -> Finding | NotMade | None:
    """Columns whose last windows of every trial, or last trials of every session, have mean 0.

    That is what subtracting a later baseline leaves behind. The first windows are not looked at: a baseline
    before the others is as it should be.
    """
    material = split.material
    X, trials, order = material.X, material.unit("trial"), material.order
    if X is None or trials is None:
        return NotMade(reason="it needs features and the column trial.")
    start = material.column("start") if "start" in material.coords else np.arange(len(X), dtype=float)
    groupings = [(trials, start, "windows of every trial")]
    people = material.unit("session")
    people = material.unit("subject") if people is None else people
    if people is not None and order is not None:
        groupings.append((people, order, "windows of every session"))
    for units, time, what in groupings:
        found = _centred_tail(X, units, time)
        if found is None:
            continue
        n_windows, is_marked = found
        told = "all" if n_windows == 0 else f"the last {n_windows}"
        if n_windows == 0 and what.endswith("session"):
            continue  # `standardised_per_person` says so.
        return Finding(
            kind="future_baseline",
            severity="leak",
            sentence=f"{is_marked.sum()} of {X.shape[1]} features have mean 0 over {told} {what}: what was "
            "subtracted had not been recorded yet when the earlier windows were.",
            value=float(is_marked.mean()),
        )
    return None


def _centred_tail(
    X: NDArray[np.float64], units: Indices, time: NDArray[np.float64]
) -> tuple[int, NDArray[np.bool_]] | None:
    """How many last windows of each unit have mean 0 (0: all), and in which columns."""
    order = np.lexsort((time, units))
    order = order[units[order] >= 0]
    blocks = np.split(order, np.flatnonzero(np.diff(units[order])) + 1)
    blocks = [block for block in blocks if len(block) > 2][:200]
    if len(blocks) < 3:
        return None
    shortest = min(map(len, blocks))
    whole = np.asarray(np.stack([_centred(X[block]) for block in blocks]).all(axis=0))
    if whole.sum() >= _at_least(X.shape[1]):
        return 0, whole
    is_candidate = np.ones((shortest - 1, X.shape[1]), dtype=bool)
    for block in blocks:
        values = X[block[::-1][: shortest - 1]]
        is_candidate &= np.abs(np.cumsum(values, axis=0)) <= _TOLERANCE * np.maximum(
            X[block].std(axis=0), 1e-300
        )
        if not is_candidate.any():
            return None
    # One window that is 0 in each trial is a feature that starts there; it counts if the others are not.
    is_candidate &= (np.stack([X[block].std(axis=0) for block in blocks]) > 0).all(axis=0)
    counts = is_candidate.sum(axis=1)
    if counts.max(initial=0) < _at_least(X.shape[1]):
        return None
    n_windows = int(counts.argmax())
    return n_windows + 1, is_candidate[n_windows]


def _at_least(n_features: int) -> int:
    """So many columns show it is no coincidence: half of them, and three if there are so many."""
    return max(min(3, n_features), n_features // 2)


def _centred(X: NDArray[np.float64]) -> NDArray[np.bool_]:
    sd = X.std(axis=0)
    with np.errstate(invalid="ignore"):
        return np.asarray((np.abs(X.mean(axis=0)) <= _TOLERANCE * sd) & (sd > 0))


def _standardised(X: NDArray[np.float64]) -> NDArray[np.bool_]:
    # Divided by n, as scikit-learn does, or by n - 1, as pandas does.
    is_one = [np.abs(X.std(axis=0, ddof=ddof) - 1) <= _TOLERANCE for ddof in (0, min(1, len(X) - 1))]
    return np.asarray(_centred(X) & (is_one[0] | is_one[1]))


def _ranged(X: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Between -1 or 0 and 1, both reached."""
    low, high = X.min(axis=0), X.max(axis=0)
    low_ok = (np.abs(low) <= _TOLERANCE) | (np.abs(low + 1) <= _TOLERANCE)
    # Shares and counts reach round values by themselves, and often.
    is_once = (np.equal(X, low).sum(axis=0) == 1) & (np.equal(X, high).sum(axis=0) == 1)
    return np.asarray(low_ok & np.isclose(high, 1, rtol=0, atol=_TOLERANCE) & is_once)


def _whitened(X: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Columns that correlate with no other at all, as principal components do."""
    if X.shape[1] < 3 or len(X) <= X.shape[1] or not np.isfinite(X).all():
        return np.zeros(X.shape[1], dtype=bool)
    sd = X.std(axis=0)
    z = (X - X.mean(axis=0)) / np.where(sd > 0, sd, 1)
    correlation = np.abs(z.T @ z) / len(X)
    np.fill_diagonal(correlation, 0)
    return np.asarray((correlation.max(axis=0) <= _TOLERANCE) & (sd > 0))
