"""Beats from ECG and PPG with the quality of each, and only such intervals as can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.recording import IBI_RANGE_S
from physioaffect.signals.beat_correction import artefacts
from physioaffect.signals.beat_detection import FoundBeats
from physioaffect.signals.beat_quality import likeness
from physioaffect.signals.cardiac import complexes
from physioaffect.signals.ppg import pulses

__all__ = ["CONTEXT_S", "Beats", "beats_from_ecg", "beats_from_ppg", "heart_rate"]

Floats = NDArray[np.float64]

# No heart goes so much faster or slower from one beat to the next but in an ectopic beat.
_LARGEST_RATIO = 1.4
# Fewer intervals in a row than this are found in noise too.
_FEWEST_IN_A_ROW = 4
# Others that a beat is held against.
_BACK_S, _AHEAD_S = 10.0, 4.0
# Intervals that tell how much intervals vary.
_VARY_BACK_S, _VARY_AHEAD_S = 45.0, 5.0
# What belongs to a beat: from before its foot to the next one, and from P to T.
_PULSE_S = (0.1, 0.5)
_COMPLEX_S = (0.2, 0.4)
# The steepest point comes about so much later than the foot.
_ASCENT_S = 0.1

# Seconds before and after a moment outside of which nothing changes what comes out: the sum of the most that
# each part can reach. Rows of intervals and jumps 8 and 8; variation 45 and 5, of medians over 6 and 5, of a
# difference 2 and 0; other beats 10 and 4, in two rounds; the polarity of an ECG 10 and 4; averages, filters
# and the search for a beat 7 and 7.
CONTEXT_S = (98.0, 37.0)
# A longer recording is done in parts with that context around them: it needs no more memory, and less time.
_PART_S = 1800.0


class Beats(NamedTuple):
    """What was found, in order of time.

    Parameters
    ----------
    times : ndarray, shape (n_beats,)
        Every beat that was found, good or bad, in seconds after the first sample.
    intervals : ndarray, shape (n_beats,)
        Seconds since the beat before, NaN where that is not to be trusted: at the first beat, if either beat
        is not good or anything is missing between them, if it is outside 0.3 to 2 s or an artefact, and if
        fewer than four such intervals follow one another.
    quality : ndarray, shape (n_beats,)
        Correlation with the beats around it, from -1 to 1; NaN where there are none, or a sample is missing.
    is_artefact : ndarray of bool, shape (n_beats,)
        Whether both beats are good and yet the interval is an artefact after Lipponen and Tarvainen
        (`physioaffect.signals.beat_correction.artefacts`), or 1.4 times as long or short as one next to it.
    """

    times: Floats
    intervals: Floats
    quality: Floats
    is_artefact: NDArray[np.bool_]


def beats_from_ppg(
    ppg: NDArray[np.floating[Any]],
    *,
    sfreq: float,
    min_quality: float = 0.8,
    fiducial: Literal["foot", "upslope"] = "foot",
    first: int = 0,
) -> Beats:
    """Find the beats of a photoplethysmogram whose systole points up, and their quality.

    Parameters
    ----------
    ppg : ndarray, shape (n_times,)
        Any unit; NaN where missing or not to be used.
    sfreq : float
        Samples per second, at least 20.
    min_quality : float
        A beat is good from this correlation with its neighbours on.
    fiducial : {"foot", "upslope"}
        When a beat is: ``"foot"`` for the wrist, ``"upslope"`` for the finger; see
        `physioaffect.signals.ppg.pulses`.
    first : int
        Number of the first sample in the recording that ``ppg`` is a part of.

    Returns
    -------
    beats : Beats

    Raises
    ------
    DataError
        If ``sfreq`` is too low.

    Examples
    --------
    >>> times = np.arange(60 * 64) / 64
    >>> pulse = np.exp(3 * np.cos(2 * np.pi * 1.25 * times))
    >>> beats = beats_from_ppg(pulse, sfreq=64.0)
    >>> bool(np.nanmax(np.abs(beats.intervals - 0.8)) < 0.001)
    True
    """
    before, after = _PULSE_S
    if fiducial == "upslope":
        before, after = before + _ASCENT_S, after - _ASCENT_S

    def find(part: NDArray[np.floating[Any]], first: int) -> Beats:
        found = pulses(part, sfreq=sfreq, fiducial=fiducial, first=first)
        return _judged(found, part, sfreq=sfreq, before=before, after=after, min_quality=min_quality)

    return _in_parts(find, ppg, sfreq=sfreq, first=first)


def beats_from_ecg(
    ecg: NDArray[np.floating[Any]], *, sfreq: float, min_quality: float = 0.8, first: int = 0
) -> Beats:
    """Find the beats of an electrocardiogram, either way up, and their quality.

    Parameters
    ----------
    ecg : ndarray, shape (n_times,)
        One lead in any unit; NaN where missing or not to be used.
    sfreq : float
        Samples per second, at least 50.
    min_quality : float
        A beat is good from this correlation with its neighbours on.
    first : int
        Number of the first sample in the recording that ``ecg`` is a part of.

    Returns
    -------
    beats : Beats

    Raises
    ------
    DataError
        If ``sfreq`` is too low.

    Examples
    --------
    >>> times = np.arange(60 * 250) / 250
    >>> ecg = 1e-3 * np.exp(-0.5 * ((times % 0.8 - 0.4) / 0.02) ** 2)
    >>> beats = beats_from_ecg(ecg, sfreq=250.0)
    >>> len(beats.times), bool(np.nanmax(np.abs(beats.intervals - 0.8)) < 0.001)
    (75, True)
    """
    before, after = _COMPLEX_S

    def find(part: NDArray[np.floating[Any]], first: int) -> Beats:
        found = complexes(part, sfreq=sfreq, first=first)
        return _judged(found, part, sfreq=sfreq, before=before, after=after, min_quality=min_quality)

    return _in_parts(find, ecg, sfreq=sfreq, first=first)


def _in_parts(
    find: Callable[[NDArray[np.floating[Any]], int], Beats],
    x: NDArray[np.floating[Any]],
    *,
    sfreq: float,
    first: int,
) -> Beats:
    """Find the beats of each part with its context, and put them together."""
    n_part = round(_PART_S * sfreq)
    if len(x) <= n_part:
        return find(x, first)
    back, ahead = (int(np.ceil(seconds * sfreq)) for seconds in CONTEXT_S)
    parts = []
    for start in range(0, len(x), n_part):
        cut, stop = max(0, start - back), start + n_part
        beats = find(x[cut : stop + ahead], first + cut)
        times = beats.times + cut / sfreq
        is_own = (times >= start / sfreq) & (times < stop / sfreq)
        parts.append(
            Beats(times[is_own], beats.intervals[is_own], beats.quality[is_own], beats.is_artefact[is_own])
        )
    return Beats(
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.intervals for part in parts]),
        np.concatenate([part.quality for part in parts]),
        np.concatenate([part.is_artefact for part in parts]),
    )


def _judged(
    found: FoundBeats,
    x: NDArray[np.floating[Any]],
    *,
    sfreq: float,
    before: float,
    after: float,
    min_quality: float,
) -> Beats:
    """Say of each beat and each interval how good it is."""
    quality = likeness(
        found.wave,
        found.times,
        sfreq=found.sfreq,
        before=before,
        after=after,
        back=_BACK_S,
        ahead=_AHEAD_S,
    )
    times = found.times + found.first / sfreq
    n_missing = np.concatenate([[0], np.cumsum(~np.isfinite(x))])
    quality[_n_between(n_missing, times - before, times + after, sfreq) > 0] = np.nan

    with np.errstate(invalid="ignore"):
        is_good = quality >= min_quality
    intervals = np.diff(times, prepend=np.nan)
    is_usable = is_good & np.concatenate([[False], is_good[:-1]])[: len(times)]
    is_usable &= (intervals >= IBI_RANGE_S[0]) & (intervals <= IBI_RANGE_S[1])
    is_usable &= _n_between(n_missing, times - np.where(is_usable, intervals, 0), times, sfreq) == 0
    intervals[~is_usable] = np.nan
    is_artefact = artefacts(times, intervals, back=_VARY_BACK_S, ahead=_VARY_AHEAD_S).any
    intervals[is_artefact] = np.nan
    is_jump = _jumps(intervals)
    intervals[is_jump] = np.nan
    intervals[_row_lengths(np.isfinite(intervals)) < _FEWEST_IN_A_ROW] = np.nan
    return Beats(times, intervals, quality, is_artefact | is_jump)


def _jumps(intervals: Floats) -> NDArray[np.bool_]:
    """Whether an interval is far from the one before or after it."""
    with np.errstate(invalid="ignore"):
        is_far = np.abs(np.diff(np.log(intervals))) > np.log(_LARGEST_RATIO)
    found = np.zeros(len(intervals), dtype=np.bool_)
    found[1:] |= is_far
    found[:-1] |= is_far
    return found


def _row_lengths(is_in: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Of each, how many follow one another there; zero where none is."""
    edges = np.flatnonzero(np.diff(is_in, prepend=False, append=False))
    lengths = np.zeros(len(is_in), dtype=np.intp)
    lengths[is_in] = np.repeat(edges[1::2] - edges[::2], edges[1::2] - edges[::2])
    return lengths


def _n_between(n_missing: NDArray[np.intp], start: Floats, stop: Floats, sfreq: float) -> NDArray[np.intp]:
    """How many samples are missing from ``start`` to ``stop``, both among them."""
    last = len(n_missing) - 1
    low = np.clip(np.floor(start * sfreq), 0, last).astype(np.intp)
    high = np.clip(np.ceil(stop * sfreq) + 1, 0, last).astype(np.intp)
    return np.asarray(n_missing[high] - n_missing[low])


def heart_rate(times: Floats, intervals: Floats, at: Floats) -> Floats:
    """Heart rate between beats whose intervals are known.

    Parameters
    ----------
    times, intervals : ndarray, shape (n_beats,)
        When each beat was, and the seconds since the one before; NaN where that is not known.
    at : ndarray, shape (n_rates,)
        When the rate is wanted, on the same clock.

    Returns
    -------
    rate : ndarray, shape (n_rates,)
        Beats per minute: exact half way between two beats, linear between such points of intervals that
        follow one another, level in the first and the last half of a row of them. NaN in an interval that is
        not known.

    Examples
    --------
    >>> times = np.array([1.0, 2.0, 2.5, 4.0])
    >>> heart_rate(times, np.array([np.nan, 1.0, 0.5, np.nan]), np.array([0.5, 1.5, 1.875, 2.25, 3.0]))
    array([ nan,  60.,  90., 120.,  nan])
    """
    is_known = np.isfinite(intervals)
    if not is_known.any():
        return np.full(len(at), np.nan)
    known = np.flatnonzero(is_known)
    middles = times[known] - intervals[known] / 2
    rates = 60 / intervals[known]
    which = np.searchsorted(times, at, side="right")
    inside = np.concatenate([is_known, [False]])[which]
    # Each row of intervals has ends of its own, so that no line is drawn from one row to the next.
    starts = np.flatnonzero(np.diff(known, prepend=known[0] - 2) > 1)
    stops = np.append(starts[1:], len(known)) - 1
    edge_times = np.concatenate([times[known[starts]] - intervals[known[starts]], times[known[stops]]])
    edge_rates = np.concatenate([rates[starts], rates[stops]])
    order = np.argsort(np.concatenate([middles, edge_times]), kind="stable")
    points = np.concatenate([middles, edge_times])[order]
    return np.where(inside, np.interp(at, points, np.concatenate([rates, edge_rates])[order]), np.nan)
