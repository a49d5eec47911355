"""Movement, from acceleration: how much of it, and when the sensor was at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import PhysioaffectError
from physioaffect.recording import Flag
from physioaffect.signals.quality_local import Mask, checked_rate, moving_mean
from physioaffect.signals.quality_samples import CLIP_CONTEXT_S, clipped, flat, missing

__all__ = ["MotionRules", "acceleration_clipped", "acceleration_flags", "motion_level", "moving"]

Array = NDArray[np.floating[Any]]

GRAVITY_S, LEVEL_S = 2.0, 1.0
CONTEXT_S = GRAVITY_S / 2 + LEVEL_S / 2

# The Empatica E4 and others with eight bits for -2 to 2 g.
_STEP_G = 1 / 64
_LOWEST_G, _HIGHEST_G = -2.0, 127 / 64


def motion_level(acc: Array, *, sfreq: float) -> NDArray[np.float64]:
    """Strength of movement at each moment.

    Parameters
    ----------
    acc : ndarray, shape (..., n_axes, n_times)
        Acceleration in g, gravity included; NaN where missing.
    sfreq : float
        Samples per second.

    Returns
    -------
    level : ndarray, shape (..., n_times)
        In g; NaN where an axis is missing. Context: 1.5 s to either side.

    Notes
    -----
    Each axis without its centred mean over 2 s (which takes gravity away), squared, summed over the axes,
    averaged over 1 s, and the root of it. Taking the mean off each axis rather than off the magnitude sees a
    turning wrist as well, whose magnitude stays at 1 g.

    Examples
    --------
    >>> times = np.arange(0, 10, 1 / 50)
    >>> shaken = np.stack([0.5 * np.sin(2 * np.pi * 5 * times), 0 * times, 1 + 0 * times])
    >>> float(motion_level(shaken, sfreq=50)[250].round(2))  # The root mean square of the sine.
    0.35
    """
    checked_rate(sfreq)
    x = acc - moving_mean(acc, round(GRAVITY_S * sfreq))
    power = moving_mean(np.square(x).sum(axis=-2), round(LEVEL_S * sfreq))
    # A running sum leaves tiny negative numbers where everything was still.
    level = np.sqrt(np.maximum(power, 0.0))
    return np.where(np.isfinite(acc).all(axis=-2), level, np.nan)


def moving(acc: Array, *, sfreq: float, threshold: float) -> Mask:
    """Whether `motion_level` is above so many g; shape (..., n_times).

    Parameters
    ----------
    acc : ndarray, shape (n_axes, n_times)
        Acceleration in g, NaN where missing.
    sfreq : float
        Samples per second.
    threshold : float
        In g.

    Examples
    --------
    >>> times = np.arange(0, 20, 1 / 50)
    >>> acc = np.zeros((3, 1000))
    >>> acc[0, times >= 10] = 0.5 * np.sin(2 * np.pi * 5 * times[times >= 10])
    >>> is_moving = moving(acc, sfreq=50, threshold=0.1)
    >>> bool(is_moving[100]), bool(is_moving[900])
    (False, True)
    """
    if not threshold > 0:
        raise ValueError(f"threshold must be above 0 g, got {threshold}.")
    with np.errstate(invalid="ignore"):
        return np.asarray(motion_level(acc, sfreq=sfreq) > threshold)


def acceleration_clipped(acc: Array, *, sfreq: float, limit: float | None = None) -> Mask:
    """Mark where any axis was at the end of the sensor's range.

    Parameters
    ----------
    acc : ndarray, shape (n_axes, n_times)
        Acceleration in g.
    sfreq : float
        Samples per second.
    limit : float, optional
        Range of the sensor in g, either way. Default: if all values are multiples of 1/64 g between -2 and
        127/64 g, as the Empatica E4 writes them, these are the ends; otherwise `clipped` tells by the shape.

    Returns
    -------
    mask : ndarray of bool, shape (n_times,)

    Examples
    --------
    >>> acc = np.array([[0.0, 127 / 64, 0.5], [0.0, 0.25, -2.0], [1.0, 1.0, 1.0]])
    >>> acceleration_clipped(acc, sfreq=32)
    array([False,  True,  True])
    """
    if limit is not None:
        if not limit > 0:
            raise ValueError(f"limit must be above 0 g, got {limit}.")
        return np.asarray(clipped(acc, sfreq=sfreq, low=-limit, high=limit).any(axis=-2))
    present = acc[np.isfinite(acc)]
    steps = present / _STEP_G
    if (
        present.size
        and present.min() >= _LOWEST_G
        and present.max() <= _HIGHEST_G
        and np.array_equal(steps, np.rint(steps))
    ):
        return np.asarray(clipped(acc, sfreq=sfreq, low=_LOWEST_G, high=_HIGHEST_G).any(axis=-2))
    return np.asarray(clipped(acc, sfreq=sfreq).any(axis=-2))


@dataclass(frozen=True, kw_only=True, slots=True)
class MotionRules:
    """Which movement spoils which signal, as `motion_level` in g; None leaves a signal alone.

    Parameters
    ----------
    ppg : float, optional
        Pulse wave: `Flag.MOTION`. On 25 wristband sessions the device itself found a beat that it trusts in
        59 % of the seconds below 0.01 g, in 10 % of those from 0.1 to 0.15 g and in 6 % beyond.
    eda : float, optional
        Skin conductance: `Flag.MOTION`. There, impossible changes are found in 0.1 % of the seconds below
        0.01 g and in 11 % of those from 0.5 to 0.8 g; those changes are marked anyway.
    limit : float, optional
        Range of the accelerometer in g, see `acceleration_clipped`: `Flag.CLIPPED` of the acceleration.
    flat_s : float, optional
        Seconds that all axes may stay the same: `Flag.FLAT` of the acceleration.
    """

    ppg: float | None = 0.1
    eda: float | None = 0.5
    limit: float | None = None
    flat_s: float | None = 120.0

    def __post_init__(self) -> None:
        for name in ("ppg", "eda", "limit", "flat_s"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise PhysioaffectError(f"MotionRules need {name} above 0 or None, got {value}.")

    @property
    def context(self) -> tuple[float, float]:
        """Seconds before and after a moment that decide on its flags."""
        reach = max(CONTEXT_S + 0.5, 2 * CLIP_CONTEXT_S, self.flat_s or 0.0)
        return reach, reach


def acceleration_flags(acc: Array, *, sfreq: float, rules: MotionRules | None = None) -> NDArray[np.uint8]:
    """Flag acceleration in g, sample by sample; movement is what it measures and no fault of it.

    Parameters
    ----------
    acc : ndarray, shape (n_axes, n_times)
        Acceleration in g, NaN where missing.
    sfreq : float
        Samples per second.
    rules : MotionRules, optional
        Default: ``MotionRules()``.

    Returns
    -------
    flags : ndarray of uint8, shape (n_times,)
        Bit field of `Flag`.

    Examples
    --------
    >>> acc = np.array([[0.0, 0.1, np.nan], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    >>> [Flag(int(flags)) for flags in acceleration_flags(acc, sfreq=32.0)]
    [<Flag: 0>, <Flag: 0>, <Flag.GAP: 16>]
    """
    rules = MotionRules() if rules is None else rules
    flags = np.zeros(acc.shape[-1], dtype=np.uint8)
    flags[acceleration_clipped(acc, sfreq=sfreq, limit=rules.limit)] |= np.uint8(Flag.CLIPPED)
    if rules.flat_s is not None:
        flags[flat(acc, sfreq=sfreq, longest=rules.flat_s).all(axis=0)] |= np.uint8(Flag.FLAT)
    flags[missing(acc).any(axis=0)] |= np.uint8(Flag.GAP)
    return flags
