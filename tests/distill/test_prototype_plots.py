"""What is drawn of prototypes: the numbers, where they belong, readable without colour."""

import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.testing import assert_allclose, assert_array_equal
from support.prototype_worlds import world

from physioaffect.distill.anchors import ANCHORS
from physioaffect.distill.controls import one_hot_prototypes
from physioaffect.distill.prototype_plots import (
    plot_prototype_map,
    plot_prototype_similarity,
    plot_prototype_stability,
    plot_prototypes,
)
from physioaffect.distill.prototypes import Prototypes, valence_arousal_prototypes
from physioaffect.distill.stability import split_half_stability
from physioaffect.errors import DataError


def made(k: int) -> Prototypes:
    found = world(0, signal=3.0, n_people=6)
    return valence_arousal_prototypes(found.X, found.valence, found.arousal, k=k, people=found.people)


def drawn(figure: Figure) -> Figure:
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    return figure


def test_counts_stand_in_their_cells() -> None:
    grid = made(5)
    ax = drawn(plot_prototypes(grid, title="t")).axes[0]
    assert len(ax.texts) == 25
    for text in ax.texts:
        valence, arousal = text.get_position()
        cell = int(np.flatnonzero((np.abs(grid.centres - [valence, arousal]) < 1e-9).all(axis=1))[0])
        lines = text.get_text().split("\n")
        assert lines[:2] == [str(grid.counts[cell]), f"{grid.n_people[cell]} p."]  # type: ignore[index]
    # Valence to the right, arousal upwards.
    image = ax.images[0]
    assert_array_equal(image.get_array(), grid.counts.reshape(5, 5).T)
    assert image.origin == "lower"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("valence", "arousal")


def test_empty_cells_are_hatched_and_point_to_their_source() -> None:
    grid = made(7)
    assert grid.n_empty == 24
    ax = drawn(plot_prototypes(grid)).axes[0]
    hatched = [one for one in ax.patches if isinstance(one, Rectangle) and one.get_hatch()]
    middles = np.array([[one.get_x() + one.get_width() / 2, one.get_y() + 1 / 7] for one in hatched])
    assert_allclose(middles, grid.centres[grid.is_empty])
    arrows = [one for one in ax.texts if not one.get_text()]
    assert len(arrows) == 24
    for cell, arrow in zip(np.flatnonzero(grid.is_empty), arrows, strict=True):
        along = np.array(arrow.xy) - np.array(arrow.get_position())  # type: ignore[attr-defined]
        to_source = grid.centres[grid.filled_from[cell]] - grid.centres[cell]
        assert_allclose(along / np.linalg.norm(along), to_source / np.linalg.norm(to_source), atol=1e-9)
    assert "24 of 49 cells empty (hatched)" in ax.get_title(loc="left")


def test_similarities_are_coloured_between_their_ends() -> None:
    grid = made(7)
    ax = drawn(plot_prototype_similarity(grid)).axes[0]
    image = ax.images[0]
    own = grid.similarity[np.ix_(~grid.is_empty, ~grid.is_empty)]
    assert_allclose(np.asarray(image.get_array()), own)
    assert image.get_clim() == pytest.approx((own.min(), own[~np.eye(25, dtype=bool)].max()))
    # Five blocks of valence, five cells each.
    assert_allclose(ax.get_xticks(), [2, 7, 12, 17, 22])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["-0.86", "-0.57", "0", "0.57", "0.86"]


def test_the_map_keeps_distances_of_what_lies_in_a_plane() -> None:
    # Three prototypes always lie in a plane: their distances in the map are the true ones.
    grid = valence_arousal_prototypes(
        [[3, 1, 0], [0, 2, 1], [1, 0, 1]], [-0.5, 0.5, 0.5], [0.5, 0.5, -0.5], k=2
    )
    for ax in drawn(plot_prototype_map(grid)).axes[:2]:
        marks = [one for one in ax.collections if isinstance(one, PathCollection)]
        at = np.concatenate([np.asarray(one.get_offsets()) for one in marks])
        found = np.sort(np.linalg.norm(at[:, None] - at[None], axis=-1), axis=None)
        vectors = grid.vectors[~grid.is_empty]
        expected = np.sort(np.linalg.norm(vectors[:, None] - vectors[None], axis=-1), axis=None)
        assert_allclose(found, expected, atol=1e-6)


def test_the_map_says_signs_by_marks_and_shares_by_axes() -> None:
    figure = drawn(plot_prototype_map(made(5), title="t"))
    assert [ax.get_ylabel() for ax in figure.axes[2:]] == ["valence of the cell", "arousal of the cell"]
    valence = [one for one in figure.axes[0].collections if isinstance(one, PathCollection)]
    assert [len(np.asarray(one.get_offsets())) for one in valence] == [10, 5, 10]
    assert len({np.asarray(one.get_paths()[0].vertices).tobytes() for one in valence}) == 3
    assert len(figure.axes[0].lines) == 2 * 5 * 4  # Neighbours of a 5 x 5 grid.
    assert figure.axes[0].get_xlabel().startswith("component 1 (")


def test_the_map_of_prototypes_in_one_dimension_and_of_labels() -> None:
    drawn(
        plot_prototype_map(
            valence_arousal_prototypes([[1], [-1], [1]], [-0.5, 0.5, 0.5], [0.5, 0.5, -0.5], k=2)
        )
    )
    drawn(plot_prototype_map(one_hot_prototypes(list(ANCHORS), ANCHORS, 5, 8)))
    drawn(plot_prototypes(one_hot_prototypes(list(ANCHORS), ANCHORS, 13, 8)))
    drawn(plot_prototype_similarity(one_hot_prototypes(["neutral"], ANCHORS, 2, 1)))


def test_a_map_of_nothing() -> None:
    with pytest.raises(DataError, match="at least 3 filled cells, got 2"):
        plot_prototype_map(valence_arousal_prototypes(np.eye(2), [-1, 1], [0, 0], k=2))
    with pytest.raises(DataError, match="All prototypes are equal"):
        plot_prototype_map(one_hot_prototypes(["neutral"], ANCHORS, 3, 2))


def test_stability_is_drawn_beside_chance() -> None:
    one = world(0, signal=3.0, n_people=6)
    found = split_half_stability(
        one.X, one.valence, one.arousal, people=one.people, trials=one.trials, k=3, n_splits=10, n_null=19
    )
    figure = drawn(plot_prototype_stability(found, title="t"))
    cells, distinct, geometry = figure.axes
    chance = next(line for line in cells.lines if line.get_marker() == "x")
    assert_allclose(np.asarray(chance.get_ydata()), found.chance)
    for ax, value in ((distinct, found.distinctness), (geometry, found.geometry)):
        assert value in np.asarray(ax.lines[0].get_xdata())
        assert sum(bar.get_height() for bar in ax.patches if isinstance(bar, Rectangle)) == 19


def test_no_figure_stays_open() -> None:
    before = mpl.get_backend()
    import matplotlib.pyplot as plt

    plot_prototype_map(made(5))
    assert plt.get_fignums() == []
    assert mpl.get_backend() == before
