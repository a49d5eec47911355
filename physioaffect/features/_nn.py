"""Trusted intervals between heart beats, and which of them lie in which window."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.recording import Events, Trial
from physioaffect.windows import Intervals

__all__ = ["CONTRADICTION_S", "NN", "Feature", "covered", "inside", "nn_of", "refused", "trusted"]

# A beat is found to within a sample, on a wristband 1/64 s. A missing beat makes ten times as much.
CONTRADICTION_S = 0.02
# Times are multiples of a sampling period that is no binary fraction: what touches an edge lies on it.
_SLACK_S = 1e-9
# Nobody's heart beats every ten seconds, so a number above this is in milliseconds.
_MOST_S = 10.0


class NN(NamedTuple):
    """Trusted intervals in order of time, each array of shape (n_intervals,).

    ``begins`` and ``ends`` are the beats around each in seconds after the trial's onset, ``ms`` its length in
    milliseconds, ``follows`` whether it begins with the beat that the one before it ends with.
    """

    begins: NDArray[np.float64]
    ends: NDArray[np.float64]
    ms: NDArray[np.float64]
    follows: NDArray[np.bool_]


class Feature(NamedTuple):
    """What a feature is measured in, and what a window must have for it to be a number.

    ``seconds`` is the shortest window, ``intervals`` the fewest trusted intervals in it.
    """

    unit: str
    seconds: float
    intervals: int = 3


def trusted(events: Events) -> NN:
    """Intervals that are numbers and agree with the times of the beats.

    An interval that is longer than the time since the event before contradicts it, and is left out. One that
    is shorter is kept, but follows nothing: beats in between were left out of the events.

    Raises
    ------
    DataError
        If the events are no intervals, or these are not in seconds.
    """
    if events.kind != "ibi":
        raise DataError(
            f"Heart rate variability needs Events of kind 'ibi' (beats and the intervals before them), got "
            f"{events.kind!r}. Make them with BeatsFromPPG or BeatsFromECG."
        )
    values = events.values
    is_there = np.isfinite(values)
    if is_there.any() and not 0 < np.median(values[is_there]) < _MOST_S:
        raise DataError(
            f"Intervals between beats are in seconds, got a median of {np.median(values[is_there]):g}. "
            "If they are in milliseconds, divide the values by 1000."
        )
    since = np.diff(events.times, prepend=-np.inf)
    is_there &= values > CONTRADICTION_S
    is_there[is_there] = values[is_there] <= since[is_there] + CONTRADICTION_S
    follows = np.zeros(len(values), dtype=bool)
    follows[1:] = is_there[1:] & is_there[:-1]
    follows[follows] = values[follows] >= since[follows] - CONTRADICTION_S
    ends, lengths = events.times[is_there].astype(np.float64), values[is_there].astype(np.float64)
    return NN(ends - lengths, ends, 1e3 * lengths, follows[is_there])


def nn_of(trial: Trial, source: str) -> NN:
    """Trusted intervals of a trial; a `DataError` says what there is instead."""
    events = trial.signals.get(source)
    if not isinstance(events, Events):
        raise DataError(
            f"Subject {trial.subject}, trial {trial.trial} of {trial.dataset} has no intervals between beats "
            f"named {source!r}; it has {', '.join(sorted(trial.signals)) or 'none'}. Put BeatsFromPPG or "
            "BeatsFromECG among the cleaning steps, or choose features that need none."
        )
    return trusted(events)


def inside(nn: NN, intervals: Intervals) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First interval of each window and first behind it: of those with both of their beats in the window.

    So no window depends on what comes after it, nor on what was before.
    """
    first = np.searchsorted(nn.begins, intervals.starts - _SLACK_S)
    last = np.searchsorted(nn.ends, intervals.starts + intervals.duration - _SLACK_S)
    return first, np.maximum(first, last)


def covered(nn: NN, intervals: Intervals) -> NDArray[np.float64]:
    """Share of each window that its own intervals take up, shape (n_windows,)."""
    first, last = inside(nn, intervals)
    total = np.concatenate([[0.0], np.cumsum(nn.ms)])
    return np.asarray(np.minimum(1e-3 * (total[last] - total[first]) / intervals.duration, 1.0))


def refused(
    values: NDArray[np.float64],
    features: list[Feature],
    n_inside: NDArray[np.intp],
    duration: float,
) -> NDArray[np.float64]:
    """Values (n_windows, n_features) without those that their windows do not carry."""
    seconds = np.array([feature.seconds for feature in features])
    fewest = np.array([feature.intervals for feature in features])
    is_carried = (duration >= seconds * (1 - _SLACK_S)) & (n_inside[:, np.newaxis] >= fewest)
    return np.where(is_carried, values, np.nan)
