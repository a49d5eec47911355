"""Scores of faces against scikit-learn, and against values by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from physioaffect.distill.scores import MEASURES, face_scores, labels_of, scores_of_confusions
from physioaffect.errors import DataError

CLASSES = tuple("abcdefgh")


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 8))
def test_equals_scikit_learn(seed: int, n: int, n_present: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.choice(rng.permutation(8)[:n_present], n)
    logits = rng.standard_normal((n, 8))
    found = face_scores(logits, labels, CLASSES)
    said, everything = logits.argmax(axis=1), range(8)
    assert found.accuracy == pytest.approx(accuracy_score(labels, said))
    assert found.macro_f1 == pytest.approx(
        f1_score(labels, said, labels=everything, average="macro", zero_division=0)
    )
    recalls = [np.mean(said[labels == one] == one) for one in np.unique(labels)]
    assert found.balanced_accuracy == pytest.approx(np.mean(recalls))
    present = np.unique(labels)
    masked = present[logits[:, present].argmax(axis=1)]
    assert found.present_accuracy == pytest.approx(accuracy_score(labels, masked))
    assert found.present_macro_f1 == pytest.approx(
        f1_score(labels, masked, labels=present, average="macro", zero_division=0)
    )
    if len(present) > 1:
        assert found.present_balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, masked))
    assert found.present == tuple(CLASSES[one] for one in present)


@given(st.integers(0, 2**32 - 1))
def test_masking_absent_classes_never_costs_accuracy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = face_scores(rng.standard_normal((30, 8)), rng.integers(0, 5, 30), CLASSES)
    assert found.present_accuracy >= found.accuracy
    assert found.present_macro_f1 >= found.macro_f1


def test_by_hand() -> None:
    # Three of class a, of which one is taken for b; one of b, right; c never occurs, but is said once for a.
    logits = [[3, 0, 0], [1, 2, 0], [1, 0, 2], [0, 1, 0]]
    found = face_scores(logits, [0, 0, 0, 1], ("a", "b", "c"))
    assert found.accuracy == 0.5
    assert found.balanced_accuracy == pytest.approx((1 / 3 + 1) / 2)
    # F1 of a 2 * 1 / (3 + 1), of b 2 * 1 / (1 + 2), of c 0.
    assert found.macro_f1 == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    # Without c the third is a: 2 * 2 / (3 + 2) and 2 / 3.
    assert found.present_accuracy == 0.75
    assert found.present_macro_f1 == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert found.present_balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)


def test_soft_labels_count_by_their_likeliest_class_and_ties_are_told() -> None:
    soft = np.array([[0.6, 0.4], [0.5, 0.5]])
    found = face_scores([[1, 0], [1, 0]], soft, ("a", "b"))
    assert (found.accuracy, found.n_tied, found.present) == (1.0, 1, ("a",))


def test_matrices_are_scored_all_at_once() -> None:
    rng = np.random.default_rng(0)
    matrices = rng.integers(0, 9, (2, 3, 4, 4)).astype(float)
    found = scores_of_confusions(matrices, present_only=True)
    for place in np.ndindex(2, 3):
        alone = scores_of_confusions(matrices[place], present_only=True)
        for name in MEASURES:
            assert found[name][place] == alone[name]


def test_what_cannot_be_scored_is_said() -> None:
    with pytest.raises(DataError, match="no image to score"):
        face_scores(np.zeros((0, 2)), np.zeros(0, int), ("a", "b"))
    with pytest.raises(DataError, match="Scores have 3 columns, expected 2: a, b"):
        face_scores(np.zeros((2, 3)), [0, 1], ("a", "b"))
    with pytest.raises(DataError, match="1 of 2 images have a score that is no number"):
        face_scores(np.array([[np.nan, 0], [0, 1]]), [0, 1], ("a", "b"))
    with pytest.raises(DataError, match="numbers of 2 classes, 0 to 1; got 0 to 2"):
        labels_of([0, 2], 2)
    with pytest.raises(DataError, match="probabilities that add up to 1"):
        labels_of([[0.5, 0.2]], 2)
    with pytest.raises(DataError, match=r"got float64 of shape \(2, 3\)"):
        labels_of(np.ones((2, 3)) / 3, 2)
    with pytest.raises(DataError, match="a row for each of 2 images"):
        face_scores(np.zeros((3, 2)), [0, 1], ("a", "b"))
