"""Skin conductance per window, against closed forms."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from physioaffect.features.eda import EDA
from physioaffect.recording import Flag, Signal, Trial
from physioaffect.windows import Intervals

SFREQ = 4.0
TIMES = np.arange(0, 600, 1 / SFREQ)
WINDOWS = Intervals(np.arange(0, 541, 30.0), 60.0)


def features_of(
    eda: NDArray[np.float64], feature: str, flags: NDArray[np.uint8] | None = None
) -> NDArray[np.float64]:
    quiet = np.zeros(len(TIMES), dtype=np.uint8) if flags is None else flags
    signal = Signal(data=eda[np.newaxis], sfreq=SFREQ, ch_names=("EDA",), kind="eda", unit="uS", flags=quiet)
    trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"eda": signal})
    values: NDArray[np.float64] = EDA()(trial, WINDOWS).sel(eda_feature=feature).values
    return values


def bumps(*onsets: float, height: float = 0.4) -> NDArray[np.float64]:
    return 3 + sum(
        (height * np.exp(-((TIMES - onset) ** 2) / 2) for onset in onsets), start=np.zeros_like(TIMES)
    )


@pytest.mark.parametrize(
    ("feature", "value"),
    [
        ("mean", 3),
        ("min", 3),
        ("max", 3),
        ("tonic_mean", 3),
        ("sd", 0),
        ("slope", 0),
        ("phasic_sd", 0),
        ("scr_rate", 0),
        ("scr_amplitude", 0),
    ],
)
def test_a_constant(feature: str, value: float) -> None:
    assert_allclose(features_of(np.full_like(TIMES, 3.0), feature), value, atol=1e-9)


def test_a_ramp() -> None:
    ramp = 2 + 0.5 * TIMES / 60
    starts, last = WINDOWS.starts / 60, 60 - 1 / SFREQ
    assert_allclose(features_of(ramp, "slope"), 0.5)
    assert_allclose(features_of(ramp, "min"), 2 + 0.5 * starts)
    assert_allclose(features_of(ramp, "max"), 2 + 0.5 * (starts + last / 60))
    assert_allclose(features_of(ramp, "mean"), 2 + 0.5 * (starts + last / 120))
    assert_allclose(features_of(ramp, "tonic_mean"), 2 + 0.5 * (starts + last / 120), atol=1e-6)
    # Of n values one step apart the variance is (n^2 - 1) / 12 steps squared.
    assert_allclose(features_of(ramp, "sd"), 0.5 / 60 / SFREQ * np.sqrt((240**2 - 1) / 12))


def test_a_sine_is_phasic_above_the_cutoff() -> None:
    sine = 3 + 0.5 * np.sin(2 * np.pi * 0.25 * TIMES)
    assert_allclose(features_of(sine, "sd"), 0.5 / np.sqrt(2), rtol=1e-6)
    # 1 - 1 / (1 + 5^4) of it, apart from the ends.
    assert_allclose(features_of(sine, "phasic_sd")[2:-2], 0.5 / np.sqrt(2) * (1 - 1 / 626), rtol=1e-3)
    assert_allclose(features_of(sine, "scr_rate")[2:-2], 15)


def test_responses_are_counted_where_they_peak() -> None:
    eda = bumps(100, 110, 200, 400)
    expected = [
        sum(start <= onset < start + 60 for onset in (100, 110, 200, 400)) for start in WINDOWS.starts
    ]
    assert_allclose(features_of(eda, "scr_rate"), expected)
    amplitude = features_of(eda, "scr_amplitude")
    assert_allclose(amplitude == 0, np.array(expected) == 0)
    # The filter keeps a little of a response in the tonic part.
    assert_allclose(amplitude[amplitude > 0], 0.4, rtol=0.15)


def test_the_rate_is_per_minute_that_is_there() -> None:
    flags = np.zeros(len(TIMES), dtype=np.uint8)
    flags[(TIMES >= 60) & (TIMES < 75)] = Flag.MOTION
    assert features_of(bumps(100, 110), "scr_rate", flags=flags)[2] == pytest.approx(2 / 0.75)


def test_a_flagged_artefact_counts_for_nothing() -> None:
    flags = np.zeros(len(TIMES), dtype=np.uint8)
    spoilt = bumps(100, 400)
    is_spoilt = (TIMES >= 300) & (TIMES < 302)
    spoilt[is_spoilt] += 5
    flags[is_spoilt] = Flag.MOTION
    for feature in ("mean", "max", "phasic_sd", "scr_rate", "scr_amplitude"):
        clean = features_of(bumps(100, 400), feature)
        assert_allclose(features_of(spoilt, feature, flags=flags), clean, rtol=0.05, atol=1e-3)
