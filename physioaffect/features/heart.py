"""Heart rate per window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import xarray as xr

from physioaffect.features._windowed import (
    Array,
    checked,
    highest,
    lowest,
    mean,
    per_window,
    sd,
    slope_per_minute,
    table,
)
from physioaffect.recording import Trial
from physioaffect.windows import Intervals

__all__ = ["HeartRate"]

_UNITS = {"mean": "bpm", "sd": "bpm", "min": "bpm", "max": "bpm", "slope": "bpm/min"}
_ESTIMATOR = "mean, 1/n standard deviation, least-squares slope"


@dataclass(frozen=True, kw_only=True)
class HeartRate:
    """Features of a sampled heart rate in beats per minute.

    Notes
    -----
    The slope is by least squares, the standard deviation divides by the number of samples; missing and
    flagged samples are passed over. The rate is the device's own or one made of beats (`BeatsFromPPG` and
    `BeatsFromECG` with ``rate_sfreq``): the recipe says it, and where one table has both, the trials' tags.
    Mean and slope of the two agree; standard deviation, minimum and maximum are those of a rate from beat to
    beat or of one that the device has averaged (an E4 over 10 s), so compare them within one kind only. There
    is no RMSSD: a heart rate is an average over beats, so their
    variability cannot be had from it. It needs the intervals between them.

    Examples
    --------
    >>> import numpy as np
    >>> from physioaffect.recording import Signal
    >>> ramp = 60 + np.arange(120)[np.newaxis] / 10
    >>> hr = Signal(data=ramp, sfreq=1.0, ch_names=("HR",), kind="hr", unit="bpm")
    >>> trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"hr": hr})
    >>> features = HeartRate()(trial, Intervals(np.array([0.0, 60.0]), 60.0))
    >>> features.sel(hr_feature="slope").values.round(6)
    array([6., 6.])
    """

    name: ClassVar[str] = "hr"
    version: ClassVar[int] = 1

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal it reads."""
        return ("hr",)

    @property
    def context(self) -> tuple[float, float]:
        """Nothing before or after a window changes its features."""
        return (0.0, 0.0)

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the features of one trial.

        Returns
        -------
        features : xarray.DataArray, dimensions ("window", "hr_feature")

        Raises
        ------
        DataError
            If the trial lacks the signal, or it is not in beats per minute or has several channels.
        """
        hr = checked(trial, "hr", unit="bpm", n_channels=1)

        def compute(windows: Array) -> tuple[Array, ...]:
            x = windows[:, 0]
            return mean(x), sd(x), lowest(x), highest(x), slope_per_minute(x, sfreq=hr.sfreq)

        return table("hr", per_window(hr, intervals, compute), _UNITS, estimator=_ESTIMATOR)
