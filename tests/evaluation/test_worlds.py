"""What each protocol says in worlds whose truth is known: the whole way from a file to scores."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from physioaffect.datasets import DREAMER, World
from physioaffect.evaluation import Result, evaluate, make_table
from physioaffect.evaluation.scoring.metrics import macro_f1
from physioaffect.features import default_recipe, extract

pytestmark = pytest.mark.slow

N_PERMUTATIONS = 200


class Outcome(NamedTuple):
    result: Result
    chance: NDArray[np.float64]


def chance_of_nearest_neighbour(features: xr.Dataset) -> NDArray[np.float64]:
    """Mean macro-F1 under loso with each person's trial labels permuted, shape (N_PERMUTATIONS,)."""
    table, _ = make_table(features, DREAMER.tasks["valence"])
    subject, trial = table.coords["subject"].to_numpy(), table.coords["trial"].to_numpy()
    rng = np.random.default_rng(0)
    permuted = np.empty((len(subject), N_PERMUTATIONS), dtype=table.target.dtype)
    for name in np.unique(subject):
        rows = np.flatnonzero(subject == name)
        _, first, inverse = np.unique(trial[rows], return_index=True, return_inverse=True)
        labels = table.target[rows][first]
        for column in range(N_PERMUTATIONS):
            permuted[rows, column] = rng.permutation(labels)[inverse]
    scores = []
    X = table.flat()
    for name in np.unique(subject):
        test = subject == name
        scaler = StandardScaler().fit(X[~test])
        neighbours = NearestNeighbors(n_neighbors=1).fit(scaler.transform(X[~test]))
        nearest = neighbours.kneighbors(scaler.transform(X[test]), return_distance=False)[:, 0]
        predicted = permuted[~test][nearest]
        scores.append([macro_f1(t, p) for t, p in zip(permuted[test].T, predicted.T, strict=True)])
    return np.asarray(np.mean(scores, axis=0))


def world_of(folder: Path, world: World) -> Outcome:
    assert DREAMER.simulate is not None
    DREAMER.simulate(folder, world=world, n_subjects=8, max_seconds=30)
    features = extract(DREAMER, folder, default_recipe(DREAMER)).features
    result = evaluate(
        features,
        models=["knn"],
        protocols=["window_random", "loso"],
        task="valence",
        out=folder / "result",
    )
    return Outcome(result, chance_of_nearest_neighbour(features))


@pytest.fixture(scope="module")
def null(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return world_of(tmp_path_factory.mktemp("null"), World.null())


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return world_of(tmp_path_factory.mktemp("planted"), World.planted())


def score(outcome: Outcome, protocol: str) -> float:
    return outcome.result.cells()[protocol, "knn", "window", "macro_f1"].mean


class TestNullWorld:
    """Nothing but people and trials that differ."""

    def test_random_windows_score_high_on_nothing(self, null):
        assert score(null, "window_random") > 0.85

    def test_loso_is_at_chance(self, null):
        low, high = np.quantile(null.chance, [0.025, 0.975])
        assert low <= score(null, "loso") <= high

    def test_the_score_on_nothing_is_watermarked(self, null):
        assert "no claim" in null.result.notes()["window_random", "knn"]


class TestPlantedWorld:
    """The same people and trials, with an effect of affect."""

    def test_loso_is_above_every_permutation(self, planted):
        assert score(planted, "loso") > planted.chance.max()

    def test_simulated_data_are_named_so(self, planted):
        assert planted.result.run["table"]["simulated"] is True
