"""Scores from counts and ranks are those that scikit-learn computes one by one."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.metrics import confusion_matrix

from physioaffect.evaluation.scoring import POOLED, by_trial, score
from physioaffect.evaluation.scoring.confusion import FROM_CONFUSIONS, area_under_roc, confusions
from physioaffect.evaluation.scoring.metrics import CLASSIFICATION, REGRESSION, auroc
from physioaffect.evaluation.scoring.ordinal_metrics import ORDINAL


@st.composite
def classified(draw):
    """True and predicted classes, of which some may be missing on either side."""
    n_classes = draw(st.integers(2, 6))
    n = draw(st.integers(1, 60))
    labels = st.lists(st.integers(0, n_classes - 1), min_size=n, max_size=n)
    return n_classes, np.array(draw(labels)), np.array(draw(labels))


@given(classified())
def test_counts_give_the_scores_of_scikit_learn_to_the_last_bit(case):
    n_classes, truth, predicted = case
    names = np.array([f"class {number}" for number in range(n_classes)])
    counts = confusions(truth, predicted, n_classes)
    assert np.array_equal(counts, confusion_matrix(truth, predicted, labels=np.arange(n_classes)))
    for name, from_counts in FROM_CONFUSIONS.items():
        expected = CLASSIFICATION[name](names[truth], names[predicted])
        assert np.array_equal(from_counts(counts), expected, equal_nan=True), name


@given(classified(), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_ranks_give_the_area_under_the_curve(case, decimals, seed):
    n_classes, truth, _ = case
    # Rounded, so that many are equal.
    scores = np.round(np.random.default_rng(seed).random((len(truth), n_classes)), decimals)
    assert_allclose(
        area_under_roc(truth, scores), auroc(truth, scores, np.arange(n_classes)), rtol=0, atol=1e-14
    )


def test_counts_may_be_large():
    """Their squares exceed 64 bits; no score depends on how often everything is repeated."""
    counts = np.array([[3, 1], [2, 4]])
    for name, from_counts in FROM_CONFUSIONS.items():
        assert from_counts(counts * 10**12) == pytest.approx(from_counts(counts), rel=1e-12), name


def predictions_of(rng: np.random.Generator, classes: list[str], *, is_number: bool = False) -> pd.DataFrame:
    """Two models, three people of two data sets, five trials of four windows."""
    index = pd.MultiIndex.from_product([["a", "b"], ["S1", "S2", "S3"], list("01234"), range(4)])
    frame = index.to_frame(index=False, name=["model", "subject", "trial", "window"])
    frame.insert(0, "protocol", "loso")
    frame["dataset"] = np.where(frame["subject"] == "S3", "other", "made")
    frame["session"], frame["stimulus"] = "1", frame["trial"]
    numbers = frame["trial"].astype(int)
    if is_number:
        return frame.assign(truth=numbers + 0.5, prediction=rng.normal(size=len(frame)))
    p = rng.dirichlet(np.ones(len(classes)), len(frame))
    frame["truth"] = np.array(classes)[numbers % len(classes)]
    frame["prediction"] = np.array(classes)[p.argmax(axis=1)]
    return frame.assign(**{f"p_{name}": p[:, column] for column, name in enumerate(classes)})


def values_of(scores: pd.DataFrame) -> dict[tuple[str, ...], float]:
    keys = zip(*(scores[name] for name in ("level", "model", "subject", "metric")), strict=True)
    return dict(zip(keys, scores["value"], strict=True))


@pytest.mark.parametrize("classes", [["low", "high"], ["3", "10", "2"], ["stress", "rest", "fun", "calm"]])
def test_every_score_of_a_run_is_that_of_its_rows(classes):
    predictions = predictions_of(np.random.default_rng(0), classes)
    scores = values_of(score(predictions, "ordinal"))
    assert len(scores) == 2 * 2 * (3 + 1) * (len(CLASSIFICATION) + 1 + len(ORDINAL))
    for level, frame in (("trial", by_trial(predictions, "ordinal")), ("window", predictions)):
        for (model, subject), rows in frame.groupby(["model", "subject"]):
            name = f"{'other' if subject == 'S3' else 'made'}/{subject}"
            truth, predicted = rows["truth"].to_numpy(), rows["prediction"].to_numpy()
            for metric in CLASSIFICATION:
                by_hand = CLASSIFICATION[metric](truth, predicted)
                assert np.array_equal(scores[level, str(model), name, metric], by_hand, equal_nan=True)
            p = rows[[f"p_{c}" for c in classes]].to_numpy()
            for metric, of_order in ORDINAL.items():
                by_hand = of_order(truth, p, np.array(classes))
                assert np.array_equal(scores[level, str(model), name, metric], by_hand, equal_nan=True)
            area = auroc(truth, p, np.array(classes))
            assert scores[level, str(model), name, "auroc"] == pytest.approx(area, abs=1e-14)
        pooled = frame.query("model == 'b'")
        by_hand = CLASSIFICATION["macro_f1"](pooled["truth"].to_numpy(), pooled["prediction"].to_numpy())
        assert scores[level, "b", POOLED, "macro_f1"] == by_hand


def test_numbers_are_scored_as_numbers():
    predictions = predictions_of(np.random.default_rng(0), [], is_number=True)
    scores = values_of(score(predictions, "regression"))
    own = by_trial(predictions, "regression").query("model == 'a' and subject == 'S2'")
    for name, metric in REGRESSION.items():
        by_hand = metric(own["truth"].to_numpy(), own["prediction"].to_numpy())
        assert scores["trial", "a", "made/S2", name] == by_hand
