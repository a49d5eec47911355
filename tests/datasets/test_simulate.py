"""The generative model does what it states: each effect in its size, each zero exactly nothing."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.signal import find_peaks

from physioaffect.datasets import (
    RHYTHMS,
    WORLDS,
    Moment,
    World,
    band_gains,
    heart_rate,
    latent_affect,
    simulate_ecg,
    simulate_eeg,
    simulate_ratings,
)

Floats = NDArray[np.float64]

# No person, trial, clip or time leaves a trace in this world, only affect.
AFFECT_ONLY = World(subject=0, trial=0)
NOTHING = World(affect=0, subject=0, trial=0)
NEUTRAL = Moment(subject=0, trial=0, stimulus=0)
CH_NAMES = ("AF3", "F7", "Fz", "FC6", "F4", "Cz", "T8", "Pz", "P7", "O2")
LEFT_FRONTAL, RIGHT_FRONTAL, POSTERIOR = ("AF3", "F7"), ("FC6", "F4"), ("Pz", "P7", "O2")
# Far enough apart to share nothing that matters.
REMOTE = ("Fpz", "T7", "T8", "Oz")
# A tolerance of so many standard errors fails once in 16 000 runs; with fixed seeds, never or always.
SIGMAS = 4


def only(name: str, strength: float = 1.0) -> World:
    strengths = {"affect": 0.0, "stimulus": 0.0, "drift": 0.0, "subject": 0.0, "trial": 0.0, name: strength}
    return World(**strengths)  # type: ignore[arg-type]  # The seed is none of them.


# Well inside the bands, so that what leaks over their edges does not count.
INSIDE = {"delta": (1, 3), "theta": (5, 7), "alpha": (9, 12), "beta": (15, 28), "gamma": (32, 60)}


def periodogram(signal: Floats, *, sfreq: float) -> tuple[Floats, Floats]:
    """One-sided density; of a signal made at a length that suits the FFT it has no leakage."""
    n_times = signal.shape[-1]
    power: Floats = 2 * np.abs(np.fft.rfft(signal)) ** 2 / (sfreq * n_times)
    return np.arange(power.shape[-1]) * sfreq / n_times, power


def make_eeg(world: World, moment: Moment, seconds: int = 90, ch_names: tuple[str, ...] = CH_NAMES) -> Floats:
    return simulate_eeg(world, moment, ch_names=ch_names, sfreq=128, n_times=128 * seconds)


def log_powers(world: World, moment: Moment) -> Floats:
    """Differential entropy of each band but for a constant, shape (n_channels, n_bands)."""
    freqs, power = periodogram(make_eeg(world, moment), sfreq=128)
    inside = [(freqs >= fmin) & (freqs <= fmax) for fmin, fmax in INSIDE.values()]
    return np.stack([0.5 * np.log(power[:, mask].sum(axis=-1)) for mask in inside], axis=-1)


def shift(world: World, moment: Moment) -> dict[str, dict[str, float]]:
    """How far a moment moves each electrode's bands from the neutral one's, with the same chance."""
    moved = log_powers(world, moment) - log_powers(world, NEUTRAL)
    return {name: dict(zip(RHYTHMS, row, strict=True)) for name, row in zip(CH_NAMES, moved, strict=True)}


@pytest.mark.parametrize(("fmin", "fmax"), [(0.75, 3), (65, 120)])
def test_the_background_falls_as_the_stated_power_of_frequency_where_no_rhythm_is(
    fmin: float, fmax: float
) -> None:
    sfreq, seconds = 256, 600
    eeg = simulate_eeg(NOTHING, NEUTRAL, ch_names=REMOTE, sfreq=sfreq, n_times=sfreq * seconds)
    freqs, power = periodogram(eeg, sfreq=sfreq)
    inside = (freqs >= fmin) & (freqs <= fmax)
    x = np.log(freqs[inside])
    slope = np.polyfit(x, np.log(power[:, inside]).mean(axis=0), 1)[0]
    # The log of a periodogram has variance pi²/6 at each frequency.
    error = math.sqrt(np.pi**2 / 6 / len(REMOTE) / np.sum((x - x.mean()) ** 2))
    assert error < 0.06
    assert_allclose(slope, -1.2, atol=SIGMAS * error)


def test_the_background_has_one_square_microvolt_per_hertz_at_ten_hertz() -> None:
    eeg = simulate_eeg(NOTHING, NEUTRAL, ch_names=REMOTE, sfreq=128, n_times=128 * 600)
    freqs, power = periodogram(eeg, sfreq=128)
    inside = (freqs >= 0.75) & (freqs <= 3)
    flattened = power[:, inside] * (freqs[inside] / 10) ** 1.2
    assert_allclose(flattened.mean(), 1e-12, rtol=SIGMAS / math.sqrt(flattened.size) + 0.001)


def test_alpha_is_stronger_behind() -> None:
    freqs, power = periodogram(make_eeg(NOTHING, NEUTRAL, 600, ("Fpz", "Oz")), sfreq=128)
    front, back = power[:, (freqs > 9) & (freqs < 11)].mean(axis=-1)
    assert back > 2 * front


def test_neighbours_resemble_and_remote_electrodes_do_not() -> None:
    correlation = np.atleast_2d(np.corrcoef(make_eeg(NOTHING, NEUTRAL, 600, ("F3", "FC5", "O2"))))
    assert correlation[0, 1] > 0.2
    # Most of the variance lies below 2 Hz, so 600 s hold some thousand independent samples.
    assert abs(correlation[0, 2]) < SIGMAS / math.sqrt(2 * 600)


@pytest.mark.parametrize("strength", [0.5, 1.0, 2.0])
def test_valence_shifts_alpha_left_right_and_behind_by_the_stated_nats(strength: float) -> None:
    moved = shift(replace(AFFECT_ONLY, affect=strength), replace(NEUTRAL, valence=1.0))
    expected = dict.fromkeys(CH_NAMES, 0.0)
    expected |= dict.fromkeys(LEFT_FRONTAL, -0.15) | dict.fromkeys(RIGHT_FRONTAL, 0.15)
    expected |= dict.fromkeys(POSTERIOR, 0.20)
    for name in CH_NAMES:
        assert_allclose(moved[name].pop("alpha"), strength * expected[name], atol=1e-3)
        assert_allclose(list(moved[name].values()), 0.0, atol=1e-3)


@pytest.mark.parametrize("arousal", [-1.0, 0.5, 1.0])
def test_arousal_shifts_beta_and_gamma_everywhere_by_the_stated_nats(arousal: float) -> None:
    for bands in shift(AFFECT_ONLY, replace(NEUTRAL, arousal=arousal)).values():
        assert_allclose(bands.pop("beta"), 0.15 * arousal, atol=1e-3)
        assert_allclose(bands.pop("gamma"), 0.20 * arousal, atol=1e-3)
        assert_allclose(list(bands.values()), 0.0, atol=1e-3)


def test_drift_shifts_the_bands_by_the_stated_nats_an_hour_and_goes_on_within_a_trial() -> None:
    world = World(affect=0, drift=1, subject=0, trial=0)
    moved = shift(world, replace(NEUTRAL, elapsed=3600))
    for bands in moved.values():
        assert_allclose(list(bands.values()), [0, 0.2, 0.3, -0.1, 0.2], atol=1e-3)
    # At strength 40 the first and the last minute differ as if they were 2 x 40 = 80 minutes apart.
    strong = make_eeg(replace(world, drift=40), NEUTRAL, 180)
    freqs, first = periodogram(strong[:, : 60 * 128], sfreq=128)
    _, last = periodogram(strong[:, -60 * 128 :], sfreq=128)
    inside = (freqs > 9) & (freqs < 12)
    # The powers of 180 frequencies each, and waxing with 15 knots of SD 0.1 nats.
    error = math.hypot(math.sqrt(2 / 180) / 2, 0.1 * math.sqrt(2 / 15))
    assert_allclose(
        0.5 * np.log(last[:, inside].sum() / first[:, inside].sum()), 0.3 * 80 / 60, atol=SIGMAS * error
    )


@given(
    rating=st.integers(1, 9),
    other=st.integers(1, 9),
    elapsed=st.floats(0, 1e4),
    stimulus=st.integers(0, 50),
    seed=st.integers(0, 2**64),
)
def test_zero_strengths_leave_exactly_nothing(
    rating: int, other: int, elapsed: float, stimulus: int, seed: int
) -> None:
    world = replace(NOTHING, seed=seed)
    valence, arousal = latent_affect(rating, (1, 9)), latent_affect(other, (1, 9))
    moment = Moment(subject=0, trial=0, stimulus=stimulus, valence=valence, arousal=arousal, elapsed=elapsed)
    assert not band_gains(world, moment, CH_NAMES).any()
    assert heart_rate(world, moment) == 70
    for make in (
        lambda when: simulate_eeg(world, when, ch_names=("Fz", "O1"), sfreq=50, n_times=60),
        lambda when: simulate_ecg(world, when, sfreq=50, n_times=60),
    ):
        assert_array_equal(make(moment), make(NEUTRAL))


def test_in_the_null_world_the_ratings_never_show() -> None:
    moment = Moment(subject=3, trial=4, stimulus=5)
    felt = replace(moment, valence=1.0, arousal=-1.0)
    assert_array_equal(make_eeg(World.null(), moment, 4), make_eeg(World.null(), felt, 4))
    assert np.any(make_eeg(World.planted(), moment, 4) != make_eeg(World.planted(), felt, 4))


@pytest.mark.parametrize(("name", "strength"), [("stimulus", 0.15), ("trial", 0.12), ("subject", 0.2915)])
def test_nuisances_and_clips_have_the_stated_spread(name: str, strength: float) -> None:
    world = only(name)
    moments = [
        Moment(
            subject=k if name == "subject" else 0,
            trial=k if name == "trial" else 0,
            stimulus=k if name == "stimulus" else 0,
        )
        for k in range(600)
    ]
    gains = np.stack([band_gains(world, moment, ("F3", "Pz")) for moment in moments])
    # Of a normal variable the variance has the relative standard error sqrt(2 / n). A person's two electrodes
    # share a part, so persons alone are counted.
    assert_allclose(gains.var(axis=0).mean(), strength**2, rtol=SIGMAS * math.sqrt(2 / len(moments)))
    assert_allclose(gains.mean(), 0, atol=SIGMAS * strength / math.sqrt(len(moments)))


def test_a_clip_does_the_same_to_everyone() -> None:
    world = World(affect=0, stimulus=1, subject=0, trial=0)
    one, other = (
        band_gains(world, Moment(subject=who, trial=3 + who, stimulus=7), CH_NAMES) for who in (0, 1)
    )
    assert_array_equal(one, other)
    assert one.any()


def test_the_rest_before_a_trial_has_its_electrodes_but_neither_its_affect_nor_its_chance() -> None:
    world = World(stimulus=1)
    moment = Moment(subject=1, trial=2, stimulus=3, valence=1.0, arousal=1.0)
    rest = replace(moment, is_rest=True)
    assert_array_equal(
        band_gains(world, rest, CH_NAMES), band_gains(replace(world, affect=0, stimulus=0), moment, CH_NAMES)
    )
    trial, before = (make_eeg(NOTHING, when, 60, REMOTE) for when in (moment, rest))
    correlations = [np.corrcoef(a, b)[0, 1] for a, b in zip(trial, before, strict=True)]
    assert max(map(abs, correlations)) < 0.5


def test_electrode_offsets_belong_to_person_and_trial() -> None:
    world = World(affect=0, subject=1, trial=0)
    means = [make_eeg(world, Moment(subject=0, trial=k, stimulus=0), 4).mean(axis=1) for k in range(2)]
    # Pink noise of 10 uV leaves some microvolts in the mean of 4 s.
    assert_allclose(means[0], means[1], atol=30e-6)
    assert np.std(means[0]) > 30e-6
    assert_allclose(make_eeg(NOTHING, NEUTRAL, 90).mean(axis=1), 0, atol=1e-8)


def r_waves(ecg: Floats, *, sfreq: float) -> Floats:
    """Times in seconds of the peaks above half of the R wave's height."""
    peaks, _ = find_peaks(ecg, height=0.5e-3, distance=round(0.3 * sfreq))
    return peaks / sfreq


def test_the_heart_beats_eight_beats_a_minute_faster_per_unit_of_arousal() -> None:
    minutes = 10
    beats = [
        len(r_waves(simulate_ecg(AFFECT_ONLY, moment, sfreq=128, n_times=128 * 60 * minutes)[0], sfreq=128))
        for moment in (replace(NEUTRAL, arousal=level) for level in (-1.0, 0.0, 1.0))
    ]
    # Chance is the same in all three, so only beats at the edges may count differently.
    assert_allclose(np.diff(beats), 8 * minutes, atol=1)
    # A wandering rate of SD 2 bpm with a knot every 4 s.
    assert_allclose(beats[1] / minutes, 70, atol=SIGMAS * 2 / math.sqrt(60 * minutes / 4) + 1 / minutes)
    assert heart_rate(AFFECT_ONLY, replace(NEUTRAL, arousal=0.25)) == 72


def test_intervals_between_beats_swing_with_a_breath_of_four_seconds() -> None:
    times = r_waves(simulate_ecg(NOTHING, NEUTRAL, sfreq=512, n_times=512 * 300)[0], sfreq=512)
    grid = np.arange(times[1], times[-1], 0.25)
    tachogram = np.interp(grid, times[1:], np.diff(times))
    freqs, power = periodogram(tachogram - tachogram.mean(), sfreq=4)
    is_breath = (freqs > 0.15) & (freqs < 0.4)
    assert_allclose(freqs[is_breath][power[is_breath].argmax()], 0.25, atol=0.01)


def test_leads_show_the_same_beats() -> None:
    ecg = simulate_ecg(World(), NEUTRAL, sfreq=256, n_times=256 * 30, n_channels=2)
    first = r_waves(ecg[0] / np.abs(ecg[0]).max() * 1e-3, sfreq=256)
    second = r_waves(ecg[1] / np.abs(ecg[1]).max() * 1e-3, sfreq=256)
    assert_allclose(first, second, atol=2 / 256)


def test_a_heart_never_stops() -> None:
    assert heart_rate(World(affect=100), replace(NEUTRAL, arousal=-1.0)) == 30


def test_a_passband_removes_what_lies_outside() -> None:
    freqs, wide = periodogram(make_eeg(NOTHING, NEUTRAL), sfreq=128)
    narrow = simulate_eeg(
        NOTHING, NEUTRAL, ch_names=CH_NAMES, sfreq=128, n_times=128 * 90, passband=(1.0, 30.0)
    )
    ratio = periodogram(narrow, sfreq=128)[1] / np.where(wide > 0, wide, np.inf)
    for frequency, expected in {0.1: 0.0, 1.0: 0.5, 10.0: 1.0, 30.0: 0.5, 60.0: 0.0}.items():
        near = np.abs(freqs - frequency) < 0.05
        assert_allclose(np.median(ratio[:, near]), expected, atol=0.02)


def test_made_twice_it_is_the_same_and_another_seed_makes_other_people() -> None:
    moment = Moment(subject=2, trial=5, stimulus=1, valence=0.5)
    assert_array_equal(make_eeg(World(seed=1), moment, 4), make_eeg(World(seed=1), moment, 4))
    made = [
        make_eeg(World(seed=seed), replace(moment, trial=trial), 4) for seed in (1, 2) for trial in (5, 6)
    ]
    for one, other in pairwise(made):
        assert np.all(one != other)


def test_every_strength_leaves_the_draws_of_the_others_alone() -> None:
    moment = Moment(subject=2, trial=5, stimulus=1, valence=0.5)
    gains = {
        name: band_gains(only(name), moment, CH_NAMES)
        for name in ("affect", "stimulus", "drift", "subject", "trial")
    }
    everything = band_gains(World(stimulus=1, drift=1), moment, CH_NAMES)
    assert_allclose(everything, sum(gains.values()), atol=1e-12)


MEANS = {"valence": (1.2, 3.4, 4.6, 2.5), "arousal": (2.0, 3.0, 4.0, 5.0)}


def test_without_bias_and_noise_everyone_rates_the_rounded_mean() -> None:
    ratings = simulate_ratings(World(), 0, MEANS, scale=(1, 5), bias=0, noise=0)
    assert_array_equal(ratings["valence"], [1, 3, 5, 2])
    assert_array_equal(ratings["arousal"], [2, 3, 4, 5])


@given(subject=st.integers(0, 40), n_clips=st.integers(1, 4), seed=st.integers(0, 5))
def test_ratings_lie_in_the_scale_and_do_not_depend_on_the_number_of_clips(
    subject: int, n_clips: int, seed: int
) -> None:
    ratings = simulate_ratings(World(seed=seed), subject, MEANS, scale=(1, 5), noise=3)
    fewer = {name: means[:n_clips] for name, means in MEANS.items()}
    for name, few in simulate_ratings(World(seed=seed), subject, fewer, scale=(1, 5), noise=3).items():
        assert_array_equal(few, ratings[name][:n_clips])
        assert set(ratings[name]) <= {1, 2, 3, 4, 5}


def test_people_differ_in_their_ratings_by_bias_and_noise_of_the_given_size() -> None:
    means = {"valence": (50.0,) * 20}
    ratings = np.stack(
        [simulate_ratings(World(), s, means, scale=(0, 100), bias=8, noise=4)["valence"] for s in range(200)]
    )
    assert_allclose(
        ratings.mean(axis=1).std(), math.hypot(8, 4 / math.sqrt(20)), rtol=SIGMAS / math.sqrt(400)
    )
    # The variance of 20 ratings, 19 of them free, in 200 people; rounding adds 1/12.
    variance = ratings.var(axis=1, ddof=1).mean()
    assert_allclose(variance, 4**2 + 1 / 12, rtol=SIGMAS * math.sqrt(2 / (200 * 19)))


@given(st.floats(1, 9), st.floats(1, 9))
def test_latent_affect_is_a_straight_line_from_minus_one_to_one(low: float, high: float) -> None:
    assert latent_affect(1, (1, 9)) == -1
    assert latent_affect(9, (1, 9)) == 1
    assert_allclose(latent_affect(high, (1, 9)) - latent_affect(low, (1, 9)), (high - low) / 4, atol=1e-12)


def test_electrodes_are_known_by_old_names_and_in_upper_case() -> None:
    glad = replace(NEUTRAL, valence=1.0)
    for old, new in (("T3", "T7"), ("t6", "P8"), ("FZ", "Fz"), ("FP1", "Fp1"), ("cb2", "O6")):
        assert_array_equal(band_gains(AFFECT_ONLY, glad, (old,)), band_gains(AFFECT_ONLY, glad, (new,)))


@pytest.mark.parametrize("row", ["Fp", "AF", "F", "FC"])
@pytest.mark.parametrize("number", [1, 3, 5, 7])
def test_mirrored_frontal_electrodes_go_opposite_ways(row: str, number: int) -> None:
    pair = (f"{row}{number}", f"{row}{number + 1}")
    left, right = band_gains(AFFECT_ONLY, replace(NEUTRAL, valence=1.0), pair)[:, 2]
    assert left == -right < 0


def test_worlds_are_named() -> None:
    assert {name: make(7) for name, make in WORLDS.items()} == {
        "null": World(affect=0, seed=7),
        "planted": World(seed=7),
        "stimulus": World(affect=0, stimulus=1, seed=7),
        "drift": World(affect=0, drift=1, seed=7),
    }


@pytest.mark.parametrize("name", ["affect", "stimulus", "drift", "subject", "trial"])
@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_a_strength_is_a_number_from_zero(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"The strength {name} must be a number from 0, got {value}."):
        only(name, value)


def test_a_seed_is_a_whole_number_from_zero() -> None:
    with pytest.raises(ValueError, match=r"seed must be a whole number from 0, got -1\."):
        World(seed=-1)


@pytest.mark.parametrize("name", ["A1", "EEG", "F", "", "Fq3", "ECG1"])
def test_what_is_no_electrode_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' is no electrode of the 10-20 system, such as Fz"):
        simulate_eeg(World(), NEUTRAL, ch_names=("Fz", name), sfreq=128, n_times=128)


@pytest.mark.parametrize("ch_names", [(), ("Fz", "Fz")])
def test_electrodes_must_differ_and_be_there(ch_names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="EEG needs one or more electrodes of different names, got"):
        simulate_eeg(World(), NEUTRAL, ch_names=ch_names, sfreq=128, n_times=128)


@pytest.mark.parametrize(("sfreq", "n_times"), [(0, 10), (math.nan, 10), (128, 0)])
def test_a_signal_needs_a_rate_and_samples(sfreq: float, n_times: int) -> None:
    with pytest.raises(ValueError, match="A signal needs sfreq above 0 Hz and a sample or more"):
        simulate_eeg(World(), NEUTRAL, ch_names=("Fz",), sfreq=sfreq, n_times=n_times)
    with pytest.raises(ValueError, match="A signal needs sfreq above 0 Hz and a sample or more"):
        simulate_ecg(World(), NEUTRAL, sfreq=sfreq, n_times=n_times)


def test_a_passband_upside_down_is_refused() -> None:
    with pytest.raises(ValueError, match=r"A passband needs 0 < fmin < fmax, got 45 and 4 Hz\."):
        simulate_eeg(World(), NEUTRAL, ch_names=("Fz",), sfreq=128, n_times=128, passband=(45, 4))


def test_a_single_sample_can_be_made() -> None:
    assert simulate_eeg(World(), NEUTRAL, ch_names=("Fz",), sfreq=128, n_times=1).shape == (1, 1)
    assert simulate_ecg(World(), NEUTRAL, sfreq=128, n_times=1).shape == (1, 1)
