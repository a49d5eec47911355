import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from support.people import feature_people, loso_accuracy, raw_people

from physioaffect.evaluation.adaptation.transductive import PerSubjectScaled
from physioaffect.windows import Windows


class Keeper(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Keeps its windows."""

    def __init__(self, layout=("channel", "time"), takes_covariances=False):
        self.layout = layout
        self.takes_covariances = takes_covariances

    def fit(self, X, y):
        self.X_ = X
        self.classes_ = np.unique(y)
        return self


def test_raw_windows_are_standardised_by_channel_and_only_when_gathered():
    people = raw_people(effect=0.5, n_people=3)
    kept = PerSubjectScaled(Keeper()).fit(people.X, people.y, groups=people.groups).model_.X_
    assert isinstance(kept, Windows)
    for name in np.unique(people.groups):
        own = kept[np.flatnonzero(people.groups == name)]
        assert_allclose(own.mean(axis=(0, 2)), 0, atol=1e-5)
        assert_allclose(own.std(axis=(0, 2)), 1, rtol=1e-4)
    eager = PerSubjectScaled(Keeper()).fit(people.X[:], people.y, groups=people.groups).model_.X_
    assert_allclose(kept[:], eager, atol=1e-4)


def test_an_offset_a_thousand_times_the_signal_goes_and_a_constant_channel_stays():
    X = raw_people(effect=0.0, n_people=1).X[:].astype(float)
    X[:, 0] += 1000 * X[:, 0].std()
    X[:, 1] = 0.3
    kept = PerSubjectScaled(Keeper()).fit(X, np.arange(24) % 2, groups=np.full(24, "S")).model_.X_
    assert_allclose(kept[:, 0].std(), 1, rtol=1e-6)
    assert_allclose(kept[:, 1], 0, atol=1e-12)


def test_covariances_become_those_of_the_standardised_windows():
    people = raw_people(effect=0.5, n_people=3)
    X = people.X[:].astype(float)
    X -= X.mean(axis=2, keepdims=True)
    i, j = np.triu_indices(3)

    def covariances(windows):
        return (windows @ windows.swapaxes(1, 2) / 64)[:, i, j]

    raw = PerSubjectScaled(Keeper()).fit(X, people.y, groups=people.groups).model_.X_
    model = PerSubjectScaled(Keeper(("pair",), takes_covariances=True))
    assert model.takes_covariances
    kept = model.fit(covariances(X), people.y, groups=people.groups).model_.X_
    assert_allclose(kept, covariances(raw), rtol=1e-9)


@pytest.mark.parametrize(("effect", "low", "high"), [(2.0, 0.8, 1.0), (0.0, 0.42, 0.58)])
def test_it_finds_across_people_what_their_offsets_hide_and_no_more(effect, low, high):
    people = feature_people(effect=effect, offset=10.0, gain=1.0)
    # 480 windows at chance: within 0.08 of a half in 99.9 % of worlds.
    assert low < loso_accuracy(PerSubjectScaled(LogisticRegression()), people) < high
    assert loso_accuracy(LogisticRegression(), people) < 0.65
