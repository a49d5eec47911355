"""What the network is given: checked, and differentiated by time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physioaffect.errors import DataError

__all__ = ["Rows", "checked_rows", "slopes_in_time", "usable_conditions"]

Array = NDArray[np.float64]

SHORTEST_S = 30.0
# Nothing on skin: electrodes give at most 100 uS.
_HIGHEST_US = 200.0


class Rows(NamedTuple):
    """Windows: time in s, physiology, self-reports, EDA in uS (NaN if none), who, which course."""

    time: Array
    physiology: Array
    reports: Array
    eda: Array
    groups: NDArray[np.str_] | None
    conditions: NDArray[np.str_] | None

    @property
    def inputs(self) -> Array:
        """Side by side in their own units, shape (n, 1 + n_features + n_reports)."""
        return np.concatenate([self.time[:, None], self.physiology, self.reports], axis=1)


def checked_rows(
    X: ArrayLike | None,
    *,
    time: ArrayLike | None,
    eda: ArrayLike | None = None,
    reports: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    conditions: ArrayLike | None = None,
) -> Rows:
    """Bring everything into shape, or say what is wrong.

    Parameters
    ----------
    X : array-like, shape (n, n_features), or None
        Windowed physiology.
    time, eda : array-like, shape (n,)
        Seconds within the condition; microsiemens.
    reports : array-like, shape (n, n_reports)
        Self-reports of each window's condition.
    groups, conditions : array-like, shape (n,)
        The person; the course of time that a window belongs to.

    Returns
    -------
    Rows

    Raises
    ------
    DataError
        If anything is missing, of another length, not finite, or no skin conductance.
    """
    if time is None:
        raise DataError("The network needs time= for each window: seconds within its condition.")
    t = np.asarray(time, dtype=np.float64)
    n = len(t)
    physiology = _table(X, n, "X (windowed physiology)", "Leave these windows out, or fill them.")
    answered = _table(
        reports,
        n,
        "reports (self-reports)",
        "Leave out the conditions without a questionnaire: usable_conditions finds them.",
    )
    trace = np.full(n, np.nan)
    if eda is not None:
        trace = np.asarray(eda, dtype=np.float64)
        _check_trace(trace, n)
    if t.ndim != 1 or n == 0 or not np.isfinite(t).all():
        raise DataError(f"time must be finite seconds of shape (n,) with n > 0, got shape {t.shape}.")
    names = {}
    for name, values in (("groups", groups), ("conditions", conditions)):
        names[name] = None if values is None else np.asarray(values).astype(str)
        if values is not None and np.shape(values) != (n,):
            raise DataError(f"{name} has shape {np.shape(values)}; expected one for each of {n} windows.")
    return Rows(t, physiology, answered, trace, names["groups"], names["conditions"])


def _table(values: ArrayLike | None, n: int, name: str, mend: str) -> Array:
    if values is None:
        return np.empty((n, 0))
    made = np.asarray(values, dtype=np.float64)
    if made.ndim != 2 or len(made) != n:
        raise DataError(f"{name} has shape {made.shape}; expected ({n}, n_columns), as time has {n} windows.")
    if n_bad := int((~np.isfinite(made)).any(axis=1).sum()):
        raise DataError(f"{name} has NaN in {n_bad} of {n} windows; expected numbers. {mend}")
    return made


def _check_trace(eda: Array, n: int) -> None:
    if eda.shape != (n,) or not np.isfinite(eda).all():
        raise DataError(
            f"eda must be {n} finite numbers in uS, got shape {eda.shape} with "
            f"{int((~np.isfinite(eda)).sum())} that are not. Leave out windows without EDA."
        )
    if eda.min() < 0 or eda.max() > _HIGHEST_US:
        raise DataError(
            f"eda goes from {eda.min():.3g} to {eda.max():.3g}; expected 0 to {_HIGHEST_US:g} uS. Give "
            "microsiemens, neither standardised nor in siemens."
        )
    if np.ptp(eda) <= 1e-9 * max(1.0, float(np.abs(eda).max())):
        raise DataError(
            f"eda is {eda[0]:.3g} uS in every window: a constant trace is of an electrode that measures "
            "nothing. Leave this recording out."
        )


def usable_conditions(
    *, time: ArrayLike, conditions: ArrayLike, eda: ArrayLike | None = None, reports: ArrayLike | None = None
) -> tuple[NDArray[np.bool_], Mapping[str, str]]:
    """Find the windows of conditions that the network can learn from.

    Parameters
    ----------
    time, conditions, eda, reports
        As `MultiTaskPINN.fit` takes them, with NaN.

    Returns
    -------
    is_usable : ndarray of bool, shape (n,)
        False in all windows of a condition without questionnaire, of one whose EDA is constant or not there,
        and of one that lasts less than 30 s.
    reasons : mapping from str to str
        Of each condition that is left out.

    Examples
    --------
    >>> reports = np.array([[4.0], [4.0], [np.nan], [np.nan]])
    >>> kept, why = usable_conditions(time=[0, 60, 0, 60], conditions=list("aabb"), reports=reports)
    >>> kept.tolist(), dict(why)
    ([True, True, False, False], {'b': 'has no complete questionnaire'})
    """
    t, names = np.asarray(time, dtype=np.float64), np.asarray(conditions).astype(str)
    is_usable = np.ones(len(t), dtype=bool)
    reasons = {}
    for name in dict.fromkeys(names.tolist()):
        own = names == name
        reason = ""
        trace = None if eda is None else np.asarray(eda, dtype=np.float64)[own]
        if np.ptp(t[own]) < SHORTEST_S:
            reason = f"lasts {np.ptp(t[own]):.0f} s; at least {SHORTEST_S:.0f} are needed"
        elif reports is not None and not np.isfinite(np.asarray(reports, dtype=np.float64)[own]).all():
            reason = "has no complete questionnaire"
        elif trace is not None and not np.isfinite(trace).all():
            reason = "has windows without EDA"
        elif trace is not None and np.ptp(trace) <= 1e-9 * max(1.0, float(np.abs(trace).max())):
            reason = "has a constant EDA"
        if reason:
            reasons[name] = reason
            is_usable[own] = False
    return is_usable, reasons


def slopes_in_time(rows: Rows) -> Array:
    """Derivative of the physiology by time, per second, shape (n, n_features).

    Second-order differences between the windows of a condition, which may lie unevenly; NaN in a condition of
    a single window.

    Raises
    ------
    DataError
        If two windows of a condition have one time, or its self-reports change.
    """
    slopes = np.full(rows.physiology.shape, np.nan)
    if rows.conditions is None:
        return slopes
    for name in np.unique(rows.conditions):
        own = np.flatnonzero(rows.conditions == name)
        own = own[np.argsort(rows.time[own], kind="stable")]
        if (np.diff(rows.time[own]) <= 0).any():
            raise DataError(
                f"Condition {name!r} has two windows at one time. Number conditions so that each is one "
                "course of time of one person."
            )
        if len(own) > 1 and np.ptp(rows.reports[own], axis=0).max(initial=0) > 0:
            raise DataError(
                f"The self-reports of condition {name!r} change within it; expected one questionnaire a "
                "condition. Name each condition of each person differently."
            )
        if len(own) > 1 and slopes.size:
            slopes[own] = np.gradient(rows.physiology[own], rows.time[own], axis=0)
    return slopes
