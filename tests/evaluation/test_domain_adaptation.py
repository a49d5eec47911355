"""The adapter to skada, with a stand-in and with skada itself where it is installed."""

from typing import Any

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from support.people import feature_people, fold_of
from support.tables import VALENCE, feature_table

from physioaffect.errors import ProtocolError
from physioaffect.evaluation import evaluate
from physioaffect.evaluation.adaptation.coral import CORAL
from physioaffect.evaluation.adaptation.domain_adaptation import Skada
from physioaffect.evaluation.running.fitting import fit


class Keeper(BaseEstimator):  # type: ignore[misc]
    """Is called as estimators of skada are, and keeps what it is given."""

    def fit(self, X: Any, y: Any, sample_domain: Any = None) -> "Keeper":
        assert sklearn.get_config()["enable_metadata_routing"]
        self.X_, self.y_, self.sample_domain_ = X, y, sample_domain
        return self

    def predict(self, X: Any, sample_domain: Any = None) -> np.ndarray:
        self.asked_ = sample_domain
        return np.arange(len(X)) % 2


def test_each_person_is_a_domain_and_the_target_has_no_label():
    people = feature_people(effect=1.0, n_people=3, n_windows=4)
    fold = fold_of("S1", people.groups)
    model = fit(Skada(Keeper()), *people, fold)
    kept = model.estimator_
    assert kept.sample_domain_.tolist() == [1] * 4 + [2] * 4 + [-3] * 4
    assert kept.y_.tolist() == [0, 1, 0, 1] * 2 + [-1] * 4
    assert_array_equal(kept.X_[8:], people.X[fold.test_idx])
    scores = model.predict_proba(people.X[fold.test_idx], groups=people.groups[fold.test_idx])
    assert_array_equal(scores, np.eye(2)[[0, 1, 0, 1]])
    assert kept.asked_.tolist() == [-3] * 4
    assert not sklearn.get_config()["enable_metadata_routing"]


def test_numbers_are_hidden_as_nan_and_features_lie_side_by_side():
    X, y, groups = np.zeros((6, 2, 3)), np.arange(6.0), np.repeat(["Ann", "Bob"], 3)
    kept = Skada(Keeper()).fit(X, y, groups=groups, target=(X[:2], groups[:2])).estimator_
    assert kept.X_.shape == (8, 6)
    assert_array_equal(kept.y_, [*range(6), np.nan, np.nan])


def test_without_a_target_it_is_refused():
    people = feature_people(effect=1.0, n_people=2)
    with pytest.raises(ProtocolError, match=r"unlabelled windows of the tested person, got none.*target="):
        Skada(Keeper()).fit(people.X, people.y, groups=people.groups)


@pytest.fixture(scope="module")
def skada() -> Any:
    with config_context():  # Importing it switches routing on for the whole process.
        return pytest.importorskip("skada")


def mapped(skada: Any, name: str, model: Any, **settings: Any) -> Any:
    with config_context(enable_metadata_routing=True):
        return Skada(getattr(skada, name)(model, **settings))


def test_their_coral_is_ours(skada):
    people = feature_people(effect=1.0, offset=3.0, gain=0.5, n_people=2)
    people = people._replace(X=people.X @ [[1.0, 0.5], [-0.3, 1.0]])
    fold = fold_of("S1", people.groups)
    people = people._replace(X=people.X / people.X[fold.train_idx].std(axis=0))
    # Without regularisation and in units of the source. They move both domains to 0 and we one to the other,
    # which for a model with an intercept is the same.
    logistic = LogisticRegression(tol=1e-10)
    theirs = fit(mapped(skada, "CORAL", logistic, reg=0.0), *people, fold)
    ours = fit(CORAL(logistic, regularisation=0.0), *people, fold)
    asked = people.X[fold.test_idx]
    assert_allclose(theirs.predict_proba(asked), ours.predict_proba(asked), atol=1e-7)


@pytest.mark.parametrize("name", ["LinearOTMapping", "SubspaceAlignment", "KMMReweight", "JDOTClassifier"])
def test_its_estimators_run_and_see_no_label_of_the_target(skada, name):
    people = feature_people(effect=2.0, offset=0.5, n_people=4, n_windows=30)
    fold = fold_of("S3", people.groups)
    predicted = []
    for seed in (0, 1):
        y = people.y.copy()
        y[fold.test_idx] = np.random.default_rng(seed).integers(0, 2, 30)
        with config_context(enable_metadata_routing=True):
            logistic = LogisticRegression()
            if "Reweight" in name:
                logistic.set_fit_request(sample_weight=True)
        model = fit(mapped(skada, name, logistic), people.X, y, people.groups, fold)
        predicted.append(model.predict_proba(people.X[fold.test_idx]))
        assert model.classes_.tolist() == [0, 1]
    assert_array_equal(predicted[0], predicted[1])
    assert (predicted[0].argmax(axis=1) == people.y[fold.test_idx]).mean() > 0.6
    assert not sklearn.get_config()["enable_metadata_routing"]


@pytest.mark.parametrize(("effect", "low", "high"), [(2.0, 0.78, 1.0), (0.0, 0.4, 0.6)])
def test_it_finds_what_another_offset_and_gain_hide_and_no_more(skada, effect, low, high):
    people = feature_people(effect=effect, n_people=3, n_windows=300)
    fold = fold_of("S0", people.groups)
    people.X[fold.test_idx] = 7 * people.X[fold.test_idx] + 50
    asked, truth = people.X[fold.test_idx], people.y[fold.test_idx]
    found = fit(mapped(skada, "LinearOTMapping", LogisticRegression()), *people, fold).predict(asked)
    # 300 windows at chance: within 0.1 of a half in 99.9 % of worlds.
    assert low < (found == truth).mean() < high
    assert (LogisticRegression().fit(people.X[300:], people.y[300:]).predict(asked) == truth).mean() < 0.6


def test_it_runs_where_unlabelled_windows_are_granted(skada, tmp_path):
    models = {"ot": mapped(skada, "LinearOTMapping", LogisticRegression())}
    options: dict[str, Any] = {"models": models, "task": VALENCE}
    result = evaluate(
        feature_table(effect=3.0), protocols=["loso_transductive"], out=tmp_path / "a", **options
    )
    assert result.cells()["loso_transductive", "ot", "trial", "balanced_accuracy"].mean > 0.8
    assert result.run["protocols"][0]["scaled_per_subject"] == []
    with pytest.raises(ProtocolError, match="ot uses unlabelled"):
        evaluate(feature_table(), protocols=["loso"], out=tmp_path / "b", **options)


def test_regression_works_too(skada):
    people = feature_people(effect=0.0, n_people=3)
    y = people.X @ [1.0, -2.0]
    fold = fold_of("S0", people.groups)
    model = fit(mapped(skada, "LinearOTMapping", Ridge()), people.X, y, people.groups, fold)
    assert np.corrcoef(model.predict(people.X[fold.test_idx]), y[fold.test_idx])[0, 1] > 0.9
