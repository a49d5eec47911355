"""Where the heart beats stand out: two moving averages on the energy of a band, in local context only."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin, oaconvolve

__all__ = [
    "FoundBeats",
    "band_filtered",
    "beat_blocks",
    "filled",
    "first_highest",
    "moving_mean",
    "parabolic",
    "strongest",
    "without_rounding",
]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


class FoundBeats(NamedTuple):
    """Beats, and the filtered signal that they were found in.

    ``times`` has shape (n_beats,), in seconds after sample zero of ``wave``, which has ``sfreq`` samples a
    second and begins with sample ``first`` of what was given.
    """

    times: Floats
    wave: Floats
    sfreq: float
    first: int


@lru_cache(maxsize=16)
def _taps(sfreq: float, fmin: float, fmax: float) -> Floats:
    """A low-pass less a slow average, both of unit gain at 0 Hz, so that a constant leaves nothing."""
    reach = max(1, round(sfreq / (2 * fmin)))
    slow = np.hanning(2 * reach + 3)[1:-1]
    taps = -slow / slow.sum()
    # Four periods of the upper edge: 40 dB down within a half of it.
    half = min(reach, max(1, round(2 * sfreq / fmax)))
    edge = min(fmax, 0.45 * sfreq)
    taps[reach - half : reach + half + 1] += firwin(2 * half + 1, edge, fs=sfreq)
    taps.flags.writeable = False
    return np.asarray(taps)


def band_filtered(x: Floats, *, sfreq: float, fmin: float, fmax: float) -> Floats:
    """Filter without delay by a finite response, continued at both ends by the first and the last sample.

    What comes out at a sample rests on the samples within ``1 / (2 * fmin)`` seconds of it and on no other. A
    constant is taken out; ``fmin`` is where half of the amplitude passes.

    Parameters
    ----------
    x : ndarray, shape (n_times,)
        Without missing samples.
    """
    taps = _taps(sfreq, fmin, fmax)
    reach = len(taps) // 2
    around = np.concatenate([np.full(reach, x[0]), x, np.full(reach, x[-1])])
    return np.asarray(oaconvolve(around, taps, mode="valid"), dtype=np.float64)


def without_rounding(wave: Floats, x: Floats) -> Floats:
    """Zero where no more than rounding is left of ``x`` after the filter: a flat signal has no beats."""
    return np.where(np.abs(wave) > 1e-10 * np.abs(x), wave, 0.0)


def filled(x: NDArray[np.floating[Any]], is_missing: NDArray[np.bool_], *, reach: int) -> Floats:
    """Stand-ins for missing samples: a line over a short gap; a long one is held level from both sides.

    What a filter that reaches ``reach`` samples gives outside a long gap then rests on this side of it alone.
    """
    whole: Floats = np.array(x, dtype=np.float64)
    edges = np.flatnonzero(np.diff(is_missing, prepend=False, append=False))
    for first, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        left = whole[first - 1] if first > 0 else whole[stop]
        right = whole[stop] if stop < len(x) else left
        n = stop - first
        if n > 2 * reach:
            whole[first : first + n // 2], whole[first + n // 2 : stop] = left, right
        else:
            whole[first:stop] = left + (right - left) * np.arange(1, n + 1) / (n + 1)
    return whole


def moving_mean(x: Floats, size: int) -> Floats:
    """Mean of the ``size`` samples (made odd) around each; beyond the ends there are zeros.

    The sums run over no more than ``size`` samples each: after a spike nothing of it is left in the digits.
    """
    size |= 1
    half = size // 2
    n_rows = -(-(len(x) + 2 * half) // size) + 1
    padded = np.zeros(n_rows * size)
    padded[half : half + len(x)] = x
    rows = padded.reshape(n_rows, size)
    ahead = np.cumsum(rows, axis=1).ravel()
    behind = np.cumsum(rows[:, ::-1], axis=1)[:, ::-1].ravel()
    stop = np.arange(len(x)) + size - 1
    total = behind[: len(x)] + ahead[stop]
    # Where the window is one whole row, that row was counted twice.
    whole_rows = np.arange(0, len(x), size)
    total[whole_rows] = ahead[stop[whole_rows]]
    return np.asarray(total / size)


def beat_blocks(
    energy: Floats, *, sfreq: float, event: float, beat: float, offset: float, local: float
) -> tuple[Indices, Indices]:
    """Stretches in which a short moving average is above a long one.

    Parameters
    ----------
    energy : ndarray, shape (n_times,)
        Not negative.
    sfreq : float
        Samples per second.
    event, beat : float
        Seconds of the two averages: about as long as what one beat shows, and as one beat.
    offset, local : float
        So much of the mean over ``local`` seconds is added to the long average.

    Returns
    -------
    first_idx, stop_idx : ndarray, shape (n_blocks,)
        Half-open, at least ``0.8 * event`` long, and cut off after ``beat``.

    Notes
    -----
    Elgendi et al. (2013) [1]_, whose offset is a share of the mean over *all* of the recording: there, one
    burst of motion hides the beats of an hour, and what is found now hangs on what comes later. Here
    it is the mean over the surroundings.

    References
    ----------
    .. [1] Elgendi et al. (2013). Systolic peak detection in acceleration photoplethysmograms measured from
       emergency responders in tropical conditions. PLoS ONE 8(10), e76585. doi:10.1371/journal.pone.0076585
    """
    short, long, around = (
        moving_mean(energy, max(1, round(seconds * sfreq))) for seconds in (event, beat, local)
    )
    # Nothing but rounding is left of a flat signal: that is no beat.
    is_event = short > np.maximum(long + offset * around, np.finfo(float).tiny)
    edges = np.flatnonzero(np.diff(is_event, prepend=False, append=False))
    first_idx, stop_idx = edges[::2], edges[1::2]
    is_long = stop_idx - first_idx >= 0.8 * event * sfreq
    first_idx, stop_idx = first_idx[is_long], stop_idx[is_long]
    return first_idx, np.minimum(stop_idx, first_idx + max(1, round(beat * sfreq)))


def first_highest(x: Floats, first_idx: Indices, stop_idx: Indices) -> Indices:
    """Sample of the first maximum of ``x`` in each half-open stretch; the stretches are not empty."""
    if len(first_idx) == 0:
        return np.empty(0, dtype=np.intp)
    widest = int((stop_idx - first_idx).max())
    at = first_idx[:, np.newaxis] + np.arange(widest)
    inside = at < stop_idx[:, np.newaxis]
    values = np.where(inside, x[np.minimum(at, len(x) - 1)], -np.inf)
    return np.asarray(first_idx + np.argmax(values, axis=1))


def parabolic(x: Floats, idx: Indices) -> Floats:
    """Samples and their fractions at which the parabola through three neighbours of a maximum is highest."""
    if len(x) < 3:
        return idx.astype(np.float64)
    middle = np.clip(idx, 1, len(x) - 2)
    before, here, after = x[middle - 1], x[middle], x[middle + 1]
    bend = 2 * here - before - after
    shift = np.divide(after - before, 2 * bend, out=np.zeros(len(idx)), where=bend > 0)
    return np.asarray(np.where(middle == idx, middle + np.clip(shift, -0.5, 0.5), idx))


def strongest(idx: Indices, strength: Floats, *, apart: float) -> NDArray[np.bool_]:
    """Whether none of the two neighbours on each side is nearer than ``apart`` samples and stronger."""
    keeps = np.ones(len(idx), dtype=np.bool_)
    for lag in (1, 2):
        is_near = idx[lag:] - idx[:-lag] < apart
        is_later_stronger = strength[lag:] > strength[:-lag]
        keeps[:-lag] &= ~(is_near & is_later_stronger)
        keeps[lag:] &= ~(is_near & ~is_later_stronger)
    return keeps
