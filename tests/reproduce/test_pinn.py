"""The multi-task PINN on a small simulated WESAD: three input sets, three protocols, the leak test."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

pytest.importorskip("torch")
pytest.importorskip("neurokit2")

from physioaffect.datasets import WESAD, World
from physioaffect.errors import DataError, ProtocolError, RunError
from physioaffect.evaluation.scoring.metrics import ccc
from physioaffect.pinn import MultiTaskPINN, PINNSettings, eda_emotion_baselines
from physioaffect.recording import Signal
from physioaffect.reproduce import Reproduction, pinn
from physioaffect.reproduce.pinn import PINN_PUBLISHED, reproduce_pinn
from physioaffect.reproduce.pinn_folds import SETS, eda_mean_of, pinn_models
from physioaffect.reproduce.pinn_windows import PinnWindows, pinn_table
from physioaffect.windows import Intervals


def few_models(**_) -> dict:
    settings = PINNSettings(hidden=(16,), steps=15)
    others = eda_emotion_baselines(seed=0)
    return {"pinn": MultiTaskPINN(settings), "constant": others["constant"]}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people, the second of whom has no questionnaire."""
    root = tmp_path_factory.mktemp("wesad") / "w"
    WESAD.simulate(  # type: ignore[misc]
        root, World.planted(), n_subjects=3, max_seconds=130, is_raw_written=False
    )
    (root / "S3" / "S3_quest.csv").unlink()
    return root


@pytest.fixture(scope="module")
def made(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Reproduction:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pinn, "pinn_models", few_models)
        return reproduce_pinn(root, out=tmp_path_factory.mktemp("made") / "out", quick=True)


def value(made: Reproduction, protocol: str, model: str, score: str) -> float:
    [row] = [r for r in made.rows if (r.protocol, r.model, r.score) == (protocol, model, score)]
    return row.mean


class TestTable:
    def test_eda_is_the_middle_and_no_feature(self, root: Path) -> None:
        trial = next(iter(WESAD.read(root)))
        cut = Intervals(np.array([0.0, 10.0]), 60.0)
        found = PinnWindows()(trial, cut)
        names = list(found[found.dims[1]].values)
        assert [name for name in names if name.startswith("eda")] == ["eda: central mean"]
        eda = trial.signal("eda")
        assert isinstance(eda, Signal)
        expected = [eda.data[0, round(4 * s) : round(4 * (s + 10))].mean() for s in (25, 35)]
        assert_allclose(found.sel(pinn_windows_feature="eda: central mean"), expected)

    def test_conditions_without_a_questionnaire_are_left_out_and_told(self, root: Path) -> None:
        table, exclusions, is_simulated = pinn_table(root)
        assert set(table.people) == {"S2", "S4"}
        reasons = [e.reason for e in exclusions if not e.expected and e.subject == "S3"]
        assert len(reasons) == 3
        assert all("has no complete questionnaire" in reason for reason in reasons)
        assert is_simulated
        assert table.X.shape == (len(table.eda), 12)
        # The middle of windows of a minute every 10 s.
        own = table.time[table.conditions == "S2/stress"]
        assert_allclose(own, 30 + 10 * np.arange(len(own)))
        assert np.ptp(table.reports[table.conditions == "S2/stress"], axis=0).max() == 0

    def test_without_any_questionnaire_there_is_nothing(self, root: Path) -> None:
        with pytest.raises(DataError, match=r"No condition in .* can be used: S3/.*SX_quest.csv"):
            pinn_table(root, subjects=["S3"])


class TestScores:
    def test_they_are_of_the_unit_and_its_range(self) -> None:
        truth, predicted = np.array([3, -0.5, 2, 7]), np.array([2.5, 0, 2, 8])
        frame = pd.DataFrame(
            {
                "fold": "1",
                "subject": list("aabb"),
                "eda": truth,
                "eda_predicted": predicted,
                "eda_range": 10.0,
            }
        )
        assert_allclose(eda_mean_of(frame, "eda_ccc", over="folds").mean, 100 * ccc(truth, predicted))
        assert_allclose(eda_mean_of(frame, "eda_rmse", over="folds").mean, 10 * np.sqrt(1.5 / 4))
        of_people = eda_mean_of(frame, "eda_r", over="people")
        assert (of_people.mean, of_people.n) == (100.0, 2)
        flat = frame.assign(eda_predicted=1.0)
        assert eda_mean_of(flat, "eda_r", over="people").n == 0

    def test_what_was_printed_stands_as_printed(self) -> None:
        printed = {name: number.value for name, number in PINN_PUBLISHED.items()}
        assert printed == {"macro_f1": 94.08, "eda_rmse": 3.62, "eda_r": 99.19}

    def test_all_of_the_list_is_run(self) -> None:
        assert list(pinn_models(is_quick=False, seed=0, device="cpu")) == [
            "pinn",
            "pinn, no physics",
            "pinn, EDA alone",
            "pinn, emotion alone",
            "svm",
            "boosting",
            "mlp",
            "constant",
        ]


class TestRun:
    def test_three_sets_under_three_protocols(self, made: Reproduction) -> None:
        found = {(r.protocol, r.model.partition(":")[0], r.score) for r in made.rows if not r.is_baseline}
        assert found == {
            (protocol, inputs, score)
            for protocol in ("window_random", "trials_5fold", "loso")
            for inputs in SETS
            for score in ("accuracy", "macro_f1", "eda_rmse", "eda_r", "eda_ccc")
        }
        claims = {r.protocol: r.claim is not None for r in made.rows}
        assert claims == {"window_random": False, "trials_5fold": True, "loso": True}
        assert {r.protocol: r.shared > 0 for r in made.rows}["window_random"]
        assert {r.shared for r in made.rows if r.protocol != "window_random"} == {0.0}

    def test_printed_numbers_stand_beside_the_network_on_random_windows_alone(
        self, made: Reproduction
    ) -> None:
        printed = {(r.protocol, r.model, r.score) for r in made.rows if r.published}
        assert printed == {("window_random", "both: pinn", score) for score in PINN_PUBLISHED}

    def test_a_copy_of_the_neighbour_has_their_r_and_knows_the_class(self, made: Reproduction) -> None:
        copy = "nearest window in time"
        assert value(made, "window_random", copy, "macro_f1") == 100
        assert value(made, "window_random", copy, "eda_r") > 99
        # Where training has nothing of the condition it is the constant.
        for protocol in ("trials_5fold", "loso"):
            one, other = (value(made, protocol, model, "eda_rmse") for model in (copy, "constant"))
            assert one == pytest.approx(other)

    def test_the_page_says_what_the_numbers_do_not_show(self, made: Reproduction) -> None:
        told = json.loads((made.path / "reproduction.json").read_text(encoding="utf-8"))
        assert told["simulated"] is True
        assert told["quick"] is True
        page = (made.path / "reproduction.html").read_text(encoding="utf-8")
        for said in (
            "The leak test",
            "6 conditions here, 6 have answers that no other has",
            "94.08 % therefore does not show",
            "0.9919 and 0.0362 do not show",
            "cannot be told apart singly",
            "S3/stress has no complete questionnaire",
            "EDA RMSE (% of range)",
            "the data are simulated",
        ):
            assert said in page, said

    def test_constants_of_every_fold_are_written(self, made: Reproduction) -> None:
        constants = pd.read_csv(made.path / "constants.csv")
        counts = constants.groupby(["protocol", "fold", "inputs"], observed=True).size()
        n_folds = {"window_random": 5, "trials_5fold": 5, "loso": 2}
        assert len(counts) == 3 * sum(n_folds.values())
        assert set(counts.xs("both", level="inputs")) == {6}
        assert set(counts.xs("signals only", level="inputs")) == {2}
        has_interval = constants.dropna(subset=["low"])
        assert (has_interval["low"] <= has_interval["value"]).all()

    def test_what_is_finished_is_kept_and_another_run_is_refused(
        self, root: Path, made: Reproduction, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def never(*_, **__):
            raise AssertionError("fitted again")

        monkeypatch.setattr(pinn, "run_fold", never)
        monkeypatch.setattr(pinn, "pinn_models", few_models)
        again = reproduce_pinn(root, out=made.path, quick=True)
        assert again.to_json() == made.to_json()
        with pytest.raises(RunError, match="holds another run"):
            reproduce_pinn(root, out=made.path, quick=True, seed=1)

    def test_unknown_tasks_are_refused(self, root: Path, tmp_path: Path) -> None:
        with pytest.raises(ProtocolError, match=r"one task on .*got valence.*affect_3class, stress"):
            reproduce_pinn(root, out=tmp_path, tasks=["valence"])
