"""Bursts of the sudomotor driver, and the responses that they make, one by one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect._compiled import compiled

from .deconvolution import Deconvolution

__all__ = ["Bursts", "find_bursts"]

Array = NDArray[np.float64]

# A driver that makes less than this share of the threshold is between bursts.
_BETWEEN = 0.02


class Bursts(NamedTuple):
    """Bursts in order of time, each array of shape (n_bursts,).

    Attributes
    ----------
    times : ndarray
        Seconds from the first sample to the burst's centre of mass; negative if it came before.
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
        Seconds; bursts with less than this between them are one.

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
        area = moment = 0.0
        for k in range(first[burst], stop[burst]):
            area += driver[k]
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
        rows[burst, 0] = moment / area / sfreq
        rows[burst, 1] = area / sfreq
        rows[burst, 2] = height
        rows[burst, 3] = at / sfreq
        rows[burst, 4] = (recovered - at) / sfreq
