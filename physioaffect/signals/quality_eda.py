"""Quality of skin conductance: what electrodes and movement do and sweat glands cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import PhysioaffectError
from physioaffect.recording import Flag
from physioaffect.signals.quality_local import (
    Mask,
    checked_rate,
    highest,
    lasting,
    lowest,
    moving_mean,
    spread,
)
from physioaffect.signals.quality_samples import flat, missing, out_of_range, too_steep

__all__ = ["EDARules", "boettcher", "eda_flags", "impossible_changes", "kleckner", "open_circuit"]

Array = NDArray[np.floating[Any]]

# Kleckner et al. (2018), rules 1 to 4.
LOWEST, HIGHEST = 0.05, 60.0
STEEPEST = 10.0
COLDEST, HOTTEST = 30.0, 40.0
AROUND_S = 5.0
# A fall is compared with what has risen within so many seconds: a response that decays with a time constant
# of 8 s is back to 1 % by then. All figures from here on are ours.
BACK_S = 40.0
FALL_S = 1.0
MOST_OF_RISE = 0.5
JUMP_S = 0.25
MOST_AT_ONCE = 0.75
RISE_BEFORE_S, RISE_AFTER_S = 2.0, 5.0
FLOOR, LEVEL_SHARE = 0.05, 0.03
OPEN, OPEN_S = 0.01, 10.0


def kleckner(eda: Array, *, sfreq: float, temperature: Array | None = None) -> Mask:
    """Apply the four rules of Kleckner and others to skin conductance.

    Parameters
    ----------
    eda : ndarray, shape (..., n_times)
        Skin conductance in microsiemens, NaN where missing.
    sfreq : float
        Samples per second.
    temperature : ndarray, shape (..., n_times), optional
        Skin temperature in degrees Celsius at the same instants. Without it rule 3 is left out; it takes
        whole recordings of people with cool wrists.

    Returns
    -------
    is_invalid : ndarray of bool, shape (..., n_times)
        Below 0.05 or above 60 uS (rule 1), changing by more than 10 uS a second either way (rule 2), at a
        temperature below 30 or above 40 degrees (rule 3), or within 5 s of such a sample (rule 4). Context:
        5.25 s to either side.

    Notes
    -----
    The figures are those of [1]_. The change is measured over a quarter of a second (or from sample to
    sample where that is longer) of the unfiltered signal. Missing samples are not invalid: they are gaps.

    References
    ----------
    .. [1] Kleckner et al. (2018). Simple, transparent, and flexible automated quality assessment procedures
       for ambulatory electrodermal activity data. IEEE Transactions on Biomedical Engineering 65(7),
       1460-1467. doi:10.1109/TBME.2017.2758643

    Examples
    --------
    >>> eda = np.full(80, 2.0)
    >>> eda[40] = 0.01
    >>> np.flatnonzero(kleckner(eda, sfreq=4.0))[[0, -1]]  # Five seconds before and after.
    array([20, 60])
    """
    checked_rate(sfreq)
    is_invalid = out_of_range(eda, low=LOWEST, high=HIGHEST) | too_steep(
        eda, sfreq=sfreq, per_second=STEEPEST
    )
    if temperature is not None:
        is_invalid |= out_of_range(temperature, low=COLDEST, high=HOTTEST)
    around = round(AROUND_S * sfreq)
    return spread(is_invalid, before=around, after=around) & np.isfinite(eda)


def boettcher(
    eda: Array, *, sfreq: float, low: float = 0.05, most_change: float = 0.2, window: float = 2.0
) -> Mask:
    """Apply the rules of Boettcher and others for skin conductance at the wrist.

    Parameters
    ----------
    eda : ndarray, shape (..., n_times)
        Skin conductance in microsiemens, NaN where missing.
    sfreq : float
        Samples per second.
    low : float
        Smallest mean of a window in microsiemens.
    most_change : float
        Largest share of a window's highest value that lies between its lowest and its highest.
    window : float
        Seconds.

    Returns
    -------
    is_invalid : ndarray of bool, shape (..., n_times)
        Of each sample, by the window around it. Context: half a window to either side.

    Notes
    -----
    Of [1]_ as BioSPPy (2.2) writes it down: windows of 2 s, a mean above 0.05 uS and a rate of amplitude
    change below 0.2; we have not checked these figures in the paper itself. There the windows lie side by
    side, here one lies around each sample. Real responses of a dry skin break the rule (one of 0.1 uS on a
    level of 0.3 uS), so it is not among those that `EDARules` applies on its own.

    References
    ----------
    .. [1] Boettcher et al. (2022). Data quality evaluation in wearable monitoring. Scientific Reports 12,
       21412. doi:10.1038/s41598-022-25949-x

    Examples
    --------
    >>> eda = np.append(np.full(40, 1.0), np.full(40, 1.5))
    >>> np.flatnonzero(boettcher(eda, sfreq=4.0))  # Windows that hold both levels.
    array([36, 37, 38, 39, 40, 41, 42, 43])
    """
    checked_rate(sfreq)
    half = max(1, round(window * sfreq / 2))
    top = highest(eda, before=half, after=half)
    bottom = lowest(eda, before=half, after=half)
    with np.errstate(invalid="ignore"):
        is_invalid = (top - bottom > most_change * np.abs(top)) | (moving_mean(eda, 2 * half + 1) < low)
    return np.asarray(is_invalid & np.isfinite(eda))


def impossible_changes(
    eda: Array, *, sfreq: float, floor: float = FLOOR, level_share: float = LEVEL_SHARE
) -> Mask:
    """Mark falls and jumps of skin conductance that no response makes.

    Parameters
    ----------
    eda : ndarray, shape (..., n_times)
        Skin conductance in microsiemens, NaN where missing.
    sfreq : float
        Samples per second; jumps are looked for from 4 Hz on.
    floor : float
        Change in microsiemens below which nothing is said, of the noise of wrist electrodes.
    level_share : float
        The same as a share of the level, added to it.

    Returns
    -------
    mask : ndarray of bool, shape (..., n_times)
        From the beginning to the end of every such change. Context: 41.5 s before, 6.5 s after.

    Notes
    -----
    A response rises within one to three seconds and recovers over several [1]_. A sum of responses with a
    recovery time constant of 2 s or more loses at most 39 % of its height in a second. So a *fall* is
    impossible if within one second the signal loses more than half of its height above the lowest value of
    the 40 s before, and ``floor`` and ``level_share`` on top. A drop from a level that has not risen is one,
    and so is the second half of a bump of 2 s.

    A *jump* is a rise beyond ``floor`` and ``level_share`` of which more than three quarters happen within a
    quarter of a second: a response with a rise time constant of 0.5 s and a recovery of 2 s makes 58 % of
    its rise in its steepest quarter. The rise is taken from the lowest value of the 2 s before to the
    highest of the 5 s after.

    Above 8 Hz both look at a moving average over a quarter of a second. The half, the three quarters and the
    floors are ours, chosen on simulated responses with rise time constants of 0.5 to 1.5 s and recovery time
    constants of 2 to 8 s, of 0.1 to 20 uS on levels of 0.1 to 10 uS, none of which is marked at 4 Hz.

    References
    ----------
    .. [1] Boucsein (2012). Electrodermal Activity, 2nd edition, section 2.2.4.2. Springer.
       doi:10.1007/978-1-4614-1126-0

    Examples
    --------
    >>> times = np.arange(0, 120, 0.25)
    >>> since = np.maximum(times - 60, 0)
    >>> response = 3 * (np.exp(-since / 4) - np.exp(-since / 0.75))
    >>> impossible_changes(1 + response, sfreq=4.0).any()
    np.False_
    >>> bump = np.where((times >= 60) & (times < 62), 1.0, 0.0)
    >>> times[impossible_changes(1 + bump, sfreq=4.0)][[0, -1]]
    array([59.75, 62.75])
    """
    checked_rate(sfreq)
    x = moving_mean(eda, round(JUMP_S * sfreq)) if sfreq > 8 else eda
    fall_samples = max(1, round(FALL_S * sfreq))
    with np.errstate(invalid="ignore"):
        least = floor + level_share * np.abs(x)
        fall = x - lowest(x, before=0, after=fall_samples)
        risen = x - lowest(x, before=round(BACK_S * sfreq), after=0)
        is_fall = fall > least + MOST_OF_RISE * risen
    mask = spread(np.asarray(is_fall & np.isfinite(x)), before=0, after=fall_samples)
    if sfreq >= 1 / JUMP_S and x.shape[-1] > (lag := round(JUMP_S * sfreq)):
        bottom = lowest(x, before=round(RISE_BEFORE_S * sfreq), after=0)
        top = highest(x, before=0, after=round(RISE_AFTER_S * sfreq))
        is_jump = np.zeros(x.shape, dtype=bool)
        with np.errstate(invalid="ignore"):
            rise = x[..., lag:] - x[..., :-lag]
            share = MOST_AT_ONCE * (top - bottom)[..., :-lag]
            is_jump[..., :-lag] = (rise > least[..., :-lag]) & (rise > share)
        mask |= spread(is_jump, before=0, after=lag)
    return mask


def open_circuit(eda: Array, *, sfreq: float, most: float = OPEN, shortest: float = OPEN_S) -> Mask:
    """Mark where no current flows: the electrodes touch nothing.

    Parameters
    ----------
    eda : ndarray, shape (..., n_times)
        Skin conductance in microsiemens, NaN where missing.
    sfreq : float
        Samples per second.
    most : float
        Largest reading of an open circuit in microsiemens, either side of zero.
    shortest : float
        Seconds that it must last.

    Returns
    -------
    mask : ndarray of bool, shape (..., n_times)
        Context: ``shortest`` to either side. The figures are ours: the driest of 25 wrists that we looked at
        read 0.02 uS with poor contact.

    Examples
    --------
    >>> eda = np.append(np.full(40, 2.0), np.zeros(80))
    >>> np.flatnonzero(open_circuit(eda, sfreq=4.0))[[0, -1]]
    array([ 40, 119])
    """
    checked_rate(sfreq)
    with np.errstate(invalid="ignore"):
        is_open = np.abs(eda) <= most
    return lasting(np.asarray(is_open), max(1, round(shortest * sfreq)))


@dataclass(frozen=True, kw_only=True, slots=True)
class EDARules:
    """Which rules skin conductance in microsiemens must pass; None (or False) leaves one out.

    Parameters
    ----------
    lowest, highest : float, optional
        Range in microsiemens, of Kleckner and others: `Flag.OUT_OF_RANGE`.
    steepest : float, optional
        Fastest change in microsiemens per second, of the same: `Flag.MOTION`.
    impossible : bool
        Mark falls and jumps that no response makes (`impossible_changes`): `Flag.MOTION`.
    temperature : (low, high), optional
        Range of skin temperature in degrees Celsius outside which skin conductance is not believed, of
        Kleckner and others (30, 40): `Flag.OUT_OF_RANGE`. Off: it would take 29 % of 25 wristband sessions.
    boettcher : bool
        Apply `boettcher`, too: `Flag.OUT_OF_RANGE`. Off, since it takes real responses of dry skin.
    open_s : float, optional
        Seconds within 0.01 uS of zero after which the electrodes touch nothing: `Flag.OFF_BODY`.
    flat_s : float, optional
        Seconds that the signal may stay the same: `Flag.FLAT`. At rest the longest of 25 sessions is 4.3 s.
    around : float
        Seconds before and after whatever these rules found (but for ``flat_s``) that are marked as well.
    settling_s : float
        Seconds after the beginning of a recording, or after the band was put on again, that are marked
        `Flag.SETTLING` by `MarkQuality`.
    """

    lowest: float | None = LOWEST
    highest: float | None = HIGHEST
    steepest: float | None = STEEPEST
    impossible: bool = True
    temperature: tuple[float, float] | None = None
    boettcher: bool = False
    open_s: float | None = OPEN_S
    flat_s: float | None = 10.0
    around: float = AROUND_S
    settling_s: float = 60.0

    def __post_init__(self) -> None:
        low = -np.inf if self.lowest is None else self.lowest
        high = np.inf if self.highest is None else self.highest
        if not low < high:
            raise PhysioaffectError(f"EDARules need lowest < highest, got {low} and {high} uS.")
        for name in ("steepest", "open_s", "flat_s"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise PhysioaffectError(f"EDARules need {name} above 0 or None, got {value}.")
        if self.around < 0 or self.settling_s < 0:
            raise PhysioaffectError(
                f"EDARules need around and settling_s of 0 s or more, got {self.around}, {self.settling_s}."
            )
        if self.temperature is not None and not self.temperature[0] < self.temperature[1]:
            raise PhysioaffectError(f"EDARules need a temperature range (low, high), got {self.temperature}.")

    @property
    def context(self) -> tuple[float, float]:
        """Seconds before and after a sample that decide on its flags, settling aside."""
        before = (BACK_S + FALL_S if self.impossible else FALL_S) + 2 * JUMP_S + self.around
        after = (RISE_AFTER_S if self.impossible else FALL_S) + FALL_S + 2 * JUMP_S + self.around
        longest = max((self.open_s or 0.0) + self.around, self.flat_s or 0.0) + JUMP_S
        return max(before, longest), max(after, longest)


def eda_flags(
    eda: Array, *, sfreq: float, rules: EDARules | None = None, temperature: Array | None = None
) -> NDArray[np.uint8]:
    """Flag skin conductance in microsiemens, sample by sample.

    Parameters
    ----------
    eda : ndarray, shape (n_times,)
        Skin conductance in microsiemens, NaN where missing. Another unit makes nonsense of the rules; a
        `Signal` in one is left alone by `MarkQuality`.
    sfreq : float
        Samples per second.
    rules : EDARules, optional
        Default: ``EDARules()``.
    temperature : ndarray, shape (n_times,), optional
        Skin temperature in degrees Celsius at the same instants, for the rule on it.

    Returns
    -------
    flags : ndarray of uint8, shape (n_times,)
        Bit field of `Flag`.

    Examples
    --------
    >>> eda = np.append(np.linspace(1, 2, 400), np.zeros(400))
    >>> flags = eda_flags(eda, sfreq=4.0)
    >>> Flag(int(flags[600]))
    <Flag.OFF_BODY|FLAT|OUT_OF_RANGE: 69>
    """
    rules = EDARules() if rules is None else rules
    if eda.ndim != 1:
        raise ValueError(f"eda must be (n_times,), got shape {eda.shape}. Pass one channel: eda[0].")
    flags = np.zeros(len(eda), dtype=np.uint8)
    around = round(rules.around * sfreq)
    is_present = np.isfinite(eda)

    def mark(mask: Mask, flag: Flag) -> None:
        flags[spread(mask, before=around, after=around) & is_present] |= np.uint8(flag)

    low = -np.inf if rules.lowest is None else rules.lowest
    high = np.inf if rules.highest is None else rules.highest
    mark(out_of_range(eda, low=low, high=high), Flag.OUT_OF_RANGE)
    if rules.steepest is not None:
        mark(too_steep(eda, sfreq=sfreq, per_second=rules.steepest), Flag.MOTION)
    if rules.impossible:
        mark(impossible_changes(eda, sfreq=sfreq), Flag.MOTION)
    if rules.temperature is not None and temperature is not None:
        cold, hot = rules.temperature
        mark(out_of_range(temperature, low=cold, high=hot), Flag.OUT_OF_RANGE)
    if rules.boettcher:
        mark(boettcher(eda, sfreq=sfreq), Flag.OUT_OF_RANGE)
    if rules.open_s is not None:
        mark(open_circuit(eda, sfreq=sfreq, shortest=rules.open_s), Flag.OFF_BODY)
    if rules.flat_s is not None:
        flags[flat(eda, sfreq=sfreq, longest=rules.flat_s)] |= np.uint8(Flag.FLAT)
    flags[missing(eda)] |= np.uint8(Flag.GAP)
    return flags
