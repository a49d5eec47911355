"""The compiled filter behind `filter_bank`.

A stretch of time is laid out with channels side by side; then come the bands, instants, sections of the
filter and, innermost, the channels, so that the compiler makes vector instructions of them and all of it
stays in the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import njit

__all__ = ["filter_kernel"]

# Instants that are laid out at once: 32 channels of them fill half of the fastest cache in single precision.
_STRETCH = 192


@cache
def filter_kernel(  # noqa: PLR0915  A closure is how numba takes constants.
    n_sections: int, width: int, is_zero_phase: bool, is_masked: bool
) -> Callable[..., None]:
    """Compile the filter for numbers of sections and lanes that are constants, and so are unrolled.

    Returns
    -------
    kernel : callable
        ``kernel(X, offset, present, sections, n_pad, cuts, turned, out)`` for at most ``width`` channels:

        * X, shape (n_channels, n_times), of which ``offset``, shape (n_channels,), is taken away;
        * present, bool of the same shape, or of shape (0, 0);
        * sections: gain, shape (n_bands,), a1 and a2, shape (n_bands, n_sections), in the precision to use;
        * n_pad, shape (n_bands,): samples that both ends are mirrored by; zero for the causal filter;
        * cuts: edges, left and right as in `filter_bank`;
        * turned: room for (n_bands, n_pad.max() + n_times + n_pad.max(), width) for the zero-phase filter;
        * out, shape (n_windows, n_channels, n_bands): where the variances go.
    """
    # Rows of the state of a band: two for each section, a sum and a sum of squares. All in one flat array
    # with constant distances: only then does the compiler see that they do not overlap.
    SUM, SQUARE, SIZE = 2 * n_sections * width, (2 * n_sections + 1) * width, (2 * n_sections + 2) * width

    @njit(cache=True, nogil=True, inline="always")
    def through_sections(u: Any, a1: Any, a2: Any, state: Any, lane: Any) -> Any:
        y = u
        for section in range(n_sections):
            u = y
            y = u + state[2 * section * width + lane]
            state[2 * section * width + lane] = state[(2 * section + 1) * width + lane] - a1[section] * y
            state[(2 * section + 1) * width + lane] = -u - a2[section] * y
        return y

    @njit(cache=True, nogil=True, inline="always")
    def begin(x: Any, gain: Any, state: Any) -> None:
        """Set the state as if x had always been there: the first section sees it, the others nothing."""
        for index in range(2 * n_sections * width):
            state[index] = 0
        for lane in range(width):
            state[lane] = -x[lane] * gain
            state[width + lane] = -x[lane] * gain

    @njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
    def filter_stretch(x: Any, gain: Any, a1: Any, a2: Any, state: Any, out: Any) -> None:
        for time in range(len(x)):
            for lane in range(width):
                out[time, lane] = through_sections(x[time, lane] * gain, a1, a2, state, lane)

    @njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
    def sum_stretch(x: Any, weights: Any, gain: Any, a1: Any, a2: Any, state: Any, sums: Any) -> None:
        """Filter a stretch and add it to the sums of its segment."""
        for lane in range(2 * width):
            state[SUM + lane] = 0
        for time in range(len(x)):
            for lane in range(width):
                y = through_sections(x[time, lane] * gain, a1, a2, state, lane)
                if is_masked:
                    y *= weights[time, lane]
                state[SUM + lane] += y
                state[SQUARE + lane] += y * y
        for lane in range(width):
            sums[0, lane] += state[SUM + lane]
            sums[1, lane] += state[SQUARE + lane]

    @njit(cache=True, nogil=True)
    def lay_out(X: Any, offset: Any, begin: Any, out: Any) -> None:
        """Put instants from ``begin`` on, counted with both ends mirrored, side by side."""
        n_times = X.shape[1]
        for row in range(len(out)):
            time = abs(begin + row)
            if time >= n_times:
                time = 2 * (n_times - 1) - time
            for channel in range(len(X)):
                out[row, channel] = X[channel, time] - offset[channel]

    @njit(cache=True, nogil=True)
    def causal(
        X: Any, offset: Any, present: Any, sections: Any, n_pad: Any, cuts: Any, turned: Any, out: Any
    ) -> None:
        gain, a1, a2 = sections
        edges = cuts[0]
        state = np.zeros((len(gain), SIZE), dtype=gain.dtype)
        sums = np.zeros((len(gain), len(edges) - 1, 2, width))
        room = np.zeros((_STRETCH, width), dtype=gain.dtype)
        weights = np.zeros((_STRETCH, width), dtype=gain.dtype)  # Of its own, or nothing is vectorised.
        for segment in range(len(edges) - 1):
            for start in range(edges[segment], edges[segment + 1], _STRETCH):
                n = min(_STRETCH, edges[segment + 1] - start)
                lay_out(X, offset, start, room[:n])
                if is_masked:
                    lay_out(present, np.zeros(len(X)), start, weights[:n])
                for band in range(len(gain)):
                    sum_stretch(
                        room[:n], weights, gain[band], a1[band], a2[band], state[band], sums[band, segment]
                    )
        finish(sums, present, cuts, out)

    @njit(cache=True, nogil=True)
    def zero_phase(
        X: Any, offset: Any, present: Any, sections: Any, n_pad: Any, cuts: Any, turned: Any, out: Any
    ) -> None:
        gain, a1, a2 = sections
        edges = cuts[0]
        n_times, longest = X.shape[1], n_pad.max()
        state = np.zeros((len(gain), SIZE), dtype=gain.dtype)
        sums = np.zeros((len(gain), len(edges) - 1, 2, width))
        room = np.zeros((_STRETCH, width), dtype=gain.dtype)
        weights = np.zeros((_STRETCH, width), dtype=gain.dtype)  # Of its own, or nothing is vectorised.
        filtered = np.empty_like(room)
        for start in range(-longest, n_times + longest, _STRETCH):
            stop = min(start + _STRETCH, n_times + longest)
            lay_out(X, offset, start, room[: stop - start])
            for band in range(len(gain)):
                first, last = max(start, -n_pad[band]), min(stop, n_times + n_pad[band])
                if first >= last:
                    continue
                x = room[first - start : last - start]
                if first == -n_pad[band]:
                    begin(x[0], gain[band], state[band])
                y = filtered[: last - first]
                filter_stretch(x, gain[band], a1[band], a2[band], state[band], y)
                for row in range(last - first):  # With time turned round, for the way back.
                    for lane in range(width):
                        turned[band, n_times + longest - 1 - first - row, lane] = y[row, lane]
        nowhere = np.zeros((2, width))
        for band in range(len(gain)):
            g, p, q, z = gain[band], a1[band], a2[band], state[band]
            ends = longest - n_pad[band]
            y = turned[band, ends : 2 * longest + n_times - ends]
            begin(y[0], g, z)
            sum_stretch(y[: n_pad[band]], room, g, p, q, z, nowhere)
            y = y[n_pad[band] :]
            for segment in range(len(edges) - 2, -1, -1):
                for stop in range(edges[segment + 1], edges[segment], -_STRETCH):
                    start = max(stop - _STRETCH, edges[segment])
                    if is_masked:
                        lay_out(present, np.zeros(len(X)), start, room[: stop - start])
                        for row in range(stop - start):
                            weights[row] = room[stop - start - 1 - row]
                    x = y[n_times - stop : n_times - start]
                    sum_stretch(x, weights, g, p, q, z, sums[band, segment])
        finish(sums, present, cuts, out)

    @njit(cache=True, nogil=True)
    def finish(sums: Any, present: Any, cuts: Any, out: Any) -> None:
        """Turn sums of segments into variances of windows."""
        edges, left, right = cuts
        counts = np.zeros((len(edges), out.shape[1]))
        for segment in range(len(edges) - 1):
            for channel in range(out.shape[1]):
                n = edges[segment + 1] - edges[segment]
                if is_masked:
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
                        value = max(square - mean * mean, 0.0)
                    out[window, channel, band] = value

    compiled: Callable[..., None] = zero_phase if is_zero_phase else causal
    return compiled
