"""Where responses are, and their shape: closed forms, gaps, and nothing from far away."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import find_peaks

from physioaffect.devices.empatica import read_e4
from physioaffect.recording import Signal
from physioaffect.signals.eda import DECOMPOSITIONS, Responses, highpass, scr_peaks
from physioaffect.signals.eda_responses import RESPONSE_CONTEXT_S, _peaks
from physioaffect.signals.quality import eda_flags

SFREQ = 4.0
TIMES = np.arange(0, 300, 1 / SFREQ)


def triangles(
    *peaks: float, height: float = 0.4, rise: float = 2.0, fall: float = 6.0, times: np.ndarray = TIMES
) -> np.ndarray:
    """Linear up in ``rise`` seconds and down in ``fall`` seconds, the highest of all where they overlap."""
    every = [
        np.minimum((times - peak) / rise + 1, (peak - times) / fall + 1).clip(0) * height for peak in peaks
    ]
    return np.asarray(np.max(every, axis=0))


def at(seconds: float) -> int:
    return round(seconds * SFREQ)


@pytest.mark.parametrize("sfreq", [4.0, 8.0, 16.0])
@pytest.mark.parametrize(("rise", "fall"), [(2.0, 6.0), (1.0, 4.0), (4.0, 10.0)])
def test_the_shape_of_a_triangle(sfreq: float, rise: float, fall: float) -> None:
    times = np.arange(0, 100, 1 / sfreq)
    responses = scr_peaks(triangles(50, rise=rise, fall=fall, times=times), sfreq=sfreq)
    assert_allclose(times[responses.peak_idx], 50)
    assert_allclose(responses.amplitudes, 0.4)
    assert_allclose(responses.rise_times, rise)
    assert_allclose(responses.recovery_times, fall / 2)
    assert_allclose(responses.areas, 0.4 * rise / 2 + 0.4 * 0.75 * fall / 2)
    assert_allclose(times[responses.onset_idx], 50 - rise)
    assert 50 + fall / 2 <= responses.stop_idx[0] / sfreq < 50 + fall / 2 + 2 / sfreq


def test_heights_are_from_trough_to_peak_whatever_the_neighbours() -> None:
    # The second starts on the falling flank of the first, at 0.3, and is the smaller one.
    phasic = np.interp(TIMES, [0, 48, 50, 52, 54, 66, 300], [0, 0, 0.6, 0.3, 0.5, 0, 0])
    responses = scr_peaks(phasic, sfreq=SFREQ)
    assert_array_equal(TIMES[responses.peak_idx], [50, 54])
    assert_allclose(responses.amplitudes, [0.6, 0.2])
    assert_allclose(responses.rise_times, [2, 2])
    # The first loses half of its height just where the second begins.
    assert_allclose(responses.recovery_times, [2, 12 * 0.1 / 0.5])
    # A flank that rises again does not make the first smaller either.
    phasic = np.interp(TIMES, [0, 48, 50, 51, 54, 66, 300], [0, 0, 0.6, 0.55, 0.9, 0, 0])
    responses = scr_peaks(phasic, sfreq=SFREQ)
    assert_allclose(responses.amplitudes, [0.6, 0.35])
    assert np.isnan(responses.recovery_times[0])
    assert_allclose(responses.areas[0], 0.6 * 2 / 2 + 0.575)


def test_a_slow_drift_ahead_of_a_response_is_no_part_of_its_rise() -> None:
    # From 40 s on up by 0.01 uS a second, from 48 s on by 0.2.
    phasic = np.interp(TIMES, [0, 39, 40, 48, 50, 60, 300], [0.1, 0.1, 0, 0.08, 0.48, 0, 0])
    responses = scr_peaks(phasic, sfreq=SFREQ)
    assert_allclose(TIMES[responses.onset_idx], 48)
    assert_allclose(responses.rise_times, 2)
    assert_allclose(responses.amplitudes, 0.48)


def test_what_lies_between_the_dips_of_a_filter_is_no_response() -> None:
    eda = 2 + triangles(50, 68, height=1.0)
    phasic = highpass(eda, sfreq=SFREQ).phasic
    found = [TIMES[scr_peaks(phasic, sfreq=SFREQ, eda=level).peak_idx] for level in (None, eda)]
    assert len(found[0]) == 3
    assert_array_equal(found[1], [50, 68])
    with pytest.raises(ValueError, match=r"eda must have the shape of phasic, \(1200,\), got \(5,\)"):
        scr_peaks(phasic, sfreq=SFREQ, eda=eda[:5])


def test_a_recovery_that_takes_longer_than_ten_seconds_is_none() -> None:
    responses = scr_peaks(triangles(50, 100, fall=21.0, rise=2.0), sfreq=SFREQ)
    assert len(responses.peak_idx) == 2
    assert np.isnan(responses.recovery_times).all()
    assert np.isfinite(responses.areas).all()


def test_what_rises_too_fast_or_too_slowly_is_no_response() -> None:
    phasic = np.zeros_like(TIMES)
    phasic[at(30)] = 1.0
    phasic += triangles(100, rise=7.0) + triangles(200)
    assert_array_equal(TIMES[scr_peaks(phasic, sfreq=SFREQ).peak_idx], [200])
    every = scr_peaks(phasic, sfreq=SFREQ, rise=(0.0, 10.0))
    assert_array_equal(TIMES[every.peak_idx], [30, 100, 200])
    for rise in [(2.0, 1.0), (-1.0, 2.0), (0.5, 20.0)]:
        with pytest.raises(ValueError, match="rise must go from a shorter to a longer time of up to 10 s"):
            scr_peaks(phasic, sfreq=SFREQ, rise=rise)


@pytest.mark.parametrize(
    ("gap", "is_counted"),
    [(47.5, True), (48, False), (49, False), (50, False), (52, False), (53, False), (53.5, True), (58, True)],
)
def test_a_response_that_touches_a_gap_does_not_count(gap: float, is_counted: bool) -> None:
    # It rises from 48 to 50 s and has half recovered at 53 s; before it the level falls.
    phasic = triangles(50) - 0.001 * np.minimum(TIMES, 48)
    phasic[at(gap)] = np.nan
    assert len(scr_peaks(phasic, sfreq=SFREQ).peak_idx) == is_counted


def test_the_ends_of_a_recording() -> None:
    # Its beginning is not there, so its height is not known; the end of the other may still be to come.
    phasic = triangles(1, 299)
    responses = scr_peaks(phasic, sfreq=SFREQ)
    assert_array_equal(TIMES[responses.peak_idx], [299])
    assert np.isnan(responses.recovery_times).all()


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.floats(-20, 20), st.sampled_from([1e-3, 7.0, 1e3]))
def test_only_the_unit_and_never_the_level_makes_a_difference(seed: int, level: float, scale: float) -> None:
    phasic = np.cumsum(np.random.default_rng(seed).normal(scale=0.03, size=400))
    one = scr_peaks(phasic, sfreq=SFREQ)
    shifted = scr_peaks(phasic + level, sfreq=SFREQ)
    scaled = scr_peaks(phasic * scale, sfreq=SFREQ, threshold=0.02 * scale)
    for name, power in {"amplitudes": 1, "areas": 1, "rise_times": 0, "recovery_times": 0}.items():
        assert_allclose(getattr(shifted, name), getattr(one, name), rtol=1e-6, atol=1e-9)
        assert_allclose(getattr(scaled, name), getattr(one, name) * scale**power, rtol=1e-6)
    assert_array_equal(one.peak_idx, scaled.peak_idx)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(0, 30))
def test_nothing_from_far_away_makes_a_difference(seed: int, n_lost: int) -> None:
    rng = np.random.default_rng(seed)
    phasic = np.cumsum(rng.normal(scale=0.03, size=800))
    other = phasic.copy()
    # A neighbour may reach ten seconds, what it stands out from ten more.
    far = at(2 * RESPONSE_CONTEXT_S) + 2
    other[: 400 - far] = rng.normal(scale=100, size=400 - far)
    other[440 + far :] *= -50
    other[440 + far : 440 + far + n_lost] = np.nan
    found = [scr_peaks(x, sfreq=SFREQ) for x in (phasic, other)]
    own = [(each.peak_idx >= 400) & (each.peak_idx < 440) for each in found]
    for one, two in zip(*found, strict=True):
        assert_array_equal(one[own[0]], two[own[1]])


def test_blocks_of_responses_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    phasic = np.cumsum(np.random.default_rng(3).normal(scale=0.03, size=2000))
    whole = scr_peaks(phasic, sfreq=SFREQ)
    assert len(whole.peak_idx) > 30
    monkeypatch.setattr("physioaffect.signals.eda_responses._BLOCK", 81 * 7)
    for one, two in zip(whole, scr_peaks(phasic, sfreq=SFREQ), strict=True):
        assert_array_equal(one, two)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.01, 0.1]), st.integers(1, 40))
def test_peaks_stand_out_as_scipy_says(seed: int, rounding: float, reach: int) -> None:
    """Of walks, whose ties come from rounding, with gaps; SciPy warns of flat tops."""
    rng = np.random.default_rng(seed)
    x = np.cumsum(rng.normal(scale=0.05, size=300))
    x = np.round(x / rounding) * rounding if rounding else x
    is_missing = rng.random(300) < 0.02
    walled = np.where(is_missing, x.max() + 1, x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected, _ = find_peaks(walled, prominence=0.1, wlen=2 * reach + 1)
    assert_array_equal(_peaks(x, is_missing, 0.1, reach), expected[~is_missing[expected]])


def test_a_long_plateau_warns_of_nothing_and_leaves_the_filters_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SciPy warns of it; to silence that here would change what other threads are warned of."""
    flat = np.repeat([0.0, 0.5, 0.0], [50, 100, 50])
    with pytest.warns(RuntimeWarning, match="prominence of 0"):
        find_peaks(flat, prominence=0.02, wlen=81)

    def shared(*_: object, **__: object) -> None:
        raise AssertionError("warning filters are shared by all threads")

    monkeypatch.setattr(warnings, "catch_warnings", shared)
    assert len(scr_peaks(flat, sfreq=4.0).peak_idx) == 0


def test_nothing_has_no_responses() -> None:
    for phasic in (np.empty(0), np.zeros(1), np.full(50, np.nan), np.zeros(500)):
        responses = scr_peaks(phasic, sfreq=SFREQ)
        assert isinstance(responses, Responses)
        assert all(len(column) == 0 for column in responses)


@pytest.mark.parametrize("name", DECOMPOSITIONS)
@pytest.mark.parametrize("person", ["S05", "S12", "S16"])
def test_a_masked_artefact_leaves_the_count_of_a_real_recording(
    real_data: Path, person: str, name: str
) -> None:
    # NeuroKit2 0.2.13 goes from 82 to 2 responses when such a bump is added. Where it is, the rules find.
    eda = read_e4(real_data / "realdata" / "stress_predict" / f"{person}_E4.zip").signals["eda"]
    assert isinstance(eda, Signal)
    clean = eda.masked[0, : 15 * 60 * 4]
    spoilt = clean.copy()
    spoilt[1800:1808] += 5
    counts = []
    for level in (clean, spoilt):
        masked = np.where(eda_flags(level, sfreq=SFREQ) == 0, level, np.nan)
        phasic = DECOMPOSITIONS[name](masked, sfreq=SFREQ).phasic
        counts.append(len(scr_peaks(phasic, sfreq=SFREQ).peak_idx))
    assert np.isnan(masked[1800:1808]).all()
    assert np.isfinite(clean[1800:1808]).all()
    assert counts[0] > 30
    assert abs(counts[1] - counts[0]) < 0.1 * counts[0]


def test_planted_responses_are_found_on_a_drifting_level() -> None:
    rng = np.random.default_rng(1)
    times = np.arange(0, 3600, 1 / SFREQ)
    peaks = np.arange(60, 3540, 20) + rng.uniform(-5, 5, size=174)
    heights = rng.uniform(0.05, 1.0, size=174)
    level = 3 + np.sin(2 * np.pi * times / 900) + rng.normal(scale=0.002, size=times.size)
    for peak, height in zip(peaks, heights, strict=True):
        level += triangles(peak, height=height, times=times)
    responses = scr_peaks(highpass(level, sfreq=SFREQ).phasic, sfreq=SFREQ, eda=level)
    distance = np.abs(times[responses.peak_idx][:, np.newaxis] - peaks)
    assert (distance.min(axis=0) < 0.5).mean() > 0.97
    assert (distance.min(axis=1) < 0.5).mean() > 0.97
    # The high-pass filter takes a tenth of a response away, or adds it.
    nearest = distance.argmin(axis=1)
    assert np.median(np.abs(responses.amplitudes / heights[nearest] - 1)) < 0.15
