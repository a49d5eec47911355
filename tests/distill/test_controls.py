"""Controls: what each keeps of the prototypes that it stands in for, and what it destroys."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import chisquare, kstest, norm
from support.prototype_worlds import world

from physioaffect.datasets import FERPLUS_EMOTIONS
from physioaffect.distill.anchors import ANCHORS
from physioaffect.distill.controls import one_hot_prototypes, random_prototypes, shuffled_prototypes
from physioaffect.distill.geometry import geometry_agreement, grid_geometry
from physioaffect.distill.prototypes import Prototypes, valence_arousal_prototypes
from physioaffect.errors import DataError

SEEDS = st.integers(0, 2**32 - 1)


def eeg(k: int = 5, **options: object) -> Prototypes:
    found = world(1, signal=3.0, n_people=8, **options)  # type: ignore[arg-type]
    return valence_arousal_prototypes(
        found.X, found.valence, found.arousal, k=k, people=found.people, origin={"dataset": "planted"}
    )


EEG, GAPS = eeg(), eeg(7)


@pytest.mark.parametrize("like", [EEG, GAPS], ids=["full", "gaps"])
@given(seed=SEEDS)
def test_random_ones_keep_all_but_the_directions(like: Prototypes, seed: int) -> None:
    found = random_prototypes(like, seed=seed)
    assert_array_equal(found.counts, like.counts)
    assert_array_equal(found.confidence, like.confidence)
    assert_array_equal(found.filled_from, like.filled_from)
    assert len(np.unique(found.vectors, axis=0)) == (~like.is_empty).sum()
    assert found.digest == random_prototypes(like, seed=seed).digest
    assert len({found.digest, like.digest, random_prototypes(like, seed=seed + 1).digest}) == 3
    assert found.origin["control"] == "random"
    assert (found.origin["of"], found.origin["of_origin"]) == (like.digest, {"dataset": "planted"})


def test_random_directions_are_even_on_the_sphere() -> None:
    # A coordinate of an even direction in n dimensions, times sqrt(n), is normal for large n.
    like = random_prototypes(one_hot_prototypes(["neutral"], ANCHORS, 20, 500), seed=3)
    assert kstest(like.vectors[:, ::10].ravel() * np.sqrt(500), norm.cdf).pvalue > 0.01
    cosines = like.similarity[np.triu_indices(400, 1)]
    assert cosines.mean() == pytest.approx(0, abs=3e-4)
    assert cosines.std() == pytest.approx(1 / np.sqrt(500), rel=0.02)


@pytest.mark.parametrize("shared", [0.3, 0.95])
def test_random_ones_with_a_mean_similarity(shared: float) -> None:
    like = one_hot_prototypes(["neutral"], ANCHORS, 10, 300)
    found = random_prototypes(like, seed=0, mean_similarity=shared)
    cosines = found.similarity[np.triu_indices(100, 1)]
    assert cosines.mean() == pytest.approx(shared, abs=0.01)
    assert cosines.std() == pytest.approx((1 - shared) / np.sqrt(299), rel=0.05)
    assert found.origin["mean_similarity"] == shared


@pytest.mark.parametrize("like", [EEG, GAPS], ids=["full", "gaps"])
@given(seed=SEEDS)
def test_shuffled_ones_are_the_same_ones_elsewhere(like: Prototypes, seed: int) -> None:
    found = shuffled_prototypes(like, seed=seed)
    filled = np.flatnonzero(~like.is_empty)
    assert_array_equal(found.filled_from, like.filled_from)
    assert (found.vectors[filled] != like.vectors[filled]).any(axis=1).all()  # None keeps its place.
    order = [
        int(np.flatnonzero((like.vectors[filled] == one).all(axis=1))[0]) for one in found.vectors[filled]
    ]
    assert sorted(order) == list(range(len(filled)))
    assert_array_equal(found.counts[filled], like.counts[filled][order])
    assert_array_equal(found.confidence[filled], like.confidence[filled][order])
    similarities = [np.sort(one.similarity[np.ix_(filled, filled)], axis=None) for one in (found, like)]
    assert_allclose(similarities[0], similarities[1], atol=1e-12)
    assert found.digest != like.digest


def test_orders_without_a_fixed_place_are_equally_likely() -> None:
    like = valence_arousal_prototypes(np.eye(4), [-1, -1, 1, 1], [-1, 1, -1, 1], k=2)
    n = 1800
    orders = [
        tuple(shuffled_prototypes(like, seed=seed).vectors.argmax(axis=1).tolist()) for seed in range(n)
    ]
    counts = np.unique(np.array(orders), axis=0, return_counts=True)[1]
    assert len(counts) == 9 == round(math.factorial(4) / math.e)
    assert chisquare(counts).pvalue > 0.01


def test_controls_hold_nothing_of_the_planted_geometry() -> None:
    assert grid_geometry(EEG).correlation > 0.5
    for make in (random_prototypes, shuffled_prototypes):
        found = [make(EEG, seed=seed) for seed in range(30)]
        kept = [geometry_agreement(EEG, one, n_permutations=1).correlation for one in found]
        assert np.mean(kept) == pytest.approx(0, abs=0.06), make
        with_grid = [grid_geometry(one, n_permutations=1).correlation for one in found]
        assert np.mean(with_grid) == pytest.approx(0, abs=0.06), make


def test_what_a_shuffle_keeps_of_the_geometry_is_told() -> None:
    found = shuffled_prototypes(EEG, seed=0)
    told = geometry_agreement(EEG, found, n_permutations=1).correlation
    assert found.origin["geometry_kept"] == pytest.approx(told, abs=2e-3)


def test_one_hot_prototypes_are_the_nearest_class() -> None:
    found = one_hot_prototypes(FERPLUS_EMOTIONS, ANCHORS, 5, 12)
    said = [FERPLUS_EMOTIONS[one] for one in found.vectors.argmax(axis=1)]
    assert (said[12], said[4 * 5 + 3], said[0 * 5 + 1]) == ("neutral", "happiness", "sadness")
    assert set(np.unique(found.similarity)) == {0.0, 1.0}
    assert_array_equal(found.vectors[:, 8:], 0)
    assert found.n_empty == 0
    assert found.origin["classes_without_cell"] == ["anger"]
    assert "anger" not in said


def test_of_equally_near_classes_the_first_has_the_cell() -> None:
    anchors = {"left": (-0.4, 0.0), "right": (0.4, 0.0)}
    for classes in (["left", "right"], ["right", "left"]):
        found = one_hot_prototypes(classes, anchors, 5, 2)
        assert classes[found.vectors[12].argmax()] == classes[0]


def test_three_digests_for_three_controls() -> None:
    like = valence_arousal_prototypes(np.eye(8), np.linspace(-1, 1, 8), np.zeros(8), k=5)
    controls = [random_prototypes(like, seed=0), shuffled_prototypes(like, seed=0)]
    controls.append(one_hot_prototypes(FERPLUS_EMOTIONS, ANCHORS, 5, 8))
    assert len({one.digest for one in (like, *controls)}) == 4
    assert [one.origin["control"] for one in controls] == ["random", "shuffled", "one_hot"]


def test_bad_input() -> None:
    single = valence_arousal_prototypes(np.eye(2), [-1, 1], [0, 0], k=2)
    with pytest.raises(DataError, match=r"Only 2 cells are filled; at least 3 .* Use random_prototypes"):
        shuffled_prototypes(single, seed=0)
    with pytest.raises(DataError, match=r"of 8 classes need as many dimensions, got n_dims=4. Take a larger"):
        one_hot_prototypes(FERPLUS_EMOTIONS, ANCHORS, 5, 4)
    with pytest.raises(DataError, match="'joy' has no anchor"):
        one_hot_prototypes(["joy"], ANCHORS, 5, 4)
    for seed in (-1, 1.5, True):
        with pytest.raises(ValueError, match="seed must be a whole number from 0"):
            random_prototypes(EEG, seed=seed)  # type: ignore[arg-type]
    for shared in (-0.1, 1.0, np.nan):
        with pytest.raises(ValueError, match="mean_similarity must be from 0 to below 1"):
            random_prototypes(EEG, seed=0, mean_similarity=shared)
    line = one_hot_prototypes(["neutral"], ANCHORS, 2, 1)
    with pytest.raises(DataError, match="at least 2"):
        random_prototypes(line, seed=0, mean_similarity=0.5)
    assert_allclose(np.abs(random_prototypes(line, seed=0).vectors), 1)
