"""Movement per window, from a three-axis accelerometer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xarray as xr

from physioaffect.features._windowed import Array, checked, mean, per_window, sd, table
from physioaffect.recording import Trial
from physioaffect.windows import Intervals

__all__ = ["Motion"]

_UNITS = {
    "x_mean": "g",
    "y_mean": "g",
    "z_mean": "g",
    "x_sd": "g",
    "y_sd": "g",
    "z_sd": "g",
    "magnitude_mean": "g",
    "magnitude_sd": "g",
    "enmo": "g",
    "jerk_rms": "g/s",
    "activity": "g",
}
_ESTIMATOR = "mean, 1/n standard deviation"


@dataclass(frozen=True, kw_only=True)
class Motion:
    """Features of acceleration in g, on three axes and gravity included.

    Notes
    -----
    Means and standard deviations of each axis and of the magnitude ``|a|``; the means of the axes tell how
    the sensor is held. ``enmo`` is the mean of ``max(|a| - 1, 0)`` [1]_. ``jerk_rms`` is the root mean square
    of the change of the acceleration vector from sample to sample, per second. ``activity`` is the signal
    magnitude area: the mean of ``|x| + |y| + |z|``, each axis without its mean in the window, so that gravity
    does not count. A sample that is missing on one axis is passed over on all of them.

    References
    ----------
    .. [1] van Hees et al. (2013). Separating movement and gravity components in an acceleration signal. PLoS
       ONE 8(4), e61691. doi:10.1371/journal.pone.0061691

    Examples
    --------
    >>> from physioaffect.recording import Signal
    >>> still = np.tile([[0.0], [0.6], [0.8]], 320)
    >>> acc = Signal(data=still, sfreq=32.0, ch_names=("ACC_X", "ACC_Y", "ACC_Z"), kind="acc", unit="g")
    >>> trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"acc": acc})
    >>> features = Motion()(trial, Intervals(np.array([0.0]), 10.0))
    >>> features.sel(motion_feature=["magnitude_mean", "activity"]).values.round(6)
    array([[1., 0.]])
    """

    name: ClassVar[str] = "motion"
    version: ClassVar[int] = 1

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal it reads."""
        return ("acc",)

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
        acc = checked(trial, "acc", unit="g", n_channels=3)

        def compute(windows: Array) -> list[Array]:
            x = np.where(np.isnan(windows).any(axis=1, keepdims=True), np.nan, windows)
            axes_mean = mean(x)
            magnitude = np.sqrt(np.square(x).sum(axis=1))
            jerk_squared = np.square(np.diff(x, axis=-1) * acc.sfreq).sum(axis=1)
            return [
                *axes_mean.T,
                *sd(x).T,
                mean(magnitude),
                sd(magnitude),
                mean(np.maximum(magnitude - 1, 0)),
                np.sqrt(mean(jerk_squared)),
                mean(np.abs(x - axes_mean[..., np.newaxis]).sum(axis=1)),
            ]

        return table("motion", per_window(acc, intervals, compute), _UNITS, estimator=_ESTIMATOR)
