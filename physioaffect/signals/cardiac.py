"""Heart beats in an electrocardiogram."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.signals.beat_detection import (
    FoundBeats,
    band_filtered,
    beat_blocks,
    filled,
    first_highest,
    parabolic,
    strongest,
    without_rounding,
)

__all__ = ["ECG_BAND_HZ", "SLOWEST_ECG_HZ", "complexes", "r_peaks"]

# The ventricles' complex takes 0.1 s.
SLOWEST_ECG_HZ = 50.0
ECG_BAND_HZ = (2.0, 30.0)
# Beats are looked for at no more than twice this rate: there is nothing above 30 Hz any more.
_ENOUGH_HZ = 200.0

# Elgendi's: the band in which the complex stands out, its length, that of a beat, and the offset.
_COMPLEX_HZ = (8.0, 20.0)
_COMPLEX_S, _BEAT_S, _OFFSET, _LOCAL_S = 0.097, 0.611, 0.08, 10.0
_APART_S = 0.25
# The peak is looked for within so much of the middle of the energy.
_NEAR_S = 0.08
# Which way up the complex points is decided by the beats of the last and the next seconds.
POLARITY_BACK_S, POLARITY_AHEAD_S = 10.0, 4.0


def complexes(ecg: NDArray[np.floating[Any]], *, sfreq: float, first: int = 0) -> FoundBeats:
    """Find the QRS complexes of an electrocardiogram, either way up.

    Parameters
    ----------
    ecg : ndarray, shape (n_times,)
        One lead in any unit; NaN where missing.
    sfreq : float
        Samples per second, at least 50.
    first : int
        Number of the first sample in the recording that ``ecg`` is a part of, so that a part of it is thinned
        out to the same samples as all of it.

    Returns
    -------
    found : FoundBeats
        The time of a beat is that of the highest or, where the complexes of 14 s around it point down, the
        lowest point of the complex, between samples.

    Raises
    ------
    DataError
        If ``sfreq`` is too low.

    Notes
    -----
    Elgendi (2013) [1]_: the energy from 8 to 20 Hz, its moving average over 97 ms above that over 611 ms plus
    8 % of the mean. Here, that mean is over 10 s instead of the whole recording.

    References
    ----------
    .. [1] Elgendi (2013). Fast QRS detection with an optimized knowledge-based method: evaluation on 11
       standard ECG databases. PLoS ONE 8(9), e73557. doi:10.1371/journal.pone.0073557

    Examples
    --------
    >>> times = np.arange(30 * 250) / 250
    >>> ecg = -1e-3 * np.exp(-0.5 * ((times % 0.8 - 0.4) / 0.02) ** 2)  # Upside down.
    >>> found = complexes(ecg, sfreq=250.0)
    >>> found.times[:4].round(3)
    array([0.4, 1.2, 2. , 2.8])
    """
    if ecg.ndim != 1:
        raise ValueError(f"ecg must be (n_times,), got shape {ecg.shape}. Pass one lead: ecg[0].")
    if sfreq < SLOWEST_ECG_HZ:
        raise DataError(
            f"Heart beats cannot be found in an ECG sampled at {sfreq:g} Hz; it takes {SLOWEST_ECG_HZ:g} Hz "
            "or more. Use the original recording, or features that do not need the ECG."
        )
    fmin, fmax = ECG_BAND_HZ
    every = max(1, int(sfreq // _ENOUGH_HZ))
    offset, rate = int(-first % every), sfreq / every
    is_missing = ~np.isfinite(ecg)
    if len(ecg) <= offset or is_missing.all():
        return FoundBeats(np.empty(0), np.empty(0), rate, offset)
    whole = filled(ecg, is_missing, reach=int(np.ceil(sfreq / (2 * fmin))))
    wave = band_filtered(whole, sfreq=sfreq, fmin=fmin, fmax=fmax)
    wave = without_rounding(wave, whole)[offset::every]
    low, high = _COMPLEX_HZ
    energy = band_filtered(wave, sfreq=rate, fmin=low, fmax=high) ** 2
    energy[is_missing[offset::every]] = 0.0

    blocks = beat_blocks(energy, sfreq=rate, event=_COMPLEX_S, beat=_BEAT_S, offset=_OFFSET, local=_LOCAL_S)
    middle = first_highest(energy, *blocks)
    middle = middle[strongest(middle, energy[middle], apart=_APART_S * rate)]
    near = max(1, round(_NEAR_S * rate))
    around = np.maximum(middle - near, 0), np.minimum(middle + near + 1, len(wave))
    highest, lowest = first_highest(wave, *around), first_highest(-wave, *around)
    up, down = wave[highest], -wave[lowest]
    size = np.abs(up) + np.abs(down)
    # A share of the size, so that one spike does not decide for all of its neighbours.
    excess = np.divide(up - down, size, out=np.zeros(len(middle)), where=size > 0)
    excess = np.concatenate([[0.0], np.cumsum(excess)])
    times = middle / rate
    earlier = np.searchsorted(times, times - POLARITY_BACK_S, side="left")
    later = np.searchsorted(times, times + POLARITY_AHEAD_S, side="right")
    points_up = excess[later] - excess[earlier] >= 0
    peak = np.where(points_up, parabolic(wave, highest), parabolic(-wave, lowest))
    return FoundBeats(np.unique(peak) / rate, wave, rate, offset)


def r_peaks(ecg: NDArray[np.floating[Any]], *, sfreq: float) -> NDArray[np.intp]:
    """Find the R peaks of an electrocardiogram, without a word on their quality.

    Parameters
    ----------
    ecg : ndarray, shape (n_times,)
        One lead in any unit, either way up or down as it was recorded; NaN where missing.
    sfreq : float
        Samples per second, at least 50.

    Returns
    -------
    peak_idx : ndarray, shape (n_beats,)
        Samples, none of them missing.

    Raises
    ------
    DataError
        If ``sfreq`` is too low.

    Notes
    -----
    See `complexes`. Intervals that can be trusted come from `physioaffect.signals.beats.beats_from_ecg`.

    Examples
    --------
    >>> times = np.arange(10 * 250) / 250
    >>> ecg = 1e-3 * np.exp(-0.5 * ((times % 0.8 - 0.4) / 0.02) ** 2)
    >>> r_peaks(ecg, sfreq=250.0)[:4]
    array([100, 300, 500, 700])
    """
    found = complexes(ecg, sfreq=sfreq)
    peak_idx = np.rint(found.times * sfreq).astype(np.intp)
    seen: NDArray[np.intp] = peak_idx[np.isfinite(ecg[peak_idx])]
    return seen
