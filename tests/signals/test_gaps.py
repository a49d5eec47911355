"""Gaps: straight lines, held ends, and nothing else touched."""

import numpy as np
from numpy.testing import assert_array_equal

from physioaffect.signals.gaps import bridge


def test_gaps_are_bridged_by_lines_and_ends_are_held() -> None:
    X = np.array([[9.0, 1, 9, 9, 4, 9], [0, 1, 2, 3, 4, 5], [7, 7, 7, 7, 7, 7]])
    is_missing = np.zeros(X.shape, bool)
    is_missing[0, [0, 2, 3, 5]] = is_missing[2] = True
    before = X.copy()
    got = bridge(X, is_missing)
    assert_array_equal(got, [[1, 1, 2, 3, 4, 4], [0, 1, 2, 3, 4, 5], [0] * 6])
    assert_array_equal(X, before)
    assert_array_equal(bridge(X[0], is_missing[0]), got[0])
    assert_array_equal(bridge(X[:, np.newaxis], is_missing[:, np.newaxis])[:, 0], got)


def test_nothing_that_is_missing_is_read() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3, 4, 50))
    is_missing = rng.random(X.shape) < 0.4
    is_missing[1, 2] = True
    expected = bridge(X, is_missing)
    assert np.isfinite(expected).all()
    for value in (np.nan, np.inf, -1e300):
        assert_array_equal(bridge(np.where(is_missing, value, X), is_missing), expected)


def test_single_precision_and_an_empty_recording() -> None:
    assert bridge(np.ones((2, 3), np.float32), np.zeros((2, 3), bool)).dtype == np.float64
    assert bridge(np.empty((2, 0)), np.empty((2, 0), bool)).shape == (2, 0)
