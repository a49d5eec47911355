"""What all wrappers share: the model gets what it uses, changed; the target's labels are never seen."""

from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge

from physioaffect.errors import ProtocolError
from physioaffect.evaluation.adaptation.calibration_centred import CalibrationCentred
from physioaffect.evaluation.adaptation.calibration_referenced import CalibrationReferenced
from physioaffect.evaluation.adaptation.coral import CORAL
from physioaffect.evaluation.adaptation.euclidean_alignment import EuclideanAligned
from physioaffect.evaluation.adaptation.transductive import PerSubjectScaled
from physioaffect.evaluation.models import FitsFolds, uses_of
from physioaffect.evaluation.protocols.folds import Fold
from physioaffect.evaluation.running.fitting import fit, seeded
from physioaffect.recording import Signal
from physioaffect.windows import Intervals, Windows


class Keeper(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Keeps what it is given."""

    def __init__(self, uses: frozenset[str] = frozenset(), layout: tuple[str, ...] | None = None) -> None:
        self.uses = uses
        self.layout = layout

    def fit(self, X: Any, y: Any, **options: Any) -> "Keeper":
        self.X_, self.y_, self.options_ = X, y, options
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any, **options: Any) -> np.ndarray:
        self.asked_, self.asked_options_ = X, options
        return np.full(len(X), self.classes_[0])


EVERYTHING = frozenset({"groups", "validation", "calibration", "unlabelled"})


def features(n_windows: int, person: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_windows, 3, 2)) * rng.uniform(1, 5, (3, 2)) + rng.normal(scale=9, size=(3, 2))
    return X, np.arange(n_windows) % 2, np.full(n_windows, person)


def given() -> tuple[tuple[Any, ...], dict[str, Any]]:
    parts = [features(20, "Ann", 0), features(30, "Bob", 1)]
    X, y, groups = (np.concatenate(column) for column in zip(*parts, strict=True))
    target = features(40, "Eve", 3)
    calibration = tuple(column[:6] for column in target)
    others = {"validation": features(10, "Cat", 2), "calibration": calibration}
    return (X, y, groups), others | {"target": (target[0][6:], target[2][6:])}


# Whose windows keep their shape, and all.
WRAPPERS = [PerSubjectScaled, CORAL, CalibrationCentred]
EVERY = [*WRAPPERS, CalibrationReferenced]


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_the_model_gets_all_that_it_uses_as_it_was_but_changed(wrapper):
    (X, y, groups), others = given()
    model = wrapper(Keeper(EVERYTHING, ("channel", "band")))
    assert (model.uses, model.layout) == (EVERYTHING, ("channel", "band"))
    fitted = model.fit(X, y, groups=groups, **others).model_
    assert_array_equal(fitted.y_, y)
    assert_array_equal(fitted.options_["groups"], groups)
    assert fitted.X_.shape == X.shape
    assert not np.allclose(fitted.X_, X)
    for role in ("validation", "calibration"):
        X_role, y_role, groups_role = fitted.options_[role]
        assert X_role.shape == others[role][0].shape
        assert_array_equal(y_role, others[role][1])
        assert_array_equal(groups_role, others[role][2])
    assert fitted.options_["target"][0].shape == others["target"][0].shape
    assert_array_equal(fitted.options_["target"][1], others["target"][1])
    # Validation is changed as training is, and what is asked as the target was.
    model.predict(*others["target"][:1], groups=others["target"][1])
    assert_array_equal(model.model_.asked_, fitted.options_["target"][0])
    assert_array_equal(model.model_.asked_options_["groups"], others["target"][1])
    assert not np.allclose(fitted.options_["validation"][0], others["validation"][0])


@pytest.mark.parametrize("wrapper", EVERY)
def test_the_model_gets_no_more_than_it_uses(wrapper):
    (X, y, groups), others = given()
    fitted = wrapper(Keeper()).fit(X, y, groups=groups, **others).model_
    assert fitted.options_ == {}
    # Labelled windows that nobody set apart are learnt from.
    assert len(fitted.X_) == len(fitted.y_) == 50 + 6
    assert_array_equal(fitted.y_[50:], others["calibration"][1])


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_coordinates_are_kept_and_the_input_is_not_touched(wrapper):
    (X, y, groups), others = given()

    def labelled(values: np.ndarray) -> xr.DataArray:
        coords = {"channel": ["F3", "Cz", "F4"], "band": ["alpha", "beta"]}
        return xr.DataArray(values, dims=("window", "channel", "band"), coords=coords)

    before = X.copy()
    named = {role: (labelled(part[0]), *part[1:]) for role, part in others.items()}
    of_names = wrapper(Keeper(EVERYTHING)).fit(labelled(X), y, groups=groups, **named).model_
    of_arrays = wrapper(Keeper(EVERYTHING)).fit(X, y, groups=groups, **others).model_
    for found, plain in (
        (of_names.X_, of_arrays.X_),
        *((of_names.options_[role][0], of_arrays.options_[role][0]) for role in others),
    ):
        assert found.channel.values.tolist() == ["F3", "Cz", "F4"]
        assert_array_equal(found.values, plain)
    assert_array_equal(X, before)
    merged = wrapper(Keeper()).fit(labelled(X), y, groups=groups, **named).model_
    assert merged.X_.dims == ("window", "channel", "band")
    assert len(merged.X_) == 56


def test_wrappers_nest_as_if_one_had_been_applied_before_the_other():
    (X, y, groups), others = given()
    target, people = others["target"]
    nested = PerSubjectScaled(CORAL(Keeper())).fit(X, y, groups=groups, target=others["target"]).model_.model_
    outer = PerSubjectScaled(Keeper(frozenset({"unlabelled"})))
    scaled = outer.fit(X, y, groups=groups, target=(target, people)).model_
    by_hand = CORAL(Keeper()).fit(scaled.X_, y, target=scaled.options_["target"]).model_
    assert_allclose(nested.X_, by_hand.X_, atol=1e-12)


@pytest.mark.parametrize("wrapper", EVERY)
def test_it_is_an_estimator_like_others(wrapper):
    model = wrapper(LogisticRegression(C=3))
    assert clone(model).get_params()["model__C"] == 3
    (X, y, groups), others = given()
    flat = {role: (part[0].reshape(len(part[0]), -1), *part[1:]) for role, part in others.items()}
    fitted = model.fit(X.reshape(50, -1), y, groups=groups, **flat)
    assert fitted.classes_.tolist() == [0, 1]
    proba = fitted.predict_proba(flat["target"][0], groups=flat["target"][1])
    assert_allclose(proba.sum(axis=1), 1)
    predicted = fitted.predict(flat["target"][0], groups=flat["target"][1])
    assert_array_equal(predicted, proba.argmax(axis=1))
    if wrapper is CalibrationReferenced:
        return  # It asks for classes.
    ridge = wrapper(Ridge()).fit(X.reshape(50, -1), y.astype(float), groups=groups, **flat)
    assert ridge.predict(flat["target"][0], groups=flat["target"][1]).dtype.kind == "f"


@pytest.mark.parametrize("wrapper", [PerSubjectScaled, CalibrationCentred, CalibrationReferenced])
def test_people_are_asked_for(wrapper):
    (X, y, groups), others = given()
    with pytest.raises(
        ProtocolError, match=f"{wrapper.__name__} needs the person of each window: pass groups"
    ):
        wrapper(Keeper()).fit(X, y)
    fitted = wrapper(Keeper()).fit(X, y, groups=groups, calibration=others["calibration"])
    with pytest.raises(ProtocolError, match="needs the person of each window: pass groups"):
        fitted.predict(X)
    with pytest.raises(ProtocolError, match=r"subject Zoe\. Pass"):
        fitted.predict(X, groups=np.full(50, "Zoe"))


def raw(n_people: int = 4) -> tuple[Windows, np.ndarray, np.ndarray]:
    """Two trials a person, three windows each, of channels that are mixed in each person's own way."""
    rng = np.random.default_rng(5)
    trials, intervals = [], []
    for person in range(n_people):
        mixing = rng.normal(size=(3, 3)) * 10.0 ** rng.integers(-6, -3)
        for _ in range(2):
            data = mixing @ rng.normal(size=(3, 96)) + 1e-4 * person
            trials.append(Signal(data=data, sfreq=32.0, ch_names=("A", "B", "C"), kind="eeg", unit="V"))
            intervals.append(Intervals(np.array([0.0, 0.75, 1.5]), 1.0))
    people = np.repeat([f"S{person}" for person in range(n_people)], 6)
    return Windows(trials, intervals), np.tile([0, 0, 0, 1, 1, 1], n_people), people


def fold_of(test: str, people: np.ndarray, **more: np.ndarray) -> Fold:
    is_test = people == test
    own: dict[str, Any] = {"train_idx": np.flatnonzero(~is_test), "unlabelled_idx": np.flatnonzero(is_test)}
    return Fold(name=test, test_idx=np.flatnonzero(is_test), **own | more)


def transductive_models() -> dict[str, Any]:
    lda = LinearDiscriminantAnalysis()
    return {"scaled": PerSubjectScaled(lda), "coral": CORAL(lda), "nested": PerSubjectScaled(CORAL(lda))}


@pytest.mark.parametrize("name", transductive_models())
def test_labels_of_the_target_are_never_used(name):
    (X, y, groups), others = given()
    everyone = np.concatenate([X, others["target"][0]]).reshape(84, -1)
    people = np.concatenate([groups, others["target"][1]])
    rng = np.random.default_rng(0)
    fold = fold_of("Eve", people)
    predicted = []
    for labels in (rng.integers(0, 2, 34), rng.integers(0, 2, 34)):
        model = fit(transductive_models()[name], everyone, np.concatenate([y, labels]), people, fold)
        options = {"groups": people[fold.test_idx]} if "groups" in uses_of(model) else {}
        predicted.append(model.predict_proba(everyone[fold.test_idx], **options))
    assert_array_equal(predicted[0], predicted[1])


class Network(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A stand-in for one that fits folds at once: nearest class mean, plus a draw of its seed."""

    calls: list[int] = []  # noqa: RUF012  Read by the test.

    def __init__(
        self,
        random_state: int | None = None,
        layout: tuple[str, ...] | None = None,
        uses: frozenset[str] = frozenset(),
    ) -> None:
        self.random_state = random_state
        self.layout = layout
        self.uses = uses

    def fit(self, X: Any, y: Any, **options: Any) -> "Network":
        X = np.asarray(X).reshape(len(X), -1)
        self.classes_ = np.unique(y)
        self.means_ = np.stack([X[y == label].mean(axis=0) for label in self.classes_])
        self.means_ += np.random.default_rng(self.random_state).normal(size=self.means_.shape)
        return self

    def fit_folds(self, X: Any, y: Any, folds: Any, *, seeds: Any, **options: Any) -> list[Any]:
        Network.calls.append(len(folds))
        assert set(options) == self.uses
        return [fit(seeded(self, seed), X, y, y, fold) for fold, seed in zip(folds, seeds, strict=True)]

    def predict_proba(self, X: Any) -> np.ndarray:
        X = np.asarray(X).reshape(len(X), -1)
        proba: np.ndarray = softmax(-((X[:, np.newaxis] - self.means_) ** 2).mean(axis=-1), axis=1)
        return proba


@pytest.mark.parametrize("wrapper", [PerSubjectScaled, EuclideanAligned])
def test_folds_fitted_at_once_equal_folds_fitted_alone(wrapper):
    X, y, people = raw()
    model = wrapper(Network(layout=("channel", "time")))
    folds = [fold_of(name, people) for name in ("S0", "S1", "S3")]
    seeds = [5, 6, 7]
    Network.calls.clear()
    together = clone(model).fit_folds(X, y, folds, seeds=seeds, groups=people)
    assert Network.calls == [3]
    for fold, seed, one in zip(folds, seeds, together, strict=True):
        alone = fit(seeded(model, seed), X, y, people, fold)
        asked = X.select(fold.test_idx), people[fold.test_idx]
        assert_allclose(
            one.predict_proba(asked[0], groups=asked[1]), alone.predict_proba(asked[0], groups=asked[1])
        )
        assert one.classes_.tolist() == [0, 1]


def test_where_people_differ_between_folds_these_are_fitted_alone():
    X, y, people = raw()
    whole = fold_of("S0", people)
    part = fold_of("S1", people, unlabelled_idx=np.flatnonzero(people == "S1")[:4])
    model = PerSubjectScaled(Network(layout=("channel", "time")))
    Network.calls.clear()
    fitted = model.fit_folds(X, y, [whole, part], seeds=[1, 2], groups=people)
    assert Network.calls == []
    alone = fit(seeded(model, 2), X, y, people, part)
    asked = X.select(part.test_idx)
    assert_array_equal(
        fitted[1].predict_proba(asked, groups=people[part.test_idx]),
        alone.predict_proba(asked, groups=people[part.test_idx]),
    )


def test_a_wrapper_fits_folds_only_if_its_model_does():
    assert isinstance(PerSubjectScaled(Network()), FitsFolds)
    assert isinstance(PerSubjectScaled(EuclideanAligned(Network())), FitsFolds)
    assert not isinstance(PerSubjectScaled(LogisticRegression()), FitsFolds)
    assert not isinstance(CORAL(Network()), FitsFolds)
    assert not isinstance(LogisticRegression(), FitsFolds)


def test_what_a_stack_is_told_besides_reaches_the_model():
    X, y, people = raw()
    model = PerSubjectScaled(Network(layout=("channel", "time"), uses=frozenset({"groups", "checkpoint"})))
    folds = [fold_of(name, people) for name in ("S0", "S1")]
    with pytest.raises(AssertionError):
        model.fit_folds(X, y, folds, seeds=[1, 2], groups=people)
    model.set_params(model__uses=frozenset({"checkpoint"}))
    assert len(model.fit_folds(X, y, folds, seeds=[1, 2], groups=people, checkpoint="folder")) == 2
