"""Movement per window, from a three-axis accelerometer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xarray as xr

from physioaffect.features._motion_axes import Axes, axis_units, check_only, chosen
from physioaffect.features._motion_posture import posture, step_rate
from physioaffect.features._windowed import checked
from physioaffect.recording import Trial
from physioaffect.windows import Intervals

__all__ = ["Motion"]

_UNITS = axis_units("g") | {
    "enmo": "g",
    "mad": "g",
    "jerk_rms": "g/s",
    "x_angle": "deg",
    "y_angle": "deg",
    "z_angle": "deg",
    "posture_spread": "deg",
    "step_rate": "1/min",
}


@dataclass(frozen=True, kw_only=True)
class Motion:
    """Features of acceleration in g, on three axes and gravity included.

    Parameters
    ----------
    step_threshold : float
        Amplitude in g that the magnitude's oscillation at the rate of steps has at least.
    only : tuple of str
        Names of features, to have these alone and in this order. Default: all.

    Notes
    -----
    Of each axis and of the magnitude ``|a|``: ``mean``, ``sd``, ``rms``, ``min``, ``max``, ``iqr`` (numpy's
    linear quartiles), ``skewness`` and excess ``kurtosis`` (all dividing by the number of samples; the last
    two NaN of a constant), ``crossings`` of the window's mean per second; and of their spectrum ``power_0_3``
    and ``power_3_8`` (in g squared from above 0 to below 3 Hz and from 3 to below 8 Hz),
    ``dominant_frequency`` and ``spectral_entropy`` (0 to 1) from above 0 to below 8 Hz. The spectrum is
    Welch's: half-overlapping segments of 8 s from the window's beginning on, Hann, each without its mean; a
    window shorter than that is one segment. A sine of amplitude a has the power a²/2.

    ``xy_correlation`` and so on are Pearson's. ``activity`` is the signal magnitude area: the mean of ``|x| +
    |y| + |z|``, each axis without its mean in the window, so that gravity does not count. ``enmo`` is the
    mean of ``max(|a| - 1, 0)`` [1]_, ``mad`` the mean amplitude deviation, ``mean(| |a| - mean |a| |)`` [2]_.
    ``jerk_rms`` is the root mean square of the change of the acceleration vector from sample to sample, per
    second.

    ``x_angle`` and so on tell the posture: the angle of the axis above the horizontal in degrees, -90 to 90
    (see `physioaffect.signals.motion.tilt_angles`), of the mean direction of gravity, which is the mean over
    each 2 s. ``posture_spread`` is how far that direction wanders in the window, in degrees: ``acos R`` of
    the length R of the mean direction.

    ``step_rate`` is steps per minute: the mean over the segments of the spectrum, where a segment without
    steps has 0. Steps are a peak of the magnitude's spectrum from 1.4 to 3 Hz whose sine has an amplitude of
    at least ``step_threshold`` and holds half or more of the power around it; at rest the rate is 0. On half
    an hour of a real wristband it names the very minutes in which the maker counts steps, and 40 % of his
    steps: bouts and turns shorter than a segment are missed.

    **Missing samples.** A sample that is missing or flagged on one axis is passed over on all of them, and so
    are the differences to it. Nothing is bridged: a segment of a spectrum with a missing sample is left out,
    and where fewer than half of a window's segments (for posture: of its blocks of 2 s, each at least half
    there) are left, what they give is NaN. Spectra are NaN in windows of less than 2 s, steps in windows of
    less than 4 s, and ``power_3_8`` at rates below 16 Hz.

    References
    ----------
    .. [1] van Hees et al. (2013). Separating movement and gravity components in an acceleration signal. PLoS
       ONE 8(4), e61691. doi:10.1371/journal.pone.0061691
    .. [2] Vähä-Ypyä et al. (2015). A universal, accurate intensity-based classification of different
       physical activities using raw data of accelerometer. Clin. Physiol. Funct. Imaging 35(1), 64-70.
       doi:10.1111/cpf.12127. There over epochs of 6 s, here over the window.

    Examples
    --------
    >>> from physioaffect.recording import Signal
    >>> still = np.tile([[0.0], [0.6], [0.8]], 320)
    >>> acc = Signal(data=still, sfreq=32.0, ch_names=("ACC_X", "ACC_Y", "ACC_Z"), kind="acc", unit="g")
    >>> trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"acc": acc})
    >>> family = Motion(only=("magnitude_mean", "activity", "y_angle", "step_rate"))
    >>> family(trial, Intervals(np.array([0.0]), 10.0)).values.round(2)
    array([[ 1.  ,  0.  , 36.87,  0.  ]])
    """

    name: ClassVar[str] = "motion"
    version: ClassVar[int] = 2

    step_threshold: float = 0.05
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_only(self.only, _UNITS, "Motion")
        if not self.step_threshold > 0:
            raise ValueError(f"step_threshold is an amplitude above 0 g, got {self.step_threshold}.")

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal it reads."""
        return ("acc",)

    @property
    def context(self) -> tuple[float, float]:
        """Seconds outside of a window that change its features: none."""
        return 0.0, 0.0

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the features of one trial.

        Returns
        -------
        features : xarray.DataArray, dimensions ("window", "motion_feature")

        Raises
        ------
        DataError
            If the trial lacks the signal, or it is not in g or has not three channels.
        """
        axes = Axes(checked(trial, "acc", unit="g", n_channels=3), intervals)
        found = axes.features() | posture(axes)
        found["enmo"] = axes.mean_of(np.where(axes.good > 0, np.maximum(axes.x[3] - 1, 0), np.nan))
        found["jerk_rms"] = axes.change_rms()
        found["step_rate"] = step_rate(axes, threshold=self.step_threshold)
        return chosen("motion", found, _UNITS, self.only)
