"""Features of WEARS: heart rate, acceleration and rotation of a watch, relative to a neutral clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from physioaffect.features import Motion
from physioaffect.features._motion_axes import axis_units
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
from physioaffect.features.rotation import Rotation
from physioaffect.recording import Events, Signal, Trial
from physioaffect.windows import Intervals

__all__ = ["MODALITIES", "AfterOnset", "WearsStatistics"]

MODALITIES = {
    "HR": ("hr",),
    "ACC": ("acc",),
    "GYR": ("gyro",),
    "HR + ACC": ("hr", "acc"),
    "HR + GYR": ("hr", "gyro"),
    "ACC + GYR": ("acc", "gyro"),
    "all": ("hr", "acc", "gyro"),
}
"""Signals of each row of the ablation."""

_HEART = ("mean", "sd", "min", "max", "range", "slope", "change")
_AXES = tuple(axis_units("g"))
_FEATURES = {"hr": _HEART, "acc": (*_AXES, "jerk_rms"), "gyro": (*_AXES, "acceleration_rms")}
_FAMILIES: Mapping[str, Motion | Rotation] = {
    "acc": Motion(only=_FEATURES["acc"]),
    "gyro": Rotation(only=_FEATURES["gyro"]),
}


@dataclass(frozen=True, kw_only=True)
class AfterOnset:
    """Cleaning step: leave out the first seconds of a trial, and of the rest before it.

    Parameters
    ----------
    seconds : float
        What is left out. The result starts at time 0.
    """

    name: ClassVar[str] = "after_onset"
    version: ClassVar[int] = 1

    seconds: float = 5.0

    def __call__(self, trial: Trial) -> Trial:
        """Return the trial without its beginning."""

        def cut(signals: Any) -> dict[str, Signal | Events]:
            return {name: own.crop(self.seconds, np.inf, onset=self.seconds) for name, own in signals.items()}

        return replace(
            trial,
            signals=cut(trial.signals),
            baseline=None if trial.baseline is None else cut(trial.baseline),
            elapsed=None if trial.elapsed is None else trial.elapsed + self.seconds,
        )


@dataclass(frozen=True, kw_only=True)
class WearsStatistics:
    """Statistics of a watch's sensors per window.

    Parameters
    ----------
    sensors : tuple of {"hr", "acc", "gyro"}
        Which of them there are.

    Notes
    -----
    Of heart rate the mean, SD, minimum, maximum, range, slope per minute, and the mean change between
    neighbouring samples (``change``); of acceleration and rotation the moments, extremes, crossings, spectra,
    correlations and changes of `Motion` and `Rotation`. Features are called ``hr: mean`` and so on.
    """

    name: ClassVar[str] = "wears_statistics"
    version: ClassVar[int] = 1
    made_of: ClassVar[tuple[type, ...]] = (Motion, Rotation)

    sensors: tuple[str, ...] = ("hr", "acc", "gyro")

    def __post_init__(self) -> None:
        if unknown := [name for name in self.sensors if name not in _FEATURES]:
            raise ValueError(f"No sensor {unknown[0]!r}: use some of {', '.join(_FEATURES)}.")

    @property
    def signals(self) -> tuple[str, ...]:
        """The sensors."""
        return self.sensors

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of all features."""
        return tuple(f"{sensor}: {name}" for sensor in self.sensors for name in _FEATURES[sensor])

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the features of one trial.

        Returns
        -------
        features : xarray.DataArray, dimensions ("window", "wears_statistics_feature")

        Raises
        ------
        DataError
            If the trial lacks a sensor, or it is in another unit.
        """
        found: dict[str, Array] = {}
        units: dict[str, str] = {}
        for sensor in self.sensors:
            own = _heart(trial, intervals) if sensor == "hr" else _of(_FAMILIES[sensor], trial, intervals)
            for name, (values, unit) in own.items():
                found[f"{sensor}: {name}"] = values
                units[f"{sensor}: {name}"] = unit
        return table(self.name, np.stack(list(found.values()), axis=1), units, estimator="by sensor")


def _of(family: Motion | Rotation, trial: Trial, intervals: Intervals) -> dict[str, tuple[Array, str]]:
    features = family(trial, intervals)
    names = map(str, features[features.dims[1]].values)
    return dict(zip(names, zip(features.values.T, features.attrs["units"], strict=True), strict=True))


def _heart(trial: Trial, intervals: Intervals) -> dict[str, tuple[Array, str]]:
    hr = checked(trial, "hr", unit="bpm", n_channels=1)

    def compute(windows: Array) -> list[Array]:
        x = windows[:, 0]
        low, high = lowest(x), highest(x)
        change = mean(np.abs(np.diff(x, axis=-1)))
        return [mean(x), sd(x), low, high, high - low, slope_per_minute(x, sfreq=hr.sfreq), change]

    values = per_window(hr, intervals, compute)
    units = ("bpm", "bpm", "bpm", "bpm", "bpm", "bpm/min", "bpm")
    return dict(zip(_HEART, zip(values.T, units, strict=True), strict=True))
