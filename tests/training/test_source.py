"""Windows on a device."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.errors import DataError
from physioaffect.recording import Signal
from physioaffect.training import Source
from physioaffect.windows import Windowing, Windows

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def windows() -> Windows:
    rng = np.random.default_rng(0)
    signals = [
        Signal(
            data=rng.standard_normal((3, 128 * n)) + 5,
            sfreq=128.0,
            ch_names=("a", "b", "c"),
            kind="eeg",
            unit="au",
        )
        for n in (4, 6, 3)
    ]
    cut = Windowing(duration=1, step=0.5)
    return Windows(signals, [cut.intervals(signal.duration) for signal in signals])


def test_raw_windows_are_gathered_as_they_are(windows):
    rows = torch.tensor([[3, 0], [len(windows) - 1, 7]])
    assert_array_equal(Source([windows], CPU).gather(rows).reshape(-1, 3, 128), windows[rows.ravel().numpy()])


def test_a_shift_begins_a_window_later(windows):
    source = Source([windows], CPU)
    # Windows of a trial begin every 64 samples.
    assert_array_equal(source.gather(torch.tensor([0]), torch.tensor([64])), windows[[1]])


def test_parts_are_counted_through_and_share_their_trials(windows):
    first, second = windows.select(np.array([2, 9, 12])), windows.select(np.array([1, 8]))
    source = Source([first, second], CPU)
    assert len(source) == 5
    assert_array_equal(source.gather(torch.arange(5)), windows[[2, 9, 12, 1, 8]])
    assert source.trials is not None
    assert source.trials[0] == source.trials[3]


def test_moments_of_raw_windows_are_those_of_all_their_samples(windows):
    rows = np.array([0, 3, 5, 11])
    mean, deviation = Source([windows], CPU).moments(rows, over_time=True)
    joined = windows[rows].astype(float).transpose(1, 0, 2).reshape(3, -1)
    assert_allclose(mean[:, 0], joined.mean(axis=1), rtol=1e-10)
    assert_allclose(deviation[:, 0], joined.std(axis=1), rtol=1e-10)


def test_moments_of_raw_windows_in_an_array_are_the_same(windows):
    rows = np.array([0, 3, 5, 11])
    for one, other in zip(
        Source([windows[:]], CPU).moments(rows, over_time=True),
        Source([windows], CPU).moments(rows, over_time=True),
        strict=True,
    ):
        assert_allclose(one, other, rtol=1e-12)


def test_moments_of_a_table_are_those_of_each_number():
    X = np.random.default_rng(0).standard_normal((20, 4, 5)).astype(np.float32)
    mean, deviation = Source([X[:12], X[12:]], CPU).moments(np.arange(5, 17), over_time=False)
    assert_allclose(mean, X[5:17].mean(axis=0, dtype=float), atol=1e-12)
    assert_allclose(deviation, X[5:17].std(axis=0, dtype=float), atol=1e-12)


def test_what_is_missing_is_refused():
    X = np.zeros((5, 2, 3))
    X[3, 1, 1] = np.nan
    with pytest.raises(
        DataError, match="1 of 5 windows have values that are NaN or infinite, the first at row 3"
    ):
        Source([X], CPU)


def test_windows_of_two_shapes_are_refused():
    with pytest.raises(DataError, match=r"one shape, got \(2, 3\) and \(2, 4\)"):
        Source([np.zeros((5, 2, 3)), np.zeros((5, 2, 4))], CPU)


@pytest.mark.parametrize("gap", [True, False])
def test_gaps_matter_in_windows_only(gap):
    data = np.random.default_rng(0).standard_normal((2, 1280)).astype(np.float32)
    data[1, 640 + 64] = np.nan
    signal = Signal(data=data, sfreq=128.0, ch_names=("a", "b"), kind="eeg", unit="au")
    every = Windows([signal], [Windowing(duration=1).intervals(10.0)])
    if gap:
        assert len(Source([every.select(np.delete(np.arange(10), 5))], CPU)) == 9
    else:
        with pytest.raises(DataError, match=r"1 of 10 windows .*, the first at row 5"):
            Source([every], CPU)


@pytest.mark.parametrize("level", [0.0, 0.1, 0.3, 17.3, -4111.7, 1e-5 / 3])
def test_a_constant_channel_of_raw_windows_does_not_vary(level):
    """Rounding would leave a spread of some millionths, by which another person's channel were divided."""
    X = np.random.default_rng(0).standard_normal((50, 2, 100)).astype(np.float32)
    X[:, 1] = level
    _, deviation = Source([X], CPU).moments(np.arange(7, 50), over_time=True)
    assert deviation[0] > 0.9
    assert deviation[1] == 0
