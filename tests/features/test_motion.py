"""Movement per window, against closed forms."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from physioaffect.features.motion import Motion
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Intervals

SFREQ = 32.0
TIMES = np.arange(0, 120, 1 / SFREQ)


def features_of(acc: NDArray[np.float64], *names: str) -> NDArray[np.float64]:
    signal = Signal(data=acc, sfreq=SFREQ, ch_names=("x", "y", "z"), kind="acc", unit="g")
    trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"acc": signal})
    values: NDArray[np.float64] = (
        Motion()(trial, Intervals(np.array([0.0, 30.0, 60.0]), 60.0)).sel(motion_feature=list(names)).values
    )
    return values


def test_a_resting_arm_feels_gravity_only() -> None:
    still = np.tile([[0.0], [-0.6], [0.8]], len(TIMES))
    names = (
        "x_mean",
        "y_mean",
        "z_mean",
        "magnitude_mean",
        "x_sd",
        "magnitude_sd",
        "enmo",
        "jerk_rms",
        "activity",
    )
    assert_allclose(features_of(still, *names), np.tile([0, -0.6, 0.8, 1, 0, 0, 0, 0, 0], (3, 1)), atol=1e-12)


@pytest.mark.parametrize("turns_per_s", [0.1, 1.0])
def test_a_rotating_gravity_vector(turns_per_s: float) -> None:
    angle = 2 * np.pi * turns_per_s * TIMES
    acc = np.stack([np.sin(angle), np.zeros_like(angle), np.cos(angle)])
    root_half = 1 / np.sqrt(2)
    names = ("x_mean", "z_mean", "x_sd", "y_sd", "z_sd", "magnitude_mean", "magnitude_sd", "enmo")
    assert_allclose(
        features_of(acc, *names), np.tile([0, 0, root_half, 0, root_half, 1, 0, 0], (3, 1)), atol=1e-12
    )
    # From sample to sample the vector moves along a chord.
    chord = 2 * np.sin(np.pi * turns_per_s / SFREQ)
    assert_allclose(features_of(acc, "jerk_rms"), chord * SFREQ)
    # |sin| + |cos| has the mean 4 / pi.
    assert_allclose(features_of(acc, "activity"), 4 / np.pi, rtol=5e-3)


def test_a_shake_along_gravity() -> None:
    shake = 0.5 * np.sin(2 * np.pi * TIMES)
    acc = np.stack([np.zeros_like(shake), np.zeros_like(shake), 1 + shake])
    assert_allclose(features_of(acc, "magnitude_mean", "z_mean"), 1, atol=1e-12)
    assert_allclose(features_of(acc, "magnitude_sd", "z_sd"), 0.5 / np.sqrt(2))
    # The upper half of a sine of amplitude a has the mean a / pi over the whole period; |sine| twice that.
    assert_allclose(features_of(acc, "enmo"), 0.5 / np.pi, rtol=5e-3)
    assert_allclose(features_of(acc, "activity"), 1 / np.pi, rtol=5e-3)


def test_how_the_sensor_is_held_shows_only_in_the_axes() -> None:
    rng = np.random.default_rng(0)
    acc = np.array([[0.0], [0.0], [1.0]]) + 0.2 * rng.normal(size=(3, len(TIMES)))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    names = ("magnitude_mean", "magnitude_sd", "enmo", "jerk_rms")
    assert_allclose(features_of(turn @ acc, *names), features_of(acc, *names))


def test_a_sample_missing_on_one_axis_is_missing_on_all() -> None:
    acc = np.array([[0.0], [0.0], [1.0]]) + 0.2 * np.random.default_rng(0).normal(size=(3, len(TIMES)))
    one, three = acc.copy(), acc.copy()
    one[1, 50:90] = np.nan
    three[:, 50:90] = np.nan
    names = ("x_mean", "x_sd", "z_mean", "magnitude_mean", "jerk_rms", "activity")
    assert_allclose(features_of(one, *names), features_of(three, *names))
