"""Permutation tests: each number equals what fitting and scoring one by one gives."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chi2, norm
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.feature_worlds import BY_CLIP, CLASSES, NUMBERS, world_table

from physioaffect.data_set import Task
from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation import PerSubjectScaled, get_model, loso
from physioaffect.evaluation.protocols import Fold, get_protocol
from physioaffect.evaluation.running.fitting import fit, predict, seeded
from physioaffect.evaluation.scoring import score
from physioaffect.evaluation.scoring.metrics import CLASSIFICATION, REGRESSION
from physioaffect.evaluation.statistics import exchange_of, permute_fits, permute_predictions
from physioaffect.evaluation.statistics.linear_permutation import linear_predictions, recognise
from physioaffect.evaluation.statistics.permutation_tables import numbers_of
from physioaffect.evaluation.statistics.trial_sums import NotLinear, Roles
from physioaffect.evaluation.table import Table

THREE = Task(
    name="three", description="", kind="multiclass", classes=("x", "y", "z"), target=lambda _: None,
    source="rating",
)  # fmt: skip


def folds_of(protocol: str, table: Table) -> list[Fold]:
    return list(get_protocol(protocol).split(table.coords, np.random.default_rng(5)))


def predictions_of(table: Table, task: Task, folds: list[Fold], model: object, **names: str) -> pd.DataFrame:
    """As a run writes them."""
    y = numbers_of(table.target, task.kind, task.classes)
    frames = []
    for number, fold in enumerate(folds):
        values = predict(
            fit(seeded(model, 0), table.flat(), y, table.people, fold), table.flat(), table.people, fold, task
        )
        rows = table.coords.loc[fold.test_idx].drop(columns=["order", "elapsed", "target"])
        frame = rows.assign(protocol="p", model="m", fold=str(number), truth=table.target[fold.test_idx])
        if task.kind == "regression":
            frame["prediction"] = values[:, 0]
        else:
            frame["prediction"] = np.array(task.classes)[values.argmax(axis=1)]
            frame[[f"p_{name}" for name in task.classes]] = values
        frames.append(frame.assign(**names))
    return pd.concat(frames, ignore_index=True)


def described(task: Task) -> dict[str, object]:
    return {"kind": task.kind, "classes": list(task.classes), "source": task.source}


def of_three(table: Table) -> Table:
    rng = np.random.default_rng(0)
    labels = {s: rng.permutation([*"xyzxyzxyzx"]) for s in table.coords["subject"].unique()}
    target = [labels[s][int(t)] for s, t in zip(table.coords["subject"], table.coords["trial"], strict=True)]
    return Table(
        coords=table.coords.assign(target=target), features=table.features, raw=None, raw_idx=table.raw_idx
    )


CASES = {
    "lda": (CLASSES, "lda", "loso", {}),
    "lda, three classes": (THREE, "lda", "loso", {}),
    "lda, few windows for its features": (CLASSES, "lda", "loso", {"n_features": 40}),
    "lda, few windows, three classes": (THREE, "lda", "loso", {"n_features": 40}),
    "lda, few windows, within": (CLASSES, "lda", "within_subject_trial", {"n_trials": 16, "n_features": 40}),
    "lda, one feature": (CLASSES, "lda", "loso", {"n_features": 1}),
    "lda, scaled": (CLASSES, "scaled", "loso_transductive", {}),
    "lda, windows dealt": (CLASSES, "lda", "window_random", {}),
    "lda, within": (CLASSES, "lda", "within_subject_trial", {"n_trials": 16, "n_features": 3}),
    "lda, new stimuli": (CLASSES, "lda", "loso_stimulus", {}),
    "ridge": (NUMBERS, "ridge", "loso", {}),
    "ridge, within": (NUMBERS, "ridge", "within_subject_trial", {}),
}


class TestLinearModelsAtOnce:
    @pytest.mark.parametrize("name", CASES)
    def test_equal_to_refits_of_the_estimator(self, name):
        task, model_name, protocol, options = CASES[name]
        table = world_table(1, n_subjects=5, n_windows=5, affect=0.5, task=task, **options)
        table = of_three(table) if task is THREE else table
        model = get_model("lda" if model_name == "scaled" else model_name, task)
        model = PerSubjectScaled(model) if model_name == "scaled" else model
        exchange = exchange_of(table.coords, task.source)
        labels = numbers_of(exchange.labels, task.kind, task.classes)
        taken = exchange.positions(7, seed=2)
        folds = [folds_of(protocol, table)]
        if name == "lda, within":
            # Folds by labels are made anew for each.
            folds = [
                folds_of(
                    protocol,
                    Table(
                        coords=table.coords.assign(target=exchange.labels[row][exchange.trial_of_row]),
                        features=table.features, raw=None, raw_idx=table.raw_idx,
                    ),
                )
                for row in taken
            ]  # fmt: skip
        X = table.flat()
        linear = recognise(model)
        assert linear is not None
        if linear.is_scaled:
            for person in np.unique(table.people):
                own = table.people == person
                X[own] = StandardScaler().fit_transform(X[own])
        found = linear_predictions(
            linear, X, labels[taken], Roles.of(folds, exchange.trial_of_row), n_classes=len(task.classes)
        )
        for b, row in enumerate(taken):
            y = labels[row][exchange.trial_of_row]
            sums = np.zeros(found.scores.shape[1:])
            for fold in folds[b % len(folds)]:
                fitted = fit(seeded(model, 0), table.flat(), y, table.people, fold)
                values = predict(fitted, table.flat(), table.people, fold, task)
                values = np.hstack([values, values**2]) if task.kind == "regression" else values
                np.add.at(sums, exchange.trial_of_row[fold.test_idx], values)
            assert_allclose(found.scores[b], sums, atol=1e-10)

    def test_a_feature_that_never_varies_counts_as_in_scikit_learn(self):
        table = world_table(1, n_subjects=4, n_windows=5, affect=0.5)
        features = table.features.copy(deep=True)
        features["x"][:, 2] = 7.0
        table = Table(coords=table.coords, features=features, raw=None, raw_idx=table.raw_idx)
        model = get_model("lda", CLASSES)
        exchange = exchange_of(table.coords, "rating")
        labels = numbers_of(exchange.labels, "binary", CLASSES.classes)[np.newaxis]
        folds = folds_of("loso", table)
        roles = Roles.of([folds], exchange.trial_of_row)
        linear = recognise(model)
        assert linear is not None
        found = linear_predictions(linear, table.flat(), labels, roles, n_classes=2).scores[0]
        expected = np.zeros_like(found)
        for fold in folds:
            y = labels[0][exchange.trial_of_row]
            values = predict(
                fit(model, table.flat(), y, table.people, fold), table.flat(), table.people, fold, CLASSES
            )
            np.add.at(expected, exchange.trial_of_row[fold.test_idx], values)
        assert_allclose(found, expected, atol=1e-10)

    def test_any_other_model_is_not_recognised(self):
        assert recognise(make_pipeline(StandardScaler(), LogisticRegression())) is None
        assert recognise(make_pipeline(StandardScaler(), Ridge(positive=True))) is None
        assert recognise(make_pipeline(StandardScaler(with_mean=False), Ridge())) is None
        assert recognise(Ridge()) is None
        linear = recognise(make_pipeline(StandardScaler(), Ridge(alpha=3)))
        assert linear is not None
        assert linear.alpha == 3

    def test_a_class_that_is_gone_is_left_to_the_estimator(self):
        labels = np.array([[0, 0, 0, 1]])
        fold = Fold(name="1", train_idx=np.arange(3), test_idx=np.array([3]))
        linear = recognise(get_model("lda", CLASSES))
        assert linear is not None
        with pytest.raises(NotLinear, match="a class lacks two training windows"):
            linear_predictions(
                linear, np.random.default_rng(0).standard_normal((4, 2)), labels,
                Roles.of([[fold]], np.arange(4)), n_classes=2,
            )  # fmt: skip

    @pytest.mark.parametrize("n_features", [3, 12])
    def test_a_covariance_that_stays_singular_is_left_to_the_estimator(self, n_features):
        # Two windows a class: standardised within it, both are as long, so that nothing is shrunk. The
        # covariance has a rank of 2, and least squares, as in scikit-learn, still has an answer.
        X = np.random.default_rng(0).standard_normal((6, n_features))
        fold = Fold(name="1", train_idx=np.arange(4), test_idx=np.array([4, 5]))
        linear = recognise(get_model("lda", CLASSES))
        assert linear is not None
        with pytest.raises(NotLinear, match="a covariance is singular"):
            linear_predictions(
                linear, X, np.array([[0, 1, 0, 1, 0, 1]]), Roles.of([[fold]], np.arange(6)), n_classes=2
            )

    @pytest.mark.parametrize(("task", "name"), [(CLASSES, "lda"), (NUMBERS, "ridge")])
    def test_a_feature_that_is_constant_where_it_is_standardised_is_left_to_the_estimator(self, task, name):
        X = np.random.default_rng(0).standard_normal((8, 2))
        X[:6, 1] = 1.0
        fold = Fold(name="1", train_idx=np.arange(6), test_idx=np.array([6, 7]))
        linear = recognise(get_model(name, task))
        assert linear is not None
        with pytest.raises(NotLinear, match=r"a feature is constant in a (class|fold)"):
            linear_predictions(
                linear, X, np.array([[0, 1] * 4]), Roles.of([[fold]], np.arange(8)), n_classes=2
            )

    def test_sums_beyond_the_memory_are_left_to_the_estimator(self, monkeypatch):
        monkeypatch.setattr("physioaffect.evaluation.statistics.linear_permutation._MOST", 100)
        fold = Fold(name="1", train_idx=np.arange(6), test_idx=np.array([6, 7]))
        linear = recognise(get_model("lda", CLASSES))
        assert linear is not None
        X = np.random.default_rng(0).standard_normal((8, 2))
        with pytest.raises(NotLinear, match="the sums need too much memory"):
            linear_predictions(
                linear, X, np.array([[0, 1] * 4]), Roles.of([[fold]], np.arange(8)), n_classes=2
            )

    def test_ridge_in_folds_of_each_labelling_is_ridge_in_each(self):
        rng = np.random.default_rng(0)
        X, labels, trials = (
            rng.standard_normal((24, 3)),
            rng.standard_normal((2, 12)),
            np.repeat(np.arange(12), 2),
        )
        folds = [
            [
                Fold(
                    name="1",
                    train_idx=np.flatnonzero(trials % 3 != k),
                    test_idx=np.flatnonzero(trials % 3 == k),
                )
            ]
            for k in range(2)
        ]
        linear = recognise(get_model("ridge", NUMBERS))
        assert linear is not None
        both = linear_predictions(linear, X, labels, Roles.of(folds, trials), n_classes=0)
        for b, own in enumerate(folds):
            model = get_model("ridge", NUMBERS).fit(X[own[0].train_idx], labels[b][trials[own[0].train_idx]])
            alone = linear_predictions(linear, X, labels[b : b + 1], Roles.of([own], trials), n_classes=0)
            expected = model.predict(X[own[0].test_idx]).reshape(-1, 2).mean(axis=1)
            for found, row in ((both, b), (alone, 0)):
                is_tested = found.counts[row, :, 0] > 0
                means = found.scores[row, is_tested, 0] / found.counts[row, is_tested, 0]
                assert_allclose(means, expected)

    def test_trials_that_each_labelling_divides_are_left_to_the_estimator(self):
        one = Fold(name="1", train_idx=np.array([0, 1, 2]), test_idx=np.array([3, 4, 5]))
        two = Fold(name="1", train_idx=np.array([0, 1, 2, 3]), test_idx=np.array([4, 5]))
        with pytest.raises(NotLinear, match="trials are divided in another way for other labels"):
            Roles.of([[one], [two]], np.array([0, 0, 1, 1, 2, 2]))


class TestPermuteFits:
    def test_recognised_and_not_they_agree(self, monkeypatch):
        table = world_table(3, n_subjects=4, n_windows=2, n_features=3, affect=0.4)
        folds = folds_of("loso", table)
        model = get_model("lda", CLASSES)
        at_once = permute_fits(table, CLASSES, folds, model, n_permutations=15)
        monkeypatch.setattr("physioaffect.evaluation.statistics.refitting.recognise", lambda _: None)
        told = []
        slowly = permute_fits(
            table, CLASSES, folds, model, n_permutations=15, progress=lambda *done: told.append(done)
        )
        pd.testing.assert_frame_equal(at_once, slowly)
        assert told[-1] == (16, 16)

    @pytest.mark.parametrize(("task", "model"), [(CLASSES, "lda"), (NUMBERS, "ridge")])
    def test_observed_is_the_score_of_the_run(self, task, model):
        table = world_table(2, affect=0.3, task=task)
        folds = folds_of("loso", table)
        found = permute_fits(table, task, folds, get_model(model, task), n_permutations=5)
        scores = score(predictions_of(table, task, folds, get_model(model, task)), task.kind)
        means = scores[scores["subject"] != "(pooled)"].groupby(["level", "metric"])["value"].mean()
        assert set(found["metric"]) == set(CLASSIFICATION if task is CLASSES else REGRESSION)
        for row in found.itertuples():
            assert row.observed == pytest.approx(means[row.level, row.metric], abs=1e-10)

    def test_people_who_are_divided_are_scaled_by_the_estimator(self):
        table = world_table(3, n_subjects=3, n_trials=4, n_windows=3, n_features=3, affect=0.4)
        folds = folds_of("within_subject_trial", table)
        model = PerSubjectScaled(get_model("lda", CLASSES))
        found = permute_fits(table, CLASSES, folds, model, n_permutations=3)
        scores = score(predictions_of(table, CLASSES, folds, model), CLASSES.kind)
        means = scores[scores["subject"] != "(pooled)"].groupby(["level", "metric"])["value"].mean()
        for row in found.itertuples():
            assert row.observed == pytest.approx(means[row.level, row.metric], abs=1e-10)

    def test_a_model_that_fits_folds_is_given_all_of_them(self):
        table = world_table(3, n_subjects=3, n_trials=4, n_windows=2, n_features=3, affect=0.4)
        folds = folds_of("loso", table)
        stacked, alone = (
            permute_fits(table, CLASSES, folds, model, n_permutations=3)
            for model in (_Stacked(), make_pipeline(StandardScaler(), LogisticRegression()))
        )
        pd.testing.assert_frame_equal(stacked, alone)

    def test_threads_change_nothing(self):
        table = world_table(2, affect=0.3)
        folds = folds_of("loso", table)
        one, two = (
            permute_fits(table, CLASSES, folds, get_model("lda", CLASSES), n_permutations=120, n_jobs=n)
            for n in (1, 2)
        )
        pd.testing.assert_frame_equal(one, two)

    def test_folds_are_made_anew_only_if_labels_matter(self):
        table = world_table(2, n_subjects=3)
        asked = []

        def resplit(coords: pd.DataFrame) -> list[Fold]:
            asked.append(coords)
            return list(loso.split(coords, np.random.default_rng(5)))

        permute_fits(
            table,
            CLASSES,
            folds_of("loso", table),
            get_model("lda", CLASSES),
            n_permutations=20,
            resplit=resplit,
        )
        assert len(asked) == 5

    def test_clips_that_give_the_label_are_recognised_by_any_map(self):
        # What 1/2 would take for a finding is what any other map of these clips gives.
        table = world_table(4, n_subjects=10, n_trials=8, n_features=20, clip=2.0, task=BY_CLIP)
        found = permute_fits(
            table, BY_CLIP, folds_of("loso", table), get_model("lda", BY_CLIP), n_permutations=69
        )
        first = found.iloc[0]
        assert first["observed"] > 0.8
        assert first["chance"] > 0.8
        assert first["n_distinct"] == 70
        assert first["exchange"] == "stimulus-to-label map"
        assert first["p"] > 0.05

    def test_nothing_to_permute_is_said(self):
        table = world_table(2, n_trials=1, task=BY_CLIP)
        found = permute_fits(table, BY_CLIP, folds_of("loso", table), _Same(), n_permutations=9)
        assert found["p"].isna().all()
        assert found["n_permutations"].eq(0).all()
        assert found["tests"].str.startswith("No test: there are no two stimuli").all()

    def test_a_prediction_that_is_no_number_is_an_error(self):
        table = world_table(2, task=NUMBERS)
        with pytest.raises(DataError, match="A prediction is NaN or infinite"):
            permute_fits(table, NUMBERS, folds_of("loso", table), _Nothing(), n_permutations=2)


class _Same(BaseEstimator):  # type: ignore[misc]
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


class _Stacked(BaseEstimator):  # type: ignore[misc]
    """Logistic regression, all folds in one call."""

    def fit_folds(self, X, y, folds, *, seeds):
        assert len(folds) == len(seeds)
        model = make_pipeline(StandardScaler(), LogisticRegression())
        return [clone(model).fit(X[fold.fitted_idx], y[fold.fitted_idx]) for fold in folds]


class _Nothing(BaseEstimator):  # type: ignore[misc]
    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.full(len(X), np.nan)


class TestPermutePredictions:
    @pytest.mark.parametrize("task", [CLASSES, NUMBERS, THREE], ids=["two", "numbers", "three"])
    def test_equal_to_scoring_each_relabelling(self, task):
        table = world_table(6, n_subjects=3, n_windows=3, affect=0.5, task=task)
        table = of_three(table) if task is THREE else table
        model = get_model("ridge" if task is NUMBERS else "lda", task)
        predictions = predictions_of(table, task, folds_of("loso", table), model)
        # Trials of one person differ in length.
        predictions = predictions.drop(index=[0, 1, 7]).reset_index(drop=True)
        found = permute_predictions(predictions, described(task), n_permutations=12, seed=3)
        exchange = exchange_of(predictions.assign(target=predictions["truth"]), "rating")
        by_hand = []
        for row in exchange.positions(12, seed=3):
            truth = exchange.labels[row][exchange.trial_of_row]
            scores = score(predictions.assign(truth=truth), task.kind)
            by_hand.append(
                scores[scores["subject"] != "(pooled)"].groupby(["level", "metric"])["value"].mean()
            )
        permuted = pd.DataFrame(by_hand)
        for one in found.itertuples():
            own = permuted[one.level, one.metric]
            mean = own.mean()
            assert one.chance == pytest.approx(mean, abs=1e-10)
            wide = mean + np.sqrt(2) * (own - mean)
            assert (one.low, one.high) == pytest.approx(tuple(wide.quantile([0.025, 0.975])), abs=1e-10)
            sign = -1 if one.metric == "rmse" else 1
            assert one.p == (1 + (sign * (wide - one.observed) >= -1e-10).sum()) / 13

    def test_one_fold_needs_no_widening(self):
        table = world_table(6, n_subjects=6)
        test_idx = np.flatnonzero(table.people == "S00")
        fold = Fold(
            name="1", train_idx=np.setdiff1d(np.arange(len(table.people)), test_idx), test_idx=test_idx
        )
        predictions = predictions_of(table, CLASSES, [fold], get_model("lda", CLASSES))
        found = permute_predictions(predictions, described(CLASSES))
        assert found["tests"].str.endswith("Predictions were held fixed.").all()

    def test_all_models_of_a_protocol_meet_the_same_relabellings(self):
        table = world_table(0)
        rows = predictions_of(table, CLASSES, folds_of("loso", table), get_model("lda", CLASSES))
        predictions = pd.concat([rows.assign(model=name) for name in "ab"])
        found = permute_predictions(predictions, described(CLASSES), n_permutations=100)
        assert len(found) == 2 * 2 * len(CLASSIFICATION)
        assert (found.groupby(["level", "metric"])["p"].nunique() == 1).all()

    @pytest.mark.parametrize(
        ("task", "protocol", "why"),
        [
            (BY_CLIP, "loso", "the stimulus gives the label, and the model learnt these stimuli"),
            (CLASSES, "window_random", "windows of the test trials were trained on with their labels"),
        ],
    )
    def test_where_training_knew_the_labels_there_is_no_p(self, task, protocol, why):
        table = world_table(6, task=task, n_windows=5)
        predictions = predictions_of(table, task, folds_of(protocol, table), get_model("lda", task))
        found = permute_predictions(predictions, described(task))
        assert found[["p", "chance", "low", "high"]].isna().all(axis=None)
        assert found["observed"].notna().all()
        assert found["tests"].str.contains(why).all()
        assert found["tests"].str.contains("Refits are needed|need refits").all()

    def test_a_protocol_that_shares_trials_is_believed(self):
        table = world_table(6)
        predictions = predictions_of(table, CLASSES, folds_of("loso", table), get_model("lda", CLASSES))
        protocols = [{"name": "p", "holds_out": "subject", "shared": {"trial": 1.0}}]
        found = permute_predictions(predictions, described(CLASSES), protocols=protocols)
        assert found["p"].isna().all()

    def test_new_stimuli_exchange_all_ratings_of_a_stimulus(self):
        table = world_table(6, n_trials=12)
        folds = folds_of("loso_stimulus", table)
        predictions = predictions_of(table, CLASSES, folds, get_model("lda", CLASSES))
        protocols = [{"name": "p", "holds_out": "subject, stimulus", "shared": {}}]
        found = permute_predictions(predictions, described(CLASSES), protocols=protocols)
        assert (found["exchange"] == "all ratings of a stimulus").all()
        assert found["p"].notna().all()
        # Three groups of four clips, which change places within a group only.
        assert found["n_distinct"].max() <= 24**3

    def test_one_label_a_person_cannot_be_exchanged_under_fixed_predictions(self):
        table = world_table(6, n_subjects=6)
        of_person = dict(zip(table.coords["subject"].unique(), ["low", "high"] * 3, strict=True))
        coords = table.coords.assign(target=table.coords["subject"].map(of_person).to_numpy())
        table = Table(coords=coords, features=table.features, raw=None, raw_idx=table.raw_idx)
        model = get_model("lda", CLASSES)
        found = permute_predictions(
            predictions_of(table, CLASSES, folds_of("loso_2fold", table), model), described(CLASSES)
        )
        assert found["p"].isna().all()
        assert found["tests"].str.contains("trained each other's models. Refits are needed").all()

    def test_a_label_of_no_class_is_named(self):
        with pytest.raises(DataError, match="Label 'middle' is none of the task's classes low, high"):
            numbers_of(np.array(["low", "middle"]), "binary", ("low", "high"))

    def test_a_trial_a_fold_leaves_nothing_to_exchange(self):
        table = world_table(6, n_subjects=1)
        trials = table.coords["trial"].to_numpy()
        folds = [
            Fold(name=t, train_idx=np.flatnonzero(trials != t), test_idx=np.flatnonzero(trials == t))
            for t in np.unique(trials)
        ]
        predictions = predictions_of(table, CLASSES, folds, get_model("lda", CLASSES))
        found = permute_predictions(predictions, described(CLASSES))
        assert found["p"].isna().all()
        assert found["tests"].str.contains("refits can exchange more").all()

    def test_the_order_may_come_from_the_coordinates(self):
        table = world_table(6, n_trials=2, n_windows=3)
        conditions = np.where(table.coords["trial"] == "0", "high", "low")
        coords = table.coords.assign(target=conditions)
        table = Table(coords=coords, features=table.features, raw=None, raw_idx=table.raw_idx)
        predictions = predictions_of(table, CLASSES, folds_of("loso", table), get_model("lda", CLASSES))
        task = described(CLASSES) | {"source": "condition"}
        found = permute_predictions(predictions, task, coords=coords, n_permutations=50)
        assert found["tests"].str.contains("it tests condition, not affect").all()
        found = permute_predictions(predictions, task, n_permutations=50)
        assert found["tests"].str.contains("is not known here").all()

    def test_lacking_columns_and_rows(self):
        table = world_table(6, n_subjects=3)
        predictions = predictions_of(table, CLASSES, folds_of("loso", table), get_model("lda", CLASSES))
        with pytest.raises(ProtocolError, match="Predictions lack the columns fold, p_low"):
            permute_predictions(predictions.drop(columns=["fold", "p_low"]), described(CLASSES))
        with pytest.raises(ProtocolError, match="There are no predictions"):
            permute_predictions(predictions.iloc[:0], described(CLASSES))


def test_the_page_shows_what_theory_says_of_fixed_predictions():
    # z of many people, N(0, I_p) each, projected on the direction of the others' mean: with Z the sum of all,
    # 1 / |Z - z| = (1 + z Z / |Z|^2) / |Z| gives the sum (|Z|^2 - (p - 1) n) / |Z|.
    page = (Path(__file__).resolve().parents[3] / "docs" / "statistics.md").read_text(encoding="utf-8")
    for widening, shown in ((1.0, "10.0, 11.4, 11.9 and 12.2 %"), (2**0.5, "2.0, 3.5, 4.4 and 5.0 %")):
        limit = widening * norm.isf(0.05)
        percent = [
            100 * chi2.sf(((limit + np.sqrt(limit**2 + 4 * (p - 1))) / 2) ** 2, p) for p in (1, 6, 40, 10**6)
        ]
        *first, last = (f"{value:.1f}" for value in percent)
        assert f"{', '.join(first)} and {last} %" == shown
        assert shown in " ".join(page.split())


@pytest.mark.parametrize("p", [1, 6])
def test_theory_is_right_of_mean_directions(p):
    rng = np.random.default_rng(0)
    z = rng.standard_normal((4000, 60, p))
    others = z.sum(axis=1, keepdims=True) - z
    scores = (z * others / np.linalg.norm(others, axis=-1, keepdims=True)).sum(axis=(1, 2)) / np.sqrt(60)
    limit = norm.isf(0.05)
    theory = chi2.sf(((limit + np.sqrt(limit**2 + 4 * (p - 1))) / 2) ** 2, p)
    # With permuted labels each person's score is a standard normal deviate, whoever trained.
    assert (scores > limit).mean() == pytest.approx(theory, abs=3 * np.sqrt(0.1 * 0.9 / 4000))
