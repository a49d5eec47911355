import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from physioaffect.training.label_smoothing import gaussian_label_smoothing


def test_the_published_table_of_histn():
    published = [
        [0.8805, 0.1192, 0.0003, 0, 0],
        [0.1065, 0.7868, 0.1065, 0.0003, 0],
        [0.0003, 0.1065, 0.7866, 0.1065, 0.0003],
        [0, 0.0003, 0.1065, 0.7868, 0.1065],
        [0, 0, 0.0003, 0.1192, 0.8805],
    ]
    assert_allclose(gaussian_label_smoothing(5, 0.5), published, atol=5.1e-5)


@given(st.integers(1, 9), st.floats(0.1, 20))
def test_rows_are_probabilities_that_fall_off_on_both_sides_alike(n_classes, spread):
    table = gaussian_label_smoothing(n_classes, spread)
    assert_allclose(table.sum(axis=1), 1)
    assert_allclose(table, table[::-1, ::-1])
    for label, row in enumerate(table):
        distance = np.abs(np.arange(n_classes) - label)
        assert row.argmax() == label
        assert np.all(np.diff(row[np.argsort(distance, kind="stable")]) <= 1e-12)


def test_neighbours_ratio_is_the_gaussians():
    # q_(y+1) / q_y = exp(-1 / (2 s²)), whatever the normalisation.
    table = gaussian_label_smoothing(4, 0.8)
    assert_allclose(np.diag(table, 1) / np.diag(table)[:-1], np.exp(-1 / (2 * 0.8**2)))


def test_a_narrow_spread_leaves_the_label_and_a_wide_one_nothing_of_it():
    assert_allclose(gaussian_label_smoothing(5, 0.05), np.eye(5), atol=1e-12)
    assert_allclose(gaussian_label_smoothing(5, 1e4), np.full((5, 5), 0.2), atol=1e-6)


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match=r"at least one class, got n_classes=0"):
        gaussian_label_smoothing(0, 0.5)
    for spread in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=r"width in classes, above 0, got"):
            gaussian_label_smoothing(5, spread)
