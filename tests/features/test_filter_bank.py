"""The filter bank against SciPy's filters, closed forms and the facts of filtering."""

from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.signal import bessel, butter, cheby1, lfilter, sosfilt, sosfiltfilt

from physioaffect.errors import DataError
from physioaffect.features.bands import SEED_BANDS, SEED_IV_BANDS, Bands
from physioaffect.features.filter_bank import BandFilter, Sections, band_variance_filtered

Floats = NDArray[np.float64]
SFREQ = 250.0
ALPHA = Bands.of(alpha=(8, 13))


def noise(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=shape)


def pink(*shape: int, seed: int = 0) -> Floats:
    """Noise whose power falls with the frequency, as that of EEG does, on an offset."""
    spectrum = np.fft.rfft(noise(*shape, seed=seed))
    spectrum[..., 1:] /= np.arange(1, spectrum.shape[-1])
    spectrum[..., 0] = 0
    x: Floats = np.fft.irfft(spectrum, shape[-1])
    return np.asarray(2e-5 * x / x.std() + 1e-3)


def sos(band: tuple[float, float], sfreq: float, design: str = "butterworth", order: int = 4) -> Floats:
    if design == "butterworth":
        return butter(order, band, "bandpass", fs=sfreq, output="sos")
    if design == "bessel":
        return bessel(order, band, "bandpass", fs=sfreq, output="sos", norm="mag")
    return cheby1(order, 0.5, band, "bandpass", fs=sfreq, output="sos")


def zero_phase(X: Floats, band: tuple[float, float], sfreq: float, **settings: Any) -> Floats:
    n_pad = int(np.ceil(3 / min(band[0], band[1] - band[0]) * sfreq))
    return sosfiltfilt(sos(band, sfreq, **settings), X - X[..., :1], padtype="even", padlen=n_pad)


def causal(X: Floats, band: tuple[float, float], sfreq: float, **settings: Any) -> Floats:
    return sosfilt(sos(band, sfreq, **settings), X - X[..., :1])


def variance_of(filtered: Floats, first: NDArray[np.intp], n_samples: int) -> Floats:
    return np.stack([filtered[..., k : k + n_samples].var(axis=-1) for k in first])


@pytest.mark.parametrize("precision", ["auto", "double"])
@pytest.mark.parametrize("phase", ["zero", "causal"])
@pytest.mark.parametrize(("sfreq", "n_channels"), [(128.0, 32), (200.0, 62), (500.0, 19), (1000.0, 5)])
def test_entropies_equal_those_of_scipys_filters(sfreq, n_channels, phase, precision):
    X = pink(n_channels, round(12 * sfreq))
    first, n_samples = np.arange(0, X.shape[1] - round(sfreq), round(0.7 * sfreq)), round(sfreq)
    reference = {"zero": zero_phase, "causal": causal}[phase]
    expected = np.stack(
        [variance_of(reference(X, edges, sfreq), first, n_samples) for edges in SEED_BANDS.edges], axis=-1
    )
    found = band_variance_filtered(
        X,
        first,
        n_samples,
        sfreq=sfreq,
        bands=SEED_BANDS,
        band_filter=BandFilter(phase=phase),
        precision=precision,
    )
    # Half a logarithm of the variance is the entropy.
    error = np.abs(0.5 * np.log(found / expected)).max()
    assert error < (1e-5 if precision == "auto" else 1e-9)


@pytest.mark.parametrize("design", ["butterworth", "bessel", "chebyshev1"])
@pytest.mark.parametrize("order", [1, 2, 3, 5, 6])
def test_every_design_and_order_equals_scipys(design, order):
    X, first = pink(3, 2500), np.arange(0, 2500, 250)
    found = band_variance_filtered(
        X, first, 250, sfreq=SFREQ, bands=ALPHA, band_filter=BandFilter(design=design, order=order),
        precision="double",
    )  # fmt: skip
    expected = variance_of(zero_phase(X, (8, 13), SFREQ, design=design, order=order), first, 250)
    assert_allclose(found[..., 0], expected, rtol=1e-9)


def test_the_zero_phase_filter_has_the_noise_bandwidth_of_its_closed_form():
    X = noise(256, 20_000)
    found = band_variance_filtered(X, np.array([2000]), 16_000, sfreq=SFREQ, bands=SEED_IV_BANDS).mean(
        axis=1
    )[0]
    share = (1 - 1 / 8) * (np.pi / 8) / np.sin(np.pi / 8)
    # The bilinear transform bends the frequency axis a little; at 50 of 250 Hz it is felt most.
    assert_allclose(found, [share * (b - a) / (SFREQ / 2) for a, b in SEED_IV_BANDS.edges], rtol=0.015)


def test_leading_axes_are_free_and_one_call_equals_many():
    X, first = pink(3, 40, 1500), np.arange(0, 1500, 250)
    together = band_variance_filtered(X, first, 250, sfreq=SFREQ, bands=ALPHA)
    assert together.shape == (6, 3, 40, 1)
    for trial in range(3):
        alone = band_variance_filtered(X[trial], first, 250, sfreq=SFREQ, bands=ALPHA)
        assert_array_equal(together[:, trial], alone)


def test_windows_that_overlap_anyhow_equal_windows_alone():
    X, rng = pink(2, 4000), np.random.default_rng(1)
    first = rng.integers(0, 3700, 40)
    together = band_variance_filtered(X, first, 300, sfreq=SFREQ, bands=SEED_IV_BANDS, precision="double")
    for window, start in enumerate(first):
        alone = band_variance_filtered(
            X, np.array([start]), 300, sfreq=SFREQ, bands=SEED_IV_BANDS, precision="double"
        )
        assert_allclose(together[window], alone[0], rtol=1e-9)


def test_the_causal_filter_knows_nothing_of_the_future_and_the_other_does():
    X = pink(2, 2500)
    changed = X.copy()
    changed[:, 1500:] *= 3
    first = np.arange(0, 2500, 250)
    ways: dict[Literal["zero", "causal"], bool] = {"causal": True, "zero": False}
    for phase, is_same in ways.items():
        one, other = (
            band_variance_filtered(
                x, first, 250, sfreq=SFREQ, bands=ALPHA, band_filter=BandFilter(phase=phase)
            )
            for x in (X, changed)
        )
        assert (one[5] == other[5]).all() == is_same


def test_filtering_windows_from_rest_loses_power_that_the_continuous_filter_keeps():
    X, theta = noise(20, int(60 * SFREQ)), Bands.of(theta=(4, 8))
    ideal, from_rest = 4 / (SFREQ / 2), BandFilter(order=5, phase="causal", start="rest")
    windows = X.reshape(20, 60, 250)
    alone = band_variance_filtered(
        windows, np.zeros(1, dtype=np.intp), 250, sfreq=SFREQ, bands=theta, band_filter=from_rest
    ).mean()
    whole = band_variance_filtered(X, np.arange(0, 15_000, 250), 250, sfreq=SFREQ, bands=theta).mean()
    # One-second windows: the filter spends most of each one settling.
    assert alone < 0.75 * ideal
    assert_allclose(whole, 0.898 * ideal, rtol=0.1)


@pytest.mark.parametrize("band", [(4, 8), (8, 14), (14, 31), (31, 49)])
def test_windows_filtered_from_rest_equal_what_torcheeg_computes(band):
    # Its BandDifferentialEntropy: lfilter of butter(5) over each chunk alone, then 0.5 log2(2 pi e std^2).
    X = 1e-5 * noise(6, 128) + 3e-5
    b, a = butter(5, [edge / 64 for edge in band], "band")
    theirs = 0.5 * np.log2(2 * np.pi * np.e * lfilter(b, a, X).std(axis=-1) ** 2)
    ours = band_variance_filtered(
        X, np.zeros(1, dtype=np.intp), 128, sfreq=128.0, bands=Bands.of(band=band), precision="double",
        band_filter=BandFilter(order=5, phase="causal", start="rest"),
    )  # fmt: skip
    assert_allclose(0.5 * np.log2(2 * np.pi * np.e * ours[0, :, 0]), theirs, atol=1e-6)


@settings(max_examples=25)
@given(data=st.data())
def test_gaps_are_bridged_by_lines_for_the_filter_and_left_out_of_the_variance(data):
    x = noise(2, 600)
    is_missing = np.zeros((2, 600), dtype=bool)
    for row in range(2):
        for first, length in data.draw(
            st.lists(st.tuples(st.integers(0, 599), st.integers(1, 200)), max_size=3)
        ):
            is_missing[row, first : first + length] = True
        is_missing[row, 300] = False
    times = np.arange(600)
    bridged = np.stack(
        [np.interp(times, times[~gap], row[~gap]) for row, gap in zip(x, is_missing, strict=True)]
    )
    filtered = zero_phase(bridged, (8, 13), SFREQ)
    first = np.array([0, 100, 250, 500])
    found = band_variance_filtered(
        np.where(is_missing, np.nan, x), first, 100, sfreq=SFREQ, bands=ALPHA, precision="double"
    )
    for window, start in enumerate(first):
        for row in range(2):
            there = ~is_missing[row, start : start + 100]
            kept = filtered[row, start : start + 100][there]
            expected = kept.var() if len(kept) > 1 else np.nan
            assert_allclose(found[window, row, 0], expected, rtol=1e-7, atol=1e-14)


def test_windows_that_reach_out_use_what_is_inside():
    X = noise(2, 1000)
    found = band_variance_filtered(
        X, np.array([-125, 875, 2000]), 250, sfreq=SFREQ, bands=ALPHA, precision="double"
    )
    filtered = zero_phase(X, (8, 13), SFREQ)
    assert_allclose(found[0, :, 0], filtered[:, :125].var(axis=-1))
    assert_allclose(found[1, :, 0], filtered[:, 875:].var(axis=-1))
    assert np.isnan(found[2]).all()


def test_a_recording_shorter_than_the_filter_needs_is_refused():
    with pytest.raises(
        DataError, match=r"0.4 s are too short to filter alpha \(8-13 Hz\): .* more than 0.6 s"
    ):
        band_variance_filtered(noise(2, 100), np.array([0]), 50, sfreq=SFREQ, bands=ALPHA)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"order": 0}, "order of at least 1, got 0"),
        ({"design": "brick"}, "Unknown filter design 'brick': use one of bessel"),
        ({"phase": "forward"}, "phase is 'zero' or 'causal', got 'forward'"),
        ({"start": "rest"}, "from 'rest' if its phase is 'causal'; got 'rest' and 'zero'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        BandFilter(**settings)


@pytest.mark.parametrize("phase", ["zero", "causal"])
@pytest.mark.parametrize("size", [1e2, 1e4])
def test_steps_and_drift_of_an_electrode_cost_single_precision_nothing(phase, size):
    X = noise(2, 7500)
    x = X / X.std()
    ramp = size * np.linspace(0, 1, 7500)
    step = np.where(np.arange(7500) < 3000, 0.0, size)
    # The windows around the step measure the step.
    first = np.setdiff1d(np.arange(0, 7250, 250), np.arange(2000, 4250, 250))
    for disturbed in (x + ramp, x + step):
        single, double = (
            band_variance_filtered(
                disturbed, first, 250, sfreq=SFREQ, bands=SEED_IV_BANDS, band_filter=BandFilter(phase=phase),
                precision=precision,
            )
            for precision in ("auto", "double")
        )  # fmt: skip
        assert np.abs(0.5 * np.log(single / double)).max() < 1e-5


@pytest.mark.parametrize("size", [1e-30, 1e-20, 1e-12, 1e12, 1e20, 1e30])
def test_no_size_is_out_of_the_range_of_single_precision(size):
    X, first = pink(3, 2500), np.arange(0, 2500, 250)
    usual = band_variance_filtered(X, first, 250, sfreq=SFREQ, bands=SEED_IV_BANDS, precision="double")
    found = band_variance_filtered(X * size, first, 250, sfreq=SFREQ, bands=SEED_IV_BANDS)
    assert np.abs(0.5 * np.log(found / size**2 / usual)).max() < 1e-5


def test_a_channel_does_not_depend_on_those_beside_it():
    X, first = noise(4, 2500), np.arange(0, 2500, 250)
    alone = band_variance_filtered(X, first, 250, sfreq=SFREQ, bands=SEED_IV_BANDS)
    X[1] *= 1e-25
    X[2] = 5.0
    beside = band_variance_filtered(X, first, 250, sfreq=SFREQ, bands=SEED_IV_BANDS)
    assert_array_equal(beside[:, [0, 3]], alone[:, [0, 3]])


@pytest.mark.parametrize("dtype", ["i2", "u2", "i8", ">f4", ">f8", "f2", "longdouble"])
def test_numbers_of_any_type_are_those_in_double_precision(dtype):
    X = (np.round(200 * noise(3, 2500)) + 10_000).astype(dtype)
    first = np.arange(0, 2500, 250)
    found, exact = (
        band_variance_filtered(x, first, 250, sfreq=SFREQ, bands=SEED_IV_BANDS)
        for x in (X, X.astype(np.float64))
    )
    assert_allclose(found, exact, rtol=1e-5)


def test_memory_that_is_read_only_unaligned_or_in_another_order_gives_the_same():
    X, first = noise(3, 2500), np.arange(0, 2500, 250)
    expected = band_variance_filtered(X, first, 250, sfreq=SFREQ, bands=ALPHA)
    locked = X.copy()
    locked.flags.writeable = False
    shifted = np.frombuffer(b"\0" + X.tobytes(), dtype=np.uint8)[1:].view(np.float64).reshape(X.shape)
    assert not shifted.flags.aligned
    for same in (locked, shifted, np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2]):
        assert_array_equal(band_variance_filtered(same, first, 250, sfreq=SFREQ, bands=ALPHA), expected)


@pytest.mark.parametrize("shape", [(0, 2500), (3, 0, 2500)])
def test_no_channels_and_no_windows_give_empty_arrays(shape):
    found = band_variance_filtered(np.empty(shape), np.arange(3), 250, sfreq=SFREQ, bands=SEED_IV_BANDS)
    assert found.shape == (3, *shape[:-1], len(SEED_IV_BANDS))
    none = np.empty(0, dtype=np.intp)
    assert band_variance_filtered(noise(2, 2500), none, 250, sfreq=SFREQ, bands=ALPHA).shape == (0, 2, 1)


@pytest.mark.parametrize("n_times", [2**14 - 376, 2**14 - 375, 2**14 + 1, 5 * 2**14 + 77])
@pytest.mark.parametrize("has_gaps", [False, True])
def test_long_recordings_in_chunks_equal_scipys_filter(n_times, has_gaps):
    X = pink(3, n_times)
    is_missing = np.zeros(X.shape, dtype=bool)
    if has_gaps:
        is_missing[1, 5000:5050] = is_missing[1, n_times - 100 :] = True
    times = np.arange(n_times)
    bridged = np.stack(
        [np.interp(times, times[~gap], row[~gap]) for row, gap in zip(X, is_missing, strict=True)]
    )
    first = np.arange(0, n_times - 700, 333)
    found = band_variance_filtered(
        np.where(is_missing, np.nan, X), first, 700, sfreq=SFREQ, bands=SEED_IV_BANDS, precision="double"
    )
    for index, band in enumerate(SEED_IV_BANDS.edges):
        filtered = np.where(is_missing, np.nan, zero_phase(bridged, band, SFREQ))
        expected = np.stack([np.nanvar(filtered[:, k : k + 700], axis=-1) for k in first])
        assert_allclose(found[..., index], expected, rtol=1e-6)


@pytest.mark.parametrize("phase", ["zero", "causal"])
@pytest.mark.parametrize("sfreq", [200.0, 1000.0])
def test_single_precision_is_used_only_where_no_band_of_seed_loses_by_it(sfreq, phase):
    # White noise, too: its high frequencies are what rounding leaves in the low bands.
    X, n_samples = noise(17, round(20 * sfreq)), round(sfreq)
    first = np.arange(0, X.shape[1], n_samples)
    single, double = (
        band_variance_filtered(
            X, first, n_samples, sfreq=sfreq, bands=SEED_BANDS, band_filter=BandFilter(phase=phase),
            precision=precision,
        )
        for precision in ("auto", "double")
    )  # fmt: skip
    assert np.abs(0.5 * np.log(single / double)).max() < 1e-5
    is_same = (single == double).all(axis=(0, 1))
    # Delta in double precision at both rates, gamma in single.
    assert (is_same[0], is_same[-1]) == (True, False)


@pytest.mark.parametrize("phase", ["zero", "causal"])
@pytest.mark.parametrize("n_channels", [1, 8, 9, 15, 16, 17, 31, 32, 33, 70])
def test_any_number_of_channels_gives_what_each_gives_alone(n_channels, phase):
    X, first = pink(n_channels, 1500), np.arange(0, 1500, 250)
    settings: Any = {"sfreq": SFREQ, "bands": SEED_BANDS, "band_filter": BandFilter(phase=phase)}
    together = band_variance_filtered(X, first, 250, **settings)
    for channel in {0, n_channels // 2, n_channels - 1}:
        assert_array_equal(together[:, channel], band_variance_filtered(X[channel], first, 250, **settings))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("precision", ["auto", "double"])
@pytest.mark.parametrize("n_times", [2, 3, 7, 16, 17, 18, 34, 127, 128, 129, 131, 400])
def test_recordings_of_any_length_equal_scipys(n_times, precision, dtype):
    X = noise(18, n_times).astype(dtype)
    # Windows that overlap by all but one sample, down to two samples.
    first, n_samples = np.arange(n_times - 1), max(2, n_times // 3)
    found = band_variance_filtered(
        X, first, n_samples, sfreq=SFREQ, bands=ALPHA, precision=precision,
        band_filter=BandFilter(phase="causal", start="rest"),
    )  # fmt: skip
    expected = variance_of(sosfilt(sos((8, 13), SFREQ), X.astype(np.float64)), first, n_samples)
    # Of windows shorter than a period most of the square is the mean's, and lost in the difference.
    rtol, lost = (1e-4, 1e-6) if precision == "auto" else (1e-9, 1e-13)
    assert_allclose(found[..., 0], expected, rtol=rtol, atol=lost * expected.max())


@pytest.mark.parametrize("drift", [0.0, 1e5])
def test_chunks_of_a_long_recording_leave_no_trace_of_where_they_begin(drift):
    # Of SEED's lowest band the filter remembers half a minute.
    X = noise(2, 60_000) + drift * np.linspace(0, 1, 60_000) ** 2
    first, delta = np.arange(0, 60_000, 200), Bands.of(delta=(1, 3))
    found = band_variance_filtered(X, first, 200, sfreq=200.0, bands=delta)[..., 0]
    expected = variance_of(zero_phase(X, (1, 3), 200.0), first, 200)
    assert np.abs(0.5 * np.log(found / expected)).max() < (1e-9 if drift == 0 else 1e-7)


def test_a_filter_that_remembers_longer_than_a_chunk_equals_scipys():
    slow, n_times = Bands.of(slow=(0.1, 0.15)), 60_000
    X, first = pink(2, n_times), np.arange(0, n_times, 5000)
    found = band_variance_filtered(X, first, 5000, sfreq=SFREQ, bands=slow)
    assert_allclose(found[..., 0], variance_of(zero_phase(X, (0.1, 0.15), SFREQ), first, 5000), rtol=1e-6)


def test_a_filter_whose_poles_are_zero_forgets_at_once():
    (half,) = Bands.of(half=(32, 96))
    gain, a1, a2 = BandFilter(order=1).sections(half, sfreq=256.0)
    assert_allclose([a1[0], a2[0]], 0, atol=1e-12)
    assert Sections(gain, np.zeros(1), np.zeros(1)).memory < 20


@pytest.mark.parametrize("phase", ["zero", "causal"])
def test_a_gap_of_one_channel_changes_no_other(phase):
    X, first = noise(40, 3000).astype(np.float32), np.arange(0, 3000, 250)
    settings: Any = {"sfreq": SFREQ, "bands": SEED_BANDS, "band_filter": BandFilter(phase=phase)}
    whole = band_variance_filtered(X, first, 250, **settings)
    X[35, 700:760] = np.nan
    X[3, 2990] = np.inf
    found = band_variance_filtered(X, first, 250, **settings)
    others = np.setdiff1d(np.arange(40), [3, 35])
    assert_array_equal(found[:, others], whole[:, others])
    assert np.isfinite(found).all()
    assert not (found[:, [3, 35]] == whole[:, [3, 35]]).all()
