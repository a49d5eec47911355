"""What `_filter_vectors` and `_frame_vectors` do, in NumPy: where numba is told not to compile.

So NUMBA_DISABLE_JIT=1 shows the way through the kernels to a debugger and to the coverage of tests, and tests
hold the instructions to what stands here. Arguments are theirs, without the first, which is the compiler's.
"""

# ruff: noqa: PLR0913, PLR0917  As they are called.

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = [
    "add_power",
    "butterflies",
    "filter_rows",
    "lay_out_frames",
    "lay_out_tile",
    "sum_rows",
    "taper_rows",
]


def _filtered(
    x: Any, begin: int, end: int, numbers: Any, state: Any, sections: Any, *, is_difference: bool
) -> Iterator[tuple[int, Any]]:
    gain, a = numbers[0], numbers[1:].reshape(len(sections), 2)
    for row in range(begin, end) if begin <= end else range(begin - 1, end - 1, -1):
        y = x[row]
        for k, (a1, a2) in enumerate(a):
            u, (one, two) = y, state[2 * k : 2 * k + 2]
            # The first section has been through its 1 - z^-2 already.
            is_first = k == 0 and is_difference
            y = gain * u + one if is_first else u + one
            state[2 * k], state[2 * k + 1] = two - a1 * y, -a2 * y - (0 if is_first else u)
        yield row, y


def filter_rows(
    x: Any, begin: int, end: int, numbers: Any, state: Any, y: Any, sections: Any, lanes: Any
) -> None:
    """See `_filter_vectors.filter_rows`."""
    del lanes
    for row, values in _filtered(x, begin, end, numbers, state, sections, is_difference=True):
        y[row - begin] = values


def sum_rows(
    x: Any, begin: int, end: int, numbers: Any, state: Any, present: Any, weights: Any, sums: Any,
    is_difference: Any, sections: Any, lanes: Any,
) -> None:  # fmt: skip
    """See `_filter_vectors.sum_rows`."""
    del lanes
    total = np.zeros((2, x.shape[1]), dtype=x.dtype)
    for row, y in _filtered(x, begin, end, numbers, state, sections, is_difference=len(is_difference) > 0):
        values = y if present is None else y * weights[row]
        total += values, values * values
    sums += total


def lay_out_tile(X: Any, time: int, room: Any, row: int, tile: Any, lanes: Any) -> None:
    """See `_filter_vectors.lay_out_tile`."""
    precise = np.float64 if np.float64 in (X.dtype, room.dtype) else X.dtype
    for lane in range(len(lanes)):
        x = X[min(lane, len(X) - 1), time - 2 : time + len(tile)].astype(precise)
        room[row : row + len(tile), lane] = x[2:] - x[:-2]


def lay_out_frames(X: Any, places: Any, time: int, before: Any, even: Any, odd: Any, lanes: Any) -> None:
    """See `_frame_vectors.lay_out_frames`."""
    n = len(lanes)
    for lane, place in enumerate(places):
        x = X[place + time : place + time + n].astype(np.float64) - before[0, lane]
        even[time // 2 : time // 2 + n // 2, lane] = x[::2]
        odd[time // 2 : time // 2 + n // 2, lane] = x[1::2]


def taper_rows(even: Any, odd: Any, taper: Any, n_pairs: int, share: float, lanes: Any) -> None:
    """See `_frame_vectors.taper_rows`."""
    del lanes
    mean = (even[:n_pairs].sum(axis=0) + odd[:n_pairs].sum(axis=0)) * share
    even[:n_pairs] = (even[:n_pairs] - mean) * taper[::2, np.newaxis]
    odd[:n_pairs] = (odd[:n_pairs] - mean) * taper[1::2, np.newaxis]


def butterflies(
    re: Any, im: Any, row: int, apart: int, turns: Any, turn: int, out_re: Any, out_im: Any, to: int,
    out_apart: int, count: int, radix: Any, lanes: Any,
) -> None:  # fmt: skip
    """See `_frame_vectors.butterflies`."""
    del lanes
    n = len(radix)
    factors = np.ones(n, dtype=complex)
    factors[1:] = turns[turn : turn + 2 * n - 2].view(complex)
    for index in range(count):
        rows = row + index + apart * np.arange(n)
        made = np.fft.fft(re[rows] + 1j * im[rows], axis=0) * factors[:, np.newaxis]
        places = to + index + out_apart * np.arange(n)
        out_re[places], out_im[places] = made.real, made.imag


def add_power(re: Any, im: Any, first: int, stop: int, n: int, turns: Any, total: Any, lanes: Any) -> None:
    """See `_frame_vectors.add_power`."""
    del lanes
    k = np.arange(first, stop)
    here, there = re[k] + 1j * im[k], re[n - k] - 1j * im[n - k]
    turn = turns.view(complex)[k, np.newaxis]
    total[0] = np.sum(np.abs(here + there - 1j * (here - there) * turn) ** 2, axis=0)
