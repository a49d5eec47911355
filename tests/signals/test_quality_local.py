"""Moving extremes, means and masks against their definitions, sample by sample."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.signals.quality_local import (
    highest,
    lasting,
    lowest,
    lowest_at,
    moving_mean,
    runs,
    spread,
)

SEEDS, LENGTHS, REACH = st.integers(0, 1000), st.integers(1, 60), st.integers(0, 80)


def values(seed: int, n_times: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(n_times) < 0.2, np.nan, rng.normal(size=n_times))


@settings(max_examples=80)
@given(SEEDS, LENGTHS, REACH, REACH)
def test_extremes(seed: int, n_times: int, before: int, after: int) -> None:
    x = values(seed, n_times)
    seen = [x[max(0, i - before) : i + after + 1] for i in range(n_times)]
    expected = [np.nanmin(np.append(part, np.inf)) for part in seen]
    assert_array_equal(lowest(x, before=before, after=after), expected)
    assert_array_equal(
        highest(x, before=before, after=after), [np.nanmax(np.append(part, -np.inf)) for part in seen]
    )
    idx = np.random.default_rng(seed).integers(0, n_times, size=3)
    assert_array_equal(lowest_at(x, idx, before=before, after=after), np.array(expected)[idx])


@settings(max_examples=60)
@given(SEEDS, LENGTHS, st.integers(1, 90))
def test_means(seed: int, n_times: int, n_samples: int) -> None:
    x = values(seed, n_times)
    half = n_samples // 2
    seen = [x[max(0, i - half) : i + half + 1] for i in range(n_times)]
    expected = [np.mean(part[np.isfinite(part)]) if np.isfinite(part).any() else np.nan for part in seen]
    assert_allclose(moving_mean(x, n_samples), expected, atol=1e-12)


@settings(max_examples=60)
@given(SEEDS, LENGTHS, REACH, REACH)
def test_spreading(seed: int, n_times: int, before: int, after: int) -> None:
    mask = np.random.default_rng(seed).random(n_times) < 0.1
    # Marked is what has a marked sample at most `after` before it or `before` behind it.
    expected = [mask[max(0, i - after) : i + before + 1].any() for i in range(n_times)]
    assert_array_equal(spread(mask, before=before, after=after), expected)


@settings(max_examples=60)
@given(SEEDS, LENGTHS, st.integers(1, 10))
def test_runs_that_last(seed: int, n_times: int, fewest: int) -> None:
    mask = np.random.default_rng(seed).random(n_times) < 0.7
    expected = np.zeros(n_times, bool)
    for start, stop in zip(*runs(mask), strict=True):
        assert mask[start:stop].all()
        assert not mask[max(0, start - 1) : start].any()
        assert not mask[stop : stop + 1].any()
        expected[start:stop] = stop - start >= fewest
    assert_array_equal(lasting(mask, fewest), expected)
    assert_array_equal(lasting(np.stack([mask, ~mask]), fewest)[0], expected)


@pytest.mark.parametrize("function", [lowest, highest])
def test_no_samples(function: object) -> None:
    assert callable(function)
    assert function(np.empty((2, 0)), before=3, after=1).shape == (2, 0)
    assert moving_mean(np.empty(0), 5).shape == (0,)
    assert spread(np.empty(0, bool), before=1, after=1).shape == (0,)
