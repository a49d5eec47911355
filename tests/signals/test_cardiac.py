"""Complexes of an electrocardiogram: made ones whose times are known, and a record with reference beats."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support.hearts import breathing_beats, ecg_of, read_beats, read_mit_bih

from physioaffect.errors import DataError
from physioaffect.signals.cardiac import complexes, r_peaks


@pytest.mark.parametrize("sfreq", [50.0, 100.0, 128.0, 250.0, 360.0, 700.0, 2000.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_beats_are_found_between_samples(sfreq: float, sign: int) -> None:
    beats = breathing_beats(60)
    found = complexes(sign * ecg_of(beats, sfreq=sfreq, duration=60, noise=0.0), sfreq=sfreq)
    assert len(found.times) == len(beats)
    # The filter moves all of them by the same: Q and S are not equally deep.
    late = found.times - beats
    assert abs(np.median(late)) < 0.004
    assert_allclose(late, np.median(late), atol=0.002 if sfreq > 100 else 0.004)


@pytest.mark.parametrize("bpm", [35.0, 75.0, 190.0])
def test_slow_and_fast_hearts(bpm: float) -> None:
    beats = np.arange(0.7, 59, 60 / bpm)
    found = complexes(ecg_of(beats, sfreq=250.0, duration=60, noise=0.05), sfreq=250.0)
    assert len(found.times) == len(beats)
    assert_allclose(found.times, beats, atol=0.02)


def test_r_peaks_are_samples_and_never_missing_ones() -> None:
    sfreq = 250.0
    beats = np.arange(0.7, 60, 0.8)
    ecg = ecg_of(beats, sfreq=sfreq, duration=60)
    ecg[round(20 * sfreq) : round(21.5 * sfreq)] = np.nan
    peaks = r_peaks(ecg, sfreq=sfreq)
    assert np.isfinite(ecg[peaks]).all()
    outside = beats[(beats < 19.9) | (beats > 21.6)]
    assert np.abs(np.subtract.outer(outside, peaks / sfreq)).min(axis=1).max() < 0.01
    assert len(peaks) <= len(outside) + 1


@pytest.mark.parametrize(
    "ecg",
    [np.zeros(5000), np.ones(5000), np.full(5000, np.nan), np.zeros(100), np.empty(0), np.ones(2)],
    ids=["zeros", "ones", "missing", "short", "empty", "two samples"],
)
def test_nothing_has_no_beats(ecg: np.ndarray) -> None:
    assert r_peaks(ecg, sfreq=250.0).shape == (0,)


def test_a_rate_too_low_for_beats_is_refused() -> None:
    with pytest.raises(DataError, match=r"cannot be found in an ECG sampled at 4 Hz; it takes 50 Hz or more"):
        r_peaks(np.zeros(1000), sfreq=4.0)
    with pytest.raises(ValueError, match=r"ecg must be \(n_times,\).*Pass one lead: ecg\[0\]"):
        r_peaks(np.zeros((1, 1000)), sfreq=250.0)


@pytest.mark.parametrize("sign", [1, -1])
def test_reference_beats_of_mit_bih_100_are_found(real_data: Path, sign: int) -> None:
    folder = real_data / "realdata" / "wfdb"
    ecg = read_mit_bih(folder / "100.dat", 650_000)
    beats = read_beats(folder / "100.atr") / 360
    assert (len(ecg), len(beats)) == (650_000, 2273)
    found = complexes(sign * ecg, sfreq=360.0).times
    nearest = np.abs(np.subtract.outer(beats, found))
    assert (nearest.min(axis=1) <= 0.075).sum() >= 2268
    assert (nearest.min(axis=0) > 0.075).sum() <= 2
    assert len(np.unique(nearest.argmin(axis=1))) == 2273
    assert np.median(nearest.min(axis=1)) < 0.002
    assert_array_equal(np.sort(found), found)
