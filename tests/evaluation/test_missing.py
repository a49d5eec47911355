"""Features that are missing: left out, filled inside the fold, or taken by trees; never a silent number."""

import json

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.tables import VALENCE, feature_table

from physioaffect.errors import ProtocolError
from physioaffect.evaluation import evaluate
from physioaffect.evaluation.adaptation.coral import CORAL
from physioaffect.evaluation.adaptation.imputed import Imputed, takes_missing
from physioaffect.evaluation.adaptation.transductive import PerSubjectScaled
from physioaffect.evaluation.table import make_table

NAN = np.nan


class Keeper(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Keeps what it is fitted on and asked for."""

    def fit(self, X, y):
        self.X_, self.classes_ = np.asarray(X), np.unique(y)
        return self

    def predict(self, X):
        self.asked_ = np.asarray(X)
        return np.zeros(len(X), dtype=int)


def with_hrv(table):
    """A family whose first feature no window has, and whose second a third of the windows lack."""
    rng = np.random.default_rng(1)
    n = table.sizes["window"]
    values = np.column_stack([np.full(n, NAN), rng.standard_normal(n), rng.standard_normal(n)])
    values[::3, 1] = NAN
    return table.assign(hrv=(("window", "hrv_feature"), values)).assign_coords(
        hrv_feature=["lf", "rmssd", "mean"]
    )


def test_medians_are_of_training_windows_alone():
    X = np.array([[1.0, NAN], [3.0, NAN], [NAN, NAN]])
    model = Imputed(Keeper()).fit(X, np.array([0, 1, 0]))
    model.predict(np.array([[100.0, 5.0], [NAN, NAN]]))
    # What no training window has becomes 0 also where a test window has it.
    assert model.model_.X_.tolist() == [[1, 0], [3, 0], [2, 0]]
    assert model.model_.asked_.tolist() == [[100, 0], [2, 0]]


def test_scaling_within_people_passes_over_what_is_missing():
    X = np.array([[1.0], [NAN], [3.0], [10.0], [30.0], [NAN]])
    people = np.array(list("aaabbb"))
    kept = PerSubjectScaled(Keeper()).fit(X, np.arange(6) % 2, groups=people).model_.X_
    np.testing.assert_array_equal(kept[:, 0], [-1, NAN, 1, -1, 1, NAN])


def test_a_person_without_a_feature_and_one_who_never_varies():
    X = np.array([[NAN, 5.0], [NAN, 5.0], [1.0, NAN], [2.0, 7.0]])
    kept = PerSubjectScaled(Keeper()).fit(X, np.arange(4) % 2, groups=np.array(list("aabb"))).model_.X_
    np.testing.assert_array_equal(kept, [[NAN, 0], [NAN, 0], [-1, NAN], [1, 0]])


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (LogisticRegression(), False),
        (make_pipeline(StandardScaler(), LogisticRegression()), False),
        (RandomForestClassifier(), True),
        (Imputed(LogisticRegression()), True),
        (PerSubjectScaled(Imputed(LogisticRegression())), True),
        (PerSubjectScaled(LogisticRegression()), False),
        (CORAL(Imputed(LogisticRegression())), False),
        (Imputed(CORAL(LogisticRegression())), True),
    ],
)
def test_who_can_do_without(model, expected):
    assert takes_missing(model) is expected


def test_a_feature_that_no_window_has_is_dropped_and_named():
    for missing in ("leave_out", "keep"):
        table, _ = make_table(with_hrv(feature_table()), VALENCE, missing=missing)
        assert table.undefined == ("hrv:lf",)
        assert "hrv:lf" not in table.feature_names
        assert "hrv:mean" in table.feature_names


def test_windows_go_or_stay_as_asked():
    features = with_hrv(feature_table())
    n = features.sizes["window"]
    left, exclusions = make_table(features, VALENCE)
    assert len(left.coords) == n - len(range(0, n, 3))
    assert "lack values of hrv (rmssd)" in exclusions[0].reason
    kept, exclusions = make_table(features, VALENCE, missing="keep")
    assert len(kept.coords) == n
    assert exclusions == []


def test_a_run_that_keeps_them_says_so_and_refuses_models_that_cannot(tmp_path):
    features = with_hrv(feature_table(n_subjects=5, effect=2.0))
    with pytest.raises(ProtocolError, match=r"model lda cannot do with that: use imputed\+lda"):
        evaluate(features, task=VALENCE, models=["lda"], protocols=["loso"], missing="keep")
    result = evaluate(
        features,
        task=VALENCE,
        models=["imputed+lda", "gradient_boosting"],
        protocols=["loso", "loso_transductive"],
        missing="keep",
        permutations=0,
        out=tmp_path / "run",
    )
    assert set(result.predictions.query("protocol == 'loso'").groupby("model").size()) == {
        features.sizes["window"]
    }
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["table"]["missing"] == {"hrv": pytest.approx(1 / 3, abs=0.01)}
    assert run["table"]["undefined_features"] == ["hrv:lf"]
    page = (tmp_path / "run" / "report.html").read_text()
    assert "treated as missing (hrv in 33 % of the windows)" in " ".join(page.split())


def test_an_unknown_way_is_refused():
    with pytest.raises(ProtocolError, match="missing must be one of leave_out, keep, got 'drop'"):
        evaluate(feature_table(), task=VALENCE, models=["lda"], protocols=["loso"], missing="drop")  # type: ignore[arg-type]
