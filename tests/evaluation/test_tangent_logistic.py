import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from support.people import fold_of, loso_accuracy, raw_people
from support.tables import VALENCE, VALENCE_SCORE, feature_table

from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation import evaluate, get_model
from physioaffect.evaluation.adaptation.euclidean_alignment import EuclideanAligned
from physioaffect.evaluation.adaptation.transductive import PerSubjectScaled
from physioaffect.evaluation.models.tangent_logistic import TangentLogistic


def covariance_people(effect, **sizes):
    """Covariances of the raw windows, (n_windows, n_pairs)."""
    people = raw_people(effect=effect, **sizes)
    X = people.X[:].astype(float)
    return people._replace(X=(X @ X.swapaxes(1, 2) / 64)[:, *np.triu_indices(3)])


def test_it_is_pyriemanns_tangent_space_and_a_logistic_regression():
    from pyriemann.tangentspace import TangentSpace

    people = covariance_people(0.5, n_people=3)
    fold = fold_of("S1", people.groups)
    i, j = np.triu_indices(3)
    matrices = np.zeros((len(people.X), 3, 3))
    matrices[:, i, j] = matrices[:, j, i] = people.X * 1e10
    space = TangentSpace().fit(matrices[fold.train_idx])
    logistic = LogisticRegression(class_weight="balanced", max_iter=1000)
    logistic.fit(space.transform(matrices[fold.train_idx]), people.y[fold.train_idx])
    ours = TangentLogistic().fit(people.X[fold.train_idx], people.y[fold.train_idx])
    expected = logistic.predict_proba(space.transform(matrices[fold.test_idx]))
    assert_allclose(ours.predict_proba(people.X[fold.test_idx]), expected, atol=1e-4)


def test_predictions_do_not_depend_on_an_invertible_mixing_of_all():
    # The affine-invariant metric: C -> M C M' moves the mean along, and turns the tangent space.
    people = covariance_people(0.5, n_people=3)
    mixing = np.random.default_rng(0).normal(size=(3, 3))
    i, j = np.triu_indices(3)
    matrices = np.zeros((len(people.X), 3, 3))
    matrices[:, i, j] = matrices[:, j, i] = people.X
    mixed = (mixing @ matrices @ mixing.T)[:, i, j]
    before, after = (TangentLogistic().fit(X, people.y).predict_proba(X) for X in (people.X, mixed))
    assert_allclose(after, before, atol=1e-3)


@pytest.mark.parametrize("wrapper", [PerSubjectScaled, EuclideanAligned])
@pytest.mark.parametrize(("effect", "low", "high"), [(0.4, 0.85, 1.0), (0.0, 0.36, 0.64)])
def test_within_people_aligned_covariances_tell_what_there_is(wrapper, effect, low, high):
    people = covariance_people(effect)
    # 192 windows at chance: within 0.14 of a half in 99.9 % of worlds.
    assert low < loso_accuracy(wrapper(TangentLogistic()), people) <= high


def covariance_table(effect):
    table = feature_table(effect=effect, n_subjects=4)
    rng = np.random.default_rng(0)
    is_high = (table["valence"].values > 3)[:, np.newaxis, np.newaxis]
    X = rng.normal(size=(table.sizes["window"], 2, 50)) * np.where(is_high, [[1 + effect], [1]], 1)
    rows = (X @ X.swapaxes(1, 2) / 50)[:, *np.triu_indices(2)]
    return table.assign(covariance=(("window", "pair"), rows)).assign_coords(pair=["A-A", "A-B", "B-B"])


def test_it_is_a_model_by_name_under_both_kinds_of_loso(tmp_path):
    protocols = ["loso", "loso_transductive"]
    result = evaluate(
        covariance_table(1.0), models=["riemann"], protocols=protocols, task=VALENCE, out=tmp_path / "out"
    )
    for protocol in protocols:
        assert result.cells()[protocol, "riemann", "trial", "balanced_accuracy"].mean > 0.9
    assert result.run["protocols"][1]["scaled_per_subject"] == ["riemann"]
    with pytest.raises(ProtocolError, match="wants windows of pair; the features are channel x band"):
        evaluate(feature_table(), models=["riemann"], protocols=["loso"], task=VALENCE, out=tmp_path / "x")
    with pytest.raises(ProtocolError, match="no model 'riemann' for the regression task"):
        get_model("riemann", VALENCE_SCORE)


def test_settings_are_those_of_an_estimator():
    assert clone(TangentLogistic(C=0.1)).get_params() == {"C": 0.1}


def test_without_pyriemann_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyriemann.tangentspace", None)
    people = covariance_people(0.5, n_people=2)
    with pytest.raises(DataError, match=r"pip install 'physioaffect\[riemann\]'"):
        TangentLogistic().fit(people.X, people.y)
