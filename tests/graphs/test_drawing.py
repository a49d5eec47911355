"""What pictures of graphs show: the right edges between the right places, their weights, and names."""

import io
import re

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.datasets import DEAP, DREAMER, SEED
from physioaffect.errors import DataError
from physioaffect.features.topomap import azimuthal_projection
from physioaffect.graphs import (
    HISTN_HIERARCHIES,
    delaunay,
    distance,
    full,
    k_nearest,
    lobes,
    neighbouring,
    plot_adjacency,
    plot_graph,
    plot_hierarchy,
)
from physioaffect.montage import electrode_positions

NAMES = DEAP.ch_names["eeg"]
PLACES = azimuthal_projection(electrode_positions(NAMES))


def lines_of(ax) -> LineCollection:
    [lines] = [found for found in ax.collections if isinstance(found, LineCollection)]
    return lines


def drawn_edges(ax, places: np.ndarray) -> dict[frozenset[int], int]:
    """Which electrodes each line joins, and its rank from below."""
    ends = np.array(lines_of(ax).get_segments())
    nearest = np.linalg.norm(ends[:, :, np.newaxis] - places, axis=-1)
    assert nearest.min(axis=-1).max() < 1e-9
    return {frozenset(pair): rank for rank, pair in enumerate(nearest.argmin(axis=-1).tolist())}


def edges_of(adjacency: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(pair) for pair in np.argwhere(adjacency).tolist()}


def weights_of(ax) -> np.ndarray:
    return np.asarray(lines_of(ax).get_array())


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def is_saved(figure: Figure) -> bool:
    file = io.BytesIO()
    figure.savefig(file, dpi=30)
    return file.getvalue().startswith(b"\x89PNG")


def test_a_line_is_drawn_for_each_edge_between_its_electrodes():
    figure = plot_graph(delaunay(NAMES), NAMES, title="neighbours")
    [ax] = figure.axes
    assert set(drawn_edges(ax, PLACES)) == edges_of(delaunay(NAMES))
    assert texts(ax) == list(NAMES)
    assert ax.get_title() == "neighbours"
    assert_allclose([text.get_position() for text in ax.texts], PLACES)


def test_weights_are_told_by_colour_and_width_and_the_strongest_lie_above():
    weights = distance(NAMES)
    figure = plot_graph(weights, NAMES, n_edges=40)
    ax, bar = figure.axes
    rank = drawn_edges(ax, PLACES)
    strength = np.array([weights[*edge] for edge in rank])
    assert len(rank) == 40
    assert (np.diff(strength) >= 0).all()
    assert strength.min() >= np.sort(weights[np.triu_indices(32, 1)])[-41]
    lines = lines_of(ax)
    assert_allclose(weights_of(ax), strength)
    assert (np.diff(lines.get_linewidth()) >= 0).all()
    assert lines.get_clim() == (0, weights.max())
    assert bar.get_ylabel() == "weight"


def test_edges_that_weigh_the_same_need_no_scale():
    assert len(plot_graph(0.3 * full(["F3", "F4", "Cz"]), ["F3", "F4", "Cz"]).axes) == 1


def test_a_graph_without_edges_still_shows_its_electrodes():
    figure = plot_graph(np.zeros((3, 3)), ["F3", "F4", "Cz"])
    assert texts(figure.axes[0]) == ["F3", "F4", "Cz"]
    assert lines_of(figure.axes[0]).get_segments() == []
    assert is_saved(figure)


def test_one_electrode_makes_a_picture_without_edges():
    for figure in (plot_graph([[1.0]], ["Cz"]), plot_adjacency([[1.0]], ["Cz"])):
        assert is_saved(figure)
        assert all(lines_of(ax).get_segments() == [] for ax in figure.axes if texts(ax) == ["Cz"])


def test_loops_are_not_drawn():
    with_loops = k_nearest(NAMES) + 5 * np.eye(32)
    [ax] = plot_graph(with_loops, NAMES).axes
    assert set(drawn_edges(ax, PLACES)) == edges_of(k_nearest(NAMES))


def test_the_matrix_is_drawn_as_it_is_with_its_strongest_edges_beside_it():
    rng = np.random.default_rng(0)
    learned = rng.normal(size=(32, 32))
    kept = learned.copy()
    figure = plot_adjacency(learned, NAMES, n_edges=12, title="learned")
    assert_array_equal(learned, kept)
    left, right, bar = figure.axes
    shown: np.ma.MaskedArray = np.ma.asarray(left.images[0].get_array())
    off = ~np.eye(32, dtype=bool)
    assert_array_equal(shown.mask, ~off)
    assert_array_equal(shown.data[off], learned[off])
    low, high = left.images[0].get_clim()
    assert -low == high == np.abs(learned[off]).max()
    mean = (learned + learned.T) / 2
    magnitude = np.abs(mean[np.triu_indices(32, 1)])
    found = drawn_edges(right, PLACES)
    assert sorted(abs(mean[*edge]) for edge in found) == pytest.approx(np.sort(magnitude)[-12:].tolist())
    assert_allclose(weights_of(right), [mean[*edge] for edge in found])
    assert (left.get_title(), right.get_title()) == (
        "all edges, directed",
        "the 12 strongest, mean of both ways",
    )
    assert bar.get_ylabel() == "learned"


def test_weights_of_one_sign_are_coloured_from_zero_on():
    left, right, _ = plot_adjacency(0.5 + distance(NAMES), NAMES).axes
    assert left.images[0].get_clim()[0] == 0
    assert left.images[0].get_cmap().name == lines_of(right).get_cmap().name == "viridis_r"
    assert (left.get_title(), right.get_title()) == ("all edges", "the 30 strongest")


def test_the_title_counts_the_edges_that_there_are():
    _, right, *_ = plot_adjacency(full(["F3", "F4", "Cz"]), ["F3", "F4", "Cz"]).axes
    assert right.get_title() == "the 3 strongest"


@pytest.mark.parametrize("version", HISTN_HIERARCHIES)
def test_a_hierarchy_shows_the_edges_inside_regions_and_between_them(version):
    hierarchy = HISTN_HIERARCHIES[version]
    left, right = plot_hierarchy(hierarchy).axes
    places = azimuthal_projection(electrode_positions(hierarchy.ch_names))
    assert set(drawn_edges(left, places)) == edges_of(hierarchy.adjacency)
    assert texts(left) == list(hierarchy.ch_names)
    sizes = [len(region.ch_names) for region in hierarchy.regions]
    centres = np.array([own.mean(axis=0) for own in np.split(places, np.cumsum(sizes)[:-1])])
    assert set(drawn_edges(right, centres)) == edges_of(hierarchy.region_adjacency)
    assert [text.replace("\n", " ") for text in texts(right)] == [region.name for region in hierarchy.regions]


def test_a_region_has_one_colour_in_both_pictures():
    hierarchy = HISTN_HIERARCHIES["V0"]
    left, right = plot_hierarchy(hierarchy).axes
    nodes, regions = left.collections[-1], right.collections[-1]
    around = [to_hex(tuple(colour)) for colour in np.asarray(nodes.get_edgecolor())]
    inside = [to_hex(tuple(colour)) for colour in np.asarray(regions.get_facecolor())]
    assert len(set(inside)) == 4
    assert around == [shade for shade, size in zip(inside, (4, 3, 3, 4), strict=True) for _ in range(size)]


@pytest.mark.parametrize("ch_names", [SEED.ch_names["eeg"], DREAMER.ch_names["eeg"], ("F3", "Fz", "Cz")])
def test_caps_of_any_size_can_be_drawn(ch_names):
    assert is_saved(plot_hierarchy(neighbouring(lobes(ch_names, halves=True))))
    assert is_saved(plot_graph(distance(ch_names), ch_names))
    assert is_saved(plot_adjacency(distance(ch_names), ch_names))


@pytest.mark.parametrize("plot", [plot_graph, plot_adjacency])
def test_what_is_no_graph_of_these_electrodes_is_refused(plot):
    with pytest.raises(
        DataError, match=re.escape("A graph of 2 electrodes has an adjacency of shape (2, 2), got")
    ):
        plot(np.zeros((3, 3)), ["F3", "F4"])
    with pytest.raises(DataError, match="has weights that are not finite numbers"):
        plot(np.full((2, 2), np.nan), ["F3", "F4"])
    with pytest.raises(DataError, match="No position is known for 'ECG'"):
        plot(np.zeros((2, 2)), ["F3", "ECG"])
    with pytest.raises(ValueError, match="at least one edge, got n_edges=0"):
        plot(np.zeros((2, 2)), ["F3", "F4"], n_edges=0)
