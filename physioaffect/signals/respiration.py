"""Respiration from a belt: the band of breathing, and each breath with its turning points."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, find_peaks, peak_prominences, sosfiltfilt

from physioaffect.errors import DataError
from physioaffect.recording import Signal
from physioaffect.signals.pieces import filtered_in_pieces, pieces
from physioaffect.signals.resampling import Resampled, bring_down, resampled_signal

__all__ = ["BREATH_CONTEXT_S", "BREATH_HZ", "Breathing", "Breaths", "breathing", "find_breaths", "slowed"]

BREATH_HZ = (0.05, 3.0)
"""Edges in Hz of the band that depth is measured in, as in NeuroKit2; 3 to 180 breaths a minute."""

# In which extrema are looked for. Lower would let less of the heart through, and take from a quick
# inspiration what makes it quick: at 1 Hz one of 1.2 s of 4 comes out as 1.4 s, at 1.5 Hz as 1.3 s.
_SHAPE_HZ = 1.5
_ORDER = 2
_PADDING_S = 80.0
_SLOWEST_HZ, _FASTEST_HZ, _WORKING_HZ = 4.0, 25.0, 20.0
# Half a short breath.
_LONGEST_BRIDGE_S = 1.0
# Of the median distance between neighbouring extrema (Khodadad et al. 2018, as in NeuroKit2).
_SHARE = 0.3
_NEIGHBOURHOOD_S = 30.0
_SHORTEST_S, _LONGEST_S = 1.0, 20.0

BREATH_CONTEXT_S = 5 / BREATH_HZ[0] + _NEIGHBOURHOOD_S + 2 * _LONGEST_S
"""Nothing that is further from a breath than so many seconds changes it: the filter's memory (to 1e-8),
the neighbourhood that its depth is compared with, and the neighbours themselves."""


class Breathing(NamedTuple):
    """Respiration from 0.05 to 3 Hz, in the input's unit, NaN where missing; ``sfreq`` is at most 25."""

    data: NDArray[np.float64]
    sfreq: float


class Breaths(NamedTuple):
    """Whole breaths in order of time, each array of shape (n_breaths,).

    Attributes
    ----------
    starts, peaks, stops : ndarray
        Seconds after the first sample: beginning of the inspiration, its end, end of the expiration.
    depths : ndarray
        Height of the peak above the line between both troughs, in the input's unit.
    """

    starts: NDArray[np.float64]
    peaks: NDArray[np.float64]
    stops: NDArray[np.float64]
    depths: NDArray[np.float64]


def slowed(resp: Signal) -> Signal:
    """Bring respiration down to 20 Hz, counted from the trial's onset, if it has more than 25 Hz.

    Examples
    --------
    >>> data = np.sin(2 * np.pi * 0.25 * np.arange(7000) / 700)[np.newaxis]
    >>> belt = Signal(data=data, sfreq=700.0, ch_names=("RESP",), kind="resp", unit="au")
    >>> slowed(belt).sfreq, slowed(slowed(belt)).n_times
    (20.0, 200)
    """
    return resp if resp.sfreq <= _FASTEST_HZ else resampled_signal(resp, to=_WORKING_HZ)


def _prepared(resp: NDArray[np.floating[Any]], sfreq: float) -> Resampled:
    if resp.ndim != 1:
        raise ValueError(f"resp must be (n_times,), got shape {resp.shape}. Pass one channel: resp[0].")
    if sfreq < _SLOWEST_HZ:
        raise DataError(
            f"Breaths cannot be found in respiration sampled at {sfreq:g} Hz; it takes {_SLOWEST_HZ:g} Hz or "
            "more. Use the original recording."
        )
    x = np.where(np.isfinite(resp), resp, np.nan).astype(np.float64)
    return Resampled(x, sfreq) if sfreq <= _FASTEST_HZ else bring_down(x, sfreq=sfreq, to=_WORKING_HZ)


def _filtered(
    x: NDArray[np.float64], kind: Literal["lowpass", "highpass"], edge: float, sfreq: float
) -> NDArray[np.float64]:
    sos = butter(_ORDER, min(edge, 0.4 * sfreq), btype=kind, fs=sfreq, output="sos")
    padding = int(_PADDING_S * sfreq)

    def run(piece: NDArray[np.float64]) -> NDArray[np.float64]:
        done: NDArray[np.float64] = sosfiltfilt(sos, piece, padlen=min(len(piece) - 1, padding))
        return done

    return filtered_in_pieces(x, run, longest=int(_LONGEST_BRIDGE_S * sfreq))


def breathing(resp: NDArray[np.floating[Any]], *, sfreq: float) -> Breathing:
    """Bring respiration down to 20 Hz and keep the band from 0.05 to 3 Hz.

    Parameters
    ----------
    resp : ndarray, shape (n_times,)
        In any unit; NaN (or infinite) where missing.
    sfreq : float
        Samples per second, at least 4. Up to 25 Hz it is kept.

    Returns
    -------
    breathing : Breathing
        Gaps of up to 1 s are bridged for the filters, which start anew behind longer ones.

    Raises
    ------
    DataError
        If ``sfreq`` is too low.

    Notes
    -----
    A second-order Butterworth high-pass and low-pass, each run forth and back, as `neurokit2.rsp_clean`,
    behind an anti-alias filter (`physioaffect.signals.resampling.bring_down`). Below 7.5 Hz the upper edge is
    0.4 of the rate.

    Examples
    --------
    >>> belt = np.sin(2 * np.pi * 0.25 * np.arange(12000) / 100) + 7
    >>> data, sfreq = breathing(belt, sfreq=100.0)
    >>> sfreq, float(np.abs(data[400:-400]).max().round(2))
    (20.0, 1.0)
    """
    x, rate = _prepared(resp, sfreq)
    return Breathing(
        _filtered(_filtered(x, "lowpass", BREATH_HZ[1], rate), "highpass", BREATH_HZ[0], rate), rate
    )


def find_breaths(resp: NDArray[np.floating[Any]], *, sfreq: float) -> Breaths:
    """Find whole breaths: an inspiration and the expiration that follows.

    Parameters
    ----------
    resp : ndarray, shape (n_times,)
        Respiration that rises with inspiration, in any unit; NaN (or infinite) where missing.
    sfreq : float
        Samples per second, at least 4.

    Returns
    -------
    breaths : Breaths
        None with a missing sample in it or beside it, none of less than 1 s or more than 20 s.

    Raises
    ------
    DataError
        If ``sfreq`` is too low.

    Notes
    -----
    After Khodadad et al. [1]_ in NeuroKit2's form: an extremum counts if it differs from its neighbours by
    more than 0.3 of the median such difference. Differences: the median is that within 30 s, not of the whole
    recording, so that neither one artefact nor another posture an hour later changes a breath; neighbours
    are found by prominence, so that troughs and peaks alternate by construction; and extrema are looked for
    below 1.5 Hz, to a fraction of a sample by a parabola. A trough is the lowest point between two peaks: a
    pause after the expiration belongs to either side of it. Inspirations of less than a third of a breath
    come out up to 0.1 s too long.

    The depth is taken from the signal below 3 Hz, drift and all: against the line between both troughs, which
    a drift tilts but does not move, so that no high-pass makes slow breaths smaller.

    References
    ----------
    .. [1] Khodadad, Nordebo, Mueller et al. (2018). Optimized breath detection algorithm in electrical
       impedance tomography. Physiol. Meas. 39, 094001. doi:10.1088/1361-6579/aad7e6

    Examples
    --------
    >>> belt = 3 * np.sin(2 * np.pi * 0.25 * np.arange(1200) / 20)
    >>> breaths = find_breaths(belt, sfreq=20.0)
    >>> float(np.median(60 / np.diff(breaths.peaks)).round(2)), float(np.median(breaths.depths).round(2))
    (15.0, 6.0)
    """
    x, rate = _prepared(resp, sfreq)
    low = _filtered(x, "lowpass", BREATH_HZ[1], rate)
    shape = _filtered(_filtered(x, "lowpass", _SHAPE_HZ, rate), "highpass", BREATH_HZ[0], rate)
    # A breath that touches a gap does not count, so there is no need to look across any.
    found = [
        _in_piece(low[piece], shape[piece], rate, piece.start) for piece in pieces(np.isnan(shape), longest=0)
    ]
    nothing = Breaths(*(np.empty(0) for _ in Breaths._fields))
    return Breaths(*(np.concatenate(column) for column in zip(nothing, *found, strict=True)))


def _in_piece(low: NDArray[np.float64], shape: NDArray[np.float64], sfreq: float, offset: int) -> Breaths:
    """Breaths in a stretch without gaps; ``offset`` is the sample that it begins with."""
    peaks = _peaks(shape, sfreq)
    if len(peaks) == 0:
        return Breaths(*(np.empty(0) for _ in Breaths._fields))
    # The lowest points between neighbouring peaks, before the first and behind the last.
    edges = np.concatenate([[0], peaks, [len(shape)]])
    troughs = np.array([a + shape[a:b].argmin() for a, b in pairwise(edges)])
    # At the very ends the trough may not have been reached.
    is_whole = np.ones(len(peaks), dtype=bool)
    is_whole[0] &= troughs[0] > 0
    is_whole[-1] &= troughs[-1] < len(shape) - 1
    left, right = troughs[:-1], troughs[1:]
    line = low[left] + (low[right] - low[left]) * (peaks - left) / np.maximum(right - left, 1)
    depths = low[peaks] - line
    starts, tops, stops = ((offset + _between_samples(shape, turn)) / sfreq for turn in (left, peaks, right))
    periods = stops - starts
    is_whole &= (periods >= _SHORTEST_S) & (periods <= _LONGEST_S) & (depths > 0)
    return Breaths(*(column[is_whole] for column in (starts, tops, stops, depths)))


def _peaks(shape: NDArray[np.float64], sfreq: float) -> NDArray[np.intp]:
    every, _ = find_peaks(shape)
    if len(every) == 0:
        return np.empty(0, dtype=np.intp)
    extrema = _extrema_between_crossings(shape)
    if len(extrema) < 2:
        return np.empty(0, dtype=np.intp)
    distances = np.abs(np.diff(shape[extrema]))
    middles = (extrema[:-1] + extrema[1:]) / 2
    least = _SHARE * _local_median(distances, middles, every, _NEIGHBOURHOOD_S * sfreq)
    reach = 2 * round(_LONGEST_S * sfreq) + 1
    heights, _, _ = peak_prominences(shape, every, wlen=reach)
    return np.asarray(every[heights > least], dtype=np.intp)


def _extrema_between_crossings(x: NDArray[np.float64]) -> NDArray[np.intp]:
    """The highest point of each stretch above zero, the lowest of each below, but for the first and last."""
    cuts = np.flatnonzero(np.diff(x > 0)) + 1
    return np.array([a + np.abs(x[a:b]).argmax() for a, b in pairwise(cuts)], dtype=np.intp)


def _local_median(
    values: NDArray[np.float64], places: NDArray[np.float64], at: NDArray[np.intp], reach: float
) -> NDArray[np.float64]:
    """Median of the values whose places lie within reach; NaN where there are none."""
    first = np.searchsorted(places, at - reach, side="left")
    stop = np.searchsorted(places, at + reach, side="right")
    spans, inverse = np.unique(np.stack([first, stop], axis=1), axis=0, return_inverse=True)
    medians = np.array([np.median(values[a:b]) if b > a else np.nan for a, b in spans])
    return np.asarray(medians[inverse.ravel()])


def _between_samples(x: NDArray[np.float64], turn: NDArray[np.intp]) -> NDArray[np.float64]:
    """Place of the extremum of the parabola through each turning point and its neighbours, in samples."""
    inner = np.clip(turn, 1, len(x) - 2)
    before, here, after = x[inner - 1], x[inner], x[inner + 1]
    bend = before - 2 * here + after
    shift = np.divide(before - after, 2 * bend, out=np.zeros(len(turn)), where=bend != 0)
    return np.where(inner == turn, turn + np.clip(shift, -0.5, 0.5), turn)
