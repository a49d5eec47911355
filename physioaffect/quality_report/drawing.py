"""Long signals as short SVG paths: the lowest and highest sample of each column, and stretches as boxes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "COLUMNS",
    "HEIGHT",
    "Columns",
    "Scale",
    "band",
    "boxes",
    "columns",
    "extremes",
    "robust_scale",
    "ticks",
]

Array = NDArray[np.float64]

# Of every picture, whatever its length: an hour at 64 Hz comes down to 6 s and 400 samples a column.
COLUMNS, HEIGHT = 600, 100
_MARGIN = 0.06
# What a few samples reach is cut off at the edge, so that one artefact does not flatten the rest.
_TAIL = 0.2
_N_LOOKED_AT = 200_000


class Columns(NamedTuple):
    """Which samples fall into each of so many columns: ``[edges[k], edges[k + 1])``."""

    edges: NDArray[np.intp]

    @property
    def n(self) -> int:
        """Number of columns."""
        return len(self.edges) - 1


class Scale(NamedTuple):
    """What is drawn at the bottom and at the top of a picture."""

    low: float
    high: float

    def y(self, values: Array) -> NDArray[np.int64]:
        """Heights from the top; what lies outside is drawn at the edge."""
        share = (self.high - values) / (self.high - self.low)
        return np.rint(np.clip(share, 0.0, 1.0) * HEIGHT).astype(np.int64)


def columns(n_times: int, *, sfreq: float, start: float, duration: float) -> Columns:
    """Cut a signal that starts at ``start`` into columns of a picture of so many seconds.

    Examples
    --------
    >>> columns(4, sfreq=1.0, start=0.0, duration=4.0).edges
    array([0, 1, 2, 3, 4])
    """
    n = max(1, min(COLUMNS, int(np.ceil(duration * sfreq))))
    times = np.arange(n + 1) * (duration / n)
    edges = np.ceil((times - start) * sfreq - 1e-6).astype(np.intp)
    return Columns(np.clip(edges, 0, n_times))


def robust_scale(values: NDArray[np.floating[Any]]) -> Scale:
    """Choose limits that all but a few per mille of the finite values lie within."""
    values = values[:: max(1, len(values) // _N_LOOKED_AT)]
    finite = values[np.isfinite(values)].astype(np.float64)
    if finite.size == 0:
        return Scale(0.0, 1.0)
    low, high = (float(edge) for edge in np.percentile(finite, [_TAIL, 100 - _TAIL]))
    room = _MARGIN * (high - low) or 0.05 * abs(high) or 0.5
    return Scale(low - room, high + room)


def extremes(values: Array, cut: Columns) -> tuple[Array, Array]:
    """Lowest and highest finite value of each column; NaN where there is none."""
    has_any = np.diff(cut.edges) > 0
    lowest, highest = np.full(cut.n, np.nan), np.full(cut.n, np.nan)
    if has_any.any():
        # Columns without samples begin where the next one does, so they can be left out.
        first, last = cut.edges[:-1][has_any], cut.edges[-1]
        part = np.where(np.isfinite(values[:last]), values[:last], np.nan)
        lowest[has_any] = np.fmin.reduceat(part, first)
        highest[has_any] = np.fmax.reduceat(part, first)
    return lowest, highest


def band(values: Array, cut: Columns, scale: Scale, *, is_joined: bool = True) -> str:
    """Draw the band between the lowest and the highest sample of each column; nothing where there is none.

    Parameters
    ----------
    values : ndarray, shape (n_times,)
        NaN where missing.
    cut : Columns
        Of the picture.
    scale : Scale
        Its bottom and top.
    is_joined : bool
        Whether the line goes on over columns that no sample belongs to, as those of a slow signal.

    Returns
    -------
    str
        Data of a path: one closed shape for each run of columns with a sample in them.
    """
    lowest, highest = extremes(values, cut)
    is_there, is_empty = np.isfinite(lowest), np.diff(cut.edges) == 0
    x = np.rint((np.arange(cut.n) + 0.5) * (COLUMNS / cut.n)).astype(np.int64)
    parts = []
    for first, last in _runs(is_there | is_empty if is_joined else is_there):
        own = np.arange(first, last)[is_there[first:last]]
        if own.size == 0:
            continue
        top = zip(x[own].tolist(), scale.y(highest[own]).tolist(), strict=True)
        bottom = zip(x[own[::-1]].tolist(), scale.y(lowest[own[::-1]]).tolist(), strict=True)
        points = [f"{a} {b}" for a, b in (*top, *bottom)]
        # A single point would be invisible.
        parts.append(f"M{points[0]}L{' '.join(points[1:])}{'h1' if own.size == 1 else ''}z")
    return "".join(parts)


def boxes(is_marked: NDArray[np.bool_], cut: Columns) -> str:
    """Draw a box from top to bottom over every run of columns in which any sample is marked."""
    before = np.concatenate([[0], np.cumsum(is_marked)])
    has_any = before[cut.edges[1:]] > before[cut.edges[:-1]]
    step = COLUMNS / cut.n
    parts = []
    for first, last in _runs(has_any):
        left, right = round(first * step), round(last * step)
        width = max(1, right - left)
        parts.append(f"M{left} 0h{width}v{HEIGHT}h-{width}z")
    return "".join(parts)


def ticks(times: Array, *, duration: float, height: int = 16) -> str:
    """Draw a short line from the top at each time, one at most in each column."""
    column = np.unique(np.clip(np.rint(times / duration * COLUMNS), 0, COLUMNS).astype(np.int64))
    return "".join(f"M{x} 0v{height}" for x in column.tolist())


def _runs(is_on: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_on, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
