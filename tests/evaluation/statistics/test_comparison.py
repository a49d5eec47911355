"""Paired comparisons: references of SciPy and statsmodels, enumeration, invariances, uniform p-values."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats
from statsmodels.stats.multitest import multipletests

from physioaffect.errors import DataError
from physioaffect.evaluation.statistics import compare_models, compare_paired, holm, mean_interval, sign_flip

# Pairs of accuracies of ten trials: ties and zeros are common.
PAIRS = st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), min_size=2, max_size=9).map(
    lambda pairs: np.array(pairs).T / 10
)


def enumerated(differences):
    """Two-sided p by visiting every sign pattern, with whole numbers."""
    sums = [abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
            for signs in product((-1, 1), repeat=len(differences))]  # fmt: skip
    return np.mean([total >= abs(sum(differences)) for total in sums])


@given(differences=st.lists(st.integers(-6, 6), min_size=1, max_size=10))
@settings(max_examples=60)
def test_sign_flips_are_counted_exactly_with_ties_and_zeros(differences):
    p, is_exact = sign_flip(np.array(differences) / 10)
    assert is_exact
    assert_allclose(p, enumerated(differences), rtol=1e-14)


def test_sign_flips_are_scipys_permutation_test():
    differences = np.random.default_rng(1).normal(0.4, 1, size=12)
    # 2^12 = 4096 patterns, fewer than 5000: scipy visits them all.
    expected = stats.permutation_test([differences], np.mean, permutation_type="samples", n_resamples=5000)
    assert_allclose(sign_flip(differences)[0], expected.pvalue, rtol=1e-12)


@pytest.mark.parametrize("n", [6, 15, 23, 32, 36])
def test_all_of_one_sign_has_the_smallest_p_there_is(n):
    assert sign_flip(np.ones(n)) == (2.0 ** (1 - n), True)


def test_random_sign_flips_agree_with_all_of_them():
    differences = np.random.default_rng(0).normal(0.3, 1, size=36)
    exact = sign_flip(differences)[0]
    # Two more that hardly count make 38, of which not all patterns are counted.
    p, is_exact = sign_flip([*differences, 1e-9, 1e-9], n_permutations=40_000)
    assert not is_exact
    assert_allclose(p, exact, atol=4 * np.sqrt(exact * (1 - exact) / 40_000))


def test_random_sign_flips_never_give_zero():
    assert sign_flip(np.ones(60), n_permutations=999) == (1 / 1000, False)


def test_p_of_sign_flips_is_uniform_where_there_is_no_difference():
    # At most alpha for every alpha, and near to it: 12 subjects have steps of 1/2048.
    rng = np.random.default_rng(0)
    p = np.array([sign_flip(rng.standard_t(3, size=12))[0] for _ in range(2000)])
    assert stats.kstest(p, "uniform").pvalue > 0.01
    # The skewed differences of two identically distributed scores are symmetric too.
    p = np.array([sign_flip(rng.exponential(size=12) - rng.exponential(size=12))[0] for _ in range(2000)])
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_p_of_sign_flips_is_valid_for_scores_with_many_ties():
    rng = np.random.default_rng(1)
    p = np.array([sign_flip((rng.binomial(4, 0.6, 8) - rng.binomial(4, 0.6, 8)) / 4)[0] for _ in range(3000)])
    for alpha in (0.01, 0.05, 0.1, 0.3):
        assert np.mean(p <= alpha) < alpha + 3 * np.sqrt(alpha / 3000)


def test_the_figures_are_scipys():
    rng = np.random.default_rng(2)
    a, b = rng.normal([[0.7], [0.65]], 0.1, size=(2, 23))
    found = compare_paired(a, b)
    t = stats.ttest_rel(a, b)
    expected = t.confidence_interval(0.95)
    assert_allclose([found.low, found.high], [expected.low, expected.high], rtol=1e-9)
    assert_allclose(found.effect_size * np.sqrt(23), t.statistic, rtol=1e-9)
    assert_allclose(found.p_wilcoxon, stats.wilcoxon(a, b, method="exact").pvalue, rtol=1e-12)
    shrunk = t.statistic / np.sqrt(1 + 23 / 22)
    assert_allclose(found.p_corrected, 2 * stats.t.sf(abs(shrunk), 22), rtol=1e-9)
    ranks = stats.rankdata(abs(a - b))
    assert_allclose(found.rank_biserial, (ranks[a > b].sum() - ranks[a < b].sum()) / ranks.sum(), rtol=1e-12)


def test_the_interval_of_a_difference_can_be_that_of_any_method():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 15))
    for method in ("t", "bootstrap", "corrected"):
        found, expected = compare_paired(a, b, method=method), mean_interval(a - b, method=method)
        assert_allclose([found.low, found.high], [expected.low, expected.high], rtol=1e-9)
    assert "(t interval corrected for shared training people -" in found.sentence()


def test_wilcoxon_with_zeros_and_ties_is_pratts():
    a = np.array([5, 7, 7, 8, 9, 4, 6, 6, 9, 8, 7, 9]) / 10
    b = np.array([5, 6, 7, 6, 7, 4, 5, 7, 6, 8, 4, 10]) / 10
    whole = np.round(10 * (a - b))
    expected = stats.wilcoxon(whole, zero_method="pratt", method=stats.PermutationMethod(n_resamples=5000))
    # 0.7 - 0.6 and 0.6 - 0.5 differ in the last digit; as ties they have the same rank.
    assert_allclose(compare_paired(a, b).p_wilcoxon, expected.pvalue, rtol=1e-12)


@pytest.mark.parametrize("n", [36, 37])
def test_wilcoxon_of_many_subjects_goes_over_to_scipys_normal_approximation(n):
    difference = np.round(np.random.default_rng(3).normal(0.3, 1, size=n), 1)
    difference[difference == 0] = 0.1
    expected = stats.wilcoxon(difference, zero_method="pratt", method="approx").pvalue
    found = compare_paired(difference, np.zeros(n)).p_wilcoxon
    assert found == pytest.approx(expected, rel=1e-9 if n > 36 else 0.05)


@given(pair=PAIRS)
@settings(max_examples=60)
def test_swapping_two_models_changes_signs_only(pair):
    a, b = pair
    one, other = compare_paired(a, b), compare_paired(b, a)
    assert_allclose(
        [one.difference, one.low, one.high, one.effect_size, one.rank_biserial],
        [-other.difference, -other.high, -other.low, -other.effect_size, -other.rank_biserial],
        atol=1e-12,
    )
    for name in ("p_wilcoxon", "p_sign_flip", "p_corrected"):
        assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-12)
        assert 0 <= getattr(one, name) <= 1


@given(pair=PAIRS, shift=st.integers(-3, 3), scale=st.sampled_from([0.5, 3.0]))
@settings(max_examples=40)
def test_a_change_of_unit_changes_no_p(pair, shift, scale):
    a, b = pair
    before, after = compare_paired(a, b), compare_paired(scale * a + shift, scale * b + shift)
    assert_allclose(after.difference, scale * before.difference, atol=1e-10)
    for name in ("p_wilcoxon", "p_sign_flip", "rank_biserial"):
        assert_allclose(getattr(after, name), getattr(before, name), rtol=1e-9, atol=1e-12)


def test_subjects_are_aligned_by_name_and_missing_ones_are_named():
    a = pd.Series({"s1": 0.6, "s2": 0.7, "s3": 0.9, "s4": np.nan, "s5": 0.8})
    b = pd.Series({"s5": 0.5, "s3": 0.7, "s2": 0.6, "s1": 0.5, "s4": 0.4, "s6": 0.2})
    found = compare_paired(a, b)
    assert found.n == 4
    assert found.left_out == ("s4", "s6")
    assert_allclose(found.difference, np.mean([0.1, 0.1, 0.2, 0.3]))
    assert "Left out, since one of the two has no score: s4, s6." in found.sentence("lda", "svm")


def test_no_difference_at_all_and_the_same_difference_everywhere():
    same = compare_paired([0.5, 0.6, 0.7], [0.5, 0.6, 0.7])
    assert same.p_sign_flip == same.p_wilcoxon == same.p_corrected == 1
    assert same.effect_size == same.rank_biserial == 0
    assert same.note == "No person's scores differ."
    shifted = compare_paired([0.5, 0.6, 0.7], [0.4, 0.5, 0.6])
    assert shifted.effect_size == np.inf
    assert shifted.rank_biserial == 1
    one = compare_paired([0.5], [0.4])
    assert one.p_sign_flip == one.p_corrected == 1
    assert np.isnan([one.low, one.high, one.effect_size]).all()


def test_too_few_subjects_for_any_p_below_alpha_is_said():
    few = compare_paired(np.arange(1, 6), np.zeros(5))
    assert "5 people who differ cannot give a sign-flip p below 0.062" in few.note
    assert compare_paired(np.arange(1, 7), np.zeros(6)).note == ""


@pytest.mark.parametrize("p", [[0.01, 0.04, 0.03, 0.005], [0.2], [0.5, 0.5, 0.9], [0.0, 1.0, 0.02, 0.02]])
def test_holm_is_statsmodels(p):
    assert_allclose(holm(p), multipletests(p, method="holm")[1], rtol=1e-12)


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_between_no_correction_and_bonferroni_and_keeps_the_order(p):
    corrected = holm(p)
    assert np.all(corrected >= p)
    assert np.all(corrected <= np.minimum(1, len(p) * np.array(p)) + 1e-15)
    assert np.all(np.diff(corrected[np.argsort(p, kind="stable")]) >= 0)


def test_every_pair_of_models_is_one_row_of_one_family():
    rng = np.random.default_rng(0)
    scores = pd.DataFrame(rng.normal([0, 0, 0.5, 2], size=(15, 4)), columns=list("abcd"))
    scores.loc[3, "b"] = np.nan
    found = compare_models(scores)
    assert [*zip(found["model_a"], found["model_b"], strict=True)] == [
        ("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d"),
    ]  # fmt: skip
    assert found["n"].tolist() == [14, 15, 15, 14, 14, 15]
    assert found["left_out"].tolist()[0] == ("3",)
    assert_allclose(found["p_holm"], multipletests(found["p_sign_flip"], method="holm")[1])
    assert_allclose(found["p_corrected_holm"], multipletests(found["p_corrected"], method="holm")[1])
    alone = compare_paired(scores["c"], scores["d"])
    assert found.iloc[-1]["p_sign_flip"] == alone.p_sign_flip
    assert compare_models(scores[["a"]]).empty


def test_holm_keeps_the_chance_of_any_false_difference():
    # Four equal models, six pairs, 200 worlds: a difference in at most 5 % of them (standard error 1.5).
    rng = np.random.default_rng(0)
    worlds = [compare_models(pd.DataFrame(rng.normal(size=(10, 4)))) for _ in range(200)]
    assert np.mean([(found["p_holm"] < 0.05).any() for found in worlds]) < 0.05 + 3 * 0.015
    assert np.mean([(found["p_sign_flip"] < 0.05).any() for found in worlds]) > 0.12


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(DataError, match=r"got shapes \(2,\) and \(3,\)"):
        compare_paired([1, 2], [1, 2, 3])
    with pytest.raises(DataError, match=r"1 of 2 pairs of scores are not finite.*Pass two Series"):
        compare_paired([1, np.nan], [1, 2])
    with pytest.raises(DataError, match="Pass two arrays in the same order, or two Series"):
        compare_paired(pd.Series([1.0, 2.0]), [1.0, 2.0])
    with pytest.raises(DataError, match="0 of 0 pairs"):
        compare_paired([], [])
    with pytest.raises(DataError, match="Subjects have two scores: s1"):
        compare_paired(pd.Series([1.0, 2.0], index=["s1", "s1"]), pd.Series([1.0, 2.0], index=["s1", "s2"]))
    with pytest.raises(DataError, match="No subject has a score of both models"):
        compare_paired(pd.Series([1.0], index=["s1"]), pd.Series([1.0], index=["s2"]))
    with pytest.raises(DataError, match="Models are named twice: lda"):
        compare_models(pd.DataFrame(np.ones((3, 2)), columns=["lda", "lda"]))
    with pytest.raises(ValueError, match="none may be NaN"):
        holm([0.1, np.nan])
    with pytest.raises(ValueError, match="n_permutations must be at least 1, got 0"):
        sign_flip([1.0], n_permutations=0)
