"""The convex decomposition on recordings of which every part is known, and on real ones."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from physioaffect.errors import DataError
from physioaffect.pinn import (
    Convex,
    Sudomotor,
    deconvolve,
    estimate_time_constants,
    find_bursts,
    simulate_eda,
)

LINE: Any = "line"


@pytest.fixture(scope="module")
def recording():
    return simulate_eda(900, rate=5, snr_db=25, seed=4)


def n_matched(events, found, *, within=0.5):
    """How many events have a burst of their own within so many seconds."""
    left, n = list(found), 0
    for time in events:
        near = [other for other in left if abs(other - time) <= within]
        if near:
            left.remove(min(near, key=lambda other: abs(other - time)))
            n += 1
    return n


class TestParts:
    def test_they_add_up_and_the_driver_makes_the_phasic_part(self, recording):
        found = deconvolve(recording.eda, sfreq=4.0)
        assert_allclose(found.tonic + found.phasic + found.residual, recording.eda, atol=1e-12)
        assert found.driver.min() >= 0
        # From the state that bursts before the recording have left.
        r, a = found.phasic, found.settings.skin.discretise(4.0)
        ahead = r[2:] + a.ar[0] * r[1:-1] + a.ar[1] * r[:-2]
        assert_allclose(ahead, a.ma[0] * found.driver[1:-1] + a.ma[1] * found.driver[:-2], atol=1e-10)

    def test_they_are_near_the_true_ones(self, recording):
        found = deconvolve(recording.eda, sfreq=4.0)
        assert np.corrcoef(found.phasic, recording.phasic)[0, 1] > 0.995
        assert np.sqrt(np.mean((found.tonic - recording.tonic) ** 2)) < 0.03
        # White, of the size of the noise that was put in (phasic SD, 25 dB).
        noise = np.std(recording.phasic) * 10 ** (-25 / 20)
        assert_allclose(np.std(found.residual), noise, rtol=0.2)

    def test_bursts_are_found_and_hardly_any_invented(self, recording):
        bursts = find_bursts(deconvolve(recording.eda, sfreq=4.0), threshold=0.05)
        heights = recording.event_areas * Sudomotor().peak
        centres = recording.event_times + 0.25
        # Nearer ones may be one burst to `find_bursts`.
        is_apart = np.diff(centres, prepend=-9) > 2.5
        is_apart &= np.diff(centres, append=1e9) > 2.5
        clear = is_apart & (heights > 0.1)
        assert n_matched(centres[clear], bursts.times) >= 0.97 * clear.sum()
        assert n_matched(bursts.times, centres) >= 0.95 * len(bursts.times)

    def test_a_single_burst_keeps_its_height_time_and_recovery(self):
        driver = np.zeros(1200)
        driver[400] = 4.0
        skin = Sudomotor()
        eda = 5 + skin.respond(driver, sfreq=4.0) + 1e-4 * np.random.default_rng(0).standard_normal(1200)
        bursts = find_bursts(deconvolve(eda, sfreq=4.0), threshold=0.02)
        assert len(bursts.times) == 1
        assert_allclose(bursts.times, 100.125, atol=0.13)
        assert_allclose(bursts.amplitudes, skin.peak, rtol=0.08)
        assert_allclose(bursts.peak_times - bursts.times, skin.peak_time, atol=0.1)
        assert_allclose(bursts.recovery_times, skin.half_recovery_time(), atol=0.1)


class TestInvariances:
    @settings(max_examples=15)
    @given(factor=st.sampled_from([1e-3, 0.1, 3.7, 20.0]), shift=st.floats(-1, 50))
    def test_a_change_of_unit_changes_nothing_but_the_unit_and_a_level_only_the_tonic_part(
        self, recording, factor, shift
    ):
        plain = deconvolve(recording.eda[:1200], sfreq=4.0)
        other = deconvolve(factor * recording.eda[:1200] + shift, sfreq=4.0)
        assert_allclose(other.driver, factor * plain.driver, atol=1e-5 * factor)
        assert_allclose(other.tonic, factor * plain.tonic + shift, atol=1e-5 * max(factor, 1))

    def test_a_straight_line_goes_into_the_tonic_part(self, recording):
        t = np.arange(len(recording.eda)) / 4.0
        st_ = Convex(scale=0.3)
        plain = deconvolve(recording.eda, sfreq=4.0, settings=st_)
        other = deconvolve(recording.eda + 0.004 * t, sfreq=4.0, settings=st_)
        assert_allclose(other.tonic, plain.tonic + 0.004 * t, atol=1e-4)
        assert_allclose(other.driver, plain.driver, atol=1e-3)

    def test_the_rate_hardly_matters(self):
        slow, fast = (simulate_eda(600, sfreq=sfreq, snr_db=None, seed=2) for sfreq in (4.0, 16.0))
        assert_allclose(fast.phasic[::4], slow.phasic, atol=1e-9)
        # Their level is another, as random numbers are drawn a sample each.
        found = [deconvolve(made.phasic + 5, sfreq=made.sfreq) for made in (slow, fast)]
        assert np.corrcoef(found[0].phasic, found[1].phasic[::4])[0, 1] > 0.999

    def test_what_is_far_away_does_not_matter(self, recording):
        fixed = Convex(scale=0.3)
        whole = deconvolve(recording.eda, sfreq=4.0, settings=fixed)
        part = deconvolve(recording.eda[800:2400], sfreq=4.0, settings=fixed)
        inner = slice(480, -480)
        assert_allclose(part.phasic[inner], whole.phasic[800:2400][inner], atol=2e-3)
        assert_allclose(part.tonic[inner], whole.tonic[800:2400][inner], atol=2e-3)


class TestWhatIsMissing:
    def test_a_gap_is_not_filled_in_and_the_rest_stays(self, recording):
        eda = recording.eda.copy()
        eda[1000:1200] = np.nan
        whole, found = (deconvolve(y, sfreq=4.0, settings=Convex(scale=0.3)) for y in (recording.eda, eda))
        assert np.isnan(found.residual[1000:1200]).all()
        far = np.r_[0:880, 1320:3600]
        assert_allclose(found.phasic[far], whole.phasic[far], atol=5e-3)
        bursts = find_bursts(found)
        inside = (bursts.peak_times > 250) & (bursts.times < 300)
        assert not bursts.is_seen[inside].any()

    def test_one_missing_sample_changes_next_to_nothing(self, recording):
        eda = recording.eda.copy()
        eda[1500] = np.nan
        whole, found = (deconvolve(y, sfreq=4.0, settings=Convex(scale=0.3)) for y in (recording.eda, eda))
        assert_allclose(found.tonic, whole.tonic, atol=5e-3)
        assert np.isfinite(found.phasic).all()

    def test_a_masked_bump_of_5_uS_leaves_the_bursts_as_they_were(self, recording):
        eda = recording.eda.copy()
        eda[1500:1508] = np.nan
        clean = find_bursts(deconvolve(recording.eda, sfreq=4.0), threshold=0.05)
        masked = find_bursts(deconvolve(eda, sfreq=4.0), threshold=0.05)
        assert abs(len(masked.times) - len(clean.times)) <= 1
        assert n_matched(clean.times, masked.times) >= len(clean.times) - 1

    def test_as_a_setting_of_the_features_it_is_nan_where_the_recording_is(self, recording):
        eda = recording.eda.copy()
        eda[1000:1200] = np.inf
        tonic, phasic = Convex()(eda, sfreq=4.0)
        assert np.isnan(tonic[1000:1200]).all()
        assert np.isfinite(phasic[:1000]).all()
        found = deconvolve(eda, sfreq=4.0)
        assert_allclose((tonic + phasic + found.residual)[:1000], eda[:1000])
        rows = Convex()(np.stack([recording.eda, eda]), sfreq=4.0)
        assert_allclose(rows.tonic[1], tonic)
        nothing = Convex()(np.full(400, np.nan), sfreq=4.0)
        assert np.isnan(nothing.phasic).all()

    def test_700_Hz_are_brought_down_and_the_parts_come_back_at_700_Hz(self):
        made = simulate_eda(60, sfreq=700.0, rate=8, snr_db=30, seed=1)
        found = deconvolve(made.eda, sfreq=700.0)
        assert found.sfreq == 16.0
        phasic = Convex()(made.eda, sfreq=700.0).phasic
        assert phasic.shape == made.eda.shape
        assert np.corrcoef(phasic, made.phasic)[0, 1] > 0.95


class TestTimeConstants:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("rise", "decay", "drift", "n"),
        [(0.7, 2.0, 0.05, 20), (0.7, 2.0, 0.2, 20), (0.5, 4.0, 0.05, 8), (1.0, 3.0, 0.05, 8)],
    )
    def test_they_are_found_at_20_dB(self, rise, decay, drift, n):
        skin = Sudomotor(tau_rise=rise, tau_decay=decay)
        found = []
        for seed in range(n):
            made = simulate_eda(600, rate=6, skin=skin, snr_db=20, drift=drift, seed=seed)
            assert len(made.event_times) >= 40
            found.append(estimate_time_constants(made.eda, sfreq=4.0)[:2])
        errors = np.median(np.array(found) / [rise, decay] - 1, axis=0)
        assert abs(errors[0]) < 0.25
        assert abs(errors[1]) < 0.15

    def test_they_do_not_depend_on_the_unit(self):
        made = simulate_eda(400, rate=6, skin=Sudomotor(tau_rise=0.5, tau_decay=4.0), snr_db=30, seed=3)
        one, other = (estimate_time_constants(made.eda * factor, sfreq=4.0) for factor in (1.0, 0.1))
        assert one.tau_decay == other.tau_decay
        assert one.tau_rise == other.tau_rise
        assert one.settings == replace(Convex(), tau_rise=one.tau_rise, tau_decay=one.tau_decay)

    def test_their_intervals_hold_the_truth_and_nothing_is_doubted_at_20_dB(self):
        made = simulate_eda(600, skin=Sudomotor(tau_rise=0.7, tau_decay=3.0), snr_db=20, seed=1000)
        own = estimate_time_constants(made.eda, sfreq=4.0)
        assert own.doubts == ()
        for (low, high), estimate, truth in (
            (own.rise_interval, own.tau_rise, 0.7),
            (own.decay_interval, own.tau_decay, 3.0),
        ):
            assert low <= estimate <= high < 1.6 * low
            assert low / 1.05 <= truth <= 1.05 * high

    @pytest.mark.parametrize(
        ("kernel", "snr_db", "doubt"),
        [
            # A response as symmetric as a bell, which no pair of time constants makes.
            ("bell", 30, "rise and decay are nearly the same"),
            ("equation", 8, "noise lies .* dB below the responses, which hides how they rise"),
            ("slow", 30, "responses may last as long as the level's knots are apart"),
        ],
    )
    def test_they_are_doubted(self, kernel, snr_db, doubt):
        made = simulate_eda(600, snr_db=None, seed=1000)
        if kernel == "bell":
            bell = np.exp(-0.5 * ((np.arange(65) / 4 - 8) / 2) ** 2)
            phasic = np.convolve(made.driver, bell / bell.sum())[: len(made.driver)]
        else:
            skin = Sudomotor(tau_decay=30.0) if kernel == "slow" else Sudomotor()
            phasic = skin.respond(made.driver, sfreq=4.0)
        noise = np.random.default_rng(0).standard_normal(len(phasic)) * phasic.std() * 10 ** (-snr_db / 20)
        own = estimate_time_constants(made.tonic + phasic + noise, sfreq=4.0)
        assert re.search(doubt, "; ".join(own.doubts))

    def test_too_few_responses_are_refused(self):
        made = simulate_eda(120, rate=1, snr_db=30, seed=3)
        with pytest.raises(DataError, match="responses to learn time constants from; it takes 10"):
            estimate_time_constants(made.eda, sfreq=4.0)


def test_ledalabs_phasic_part_is_met_with_the_persons_own_constants(real_data):
    from scipy.io import loadmat

    file = real_data / "realdata" / "sparseda" / "ivn07_16_matlab.mat"
    content = loadmat(file, squeeze_me=True, struct_as_record=False)
    eda = np.asarray(content["data"].conductance, dtype=float)
    theirs = np.asarray(content["analysis"].phasicData, dtype=float)
    own = estimate_time_constants(eda, sfreq=16.0)
    found = deconvolve(eda, sfreq=16.0, settings=own.settings)
    assert np.corrcoef(found.phasic, theirs)[0, 1] >= 0.80


@pytest.mark.parametrize(
    ("eda", "sfreq", "message"),
    [
        (np.full(400, 2.0), 4.0, "2 uS throughout"),
        (np.linspace(1, 2, 100), 4.0, "Only 25.0 s of skin conductance are present; it takes 30 s"),
        (np.full(400, np.nan), 4.0, "Only 0.0 s"),
        (np.linspace(1, 2, 400), 0.5, "sampled at 0.5 Hz cannot be taken apart"),
        (np.linspace(1000, 9000, 400), 4.0, "from 1000 to 9000 uS: skin has 0 to 200 uS"),
        (np.linspace(-9, 9, 400), 4.0, "from -9 to 9 uS"),
    ],
)
def test_what_no_skin_does_is_refused(eda, sfreq, message):
    with pytest.raises(DataError, match=message):
        deconvolve(eda, sfreq=sfreq)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Convex(sparsity=0), "sparsity must be above 0, got 0"),
        (lambda: Convex(tonic=LINE), "tonic must be 'curvature' or 'cvxeda', got 'line'"),
        (lambda: Convex(max_sfreq=0.5), "max_sfreq must be at least 1 Hz"),
        (lambda: find_bursts(deconvolve(simulate_eda(60).eda, sfreq=4.0), threshold=0), "threshold"),
        (lambda: deconvolve(np.ones((2, 400)), sfreq=4.0), r"eda must be \(n_times,\)"),
        (lambda: deconvolve(simulate_eda(60).eda, sfreq=4.0, price=np.zeros(240)), "price must be above 0"),
        (lambda: simulate_eda(0), "duration must be above 0"),
        (lambda: simulate_eda(600, level=0.1, drift=1.0), "raise level or lower drift"),
    ],
)
def test_impossible_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
