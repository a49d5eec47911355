"""Quality of waves in any unit: pulse, electrocardiogram, breathing and muscle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import PhysioaffectError
from physioaffect.recording import Flag
from physioaffect.signals.quality_local import checked_rate, moving_mean, spread
from physioaffect.signals.quality_samples import CLIP_CONTEXT_S, clipped, flat, missing, out_of_range

__all__ = ["WaveRules", "wave_flags"]

_VOLTS = {"V": 1.0, "mV": 1e3, "uV": 1e6}
_BASELINE_S = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class WaveRules:
    """Which rules waves must pass, whatever their unit; None leaves one out. The figures are ours.

    What a beat or a breath looks like is judged where beats and breaths are found.

    Parameters
    ----------
    ppg_flat_s, ecg_flat_s, resp_flat_s, emg_flat_s : float, optional
        Seconds that a pulse wave, an electrocardiogram, breathing and muscle activity may stay the same:
        `Flag.FLAT`. Of 25 wristband sessions the longest pulse wave does so for 0.17 s.
    ecg_largest : float, optional
        Largest distance of an electrocardiogram from its mean over the second before and after, in volts:
        `Flag.OUT_OF_RANGE`. R waves reach a few millivolts; electrodes that move make tens. Only for
        a unit of V, mV or uV.
    clipped : bool
        Mark where a signal was cut off at the end of its range (`physioaffect.signals.quality.clipped`):
        `Flag.CLIPPED`.
    around : float
        Seconds before and after clipped and too large samples that are marked as well: amplifiers take time
        to recover.
    ppg_settling_s : float
        Seconds after the beginning, or after the band was put on again, in which `MarkQuality` marks a pulse
        wave `Flag.SETTLING`: the filters of an Empatica E4 take three.
    """

    ppg_flat_s: float | None = 1.0
    ecg_flat_s: float | None = 0.5
    resp_flat_s: float | None = 10.0
    emg_flat_s: float | None = 1.0
    ecg_largest: float | None = 0.01
    clipped: bool = True
    around: float = 0.5
    ppg_settling_s: float = 5.0

    def __post_init__(self) -> None:
        for kind in ("ppg", "ecg", "resp", "emg"):
            value = self.longest(kind)
            if value is not None and not value > 0:
                raise PhysioaffectError(f"WaveRules need {kind}_flat_s above 0 s or None, got {value}.")
        if self.ecg_largest is not None and not self.ecg_largest > 0:
            raise PhysioaffectError(f"WaveRules need ecg_largest above 0 V or None, got {self.ecg_largest}.")
        if not self.around >= 0 or not self.ppg_settling_s >= 0:
            raise PhysioaffectError(
                "WaveRules need around and ppg_settling_s of 0 s or more, got "
                f"{self.around}, {self.ppg_settling_s}."
            )

    def longest(self, kind: str) -> float | None:
        """Seconds that a signal of this kind may stay the same."""
        seconds: float | None = getattr(self, f"{kind}_flat_s")
        return seconds

    @property
    def context(self) -> tuple[float, float]:
        """Seconds before and after a sample that decide on its flags, settling aside."""
        flats = (self.longest(kind) or 0.0 for kind in ("ppg", "ecg", "resp", "emg"))
        # A plateau is as long as it may be, and then still seen from half a second away.
        reach = max(*flats, CLIP_CONTEXT_S + self.around) + CLIP_CONTEXT_S
        return reach, reach


def wave_flags(
    x: NDArray[np.floating[Any]], *, sfreq: float, kind: str, unit: str = "au", rules: WaveRules | None = None
) -> NDArray[np.uint8]:
    """Flag a wave, sample by sample.

    Parameters
    ----------
    x : ndarray, shape (..., n_times)
        Any unit, NaN where missing.
    sfreq : float
        Samples per second.
    kind : {"ppg", "ecg", "resp", "emg"}
        What it is.
    unit : str
        Its unit, of which only V, mV and uV mean something here.
    rules : WaveRules, optional
        Default: ``WaveRules()``.

    Returns
    -------
    flags : ndarray of uint8, shape (..., n_times)
        Bit field of `Flag`.

    Examples
    --------
    >>> wave = np.sin(2 * np.pi * np.arange(640) / 64)
    >>> Flag(int(wave_flags(np.clip(wave, -0.8, 0.8), sfreq=64, kind="ppg").max()))
    <Flag.CLIPPED: 2>
    """
    checked_rate(sfreq)
    if kind not in ("ppg", "ecg", "resp", "emg"):
        raise ValueError(f"Unknown kind of wave {kind!r}: use ppg, ecg, resp or emg.")
    rules = WaveRules() if rules is None else rules
    flags = np.zeros(x.shape, dtype=np.uint8)
    around = round(rules.around * sfreq)
    if kind == "ecg" and unit in _VOLTS and rules.ecg_largest is not None:
        most = rules.ecg_largest * _VOLTS[unit]
        is_large = out_of_range(x - moving_mean(x, round(_BASELINE_S * sfreq)), low=-most, high=most)
        flags[spread(is_large, before=around, after=around)] |= np.uint8(Flag.OUT_OF_RANGE)
    if rules.clipped:
        flags[spread(clipped(x, sfreq=sfreq), before=around, after=around)] |= np.uint8(Flag.CLIPPED)
    if (longest := rules.longest(kind)) is not None:
        flags[flat(x, sfreq=sfreq, longest=longest)] |= np.uint8(Flag.FLAT)
    flags[missing(x)] = np.uint8(Flag.GAP)
    return flags
