from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from support.people import feature_people, fold_of, loso_accuracy
from support.tables import VALENCE, feature_table

from physioaffect.errors import ProtocolError
from physioaffect.evaluation import CalibrationReferenced, evaluate, get_protocol, make_table, named_model
from physioaffect.evaluation.adaptation.imputed import Imputed, takes_missing
from physioaffect.evaluation.models import uses_of
from physioaffect.evaluation.running.fitting import fit

NAN = np.nan


class Keeper(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Keeps its windows."""

    layout: tuple[str, ...] | None = None

    def fit(self, X, y):
        self.X_, self.y_ = X, y
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        self.asked_ = X
        return np.full(len(X), self.classes_[0])


def test_by_hand():
    X = np.array([[1.0, 10.0], [3.0, 30.0], [9.0, 90.0], [5.0, 50.0], [6.0, 70.0]])
    y = np.array(["rest", "rest", "work", "rest", "work"])
    groups = np.array(["Ann", "Ann", "Ann", "Bob", "Bob"])
    rest = np.array([[100.0, 7.0], [102.0, 9.0]]), np.array(["rest", "rest"]), np.array(["Eve", "Eve"])
    model = CalibrationReferenced(Keeper()).fit(X, y, groups=groups, calibration=rest)
    assert {str(name): level.tolist() for name, level in model.levels_.items()} == {
        "Ann": [2, 20],  # At rest; her work is not in it.
        "Bob": [5, 50],
        "Eve": [101, 8],
    }
    assert model.model_.X_.tolist() == [
        [1, 10, -1, -10],
        [3, 30, 1, 10],
        [9, 90, 7, 70],
        [5, 50, 0, 0],
        [6, 70, 1, 20],
        [100, 7, -1, -1],  # Calibration is learnt from like the others.
        [102, 9, 1, 1],
    ]
    model.predict(np.array([[111.0, 8.0]]), groups=np.array(["Eve"]))
    assert model.model_.asked_.tolist() == [[111, 8, 10, 0]]


def test_of_several_labels_it_is_the_mean_of_their_means_whatever_their_shares():
    X = np.array([[0.0], [0.0], [0.0], [8.0], [10.0], [20.0], [20.0]])
    y = np.array([0, 0, 0, 1, 0, 1, 2])
    groups = np.array(["Ann"] * 4 + ["Bob"] * 3)
    calibration = np.array([[1.0], [5.0], [5.0]]), np.array([0, 1, 1]), np.array(["Eve"] * 3)
    model = CalibrationReferenced(Keeper()).fit(X, y, groups=groups, calibration=calibration)
    # The label 2 is none of the calibration's.
    assert {str(name): level.item() for name, level in model.levels_.items()} == {
        "Ann": 4,
        "Bob": 15,
        "Eve": 3,
    }


def test_others_are_referred_to_as_much_of_their_first_rest_as_calibrates():
    X = np.array([[1.0], [50.0], [3.0], [8.0], [40.0], [7.0]])
    y = np.array([0, 1, 0, 0, 0, 0])  # Ann rests, works, rests three times more; Bob rests once.
    groups = np.array(["Ann"] * 5 + ["Bob"])
    rest = np.array([[100.0], [102.0]]), np.array([0, 0]), np.array(["Eve", "Eve"])
    model = CalibrationReferenced(Keeper()).fit(X, y, groups=groups, calibration=rest)
    assert {str(name): level.item() for name, level in model.levels_.items()} == {
        "Ann": 2,
        "Bob": 7,
        "Eve": 101,
    }


def test_a_rest_that_drifts_means_the_same_in_training_as_in_the_test():
    # Everybody's level rises over the session by more than work changes it; the order of tasks differs.
    rng = np.random.default_rng(0)
    people, time = np.repeat([f"S{k}" for k in range(8)], 40), np.tile(np.arange(40.0), 8)
    y = np.where(time < 8, 0, rng.permutation(320) % 2)
    X = (rng.normal(size=8)[np.arange(320) // 40] * 20 + 0.5 * time + 6.0 * y)[:, np.newaxis]
    fold = fold_of("S7", people, n_calibration=8)
    fitted = fit(CalibrationReferenced(Keeper()), X, y, people, fold)
    fitted.predict(X[fold.test_idx], groups=people[fold.test_idx])
    ours = fitted.model_.asked_[:, 1]
    own = time[fold.test_idx]
    assert_allclose(ours, 0.5 * (own - 3.5) + 6.0 * y[fold.test_idx], atol=1e-9)
    seen = people != "S7"
    assert_allclose(fitted.model_.X_[: seen.sum(), 1], 0.5 * (time[seen] - 3.5) + 6.0 * y[seen], atol=1e-9)


def test_who_lacks_a_feature_at_rest_borrows_the_mean_of_those_who_have_it():
    X = np.array([[1.0, NAN, 5.0], [NAN, NAN, 6.0], [3.0, NAN, NAN], [2.0, 5.0, 1.0], [7.0, 6.0, 2.0]])
    y = np.array([0, 0, 0, 1, 1])
    groups = np.array(["Ann", "Ann", "Bob", "Bob", "Cat"])  # Bob lacks the third, Cat never rested.
    rest = np.array([[5.0, NAN, NAN]]), np.array([0]), np.array(["Eve"])
    model = CalibrationReferenced(Keeper()).fit(X, y, groups=groups, calibration=rest)
    # Nobody has the second at rest: it is its own distance.
    assert model.levels_["Ann"].tolist() == [1, 0, 5]
    assert model.levels_["Bob"].tolist() == [3, 0, 5]
    assert model.levels_["Cat"].tolist() == [3, 0, 5]
    assert model.levels_["Eve"].tolist() == [5, 0, 5]
    # A feature is missing where it was missing, and nowhere else.
    assert_array_equal(np.isnan(model.model_.X_[:5, 3:]), np.isnan(X))


numbers = st.floats(-1e3, 1e3).map(lambda value: round(value, 3))


@settings(max_examples=30)
@given(offset=st.tuples(numbers, numbers), who=st.sampled_from(["S0", "S2", "S5"]))
def test_an_offset_of_one_person_changes_no_distance(offset, who):
    people = feature_people(effect=1.0, offset=5.0, n_people=6, n_windows=12)
    fold = fold_of("S5", people.groups, n_calibration=4)
    moved = people.X + np.outer(people.groups == who, offset)
    distances = []
    for X in (people.X, moved):
        fitted = fit(CalibrationReferenced(Keeper()), X, people.y, people.groups, fold)
        fitted.predict(X[fold.test_idx], groups=people.groups[fold.test_idx])
        distances.append(np.concatenate([fitted.model_.X_, fitted.model_.asked_])[:, 2:])
    assert_allclose(distances[0], distances[1], atol=1e-9)


@pytest.mark.parametrize(("effect", "low", "high"), [(2.0, 0.75, 1.0), (0.0, 0.42, 0.58)])
def test_a_few_windows_make_up_for_offsets_and_find_no_more(effect, low, high):
    people = feature_people(effect=effect, offset=10.0)
    # At most 480 windows at chance: within 0.08 of a half in 99.9 % of worlds.
    model = LogisticRegression(C=100, max_iter=5000)
    assert low < loso_accuracy(CalibrationReferenced(model), people, n_calibration=12) < high
    assert loso_accuracy(model, people, n_calibration=12) < 0.7


def test_labels_and_features_of_tested_windows_are_never_used():
    people = feature_people(effect=1.0, offset=5.0)
    fold = fold_of("S2", people.groups, n_calibration=10)
    asked = people.X[fold.test_idx], people.groups[fold.test_idx]
    predicted = []
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        X, y = people.X.copy(), people.y.copy()
        X[fold.test_idx] = 99 * rng.normal(size=(len(fold.test_idx), 2))
        y[fold.test_idx] = rng.integers(0, 2, len(fold.test_idx))
        model = fit(CalibrationReferenced(LogisticRegression()), X, y, people.groups, fold)
        predicted.append(model.predict_proba(asked[0], groups=asked[1]))
    assert_array_equal(predicted[0], predicted[1])


def test_each_fold_has_references_of_its_own_from_what_it_may_see():
    coords = make_table(feature_table(n_subjects=4, n_trials=8, n_windows=5), VALENCE)[0].coords
    coords["condition"] = np.where(coords["order"] % 2 == 0, "rest", "task")
    y, people = coords["condition"].to_numpy(), coords["subject"].to_numpy()
    X = np.random.default_rng(0).normal(size=(len(coords), 3))
    for fold in get_protocol("calibrated_same_rest_4s").split(coords, np.random.default_rng(0)):
        levels = fit(CalibrationReferenced(Keeper()), X, y, people, fold).levels_
        assert set(levels) == set(people)
        for person, level in levels.items():
            is_own = (people == person) & (y == "rest")
            first = np.flatnonzero(is_own)[: len(fold.calibration_idx)]
            rows = fold.calibration_idx if person == fold.name else first
            assert_allclose(level, X[rows].mean(axis=0))


def test_by_name_around_what_fills_and_what_searches():
    assert uses_of(named_model("referenced+random_forest", VALENCE)) == {"groups", "calibration"}
    model = named_model("referenced+imputed+tuned+lda", VALENCE)
    assert uses_of(model) == {"groups", "calibration", "units"}
    assert takes_missing(model)
    assert takes_missing(CalibrationReferenced(RandomForestClassifier()))
    assert not takes_missing(CalibrationReferenced(LogisticRegression()))
    people = feature_people(effect=2.0, offset=5.0)
    X = people.X.copy()
    X[::7, 1] = NAN
    fold = fold_of("S2", people.groups, n_calibration=10)
    for around in (
        CalibrationReferenced(Imputed(LogisticRegression())),
        Imputed(CalibrationReferenced(LogisticRegression())),
    ):
        fitted = fit(around, X, people.y, people.groups, fold)
        assert np.isfinite(fitted.predict_proba(X[fold.test_idx], groups=people.groups[fold.test_idx])).all()


def test_it_runs_under_protocols_that_grant_calibration_and_no_other(tmp_path):
    table = feature_table(n_subjects=6, n_trials=12, effect=2.0)
    number = np.unique(table["subject"], return_inverse=True)[1]
    table["de"] = table["de"] + xr.DataArray(20.0 * number * (-1) ** number, dims="window")
    options: dict[str, Any] = {"task": VALENCE, "models": ["referenced+logistic"]}
    result = evaluate(table, protocols=["calibrated_trials_4"], out=tmp_path / "a", **options)
    cell = "calibrated_trials_4", "referenced+logistic", "trial", "balanced_accuracy"
    assert result.cells()[cell].mean > 0.7
    with pytest.raises(ProtocolError, match=r"uses calibration .* loso does not grant"):
        evaluate(table, protocols=["loso"], out=tmp_path / "b", **options)


def test_what_it_cannot_do_is_refused():
    people = feature_people(effect=1.0, n_people=2)
    calibration = people.X[:3], people.y[:3], people.groups[:3]
    with pytest.raises(ProtocolError, match=r"needs labelled windows of the new person, got none"):
        CalibrationReferenced(Keeper()).fit(people.X, people.y, groups=people.groups)
    with pytest.raises(ProtocolError, match=r"the labels are numbers\. Use CalibrationCentred"):
        CalibrationReferenced(Keeper()).fit(
            people.X, people.y + 0.5, groups=people.groups, calibration=calibration
        )

    class Maps(Keeper):
        layout = ("channel", "band")

    class Raw(Keeper):
        layout = ("channel", "time")

    with pytest.raises(ValueError, match=r"side by side, but Maps takes windows of channel x band\. Wrap"):
        CalibrationReferenced(Maps()).fit(people.X, people.y, groups=people.groups, calibration=calibration)
    with pytest.raises(ValueError, match="subtracts from features, but Raw takes raw windows"):
        CalibrationReferenced(Raw()).fit(people.X, people.y, groups=people.groups, calibration=calibration)
