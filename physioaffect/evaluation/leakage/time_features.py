"""Features that are a clock: functions of time in the session, of order, or of time in the trial."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from physioaffect.evaluation.leakage.finding import Finding, NotMade
from physioaffect.evaluation.leakage.material import Material, means_of

__all__ = ["follows_clock", "time_features"]

_CLOCKS = {
    "elapsed": "the time in the session",
    "order": "the order of trials",
    "start": "the time in the trial",
}


def time_features(
    material: Material, *, leak: float = 0.99, warning: float = 0.95
) -> Iterator[Finding | NotMade]:
    """Find features of which a clock explains all, person by person.

    The clocks are the columns ``elapsed``, ``order`` (or the order in which a person's trials stand in the
    table) and ``start``. What others' features did at the same time predicts a person's: ``R2`` of that,
    after fitting level and scale to the person, and its median over people, is 1 for any function of a clock,
    even one that was standardised per person. With one person, a straight line in the clock predicts.

    Notes
    -----
    Physiology drifts too, but neither alike in everybody nor without noise. Of random walks, the strongest
    drift without a common cause, none of 10,000 came up to the lower bound with three people or more, nor to
    the upper one with one (the tests repeat that on fewer); with fewer than three people only the upper
    one is used. Below the bounds a feature may still tell time to some degree: the clock baseline measures
    what that is worth.
    """
    if material.scaled is None:
        yield NotMade(reason="no features were given.")
        return
    X, is_complete, names = material.scaled
    people = material.unit("subject")
    rows = np.flatnonzero(is_complete)
    who = np.zeros(len(rows), dtype=np.intp) if people is None else people[rows]
    clocks = _clocks(material, rows)
    if not clocks:
        yield NotMade(reason="coords have none of elapsed, order and start.")
        return
    is_told = np.zeros(X.shape[1], dtype=bool)
    for name, clock in clocks.items():
        share = follows_clock(X[rows], clock, who)
        if share is None:
            continue
        for severity, is_found in (
            ("leak", (share >= leak) & ~is_told),
            ("warning", (share >= warning) & (share < leak) & ~is_told & (len(np.unique(who)) > 2)),
        ):
            if is_found.any():
                is_told |= is_found
                worst = np.argsort(np.where(is_found, -share, np.inf))[: min(5, is_found.sum())]
                told = ", ".join(f"{names[c]} ({100 * share[c]:.3g} %)" for c in worst)
                yield Finding(
                    kind="time_feature",
                    severity="leak" if severity == "leak" else "warning",
                    sentence=f"Within the median person {_CLOCKS[name]} explains this share of the variance "
                    f"of {is_found.sum()} of {X.shape[1]} features: {told}.",
                    value=float(share.max()),
                )


def _clocks(material: Material, rows: NDArray[np.intp]) -> dict[str, NDArray[np.float64]]:
    clocks = {}
    for name in _CLOCKS:
        if name in material.coords:
            clock = material.column(name)[rows]
            if np.isfinite(clock).all():
                clocks[name] = clock
    trials, people = material.unit("trial"), material.unit("subject")
    if "order" not in clocks and trials is not None and people is not None:
        # The order in which they stand in the table, by person.
        names, first = np.unique(trials[rows], return_index=True)
        order = np.zeros(len(names))
        for person in np.unique(people[rows]):
            own = np.flatnonzero(people[rows][first] == person)
            order[own[np.argsort(first[own])]] = np.arange(len(own))
        clocks["order"] = order[np.searchsorted(names, trials[rows])]
    return clocks


def follows_clock(
    X: NDArray[np.float64], clock: NDArray[np.float64], people: NDArray[np.intp], *, n_points: int = 64
) -> NDArray[np.float64] | None:
    """Share of each feature's variance within a person that a common function of a clock explains.

    Parameters
    ----------
    X : ndarray, shape (n_windows, n_features)
        Features.
    clock : ndarray, shape (n_windows,)
        A time.
    people : ndarray of int, shape (n_windows,)
        Whose each window is.

    Returns
    -------
    share : ndarray, shape (n_features,), or None
        Median over people; None if nobody has eight different times.
    """
    # Where most people have data; a few reach further.
    lows, highs, parts = [], [], []
    for person in np.unique(people):
        own = np.flatnonzero(people == person)
        times, number = np.unique(clock[own], return_inverse=True)
        if len(times) >= 8:
            parts.append((own, times, means_of(X[own], number)))
            lows.append(times[0])
            highs.append(times[-1])
    if not parts:
        return None
    if len(parts) == 1:
        own, _, _ = parts[0]
        return _explained(X[own], np.broadcast_to(clock[own][:, np.newaxis], X[own].shape))
    grid = np.linspace(np.median(lows), np.median(highs), n_points)
    curves = np.stack([_interpolated(grid, times, curve) for _, times, curve in parts])
    curves -= curves.mean(axis=1, keepdims=True)
    size = np.linalg.norm(curves, axis=1, keepdims=True)
    curves /= np.where(size > 0, size, 1)
    # The same function up and down is the same clock.
    sign = np.sign(np.einsum("ptf,tf->pf", curves, curves[0]))
    curves *= np.where(sign == 0, 1, sign)[:, np.newaxis]
    total = curves.sum(axis=0)
    shares = [
        _explained(X[own], _interpolated(clock[own], grid, total - curve))
        for (own, _, _), curve in zip(parts, curves, strict=True)
    ]
    return np.asarray(np.median(shares, axis=0))


def _interpolated(
    at: NDArray[np.float64], times: NDArray[np.float64], curve: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Straight lines between the points of a curve, (n_points, n_features), and on beyond its ends."""
    right = np.clip(np.searchsorted(times, at), 1, len(times) - 1)
    weight = ((at - times[right - 1]) / (times[right] - times[right - 1]))[:, np.newaxis]
    return np.asarray((1 - weight) * curve[right - 1] + weight * curve[right])


def _explained(X: NDArray[np.float64], predictor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared correlation, column by column; 0 where one does not vary."""
    x, p = X - X.mean(axis=0), predictor - predictor.mean(axis=0)
    size = (x**2).sum(axis=0) * (p**2).sum(axis=0)
    return np.asarray(np.where(size > 0, (x * p).sum(axis=0) ** 2 / np.where(size > 0, size, 1), 0.0))
