"""One signal of several recordings on one even grid: what is missing stays open, no sample is moved far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.recording import Flag, Signal

__all__ = ["Piece", "join_signal"]

_WORTH_SAYING_S = 1e-3
_LESS_THAN_ONE = 0.99  # Samples: clocks count microseconds, so that one lost sample may seem a little less.
_LARGEST_DRIFT = 2e-4  # Quartzes keep to 20-100 parts per million.


class Piece(NamedTuple):
    """A signal whose ``start`` counts from the beginning of the join, and its recording's name in errors."""

    signal: Signal
    recording: str


class Joined(NamedTuple):
    signal: Signal
    notes: tuple[str, ...]


def join_signal(pieces: Sequence[Piece], name: str, max_shift: float) -> Joined:
    """Put the pieces of one signal, in order of their beginnings, on one even grid of samples."""
    stated = _stated_rate(pieces)
    sfreq = _true_rate(pieces, stated, max_shift)
    first, max_shift = pieces[0].signal, max(max_shift, 1 / sfreq)
    exact = [(piece.signal.start - first.start) * sfreq for piece in pieces]
    stops = [at + piece.signal.n_times for at, piece in zip(exact, pieces, strict=True)]
    # What was moved behind the one before reaches further than its own clock says.
    room = int(max(stops) + max_shift * sfreq) + 2
    dtype = np.result_type(*(piece.signal.data.dtype for piece in pieces))
    data = np.full((first.n_channels, room), np.nan, dtype=dtype)
    flags = np.full(room, np.uint8(Flag.GAP))
    is_there = np.zeros(room, dtype=np.bool_)
    stop, n_twice, furthest = 0, 0, 0.0
    for number, (piece, at) in enumerate(zip(pieces, exact, strict=True)):
        placed = _place(piece, at, stop, data, is_there) if number else 0
        # If the clock is known better than the stated rate, that rate says nothing about its samples.
        shift = _shift(piece, at, placed, sfreq if sfreq != stated else piece.signal.sfreq, sfreq)
        if shift > max_shift * (1 + 1e-9):
            raise _too_far(piece, name, sfreq, placed - at, shift)
        furthest = max(furthest, shift)
        n_twice += _write(piece.signal, placed, data, flags, is_there)
        stop = max(stop, placed + piece.signal.n_times)
    signal = replace(first, data=data[:, :stop], flags=flags[:stop], sfreq=sfreq)
    notes = _notes(name, is_there[:stop], sfreq, n_twice, furthest)
    if sfreq != stated:
        notes = (
            f"{name}: the clock says {sfreq:.8g} Hz, which was taken, not the stated {stated:.8g}.",
            *notes,
        )
    return Joined(signal, notes)


def _place(
    piece: Piece, exact: float, stop: int, data: NDArray[np.floating[Any]], is_there: NDArray[np.bool_]
) -> int:
    """Tell which sample of the whole the first one of a recording becomes."""
    nearest = max(round(exact), 0)
    if abs(exact - stop) < _LESS_THAN_ONE:
        return stop
    if nearest >= stop or _is_same(piece.signal, nearest, data, is_there):
        return nearest
    return stop  # Whether that is too far off is checked with every other shift.


def _is_same(signal: Signal, at: int, data: NDArray[np.floating[Any]], is_there: NDArray[np.bool_]) -> bool:
    here = slice(at, at + signal.n_times)
    both = is_there[here]
    before, new = data[:, here][:, both], signal.data[:, both]
    return bool(((before == new) | np.isnan(before) | np.isnan(new)).all())


def _shift(piece: Piece, exact: float, placed: int, own_sfreq: float, sfreq: float) -> float:
    """Give the largest distance in seconds between a sample's place and the time its recording gives it."""
    stretch = (piece.signal.n_times - 1) * (sfreq / own_sfreq - 1)
    return max(abs(placed - exact), abs(placed - exact - stretch)) / sfreq


def _too_far(piece: Piece, name: str, sfreq: float, moved: float, shift: float) -> DataError:
    enough = ceil(100 * shift) / 100
    if moved >= 1:  # Samples. What begins in a gap or at once is moved by less.
        return DataError(
            f"{name} in {piece.recording} begins {shift:.3g} s before the recording before it has ended, and "
            "has other values there. If one of the two is of another person or device, or its clock was set "
            "anew, leave it out; if they are exports of the same time, keep one; if it is the drift of a "
            f"clock, allow it with max_shift={enough:g}."
        )
    return DataError(
        f"{name} in {piece.recording} states {piece.signal.sfreq:.6g} Hz where the whole has {sfreq:.6g} Hz, "
        f"which puts samples {shift:.3g} s away from their time. Resample it to the rate of the others "
        f"first, read it by itself, or allow it with max_shift={enough:g}."
    )


def _write(
    signal: Signal,
    at: int,
    data: NDArray[np.floating[Any]],
    flags: NDArray[np.uint8],
    is_there: NDArray[np.bool_],
) -> int:
    """Write the samples that are new; give how many were there already."""
    here = slice(at, at + signal.n_times)
    is_new = ~is_there[here]
    if is_new.all():
        data[:, here], flags[here] = signal.data, signal.flags
    else:
        data[:, here] = np.where(is_new | np.isnan(data[:, here]), signal.data, data[:, here])
        flags[here] = np.where(is_new, signal.flags, flags[here])
    is_there[here] = True
    return int((~is_new).sum())


def _notes(
    name: str, is_there: NDArray[np.bool_], sfreq: float, n_twice: int, furthest: float
) -> tuple[str, ...]:
    notes = []
    n_gaps = int(np.count_nonzero(np.diff(is_there.astype(np.int8)) == -1))
    if n_gaps:
        seconds = float(np.count_nonzero(~is_there) / sfreq)
        notes.append(f"{name}: {n_gaps} gap{'s' if n_gaps > 1 else ''}, {seconds:.6g} s in all.")
    if n_twice:
        notes.append(f"{name}: {n_twice / sfreq:.6g} s were recorded twice and taken once.")
    if furthest > _WORTH_SAYING_S:
        notes.append(f"{name}: samples lie up to {furthest:.3f} s from the time of their own recording.")
    return tuple(notes)


def _stated_rate(pieces: Sequence[Piece]) -> float:
    rates = {piece.signal.sfreq for piece in pieces}
    if len(rates) == 1:
        return rates.pop()
    n_samples = sum(piece.signal.n_times for piece in pieces)
    seconds = sum(piece.signal.duration for piece in pieces)
    return n_samples / seconds if seconds else min(rates)


def _true_rate(pieces: Sequence[Piece], stated: float, max_shift: float) -> float:
    """Give the rate by the clock, where pieces follow at once and the stated one is off by a sample."""
    starts = np.array([piece.signal.start for piece in pieces])
    n_times = np.array([piece.signal.n_times for piece in pieces[:-1]])
    steps, expected = np.diff(starts), n_times / stated
    is_next = (steps > 0) & (np.abs(steps - expected) <= np.maximum(max_shift, _LARGEST_DRIFT * expected))
    if not is_next.any():
        return stated
    # A gap that is as short as the drift, or a time stamp that jumps, shall not count as drift.
    usual = np.median(n_times[is_next] / steps[is_next])
    is_next &= np.abs(steps - n_times / usual) <= max_shift
    n_samples, seconds = n_times[is_next].sum(), steps[is_next].sum()
    if not seconds or abs(seconds * stated - n_samples) < 1:
        return stated
    measured = float(n_samples / seconds)
    return measured if abs(measured / stated - 1) <= _LARGEST_DRIFT else stated
