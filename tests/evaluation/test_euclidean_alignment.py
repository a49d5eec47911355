import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from support.people import fold_of, loso_accuracy, raw_people

from physioaffect.errors import DataError
from physioaffect.evaluation.adaptation.euclidean_alignment import EuclideanAligned
from physioaffect.evaluation.adaptation.transductive import PerSubjectScaled
from physioaffect.evaluation.running.fitting import fit
from physioaffect.recording import Signal
from physioaffect.windows import Intervals, Windows


class LogPower(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Logistic regression on the log power of each channel; keeps its windows."""

    layout = ("channel", "time")

    def fit(self, X, y):
        self.X_ = X
        self.model_ = LogisticRegression().fit(self.powers(X), y)
        self.classes_ = self.model_.classes_
        return self

    def powers(self, X):
        return np.log((np.asarray(X, dtype=float) ** 2).mean(axis=2))

    def predict(self, X):
        self.asked_ = X
        return self.model_.predict(self.powers(X))


class Covariances(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Keeps its windows."""

    layout = ("pair",)
    takes_covariances = True

    def fit(self, X, y):
        self.X_ = X
        self.classes_ = np.unique(y)
        return self


def mean_covariance(X: NDArray[np.floating]) -> NDArray[np.float64]:
    X = np.asarray(X, dtype=np.float64)
    found: NDArray[np.float64] = (X @ X.swapaxes(-1, -2)).mean(axis=0) / X.shape[-1]
    return found


def triangles(X: NDArray[np.floating]) -> NDArray[np.float64]:
    X = np.asarray(X, dtype=np.float64)
    found: NDArray[np.float64] = (X @ X.swapaxes(-1, -2) / X.shape[-1])[:, *np.triu_indices(X.shape[1])]
    return found


@pytest.mark.parametrize("is_lazy", [True, False])
def test_everybodys_mean_covariance_becomes_the_identity(is_lazy):
    people = raw_people(effect=0.5)
    if not is_lazy:
        people = people._replace(X=people.X[:].astype(float))
    fold = fold_of("S3", people.groups)
    model = fit(EuclideanAligned(LogPower()), *people, fold)
    rest = people.groups[fold.train_idx]
    aligned = model.model_.X_
    assert isinstance(aligned, Windows) == is_lazy  # Gathered by the model alone.
    for name in np.unique(rest):
        assert_allclose(mean_covariance(aligned[np.flatnonzero(rest == name)]), np.eye(3), atol=1e-4)
    tested = people.X.select(fold.test_idx) if is_lazy else people.X[fold.test_idx]
    model.predict(tested, groups=people.groups[fold.test_idx])
    assert_allclose(mean_covariance(model.model_.asked_[:]), np.eye(3), atol=1e-4)


def test_the_aligned_window_is_the_symmetric_root_times_the_window():
    people = raw_people(effect=0.0, n_people=2)
    model = EuclideanAligned(LogPower()).fit(people.X, people.y, groups=people.groups)
    for name in ("S0", "S1"):
        rows = np.flatnonzero(people.groups == name)
        root = model.learnt_[name].matrix
        assert_allclose(root, root.T, rtol=1e-9)
        assert_allclose(root @ root @ mean_covariance(people.X[rows]), np.eye(3), atol=1e-9)
        assert_allclose(model.model_.X_[rows], root @ people.X[rows].astype(float), rtol=1e-3, atol=1e-3)


def test_covariances_are_aligned_to_those_of_the_aligned_windows():
    people = raw_people(effect=0.5)
    of_raw = EuclideanAligned(LogPower()).fit(people.X, people.y, groups=people.groups).model_
    of_covariances = EuclideanAligned(Covariances()).fit(
        triangles(people.X[:]), people.y, groups=people.groups
    )
    assert_allclose(of_covariances.model_.X_, triangles(of_raw.X_[:]), atol=1e-4)


def test_loudness_does_not_matter_and_rotation_stays():
    people = raw_people(effect=0.5, n_people=2)
    X, is_first = people.X[:].astype(float), people.groups == "S0"
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    changed = np.where(is_first[:, np.newaxis, np.newaxis], 1000 * X, rotation @ X)
    before, after = (
        EuclideanAligned(LogPower()).fit(one, people.y, groups=people.groups).model_.X_
        for one in (X, changed)
    )
    assert_allclose(after[is_first], before[is_first], rtol=1e-9)
    assert_allclose(after[~is_first], rotation @ before[~is_first], rtol=1e-9, atol=1e-12)


def test_an_average_reference_leaves_one_direction_empty():
    people = raw_people(effect=0.5, n_people=2)
    # As a reader stores it: subtracted, then rounded to single precision.
    X = people.X[:] - people.X[:].mean(axis=1, keepdims=True)
    model = EuclideanAligned(LogPower()).fit(X, people.y, groups=people.groups).model_
    for name in ("S0", "S1"):
        found = mean_covariance(model.X_[people.groups == name])
        assert_allclose(found, np.eye(3) - 1 / 3, atol=1e-4)


def test_it_finds_across_people_what_their_mixing_hides():
    planted = raw_people(effect=0.3)
    found = loso_accuracy(EuclideanAligned(LogPower()), planted)
    assert found > 0.95
    assert loso_accuracy(PerSubjectScaled(LogPower()), planted) < found - 0.05
    assert loso_accuracy(LogPower(), planted) < 0.6


def test_nothing_is_found_where_there_is_nothing():
    # 768 windows at chance: within 0.06 of a half in 99.9 % of worlds.
    assert abs(loso_accuracy(EuclideanAligned(LogPower()), raw_people(effect=0.0, n_people=32)) - 0.5) < 0.06


def test_features_are_refused():
    with pytest.raises(ValueError, match=r"mixes channels, but LogisticRegression takes features.*use CORAL"):
        EuclideanAligned(LogisticRegression()).fit(np.zeros((4, 2)), np.arange(4) % 2, groups=np.zeros(4))


def test_silence_is_refused():
    silence = Signal(data=np.zeros((2, 64)), sfreq=64.0, ch_names=("A", "B"), kind="eeg", unit="V")
    windows = Windows([silence], [Intervals(np.array([0.0, 0.5]), 0.5)])
    with pytest.raises(DataError, match=r"All windows of a person are zero.*Leave them out"):
        EuclideanAligned(LogPower()).fit(windows, np.array([0, 1]), groups=np.array(["S", "S"]))
