"""Pieces: what lies between gaps too long for a filter to be led across."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.signals.gaps import bridge

__all__ = ["filtered_in_pieces", "held", "pieces"]

Filter = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def pieces(is_missing: NDArray[np.bool_], *, longest: int) -> Iterator[slice]:
    """Cut at gaps of more than ``longest`` samples; each piece begins and ends with a sample that is there.

    Examples
    --------
    >>> is_missing = np.array([0, 0, 1, 0, 1, 1, 1, 0, 0], dtype=bool)
    >>> list(pieces(is_missing, longest=2))
    [slice(0, 4, None), slice(7, 9, None)]
    """
    present = np.flatnonzero(~is_missing)
    if present.size == 0:
        return
    cuts = np.flatnonzero(np.diff(present) > longest + 1)
    firsts, lasts = present[np.append(0, cuts + 1)], present[np.append(cuts, -1)]
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        yield slice(first, last + 1)


def held(x: NDArray[np.float64], is_missing: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Hold the last sample over each gap, without a look ahead; ``x`` begins with a sample that is there."""
    last = np.maximum.accumulate(np.where(is_missing, 0, np.arange(len(x))))
    return x[last]


def filtered_in_pieces(
    x: NDArray[np.floating[Any]], run: Filter, *, longest: int, causal: bool = False
) -> NDArray[np.float64]:
    """Run a filter over each piece of one channel; NaN where a sample is missing.

    Parameters
    ----------
    x : ndarray, shape (n_times,)
        NaN or infinite where missing.
    run : callable
        From a piece without gaps to one as long.
    longest : int
        Gaps of up to so many samples are bridged for the filter, by a line or, if ``causal``, by the sample
        before them. At longer ones the filter starts anew, so that nothing is drawn from one side to the
        other.
    """
    is_missing = ~np.isfinite(x)
    done = np.full(len(x), np.nan)
    for piece in pieces(is_missing, longest=longest):
        gaps = is_missing[piece]
        own = x[piece].astype(np.float64)
        if gaps.any():
            own = held(own, gaps) if causal else bridge(np.where(gaps, np.nan, own), gaps)
        done[piece] = run(own)
    done[is_missing] = np.nan
    return done
