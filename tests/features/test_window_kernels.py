"""Statistics and spectra of many windows at once, against NumPy and SciPy on one window at a time."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import welch

from physioaffect.features._window_kernels import (
    COUNT,
    events_per_window,
    moments,
    quantiles_per_window,
)
from physioaffect.features._window_spectrum import band_power, window_spectra
from physioaffect.features.eda import EDA
from physioaffect.features.emg import EMG
from physioaffect.features.recipe import Family
from physioaffect.features.respiration import Respiration
from physioaffect.features.temperature import Temperature
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Intervals


def by_numpy(x: np.ndarray) -> list[float]:
    present = np.flatnonzero(np.isfinite(x))
    if present.size == 0:
        return [0, *[np.nan] * 5]
    own = x[present]
    slope = np.polyfit(present, own, 1)[0] if present.size > 1 else np.nan
    return [present.size, own.mean(), own.std(), own.min(), own.max(), slope]


@settings(max_examples=50)
@given(
    st.integers(0, 10_000),
    st.lists(st.integers(-20, 120), max_size=5),
    st.integers(1, 40),
    st.floats(0, 1),
    st.sampled_from([0.0, 1e6]),
)
def test_moments_are_numpys(
    seed: int, starts: list[int], n_samples: int, missing: float, level: float
) -> None:
    rng = np.random.default_rng(seed)
    x = level + rng.normal(size=100)
    x[rng.random(100) < missing] = np.nan
    found = moments(x, np.array(starts, dtype=np.intp), n_samples)
    assert found.shape == (len(starts), 6)
    for row, start in zip(found, starts, strict=True):
        own = x[max(start, 0) : max(start + n_samples, 0)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = by_numpy(own)
        assert_allclose(row, expected, rtol=1e-9, atol=1e-9 + level * 1e-15 * 100)


def test_a_high_level_costs_no_digits() -> None:
    x = 1e9 + np.tile([0.0, 1.0], 50)
    assert_allclose(moments(x, np.array([0]), 100)[0, 2], 0.5)
    assert moments(np.full(100, 0.1), np.array([0]), 100)[0, 2] == 0


def test_events_and_quantiles_are_numpys() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=50)
    values[::7] = np.nan
    begin, stop = np.array([0, 10, 20, 7]), np.array([50, 30, 20, 8])
    found = events_per_window(values, begin, stop)
    quantiles = quantiles_per_window(values, begin, stop, np.array([0.0, 0.1, 0.5, 0.9, 1.0]))
    for row in (0, 1):
        own = values[begin[row] : stop[row]]
        expected = [np.isfinite(own).sum(), np.nanmean(own), np.nansum(own), np.nanmax(own), np.nanstd(own)]
        assert_allclose(found[row], expected)
        assert_allclose(quantiles[row], np.nanquantile(own, [0, 0.1, 0.5, 0.9, 1]))
    for row in (2, 3):  # Nothing, and nothing but NaN.
        assert_array_equal(found[row], [0, np.nan, 0, np.nan, np.nan])
        assert np.isnan(quantiles[row]).all()


@pytest.mark.parametrize("taper", ["hann", "blackman"])
@pytest.mark.parametrize(("n_samples", "segment"), [(240, 240), (300, 100), (301, 101)])
def test_spectra_are_scipys(taper: str, n_samples: int, segment: int) -> None:
    x = np.cumsum(np.random.default_rng(1).normal(size=2000))
    first = np.array([0, 3, 500, 1600])
    spectra = window_spectra(x, first, n_samples, sfreq=4.0, segment=segment, taper=taper)
    reference: Any = welch  # Its stubs want the window's name itself.
    for row, start in enumerate(first):
        freqs, density = reference(
            x[start : start + n_samples],
            fs=4.0,
            window=taper,
            nperseg=segment,
            noverlap=segment - segment // 2,
            detrend="linear",
        )
        assert_allclose(spectra.freqs, freqs)
        assert_allclose(spectra.density[row], density, rtol=1e-9, atol=1e-12)


def test_a_few_missing_samples_change_a_spectrum_little_and_many_refuse_it() -> None:
    x = 5 + np.sin(2 * np.pi * 0.25 * np.arange(2000) / 4)
    x[100:108] = np.nan
    x[1000:1030] = np.nan
    first = np.array([0, 900, 1500, 1900, -10])
    spectra = window_spectra(x, first, 240, sfreq=4.0, segment=240, taper="hann")
    power = band_power(spectra, 0.2, 0.3)
    # What is missing in the middle of a taper weighs twice: up to a tenth at 5 %.
    assert_allclose(power[[0, 2]], 0.5, rtol=0.1)
    assert np.isnan(power[[1, 3, 4]]).all()
    assert np.isnan(window_spectra(x, first, 100, sfreq=4.0, segment=240, taper="hann").density).all()


FAMILIES: list[tuple[Family, str, float, str]] = [
    (EDA(incomplete=True), "eda", 4.0, "uS"),
    (Temperature(), "temperature", 4.0, "degC"),
    (Respiration(), "resp", 25.0, "%"),
    (EMG(), "emg", 300.0, "V"),
]


@pytest.mark.parametrize(("family", "kind", "sfreq", "unit"), FAMILIES, ids=lambda value: str(value)[:12])
def test_windows_know_nothing_of_one_another(family: Family, kind: str, sfreq: float, unit: str) -> None:
    rng = np.random.default_rng(2)
    times = np.arange(0, 300, 1 / sfreq)
    x = 3 + np.sin(2 * np.pi * 0.2 * times + np.sin(times / 20)) + 0.1 * rng.normal(size=times.size)
    signal = Signal(data=x[np.newaxis], sfreq=sfreq, ch_names=("A",), kind=kind, unit=unit)
    trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={kind: signal})
    starts = np.array([17.3, 0.0, 100.0, 100.1, 230.0, 55.55])
    together = family(trial, Intervals(starts, 70.0))
    for row, start in enumerate(starts):
        alone = family(trial, Intervals(np.array([start]), 70.0))
        assert_allclose(together.values[row], alone.values[0], rtol=1e-9)
    assert (moments(x, np.array([0]), 10)[:, COUNT] == 10).all()
