"""Probes tell who has seen the test side, whatever the code is, and cope with randomness."""

import itertools
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from physioaffect.errors import ProtocolError
from physioaffect.evaluation.leakage import RecordingProbe, probe, probe_rows
from physioaffect.evaluation.leakage.probing import _differing
from physioaffect.evaluation.leakage.replacing import replaced_labels, replaced_rows
from physioaffect.evaluation.leakage.training_side import Part, distance, parts_of
from physioaffect.evaluation.protocols import PROTOCOLS

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 6))
Y = np.array(["calm", "tense"])[(X[:, 0] + RNG.standard_normal(60) > 0).astype(int)]
TRAIN, TEST = np.arange(40), np.arange(40, 60)


def kinds(run, X=X, y=Y, **options):
    return [finding.kind for finding in probe(run, X, y, TRAIN, TEST, **options)]


class TestWhatIsSeen:
    @pytest.mark.parametrize(
        "model",
        [
            make_pipeline(StandardScaler(), SelectKBest(k=2), LogisticRegression()),
            make_pipeline(PCA(2), RandomForestClassifier(5)),
            GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=2),
        ],
    )
    def test_fitted_on_train_nothing_is_found_and_on_all_something_is(self, model):
        assert kinds(lambda X, y, train, test: model.fit(X[train], y[train]), n_replacements=1) == []
        assert kinds(lambda X, y, train, test: model.fit(X, y), n_replacements=1) != []

    def test_the_first_step_that_changes_names_the_leak(self):
        def scaled(X, y, train, test):
            return make_pipeline(StandardScaler().fit(X), LogisticRegression().fit(X[train], y[train]))

        def selected(X, y, train, test):
            selection = SelectKBest(k=2).fit(X, y)
            return make_pipeline(selection, LogisticRegression().fit(selection.transform(X[train]), y[train]))

        assert kinds(scaled) == ["scaler_on_all"]
        assert set(kinds(selected)) == {"selection_on_all"}

    def test_hyper_parameters_chosen_on_test(self):
        def tuned(X, y, train, test):
            scores = {a: Ridge(a).fit(X[train], y[train]).score(X[test], y[test]) for a in (0.1, 1000.0)}
            best = max(scores, key=lambda a: scores[a])
            return {"best_alpha": best, "model": Ridge(best).fit(X[train], y[train])}

        assert set(kinds(tuned, y=X[:, 0])) == {"stopped_on_test"}

    def test_groups_are_passed_on(self):
        groups = np.arange(60) // 10

        def nested(X, y, train, test, groups):
            search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=GroupKFold(2))
            return search.fit(X[train], y[train], groups=groups[train])

        assert kinds(nested, groups=groups, n_replacements=1) == []

    def test_unlabelled_test_rows_may_be_declared_but_not_their_labels(self):
        def transductive(X, y, train, test):
            return {"train_features": StandardScaler().fit_transform(X)[train]}

        found = probe(transductive, X, Y, TRAIN, TEST, declares=PROTOCOLS["loso_transductive"])
        assert [(f.kind, f.severity) for f in found] == [("scaler_on_all", "note")]
        labelled = probe(
            lambda X, y, train, test: {"rate": np.mean(y == "calm")},
            X,
            Y,
            TRAIN,
            TEST,
            declares=PROTOCOLS["loso_transductive"],
        )
        assert [(f.kind, f.severity) for f in labelled] == [("trained_on_test", "leak")]

    def test_data_frames_stay_data_frames(self):
        frame = pd.DataFrame(X, columns=list("abcdef"))
        run = lambda X, y, train, test: {"train_features": (X - X.mean()).iloc[train]}  # noqa: E731
        assert kinds(run, X=frame) == ["scaler_on_all"]

    @pytest.mark.slow
    def test_a_network_trained_on_train_and_one_whose_normalisation_saw_all(self):
        torch = pytest.importorskip("torch")

        def trained(rows):
            def run(X, y, train, test):
                seen = torch.from_numpy(X[train if rows == "train" else slice(None)]).float()
                net = torch.nn.Sequential(torch.nn.BatchNorm1d(6), torch.nn.Linear(6, 2))
                steps = torch.optim.SGD(net.parameters(), 0.1)
                labels = torch.from_numpy((y == "calm").astype(int)[train])
                net[0](seen)
                for _ in range(3):
                    steps.zero_grad()
                    torch.nn.functional.cross_entropy(
                        net(torch.from_numpy(X[train]).float()), labels
                    ).backward()
                    steps.step()
                return net

            return run

        assert kinds(trained("train")) == []
        assert kinds(trained("all")) != []


class TestRandomCallables:
    def test_the_global_generators_are_no_randomness(self):
        def run(X, y, train, test):
            return {"weights": np.random.standard_normal(3) + X[train].mean()}  # noqa: NPY002

        np.random.seed(5)  # noqa: NPY002
        expected = np.random.standard_normal(2)  # noqa: NPY002
        np.random.seed(5)  # noqa: NPY002
        assert kinds(run) == []
        assert np.array_equal(expected, np.random.standard_normal(2))  # noqa: NPY002

    def test_a_random_callable_is_told_from_a_leak(self):
        # Their noise goes on from call to call, which the probe cannot set back; the test must be repeatable.
        noise = np.random.default_rng(0)

        def honest(X, y, train, test):
            return {"weights": X[train].mean(axis=0) + noise.standard_normal(6)}

        def leaky(X, y, train, test):
            return {"weights": X.mean(axis=0) + 0.1 * noise.standard_normal(6)}

        assert kinds(honest) == ["random_fit"]
        found = probe(leaky, X, Y, TRAIN, TEST)
        assert [f.kind for f in found] == ["trained_on_test"]
        assert "beyond its randomness (p = 0.0022)" in found[0].sentence  # 2 of 924.

    def test_a_random_callable_without_a_leak_is_accused_as_rarely_as_said(self):
        noise = np.random.default_rng(0)

        def honest(X, y, train, test):
            return {"weights": X[train].mean(axis=0) + noise.standard_normal(6)}

        accused = sum(kinds(honest, seed=seed) != ["random_fit"] for seed in range(150))
        # 1 % in all, of two questions: 1.5 of 150 expected, SD 1.2.
        assert accused <= 6

    def test_false_alarms_of_the_permutation_test_are_as_rare_as_said(self):
        rng = np.random.default_rng(0)
        alarms = 0
        for _ in range(300):
            runs = [[Part("w", "trained_on_test", rng.standard_normal(4))] for _ in range(12)]
            alarms += bool(_differing(runs[:6], runs[6:], 0.05)[0])
        # 300 * 0.05 = 15 expected, SD 3.8.
        assert 3 <= alarms <= 27

    def test_determinate_parts_are_compared_exactly_beside_random_ones(self):
        noise = np.random.default_rng(0)

        def run(X, y, train, test):
            return {"noise": noise.random(), "train_features": (X - X.mean(axis=0))[train]}

        assert kinds(run) == ["scaler_on_all"]

    def test_a_part_that_comes_and_goes_is_random(self):
        number = itertools.count()

        def run(X, y, train, test):
            return {"weights": X[train].mean(axis=0)} | ({"spare": 1.0} if next(number) % 2 else {})

        assert kinds(run) == ["random_fit"]

    def test_torch_is_not_needed(self, monkeypatch):
        monkeypatch.delitem(sys.modules, "torch", raising=False)
        assert kinds(lambda X, y, train, test: StandardScaler().fit(X)) == ["scaler_on_all"]
        assert "torch" not in sys.modules


class TestRefusals:
    def test_a_callable_that_only_fails_on_replaced_rows(self):
        def fussy(X, y, train, test):
            if np.abs(X[test]).max() > 5:
                raise RuntimeError("out of range")
            return {"w": X[train].mean()}

        with pytest.raises(
            ProtocolError, match=r"not with test rows replaced \(RuntimeError: out of range\)"
        ):
            kinds(fussy)

    def test_a_callable_that_always_fails_says_so_itself(self):
        def broken(X, y, train, test):
            raise RuntimeError("no such file")

        with pytest.raises(RuntimeError, match="no such file"):
            kinds(broken)

    def test_nothing_to_compare(self):
        with pytest.raises(ProtocolError, match="returned nothing that can be compared"):
            kinds(lambda X, y, train, test: {})

    def test_rows_computed_must_be_as_many(self):
        with pytest.raises(ProtocolError, match="got 30 for 60 rows"):
            probe_rows(lambda X: X[::2], X, np.arange(60) // 6)


class TestReplacing:
    @settings(max_examples=30)
    @given(seed=st.integers(0, 99), telling=st.booleans(), n=st.integers(1, 20))
    def test_only_the_named_rows_change_and_every_one_of_them(self, seed, telling, n):
        rows = np.random.default_rng(seed).permutation(60)[:n]
        new = replaced_rows(X, Y, rows, np.random.default_rng(seed), telling=telling)
        others = np.setdiff1d(np.arange(60), rows)
        assert np.array_equal(new[others], X[others])
        assert (new[rows] != X[rows]).all()

    @pytest.mark.parametrize("y", [Y, RNG.integers(4, size=60), RNG.standard_normal(60)])
    def test_labels_stay_known_ones_and_change(self, y):
        new = replaced_labels(y, TEST, np.random.default_rng(0), turn=0)
        assert np.array_equal(new[TRAIN], y[TRAIN])
        assert (new[TEST] != y[TEST]).all()
        if y.dtype.kind != "f":
            assert set(new) <= set(y)

    def test_whole_numbers_stay_whole(self):
        counts = RNG.integers(1000, size=(60, 3))
        new = replaced_rows(counts, Y, TEST, np.random.default_rng(0), telling=False)
        assert new.dtype == counts.dtype
        assert np.array_equal(new[TRAIN], counts[TRAIN])
        assert (new[TEST] != counts[TEST]).all()

    def test_of_one_class_there_is_no_other_label(self):
        y = np.full(60, "calm")
        assert np.array_equal(replaced_labels(y, TEST, np.random.default_rng(0), turn=0), y)


class TestTakingApart:
    def test_times_are_left_out_and_the_order_is_kept(self):
        parts = parts_of({"first": [1, "two"], "fit_time": 0.1, "model": Ridge().fit(X, X[:, 0])})
        names = [part.name for part in parts]
        assert names[:2] == ["first.0", "first.1"]
        assert "fit_time" not in names
        assert "model.coef_" in names

    def test_containers_of_any_sort(self):
        parts = parts_of(
            {
                "set": {"b", "a"},
                "objects": np.array([1, "two"], dtype=object),
                "labelled": xr.DataArray([3.0]),
                "unknown": object(),
            }
        )
        assert [(part.name, part.value) for part in parts] == [
            ("set.0", "a"), ("set.1", "b"), ("objects.0", 1), ("objects.1", "two"), ("labelled", 3.0)
        ]  # fmt: skip

    def test_of_a_torch_module_its_parameters_and_buffers(self):
        torch = pytest.importorskip("torch")
        parts = parts_of({"model": torch.nn.BatchNorm1d(2)})
        assert [part.name.removeprefix("model.") for part in parts] == [
            "weight", "bias", "running_mean", "running_var", "num_batches_tracked"
        ]  # fmt: skip

    def test_distance(self):
        assert distance(np.array([0.0, np.nan]), np.array([0.0, np.nan])) == 0
        assert distance(np.array([3.0, 0.0]), np.array([0.0, 4.0])) == pytest.approx(np.sqrt(25 / 2))
        assert distance("a", "b") == distance(np.zeros(2), np.zeros(3)) == 1


class TestRecordingProbe:
    def test_which_rows_a_pipeline_was_fitted_on(self):
        seen = RecordingProbe()
        model = make_pipeline(seen, StandardScaler(), LogisticRegression())
        model.fit(X[TRAIN], Y[TRAIN])
        model.predict(X[TEST])
        assert seen.findings(X, TEST) == []
        model.fit(X[:45], Y[:45])
        [finding] = seen.findings(X, TEST)
        assert "5 of 20 test rows were among the 45 rows of a fit (1 of 2 fits saw some)" in finding.sentence

    def test_rows_that_come_in_pieces_are_all_seen(self):
        seen = RecordingProbe()
        for rows in (TRAIN[:20], TRAIN[20:], TEST[:4]):
            seen.partial_fit(X[rows])
        [finding] = seen.findings(X, TEST)
        assert "4 of 20 test rows were among the 4 rows of a fit (1 of 3 fits saw some)" in finding.sentence

    def test_clones_in_a_search_write_into_the_same_log(self):
        seen = RecordingProbe()
        search = GridSearchCV(
            make_pipeline(seen, LogisticRegression()), {"logisticregression__C": [1, 2]}, cv=3
        )
        search.fit(X[TRAIN], Y[TRAIN])
        assert len(seen.log.fits) == 7
        assert seen.findings(X, TEST) == []

    def test_an_identity_column_survives_scaling_of_equal_rows_and_is_taken_out(self):
        numbered = np.column_stack([np.arange(60), np.zeros((60, 3))])
        seen = RecordingProbe(identity=0)
        passed = seen.fit(numbered[TRAIN]).transform(numbered)
        assert passed.shape == (60, 3)
        assert seen.findings(numbered, TEST) == []
        assert list(seen.fit(pd.DataFrame(numbered)).transform(pd.DataFrame(numbered)).columns) == [1, 2, 3]
        assert "20 of 20 test rows" in seen.findings(numbered, TEST)[0].sentence

    def test_rows_that_were_changed_before_it_are_refused(self):
        seen = RecordingProbe()
        make_pipeline(StandardScaler(), seen).fit(X)
        with pytest.raises(ProtocolError, match="saw 60 rows that are not in the table"):
            seen.findings(X, TEST)
        with pytest.raises(ProtocolError, match="recorded no fit"):
            RecordingProbe().findings(X, TEST)
