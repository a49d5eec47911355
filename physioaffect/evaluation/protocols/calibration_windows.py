"""Which windows of a new person calibrate, and which are left to be tested."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioaffect.errors import ProtocolError

__all__ = ["REST", "Divide", "Division", "check_length", "first_of_rest", "first_of_trials", "first_trials"]

# Conditions that are rest.
REST = ("rest", "baseline")

# Starts and lengths are rounded, so a window may reach this share of its length too far.
_SLACK = 1e-6


class Division(NamedTuple):
    """One person's windows: masks of those that calibrate and of those that are tested."""

    is_calibration: NDArray[np.bool_]
    is_test: NDArray[np.bool_]


Divide = Callable[[pd.DataFrame], Division]


def first_trials(n_trials: int) -> Divide:
    """Calibrate with a person's first trials; the others are tested."""

    def divide(own: pd.DataFrame) -> Division:
        number = _trial_numbers(own)
        return Division(number < n_trials, number >= n_trials)

    return divide


def first_of_rest(seconds: float, *, keeps_remainder: bool = False) -> Divide:
    """Calibrate with the beginning of a person's first trial of rest; the other trials are tested.

    With ``keeps_remainder`` also what is left of that trial; windows that lie in both parts are dropped.
    """

    def divide(own: pd.DataFrame) -> Division:
        number = _trial_numbers(own)
        is_rest = own["condition"].isin(REST).to_numpy()
        if not is_rest.any():
            return Division(is_rest, ~is_rest)
        is_chosen = number == number[is_rest].min()
        is_before, is_after = _cut(own, number, seconds)
        return Division(is_chosen & is_before, ~is_chosen | (is_after & keeps_remainder))

    return divide


def first_of_trials(seconds: float) -> Divide:
    """Calibrate with the beginning of each trial and test the rest; windows that lie in both are dropped."""

    def divide(own: pd.DataFrame) -> Division:
        return _cut(own, _trial_numbers(own), seconds)

    return divide


def check_length(coords: pd.DataFrame, seconds: float) -> None:
    """Refuse a time that holds no window."""
    duration = float(coords["duration"].max())
    if duration * (1 - _SLACK) > seconds:
        raise ProtocolError(
            f"{seconds:g} s of calibration hold no window of {duration:g} s. Take shorter windows, or more "
            "seconds."
        )


def _trial_numbers(own: pd.DataFrame) -> NDArray[np.intp]:
    """Number a person's trials in time from 0, one number per window."""
    keys = ["dataset", "session", "trial"]
    # Sessions as they come in the table: their names need not sort by time.
    session = own.groupby(["dataset", "session"], sort=False).ngroup()
    trials = own.assign(number=session).drop_duplicates(keys)
    trials = trials.sort_values(["number", "order"], kind="stable")
    numbers = pd.Series(np.arange(len(trials)), index=pd.MultiIndex.from_frame(trials[keys]))
    return np.asarray(numbers.loc[pd.MultiIndex.from_frame(own[keys])], dtype=np.intp)


def _cut(own: pd.DataFrame, number: NDArray[np.intp], seconds: float) -> Division:
    """Windows that end within so many seconds of their trial's first window's start, and that begin after."""
    start, duration = own["start"].to_numpy(dtype=float), own["duration"].to_numpy(dtype=float)
    start = start - pd.Series(start).groupby(number).transform("min").to_numpy()
    slack = _SLACK * duration
    return Division(start + duration <= seconds + slack, start >= seconds - slack)
