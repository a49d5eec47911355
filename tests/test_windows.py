"""Windows in seconds, their samples and their coverage."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from physioaffect.recording import Events, Flag, Signal
from physioaffect.windows import Intervals, Windowing, Windows, coverage, gather, overlaps

# Durations in sixtieths of a second, as whole numbers, so that the expected counts are exact.
sixtieths = st.integers(1, 1200)
Floats = NDArray[np.float64]
RATES = (1.0, 4.0, 31.25, 32.0, 64.0, 128.0, 200.0, 500.0)


def make_signal(n_times: int, sfreq: float, *, start: float = 0.0, n_channels: int = 2) -> Signal:
    data = np.arange(n_channels)[:, np.newaxis] * 10_000.0 + np.arange(n_times)
    names = tuple("ABCDEF"[:n_channels])
    return Signal(data=data, sfreq=sfreq, ch_names=names, kind="eeg", unit="V", start=start)


@given(total=sixtieths, duration=sixtieths, step=sixtieths)
def test_number_of_windows(total: int, duration: int, step: int) -> None:
    found = Windowing(duration=duration / 60, step=step / 60).intervals(total / 60)
    expected = (total - duration) // step + 1 if total >= duration else 0
    assert len(found.starts) == expected
    assert_allclose(found.starts, np.arange(expected) * step / 60)


@given(total=sixtieths, duration=sixtieths, step=sixtieths, last=sixtieths)
def test_windows_of_the_last_seconds(total: int, duration: int, step: int, last: int) -> None:
    assume(last >= duration)
    found = Windowing(duration=duration / 60, step=step / 60, last=last / 60).intervals(total / 60).starts
    begin = max(0, total - last)
    assert len(found) == ((total - begin - duration) // step + 1 if total - begin >= duration else 0)
    assert np.all(found >= begin / 60 - 1e-9)
    assert np.all(found + duration / 60 <= total / 60 + 1e-6)


@given(
    n_times=st.integers(1, 3000),
    sfreq=st.sampled_from(RATES),
    duration=st.one_of(sixtieths.map(lambda n: n / 60), st.sampled_from([0.5, 1.5, 2.5, 4.0, 512 / 128])),
    step=st.one_of(sixtieths.map(lambda n: n / 60), st.sampled_from([0.5, 117 / 128, 1.25])),
)
@example(
    n_times=3, sfreq=1.0, duration=1.5, step=1.5
)  # Both 1.5 and its start at 1.5 round to 2 by themselves.
@example(n_times=7, sfreq=1.0, duration=3.5, step=0.5)
def test_windows_never_reach_out_of_their_trial(
    n_times: int, sfreq: float, duration: float, step: float
) -> None:
    assume(duration * sfreq >= 0.5)
    signal = make_signal(n_times, sfreq)
    intervals = Windowing(duration=duration, step=step).intervals(signal.duration)
    assert np.isfinite(gather(signal, intervals)).all()
    assert len(Windows([signal], [intervals])) == len(intervals.starts)


def test_neighbours_without_a_step_touch() -> None:
    assert_array_equal(Windowing(duration=2).intervals(7).starts, [0, 2, 4])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"duration": 0}, "duration above 0 s, got 0"),
        ({"duration": float("nan")}, "duration above 0 s, got nan"),
        ({"duration": 2, "step": 0}, "step above 0 s, got 0"),
        ({"duration": 2, "last": 1}, "The last 1 s of a trial cannot hold a window of 2 s"),
        ({"duration": 2, "min_coverage": 1.5}, "a share from 0 to 1, got 1.5"),
    ],
)
def test_impossible_windowing_is_refused(settings: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Windowing(**settings)


@given(
    sfreq=st.sampled_from(RATES[1:]),
    start=st.integers(-80, 80).map(lambda n: n / 4),
    starts=st.lists(st.integers(-100, 200).map(lambda n: n / 4), max_size=8),
    seconds=st.integers(1, 12),
)
def test_gathering_is_slicing_at_the_rate_of_the_signal(
    sfreq: float, start: float, starts: list[float], seconds: int
) -> None:
    signal = make_signal(round(20 * sfreq), sfreq, start=start)
    n_samples = int(np.floor(seconds * sfreq + 0.5))
    found = gather(signal, Intervals(np.array(starts), float(seconds)))
    assert found.shape == (len(starts), 2, n_samples)
    for window, onset in zip(found, starts, strict=True):
        first = int(np.ceil((onset - start) * sfreq - 0.5))  # The nearest, of two the earlier.
        inside = [0 <= index < signal.n_times for index in range(first, first + n_samples)]
        assert_array_equal(np.isfinite(window), [inside, inside])
        cut = slice(max(first, 0), max(first + n_samples, 0))
        assert_array_equal(window[:, inside], signal.data[:, cut])


def test_two_signals_of_a_trial_are_cut_at_the_same_moments() -> None:
    slow, fast = make_signal(40, 4.0), make_signal(640, 64.0)
    intervals = Windowing(duration=2.5, step=1.25).intervals(10)
    assert gather(slow, intervals).shape == (7, 2, 10)
    assert gather(fast, intervals).shape == (7, 2, 160)
    assert_allclose(gather(slow, intervals)[:, 0, 0] / 4, gather(fast, intervals)[:, 0, 0] / 64)


def test_flagged_samples_are_gathered_as_missing_unless_asked_for() -> None:
    flags = np.zeros(40, dtype=np.uint8)
    flags[3] = Flag.CLIPPED
    signal = Signal(data=np.ones((1, 40)), sfreq=4.0, ch_names=("A",), kind="eda", unit="uS", flags=flags)
    intervals = Windowing(duration=5).intervals(10)
    assert_array_equal(np.argwhere(np.isnan(gather(signal, intervals))), [[0, 0, 3]])
    assert np.isfinite(gather(signal, intervals, masked=False)).all()


@given(data=st.data(), sfreq=st.sampled_from([4.0, 32.0]), start=st.sampled_from([0.0, 1.25, -0.5]))
def test_coverage_is_the_share_of_good_samples(data: st.DataObject, sfreq: float, start: float) -> None:
    signal = make_signal(round(10 * sfreq), sfreq, start=start)
    indices = st.lists(st.integers(0, signal.n_times - 1), max_size=20)
    flagged, missing = data.draw(indices), data.draw(indices)
    signal.flags[flagged] = Flag.GAP
    signal.data[0, missing] = np.nan
    intervals = Windowing(duration=2, step=0.5).intervals(10)
    bad = np.zeros(signal.n_times, dtype=bool)
    bad[flagged] = bad[missing] = True
    first = np.ceil((intervals.starts - start) * sfreq - 0.5).astype(int)
    n_samples = round(2 * sfreq)
    expected = [
        sum(0 <= index < signal.n_times and not bad[index] for index in range(at, at + n_samples)) / n_samples
        for at in first
    ]
    assert_allclose(coverage(signal, intervals), expected)
    n_present = np.isfinite(gather(signal, intervals)).all(axis=1).sum(axis=-1)
    assert_allclose(coverage(signal, intervals), n_present / n_samples)


starts = st.lists(st.integers(0, 400).map(lambda n: n / 8), max_size=12).map(
    lambda xs: np.array(xs, dtype=float)
)


@given(a=starts, b=starts, duration=st.integers(1, 80).map(lambda n: n / 8))
def test_overlaps_against_all_pairs(a: Floats, b: Floats, duration: float) -> None:
    expected = [any(max(x, y) < min(x, y) + duration for y in b) for x in a]
    assert_array_equal(overlaps(a, b, duration), expected)


def test_windows_that_only_touch_do_not_overlap_whatever_the_rounding() -> None:
    edges = np.linspace(0, 4.9, 50)
    assert not overlaps(edges[::2], edges[1::2], 0.1).any()


def make_windows() -> tuple[Windows, NDArray[np.float32]]:
    trials = [make_signal(n_times, 32.0) for n_times in (200, 40, 100)]
    intervals = [Windowing(duration=2, step=0.5).intervals(trial.duration) for trial in trials]
    eager = np.concatenate([gather(*pair) for pair in zip(trials, intervals, strict=True)])
    return Windows(trials, intervals), eager.astype(np.float32)


@pytest.mark.parametrize(
    "key",
    [
        3,
        -1,
        np.int64(2),
        slice(None),
        slice(1, 9, 3),
        slice(0, 0),
        [4, 4, 0],
        [],
        np.array([-1, 2]),
        np.arange(12) > 7,
    ],
    ids=str,
)
def test_lazy_windows_are_the_eager_ones(key: Any) -> None:
    lazy, eager = make_windows()
    assert lazy.shape == eager.shape == (12, 2, 64)
    assert lazy[key].dtype == np.float32
    assert_array_equal(lazy[key], eager[key])


def test_selected_windows_are_the_same_windows() -> None:
    lazy, eager = make_windows()
    chosen = lazy.select(np.array([7, 2]))
    assert_array_equal(chosen[:], eager[[7, 2]])
    assert len(lazy) == 12


def test_single_precision_is_not_copied() -> None:
    data = np.zeros((1, 64), dtype=np.float32)
    signal = Signal(data=data, sfreq=32.0, ch_names=("A",), kind="eeg", unit="V")
    windows = Windows([signal], [Windowing(duration=1).intervals(2)])
    data[0, 40] = 5
    assert windows[1].max() == 5


def test_a_trial_shorter_than_a_window_gives_none() -> None:
    signal = make_signal(50, 32.0)
    intervals = Windowing(duration=2).intervals(signal.duration)
    assert len(intervals.starts) == 0
    assert gather(signal, intervals).shape == (0, 2, 64)
    assert coverage(signal, intervals).shape == (0,)
    assert Windows([signal], [intervals]).shape == (0, 2, 64)
    assert Windows([signal], [intervals])[:].shape == (0, 2, 64)


def test_windows_of_unlike_trials_are_refused() -> None:
    a = make_signal(100, 32.0)
    cut = Windowing(duration=1).intervals(3)
    with pytest.raises(ValueError, match="as many trials as intervals, got 1, 0"):
        Windows([a], [])
    with pytest.raises(ValueError, match=r"Trial 1 has \('A',\) at 32\.0 Hz in V, the first \('A', 'B'\)"):
        Windows([a, make_signal(100, 32.0, n_channels=1)], [cut, cut])
    with pytest.raises(ValueError, match="Trial 1 has windows of 64 samples, not 32"):
        Windows([a, a], [cut, Windowing(duration=2).intervals(3)])
    with pytest.raises(ValueError, match=r"Trial 0 has a window that reaches out of its 3\.125 s"):
        Windows([a], [Intervals(np.array([2.5]), 1.0)])
    with pytest.raises(ValueError, match="Trial 0 has a window that reaches out"):
        Windows([a], [Intervals(np.array([-0.5]), 1.0)])


# Samples count to some 10,000, and are mixed in single precision.
SINGLE: dict[str, Any] = {"rtol": 1e-6, "atol": 0.01}


def mixed_windows() -> tuple[Windows, Windows, NDArray[np.float64]]:
    """Plain windows, the same ones mixed by a map per trial, and these by hand."""
    lazy, eager = make_windows()
    rng = np.random.default_rng(3)
    matrices, offsets = rng.normal(size=(3, 2, 2)), rng.normal(size=(3, 2))
    which = np.array([2, 0, 1])[lazy.places[:, 0]]
    by_hand = np.einsum("nij,njt->nit", matrices[which], eager) + offsets[which, :, np.newaxis]
    return lazy, lazy.mixed(matrices, offsets, which), by_hand


def test_mixed_windows_are_those_mixed_by_hand_however_they_are_asked_for() -> None:
    lazy, mixed, by_hand = mixed_windows()
    assert mixed[:].dtype == np.float32
    assert_allclose(mixed[:], by_hand, **SINGLE)
    assert_allclose(mixed[[4, 4, 0]], by_hand[[4, 4, 0]], **SINGLE)
    assert_allclose(mixed.select(np.array([7, 2]))[:], by_hand[[7, 2]], **SINGLE)
    assert_allclose(mixed.pick(["B"])[:], by_hand[:, [1]], **SINGLE)
    for (trial, first), window in zip(mixed.places, by_hand, strict=True):
        assert_allclose(mixed.recordings[trial][:, first : first + 64], window, **SINGLE)
    assert_array_equal(lazy[:], make_windows()[1])


def test_what_is_mixed_twice_is_mixed_by_the_product() -> None:
    _, mixed, by_hand = mixed_windows()
    swap = np.array([[[0.0, 1.0], [1.0, 0.0]]])
    twice = mixed.mixed(swap, np.array([[0.0, 10.0]]), np.zeros(12, dtype=int))
    assert_allclose(twice[:], by_hand[:, ::-1] + np.array([[0], [10]]), **SINGLE)


def test_only_trials_with_windows_are_mixed() -> None:
    lazy, _ = make_windows()
    chosen = lazy.select(np.flatnonzero(lazy.places[:, 0] == 2))
    mixed = chosen.mixed(np.eye(2)[np.newaxis] * 2, np.zeros((1, 2)), np.zeros(len(chosen), dtype=int))
    assert mixed.recordings[0] is lazy.recordings[0]
    assert_array_equal(mixed.recordings[2], 2 * lazy.recordings[2])


def test_two_maps_in_a_trial_are_refused() -> None:
    lazy, _ = make_windows()
    with pytest.raises(ValueError, match="All windows of a trial are mixed alike: give them one map"):
        lazy.mixed(np.zeros((2, 2, 2)), np.zeros((2, 2)), np.arange(12) % 2)


class TestCoverageOfBeats:
    @settings(max_examples=60)
    @given(
        gaps=st.lists(st.floats(0.3, 2.0), min_size=1, max_size=20),
        trusted=st.lists(st.booleans(), min_size=20, max_size=20),
        start=st.floats(-5, 45),
        duration=st.floats(0.5, 20),
    )
    def test_it_is_the_time_between_trusted_beats(self, gaps, trusted, start, duration):
        times = np.concatenate([[0.0], np.cumsum(gaps)])
        values = np.concatenate([[np.nan], np.where(trusted[: len(gaps)], gaps, np.nan)])
        found = coverage(
            Events(times=times, values=values, kind="ibi"), Intervals(np.array([start]), duration)
        )
        expected = sum(
            max(0.0, min(times[i + 1], start + duration) - max(times[i], start))
            for i in range(len(gaps))
            if trusted[i]
        )
        assert found[0] == pytest.approx(expected / duration, abs=1e-9)

    def test_time_that_two_intervals_claim_counts_once(self):
        beats = Events(times=np.array([2.0, 2.5]), values=np.array([2.0, 2.0]), kind="ibi")
        assert coverage(beats, Intervals(np.array([0.0]), 2.5)) == pytest.approx(1)

    def test_without_trusted_beats_nothing_is_covered_and_other_events_have_no_gaps(self):
        cut = Intervals(np.array([0.0, 3.0]), 2.0)
        for values in ([], [np.nan, np.nan]):
            times = np.arange(float(len(values)))
            assert (coverage(Events(times=times, values=np.array(values), kind="ibi"), cut) == 0).all()
        tags = Events(times=np.array([1.0]), values=np.array([1.0]), kind="tags")
        assert (coverage(tags, cut) == 1).all()
