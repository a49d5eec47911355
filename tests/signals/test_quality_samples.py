"""Quality rules for any signal, waves, temperature and acceleration: planted faults and clean waves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.errors import PhysioaffectError
from physioaffect.recording import Flag
from physioaffect.signals.quality import (
    MotionRules,
    TemperatureRules,
    WaveRules,
    acceleration_clipped,
    acceleration_flags,
    clipped,
    flat,
    motion_level,
    moving,
    out_of_range,
    settling_time,
    temperature_flags,
    too_steep,
    wave_flags,
)

RATES = (32.0, 64.0, 250.0, 1000.0)


def pulse(sfreq: float, duration: float = 20.0, step: float = 0.01) -> np.ndarray:
    """A wave with two humps a beat, between about -150 and 150, in steps of a converter."""
    times = np.arange(round(duration * sfreq)) / sfreq
    wave = 100 * np.sin(2 * np.pi * 1.2 * times) + 50 * np.sin(2 * np.pi * 2.4 * times + 1)
    return np.asarray(np.round(wave / step) * step)


class TestFlat:
    @settings(max_examples=40)
    @given(st.floats(0, 15), st.floats(0.1, 4), st.sampled_from(RATES))
    def test_as_long_as_it_lasts_and_nothing_else(self, start: float, duration: float, sfreq: float) -> None:
        x = pulse(sfreq, step=1e-9)
        first, n_same = round(start * sfreq), round(duration * sfreq)
        x[first : first + n_same] = 7.123
        expected = np.zeros(len(x), bool)
        if n_same >= sfreq:
            expected[first : first + n_same] = True
        assert_array_equal(flat(x, sfreq=sfreq, longest=1.0), expected)

    def test_a_gap_ends_it(self) -> None:
        x = np.full(40, 2.0)
        x[20] = np.nan
        assert not flat(x, sfreq=1.0, longest=21).any()
        assert_array_equal(flat(x, sfreq=1.0, longest=20), np.arange(40) < 20)

    def test_tolerance_and_leading_axes(self) -> None:
        x = np.tile([0.0, 0.1], 20)
        rows = np.stack([x, 10 * x])
        assert not flat(rows, sfreq=1.0, longest=10).any()
        assert_array_equal(flat(rows, sfreq=1.0, longest=10, tolerance=0.11), [[True] * 40, [False] * 40])

    def test_wrong_settings(self) -> None:
        with pytest.raises(ValueError, match="longest > 0 s and tolerance >= 0, got 0"):
            flat(np.ones(4), sfreq=1.0, longest=0)


class TestClipped:
    @settings(max_examples=60)
    # A cut that takes less off a wave than 5 % of its range passes for a round top.
    @given(st.floats(0.6, 0.9), st.sampled_from(RATES[1:]), st.floats(1e-3, 1e6), st.booleans())
    def test_a_cut_wave_is_found_where_it_is_cut(
        self, share: float, sfreq: float, scale: float, is_below: bool
    ) -> None:
        x = pulse(sfreq, step=1e-9)
        x = -x if is_below else x
        limit = share * x.max()
        is_cut = x > limit
        found = clipped(scale * np.minimum(x, limit), sfreq=sfreq)
        assert not found[~is_cut].any()
        # All plateaus of three or more samples but those at the ends of the recording, if cut short there.
        edges = np.flatnonzero(np.diff(is_cut.astype(int), prepend=0, append=0))
        for start, stop in edges.reshape(-1, 2):
            if stop - start >= 3 and start > 0 and stop < len(x):
                assert found[start:stop].all()

    @pytest.mark.parametrize("sfreq", RATES)
    @pytest.mark.parametrize("step", [0.01, 1.0, 5.0, 30.0])
    def test_round_tops_in_coarse_steps_are_no_clipping(self, sfreq: float, step: float) -> None:
        assert not clipped(pulse(sfreq, step=step), sfreq=sfreq).any()

    @pytest.mark.parametrize("step", [0.1, 0.3, 1.0])
    def test_a_cut_wave_of_some_hundred_steps_is_found(self, step: float) -> None:
        x = pulse(250.0, step=step)
        limit = np.round(0.8 * x.max() / step) * step
        assert clipped(np.minimum(x, limit), sfreq=250)[(x > limit) & (np.arange(len(x)) > 250)].all()

    def test_few_and_many_plateaus_are_judged_alike(self) -> None:
        # Few are looked at one by one, many with a filter.
        few = pulse(64.0, step=1e-9)
        few[640:645] = 400.0
        many = np.clip(pulse(64.0, duration=60, step=1e-9), -80, 80)
        many[640:645] = 400.0
        assert_array_equal(np.flatnonzero(clipped(few, sfreq=64)), np.arange(640, 645))
        assert_array_equal(
            np.flatnonzero(clipped(many, sfreq=64)[:710] & (many[:710] > 80)), np.arange(640, 645)
        )
        alone = [np.flatnonzero(clipped(many[i : i + 400], sfreq=64)[128:272]) + i + 128 for i in (960, 1104)]
        whole = np.flatnonzero(clipped(many, sfreq=64))
        for piece, i in zip(alone, (960, 1104), strict=True):
            assert_array_equal(piece, whole[(whole >= i + 128) & (whole < i + 272)])

    def test_known_limits(self) -> None:
        x = np.array([0.0, 2.0, 1.9, -2.0, np.nan])
        assert_array_equal(clipped(x, sfreq=32, low=-2, high=2), [False, True, False, True, False])
        assert_array_equal(clipped(x, sfreq=32, high=2), [False, True, False, False, False])

    def test_a_long_saturation_is_clipped_at_its_ends(self) -> None:
        x = pulse(250.0)
        x[1000:3000] = 900.0
        found = np.flatnonzero(clipped(x, sfreq=250))
        assert_array_equal(found, np.r_[1000:1250, 2750:3000])

    def test_nothing_to_judge(self) -> None:
        for x in (np.empty(0), np.ones(1), np.ones(500), np.full(500, np.nan)):
            assert not clipped(x, sfreq=250).any()

    @settings(max_examples=25)
    @given(st.integers(0, 900), st.integers(1, 600))
    def test_pieces_get_the_same_flags_as_the_whole(self, first: int, length: int) -> None:
        x = np.clip(pulse(64.0, duration=30), -110, 80)
        x[700:760] = np.nan
        x[1000:1300] = 300.0
        before, after = (int(np.ceil(64 * reach)) for reach in WaveRules().context)
        low, high = max(0, first - before), min(len(x), first + length + after)
        whole, piece = (wave_flags(part, sfreq=64, kind="ppg") for part in (x, x[low:high]))
        assert_array_equal(piece[first - low : first + length - low], whole[first : first + length])


class TestWaves:
    @pytest.mark.parametrize("kind", ["ppg", "ecg", "resp", "emg"])
    def test_clean_ones_stay_clean(self, kind: str) -> None:
        assert not wave_flags(pulse(250.0), sfreq=250, kind=kind).any()

    def test_reasons(self) -> None:
        x = pulse(64.0)
        x[300:400] = x[300]
        x[600:603] = np.nan
        x[1000:1004] = 500.0
        flags = wave_flags(x, sfreq=64, kind="ppg")
        assert_array_equal(np.flatnonzero(flags & Flag.FLAT), np.arange(300, 400))
        assert_array_equal(np.flatnonzero(flags & Flag.GAP), [600, 601, 602])
        assert_array_equal(np.flatnonzero(flags & Flag.CLIPPED), np.arange(1000 - 32, 1004 + 32))

    @pytest.mark.parametrize(("unit", "scale"), [("V", 1.0), ("mV", 1e3), ("uV", 1e6)])
    def test_tens_of_millivolts_are_no_electrocardiogram(self, unit: str, scale: float) -> None:
        ecg = 0.3 + 0.001 * pulse(250.0) / 150  # A millivolt on an electrode offset of 300 mV.
        assert not wave_flags(scale * ecg, sfreq=250, kind="ecg", unit=unit).any()
        ecg[2500:2520] += 0.02
        flags = wave_flags(scale * ecg, sfreq=250, kind="ecg", unit=unit)
        assert_array_equal(np.flatnonzero(flags & Flag.OUT_OF_RANGE), np.arange(2500 - 125, 2520 + 125))
        assert not wave_flags(scale * ecg, sfreq=250, kind="ecg").any()

    def test_wrong_settings(self) -> None:
        with pytest.raises(ValueError, match="Unknown kind of wave 'eda': use ppg, ecg, resp or emg"):
            wave_flags(np.ones(10), sfreq=4, kind="eda")
        with pytest.raises(PhysioaffectError, match="ecg_flat_s above 0 s or None, got 0"):
            WaveRules(ecg_flat_s=0)
        with pytest.raises(PhysioaffectError, match="around and ppg_settling_s of 0 s or more"):
            WaveRules(around=-1)
        with pytest.raises(PhysioaffectError, match="ecg_largest above 0 V"):
            WaveRules(ecg_largest=0)


class TestTemperature:
    def test_the_first_samples_of_an_e4(self) -> None:
        x = np.append(np.full(4, 382.2), np.linspace(33, 34, 400))
        flags = temperature_flags(x, sfreq=4)
        assert_array_equal(np.flatnonzero(flags), [0, 1, 2, 3])
        assert set(flags[:4]) == {Flag.OUT_OF_RANGE}

    @pytest.mark.parametrize("sfreq", [1.0, 4.0, 100.0])
    def test_a_jump_and_two_seconds_around(self, sfreq: float) -> None:
        times = np.arange(0, 100, 1 / sfreq)
        x = 33 + 0.01 * np.sin(times) + 1.2 * (times >= 50)
        found = times[temperature_flags(x, sfreq=sfreq) > 0]
        assert found[0] == pytest.approx(50 - 1 - 2, abs=1.01 / sfreq)
        assert found[-1] == pytest.approx(50 + 1 + 2, abs=2.01 / sfreq)

    def test_flat_and_gap(self) -> None:
        x = 33 + 0.1 * np.sin(np.arange(2000.0))
        x[100:500] = 33.0
        x[900] = np.nan
        flags = temperature_flags(x, sfreq=1)
        assert_array_equal(np.flatnonzero(flags & Flag.FLAT), np.arange(100, 500))
        assert_array_equal(np.flatnonzero(flags & Flag.GAP), [900])

    @pytest.mark.parametrize("tau", [60.0, 120.0, 300.0])
    @pytest.mark.parametrize("sfreq", [1.0, 4.0])
    def test_settling_is_that_of_an_exponential(self, tau: float, sfreq: float) -> None:
        # The change within a minute is 8 exp(-t/tau) (1 - exp(-60/tau)).
        times = np.arange(0, 3600, 1 / sfreq)
        found = settling_time(33 - 8 * np.exp(-times / tau), sfreq=sfreq, settled=0.3, longest=1800)
        assert found == pytest.approx(tau * np.log(8 * (1 - np.exp(-60 / tau)) / 0.3), abs=1 / sfreq)

    def test_settling_has_an_end(self) -> None:
        rising = np.linspace(20, 60, 2400)
        assert settling_time(rising, sfreq=4, settled=0.3, longest=300) == 300
        assert settling_time(np.full(100, 33.0), sfreq=4, settled=0.3, longest=300) == 0
        assert settling_time(np.full(100, np.nan), sfreq=4, settled=0.3, longest=300) == 25

    def test_wrong_settings(self) -> None:
        with pytest.raises(PhysioaffectError, match="lowest < highest, got 50"):
            TemperatureRules(lowest=50)
        with pytest.raises(PhysioaffectError, match="fastest above 0 or None"):
            TemperatureRules(fastest=0)
        with pytest.raises(PhysioaffectError, match="settling_s of 0 s or more"):
            TemperatureRules(settling_s=-1)


class TestMotion:
    @pytest.mark.parametrize("sfreq", [32.0, 50.0, 64.0, 128.0])
    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_a_fast_sine_has_its_root_mean_square(self, sfreq: float, axis: int) -> None:
        times = np.arange(0, 20, 1 / sfreq)
        acc = np.zeros((3, len(times)))
        acc[2] = 1
        acc[axis] += 0.4 * np.sin(2 * np.pi * 4 * times)
        level = motion_level(acc, sfreq=sfreq)[round(5 * sfreq) : round(15 * sfreq)]
        # The mean over a second and one sample more is not quite that over whole periods.
        assert_allclose(level, 0.4 / np.sqrt(2), rtol=2 / sfreq)

    def test_gravity_counts_for_nothing_and_a_turn_for_something(self) -> None:
        times = np.arange(0, 20, 1 / 32)
        still = np.tile([[0.6], [0.0], [-0.8]], len(times))
        assert_allclose(motion_level(still, sfreq=32)[64:-64], 0, atol=1e-7)
        turning = np.stack([np.cos(2 * np.pi * times), np.sin(2 * np.pi * times), 0 * times])
        assert_allclose(np.sqrt(np.square(turning).sum(axis=0)), 1)  # The magnitude does not see it.
        # Both axes are sines of amplitude 1 with two whole periods in the mean that is taken off.
        assert_allclose(motion_level(turning, sfreq=32)[64:-64], 1, rtol=0.05)

    @settings(max_examples=20)
    @given(st.integers(0, 1000), st.floats(0.1, 10))
    def test_it_scales_and_does_not_know_the_axes(self, seed: int, scale: float) -> None:
        acc = np.random.default_rng(seed).normal(size=(3, 400))
        rotation = np.linalg.qr(np.random.default_rng(seed + 1).normal(size=(3, 3)))[0]
        level = motion_level(acc, sfreq=32)
        assert_allclose(
            motion_level(scale * rotation @ acc + 5, sfreq=32)[32:-32], scale * level[32:-32], rtol=1e-6
        )

    @settings(max_examples=30)
    @given(st.floats(5, 20), st.floats(1, 5), st.sampled_from([32.0, 64.0]))
    def test_a_shake_is_found_where_it_was(self, start: float, duration: float, sfreq: float) -> None:
        times = np.arange(0, 30, 1 / sfreq)
        is_shaken = (times >= start) & (times < start + duration)
        acc = np.zeros((3, len(times)))
        acc[0] = np.where(is_shaken, np.sin(2 * np.pi * 5 * times), 0)
        found = moving(acc, sfreq=sfreq, threshold=0.1)
        assert found[is_shaken].all()
        assert not found[(times < start - 1.6) | (times > start + duration + 1.6)].any()

    def test_missing_axes(self) -> None:
        acc = np.ones((3, 320))
        acc[1, 100:120] = np.nan
        level = motion_level(acc, sfreq=32)
        assert_array_equal(np.flatnonzero(np.isnan(level)), np.arange(100, 120))

    def test_an_e4_is_clipped_at_its_codes(self) -> None:
        acc = np.round(np.random.default_rng(0).normal(scale=0.2, size=(3, 500)) * 64) / 64
        acc[0, 100], acc[2, 200] = -2.0, 127 / 64
        assert_array_equal(np.flatnonzero(acceleration_clipped(acc, sfreq=32)), [100, 200])
        finer = acc + 0.001  # Another sensor: two single samples say nothing.
        assert not acceleration_clipped(finer, sfreq=32).any()
        assert_array_equal(np.flatnonzero(acceleration_clipped(finer, sfreq=32, limit=1.9)), [100, 200])

    def test_reasons_of_acceleration(self) -> None:
        acc = np.round(np.random.default_rng(0).normal(scale=0.2, size=(3, 32 * 200)) * 64) / 64
        acc[:, 640 : 640 + 32 * 130] = [[0.0], [0.0], [1.0]]
        acc[1, 40] = np.nan
        flags = acceleration_flags(acc, sfreq=32)
        assert_array_equal(np.flatnonzero(flags & Flag.FLAT), np.arange(640, 640 + 32 * 130))
        assert_array_equal(np.flatnonzero(flags & Flag.GAP), [40])

    def test_wrong_settings(self) -> None:
        with pytest.raises(ValueError, match="threshold must be above 0 g"):
            moving(np.ones((3, 10)), sfreq=32, threshold=0)
        with pytest.raises(ValueError, match="limit must be above 0 g"):
            acceleration_clipped(np.ones((3, 10)), sfreq=32, limit=-2)
        with pytest.raises(PhysioaffectError, match="MotionRules need ppg above 0 or None"):
            MotionRules(ppg=0)


def test_ranges_and_slopes_by_hand() -> None:
    x = np.array([1.0, np.nan, 5.0, 5.0, 9.0, -np.inf])
    assert_array_equal(out_of_range(x, low=2, high=8), [True, False, False, False, True, False])
    assert_array_equal(too_steep(x, sfreq=1, per_second=3.9), [False, False, False, True, True, True])
    assert_array_equal(too_steep(np.arange(8.0), sfreq=4, per_second=4.0), np.zeros(8))
    assert too_steep(np.arange(8.0), sfreq=4, per_second=3.9).all()
    with pytest.raises(ValueError, match="low < high, got 3 and 2"):
        out_of_range(x, low=3, high=2)
    with pytest.raises(ValueError, match="per_second must be above 0"):
        too_steep(x, sfreq=1, per_second=0)
