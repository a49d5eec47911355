import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from support.tables import feature_table

from physioaffect.data_set import Task
from physioaffect.evaluation import evaluate
from physioaffect.evaluation.scoring.ordinal_metrics import (
    ORDINAL,
    adjacent_top1,
    adjacent_top2,
    seq2hr,
    top2_accuracy,
    tri_p,
)

CLASSES = np.array([1, 2, 3, 4, 5])
# By hand; best and second, whether they are neighbours, how far the best is off:
#   truth 1: 1, 2  neighbours     0
#   truth 2: 1, 2  neighbours     1
#   truth 3: 3, 5  apart          0
#   truth 5: 2, 3  neighbours     3
#   truth 4: 1, 4  apart          3
#   truth 3: 4, 5  neighbours     1
TRUTH = np.array([1, 2, 3, 5, 4, 3])
SCORES = np.array(
    [
        [0.6, 0.3, 0.1, 0.0, 0.0],
        [0.5, 0.4, 0.1, 0.0, 0.0],
        [0.1, 0.0, 0.6, 0.0, 0.3],
        [0.0, 0.5, 0.3, 0.1, 0.1],
        [0.5, 0.0, 0.1, 0.4, 0.0],
        [0.0, 0.0, 0.1, 0.6, 0.3],
    ]
)


def test_a_table_counted_by_hand():
    assert tri_p(TRUTH, SCORES, CLASSES) == 4 / 6
    assert seq2hr(TRUTH, SCORES, CLASSES) == 2 / 6
    assert adjacent_top1(TRUTH, SCORES, CLASSES) == 1 / 6
    assert adjacent_top2(TRUTH, SCORES, CLASSES) == 4 / 6
    assert top2_accuracy(TRUTH, SCORES, CLASSES) == 4 / 6


def test_top2_forgets_classes_that_do_not_occur_and_seq2hr_does_not():
    truth = np.array([1, 3, 4])
    scores = np.array([[0.1, 0.5, 0.4, 0.0, 0.0], [0.0, 0.5, 0.4, 0.1, 0.0], [0.3, 0.5, 0.2, 0.0, 0.0]])
    # Without classes 2 and 5 the best two are 3, 1 and 3, 4 and 1, 3; with all, 2, 3 and 2, 3 and 2, 1.
    assert top2_accuracy(truth, scores, CLASSES) == 2 / 3
    assert seq2hr(truth, scores, CLASSES) == 1 / 3


def test_neighbours_of_a_class_that_never_occurs_are_two_apart():
    truth, classes = np.array(["low", "high"]), np.array(["low", "middle", "high"])
    scores = np.array([[0.1, 0.0, 0.9], [0.9, 0.0, 0.1]])
    assert tri_p(truth, scores, classes) == 0
    assert seq2hr(truth, scores, classes) == 0


def test_of_equal_scores_the_lower_class_comes_first():
    even = np.full((5, 5), 0.2)
    assert tri_p(CLASSES, even, CLASSES) == 2 / 5
    assert seq2hr(CLASSES, even, CLASSES) == 2 / 5


def random_case(seed, n_classes):
    rng = np.random.default_rng(seed)
    return rng.integers(0, n_classes, 40), rng.normal(size=(40, n_classes)), np.arange(n_classes)


@given(st.integers(0, 999), st.integers(3, 7))
def test_stricter_measures_are_smaller(seed, n_classes):
    truth, scores, classes = random_case(seed, n_classes)
    top1 = adjacent_top1(truth, scores, classes)
    assert top1 <= seq2hr(truth, scores, classes) <= adjacent_top2(truth, scores, classes)
    assert top1 <= np.mean(scores.argmax(axis=1) == truth) <= tri_p(truth, scores, classes)
    # A hit by one of two neighbours is at most one class off.
    assert seq2hr(truth, scores, classes) <= tri_p(truth, scores, classes)


@given(st.integers(0, 999), st.integers(3, 7))
def test_turning_the_order_round_changes_nothing(seed, n_classes):
    truth, scores, classes = random_case(seed, n_classes)
    for measure in ORDINAL.values():
        turned = measure(n_classes - 1 - truth, scores[:, ::-1], classes)
        assert_allclose(turned, measure(truth, scores, classes), equal_nan=True)


def test_two_classes_are_always_neighbours_and_always_the_best_two():
    truth, classes = np.array([0, 1, 1]), np.array([0, 1])
    scores = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]])
    for name in ("seq2hr", "adjacent_top1", "adjacent_top2", "top2_accuracy"):
        assert np.isnan(ORDINAL[name](truth, scores, classes))
    assert tri_p(truth, scores, classes) == 1


def test_a_class_that_nobody_named_is_refused():
    with pytest.raises(ValueError, match=r"true class 9 is none of the classes 1, 2, 3, 4, 5"):
        tri_p(np.array([1, 9]), SCORES[:2], CLASSES)
    with pytest.raises(
        ValueError, match=r"2 predictions of 5 classes need scores of shape \(2, 5\), got \(6, 5\)"
    ):
        seq2hr(np.array([1, 2]), SCORES, CLASSES)


def test_an_evaluation_of_ordinal_classes_has_them_in_the_order_of_the_task(tmp_path):
    features = feature_table(n_subjects=4, n_trials=6, effect=2.0)
    # "mid" comes between "low" and "top" in the task, and not in the alphabet.
    names = {1.0: "top", 4.0: "low"}
    task = Task(
        name="level",
        description="Three levels.",
        kind="ordinal",
        classes=("top", "mid", "low"),
        target=lambda trial: "mid" if trial.trial == "0" else names[trial.ratings["valence"]],
        source="rating",
    )
    result = evaluate(features, models=["lda"], protocols=["loso"], task=task, out=tmp_path, permutations=0)
    own = result.predictions.query("model == 'lda' and subject == 'S1'")
    scores = own[["p_top", "p_mid", "p_low"]].to_numpy()
    rows = result.scores.query("model == 'lda' and subject == 'S1' and level == 'window'")
    found = dict(zip(rows["metric"], rows["value"], strict=True))
    for name, measure in ORDINAL.items():
        expected = measure(own["truth"].to_numpy(), scores, np.array(["top", "mid", "low"]))
        assert_allclose(found[name], expected)
    assert 0 < found["seq2hr"] < 1
