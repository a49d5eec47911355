"""Calibration: cases by hand, calibrated models, scikit-learn's scores, intervals of clustered shares."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats
from sklearn import metrics
from sklearn.calibration import calibration_curve

from physioaffect.errors import DataError
from physioaffect.evaluation.statistics import (
    brier_score,
    calibrated_error,
    calibration_scores,
    expected_calibration_error,
    log_loss,
    reliability,
)

AB = ["a", "b"]


def only(*arguments, **options) -> Any:
    """Row of a curve that has one bin."""
    [row] = reliability(*arguments, **options).itertuples()
    return row


def drawn(n, seed, n_classes=3, sharpness=1.0):
    """Probabilities, and classes drawn from them."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(n_classes, sharpness), size=n)
    return (rng.random((n, 1)) > p.cumsum(axis=1)[:, :-1]).sum(axis=1), p


@pytest.mark.parametrize("n_right", [0, 3, 7, 10])
def test_a_constant_confidence_errs_by_its_distance_from_the_accuracy(n_right):
    truth = ["a"] * n_right + ["b"] * (10 - n_right)
    p = np.tile([0.7, 0.3], (10, 1))
    assert_allclose(expected_calibration_error(truth, p, AB), abs(0.7 - n_right / 10), atol=1e-12)
    # Both classes err by the same.
    assert_allclose(
        expected_calibration_error(truth, p, AB, kind="classwise"), abs(0.7 - n_right / 10), atol=1e-12
    )


def test_certain_and_right_or_wrong():
    p = np.eye(2)[[0, 1, 0, 1]]
    assert expected_calibration_error(["a", "b", "a", "b"], p, AB) == 0
    assert expected_calibration_error(["b", "a", "b", "a"], p, AB) == 1


def test_two_bins_by_hand():
    # Top label: 0.6 0.6 0.9 0.9, right: 1 0 1 1; |0.6 - 0.5| and |0.9 - 1|, half the cases each.
    p = np.array([[0.6, 0.4], [0.4, 0.6], [0.9, 0.1], [0.1, 0.9]])
    truth = ["a", "a", "a", "b"]
    assert_allclose(expected_calibration_error(truth, p, AB), 0.1)
    curve = reliability(truth, p, AB)
    assert curve["of"].unique().tolist() == ["(top label)"]
    assert curve[["lower", "upper"]].to_numpy().round(9).tolist() == [[0.5, 0.6], [0.8, 0.9]]
    assert curve["n"].tolist() == [2, 2]
    assert_allclose(curve[["stated", "observed"]], [[0.6, 0.5], [0.9, 1.0]])
    assert curve[["low", "high"]].isna().all(axis=None)


def test_edges_belong_to_the_bin_below_and_zero_to_the_first():
    stated = np.array([0.0, 0.1, 0.3, 0.1 + 0.2, 0.30001, 1.0])
    p = np.column_stack([stated, 1 - stated])
    curve = reliability(["a"] * 6, p, AB, kind="classwise").query("of == 'a'")
    assert curve["lower"].round(9).tolist() == [0.0, 0.2, 0.3, 0.9]
    assert curve["n"].tolist() == [2, 2, 1, 1]


def test_bins_of_equal_mass_have_as_equal_counts_as_ties_allow():
    truth, p = drawn(1000, seed=0)
    assert reliability(truth, p, range(3), binning="mass")["n"].tolist() == [100] * 10
    tied = np.tile([[0.6, 0.4], [0.8, 0.2]], (20, 1))
    assert reliability(["a"] * 40, tied, AB, binning="mass")["n"].tolist() == [20, 20]


@given(
    seed=st.integers(0, 1000),
    binning=st.sampled_from(["width", "mass"]),
    kind=st.sampled_from(["top", "classwise"]),
)
@settings(max_examples=40)
def test_the_error_is_that_of_the_curve_and_does_not_depend_on_order(seed, binning, kind):
    truth, p = drawn(60, seed)
    options = {"binning": binning, "kind": kind, "n_bins": 7}
    error = expected_calibration_error(truth, p, range(3), **options)
    curve = reliability(truth, p, range(3), **options)
    gaps = (curve["n"] * (curve["stated"] - curve["observed"]).abs()).groupby(curve["of"]).sum() / 60
    assert_allclose(error, gaps.mean(), atol=1e-12)
    order = np.random.default_rng(seed).permutation(60)
    columns = [2, 0, 1]
    assert_allclose(
        expected_calibration_error(truth[order], p[order][:, columns], columns, **options), error, atol=1e-12
    )
    assert 0 <= error <= 1


def test_the_curve_is_scikit_learns():
    truth, p = drawn(500, seed=2, n_classes=2)
    observed, stated = calibration_curve(truth == 1, p[:, 1], n_bins=10)
    curve = reliability(truth, p, [0, 1], kind="classwise").query("of == '1'")
    assert_allclose(curve[["observed", "stated"]], np.column_stack([observed, stated]), rtol=1e-12)


@pytest.mark.parametrize(
    ("binning", "kind"), [("width", "top"), ("mass", "top"), ("width", "classwise"), ("mass", "classwise")]
)
def test_a_calibrated_model_errs_as_predicted_and_not_by_zero(binning, kind):
    errors = []
    for seed in range(60):
        truth, p = drawn(300, seed)
        errors.append(expected_calibration_error(truth, p, range(3), binning=binning, kind=kind))
    predicted = calibrated_error(drawn(300, 0)[1], range(3), binning=binning, kind=kind)
    assert_allclose(np.mean(errors), predicted, rtol=0.1)
    truth, p = drawn(100_000, seed=1)
    assert expected_calibration_error(truth, p, range(3), binning=binning, kind=kind) < 0.01 < predicted


def test_overconfidence_is_seen_above_what_chance_gives():
    truth, p = drawn(400, seed=3)
    sharper = p**3 / (p**3).sum(axis=1, keepdims=True)
    error, by_chance = (
        expected_calibration_error(truth, sharper, range(3)),
        calibrated_error(sharper, range(3)),
    )
    assert error > 3 * by_chance
    curve = reliability(truth, sharper, range(3)).query("n > 20")
    assert (curve["stated"] > curve["observed"]).all()


def test_brier_score_and_log_loss_are_scikit_learns():
    truth, p = drawn(200, seed=4)
    assert_allclose(log_loss(truth, p, range(3)), metrics.log_loss(truth, p), rtol=1e-12)
    expected = np.mean([np.sum((row - np.eye(3)[t]) ** 2) for row, t in zip(p, truth, strict=True)])
    assert_allclose(brier_score(truth, p, range(3)), expected, rtol=1e-12)
    # Of two classes it is twice scikit-learn's, which looks at one of them.
    truth, p = drawn(200, seed=5, n_classes=2)
    assert_allclose(brier_score(truth, p, [0, 1]), 2 * metrics.brier_score_loss(truth, p[:, 1]), rtol=1e-12)


def test_what_was_said_to_be_impossible_and_happened_costs_infinitely_much():
    assert log_loss(["b"], [[1.0, 0.0]], AB) == np.inf
    assert brier_score(["b"], [[1.0, 0.0]], AB) == 2


def test_the_interval_of_a_share_holds_it_when_people_differ():
    # 12 people with 20 windows each, whose own shares vary by 0.2: 500 worlds, a standard error of one point.
    # An interval that takes windows as independent holds it far too rarely.
    rng = np.random.default_rng(0)
    n_people, n_windows, share = 12, 20, 0.65
    p = np.tile([share, 1 - share], (n_people * n_windows, 1))
    people = np.repeat(np.arange(n_people), n_windows)
    holds: list[bool] = []
    naive: list[bool] = []
    for _ in range(500):
        own = rng.beta(share * 4.7, (1 - share) * 4.7, n_people)
        right = rng.random(len(people)) < own[people]
        row = only(np.where(right, "a", "b"), p, AB, subjects=people)
        holds.append(row.low <= share <= row.high)
        low, high = stats.binomtest(int(right.sum()), len(right)).proportion_ci()
        naive.append(bool(low <= share <= high))
    assert 0.92 < np.mean(holds) < 0.99
    assert np.mean(naive) < 0.75


def test_the_interval_of_independent_cases_is_clopper_and_pearsons():
    # One case a person: the two differ by t(n - 1) / t(n_people - 1) = 1 only, and not at all.
    right = np.random.default_rng(0).random(40) < 0.7
    p = np.tile([0.7, 0.3], (40, 1))
    curve = reliability(np.where(right, "a", "b"), p, AB, subjects=np.arange(40))
    # The variance with n - 1 makes 39 cases of 40.
    k, n = right.mean() * 39, 39
    assert_allclose(curve["low"], stats.beta.ppf(0.025, k, n - k + 1), rtol=1e-9)
    assert_allclose(curve["high"], stats.beta.ppf(0.975, k + 1, n - k), rtol=1e-9)


def test_all_right_is_as_sure_as_the_number_of_people_allows():
    p = np.tile([0.95, 0.05], (100, 1))
    row = only(["a"] * 100, p, AB, subjects=np.repeat(range(5), 20))
    assert (row.observed, row.high, row.n, row.n_subjects) == (1, 1, 100, 5)
    assert_allclose(row.low, 0.025 ** (1 / 5))
    alone = only(["a"] * 100, p, AB, subjects=["s1"] * 100)
    assert np.isnan([alone.low, alone.high]).all()


def test_every_model_of_a_run_has_its_calibration():
    truth, p = drawn(300, seed=6, n_classes=2)
    one = pd.DataFrame({"protocol": "loso", "truth": np.array(AB)[truth], "p_a": p[:, 0], "p_b": p[:, 1]})
    sure = one.assign(p_a=0.5, p_b=0.5)
    table: Any = calibration_scores(pd.concat([one.assign(model="lda"), sure.assign(model="prior")]))
    assert table.index.tolist() == [("loso", "lda"), ("loso", "prior")]
    assert_allclose(table.loc[("loso", "lda"), "brier"], brier_score(truth, p, [0, 1]))
    assert_allclose(table.loc[("loso", "prior"), ["brier", "log_loss"]].astype(float), [0.5, np.log(2)])
    assert table["n"].tolist() == [300, 300]
    with pytest.raises(DataError, match="calibration is of probabilities, not of ratings"):
        calibration_scores(one.drop(columns=["p_a", "p_b"]))


def test_what_is_not_a_probability_is_refused():
    p = np.array([[0.5, 0.5], [0.7, 0.2]])
    with pytest.raises(
        DataError, match=r"1 of 2 rows are not probabilities that add up to one, the first is row 1"
    ):
        brier_score(AB, p, AB)
    with pytest.raises(DataError, match=r"2 of 2 rows .* not decision values"):
        log_loss(AB, [[-1.0, 2.0], [np.nan, 1.0]], AB)
    with pytest.raises(DataError, match=r"with 3 classes; got shape \(2, 2\)"):
        brier_score(AB, p, ["a", "b", "c"])
    with pytest.raises(DataError, match="named twice"):
        brier_score(AB, p, ["a", "a"])
    good = np.full((2, 2), 0.5)
    with pytest.raises(DataError, match=r"not among the columns' \['a', 'b'\]: c"):
        brier_score(["a", "c"], good, AB)
    with pytest.raises(DataError, match=r"one class for each of 2 rows; got shape \(1,\)"):
        brier_score(["a"], good, AB)
    with pytest.raises(DataError, match="name the person of each of 2 rows; got 1"):
        reliability(AB, good, AB, subjects=["s1"])
    with pytest.raises(ValueError, match="kind must be 'top' or 'classwise', got 'all'"):
        expected_calibration_error(AB, good, AB, kind="all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="binning must be 'width' or 'mass', got 'equal'"):
        expected_calibration_error(AB, good, AB, binning="equal")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="n_bins must be at least 1, got 0"):
        expected_calibration_error(AB, good, AB, n_bins=0)
