"""Protocols as scikit-learn's ``cv=``."""

import numpy as np
import pandas as pd
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import GridSearchCV, check_cv, cross_val_predict, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from support.feature_worlds import CLASSES, world_table

from physioaffect.errors import ProtocolError
from physioaffect.evaluation import PROTOCOLS, calibrated_trials, get_model, get_protocol, loso, transductive
from physioaffect.evaluation.running.fitting import fit, predict
from physioaffect.evaluation.running.planning import make_plans

NAMES = [
    "loso",
    "loso_3fold",
    "window_random",
    "within_subject_trial",
    "loso_stimulus_2fold",
    "calibrated_trials_2",
]


@pytest.fixture(scope="module")
def table():
    return world_table(0, n_subjects=6, n_trials=10, affect=4.0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [0, 7])
def test_folds_are_those_of_evaluate(name, seed, table):
    protocol = get_protocol(name)
    [plan], _ = make_plans(table, CLASSES, [protocol], seed, strict=False, is_validated=False)
    cv = protocol.as_cv(table.coords, seed=seed)
    divided = list(cv.split(table.flat()))
    assert len(divided) == len(plan.folds) == cv.get_n_splits()
    for (train, test), fold in zip(divided, plan.folds, strict=True):
        np.testing.assert_array_equal(train, fold.fitted_idx)
        np.testing.assert_array_equal(test, fold.test_idx)


def test_the_model_is_fitted_on_what_evaluate_fits_it_on(table):
    X, y = table.flat(), np.searchsorted(CLASSES.classes, table.target)
    [plan], _ = make_plans(table, CLASSES, [loso], 0, strict=False, is_validated=False)
    model = get_model("lda", CLASSES)
    ours = np.empty_like(y)
    for fold in plan.folds:
        shares = predict(fit(model, X, y, table.people, fold), X, table.people, fold, CLASSES)
        ours[fold.test_idx] = shares.argmax(axis=1)
    theirs = cross_val_predict(model, X, y, cv=loso.as_cv(table.coords))
    np.testing.assert_array_equal(theirs, ours)


def test_nobody_is_on_both_sides_and_an_effect_is_found(table):
    people = table.people
    cv = loso.as_cv(table.coords)
    for train, test in cv.split():
        assert not set(people[train]) & set(people[test])
    scores = cross_val_score(LinearDiscriminantAnalysis(), table.flat(), table.target, cv=cv, groups=people)
    assert len(scores) == 6
    assert scores.mean() > 0.7


def test_a_search_takes_it_and_scores_every_fold(table):
    search = GridSearchCV(
        KNeighborsClassifier(),
        {"n_neighbors": [1, 5]},
        cv=loso.as_cv(table.coords),
        scoring="balanced_accuracy",
    )
    search.fit(table.flat(), table.target)
    assert search.n_splits_ == 6
    for n_neighbors, mean in zip([1, 5], search.cv_results_["mean_test_score"], strict=True):
        own = cross_val_score(
            KNeighborsClassifier(n_neighbors),
            table.flat(),
            table.target,
            cv=loso.as_cv(table.coords),
            scoring="balanced_accuracy",
        )
        assert mean == pytest.approx(own.mean(), abs=1e-12)


def test_a_search_inside_a_fold_is_refused_because_its_windows_are_others(table):
    cv = loso.as_cv(table.coords)
    inner = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1]}, cv=cv)
    with pytest.raises(ProtocolError, match=r"X has 100 rows and the coordinates 120.*Tuned"):
        cross_val_score(inner, table.flat(), table.target, cv=cv, error_score="raise")


def test_scikit_learn_knows_it_as_a_validator(table):
    cv = loso.as_cv(table.coords)
    assert check_cv(cv) is cv


def test_calibration_windows_are_trained_on_and_not_tested(table):
    cv = calibrated_trials(2).as_cv(table.coords)
    for train, test in cv.split():
        assert not set(train) & set(test)
        person = set(table.people[test])
        known = table.coords.iloc[train]
        assert known.loc[known["subject"].isin(person), "trial"].nunique() == 2


def test_what_scikit_learn_cannot_pass_on_is_refused(table):
    with pytest.raises(ProtocolError, match="loso_transductive lets models see the test windows"):
        transductive(loso).as_cv(table.coords)


@pytest.mark.parametrize("column", ["subject", "trial", "target"])
def test_coordinates_that_lack_something_are_refused(column, table):
    with pytest.raises(ProtocolError, match=f"The coordinates lack {column}"):
        loso.as_cv(table.coords.drop(columns=column))


def test_every_protocol_that_grants_nothing_unlabelled_has_one(table):
    for protocol in PROTOCOLS.values():
        if "unlabelled" not in protocol.grants:
            assert isinstance(protocol.as_cv(table.coords).coords, pd.DataFrame)
