"""Artefacts among intervals: what was planted, what NeuroKit2 finds, and what a normal heart may do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neurokit2.signal.signal_fixpeaks import _find_artifacts
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from physioaffect.signals.beat_correction import artefacts

Floats = NDArray[np.float64]


def planted(n_beats: int = 2000) -> tuple[Floats, dict[str, int]]:
    """Beats of which every 97th comes early, is missed, or is followed by one too many."""
    clock = 0.85 * np.arange(n_beats)
    intervals = 0.85 + 0.04 * np.sin(2 * np.pi * 0.1 * clock) + 0.03 * np.sin(2 * np.pi * 0.25 * clock)
    beats = np.cumsum(intervals + np.random.default_rng(1).normal(scale=0.01, size=n_beats))
    at = np.arange(60, n_beats - 60, 97)
    early, missed, extra = at[::3], at[1::3], at[2::3]
    moved = beats.copy()
    moved[early] -= 0.22
    more = beats[extra] + 0.4 * (beats[extra + 1] - beats[extra])
    made = np.sort(np.concatenate([np.delete(moved, missed), more]))
    return made, {"ectopic": len(early), "missed": len(missed), "extra": len(extra)}


def test_planted_artefacts_are_found_as_neurokit_finds_them() -> None:
    beats, counts = planted()
    found = artefacts(beats[1:], np.diff(beats), back=1e9, ahead=1e9)
    resolution = 100_000
    # NeuroKit2 takes the quartiles of absolute differences, which lie nearer to each other: for normal
    # values 0.416 instead of 0.674 of a standard deviation. This alpha makes up for it.
    alpha = 5.2 * 0.6745 / 0.4159
    theirs, _ = _find_artifacts(
        np.rint(beats * resolution).astype(int), sampling_rate=resolution, alpha=alpha
    )
    for name, ours in (
        ("ectopic", found.is_ectopic),
        ("missed", found.is_missed),
        ("extra", found.is_extra),
    ):
        assert_array_equal(np.flatnonzero(ours) + 1, theirs[name])
        assert ours.sum() >= counts[name]
    assert len(set(np.flatnonzero(found.is_long_short) + 1) ^ set(theirs["longshort"])) <= 2

    near = artefacts(beats[1:], np.diff(beats))
    assert_array_equal(near.any, found.any)


@pytest.mark.parametrize("sd", [0.03, 0.05, 0.08])
def test_normal_differences_are_hardly_ever_artefacts(sd: float) -> None:
    # 5.2 quartile deviations are 3.5 standard deviations: 99.95 % of normal values, says the paper.
    intervals = 1.0 + np.random.default_rng(2).normal(scale=sd, size=20_000)
    assert artefacts(np.cumsum(intervals), intervals).any.mean() < 0.002
    resolution = 100_000
    peaks = np.rint(np.cumsum(intervals[:3000]) * resolution).astype(int)
    theirs, _ = _find_artifacts(peaks, sampling_rate=resolution)
    assert sum(map(len, theirs.values())) > 0.015 * 3000


def test_the_three_kinds() -> None:
    intervals = 0.8 + 0.02 * np.sin(np.arange(120.0))
    missed, extra, early = intervals.copy(), np.insert(intervals, 60, 0.3), intervals.copy()
    missed[60] *= 2
    extra[61] -= 0.3
    early[60] -= 0.2
    early[61] += 0.2
    for changed, kind, where in (
        (missed, "is_missed", 60),
        (extra, "is_extra", 60),
        (early, "is_ectopic", 61),
    ):
        found = artefacts(np.cumsum(changed), changed)
        assert_array_equal(np.flatnonzero(getattr(found, kind)), [where])
        assert set(np.flatnonzero(found.any)) <= {60, 61}


def test_a_heart_like_a_clock_has_none() -> None:
    for size in (1, 7, 200):
        intervals = np.full(size, 0.8)
        assert not artefacts(np.cumsum(intervals), intervals).any.any()
    jitter = 0.8 + np.random.default_rng(0).uniform(-1e-9, 1e-9, 200)
    assert not artefacts(np.cumsum(jitter), jitter).any.any()
    assert artefacts(np.empty(0), np.empty(0)).any.shape == (0,)


def test_nothing_is_compared_across_a_gap() -> None:
    """Half of the intervals are slow, half fast; between them there is one that is not there."""
    rng = np.random.default_rng(0)
    intervals = np.concatenate([np.full(60, 1.1), [np.nan], np.full(60, 0.7)]) + rng.normal(
        scale=0.01, size=121
    )
    assert not artefacts(np.cumsum(np.nan_to_num(intervals, nan=20.0)), intervals).any.any()


@settings(max_examples=50)
@given(st.lists(st.one_of(st.just(np.nan), st.floats(0.3, 2.0)), max_size=120))
def test_an_interval_is_one_thing_at_most(values: list[float]) -> None:
    intervals = np.array(values)
    found = artefacts(np.cumsum(np.nan_to_num(intervals, nan=1.0)), intervals)
    total = np.sum([kind.astype(int) for kind in found], axis=0) if values else np.zeros(0)
    assert (total <= 1).all()
    assert not found.any[np.isnan(intervals)].any()


def test_what_is_out_of_reach_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    intervals = rng.uniform(0.75, 0.85, size=400) * rng.choice([1.0, 0.5, 2.0], p=[0.9, 0.05, 0.05], size=400)
    times = np.cumsum(intervals)
    whole = artefacts(times, intervals, back=20.0, ahead=5.0).any
    # The threshold of the last that counts rests on 6-s medians of what is within 5 s, and on two neighbours.
    part = slice(100, 300)
    inside = (times > times[100] + 20 + 6 + 4) & (times < times[299] - 5 - 6 - 4)
    alone = artefacts(times[part], intervals[part], back=20.0, ahead=5.0).any
    assert whole[inside].any()
    assert_array_equal(whole[inside], alone[inside[part]])
