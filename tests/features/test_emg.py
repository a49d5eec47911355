"""Electromyogram per window, against closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from physioaffect.errors import DataError
from physioaffect.features.emg import EMG
from physioaffect.recording import Flag, Signal, Trial
from physioaffect.windows import Intervals

SFREQ = 1000.0
TIMES = np.arange(0, 60, 1 / SFREQ)
WINDOWS = Intervals(np.arange(5, 45, 5.0), 10.0)
Array = NDArray[np.float64]


def trial_of(emg: Array, *, sfreq: float = SFREQ, flags: NDArray[np.uint8] | None = None) -> Trial:
    signal = Signal(
        data=emg[np.newaxis],
        sfreq=sfreq,
        ch_names=("EMG",),
        kind="emg",
        unit="V",
        flags=np.zeros(len(emg), dtype=np.uint8) if flags is None else flags,
    )
    return Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"emg": signal})


def features_of(trial: Trial, windows: Intervals = WINDOWS, family: EMG | None = None) -> dict[str, Array]:
    table = (family or EMG())(trial, windows)
    return {str(name): table.sel(emg_feature=name).values for name in table.emg_feature.values}


def noise(low: float, high: float, seed: int = 0) -> Array:
    sos = butter(12, (low, high), btype="bandpass", fs=SFREQ, output="sos")
    x: Array = sosfiltfilt(sos, np.random.default_rng(seed).normal(size=TIMES.size))
    return np.asarray(x / x.std())


@pytest.mark.parametrize("frequency", [61.0, 127.0, 233.0])
def test_a_sine(frequency: float) -> None:
    amplitude = 2e-4
    features = features_of(trial_of(5e-3 + amplitude * np.sin(2 * np.pi * frequency * TIMES)))
    assert_allclose(features["rms"], amplitude / np.sqrt(2), rtol=2e-3)
    assert_allclose(features["mav"], amplitude * 2 / np.pi, rtol=5e-3)
    assert_allclose(features["zero_crossings"], 2 * frequency, rtol=2e-3)
    assert_allclose(features["slope_changes"], 2 * frequency, rtol=2e-3)
    # Chords of a sine, one sample wide: their mean is that of |cos|, 2 / pi.
    chord = 2 * np.sin(np.pi * frequency / SFREQ)
    assert_allclose(features["waveform_length"], amplitude * chord * 2 / np.pi * SFREQ, rtol=0.02)
    assert_allclose(features["mean_frequency"], frequency, rtol=1e-3)
    assert_allclose(features["median_frequency"], frequency, atol=0.5)
    assert_allclose(features["static_level"], amplitude / np.sqrt(2), rtol=0.01)
    assert_allclose(features["peak_level"], amplitude / np.sqrt(2), rtol=0.01)
    assert_allclose(features["burst_rate"], 0)
    assert_allclose(features["burst_amplitude"], 0)
    low = 50 * int(frequency // 50)
    assert_allclose(features[f"power_{low}_{low + 50}"], amplitude**2 / 2, rtol=5e-3)


@pytest.mark.parametrize(("low", "high"), [(50.0, 150.0), (100.0, 300.0), (40.0, 340.0)])
def test_noise_with_an_even_spectrum(low: float, high: float) -> None:
    features = features_of(trial_of(1e-5 * noise(low, high)), Intervals(np.array([0.0]), 60.0))
    assert_allclose(features["rms"], 1e-5, rtol=0.02)
    # The mean of |x| of a Gaussian.
    assert_allclose(features["mav"], 1e-5 * np.sqrt(2 / np.pi), rtol=0.02)
    assert_allclose(features["median_frequency"], (low + high) / 2, rtol=0.02)
    assert_allclose(features["mean_frequency"], (low + high) / 2, rtol=0.02)
    # Neighbouring samples of a Gaussian with that correlation differ in sign as often as that.
    angles = 2 * np.pi * np.array([low, high]) / SFREQ
    correlation = np.diff(np.sin(angles)) / np.diff(angles)
    assert_allclose(features["zero_crossings"], np.arccos(correlation) / np.pi * SFREQ, rtol=0.01)
    for k in range(7):
        width = max(0.0, min(high, 50.0 * (k + 1)) - max(low, 50.0 * k))
        power = features[f"power_{50 * k}_{50 * (k + 1)}"]
        assert_allclose(power, 1e-10 * width / (high - low), atol=0.04e-10)


def test_levels_and_bursts_of_a_muscle_that_works_now_and_then() -> None:
    # Half a second of 50 uV every five seconds over 5 uV: each stands out by 45 uV.
    is_working = (TIMES % 5) < 0.5
    emg = np.where(is_working, 50e-6, 5e-6) * np.sqrt(2) * np.sin(2 * np.pi * 100 * TIMES)
    features = features_of(trial_of(emg))
    assert_allclose(features["static_level"], 5e-6, rtol=0.05)
    assert_allclose(features["median_level"], 5e-6, rtol=0.05)
    assert_allclose(features["burst_rate"], 12)
    assert_allclose(features["burst_amplitude"], 45e-6, rtol=0.05)
    assert_allclose(features_of(trial_of(emg), family=EMG(threshold=60e-6))["burst_rate"], 0)


@settings(max_examples=10)
@given(st.sampled_from([1e-3, 3.0, 1e3]), st.floats(-1, 1), st.integers(0, 100))
def test_only_the_unit_and_never_the_offset_makes_a_difference(
    scale: float, offset: float, seed: int
) -> None:
    emg = 1e-5 * np.random.default_rng(seed).normal(size=20_000)
    windows = Intervals(np.array([4.0, 8.0]), 6.0)
    table = EMG()(trial_of(emg), windows)
    other = EMG(threshold=10e-6 * scale)(trial_of(scale * emg + offset), windows)
    powers = [{"V": 1, "V/s": 1, "V^2": 2}.get(unit, 0) for unit in table.attrs["units"]]
    assert_allclose(other, table * scale ** np.array(powers), rtol=1e-4)


def test_the_mains_are_no_muscle() -> None:
    emg = 1e-5 * noise(100.0, 300.0)
    hum = 1e-4 * np.sin(2 * np.pi * 50 * TIMES)
    clean = features_of(trial_of(emg))
    assert_allclose(features_of(trial_of(emg + hum), family=EMG(line=50.0))["rms"], clean["rms"], rtol=0.04)
    assert (features_of(trial_of(emg + hum))["rms"] > 5 * clean["rms"]).all()


def test_flagged_samples_are_passed_over() -> None:
    emg = 1e-5 * noise(50.0, 300.0)
    spoilt, flags = emg.copy(), np.zeros(TIMES.size, dtype=np.uint8)
    spoilt[20_000:21_000] += 1.0
    flags[20_000:21_000] = Flag.CLIPPED
    clean, masked = features_of(trial_of(emg)), features_of(trial_of(spoilt, flags=flags))
    for name in ("rms", "mav", "median_frequency", "median_level", "zero_crossings"):
        assert_allclose(masked[name], clean[name], rtol=0.05)
    flags[:] = Flag.OFF_BODY
    assert np.isnan(list(features_of(trial_of(spoilt, flags=flags)).values())).all()


@pytest.mark.parametrize("sfreq", [512.0, 700.0])
def test_a_window_depends_only_on_its_context(sfreq: float) -> None:
    family = EMG(line=50.0)
    before, after = family.context
    emg = 1e-5 * np.random.default_rng(7).normal(size=round(80 * sfreq))
    emg *= 1 + 9 * (np.arange(emg.size) / sfreq % 4 < 0.6)
    whole = trial_of(emg, sfreq=sfreq)
    windows = Intervals(np.array([35.0, 38.3]), 6.0)
    part = whole.signal("emg").crop(35 - before, 45 + after)
    assert part.n_times < emg.size
    own = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"emg": part})
    assert_allclose(family(own, windows), family(whole, windows), rtol=1e-6)


def test_bands_reach_as_far_as_the_recording() -> None:
    names = list(features_of(trial_of(np.random.default_rng(0).normal(size=20_000), sfreq=512.0)))
    assert "power_200_250" in names
    assert "power_250_300" not in names


def test_a_window_shorter_than_a_segment_has_no_spectrum() -> None:
    features = features_of(trial_of(1e-5 * noise(50.0, 300.0)), Intervals(np.array([5.0, 6.1]), 0.5))
    assert np.isfinite(features["rms"]).all()
    assert np.isnan(features["median_frequency"]).all()
    assert np.isnan(features["power_50_100"]).all()


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(DataError, match=r"sampled at 128 Hz holds less than half.*256 Hz or more"):
        EMG()(trial_of(np.zeros(5000), sfreq=128.0), WINDOWS)
    raw = trial_of(np.zeros(5000)).signal("emg").scaled(1e3, unit="mV")
    with pytest.raises(DataError, match=r"is in 'mV', its features are defined in 'V'"):
        EMG()(Trial(dataset="m", subject="1", trial="1", stimulus="n", signals={"emg": raw}), WINDOWS)
    for wrong in ({"fmin": 0.0}, {"fmin": 50.0, "fmax": 40.0}):
        with pytest.raises(ValueError, match="The band needs 0 < fmin < fmax"):
            EMG(**wrong)
    with pytest.raises(ValueError, match="The mains frequency must be above 0 Hz"):
        EMG(line=0.0)
    with pytest.raises(ValueError, match="threshold must be above 0 V"):
        EMG(threshold=0.0)


def test_nothing_gives_nothing() -> None:
    assert EMG()(trial_of(np.zeros(5000)), Intervals(np.empty(0), 5.0)).shape == (0, 19)
    outside = EMG()(trial_of(np.ones(5000)), Intervals(np.array([-50.0, 900.0]), 5.0))
    assert np.isnan(outside.values).all()
    silent = features_of(trial_of(np.zeros(20_000)), Intervals(np.array([5.0]), 5.0))
    assert silent["rms"] == 0
    assert np.isnan(silent["median_frequency"]).all()
