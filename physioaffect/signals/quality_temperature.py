"""Quality of skin temperature: range, jumps, and the time that a sensor takes to warm up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import PhysioaffectError
from physioaffect.recording import Flag
from physioaffect.signals.quality_local import checked_rate, spread
from physioaffect.signals.quality_samples import flat, missing, out_of_range, too_steep

__all__ = ["TemperatureRules", "settling_time", "temperature_flags"]

Array = NDArray[np.floating[Any]]

_CHANGE_S, AROUND_S = 1.0, 2.0
MINUTE_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TemperatureRules:
    """Which rules skin temperature in degrees Celsius must pass; None leaves one out. The figures are ours.

    Parameters
    ----------
    lowest, highest : float
        Range of skin in degrees Celsius: `Flag.OUT_OF_RANGE`. The first second of an E4 may read 382.
    fastest : float, optional
        Fastest change in degrees Celsius per second, measured over a second: `Flag.OUT_OF_RANGE`, with two
        seconds to either side.
    flat_s : float, optional
        Seconds that it may stay the same: `Flag.FLAT`. Of 25 wristband sessions the longest is 18 s.
    settled : float, optional
        After the beginning of a recording, or after the band was put on again, `MarkQuality` marks it
        `Flag.SETTLING` until it changes by less than so many degrees within a minute.
    settling_s : float
        Seconds after which it counts as settled in any case.
    """

    lowest: float = 15.0
    highest: float = 45.0
    fastest: float | None = 1.0
    flat_s: float | None = 300.0
    settled: float | None = 0.3
    settling_s: float = 600.0

    def __post_init__(self) -> None:
        if not self.lowest < self.highest:
            raise PhysioaffectError(
                f"TemperatureRules need lowest < highest, got {self.lowest} and {self.highest} degC."
            )
        for name in ("fastest", "flat_s", "settled"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise PhysioaffectError(f"TemperatureRules need {name} above 0 or None, got {value}.")
        if not self.settling_s >= 0:
            raise PhysioaffectError(
                f"TemperatureRules need settling_s of 0 s or more, got {self.settling_s}."
            )

    @property
    def context(self) -> tuple[float, float]:
        """Seconds before and after a sample that decide on its flags, settling aside."""
        reach = max(self.flat_s or 0.0, _CHANGE_S + AROUND_S)
        return reach, reach


def temperature_flags(
    temperature: Array, *, sfreq: float, rules: TemperatureRules | None = None
) -> NDArray[np.uint8]:
    """Flag skin temperature in degrees Celsius, sample by sample (but for `settling_time`).

    Parameters
    ----------
    temperature : ndarray, shape (..., n_times)
        Degrees Celsius, NaN where missing.
    sfreq : float
        Samples per second.
    rules : TemperatureRules, optional
        Default: ``TemperatureRules()``.

    Returns
    -------
    flags : ndarray of uint8, shape (..., n_times)
        Bit field of `Flag`.

    Examples
    --------
    >>> temperature_flags(np.array([382.2, 33.1, np.nan]), sfreq=0.2)
    array([64,  0, 16], dtype=uint8)
    """
    checked_rate(sfreq)
    rules = TemperatureRules() if rules is None else rules
    flags = np.zeros(temperature.shape, dtype=np.uint8)
    is_strange = out_of_range(temperature, low=rules.lowest, high=rules.highest)
    flags[is_strange] |= np.uint8(Flag.OUT_OF_RANGE)
    if rules.fastest is not None:
        # Known to be wrong already: a jump from there to a good value is no fault of the good value.
        believed = np.where(is_strange, np.nan, temperature)
        is_jump = too_steep(believed, sfreq=sfreq, per_second=rules.fastest, within=_CHANGE_S)
        around = round(AROUND_S * sfreq)
        flags[spread(is_jump, before=around, after=around)] |= np.uint8(Flag.OUT_OF_RANGE)
    if rules.flat_s is not None:
        flags[flat(temperature, sfreq=sfreq, longest=rules.flat_s)] |= np.uint8(Flag.FLAT)
    is_missing = missing(temperature)
    flags[is_missing] = np.uint8(Flag.GAP)
    return flags


def settling_time(temperature: Array, *, sfreq: float, settled: float, longest: float) -> float:
    """Seconds from the first sample until skin temperature has settled.

    Parameters
    ----------
    temperature : ndarray, shape (n_times,)
        Degrees Celsius, NaN where missing.
    sfreq : float
        Samples per second.
    settled : float
        It has settled once it changes by less than so many degrees over the minute that follows.
    longest : float
        Seconds after which it is taken as settled in any case.

    Returns
    -------
    seconds : float
        0 if it was settled from the start; at most ``longest``, and the length of the recording. A sensor
        warms up exponentially, so its slope tells how far it still has to go.

    Examples
    --------
    >>> minutes = np.arange(0, 20, 1 / 60)
    >>> warming = 33 - 8 * np.exp(-minutes / 2)
    >>> settling_time(warming, sfreq=1, settled=0.3, longest=900) / 60  # 2 ln(8 (1 - exp(-1/2)) / 0.3)
    4.716666666666667
    """
    n_most = min(len(temperature), int(np.ceil(longest * sfreq)))
    lag = min(max(1, round(MINUTE_S * sfreq)), max(1, len(temperature) - 1))
    later = np.minimum(np.arange(n_most) + lag, len(temperature) - 1)
    with np.errstate(invalid="ignore"):
        is_settled = np.abs(temperature[later] - temperature[:n_most]) < settled
    found = np.flatnonzero(is_settled)
    return float(found[0] if len(found) else n_most) / sfreq
