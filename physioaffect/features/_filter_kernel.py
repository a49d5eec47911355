"""The compiled filter behind `filter_bank`.

A stretch of time is laid out with channels side by side; then come the bands, instants, sections of the
filter and, innermost, the channels, so that the compiler makes vector instructions of them and all of it
stays in the cache.

The compiler must know the numbers of sections and channels to unroll and vectorise. They come as the lengths
of tuples, because a function made for each number cannot be kept on disk by numba, and is compiled anew in
every process.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.features._compiled import compiled

__all__ = ["filter_causal", "filter_zero_phase", "native"]

# Instants that are laid out at once: 32 channels of them fill half of the fastest cache in single precision.
_STRETCH = 192
# A filter that only rings into silence comes to numbers so small that a processor takes a hundred times as
# long for each; this many times the smallest normal number is forgotten.
_NOTHING = 1e3


def native(X: NDArray[Any]) -> NDArray[np.floating[Any]]:
    """Numbers as compiled code takes them: floats of 4 or 8 bytes in the processor's order."""
    return X if X.dtype in (np.float32, np.float64) else X.astype(np.float64)


# The arguments of both filters, for at most ``len(lanes)`` channels:
#
# * X, shape (n_channels, n_times);
# * before, shape (n_channels,): what the causal filter takes X to have been before its first sample;
# * present, bool of the same shape, or None;
# * filters: gain, shape (n_bands,), a1 and a2, shape (n_bands, n_sections), in the precision to use;
# * n_pad, shape (n_bands,): samples that both ends are mirrored by; zero for the causal filter;
# * cuts: edges, left and right as in `filter_bank`;
# * sections, lanes: tuples, of which only the lengths matter;
# * turned, shape (n_bands, n_room, n_lanes): room for chunks of the recording, for the zero-phase filter;
# * out, shape (n_windows, n_channels, n_bands): where the variances go.
#
# The state of a band has two rows for each section, a sum and a sum of squares. All in one flat array with
# constant distances: only then does the compiler see that they do not overlap.
#
# The first section's ``1 - z^-2`` is the same in all bands, so they share the difference of samples two
# apart, in the precision of X: an electrode's offset, its steps and its drift, a thousand times larger than
# EEG, are gone before anything is rounded to single precision.


@compiled(inline="always")
def _through_sections(
    u: Any, a1: Any, a2: Any, state: Any, lane: Any, sections: Any, lanes: Any, is_difference: Any
) -> Any:
    """One instant through all sections; ``is_difference`` has a length if the first ``1 - z^-2`` is done."""
    width = len(lanes)
    y = u
    for section in range(len(sections)):
        u = y
        y = u + state[2 * section * width + lane]
        state[2 * section * width + lane] = state[(2 * section + 1) * width + lane] - a1[section] * y
        if section == 0 and len(is_difference) > 0:
            state[(2 * section + 1) * width + lane] = -a2[section] * y
        else:
            state[(2 * section + 1) * width + lane] = -u - a2[section] * y
    return y


@compiled(inline="always")
def _mirrored(time: Any, n_times: Any) -> Any:
    time = abs(time)
    return time if time < n_times else 2 * (n_times - 1) - time


@compiled()
def _begin(x: Any, gain: Any, state: Any, sections: Any, lanes: Any) -> None:
    """Set the state as if x had always been there: the first section sees it, the others nothing."""
    for index in range(2 * len(sections) * len(lanes)):
        state[index] = 0
    for lane in range(len(lanes)):
        state[lane] = -x[lane] * gain
        state[len(lanes) + lane] = -x[lane] * gain


@compiled()
def _begin_difference(X: Any, first: Any, gain: Any, state: Any, lanes: Any) -> None:
    """Do so for differences: those from samples before the first shall not count."""
    n_times = X.shape[1]
    here, one, two = _mirrored(first, n_times), _mirrored(first - 1, n_times), _mirrored(first - 2, n_times)
    for channel in range(len(X)):
        state[channel] = (X[channel, two] - X[channel, here]) * gain
        state[len(lanes) + channel] = (X[channel, one] - X[channel, here]) * gain


@compiled()
def _settle(state: Any, sections: Any, lanes: Any) -> None:
    """Forget what nobody would notice."""
    nothing = _NOTHING * np.finfo(state.dtype).tiny
    for index in range(2 * len(sections) * len(lanes)):
        if abs(state[index]) < nothing:
            state[index] = 0


@compiled(fastmath={"contract", "nsz"})
def _filter_stretch(
    x: Any, gain: Any, a1: Any, a2: Any, state: Any, sections: Any, lanes: Any, out: Any
) -> None:
    _settle(state, sections, lanes)
    for time in range(len(x)):
        for lane in range(len(lanes)):
            out[time, lane] = _through_sections(
                x[time, lane] * gain, a1, a2, state, lane, sections, lanes, (0,)
            )


@compiled(fastmath={"contract", "nsz"})
def _sum_stretch(
    x: Any, weights: Any, gain: Any, a1: Any, a2: Any, state: Any, sections: Any, lanes: Any,
    is_difference: Any, sums: Any,
) -> None:  # fmt: skip
    """Filter a stretch and add it to the sums of its segment."""
    width = len(lanes)
    SUM, SQUARE = 2 * len(sections) * width, (2 * len(sections) + 1) * width
    _settle(state, sections, lanes)
    for lane in range(2 * width):
        state[SUM + lane] = 0
    for time in range(len(x)):
        for lane in range(width):
            y = _through_sections(x[time, lane] * gain, a1, a2, state, lane, sections, lanes, is_difference)
            if weights is not None:
                y *= weights[time, lane]
            state[SUM + lane] += y
            state[SQUARE + lane] += y * y
    for lane in range(width):
        sums[0, lane] += state[SUM + lane]
        sums[1, lane] += state[SQUARE + lane]


@compiled()
def _lay_out(X: Any, begin: Any, out: Any) -> None:
    """Put instants from ``begin`` on side by side."""
    for row in range(len(out)):
        for channel in range(len(X)):
            out[row, channel] = X[channel, begin + row]


@compiled()
def _lay_out_differences(X: Any, before: Any, begin: Any, out: Any) -> None:
    """Do so with differences of samples two apart; without ``before`` both ends are mirrored."""
    n_times = X.shape[1]
    for row in range(len(out)):
        if before is None:
            now, then = _mirrored(begin + row, n_times), _mirrored(begin + row - 2, n_times)
            for channel in range(len(X)):
                out[row, channel] = X[channel, now] - X[channel, then]
        else:
            now = begin + row
            for channel in range(len(X)):
                out[row, channel] = X[channel, now] - (X[channel, now - 2] if now > 1 else before[channel])


@compiled()
def filter_causal(
    X: Any,
    before: Any,
    present: Any,
    filters: Any,
    n_pad: Any,
    cuts: Any,
    sections: Any,
    lanes: Any,
    turned: Any,
    out: Any,
) -> None:
    """Filter forwards only, and put the windows' variances into ``out``."""
    gain, a1, a2 = filters
    edges = cuts[0]
    state = np.zeros((len(gain), (2 * len(sections) + 2) * len(lanes)), dtype=gain.dtype)
    sums = np.zeros((len(gain), len(edges) - 1, 2, len(lanes)))
    room = np.zeros((_STRETCH, len(lanes)), dtype=gain.dtype)
    weights: Any = None if present is None else np.zeros((_STRETCH, len(lanes)), dtype=gain.dtype)
    for segment in range(len(edges) - 1):
        for start in range(edges[segment], edges[segment + 1], _STRETCH):
            n = min(_STRETCH, edges[segment + 1] - start)
            _lay_out_differences(X, before, start, room[:n])
            if present is not None:
                _lay_out(present, start, weights[:n])
            for band in range(len(gain)):
                _sum_stretch(
                    room[:n], weights, gain[band], a1[band], a2[band], state[band], sections, lanes,
                    (0,), sums[band, segment],
                )  # fmt: skip
    _finish(sums, present, cuts, out)


@compiled()
def _forwards(
    X: Any, filters: Any, n_pad: Any, start: Any, stop: Any, states: Any, sections: Any, lanes: Any,
    turned: Any,
) -> None:  # fmt: skip
    """Filter from ``start`` to ``stop``, counted from the first sample; keep it with time turned round."""
    gain, a1, a2 = filters
    room = np.zeros((_STRETCH, len(lanes)), dtype=gain.dtype)
    filtered = np.empty_like(room)
    for here in range(start, stop, _STRETCH):
        n = min(_STRETCH, stop - here)
        _lay_out_differences(X, None, here, room[:n])
        for band in range(len(gain)):
            first, last = max(here, -n_pad[band]), min(here + n, X.shape[1] + n_pad[band])
            if first >= last:
                continue
            if first == -n_pad[band]:
                _begin_difference(X, first, gain[band], states[band], lanes)
            x, y = room[first - here : last - here], filtered[: last - first]
            _filter_stretch(x, gain[band], a1[band], a2[band], states[band], sections, lanes, y)
            for row in range(last - first):
                for lane in range(len(lanes)):
                    turned[band, stop - 1 - first - row, lane] = y[row, lane]


@compiled()
def filter_zero_phase(
    X: Any,
    before: Any,
    present: Any,
    filters: Any,
    n_pad: Any,
    cuts: Any,
    sections: Any,
    lanes: Any,
    turned: Any,
    out: Any,
) -> None:
    """Filter forwards and backwards, and put the windows' variances into ``out``.

    A recording longer than the room goes forwards twice: once for the state at the start of each chunk, then,
    on the way back, chunk by chunk, so that no more than one of them is ever kept.
    """
    gain, a1, a2 = filters
    edges = cuts[0]
    n_times, longest, n_room = X.shape[1], n_pad.max(), turned.shape[1]
    sums = np.zeros((len(gain), len(edges) - 1, 2, len(lanes)))
    room = np.zeros((_STRETCH, len(lanes)), dtype=gain.dtype)
    weights = None if present is None else np.zeros((_STRETCH, len(lanes)), dtype=gain.dtype)
    nowhere = np.zeros((2, len(lanes)))
    begins = np.arange(-longest, n_times + longest, n_room)
    states = np.zeros((len(begins) + 1, len(gain), (2 * len(sections) + 2) * len(lanes)), dtype=gain.dtype)
    for chunk in range(len(begins) - 1):
        states[chunk + 1] = states[chunk]
        _forwards(
            X, filters, n_pad, begins[chunk], begins[chunk + 1], states[chunk + 1], sections, lanes, turned
        )
    back = states[len(begins)]
    for chunk in range(len(begins) - 1, -1, -1):
        start, stop = begins[chunk], min(begins[chunk] + n_room, n_times + longest)
        _forwards(X, filters, n_pad, start, stop, states[chunk], sections, lanes, turned)
        for band in range(len(gain)):
            g, p, q, z = gain[band], a1[band], a2[band], back[band]
            last = min(stop, n_times + n_pad[band])
            if start < last == n_times + n_pad[band]:
                _begin(turned[band, stop - last], g, z, sections, lanes)
            for end in range(last, max(n_times, start), -_STRETCH):
                n = min(_STRETCH, end - max(n_times, start))
                x = turned[band, stop - end : stop - end + n]
                _sum_stretch(x, weights, g, p, q, z, sections, lanes, (), nowhere)
            inside = np.searchsorted(edges, stop), np.searchsorted(edges, start, side="right")
            for segment in range(min(inside[0], len(edges) - 1) - 1, max(inside[1], 1) - 2, -1):
                left = max(start, edges[segment])
                for end in range(min(stop, edges[segment + 1]), left, -_STRETCH):
                    n = min(_STRETCH, end - left)
                    if present is not None:
                        _lay_out(present, end - n, room[:n])
                        for row in range(n):
                            weights[row] = room[n - 1 - row]  # type: ignore[index]
                    x = turned[band, stop - end : stop - end + n]
                    _sum_stretch(x, weights, g, p, q, z, sections, lanes, (), sums[band, segment])
    _finish(sums, present, cuts, out)


@compiled()
def _finish(sums: Any, present: Any, cuts: Any, out: Any) -> None:
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
                    value = max(square - mean * mean, 0.0)
                out[window, channel, band] = value
