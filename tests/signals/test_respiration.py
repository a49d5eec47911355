"""Breaths from a belt, against closed forms and NeuroKit2."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.errors import DataError
from physioaffect.signals.respiration import BREATH_CONTEXT_S, Breaths, breathing, find_breaths


def times_of(seconds: float, sfreq: float) -> np.ndarray:
    return np.arange(round(seconds * sfreq)) / sfreq


def inner(breaths: Breaths, seconds: float, margin: float = 20.0) -> Breaths:
    """Breaths that the filter's start and end do not touch."""
    keep = (breaths.starts > margin) & (breaths.stops < seconds - margin)
    return Breaths(*(column[keep] for column in breaths))


@pytest.mark.parametrize("sfreq", [4.0, 25.0, 100.0, 700.0, 1000.0])
@pytest.mark.parametrize("frequency", [0.1, 0.25, 0.5])
def test_a_sine_has_its_rate_and_twice_its_amplitude(sfreq: float, frequency: float) -> None:
    belt = 5 + 3 * np.sin(2 * np.pi * frequency * times_of(200, sfreq))
    breaths = inner(find_breaths(belt, sfreq=sfreq), 200)
    assert len(breaths.peaks) >= 160 * frequency - 2
    rate = 60 / (breaths.stops - breaths.starts)
    assert_allclose(rate.mean(), 60 * frequency, rtol=1e-3)
    assert_allclose(rate, 60 * frequency, rtol=5e-3)
    # The highest sample of 8 in a cycle is off the crest by up to 1 - cos(pi / 8).
    assert_allclose(breaths.depths, 6, rtol=5e-3 if sfreq > 20 else 0.1)
    assert_allclose((breaths.peaks - breaths.starts).mean(), 0.5 / frequency, rtol=2e-3)
    assert_array_equal(breaths.starts[1:], breaths.stops[:-1])


@pytest.mark.parametrize("share", [0.3, 0.4, 0.5, 0.65])
def test_an_asymmetric_wave_has_its_inspiration(share: float) -> None:
    # Two half cosines of 4 s together.
    phase = np.mod(times_of(200, 50.0) / 4, 1)
    belt = np.where(
        phase < share, -np.cos(np.pi * phase / share), np.cos(np.pi * (phase - share) / (1 - share))
    )
    breaths = inner(find_breaths(belt, sfreq=50.0), 200)
    assert_allclose(breaths.peaks - breaths.starts, 4 * share, atol=0.15)
    assert_allclose(breaths.stops - breaths.peaks, 4 * (1 - share), atol=0.15)
    assert_allclose(breaths.depths, 2, rtol=0.02)


@settings(max_examples=20)
@given(st.sampled_from([1e-3, 0.5, 700.0]), st.floats(-50, 50), st.integers(0, 1000))
def test_neither_unit_nor_offset_makes_a_difference(scale: float, offset: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    phase = np.cumsum(0.25 + 0.05 * rng.normal(size=1500)) / 20
    belt = np.sin(2 * np.pi * phase) * (1 + 0.2 * np.sin(phase))
    one = find_breaths(belt, sfreq=20.0)
    other = find_breaths(offset + scale * belt, sfreq=20.0)
    for name, factor in {"starts": 1, "peaks": 1, "stops": 1, "depths": scale}.items():
        assert_allclose(getattr(other, name), getattr(one, name) * factor, rtol=1e-5)


def test_drift_moves_no_breath_and_changes_no_depth() -> None:
    times = times_of(300, 25.0)
    belt = np.sin(2 * np.pi * 0.2 * times)
    clean = inner(find_breaths(belt, sfreq=25.0), 300)
    for drift in (0.05 * times, 5 * np.sin(2 * np.pi * times / 600)):
        drifting = inner(find_breaths(belt + drift, sfreq=25.0), 300)
        assert len(drifting.peaks) == len(clean.peaks)
        assert_allclose(drifting.peaks, clean.peaks, atol=0.05)
        assert_allclose(drifting.depths, clean.depths, rtol=0.01)


def test_noise_and_the_heart_make_no_breaths() -> None:
    rng = np.random.default_rng(4)
    times = times_of(600, 25.0)
    belt = np.sin(2 * np.pi * 0.25 * times) + 0.1 * np.sin(2 * np.pi * 1.2 * times)
    breaths = inner(find_breaths(belt + 0.3 * rng.normal(size=times.size), sfreq=25.0), 600)
    assert len(breaths.peaks) == pytest.approx(140, abs=2)
    assert_allclose((breaths.stops - breaths.starts).mean(), 4, rtol=0.01)


def test_a_breath_that_touches_a_gap_does_not_count() -> None:
    times = times_of(200, 25.0)
    belt = np.sin(2 * np.pi * 0.25 * times)
    whole = inner(find_breaths(belt, sfreq=25.0), 200)
    for length in (1, 10, 100, 1000):
        spoilt = belt.copy()
        spoilt[2000 : 2000 + length] = np.nan
        breaths = inner(find_breaths(spoilt, sfreq=25.0), 200)
        is_clear = (breaths.stops < 2000 / 25) | (breaths.starts > (2000 + length - 1) / 25)
        assert is_clear.all()
        n_touched = np.count_nonzero((whole.stops > 80) & (whole.starts < 80 + length / 25))
        assert len(whole.peaks) - n_touched - 2 <= len(breaths.peaks) <= len(whole.peaks) - n_touched


def test_the_sides_of_a_gap_know_nothing_of_each_other() -> None:
    times = times_of(300, 20.0)
    one = np.sin(2 * np.pi * 0.25 * times)
    one[3000:3100] = np.nan
    other = one.copy()
    other[3100:] = 40 + 9 * np.sin(2 * np.pi * 0.3 * times[3100:])
    first, second = (find_breaths(belt, sfreq=20.0) for belt in (one, other))
    n_before = np.count_nonzero(first.stops < 150)
    assert n_before > 30
    for column_one, column_two in zip(first, second, strict=True):
        assert_array_equal(column_one[:n_before], column_two[:n_before])


def test_nothing_beyond_the_stated_context_changes_a_breath() -> None:
    rng = np.random.default_rng(5)
    phase = np.cumsum(0.25 + 0.1 * rng.normal(size=20 * 900)) / 20
    belt = np.sin(2 * np.pi * phase)
    changed = belt.copy()
    reach = round(BREATH_CONTEXT_S * 20)
    changed[: 9000 - reach] *= 30
    changed[9600 + reach :] += 100
    found = [find_breaths(x, sfreq=20.0) for x in (belt, changed)]
    own = [(each.peaks >= 450) & (each.peaks < 480) for each in found]
    assert own[0].sum() >= 5
    for one, two in zip(*found, strict=True):
        assert_allclose(two[own[1]], one[own[0]], rtol=1e-6)


def test_nothing_has_no_breaths() -> None:
    for belt in (np.empty(0), np.zeros(1), np.zeros(1000), np.full(1000, np.nan), np.arange(1000.0)):
        assert all(len(column) == 0 for column in find_breaths(belt, sfreq=20.0))


def test_what_cannot_be_breathing_is_refused() -> None:
    with pytest.raises(DataError, match="sampled at 1 Hz; it takes 4 Hz or more"):
        find_breaths(np.zeros(100), sfreq=1.0)
    with pytest.raises(ValueError, match=r"resp must be \(n_times,\).*resp\[0\]"):
        breathing(np.zeros((1, 100)), sfreq=20.0)


@pytest.mark.parametrize("frequency", [0.02, 0.05, 0.25, 1.0, 3.0])
def test_the_band_of_breathing(frequency: float) -> None:
    data, sfreq = breathing(np.sin(2 * np.pi * frequency * times_of(400, 100.0)), sfreq=100.0)
    assert sfreq == 20.0

    def warped(f: float) -> float:
        return float(np.tan(np.pi * f / 20))

    gain = 1 / (1 + (warped(0.05) / warped(frequency)) ** 4) / (1 + (warped(frequency) / warped(3.0)) ** 4)
    assert np.sqrt(2) * data[3000:5000].std() == pytest.approx(gain, rel=0.02)


RECORDINGS = [
    ("neurokit/bio_resting_5min_100hz.csv", 100.0, 2, 70),
    ("neurokit/bio_eventrelated_100hz.csv", 100.0, 3, 36),
]


@pytest.mark.parametrize(("path", "sfreq", "column", "n_least"), RECORDINGS)
def test_real_breaths_are_those_of_neurokit(
    real_data: Path, path: str, sfreq: float, column: int, n_least: int
) -> None:
    neurokit = pytest.importorskip("neurokit2")
    belt = np.loadtxt(real_data / "realdata" / path, delimiter=",", skiprows=1, usecols=column)
    breaths = find_breaths(belt, sfreq=sfreq)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clean = neurokit.rsp_clean(belt, sampling_rate=sfreq)
        peaks = neurokit.rsp_findpeaks(clean, sampling_rate=sfreq)["RSP_Peaks"] / sfreq
    assert len(peaks) >= n_least
    distance = np.abs(breaths.peaks[:, np.newaxis] - peaks)
    assert (distance.min(axis=0) < 0.3).mean() > 0.95
    assert (distance.min(axis=1) < 0.3).mean() > 0.9
