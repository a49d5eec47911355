"""Any fitted model as a teacher: whose features they are, and of what length."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from physioaffect.distill.any_teacher import as_teacher
from physioaffect.distill.teacher import MapTeacher
from physioaffect.errors import DataError, PhysioaffectError
from physioaffect.graphs import MLPClassifier, MLPRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6))
Y = np.arange(60) % 3


def unit(features: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(features / np.linalg.norm(features, axis=1, keepdims=True))


def test_a_network_gives_its_penultimate_activations():
    windows = X.reshape(60, 3, 2)
    settings: dict[str, Any] = {
        "hidden": (7,),
        "epochs": 1,
        "batch_size": 20,
        "random_state": 0,
        "device": "cpu",
    }
    for model in (
        MLPClassifier(**settings).fit(windows, Y),
        MLPRegressor(**settings).fit(windows, windows[:, 0, 0]),
    ):
        teacher = as_teacher(model)
        embedded = teacher.embed(windows)
        assert embedded.shape == (60, 7)
        assert embedded.dtype == np.float32
        assert_allclose(embedded, unit(model.embed(windows)), rtol=1e-5)
        assert_array_equal(teacher.predict(windows), model.predict(windows))


def test_a_pipeline_gives_what_its_model_sees():
    model = make_pipeline(StandardScaler(), Ridge()).fit(X, X[:, :2])
    teacher = as_teacher(model)
    assert_allclose(teacher.embed(X), unit((X - X.mean(axis=0)) / X.std(axis=0)), rtol=1e-5)
    assert_array_equal(teacher.predict(X), model.predict(X))


def test_a_model_that_transforms_gives_that():
    model = LinearDiscriminantAnalysis().fit(X, Y)
    assert_allclose(as_teacher(model).embed(X), unit(model.transform(X)), rtol=1e-4)
    inside = make_pipeline(StandardScaler(), LinearDiscriminantAnalysis()).fit(X, Y)
    assert_allclose(as_teacher(inside).embed(X), unit(inside.transform(X)), rtol=1e-4)


def test_sparse_features_are_taken_too():
    model = make_pipeline(OneHotEncoder(), Ridge()).fit(Y[:, None], Y)
    assert_array_equal(as_teacher(model).embed(Y[:, None]), np.eye(3)[Y])


def test_a_teacher_of_maps_is_one_already():
    maps = RNG.normal(size=(20, 8, 8))
    fitted = MapTeacher(epochs=1, batch_size=5, n_dims=4, random_state=0, device="cpu")
    fitted.fit(maps, np.zeros((20, 2)), groups=np.repeat(["a", "b"], 10))
    assert as_teacher(fitted) is fitted


def test_what_teaches_nothing_is_refused():
    with pytest.raises(PhysioaffectError, match="A teacher predicts, StandardScaler does not"):
        as_teacher(StandardScaler().fit(X))
    with pytest.raises(PhysioaffectError, match="Ridge has neither embed nor transform"):
        as_teacher(Ridge().fit(X, Y))
    with pytest.raises(NotFittedError):
        as_teacher(make_pipeline(StandardScaler(), Ridge()))
    with pytest.raises(NotFittedError):
        as_teacher(MapTeacher())
    teacher = as_teacher(make_pipeline(StandardScaler(with_mean=False), Ridge()).fit(X, Y))
    nothing = X.copy()
    nothing[4] = 0
    with pytest.raises(
        DataError, match=r"1 of 60 windows have features that are all zero or not finite.*row 4"
    ):
        teacher.embed(nothing)
