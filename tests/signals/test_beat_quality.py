"""Likeness of beats: known correlations, and none where there is nothing to compare with."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from support.hearts import breathing_beats, ppg_of

from physioaffect.signals.beat_quality import likeness

SFREQ = 64.0
SETTINGS = {"sfreq": SFREQ, "before": 0.1, "after": 0.5, "back": 10.0, "ahead": 4.0}


def test_equal_beats_correlate_by_one_and_one_turned_over_by_minus_one() -> None:
    beats = np.arange(1.0, 30.0)
    x = ppg_of(beats, sfreq=SFREQ, duration=31, noise=0.0)
    assert_allclose(likeness(x, beats, **SETTINGS), 1, atol=5e-3)
    x[15 * 64 - 16 : 16 * 64 - 16] *= -1
    found = likeness(x, beats, **SETTINGS)
    assert found[14] == pytest.approx(-1, abs=5e-3)
    assert_allclose(np.delete(found, 14), 1, atol=5e-3)


def test_a_beat_has_no_part_in_its_own_template() -> None:
    beats = np.arange(1.0, 30.0)
    x = ppg_of(beats, sfreq=SFREQ, duration=31, noise=0.0)
    other = x.copy()
    odd = slice(15 * 64 - 7, 15 * 64 + 33)
    other[odd] = np.random.default_rng(0).normal(size=40).cumsum()
    lags = np.linspace(-0.1, 0.5, 48)
    shapes = [np.interp(15 + lags, np.arange(len(x)) / SFREQ, one) for one in (x, other)]
    assert likeness(other, beats, **SETTINGS)[14] == pytest.approx(
        float(np.corrcoef(shapes[0], shapes[1]).min()), abs=1e-3
    )


def test_units_do_not_matter() -> None:
    beats = breathing_beats(60)
    x = ppg_of(beats, sfreq=SFREQ, duration=60, noise=0.05)
    found = likeness(x, beats, **SETTINGS)
    assert_allclose(likeness(1024 * x, beats, **SETTINGS), found, rtol=1e-12, equal_nan=True)
    assert_allclose(likeness(x + 3, beats, **SETTINGS), found, atol=1e-9, equal_nan=True)


def test_the_others_are_those_within_reach() -> None:
    beats = np.concatenate([np.arange(1.0, 10.0), np.arange(40.0, 50.0), [80.0]])
    x = ppg_of(beats, sfreq=SFREQ, duration=82, noise=0.0)
    x[30 * 64 : 60 * 64] *= -1  # In a world of their own these are all alike.
    found = likeness(x, beats, **SETTINGS)
    assert_allclose(found[:-1], 1, atol=5e-3)
    assert np.isnan(found[-1])


@pytest.mark.parametrize("n_beats", [0, 1, 3])
def test_too_few_beats_are_like_nothing(n_beats: int) -> None:
    beats = np.arange(1.0, 1.0 + n_beats)
    found = likeness(ppg_of(beats, sfreq=SFREQ, duration=6), beats, **SETTINGS)
    assert found.shape == (n_beats,)
    assert np.isnan(found).all()


def test_a_flat_signal_and_a_beat_cut_by_the_end_are_like_nothing() -> None:
    beats = np.arange(0.05, 20.0)
    assert np.isnan(likeness(np.ones(20 * 64), beats, **SETTINGS)).all()
    found = likeness(ppg_of(beats, sfreq=SFREQ, duration=19.3), beats, **SETTINGS)
    assert np.isnan(found[[0, -1]]).all()
    assert np.isfinite(found[1:-1]).all()
