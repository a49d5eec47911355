"""Heart rate per window, against closed forms."""

import numpy as np
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from physioaffect.features.heart import HeartRate
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Intervals

TIMES = np.arange(180.0)


def features_of(rate: NDArray[np.float64]) -> NDArray[np.float64]:
    signal = Signal(data=rate[np.newaxis], sfreq=1.0, ch_names=("HR",), kind="hr", unit="bpm")
    trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"hr": signal})
    features = HeartRate()(trial, Intervals(np.array([0.0, 60.0, 120.0]), 60.0))
    assert features.attrs["units"] == ["bpm", "bpm", "bpm", "bpm", "bpm/min"]
    values: NDArray[np.float64] = features.sel(hr_feature=["mean", "sd", "min", "max", "slope"]).values
    return values


def test_a_constant_rate() -> None:
    assert_allclose(features_of(np.full(180, 70.0)), np.tile([70, 0, 70, 70, 0], (3, 1)))


def test_a_rising_rate() -> None:
    first = 60 + 12 * np.arange(3)
    sd = 0.2 * np.sqrt((60**2 - 1) / 12)
    assert_allclose(
        features_of(60 + 0.2 * TIMES),
        np.column_stack([first + 5.9, np.full(3, sd), first, first + 11.8, np.full(3, 12.0)]),
    )


def test_a_breathing_rate() -> None:
    values = features_of(70 + 5 * np.sin(2 * np.pi * TIMES / 12))
    assert_allclose(values[:, :4], np.tile([70, 5 / np.sqrt(2), 65, 75], (3, 1)))


def test_missing_beats_do_not_tilt_the_slope() -> None:
    rate = 60 + 0.2 * TIMES
    rate[10:40] = np.nan
    assert_allclose(features_of(rate)[:, 4], 12)
    rate[:59] = np.nan
    assert_allclose(features_of(rate)[0], [71.8, 0, 71.8, 71.8, np.nan])
