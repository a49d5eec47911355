"""Slow signals recorded fast, brought down to the rate that they need."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin, kaiserord, resample_poly

from physioaffect.recording import Flag, Signal
from physioaffect.signals.eeg_filter import resample_mask
from physioaffect.signals.gaps import bridge

__all__ = ["Resampled", "bring_down", "reach_of", "resampled_signal"]

# The pass band ends at this share of half the new rate, the stop band begins at half the new rate.
_PASS = 0.8
_STOP_DB = 80.0
# Recorders' rates are in such ratios; of another rate the nearest ratio is taken, and the rate that it gives.
_LARGEST_DENOMINATOR = 1000


class Resampled(NamedTuple):
    """A signal at its new rate in Hz; sample zero has kept its time."""

    data: NDArray[np.float64]
    sfreq: float


def _ratio(sfreq: float, to: float) -> Fraction:
    if not 0 < to <= sfreq:
        raise ValueError(
            f"Cannot bring a signal sampled at {sfreq:g} Hz down to {to:g} Hz: the new rate must be above 0 "
            f"and no higher than {sfreq:g} Hz. What was not recorded cannot be added."
        )
    return Fraction(to / sfreq).limit_denominator(_LARGEST_DENOMINATOR)


@lru_cache(maxsize=16)
def _taps(up: int, sfreq: float, to: float) -> NDArray[np.float64]:
    """Low-pass at the rate ``up * sfreq``, of odd length and linear phase."""
    rate = up * sfreq
    n_taps, beta = kaiserord(_STOP_DB, (1 - _PASS) * to / rate)
    taps: NDArray[np.float64] = firwin(n_taps | 1, (1 + _PASS) / 2 * to / 2, window=("kaiser", beta), fs=rate)
    return taps


def reach_of(*, to: float) -> float:
    """Seconds to either side of a sample at the new rate that can have a part in it.

    Examples
    --------
    >>> round(reach_of(to=4.0), 1)
    6.3
    """
    # Kaiser's formula for the length, (A - 7.95) / (2.285 dw), as half of it in seconds.
    return (_STOP_DB - 7.95) / (2.285 * 2 * np.pi * (1 - _PASS) * to / 2) / 2


def bring_down(x: NDArray[np.floating[Any]], *, sfreq: float, to: float) -> Resampled:
    """Resample to a lower rate behind a zero-phase anti-alias filter.

    Parameters
    ----------
    x : ndarray, shape (n_times,)
        Any unit; NaN or infinite where missing.
    sfreq, to : float
        Samples per second now and then.

    Returns
    -------
    resampled : Resampled
        Sample ``k`` is at the time of sample ``k * sfreq / to``. It is NaN if any of the old samples nearest
        to it is missing. The rate is ``to``, or, if the two are in no ratio of whole numbers up to 1,000,
        the nearest rate that is.

    Raises
    ------
    ValueError
        If ``to`` is not above zero, or above ``sfreq``.

    Notes
    -----
    A finite impulse response of linear phase with a Kaiser window, run polyphase by SciPy: what lies below
    0.4 of the new rate passes within 0.01 %, what lies above 0.5 of it is taken down by 80 dB. It reaches
    6.3 s to either side at 4 Hz and in proportion at other rates. For the filter only, gaps are bridged by
    lines and the signal is continued at its ends by its own point reflection.

    Examples
    --------
    >>> times = np.arange(7000) / 700
    >>> down = bring_down(np.sin(2 * np.pi * times), sfreq=700.0, to=8.0)
    >>> down.sfreq, bool(np.abs(down.data - np.sin(2 * np.pi * np.arange(80) / 8)).max() < 1e-3)
    (8.0, True)
    """
    if x.ndim != 1:
        raise ValueError(f"x must be (n_times,), got shape {x.shape}. Pass one channel: x[0].")
    ratio = _ratio(sfreq, to)
    if ratio == 1:
        return Resampled(np.where(np.isfinite(x), x, np.nan).astype(np.float64), sfreq)
    up, down = ratio.numerator, ratio.denominator
    new = sfreq * up / down
    n_new = -(-len(x) * up // down)
    is_missing = ~np.isfinite(x)
    if is_missing.all():
        return Resampled(np.full(n_new, np.nan), new)
    whole = _local(x, is_missing, reach=int(np.ceil(reach_of(to=new) * sfreq)))
    taps = _taps(up, sfreq, new)
    # SciPy's own padding of this kind ends the process for a single sample (1.17).
    n_units = -(-(len(taps) // 2) // (up * down))
    padded = np.pad(whole, n_units * down, mode="reflect", reflect_type="odd")
    run: Any = resample_poly  # The stubs do not know that it takes taps.
    data: NDArray[np.float64] = run(padded, up, down, window=taps)[n_units * up :][:n_new]
    if is_missing.any():
        data[resample_mask(is_missing, n_new, down / up)] = np.nan
    return Resampled(data, new)


def _local(x: NDArray[np.floating[Any]], is_missing: NDArray[np.bool_], *, reach: int) -> NDArray[np.float64]:
    """Bridge gaps; one longer than the filter is held level at both sides, so that they stay apart."""
    if not is_missing.any():
        return np.asarray(x, dtype=np.float64)
    whole = bridge(np.where(is_missing, np.nan, x), is_missing)
    edges = np.flatnonzero(np.diff(is_missing, prepend=False, append=False))
    for first, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - first > 2 * reach and first > 0 and stop < len(x):
            middle = (first + stop) // 2
            whole[first:middle], whole[middle:stop] = whole[first - 1], whole[stop]
    return whole


def resampled_signal(signal: Signal, *, to: float) -> Signal:
    """Bring a signal down with its flags.

    Flagged samples take no part. A new sample that stands for any flagged one has the flags of all of them,
    one that stands for a missing one is NaN. New samples are at whole multiples of the ratio of the
    rates, counted from the trial's onset, wherever the signal begins.

    Parameters
    ----------
    signal : Signal
        At the rate ``to`` or a higher one.
    to : float
        Samples per second.

    Examples
    --------
    >>> flags = np.where(np.arange(640) == 320, Flag.GAP, 0).astype(np.uint8)
    >>> eda = Signal(
    ...     data=np.ones((1, 640)), sfreq=64.0, ch_names=("EDA",), kind="eda", unit="uS", flags=flags
    ... )
    >>> slower = resampled_signal(eda, to=4.0)
    >>> slower.data.shape, np.flatnonzero(slower.flags)
    ((1, 40), array([20]))
    """
    ratio = _ratio(signal.sfreq, to)
    if ratio == 1:
        return signal
    # So that a part of the recording gives the same samples as all of it.
    n_cut = int(-round(signal.start * signal.sfreq) % ratio.denominator)
    cut = signal.crop(signal.start + n_cut / signal.sfreq, signal.stop)
    channels = [bring_down(channel, sfreq=signal.sfreq, to=to) for channel in cut.masked]
    data = np.stack([channel.data for channel in channels])
    flags = np.zeros(data.shape[-1], dtype=np.uint8)
    for flag in Flag:
        has_flag = (cut.flags & np.uint8(flag)) > 0
        if has_flag.any():
            flags[resample_mask(has_flag, len(flags), float(1 / ratio))] |= np.uint8(flag)
    return replace(cut, data=data, sfreq=channels[0].sfreq, flags=flags)
