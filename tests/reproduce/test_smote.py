"""SMOTE makes what it should of training windows, and knows no others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from physioaffect.errors import ProtocolError
from physioaffect.evaluation import Fold
from physioaffect.graphs import MLPClassifier
from physioaffect.reproduce.smote import Smote, smote


@settings(max_examples=30)
@given(st.integers(2, 20), st.integers(2, 40), st.integers(0, 100))
def test_classes_become_even_and_new_windows_lie_between_two_of_their_class(n_few, n_many, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_few + n_many, 3))
    y = np.repeat(["few", "many"], [n_few, n_many])
    made, labels = smote(X, y, rng=rng)
    counts = {name: int((np.concatenate([y, labels]) == name).sum()) for name in ("few", "many")}
    assert counts["few"] == counts["many"] == max(n_few, n_many)
    for window, label in zip(made, labels, strict=True):
        own = X[y == label]
        # On a line between two: |a - x| + |x - b| = |a - b|.
        apart = np.linalg.norm(own - window, axis=1)
        detour = apart[:, None] + apart - np.linalg.norm(own[:, None] - own, axis=2)
        np.fill_diagonal(detour, np.inf)
        assert detour.min() < 1e-9


def test_only_the_nearest_neighbours_are_drawn():
    # Two heaps of three, far apart; with two neighbours each stays in its heap.
    few = np.concatenate([np.zeros((3, 2)), np.full((3, 2), 100.0)]) + np.arange(3).repeat(2).reshape(6, 1)
    X = np.concatenate([few, np.full((200, 2), -50.0)])
    y = np.repeat([1, 0], [6, 200])
    made, labels = smote(X, y, rng=np.random.default_rng(0), n_neighbors=2)
    assert (labels == 1).all()
    assert len(made) == 194
    assert not ((made > 10) & (made < 90)).any()


def test_a_class_of_one_window_is_refused():
    with pytest.raises(ProtocolError, match="two windows of each class in training, class 1 has one"):
        smote(np.zeros((4, 1)), np.array([0, 0, 0, 1]), rng=np.random.default_rng(0))


def fitted(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    folds = [
        Fold(name="a", train_idx=np.arange(0, 40), test_idx=np.arange(40, 60)),
        Fold(name="b", train_idx=np.arange(20, 60), test_idx=np.arange(0, 20)),
    ]
    small = MLPClassifier(hidden=(4,), epochs=2, batch_size=8, random_state=0, device="cpu")
    models = Smote(small).fit_folds(X, y, folds, seeds=[1, 2])
    return np.asarray(models[0].predict_proba(X[40:]))


def test_test_windows_and_their_labels_never_reach_training():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3, 2)).astype(np.float32), (rng.random(60) < 0.25).astype(int)
    before = fitted(X, y)
    changed = y.copy()
    changed[40:] = 1 - changed[40:]
    assert_array_equal(fitted(X, changed), before)


def test_as_an_estimator_it_fits_and_predicts():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3, 2)), np.repeat([0, 1], [45, 15])
    X[y == 1] += 3
    model = Smote(MLPClassifier(epochs=20, batch_size=8, random_state=0, device="cpu")).fit(X, y)
    assert model.predict_proba(X).shape == (60, 2)
    assert (model.predict(X) == y).mean() > 0.9
    assert model.layout == ("channel", "band")
