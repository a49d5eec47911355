"""Measures as papers print them, and means over what the papers took them over."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import accuracy_score, f1_score

from physioaffect.evaluation.scoring.ordinal_metrics import seq2hr, top2_accuracy, tri_p
from physioaffect.reproduce.scores import HISTN_SCORES, PLAIN_SCORES, mean_of

CLASSES = np.array(["1", "2", "3", "4", "5"])


def drawn(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.choice(CLASSES[:4], size=n, p=[0.6, 0.2, 0.15, 0.05])
    scores = rng.dirichlet(np.ones(5), size=n) + 0.3 * (truth[:, None] == CLASSES)
    return truth, scores


def test_without_weights_they_are_the_known_measures():
    truth, scores = drawn()
    predicted = CLASSES[scores.argmax(axis=1)]
    expected = {
        "weighted_f1": f1_score(truth, predicted, average="weighted", zero_division=0),
        "top1": accuracy_score(truth, predicted),
        "top2": top2_accuracy(truth, scores, CLASSES),
        "tri_p": tri_p(truth, scores, CLASSES),
        "seq2hr": seq2hr(truth, scores, CLASSES),
    }
    assert {name: score(truth, scores, CLASSES) for name, score in HISTN_SCORES.items()} == pytest.approx(
        expected
    )
    assert PLAIN_SCORES["macro_f1"](truth, scores, CLASSES) == pytest.approx(
        f1_score(truth, predicted, average="macro", zero_division=0)
    )


@pytest.mark.parametrize("name", HISTN_SCORES)
def test_weights_are_what_a_test_expects_that_draws_each_class_equally_often(name):
    truth, scores = drawn()
    _, inverse, counts = np.unique(truth, return_inverse=True, return_counts=True)
    weighted = HISTN_SCORES[name](truth, scores, CLASSES, 1 / counts[inverse])
    rng = np.random.default_rng(1)
    rows = np.concatenate([rng.choice(np.flatnonzero(truth == c), size=20_000) for c in CLASSES[:4]])
    assert weighted == pytest.approx(HISTN_SCORES[name](truth[rows], scores[rows], CLASSES), abs=0.01)


def frame_of(right: dict[tuple[str, str], list[int]], model: str = "m") -> pd.DataFrame:
    """Windows of people and folds, right (1) or wrong (0)."""
    rows = [
        {"dataset": "d", "subject": who, "fold": fold, "model": model, "truth": "a", "p_a": r, "p_b": 1 - r}
        for (who, fold), own in right.items()
        for r in own
    ]
    return pd.DataFrame(rows)


def test_means_are_over_folds_over_people_and_over_people_of_their_folds():
    frame = frame_of({("1", "x"): [1, 1, 1, 1], ("1", "y"): [0, 0], ("2", "x"): [1, 0], ("2", "y"): [0, 0]})
    accuracy = PLAIN_SCORES["accuracy"]
    folds = mean_of(frame, accuracy, over="folds")
    assert_allclose(folds, (100 * (5 / 6 + 0) / 2, 100 * (5 / 6) / np.sqrt(2), 2))
    people = mean_of(frame, accuracy, over="people")
    assert_allclose(people, (100 * (4 / 6 + 1 / 4) / 2, 100 * (4 / 6 - 1 / 4) / np.sqrt(2), 2))
    both = mean_of(frame, accuracy, over="people after folds")
    assert_allclose(both, (100 * (0.5 + 0.25) / 2, 100 * 0.25 / np.sqrt(2), 2))


def test_runs_are_averaged_before_people():
    frames = [
        frame_of({("1", "x"): [1, 1], ("2", "x"): [0, 0]}, "run 1"),
        frame_of({("1", "x"): [0, 0], ("2", "x"): [1, 0]}, "run 2"),
        frame_of({("1", "x"): [0, 0], ("2", "x"): [0, 0]}, "another"),
    ]
    found = mean_of(pd.concat(frames), PLAIN_SCORES["accuracy"], over="people", runs=("run 1", "run 2"))
    assert_allclose(found, (37.5, 25 / np.sqrt(2), 2))


def test_of_one_person_there_is_no_standard_deviation():
    found = mean_of(frame_of({("1", "x"): [1]}), PLAIN_SCORES["accuracy"], over="people")
    assert (found.mean, found.n) == (100, 1)
    assert np.isnan(found.sd)
