"""What a stream keeps of its signals: the last samples and events, each at its place in the recording."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError, PhysioaffectError
from physioaffect.recording import Events, Flag, Signal

__all__ = ["EventBuffer", "SampleBuffer"]

# Sampling instants are rounded, so this share of a sample is none.
_SLACK = 1e-6
# A detector places one beat at times that differ by rounding from one piece of a recording to the next.
_SAME_S = 1e-6
_LONGEST_GAP_S = 3600.0


class SampleBuffer:
    """The last samples of a signal.

    Parameters
    ----------
    like : Signal
        Says the rate, the channels, the unit and where sample 0 lies; of its samples none are taken.
    """

    def __init__(self, like: Signal) -> None:
        self._like = replace(like, data=np.empty((like.n_channels, 0)), flags=np.empty(0, dtype=np.uint8))
        self._data = np.empty((like.n_channels, 64))
        self._flags = np.zeros(64, dtype=np.uint8)
        # Samples of the recording that came before those kept, and where in the arrays those are.
        self._n_before = self._first = self._stop = 0

    @property
    def whole(self) -> Signal:
        """The signal from its first sample to its last with nothing in it, in no memory."""
        nothing, flags = np.float64(0), np.uint8(0)
        shape = (self._like.n_channels, self.n_seen)
        return replace(
            self._like, data=np.broadcast_to(nothing, shape), flags=np.broadcast_to(flags, shape[1:])
        )

    @property
    def n_held(self) -> int:
        """Samples per channel that are kept."""
        return self._stop - self._first

    @property
    def n_seen(self) -> int:
        """Samples per channel that came."""
        return self._n_before + self.n_held

    @property
    def stop(self) -> float:
        """Time of the end, one sample after the last."""
        return self._like.start + self.n_seen / self._like.sfreq

    def overhang(self, *times: float) -> float:
        """Seconds by which windows may reach over their end: none if these times are whole samples."""
        samples = np.array([self._like.start, *times]) * self._like.sfreq
        return 0.0 if np.all(np.abs(samples - np.rint(samples)) < 1e-3) else 1 / self._like.sfreq

    def n_until(self, time: float) -> int:
        """Number of the recording's samples before a time, or of those that came if it is infinite."""
        if math.isinf(time):
            return self.n_seen if time > 0 else 0
        return max(0, math.ceil((time - self._like.start) * self._like.sfreq - _SLACK))

    def second_before(self, time: float) -> float:
        """Whole seconds after the first sample, at or less than one before a time."""
        return time if math.isinf(time) else self._like.start + math.floor(time - self._like.start)

    def append(self, data: NDArray[np.floating[Any]], flags: NDArray[np.uint8]) -> None:
        """Add the next samples, shape (n_channels, n_times)."""
        n_new = data.shape[1]
        if self._stop + n_new > self._data.shape[1]:
            kept = slice(self._first, self._stop)
            # Twice what is needed, so that a sample is moved only now and then.
            room = 2 * (self.n_held + n_new)
            held, held_flags = self._data[:, kept], self._flags[kept]
            self._data = np.empty((len(self._data), room))
            self._flags = np.empty(room, dtype=np.uint8)
            self._data[:, : held.shape[1]], self._flags[: held.shape[1]] = held, held_flags
            self._first, self._stop = 0, held.shape[1]
        self._data[:, self._stop : self._stop + n_new] = data
        self._flags[self._stop : self._stop + n_new] = flags
        self._stop += n_new

    def append_missing(self, n_missing: int) -> None:
        """Add samples that nobody has, flagged `Flag.GAP`."""
        if n_missing > _LONGEST_GAP_S * self._like.sfreq:
            raise DataError(
                f"The {self._like.kind} would have a gap of {n_missing / self._like.sfreq:.3g} s, the "
                f"longest that a stream fills is {_LONGEST_GAP_S:g} s. Check the clock, or begin anew."
            )
        gap = np.full(n_missing, np.uint8(Flag.GAP))
        self.append(np.full((self._like.n_channels, n_missing), np.nan), gap)

    def append_at(self, chunk: Signal) -> int:
        """Add a piece at its place; what lies between is missing. Returns how many came too late."""
        n_ahead = round((chunk.start - self._like.start) * self._like.sfreq) - self.n_seen
        if n_ahead > 0:
            self.append_missing(n_ahead)
        n_late = min(max(0, -n_ahead), chunk.n_times)
        self.append(chunk.data[:, n_late:], chunk.flags[n_late:])
        return n_late

    def append_part(self, whole: Signal, until: float, maker: str) -> None:
        """Add what a step made, up to a time, as far as it is not there yet."""
        offset = (whole.start - self._like.start) * self._like.sfreq
        first = self.n_seen - round(offset)
        if abs(offset - round(offset)) > 0.01 or (first < 0 and whole.n_times):
            raise PhysioaffectError(
                f"The step {maker} puts the samples of a {whole.kind} signal elsewhere if it gets a part of "
                "the recording: a stream cannot run it. It must count them from the trial's onset."
            )
        last = self.n_until(until) - round(offset) if until < math.inf else whole.n_times
        self.append(whole.data[:, first : max(first, last)], whole.flags[first : max(first, last)])

    def cut(self, start: float, stop: float) -> Signal:
        """Cut what is kept of [start, stop), a view that the next `append` may write over."""
        first, last = (
            min(max(self.n_until(edge) - self._n_before, 0), self.n_held) + self._first
            for edge in (start, stop)
        )
        last = max(first, last)
        n_before = self._n_before + first - self._first
        return replace(
            self._like,
            data=self._data[:, first:last],
            flags=self._flags[first:last],
            start=self._like.start + n_before / self._like.sfreq,
        )

    def forget(self, time: float) -> None:
        """Keep only what lies at or after a time."""
        n_gone = min(max(0, self.n_until(time) - self._n_before), self.n_held)
        self._first += n_gone
        self._n_before += n_gone


class EventBuffer:
    """The last events of a kind."""

    def __init__(self, kind: str) -> None:
        self._held = Events(times=np.empty(0), values=np.empty(0), kind=kind)
        self._newest = -math.inf

    @property
    def n_held(self) -> int:
        """Events that are kept."""
        return len(self._held.times)

    def second_before(self, time: float) -> float:
        """A second before a time."""
        return time - 1

    def check(self, events: Events) -> None:
        """Refuse events that are earlier than those that came."""
        if len(events.times) and events.times[0] < self._newest:
            raise DataError(
                f"Events of kind {self._held.kind!r} came at {events.times[0]:g} s after one at "
                f"{self._newest:g} s. Push them in order of time."
            )

    def append(self, events: Events) -> None:
        """Add later events."""
        if len(events.times):
            self._newest = float(events.times[-1])
            self._held = replace(
                self._held,
                times=np.concatenate([self._held.times, events.times]),
                values=np.concatenate([self._held.values, events.values]),
            )

    def append_part(self, whole: Events, since: float, until: float) -> None:
        """Add what a step made of [since, until), of which the part before ``since`` is here already."""
        times = whole.times
        first, last = np.searchsorted(times, [since - _SAME_S, until])
        # What lies at the very edge may have come already, and may lie on its other side this time.
        known = self._held.times
        first += len(known) - np.searchsorted(known, since - _SAME_S)
        part = slice(first, max(first, last))
        self.append(replace(whole, times=times[part], values=whole.values[part]))

    def cut(self, start: float, stop: float) -> Events:
        """Cut out what is kept of [start, stop)."""
        return self._held.crop(start, stop)

    def forget(self, time: float) -> None:
        """Keep only what lies at or after a time."""
        self._held = self._held.crop(time, math.inf)
