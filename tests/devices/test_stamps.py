"""Rows on an even grid: the rate comes back, gaps stay where they are, and what is no grid is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.devices.stamps import place_rows
from physioaffect.errors import DataError


@given(
    sfreq=st.sampled_from([1 / 60, 0.2, 1, 4, 25, 32, 51.2, 64, 100, 256, 700, 1000]),
    n_rows=st.integers(10, 3000),
    quantum=st.sampled_from([1e-3, 1e-4, 1e-6]),
    lost=st.lists(st.tuples(st.integers(1, 2999), st.integers(1, 200)), max_size=3),
    begin=st.floats(0, 1000),
)
def test_rate_and_places_come_back_from_rounded_stamps_with_gaps(sfreq, n_rows, quantum, lost, begin):
    truth = np.arange(n_rows)
    for first, length in lost:
        truth = np.concatenate([truth[:first], truth[first + length :]])
    if len(truth) < 10 or quantum * sfreq > 0.5:
        return
    stamps = np.round((begin + truth / sfreq) / quantum) * quantum
    placed = place_rows(stamps, stamps_are="sampled")
    assert_array_equal(placed.places, truth - truth[0])
    assert_allclose(placed.sfreq, sfreq, rtol=max(1e-4, 1.0 / (truth[-1] - truth[0])))
    assert_allclose(placed.start, stamps[0], atol=2 * quantum)
    assert placed.jitter <= quantum


def test_the_simplest_rate_that_explains_the_stamps_is_taken():
    stamps = np.round(np.arange(20_000) / 51.2, 3)
    assert place_rows(stamps, stamps_are="sampled").sfreq == 51.2
    assert place_rows(60.0 * np.arange(100.0), stamps_are="sampled").sfreq == 1 / 60


def test_a_crystal_that_is_off_shows_once_the_file_is_long_enough():
    stamps = np.arange(64 * 3600) / (64 * (1 + 50e-6))
    assert_allclose(place_rows(stamps, stamps_are="sampled").sfreq, 64 * (1 + 50e-6), rtol=1e-6)
    assert place_rows(np.round(stamps[:640], 3), stamps_are="sampled").sfreq == 64


def test_jitter_is_reported_in_milliseconds():
    rng = np.random.default_rng(0)
    stamps = np.arange(10_000) / 32 + rng.normal(0, 2e-3, 10_000)
    placed = place_rows(stamps, stamps_are="sampled", sfreq=32, what="wrist")
    assert_allclose(placed.jitter, 2e-3, rtol=0.05)
    assert_array_equal(placed.places, np.arange(10_000))
    assert placed.notes[0].startswith("wrist: time stamps scatter by 2")


def test_a_clean_grid_has_no_notes():
    assert place_rows(np.arange(100) / 4, stamps_are="sampled").notes == ()


def test_rows_nearest_to_the_same_instant_are_refused_unless_they_may_share_it():
    stamps = np.array([0.0, 1.0, 1.1, 2.0, 3.0])
    with pytest.raises(DataError, match=r"lines 12 and 13, 0.1 s apart, fall on the same instant at 1 Hz"):
        place_rows(stamps, stamps_are="sampled", sfreq=1, lines=np.arange(11, 16))
    placed = place_rows(stamps, stamps_are="sampled", sfreq=1, may_share=True)
    assert_array_equal(placed.places, [0, 1, 1, 2, 3])
    assert placed.n_shared == 1


def test_twice_the_same_stamp_is_refused_with_its_lines():
    with pytest.raises(DataError, match=r"lines 3 and 4, 0 s apart"):
        place_rows(np.array([0.0, 0.25, 0.5, 0.5, 0.75]), stamps_are="sampled")


@pytest.mark.parametrize("kind", ["sampled", "received"])
def test_time_that_steps_back_is_refused_with_its_line(kind):
    with pytest.raises(DataError, match=r"time steps back by 2 s in line 4"):
        place_rows(np.array([0.0, 1.0, 2.0, 0.0, 1.0]), stamps_are=kind, sfreq=1)


def test_stamps_without_a_grid_are_refused():
    rng = np.random.default_rng(1)
    stamps = np.arange(500) + rng.uniform(-0.5, 0.5, 500)
    for sfreq in (1, None):
        with pytest.raises(
            DataError, match=r"lie on no even grid: .* scatter by 0\.2\d of a sampling interval"
        ):
            place_rows(stamps, stamps_are="sampled", sfreq=sfreq)


def test_a_row_beyond_the_stated_tolerance_is_named():
    stamps = np.arange(50) / 4
    stamps[20] += 0.03
    assert place_rows(stamps, stamps_are="sampled", tolerance=0.04).n_times == 50
    with pytest.raises(DataError, match=r"line 21 stands 0\.0\d+ s from an even grid of 4 Hz"):
        place_rows(stamps, stamps_are="sampled", tolerance=0.02)


@pytest.mark.parametrize(
    ("stamps", "kwargs", "message"),
    [
        ([], {}, "not one row"),
        ([0.0], {}, "tell no sampling rate"),
        ([0.0, 1.0], {}, "tell no sampling rate"),
        ([0.0, np.nan, 1.0], {}, "line 2 has no time"),
        ([0.0, 1e120, 1.0], {}, "line 2 has no time"),
        ([0.0, 1.0, 2.0, 1e9 + 10], {}, "Correct the unit of time"),
        ([0.0, 1.0, 2.0, 4e8], {}, "almost all of the recording would be a gap"),
        ([0.0, 1.0, 2.0], {"stamps_are": "received"}, "about 1 Hz here. State sfreq"),
        ([0.0, 1.0, 2.0, 4e8], {"stamps_are": "received", "sfreq": 1}, "almost all"),
        (
            np.arange(1000) / 50,
            {"stamps_are": "received", "sfreq": 40},
            r"rows come at 50 Hz .* not at 40 Hz",
        ),
        (np.arange(1000) / 50, {"stamps_are": "received", "sfreq": (256.0, 128.0)}, "none of 256, 128 Hz"),
    ],
)
def test_what_cannot_be_placed_is_refused(stamps, kwargs, message):
    with pytest.raises(DataError, match=message):
        place_rows(np.array(stamps, dtype=float), **{"stamps_are": "sampled"} | kwargs)


@pytest.mark.parametrize("kwargs", [{"stamps_are": "guessed"}, {"stamps_are": "sampled", "tolerance": 0}])
def test_wrong_settings_are_refused(kwargs):
    with pytest.raises(ValueError, match=r"must be"):
        place_rows(np.arange(3.0), **kwargs)


def bundles(n_rows, sfreq, size, rng, delay=0.02):
    """Moments at which rows arrive: a bundle when its last row is there, and a little later."""
    last = np.minimum(np.arange(n_rows) // size * size + size - 1, n_rows - 1)
    late = rng.exponential(delay, n_rows // size + 1)[np.arange(n_rows) // size]
    return np.maximum.accumulate(np.round(last / sfreq + late, 3))


def test_bundles_are_counted():
    stamps = bundles(50_000, 256.0, 12, np.random.default_rng(2))
    placed = place_rows(stamps, stamps_are="received", sfreq=(256.0, 220.0))
    assert placed.sfreq == 256
    assert_array_equal(placed.places, np.arange(50_000))
    assert abs(placed.start) < 0.07


@pytest.mark.parametrize("lost", [200, 5000])
def test_lost_rows_are_a_gap_of_their_length(lost):
    stamps = bundles(60_000, 256.0, 12, np.random.default_rng(3))
    kept = np.delete(np.arange(60_000), slice(24_000, 24_000 + lost))
    placed = place_rows(stamps[kept], stamps_are="received", sfreq=256)
    # Where a bundle is late by some tens of milliseconds, so are the rows after the gap.
    assert_allclose(placed.places[24_000:] - kept[24_000:], 0, atol=0.06 * 256)
    assert_array_equal(placed.places[:24_000], np.arange(24_000))


def test_a_stall_is_no_gap():
    stamps = bundles(60_000, 256.0, 12, np.random.default_rng(4))
    held = (stamps > 100) & (stamps < 103)
    stamps[held] = 103.0  # Three seconds come at once.
    placed = place_rows(stamps, stamps_are="received", sfreq=256)
    assert_array_equal(placed.places, np.arange(60_000))


def test_whole_seconds_are_enough_to_count_from():
    stamps = np.floor(1000.3 + np.arange(64 * 600) / 64)
    placed = place_rows(stamps, stamps_are="received", sfreq=64, tolerance=1.0)
    assert placed.sfreq == 64
    assert placed.n_times == 64 * 600
    assert_allclose(placed.start, 1000.3, atol=0.6)


def test_a_long_recording_takes_the_rate_of_the_clock_of_its_stamps():
    drift = 200e-6
    stamps = bundles(256 * 1800, 256.0 * (1 + drift), 12, np.random.default_rng(5))
    placed = place_rows(stamps, stamps_are="received", sfreq=256)
    assert_allclose(placed.sfreq, 256 * (1 + drift), rtol=5e-6)
