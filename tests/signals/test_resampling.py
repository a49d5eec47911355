"""Bringing slow signals down to the rate that they need."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.recording import Flag, Signal
from physioaffect.signals.resampling import bring_down, reach_of, resampled_signal

RATES = [(700.0, 8.0), (1000.0, 4.0), (100.0, 8.0), (256.0, 16.0), (64.0, 4.0), (8.0, 4.0), (700.0, 20.0)]


def sine(frequency: float, sfreq: float, seconds: float = 120.0) -> np.ndarray:
    return np.asarray(np.sin(2 * np.pi * frequency * np.arange(round(seconds * sfreq)) / sfreq))


@pytest.mark.parametrize(("sfreq", "to"), RATES)
@pytest.mark.parametrize("share", [0.01, 0.1, 0.25, 0.4])
def test_what_lies_in_the_pass_band_stays(sfreq: float, to: float, share: float) -> None:
    data, rate = bring_down(3 + sine(share * to, sfreq), sfreq=sfreq, to=to)
    assert rate == to
    middle = slice(round(10 * to), round(110 * to))
    assert_allclose(data[middle], (3 + sine(share * to, to))[middle], atol=1e-4)


@pytest.mark.parametrize(("sfreq", "to"), RATES)
@pytest.mark.parametrize("share", [0.51, 0.75, 0.99])
def test_what_would_fold_back_is_taken_down_by_80_db(sfreq: float, to: float, share: float) -> None:
    data, _ = bring_down(3 + sine(share * to, sfreq), sfreq=sfreq, to=to)
    assert_allclose(data[round(10 * to) : round(110 * to)], 3, atol=1.1e-4)


def test_picking_every_nth_sample_would_fold_mains_into_the_band() -> None:
    mains = sine(50.0, 1000.0)
    assert np.abs(mains[:: 1000 // 16]).max() > 0.3
    assert np.abs(bring_down(mains, sfreq=1000.0, to=8.0).data[100:-100]).max() < 1e-4


def test_a_ramp_stays_a_ramp_to_its_ends() -> None:
    ramp = 2 + 0.1 * np.arange(7000) / 700
    assert_allclose(bring_down(ramp, sfreq=700.0, to=8.0).data, 2 + 0.1 * np.arange(80) / 8, atol=1e-5)


def test_an_odd_rate_gives_the_nearest_that_it_can() -> None:
    data, rate = bring_down(sine(0.5, 99.98), sfreq=99.98, to=8.0)
    assert rate == pytest.approx(7.9984)
    assert_allclose(data[80:-80], np.sin(np.pi * np.arange(len(data)) / rate)[80:-80], atol=1e-4)


@pytest.mark.parametrize("n_times", [1, 2, 10, 87, 88, 500])
def test_short_signals_keep_their_level(n_times: int) -> None:
    data, _ = bring_down(np.full(n_times, 5.0), sfreq=700.0, to=8.0)
    assert len(data) == np.ceil(n_times * 8 / 700)
    assert_allclose(data, 5, rtol=1e-4)


def test_a_gap_is_missing_where_it_was_and_pulls_at_nothing() -> None:
    eda = 2 + sine(0.1, 100.0)
    spoilt = eda.copy()
    spoilt[4000:4200] = 1e6
    spoilt[4000:4200] = np.nan
    spoilt[7000] = np.inf
    clean, gapped = (bring_down(x, sfreq=100.0, to=4.0).data for x in (eda, spoilt))
    expected = np.zeros(len(clean), dtype=bool)
    expected[160:169] = expected[280] = True
    assert_array_equal(np.isnan(gapped), expected)
    far = np.abs(np.arange(len(clean)) - 164) > 4 * reach_of(to=4.0) + 4
    assert_allclose(gapped[far & ~expected], clean[far & ~expected], atol=1e-3)
    assert np.isnan(bring_down(np.full(300, np.nan), sfreq=100.0, to=4.0).data).all()


def test_the_sides_of_a_long_gap_know_nothing_of_each_other() -> None:
    one, other = 2 + sine(0.1, 50.0), 2 + sine(0.1, 50.0)
    one[2000:4000] = other[2000:4000] = np.nan
    other[4000:] += 100
    first, second = (bring_down(x, sfreq=50.0, to=4.0).data for x in (one, other))
    assert_array_equal(first[:160], second[:160])


def test_a_rate_that_was_not_recorded_is_refused() -> None:
    for to in (0.0, -1.0, 9.0):
        with pytest.raises(ValueError, match="Cannot bring a signal sampled at 8 Hz down to"):
            bring_down(np.ones(10), sfreq=8.0, to=to)
    with pytest.raises(ValueError, match=r"x must be \(n_times,\)"):
        bring_down(np.ones((1, 10)), sfreq=8.0, to=4.0)


def signal_of(data: np.ndarray, sfreq: float, start: float = 0.0, flags: np.ndarray | None = None) -> Signal:
    return Signal(
        data=data[np.newaxis],
        sfreq=sfreq,
        ch_names=("EDA",),
        kind="eda",
        unit="uS",
        start=start,
        flags=np.zeros(len(data), dtype=np.uint8) if flags is None else flags,
    )


def test_flags_are_carried_and_what_they_cover_takes_no_part() -> None:
    eda, flags = np.full(14000, 2.0), np.zeros(14000, dtype=np.uint8)
    eda[7000:7700] = 500
    flags[7000:7700] = Flag.MOTION
    flags[7350] |= Flag.CLIPPED
    down = resampled_signal(signal_of(eda, 700.0, flags=flags), to=8.0)
    assert down.sfreq == 8.0
    # A new sample stands for what is nearest to it.
    assert_array_equal(np.flatnonzero(down.flags), np.arange(80, 89))
    assert_array_equal(np.flatnonzero(down.flags & Flag.CLIPPED), [84])
    assert np.isnan(down.data[0, 80:89]).all()
    assert_allclose(down.data[0][down.flags == 0], 2, rtol=1e-4)


@settings(max_examples=20)
@given(st.integers(0, 20000))
def test_a_part_gives_the_same_samples_as_the_whole(n_cut: int) -> None:
    rng = np.random.default_rng(0)
    whole = signal_of(rng.normal(size=35000).cumsum(), 700.0)
    part = whole.crop(n_cut / 700, 50.0)
    down, own = resampled_signal(whole, to=8.0), resampled_signal(part, to=8.0)
    assert 0 <= own.start - part.start <= 0.25
    place = round(own.start * 8)
    reach = int(np.ceil(8 * reach_of(to=8.0))) + 1
    assert own.start == pytest.approx(place / 8)
    assert_allclose(own.data[0, reach:], down.data[0, place:][reach : own.n_times], rtol=1e-9, atol=1e-9)
