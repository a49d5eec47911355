"""WEARS: the ablation's rows, the features of a watch, and a protocol that the paper does not state."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import binomtest
from typer.testing import CliRunner

import physioaffect.reproduce as room
from physioaffect.cli import app
from physioaffect.datasets import STRESS_PREDICT, WATCH, World
from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation import make_table
from physioaffect.features import Motion, Recipe, extract
from physioaffect.features.rotation import Rotation
from physioaffect.recording import Signal, Trial
from physioaffect.reproduce import SYSTEMS, Reproduction, System, reproduce
from physioaffect.reproduce.values import Evaluation, Request
from physioaffect.reproduce.wears import WEARS, WEARS_PUBLISHED, published_wears, wears_models
from physioaffect.reproduce.wears_features import MODALITIES, AfterOnset, WearsStatistics
from physioaffect.windows import Intervals, Windowing

WATCH_REQUEST = Request(dataset=WATCH, tasks=("valence",), variant="windows")
STRESS_REQUEST = Request(dataset=STRESS_PREDICT, tasks=("stress",), variant="windows")


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people, whose signals say nothing of valence."""
    root = tmp_path_factory.mktemp("watch") / "w"
    return WATCH.simulate(root, World.null(), n_subjects=3, max_seconds=50)  # type: ignore[misc]


def small(modalities: Sequence[str], models: Sequence[str]) -> System:
    def evaluations(request: Request) -> list[Evaluation]:
        return [
            replace(made, models={name: model for name, model in made.models.items() if name in models})
            for made in WEARS.evaluations(request)
            if made.title.split(", ")[1] in modalities
        ]

    return replace(WEARS, evaluations=evaluations)


SYSTEM = small(("all",), ("knn", "mlp"))


@pytest.fixture(scope="module")
def made(watch: Path, tmp_path_factory: pytest.TempPathFactory) -> Reproduction:
    return reproduce(SYSTEM, watch, out=tmp_path_factory.mktemp("made") / "out", quick=True)


class TestAblation:
    def test_a_watch_has_seven_rows_and_a_wristband_three(self) -> None:
        seven = WEARS.evaluations(WATCH_REQUEST)
        assert [own.title for own in seven] == [f"valence, {name}" for name in MODALITIES]
        assert len(seven) == 7
        for own in seven:
            sensors = {column.partition(":")[0] for column in own.columns}
            assert sensors == set(MODALITIES[own.title.partition(", ")[2]])
            assert [protocol.name for protocol in own.protocols] == [
                "published_wears",
                "loso",
                "cross_stimulus",
            ]
        three = WEARS.evaluations(STRESS_REQUEST)
        assert [own.title.split(", ")[1] for own in three] == [
            "HR",
            "HR",
            "ACC",
            "ACC",
            "HR + ACC",
            "HR + ACC",
        ]
        assert all(
            "gyro" not in column for own in WEARS.evaluations(STRESS_REQUEST) for column in own.columns
        )

    def test_the_printed_number_stands_beside_the_perceptron_on_all_sensors_alone(self) -> None:
        assert WEARS_PUBLISHED.value == 100 * 15 / 16
        for request in (WATCH_REQUEST, STRESS_REQUEST):
            for own in WEARS.evaluations(request):
                is_theirs = request is WATCH_REQUEST and own.title == "valence, all"
                expected = {("published_wears", "mlp", "accuracy"): WEARS_PUBLISHED} if is_theirs else {}
                assert own.published == expected

    def test_what_is_said_of_15_in_16_is_so(self) -> None:
        low, high = binomtest(15, 16).proportion_ci(method="wilson")
        assert (round(100 * low), round(100 * high)) == (72, 99)
        assert any("72 to 99 % (Wilson)" in sentence for sentence in WEARS.differences(WATCH_REQUEST))

    def test_classifiers_are_those_of_the_list(self) -> None:
        models = wears_models(WATCH_REQUEST)
        assert list(models) == ["logistic", "knn", "svm", "random_forest", "boosted_trees", "mlp"]
        perceptron = models["mlp"][-1]
        assert (perceptron.hidden, perceptron.dropout, perceptron.learning_rate) == ((64, 32), 0.2, 1e-3)

    def test_segments_of_any_length_are_no_whole_clips(self) -> None:
        [own] = {
            evaluation.recipe for evaluation in WEARS.evaluations(replace(WATCH_REQUEST, variant="clips"))
        }
        assert own.windows == Windowing(duration=55.0)
        with pytest.raises(
            ProtocolError, match=r"segments of Stress-Predict differ.*Use the variant windows"
        ):
            WEARS.evaluations(replace(STRESS_REQUEST, variant="clips"))


class TestFeatures:
    def test_they_are_those_of_the_families(self, watch: Path) -> None:
        trial = next(iter(WATCH.read(watch)))
        cut = Intervals(np.array([0.0, 15.0]), 30.0)
        found = WearsStatistics()(trial, cut)
        names = tuple(found[found.dims[1]].values)
        assert names == WearsStatistics().feature_names
        assert len(names) == 7 + 57 + 57
        by_name = dict(zip(names, found.values.T, strict=True))
        hr = trial.signal("hr").data[0, :30]
        expected = [
            hr.mean(),
            np.ptp(hr),
            60 * np.polyfit(np.arange(30), hr, 1)[0],
            np.abs(np.diff(hr)).mean(),
        ]
        for name, value in zip(("mean", "range", "slope", "change"), expected, strict=True):
            assert_allclose(by_name[f"hr: {name}"][0], value)
        motion, rotation = Motion()(trial, cut), Rotation()(trial, cut)
        assert_allclose(by_name["acc: magnitude_kurtosis"], motion.sel(motion_feature="magnitude_kurtosis"))
        assert_allclose(by_name["gyro: acceleration_rms"], rotation.sel(rotation_feature="acceleration_rms"))

    def test_an_unknown_sensor_is_refused(self) -> None:
        with pytest.raises(ValueError, match="No sensor 'eda': use some of hr, acc, gyro"):
            WearsStatistics(sensors=("hr", "eda"))

    def test_the_first_seconds_are_left_out_of_clip_and_rest(self) -> None:
        ramp = np.arange(60.0)[np.newaxis]
        hr = Signal(data=ramp, sfreq=1.0, ch_names=("HR",), kind="hr", unit="bpm")
        trial = Trial(
            dataset="made",
            subject="1",
            trial="1",
            stimulus="1",
            signals={"hr": hr},
            baseline={"hr": hr},
            elapsed=100.0,
        )
        cut = AfterOnset(seconds=5.0)(trial)
        assert cut.elapsed == 105
        for own in (cut.signals["hr"], (cut.baseline or {})["hr"]):
            assert isinstance(own, Signal)
            assert (own.start, own.data[0, 0], own.n_times) == (0, 5, 55)
        assert AfterOnset()(replace(trial, baseline=None, elapsed=None)).baseline is None

    def test_a_persons_own_level_is_taken_out_by_the_neutral_clip_alone(self, watch: Path) -> None:
        recipe = WEARS.evaluations(WATCH_REQUEST)[0].recipe
        assert recipe.baseline == "subtract"
        relative, plain = (
            extract(WATCH, watch, one).features["wears_statistics"].sel(wears_statistics_feature="hr: mean")
            for one in (recipe, replace(recipe, baseline=None))
        )
        levels = plain.values - relative.values
        people = plain["subject"].values
        for person, trials in ((p, list(WATCH.read(watch, subjects=[p]))) for p in np.unique(people)):
            rest = (trials[0].baseline or {})["hr"]
            assert isinstance(rest, Signal)
            # Windows of 30 s every 15 s from the fifth second on.
            expected = np.mean([rest.data[0, first : first + 30].mean() for first in (5, 20)])
            assert_allclose(levels[people == person], expected)


class TestPublishedProtocol:
    def folds(self, watch: Path, n_tests: int = 10, **options: bool) -> tuple[list[np.ndarray], int]:
        recipe: Recipe = WEARS.evaluations(WATCH_REQUEST)[0].recipe
        coords = make_table(extract(WATCH, watch, recipe).features, WATCH.tasks["valence"])[0].coords
        rng = np.random.default_rng(0)
        found = list(published_wears(n_tests, **options).split(coords, rng))
        for fold in found:
            assert len(fold.test_idx) == 16
            assert sorted([*fold.fitted_idx, *fold.test_idx]) == list(range(len(coords)))
        return [fold.test_idx for fold in found], len(coords)

    def test_tests_are_of_sixteen_windows_and_no_window_is_in_two(self, watch: Path) -> None:
        tests, n_windows = self.folds(watch)
        assert len(tests) == n_windows // 16
        assert len(np.unique(np.concatenate(tests))) == 16 * len(tests)
        assert len(self.folds(watch, 2)[0]) == 2

    def test_only_whole_clips_make_a_claim(self) -> None:
        assert published_wears().claim is None
        whole = published_wears(is_whole_clips=True)
        assert (whole.holds_out, whole.claim is None) == ("trial", False)
        with pytest.raises(ProtocolError, match="number of tests from 1, got 0"):
            published_wears(0)


class TestRun:
    def test_in_a_world_of_nothing_neighbours_of_known_trials_are_known(self, made: Reproduction) -> None:
        found = {
            (row.evaluation, row.protocol): row
            for row in made.rows
            if (row.model, row.score, row.by_trial) == ("knn", "accuracy", False)
        }
        assert {row.claim is None for (_, name), row in found.items() if name == "published_wears"} == {True}
        shared = {name: row.shared for (_, name), row in found.items()}
        assert shared["published_wears"] > 50
        assert shared["loso"] == shared["cross_stimulus_3fold"] == 0
        over = {name: row.over for (_, name), row in found.items()}
        assert over == {"published_wears": "folds", "loso": "people", "cross_stimulus_3fold": "people"}

    def test_the_page_says_what_it_is(self, made: Reproduction) -> None:
        told = json.loads((made.path / "reproduction.json").read_text(encoding="utf-8"))
        assert told["simulated"] is True
        assert {row["evaluation"] for row in told["rows"]} == {"valence, all"}
        [printed] = [row for row in told["rows"] if row["published"]]
        assert (printed["evaluation"], printed["model"], printed["published"]["value"]) == (
            *("valence, all", "mlp"),
            93.75,
        )
        page = (made.path / "reproduction.html").read_text(encoding="utf-8")
        for said in (
            "93.75",
            "15 of 16",
            "not public",
            "the data are simulated",
            "new stimuli of the same kind",
        ):
            assert said in page

    def test_the_command_knows_it(
        self, watch: Path, made: Reproduction, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(room.SYSTEMS, "wears", SYSTEM)
        arguments = ["reproduce", "wears", str(watch), "--quick", "--out", str(made.path), "--jobs", "1"]
        result = CliRunner().invoke(app, arguments, env={"COLUMNS": "160"})
        assert result.exit_code == 0, result.output
        for said in ("QUICK, SIMULATED DATA", "published_wears", "cross_stimulus_3fold", "93.75", "GELU"):
            assert said in result.output

    @pytest.mark.slow
    def test_a_wristband_gets_its_part(self, tmp_path: Path) -> None:
        root = STRESS_PREDICT.simulate(tmp_path / "stress", n_subjects=3, max_seconds=100)  # type: ignore[misc]
        system = small(("HR + ACC",), ("knn",))
        made = reproduce(system, root, out=tmp_path / "out", quick=True)
        assert made.request.dataset.name == "stress_predict"
        protocols = {(row.evaluation, row.protocol) for row in made.rows}
        assert protocols == {
            ("stress, HR + ACC", "published_wears"),
            ("stress, HR + ACC", "loso"),
            ("stress, HR + ACC", "cross_stimulus_3fold"),
            ("stress, HR + ACC, less the person's own level", "calibrated_rest_60s"),
        }
        assert all(row.published is None and not row.is_published for row in made.rows)
        assert any("time alone tells them apart" in sentence for sentence in made.differences)

    def test_other_folders_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"published on Folder of a watch or Stress-Predict, and .* none"):
            reproduce(SYSTEMS["wears"], tmp_path, out=tmp_path / "out")
