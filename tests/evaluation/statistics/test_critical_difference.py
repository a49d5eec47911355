"""Friedman's test and the critical difference: the published example and tables of Demšar 2006, SciPy."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation.statistics import critical_difference, nemenyi

# Demšar 2006, table 6: AUC of C4.5 with and without tuned parameters m and cf on 14 data sets. The last but
# one has 0.975 twice, and ranks that are not tied.
AUC = pd.DataFrame(
    [
        [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970],
    ],
    columns=["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"],
)  # fmt: skip


def test_the_example_of_demsar_2006():
    found = critical_difference(AUC)
    assert found.ranks.round(3).to_dict() == {
        "C4.5+m+cf": 1.964,
        "C4.5+m": 2.0,
        "C4.5+cf": 2.893,
        "C4.5": 3.143,
    }
    # Without the correction for ties: chi squared 9.28 and F 3.69 in the paper.
    ranks, n, k = found.ranks.to_numpy(), 14, 4
    chi2 = 12 * n / (k * (k + 1)) * (np.sum(ranks**2) - k * (k + 1) ** 2 / 4)
    assert_allclose(chi2, 9.28, atol=0.01)
    assert_allclose((n - 1) * chi2 / (n * (k - 1) - chi2), 3.69, atol=0.01)
    assert found.chi2 > chi2
    # "The critical difference is 1.25": at 0.05 only by 0.10's 1.12 are two of them told apart from C4.5.
    assert_allclose(found.difference, 1.25, atol=0.01)
    assert_allclose(critical_difference(AUC, alpha=0.10).difference, 1.12, atol=0.01)
    assert not found.table()["differ"].any()
    at_ten_percent = critical_difference(AUC, alpha=0.10).table().query("differ")
    assert at_ten_percent[["better", "worse"]].to_numpy().tolist() == [
        ["C4.5+m+cf", "C4.5"],
        ["C4.5+m", "C4.5"],
    ]


@pytest.mark.parametrize(
    ("alpha", "published"),
    [
        (0.05, [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]),
        (0.10, [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920]),
    ],
)
def test_the_critical_values_are_those_of_demsars_table_5(alpha, published):
    # q = CD / sqrt(k (k + 1) / 6 N), for 2 to 10 models.
    found = [nemenyi(10, k, alpha) / np.sqrt(k * (k + 1) / 60) for k in range(2, 11)]
    assert_allclose(found, published, atol=0.0011)


def test_friedmans_test_is_scipys_and_its_f_form_the_analysis_of_variance_of_ranks():
    scores = pd.DataFrame(np.random.default_rng(0).normal([0, 0, 0, 1], size=(9, 4)))
    found = critical_difference(scores)
    expected: Any = stats.friedmanchisquare(*scores.to_numpy().T)
    assert_allclose([found.chi2, found.p_friedman], [expected.statistic, expected.pvalue], rtol=1e-12)
    # Iman & Davenport: the two-way analysis of variance of the ranks without interaction.
    ranks = stats.rankdata(scores, axis=1)
    effect = ranks.mean(axis=0) - ranks.mean()
    residual = ranks - ranks.mean(axis=1, keepdims=True) - effect
    f = float((9 * np.sum(effect**2) / 3) / (np.sum(residual**2) / (3 * 8)))
    assert_allclose(found.f, f, rtol=1e-9)
    assert_allclose(found.p_iman_davenport, stats.f.sf(f, 3, 24), rtol=1e-9)


def test_groups_are_the_longest_runs_of_models_that_do_not_differ():
    # Ranks 1, 2, 3 on each of 12 data sets; the critical difference is 0.957, so that all differ.
    scores = pd.DataFrame(np.tile([3.0, 2.0, 1.0], (12, 1)), columns=["a", "b", "c"])
    assert critical_difference(scores).groups == (("a",), ("b",), ("c",))
    # On 6 data sets it is 1.353: neighbours do not.
    assert critical_difference(scores[:6]).groups == (("a", "b"), ("b", "c"))
    assert critical_difference(scores, higher_is_better=False).ranks.index.tolist() == ["c", "b", "a"]
    assert critical_difference(scores).p_iman_davenport == 0


def test_models_that_tie_everywhere_do_not_differ():
    found = critical_difference(pd.DataFrame(np.ones((6, 3)) * [[0.1 + 0.2, 0.3, 0.3]], columns=list("abc")))
    assert found.p_friedman == found.p_iman_davenport == 1
    assert found.groups == (("a", "b", "c"),)
    assert "no two models are told apart" in found.sentence()


def test_the_sentence_counts_the_pairs():
    scores = pd.DataFrame(np.tile([3.0, 2.0, 1.0], (12, 1)), columns=["a", "b", "c"])
    assert "mean ranks at least 0.96 apart differ (Nemenyi, alpha = 0.05): 3 of 3 pairs" in (
        critical_difference(scores).sentence()
    )


def test_what_has_no_critical_difference_is_refused():
    with pytest.raises(ProtocolError, match=r"at least 6 data sets, got 5.*compare_models"):
        critical_difference(AUC[:5])
    with pytest.raises(ProtocolError, match=r"at least 3 models, got 2.*compare_paired"):
        critical_difference(AUC[["C4.5", "C4.5+m"]])
    holed = AUC.copy()
    holed.loc[2, "C4.5+m"] = np.nan
    with pytest.raises(DataError, match=r"1 scores are missing \(C4.5\+m on 2\)"):
        critical_difference(holed)
    with pytest.raises(DataError, match="named once"):
        critical_difference(AUC.set_axis([0] * 14))
    with pytest.raises(ValueError, match="alpha must be between 0 and 1, got 5"):
        critical_difference(AUC, alpha=5)
