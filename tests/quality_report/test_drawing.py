"""Pictures keep the lowest and the highest sample of every column, whatever the length."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from physioaffect.quality_report.drawing import (
    COLUMNS,
    HEIGHT,
    Scale,
    band,
    boxes,
    columns,
    robust_scale,
    ticks,
)


def points(path: str) -> list[tuple[int, int]]:
    numbers = [int(text) for text in re.findall(r"-?\d+", path.replace("h1", ""))]
    return [*zip(numbers[::2], numbers[1::2], strict=True)]


@given(
    n_times=st.integers(1, 5000),
    sfreq=st.sampled_from([0.3, 1.0, 4.0, 64.0]),
    late=st.floats(0, 30),
)
def test_every_sample_falls_into_exactly_the_column_of_its_time(n_times, sfreq, late):
    duration = late + n_times / sfreq
    cut = columns(n_times, sfreq=sfreq, start=late, duration=duration)
    assert cut.edges[0] == 0
    assert cut.edges[-1] == n_times
    times = late + np.arange(n_times) / sfreq
    own = np.searchsorted(cut.edges, np.arange(n_times), side="right") - 1
    assert np.all(np.diff(cut.edges) >= 0)
    assert np.all(times >= own * duration / cut.n - 1e-5)
    assert np.all(times <= (own + 1) * duration / cut.n + 1e-5)


@given(seed=st.integers(0, 100), n_times=st.integers(600, 20_000))
def test_extremes_of_every_column_are_drawn(seed, n_times):
    values = np.random.default_rng(seed).normal(size=n_times)
    scale = Scale(-5.0, 5.0)
    cut = columns(n_times, sfreq=1.0, start=0.0, duration=float(n_times))
    drawn = points(band(values, cut, scale))
    assert len(drawn) == 2 * COLUMNS
    tops, bottoms = drawn[:COLUMNS], drawn[COLUMNS:][::-1]
    for k in range(0, COLUMNS, 37):
        part = values[cut.edges[k] : cut.edges[k + 1]]
        assert tops[k][1] == round((5 - part.max()) * HEIGHT / 10)
        assert bottoms[k][1] == round((5 - part.min()) * HEIGHT / 10)


def test_the_length_of_a_path_does_not_grow_with_the_signal():
    rng = np.random.default_rng(0)
    sizes = []
    for n_times in (230_400, 2_304_000):
        cut = columns(n_times, sfreq=64.0, start=0.0, duration=n_times / 64)
        sizes.append(len(band(rng.normal(size=n_times), cut, Scale(-4, 4))))
    assert max(sizes) < 10_000
    assert abs(sizes[1] / sizes[0] - 1) < 0.1


def test_a_gap_breaks_the_line_and_a_slow_signal_does_not():
    values = np.ones(1200)
    values[400:800] = np.nan
    cut = columns(1200, sfreq=1.0, start=0.0, duration=1200.0)
    scale = Scale(0, 2)
    assert band(values, cut, scale).count("M") == 2
    assert not [x for x, _ in points(band(values, cut, scale)) if 200 < x < 400]
    # One sample in five seconds, in a picture that has a column for each.
    slow = columns(100, sfreq=0.2, start=100.0, duration=600.0)
    assert band(np.ones(100), slow, scale).count("M") == 1
    assert band(np.ones(100), slow, scale, is_joined=False).count("M") >= 1
    assert band(np.full(1200, np.nan), cut, scale) == ""


def test_boxes_cover_what_is_marked_and_little_more():
    cut = columns(36_000, sfreq=10.0, start=0.0, duration=3600.0)
    is_marked = np.zeros(36_000, dtype=bool)
    is_marked[6000:12_000] = True  # From 600 to 1200 s: from 100 to 200 of 600.
    is_marked[35_999] = True
    assert boxes(is_marked, cut) == "M100 0h100v100h-100zM599 0h1v100h-1z"
    assert boxes(np.zeros(36_000, dtype=bool), cut) == ""


def test_one_artefact_does_not_flatten_the_rest():
    values = np.sin(np.arange(100_000) / 50)
    values[500] = 1000.0
    scale = robust_scale(values)
    assert -1.2 < scale.low < -1
    assert 1 < scale.high < 1.2
    # It is drawn at the edge.
    cut = columns(len(values), sfreq=1.0, start=0.0, duration=float(len(values)))
    assert min(y for _, y in points(band(values, cut, scale))) == 0


@pytest.mark.parametrize("values", [np.full(10, 3.0), np.zeros(10), np.full(10, np.nan), np.empty(0)])
def test_a_constant_has_a_scale(values):
    scale = robust_scale(values)
    assert scale.low < scale.high
    assert np.isfinite(scale).all()


def test_ticks_stand_at_their_times():
    assert ticks(np.array([0.0, 30.0, 30.01, 60.0]), duration=60.0) == "M0 0v16M300 0v16M600 0v16"
