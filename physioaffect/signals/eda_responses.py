"""Skin conductance responses: where they are, how high, how fast they rise and recover."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from physioaffect._compiled import compiled

__all__ = ["RESPONSE_CONTEXT_S", "Responses", "scr_peaks"]

RESPONSE_CONTEXT_S = 10.0
"""A response rises within a few seconds and has half recovered within ten (Boucsein 2012), so nothing that is
further from its peak than so many seconds is looked at."""

# Of the height; a bend that is flatter is none.
_SMALLEST_BEND = 0.05
# Faster is a movement of the electrode, slower a drift (Boucsein 2012).
_RISE_S = (0.5, 5.0)
# As many samples around peaks are looked at at once: 32 MB.
_BLOCK = 2**22


class Responses(NamedTuple):
    """Skin conductance responses in order of time, each array of shape (n_responses,).

    Attributes
    ----------
    peak_idx : ndarray of int
        Sample of the peak.
    amplitudes : ndarray
        Height of the peak above the trough that it rose from, in microsiemens.
    onset_idx : ndarray of int
        Where the rise bends upwards: the sample furthest below the straight line from the trough to the peak.
        The trough itself if none is below by a twentieth of the height.
    rise_times : ndarray
        Seconds from the onset to the peak.
    recovery_times : ndarray
        Seconds from the peak to where half of the height is lost; NaN if the next response or the
        recording's end comes first, or if it takes more than ten seconds.
    areas : ndarray
        Area in microsiemens times seconds between the signal and the trough's level, from the trough to the
        half recovery; to the next trough, the recording's end or ten seconds where there is none.
    stop_idx : ndarray of int
        First sample after that end.
    """

    peak_idx: NDArray[np.intp]
    amplitudes: NDArray[np.float64]
    onset_idx: NDArray[np.intp]
    rise_times: NDArray[np.float64]
    recovery_times: NDArray[np.float64]
    areas: NDArray[np.float64]
    stop_idx: NDArray[np.intp]


def scr_peaks(
    phasic: NDArray[np.floating[Any]],
    *,
    sfreq: float,
    eda: NDArray[np.floating[Any]] | None = None,
    threshold: float = 0.02,
    rise: tuple[float, float] = _RISE_S,
) -> Responses:
    """Find skin conductance responses that stand out by so many microsiemens.

    Parameters
    ----------
    phasic : ndarray, shape (n_times,)
        Phasic skin conductance in microsiemens, NaN where missing.
    sfreq : float
        Samples per second.
    eda : ndarray, shape (n_times,), optional
        Skin conductance itself, which then has to rise by ``threshold`` too from the trough to the peak: a
        filter leaves dips on both sides of a high response, and what lies between two dips is none.
    threshold : float
        Smallest rise and fall in microsiemens. Usual are 0.01 to 0.05; 0.02 is the default of EDA
        Explorer [1]_, which was made for wristbands.
    rise : tuple of float
        Shortest and longest rise of a response in seconds, from its onset to its peak [2]_.

    Returns
    -------
    responses : Responses
        In order of time.

    Notes
    -----
    A response is a peak that stands out from both sides by ``threshold`` (its prominence) within ten seconds.
    Its height is counted from the lowest point since the response before, at most ten seconds back: from
    trough to peak [2]_, so that a response on the flank of another is not made smaller by it.

    A response that touches a gap anywhere from its trough to its half recovery does not count, nor does one
    that had begun before the recording.

    The threshold is absolute on purpose. NeuroKit2 (0.2.13) takes a tenth of the largest peak of the whole
    recording: one artefact of 5 uS in 15 minutes of a wrist recording takes its count from 82 responses to 2.

    References
    ----------
    .. [1] Taylor, Jaques, Chen, Fedor, Sano, Picard (2015). Automatic identification of artifacts in
       electrodermal activity data. EMBC. doi:10.1109/EMBC.2015.7318762
    .. [2] Boucsein (2012). Electrodermal activity, 2nd edition. Springer.
       doi:10.1007/978-1-4614-1126-0

    Examples
    --------
    >>> times = np.arange(240) / 4.0
    >>> bump = 0.3 * np.exp(-((times - 30) ** 2) / 4)
    >>> responses = scr_peaks(bump, sfreq=4.0)
    >>> times[responses.peak_idx], responses.amplitudes.round(3)
    (array([30.]), array([0.3]))
    >>> responses.recovery_times.round(2)  # The square root of 4 log(2).
    array([1.67])
    """
    if phasic.ndim != 1:
        raise ValueError(f"phasic must be (n_times,), got shape {phasic.shape}. Pass one channel: phasic[0].")
    if not threshold > 0:
        raise ValueError(f"threshold must be above 0 uS, got {threshold}.")
    if not 0 <= rise[0] < rise[1] <= RESPONSE_CONTEXT_S:
        raise ValueError(
            f"rise must go from a shorter to a longer time of up to {RESPONSE_CONTEXT_S:g} s, got {rise}."
        )
    if eda is not None and eda.shape != phasic.shape:
        raise ValueError(f"eda must have the shape of phasic, {phasic.shape}, got {eda.shape}.")
    reach = max(1, round(RESPONSE_CONTEXT_S * sfreq))
    x = np.asarray(phasic, dtype=np.float64)
    is_missing = ~np.isfinite(x)
    peaks = _peaks(x, is_missing, threshold, reach)
    # Where the stretch without a gap around each peak begins and stops.
    gaps = np.concatenate([[-1], np.flatnonzero(is_missing), [len(x)]])
    after = np.searchsorted(gaps, peaks)
    begins, stops = gaps[after - 1] + 1, gaps[after]
    # Nor beyond the neighbours' peaks.
    first = np.maximum.reduce([begins, peaks - reach, np.append(0, peaks[:-1])[: len(peaks)]])
    last = np.minimum.reduce([stops - 1, peaks + reach, np.append(peaks[1:], len(x))[: len(peaks)]])
    found = [
        _measured(x, peaks[block], first[block], last[block], reach, sfreq)
        for block in _blocks(len(peaks), 2 * reach + 1)
    ]
    responses = Responses._make(
        np.concatenate(column) for column in zip(*(part[0] for part in found), strict=True)
    )
    troughs = np.concatenate([part[1] for part in found])
    is_seen = troughs > begins
    is_cut_by_gap = np.isnan(responses.recovery_times) & (last == stops - 1) & (stops < len(x))
    is_risen = (responses.rise_times >= rise[0]) & (responses.rise_times <= rise[1])
    is_whole = is_seen & ~is_cut_by_gap & is_risen
    if eda is not None:
        is_whole &= eda[peaks] - eda[troughs] >= threshold
    return Responses._make(column[is_whole] for column in responses)


def _peaks(
    x: NDArray[np.float64], is_missing: NDArray[np.bool_], threshold: float, reach: int
) -> NDArray[np.intp]:
    if is_missing.all():
        return np.empty(0, dtype=np.intp)
    # Gaps as walls: a search for the foot of a peak stops there, and what leans on one is no peak.
    walled = np.where(is_missing, np.max(x[~is_missing]) + 1, x)
    peaks, _ = find_peaks(walled)
    peaks = peaks[~is_missing[peaks]]
    return np.asarray(peaks[_stand_out(walled, peaks, threshold, reach)], dtype=np.intp)


# SciPy's prominences warn of flat tops in rounding errors, which cannot be silenced in one thread alone.
@compiled()
def _stand_out(x: Any, peaks: Any, threshold: Any, reach: Any) -> Any:
    """Whether each peak stands out by ``threshold`` from both sides, shape (n_peaks,).

    A side goes on for ``reach`` samples, or up to a sample that is higher.
    """
    is_high = np.zeros(len(peaks), dtype=np.bool_)
    for number in range(len(peaks)):
        top = x[peaks[number]]
        n_sides = 0
        for step in (-1, 1):
            for offset in range(1, reach + 1):
                place = peaks[number] + step * offset
                if place < 0 or place >= len(x) or x[place] > top:
                    break
                if top - x[place] >= threshold:
                    n_sides += 1
                    break
        is_high[number] = n_sides == 2
    return is_high


def _blocks(n: int, width: int) -> list[slice]:
    size = max(1, _BLOCK // width)
    return [slice(start, start + size) for start in range(0, max(1, n), size)]


def _measured(
    x: NDArray[np.float64],
    peaks: NDArray[np.intp],
    first: NDArray[np.intp],
    last: NDArray[np.intp],
    reach: int,
    sfreq: float,
) -> tuple[Responses, NDArray[np.intp]]:
    """Measures of some responses and their troughs; nothing outside of ``first`` to ``last`` is looked at."""
    rows = np.arange(len(peaks))
    offsets = np.arange(reach + 1)
    top = x[peaks]

    # Backwards from the peak; the first lowest value of a row is the one nearest to the peak.
    back = peaks[:, np.newaxis] - offsets
    before = np.where(back >= first[:, np.newaxis], x[np.maximum(back, 0)], np.inf)
    n_rise = before.argmin(axis=1)
    foot = before[rows, n_rise]
    height = top - foot
    n_onset = _bend(before, top, height, n_rise)

    ahead = peaks[:, np.newaxis] + offsets
    after = np.where(ahead <= last[:, np.newaxis], x[np.minimum(ahead, len(x) - 1)], np.inf)
    half = top - height / 2
    is_half = after <= half[:, np.newaxis]
    has_half = is_half.any(axis=1)
    n_half = is_half.argmax(axis=1)
    above, below = after[rows, n_half - 1], after[rows, n_half]
    with np.errstate(invalid="ignore"):  # Where there is no half recovery.
        recovery = np.where(has_half, n_half - 1 + (above - half) / (above - below), np.nan)
    # Without one it ends at its lowest point.
    n_fall = np.where(has_half, n_half, np.where(np.isfinite(after), after, np.inf).argmin(axis=1))

    areas = _areas(before, after, foot, n_rise, np.where(has_half, recovery, n_fall)) / sfreq
    return (
        Responses(
            peaks, height, peaks - n_onset, n_onset / sfreq, recovery / sfreq, areas, peaks + n_fall + 1
        ),
        peaks - n_rise,
    )


def _bend(
    before: NDArray[np.float64],
    top: NDArray[np.float64],
    height: NDArray[np.float64],
    n_rise: NDArray[np.intp],
) -> NDArray[np.intp]:
    """Samples from the peak back to the bend: a slow drift ahead of the rise is no part of it."""
    offsets = np.arange(before.shape[1])
    line = top[:, np.newaxis] - height[:, np.newaxis] * offsets / np.maximum(n_rise, 1)[:, np.newaxis]
    distance = np.where(offsets <= n_rise[:, np.newaxis], line - before, -np.inf)
    is_bent = distance.max(axis=1) >= _SMALLEST_BEND * height
    return np.asarray(np.where(is_bent, distance.argmax(axis=1), n_rise), dtype=np.intp)


def _areas(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    foot: NDArray[np.float64],
    n_rise: NDArray[np.intp],
    n_end: NDArray[np.floating[Any]],
) -> NDArray[np.float64]:
    """Trapezoids above the foot from the trough to ``n_end`` samples after the peak, maybe between two."""
    steps = np.arange(before.shape[1] - 1)
    base = foot[:, np.newaxis]
    with np.errstate(invalid="ignore"):  # Between samples that are out of bounds.
        left = (before[:, :-1] + before[:, 1:]) / 2 - base
        share = np.clip(n_end[:, np.newaxis] - steps, 0, 1)
        start, slope = after[:, :-1] - base, np.diff(after, axis=1)
        right = share * (start + share * slope / 2)
    left = np.where(steps < n_rise[:, np.newaxis], left, 0)
    return np.asarray(left.sum(axis=1) + np.where(share > 0, right, 0).sum(axis=1))
