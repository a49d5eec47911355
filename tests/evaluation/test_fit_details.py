"""What fitted models tell of themselves, against closed forms."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.tables import VALENCE, feature_table

from physioaffect.evaluation import CalibrationReferenced, PerSubjectScaled, evaluate
from physioaffect.evaluation.models import EvenLDA
from physioaffect.evaluation.running.fit_details import curves_of, importance_of, linear_importance


def shares_of(weights: Any, X: Any) -> Any:
    found = linear_importance(weights, X)
    assert found is not None
    return found


def told_by(model: Any, X: Any, names: list[str], **options: Any) -> pd.DataFrame:
    found = importance_of(model, X, names, **options)
    assert found is not None
    return found


def test_of_uncorrelated_features_the_share_is_weight_times_spread_squared():
    rng = np.random.default_rng(0)
    X = np.linalg.qr(rng.normal(size=(200, 3)) - 0)[0]
    X = (X - X.mean(axis=0)) * [1.0, 2.0, 3.0]
    X = np.linalg.qr(X)[0] * [1.0, 2.0, 3.0]  # Orthogonal, and nearly centred.
    X -= X.mean(axis=0)
    weights = np.array([[3.0, 2.0, 0.0]])
    shares = shares_of(weights, X)
    variance = X.var(axis=0)
    expected = (weights[0] ** 2 * variance) / (weights[0] ** 2 * variance).sum()
    assert_allclose(shares, expected, atol=0.02)
    assert_allclose(shares.sum(), 1)
    assert shares[2] == 0


def test_a_suppressor_has_a_negative_share():
    rng = np.random.default_rng(1)
    noise, signal = rng.normal(size=(2, 1000))
    X = np.stack([signal + noise, noise], axis=1)
    shares = shares_of(np.array([[1.0, -0.5]]), X)
    assert shares[1] < 0 < shares[0]
    assert_allclose(shares.sum(), 1)


def test_a_model_that_always_says_the_same_has_none():
    assert linear_importance(np.zeros((1, 3)), np.eye(3)) is None


@pytest.mark.parametrize(
    "model", [LogisticRegression(), EvenLDA(), Ridge(), make_pipeline(StandardScaler(), EvenLDA())]
)
def test_linear_models_point_at_the_planted_feature(model):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(300, 4)) * [1, 10, 1, 1] + [0, 100, 0, 0]
    y = (X[:, 1] > 100).astype(int)
    found = told_by(model.fit(X, y), X, ["a", "b", "c", "d"])
    assert found["feature"].tolist() == ["a", "b", "c", "d"]
    assert found["value"][1] > 0.9
    assert_allclose(found["value"].sum(), 1)


def test_a_feature_that_is_given_twice_has_the_shares_of_both():
    rng = np.random.default_rng(4)
    X, people = rng.normal(size=(120, 2)), np.repeat(["A", "B", "C"], 40)
    X[:, 0] += 50.0 * (people == "B")
    y = np.tile([0, 1], 60)
    X[:, 0] += 3 * y
    rest = X[80:90][y[80:90] == 0], np.zeros(5, dtype=int), people[80:85]
    model = CalibrationReferenced(LogisticRegression(C=0.01, max_iter=1000)).fit(
        X[:80], y[:80], groups=people[:80], calibration=rest
    )
    found = told_by(model, X[80:], ["a", "b"], groups=people[80:])
    assert found["feature"].tolist() == ["a", "b"]
    changed = np.hstack([X[80:], X[80:] - model.levels_["C"]])
    apart = told_by(model.model_, changed, ["a", "b", "a at rest", "b at rest"])["value"].to_numpy()
    assert_allclose(found["value"], apart[:2] + apart[2:])
    assert_allclose(found["value"].sum(), 1)
    assert found["value"][0] > 0.9


def test_it_looks_through_wrappers_and_is_silent_on_neighbours():
    rng = np.random.default_rng(3)
    X, people = rng.normal(size=(80, 3)), np.repeat(["A", "B"], 40)
    y = (X[:, 2] > 0).astype(int)
    wrapped = PerSubjectScaled(LogisticRegression()).fit(X, y, groups=people)
    found = told_by(wrapped, X, ["a", "b", "c"], groups=people)
    assert found["value"].idxmax() == 2
    assert importance_of(KNeighborsClassifier().fit(X, y), X, ["a", "b", "c"]) is None
    assert curves_of(wrapped) is None


def test_a_linear_network_says_what_its_weights_say():
    pytest.importorskip("torch")
    from physioaffect.graphs import LinearClassifier

    rng = np.random.default_rng(4)
    X = rng.normal(size=(120, 3, 2)).astype(np.float32)
    y = (X[:, 1, 0] > 0).astype(int)
    model = LinearClassifier(epochs=3, batch_size=20, random_state=0).fit(X, y)
    names = [f"de:{channel}:{band}" for channel in "abc" for band in ("low", "high")]
    found = told_by(model, X, names)
    assert found["feature"][found["value"].idxmax()] == "de:b:low"
    weight = (
        next(w for w in model.network_.network.parameters() if w.ndim == 2).detach().numpy().astype(float)
    )
    difference = (weight[1] - weight[0])[None]
    standardised = (X - X.mean(axis=0)) / X.std(axis=0)
    expected = shares_of(difference, standardised.reshape(len(X), -1).astype(float))
    # Log-odds of two classes are linear in the window.
    assert_allclose(found["value"], expected, atol=1e-3)
    curve = curves_of(model)
    assert curve is not None
    assert curve.columns.tolist() == ["epoch", "loss", "validation"]
    assert curve["epoch"].tolist() == [1, 2, 3]
    assert curve["loss"].is_monotonic_decreasing
    assert curve["validation"].isna().all()


def test_what_has_no_share_for_each_name_is_silent():
    X = np.random.default_rng(0).normal(size=(40, 3))
    model = Ridge().fit(X, X[:, 0])
    assert importance_of(model, X, ["a", "b", "c"]) is not None
    assert importance_of(model, X, ["a", "b"]) is None


def test_a_network_that_always_says_the_same_has_no_shares():
    torch = pytest.importorskip("torch")
    from physioaffect.graphs import LinearClassifier

    X = np.random.default_rng(0).normal(size=(40, 3, 2)).astype(np.float32)
    model = LinearClassifier(epochs=1, batch_size=20, random_state=0).fit(X, np.arange(40) % 2)
    with torch.no_grad():
        for weights in model.network_.parameters():
            weights.zero_()
    assert importance_of(model, X, list("abcdef")) is None


def test_an_evaluation_keeps_what_mattered(tmp_path):
    features = feature_table(n_subjects=4, effect=4.0)
    result = evaluate(
        features, models=["lda", "knn"], protocols=["loso"], task=VALENCE, out=tmp_path, permutations=50
    )
    assert result.curves is None
    assert result.importance is not None
    sums = result.importance.groupby(["protocol", "model", "fold"])["value"].sum()
    assert sums.index.tolist() == [("loso", "lda", name) for name in ("S1", "S2", "S3", "S4")]
    assert_allclose(sums, 1)


def test_every_score_of_a_protocol_with_a_claim_is_compared_with_permuted_labels(tmp_path):
    features = feature_table(n_subjects=6, n_trials=10, effect=5.0)
    result = evaluate(
        features,
        models=["lda", "knn"],
        protocols=["loso", "window_random"],
        task=VALENCE,
        out=tmp_path,
        permutations=200,
    )
    assert result.permutations is not None
    found = result.permutations.query("level == 'trial' and metric == 'balanced_accuracy'")
    rows: dict[Any, Any] = found.set_index(["protocol", "model"]).to_dict("index")
    assert rows["loso", "lda"]["refitted"]
    assert not rows["loso", "knn"]["refitted"]
    # The effect is so strong that no relabelling comes near.
    assert rows["loso", "lda"]["p"] == 1 / 201
    assert rows["loso", "majority"]["p"] == 1
    assert abs(rows["loso", "lda"]["chance"] - 0.5) < 0.05
    assert all(np.isnan(row["p"]) for (protocol, _), row in rows.items() if protocol == "window_random")
    cells = result.cells()
    for (protocol, model), row in rows.items():
        assert_allclose(row["observed"], cells[protocol, model, "trial", "balanced_accuracy"].mean)


def test_intervals_are_wider_where_folds_share_people(tmp_path):
    result = evaluate(
        feature_table(n_subjects=6, n_trials=10, effect=0.5),
        models=["lda"],
        protocols=["loso", "within_subject_trial"],
        task=VALENCE,
        out=tmp_path,
        permutations=0,
    )
    assert result.permutations is None
    rows: dict[Any, Any] = result.intervals().to_dict("index")
    for protocol, factor in (("loso", np.sqrt(1 + 6 / 5)), ("within_subject_trial", 1.0)):
        row = rows[protocol, "lda", "window", "auroc"]
        # t of 5 degrees of freedom, 97.5 %.
        assert_allclose(row["mean"] - row["low"], 2.570582 * row["sd"] / np.sqrt(6) * factor, rtol=1e-5)
