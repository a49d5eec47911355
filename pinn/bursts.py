"""Bursts of the sudomotor driver, and the responses that they make, one by one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from physioaffect._compiled import compiled

from .deconvolution import Deconvolution

__all__ = ["Bursts", "find_bursts"]

Array = NDArray[np.float64]

# A driver that makes less than this share of the threshold is between bursts.
_BETWEEN = 0.02
# Two bursts between which the driver does not stop are two if it falls to this share of the smaller one.
_VALLEY = 0.5
# Of a burst's highest driver: what trails behind it lower than that says nothing about when it was.
_CORE = 0.1


class Bursts(NamedTuple):
    """Bursts in order of time, each array of shape (n_bursts,).

    Attributes
    ----------
    times : ndarray
        Seconds from the first sample to the centre of mass of the burst, without what of it is lower than a
        tenth of its highest driver.
    areas : ndarray
        Of the driver in uS s.
    amplitudes : ndarray
        Height in microsiemens of the response that the burst makes by itself, however it overlaps with
        others.
    peak_times : ndarray
        Seconds from the first sample to the peak of that response.
    recovery_times : ndarray
        Seconds from that peak until half of the height is lost.
    is_seen : ndarray of bool
        Whether the recording is present from the burst to its response's peak: others are guesses in a gap.
    """

    times: Array
    areas: Array
    amplitudes: Array
    peak_times: Array
    recovery_times: Array
    is_seen: NDArray[np.bool_]


def find_bursts(found: Deconvolution, *, threshold: float = 0.01, apart: float = 1.0) -> Bursts:
    """List the bursts of a driver.

    Parameters
    ----------
    found : Deconvolution
        Where the driver is.
    threshold : float
        Smallest height in microsiemens that counts of the response that a burst makes by itself.
    apart : float
        Seconds; bursts with less than this between them are one. Where the driver does not stop, smoothed
        over this time it must fall to half of the smaller one between two.

    Returns
    -------
    Bursts

    Raises
    ------
    ValueError
        If the threshold is not above zero.

    Examples
    --------
    >>> from physioaffect.pinn import Sudomotor, deconvolve
    >>> driver = np.zeros(480)
    >>> driver[[100, 300]] = 4.0
    >>> eda = 5 + Sudomotor().respond(driver, sfreq=4.0)
    >>> find_bursts(deconvolve(eda, sfreq=4.0)).peak_times.round(1)
    array([26.3, 76.3])
    """
    if not threshold > 0:
        raise ValueError(f"threshold must be above 0 uS, got {threshold}.")
    skin, sfreq = found.settings.skin, found.sfreq
    # A burst of one sample that is as high as this makes a response as high as the share.
    floor = _BETWEEN * threshold * sfreq / skin.peak
    is_on = found.driver > floor
    edges = np.flatnonzero(np.diff(is_on, prepend=False, append=False))
    first, stop = edges[::2], edges[1::2]
    if len(first):
        is_new = np.append(True, first[1:] - stop[:-1] >= apart * sfreq)
        first, stop = first[is_new], stop[np.append(is_new[1:], True)]
        first, stop = _split(np.where(is_on, found.driver, 0.0), first, stop, max(1, round(apart * sfreq)))
    rows = np.zeros((len(first), 5))
    steps = skin.discretise(sfreq)
    _measured(found.driver, first, stop, steps.state, steps.drive, sfreq, rows)
    is_kept = rows[:, 2] >= threshold
    rows, first = rows[is_kept], first[is_kept]
    n_seen = np.concatenate([[0], np.cumsum(found.is_present)])
    peak = np.minimum(np.ceil(rows[:, 3] * sfreq).astype(int) + 1, len(found.driver))
    is_seen = n_seen[peak] - n_seen[first] == peak - first
    times, areas, amplitudes, peak_times, recovery_times = rows.T
    return Bursts(times, areas, amplitudes, peak_times, recovery_times, is_seen)


def _split(
    driver: Array, first: NDArray[np.intp], stop: NDArray[np.intp], n_smooth: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Cut runs in which the driver rises again after it has fallen to half."""
    total = np.concatenate([np.zeros(n_smooth // 2 + 1), np.cumsum(driver)])
    total = np.pad(total, (0, n_smooth), mode="edge")
    smooth = total[n_smooth : n_smooth + len(driver)] - total[: len(driver)]
    tops, about = find_peaks(np.maximum(smooth, 0.0), distance=n_smooth, prominence=0.0)
    tops = tops[about["prominences"] >= _VALLEY * smooth[tops]]
    run = np.searchsorted(first, tops, side="right") - 1
    cuts = [
        before + int(smooth[before:after].argmin())
        for before, after, one, other in zip(tops[:-1], tops[1:], run[:-1], run[1:], strict=True)
        if one == other >= 0 and after < stop[other]
    ]
    if not cuts:
        return first, stop
    return np.sort(np.concatenate([first, cuts])), np.sort(np.concatenate([stop, cuts]))


@compiled(boundscheck=False)
def _measured(
    driver: Array,
    first: NDArray[np.intp],
    stop: NDArray[np.intp],
    state: Array,
    drive: Array,
    sfreq: float,
    rows: Array,
) -> None:
    """Run the system with one burst at a time: centre, area, height, time of the peak, half recovery."""
    for burst in range(len(first)):
        area = core = moment = highest = 0.0
        for k in range(first[burst], stop[burst]):
            area += driver[k]
            highest = max(highest, driver[k])
        for k in range(first[burst], stop[burst]):
            if driver[k] >= _CORE * highest:
                core += driver[k]
                moment += driver[k] * (k + 0.5)
        x = r = before = height = 0.0
        at = recovered = np.nan
        k = first[burst]
        while k < stop[burst] or r >= 0.5 * height or height == 0.0:
            p = driver[k] if k < stop[burst] else 0.0
            x_next = state[0, 0] * x + drive[0] * p
            r_next = state[1, 0] * x + state[1, 1] * r + drive[1] * p
            k += 1
            if r > height:
                # The peak between samples, by a parabola through three.
                bend = before - 2 * r + r_next
                shift = 0.5 * (before - r_next) / bend if bend < 0 and r >= r_next else 0.0
                height = r - 0.25 * (before - r_next) * shift if r >= r_next else r
                at = k - 1 + shift
            if k > stop[burst] and r_next < 0.5 * height <= r:
                recovered = k - 1 + (r - 0.5 * height) / (r - r_next)
            x, before, r = x_next, r, r_next
        rows[burst, 0] = moment / core / sfreq
        rows[burst, 1] = area / sfreq
        rows[burst, 2] = height
        rows[burst, 3] = at / sfreq
        rows[burst, 4] = (recovered - at) / sfreq
