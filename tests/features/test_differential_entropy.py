"""Differential entropy against closed forms."""

import math
from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.signal import welch
from scipy.signal.windows import hann
from scipy.special import beta

from physioaffect.errors import ProtocolError
from physioaffect.features import DASM, DCAU, Recipe
from physioaffect.features._frame_kernel import frame_power, plan_of
from physioaffect.features.bands import (
    BANDS,
    DEAP_BANDS,
    RBTRANSFORMER_BANDS,
    RBTRANSFORMER_PAPER_BANDS,
    SEED_BANDS,
    SEED_IV_BANDS,
    Band,
    Bands,
    band_bins,
)
from physioaffect.features.differential_entropy import (
    ESTIMATORS,
    DifferentialEntropy,
    gaussian_entropy,
)
from physioaffect.features.filter_bank import BandFilter
from physioaffect.features.stft import band_variance_frames, band_variance_stft
from physioaffect.features.tapers import TAPERS, Taper
from physioaffect.recording import Flag, Signal, Trial
from physioaffect.windows import Intervals, Windowing

Floats = NDArray[np.float64]

SFREQ = 250.0
ALPHA = Bands.of(alpha=(8, 13))
ORDER = 4

estimators = pytest.mark.parametrize("estimator", sorted(ESTIMATORS))


def make_trial(data: NDArray[Any], *, sfreq: float = SFREQ, flags: NDArray[np.uint8] | None = None) -> Trial:
    names = tuple(f"E{index}" for index in range(len(data)))
    eeg = Signal(data=data, sfreq=sfreq, ch_names=names, kind="eeg", unit="au")
    if flags is not None:
        eeg = Signal(data=data, sfreq=sfreq, ch_names=names, kind="eeg", unit="au", flags=flags)
    return Trial(dataset="made up", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})


def entropies(data: NDArray[Any], window: float = 2.0, sfreq: float = SFREQ, **settings: object) -> Floats:
    intervals = Windowing(duration=window).intervals(data.shape[1] / sfreq)
    return np.asarray(DifferentialEntropy(**settings)(make_trial(data, sfreq=sfreq), intervals))  # type: ignore[arg-type]


def noise(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=shape)


def butterworth_integral(power: int) -> float:
    """Integral over x from 0 of (1 + x^2n)^-power: 1 would be an ideal filter with its edge at x = 1."""
    return float(beta(1 / (2 * ORDER), power - 1 / (2 * ORDER))) / (2 * ORDER)


# Share of the nominal bandwidth that white noise keeps, and variance of a variance times bandwidth and time:
# for the STFT n sum(w^4) / sum(w^2)^2 of a Hann window; the filter's gain enters squared by its two passes.
BANDWIDTH: Mapping[str, float] = {"stft": 1.0, "bandpass": butterworth_integral(2)}
SCATTER: Mapping[str, float] = {
    "stft": 35 / 18,
    "bandpass": butterworth_integral(4) / butterworth_integral(2) ** 2,
}


@estimators
def test_entropy_of_white_noise_follows_from_its_variance_and_the_bandwidth(estimator: str) -> None:
    sigma, seconds, n_channels = 3.0, 40, 48
    found = entropies(
        sigma * noise(n_channels, int(seconds * SFREQ)),
        seconds,
        bands=SEED_IV_BANDS,
        estimator=estimator,
        frame=None,
    )
    width = np.array([fmax - fmin for fmin, fmax in SEED_IV_BANDS.edges])
    in_band = sigma**2 * width * BANDWIDTH[estimator] / (SFREQ / 2)
    expected = 0.5 * np.log(2 * np.pi * np.e * in_band)
    relative_variance = SCATTER[estimator] / (width * seconds)
    # The logarithm is concave, which costs a quarter of the relative variance; five standard errors around.
    error = np.abs(found[0].mean(axis=0) - (expected - relative_variance / 4))
    assert np.all(error < 5 * 0.5 * np.sqrt(relative_variance / n_channels) + relative_variance / 4)
    assert np.all(error < 0.06)


@given(
    k=st.integers(17, 24),
    phase=st.floats(0, 2 * np.pi),
    amplitude=st.floats(1e-7, 1e3),
)
def test_stft_gives_all_energy_of_a_sine_to_its_band(k: int, phase: float, amplitude: float) -> None:
    # Two seconds: bins every 0.5 Hz, 8.5 to 12 Hz with both neighbours inside 8 to 13 Hz.
    t = np.arange(500) / SFREQ
    sine = amplitude * np.sin(2 * np.pi * k / 2 * t + phase)
    variance = band_variance_stft(sine, sfreq=SFREQ, bands=ALPHA)
    assert_allclose(variance, amplitude**2 / 2, rtol=1e-9)


@pytest.mark.parametrize(("estimator", "tolerance"), [("stft", 1e-12), ("bandpass", 1e-4)])
def test_entropy_of_a_sine_follows_from_its_amplitude(estimator: str, tolerance: float) -> None:
    amplitude = 20e-6
    sine = amplitude * np.sin(2 * np.pi * 10 * np.arange(5000) / SFREQ)[np.newaxis]
    found = entropies(sine, bands=ALPHA, estimator=estimator)
    # The filter rings at both ends of the trial.
    assert_allclose(found[2:-2], 0.5 * np.log(2 * np.pi * np.e * amplitude**2 / 2), atol=tolerance)


# A Hann window spreads a sine over its own frequency of the spectrum and both neighbours, 1/6, 2/3 and 1/6 of
# the power; a band holds its lower edge and not its upper one. A Butterworth filter halves the power at both.
AT_THE_EDGE: dict[str, tuple[dict[str, Any], dict[int, float], float]] = {
    "stft": ({}, {8: 5 / 6, 13: 1 / 6}, 1e-12),
    "causal": ({"filter": BandFilter(phase="causal")}, {8: 1 / 2, 13: 1 / 2}, 1e-4),
    "zero phase": ({"filter": BandFilter(phase="zero")}, {8: 1 / 4, 13: 1 / 4}, 1e-4),
}


@pytest.mark.parametrize("edge", [8, 13])
@pytest.mark.parametrize("how", AT_THE_EDGE)
def test_entropy_of_a_sine_at_the_edge_of_a_band(how: str, edge: int) -> None:
    settings, share, tolerance = AT_THE_EDGE[how]
    estimator = "bandpass" if settings else "stft"
    sine = 3 * np.sin(2 * np.pi * edge * np.arange(5000) / SFREQ + 0.3)[np.newaxis]
    found = entropies(sine, bands=ALPHA, estimator=estimator, **settings)
    expected = 0.5 * np.log(2 * np.pi * np.e * share[edge] * 3**2 / 2)
    assert_allclose(found[3:-3, 0, 0], expected, atol=tolerance)


@pytest.mark.parametrize("wrap", [lambda de: de, lambda de: DASM(entropy=de), lambda de: DCAU(entropy=de)])
def test_a_band_of_which_a_window_holds_no_cycle_is_refused_by_the_filter_too(wrap: Any) -> None:
    names = ("F3", "F4", "P3", "P4")
    eeg = Signal(data=noise(4, 5000), sfreq=SFREQ, ch_names=names, kind="eeg", unit="au")
    trial = Trial(dataset="made up", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})
    family = wrap(DifferentialEntropy(bands=SEED_BANDS, estimator="bandpass"))
    with pytest.raises(ProtocolError, match=r"0\.1 s holds less than one cycle of delta .* at least 1 s"):
        family(trial, Intervals(np.arange(10.0), 0.1))
    # A second holds one of 1 Hz.
    assert np.isfinite(family(trial, Intervals(np.arange(10.0), 1.0))).all()


@given(seed=st.integers(0, 2**16), n_times=st.integers(6, 300))
def test_all_bands_together_hold_the_variance_of_the_tapered_window(seed: int, n_times: int) -> None:
    odd = 2 * (n_times // 2) + 1  # No bin at Nyquist.
    x = noise(odd, seed=seed)
    centred, taper = x - x.mean(), hann(odd, sym=False)
    everything = Bands.of(low=(SFREQ / odd, SFREQ / 4), high=(SFREQ / 4, SFREQ / 2 - SFREQ / odd / 4))
    total = band_variance_stft(x, sfreq=SFREQ, bands=everything).sum()
    at_zero = (centred @ taper) ** 2 / odd
    assert_allclose(total, (np.sum((centred * taper) ** 2) - at_zero) / np.sum(taper**2))


@settings(max_examples=15)
@given(seed=st.integers(0, 2**16), factor=st.floats(1e-6, 1e6), estimator=st.sampled_from(sorted(ESTIMATORS)))
def test_scale_sign_offset_and_order_of_channels(seed: int, factor: float, estimator: str) -> None:
    data = noise(3, 2000, seed=seed)
    exact: dict[str, Any] = {"estimator": estimator, "precision": "double"}
    plain = entropies(data, **exact)
    assert_allclose(entropies(factor * data, **exact), plain + np.log(factor), atol=1e-9)
    assert_array_equal(entropies(-data, **exact), plain)
    assert_allclose(entropies(data + 42, **exact), plain, atol=1e-9)
    assert_array_equal(entropies(data[[2, 0, 1]], **exact), plain[:, [2, 0, 1]])


@estimators
def test_an_offset_of_4200_does_not_hurt_10_microvolts(estimator: str) -> None:
    data = 10 * noise(2, 2000)
    offset = (data + 4200).astype(np.float32)
    # Single precision steps by 0.0005 there, which adds 2e-10 of the variance in band.
    assert_allclose(
        entropies(offset, estimator=estimator),
        entropies(data, estimator=estimator),
        atol=1e-3,
    )


@pytest.mark.parametrize("frame", [1.0, 2.0, 5.0])
def test_frames_are_those_of_welch(frame: float) -> None:
    x = 1e-5 * noise(3, 1250)
    f, density = welch(x, SFREQ, nperseg=round(frame * SFREQ))
    expected = [
        density[:, (f >= fmin) & (f < fmax)].sum(axis=-1) / frame for fmin, fmax in SEED_IV_BANDS.edges
    ]
    assert_allclose(
        band_variance_stft(x, sfreq=SFREQ, bands=SEED_IV_BANDS, frame=frame),
        np.transpose(expected),
        rtol=1e-12,
    )


def test_windows_of_a_recording_equal_windows_alone_and_shared_frames_change_nothing() -> None:
    X, first = noise(3, 3000), np.arange(0, 2001, 125)
    found = band_variance_frames(X, first, 1000, sfreq=SFREQ, bands=SEED_IV_BANDS, frame=1.0)
    alone = [
        band_variance_stft(X[:, k : k + 1000], sfreq=SFREQ, bands=SEED_IV_BANDS, frame=1.0) for k in first
    ]
    assert_allclose(found, alone, rtol=1e-12)
    outside = band_variance_frames(X, np.array([-1, 2001]), 1000, sfreq=SFREQ, bands=SEED_IV_BANDS)
    assert np.isnan(outside).all()


@pytest.mark.parametrize("frame", [None, 1.0])
def test_windows_may_come_twice_in_any_order_and_in_any_kind_of_integers(frame: float | None) -> None:
    X, first = noise(3, 3000), np.array([250, 0, 250, 125, 2000, 0])
    found = band_variance_frames(X, first, 500, sfreq=SFREQ, bands=SEED_IV_BANDS, frame=frame)
    alone = [
        band_variance_stft(X[:, k : k + 500], sfreq=SFREQ, bands=SEED_IV_BANDS, frame=frame) for k in first
    ]
    assert_allclose(found, alone, rtol=1e-12)
    spread = np.repeat(first, 2)[::2]
    kinds: list[Any] = [spread, spread.astype(np.int32), spread.astype(">i8")]
    for same in kinds:
        again = band_variance_frames(X, same, 500, sfreq=SFREQ, bands=SEED_IV_BANDS, frame=frame)
        assert_array_equal(again, found)


def weights(n_times: int, taper: str) -> Floats:
    """The three windows of Hann's name by their formula: of which period, and from where."""
    period = {"hann": n_times, "hann_symmetric": n_times - 1, "hanning": n_times + 1}[taper]
    begin = 1 if taper == "hanning" else 0
    return 0.5 - 0.5 * np.cos(2 * np.pi * (begin + np.arange(n_times)) / period)


def power(x: Floats, bins: NDArray[np.intp], taper: str = "hann") -> Floats:
    """Power of Hann-windowed frames in bins as NumPy has it."""
    centred = x - x.mean(axis=-1, keepdims=True)
    spectrum = np.abs(np.fft.rfft(centred * weights(x.shape[-1], taper))) ** 2
    return np.stack([spectrum[..., first:stop].sum(axis=-1) for first, stop in bins], axis=-1)


@settings(max_examples=200)
@given(
    powers=st.tuples(st.integers(0, 9), st.integers(0, 3), st.integers(0, 3)),
    n_channels=st.integers(1, 3),
    n_frames=st.integers(1, 20),
    data=st.data(),
)
def test_the_compiled_transform_is_that_of_numpy(
    powers: tuple[int, int, int], n_channels: int, n_frames: int, data: st.DataObject
) -> None:
    n_times = math.prod(prime**power for prime, power in zip((2, 3, 5), powers, strict=True))
    assume(2 < n_times < 3000)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    X = rng.standard_normal((n_channels, n_times + 50)).astype(
        data.draw(st.sampled_from([np.float32, float]))
    )
    starts = rng.integers(0, 51, n_frames)
    last = (n_times - 1) // 2
    edges = sorted(data.draw(st.lists(st.integers(1, last + 1), min_size=2, max_size=2, unique=True)))
    bins = np.array([edges, [1, last + 1]], dtype=np.intp)
    taper = data.draw(st.sampled_from(sorted(TAPERS)))
    plan = plan_of(n_times, taper)
    assert plan is not None
    found = np.empty((n_channels * n_frames, 2))
    frame_power(X, starts, 0, plan, bins, 1.0, found)
    frames = np.stack([X[:, start : start + n_times] for start in starts], axis=1).astype(float)
    expected = power(frames, bins, taper).reshape(-1, 2)
    assert_allclose(found, expected, rtol=1e-12, atol=1e-13 * expected[:, 1].max())


@pytest.mark.parametrize("taper", get_args(Taper))
@pytest.mark.parametrize("n_times", [7, 11, 127, 770, 8750])
def test_frames_of_other_lengths_are_transformed_by_scipy(n_times: int, taper: Taper) -> None:
    X: Floats = noise(3, 9000) + 7
    first = np.array([0, 10, -1, 240, 9001 - n_times])
    bands = Bands.of(low=(SFREQ / n_times, SFREQ / 4), high=(SFREQ / 4, SFREQ / 2.5))
    found = band_variance_frames(X, first, n_times, sfreq=SFREQ, bands=bands, taper=taper)
    assert np.isnan(found[[2, 4]]).all()
    bins = np.array(band_bins(bands, duration=n_times / SFREQ, otherwise=""))
    frames = np.stack([X[:, k : k + n_times] for k in (0, 10, 240)])
    scale = 2 / n_times / np.sum(weights(n_times, taper) ** 2)
    assert_allclose(found[[0, 1, 3]], scale * power(frames, bins, taper), rtol=1e-9)


@pytest.mark.parametrize("taper", get_args(Taper))
def test_white_noise_has_its_share_by_each_taper(taper: Taper) -> None:
    """Normalised by its own weights, none of them makes a signal louder; the entropies tell which it was."""
    found = entropies(noise(16, 200 * 250), estimator="stft", taper=taper)
    n_bins = [stop - first for first, stop in band_bins(SEED_BANDS, duration=2.0, otherwise="")]
    expected = gaussian_entropy(np.array(n_bins) * 0.5 / (SFREQ / 2))
    assert_allclose(np.log(np.exp(2 * found).mean(axis=(0, 1))) / 2, expected, atol=0.03)


def test_an_unknown_taper_is_refused() -> None:
    with pytest.raises(ValueError, match="Unknown taper 'boxcar': use one of hann, hann_symmetric, hanning"):
        DifferentialEntropy(taper="boxcar")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Unknown taper"):
        band_variance_stft(noise(1, 250), sfreq=SFREQ, bands=ALPHA, taper="boxcar")  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_times", [125, 127, 128])
def test_a_frame_is_the_same_whatever_lies_beside_it(n_times: int, dtype: type) -> None:
    X: NDArray[np.floating[Any]] = noise(5, 9 * n_times).astype(dtype)
    beside = X.copy()
    beside[2, : 4 * n_times] = np.repeat([np.nan, 1e30, -np.inf, 0], n_times)
    first = np.arange(9) * n_times
    found, other = (band_variance_frames(x, first, n_times, sfreq=SFREQ, bands=ALPHA) for x in (X, beside))
    is_same = np.ones((9, 5), dtype=bool)
    is_same[:4, 2] = False
    assert_array_equal(found[is_same], other[is_same])
    alone = [
        band_variance_frames(X[[k]], first[[i]], n_times, sfreq=SFREQ, bands=ALPHA)[0, 0]
        for i in range(9)
        for k in range(5)
    ]
    assert_array_equal(found.reshape(-1, 1), alone)
    assert np.isnan(other[[0, 2], 2]).all()
    assert_array_equal(other[[1, 3], 2], 0)


def test_long_windows_in_one_frame_take_the_fast_transform() -> None:
    X = noise(2, 15_000)
    f, density = welch(X, SFREQ, nperseg=15_000)
    expected = [density[:, (f >= fmin) & (f < fmax)].sum(axis=-1) / 60 for fmin, fmax in SEED_IV_BANDS.edges]
    assert_allclose(
        band_variance_stft(X, sfreq=SFREQ, bands=SEED_IV_BANDS), np.transpose(expected), rtol=1e-9
    )


def test_frames_reach_the_end_of_a_window_that_they_do_not_divide() -> None:
    x = noise(600)  # 2.4 s: three frames of 1 s would overlap by less than half, so there are four.
    variance = band_variance_stft(x, sfreq=SFREQ, bands=ALPHA, frame=1.0)
    single = [band_variance_stft(x[k : k + 250], sfreq=SFREQ, bands=ALPHA) for k in (0, 117, 233, 350)]
    assert_allclose(variance, np.mean(single, axis=0))


@pytest.mark.parametrize("seconds", [2.1, 2.5, 2.9, 3.0, 4.7])
def test_no_part_of_a_window_goes_unused(seconds: float) -> None:
    x = noise(round(seconds * SFREQ))
    usual = band_variance_stft(x, sfreq=SFREQ, bands=ALPHA, frame=2.0)
    for first in range(5, len(x) - 30, 25):
        louder = x.copy()
        louder[first : first + 25] *= 50
        assert band_variance_stft(louder, sfreq=SFREQ, bands=ALPHA, frame=2.0)[0] > usual[0]


def test_a_window_shorter_than_a_frame_is_one_frame() -> None:
    assert_array_equal(entropies(noise(2, 1000), 1.0), entropies(noise(2, 1000), 1.0, frame=None))


def test_leading_axes_are_free() -> None:
    X = noise(2, 3, 500)
    assert band_variance_stft(X, sfreq=SFREQ, bands=SEED_BANDS).shape == (2, 3, 5)
    assert_allclose(
        band_variance_stft(X, sfreq=SFREQ, bands=SEED_BANDS)[1, 2],
        band_variance_stft(X[1, 2], sfreq=SFREQ, bands=SEED_BANDS),
    )


def test_stft_windows_know_nothing_of_their_neighbours_and_filtered_ones_do() -> None:
    data = noise(1, 2500)
    other = data.copy()
    other[:, 1000:1500] *= 10
    same = np.array([True, True, False, True, True])
    changed = entropies(data, bands=ALPHA) != entropies(other, bands=ALPHA)
    assert_array_equal(changed[:, 0, 0], np.logical_not(same))
    filtered = entropies(other, bands=ALPHA, estimator="bandpass") - entropies(
        data, bands=ALPHA, estimator="bandpass"
    )
    assert np.all(filtered[[1, 3]] != 0)
    assert np.all(np.abs(filtered[same]) < filtered[2])


@estimators
def test_a_flat_electrode_is_nan_and_only_that_one(estimator: str) -> None:
    data = noise(3, 2500)
    data[1] = 0.1  # Its mean is not exactly 0.1 in binary.
    data[2, 500:1000] = data[2, 500]
    is_nan = np.isnan(entropies(data, estimator=estimator))
    expected = np.zeros_like(is_nan)
    expected[:, 1] = expected[1, 2] = True
    assert_array_equal(is_nan, expected)


def test_stft_of_a_window_with_a_hole_is_nan() -> None:
    data = noise(2, 2500)
    data[0, 700] = np.nan
    is_nan = np.isnan(entropies(data))
    assert is_nan[1, 0].all()
    assert is_nan.sum() == len(SEED_BANDS)


def test_filtered_windows_use_the_samples_that_are_there() -> None:
    data = noise(2, 2500)
    holed = data.copy()
    holed[0, 600:625] = np.nan
    found = entropies(holed, bands=SEED_IV_BANDS, estimator="bandpass")
    whole = entropies(data, bands=SEED_IV_BANDS, estimator="bandpass")
    assert np.isfinite(found).all()
    assert_array_equal(found[:, 1], whole[:, 1])
    # A tenth of a second of two is missing and what is left of it rings through the filter.
    assert np.abs(found - whole).max() < 0.3


@estimators
def test_an_electrode_without_a_single_sample_is_nan(estimator: str) -> None:
    data = noise(2, 2500)
    data[0] = np.nan
    found = entropies(data, estimator=estimator)
    assert np.isnan(found[:, 0]).all()
    assert np.isfinite(found[:, 1]).all()


def test_flagged_samples_count_as_missing() -> None:
    data, flags = noise(2, 2500), np.zeros(2500, dtype=np.uint8)
    flags[1000:1500] = Flag.MOTION
    intervals = Windowing(duration=2).intervals(10)
    for estimator in ("stft", "bandpass"):
        family = DifferentialEntropy(estimator=estimator)
        is_nan = np.isnan(np.asarray(family(make_trial(data, flags=flags), intervals)))
        assert_array_equal(is_nan.all(axis=(1, 2)), [False, False, True, False, False])


@pytest.mark.parametrize(("log_base", "unit"), [(math.e, "nat"), (2, "bit"), (10, "log10")])
def test_the_base_of_the_logarithm_is_a_unit(log_base: float, unit: str) -> None:
    trial, intervals = make_trial(noise(1, 1000)), Windowing(duration=2).intervals(4)
    nats = DifferentialEntropy()(trial, intervals)
    found = DifferentialEntropy(log_base=log_base)(trial, intervals)
    assert_allclose(found * np.log(log_base), nats)
    assert found.attrs["unit"] == unit


def test_gaussian_entropy_of_one_is_that_of_the_standard_normal() -> None:
    assert_allclose(gaussian_entropy(1.0), 0.5 * (1 + np.log(2 * np.pi)))
    assert_allclose(gaussian_entropy(1.0, log_base=2), 2.0471, atol=1e-4)
    assert np.isnan(gaussian_entropy([0.0, np.nan])).all()
    with pytest.raises(ValueError, match="cannot be negative, got -1"):
        gaussian_entropy([1.0, -1.0])
    with pytest.raises(ValueError, match="must be above 1, got 1: use"):
        gaussian_entropy(1.0, log_base=1)


def test_the_table_says_what_it_holds() -> None:
    found = DifferentialEntropy(bands=RBTRANSFORMER_BANDS, estimator="bandpass", filter=BandFilter(order=3))(
        make_trial(noise(2, 1000)), Intervals(np.array([0.0, 1.5]), 2.0)
    )
    assert found.dims == ("window", "channel", "band")
    assert list(found["channel"].values) == ["E0", "E1"]
    assert list(found["band"].values) == ["theta", "alpha", "beta", "gamma"]
    assert found.attrs == {
        "unit": "nat",
        "signal_unit": "au",
        "band_edges_hz": [[4, 8], [8, 14], [14, 31], [31, 49]],
        "estimator": "bandpass",
        "device": "cpu",
        "log_base": math.e,
        "order": 3,
        "design": "butterworth",
        "phase": "zero",
        "start": "steady",
    }


@estimators
def test_a_trial_shorter_than_a_window_gives_no_rows(estimator: str) -> None:
    assert entropies(noise(2, 100), estimator=estimator).shape == (0, 2, 5)


def test_settings_are_part_of_the_recipe() -> None:
    windows = Windowing(duration=2)
    recipes = [
        Recipe(windows=windows, features=(DifferentialEntropy(bands=bands, estimator=estimator),))
        for bands in (SEED_BANDS, SEED_IV_BANDS)
        for estimator in ("stft", "bandpass")
    ]
    assert len({recipe.to_json() for recipe in recipes}) == 4
    assert '{"fmax":3,"fmin":1,"name":"delta"}' in recipes[0].to_json()


def test_published_edges() -> None:
    assert SEED_BANDS.edges == ((1, 3), (4, 7), (8, 13), (14, 30), (31, 50))
    assert SEED_IV_BANDS.edges == ((1, 4), (4, 8), (8, 14), (14, 31), (31, 50))
    assert RBTRANSFORMER_BANDS.edges == ((4, 8), (8, 14), (14, 31), (31, 49))
    assert RBTRANSFORMER_PAPER_BANDS.edges == ((4, 8), (8, 13), (13, 30), (30, 45))
    assert DEAP_BANDS.edges == ((4, 7), (8, 13), (14, 30), (31, 45))
    published = {SEED_BANDS, SEED_IV_BANDS, DEAP_BANDS, RBTRANSFORMER_BANDS, RBTRANSFORMER_PAPER_BANDS}
    assert set(BANDS.values()) == published


def test_bands_are_clipped_to_the_passband_and_dropped_below_half_of_their_width() -> None:
    clipped = SEED_BANDS.within((2, 40))
    assert clipped.names == ("delta", "theta", "alpha", "beta")  # gamma would keep 9 of 19 Hz.
    assert clipped.edges[0] == (2, 3)
    assert SEED_BANDS.within((0.5, 45)).edges == (*SEED_BANDS.edges[:4], (31, 45))
    assert SEED_BANDS.within(None) == SEED_BANDS
    with pytest.raises(
        ProtocolError, match=r"Of alpha \(8-13 Hz\) no band has half of its width inside 20-45 Hz"
    ):
        ALPHA.within((20, 45))


@pytest.mark.parametrize("edges", [(0, 4), (4, 4), (8, 4), (4, math.inf), (math.nan, 4)])
def test_a_band_needs_edges_in_order(edges: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="Band 'odd' needs 0 < fmin < fmax"):
        Band(name="odd", fmin=edges[0], fmax=edges[1])


def test_bands_need_different_names() -> None:
    band = Band(name="alpha", fmin=8, fmax=13)
    for bands in ((), (band, band)):
        with pytest.raises(ValueError, match="at least one band and different names"):
            Bands(bands)


@estimators
def test_refuses_a_band_that_the_rate_cannot_hold(estimator: str) -> None:
    with pytest.raises(
        ProtocolError, match=r"Cannot measure gamma \(31-50 Hz\): .* at 100 Hz holds only .* 50 Hz"
    ):
        entropies(noise(1, 1000), sfreq=100.0, estimator=estimator)


@pytest.mark.parametrize("n_times", [0, 1, 2, 75])
def test_refuses_a_band_between_two_bins(n_times: int) -> None:
    with pytest.raises(ProtocolError, match=r"lies in theta \(4-6 Hz\)\. Use windows .* of at least 0\.5 s"):
        band_variance_stft(np.zeros((1, n_times)), sfreq=SFREQ, bands=Bands.of(theta=(4, 6)))


def test_half_a_second_resolves_two_hertz() -> None:
    variance = band_variance_stft(noise(125), sfreq=SFREQ, bands=Bands.of(theta=(4, 6)))
    assert np.isfinite(variance).all()


def test_refuses_unknown_settings() -> None:
    with pytest.raises(ValueError, match="Unknown estimator 'welch': use one of bandpass, stft"):
        DifferentialEntropy(estimator="welch")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="length above 0 s, got 0"):
        DifferentialEntropy(frame=0)
    with pytest.raises(ValueError, match="precision is 'auto' or 'double', got 'half'"):
        DifferentialEntropy(precision="half")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"must be above 1, got 0\.5"):
        DifferentialEntropy(log_base=0.5)


@pytest.mark.parametrize("dtype", [">f4", ">f8", "f2"])
def test_samples_of_any_float_type_are_transformed(dtype):
    x = np.random.default_rng(0).normal(size=(2, 256))
    found = band_variance_stft(x.astype(dtype), sfreq=128.0, bands=SEED_BANDS)
    assert_allclose(found, band_variance_stft(x, sfreq=128.0, bands=SEED_BANDS), rtol=1e-2)


def test_a_flat_electrode_is_nan_whatever_its_flagged_samples_are():
    data = 1e-5 * np.random.default_rng(0).standard_normal((2, 5000))
    data[0, 1000:2000] = 0
    data[0, 1500] = 5e-4
    flags = np.zeros(5000, dtype=np.uint8)
    flags[1500] = 1
    eeg = Signal(data=data, sfreq=250.0, ch_names=("O1", "O2"), kind="eeg", unit="V", flags=flags)
    trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})
    found = DifferentialEntropy(estimator="bandpass")(trial, Intervals(np.arange(0, 20, 2.0), 2.0))
    # Nothing is there to measure: what the filter has in the window rang over from its neighbours.
    assert np.isnan(found.values[2:4, 0]).all()
    assert np.isfinite(found.values[2:4, 1]).all()


@pytest.mark.parametrize("estimator", ["stft", "bandpass"])
def test_no_channels_give_no_entropies(estimator):
    eeg = Signal(data=np.empty((0, 5000)), sfreq=250.0, ch_names=(), kind="eeg", unit="V")
    trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})
    found = DifferentialEntropy(estimator=estimator)(trial, Intervals(np.arange(0, 20, 2.0), 2.0))
    assert found.shape == (10, 0, 5)


def test_families_of_one_trial_share_its_entropies_and_cannot_change_each_others() -> None:
    trial, intervals = make_trial(noise(2, 1000)), Windowing(duration=2).intervals(4)
    first = DifferentialEntropy()(trial, intervals)
    kept = first.values.copy()
    first.values[:] = 0
    assert_array_equal(DifferentialEntropy()(trial, intervals).values, kept)
    others = [
        DifferentialEntropy(frame=1.0),
        DifferentialEntropy(log_base=2),
        DifferentialEntropy(bands=SEED_IV_BANDS),
    ]
    assert all(not np.array_equal(other(trial, intervals).values, kept) for other in others)
    assert DifferentialEntropy()(trial, Windowing(duration=1).intervals(4)).shape[0] == 4
    again = DifferentialEntropy()(make_trial(2 * noise(2, 1000)), intervals)
    assert_allclose(again.values, kept + np.log(2))
