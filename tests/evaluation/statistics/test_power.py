"""Power of the paired t test: statsmodels, simulation, inverses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats
from statsmodels.stats.power import TTestPower

from physioaffect.evaluation.statistics import (
    detectable_difference,
    power_of,
    power_sentence,
    subjects_needed,
)


@pytest.mark.parametrize("effect", [0.05, 0.2, 0.5, 0.8, 1.5])
@pytest.mark.parametrize("n", [2, 8, 23, 200])
@pytest.mark.parametrize("alpha", [0.05, 0.005])
def test_power_is_statsmodels(n, effect, alpha):
    assert_allclose(power_of(n, 0.1 * effect, 0.1, alpha), TTestPower().power(effect, n, alpha), rtol=1e-6)


@pytest.mark.parametrize("effect", [0.1, 0.3, 0.5, 0.9, 2.0])
@pytest.mark.parametrize("power", [0.8, 0.95])
def test_subjects_needed_are_statsmodels_rounded_up(effect, power):
    solved = TTestPower().solve_power(effect_size=effect, power=power, alpha=0.05)
    assert subjects_needed(effect, 1.0, power=power) == int(np.ceil(solved))


def test_the_published_number_for_a_medium_effect():
    # Faul et al. 2007 (G*Power), matched pairs, dz = 0.5, two-sided 0.05, power 0.80: 34 pairs.
    assert subjects_needed(0.5, 1.0) == 34


def test_power_is_the_share_of_simulated_studies():
    rng = np.random.default_rng(0)
    studies = rng.normal(0.05, 0.1, size=(20_000, 23))
    found = np.mean(stats.ttest_1samp(studies, 0, axis=1).pvalue < 0.05)
    assert_allclose(power_of(23, 0.05, 0.1), found, atol=4 * np.sqrt(0.25 / 20_000))


@given(n=st.integers(3, 300), sd=st.floats(0.01, 10), power=st.floats(0.1, 0.99))
@settings(max_examples=30)
def test_the_detectable_difference_is_the_inverse_of_power(n, sd, power):
    difference = detectable_difference(n, sd, power=power)
    assert_allclose(power_of(n, difference, sd), power, atol=1e-6)
    assert subjects_needed(1.000001 * difference, sd, power=power) <= n


def test_power_grows_from_alpha_to_one():
    assert_allclose(power_of(23, 0.0, 0.1), 0.05, rtol=1e-9)
    powers = [power_of(n, 0.05, 0.1) for n in range(2, 200)]
    assert np.all(np.diff(powers) > 0)
    assert power_of(1000, 5.0, 0.1) == 1
    assert power_of(23, -0.05, 0.1) == power_of(23, 0.05, 0.1)


def test_the_fewest_subjects_reach_the_power_and_one_less_does_not():
    n = subjects_needed(0.04, 0.13, power=0.9)
    assert power_of(n, 0.04, 0.13) >= 0.9 > power_of(n - 1, 0.04, 0.13)
    assert subjects_needed(100.0, 0.1) == 2


def test_the_sentence_tells_how_sure_the_number_of_subjects_is():
    said = power_sentence(23, 0.05, 0.1)
    assert "is found (p < 0.05) in 63 % of studies; for 80 % it takes 34 people (21 to 65" in said
    # 95 % of SDs of 23 normal scores lie between these.
    low, high = 0.1 * np.sqrt(22 / stats.chi2.ppf([0.975, 0.025], 22))
    assert f"{low:.2g} to {high:.2g}" in said
    assert (subjects_needed(0.05, low), subjects_needed(0.05, high)) == (21, 65)


def test_what_has_no_power_is_refused():
    with pytest.raises(ValueError, match="No number of subjects finds a difference of 0"):
        subjects_needed(0.0, 0.1)
    with pytest.raises(ValueError, match="sd must be a positive number, got 0"):
        subjects_needed(0.1, 0.0)
    with pytest.raises(ValueError, match="at least two subjects, got n=1"):
        power_of(1, 0.1, 0.1)
    with pytest.raises(ValueError, match="alpha must be between 0 and 1"):
        power_of(10, 0.1, 0.1, alpha=0)
    with pytest.raises(ValueError, match=r"power must be between alpha \(0.05\) and 1, got 80"):
        subjects_needed(0.1, 0.1, power=80)
    with pytest.raises(ValueError, match="needs more than 10,000,000 subjects"):
        subjects_needed(1e-5, 1.0)
