from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression, Ridge
from support.people import feature_people, fold_of, loso_accuracy
from support.tables import VALENCE, feature_table

from physioaffect.errors import ProtocolError
from physioaffect.evaluation import evaluate
from physioaffect.evaluation.adaptation.calibration_centred import CalibrationCentred
from physioaffect.evaluation.running.fitting import fit


class Keeper(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Keeps its windows."""

    layout: tuple[str, ...] | None = None

    def fit(self, X, y):
        self.X_ = X
        self.classes_ = np.unique(y)
        return self


def exact_people():
    """Level of the person plus effect of the class, without noise; Cat is only ever of class 0."""
    levels = {"Ann": [10.0, -3.0], "Bob": [-20.0, 4.0], "Cat": [7.0, 7.0], "Eve": [100.0, 50.0]}
    effects = np.array([[0.0, 0.0], [2.0, -1.0], [5.0, 3.0]])
    labels = {"Ann": [0, 1, 2, 2], "Bob": [1, 1, 0], "Cat": [0, 0], "Eve": [2, 0, 1]}
    groups = np.concatenate([[name] * len(own) for name, own in labels.items()])
    y = np.concatenate([*labels.values()])
    return np.array([levels[name] for name in groups]) + effects[y], y, groups, effects


@pytest.mark.parametrize("chosen", [0, 1, 2])
def test_levels_are_exact_where_nothing_is_noisy_whatever_class_calibrates(chosen):
    X, y, groups, effects = exact_people()
    is_new = groups == "Eve"
    calibration = tuple(column[is_new][[chosen]] for column in (X, y, groups))
    model = CalibrationCentred(Keeper()).fit(
        X[~is_new], y[~is_new], groups=groups[~is_new], calibration=calibration
    )
    assert_allclose(model.effects_ - model.effects_[0], effects, atol=1e-9)
    # Everybody's windows are those effects, up to what all share.
    centred = model._change(model_part(X, groups), "test")
    assert_allclose(centred, effects[y] + (model.effects_ - effects)[0], atol=1e-9)


def model_part(X, groups):
    from physioaffect.evaluation.adaptation.wrapping import Part

    return Part(X, None, groups)


def test_effects_equal_a_regression_on_indicators_of_people_and_classes():
    people = feature_people(effect=1.0, offset=5.0, n_people=5, n_windows=12)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, len(people.y))
    model = CalibrationCentred(Keeper()).fit(
        people.X, y, groups=people.groups, calibration=(people.X[:1], y[:1], people.groups[:1])
    )
    names = np.unique(people.groups)
    design = np.hstack([np.equal.outer(people.groups, names), np.equal.outer(y, [1, 2])]).astype(float)
    by_hand = np.linalg.lstsq(design, people.X)[0][5:]
    assert_allclose(model.effects_[1:] - model.effects_[0], by_hand, atol=1e-9)


def test_numbers_as_labels_have_a_slope():
    rng = np.random.default_rng(0)
    y = rng.uniform(1, 9, 40)
    groups = np.repeat(["Ann", "Bob", "Cat", "Eve"], 10)
    X = np.repeat(rng.normal(scale=20, size=(4, 3)), 10, axis=0) + np.outer(y, [1.0, -2.0, 0.0])
    new = groups == "Eve"
    first = np.flatnonzero(new)[:2]
    model = CalibrationCentred(Ridge(alpha=1e-9)).fit(
        X[~new], y[~new], groups=groups[~new], calibration=(X[first], y[first], groups[first])
    )
    assert_allclose(model.effects_, [[1, -2, 0]], atol=1e-9)
    assert_allclose(model.predict(X[new], groups=groups[new]), y[new], atol=1e-6)


@pytest.mark.parametrize(("effect", "low", "high"), [(2.0, 0.78, 1.0), (0.0, 0.42, 0.58)])
@pytest.mark.parametrize("rows", ["both", "one"])
def test_a_few_windows_make_up_for_offsets_and_find_no_more(effect, low, high, rows):
    people = feature_people(effect=effect, offset=10.0)
    if rows == "one":  # Each person begins with twelve windows of class 0, as at rest.
        order = np.concatenate(
            [np.lexsort((np.arange(60), np.minimum(np.cumsum(1 - own), 13) + 99 * own)) + 60 * n
             for n, own in enumerate(people.y.reshape(8, 60))]
        )  # fmt: skip
        people = people._replace(X=people.X[order], y=people.y[order])
        assert set(people.y.reshape(8, 60)[:, :12].ravel()) == {0}
    # At most 480 windows at chance: within 0.08 of a half in 99.9 % of worlds.
    found = loso_accuracy(CalibrationCentred(LogisticRegression()), people, n_calibration=12)
    assert low < found < high
    assert loso_accuracy(LogisticRegression(), people, n_calibration=12) < 0.7


def test_labels_of_tested_windows_are_never_used():
    people = feature_people(effect=1.0, offset=5.0)
    fold = fold_of("S2", people.groups, n_calibration=10)
    predicted = []
    for seed in (0, 1):
        y = people.y.copy()
        y[fold.test_idx] = np.random.default_rng(seed).integers(0, 2, len(fold.test_idx))
        model = fit(CalibrationCentred(LogisticRegression()), people.X, y, people.groups, fold)
        predicted.append(model.predict_proba(people.X[fold.test_idx], groups=people.groups[fold.test_idx]))
    assert_array_equal(predicted[0], predicted[1])


def test_it_runs_under_protocols_that_grant_calibration_and_no_other(tmp_path):
    table = feature_table(n_subjects=6, n_trials=12, effect=2.0)
    number = np.unique(table["subject"], return_inverse=True)[1]
    table["de"] = table["de"] + xr.DataArray(20.0 * number * (-1) ** number, dims="window")
    options: dict[str, Any] = {
        "task": VALENCE,
        "models": {"centred": CalibrationCentred(LogisticRegression())},
    }
    result = evaluate(table, protocols=["calibrated_trials_4"], out=tmp_path / "a", **options)
    assert result.cells()["calibrated_trials_4", "centred", "trial", "balanced_accuracy"].mean > 0.7
    with pytest.raises(ProtocolError, match=r"centred uses calibration .* loso does not grant"):
        evaluate(table, protocols=["loso"], out=tmp_path / "b", **options)


def test_what_it_cannot_do_is_refused():
    people = feature_people(effect=1.0, n_people=2)
    with pytest.raises(
        ProtocolError, match=r"needs labelled windows of the new person, got none.*calibration="
    ):
        CalibrationCentred(Keeper()).fit(people.X, people.y, groups=people.groups)
    with pytest.raises(ProtocolError, match=r"person of each labelled window: pass \(X, y, groups\)"):
        CalibrationCentred(Keeper()).fit(
            people.X,
            people.y,
            groups=people.groups,
            calibration=(people.X, people.y, None),  # type: ignore[arg-type]
        )

    class Raw(Keeper):
        layout = ("channel", "time")

    with pytest.raises(ValueError, match="subtracts from features, but Raw takes raw windows"):
        CalibrationCentred(Raw()).fit(people.X, people.y, groups=people.groups)
