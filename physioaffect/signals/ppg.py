"""Heart beats in a photoplethysmogram."""

from __future__ import annotations

from typing import Any, Literal

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

__all__ = ["PPG_BAND_HZ", "SLOWEST_PPG_HZ", "pulses"]

# What is left of a pulse below 20 samples a second does not tell when it came.
SLOWEST_PPG_HZ = 20.0
PPG_BAND_HZ = (0.5, 8.0)
# Beats are looked for at no more than twice this rate: there is nothing above 8 Hz any more.
_ENOUGH_HZ = 64.0

# The ascent of a pulse and one beat at 75 beats per minute; the offset is Elgendi's, its mean local.
_ASCENT_S, _BEAT_S, _OFFSET, _LOCAL_S = 0.15, 0.8, 0.02, 10.0
_APART_S = 0.3
_FOOT_S = 0.3


def pulses(
    ppg: NDArray[np.floating[Any]],
    *,
    sfreq: float,
    fiducial: Literal["foot", "upslope"] = "foot",
    first: int = 0,
) -> FoundBeats:
    """Find the pulses of a photoplethysmogram whose systole points up.

    Parameters
    ----------
    ppg : ndarray, shape (n_times,)
        Any unit; NaN where missing.
    sfreq : float
        Samples per second, at least 20.
    fiducial : {"foot", "upslope"}
        The moment that counts as the beat: the minimum in the 0.3 s before the ascent is steepest (the
        beginning of these if the pulse rises all along), or where the ascent is steepest.
    first : int
        Number of the first sample in the recording that ``ppg`` is a part of, so that a part of it is thinned
        out to the same samples as all of it.

    Returns
    -------
    found : FoundBeats
        Every ascent that stands out, good or bad: see `physioaffect.signals.beats` for their quality.

    Raises
    ------
    DataError
        If ``sfreq`` is too low.

    Notes
    -----
    Elgendi et al. (2013) [1]_: a moving average over an event above one over a beat. Three differences. The
    energy is that of the ascents (the squared positive slope, as in the slope sum of Zong et al. [2]_) and
    not of the signal above zero, because a wrist's pulse is broad and steep only there. The offset is a
    share of the mean over 10 s instead of the whole recording. And the beat is the foot or the steepest
    point, placed between samples by a parabola: at 64 Hz one sample is 16 ms. On the wrist (Empatica E4) the
    foot is sharp: intervals between feet differ from the device's own by 5 ms, between steepest points by
    7 ms (median). On the finger it is flat: from the ECG's intervals they differ by 7 and 3 ms.

    References
    ----------
    .. [1] Elgendi et al. (2013). Systolic peak detection in acceleration photoplethysmograms measured from
       emergency responders in tropical conditions. PLoS ONE 8(10), e76585. doi:10.1371/journal.pone.0076585
    .. [2] Zong et al. (2003). An open-source algorithm to detect onset of arterial blood pressure pulses.
       Computers in Cardiology 30, 259-262. doi:10.1109/CIC.2003.1291140

    Examples
    --------
    >>> times = np.arange(60 * 64) / 64
    >>> pulse = np.exp(3 * np.cos(2 * np.pi * 1.25 * times))
    >>> found = pulses(pulse, sfreq=64.0, fiducial="upslope")
    >>> bool(np.abs(np.diff(found.times) - 0.8).max() < 0.005)
    True
    """
    if ppg.ndim != 1:
        raise ValueError(f"ppg must be (n_times,), got shape {ppg.shape}. Pass one channel: ppg[0].")
    if sfreq < SLOWEST_PPG_HZ:
        raise DataError(
            f"Heart beats cannot be found in a PPG sampled at {sfreq:g} Hz; it takes {SLOWEST_PPG_HZ:g} Hz "
            "or more. Use the original recording, or the heart rate that the device made of it."
        )
    fmin, fmax = PPG_BAND_HZ
    every = max(1, int(sfreq // _ENOUGH_HZ))
    offset, rate = int(-first % every), sfreq / every
    is_missing = ~np.isfinite(ppg)
    if len(ppg) <= offset or is_missing.all():
        return FoundBeats(np.empty(0), np.empty(0), rate, offset)
    whole = filled(ppg, is_missing, reach=int(np.ceil(sfreq / (2 * fmin))))
    wave = band_filtered(whole, sfreq=sfreq, fmin=fmin, fmax=fmax)
    wave = without_rounding(wave, whole)[offset::every]
    if len(wave) < 3:
        return FoundBeats(np.empty(0), wave, rate, offset)
    slope = np.gradient(wave)
    ascent = np.maximum(slope, 0.0) ** 2
    ascent[is_missing[offset::every]] = 0.0

    blocks = beat_blocks(ascent, sfreq=rate, event=_ASCENT_S, beat=_BEAT_S, offset=_OFFSET, local=_LOCAL_S)
    steepest = first_highest(slope, *blocks)
    steepest = steepest[strongest(steepest, slope[steepest], apart=_APART_S * rate)]
    times = parabolic(slope, steepest)
    if fiducial == "foot":
        reach = round(_FOOT_S * rate)
        earliest = np.maximum(steepest - reach, 0)
        foot = first_highest(-wave, earliest, steepest + 1)
        times = np.where(foot > earliest, parabolic(-wave, foot), times - reach)
    # At the very beginning a foot may have been before the first sample.
    return FoundBeats(np.unique(times[times >= 0]) / rate, wave, rate, offset)
