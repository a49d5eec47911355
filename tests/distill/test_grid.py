"""The grid: edges, levels of ratings, and which cells must stay empty."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal
from scipy.spatial.distance import cdist

from physioaffect.distill.grid import (
    cell_distances,
    grid_cells,
    grid_centres,
    least_empty_cells,
    nearest_filled,
)
from physioaffect.errors import DataError

DREAMER = (np.arange(1, 6) - 3) / 2
RATINGS = arrays(np.float64, st.integers(1, 40), elements=st.floats(-1, 1))


def test_published_middles() -> None:
    centres = grid_centres(5)
    assert_array_equal(np.unique(centres), [-0.8, -0.4, 0, 0.4, 0.8])
    assert_array_equal(centres[5 * 4 + 1], [0.8, -0.4])  # Valence first, both rising.


@pytest.mark.parametrize("k", [1, 2, 3, 5, 7, 50])
def test_middles_lie_in_their_own_cells_and_mirror_one_another(k: int) -> None:
    centres = grid_centres(k)
    assert_array_equal(grid_cells(*centres.T, k=k), np.arange(k * k))
    assert_array_equal(centres, -centres[::-1])


def test_levels_of_dreamer_fall_in_one_row_each_of_five() -> None:
    # -1, -0.5, 0, 0.5, 1 in bins of width 0.4: no level lies on an inner edge.
    assert_array_equal(grid_cells(DREAMER, np.zeros(5), k=5) // 5, [0, 1, 2, 3, 4])
    # In bins of width 2 / 7 rows 2 and 4 are out of reach.
    assert_array_equal(grid_cells(np.zeros(5), DREAMER, k=7) % 7, [0, 1, 3, 5, 6])


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_a_rating_on_an_edge_belongs_to_the_upper_cell(kind: type) -> None:
    edges: np.ndarray = np.array([-1, -0.6, -0.2, 0.2, 0.6, 1], dtype=kind)
    assert_array_equal(grid_cells(edges, np.zeros(6), k=5) // 5, [0, 1, 2, 3, 4, 4])
    assert_array_equal(grid_cells([0.0], [0.0], k=2), [3])
    assert_array_equal(grid_cells(edges - 2e-6 * (edges > -1), np.zeros(6), k=5) // 5, [0, 0, 1, 2, 3, 4])


@given(RATINGS, st.integers(1, 12))
def test_the_type_of_the_array_moves_no_rating(ratings: np.ndarray, k: int) -> None:
    # Steps of 1e-3 are far from the tolerance, but for those on an edge, which float32 puts beside it.
    ratings = ratings.round(3)
    same = grid_cells(ratings, ratings, k=k)
    assert_array_equal(same, grid_cells(ratings.astype(np.float32), ratings.astype(np.float32), k=k))


@given(RATINGS, st.integers(1, 12))
def test_each_rating_is_within_half_a_cell_of_its_middle(ratings: np.ndarray, k: int) -> None:
    cells = grid_cells(ratings, ratings[::-1], k=k)
    found = np.abs(grid_centres(k)[cells] - np.stack([ratings, ratings[::-1]], axis=1))
    assert found.max() <= 1 / k + 2e-6


def test_at_least_24_of_49_cells_are_empty_by_construction() -> None:
    assert [least_empty_cells(DREAMER, k=k) for k in (2, 3, 4, 5, 6, 7)] == [0, 0, 0, 0, 11, 24]
    rng = np.random.default_rng(0)
    everything = np.unique(grid_cells(*rng.choice(DREAMER, (2, 100_000)), k=7))
    assert 49 - len(everything) == 24


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=9), st.integers(1, 12))
def test_n_levels_reach_at_most_n_squared_cells(levels: list[float], k: int) -> None:
    # The bound is the theorem, and it is reached: all pairs of levels leave exactly so many cells empty.
    least = least_empty_cells(levels, k=k)
    assert least >= k * k - len(set(levels)) ** 2
    pairs = np.stack(np.meshgrid(levels, levels), axis=-1).reshape(-1, 2)
    assert least == k * k - len(np.unique(grid_cells(*pairs.T, k=k)))


def test_a_continuous_scale_leaves_no_cell_out_of_reach() -> None:
    assert least_empty_cells(None, k=9) == 0
    assert least_empty_cells(DREAMER, np.linspace(-1, 1, 1000), k=7) == 14


def test_distances_are_those_of_the_middles() -> None:
    np.testing.assert_allclose(cell_distances(5), cdist(grid_centres(5), grid_centres(5)), atol=1e-12)


@given(arrays(np.int64, 25, elements=st.integers(0, 3)).filter(np.any))
def test_empty_cells_are_filled_from_the_nearest(counts: np.ndarray) -> None:
    source = nearest_filled(counts, 5)
    filled = np.flatnonzero(counts)
    assert_array_equal(source[filled], filled)
    distances = cdist(grid_centres(5), grid_centres(5)).round(9)
    for cell in range(25):
        near = filled[distances[cell, filled] == distances[cell, filled].min()]
        near = near[counts[near] == counts[near].max()]
        assert source[cell] == near.min()


def test_of_equally_near_cells_that_with_more_windows_fills() -> None:
    counts = np.zeros(9, dtype=int)
    counts[[3, 5]] = 2, 7  # Left and right of the middle.
    assert nearest_filled(counts, 3)[4] == 5
    counts[3] = 7
    assert nearest_filled(counts, 3)[4] == 3


@pytest.mark.parametrize(
    ("valence", "arousal", "said"),
    [
        ([1.2], [0], r"valence must lie in \[-1, 1\], got 1.2 to 1.2. Scale them: \(score - 3\) / 2"),
        ([0, 0], [0, -5], "arousal must lie"),
        ([0, np.nan], [0, 0], r"1 of 2 ratings of valence are missing \(NaN\). Leave those windows out"),
        ([0, np.inf], [0, 0], "got 0 to inf"),
        ([0, 0], [0], "Valence has 2 ratings and arousal 1"),
        ([[0]], [[0]], r"shape \(n,\), got shape \(1, 1\)"),
    ],
)
def test_bad_ratings(valence: list, arousal: list, said: str) -> None:
    with pytest.raises(DataError, match=said):
        grid_cells(valence, arousal)


@pytest.mark.parametrize("k", [0, 51, 2.5, True, "5"])
def test_bad_k(k: object) -> None:
    with pytest.raises(ValueError, match="whole number from 1 to 50"):
        grid_centres(k)  # type: ignore[arg-type]


def test_nothing_to_fill_from() -> None:
    with pytest.raises(DataError, match="Every cell is empty"):
        nearest_filled(np.zeros(4, dtype=int), 2)
