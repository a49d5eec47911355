"""Splitting skin conductance, and counting responses in it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.devices.empatica import read_e4
from physioaffect.errors import DataError
from physioaffect.recording import Flag, Signal, Trial
from physioaffect.signals.eda import (
    DECOMPOSITION_CONTEXTS,
    DECOMPOSITIONS,
    ResampleEDA,
    highpass,
    highpass_causal,
    resample_eda,
    scr_peaks,
)

SFREQ = 4.0
TIMES = np.arange(0, 900, 1 / SFREQ)


def walk(seed: int, n_times: int = 480) -> np.ndarray:
    return 2 + np.cumsum(np.random.default_rng(seed).normal(scale=0.02, size=n_times))


def bumps(onsets: np.ndarray, heights: np.ndarray) -> np.ndarray:
    return sum(
        (height * np.exp(-((TIMES - onset) ** 2) / 2) for onset, height in zip(onsets, heights, strict=True)),
        start=np.zeros_like(TIMES),
    )


@pytest.mark.parametrize("name", DECOMPOSITIONS)
def test_the_parts_add_up(name: str) -> None:
    eda = walk(0)
    tonic, phasic = DECOMPOSITIONS[name](eda, sfreq=SFREQ)
    assert_allclose(tonic + phasic, eda, rtol=1e-14)


@pytest.mark.parametrize("eda", [np.full(300, 7.0), 1 + 0.003 * np.arange(300)])
def test_a_constant_and_a_ramp_are_all_tonic(eda: np.ndarray) -> None:
    assert_allclose(highpass(eda, sfreq=SFREQ).phasic, 0, atol=1e-6)


@pytest.mark.parametrize("frequency", [0.0125, 0.025, 0.05, 0.1, 0.2])
@pytest.mark.parametrize("cutoff", [0.05, 0.1])
def test_a_sine_is_shared_as_butterworth_says(frequency: float, cutoff: float) -> None:
    # The squared magnitude of a second-order Butterworth low-pass, at frequencies warped by the bilinear
    # transform.
    ratio = np.tan(np.pi * frequency / SFREQ) / np.tan(np.pi * cutoff / SFREQ)
    tonic_gain = 1 / (1 + ratio**4)
    sine = np.sin(2 * np.pi * frequency * TIMES)
    tonic, phasic = highpass(5 + sine, sfreq=SFREQ, cutoff=cutoff)
    middle = slice(len(TIMES) // 3, 2 * len(TIMES) // 3)
    assert_allclose(tonic[middle] - 5, tonic_gain * sine[middle], atol=1e-3)
    assert_allclose(phasic[middle], (1 - tonic_gain) * sine[middle], atol=1e-3)


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(1, 500))
def test_it_is_linear_and_knows_no_direction_of_time(seed: int, n_times: int) -> None:
    eda, other = walk(seed, n_times), walk(seed + 1, n_times)
    phasic = highpass(eda, sfreq=SFREQ).phasic
    assert_allclose(
        highpass(3 * eda - other, sfreq=SFREQ).phasic,
        3 * phasic - highpass(other, sfreq=SFREQ).phasic,
        atol=1e-9,
    )
    if (
        n_times > 2 * SFREQ / 0.05
    ):  # Forth and back is the same as back and forth once the ends have died away.
        middle = slice(n_times // 3, n_times - n_times // 3)
        assert_allclose(highpass(eda[::-1], sfreq=SFREQ).phasic[::-1][middle], phasic[middle], atol=5e-3)


def test_leading_axes_are_free() -> None:
    eda = np.stack([[walk(0), walk(1)], [walk(2), walk(3)]])
    tonic, phasic = highpass(eda, sfreq=SFREQ)
    assert tonic.shape == phasic.shape == eda.shape
    assert_allclose(tonic[1, 0], highpass(eda[1, 0], sfreq=SFREQ).tonic)


def test_a_gap_stays_a_gap_and_spoils_nothing_else() -> None:
    eda = 1 + 0.003 * np.arange(300)
    eda[100:120] = np.nan
    eda[200] = np.inf
    tonic, phasic = highpass(eda, sfreq=SFREQ)
    is_missing = ~np.isfinite(eda)
    assert_array_equal(np.isnan(tonic), is_missing)
    assert_array_equal(np.isnan(phasic), is_missing)
    # The bridge over a gap in a ramp is the ramp itself.
    assert_allclose(phasic[~is_missing], 0, atol=1e-6)


def test_nothing_gives_nothing() -> None:
    tonic, phasic = highpass(np.full((2, 50), np.nan), sfreq=SFREQ)
    assert np.isnan(tonic).all()
    assert np.isnan(phasic).all()
    assert highpass(np.empty((1, 0)), sfreq=SFREQ).tonic.shape == (1, 0)


@pytest.mark.parametrize("n_times", [1, 2, 5, 20, 80])
def test_a_short_signal_is_split_without_complaint(n_times: int) -> None:
    tonic, phasic = highpass(walk(4, n_times), sfreq=SFREQ)
    assert np.isfinite(tonic).all()
    assert_allclose(tonic + phasic, walk(4, n_times))


@pytest.mark.parametrize("cutoff", [0.0, -1.0, 2.0, 5.0])
def test_a_cutoff_beyond_the_rate_is_refused(cutoff: float) -> None:
    with pytest.raises(ValueError, match=r"Cannot split at .* Hz.*must lie between 0 and 2 Hz"):
        highpass(walk(0), sfreq=SFREQ, cutoff=cutoff)


def test_responses_are_where_they_were_put() -> None:
    onsets, heights = np.array([50.0, 100, 130, 400, 600]), np.array([0.03, 0.5, 0.06, 2.0, 0.025])
    peak_idx, amplitudes, *_ = scr_peaks(bumps(onsets, heights), sfreq=SFREQ)
    assert_array_equal(peak_idx / SFREQ, onsets)
    assert_allclose(amplitudes, heights, rtol=1e-6)


def test_the_threshold_is_in_microsiemens() -> None:
    phasic = bumps(np.array([50.0, 100, 130]), np.array([0.011, 0.03, 0.06]))
    counts = [
        len(scr_peaks(phasic, sfreq=SFREQ, threshold=level).peak_idx) for level in (0.01, 0.02, 0.05, 0.1)
    ]
    assert counts == [3, 2, 1, 0]
    with pytest.raises(ValueError, match="threshold must be above 0 uS"):
        scr_peaks(phasic, sfreq=SFREQ, threshold=0.0)
    with pytest.raises(ValueError, match=r"phasic must be \(n_times,\).*phasic\[0\]"):
        scr_peaks(phasic[np.newaxis], sfreq=SFREQ)


def test_a_small_response_on_a_falling_flank_counts() -> None:
    phasic = bumps(np.array([100.0, 106.0]), np.array([2.0, 0.1]))
    assert_array_equal(scr_peaks(phasic, sfreq=SFREQ).peak_idx / SFREQ, [100, 106])


def test_a_peak_beside_a_gap_does_not_count() -> None:
    phasic = bumps(np.array([50.0, 100, 200]), np.array([0.5, 0.5, 0.5]))
    phasic[401:420] = np.nan
    assert_array_equal(scr_peaks(phasic, sfreq=SFREQ).peak_idx / SFREQ, [50, 200])
    assert len(scr_peaks(np.full(100, np.nan), sfreq=SFREQ).peak_idx) == 0
    assert len(scr_peaks(np.empty(0), sfreq=SFREQ).peak_idx) == 0


@pytest.mark.parametrize("person", ["S01", "S12", "S16"])
def test_one_artefact_leaves_the_count_of_a_real_recording(real_data: Path, person: str) -> None:
    eda = read_e4(real_data / "realdata" / "stress_predict" / f"{person}_E4.zip").signals["eda"]
    assert isinstance(eda, Signal)
    clean = eda.masked[0, : 15 * 60 * 4]
    spoilt = clean.copy()
    spoilt[1800:1808] += 5
    counts = [
        len(scr_peaks(highpass(level, sfreq=SFREQ).phasic, sfreq=SFREQ).peak_idx) for level in (clean, spoilt)
    ]
    # It is counted itself, and so may be the filter's ringing on both sides. NeuroKit2's threshold, relative
    # to the largest peak, would leave a fortieth of all responses.
    assert counts[0] > 5
    assert abs(counts[1] - counts[0]) <= max(4, 0.1 * counts[0])


def test_a_causal_decomposition_knows_no_future() -> None:
    eda = walk(5)
    eda[100:110] = np.nan
    whole = highpass_causal(eda, sfreq=SFREQ)
    for n_times in (1, 60, 105, 300):
        part = highpass_causal(eda[:n_times], sfreq=SFREQ)
        assert_array_equal(part.phasic, whole.phasic[:n_times])
        assert_array_equal(part.tonic, whole.tonic[:n_times])
    changed = eda.copy()
    changed[300:] += 7
    assert_array_equal(highpass_causal(changed, sfreq=SFREQ).phasic[:300], whole.phasic[:300])


@pytest.mark.parametrize("frequency", [0.025, 0.05, 0.1, 0.3])
def test_the_causal_filter_has_butterworths_gain(frequency: float) -> None:
    ratio = np.tan(np.pi * 0.016 / SFREQ) / np.tan(np.pi * frequency / SFREQ)
    gain = 1 / np.sqrt(1 + ratio**4)
    phasic = highpass_causal(3 + np.sin(2 * np.pi * frequency * TIMES), sfreq=SFREQ).phasic
    assert len(phasic) > 500 * SFREQ
    settled = phasic[-round(400 * SFREQ) :]
    assert np.sqrt(2) * settled.std() == pytest.approx(gain, rel=0.01)
    assert settled.mean() == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("name", DECOMPOSITIONS)
@pytest.mark.parametrize("has_gap", [False, True])
def test_nothing_beyond_the_stated_context_changes_a_decomposition(name: str, has_gap: bool) -> None:
    before, after = DECOMPOSITION_CONTEXTS[name]
    rng = np.random.default_rng(8)
    eda = 3 + np.cumsum(rng.normal(scale=0.02, size=round(900 * SFREQ)))
    if has_gap:  # A short one, and one that is too long to be bridged.
        eda[1700:1720] = eda[2000:2200] = np.nan
    first, stop = 1800, 1840
    whole = DECOMPOSITIONS[name](eda, sfreq=SFREQ)
    begin = first - round(before * SFREQ)
    part = DECOMPOSITIONS[name](eda[begin : stop + round(after * SFREQ)], sfreq=SFREQ)
    assert_allclose(part.phasic[first - begin : stop - begin], whole.phasic[first:stop], atol=1e-7)
    assert_allclose(part.tonic[first - begin : stop - begin], whole.tonic[first:stop], atol=1e-7)


@pytest.mark.parametrize(("name", "recovery"), [("highpass", 3.15), ("highpass_causal", 1.9)])
def test_what_a_filter_makes_of_a_response(name: str, recovery: float) -> None:
    # Up in 2 s, half down in 5 s.
    shape = np.where(TIMES < 402, ((TIMES - 400) / 2).clip(0), 0.5 ** ((TIMES - 402) / 5).clip(0))
    eda = 2 + shape
    responses = scr_peaks(DECOMPOSITIONS[name](eda, sfreq=SFREQ).phasic, sfreq=SFREQ, eda=eda)
    assert_array_equal(TIMES[responses.peak_idx], [402])
    assert_array_equal(TIMES[responses.onset_idx], [400])
    assert_allclose(responses.amplitudes, 0.87, atol=0.01)
    assert_allclose(responses.recovery_times, recovery, atol=0.05)


@pytest.mark.parametrize("name", DECOMPOSITIONS)
def test_nothing_is_drawn_across_a_long_gap(name: str) -> None:
    one = walk(6, 800)
    one[400:460] = np.nan
    other = one.copy()
    other[460:] += 50
    first, second = (DECOMPOSITIONS[name](eda, sfreq=SFREQ) for eda in (one, other))
    assert_array_equal(first.phasic[:400], second.phasic[:400])
    assert_allclose(first.phasic[460:], second.phasic[460:], atol=1e-9)


@pytest.mark.parametrize("name", DECOMPOSITIONS)
def test_a_masked_bump_does_not_ring(name: str) -> None:
    eda = 1 + 0.001 * np.arange(1200)
    eda[600:608] = np.nan
    assert np.nanmax(np.abs(DECOMPOSITIONS[name](eda, sfreq=SFREQ).phasic[400:])) < 0.01


def test_fast_skin_conductance_is_brought_down() -> None:
    times = np.arange(0, 200, 1 / 700)
    eda = 3 + 0.5 * np.sin(2 * np.pi * 0.2 * times) + 0.2 * np.sin(2 * np.pi * 50 * times)
    slow, sfreq = resample_eda(eda, sfreq=700.0)
    assert sfreq == 8.0
    expected = 3 + 0.5 * np.sin(2 * np.pi * 0.2 * np.arange(1600) / 8)
    assert_allclose(slow[40:-40], expected[40:-40], atol=2e-4)
    for rate in (2.0, 20.0):
        with pytest.raises(ValueError, match="Skin conductance is brought down to 4-16 Hz, got"):
            resample_eda(eda, sfreq=700.0, to=rate)
        with pytest.raises(ValueError, match="Skin conductance is brought down to 4-16 Hz, got"):
            ResampleEDA(sfreq=rate)


def test_the_step_changes_only_what_is_too_fast() -> None:
    def trial_of(sfreq: float) -> Trial:
        n_times = round(60 * sfreq)
        flags = np.zeros(n_times, dtype=np.uint8)
        flags[n_times // 2] = Flag.CLIPPED
        eda = Signal(
            data=np.full((1, n_times), 2.0),
            sfreq=sfreq,
            ch_names=("EDA",),
            kind="eda",
            unit="uS",
            flags=flags,
        )
        return Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"eda": eda})

    slow = trial_of(4.0)
    assert ResampleEDA()(slow) is slow
    eda = ResampleEDA(sfreq=4.0)(trial_of(1000.0)).signal("eda")
    assert (eda.sfreq, eda.n_times, eda.unit) == (4.0, 240, "uS")
    assert_array_equal(np.flatnonzero(eda.flags), [120])
    assert np.isnan(eda.data[0, 120])
    with pytest.raises(DataError, match="has no signal 'eda'"):
        ResampleEDA()(Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={}))
    assert ResampleEDA(sfreq=4.0).context == (13.0, 13.0)
