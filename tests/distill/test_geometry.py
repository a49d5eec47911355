"""Comparison of grids by how their cells lie to one another: against scipy, and under both hypotheses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest, ortho_group, spearmanr
from support.prototype_worlds import bump, world

from physioaffect.distill.controls import random_prototypes
from physioaffect.distill.geometry import (
    falls_with_distance,
    geometry_agreement,
    grid_geometry,
    seed_stability,
)
from physioaffect.distill.grid import cell_distances, grid_centres
from physioaffect.distill.prototypes import Prototypes, valence_arousal_prototypes
from physioaffect.errors import DataError


def drawn(seed: int, *, k: int = 3, n_dims: int = 5, n: int = 60) -> Prototypes:
    rng = np.random.default_rng(seed)
    return valence_arousal_prototypes(rng.standard_normal((n, n_dims)), *rng.uniform(-1, 1, (2, n)), k=k)


@given(st.integers(0, 2**32 - 1), st.integers(6, 80))
def test_correlations_are_scipys_over_cells_filled_in_both(seed: int, n: int) -> None:
    first, second = drawn(seed, n=n), drawn(seed + 1, n=n)
    used = np.flatnonzero(~first.is_empty & ~second.is_empty)
    if len(used) < 4:
        with pytest.raises(DataError, match="at least 4"):
            geometry_agreement(first, second)
        return
    pairs = np.triu_indices(len(used), 1)
    cosines = [one.similarity[np.ix_(used, used)][pairs] for one in (first, second)]
    expected = spearmanr(cosines[0], cosines[1]).statistic
    found = geometry_agreement(first, second, n_permutations=1)
    assert found.correlation == pytest.approx(expected)
    assert found.n_cells == len(used)
    filled = np.flatnonzero(~first.is_empty)
    pairs = np.triu_indices(len(filled), 1)
    expected = spearmanr(
        first.similarity[np.ix_(filled, filled)][pairs],
        -cell_distances(3)[np.ix_(filled, filled)][pairs].round(9),
    ).statistic
    assert grid_geometry(first, n_permutations=1).correlation == pytest.approx(expected)
    assert falls_with_distance(first.similarity[np.ix_(filled, filled)], filled, 3) == pytest.approx(expected)


def test_a_rotation_changes_nothing_of_the_geometry() -> None:
    rng = np.random.default_rng(0)
    X, ratings = rng.standard_normal((400, 6)), rng.uniform(-1, 1, (2, 400))
    rotation = ortho_group.rvs(6, random_state=1)
    plain, turned = (valence_arousal_prototypes(one, *ratings) for one in (X, X @ rotation))
    assert geometry_agreement(plain, turned).correlation == pytest.approx(1, abs=1e-3)
    assert geometry_agreement(plain, turned).p_value == 0.001
    # Their vectors have nothing in common all the same.
    assert np.abs((plain.vectors * turned.vectors).sum(axis=1)).mean() < 0.6


def test_the_p_value_is_even_between_unrelated_geometries() -> None:
    found = [
        geometry_agreement(drawn(2 * seed), drawn(2 * seed + 1), n_permutations=99, seed=seed).p_value
        for seed in range(200)
    ]
    assert kstest(found, "uniform").pvalue > 0.01
    # Never more often at or below a level than the level says, but for chance.
    assert np.mean(np.array(found) <= 0.05) <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 200)


def test_the_p_value_is_exact_for_few_cells() -> None:
    # 4 cells in a row of 2 x 2: of 24 orders exactly those that leave the matrix as it is are as large.
    corners = valence_arousal_prototypes(
        np.array([[1, 0, 0], [0.99, 0.14, 0], [0, 1, 0.5], [0, 0, 1]]), [-1, -1, 1, 1], [-1, 1, -1, 1], k=2
    )
    found = geometry_agreement(corners, corners, n_permutations=20_000)
    assert found.correlation == 1
    assert found.p_value == pytest.approx(1 / 24, abs=0.006)


def test_teachers_of_several_seeds_in_their_own_spaces() -> None:
    planted = world(0, signal=4.0, n_people=16, levels=np.linspace(-1, 1, 100))
    seeds = []
    for seed in range(3):  # Each teacher sees the same world through axes of its own.
        own = planted.X @ ortho_group.rvs(planted.X.shape[1], random_state=seed)
        own = own + np.random.default_rng(seed).standard_normal(own.shape)
        seeds.append(valence_arousal_prototypes(own, planted.valence, planted.arousal))
    found = seed_stability(seeds, same_space=False)
    assert found.cosine is None
    assert found.mean_geometry > 0.8
    assert found.p_values[0, 1] == found.p_values[1, 0] == 0.001
    assert_array_equal(np.diag(found.geometry), 1)
    unrelated = seed_stability([random_prototypes(seeds[0], seed=one) for one in range(3)], same_space=False)
    assert abs(unrelated.mean_geometry) < 0.15
    assert set(found.to_json()) == {"mean_geometry", "geometry", "p_values", "cosine"}


def test_cosines_in_one_space() -> None:
    several = [drawn(seed, n=40, k=3) for seed in range(3)]
    found = seed_stability(several, same_space=True, n_permutations=1)
    a, b, c = (one.vectors.astype(float) for one in several)
    expected = ((a * b).sum(1) + (a * c).sum(1) + (b * c).sum(1)) / 3
    is_empty = np.any([one.is_empty for one in several], axis=0)
    assert_allclose(found.cosine, np.where(is_empty, np.nan, expected), atol=1e-9)  # type: ignore[arg-type]
    same = seed_stability([several[0]] * 2, same_space=True, n_permutations=1)
    assert_allclose(same.cosine[~several[0].is_empty], 1, atol=1e-6)  # type: ignore[index]


def test_copies_do_not_count() -> None:
    # 7 x 7 with five levels of rating: copies equal their neighbours, which would feign a geometry.
    own, with_copies = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        ratings = rng.choice([-1, -0.5, 0, 0.5, 1], (2, 500))
        nothing = valence_arousal_prototypes(rng.standard_normal((500, 200)), *ratings, k=7)
        found = grid_geometry(nothing, n_permutations=1)
        assert found.n_cells == 25
        own.append(found.correlation)
        with_copies.append(falls_with_distance(nothing.similarity, np.arange(49), 7))
    assert abs(np.mean(own)) < 0.04
    assert np.mean(with_copies) > 0.06


def test_a_surface_is_one() -> None:
    centres = grid_centres(6)
    surface = valence_arousal_prototypes(bump(*centres.T), *centres.T, k=6)
    assert grid_geometry(surface).correlation > 0.97


def test_bad_input() -> None:
    with pytest.raises(DataError, match=r"One grid has 3 x 3 cells, the other 4 x 4. Make both with one k"):
        geometry_agreement(drawn(0), drawn(0, k=4))
    with pytest.raises(DataError, match=r"at least 2 sets of prototypes, got 1"):
        seed_stability([drawn(0)], same_space=True)
    with pytest.raises(DataError, match=r"5 and 7 dimensions are not in one space. Pass same_space=False"):
        seed_stability([drawn(0), drawn(0, n_dims=7)], same_space=True)
    same = valence_arousal_prototypes(np.ones((9, 2)), *grid_centres(3).T, k=3)
    with pytest.raises(DataError, match="All similarities are equal"):
        grid_geometry(same)
    with pytest.raises(ValueError, match="n_permutations must be at least 1, got 0"):
        grid_geometry(drawn(0), n_permutations=0)
