"""What permutation tests say in worlds whose truth is known: p-values over many simulated data sets."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import binom, kstest
from sklearn.neighbors import KNeighborsClassifier
from support.feature_worlds import BY_CLIP, CLASSES, NUMBERS, world_table

from physioaffect.data_set import Task
from physioaffect.datasets import DREAMER, World
from physioaffect.evaluation import PerSubjectScaled, evaluate, get_model, make_table
from physioaffect.evaluation.protocols import Fold, get_protocol
from physioaffect.evaluation.statistics import (
    exchange_of,
    level_for,
    permute_fits,
    permute_predictions,
)
from physioaffect.evaluation.statistics.linear_permutation import linear_predictions, recognise
from physioaffect.evaluation.statistics.permutation_tables import numbers_of
from physioaffect.evaluation.statistics.trial_sums import Roles
from physioaffect.evaluation.table import Table
from physioaffect.features import default_recipe, extract

N_PERMUTATIONS = 99


def folds_of(protocol: str, coords: pd.DataFrame) -> list[Fold]:
    return list(get_protocol(protocol).split(coords, np.random.default_rng(5)))


def refitted(table: Table, task: Task, protocol: str, *, level: Any = "by claim") -> pd.Series:
    """The row of the first score of trials: macro-F1 or the concordance coefficient."""
    model = get_model("ridge" if task.kind == "regression" else "lda", task)
    model = PerSubjectScaled(model) if protocol.endswith("transductive") else model
    if level == "by claim":
        level = level_for(get_protocol(protocol).levels, task.source)
    looks_at_labels = protocol == "within_subject_trial" and task.kind != "regression"
    frame = permute_fits(
        table,
        task,
        folds_of(protocol, table.coords),
        model,
        n_permutations=N_PERMUTATIONS,
        level=level,
        resplit=(lambda coords: folds_of(protocol, coords)) if looks_at_labels else None,
    )
    return frame.iloc[0]


def held_fixed(table: Table, task: Task, protocol: str) -> pd.Series:
    """As `refitted`, with the predictions of one fit."""
    exchange = exchange_of(table.coords, task.source)
    labels = numbers_of(exchange.labels, task.kind, task.classes)
    folds = folds_of(protocol, table.coords)
    linear = recognise(get_model("ridge" if task.kind == "regression" else "lda", task))
    assert linear is not None
    roles = Roles.of([folds], exchange.trial_of_row)
    found = linear_predictions(linear, table.flat(), labels[np.newaxis], roles, n_classes=len(task.classes))
    # A trial's mean stands for its windows.
    coords = exchange.trials
    mean = found.scores[0] / found.counts[0].sum(axis=1, keepdims=True)
    fold_of = np.empty(len(table.coords), dtype=object)
    for fold in folds:
        fold_of[fold.test_idx] = fold.name
    first = np.unique(exchange.trial_of_row, return_index=True)[1]
    predictions = coords.assign(protocol="p", model="m", fold=fold_of[first], truth=coords["target"])
    predictions = predictions.drop(columns=["order", "target"])
    if task.kind == "regression":
        predictions["prediction"] = mean[:, 0]
    else:
        predictions[[f"p_{name}" for name in task.classes]] = mean
    described = {"kind": task.kind, "classes": list(task.classes), "source": task.source}
    return permute_predictions(predictions, described, n_permutations=N_PERMUTATIONS).iloc[0]


def p_values(n_data_sets: int, test: Callable[[Table], pd.Series], **world: Any) -> NDArray[np.float64]:
    return np.array([test(world_table(seed, **world))["p"] for seed in range(n_data_sets)])


def is_uniform(p: NDArray[np.float64]) -> bool:
    return bool(kstest(p, "uniform").pvalue > 0.01)


HONEST = [
    ("loso", CLASSES),
    ("loso", NUMBERS),
    ("loso_transductive", CLASSES),
    ("loso_stimulus", NUMBERS),
    ("within_subject_trial", NUMBERS),
]


class TestNullWorld:
    """People and trials differ, affect does not show."""

    @pytest.mark.parametrize("task", [CLASSES, NUMBERS], ids=["classes", "numbers"])
    def test_p_is_uniform(self, task):
        assert is_uniform(p_values(25, lambda table: refitted(table, task, "loso"), task=task))

    @pytest.mark.slow
    @pytest.mark.parametrize(("protocol", "task"), HONEST, ids=lambda value: getattr(value, "kind", value))
    def test_p_is_uniform_over_200_data_sets(self, protocol, task):
        p = p_values(200, lambda table: refitted(table, task, protocol), task=task, n_windows=1)
        assert is_uniform(p)

    @pytest.mark.slow
    def test_p_is_uniform_where_folds_follow_the_labels(self):
        p = p_values(
            25,
            lambda table: refitted(table, CLASSES, "within_subject_trial"),
            n_subjects=3, n_trials=16, n_windows=1, n_features=3,
        )  # fmt: skip
        assert is_uniform(p)

    def test_random_windows_are_far_above_one_half_by_any_labels(self):
        table = world_table(0, n_subjects=4, n_windows=6)
        row = permute_fits(
            table,
            CLASSES,
            folds_of("window_random", table.coords),
            KNeighborsClassifier(1),
            n_permutations=19,
        ).iloc[0]
        assert row["observed"] > 0.85
        assert row["chance"] > 0.85
        assert refitted(table, CLASSES, "loso")["chance"] < 0.55

    def test_random_windows_are_not_at_chance_if_labels_are_permuted_afterwards(self):
        # 20 data sets without any effect; each p would be the smallest possible.
        beaten = []
        for seed in range(20):
            table = world_table(seed, n_subjects=4, n_windows=6)
            X, y = table.flat(), table.target
            predicted = np.empty_like(y)
            for fold in folds_of("window_random", table.coords):
                rows = fold.fitted_idx
                predicted[fold.test_idx] = (
                    KNeighborsClassifier(1).fit(X[rows], y[rows]).predict(X[fold.test_idx])
                )
            exchange = exchange_of(table.coords, "rating")
            permuted = exchange.labels[exchange.positions(99)][:, exchange.trial_of_row]
            beaten.append(((permuted == predicted).mean(axis=1) >= (y == predicted).mean()).mean())
        assert max(beaten) == 0

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("protocol", "task", "n_features"),
        [
            ("loso", CLASSES, 2),
            ("loso", CLASSES, 40),
            ("loso", NUMBERS, 2),
            ("loso", NUMBERS, 40),
            ("within_subject_trial", NUMBERS, 6),
        ],
    )
    def test_fixed_predictions_hold_their_level(self, protocol, task, n_features):
        p = p_values(
            200,
            lambda table: held_fixed(table, task, protocol),
            n_features=n_features,
            n_windows=1,
            task=task,
        )
        # No more than one data set in twenty, but for chance; uniform they are not, they are too large.
        assert (p <= 0.05).sum() <= binom.ppf(0.99, 200, 0.05)


class TestPlantedWorld:
    """Affect shows along one direction."""

    def power(self, affect: float, n_data_sets: int) -> float:
        p = p_values(n_data_sets, lambda table: refitted(table, CLASSES, "loso"), affect=affect, n_windows=1)
        return float((p <= 0.05).mean())

    def test_power_rises_with_the_effect(self):
        powers = [self.power(affect, 12) for affect in (0.0, 0.5, 1.5)]
        assert powers[0] < 0.35
        assert powers[0] <= powers[1] < powers[2]
        assert powers[2] == 1

    @pytest.mark.slow
    def test_power_rises_over_many_data_sets(self):
        powers = [self.power(affect, 60) for affect in (0.0, 0.4, 0.8, 1.5)]
        assert powers[0] <= binom.ppf(0.99, 60, 0.05) / 60
        assert np.all(np.diff(powers) > 0)
        assert powers[-1] > 0.9


CLIPS: dict[str, Any] = {
    "clip": 2.0,
    "agreement": 2.0,
    "n_subjects": 8,
    "n_trials": 12,
    "n_windows": 1,
    "n_features": 10,
}


class TestStimulusWorld:
    """Clips differ in what they do to signals and in how they are rated; affect does not show."""

    def test_loso_is_above_chance_and_new_stimuli_are_not(self):
        tables = [world_table(seed, task=NUMBERS, **CLIPS) for seed in range(12)]
        known = np.array([refitted(table, NUMBERS, "loso")["p"] for table in tables])
        new = [refitted(table, NUMBERS, "loso_stimulus") for table in tables]
        assert (known <= 0.05).mean() > 0.9
        assert np.median([row["p"] for row in new]) > 0.1
        assert abs(np.mean([row["observed"] - row["chance"] for row in new])) < 0.1

    @pytest.mark.slow
    def test_p_is_uniform_for_new_stimuli_if_ratings_of_a_stimulus_stay_together(self):
        p = p_values(200, lambda table: refitted(table, NUMBERS, "loso_stimulus"), task=NUMBERS, **CLIPS)
        assert is_uniform(p)

    def test_loso_beyond_the_clips_is_at_chance(self):
        # The same data, asked for more than the clips: all ratings of a clip move together.
        p = p_values(
            12, lambda table: refitted(table, NUMBERS, "loso", level="stimulus"), task=NUMBERS, **CLIPS
        )
        assert is_uniform(p)

    def test_where_clips_give_the_label_chance_is_not_one_half(self):
        rows = [
            refitted(world_table(seed, clip=2.0, n_trials=8, n_features=12, task=BY_CLIP), BY_CLIP, "loso")
            for seed in range(12)
        ]
        assert np.mean([row["observed"] for row in rows]) > 0.75
        assert np.mean([row["chance"] for row in rows]) > 0.75
        assert is_uniform(np.array([row["p"] for row in rows]))


@pytest.fixture(scope="module")
def drifting() -> xr.Dataset:
    """Signals drift; the condition changes half way, for everyone."""
    table = world_table(0, n_subjects=6, n_trials=8, n_windows=4)
    values = table.features["x"].values + 0.5 * table.coords["order"].to_numpy()[:, np.newaxis]
    coords = table.coords.drop(columns="target")
    coords = coords.assign(quality=1.0, tags="", condition=np.where(coords["order"] < 4, "rest", "task"))
    return xr.Dataset(
        {"x": (("window", "feature"), values)},
        coords={name: ("window", column) for name, column in coords.items()},
    )


class TestDriftWorld:
    """Time shows, and what is to be told apart came one after the other."""

    def test_the_clock_is_above_chance_and_flagged(self, drifting, tmp_path):
        task = Task(
            name="condition", description="Rest or task.", kind="binary", classes=("rest", "task"),
            target=lambda trial: trial.condition, source="condition",
        )  # fmt: skip
        result = evaluate(drifting, models=["lda"], protocols=["loso"], task=task, out=tmp_path / "result")
        tested = permute_predictions(
            result.predictions,
            result.run["task"],
            protocols=result.run["protocols"],
            coords=make_table(drifting, task)[0].coords,
            n_permutations=N_PERMUTATIONS,
        )
        tested = tested[(tested["level"] == "trial") & (tested["metric"] == "macro_f1")]
        clock, model = (tested[tested["model"] == name].iloc[0] for name in ("clock_forest", "lda"))
        assert clock["observed"] == 1
        assert clock["p"] == 0.01
        assert model["p"] <= 0.05
        assert "it tests condition, not affect" in model["tests"]
        assert any("clock is as good" in note for note in result.notes()["loso", "lda"])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_from_a_simulated_file_to_p(tmp_path: Path, seed: int) -> None:
    assert DREAMER.simulate is not None
    task = DREAMER.tasks["valence"]
    p = {}
    for name, world in (("null", World.null(seed)), ("planted", World(affect=2.0, seed=seed))):
        root = tmp_path / name
        DREAMER.simulate(root, world=world, n_subjects=8, max_seconds=20)
        table, _ = make_table(extract(DREAMER, root, default_recipe(DREAMER)).features, task)
        p[name] = refitted(table, task, "loso")["p"]
    assert p["null"] > 0.01
    assert p["planted"] == 0.01
