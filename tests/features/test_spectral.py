"""Band power and spectral entropy against closed forms, scipy and mne."""

import re
import tracemalloc
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.signal import welch

from physioaffect.errors import DataError, ProtocolError
from physioaffect.features import SEED_BANDS, SEED_IV_BANDS, Bands, Family, Recipe, _blocks
from physioaffect.features.bands import band_bins
from physioaffect.features.spectral import (
    DENSITIES,
    BandPower,
    SpectralEntropy,
    band_power,
    multitaper_density,
    spectral_entropy,
    welch_density,
)
from physioaffect.recording import Flag, Signal, Trial
from physioaffect.windows import Intervals, Windowing

Floats = NDArray[np.float64]

SFREQ = 250.0
TILES = Bands.of(low=(1, 4), theta=(4, 8), alpha=(8, 13), beta=(13, 30), gamma=(30, 45))
FAMILIES: list[Family] = [
    BandPower(),
    BandPower(estimator="multitaper"),
    BandPower(scale="relative"),
    BandPower(scale="log"),
    SpectralEntropy(),
]

densities = pytest.mark.parametrize("density", DENSITIES.values(), ids=DENSITIES)
families = pytest.mark.parametrize("family", FAMILIES, ids=str)


def noise(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=shape)


def make_trial(
    data: NDArray[Any], *, sfreq: float = SFREQ, flags: NDArray[np.uint8] | None = None, unit: str = "V"
) -> Trial:
    names = tuple(f"E{index}" for index in range(len(data)))
    eeg = Signal(
        data=data,
        sfreq=sfreq,
        ch_names=names,
        kind="eeg",
        unit=unit,
        flags=np.zeros(data.shape[1], dtype=np.uint8) if flags is None else flags,
    )
    return Trial(dataset="made up", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})


@pytest.mark.parametrize("n_times", [1000, 1001, 1249, 500, 499, 130])
@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.75])
def test_welch_equals_scipy(n_times: int, overlap: float) -> None:
    x = 1e-5 * noise(3, 2, n_times) + 4e-3
    n_segment = min(n_times, 500)
    expected = welch(x, SFREQ, nperseg=n_segment, noverlap=int(overlap * n_segment))
    found = welch_density(x, sfreq=SFREQ, segment=2.0, overlap=overlap)
    assert_allclose(found.freqs, expected[0], rtol=1e-12)
    # An offset a few hundred times the signal costs both some digits next to zero frequency.
    assert_allclose(found.density[..., 2:], expected[1][..., 2:], rtol=1e-6)


@pytest.mark.parametrize(("n_times", "bandwidth"), [(1000, 4.0), (1001, 2.0), (250, 4.0), (500, 8.0)])
def test_multitaper_equals_mne(n_times: int, bandwidth: float) -> None:
    mne = pytest.importorskip("mne")
    x = 1e-5 * noise(3, 2, n_times)
    density, freqs = mne.time_frequency.psd_array_multitaper(
        x, SFREQ, bandwidth=bandwidth, normalization="full", verbose="error"
    )
    found = multitaper_density(x, sfreq=SFREQ, bandwidth=bandwidth)
    assert_allclose(found.freqs, freqs, rtol=1e-12)
    assert_allclose(found.density, density, rtol=1e-6)


@densities
def test_white_noise_has_twice_its_variance_over_the_rate_at_every_frequency(density: Any) -> None:
    sigma = 3e-5
    freqs, found = density(sigma * noise(400, 1000), sfreq=SFREQ)
    inside = (freqs > 2) & (freqs < SFREQ / 2 - 2)
    # Four hundred windows of at least three segments: 3 % scatter each, five times that as the margin.
    assert_allclose(found.mean(axis=0)[inside], 2 * sigma**2 / SFREQ, rtol=0.15)
    assert_allclose(found.mean(axis=0)[inside].mean(), 2 * sigma**2 / SFREQ, rtol=0.01)


@given(k=st.integers(18, 23), phase=st.floats(0, 2 * np.pi), amplitude=st.floats(1e-7, 1e3))
def test_all_power_of_a_sine_is_in_its_band(k: int, phase: float, amplitude: float) -> None:
    # Bins every 0.5 Hz: the sine is at one between 9 and 11.5 Hz, whose neighbours are in 8 to 13 Hz.
    t = np.arange(1000) / SFREQ
    power = band_power(amplitude * np.sin(np.pi * k * t + phase), sfreq=SFREQ, bands=TILES)
    assert_allclose(power, amplitude**2 / 2 * np.array([0, 0, 1, 0, 0]), atol=1e-12 * amplitude**2)


def test_sine_at_an_edge_gives_each_side_what_the_window_spreads_there() -> None:
    # Hann's window leaves 1/6, 4/6, 1/6 of the power in the bin below, at and above; the edge goes upwards.
    sine = np.sin(2 * np.pi * 8 * np.arange(1000) / SFREQ)
    power = band_power(sine, sfreq=SFREQ, bands=TILES)
    assert_allclose(power, [0, 0.5 / 6, 0.5 * 5 / 6, 0, 0], atol=1e-12)


@pytest.mark.parametrize("freq", [6.0, 10.5, 21.5])
def test_multitaper_keeps_a_sine_inside_its_bandwidth(freq: float) -> None:
    sine = 2.0 * np.sin(2 * np.pi * freq * np.arange(1000) / SFREQ)
    power = band_power(
        sine, sfreq=SFREQ, bands=Bands.of(near=(freq - 2, freq + 2.1)), density=multitaper_density
    )
    # Tapers keep 90 % or more inside; all of them together keep 99 %.
    assert_allclose(power, 2.0, rtol=0.02)
    whole = band_power(sine, sfreq=SFREQ, bands=Bands.of(all=(0.2, 124.8)), density=multitaper_density)
    assert_allclose(whole, 2.0, rtol=1e-3)


@densities
def test_bands_that_cover_everything_add_up_to_the_variance(density: Any) -> None:
    t = np.arange(1000) / SFREQ
    rng = np.random.default_rng(1)
    # Whole numbers of periods a segment, two bins apart, so that Hann's window does not mix them.
    freqs = np.arange(1, 100, 2.0)
    x = rng.normal(size=(5, len(freqs))) @ np.sin(
        2 * np.pi * freqs[:, np.newaxis] * t + rng.uniform(0, 7, size=(len(freqs), 1))
    )
    power = band_power(
        x, sfreq=SFREQ, bands=Bands.of(low=(0.1, 8), mid=(8, 47), high=(47, 124.9)), density=density
    )
    if density is welch_density:
        assert_allclose(power.sum(axis=-1), x.var(axis=-1), rtol=1e-9)
    else:
        assert_allclose(power.sum(axis=-1), x.var(axis=-1), rtol=0.05)


def test_welch_keeps_the_energy_that_its_window_lets_through() -> None:
    x = noise(20, 500)
    centred = x - x.mean(axis=-1, keepdims=True)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(500) / 500)
    freqs, density = welch_density(x, sfreq=SFREQ)
    expected = np.square(centred * hann).sum(axis=-1) / np.square(hann).sum()
    assert_allclose(density.sum(axis=-1) * freqs[1], expected, rtol=1e-12)


@densities
def test_relative_powers_of_bands_that_tile_add_up_to_one(density: Any) -> None:
    shares = band_power(noise(7, 3, 600), sfreq=SFREQ, bands=TILES, total=(1, 45), density=density)
    assert_allclose(shares.sum(axis=-1), 1, rtol=1e-12)
    assert np.all((shares > 0) & (shares < 1))


def test_total_reaches_over_the_gaps_between_bands_unless_said_otherwise() -> None:
    trial = make_trial(1e-5 * noise(2, 5000))
    intervals = Windowing(duration=4).intervals(20)
    found = BandPower(bands=SEED_BANDS, scale="relative")(trial, intervals)
    assert found.attrs["total_hz"] == [1, 50]
    assert np.all(found.sum("band") < 0.99)
    narrow = BandPower(bands=SEED_BANDS, scale="relative", total=(1.0, 100.0))(trial, intervals)
    assert narrow.attrs["total_hz"] == [1.0, 100.0]
    assert np.all(narrow < found)


@given(scale=st.floats(1e-3, 1e3))
def test_scale_enters_squared(scale: float) -> None:
    x = noise(2, 700)
    whole = band_power(x, sfreq=SFREQ, bands=TILES)
    assert_allclose(band_power(scale * x, sfreq=SFREQ, bands=TILES), scale**2 * whole, rtol=1e-9)
    assert_allclose(spectral_entropy(scale * x, sfreq=SFREQ), spectral_entropy(x, sfreq=SFREQ), rtol=1e-9)


@families
def test_sign_does_not_matter_and_channels_do_not_mix(family: Any) -> None:
    data = 1e-5 * noise(4, 2500)
    intervals = Windowing(duration=2).intervals(10)
    found = family(make_trial(data), intervals).values
    order = [2, 0, 3, 1]
    assert_allclose(family(make_trial(-data[order]), intervals).values, found[:, order], rtol=1e-12)


@families
def test_any_offset_is_removed(family: Any) -> None:
    data = noise(2, 2500)
    intervals = Windowing(duration=2).intervals(10)
    found = family(make_trial(data, unit="au"), intervals)
    assert_allclose(family(make_trial(data + 4200, unit="au"), intervals), found, rtol=1e-7)


def test_log_is_natural() -> None:
    trial, intervals = make_trial(1e-5 * noise(2, 2500)), Windowing(duration=2).intervals(10)
    absolute, log = (BandPower(scale=scale)(trial, intervals) for scale in ("absolute", "log"))
    assert_allclose(log, np.log(absolute.values), rtol=1e-12)
    assert (absolute.attrs["unit"], log.attrs["unit"]) == ("V^2", "ln(V^2)")


def test_entropy_of_one_segment_of_white_noise_is_its_closed_form() -> None:
    # Shares of exponential variates: the entropy is ln n - (1 - Euler's gamma), up to terms in 1/n.
    n_times = 5000
    found = spectral_entropy(noise(100, n_times), sfreq=SFREQ, segment=20.0)
    n_bins = round((45 - 1) * n_times / SFREQ)
    assert_allclose(found.mean(), 1 - (1 - np.euler_gamma) / np.log(n_bins), atol=0.003)


def test_entropy_is_near_one_for_noise_and_near_zero_for_a_sine() -> None:
    assert np.all(spectral_entropy(noise(10, 60 * 250), sfreq=SFREQ) > 0.99)
    sine = np.sin(2 * np.pi * 10 * np.arange(5000) / SFREQ)
    # Hann's window spreads it over three bins: 1/6, 4/6, 1/6.
    three = -(2 / 6 * np.log(1 / 6) + 4 / 6 * np.log(4 / 6))
    assert_allclose(spectral_entropy(sine, sfreq=SFREQ), three / np.log(88), rtol=1e-6)
    assert spectral_entropy(sine, sfreq=SFREQ, segment=20.0) < 0.13


@families
def test_missing_flagged_and_flat_windows_are_nan_in_their_channel_only(family: Any) -> None:
    data = 1e-5 * noise(4, 2500)
    data[0, 600] = np.nan
    data[1, 1100] = np.inf
    data[2, 1500:2000] = 3e-5
    flags = np.zeros(2500, dtype=np.uint8)
    flags[2499] = Flag.MOTION
    found = family(make_trial(data, flags=flags), Windowing(duration=2).intervals(10))
    is_nan = np.zeros((5, 4), dtype=bool)
    is_nan[1, 0] = is_nan[2, 1] = is_nan[3, 2] = True
    is_nan[4] = True
    found_nan = np.isnan(found.values)
    assert_array_equal(found_nan if found.ndim == 2 else found_nan.any(axis=-1), is_nan)
    assert_array_equal(found_nan if found.ndim == 2 else found_nan.all(axis=-1), is_nan)


@families
def test_no_windows_give_an_empty_table(family: Any) -> None:
    trial = make_trial(1e-5 * noise(3, 500))
    found = family(trial, Intervals(np.empty(0), 2.0))
    assert found.shape[:2] == (0, 3)
    assert list(found.channel.values) == ["E0", "E1", "E2"]


@families
def test_results_do_not_depend_on_threads(family: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = make_trial(1e-5 * noise(3, 250 * 600).astype(np.float32))
    whole = Windowing(duration=2, step=0.5).intervals(600)
    several = family(trial, whole).values
    monkeypatch.setattr(_blocks, "in_threads", lambda work, tasks: [work(task) for task in tasks])
    assert_array_equal(family(trial, whole).values, several)
    for index in (0, 500, len(whole.starts) - 1):
        alone = family(trial, whole._replace(starts=whole.starts[index : index + 1])).values
        assert_allclose(alone[0], several[index], rtol=1e-12)


def test_memory_stays_bounded_however_much_windows_overlap() -> None:
    trial = make_trial(1e-5 * noise(8, 250 * 300))
    intervals = Windowing(duration=10, step=0.1).intervals(300)
    BandPower()(trial, intervals._replace(starts=intervals.starts[:100]))
    tracemalloc.start()
    try:
        BandPower()(trial, intervals)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The windows together would take 460 MB.
    assert len(intervals.starts) * 8 * 2500 * 8 > 460e6
    assert peak < 30e6


@pytest.mark.parametrize("duration", [2.0, 1.0])
def test_windows_shorter_than_a_segment_are_one_segment(duration: float) -> None:
    data = 1e-5 * noise(2, 2500)
    found = BandPower(bands=SEED_IV_BANDS, segment=4.0)(
        make_trial(data), Windowing(duration=duration).intervals(10)
    )
    n_times = round(duration * SFREQ)
    freqs, density = welch(data.reshape(2, -1, n_times), SFREQ, nperseg=n_times)
    inside = (freqs >= 8) & (freqs < 14)
    assert_allclose(found.sel(band="alpha").values.T, density[..., inside].sum(axis=-1) * freqs[1], rtol=1e-9)


def test_partial_sets_the_estimator() -> None:
    x = noise(1000)
    longer = band_power(x, sfreq=SFREQ, bands=TILES, density=partial(welch_density, segment=4.0))
    freqs, density = welch(x, SFREQ, nperseg=1000)
    inside = (freqs >= 8) & (freqs < 13)
    assert_allclose(longer[2], density[inside].sum() * 0.25)


def test_what_a_recording_cannot_hold_is_refused() -> None:
    x = noise(500)
    nyquist = "Cannot measure gamma (31-50 Hz): a signal sampled at 100 Hz holds only what lies below 50 Hz"
    with pytest.raises(ProtocolError, match=re.escape(nyquist)):
        band_power(x, sfreq=100.0, bands=SEED_BANDS)
    with pytest.raises(ProtocolError, match=r"Cannot measure total \(1-50 Hz\)"):
        band_power(x, sfreq=100.0, bands=Bands.of(alpha=(8, 13)), total=(1, 50))
    with pytest.raises(ProtocolError, match=r"Cannot measure the spectrum \(1-45 Hz\).*below 40 Hz"):
        spectral_entropy(x, sfreq=80.0)
    with pytest.raises(
        ProtocolError, match=r"No frequency of a spectrum of 0.5 s lies in theta \(4.5-5.5 Hz\)"
    ):
        band_power(x[:125], sfreq=SFREQ, bands=Bands.of(theta=(4.5, 5.5)))
    with pytest.raises(ProtocolError, match="Only 1 of 2 frequencies of a spectrum of 2 s lies in"):
        spectral_entropy(x, sfreq=SFREQ, edges=(10, 10.4))
    with pytest.raises(
        ProtocolError, match=r"Windows of 0.4 s cannot resolve a bandwidth of 4 Hz.*least 5 Hz"
    ):
        multitaper_density(x[:100], sfreq=SFREQ)
    with pytest.raises(ProtocolError, match="A spectrum takes windows of at least 2 samples, got 1"):
        welch_density(x[:1], sfreq=SFREQ)


def test_microvolts_declared_as_volts_are_refused() -> None:
    with pytest.raises(DataError, match="it seems to be in microvolts and declared in volts"):
        BandPower()(make_trial(10 * noise(2, 2500)), Windowing(duration=2).intervals(10))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"estimator": "fft"}, "Unknown estimator 'fft': use one of multitaper, welch"),
        ({"scale": "db"}, "Unknown scale 'db': use one of absolute, relative, log"),
        ({"total": (1, 45)}, "total belongs to the scale 'relative', got it with 'absolute'"),
        ({"scale": "relative", "total": (45, 1)}, "Band 'total' needs 0 < fmin < fmax"),
        ({"segment": 0}, "A segment needs a length above 0 s, got 0"),
        ({"overlap": 1.0}, "Segments overlap by a share from 0 to below 1, got 1.0"),
        ({"bandwidth": 0}, "A multitaper needs a bandwidth above 0 Hz, got 0"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        BandPower(**settings)


def test_wrong_settings_of_entropy_are_refused() -> None:
    with pytest.raises(ValueError, match="needs 0 < fmin < fmax"):
        SpectralEntropy(edges=(45.0, 1.0))


def test_recipe_tells_settings_apart() -> None:
    windows = Windowing(duration=2)
    texts = {Recipe(windows=windows, features=(family,)).to_json() for family in FAMILIES}
    assert len(texts) == len(FAMILIES)


@densities
def test_rounding_has_no_shares(density: Any) -> None:
    # All power is at the Nyquist frequency; between the edges there is rounding only.
    zigzag = np.tile([1.0, -1.0], 250)
    power = band_power(zigzag, sfreq=SFREQ, bands=TILES, total=(1, 45), density=density)
    if density is multitaper_density:
        # Its tapers leak a little of it, which is not rounding.
        leaked = band_power(zigzag, sfreq=SFREQ, bands=TILES, density=density)
        assert np.all((leaked > 0) & (leaked < 1e-5))
        assert_allclose(power.sum(), 1)
    else:
        assert np.isnan(power).all()
    assert np.isnan(spectral_entropy(zigzag, sfreq=SFREQ))


def test_change_after_the_last_whole_segment_is_no_power_of_zero() -> None:
    window = np.zeros(1250)
    window[-100:] = noise(100)
    welch_of = partial(welch_density, overlap=0.0)
    for total in (None, (1.0, 45.0)):
        assert np.isnan(band_power(window, sfreq=SFREQ, bands=TILES, total=total, density=welch_of)).all()
    assert np.isnan(spectral_entropy(window, sfreq=SFREQ, overlap=0.0))


@densities
def test_what_overflows_is_nan_without_a_warning(density: Any) -> None:
    assert np.isnan(density(1e200 * noise(500), sfreq=SFREQ).density).all()


@pytest.mark.parametrize("bandwidth", [125.0, 250.0, 300.0])
def test_a_bandwidth_of_the_whole_spectrum_is_refused(bandwidth: float) -> None:
    with pytest.raises(ProtocolError, match="would smooth over all of a spectrum that ends at 125 Hz"):
        multitaper_density(noise(500), sfreq=SFREQ, bandwidth=bandwidth)


def test_bins_of_bands_are_half_open_without_the_one_at_zero() -> None:
    edges = band_bins(Bands.of(low=(0.1, 1.0), theta=(4, 8), alpha=(8, 12.9)), duration=2.0)
    assert edges == ((1, 2), (8, 16), (16, 26))
    # 0.1 * 30 and 0.3 * 10 are not 3 in floats.
    assert band_bins(Bands.of(one=(0.1, 0.2)), duration=30.0) == ((3, 6),)
    assert band_bins(Bands.of(one=(0.1, 0.3)), duration=10.0) == ((1, 3),)
    with pytest.raises(ProtocolError, match=r"No frequency of a spectrum of 4 s lies in slow \(1e-10"):
        band_bins(Bands.of(slow=(1e-10, 0.2)), duration=4.0)


@pytest.mark.parametrize("total", [(2.0, 45.0), (1.0, 44.0), (50.0, 60.0)])
def test_a_band_outside_the_total_is_no_share_of_it(total: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"is no share of a total from .* Widen the total, or leave"):
        band_power(noise(500), sfreq=SFREQ, bands=TILES, total=total)
    with pytest.raises(ValueError, match="is no share of a total"):
        BandPower(bands=TILES, scale="relative", total=total)


@pytest.mark.parametrize("segment", [-1.0, 0.0, np.nan, np.inf])
def test_segments_without_a_length_are_refused_by_the_function_too(segment: float) -> None:
    with pytest.raises(ValueError, match="A segment needs a length above 0 s"):
        welch_density(noise(500), sfreq=SFREQ, segment=segment)
    with pytest.raises(ValueError, match="Segments overlap by a share from 0 to below 1, got 1"):
        welch_density(noise(500), sfreq=SFREQ, overlap=1.0)
