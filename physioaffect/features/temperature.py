"""Skin temperature per window."""

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

__all__ = ["Temperature"]

_UNITS = {"mean": "degC", "sd": "degC", "slope": "degC/min", "range": "degC"}
_ESTIMATOR = "mean, 1/n standard deviation, least-squares slope"


@dataclass(frozen=True, kw_only=True)
class Temperature:
    """Features of skin temperature in degrees Celsius.

    Notes
    -----
    The slope is by least squares, the range from lowest to highest, the standard deviation divides by the
    number of samples; missing and flagged samples are passed over.

    Examples
    --------
    >>> import numpy as np
    >>> from physioaffect.recording import Signal
    >>> cooling = 33 - np.arange(480)[np.newaxis] / 480
    >>> skin = Signal(data=cooling, sfreq=4.0, ch_names=("TEMP",), kind="temperature", unit="degC")
    >>> trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"temperature": skin})
    >>> features = Temperature()(trial, Intervals(np.array([0.0, 60.0]), 60.0))
    >>> features.sel(temperature_feature="slope").values.round(6)
    array([-0.5, -0.5])
    """

    name: ClassVar[str] = "temperature"
    version: ClassVar[int] = 1

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal it reads."""
        return ("temperature",)

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the features of one trial.

        Returns
        -------
        features : xarray.DataArray, dimensions ("window", "temperature_feature")

        Raises
        ------
        DataError
            If the trial lacks the signal, or it is not in degrees Celsius or has several channels.
        """
        skin = checked(trial, "temperature", unit="degC", n_channels=1)

        def compute(windows: Array) -> tuple[Array, ...]:
            x = windows[:, 0]
            slope = slope_per_minute(x, sfreq=skin.sfreq)
            return mean(x), sd(x), slope, highest(x) - lowest(x)

        return table("temperature", per_window(skin, intervals, compute), _UNITS, estimator=_ESTIMATOR)
