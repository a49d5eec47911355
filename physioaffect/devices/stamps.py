"""From a column of time stamps to an even grid: the rate, the place of each row, and what is missing.

Stamps are of two kinds, and which one cannot be told from the numbers alone, so the caller states it:

* ``"sampled"``: the moment at which the row was measured. A row stands on the nearest instant of the grid.
* ``"received"``: the moment at which the row was written down or arrived, late, in bundles, or rounded to
  whole seconds. Rows are counted, and the stamps tell only where the count starts, and where rows were lost.

Nothing is interpolated: every sample is a row of the file, and an instant without a row stays empty.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.devices._stamp_rates import (
    DOUBTFUL,
    NOTEWORTHY,
    ROWS_FOR_A_RATE,
    Array,
    Rate,
    chosen_rate,
    measured_rate,
    refined_rate,
    simplest_rate,
    slope_rate,
    turns_of,
    unevenness,
)
from physioaffect.errors import DataError

__all__ = ["Placement", "Rate", "StampKind", "place_rows"]

StampKind = Literal["sampled", "received"]

# Evenly spread residuals have an RMS of 0.29 intervals: there, no grid explains the stamps.
_UNEVEN = 0.25
_SETTLE_S = 10.0
# Empty instants cost memory: two stray rows a year apart must not ask for gigabytes.
_MOST_EMPTY = 2**24
_MOST_TIMES_LONGER = 20
_LONGEST_S = 1e9  # 30 years.
_LARGEST = 1e100  # Of a number that could be a time at all.


class Placement(NamedTuple):
    """Where rows stand on an even grid.

    Parameters
    ----------
    sfreq : float
        Rate of the grid in Hz, by the clock of the stamps.
    start : float
        Time of place 0, in seconds of the stamps.
    places : ndarray of int64, shape (n_rows,)
        The grid instant of each row, increasing; where it repeats, two rows share an instant.
    n_times : int
        Length of the grid.
    jitter : float
        Root mean square of stamp minus place, in seconds.
    n_shared : int
        Rows that share their instant with the row before.
    notes : tuple of str
        What a user should know, as sentences.
    """

    sfreq: float
    start: float
    places: NDArray[np.int64]
    n_times: int
    jitter: float
    n_shared: int
    notes: tuple[str, ...] = ()


class _Grid(NamedTuple):
    sfreq: float
    start: float
    places: NDArray[np.int64]
    residuals: Array


def place_rows(
    stamps: Array,
    *,
    stamps_are: StampKind,
    sfreq: Rate = None,
    tolerance: float | None = None,
    may_share: bool = False,
    what: str = "rows",
    lines: NDArray[np.int64] | None = None,
) -> Placement:
    """Put rows with time stamps on an even grid.

    Parameters
    ----------
    stamps : ndarray, shape (n_rows,)
        Seconds on any clock. Pass differences to a recent moment: seconds since 1970 have only 0.2 us left.
    stamps_are : {"sampled", "received"}
        What a stamp means, see the head of this module.
    sfreq : float, tuple of float, or None
        The rate in Hz; several: the nearest one of these; None: estimated, which only ``"sampled"`` allows.
    tolerance : float, optional
        How far, in seconds, a row may stand from its stamp. Default: half a sampling interval for
        ``"sampled"``, 0.5 s for ``"received"``.
    may_share : bool
        Whether several rows may fall on one instant (the caller decides which one counts).
    what : str
        How messages call these rows, such as ``"log.csv, signal eda"``.
    lines : ndarray of int, shape (n_rows,), optional
        Line number of each row, for messages. Default: 1, 2, 3, ...

    Returns
    -------
    Placement

    Raises
    ------
    DataError
        If time steps back, the stamps lie on no grid, rows share an instant and may not, the stated rate is
        not that of the rows, or the grid would be almost empty.

    Notes
    -----
    ``"sampled"``: the interval starts as the median difference; a least-squares line through the rows between
    gaps, pooled over them, refines it. The simplest number (an integer, one decimal, ...) that moves no row
    by more than twice the scatter of the stamps is taken in its place, as the file cannot tell them apart.
    The phase is the circular mean of the stamps modulo the interval.

    ``"received"``: a stamp step above ``tolerance`` is a stall or a loss. After a stall, the rows that were
    held back follow in a burst and the count is right again; after a loss it stays behind. The two are told
    apart by the median of stamp minus count over the ten seconds before and after. In a minute or more the
    rate is measured, by a least-squares line through the longest stretch without such a step, and taken in
    place of the stated one where that is off by more than the scatter; by more than 1 % is an error. The
    start is the median over all rows, so absolute time is known only to the scatter of the stamps. Rows lost
    in less than ``tolerance`` are not seen one by one; where they add up to more than ``tolerance`` the rate
    no longer fits, which is an error.

    Examples
    --------
    >>> placed = place_rows(np.array([0.0, 0.24, 0.51, 1.0, 1.26]), stamps_are="sampled", sfreq=4)
    >>> placed.places, placed.n_times
    (array([0, 1, 2, 4, 5]), 6)
    """
    if stamps_are not in ("sampled", "received"):
        raise ValueError(f"stamps_are must be 'sampled' or 'received', got {stamps_are!r}.")
    if tolerance is not None and not tolerance > 0:
        raise ValueError(f"tolerance must be above 0 s, got {tolerance}.")
    lines = np.arange(1, len(stamps) + 1) if lines is None else lines
    if not len(stamps):
        raise DataError(f"{what}: there is not one row with a value. Check the columns that the map names.")
    is_time = np.isfinite(stamps) & (np.abs(stamps) < _LARGEST)
    if not is_time.all():
        row = int(np.flatnonzero(~is_time)[0])
        raise DataError(f"{what}: line {lines[row]} has no time. Mend or delete that line.")
    if (farthest := int(np.abs(stamps - stamps[0]).argmax())) and abs(
        stamps[farthest] - stamps[0]
    ) > _LONGEST_S:
        raise DataError(
            f"{what}: line {lines[farthest]} lies {stamps[farthest] - stamps[0]:.3g} s from the first one, "
            "so that almost all of the recording would be a gap. Correct the unit of time, or mend that line."
        )
    make = _sampled if stamps_are == "sampled" else _received
    grid = make(stamps, sfreq, tolerance, what, lines)
    places = grid.places - grid.places[0]
    n_times = int(places[-1]) + 1
    n_shared = int(np.count_nonzero(np.diff(places) == 0))
    if n_shared and not may_share:
        row = int(np.flatnonzero(np.diff(places) == 0)[0]) + 1
        raise DataError(
            f"{what}: lines {lines[row - 1]} and {lines[row]}, {stamps[row] - stamps[row - 1]:.6g} s apart, "
            f"fall on the same instant at {grid.sfreq:g} Hz, and so do {n_shared - 1} other pairs. State the "
            "rate if it is another one, stamps='received' if the stamps are the moments at which rows "
            "arrived, or say with shared='first' or 'last' which of them to take."
        )
    jitter = float(np.sqrt(np.mean(grid.residuals**2)))
    notes = []
    if jitter * grid.sfreq > NOTEWORTHY:
        notes.append(
            f"{what}: time stamps scatter by {1e3 * jitter:.3g} ms (RMS; at most "
            f"{1e3 * np.abs(grid.residuals).max():.3g} ms) around an even grid of {grid.sfreq:g} Hz."
        )
    if empty := n_times - len(places) + n_shared:
        notes.append(f"{what}: {empty} of {n_times} instants have no row and are marked as gaps.")
    if n_shared:
        notes.append(f"{what}: {n_shared} rows share their instant with the row before.")
    start = grid.start + float(grid.places[0]) / grid.sfreq
    return Placement(grid.sfreq, start, places, n_times, jitter, n_shared, tuple(notes))


def _check_room(places: NDArray[np.int64] | Array, n_rows: int, what: str) -> None:
    n_times = float(places[-1] - places[0]) + 1
    if n_times - n_rows > _MOST_EMPTY and n_times > _MOST_TIMES_LONGER * n_rows:
        raise DataError(
            f"{what}: {n_rows} rows spread over {n_times:.3g} sampling instants, so that almost all of the "
            "recording would be a gap. Split the file where the time jumps, or state a lower rate."
        )


def _check_order(stamps: Array, allowed: float, what: str, lines: NDArray[np.int64]) -> None:
    back = np.flatnonzero(np.diff(stamps) < -allowed)
    if len(back):
        row = int(back[0]) + 1
        raise DataError(
            f"{what}: time steps back by {stamps[row - 1] - stamps[row]:.6g} s in line {lines[row]}. If the "
            "rows are out of order, sort the file by time; if the clock was set meanwhile, split the file "
            "there."
        )


def _sampled(
    stamps: Array, sfreq: Rate, tolerance: float | None, what: str, lines: NDArray[np.int64]
) -> _Grid:
    _check_order(stamps, 0.0, what, lines)
    steps = np.diff(stamps)
    positive = steps[steps > 0]
    estimate = None
    if len(stamps) >= ROWS_FOR_A_RATE and len(positive) and (span := stamps[-1] - stamps[0]) > 0:
        # Where more than half of the steps are zero, the median of the others says nothing of the rate.
        crude = np.median(positive) if len(positive) > len(steps) / 2 else span / len(steps)
        estimate = refined_rate(stamps, float(crude))
        if sfreq is None and unevenness(turns_of(stamps, estimate), steps * estimate) > DOUBTFUL:
            finer = refined_rate(stamps, float(np.quantile(positive, 0.25, method="lower")))
            if unevenness(turns_of(stamps, finer), steps * finer) <= DOUBTFUL:
                estimate = finer
    if sfreq is not None:
        rate = chosen_rate(sfreq, estimate, what)
    elif estimate is not None:
        scatter = unevenness(turns_of(stamps, estimate), steps * estimate)
        rate = simplest_rate(estimate, float(stamps[-1] - stamps[0]), scatter)
    else:
        raise DataError(
            f"{what}: {len(stamps)} row(s) tell no sampling rate. State sfreq, or check that the file is "
            "whole."
        )
    with np.errstate(over="ignore"):
        _check_room((stamps - stamps[0]) * rate, len(stamps), what)
    turns = turns_of(stamps, rate)
    start = float(stamps[0] + np.angle(turns.mean()) / (2 * np.pi * rate))
    exact = (stamps - start) * rate
    places = np.rint(exact).astype(np.int64)
    residuals = (exact - places) / rate
    uneven = unevenness(turns, steps * rate)
    if uneven > _UNEVEN:
        raise DataError(
            f"{what}: the time stamps lie on no even grid: at {rate:.6g} Hz they scatter by {uneven:.2f} of "
            "a sampling interval (RMS), and 0.29 is chance. If they are the moments at which rows arrived, "
            "state stamps='received' and the rate; if the rate is another one, state sfreq."
        )
    if tolerance is not None and (worst := int(np.abs(residuals).argmax())) >= 0:
        off = abs(float(residuals[worst]))
        if off > tolerance:
            raise DataError(
                f"{what}: line {lines[worst]} stands {off:.6g} s from an even grid of {rate:g} Hz; allowed "
                f"are {tolerance:g} s. Raise the tolerance, or state the rate."
            )
    return _Grid(rate, start, places, residuals)


def _received(
    stamps: Array, sfreq: Rate, tolerance: float | None, what: str, lines: NDArray[np.int64]
) -> _Grid:
    tolerance = 0.5 if tolerance is None else tolerance
    _check_order(stamps, tolerance, what, lines)
    if sfreq is None:
        estimate = slope_rate(stamps)
        known = "" if estimate is None else f" Rows come at about {estimate:.4g} Hz here."
        raise DataError(
            f"{what}: the moments at which rows arrived do not tell the sampling rate.{known} State sfreq."
        )
    interval = 1 / min(sfreq) if isinstance(sfreq, tuple) else 1 / sfreq
    firsts = np.flatnonzero(np.concatenate([[True], np.diff(stamps) > tolerance + interval]))
    stops = np.append(firsts[1:], len(stamps))
    longest = int(np.argmax(stops - firsts))
    stretch = stamps[firsts[longest] : stops[longest]]
    estimate = slope_rate(stretch)
    rate = measured_rate(stretch, chosen_rate(sfreq, estimate, what), estimate, tolerance, what)
    _check_room(np.array([0.0, (stamps[-1] - stamps[0]) * rate]), len(stamps), what)
    late = stamps - np.arange(len(stamps)) / rate
    shifts = _losses(late, firsts, stops, rate, tolerance)
    places = np.arange(len(stamps)) + np.repeat(shifts, stops - firsts)
    late = stamps - places / rate
    start = float(np.median(late))
    return _Grid(rate, start, places, late - start)


def _losses(
    late: Array, firsts: NDArray[np.intp], stops: NDArray[np.intp], rate: float, tolerance: float
) -> NDArray[np.int64]:
    """Rows lost before each stretch, from how late rows are against their count before and after the jump."""
    n_settle = max(1, int(_SETTLE_S * rate))
    shifts = np.zeros(len(firsts), dtype=np.int64)
    # The stretch since the last loss; a stall in between leaves the count right.
    begin = 0
    for number in range(1, len(firsts)):
        first = int(firsts[number])
        before = np.median(late[max(begin, first - n_settle) : first])
        after = np.median(late[first : min(int(stops[number]), first + n_settle)])
        lost = after - before if after - before > tolerance else 0.0
        shifts[number] = shifts[number - 1] + round(lost * rate)
        if lost:
            begin = first
    return shifts
