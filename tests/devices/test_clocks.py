"""Two clocks: planted offsets and drifts come back, unrelated signals are refused, re-timing is undone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from physioaffect.devices._lag import masked_correlation, on_grid
from physioaffect.devices.clocks import Clock, ClockSearch, align, estimate_clock, synchronise
from physioaffect.devices.empatica import read_e4
from physioaffect.devices.session import DeviceSession
from physioaffect.errors import DataError
from physioaffect.recording import Events, Flag, Signal

MINUTE = 60.0


class Movement:
    """Bursts of movement around 1 g, as a function of true time."""

    def __init__(self, duration, seed):
        rng = np.random.default_rng(seed)
        n = int(duration / 6)
        self.at = rng.uniform(-100, duration + 100, n)
        self.hertz = rng.uniform(0.5, 4, n)
        self.width = rng.uniform(0.5, 3, n)
        self.size = rng.exponential(0.3, n)
        self.phase = rng.uniform(0, 2 * np.pi, n)

    def __call__(self, times):
        total = np.ones_like(times)
        for at, hertz, width, size, phase in zip(
            self.at, self.hertz, self.width, self.size, self.phase, strict=True
        ):
            near = slice(*np.searchsorted(times, [at - 5 * width, at + 5 * width]))
            away = times[near] - at
            total[near] += (
                size * np.exp(-0.5 * (away / width) ** 2) * np.sin(2 * np.pi * hertz * away + phase)
            )
        return total


def recorded(movement, *, sfreq, duration, offset=0.0, drift=0.0, start=0.0, seed=0):
    """What a device sees whose time t is ``offset + (1 + drift) * t`` in truth."""
    times = start + np.arange(int(duration * sfreq)) / sfreq
    values = movement(offset + (1 + drift) * times) + 0.02 * np.random.default_rng(seed).normal(
        size=len(times)
    )
    return Signal(data=values[None], sfreq=sfreq, ch_names=("ACC",), kind="acc", unit="g", start=start)


@pytest.mark.parametrize(
    ("offset", "drift", "sfreqs"),
    [
        (0.0, 0.0, (32, 32)),
        (0.5, 20e-6, (32, 64)),
        (-7.125, -100e-6, (64, 51.2)),
        (83.4, 400e-6, (50, 32)),
        (-110.0, -900e-6, (32, 100)),
    ],
)
def test_planted_offset_and_drift_come_back(offset, drift, sfreqs):
    movement = Movement(30 * MINUTE, seed=1)
    reference = recorded(movement, sfreq=sfreqs[0], duration=30 * MINUTE)
    other = recorded(
        movement, sfreq=sfreqs[1], duration=25 * MINUTE, offset=offset, drift=drift, start=120, seed=1
    )
    clock = estimate_clock(reference, other)
    for time in (120.0, 900.0, 1600.0):
        assert_allclose(clock.to_reference(time), offset + (1 + drift) * time, atol=4e-3)
    assert_allclose(clock.drift, drift, atol=4e-6)
    assert clock.n_anchors >= 15


def test_an_offset_of_many_minutes_needs_a_guess():
    movement = Movement(20 * MINUTE, seed=2)
    reference = recorded(movement, sfreq=32, duration=20 * MINUTE)
    other = recorded(movement, sfreq=32, duration=15 * MINUTE, offset=3600.0, start=-3500.0)
    with pytest.raises(DataError, match="in common"):
        estimate_clock(reference, other)
    assert_allclose(estimate_clock(reference, other, guess=3550).offset, 3600, atol=4e-3)


@pytest.mark.slow
def test_standard_errors_are_those_of_repeated_recordings():
    rng = np.random.default_rng(5)
    scaled, scaled_drift = [], []
    for seed in range(60):
        movement = Movement(20 * MINUTE, seed)
        offset, drift = rng.uniform(-50, 50), rng.uniform(-5e-4, 5e-4)
        reference = recorded(movement, sfreq=32, duration=20 * MINUTE, seed=seed)
        other = recorded(
            movement, sfreq=51.2, duration=18 * MINUTE, offset=offset, drift=drift, start=60, seed=1000 + seed
        )
        clock = estimate_clock(reference, other)
        error = clock.to_reference(clock.centre) - (offset + (1 + drift) * clock.centre)
        scaled.append(error / clock.std)
        scaled_drift.append((clock.drift - drift) / clock.drift_std)
    assert 0.7 < np.sqrt(np.mean(np.square(scaled))) < 1.6
    assert 0.7 < np.sqrt(np.mean(np.square(scaled_drift))) < 1.6


@pytest.mark.parametrize("seed", range(8))
def test_unrelated_movement_is_refused(seed):
    one, two = (
        recorded(Movement(20 * MINUTE, s), sfreq=32, duration=20 * MINUTE, seed=s) for s in (seed, 100 + seed)
    )
    with pytest.raises(DataError, match=r"does not stand out: of \d+ pieces \d agree"):
        estimate_clock(one, two)


@pytest.mark.parametrize("seed", range(8))
def test_unrelated_slow_drifts_are_refused_though_they_correlate(seed):
    rng = np.random.default_rng(seed)
    one, two = (
        Signal(
            data=np.cumsum(rng.normal(size=4 * 1800))[None], sfreq=4, ch_names=("EDA",), kind="eda", unit="uS"
        )
        for _ in range(2)
    )
    with pytest.raises(DataError, match=r"does not stand out"):
        estimate_clock(one, two)


def test_a_signal_that_repeats_fits_at_several_offsets_and_is_refused():
    times = np.arange(32 * 1200) / 32
    # A metronome of 20 s: every piece fits at every beat.
    beat = 1 + np.exp(-0.5 * (((times + 10) % 20 - 10) / 0.3) ** 2)
    signal = Signal(data=beat[None], sfreq=32, ch_names=("ACC",), kind="acc", unit="g")
    with pytest.raises(DataError, match=r"nearly as well .* the movement repeats itself"):
        estimate_clock(signal, replace(signal, start=3.0))


def test_a_slow_signal_is_found_with_a_wider_tolerance_and_says_how_well():
    rng = np.random.default_rng(8)
    slow = np.convolve(rng.normal(size=4 * 3800), np.hanning(4 * 8), mode="same")
    one, two = (
        Signal(
            data=(slow + 0.3 * rng.normal(size=len(slow)))[None],
            sfreq=4,
            ch_names=("EDA",),
            kind="eda",
            unit="uS",
        )
        for _ in range(2)
    )
    search = ClockSearch(tolerance=1.0)
    clock = estimate_clock(one, replace(two, start=-31.4), search=search)
    assert abs(clock.offset - 31.4) < 4 * clock.uncertainty(0.0) + 0.01
    assert clock.std < 0.1


def test_a_wristband_in_a_drawer_has_no_clock_to_compare():
    movement = Movement(600, seed=3)
    reference = recorded(movement, sfreq=32, duration=600)
    still = replace(reference, data=np.ones_like(reference.data))
    with pytest.raises(DataError, match=r"only 0 pieces .* hold movement"):
        estimate_clock(reference, still)


@pytest.mark.parametrize("duration", [0.0, 3.0])
def test_a_session_of_three_seconds_is_refused(duration):
    movement = Movement(600, seed=3)
    with pytest.raises(DataError, match="only 0 pieces"):
        estimate_clock(
            recorded(movement, sfreq=32, duration=600), recorded(movement, sfreq=32, duration=duration)
        )


def test_flagged_and_missing_samples_do_not_count():
    movement = Movement(30 * MINUTE, seed=4)
    reference = recorded(movement, sfreq=32, duration=30 * MINUTE)
    other = recorded(movement, sfreq=32, duration=25 * MINUTE, offset=12.0, start=60, seed=1)
    data, flags = other.data.copy(), other.flags.copy()
    data[:, 3000:9000] = np.nan
    flags[20_000:26_000] = Flag.OFF_BODY
    data[:, 20_000:26_000] = 1000.0
    clock = estimate_clock(reference, replace(other, data=data, flags=flags))
    assert_allclose(clock.to_reference(900.0), 912.0, atol=4e-3)


def test_three_axes_are_compared_by_their_magnitude_however_the_device_is_turned():
    movement = Movement(20 * MINUTE, seed=6)
    one = recorded(movement, sfreq=32, duration=20 * MINUTE)
    angle = np.linspace(0, 30, one.n_times)
    axes = one.data[0] * np.stack([np.cos(angle), np.sin(angle) / np.sqrt(2), np.sin(angle) / np.sqrt(2)])
    turned = replace(one, data=axes, ch_names=("X", "Y", "Z"), start=-2.5)
    assert_allclose(estimate_clock(one, turned).offset, 2.5, atol=1e-3)
    with pytest.raises(ValueError, match=r"3 of kind eeg: choose one with pick\(\)"):
        on_grid(replace(turned, kind="eeg"), 32)


def aligned_session(before, clock):
    return align(before, clock)


def synchronised(reference, other):
    return synchronise(reference, other)


def session(start=0.0, started_at=None):
    movement = Movement(15 * MINUTE, seed=7)
    acc = recorded(movement, sfreq=32, duration=15 * MINUTE, offset=-start, start=start)
    times = np.array([1.0, 60.0, 500.0])
    tags = Events(times=times, values=np.arange(3.0), kind="tags")
    return DeviceSession("Test watch", started_at, timedelta(hours=2), {"acc": acc, "tags": tags})


def test_sessions_are_synchronised_by_their_utc_and_their_movement():
    noon = datetime(2024, 6, 1, 12, tzinfo=UTC)
    # The clock of the other was 40 s ahead: what it calls 12:10 is 12:09:20.
    reference, other = session(0.0, noon), session(0.0, noon + timedelta(minutes=10, seconds=40))
    other = other._replace(
        signals={
            "acc": replace(reference.signals["acc"].crop(600, 900), start=0.0),
            "tags": other.signals["tags"],
        }
    )
    aligned, clock = synchronised(reference, other)
    assert_allclose(clock.offset, 600.0, atol=2e-3)
    assert aligned.started_at == noon
    assert_allclose(aligned.signals["acc"].start, 600.0, atol=2e-3)
    assert_allclose(aligned.signals["tags"].times, np.array([1, 60, 500]) + 600, atol=5e-3)
    assert "Clock of Test watch moved by 600.0" in aligned.notes[-1]


def test_a_session_without_the_signal_is_named():
    with pytest.raises(DataError, match="Test watch has no signal 'gyro'; it has acc, tags"):
        synchronise(session(), session(), signal="gyro")


@given(
    offset=st.floats(-1e5, 1e5),
    drift=st.floats(-0.01, 0.01),
    start=st.floats(-1e4, 1e4),
    sfreq=st.floats(0.5, 1000),
)
def test_a_clock_and_its_inverse_undo_each_other(offset, drift, start, sfreq):
    clock = Clock(offset=offset, drift=drift, centre=100.0, std=0.01, drift_std=1e-6, n_anchors=9)
    eda = Signal(data=np.ones((1, 5)), sfreq=sfreq, ch_names=("EDA",), kind="eda", unit="uS", start=start)
    ibi = Events(times=np.array([start, start + 1]), values=np.ones(2), kind="ibi")
    before = DeviceSession("E4", datetime(2024, 1, 1, tzinfo=UTC), None, {"eda": eda, "ibi": ibi})
    moved = aligned_session(before, clock)
    assert_allclose(moved.signals["eda"].times, clock.to_reference(eda.times), atol=1e-6)
    after = aligned_session(moved, clock.inverse())
    assert_allclose(after.signals["eda"].times, eda.times, atol=1e-6)
    assert_allclose(after.signals["ibi"].times, ibi.times, atol=1e-6)
    assert after.started_at == before.started_at
    assert_array_equal(after.signals["eda"].data, eda.data)
    times = clock.to_reference(250.0)
    assert_allclose(clock.inverse().uncertainty(times) * (1 + drift), clock.uncertainty(250.0), rtol=1e-9)


def test_a_clock_given_by_hand_corrects_the_session_itself():
    moved = aligned_session(
        session(started_at=datetime(2024, 1, 1, tzinfo=UTC)), Clock(offset=3.2, drift=1e-3)
    )
    assert moved.started_at == datetime(2024, 1, 1, tzinfo=UTC)
    assert_allclose(moved.signals["acc"].start, 3.2)
    assert_allclose(moved.signals["acc"].sfreq, 32 / 1.001)
    assert_allclose(moved.signals["tags"].times, [4.201, 63.26, 503.7])
    assert moved.notes[-1] == "Clock of Test watch moved by 3.2000 s and 1000.00 ppm."


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Clock(offset=np.nan), "finite"),
        (lambda: Clock(offset=0, drift=50), "such as 50e-6 for 50 ppm"),
        (lambda: Clock(offset=0, std=-1), "not negative"),
        (lambda: ClockSearch(max_offset=0), "max_offset must be above 0"),
        (lambda: ClockSearch(tolerance=60), "agree by chance"),
    ],
)
def test_settings_that_cannot_be_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@settings(max_examples=30)
@given(
    n=st.integers(20, 60),
    m=st.integers(8, 20),
    holes=st.lists(st.integers(0, 59), max_size=12),
    seed=st.integers(0, 99),
)
def test_masked_correlation_is_that_of_the_samples_in_common(n, m, holes, seed):
    rng = np.random.default_rng(seed)
    around, piece = rng.normal(50, 2, n), rng.normal(-3, 1, m)
    around[[hole for hole in holes if hole < n]] = np.nan
    piece[[hole // 2 for hole in holes[:4] if hole // 2 < m]] = np.nan
    for lag, value in enumerate(masked_correlation(around, piece)):
        both = np.isfinite(piece) & np.isfinite(around[lag : lag + m])
        if both.sum() < m / 2:
            assert value == 0
        else:
            assert_allclose(value, np.corrcoef(piece[both], around[lag : lag + m][both])[0, 1], atol=1e-8)


def test_averaging_to_a_lower_rate_does_not_shift():
    times = np.arange(2000) / 100
    wave = Signal(
        data=np.sin(2 * np.pi * 0.7 * times)[None],
        sfreq=100,
        ch_names=("x",),
        kind="resp",
        unit="au",
        start=5.0,
    )
    track = on_grid(wave, 32)
    inner = slice(2, -2)
    grid = np.arange(len(track.values)) / 32
    assert track.start == 5
    assert_allclose(track.values[inner] + wave.data.mean(), np.sin(2 * np.pi * 0.7 * grid)[inner], atol=2e-3)


def test_a_real_wristband_against_itself_with_another_clock(real_data):
    acc = read_e4(real_data / "realdata/stress_predict/S05_E4.zip").signals["acc"]
    assert isinstance(acc, Signal)
    reference = acc.crop(0, 2400)
    # The second device: 32 Hz by its own clock, 23.7 s behind and 80 ppm slow, with noise of its own.
    drift, offset = 80e-6, 23.7
    own = np.arange(2200 * 32) / 32
    rng = np.random.default_rng(0)
    seen = np.stack([np.interp(offset + (1 + drift) * own, reference.times, axis) for axis in reference.data])
    other = replace(
        reference,
        data=seen + 0.01 * rng.normal(size=seen.shape),
        start=0.0,
        flags=np.zeros(len(own), np.uint8),
    )
    clock = estimate_clock(reference, other)
    assert_allclose(
        clock.to_reference(np.array([0.0, 2200.0])), offset + (1 + drift) * np.array([0, 2200]), atol=0.01
    )
    assert_allclose(clock.drift, drift, atol=8e-6)


@pytest.mark.parametrize("pair", [("S05", "S06"), ("S07", "S12"), ("S20", "S03")])
def test_two_people_have_no_clock_in_common(real_data, pair):
    one, two = (read_e4(real_data / f"realdata/stress_predict/{name}_E4.zip").signals["acc"] for name in pair)
    assert isinstance(one, Signal)
    assert isinstance(two, Signal)
    with pytest.raises(DataError, match="does not stand out"):
        estimate_clock(one, two)
