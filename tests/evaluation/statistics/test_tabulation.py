"""Tables of a run's scores: they agree with the functions of one score and name what is missing."""

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from physioaffect.errors import DataError
from physioaffect.evaluation import results
from physioaffect.evaluation.scoring import POOLED
from physioaffect.evaluation.scoring.metrics import CLASSIFICATION, REGRESSION
from physioaffect.evaluation.scoring.ordinal_metrics import ORDINAL
from physioaffect.evaluation.statistics import compare_in, compare_paired, mean_interval, with_intervals
from physioaffect.evaluation.statistics.tabulation import BOUNDS

COLUMNS = ["protocol", "model", "level", "subject", "metric"]


@pytest.fixture
def scores():
    """Two protocols, three models and a baseline, 12 subjects, three metrics; in the order of a run."""
    index = pd.MultiIndex.from_product(
        [
            ["loso", "within_subject_trial"], ["svm", "lda", "knn", "majority"], ["trial", "window"],
            [*(f"s{number:02d}" for number in range(12)), POOLED], ["macro_f1", "auroc", "rmse"],
        ],
        names=COLUMNS,
    )  # fmt: skip
    frame = index.to_frame(index=False)
    frame["value"] = np.random.default_rng(0).beta(6, 4, size=len(frame))
    frame.loc[frame["model"] == "lda", "value"] += 0.1
    frame["n"] = 18
    undefined = (
        (frame["metric"] == "auroc") & frame["subject"].isin(["s03", "s07"]) & (frame["model"] == "svm")
    )
    frame.loc[undefined, "value"] = np.nan
    return frame


@pytest.mark.parametrize("method", ["t", "bootstrap", "corrected"])
def test_every_row_is_the_interval_of_its_subjects(scores, method):
    table: Any = with_intervals(scores, method=method, n_resamples=499, confidence=0.9)
    assert table.index.tolist() == list(dict.fromkeys(
        scores[["protocol", "model", "level", "metric"]].itertuples(index=False, name=None)
    ))  # fmt: skip
    for key, own in scores.groupby(["protocol", "model", "level", "metric"], sort=False):
        row = table.loc[key]
        values = own[own["subject"] != POOLED]["value"].dropna()
        expected = mean_interval(values, method=method, n_resamples=499, level=0.9, bounds=BOUNDS[key[3]])
        assert_allclose(
            row[["mean", "sd", "low", "high"]].astype(float),
            [expected.mean, expected.sd, expected.low, expected.high], rtol=1e-12,
        )  # fmt: skip
        assert row["n_subjects"] == expected.n
        assert row["pooled"] == own[own["subject"] == POOLED]["value"].item()


def test_it_agrees_with_the_summary_of_a_result(scores):
    table: Any = with_intervals(scores)
    summary = results.summarize(scores)
    for name in ("mean", "sd", "n_subjects", "pooled"):
        assert_allclose(table[name], summary[name].reindex(table.index), rtol=1e-12)


def test_subjects_without_a_score_are_counted_and_named(scores):
    table: Any = with_intervals(scores)
    row = table.loc[("loso", "svm", "trial", "auroc")]
    assert (row["n_subjects"], row["undefined"]) == (10, "s03, s07")
    assert "Undefined for 2 of 12 people (s03, s07)." in row["note"]
    assert table.loc[("loso", "lda", "trial", "auroc"), "undefined"] == ""
    # A subject that the protocol left out was never scored: it has no row and is not undefined.
    fewer = scores[(scores["protocol"] != "loso") | (scores["subject"] != "s05")]
    table = with_intervals(fewer)
    assert table.loc[("loso", "lda", "trial", "auroc")][["n_subjects", "undefined"]].tolist() == [11, ""]
    assert table.loc[("within_subject_trial", "lda", "trial", "auroc"), "n_subjects"] == 12


def test_a_protocol_may_have_its_own_method(scores):
    table: Any = with_intervals(scores, method={"loso": "corrected", "within_subject_trial": "t"})
    for protocol in ("loso", "within_subject_trial"):
        alone: Any = with_intervals(scores, method="corrected" if protocol == "loso" else "t")
        pd.testing.assert_frame_equal(table.loc[protocol], alone.loc[protocol])
    with pytest.raises(ValueError, match="method names none for the protocols within_subject_trial"):
        with_intervals(scores, method={"loso": "t"})


def test_names_may_be_categories_as_some_readers_of_parquet_return_them(scores):
    categories = scores.astype(dict.fromkeys(COLUMNS, "category"))
    pd.testing.assert_frame_equal(
        with_intervals(categories)
        .reset_index()
        .astype(dict.fromkeys(("protocol", "model", "level", "metric"), str)),
        with_intervals(scores).reset_index(),
    )
    pd.testing.assert_frame_equal(
        compare_in(categories, "loso", "trial", "auroc"), compare_in(scores, "loso", "trial", "auroc")
    )


def test_one_subject_has_no_interval_and_none_has_no_mean(scores):
    table: Any = with_intervals(scores[scores["subject"] == "s03"])
    row = table.loc[("loso", "lda", "trial", "macro_f1")]
    assert row["n_subjects"] == 1
    assert np.isnan(row[["sd", "low", "high", "pooled"]].astype(float)).all()
    assert row["note"].startswith("one person has no spread")
    row = table.loc[("loso", "svm", "trial", "auroc")]
    assert row["n_subjects"] == 0
    assert np.isnan(row["mean"])
    assert row["note"] == "no person has a score. Undefined for 1 of 1 people (s03)."


def test_every_metric_has_its_scale():
    assert set(BOUNDS) == {*CLASSIFICATION, "auroc", *REGRESSION, *ORDINAL}


def test_what_is_not_a_table_of_scores_is_refused(scores):
    with pytest.raises(DataError, match="lack the columns metric, value"):
        with_intervals(scores.drop(columns=["metric", "value"]))
    with pytest.raises(DataError, match="Subject s00 has two values of loso, svm, trial, macro_f1"):
        with_intervals(pd.concat([scores, scores[:1]]))
    with pytest.raises(
        DataError, match=r"hold nothing for protocol loso, level trial, metric ccc.*macro_f1, auroc"
    ):
        compare_in(scores, "loso", "trial", "ccc")
    with pytest.raises(DataError, match="two values of the same score"):
        compare_in(pd.concat([scores, scores[:1]]), "loso", "trial", "macro_f1")


def test_models_are_compared_with_each_other_and_with_baselines(scores):
    table: Any = compare_in(scores, "loso", "trial", "auroc")
    pairs = [*zip(table["family"], table["model_a"], table["model_b"], strict=True)]
    assert pairs == [
        ("models", "svm", "lda"), ("models", "svm", "knn"), ("models", "lda", "knn"),
        ("baselines", "svm", "majority"), ("baselines", "lda", "majority"), ("baselines", "knn", "majority"),
    ]  # fmt: skip
    assert table["n"].tolist() == [10, 10, 12, 10, 12, 12]
    assert table["left_out"][0] == ("s03", "s07")
    own = scores.query("protocol == 'loso' and level == 'trial' and metric == 'auroc' and subject != @POOLED")
    lda, knn = (own[own["model"] == model]["value"].to_numpy() for model in ("lda", "knn"))
    assert_allclose(table["p_sign_flip"][2], compare_paired(lda, knn).p_sign_flip, rtol=1e-12)
    for _, family in table.groupby("family"):  # Holm's smallest is three times the smallest of three.
        assert_allclose(family["p_holm"].min(), min(1, 3 * family["p_sign_flip"].min()), rtol=1e-12)


def test_a_run_without_baselines_or_with_one_model_has_an_empty_family(scores):
    assert compare_in(scores, "loso", "trial", "auroc", baselines=())["family"].unique().tolist() == [
        "models"
    ]
    alone = scores[scores["model"] == "lda"]
    assert compare_in(alone, "loso", "trial", "auroc").empty


def test_a_large_run_is_tabulated_at_once():
    index = pd.MultiIndex.from_product(
        [range(5), range(10), ["trial", "window"], [*range(32), POOLED], list(BOUNDS)[:10]], names=COLUMNS
    )
    frame = index.to_frame(index=False).astype({"protocol": str, "model": str, "subject": str})
    frame["value"] = np.random.default_rng(0).random(len(frame))
    times = []
    for _ in range(3):
        start = time.process_time()
        assert len(with_intervals(frame)) == 1000
        times.append(time.process_time() - start)
    assert min(times) < 0.5
