"""Skin temperature per window, against closed forms."""

import numpy as np
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from physioaffect.features.temperature import Temperature
from physioaffect.recording import Flag, Signal, Trial
from physioaffect.windows import Intervals

TIMES = np.arange(0, 180, 0.25)


def features_of(skin: NDArray[np.float64], flags: NDArray[np.uint8] | None = None) -> NDArray[np.float64]:
    quiet = np.zeros(len(TIMES), dtype=np.uint8) if flags is None else flags
    signal = Signal(
        data=skin[np.newaxis], sfreq=4.0, ch_names=("TEMP",), kind="temperature", unit="degC", flags=quiet
    )
    trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"temperature": signal})
    features = Temperature()(trial, Intervals(np.array([0.0, 60.0, 120.0]), 60.0))
    values: NDArray[np.float64] = features.sel(temperature_feature=["mean", "sd", "slope", "range"]).values
    return values


def test_a_constant_temperature() -> None:
    assert_allclose(features_of(np.full_like(TIMES, 33.5)), np.tile([33.5, 0, 0, 0], (3, 1)), atol=1e-12)


def test_a_cooling_hand() -> None:
    values = features_of(34 - 0.3 * TIMES / 60)
    sd = 0.3 / 240 * np.sqrt((240**2 - 1) / 12)
    span = 0.3 * 239 / 240
    assert_allclose(values[:, 0], 34 - 0.3 * np.arange(3) - span / 2)
    assert_allclose(values[:, 1:], np.tile([sd, -0.3, span], (3, 1)))


def test_a_device_that_settles_does_not_count() -> None:
    skin = np.full_like(TIMES, 33.5)
    skin[:4] = 382.21
    flags = np.zeros(len(TIMES), dtype=np.uint8)
    flags[:4] = Flag.SETTLING | Flag.OUT_OF_RANGE
    assert_allclose(features_of(skin, flags=flags), np.tile([33.5, 0, 0, 0], (3, 1)), atol=1e-12)
