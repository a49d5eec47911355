"""The parts of beat detection: sums without memory, filters of finite reach, peaks between samples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import uniform_filter1d

from physioaffect.signals.beat_detection import (
    band_filtered,
    beat_blocks,
    filled,
    first_highest,
    moving_mean,
    parabolic,
    strongest,
)


@settings(max_examples=60)
@given(n=st.integers(1, 200), size=st.integers(1, 60), seed=st.integers(0, 99))
def test_moving_mean_is_scipys(n: int, size: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=n)
    assert_allclose(moving_mean(x, size), uniform_filter1d(x, size | 1, mode="constant"), atol=1e-12)


def test_nothing_of_a_spike_stays_in_the_digits() -> None:
    x = np.random.default_rng(0).normal(size=1000)
    spiked = x.copy()
    spiked[100] = 1e30
    assert_array_equal(moving_mean(spiked, 21)[160:], moving_mean(x, 21)[160:])
    # A running sum has lost all that it had summed before.
    assert np.abs(uniform_filter1d(spiked, 21) - uniform_filter1d(x, 21))[160:].min() > 0.01


@pytest.mark.parametrize(("sfreq", "fmin", "fmax"), [(64.0, 0.5, 8.0), (360.0, 2.0, 30.0), (25.0, 0.5, 8.0)])
def test_the_filter_passes_its_band_and_reaches_no_further_than_it_says(
    sfreq: float, fmin: float, fmax: float
) -> None:
    times = np.arange(round(40 * sfreq)) / sfreq

    def gain(frequency: float) -> float:
        passed = band_filtered(np.cos(2 * np.pi * frequency * times), sfreq=sfreq, fmin=fmin, fmax=fmax)
        return float(np.abs(passed[len(times) // 3 : -len(times) // 3]).max())

    assert gain(fmin) == pytest.approx(0.5, abs=0.04)
    assert gain((fmin + fmax) / 2) == pytest.approx(1, abs=0.03)
    assert gain(fmin / 20) < 0.01
    if 2 * fmax < sfreq / 2:
        assert gain(1.7 * fmax) < 0.02

    impulse = np.zeros(len(times))
    impulse[len(times) // 2] = 1
    response = np.abs(band_filtered(impulse, sfreq=sfreq, fmin=fmin, fmax=fmax)) > 1e-12
    reach = np.abs(np.flatnonzero(response) - len(times) // 2).max() / sfreq
    assert reach <= 1 / (2 * fmin) + 1 / sfreq
    assert_allclose(band_filtered(np.full(500, 1e6), sfreq=sfreq, fmin=fmin, fmax=fmax), 0, atol=1e-6)


def test_long_gaps_are_held_and_short_ones_are_lines() -> None:
    x = np.array([np.nan, 1.0, np.nan, 3.0, np.nan, np.nan, np.nan, np.nan, np.nan, 7.0, np.nan])
    assert_allclose(filled(x, np.isnan(x), reach=2), [1, 1, 2, 3, 3, 3, 7, 7, 7, 7, 7])
    assert_allclose(filled(x, np.isnan(x), reach=3), [1, 1, 2, 3, *(3 + np.arange(1, 6) * 4 / 6), 7, 7])


def test_a_parabola_has_its_top_between_samples() -> None:
    times = np.arange(40.0)
    tops = np.array([9.6, 10.0, 10.3])
    for top in tops:
        x = 5 - 0.1 * (times - top) ** 2
        assert_allclose(parabolic(x, np.array([round(top)])), [top])
    assert_array_equal(parabolic(np.arange(5.0), np.array([0, 4])), [0, 4])
    assert_array_equal(parabolic(np.array([1.0, 2.0]), np.array([1])), [1])


def test_of_beats_too_near_the_strongest_stays() -> None:
    idx = np.array([0, 10, 14, 40, 41, 42])
    strength = np.array([1.0, 3.0, 2.0, 1.0, 5.0, 4.0])
    assert_array_equal(idx[strongest(idx, strength, apart=6)], [0, 10, 41])
    assert_array_equal(idx[strongest(idx, np.ones(6), apart=6)], [0, 10, 40])


def test_the_first_maximum_of_each_stretch() -> None:
    x = np.array([0.0, 3.0, 3.0, 1.0, 9.0, 2.0])
    assert_array_equal(first_highest(x, np.array([0, 3, 5]), np.array([3, 6, 6])), [1, 4, 5])
    assert first_highest(x, np.empty(0, np.intp), np.empty(0, np.intp)).shape == (0,)


def test_a_burst_hides_only_what_is_near() -> None:
    sfreq = 64.0
    energy = np.tile(np.concatenate([np.ones(10), np.zeros(41)]), 100)
    burst = energy.copy()
    burst[:100] += 1e6
    kwargs = {"sfreq": sfreq, "event": 0.15, "beat": 0.8, "offset": 0.02, "local": 10.0}
    clean, _ = beat_blocks(energy, **kwargs)
    after, _ = beat_blocks(burst, **kwargs)
    assert len(clean) == 100
    late = 100 + 6 * 64
    assert_array_equal(after[after > late], clean[clean > late])


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_flat_energy_has_no_beats(level: float) -> None:
    first_idx, _ = beat_blocks(
        np.full(6400, level), sfreq=64.0, event=0.15, beat=0.8, offset=0.02, local=10.0
    )
    assert ((first_idx < 32) | (first_idx > 6400 - 64)).all()
    assert level or len(first_idx) == 0
