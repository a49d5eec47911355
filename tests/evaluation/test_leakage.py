"""The audit finds what was planted, names it, and is silent where nothing is wrong."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from support.tables import VALENCE, feature_table

from physioaffect.datasets import DREAMER, World
from physioaffect.errors import DataError
from physioaffect.evaluation import PROTOCOLS, Fold, evaluate, get_protocol, make_table
from physioaffect.evaluation.leakage import (
    KINDS,
    Audit,
    Finding,
    audit,
    audit_folds,
    audit_plan,
    audit_table,
    duplicates,
    probe,
    probe_rows,
)
from physioaffect.features import default_recipe, extract

N_SUBJECTS, N_TRIALS, N_WINDOWS = 10, 12, 10


class Study:
    """Ten people, twelve trials, ten windows, 24 features, which know nothing of the labels."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        shape = N_SUBJECTS, N_TRIALS, N_WINDOWS
        subject, trial, window = (axis.ravel() for axis in np.meshgrid(*map(np.arange, shape), indexing="ij"))
        people = rng.standard_normal((N_SUBJECTS, 24))
        trials = 0.5 * rng.standard_normal((N_SUBJECTS, N_TRIALS, 24))
        mixing = rng.standard_normal((24, 24)) / 5
        windows = 0.4 * rng.standard_normal((len(subject), 24))
        self.X = 10 + (people[subject] + trials[subject, trial] + windows) @ mixing
        labels = np.stack([rng.permutation(np.arange(N_TRIALS) % 2) for _ in range(N_SUBJECTS)])
        self.coords = pd.DataFrame(
            {
                "subject": [f"S{number}" for number in subject],
                "session": "1",
                "trial": [f"T{number}" for number in trial],
                "stimulus": [f"S{s} film{t}" for s, t in zip(subject, trial, strict=True)],
                "order": trial,
                "window": window,
                "start": 2.0 * window,
                "duration": 2.0,
                "elapsed": 60.0 * trial + 2.0 * window,
                "target": np.where(labels[subject, trial] == 1, "high", "low"),
            }
        )
        self.people, self.trials = subject, trial
        self.new_person = np.flatnonzero(subject > 1), np.flatnonzero(subject <= 1)
        self.other_trials = np.flatnonzero(trial % 4 > 0), np.flatnonzero(trial % 4 == 0)

    def with_feature(self, column: object) -> np.ndarray:
        return np.column_stack([self.X, np.asarray(column, dtype=float)])


@pytest.fixture(scope="module")
def study() -> Study:
    return Study()


def leaks_of(found: Audit) -> set[str]:
    return {finding.kind for finding in found.findings if finding.severity == "leak"}


class TestPlantedLeaks:
    """The thirteen of the issue, each by name, each alone."""

    def test_elapsed_time_as_a_feature(self, study):
        X = study.with_feature(study.coords["elapsed"])
        found = audit(study.coords, *study.new_person, features=X)
        assert leaks_of(found) == {"time_feature"}
        assert "feature 24 (100 %)" in found.findings[0].sentence

    def test_the_features_alone_are_audited_quickly(self, study):
        assert audit_table(study.coords, study.X)["is_clean"]
        X = study.with_feature(study.coords["elapsed"])
        told = audit_table(study.coords, X)
        assert [finding["kind"] for finding in told["findings"]] == ["time_feature"]
        json.dumps(told, allow_nan=False)

    @pytest.mark.parametrize("name", ["elapsed", "order", "start"])
    def test_any_clock_in_any_disguise(self, study, name):
        clock = study.coords[name].to_numpy(dtype=float)
        per_person = np.empty_like(clock)
        for person in range(N_SUBJECTS):
            own = study.people == person
            bent = np.sqrt(1 + clock[own])
            per_person[own] = (bent - bent.mean()) / bent.std() * (-1) ** person
        found = audit(study.coords, *study.new_person, features=study.with_feature(per_person))
        assert leaks_of(found) == {"time_feature"}

    @pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler()])
    def test_scaler_fitted_on_all(self, study, scaler):
        X = scaler.fit_transform(study.X)
        found = audit(study.coords, *study.new_person, features=X)
        assert leaks_of(found) == {"scaler_on_all"}
        fitted_rightly = scaler.fit(study.X[study.new_person[0]]).transform(study.X)
        assert audit(study.coords, *study.new_person, features=fitted_rightly).is_clean

    def test_scaler_fitted_on_all_by_the_probe(self, study):
        def leaky(X, y, train, test):
            Z = StandardScaler().fit_transform(X)
            return {"train_features": Z[train], "model": LogisticRegression().fit(Z[train], y[train])}

        def honest(X, y, train, test):
            Z = StandardScaler().fit(X[train]).transform(X)
            return {"train_features": Z[train], "model": LogisticRegression().fit(Z[train], y[train])}

        y = study.coords["target"].to_numpy()
        assert [f.kind for f in probe(leaky, study.X, y, *study.new_person)] == ["scaler_on_all"]
        assert probe(honest, study.X, y, *study.new_person) == []

    def test_selection_on_all(self, study):
        def leaky(X, y, train, test):
            selection = SelectKBest(k=4).fit(X, y)
            model = LogisticRegression().fit(selection.transform(X[train]), y[train])
            return {"selected": selection.get_support(indices=True), "model": model}

        def honest(X, y, train, test):
            selection = SelectKBest(k=4).fit(X[train], y[train])
            model = LogisticRegression().fit(selection.transform(X[train]), y[train])
            return {"selected": selection.get_support(indices=True), "model": model}

        y = study.coords["target"].to_numpy()
        assert {f.kind for f in probe(leaky, study.X, y, *study.new_person)} == {"selection_on_all"}
        assert probe(honest, study.X, y, *study.new_person) == []

    def test_overlapping_windows(self, study):
        late = study.coords["window"].to_numpy() >= N_WINDOWS // 2
        sides = np.flatnonzero(~late), np.flatnonzero(late)
        overlapping = study.coords.assign(duration=3.0)
        found = audit(overlapping, *sides)
        assert leaks_of(found) == {"samples_shared", "trial_shared"}
        # Of each trial's five late windows only the first reaches back into an early one.
        [finding] = [f for f in found.findings if f.kind == "samples_shared"]
        assert finding.value == pytest.approx(1 / 5)
        assert leaks_of(audit(study.coords, *sides)) == {"trial_shared"}

    def test_pieces_named_as_trials_overlap_by_the_clock_of_the_session(self, study):
        # Every window is a trial of its own, and windows last longer than the steps between them.
        pieces = study.coords.assign(
            trial=study.coords["trial"] + "-" + study.coords["window"].astype(str), start=0.0, duration=3.0
        )
        sides = np.flatnonzero(pieces["window"] % 2 == 0), np.flatnonzero(pieces["window"] % 2 == 1)
        assert leaks_of(audit(pieces, *sides)) == {"samples_shared"}
        assert leaks_of(audit(pieces.assign(duration=2.0), *sides)) == set()

    def test_smoothing_across_trials(self, study):
        X = pd.DataFrame(study.X)
        across = X.groupby(study.people).transform(
            lambda own: own.rolling(5, center=True, min_periods=1).mean()
        )
        found = audit(study.coords, *study.other_trials, features=across, declares={"subject", "session"})
        assert leaks_of(found) == {"smoothed_across_trials"}
        trial = study.people * N_TRIALS + study.trials
        within = X.groupby(trial).transform(lambda own: own.rolling(5, center=True, min_periods=1).mean())
        assert audit(
            study.coords, *study.other_trials, features=within, declares={"subject", "session"}
        ).is_clean

    def test_smoothing_that_looks_back_only_is_a_warning(self, study):
        X = pd.DataFrame(study.X)
        across = X.groupby(study.people).transform(lambda own: own.rolling(5, min_periods=1).mean())
        found = audit(study.coords, *study.other_trials, features=across, declares={"subject", "session"})
        assert found.kinds == {"smoothed_across_trials"}

    def test_smoothing_across_trials_by_the_probe(self, study):
        X = pd.DataFrame(study.X)
        trial = study.people * N_TRIALS + study.trials
        assert [f.kind for f in probe_rows(lambda X: X.rolling(3, min_periods=1).mean(), X, trial)] == [
            "smoothed_across_trials"
        ]
        assert probe_rows(lambda X: X.groupby(trial).cumsum(), X, trial) == []

    def test_same_trial(self, study):
        rng = np.random.default_rng(0)
        order = rng.permutation(len(study.X))
        found = audit(study.coords, order[300:], order[:300], features=study.X)
        assert leaks_of(found) == {"trial_shared", "trial_recognised"}
        [recognised] = [f for f in found.findings if f.kind == "trial_recognised"]
        assert recognised.value > 0.5
        [chance] = map(float, re.findall(r"chance is ([\d.]+) %", recognised.sentence))
        assert chance == pytest.approx(100 / N_TRIALS, rel=0.1)

    def test_same_subject_under_another_name(self, study):
        renamed = study.coords.copy()
        is_second_half = (study.people == 0) & (study.trials >= N_TRIALS // 2)
        renamed.loc[is_second_half, "subject"] = "Z"
        sides = (
            np.flatnonzero((study.people > 1) | is_second_half),
            np.flatnonzero((study.people <= 1) & ~is_second_half),
        )
        found = audit(renamed, *sides, features=study.X)
        assert leaks_of(found) == {"same_person_two_names"}
        assert "S0 and Z" in found.findings[0].sentence

    def test_stimulus_shared(self, study):
        films = study.coords.assign(stimulus=study.coords["trial"])
        found = audit(films, *study.new_person)
        assert found.kinds == {"stimulus_shared"}
        assert "100 %" in found.findings[0].sentence
        declared = audit(films, *study.new_person, declares=PROTOCOLS["loso"])
        assert [(f.kind, f.severity) for f in declared.findings] == [("stimulus_shared", "note")]
        assert declared.is_clean

    def test_label_derived_feature(self, study):
        is_high = (study.coords["target"] == "high").to_numpy()
        found = audit(study.coords, *study.new_person, features=study.with_feature(is_high))
        assert leaks_of(found) == {"label_feature"}
        noisy = is_high + 0.02 * np.random.default_rng(0).standard_normal(len(is_high))
        assert leaks_of(audit(study.coords, *study.new_person, features=study.with_feature(noisy))) == {
            "label_feature"
        }

    def test_a_feature_that_separates_but_varies_is_a_warning(self, study):
        is_high = (study.coords["target"] == "high").to_numpy()
        strong = 4 * is_high + np.random.default_rng(0).standard_normal(len(is_high))
        found = audit(study.coords, *study.new_person, features=study.with_feature(strong))
        assert [(f.kind, f.severity) for f in found.findings] == [("label_feature", "warning")]

    def test_a_feature_made_of_a_rating(self, study):
        rating = np.random.default_rng(0).uniform(1, 9, (N_SUBJECTS, N_TRIALS))[study.people, study.trials]
        found = audit(study.coords, *study.new_person, features=study.with_feature(rating**2), labels=rating)
        assert leaks_of(found) == {"label_feature"}
        assert audit(study.coords, *study.new_person, features=study.X, labels=rating).is_clean

    def test_future_baseline_by_coordinates(self, study):
        before = study.coords.assign(baseline_start=-5.0, baseline_stop=0.0)
        assert audit(before, *study.new_person).is_clean
        after = study.coords.assign(baseline_start=18.0, baseline_stop=20.0)
        found = audit(after, *study.new_person)
        assert leaks_of(found) == {"future_baseline"}
        assert "up to 20 s" in found.findings[0].sentence

    def test_a_baseline_trial_on_the_other_side(self, study):
        first = study.coords.assign(baseline_trial="T0")
        found = audit(first, *study.other_trials, declares={"subject", "session"})
        assert leaks_of(found) == {"future_baseline"}
        assert audit(first, *study.new_person).is_clean

    def test_seconds_of_a_baseline_in_another_trial_count_from_another_onset(self, study):
        first = study.coords.assign(baseline_trial="T0", baseline_stop=20.0)
        found = audit(first, *study.new_person)
        assert leaks_of(found) == {"future_baseline"}
        n_own = N_SUBJECTS * N_WINDOWS
        assert found.findings[0].sentence.startswith(f"The baseline of {n_own} of 1200 windows ends after")

    def test_features_centred_per_session_are_standardised_and_have_no_later_baseline(self, study):
        X = pd.DataFrame(study.X)
        found = audit(study.coords, *study.new_person, features=X - X.groupby(study.people).transform("mean"))
        assert [finding.kind for finding in found.findings] == ["standardised_per_person"]

    @pytest.mark.parametrize("n_last", [1, 3, N_WINDOWS])
    def test_future_baseline_by_what_it_leaves_in_the_numbers(self, study, n_last):
        X = pd.DataFrame(study.X)
        trial = pd.Series(study.people * N_TRIALS + study.trials)
        last = X[study.coords["window"] >= N_WINDOWS - n_last].groupby(trial).mean()
        found = audit(study.coords, *study.new_person, features=X - last.loc[trial].to_numpy())
        # If one window is the baseline, it is 0 in every trial: rows that are alike.
        assert leaks_of(found) == {"future_baseline"} | ({"duplicate_rows"} if n_last == 1 else set())
        first = X[study.coords["window"] < 3].groupby(trial).mean()
        assert audit(study.coords, *study.new_person, features=X - first.loc[trial].to_numpy()).is_clean

    def test_future_baseline_by_the_probe(self, study):
        time = study.coords["elapsed"].to_numpy()[study.people == 0]
        X, trial = study.X[study.people == 0], study.trials[study.people == 0]
        assert [f.kind for f in probe_rows(lambda X: X - X[-5:].mean(axis=0), X, trial, order=time)] == [
            "future_baseline"
        ]
        assert probe_rows(lambda X: X - X[:5].mean(axis=0), X, trial, order=time) == []

    def test_duplicate_rows(self, study):
        X = study.X.copy()
        X[study.new_person[1][:7]] = X[study.new_person[0][:7]]
        found = audit(study.coords, *study.new_person, features=X)
        assert leaks_of(found) == {"duplicate_rows"}
        assert found.findings[0].sentence.startswith("7 of 240 test rows")

    def test_a_row_on_both_sides(self, study):
        train, test = study.new_person
        found = audit(study.coords, np.append(train, test[:3]), test)
        assert "row_shared" in leaks_of(found)
        assert "3 of 240 test rows are training rows as well." in [f.sentence for f in found.findings]

    def test_copies_with_noise(self, study):
        X = study.X.copy()
        noise = 0.01 * np.random.default_rng(0).standard_normal((20, 24))
        X[study.new_person[1][:20]] = X[study.new_person[0][100:120]] + noise
        assert leaks_of(audit(study.coords, *study.new_person, features=X)) == {"near_duplicates"}

    def test_early_stopping_on_test(self, study):
        def stopped(X, y, train, stop):
            """Gradient descent, stopped where the loss on ``stop`` is least."""
            mean, sd = X[train].mean(axis=0), X[train].std(axis=0)
            Z, t = (X - mean) / sd, (y == "high").astype(float)
            w, path, losses = np.zeros(X.shape[1]), [], []
            for _ in range(60):
                p = 1 / (1 + np.exp(-Z @ w))
                losses.append(-np.mean(np.log(np.clip(np.where(t == 1, p, 1 - p)[stop], 1e-9, None))))
                path.append(w)
                w = w - 0.5 * Z[train].T @ (p - t)[train] / len(train)
            best = int(np.argmin(losses))
            return {"train_features": Z[train], "epoch": best, "weights": path[best]}

        y = study.coords["target"].to_numpy()
        train, test = study.new_person
        found = probe(stopped, study.X, y, train, test)
        assert {f.kind for f in found} == {"stopped_on_test"}
        assert (
            probe(lambda X, y, train, test: stopped(X, y, train[300:], train[:300]), study.X, y, train, test)
            == []
        )

    def test_smote_before_splitting(self, study):
        made, coords = smote(study, np.arange(len(study.X)))
        order = np.random.default_rng(0).permutation(len(made))
        train = np.concatenate([study.new_person[0], np.flatnonzero(coords["subject"].isna())])
        found = audit(coords, train, study.new_person[1], features=made)
        # What was made close to one end is nearly its copy.
        assert leaks_of(found) == {"synthetic_rows", "near_duplicates"}
        # After a split at random the made rows lie on both sides.
        assert "synthetic_rows" in leaks_of(audit(coords, order[300:], order[:300], features=made))

    def test_smote_after_splitting_is_silent(self, study):
        made, coords = smote(study, study.new_person[0])
        train = np.concatenate([study.new_person[0], np.flatnonzero(coords["subject"].isna())])
        found = audit(coords, train, study.new_person[1], features=made)
        assert found.is_clean
        assert [f.kind for f in found.findings] == ["rows_without_coordinates"]


def smote(study: Study, rows: np.ndarray) -> tuple[np.ndarray, pd.DataFrame]:
    """Add 200 rows as SMOTE does: between one of ``rows`` and one of its five nearest of the same class."""
    rng = np.random.default_rng(0)
    y, X = study.coords["target"].to_numpy(), study.X
    made = []
    for row in rng.choice(rows, 200):
        peers = rows[(y[rows] == y[row]) & (rows != row)]
        near = peers[np.argsort(np.linalg.norm(X[peers] - X[row], axis=1))[:5]]
        made.append(X[row] + rng.random() * (X[rng.choice(near)] - X[row]))
    coords = pd.concat([study.coords, pd.DataFrame({"target": y[: len(made)]})], ignore_index=True)
    return np.vstack([X, made]), coords


class TestSilence:
    @pytest.mark.parametrize("seed", range(10))
    def test_clean_splits(self, seed):
        study = Study(seed)
        assert audit(study.coords, *study.new_person, features=study.X).findings == ()
        found = audit(study.coords, *study.other_trials, features=study.X, declares={"subject", "session"})
        assert found.is_clean, str(found)

    @pytest.mark.parametrize("name", ["loso", "within_subject_trial", "calibrated_trials"])
    def test_honest_folds_of_ours(self, name):
        table, _ = make_table(feature_table(n_subjects=6, n_trials=10, n_windows=6), VALENCE)
        protocol = get_protocol(name)
        folds = list(protocol.split(table.coords, np.random.default_rng(0)))
        found = audit_folds(table.coords, folds[:6], features=table.features, declares=protocol)
        assert found.is_clean, str(found)
        assert audit_plan(table.coords, folds, protocol)["is_clean"]

    def test_windows_dealt_at_random_are_not_honest_whatever_the_protocol_declares(self):
        table, _ = make_table(feature_table(), VALENCE)
        protocol = PROTOCOLS["window_random"]
        plan = audit_plan(table.coords, protocol.split(table.coords, np.random.default_rng(0)), protocol)
        assert not plan["is_clean"]
        assert [f["kind"] for f in plan["findings"] if f["severity"] == "leak"] == ["trial_shared"]
        assert plan["shared"]["trial"] == 1
        json.dumps(plan, allow_nan=False)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "world", [World.null(), World.planted(), World.drift_only(), World.stimulus_only()]
    )
    def test_simulated_dreamer(self, tmp_path, world):
        assert DREAMER.simulate is not None
        DREAMER.simulate(tmp_path, world=world, n_subjects=6, max_seconds=30)
        features = extract(DREAMER, tmp_path, default_recipe(DREAMER)).features
        table, _ = make_table(features, DREAMER.tasks["valence"])
        for name in ("loso", "within_subject_trial"):
            folds = list(PROTOCOLS[name].split(table.coords, np.random.default_rng(0)))[:6]
            found = audit_folds(table.coords, folds, features=table.features, declares=PROTOCOLS[name])
            assert found.is_clean, str(found)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["eegmat", "stress_predict"])
    def test_real_recordings(self, real_data, name):
        from physioaffect.datasets import DATASETS

        folder = {"eegmat": "realeeg/eegmat", "stress_predict": "realdata/stress_predict"}[name]
        dataset = DATASETS[name]
        features = extract(dataset, real_data / folder, default_recipe(dataset)).features
        table, _ = make_table(features, next(iter(dataset.tasks.values())))
        folds = list(PROTOCOLS["loso"].split(table.coords, np.random.default_rng(0)))
        found = audit_folds(table.coords, folds, features=table.features, declares=PROTOCOLS["loso"])
        assert found.is_clean, str(found)
        assert found.n_folds == len(folds)


class TestHowItIsSaid:
    def test_every_finding_names_numbers_and_the_way_out(self, study):
        found = audit(
            study.coords,
            np.arange(600),
            np.arange(600, 1200),
            features=StandardScaler().fit_transform(study.X),
        )
        for finding in found.findings:
            assert any(character.isdigit() for character in finding.sentence)
            assert finding.mend == KINDS[finding.kind][1]
        assert list(found.table()["kind"]) == [finding.kind for finding in found.findings]
        assert json.loads(found.to_json())["is_clean"] is False

    def test_a_missing_column_names_the_check_that_was_not_made(self, study):
        found = audit(study.coords[["subject", "trial"]], *study.new_person)
        assert found.is_clean
        assert found.not_made["stimulus_shared"] == "coords have no column stimulus."
        assert {"session_shared", "samples_shared", "future_baseline", "time_feature"} <= set(found.not_made)
        assert "sharing" in found.made
        assert "not checked: stimulus_shared" in str(found)

    def test_trials_are_known_without_subjects(self, study):
        trial = study.coords["subject"] + study.coords["trial"]
        alone = pd.DataFrame({"trial": trial})
        assert audit(alone, *study.other_trials).is_clean
        assert leaks_of(audit(alone, np.arange(0, 1200, 2), np.arange(1, 1200, 2))) == {"trial_shared"}

    def test_folds_are_named_and_the_worst_is_told(self, study):
        half = np.arange(1200) % 2 == 0
        folds = {
            "clean": study.new_person,
            "bad": (np.flatnonzero(half), np.flatnonzero(~half)),
            "a little": (np.arange(0, 1195), np.arange(1195, 1200)),
        }
        found = audit_folds(study.coords, folds)
        [finding] = [f for f in found.findings if f.kind == "trial_shared"]
        assert finding.folds == ("bad", "a little")
        assert finding.sentence.startswith("In 2 of 3 folds; fold bad: 600 of 600 test windows")

    def test_a_broken_promise_is_a_leak(self, study):
        found = audit(study.coords, *study.other_trials, declares=PROTOCOLS["loso"])
        assert leaks_of(found) == {"subject_shared", "session_shared"}
        assert "promises to hold out every person" in found.findings[0].sentence

    def test_validation_and_calibration_count_as_train(self, study):
        train, test = study.new_person
        fold = Fold(name="1", train_idx=train, calibration_idx=test[::2], test_idx=test[1::2])
        assert "trial_shared" in leaks_of(audit_folds(study.coords, [fold]))

    @pytest.mark.parametrize(
        ("train", "test", "said"),
        [
            ([0, 1], [], r"test must be a list of at least one row number"),
            ([0, 5000], [1], r"train names row 5000, but rows go from 0 to 1199"),
            ([0.5], [1], r"train must be a list"),
            ([True, False], [1], r"The mask train has shape \(2,\), the table 1200 rows"),
        ],
    )
    def test_bad_sides_are_refused(self, study, train, test, said):
        with pytest.raises(DataError, match=said):
            audit(study.coords, train, test)

    def test_masks_say_the_same_as_row_numbers(self, study):
        is_train = study.people > 1
        by_mask = audit(study.coords, is_train, ~is_train, features=study.X)
        assert by_mask.to_json() == audit(study.coords, *study.new_person, features=study.X).to_json()

    def test_bad_tables_are_refused(self, study):
        with pytest.raises(DataError, match="features have 5 rows, coords 1200"):
            audit(study.coords, *study.new_person, features=study.X[:5])
        with pytest.raises(DataError, match=r"columns are not: name"):
            audit(study.coords, *study.new_person, features=pd.DataFrame({"name": ["a"] * 1200}))
        with pytest.raises(DataError, match="labels must be one for each"):
            audit(study.coords, *study.new_person, labels=[1, 2])
        with pytest.raises(ValueError, match="declares is a protocol or some of subject"):
            audit(study.coords, *study.new_person, declares={"trial"})
        with pytest.raises(
            DataError, match=r"must be numbers, \(n_windows, n_features\), got float64, \(1200,\)"
        ):
            audit(study.coords, *study.new_person, features=study.X[:, 0])
        with pytest.raises(ValueError, match="Unknown kind of finding"):
            Finding(kind="gossip", severity="leak", sentence="")
        with pytest.raises(ValueError, match="severity is one of leak, warning, note, got 'doom'"):
            Finding(kind="row_shared", severity="doom", sentence="")  # type: ignore[arg-type]

    def test_missing_values_stop_nothing(self, study):
        X = study.X.copy()
        X[::7, 3] = np.nan
        X[:, 5] = np.nan
        found = audit(study.coords, *study.new_person, features=np.delete(X, 5, axis=1))
        assert found.is_clean
        assert audit(study.coords, *study.new_person, features=X).is_clean

    def test_what_too_little_is_known_for_is_named(self, study):
        X = study.X.copy()
        X[np.arange(len(X)), np.arange(len(X)) % 24] = np.nan
        found = audit(study.coords, *study.new_person, features=X)
        assert found.is_clean
        assert {"near_duplicates", "trial_recognised", "synthetic_rows"} <= set(found.not_made)
        nobody = audit(study.coords.assign(trial=None), *study.new_person, features=study.X)
        assert nobody.not_made["smoothed_across_trials"] == "no complete row belongs to a trial."
        copies = np.tile(study.X[:2], (600, 1))
        found = audit(study.coords, *study.new_person, features=copies)
        assert found.not_made["near_duplicates"] == "training rows are copies of each other."

    def test_of_a_great_table_some_rows_are_looked_at(self, study, monkeypatch):
        monkeypatch.setattr(duplicates, "MAX_ROWS", 100)
        noise = 0.01 * np.random.default_rng(0).standard_normal((240, 24))
        X = study.X.copy()
        X[study.new_person[1]] = X[study.new_person[0][:240]] + noise
        findings = audit(study.coords, *study.new_person, features=X).findings
        [found] = [finding for finding in findings if finding.kind == "near_duplicates"]
        assert " of 100 test rows lie " in found.sentence


def test_the_result_of_evaluate_can_be_audited():
    features = feature_table()
    result = evaluate(features, models=["lda"], protocols=["loso"], task=VALENCE)
    tested = result.predictions.query("model == 'lda'")
    table, _ = make_table(features, VALENCE)
    folds = {
        str(name): (
            np.flatnonzero(~table.coords["subject"].isin(own["subject"])),
            np.flatnonzero(table.coords["subject"].isin(own["subject"])),
        )
        for name, own in tested.groupby("fold")
    }
    assert audit_folds(table.coords, folds, declares=PROTOCOLS["loso"]).is_clean
