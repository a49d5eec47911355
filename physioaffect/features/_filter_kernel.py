"""The compiled filter behind `filter_bank`.

A strip of time is laid out with channels side by side and sent through the sections of a filter, so that all
of it stays in the cache. The innermost loops are in `_filter_vectors`.

The compiler must know the numbers of sections and channels to unroll and vectorise. They come as the lengths
of tuples, because a function made for each number cannot be kept on disk by numba, and is compiled anew in
every process.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect._compiled import compiled
from physioaffect.features._filter_vectors import filter_rows, lay_out_tile, sum_rows

__all__ = ["filter_causal", "filter_zero_phase", "native"]

# Compiled into this, and numba sees changes of this file only: _filter_vectors.py 344b1cdcabf14ec7

# Instants that are laid out at once: they fill a third of the fastest cache.
_STRIP = 128
# Most squares that are added up in single precision.
_MOST_ADDED = 256


def native(X: NDArray[Any]) -> NDArray[np.floating[Any]]:
    """Numbers as compiled code takes them: floats of 4 or 8 bytes in the processor's order."""
    return X if X.dtype in (np.float32, np.float64) else X.astype(np.float64)


# The arguments of both filters, for at most ``len(lanes)`` channels:
#
# * X, shape (n_channels, n_times), with neighbouring samples side by side in memory;
# * present, bool of the same shape, or None;
# * filters, shape (n_bands, 1 + 2 * n_sections), in the precision to use: gain, then a1 and a2 by section;
# * cuts: edges, left and right as in `filter_bank`;
# * sections, lanes, tile: tuples, of which only the lengths matter; a tile has 64 bytes of each channel;
# * out, shape (n_windows, n_channels, n_bands): where the variances go.
#
# The state of a filter has two rows for each section. The first section's ``1 - z^-2`` is taken in the
# precision of X: an electrode's offset, its steps and its drift, a thousand times larger than EEG, are gone
# before anything is rounded to single precision.


@compiled(inline="always")
def _mirrored(time: Any, n_times: Any) -> Any:
    time = abs(time)
    return time if time < n_times else 2 * (n_times - 1) - time


@compiled()
def _lay_out(X: Any, begin: Any, out: Any) -> None:
    """Put instants from ``begin`` on side by side."""
    for row in range(min(len(out), X.shape[1] - begin)):
        for channel in range(len(X)):
            out[row, channel] = X[channel, begin + row]


@compiled()
def _lay_out_differences(X: Any, before: Any, begin: Any, out: Any, lanes: Any, tile: Any) -> None:
    """Do so with differences of samples two apart; without ``before`` both ends are mirrored."""
    n_times, row = X.shape[1], 0
    while row < len(out):
        now, then = begin + row, begin + row - 2
        if then >= 0 and row + len(tile) <= len(out) and now + len(tile) <= n_times:
            lay_out_tile(X, now, out, row, tile, lanes)
            row += len(tile)
            continue
        for lane in range(len(lanes)):
            channel = min(lane, len(X) - 1)
            if before is None:
                was = X[channel, _mirrored(then, n_times)]
            else:
                was = before[channel] if then < 0 else X[channel, then]
            out[row, lane] = np.float64(X[channel, _mirrored(now, n_times)]) - was
        row += 1


@compiled()
def _begin_difference(X: Any, first: Any, gain: Any, state: Any) -> None:
    """As if the first sample had always been there: differences from those before it shall not count."""
    n_times = X.shape[1]
    here, one, two = _mirrored(first, n_times), _mirrored(first - 1, n_times), _mirrored(first - 2, n_times)
    state[:] = 0
    for channel in range(len(X)):
        state[0, channel] = (np.float64(X[channel, two]) - X[channel, here]) * gain
        state[1, channel] = (np.float64(X[channel, one]) - X[channel, here]) * gain


@compiled()
def filter_causal(
    X: Any, before: Any, present: Any, filters: Any, cuts: Any, sections: Any, lanes: Any, tile: Any,
    out: Any,
) -> None:  # fmt: skip
    """Filter forwards only, and put the windows' variances into ``out``.

    ``before``, shape (n_channels,), is what X is taken to have been before its first sample.
    """
    edges = cuts[0]
    state = np.zeros((len(filters), 2 * len(sections), len(lanes)), dtype=filters.dtype)
    sums = np.zeros((len(filters), len(edges) - 1, 2, len(lanes)))
    strip = np.empty((_STRIP, len(lanes)), dtype=filters.dtype)
    weights = np.zeros((0 if present is None else _STRIP, len(lanes)), dtype=filters.dtype)
    for start in range(0, X.shape[1], _STRIP):
        n = min(_STRIP, X.shape[1] - start)
        _lay_out_differences(X, before, start, strip[:n], lanes, tile)
        if present is not None:
            _lay_out(present, start, weights)
        first, last = np.searchsorted(edges, start, side="right") - 1, np.searchsorted(edges, start + n)
        for band in range(len(filters)):
            for segment in range(first, last):
                begin, end = max(edges[segment] - start, 0), min(edges[segment + 1] - start, n)
                sum_rows(
                    strip, begin, end, filters[band], state[band], present, weights, sums[band, segment],
                    (0,), sections, lanes,
                )  # fmt: skip
    _finish(sums, present, np.ones(len(filters)), cuts, out)


@compiled()
def filter_zero_phase(
    X: Any, present: Any, filters: Any, n_pad: Any, n_warm: Any, cuts: Any, sections: Any, lanes: Any,
    tile: Any, rooms: Any, out: Any,
) -> None:  # fmt: skip
    """Filter forwards and backwards, and put the windows' variances into ``out``.

    ``n_pad``, shape (n_bands,), says by how many samples both ends are mirrored, ``n_warm`` after how many a
    filter has forgotten how it began. So the way forwards is taken chunk by chunk, the last one first, and no
    more than one of them is ever kept: in ``rooms``, shape (n_bands, n_chunk, n_lanes), where one more room
    takes the weights if there are gaps.
    """
    edges, n_times, n_chunk = cuts[0], X.shape[1], rooms.shape[1]
    forth = np.empty((len(filters), 2 * len(sections), len(lanes)), dtype=filters.dtype)
    back = np.empty_like(forth)
    sums = np.zeros((len(filters), len(edges) - 1, 2, len(lanes)))
    strip = np.empty((_STRIP, len(lanes)), dtype=filters.dtype)
    weights = rooms[len(rooms) - 1]
    stops = n_times + n_pad
    for start in range((stops.max() - 1) // n_chunk * n_chunk, -1, -n_chunk):
        begins = np.maximum(start - n_warm, -n_pad)
        ends = np.minimum(start + n_chunk, stops)
        here = begins.min()
        while here < ends.max():
            # What comes before the chunk is put at its beginning, and written over.
            n = min(_STRIP, n_chunk, (start if here < start else ends.max()) - here)
            _lay_out_differences(X, None, here, strip[:n], lanes, tile)
            for band in range(len(filters)):
                first, last = max(here, begins[band]), min(here + n, ends[band])
                if first == begins[band]:
                    _begin_difference(X, first, filters[band, 0], forth[band])
                if first < last:
                    y = rooms[band, max(first - start, 0) :]
                    filter_rows(
                        strip, first - here, last - here, filters[band], forth[band], y, sections, lanes
                    )
            here += n
        if present is not None:
            _lay_out(present, start, weights)
        segments = np.searchsorted(edges, start, side="right") - 1, np.searchsorted(edges, ends)
        for band in range(len(filters)):
            if start < ends[band] == stops[band]:
                # As if the last one would always be there: the first section sees it, the others nothing.
                back[band] = 0
                back[band, :2] = -rooms[band, ends[band] - start - 1]
            for segment in range(segments[1][band] - 1, segments[0] - 1, -1):
                left = max(edges[segment] - start, 0)
                for right in range(min(edges[segment + 1], ends[band]) - start, left, -_MOST_ADDED):
                    sum_rows(
                        rooms[band], right, max(left, right - _MOST_ADDED), filters[band], back[band],
                        present, weights, sums[band, segment], (), sections, lanes,
                    )  # fmt: skip
    # Backwards it had no gain.
    _finish(sums, present, filters[:, 0] ** 2, cuts, out)


@compiled()
def _finish(sums: Any, present: Any, scale: Any, cuts: Any, out: Any) -> None:
    """Turn sums of segments into variances of windows."""
    edges, left, right = cuts
    counts = np.zeros((len(edges), out.shape[1]))
    for segment in range(len(edges) - 1):
        for channel in range(out.shape[1]):
            n = edges[segment + 1] - edges[segment]
            if present is not None:
                n = present[channel, edges[segment] : edges[segment + 1]].sum()
            counts[segment + 1, channel] = counts[segment, channel] + n
    total = np.zeros((len(edges), 2))
    for band in range(len(sums)):
        for channel in range(out.shape[1]):
            for segment in range(len(edges) - 1):
                total[segment + 1, 0] = total[segment, 0] + sums[band, segment, 0, channel]
                total[segment + 1, 1] = total[segment, 1] + sums[band, segment, 1, channel]
            for window in range(len(left)):
                n = counts[right[window], channel] - counts[left[window], channel]
                value = np.nan
                if n > 1:
                    mean = (total[right[window], 0] - total[left[window], 0]) / n
                    square = (total[right[window], 1] - total[left[window], 1]) / n
                    value = scale[band] * max(square - mean * mean, 0.0)
                out[window, channel, band] = value
