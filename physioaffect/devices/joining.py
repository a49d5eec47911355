"""Several recordings of one person with one device, put one behind another by their clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np

from physioaffect.devices._joined_events import join_events
from physioaffect.devices._joined_signal import Piece, join_signal
from physioaffect.devices.session import DeviceSession
from physioaffect.errors import DataError
from physioaffect.recording import Events, Signal

__all__ = ["join_sessions"]

# Stated rates may be measured ones (63.9999 and 64 Hz); what differs by more is another setting.
_LARGEST_RATE_RATIO = 1.01
# Sensors stop and start at slightly different times: the beats of what follows at once have no gap.
_SHORTEST_GAP_S = 0.05
# What lies between recordings has to fit into memory: more than a week of a wristband.
_LARGEST_GAPS = 2**30


def join_sessions(sessions: Iterable[DeviceSession], *, max_shift: float = 0.05) -> DeviceSession:
    """Put recordings of one person with one device one behind another, on one clock.

    Parameters
    ----------
    sessions : iterable of DeviceSession
        In any order. Each tells when it started; device and person are the same in all that name them.
    max_shift : float
        Seconds by which a sample may be moved, where one sample is not more.

    Returns
    -------
    DeviceSession
        It starts with the earliest. A signal lasts from its first sample in any recording to its last;
        samples between recordings, and where one of them lacks the signal, are NaN and flagged `Flag.GAP`.
        Samples that two recordings share are taken once, with the flags of the earlier one. Its ``notes``
        say what was rounded, left open and taken once.

    Raises
    ------
    ValueError
        If ``max_shift`` is negative or not finite.
    DataError
        If there is no recording, one does not tell its time, they are of several devices or people, a signal
        has another rate, unit or channels in one of them, two of them contradict each other about the same
        time, their clock and their number of samples do not agree, or the gaps would fill memory.

    Notes
    -----
    Each recording starts between two samples of the others, so it is moved to the nearest one. It is moved to
    the very next sample where less than one is missing, or where it begins before the last one has ended by
    its number of samples, as happens if the true rate is a little above the stated one. No sample is ever
    moved by more than one sample or ``max_shift``, whichever is longer: beyond that the join is refused,
    since only resampling could mend it.

    The rate of the whole is the stated one; where the stated ones differ a little, that of all samples over
    all of their time. No quartz is exact, though: where recordings follow each other at once, the time from
    one beginning to the next tells the true rate. It is taken if the stated one, over all of them, is wrong
    by a sample or more, and by 200 parts per million at most.

    Tags that are numbered from 1 in each recording are numbered anew. An interval between beats that reaches
    into the time between two recordings, or over a beat that only the other recording has, is NaN.

    Examples
    --------
    >>> from datetime import UTC
    >>> eda = Signal(data=np.ones((1, 8)), sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS")
    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> first = DeviceSession("Empatica E4", noon, None, {"eda": eda})
    >>> second = first._replace(started_at=noon + timedelta(seconds=3))
    >>> joined = join_sessions([second, first])
    >>> np.nan_to_num(joined.signals["eda"].data[0]).astype(int)
    array([1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1])
    >>> joined.notes
    ('eda: 1 gap, 1 s in all.',)
    """
    if not 0 <= max_shift < np.inf:
        raise ValueError(f"max_shift must be seconds from 0 on, got {max_shift}.")
    sessions = list(sessions)
    if not sessions:
        raise DataError("There is no recording to join: give at least one.")
    device, subject = _one(sessions, "device"), _one(sessions, "subject")
    started = min(_time(session) for session in sessions)
    sessions.sort(key=_time)
    offsets = sorted({session.utc_offset for session in sessions if session.utc_offset is not None})
    notes = list(dict.fromkeys(note for session in sessions for note in session.notes))
    if len(offsets) > 1:
        notes.append(
            f"Local time changes from UTC{_signed(offsets[0])} to UTC{_signed(offsets[-1])}: no one offset."
        )
    shifts = [(_time(session) - started).total_seconds() for session in sessions]
    gaps = _gaps([_span(session, shift) for session, shift in zip(sessions, shifts, strict=True)])
    signals: dict[str, Signal | Events] = {}
    pieces: dict[str, list[Piece]] = {}
    for name in dict.fromkeys(name for session in sessions for name in session.signals):
        found = [
            (session.signals[name], shift, _name(session))
            for session, shift in zip(sessions, shifts, strict=True)
            if name in session.signals
        ]
        sampled = [
            Piece(replace(signal, start=signal.start + shift), recording)
            for signal, shift, recording in found
            if isinstance(signal, Signal)
        ]
        events = [
            (replace(event, times=event.times + shift), recording)
            for event, shift, recording in found
            if isinstance(event, Events)
        ]
        if sampled and events:
            raise DataError(f"{name} is sampled in some of the recordings and not in all: join them apart.")
        if sampled:
            pieces[name] = sampled
        else:
            signals[name] = join_events(events, name, gaps)
    _check_memory(pieces)
    for name, sampled in pieces.items():
        signals[name], found_notes = join_signal(sampled, name, max_shift)
        notes.extend(found_notes)
    offset = offsets[0] if len(offsets) == 1 else None
    return DeviceSession(device or "", started, offset, signals, subject, tuple(notes))


def _one(sessions: Sequence[DeviceSession], field: str) -> str | None:
    found = sorted({getattr(session, field) for session in sessions} - {None, ""})
    if len(found) > 1:
        raise DataError(
            f"The recordings are of {len(found)} {field}s, among them {found[0]} and {found[1]}: join those "
            "of each by themselves."
        )
    return found[0] if found else None


def _time(session: DeviceSession) -> datetime:
    if session.started_at is None or session.started_at.tzinfo is None:
        raise DataError(
            f"A recording of {session.device or 'a device'} does not tell when it started in UTC, so that "
            "its place among the others is unknown. Set its started_at, or read it by itself."
        )
    return session.started_at


def _name(session: DeviceSession) -> str:
    return f"the recording of {_time(session):%Y-%m-%d %H:%M:%S} UTC"


def _signed(offset: timedelta) -> str:
    return f"{offset.total_seconds() / 3600:+g} h"


def _span(session: DeviceSession, shift: float) -> tuple[float, float]:
    sampled = [signal for signal in session.signals.values() if isinstance(signal, Signal)]
    if not sampled:
        return shift, shift
    return shift + min(signal.start for signal in sampled), shift + max(signal.stop for signal in sampled)


def _gaps(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Give the times in which no recording ran."""
    gaps = []
    ordered = sorted(spans)
    stop = ordered[0][1]
    for start, later_stop in ordered[1:]:
        if start - stop > _SHORTEST_GAP_S:
            gaps.append((stop, start))
        stop = max(stop, later_stop)
    return gaps


def _check_alike(pieces: Sequence[Piece], name: str) -> None:
    first = pieces[0]
    for piece in pieces[1:]:
        for field in ("kind", "unit", "ch_names"):
            values = [getattr(each.signal, field) for each in (first, piece)]
            if values[0] != values[1]:
                raise DataError(
                    f"{name} has the {field} {values[0]!r} in {first.recording} and {values[1]!r} in "
                    f"{piece.recording}. Convert or rename one of them before joining, or read them apart."
                )
        slow, fast = sorted(each.signal.sfreq for each in (first, piece))
        if fast / slow > _LARGEST_RATE_RATIO:
            raise DataError(
                f"{name} has {first.signal.sfreq:g} Hz in {first.recording} and {piece.signal.sfreq:g} Hz in "
                f"{piece.recording}. Bring both to one rate before joining, or read them apart."
            )


def _check_memory(pieces: dict[str, list[Piece]]) -> None:
    """Refuse before anything is made: two recordings a year apart are no reason for gigabytes of NaN."""
    needed, longest, between = 0.0, 0.0, ""
    for name, parts in pieces.items():
        _check_alike(parts, name)
        parts.sort(key=lambda piece: piece.signal.start)
        for before, after in pairwise(parts):
            gap = after.signal.start - before.signal.stop
            needed += max(gap, 0) * before.signal.sfreq * (8 * before.signal.n_channels + 1)
            if gap > longest:
                longest, between = gap, f"{before.recording} and {after.recording}"
    if needed > _LARGEST_GAPS:
        raise DataError(
            f"The time between the recordings would take {needed / 2**30:.1f} GiB of missing values, more "
            f"than {_LARGEST_GAPS / 2**30:g}; the longest gap, {longest / 3600:.1f} h, is between {between}. "
            "Join the recordings of each day by themselves, and check the clock of one that lies far off."
        )
