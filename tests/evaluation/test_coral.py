import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.linalg import fractional_matrix_power
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from support.people import People, loso_accuracy

from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation.adaptation.coral import CORAL


class Keeper(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Keeps its windows."""

    layout: tuple[str, ...] | None = None

    def fit(self, X, y):
        self.X_ = X
        self.classes_ = np.unique(y)
        return self


class RawKeeper(Keeper):
    layout = ("channel", "time")


def domains(seed=0):
    rng = np.random.default_rng(seed)
    source, target = (
        rng.normal(size=(n, 4)) @ rng.normal(size=(4, 4)) + rng.normal(scale=5, size=4) for n in (200, 80)
    )
    return source, np.arange(200) % 2, target


def adapted(source, y, target, **settings):
    return CORAL(Keeper(), **settings).fit(source, y, target=(target, np.full(len(target), "T"))).model_.X_


def test_without_regularisation_mean_and_covariance_are_those_of_the_target():
    source, y, target = domains()
    found = adapted(source, y, target, regularisation=0)
    assert_allclose(found.mean(axis=0), target.mean(axis=0), rtol=1e-9)
    assert_allclose(np.cov(found.T), np.cov(target.T), rtol=1e-8)


def test_the_published_step_on_normalised_domains():
    # Algorithm 1: D_S (cov(D_S) + I)^-1/2 (cov(D_T) + I)^1/2, for domains of mean 0.
    source, y, target = domains()
    source = (source - source.mean(axis=0)) / source.std(axis=0)
    target = target - target.mean(axis=0)
    whitening = fractional_matrix_power(np.cov(source.T) + np.eye(4), -0.5)
    colouring = fractional_matrix_power(np.cov(target.T) + np.eye(4), 0.5)
    assert_allclose(adapted(source, y, target), source @ whitening @ colouring, atol=1e-9)


def test_the_more_regularised_the_less_is_changed_but_the_mean():
    source, y, target = domains()
    found = adapted(source, y, target, regularisation=1e9)
    assert_allclose(found, source - source.mean(axis=0) + target.mean(axis=0), atol=1e-5)


def test_a_target_of_the_same_law_changes_nothing():
    source, y, _ = domains()
    assert_allclose(adapted(source, y, source), source, atol=1e-9)


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), regularisation=st.sampled_from([0.0, 0.1, 1.0]))
def test_units_do_not_matter(seed, regularisation):
    source, y, target = domains(seed)
    units = 10.0 ** np.random.default_rng(seed).integers(-6, 7, 4)
    before = adapted(source, y, target, regularisation=regularisation)
    after = adapted(source * units, y, target * units, regularisation=regularisation)
    assert_allclose(after / units, before, rtol=1e-6, atol=1e-8)


def test_features_of_several_dimensions_are_taken_side_by_side():
    source, y, target = domains()
    cubes = (source.reshape(-1, 2, 2), y, target.reshape(-1, 2, 2))
    assert_allclose(adapted(*cubes).reshape(-1, 4), adapted(source, y, target), atol=1e-12)


def test_target_and_calibration_stay_as_they_are():
    source, y, target = domains()
    people = np.full(80, "T")
    model = CORAL(Keeper()).fit(
        source, y, target=(target[10:], people[10:]), calibration=(target[:10], y[:10], people[:10])
    )
    assert_allclose(model.model_.X_[200:], target[:10], rtol=0)


def rotated_people(effect):
    """Each person sees two features from another angle, 0 to 60 degrees; in class 1 the first is higher."""
    rng = np.random.default_rng(0)
    X, y, groups = [], [], []
    for person in range(8):
        # The second source is loud, so that the covariance tells the angle.
        own = rng.normal(size=(120, 2)) * [1.0, 6.0]
        labels = np.arange(120) % 2
        own[:, 0] += effect * labels
        angle = np.radians(60 * person / 7)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        X.append(own @ turn)
        y.append(labels)
        groups.append(np.full(120, f"S{person}"))
    return People(np.concatenate(X), np.concatenate(y), np.concatenate(groups))


@pytest.mark.parametrize(("effect", "low", "high"), [(3.0, 0.85, 1.0), (0.0, 0.44, 0.56)])
def test_it_finds_across_people_what_their_covariance_hides_and_no_more(effect, low, high):
    people = rotated_people(effect)
    # 960 windows at chance: within 0.06 of a half in 99.9 % of worlds.
    found = loso_accuracy(CORAL(LogisticRegression(), regularisation=0.01), people)
    assert low < found < high
    if effect:
        assert found > loso_accuracy(LogisticRegression(), people) + 0.1


def test_what_it_cannot_do_is_refused():
    source, y, target = domains()
    with pytest.raises(ProtocolError, match=r"covariance of unlabelled windows, got 0 of them.*target="):
        CORAL(Keeper()).fit(source, y)
    with pytest.raises(ProtocolError, match="got 1 of them"):
        adapted(source, y, target[:1])
    with pytest.raises(ValueError, match="regularisation of at least 0, got -1"):
        adapted(source, y, target, regularisation=-1)
    with pytest.raises(ValueError, match=r"RawKeeper takes raw windows\. Use EuclideanAligned"):
        CORAL(RawKeeper()).fit(source, y, target=(target, y[:80]))
    doubled = np.concatenate([source, source], axis=1), y, np.concatenate([target, target], axis=1)
    with pytest.raises(DataError, match=r"singular in 4 of 8 directions.*regularisation above 0"):
        adapted(*doubled, regularisation=0)
    assert np.isfinite(adapted(*doubled)).all()
