"""The stream against the whole recording."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import butter, sosfilt

from physioaffect.errors import PhysioaffectError, ProtocolError
from physioaffect.features.bands import SEED_BANDS, Bands
from physioaffect.features.differential_entropy import DifferentialEntropy, gaussian_entropy
from physioaffect.features.filter_bank import BandFilter, band_variance_filtered
from physioaffect.features.streaming import StreamingEntropy
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Windowing

SFREQ = 128.0
ALPHA = Bands.of(alpha=(8, 13))
STARTS = ("steady", "rest")


def walk(n_channels, n_times, *, seed=0):
    """Noise that wanders, on an offset of a millivolt."""
    rng = np.random.default_rng(seed)
    return 1e-3 + 2e-6 * rng.standard_normal((n_channels, n_times)).cumsum(axis=1)


def whole(X, windowing, *, sfreq=SFREQ, precision="double", **how):
    names = tuple(f"E{number}" for number in range(len(X)))
    eeg = Signal(data=X, sfreq=sfreq, ch_names=names, kind="eeg", unit="au")
    trial = Trial(dataset="made", subject="1", trial="1", stimulus="1", signals={"eeg": eeg})
    family = DifferentialEntropy(estimator="bandpass", precision=precision, **how)
    return family(trial, windowing.intervals(eeg.duration)).to_numpy()


def streamed(stream, X, cuts):
    return np.concatenate([stream.push(chunk) for chunk in np.split(X, sorted(cuts), axis=1)])


@settings(max_examples=40)
@given(
    cuts=st.lists(st.integers(0, 1500), max_size=12),
    sfreq=st.sampled_from([100.3, 128.0, 250.0]),
    duration=st.floats(0.25, 4),  # A cycle of 4 Hz.
    step=st.floats(0.03, 5),
    start=st.sampled_from(STARTS),
)
def test_any_cutting_gives_what_the_whole_recording_gives(cuts, sfreq, duration, step, start):
    X = walk(3, 1500)
    how = BandFilter(phase="causal", start=start)
    stream = StreamingEntropy(
        3, sfreq=sfreq, bands=SEED_BANDS.within((4, 45)), duration=duration, step=step, band_filter=how
    )
    found = streamed(stream, X, cuts)
    expected = whole(
        X, Windowing(duration=duration, step=step), sfreq=sfreq, bands=SEED_BANDS.within((4, 45)), filter=how
    )
    # A window whose samples are all there may end a fraction of one after the recording does.
    assert len(expected) <= len(found) <= len(expected) + 1
    assert stream.n_windows == len(found)
    assert_allclose(found[: len(expected)], expected, atol=1e-9)


@pytest.mark.parametrize("start", STARTS)
def test_one_sample_at_a_time_equals_the_variance_of_the_filter_bank(start):
    X, how = walk(2, 1280), BandFilter(phase="causal", start=start)
    stream = StreamingEntropy(2, sfreq=SFREQ, bands=SEED_BANDS, duration=1.0, step=0.25, band_filter=how)
    found = np.concatenate([stream.push(X[:, [time]]) for time in range(1280)])
    first = np.arange(0, 1280 - 127, 32)
    tolerances: dict[Literal["double", "auto"], float] = {"double": 1e-9, "auto": 1e-5}
    for precision, tolerance in tolerances.items():
        variance = band_variance_filtered(
            X, first, 128, sfreq=SFREQ, bands=SEED_BANDS, band_filter=how, precision=precision
        )
        assert_allclose(found, gaussian_entropy(variance), atol=tolerance)


def test_a_chunk_longer_than_the_pieces_it_is_worked_on_in():
    X = walk(2, 20_000)
    stream = StreamingEntropy(2, sfreq=SFREQ, bands=SEED_BANDS, duration=60.0, step=7.0)
    expected = whole(X, Windowing(duration=60, step=7), bands=SEED_BANDS, filter=BandFilter(phase="causal"))
    assert_allclose(stream.push(X), expected, atol=1e-9)


def test_a_window_comes_with_its_last_sample_and_not_before():
    stream = StreamingEntropy(2, sfreq=SFREQ, bands=ALPHA, duration=1.0, step=0.5)
    X = walk(2, 300)
    counts = [len(stream.push(X[:, [time]])) for time in range(300)]
    assert np.flatnonzero(counts).tolist() == [127, 191, 255]


@settings(max_examples=40)
@given(data=st.data())
def test_gaps_are_held_for_the_filter_and_left_out_of_the_variance(data):
    X, n_times = walk(2, 700), 700
    is_missing = np.zeros(X.shape, dtype=bool)
    for row in range(2):
        gaps = st.lists(st.tuples(st.integers(0, 699), st.integers(1, 200)), max_size=3)
        for first, length in data.draw(gaps):
            is_missing[row, first : first + length] = True
    gappy = np.where(is_missing, data.draw(st.sampled_from([np.nan, np.inf, -np.inf])), X)
    held = X.copy()
    for row, gap in zip(held, is_missing, strict=True):
        for time in range(n_times):
            if gap[time] and not gap[: time + 1].all():
                row[time] = row[time - 1]
        row[: np.argmin(gap)] = row[np.argmin(gap)]
    stream = StreamingEntropy(2, sfreq=SFREQ, bands=ALPHA, duration=1.0, step=0.4)
    found = streamed(stream, gappy, data.draw(st.lists(st.integers(0, n_times), max_size=6)))
    filtered = sosfilt(butter(4, (8, 13), "bandpass", fs=SFREQ, output="sos"), held - held[:, :1])
    for window, start in enumerate(Windowing(duration=1.0, step=0.4).intervals(n_times / SFREQ).starts):
        begin = round(start * SFREQ)
        for row in range(2):
            there = ~is_missing[row, begin : begin + 128]
            kept = filtered[row, begin : begin + 128][there]
            raw = X[row, begin : begin + 128][there]
            expected = kept.var() if len(kept) > 1 and np.ptp(raw) > 0 else np.nan
            assert_allclose(found[window, row, 0], gaussian_entropy(expected), atol=1e-7)


def test_gaps_at_the_ends_equal_those_of_the_whole_recording():
    X = walk(3, 1280)
    X[0, :400] = np.nan
    X[1, 900:] = np.nan
    stream = StreamingEntropy(3, sfreq=SFREQ, bands=SEED_BANDS, duration=1.0)
    expected = whole(X, Windowing(duration=1), bands=SEED_BANDS, filter=BandFilter(phase="causal"))
    assert np.isnan(expected[:3, 0]).all()
    assert np.isnan(expected[8:, 1]).all()
    assert_allclose(streamed(stream, X, [50, 390, 410, 950]), expected, atol=1e-9)


def test_an_electrode_that_is_flat_for_a_window_has_no_entropy_there():
    X = walk(2, 1280)
    X[0, 500:900] = X[0, 500]
    stream = StreamingEntropy(2, sfreq=SFREQ, bands=ALPHA, duration=1.0, step=0.5)
    found = streamed(stream, X, range(0, 1280, 77))
    starts = np.arange(len(found)) * 64
    assert_array_equal(np.isnan(found[:, 0, 0]), (starts >= 500) & (starts + 128 <= 900))
    assert not np.isnan(found[:, 1]).any()


def test_a_stream_that_was_reset_is_new():
    X = walk(2, 600)
    stream = StreamingEntropy(2, sfreq=SFREQ, bands=SEED_BANDS, duration=1.0, step=0.3)
    before = stream.push(X)
    stream.push(1e3 * X[:, :77])
    stream.reset()
    assert stream.n_windows == 0
    assert_array_equal(stream.push(X), before)


def test_an_empty_chunk_changes_nothing():
    X = walk(2, 600)
    one, other = (StreamingEntropy(2, sfreq=SFREQ, bands=SEED_BANDS, duration=1.0) for _ in range(2))
    assert one.push(X[:, :0]).shape == (0, 2, 5)
    assert_array_equal(streamed(one, X, [300, 300, 300]), streamed(other, X, [300]))


def test_single_precision_chunks_are_taken():
    X = walk(2, 1280).astype(np.float32)
    stream = StreamingEntropy(2, sfreq=SFREQ, bands=SEED_BANDS, duration=1.0)
    expected = whole(
        X, Windowing(duration=1), bands=SEED_BANDS, filter=BandFilter(phase="causal"), precision="auto"
    )
    assert_allclose(stream.push(X), expected, atol=1e-5)


def test_a_filter_that_looks_ahead_is_refused():
    with pytest.raises(ProtocolError, match=r"cannot be filtered backwards .* BandFilter\(phase='causal'\)"):
        StreamingEntropy(2, sfreq=SFREQ, duration=1.0, band_filter=BandFilter())


def test_what_cannot_be_streamed_is_refused():
    with pytest.raises(ProtocolError, match="holds only what lies below 40 Hz"):
        StreamingEntropy(2, sfreq=80.0, duration=1.0)
    with pytest.raises(ValueError, match="at least one channel, got 0"):
        StreamingEntropy(0, sfreq=SFREQ, duration=1.0)
    with pytest.raises(PhysioaffectError, match="duration above 0 s, got 0"):
        StreamingEntropy(2, sfreq=SFREQ, duration=0)
    with pytest.raises(ValueError, match=r"with 2 channels, got \(3, 10\)"):
        StreamingEntropy(2, sfreq=SFREQ, duration=1.0).push(np.zeros((3, 10)))


def test_windows_without_a_cycle_of_a_band_are_refused():
    with pytest.raises(ProtocolError, match=r"0\.5 s holds less than one cycle of delta"):
        StreamingEntropy(2, sfreq=SFREQ, bands=SEED_BANDS, duration=0.5)
