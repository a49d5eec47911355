"""Beats made to measure, and trials that have them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physioaffect.recording import Events, Signal, Trial


def events_of(seconds: ArrayLike, *, start: float = 0.0) -> Events:
    """Beats these intervals apart; the first of them ends no interval."""
    lengths = np.asarray(seconds, dtype=float)
    times = start + np.concatenate([[0.0], np.cumsum(lengths)])
    return Events(times=times, values=np.concatenate([[np.nan], lengths]), kind="ibi")


def without(events: Events, which: Sequence[int] | NDArray[Any]) -> Events:
    """The same beats, but the intervals before some of them are not trusted."""
    values = events.values.copy()
    values[which] = np.nan
    return Events(times=events.times, values=values, kind="ibi")


def sine_events(duration: float, *, hz: float, ms: float, mean: float = 0.8) -> Events:
    """Each interval is ``mean`` plus a sine of ``ms`` at the time of the beat that ends it."""
    times = [0.0]
    while times[-1] < duration:
        end = times[-1] + mean
        for _ in range(60):  # A contraction: the time of the beat is in the sine.
            end = times[-1] + mean + 1e-3 * ms * np.sin(2 * np.pi * hz * end)
        times.append(end)
    return events_of(np.diff(times))


def noise_events(n: int, *, sd: float = 0.04, mean: float = 0.8, seed: int = 0) -> Events:
    """Independent normal intervals."""
    return events_of(mean + sd * np.random.default_rng(seed).normal(size=n))


def trial_of(**signals: Signal | Events) -> Trial:
    """A trial with these signals."""
    return Trial(dataset="made", subject="7", trial="a", stimulus="none", signals=signals)
