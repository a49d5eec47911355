"""Graphs of electrodes: their equations, the geometry of the head, and what is refused."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse.csgraph import connected_components
from scipy.spatial import Delaunay
from scipy.spatial.transform import Rotation

from physioaffect.datasets import DEAP, DREAMER, EEGMAT, SEED
from physioaffect.errors import DataError
from physioaffect.graphs import (
    ADJACENCIES,
    GLOBAL_PAIRS,
    delaunay,
    distance,
    electrode_graph,
    full,
    functional,
    inter_hemispheric,
    inverse_square,
    k_nearest,
)
from physioaffect.montage import canonical_name, electrode_positions, mirror_pairs

CAPS = {dataset.name: dataset.ch_names["eeg"] for dataset in (SEED, DEAP, DREAMER, EEGMAT)}
NAMES = CAPS["deap"]

# Metres; the middle of the sphere on which the maps of the head are drawn.
CENTRE = (0.0, -0.016, 0.0)

each_graph = pytest.mark.parametrize("make", ADJACENCIES.values(), ids=ADJACENCIES)
each_cap = pytest.mark.parametrize("ch_names", CAPS.values(), ids=CAPS)


def on_sphere(n: int, seed: int = 0) -> np.ndarray:
    """Places at random on the upper part of a head, in metres."""
    rng = np.random.default_rng(seed)
    height, bearing = rng.uniform(-0.3, 1, n), rng.uniform(0, 2 * np.pi, n)
    across = np.sqrt(1 - height**2)
    direction = np.stack([across * np.cos(bearing), across * np.sin(bearing), height], axis=-1)
    return CENTRE + 0.09 * direction


def metres_between(places: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.norm(places[:, np.newaxis] - places, axis=-1))


def edges_of(adjacency: np.ndarray, ch_names) -> set[frozenset[str]]:
    return {frozenset((ch_names[i], ch_names[j])) for i, j in np.argwhere(adjacency).tolist()}


@each_graph
@each_cap
def test_every_graph_is_undirected_without_loops_and_in_one_piece(make, ch_names):
    adjacency = make(ch_names)
    assert adjacency.shape == (len(ch_names),) * 2
    assert adjacency.dtype == np.float64
    assert_array_equal(adjacency, adjacency.T)
    assert_array_equal(adjacency.diagonal(), 0)
    assert adjacency.min() >= 0
    assert 0 < adjacency.max() <= 1
    assert connected_components(adjacency, directed=False)[0] == 1


@each_graph
@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), n=st.integers(6, 20))
def test_relabelled_electrodes_relabel_the_graph(make, seed, n):
    places = on_sphere(n, seed)
    order = np.random.default_rng(seed).permutation(n)
    assert_allclose(make(places[order]), make(places)[np.ix_(order, order)])


@each_graph
def test_names_and_their_places_give_the_same_graph_in_any_spelling(make):
    expected = make(NAMES)
    assert_array_equal(make(electrode_positions(NAMES)), expected)
    assert_array_equal(make([f"EEG {name.upper()}-REF" for name in NAMES]), expected)


def test_distance_is_a_gaussian_of_the_distance():
    places = electrode_positions(["Fz", "Cz", "O2"])
    apart = np.linalg.norm(places[0] - places[2])
    adjacency = distance(["Fz", "Cz", "O2"], sigma=0.07)
    assert adjacency[0, 2] == pytest.approx(np.exp(-(apart**2) / (2 * 0.07**2)))


@each_cap
def test_the_default_width_is_the_mean_distance_to_the_nearest(ch_names):
    metres = metres_between(electrode_positions(ch_names))
    metres[np.diag_indices(len(ch_names))] = np.inf
    width = metres.min(axis=1).mean()
    assert_allclose(distance(ch_names), distance(ch_names, sigma=width))
    stated = {62: 0.030, 32: 0.041, 14: 0.046}  # In the documentation of distance.
    assert width == pytest.approx(stated.get(len(ch_names), width), abs=5e-4)


def test_a_threshold_removes_weak_edges_and_leaves_the_others_as_they_are():
    whole, cut = distance(NAMES), distance(NAMES, threshold=0.2)
    assert_array_equal(cut[whole >= 0.2], whole[whole >= 0.2])
    assert_array_equal(cut[whole < 0.2], 0)
    assert ((whole > 0) & (whole < 0.2)).any()


def test_inverse_square_is_one_near_by_and_falls_with_the_square():
    places = np.array([[0, 0, 0], [0.02, 0, 0], [0.1, 0, 0]])
    expected = [[0, 1, 5e-4 / 0.01], [1, 0, 5e-4 / 0.0064], [5e-4 / 0.01, 5e-4 / 0.0064, 0]]
    assert_allclose(inverse_square(places), expected)
    assert_allclose(inverse_square(places, delta=1e-4)[0, 1], 0.25)


@pytest.mark.parametrize(("cap", "stated"), [("seed", 0.17), ("deap", 0.20), ("dreamer", 0.28)])
def test_about_a_fifth_of_rgnns_entries_exceed_a_tenth(cap, stated):
    with_loops = inverse_square(CAPS[cap]) + np.eye(len(CAPS[cap]))
    assert (with_loops > 0.1).mean() == pytest.approx(stated, abs=0.01)


def test_global_connections_are_one_less_on_seeds_nine_pairs_and_nothing_else():
    names = CAPS["seed"]
    local = inverse_square(names)
    kept = local.copy()
    changed = inter_hemispheric(local, names)
    assert_array_equal(local, kept)
    published = "FP1-FP2 AF3-AF4 F5-F6 FC5-FC6 C5-C6 CP5-CP6 P5-P6 PO5-PO6 O1-O2"
    assert " ".join(map("-".join, GLOBAL_PAIRS)) == published
    expected = {frozenset(map(canonical_name, pair)) for pair in GLOBAL_PAIRS}
    assert edges_of(changed != local, names) == expected
    assert_allclose((changed - local)[changed != local], -1)
    assert_array_equal(changed, changed.T)


def test_a_small_cap_has_the_global_connections_that_it_can_have():
    names = CAPS["dreamer"]
    found = edges_of(inter_hemispheric(np.zeros((14, 14)), names), names)
    assert found == {frozenset(pair) for pair in (("AF3", "AF4"), ("FC5", "FC6"), ("O1", "O2"))}


def test_other_pairs_can_be_joined_across_the_head():
    names = ["F3", "F4", "Cz"]
    assert inter_hemispheric(np.zeros((3, 3)), names, pairs=mirror_pairs(names)).tolist() == [
        [0, -1, 0],
        [-1, 0, 0],
        [0, 0, 0],
    ]
    assert_array_equal(inter_hemispheric(np.eye(3), names, pairs=()), np.eye(3))
    with pytest.raises(
        DataError, match=re.escape("None of the pairs FP1-FP2, AF3-AF4") + ".* the 3 electrodes"
    ):
        inter_hemispheric(np.zeros((3, 3)), names)
    with pytest.raises(DataError, match=r"3 names of channels do not fit an adjacency of shape \(2, 2\)"):
        inter_hemispheric(np.zeros((2, 2)), names)


def test_equally_far_electrodes_are_in_together_whatever_the_rounding():
    square = 0.05 * np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]])
    around = np.roll(np.eye(4), 1, axis=1)
    for turned in Rotation.random(20, random_state=0):
        assert_array_equal(k_nearest(turned.apply(square), k=1), around + around.T)


@pytest.mark.parametrize("k", [1, 4, 9])
@each_cap
def test_everyone_has_its_nearest_and_an_edge_is_among_the_nearest_of_an_end(k, ch_names):
    rank = (
        metres_between(electrode_positions(ch_names)).argsort(axis=1).argsort(axis=1)
    )  # An electrode is its own nearest, with rank 0.
    near = (rank >= 1) & (rank <= k)
    assert_array_equal(k_nearest(ch_names, k=k), near | near.T)


def test_electrodes_equally_far_away_are_joined_together():
    square = np.array([[0.05, 0, 0], [0, 0.05, 0], [-0.05, 0, 0], [0, -0.05, 0], [0, 0, 0.2]])
    assert_array_equal(k_nearest(square, k=1)[:4, :4], full(square)[:4, :4] - np.eye(4)[[2, 3, 0, 1]])


def test_all_but_one_nearest_are_all():
    assert_array_equal(k_nearest(NAMES, k=31), full(NAMES))
    assert full(NAMES).sum() == 32 * 31


@each_cap
def test_delaunay_is_the_planar_one_of_the_stereographic_projection(ch_names):
    direction = electrode_positions(ch_names) - CENTRE
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    from_neck = direction[:, :2] / (1 + direction[:, 2:])
    expected = np.zeros((len(ch_names),) * 2)
    for triangle in Delaunay(from_neck).simplices:
        expected[np.ix_(triangle, triangle)] = 1
    np.fill_diagonal(expected, 0)
    assert_array_equal(delaunay(ch_names), expected)


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), n=st.integers(8, 40))
def test_delaunay_is_planar_and_has_the_nearest_of_everyone(seed, n):
    places = on_sphere(n, seed)
    adjacency = delaunay(places)
    # Euler: a planar graph of n nodes has 3n - 6 edges at most.
    assert adjacency.sum() / 2 <= 3 * n - 6
    assert (adjacency >= k_nearest(places, k=1)).all()


def test_delaunay_does_not_join_the_ears_below_the_head():
    for ch_names in CAPS.values():
        names = list(ch_names)
        adjacency = delaunay(names)
        assert adjacency[names.index("T7"), names.index("T8")] == 0
        assert adjacency[names.index("O1"), names.index("F7")] == 0


def test_delaunay_does_not_depend_on_the_size_of_the_head():
    places = electrode_positions(NAMES)
    assert_array_equal(delaunay(CENTRE + 0.7 * (places - CENTRE)), delaunay(places))


def test_functional_is_the_mean_of_training_windows_and_skips_what_has_no_number():
    rng = np.random.default_rng(0)
    edges = rng.uniform(size=(20, 6))
    edges[3:9, 2] = np.nan
    adjacency = functional(edges, n_channels=4)
    assert_allclose(adjacency[np.triu_indices(4, 1)], np.nanmean(edges, axis=0))
    matrices = np.zeros((20, 4, 4))
    matrices[:, *np.triu_indices(4, 1)] = edges
    matrices += matrices.swapaxes(1, 2) + np.eye(4)
    assert_allclose(functional(matrices, n_channels=4), adjacency)
    assert_array_equal(adjacency, adjacency.T)
    assert_array_equal(adjacency.diagonal(), 0)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (np.ones((5, 3, 2)), "shape (n_windows, 3) or (n_windows, 3, 3), got (5, 3, 2). Of several bands"),
        (np.ones((5, 4)), "Connectivity of 3 channels has shape (n_windows, 3)"),
        (np.full((5, 3), np.nan), "Channels 0 and 1 have no connectivity in any of 5 windows"),
        (np.ones((0, 3)), "Channels 0 and 1 have no connectivity in any of 0 windows"),
        (np.full((5, 3), -0.5), "must be finite and not negative, got -0.5. For a measure with a sign"),
        (
            np.triu(np.ones((5, 3, 3))),
            "The graph is directed: channels 0 and 1 have 1 one way and 0 the other",
        ),
    ],
)
def test_connectivity_that_is_no_graph_is_refused(values, sentence):
    with pytest.raises(DataError, match=re.escape(sentence)):
        functional(values, n_channels=3)


def test_a_kind_is_a_name_or_a_function():
    for name, make in ADJACENCIES.items():
        assert_array_equal(electrode_graph(NAMES, name), make(NAMES))
    assert_array_equal(electrode_graph(NAMES), distance(NAMES))
    assert_array_equal(electrode_graph(NAMES, lambda names: k_nearest(names, k=2)), k_nearest(NAMES, k=2))
    with pytest.raises(ValueError, match="Unknown graph 'lattice': use one of delaunay, distance, full"):
        electrode_graph(NAMES, "lattice")
    with pytest.raises(DataError, match=re.escape("of 2 channels must have shape (2, 2), got (3, 3)")):
        electrode_graph(["Fz", "Cz"], lambda names: np.zeros((3, 3)))
    with pytest.raises(DataError, match="must be finite and not negative, got nan"):
        electrode_graph(["Fz", "Cz"], lambda names: np.full((2, 2), np.nan))


@each_graph
@pytest.mark.parametrize(
    ("electrodes", "sentence"),
    [
        (["Fz", "Cz", "ECG"], "No position is known for 'ECG'"),
        (["T3", "T7", "Cz"], "'T3' and 'T7' mean the same place"),
        (["Cz"], "needs two of them or more, got 1."),
        ([], "needs two of them or more, got 0."),
        ("Cz", "Electrodes come as a list of names, got the text 'Cz'."),
        (np.zeros((4, 2)), "must have shape (n_channels, 3), got (4, 2)."),
        (np.zeros((4, 3)), "Electrodes 0 and 1 are at the same place."),
        (np.full((4, 3), np.nan), "A place of an electrode is not a number."),
        (1000 * electrode_positions(["Fz", "Cz", "Pz"]), "are in metres, got one at 100"),
    ],
)
def test_what_is_no_set_of_electrodes_is_refused_by_every_graph(make, electrodes, sentence):
    with pytest.raises(DataError, match=re.escape(sentence)):
        make(electrodes)


@pytest.mark.parametrize(
    ("make", "setting", "sentence"),
    [
        (distance, {"sigma": 0.0}, "sigma is a length in metres above 0, such as 0.04, got 0.0."),
        (distance, {"sigma": float("nan")}, "sigma is a length in metres above 0"),
        (distance, {"threshold": 1.0}, "threshold must lie from 0 to below 1"),
        (distance, {"threshold": -0.1}, "threshold must lie from 0 to below 1"),
        (inverse_square, {"delta": 0}, "delta is a squared distance in square metres above 0"),
        (k_nearest, {"k": 0}, "k must lie from 1 to 31 for 32 electrodes, got 0."),
        (k_nearest, {"k": 32}, "k must lie from 1 to 31 for 32 electrodes, got 32."),
    ],
)
def test_settings_out_of_range_are_refused(make, setting, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        make(NAMES, **setting)


def test_two_electrodes_make_no_triangle():
    with pytest.raises(DataError, match="2 electrodes make no triangle on the head: it takes three or more"):
        delaunay(["Fz", "Cz"])
