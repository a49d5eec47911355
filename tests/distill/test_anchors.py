"""Targets of classes over cells: closed forms and what they cannot tell apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm

from physioaffect.datasets import AFFECTNET, CKPLUS, FERPLUS_EMOTIONS
from physioaffect.distill.anchors import ANCHORS, anchors_of, cell_targets, similarity_targets, soft_cells
from physioaffect.distill.grid import grid_cells, grid_centres
from physioaffect.distill.prototypes import Prototypes, valence_arousal_prototypes
from physioaffect.errors import DataError

POINT = st.tuples(st.floats(-1, 1), st.floats(-1, 1))


def test_every_class_of_the_face_sets_has_an_anchor() -> None:
    assert set(FERPLUS_EMOTIONS) == set(ANCHORS)
    for faces in (AFFECTNET, CKPLUS):
        anchors_of(faces.classes)


def test_neutral_by_hand() -> None:
    # Its anchor is the middle of the middle cell; the four neighbours are 0.4 away, which is the spread.
    target = cell_targets(["neutral"], grid_centres(5))[0]
    assert_allclose(target[[7, 11, 13, 17]] / target[12], np.exp(-0.5))
    assert_allclose(target[[6, 8, 16, 18]] / target[12], np.exp(-1))
    one = 1 + 2 * np.exp(-0.5) + 2 * np.exp(-2)
    assert target[12] == pytest.approx(1 / one**2)  # Bells over a grid are a product of two.


@given(st.lists(POINT, min_size=1, max_size=5), st.integers(1, 9), st.floats(0.01, 5))
def test_soft_cells_are_a_product_of_normal_densities(points: list, k: int, spread: float) -> None:
    found = soft_cells(points, grid_centres(k), spread=spread)
    assert_allclose(found.sum(axis=1), 1)
    axis = np.unique(grid_centres(k)[:, 0])
    for row, (valence, arousal) in zip(found, points, strict=True):
        logs = norm.logpdf(axis, valence, spread)[:, None] + norm.logpdf(axis, arousal, spread)[None]
        density = np.exp(logs - logs.max())
        assert_allclose(row, (density / density.sum()).ravel(), atol=1e-9)


@pytest.mark.parametrize("name", ANCHORS)
def test_the_likeliest_cell_is_the_anchors_own_or_as_near(name: str) -> None:
    centres = grid_centres(5)
    target = cell_targets([name], centres)[0]
    (point,) = anchors_of([name])
    assert target[grid_cells(*point[:, None], k=5)[0]] == pytest.approx(target.max())


def test_a_narrow_spread_is_one_hot_and_a_wide_one_is_even() -> None:
    centres = grid_centres(5)
    assert_allclose(cell_targets(["neutral"], centres, spread=0.01)[0], np.eye(25)[12], atol=1e-12)
    assert_allclose(cell_targets(["neutral"], centres, spread=1e4)[0], 1 / 25, rtol=1e-6)


def test_targets_of_anger_and_fear_are_all_but_the_same() -> None:
    # Their anchors are a quarter of the spread apart. Half the sum of differences, the part of the weight
    # that would have to move, is 8 %; for happiness and sadness it is nearly all.
    targets = dict(zip(ANCHORS, cell_targets(list(ANCHORS), grid_centres(5)), strict=True))
    apart = np.abs(targets["anger"] - targets["fear"]).sum() / 2
    assert apart < 0.1
    assert np.abs(targets["happiness"] - targets["sadness"]).sum() / 2 > 0.9


def two() -> Prototypes:
    return valence_arousal_prototypes([[1, 0], [0, 1]], [-0.5, 0.5], [0.5, 0.5], k=2)


def test_similarity_targets_by_hand() -> None:
    found = similarity_targets(["sadness", "happiness"], two(), temperature=1.0)
    share = np.e / (2 * np.e + 2)
    other = 1 / (2 * np.e + 2)
    assert_allclose(found, [[share, share, other, other], [other, other, share, share]], rtol=1e-6)


@given(st.floats(0.01, 10))
def test_similarity_targets_differ_by_no_more_than_the_temperature_lets_them(temperature: float) -> None:
    opposite = valence_arousal_prototypes([[1, 0], [-1, 0]], [-0.5, 0.5], [0.5, 0.5], k=2)
    found = similarity_targets(["anger", "neutral"], opposite, temperature=temperature)
    assert_allclose(found.sum(axis=1), 1)
    assert found.max() / max(found.min(), 1e-300) <= np.exp(2 / temperature) * (1 + 1e-9) + 1e-9


def test_own_anchors() -> None:
    assert_array_equal(anchors_of(["calm"], {"calm": (0.5, -0.5)}), [[0.5, -0.5]])


@pytest.mark.parametrize(
    ("classes", "anchors", "said"),
    [
        (["happyness"], ANCHORS, "'happyness' has no anchor.*Did you mean happiness?.*anchors of your own"),
        ([], ANCHORS, "Expected a list of classes"),
        ("neutral", ANCHORS, "Expected a list of classes, got 'neutral'"),
        (["a"], {"a": (2, 0)}, r"in \[-1, 1\]. Scale your anchors"),
        (["a"], {"a": (np.nan, 0)}, r"in \[-1, 1\]"),
        (["a"], {"a": (0, 0, 0)}, "a pair"),
    ],
)
def test_bad_classes(classes: list, anchors: dict, said: str) -> None:
    with pytest.raises(DataError, match=said):
        anchors_of(classes, anchors)


def test_bad_settings() -> None:
    for spread in (0, -1, np.nan, np.inf):
        with pytest.raises(ValueError, match="spread must be a number above 0"):
            cell_targets(["neutral"], grid_centres(5), spread=spread)
        with pytest.raises(ValueError, match="temperature must be a number above 0"):
            similarity_targets(["neutral"], two(), temperature=spread)
    with pytest.raises(DataError, match=r"Points must be finite pairs.*got shape \(1, 3\)"):
        soft_cells([[0, 0, 0]], grid_centres(2))
    with pytest.raises(DataError, match="Points must be finite pairs"):
        soft_cells([[0, np.nan]], grid_centres(2))
