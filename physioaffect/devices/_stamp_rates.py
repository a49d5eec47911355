"""Sampling rates from time stamps: estimated, rounded, or compared with the one that was stated."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError

__all__ = [
    "DOUBTFUL",
    "NOTEWORTHY",
    "ROWS_FOR_A_RATE",
    "chosen_rate",
    "measured_rate",
    "refined_rate",
    "simplest_rate",
    "slope_rate",
    "turns_of",
    "unevenness",
]

Array = NDArray[np.float64]
Rate = float | tuple[float, ...] | None

# Rounding of stamps to milliseconds may leave this share of an interval; less is not worth a note.
NOTEWORTHY = 0.01
# An estimated rate should do better; else one of half the rows missing is tried.
DOUBTFUL = 0.1
# After so many intervals without a row a device may have started anew, between the instants of its old grid.
_NEW_PHASE = 10
# Crystals differ by 0.01 %, timers of phones and computers by 0.4 %; more is another rate.
_RATE_SLACK = 0.01
_LONG_ENOUGH_S = 60.0  # For a rate to be known better from stamps than from the maker.
ROWS_FOR_A_RATE = 3


def chosen_rate(sfreq: float | tuple[float, ...], estimate: float | None, what: str) -> float:
    """Give the stated rate, or the nearest one of several."""
    if isinstance(sfreq, tuple):
        if estimate is None:
            return sfreq[0]
        nearest = min(sfreq, key=lambda rate: abs(np.log(rate / estimate)))
        if len(sfreq) > 1 and abs(nearest / estimate - 1) > 0.2:
            raise DataError(
                f"{what}: rows come at {estimate:.4g} Hz, which is none of "
                f"{', '.join(f'{rate:g}' for rate in sfreq)} Hz. State sfreq."
            )
        return nearest
    return float(sfreq)


def turns_of(stamps: Array, rate: float) -> NDArray[np.complex128]:
    """Where in a sampling interval each stamp lies, as points on the unit circle."""
    return np.asarray(np.exp(2j * np.pi * np.mod((stamps - stamps[0]) * rate, 1.0)))


def refined_rate(stamps: Array, interval: float) -> float:
    """Rate from one slope through all stretches without gaps, each with an offset of its own."""
    for _ in range(3):
        increments = np.rint(np.diff(stamps) / interval)
        firsts = np.flatnonzero(np.concatenate([[True], increments > 1]))
        counts = np.concatenate([[0.0], np.cumsum(increments)])
        lengths = np.diff(np.append(firsts, len(stamps)))

        def centred(values: Array, firsts=firsts, lengths=lengths) -> Array:  # type: ignore[no-untyped-def]
            means = np.add.reduceat(values - values[0], firsts) / lengths
            return np.asarray(values - values[0] - np.repeat(means, lengths))

        x, y = centred(counts), centred(stamps)
        if not (power := float(x @ x)):
            break
        interval = float(x @ y) / power
    return 1 / interval


def simplest_rate(rate: float, span: float, scatter: float) -> float:
    """Round the rate to the fewest digits that the stamps, which scatter so many intervals, cannot refute."""
    allowed = min(0.5, max(2 * scatter, NOTEWORTHY / 10)) / span
    for digits in range(7):
        whole = round(1 / rate, digits)
        for candidate in (round(rate, digits), 1 / whole if whole else 0.0):
            if candidate > 0 and abs(candidate - rate) <= min(allowed, _RATE_SLACK * rate):
                return candidate
    return rate


def unevenness(turns: NDArray[np.complex128], steps: Array) -> float:
    """RMS phase of the stamps within stretches without gaps, in intervals; a gap may change the phase."""
    firsts = np.flatnonzero(np.concatenate([[True], steps > _NEW_PHASE]))
    lengths = np.diff(np.append(firsts, len(turns)))
    if lengths.max() < ROWS_FOR_A_RATE:
        return 0.0
    phase = np.repeat(np.angle(np.add.reduceat(turns, firsts)), lengths)
    off = np.angle(turns * np.exp(-1j * phase)) / (2 * np.pi)
    weights = np.repeat(lengths >= ROWS_FOR_A_RATE, lengths)
    return float(np.sqrt(np.mean(off[weights] ** 2)))


def slope_rate(stretch: Array) -> float | None:
    if len(stretch) < ROWS_FOR_A_RATE:
        return None
    counts = np.arange(len(stretch)) - (len(stretch) - 1) / 2
    slope = float(counts @ (stretch - stretch.mean())) / float(counts @ counts)
    return 1 / slope if slope > 0 else None


def measured_rate(stretch: Array, rate: float, estimate: float | None, tolerance: float, what: str) -> float:
    """Keep the nominal rate where the stamps agree with it; else take the one of the clock of the stamps."""
    if estimate is None:
        return rate
    counts = np.arange(len(stretch))
    drift = abs(len(stretch) / rate - len(stretch) / estimate)
    off = abs(estimate / rate - 1)
    if len(stretch) / rate >= _LONG_ENOUGH_S and off <= _RATE_SLACK:
        scatter = stretch - counts / estimate
        scatter = np.abs(scatter - np.median(scatter))
        return rate if drift <= max(0.5 / rate, 2 * float(np.median(scatter))) else estimate
    if drift <= tolerance:
        return rate
    raise DataError(
        f"{what}: rows come at {estimate:.5g} Hz by their time stamps, not at {rate:g} Hz: over "
        f"{len(stretch)} rows that is {drift:.3g} s. State the right sfreq; if rows were lost here and "
        "there, the file cannot be placed in time."
    )
