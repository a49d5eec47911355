"""The compiled Fourier transform behind `stft`: eight frames side by side, none of which leaves the cache.

The even samples of a frame are taken as real parts and the odd ones as imaginary parts of half as many
complex numbers (Press et al., Numerical Recipes, 3rd ed., 2007, section 12.3); a frame of odd length has
nothing but real parts. They are transformed by Stockham's algorithm, whose passes need no reordering (Van
Loan, Computational Frameworks for the Fast Fourier Transform, 1992, section 1.7), and only the bins of the
bands are taken apart again. The innermost loops are in `_frame_vectors`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect._compiled import compiled
from physioaffect.features._frame_vectors import add_power, butterflies, lay_out_frames, taper_rows
from physioaffect.features.tapers import TAPERS

__all__ = ["N_LANES", "Plan", "frame_power", "plan_of"]

# Compiled into this, and numba sees changes of this file only: _frame_vectors.py e86fa935e44cfd5f

N_LANES = 8
_LANES = (0,) * N_LANES
# Of the passes, the fastest first.
_RADICES = (4, 2, 3, 5)


class Plan(NamedTuple):
    """What is known of frames before one is seen."""

    n_times: int
    taper: NDArray[np.float64]  # Of real and imaginary parts in turns.
    radices: NDArray[np.intp]  # How many numbers each pass takes at a time.
    turns: NDArray[np.float64]  # For all passes, a cosine and a sine each.
    last: NDArray[np.float64]  # For all bins, the same.


@lru_cache(maxsize=32)
def plan_of(n_times: int, name: str) -> Plan | None:
    """Plan transforms of frames so tapered; None for lengths with a prime factor above 5."""
    taper = TAPERS[name](n_times)
    if n_times % 2:
        taper = np.stack([taper, np.zeros(n_times)], axis=1).ravel()
    n_complex = size = len(taper) // 2
    radices = []
    for radix in _RADICES:
        while size % radix == 0:
            radices.append(radix)
            size //= radix
    if size > 1:
        return None
    turns, size = [np.empty(0)], n_complex
    for radix in radices:
        rows = size // radix
        turns.append(_turns(np.outer(np.arange(rows), np.arange(1, radix)), size))
        size = rows
    last = _turns(np.arange(n_complex), n_times)
    return Plan(n_times, taper, np.array(radices, dtype=np.intp), np.concatenate(turns), last)


def _turns(steps: NDArray[np.intp], size: int) -> NDArray[np.float64]:
    # Whole turns are taken away first: the cosine of a large number is less exact.
    angles = 2 * np.pi * (steps.ravel() % size) / size
    return np.stack([np.cos(angles), -np.sin(angles)], axis=1).ravel()


@compiled()
def frame_power(X: Any, starts: Any, begin: Any, plan: Any, bins: Any, scale: Any, out: Any) -> None:
    """Put ``scale`` times the power in bands into ``out``, for (channel, frame) from number ``begin`` on.

    ``X`` has its samples side by side, shape (n_channels, n_times), ``bins`` the first and the last but one
    of each band's, ``out`` shape (n, n_bands). In the order of the memory: of a channel one frame after the
    other. NaN for a frame that reaches out of X.
    """
    n, n_complex = plan.n_times, len(plan.taper) // 2
    re, im = np.empty((n_complex, N_LANES)), np.empty((n_complex, N_LANES))
    next_re, next_im = np.empty((n_complex, N_LANES)), np.empty((n_complex, N_LANES))
    places, inside = np.empty(N_LANES, dtype=np.intp), np.empty(N_LANES, dtype=np.bool_)
    before, total = np.empty((1, N_LANES)), np.empty((1, N_LANES))
    samples = X.ravel()
    for block in range(0, len(out), N_LANES):
        n_rows = min(N_LANES, len(out) - block)
        if not _find(X, starts, begin + block, n_rows, n, places, inside):
            out[block : block + n_rows] = np.nan
            continue
        _lay_out(samples, places, n, before, re, im)
        taper_rows(re, im, plan.taper, n_complex, 1 / n, _LANES)
        turn, size, apart = 0, n_complex, 1
        for radix in plan.radices:
            size //= radix
            for p in range(size):
                _butterflies(
                    radix, re, im, p * apart, size * apart, plan.turns, turn, next_re, next_im,
                    p * radix * apart, apart,
                )  # fmt: skip
                turn += 2 * (radix - 1)
            apart *= radix
            re, im, next_re, next_im = next_re, next_im, re, im
        for band in range(len(bins)):
            add_power(re, im, bins[band, 0], bins[band, 1], n_complex, plan.last, total, _LANES)
            for lane in range(n_rows):
                out[block + lane, band] = 0.25 * scale * total[0, lane] if inside[lane] else np.nan


@compiled(inline="always")
def _find(X: Any, starts: Any, number: Any, n_rows: Any, n: Any, places: Any, inside: Any) -> Any:
    """Find where frames begin in X taken as one row, and say whether there is one; others take its place."""
    some = -1
    channel, frame = divmod(number, len(starts))
    for lane in range(N_LANES):
        start = starts[frame]
        inside[lane] = start >= 0 and start + n <= X.shape[1]
        places[lane] = channel * X.shape[1] + start
        if inside[lane]:
            some = places[lane]
        if lane < n_rows - 1:
            channel, frame = (channel, frame + 1) if frame + 1 < len(starts) else (channel + 1, 0)
    for lane in range(N_LANES):
        if not inside[lane]:
            places[lane] = some
    return some >= 0


@compiled(inline="always")
def _lay_out(samples: Any, places: Any, n: Any, before: Any, re: Any, im: Any) -> None:
    # The first sample goes before the mean: then flat frames become exactly zero, at any offset.
    for lane in range(N_LANES):
        before[0, lane] = samples[places[lane]]
    whole = 0 if n % 2 else n // N_LANES * N_LANES
    for time in range(0, whole, N_LANES):
        lay_out_frames(samples, places, time, before, re, im, _LANES)
    for time in range(whole, n):
        for lane in range(N_LANES):
            value = np.float64(samples[places[lane] + time]) - before[0, lane]
            if n % 2:
                re[time, lane], im[time, lane] = value, 0.0
            elif time % 2:
                im[time // 2, lane] = value
            else:
                re[time // 2, lane] = value


@compiled(inline="always")
def _butterflies(
    radix: Any, re: Any, im: Any, row: Any, apart: Any, turns: Any, turn: Any, out_re: Any, out_im: Any,
    to: Any, count: Any,
) -> None:  # fmt: skip
    # The compiler takes the radix as the length of a tuple.
    if radix == 4:
        butterflies(re, im, row, apart, turns, turn, out_re, out_im, to, count, count, (0, 0, 0, 0), _LANES)
    elif radix == 2:
        butterflies(re, im, row, apart, turns, turn, out_re, out_im, to, count, count, (0, 0), _LANES)
    elif radix == 3:
        butterflies(re, im, row, apart, turns, turn, out_re, out_im, to, count, count, (0, 0, 0), _LANES)
    else:
        butterflies(re, im, row, apart, turns, turn, out_re, out_im, to, count, count, (0,) * 5, _LANES)
