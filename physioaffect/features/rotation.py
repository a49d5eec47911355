"""Rotation per window, from a three-axis gyroscope."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import xarray as xr

from physioaffect.features._motion_axes import Axes, axis_units, check_only, chosen
from physioaffect.features._windowed import checked
from physioaffect.recording import Trial
from physioaffect.signals.motion import in_degrees_per_second
from physioaffect.windows import Intervals

__all__ = ["Rotation"]

_UNITS = axis_units("deg/s") | {"mad": "deg/s", "acceleration_rms": "deg/s^2"}


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """Features of angular velocity, on three axes.

    Parameters
    ----------
    only : tuple of str
        Names of features, to have these alone and in this order. Default: all.

    Notes
    -----
    The same as those of `Motion` that need no gravity, in degrees per second: moments, extremes, crossings,
    spectra, correlations, ``activity`` (without the mean of each axis, so that a gyroscope's offset does not
    count) and ``mad``; ``acceleration_rms`` is the root mean square of the change of the vector from sample
    to sample, per second. Missing samples are treated as there.

    A signal in ``"rad/s"`` is multiplied by 180 / pi. The name of the trial's signal is ``"gyro"``.

    Examples
    --------
    >>> import numpy as np
    >>> from physioaffect.recording import Signal
    >>> turning = np.tile([[0.0], [0.0], [np.pi / 2]], 500)
    >>> gyro = Signal(data=turning, sfreq=50.0, ch_names=("x", "y", "z"), kind="gyro", unit="rad/s")
    >>> trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"gyro": gyro})
    >>> family = Rotation(only=("z_mean", "magnitude_rms", "activity"))
    >>> family(trial, Intervals(np.array([0.0]), 10.0)).values.round(6)
    array([[90., 90.,  0.]])
    """

    name: ClassVar[str] = "rotation"
    version: ClassVar[int] = 1

    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_only(self.only, _UNITS, "Rotation")

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal it reads."""
        return ("gyro",)

    @property
    def context(self) -> tuple[float, float]:
        """Seconds outside of a window that change its features: none."""
        return 0.0, 0.0

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the features of one trial.

        Returns
        -------
        features : xarray.DataArray, dimensions ("window", "rotation_feature")

        Raises
        ------
        DataError
            If the trial lacks the signal, or it is in neither unit or has not three channels.
        """
        gyro = in_degrees_per_second(trial.signal("gyro"))
        gyro = checked(replace(trial, signals={"gyro": gyro}), "gyro", unit="deg/s", n_channels=3)
        axes = Axes(gyro, intervals)
        found = axes.features() | {"acceleration_rms": axes.change_rms()}
        return chosen("rotation", found, _UNITS, self.only)
