"""Events of several recordings merged: what two of them have is taken once, and no interval spans a gap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.recording import Events

__all__ = ["join_events"]

# Two events closer than this are one; two beats are never closer than a fifth of a second.
_SAME_TIME_S = 1e-3


def join_events(
    pieces: Sequence[tuple[Events, str]], name: str, gaps: Sequence[tuple[float, float]]
) -> Events:
    """Merge events of one name, with times on one clock; ``gaps`` are the times without any recording."""
    kinds = sorted({events.kind for events, _ in pieces})
    if len(kinds) > 1:
        raise DataError(f"{name} has events of the kinds {kinds[0]!r} and {kinds[1]!r}: join them apart.")
    times = np.concatenate([events.times for events, _ in pieces])
    values = np.concatenate([events.values for events, _ in pieces])
    sources = np.repeat(np.arange(len(pieces)), [len(events.times) for events, _ in pieces])
    is_numbered = kinds[0] == "tags" and all(
        np.array_equal(events.values, np.arange(1.0, len(events.values) + 1)) for events, _ in pieces
    )
    order = np.argsort(times, kind="stable")
    times, values, sources = times[order], values[order], sources[order]
    is_new = np.ones(len(times), dtype=np.bool_)
    is_new[1:] = (np.diff(times) > _SAME_TIME_S) | (np.diff(sources) == 0)
    firsts = np.flatnonzero(is_new)
    if is_numbered:
        return Events(times=times[firsts], values=np.arange(1.0, len(firsts) + 1), kind=kinds[0])
    if len(firsts) < len(times):
        # Of an event that several recordings have, the value that is known: one may have been cut before it.
        lowest, highest = (pick.reduceat(values, firsts) for pick in (np.fmin, np.fmax))
        if (is_other := highest - lowest > _SAME_TIME_S).any():
            at = int(np.flatnonzero(is_other)[0])
            raise DataError(
                f"{name} has {lowest[at]:g} in one recording and {highest[at]:g} in another at the same "
                f"time, {times[firsts[at]]:.3f} s after the beginning of the first. Keep one of the two."
            )
        times, values, sources = times[firsts], lowest, sources[firsts]
    if kinds[0] == "ibi":
        values = _trusted(times, values, sources, gaps)
    return Events(times=times, values=values, kind=kinds[0])


def _trusted(
    times: NDArray[np.float64],
    values: NDArray[np.float64],
    sources: NDArray[np.intp],
    gaps: Sequence[tuple[float, float]],
) -> NDArray[np.float64]:
    """Take away intervals that reach into a gap, or over a beat that only the other recording has."""
    is_wrong = np.zeros(len(times), dtype=np.bool_)
    for stop, start in gaps:
        is_wrong |= (times > stop) & (times - values < start)
    since = np.diff(times, prepend=-np.inf)
    is_wrong[1:] |= (sources[1:] != sources[:-1]) & (values[1:] > since[1:] + _SAME_TIME_S)
    return np.where(is_wrong, np.nan, values)
