"""Movement and rotation per window, against closed forms, and windows one by one."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.signal import welch

from physioaffect.errors import DataError
from physioaffect.features.motion import Motion
from physioaffect.features.rotation import Rotation
from physioaffect.recording import Flag, Signal, Trial
from physioaffect.windows import Intervals

Floats = NDArray[np.float64]

SFREQ = 32.0
TIMES = np.arange(0, 120, 1 / SFREQ)
CUT = Intervals(np.array([0.0, 30.0, 60.0]), 60.0)
STILL = np.array([[0.0], [0.0], [1.0]])


def trial_of(data: Floats, kind: str = "acc", unit: str = "g", **about: Any) -> Trial:
    names = ("x", "y", "z", "w")[: len(data)]
    signal = Signal(data=data, ch_names=names, kind=kind, unit=unit, **{"sfreq": SFREQ, **about})
    return Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={kind: signal})


def features_of(acc: Floats, *names: str, cut: Intervals = CUT, **about: Any) -> Floats:
    values: Floats = Motion()(trial_of(acc, **about), cut).sel(motion_feature=list(names)).values
    return values


def sine(freq: float, amplitude: float, phase: float = 0.3) -> Floats:
    return amplitude * np.sin(2 * np.pi * freq * TIMES + phase)


def noise(seed: int = 0, scale: float = 0.2) -> Floats:
    return STILL + scale * np.random.default_rng(seed).normal(size=(3, len(TIMES)))


class TestClosedForms:
    def test_a_resting_arm_feels_gravity_only(self) -> None:
        still = np.tile([[0.0], [-0.6], [0.8]], len(TIMES))
        nothing = (
            *("x_sd", "magnitude_sd", "enmo", "mad", "jerk_rms", "activity", "z_iqr", "y_crossings"),
            *("z_power_0_3", "magnitude_power_3_8", "posture_spread", "step_rate"),
        )
        assert_allclose(features_of(still, *nothing), 0, atol=1e-12)
        level = ("x_mean", "y_mean", "z_mean", "magnitude_mean", "y_rms", "z_min", "z_max")
        assert_allclose(features_of(still, *level), np.tile([0, -0.6, 0.8, 1, 0.6, 0.8, 0.8], (3, 1)))
        angles = features_of(still, "x_angle", "y_angle", "z_angle")
        assert_allclose(angles, np.tile([0, -36.8699, 53.1301], (3, 1)), atol=1e-3)
        undefined = (
            "z_skewness",
            "z_kurtosis",
            "yz_correlation",
            "z_dominant_frequency",
            "y_spectral_entropy",
        )
        assert np.isnan(features_of(still, *undefined)).all()

    @pytest.mark.parametrize("turns_per_s", [0.1, 1.0])
    def test_a_rotating_gravity_vector(self, turns_per_s: float) -> None:
        angle = 2 * np.pi * turns_per_s * TIMES
        acc = np.stack([np.sin(angle), np.zeros_like(angle), np.cos(angle)])
        root_half = 1 / np.sqrt(2)
        names = ("x_mean", "z_mean", "x_sd", "y_sd", "z_sd", "magnitude_mean", "magnitude_sd", "enmo", "mad")
        expected = [0, 0, root_half, 0, root_half, 1, 0, 0, 0]
        assert_allclose(features_of(acc, *names), np.tile(expected, (3, 1)), atol=1e-12)
        # From sample to sample the vector moves along a chord; as the rate grows that is g omega.
        chord = 2 * np.sin(np.pi * turns_per_s / SFREQ)
        assert_allclose(features_of(acc, "jerk_rms"), chord * SFREQ)
        assert_allclose(features_of(acc, "jerk_rms"), 2 * np.pi * turns_per_s, rtol=2e-3)
        # |sin| + |cos| has the mean 4 / pi.
        assert_allclose(features_of(acc, "activity"), 4 / np.pi, rtol=5e-3)
        assert_allclose(features_of(acc, "xz_correlation"), 0, atol=1e-12)
        # Two in a turn; the one on a window's first sample may be lost to rounding.
        assert_allclose(features_of(acc, "x_crossings"), 2 * turns_per_s, atol=1.01 / 60)
        assert_allclose(features_of(acc, "x_rms"), root_half)

    def test_posture_of_an_arm_that_turns_through_an_arc(self) -> None:
        # Once from 20 to 80 degrees in a minute, by 2 degrees in each block of 2 s.
        tilt = np.radians(20 + 60 * TIMES[: 60 * 32] / 60)
        acc = np.stack([np.zeros_like(tilt), np.cos(tilt), np.sin(tilt)])
        found = features_of(
            acc, "x_angle", "y_angle", "z_angle", "posture_spread", cut=Intervals(np.zeros(1), 60.0)
        )
        half = np.radians(30)
        resultant = np.sin(half) / half
        assert_allclose(found[0], [0, 40, 50, np.degrees(np.arccos(resultant))], atol=0.05)

    def test_posture_does_not_jump_where_an_angle_would(self) -> None:
        # Either side of straight down: as an azimuth from -180 to 180 degrees the mean would be nonsense.
        swing = np.radians(10) * np.sign(np.sin(2 * np.pi * TIMES / 8))
        acc = np.stack([np.sin(swing), np.zeros_like(swing), -np.cos(swing)])
        found = features_of(acc, "x_angle", "z_angle", "posture_spread", cut=Intervals(np.zeros(1), 64.0))
        assert_allclose(found[0], [0, -90, 10], atol=0.5)

    def test_free_fall_and_turning_everywhere_have_no_posture(self) -> None:
        assert np.isnan(features_of(np.zeros((3, len(TIMES))), "z_angle", "posture_spread")).all()
        # Twelve seconds each way up: the mean direction vanishes.
        flipped = STILL * np.sign(np.sin(2 * np.pi * (TIMES + 0.01) / 24))
        found = features_of(flipped, "z_angle", "posture_spread", cut=Intervals(np.zeros(1), 72.0))
        assert np.isnan(found[0, 0])
        assert_allclose(found[0, 1], 90, atol=1e-6)

    @pytest.mark.parametrize(("freq", "amplitude"), [(0.8, 0.3), (1.9, 0.2), (5.3, 0.1)])
    def test_a_sine_on_gravity(self, freq: float, amplitude: float) -> None:
        shake = sine(freq, amplitude)
        acc = np.stack([np.zeros_like(shake), np.zeros_like(shake), 1 + shake])
        names = ("z_mean", "z_sd", "z_min", "z_max", "z_iqr", "z_skewness", "z_kurtosis", "z_crossings")
        # Quartiles of a sine lie at sin(45 degrees); its kurtosis is 3/2 - 3.
        expected = [
            1,
            amplitude / 2**0.5,
            1 - amplitude,
            1 + amplitude,
            2**0.5 * amplitude,
            0,
            -1.5,
            2 * freq,
        ]
        for name, own, value in zip(names, features_of(acc, *names).T, expected, strict=True):
            assert_allclose(own, value, rtol=0.02, atol=0.02 * amplitude, err_msg=name)
        power = amplitude**2 / 2
        low, high = (power, 0) if freq < 3 else (0, power)
        powers = features_of(acc, "magnitude_power_0_3", "magnitude_power_3_8")
        assert_allclose(powers, np.tile([low, high], (3, 1)), rtol=0.01, atol=1e-3 * power)
        # A twentieth of the spacing of 1/8 Hz.
        assert_allclose(features_of(acc, "z_dominant_frequency"), freq, atol=0.05 / 8)
        assert_allclose(features_of(acc, "mad"), 2 / np.pi * amplitude, rtol=5e-3)
        assert_allclose(features_of(acc, "enmo"), amplitude / np.pi, rtol=0.02)
        assert np.all(features_of(acc, "z_spectral_entropy") < 0.3)

    def test_white_noise(self) -> None:
        n_times, scale = 20 * 60 * 32, 0.1
        data = STILL + scale * np.random.default_rng(1).normal(size=(3, n_times))
        cut = Intervals(np.zeros(1), 1200.0)
        found = Motion()(trial_of(data), cut)[0]
        assert_allclose(found.sel(motion_feature="x_sd"), scale, rtol=0.02)
        # Normal quartiles lie at 0.6745 sd, the mean of |x| is sqrt(2 / pi) sd.
        assert_allclose(found.sel(motion_feature="y_iqr"), 1.349 * scale, rtol=0.02)
        assert_allclose(found.sel(motion_feature="activity"), 3 * np.sqrt(2 / np.pi) * scale, rtol=0.02)
        for name in ("x_skewness", "x_kurtosis", "xy_correlation"):
            assert abs(float(found.sel(motion_feature=name))) < 0.06
        # Neighbours change sides half of the time; the change of independent ones has twice the variance.
        assert_allclose(found.sel(motion_feature="z_crossings"), SFREQ / 2, rtol=0.02)
        assert_allclose(found.sel(motion_feature="jerk_rms"), np.sqrt(6) * scale * SFREQ, rtol=0.02)
        # Flat from 0 to 16 Hz, of which the bins 1/8 .. 23/8 and 3 .. 63/8 Hz are taken.
        assert_allclose(found.sel(motion_feature="x_power_0_3"), scale**2 * 23 / 128, rtol=0.05)
        assert_allclose(found.sel(motion_feature="x_power_3_8"), scale**2 * 40 / 128, rtol=0.05)
        assert 0.99 < float(found.sel(motion_feature="x_spectral_entropy")) < 1
        # Of 120 a minute: noise looks like steps in about one segment in a hundred.
        assert float(found.sel(motion_feature="step_rate")) < 4

    def test_the_spectrum_is_welchs(self) -> None:
        acc = noise(3)
        freqs, density = welch(acc[0, : 60 * 32], fs=SFREQ, nperseg=256)
        low = density[(freqs > 0) & (freqs < 3)].sum() / 8
        high = density[(freqs >= 3) & (freqs < 8)].sum() / 8
        assert_allclose(features_of(acc, "x_power_0_3", "x_power_3_8")[0], [low, high])


class TestSteps:
    def test_steps_are_counted_only_while_there_are_any(self) -> None:
        walk = sine(1.8, 0.25)
        acc = STILL + np.stack([0.1 * walk, 0.05 * walk, walk])
        assert_allclose(features_of(acc, "step_rate"), 108, atol=0.5)
        # A minute's walk, a minute's rest: the window in between has half the steps, but for its edge.
        acc[:, 60 * 32 :] = STILL
        assert_allclose(features_of(acc, "step_rate")[:, 0], [108, 54, 0], atol=8)

    @pytest.mark.parametrize(
        ("freq", "amplitude"),
        [(1.8, 0.04), (0.9, 0.3), (3.6, 0.3)],
    )
    def test_weak_slow_and_fast_swings_are_no_steps(self, freq: float, amplitude: float) -> None:
        swing = sine(freq, amplitude)
        acc = np.stack([np.zeros_like(swing), np.zeros_like(swing), 1 + swing])
        assert_array_equal(features_of(acc, "step_rate"), 0)

    def test_the_threshold_is_an_amplitude(self) -> None:
        swing = sine(2.0, 0.04)
        trial = trial_of(np.stack([np.zeros_like(swing), np.zeros_like(swing), 1 + swing]))
        for threshold, rate in ((0.039, 120), (0.041, 0)):
            found = Motion(step_threshold=threshold, only=("step_rate",))(trial, CUT)
            assert_allclose(found.values, rate, atol=0.5)

    def test_a_real_wrist_steps_when_its_maker_says_so(self) -> None:
        folder = os.environ.get("PHYSIOAFFECT_TEST_DATA")
        if not folder:
            pytest.skip("PHYSIOAFFECT_TEST_DATA names no folder of real recordings")
        fastavro = pytest.importorskip("fastavro")
        [path] = Path(folder, "realdata", "embraceplus").glob("*.avro")
        with path.open("rb") as stream:
            raw = next(iter(fastavro.reader(stream)))["rawData"]
        acc, steps = raw["accelerometer"], raw["steps"]
        about = acc["imuParams"]
        unit = (about["physicalMax"] - about["physicalMin"]) / (about["digitalMax"] - about["digitalMin"])
        data = unit * np.array([acc[name] for name in "xyz"], dtype=float)
        signal_rate = acc["samplingFrequency"]
        cut = Intervals(np.arange(0.0, 1740.0, 60.0), 60.0)
        found = features_of(data, "step_rate", cut=cut, sfreq=signal_rate)[:, 0]
        # A value for every 3 s.
        counted = np.array([sum(steps["values"][round(s / 3) : round(s / 3) + 20]) for s in cut.starts])
        walks = np.flatnonzero(counted > 10)
        assert_array_equal(np.flatnonzero(found > 0), walks)
        # Bouts shorter than a segment and turns are missed.
        assert 0.3 * counted.sum() < found.sum() < counted.sum()


class TestInvariances:
    @settings(max_examples=15)
    @given(seed=st.integers(0, 2**32 - 1))
    def test_how_the_sensor_is_held_shows_only_in_the_axes(self, seed: int) -> None:
        acc = noise(seed)
        turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
        names = [
            name for name in Motion()(trial_of(acc), CUT).motion_feature.values if name.startswith("magn")
        ]
        names += ["enmo", "mad", "jerk_rms", "posture_spread", "step_rate"]
        assert_allclose(features_of(turn @ acc, *names), features_of(acc, *names), rtol=1e-6, atol=1e-9)

    @settings(max_examples=15)
    @given(factor=st.floats(0.01, 100), seed=st.integers(0, 1000))
    def test_rotation_scales(self, factor: float, seed: int) -> None:
        data = noise(seed) * 50
        one, other = (Rotation()(trial_of(x, "gyro", "deg/s"), CUT) for x in (data, factor * data))
        powers = {"deg/s": 1, "deg/s^2": 1, "(deg/s)^2": 2, "Hz": 0, "1": 0}
        exponents = np.array([powers[unit] for unit in one.attrs["units"]])
        assert_allclose(other.values, one.values * factor**exponents, rtol=1e-6, atol=1e-9)

    def test_rotation_ignores_where_activity_should(self) -> None:
        data = noise(5) * 50
        offset = data + np.array([[3.0], [-2.0], [7.0]])
        names = ["activity", "acceleration_rms", "x_sd", "y_iqr", "z_power_0_3", "xy_correlation"]
        one, other = (
            Rotation()(trial_of(x, "gyro", "deg/s"), CUT).sel(rotation_feature=names).values
            for x in (data, offset)
        )
        assert_allclose(one, other)

    def test_radians_are_degrees(self) -> None:
        data = noise(6) * 50
        degrees = Rotation()(trial_of(data, "gyro", "deg/s"), CUT)
        radians = Rotation()(trial_of(np.radians(data), "gyro", "rad/s"), CUT)
        assert_allclose(radians.values, degrees.values, rtol=1e-9)

    def test_a_constant_turn(self) -> None:
        data = np.tile([[0.0], [3.0], [4.0]], len(TIMES))
        names = ["magnitude_mean", "magnitude_rms", "activity", "acceleration_rms"]
        found = Rotation(only=tuple(names))(trial_of(data, "gyro", "deg/s"), CUT)
        assert_allclose(found.values, np.tile([5, 5, 0, 0], (3, 1)), atol=1e-12)


def naive(acc: Floats) -> dict[str, float]:
    """The statistics of one window, by numpy and scipy."""
    found: dict[str, float] = {}
    for name, own in zip(("x", "y", "z", "magnitude"), [*acc, np.sqrt((acc**2).sum(0))], strict=True):
        kept = own[np.isfinite(own)]
        away = own - kept.mean()
        is_pair = np.isfinite(away[1:]) & np.isfinite(away[:-1])
        found |= {
            f"{name}_mean": kept.mean(),
            f"{name}_sd": kept.std(),
            f"{name}_rms": np.sqrt(np.mean(kept**2)),
            f"{name}_min": kept.min(),
            f"{name}_max": kept.max(),
            f"{name}_iqr": np.subtract(*np.percentile(kept, [75, 25])),
            f"{name}_skewness": scipy.stats.skew(kept),
            f"{name}_kurtosis": scipy.stats.kurtosis(kept),
            f"{name}_crossings": ((away[1:] >= 0) != (away[:-1] >= 0))[is_pair].mean() * SFREQ,
        }
        found["mad"] = np.nanmean(np.abs(away))  # Of the last one, the magnitude, in the end.
    whole = acc[:, np.isfinite(acc).all(axis=0)]
    rows = np.atleast_2d(np.corrcoef(whole))
    found |= {"xy_correlation": rows[0, 1], "xz_correlation": rows[0, 2], "yz_correlation": rows[1, 2]}
    found["activity"] = np.abs(whole - whole.mean(axis=1, keepdims=True)).sum(axis=0).mean()
    found["enmo"] = np.maximum(np.sqrt((whole**2).sum(axis=0)) - 1, 0).mean()
    steps = np.square(np.diff(acc, axis=1) * SFREQ).sum(axis=0)
    found["jerk_rms"] = np.sqrt(np.nanmean(steps))
    return found


@pytest.mark.parametrize("step", [0.5, 7.0, 11.0, 30.0])
@pytest.mark.parametrize("is_gappy", [False, True])
def test_windows_are_what_numpy_makes_of_each_alone(step: float, is_gappy: bool) -> None:
    # Samples in steps of 1/64 g, as an E4 has them, so that quartiles meet ties.
    acc = np.round(64 * (noise(7) + np.cumsum(noise(8, 0.01) - STILL, axis=1))) / 64
    if is_gappy:
        acc[:, 500:620] = np.nan
        acc[:, 1500:1501] = np.nan
    cut = Intervals(np.arange(0.0, 100.0, step), 20.0)
    found = Motion()(trial_of(acc), cut)
    for row, start in enumerate(cut.starts):
        expected = naive(acc[:, round(start * SFREQ) : round((start + 20) * SFREQ)])
        values = found[row].sel(motion_feature=list(expected)).values
        assert_allclose(values, list(expected.values()), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("family", [Motion(), Rotation()])
def test_windows_alone_are_those_of_the_batch(family: Motion | Rotation) -> None:
    acc = noise(9)
    acc[:, 700:800] = np.nan
    kind, unit = ("acc", "g") if family.name == "motion" else ("gyro", "deg/s")
    starts = np.arange(0.0, 90.0, 1.0)
    batch = family(trial_of(acc, kind, unit), Intervals(starts, 30.0)).values
    assert family.context == (0.0, 0.0)
    for row in (0, 13, 60):
        own = acc[:, round(starts[row] * SFREQ) : round((starts[row] + 30) * SFREQ)]
        alone = family(trial_of(own, kind, unit, start=starts[row]), Intervals(starts[row : row + 1], 30.0))
        assert_allclose(alone.values[0], batch[row], rtol=1e-9, atol=1e-12)
    backwards = family(trial_of(acc, kind, unit), Intervals(starts[::-1].copy(), 30.0)).values
    assert_allclose(backwards[::-1], batch, rtol=1e-9, atol=1e-12)


class TestMissing:
    def test_a_sample_missing_on_one_axis_is_missing_on_all(self) -> None:
        one, three = noise(), noise()
        one[1, 50:90] = np.nan
        three[:, 50:90] = np.nan
        assert_array_equal(Motion()(trial_of(one), CUT).values, Motion()(trial_of(three), CUT).values)

    def test_flagged_is_missing(self) -> None:
        acc, flags = noise(), np.zeros(len(TIMES), dtype=np.uint8)
        flags[50:90] = Flag.GAP
        missing = acc.copy()
        missing[:, 50:90] = np.nan
        acc[:, 50:90] = 99.0
        assert_array_equal(
            Motion()(trial_of(acc, flags=flags), CUT).values, Motion()(trial_of(missing), CUT).values
        )

    def test_spectra_leave_broken_segments_out_and_give_up_below_half(self) -> None:
        acc = STILL + np.stack([sine(1.8, 0.25)] * 3)
        names = ("x_power_0_3", "z_dominant_frequency", "step_rate")
        # Segments begin every 4 s: 14 in a minute, of which a missing sample breaks two.
        for n_broken, is_there in ((3, True), (4, False)):
            broken = acc.copy()
            broken[:, (4 + 8 * np.arange(n_broken)) * 32 + 16] = np.nan
            found = features_of(broken, *names, cut=Intervals(np.zeros(1), 60.0))
            whole = features_of(acc, *names, cut=Intervals(np.zeros(1), 60.0))
            if is_there:
                assert_allclose(found, whole, rtol=1e-3)
            else:
                assert np.isnan(found).all()
            # The moments pass over the few samples that are missing.
            assert np.isfinite(features_of(broken, "x_sd", "jerk_rms", "z_angle")[0]).all()

    def test_no_change_is_seen_across_a_gap(self) -> None:
        acc = np.tile(STILL, len(TIMES))
        acc[:, 1000:] *= -1.0
        acc[:, 990:1010] = np.nan
        found = features_of(acc, "jerk_rms", "z_crossings", cut=Intervals(np.zeros(1), 60.0))
        assert_array_equal(found, 0)

    def test_what_is_not_there_is_nan(self) -> None:
        acc = np.full((3, len(TIMES)), np.nan)
        assert np.isnan(Motion()(trial_of(acc), CUT).values).all()
        beyond = Motion()(trial_of(noise()), Intervals(np.array([500.0, -90.0]), 60.0))
        assert np.isnan(beyond.values).all()
        assert Motion()(trial_of(noise()), Intervals(np.empty(0), 60.0)).shape == (0, 64)

    def test_short_windows_and_low_rates_lack_what_they_do_not_hold(self) -> None:
        spectral, steps = ["x_power_0_3", "x_spectral_entropy"], ["step_rate"]
        for duration, has_spectrum, has_steps in ((1.0, False, False), (3.0, True, False), (5.0, True, True)):
            found = Motion()(trial_of(noise()), Intervals(np.zeros(1), duration))[0]
            assert np.isfinite(found.sel(motion_feature=spectral)).all() == has_spectrum
            assert np.isfinite(found.sel(motion_feature=steps)).all() == has_steps
            assert np.isfinite(found.sel(motion_feature="x_kurtosis"))
        slow = Motion()(trial_of(noise(), sfreq=12.5), CUT)[0]
        assert np.isnan(slow.sel(motion_feature="x_power_3_8"))
        assert np.isfinite(slow.sel(motion_feature=["x_power_0_3", "step_rate"])).all()
        single = Motion()(trial_of(noise()), Intervals(np.zeros(1), 0.01))[0]
        assert np.isnan(single.sel(motion_feature=["jerk_rms", "x_crossings", "x_skewness"])).all()


class TestSettings:
    def test_units_say_what_values_are(self) -> None:
        found = Motion()(trial_of(noise()), CUT)
        units = dict(zip(found.motion_feature.values, found.attrs["units"], strict=True))
        assert len(units) == found.shape[1] == 64
        expected = {"x_mean": "g", "z_power_3_8": "(g)^2", "jerk_rms": "g/s", "x_angle": "deg", "mad": "g"}
        assert {name: units[name] for name in expected} == expected
        assert units["step_rate"] == "1/min"
        assert json.dumps(found.attrs["estimator"])

    def test_only_picks_and_orders(self) -> None:
        whole, some = (Motion(only=only)(trial_of(noise()), CUT) for only in ((), ("mad", "x_sd")))
        assert list(some.motion_feature.values) == ["mad", "x_sd"]
        assert_array_equal(some.values, whole.sel(motion_feature=["mad", "x_sd"]).values)

    def test_what_cannot_be_is_refused(self) -> None:
        with pytest.raises(ValueError, match="Motion has no feature 'speed': use some of x_mean"):
            Motion(only=("speed",))
        with pytest.raises(ValueError, match="Rotation got a feature twice: x_sd, x_sd"):
            Rotation(only=("x_sd", "x_sd"))
        with pytest.raises(ValueError, match="amplitude above 0 g, got 0"):
            Motion(step_threshold=0)
        with pytest.raises(DataError, match="is in 'm/s\\^2', its features are defined in 'g'"):
            Motion()(trial_of(noise(), unit="m/s^2"), CUT)
        with pytest.raises(DataError, match="has 2 channels"):
            Motion()(trial_of(noise()[:2]), CUT)
        with pytest.raises(
            DataError, match=r"in 'au', expected one of 'deg/s', 'rad/s'\. If you know the scale"
        ):
            Rotation()(trial_of(noise(), "gyro", "au"), CUT)
        with pytest.raises(DataError, match="has 2 channels"):
            Rotation()(trial_of(noise()[:2], "gyro", "deg/s"), CUT)
