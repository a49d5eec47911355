"""Spectra of intervals between beats: sines, Parseval, and the same from SciPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy import signal
from scipy.interpolate import CubicSpline
from support.beats import events_of, noise_events, sine_events, trial_of, without

from physioaffect.features.hrv import HRV
from physioaffect.features.hrv_frequency import lomb_scargle
from physioaffect.recording import Events
from physioaffect.windows import Intervals, Windowing

SPECTRA = HRV(domains=("frequency", "welch"))


def spectra(events: Events, *, start: float = 0.0, duration: float = 300.0) -> dict[str, float]:
    row = SPECTRA(trial_of(ibi=events), Intervals(np.array([start]), duration))
    return dict(zip(row["hrv_feature"].values.tolist(), row.values[0].tolist(), strict=True))


@pytest.mark.parametrize(("band", "hz"), [("lf", 0.07), ("lf", 0.1), ("hf", 0.2), ("hf", 0.25), ("hf", 0.3)])
@pytest.mark.parametrize("ms", [3.0, 30.0])
def test_a_sine_has_half_its_square(band: str, hz: float, ms: float) -> None:
    found = spectra(sine_events(400, hz=hz, ms=ms), start=20.0)
    other = "hf" if band == "lf" else "lf"
    assert found[band] == pytest.approx(ms**2 / 2, rel=0.02)
    assert found[f"welch_{band}"] == pytest.approx(ms**2 / 2, rel=0.03)
    assert found[f"{band}_peak"] == pytest.approx(hz, abs=1 / 1200)
    assert found[f"welch_{band}_peak"] == pytest.approx(hz, abs=1 / 480)
    assert found[other] < 0.01 * ms**2 / 2  # A window without a taper leaks.
    assert found[f"welch_{other}"] < 1e-3 * ms**2 / 2
    for how in ("", "welch_"):
        assert found[f"{how}{band}_nu"] > (99 if how == "" else 99.9)
        assert found[f"{how}{other}_nu"] == pytest.approx(100 - found[f"{how}{band}_nu"])
    assert found["lf_hf"] == pytest.approx(found["lf"] / found["hf"])
    assert found["total"] == pytest.approx(ms**2 / 2, rel=0.02)


@pytest.mark.parametrize(("slow", "fast"), [(30.0, 10.0), (10.0, 30.0), (20.0, 20.0)])
def test_normalised_units_are_shares_of_the_squares(slow: float, fast: float) -> None:
    # A sine of amplitude A has A^2 / 2: of 30 and 10 ms the larger has 90 %, whatever is slower than both.
    times = [0.0]
    while times[-1] < 700:
        now = times[-1] + 0.8
        waves = ((slow, 0.1), (fast, 0.3), (40.0, 0.015))
        times.append(now + 1e-3 * sum(ms * np.sin(2 * np.pi * hz * now) for ms, hz in waves))
    found = spectra(events_of(np.diff(times)), duration=600.0)
    share = 100 * slow**2 / (slow**2 + fast**2)
    for how in ("", "welch_"):
        assert found[f"{how}lf_nu"] == pytest.approx(share, abs=1.5)
        assert found[f"{how}hf_nu"] == pytest.approx(100 - share, abs=1.5)


@pytest.mark.parametrize("hz", [0.2, 0.25, 0.3])
def test_a_minute_carries_respiration(hz: float) -> None:
    found = spectra(sine_events(100, hz=hz, ms=20), start=10.0, duration=60.0)
    assert found["hf"] == pytest.approx(200, rel=0.05)
    assert found["welch_hf"] == pytest.approx(200, rel=0.05)


def test_very_slow_waves_need_five_minutes() -> None:
    events = sine_events(700, hz=0.02, ms=20)
    found = spectra(events, duration=600.0)
    assert found["vlf"] == pytest.approx(200, rel=0.03)
    assert found["total"] == pytest.approx(200, rel=0.03)
    assert np.isnan(spectra(events, duration=299.0)["vlf"])


def test_a_straight_line_is_no_wave() -> None:
    times = np.concatenate([[0.0], np.cumsum(0.7 + 0.0005 * np.arange(600))])
    events = events_of(np.diff(times))
    found = spectra(events, duration=300.0)
    n = int(np.searchsorted(events.times, 300.0)) - 1
    variance = np.var(1e3 * events.values[1 : n + 1])
    assert found["total"] < 1e-3 * variance
    assert found["welch_lf"] + found["welch_hf"] < 1e-3 * variance


@pytest.mark.parametrize("n", [101, 240])
def test_parseval(n: int) -> None:
    rng = np.random.default_rng(n)
    nn, times = 800 + 30 * rng.normal(size=n), 0.8 * np.arange(n)
    power = lomb_scargle(times, nn, frequencies=np.arange(1, (n + 1) // 2) / (0.8 * n))
    left = signal.detrend(nn)
    if n % 2 == 0:  # The fastest wave of an even number is at half the rate itself.
        left = left - (-1.0) ** np.arange(n) * np.mean(left * (-1.0) ** np.arange(n))
    assert power.sum() == pytest.approx(np.mean(left**2), rel=1e-9)


def test_lomb_scargle_is_the_drop_when_a_sine_is_fitted() -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.6, 1.1, 90))
    nn = signal.detrend(rng.normal(size=90))
    nn = nn - np.polyval(np.polyfit(times, nn, 1), times)
    frequencies = 0.005 * np.arange(4.0, 81.0)
    found = lomb_scargle(times, nn, frequencies=frequencies)
    expected = []
    for hz in frequencies:
        waves = np.stack(
            [np.ones(90), np.cos(2 * np.pi * hz * times), np.sin(2 * np.pi * hz * times)], axis=1
        )
        fit = waves @ np.linalg.lstsq(waves, nn, rcond=None)[0]
        expected.append(np.mean(nn**2) - np.mean((nn - fit) ** 2))
    assert_allclose(found, expected, rtol=1e-8, atol=1e-12)
    peer = signal.lombscargle(times, nn, 2 * np.pi * frequencies, floating_mean=True)
    assert_allclose(found, 2 / 90 * np.asarray(peer), rtol=1e-6, atol=1e-9)


def test_a_band_is_the_integral_of_the_density() -> None:
    events = noise_events(400, sd=0.05, seed=9)
    found = spectra(events, start=10.0, duration=120.0)
    is_inside = (events.times - events.values >= 10.0) & (events.times < 130.0)
    times, ms = events.times[is_inside], 1e3 * events.values[is_inside]
    ms = ms - np.polyval(np.polyfit(times, ms, 1), times)
    for name, (low, high) in {"lf": (0.04, 0.15), "hf": (0.15, 0.4)}.items():
        hz = low + 1e-5 * (np.arange(round((high - low) / 1e-5)) + 0.5)
        density = lomb_scargle(times, ms, frequencies=hz) * events.values[is_inside].sum()
        assert found[name] == pytest.approx(density.sum() * 1e-5, rel=2e-3)


def _welch(events: Events, start: float, length: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Density of one segment by SciPy's own spline and spectrum."""
    is_inside = (events.times - events.values >= start) & (events.times < start + length)
    times, ms = events.times[is_inside], 1e3 * events.values[is_inside]
    even = np.arange(times[0], times[-1] + 1e-9, 0.25)
    even = np.minimum(even, times[-1])
    x = CubicSpline(times, ms, bc_type="natural")(even)
    n_fft = int(16 * length)
    hz, density = signal.periodogram(
        signal.detrend(x), fs=4.0, window="hann", nfft=n_fft, detrend=False, scaling="density"
    )
    return hz, density


def test_welch_is_scipys() -> None:
    events = noise_events(500, sd=0.05, seed=1)
    found = spectra(events, start=50.0, duration=180.0)
    densities = [_welch(events, start, 120.0) for start in (50.0, 110.0)]
    hz, density = densities[0][0], (densities[0][1] + densities[1][1]) / 2
    for name, (low, high) in {"lf": (0.04, 0.15), "hf": (0.15, 0.4)}.items():
        step = hz[1]
        share = np.clip(np.minimum(hz + step / 2, high) - np.maximum(hz - step / 2, low), 0, None)
        assert found[f"welch_{name}"] == pytest.approx(float(density @ share), rel=1e-9)


def test_welch_refuses_gaps_and_lomb_does_not() -> None:
    events = sine_events(400, hz=0.25, ms=20)
    one = without(events, [100])  # At about 80 s.
    found = spectra(one, duration=60.0)
    assert found["hf"] == pytest.approx(200, rel=0.05)
    assert found["welch_hf"] == pytest.approx(spectra(events, duration=60.0)["welch_hf"])
    found = spectra(one, start=50.0, duration=60.0)
    assert found["hf"] == pytest.approx(200, rel=0.05)
    assert np.isnan([found["welch_hf"], found["welch_hf_peak"]]).all()
    # Of the segments at 0, 60, 120 and 180 s the first two have the gap: half are left, and count.
    found = spectra(one, duration=300.0)
    assert found["welch_hf"] == pytest.approx(spectra(events, start=120.0, duration=180.0)["welch_hf"])
    assert np.isnan(spectra(without(events, [100, 180]), duration=300.0)["welch_hf"])


def test_a_gap_takes_no_power_away() -> None:
    found = spectra(without(sine_events(400, hz=0.25, ms=20), range(150, 200)))
    assert found["hf"] == pytest.approx(200, rel=0.03)
    assert found["hf_peak"] == pytest.approx(0.25, abs=1 / 1200)


def test_scattered_losses_spread_power_as_stated() -> None:
    # Of a wave, the share of beats that are there stays at its place; the rest goes to all frequencies.
    gone = np.sort(np.random.default_rng(0).choice(np.arange(2, 400), 60, replace=False))
    found = spectra(without(sine_events(400, hz=0.25, ms=20), gone))
    assert 0.85 * 200 < found["hf"] < 200
    assert found["hf_peak"] == pytest.approx(0.25, abs=1 / 1200)
    # White noise has no place, so nothing is lost.
    values = []
    for seed in range(20):
        events = noise_events(400, sd=0.02, seed=seed)
        values.append([spectra(each)["hf"] for each in (events, without(events, gone))])
    whole, left = np.mean(values, axis=0)
    assert left == pytest.approx(whole, rel=0.06)


@pytest.mark.parametrize("gone", [range(1, 5), range(72, 76)])
def test_welch_refuses_gaps_at_the_edges_too(gone: range) -> None:
    events = events_of(np.full(100, 0.8) + 0.01 * np.sin(np.arange(100)))
    found = spectra(without(events, [*gone]), duration=60.0)
    assert np.isfinite(found["hf"])
    assert np.isnan(found["welch_hf"])
    assert np.isfinite(spectra(events, duration=60.0)["welch_hf"])


def test_gaps_are_not_bridged_whatever_is_in_them() -> None:
    events = noise_events(500, seed=3)
    gone = np.arange(120, 140)
    wild = events.values.copy()
    wild[gone] = np.nan
    times = events.times.copy()
    times[gone[:-1]] = times[gone[0]] + np.linspace(0.01, 1.0, 19)  # The beats in the gap move.
    moved = spectra(Events(times=times, values=wild, kind="ibi"))
    assert_allclose([*moved.values()], [*spectra(without(events, gone)).values()], rtol=1e-9)


def test_beats_show_nothing_above_half_their_rate() -> None:
    rng = np.random.default_rng(0)
    slow = events_of(1.6 + 0.03 * rng.normal(size=300))
    found = spectra(slow, duration=120.0)
    assert found["hf_peak"] < 1 / 3.2
    assert found["welch_hf_peak"] < 1 / 3.2
    n = int(np.searchsorted(slow.times, 120.0)) - 1
    limit = n / 2 / slow.times[n]
    hz, density = _welch(slow, 0.0, 120.0)
    is_below = hz < limit
    half = hz[1] / 2
    share = np.clip(np.minimum(hz + half, 0.4) - np.maximum(hz - half, 0.15), 0, None)[is_below]
    assert found["welch_hf"] == pytest.approx(float(density[is_below] @ share), rel=1e-9)
    found = spectra(slow)
    # White noise has its variance evenly from zero to half the rate.
    assert found["hf"] == pytest.approx(900 * (1 / 3.2 - 0.15) * 3.2, rel=0.35)


def test_white_noise_has_its_variance_in_the_bands_in_proportion() -> None:
    rng = np.random.default_rng(5)
    trial = trial_of(ibi=events_of(0.8 + 0.02 * rng.normal(size=9000)))
    windows = Windowing(duration=300).intervals(7000.0)
    found = SPECTRA(trial, windows).sel(hrv_feature=["vlf", "lf", "hf"]).values.mean(axis=0)
    # 400 ms^2 between 0 and 0.625 Hz.
    assert_allclose(found, 400 / 0.625 * np.array([0.037, 0.11, 0.25]), rtol=0.12)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="of one shape"):
        lomb_scargle(np.arange(5.0), np.arange(4.0), frequencies=np.array([0.1]))
    with pytest.raises(ValueError, match="evenly spaced"):
        lomb_scargle(np.arange(5.0), np.arange(5.0), frequencies=np.array([0.1, 0.2, 0.4]))
