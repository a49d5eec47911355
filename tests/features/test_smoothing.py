"""Smoothing within trials: closed forms, a reference Kalman filter, and what must not be known."""

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from statsmodels.tsa.statespace.kalman_smoother import KalmanSmoother

from physioaffect.errors import DataError
from physioaffect.features.smoothing import LDS, MovingAverage, smooth

WHOLE = np.array([0, 60])
CAUSAL = (
    MovingAverage(n_windows=1, causal=True),
    MovingAverage(n_windows=4, causal=True),
    LDS(causal=True),
    LDS(causal=True, process_variance=0.3, prior_variance=0.0),
)
ACAUSAL = (
    MovingAverage(n_windows=5, causal=False),
    LDS(causal=False),
    LDS(causal=False, backward=False, prior_mean="trial mean"),
    LDS(causal=False, process_variance=0.1, em_iterations=3),
)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def table(lengths=(7, 3, 12), *, seed: int = 0, missing: float = 0.0) -> xr.Dataset:
    """Trials of so many windows, in an order of rows in which neither trials nor times are sorted."""
    rng = np.random.default_rng(seed)
    trial = np.repeat(np.arange(len(lengths)), lengths)
    start = np.concatenate([2.0 * np.arange(length) for length in lengths])
    values = rng.standard_normal((len(trial), 3, 2)).cumsum(axis=0)
    values[rng.random(values.shape) < missing] = np.nan
    rows = rng.permutation(len(trial))
    names = {"dataset": "made", "subject": "1", "session": "1"}
    return xr.Dataset(
        {
            "de": (("window", "channel", "band"), values[rows], {"unit": "nat"}),
            "eda": ("window", values[rows, 0, 0]),
        },
        coords={name: ("window", np.full(len(trial), value)) for name, value in names.items()}
        | {"trial": ("window", trial[rows].astype(str)), "start": ("window", start[rows])},
    )


def of_trial(features: xr.Dataset, number: int) -> xr.Dataset:
    return features.isel(window=features["trial"].values == str(number)).sortby("start")


def reference(x, lds, *, prior, observation=None, process=None):
    """The same model in statsmodels."""
    model = KalmanSmoother(k_endog=1, k_states=1)
    model.bind(np.array(x, dtype=float))
    model["design"], model["transition"], model["selection"] = [[1.0]], [[1.0]], [[1.0]]
    model["obs_cov"] = [[lds.observation_variance if observation is None else observation]]
    model["state_cov"] = [[lds.process_variance if process is None else process]]
    model.initialize_known(np.array([prior]), np.array([[lds.prior_variance]]))
    return model.smooth()


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("process", [1e-4, 0.2, 30.0])
@pytest.mark.parametrize("prior_mean", ["first", "trial mean"])
def test_filter_and_smoother_are_those_of_statsmodels(missing, process, prior_mean):
    lds = LDS(causal=False, process_variance=process, prior_mean=prior_mean)
    x = 5 + noise(60, 4).cumsum(axis=0)
    if missing:
        x[[0, 1, 7, 8, 9, 30, 59], [0, 0, 1, 1, 1, 2, 3]] = np.nan
        x[20, :] = np.nan
    filtered, smoothed = replace(lds, backward=False)(x, WHOLE), lds(x, WHOLE)
    for column in range(4):
        here = x[:, column]
        is_there = ~np.isnan(here)
        prior = here[is_there][0] if prior_mean == "first" else here[is_there].mean()
        expected = reference(here, lds, prior=prior)
        assert_allclose(filtered[is_there, column], expected.filtered_state[0, is_there], rtol=0, atol=1e-8)
        assert_allclose(smoothed[is_there, column], expected.smoothed_state[0, is_there], rtol=0, atol=1e-8)
        assert np.isnan(filtered[~is_there, column]).all()
        assert np.isnan(smoothed[~is_there, column]).all()


def test_the_gain_settles_at_a_hundredth():
    # Late in a long trial a unit pulse moves the level by the gain, which solves K^2 / (1 - K) = q / r.
    pulse = np.zeros((2000, 1))
    pulse[1500] = 1.0
    response = LDS(causal=True)(pulse, np.array([0, 2000]))[1500:, 0]
    gain = (-1e-4 + np.sqrt(1e-8 + 4e-4)) / 2
    assert gain == pytest.approx(0.01, abs=1e-4)
    assert_allclose(response[:300], gain * (1 - gain) ** np.arange(300), rtol=1e-9)


def test_only_the_ratios_of_the_variances_matter():
    x = noise(60, 3).cumsum(axis=0)
    one = LDS(causal=False, observation_variance=2.0, process_variance=0.5, prior_variance=0.1)
    other = LDS(causal=False, observation_variance=2e-12, process_variance=5e-13, prior_variance=1e-13)
    assert_allclose(one(x, WHOLE), other(x, WHOLE), rtol=1e-12)


def test_em_never_makes_the_data_less_likely_and_finds_the_variances():
    rng = np.random.default_rng(3)
    n = 1000
    x = rng.normal(0, 0.5, n).cumsum() + rng.normal(0, 1.5, n)
    start = LDS(causal=False, observation_variance=1.0, process_variance=1.0)

    def estimated(n_iterations):
        """The variances that EM arrives at, read off the smoother's own output."""
        from physioaffect.features.kalman import Steps, maximise, pass_back, run_filter

        steps = Steps(x[:, None], None, np.arange(n + 1), np.array([[x[0]]]))
        observation, process = np.array([[1.0]]), np.array([[1.0]])
        for _ in range(n_iterations):
            levels, variances = run_filter(steps, observation, process, start.prior_variance)
            gains = pass_back(steps, levels, variances, process)
            observation, process = maximise(steps, levels, variances, gains, observation, process)
        return observation.item(), process.item()

    likelihoods = []
    for count in (0, 1, 2, 5, 40):
        observation, process = estimated(count)
        likelihoods.append(
            reference(x, start, prior=x[0], observation=observation, process=process).llf_obs.sum()
        )
    assert np.all(np.diff(likelihoods) > 0)
    assert observation == pytest.approx(2.25, rel=0.15)
    assert process == pytest.approx(0.25, rel=0.3)
    whole = replace(start, em_iterations=40)(x[:, None], np.array([0, n]))
    expected = reference(x, start, prior=x[0], observation=observation, process=process)
    assert_allclose(whole[:, 0], expected.smoothed_state[0], rtol=0, atol=1e-8)


def test_em_estimates_each_trial_and_feature_for_itself():
    lds = LDS(causal=False, process_variance=0.1, em_iterations=4)
    x = noise(60, 3).cumsum(axis=0)
    x[5, 1] = x[44, 2] = np.nan
    offsets = np.array([0, 9, 10, 60])
    whole = lds(x, offsets)
    for start, stop in ((0, 9), (9, 10), (10, 60)):
        for column in range(3):
            alone = lds(x[start:stop, [column]], np.array([0, stop - start]))
            assert_allclose(whole[start:stop, [column]], alone, rtol=1e-12, equal_nan=True)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("missing", [False, True])
def test_a_moving_average_is_the_mean_of_the_windows_there_are(causal, missing):
    x = 3 + noise(60, 2)
    if missing:
        x[[0, 4, 5, 6, 7, 8, 33], 0] = np.nan
    smoothed = MovingAverage(n_windows=5, causal=causal)(x, np.array([0, 2, 60]))
    before, after = (4, 0) if causal else (2, 2)
    for start, stop in ((0, 2), (2, 60)):
        for row in range(start, stop):
            near = x[max(start, row - before) : min(stop, row + after + 1)]
            for column in range(2):
                if np.isnan(x[row, column]):
                    assert np.isnan(smoothed[row, column])
                else:
                    assert smoothed[row, column] == pytest.approx(np.nanmean(near[:, column]), abs=1e-13)


@pytest.mark.parametrize("smoothing", CAUSAL + ACAUSAL)
@pytest.mark.parametrize("level", [0.1, -7e-13, 3e8])
def test_a_constant_stays_what_it_is(smoothing, level):
    values = np.full((60, 2), level)
    values[3, 0] = np.nan
    assert_allclose(smoothing(values, np.array([0, 20, 60])), values, rtol=1e-15)


@pytest.mark.parametrize("smoothing", CAUSAL)
@given(cut=st.integers(1, 11), seed=st.integers(0, 100), missing=st.sampled_from([0.0, 0.3]))
@settings(max_examples=12)
def test_a_causal_smoother_knows_nothing_of_later_windows(smoothing, cut, seed, missing):
    features = table(seed=seed, missing=missing)
    changed = features.copy(deep=True)
    is_later = (features["trial"] == "2") & (features["start"] >= 2.0 * cut)
    changed["de"][is_later.values] = 1e3
    before, after = (of_trial(smooth(one, smoothing), 2)["de"].values[:cut] for one in (features, changed))
    assert_array_equal(before, after)


@pytest.mark.parametrize("smoothing", ACAUSAL)
def test_what_is_not_called_causal_knows_of_later_windows(smoothing):
    features = table()
    changed = features.copy(deep=True)
    changed["de"][((features["trial"] == "2") & (features["start"] >= 8)).values] = 1e3
    before, after = (of_trial(smooth(one, smoothing), 2)["de"].values[3] for one in (features, changed))
    assert (before != after).all()


@pytest.mark.parametrize("smoothing", CAUSAL + ACAUSAL)
@given(
    value=st.floats(-1e6, 1e6) | st.just(float("nan")),
    lengths=st.lists(st.integers(1, 15), min_size=2, max_size=5),
    seed=st.integers(0, 100),
)
@settings(max_examples=12)
def test_no_value_crosses_a_trial(smoothing, value, lengths, seed):
    features = table(lengths, seed=seed, missing=0.1)
    changed = features.copy(deep=True)
    changed["de"][(features["trial"] != "1").values] = value
    before, after = (of_trial(smooth(one, smoothing), 1)["de"].values for one in (features, changed))
    # EM takes another path through the same formulas where another trial lacks values.
    assert_allclose(before, after, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["dataset", "subject", "session"])
def test_trials_of_equal_names_are_kept_apart_by_who_and_when(name):
    features = table((5, 5))
    other = features.assign_coords({name: ("window", np.full(10, "another"))})
    other["de"] = other["de"] + 100
    both = xr.concat([features, other], dim="window")
    smoothed = smooth(both, LDS(causal=False))
    assert_array_equal(smoothed["de"].values[:10], smooth(features, LDS(causal=False))["de"].values)


@pytest.mark.parametrize("smoothing", CAUSAL + ACAUSAL)
def test_the_order_of_rows_and_trials_does_not_matter(smoothing):
    features = table((4, 9, 9, 1, 6), missing=0.1)
    rows = np.random.default_rng(1).permutation(features.sizes["window"])
    smoothed = smooth(features, smoothing).isel(window=rows)
    assert smooth(features.isel(window=rows), smoothing).identical(smoothed)


def test_float32_stays_float32_and_is_smoothed_in_double_precision():
    features = table()
    single = features.astype(np.float32)
    smoothed = smooth(single, LDS(causal=False))["de"]
    assert smoothed.dtype == np.float32
    exact = smooth(single.astype(np.float64), LDS(causal=False))["de"].values
    assert_array_equal(smoothed.values, exact.astype(np.float32))


def test_the_table_says_how_it_was_smoothed():
    once = smooth(table(), LDS(causal=True))
    twice = smooth(once, MovingAverage(n_windows=3, causal=False))
    done = json.loads(twice.attrs["smoothing"])
    assert [(step["name"], step["version"], step["settings"]["causal"]) for step in done] == [
        ("lds", 1, True),
        ("moving_average", 1, False),
    ]
    assert done[0]["settings"]["process_variance"] == 1e-4
    assert twice["de"].attrs == {"unit": "nat", "smoothing": twice.attrs["smoothing"]}


def test_a_table_without_windows_stays_empty():
    assert smooth(table().isel(window=[]), LDS(causal=False)).sizes["window"] == 0


def test_the_input_is_left_alone():
    features = table()
    before = features.copy(deep=True)
    smooth(features, MovingAverage(n_windows=3, causal=True))
    assert features.identical(before)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: MovingAverage(n_windows=0, causal=True), "at least 1 window, got n_windows=0"),
        (lambda: MovingAverage(n_windows=4, causal=False), "odd number of windows.*4. Take 5, or causal"),
        (lambda: LDS(causal=True, process_variance=0.0), "variance above 0"),
        (
            lambda: LDS(causal=True, prior_mean="zero"),  # type: ignore[arg-type]
            "'first' or 'trial mean', got 'zero'",
        ),
        (lambda: LDS(causal=False, em_iterations=-1), "em_iterations must be at least 0, got -1"),
        (lambda: LDS(causal=True, prior_mean="trial mean"), "'trial mean' looks at the whole trial"),
        (lambda: LDS(causal=True, backward=True), "backward=True looks at the whole trial"),
        (lambda: LDS(causal=True, em_iterations=1), "em_iterations above 0 looks at the whole trial"),
    ],
)
def test_wrong_settings_are_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t.drop_vars("session"), "no coordinate 'session'"),
        (lambda t: t.assign_coords(start=("window", np.full(22, np.nan))), "start is NaN in some"),
        (lambda t: t.assign(de=t["de"] / 0.0), "de has infinite values"),
        (lambda t: t.assign(count=("window", np.arange(22))), "count is int64 over window"),
        (lambda t: t.assign(pattern=("channel", noise(3))), "pattern is float64 over channel"),
    ],
)
def test_tables_that_cannot_be_smoothed_are_refused(change, sentence):
    with np.errstate(divide="ignore", invalid="ignore"):
        features = change(table())
    with pytest.raises(DataError, match=sentence):
        smooth(features, LDS(causal=True))


@pytest.mark.parametrize("causal", [True, False])
def test_an_outlier_leaves_no_rounding_in_windows_far_from_it(causal):
    x = noise(500, 1)
    expected = MovingAverage(n_windows=5, causal=causal)(x[10:], np.array([0, 490]))
    x[0] = 1e14
    found = MovingAverage(n_windows=5, causal=causal)(x, np.array([0, 500]))[10:]
    assert_allclose(found[5:], expected[5:], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("variances", [(np.inf, 1.0, 1.0), (1.0, np.inf, 1.0), (1.0, 1.0, np.inf)])
def test_an_infinite_variance_is_refused(variances):
    observation, process, prior = variances
    with pytest.raises(ValueError, match="LDS needs an observation and a process variance above 0"):
        LDS(causal=True, observation_variance=observation, process_variance=process, prior_variance=prior)
