import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.tree import DecisionTreeClassifier
from support.tables import VALENCE, VALENCE_SCORE, feature_table

from physioaffect.data_set import Task
from physioaffect.datasets import DREAMER
from physioaffect.errors import DataError, PhysioaffectError, ProtocolError, RunError
from physioaffect.evaluation import PerSubjectScaled, Result, evaluate
from physioaffect.evaluation.models import PriorGuess, class_scores, get_model
from physioaffect.evaluation.running.run_folder import RunFolder
from physioaffect.evaluation.scoring import POOLED
from physioaffect.features import concatenate


def run(tmp_path: Path, **options: Any) -> Result:
    settings: dict[str, Any] = {
        "models": ["logistic"],
        "protocols": ["loso"],
        "task": VALENCE,
        "out": tmp_path / "result",
    }
    return evaluate(options.pop("features", feature_table(effect=2.0)), **settings | options)


def test_a_strong_effect_is_found_and_its_absence_is_not(tmp_path):
    for effect, expected in ((5.0, 1.0), (0.0, 0.5)):
        result = run(tmp_path / str(effect), features=feature_table(n_subjects=6, n_trials=10, effect=effect))
        found = result.cells()["loso", "logistic", "trial", "balanced_accuracy"].mean
        # 60 trials: a coin lies within 0.5 +- 0.17 in 99 % of all worlds.
        assert abs(found - expected) < (0.05 if effect else 0.17)


def test_trial_nuisances_leak_through_random_windows_only(tmp_path):
    result = run(
        tmp_path,
        features=feature_table(n_subjects=6, n_trials=10),
        models=["knn"],
        protocols=["window_random", "within_subject_trial", "loso"],
    )
    cells = result.cells()
    assert cells["window_random", "knn", "window", "macro_f1"].mean > 0.95
    assert cells["within_subject_trial", "knn", "window", "macro_f1"].mean < 0.7
    assert cells["loso", "knn", "window", "macro_f1"].mean < 0.7
    assert result.notes()["window_random", "knn"][0] == "no claim"


def test_every_table_has_the_baselines(tmp_path):
    result = run(tmp_path)
    assert {model for _, model, _, _ in result.cells()} == {
        "logistic", "majority", "prior", "clock_forest", "clock_1nn"
    }  # fmt: skip


def test_where_the_clock_knows_the_label_the_model_is_watermarked(tmp_path):
    features = feature_table(effect=2.0)
    features["valence"] = ("window", 1.0 + 3 * (features["order"].values > 2))
    result = run(tmp_path, features=features.assign_coords(valence=features["valence"]))
    assert result.cells()["loso", "clock_forest", "window", "macro_f1"].mean == 1
    assert result.notes()["loso", "logistic"] == ["clock is as good"]


def test_loso_equals_scikit_learn_by_hand(tmp_path):
    features = feature_table(effect=0.5, seed=3)
    result = run(tmp_path, features=features)
    X = features["de"].values.reshape(features.sizes["window"], -1)
    y = np.where(features["valence"].values > 3, "high", "low")
    subject = features["subject"].values
    for name in np.unique(subject):
        test = subject == name
        by_hand = get_model("logistic", VALENCE).fit(X[~test], y[~test])
        ours = result.predictions.query("model == 'logistic' and subject == @name")
        assert ours["truth"].tolist() == y[test].tolist()
        assert ours["prediction"].tolist() == by_hand.predict(X[test]).tolist()
        assert_allclose(ours["p_high"], by_hand.predict_proba(X[test])[:, 0], atol=1e-12)


def test_trial_scores_come_from_mean_probabilities(tmp_path):
    result = run(tmp_path, features=feature_table(effect=0.3))
    own = result.predictions.query("model == 'logistic'")
    trials = (
        own.groupby(["subject", "trial"]).agg(p=("p_high", "mean"), truth=("truth", "first")).reset_index()
    )
    is_right = (trials["p"] > 0.5) == (trials["truth"] == "high")
    per_subject = is_right.groupby(trials["subject"]).mean()
    assert_allclose(result.cells()["loso", "logistic", "trial", "accuracy"].mean, per_subject.mean())
    assert_allclose(result.cells()["loso", "logistic", "trial", "accuracy"].sd, per_subject.std(ddof=1))


@pytest.mark.slow
@pytest.mark.usefixtures("workers_at_once")
def test_same_seed_same_numbers_however_many_processes(tmp_path):
    models = {"forest": RandomForestClassifier(10), "lda": get_model("lda", VALENCE)}
    options = {"models": models, "protocols": ["loso", "window_random"], "seed": 5}
    first = run(tmp_path / "a", **options)
    second = run(tmp_path / "b", **options, n_jobs=2)
    pd.testing.assert_frame_equal(first.predictions, second.predictions, check_exact=True)
    assert (first.path / "predictions.parquet").read_bytes() == (
        second.path / "predictions.parquet"
    ).read_bytes()
    other = run(tmp_path / "c", **options | {"seed": 6})
    assert not first.predictions["p_high"].equals(other.predictions["p_high"])


class Interrupting(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A logistic regression that dies when a file says so, after a number of fits."""

    def __init__(self, fuse: str = "") -> None:
        self.fuse = fuse

    def fit(self, X, y):
        fuse = Path(self.fuse)
        left = int(fuse.read_text())
        if left == 0:
            raise KeyboardInterrupt
        fuse.write_text(str(left - 1))
        self.model_ = LogisticRegression().fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X):
        return self.model_.predict_proba(X)


def test_an_interrupted_run_keeps_its_folds_and_ends_as_an_unbroken_one(tmp_path):
    fuse = tmp_path / "fuse"
    model = {"mortal": Interrupting(str(fuse))}
    fuse.write_text("100")
    unbroken = run(tmp_path / "unbroken", models=model)
    fuse.write_text("2")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", models=model)
    folder = tmp_path / "broken" / "result"
    assert len(list((folder / "parts").glob("*.parquet"))) == 2
    with pytest.raises(RunError, match=r"unfinished \(2 folds are there"):
        Result.load(folder)
    fuse.write_text("2")  # Two of four are left to do: one more fit would raise.
    continued = run(tmp_path / "broken", models=model)
    for name in ("predictions.parquet", "scores.parquet", "run.json"):
        assert (continued.path / name).read_bytes() == (unbroken.path / name).read_bytes()


def test_a_finished_run_is_given_back_without_fitting(tmp_path):
    fuse = tmp_path / "fuse"
    fuse.write_text("4")
    first = run(tmp_path, models={"mortal": Interrupting(str(fuse))})
    again = run(tmp_path, models={"mortal": Interrupting(str(fuse))})
    pd.testing.assert_frame_equal(first.predictions, again.predictions)


def test_a_folder_of_another_run_is_not_overwritten(tmp_path):
    run(tmp_path)
    with pytest.raises(RunError, match=r"holds another run: seed differ.*Choose another --out"):
        run(tmp_path, seed=1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match="is not empty and holds no run"):
        run(tmp_path, out=tmp_path / "mine")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is a file"):
        run(tmp_path, out=tmp_path / "file")


def test_some_people_of_a_table_are_as_a_table_of_these_people(tmp_path):
    features = feature_table(effect=2.0)
    few = run(tmp_path / "few", features=features, subjects=["S1", "S3", "S4"], permutations=0)
    is_one = np.isin(features["subject"].values, ["S1", "S3", "S4"])
    alone = run(tmp_path / "alone", features=features.isel(window=is_one), permutations=0)
    pd.testing.assert_frame_equal(few.predictions, alone.predictions)


@pytest.mark.parametrize(
    ("refit", "refitted"), [("linear", {"lda"}), ("all", {"lda", "tree"}), ("none", set())]
)
def test_only_the_models_asked_for_are_fitted_anew(tmp_path, refit, refitted):
    models = {"lda": get_model("lda", VALENCE), "tree": DecisionTreeClassifier(max_depth=1)}
    found = run(tmp_path, models=models, permutations=5, refit=refit).permutations
    assert found is not None
    assert set(found[found["refitted"]]["model"]) == refitted
    assert set(found["model"]) == {"lda", "tree", "majority", "prior", "clock_forest", "clock_1nn"}


def test_what_cannot_be_relabelled_is_not_fitted_anew(tmp_path):
    """One clip a session, which gives the label: no two of a session could change places."""
    features = feature_table(effect=2.0)
    task = Task(
        name="clip", description="", kind="binary", classes=("even", "odd"), source="stimulus",
        target=lambda trial: "odd" if int(trial.stimulus) % 2 else "even",
    )  # fmt: skip
    features = features.assign_coords(session=("window", features["stimulus"].values))
    found = run(tmp_path, features=features, task=task, models=["lda"], permutations=5).permutations
    assert found is not None
    assert not found["refitted"].any()
    assert found["p"].isna().all()


def test_a_data_set_without_tasks_has_nothing_to_evaluate(tmp_path):
    unlabelled = replace(DREAMER, tasks={})
    with pytest.raises(ProtocolError, match=r"DREAMER has no tasks: .* see docs/your-own-data\.md"):
        evaluate(unlabelled, tmp_path, models=["lda"], protocols=["loso"])


def test_scores_without_probabilities_rank_the_classes_as_the_model_does():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), np.repeat(["a", "b", "c"], 20)
    for classes in (["a", "b"], ["a", "b", "c"]):
        is_one = np.isin(y, classes)
        model = RidgeClassifier().fit(X[is_one], y[is_one])
        scores = class_scores(model, X)
        assert_allclose(scores.sum(axis=1), 1)
        assert np.array_equal(model.classes_[scores.argmax(axis=1)], model.predict(X))


def test_any_estimator_may_be_passed(tmp_path):
    result = run(tmp_path, models=[RidgeClassifier(), LogisticRegression(C=0.1)])
    assert {"RidgeClassifier", "LogisticRegression"} <= {model for _, model, _, _ in result.cells()}
    ridge = result.predictions.query("model == 'RidgeClassifier'")
    assert_allclose(ridge["p_low"] + ridge["p_high"], 1)
    assert ((ridge["p_high"] > 0.5) == (ridge["prediction"] == "high")).all()


class NeedsLayout(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Remembers the shape it was given."""

    layout = ("channel", "band")

    def fit(self, X, y):
        assert X.shape[1:] == (3, 2)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        assert X.shape[1:] == (3, 2)
        return np.where(X[:, 0, 0] > 0, 1, 0)


def test_a_model_gets_the_layout_it_states(tmp_path):
    run(tmp_path, models=[NeedsLayout()])


def test_a_layout_that_no_feature_has_is_refused(tmp_path):
    class Wants(NeedsLayout):
        layout = ("channel", "time")

    with pytest.raises(
        ProtocolError, match=r"wants windows of channel x time; the features are channel x band"
    ):
        run(tmp_path, models=[Wants()])


class Stacked(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Fits all folds in one call."""

    def fit(self, X, y):
        raise AssertionError("The stacked path should have been taken.")

    def fit_folds(self, X, y, folds, *, seeds):
        assert len(folds) == len(seeds) == 4
        return [LogisticRegression().fit(X[fold.fitted_idx], y[fold.fitted_idx]) for fold in folds]


def test_a_model_that_fits_folds_is_given_all_of_them_and_equals_one_by_one(tmp_path):
    stacked = run(tmp_path / "stacked", models={"model": Stacked()})
    alone = run(tmp_path / "alone", models={"model": LogisticRegression()})
    pd.testing.assert_frame_equal(stacked.predictions, alone.predictions)


class Recorder(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Asks for everything and checks what it is given."""

    uses = frozenset({"groups", "validation", "unlabelled"})

    def fit(self, X, y, *, groups, validation, target):
        assert len(X) == len(y) == len(groups)
        assert len(validation[0]) == len(validation[1]) == len(validation[2]) > 0
        assert not set(groups) & set(validation[2])
        [tested] = set(target[1])
        assert tested not in set(groups) | set(validation[2])
        self.classes_ = np.unique(y)
        return self

    def predict(self, X, *, groups):
        assert len(set(groups)) == 1
        return np.zeros(len(X), dtype=int)


def test_a_model_gets_what_it_uses_where_the_protocol_grants_it(tmp_path):
    run(tmp_path, models=[Recorder()], protocols=["loso_transductive"])


def test_what_the_protocol_does_not_grant_is_refused(tmp_path):
    with pytest.raises(
        ProtocolError, match=r"Recorder uses unlabelled .* loso does not grant.*loso_transductive"
    ):
        run(tmp_path, models=[Recorder()])


def test_per_subject_scaling_is_by_hand_the_same_and_named(tmp_path):
    features = feature_table(effect=0.5, seed=1)
    result = run(tmp_path, features=features, protocols=["loso_transductive"])
    X = features["de"].values.reshape(features.sizes["window"], -1)
    subject = features["subject"].values
    for name in np.unique(subject):
        own = subject == name
        X[own] = (X[own] - X[own].mean(0)) / X[own].std(0)
    y = np.where(features["valence"].values > 3, "high", "low")
    test = subject == "S2"
    by_hand = get_model("logistic", VALENCE).fit(X[~test], y[~test])
    ours = result.predictions.query("model == 'logistic' and subject == 'S2'")
    assert_allclose(ours["p_high"], by_hand.predict_proba(X[test])[:, 0], atol=1e-9)
    assert result.run["protocols"][0]["scaled_per_subject"] == ["logistic"]


def test_per_subject_scaling_refuses_a_stranger():
    X, y = np.arange(8.0).reshape(8, 1), np.array(["a", "b"] * 4)
    model = PerSubjectScaled(LogisticRegression()).fit(X, y, groups=np.repeat(["1", "2"], 4))
    with pytest.raises(ProtocolError, match=r"never saw subject 3.*target=\(X, groups\)"):
        model.predict(X, groups=np.full(8, "3"))


def test_prior_guesses_once_a_trial_by_class_frequency():
    y = np.array(["a"] * 75 + ["b"] * 25)
    model = PriorGuess(random_state=0).fit(np.zeros((100, 1)), y)
    trials = np.repeat(np.arange(4000.0), 3)[:, None]
    guesses = model.predict(trials).reshape(-1, 3)
    assert (guesses == guesses[:, :1]).all()
    # SD of the share of 4000 draws is 0.007.
    assert abs((guesses[:, 0] == "a").mean() - 0.75) < 0.03


def test_regression_is_scored_by_concordance(tmp_path):
    result = run(tmp_path, features=feature_table(effect=3.0), models=["ridge"], task=VALENCE_SCORE)
    assert result.metrics == ["ccc", "pearson", "rmse"]
    cells = result.cells()
    assert cells["loso", "ridge", "trial", "ccc"].mean > 0.5
    assert cells["loso", "mean", "window", "ccc"].mean == 0
    with pytest.raises(ProtocolError, match="no model 'lda' for the regression task"):
        run(tmp_path / "x", models=["lda"], task=VALENCE_SCORE)


def test_windows_without_features_are_left_out_and_reported(tmp_path):
    features = feature_table(effect=2.0)
    features["de"][{"window": features["subject"] == "S2", "channel": 1}] = np.nan
    features["de"][{"window": 0, "channel": 0, "band": 0}] = np.nan
    result = run(tmp_path, features=features)
    assert set(result.predictions["subject"]) == {"S1", "S3", "S4"}
    reasons = {e["subject"]: (e["reason"], e["expected"]) for e in result.run["exclusions"]}
    assert reasons["S2"] == ("30 of 30 windows lack values of de (Cz).", False)
    assert reasons["S1"] == ("1 of 30 windows lack values of de (F3).", True)
    with pytest.raises(DataError, match=r"Subject S2: 30 of 30 windows lack values of de \(Cz\)\."):
        run(tmp_path / "strict", features=features, strict=True)


def test_trials_without_a_label_are_left_out_and_reported(tmp_path):
    task = Task(
        name="late", description="", kind="binary", classes=("low", "high"), source="rating",
        target=lambda trial: None if trial.trial == "0" else VALENCE.target(trial),
    )  # fmt: skip
    result = run(tmp_path, task=task)
    assert "0" not in set(result.predictions["trial"])
    assert result.run["exclusions"][0]["reason"] == "1 trials have no label in task late."


def test_constant_labels_are_refused(tmp_path):
    features = feature_table()
    features = features.assign_coords(valence=("window", np.full(features.sizes["window"], 5.0)))
    with pytest.raises(
        ProtocolError, match=r"all 120 windows at hand are 'high': there is nothing to tell apart"
    ):
        run(tmp_path, features=features)


def test_a_fold_whose_training_lacks_a_class_is_left_out_and_reported(tmp_path):
    features = feature_table(n_subjects=3)
    valence = np.where(features["subject"].values == "S1", features["valence"].values, 1.0)
    features = features.assign_coords(valence=("window", valence))
    result = run(tmp_path, features=features)
    assert set(result.predictions["fold"]) == {"S2", "S3"}
    assert "in fold S1 no training window is 'high'" in result.run["exclusions"][0]["reason"]
    with pytest.raises(ProtocolError, match="in fold S1 no training window is 'high'"):
        run(tmp_path / "strict", features=features, strict=True)


def renamed(name: str) -> xr.Dataset:
    features = feature_table()
    names = np.where(features["subject"].values == "S1", name, features["subject"].values)
    return features.assign_coords(subject=("window", names))


def one_class_a_person() -> xr.Dataset:
    features = feature_table()
    return features.assign_coords(valence=("window", np.where(features["subject"].values == "S1", 5.0, 1.0)))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"models": ["xgboost"]}, "no model 'xgboost' for the binary task valence: use one of"),
        ({"models": []}, "at least one model"),
        ({"models": ["lda", "lda"]}, "Two models are called 'lda'"),
        ({"models": {"majority": LogisticRegression()}}, "Two models are called 'majority'"),
        ({"task": None}, "needs a Task value"),
        ({"features": feature_table().drop_vars("stimulus")}, "lacks the coordinates stimulus"),
        (
            {"features": renamed(POOLED)},
            r"No subject may be called \(pooled\): that names the score of all. Rename it",
        ),
        ({"features": feature_table() * np.nan}, "No window is left for task valence. .* lack values of de"),
        (
            {"features": one_class_a_person(), "protocols": ["window_random"], "subjects": ["S1"]},
            "all 30 windows at hand are 'high'",
        ),
        (
            {"features": one_class_a_person(), "protocols": ["loso"], "subjects": ["S1", "S2"]},
            "Protocol loso has no fold left in which training knows every class. Add people",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, options, sentence):
    with pytest.raises(ProtocolError, match=sentence):
        run(tmp_path, **options)


def test_run_json_says_what_was_asked(tmp_path):
    result = run(tmp_path, seed=3)
    kept = json.loads((result.path / "run.json").read_text())
    assert kept["request"]["seed"] == 3
    assert kept["request"]["versions"]["scikit-learn"]
    assert kept["protocols"][0]["claim"].startswith("Works for a new person")
    assert kept["protocols"][0]["shared"] == {
        "subject": 0,
        "session": 0,
        "trial": 0,
        "stimulus": 1,
        "samples": 0,
    }
    assert kept["table"]["trials_per_class"] == {"high": 12, "low": 12}
    assert str(tmp_path) not in json.dumps(kept)
    assert result.shared().loc["loso"].to_dict() == kept["protocols"][0]["shared"]
    assert result.protocols == ["loso"]
    assert result.models + result.baselines == list(dict.fromkeys(result.predictions["model"]))


@pytest.mark.parametrize("content", ["", "[]", "{", "\x00"])
def test_a_damaged_result_is_named(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunError, match=r"run\.json"):
        Result.load(tmp_path)


def test_a_damaged_table_of_a_result_is_named(tmp_path):
    first = run(tmp_path, permutations=0)
    (first.path / "scores.parquet").write_bytes(b"PAR1")
    with pytest.raises(RunError, match=r"The tables in .* cannot be read: .*Run evaluate again"):
        Result.load(first.path)


def test_no_result_is_named(tmp_path):
    with pytest.raises(RunError, match=r"is not a result: it has no run\.json.*--out"):
        Result.load(tmp_path / "nowhere")


def test_classes_that_look_like_numbers_are_classes(tmp_path):
    task = Task(
        name="five", description="", kind="ordinal", classes=("1", "2", "3", "4", "5"), source="rating",
        target=lambda trial: f"{trial.ratings['valence']:.0f}",
    )  # fmt: skip
    models = ["knn", "lda", "logistic", "svm", "random_forest", "gradient_boosting"]
    result = run(tmp_path, features=feature_table(effect=5.0), task=task, models=models, permutations=20)
    # Only "1" and "4" occur; the others are in the table with a score of zero.
    assert (result.predictions[["p_2", "p_3", "p_5"]] == 0).all(axis=None)
    for model in models:
        assert result.cells()["loso", model, "trial", "balanced_accuracy"].mean > 0.8


def other_label(trial):
    return "high" if trial.ratings["valence"] < 3 else "low"


def test_another_task_of_the_same_name_is_another_run(tmp_path):
    run(tmp_path)
    task = Task(
        name="valence", description=VALENCE.description, kind="binary", classes=("low", "high"),
        target=other_label, source="rating",
    )  # fmt: skip
    with pytest.raises(RunError, match="holds another run: table differ"):
        run(tmp_path, task=task)


def test_a_parameter_that_print_would_elide_makes_another_run(tmp_path):
    first = np.linspace(0, 1, 2000)
    second = first.copy()
    second[1000] = 7
    run(tmp_path, models={"mortal": Carrying(first)})
    with pytest.raises(RunError, match="holds another run: models differ"):
        run(tmp_path, models={"mortal": Carrying(second)})


class Carrying(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A model with an array for a parameter."""

    def __init__(self, weights=None):
        self.weights = weights

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def test_people_of_the_same_name_in_two_data_sets_are_two_people(tmp_path):
    one = feature_table(effect=5.0)
    other = 10 * feature_table(effect=5.0, seed=1) + 3
    other = other.assign_coords(dataset=("window", np.full(other.sizes["window"], "other")))
    result = run(tmp_path, features=concatenate([one, other]), protocols=["loso_transductive"])
    assert result.run["table"]["n_subjects"] == 8
    assert set(result.scores["subject"]) >= {"made/S1", "other/S1"}
    assert result.cells()["loso_transductive", "logistic", "trial", "macro_f1"].n_subjects == 8
    # Each is standardised by itself, so a change of unit in one data set changes nothing.
    assert result.cells()["loso_transductive", "logistic", "trial", "macro_f1"].mean > 0.95


def test_a_run_killed_before_it_wrote_anything_can_be_begun(tmp_path):
    (tmp_path / "result").mkdir()
    (tmp_path / "result" / "run.json.partial").write_text("{")
    assert run(tmp_path).path == tmp_path / "result"


def test_a_stack_is_written_whole(tmp_path, monkeypatch):
    written = []
    write = RunFolder.write_part

    def watched(self, name, frame, **log):
        written.append((name, frame["fold"].nunique()))
        write(self, name, frame, **log)

    monkeypatch.setattr(RunFolder, "write_part", watched)
    run(tmp_path, models={"model": Stacked()})
    assert ("00-00-stack", 4) in written


def test_labels_that_the_task_does_not_know_are_refused(tmp_path):
    task = Task(
        name="odd", description="", kind="binary", classes=("low", "high"), source="rating",
        target=lambda trial: "middle",
    )  # fmt: skip
    with pytest.raises(
        ProtocolError, match=r"labels trial 0 of subject S1 'middle', which is not one of low, high"
    ):
        run(tmp_path, task=task)


def test_soft_labels_count_by_their_heaviest_class(tmp_path):
    task = Task(
        name="soft", description="", kind="binary", classes=("low", "high"), source="rating",
        target=lambda trial: {"low": 0.4, "high": 0.6} if trial.ratings["valence"] > 3 else {"low": 1.0},
    )  # fmt: skip
    soft, hard = run(tmp_path / "soft", task=task), run(tmp_path / "hard")
    assert soft.predictions["truth"].equals(hard.predictions["truth"])


def test_text_coordinates_of_ones_own_are_no_ratings(tmp_path):
    features = feature_table(effect=2.0)
    mood = np.full(features.sizes["window"], "bright")
    assert run(tmp_path, features=features.assign_coords(mood=("window", mood)))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"protocols": []}, "protocols must be a list with at least one"),
        ({"protocols": ["loso", "loso"]}, "Two protocols are called 'loso'"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"models": [3]}, "Model 'int' is no estimator"),
        ({"subjects": ["S1", "S2", "S99"]}, "has no subject S99"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path, options, sentence):
    with pytest.raises(PhysioaffectError, match=sentence):
        run(tmp_path, **options)


def test_evaluate_writes_the_report_too(tmp_path):
    assert (run(tmp_path).path / "report.html").is_file()


def test_a_finished_run_that_lost_its_report_gets_it_again(tmp_path):
    first = run(tmp_path)
    (first.path / "report.html").unlink()
    assert (run(tmp_path).path / "report.html").is_file()


def test_a_feature_that_is_a_clock_is_named(tmp_path):
    features = feature_table(n_subjects=5, n_trials=8)
    assert run(tmp_path / "clean", features=features, permutations=0).run["table"]["audit"]["is_clean"]
    features["de"][:, 0, 0] = features["order"] * 10.0 + features["start"] / 2
    result = run(tmp_path / "clock", features=features, permutations=0)
    [finding] = result.run["table"]["audit"]["findings"]
    assert finding["kind"] == "time_feature"
    assert finding["severity"] == "leak"
    page = (result.path / "report.html").read_text(encoding="utf-8")
    assert "de:" in page[page.index("The features") :]


def test_a_person_of_one_class_cannot_be_trained_on_alone(tmp_path):
    features = feature_table(n_subjects=3, n_trials=6)
    own = np.where(features["subject"].values == "S1", 4.0, features["valence"].values)
    features = features.assign_coords(valence=("window", own))
    result = run(tmp_path, features=features, protocols=["front_back"], permutations=0)
    reasons = [item["reason"] for item in result.run["exclusions"] if item["subject"].startswith("S1")]
    assert reasons == ["Protocol front_back: in fold S1-1 all training windows are 'high'."]
    assert set(result.predictions["subject"]) == {"S2", "S3"}


def test_a_step_of_a_scale_that_a_person_never_uses_does_not_cost_the_fold(tmp_path):
    features = feature_table(n_subjects=3, n_trials=6)
    own = np.where(features["order"].values == 5, 2.0, features["valence"].values)
    own = np.where(features["subject"].values == "S1", features["valence"].values, own)
    task = Task(
        name="steps",
        description="Three steps.",
        kind="ordinal",
        classes=("1", "2", "4"),
        target=lambda trial: f"{trial.ratings['valence']:g}",
        source="rating",
    )
    features = features.assign_coords(valence=("window", own))
    result = run(tmp_path, features=features, task=task, protocols=["within_subject_trial"], permutations=0)
    assert "S1" in set(result.predictions["subject"])


def test_a_person_who_is_not_tested_does_not_spoil_the_permutations(tmp_path):
    features = feature_table(n_subjects=4, n_trials=6, effect=1.0)
    own = np.where(features["subject"].values == "S1", 4.0, features["valence"].values)
    features = features.assign_coords(valence=("window", own))
    result = run(
        tmp_path, features=features, models=["lda"], protocols=["calibrated_trials"], permutations=50
    )
    assert result.permutations is not None
    rows = result.permutations.query("model == 'lda' and level == 'trial'")
    assert rows["p"].between(0, 1).all()
