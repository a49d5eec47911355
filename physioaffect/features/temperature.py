"""Skin temperature per window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xarray as xr

from physioaffect.features._windowed import checked, table
from physioaffect.recording import Trial
from physioaffect.windows import Intervals, sample_grid

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

    @property
    def context(self) -> tuple[float, float]:
        """Nothing outside of a window changes its features."""
        return 0.0, 0.0

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
        from physioaffect.features import _window_kernels as kernels  # noqa: PLC0415  It imports numba.

        skin = checked(trial, "temperature", unit="degC", n_channels=1)

        first, n_samples = sample_grid(skin, intervals)
        x = np.ascontiguousarray(skin.masked[0], dtype=np.float64)
        found = kernels.moments(np.where(np.isfinite(x), x, np.nan), first, n_samples)
        values = [
            found[:, kernels.MEAN],
            found[:, kernels.SD],
            found[:, kernels.SLOPE] * 60 * skin.sfreq,
            found[:, kernels.HIGHEST] - found[:, kernels.LOWEST],
        ]
        return table("temperature", np.stack(values, axis=1), _UNITS, estimator=_ESTIMATOR)
