"""Connectivity against closed forms, SciPy and mne-connectivity."""

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.signal import butter, hilbert, sosfiltfilt
from scipy.signal.windows import tukey

from physioaffect.datasets import EEGMAT
from physioaffect.errors import DataError, ProtocolError
from physioaffect.features import Recipe, _threads, features_of_trial
from physioaffect.features.bands import SEED_BANDS, Bands
from physioaffect.features.connectivity import (
    METHODS,
    Connectivity,
    analytic_signal,
    as_matrices,
    coherence,
    correlation,
    edge_names,
    imaginary_coherence,
    independent_phases,
    phase_locking,
    weighted_phase_lag,
)
from physioaffect.recording import Flag, Signal, Trial
from physioaffect.windows import Intervals, Windowing

Floats = NDArray[np.float64]

SFREQ = 200.0
ALPHA = Bands.of(alpha=(8, 13))

methods = pytest.mark.parametrize("method", METHODS)


def make_trial(data: NDArray[Any], *, flags: NDArray[np.uint8] | None = None, unit: str = "V") -> Trial:
    names = tuple(f"E{index}" for index in range(len(data)))
    eeg = Signal(data=data * 1e-5, sfreq=SFREQ, ch_names=names, kind="eeg", unit=unit, flags=flags)  # type: ignore[arg-type]
    return Trial(dataset="made up", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})


def values_of(
    data: NDArray[Any],
    *,
    window: float = 2.0,
    step: float | None = None,
    trial: Trial | None = None,
    **kwargs,
) -> Floats:
    intervals = Windowing(duration=window, step=step).intervals(data.shape[1] / SFREQ)
    return np.asarray(Connectivity(**kwargs)(trial or make_trial(data), intervals))


def noise(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=shape)


def observations(*shape: int, seed: int = 0) -> NDArray[np.complex128]:
    Z: NDArray[np.complex128] = noise(*shape, 2, seed=seed) @ np.array([1, 1j])
    return Z


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("plv", 1),
        ("coherence", 1),
        ("imaginary_coherence", 0),
        ("wpli", 0),
        ("wpli2_debiased", 0),
        ("correlation", -1),
    ],
)
def test_mixing_without_delay_is_seen_by_all_but_the_measures_of_lag(method: str, expected: float) -> None:
    source = noise(1, 6000)
    found = values_of(np.concatenate([source, -0.3 * source]), method=method, bands=SEED_BANDS)
    assert_allclose(found, expected, atol=3e-6)


@pytest.mark.parametrize("lag", [0.3, 1.2, -2.0])
def test_a_known_phase_lag_gives_the_closed_forms(lag: float) -> None:
    phase = 2 * np.pi * 10 * np.arange(6000) / SFREQ
    data = np.stack([np.cos(phase), 3 * np.cos(phase - lag)])
    expected = {
        "plv": 1,
        "coherence": 1,
        "imaginary_coherence": math.sin(lag),
        "wpli": 1,
        "wpli2_debiased": 1,
        "correlation": math.cos(lag),
    }
    for method, value in expected.items():
        inner = values_of(data, method=method, bands=ALPHA)[3:-3]
        assert_allclose(inner, value, atol=2e-5, err_msg=method)


def test_coherence_with_added_noise_follows_from_the_share_of_the_source() -> None:
    Z = observations(2, 400_000)
    mixed = np.stack([Z[0], math.sqrt(0.6) * np.exp(-0.7j) * Z[0] + math.sqrt(0.4) * Z[1]])
    assert_allclose(coherence(mixed), math.sqrt(0.6), atol=4e-3)
    assert_allclose(imaginary_coherence(mixed), math.sqrt(0.6) * math.sin(0.7), atol=4e-3)


@pytest.mark.parametrize("band", list(SEED_BANDS), ids=str)
@pytest.mark.parametrize("window", [1.0, 4.0])
def test_unrelated_noise_locks_as_much_as_its_independent_phases_allow(band, window: float) -> None:
    plv = values_of(noise(24, 40_000), bands=Bands((band,)), window=window)[2:-2]
    n = independent_phases(band, duration=window, sfreq=SFREQ)
    assert_allclose(np.square(plv).mean(), 1 / n, rtol=0.05)
    if n > 3:
        assert_allclose(plv.mean(), math.sqrt(math.pi / (4 * n)), rtol=0.05)


def test_the_table_says_how_much_noise_locks() -> None:
    found = Connectivity()(make_trial(noise(2, 2000)), Intervals(np.array([2.0, 5.0]), 1.0))
    n = [independent_phases(band, duration=1.0, sfreq=SFREQ) for band in SEED_BANDS]
    assert_allclose(found.attrs["plv_of_noise"], np.sqrt(np.pi / 4 / np.array(n)), atol=6e-4)
    assert_allclose(found.attrs["plv_of_noise"], [0.524, 0.441, 0.349, 0.199, 0.183], atol=2e-3)


def test_debiased_phase_lag_of_independent_observations_is_zero_on_average() -> None:
    Z = observations(40, 12, 25)
    plain, debiased = weighted_phase_lag(Z), weighted_phase_lag(Z, debiased=True)
    assert abs(debiased.mean()) < 0.005
    assert plain.mean() > 0.15


@pytest.mark.parametrize("method", ["coh", "imcoh", "plv", "wpli", "wpli2_debiased"])
def test_over_epochs_the_measures_are_those_of_mne_connectivity(method: str) -> None:
    from mne_connectivity import spectral_connectivity_epochs

    epochs = noise(30, 4, 200)
    epochs[:, 1, 2:] += epochs[:, 0, :-2]
    reference = spectral_connectivity_epochs(
        epochs, method=method, mode="fourier", sfreq=SFREQ, fmin=5, fmax=40, verbose="error"
    )
    freqs = np.fft.rfftfreq(200, 1 / SFREQ)
    kept = np.isin(freqs.round(6), np.round(reference.freqs, 6))
    centred = epochs - epochs.mean(axis=-1, keepdims=True)
    Z = np.fft.rfft(centred * np.hanning(200), axis=-1)[..., kept].transpose(2, 1, 0)
    ours = {
        "coh": coherence,
        "imcoh": imaginary_coherence,
        "plv": phase_locking,
        "wpli": weighted_phase_lag,
        "wpli2_debiased": lambda Z: weighted_phase_lag(Z, debiased=True),
    }[method](Z)
    # It fills the lower triangle, so its pairs are turned round.
    lower = reference.get_data("dense").transpose(2, 1, 0)[:, *np.triu_indices(4, k=1)]
    assert_allclose(ours, -lower if method == "imcoh" else lower, atol=1e-9)


@pytest.mark.parametrize("method", ["coh", "imcoh", "plv", "wpli"])
def test_over_time_the_measures_are_those_of_mne_connectivity(method: str) -> None:
    from mne.time_frequency import tfr_array_morlet
    from mne_connectivity import spectral_connectivity_time

    epochs = noise(3, 4, 400)
    epochs[:, 1, 2:] += epochs[:, 0, :-2]
    freqs = np.array([10.0, 20.0])
    reference = spectral_connectivity_time(
        epochs, freqs=freqs, method=method, sfreq=SFREQ, mode="cwt_morlet", n_cycles=5, verbose="error"
    )
    Z = tfr_array_morlet(epochs, SFREQ, freqs, n_cycles=5, output="complex", verbose="error").swapaxes(1, 2)
    ours = {
        "coh": coherence,
        "imcoh": imaginary_coherence,
        "plv": phase_locking,
        "wpli": weighted_phase_lag,
    }[method](Z)
    lower = reference.get_data("dense").transpose(0, 3, 2, 1)[:, :, *np.triu_indices(4, k=1)]
    assert_allclose(ours, -lower if method == "imcoh" else lower, atol=1e-6)


def test_correlation_is_numpys() -> None:
    X = noise(5, 6, 100) + 1e3
    expected = [np.corrcoef(window)[np.triu_indices(6, k=1)] for window in X]
    assert_allclose(correlation(X), expected, atol=1e-12)


def test_the_filter_is_scipys_forwards_and_backwards_with_hilberts_transform() -> None:
    data = np.cumsum(noise(3, 8000), axis=1)
    Z = analytic_signal(data, sfreq=SFREQ, bands=SEED_BANDS)
    for found, band in zip(Z, SEED_BANDS, strict=True):
        sos = butter(4, (band.fmin, band.fmax), btype="bandpass", fs=SFREQ, output="sos")
        filtered = sosfiltfilt(sos, data - data[:, :1], axis=-1, padtype="even", padlen=2000)
        # SciPy's transform goes round from the last to the first sample: without a taper that step is heard.
        expected = hilbert(filtered * tukey(8000, 0.4), axis=-1)
        inner = slice(2000, -2000)
        error = np.abs(found - expected)[:, inner].max()
        assert error < 1e-4 * np.abs(expected).max()


def test_a_drift_a_million_times_larger_does_not_drown_the_band() -> None:
    data = noise(3, 4000)
    drift = 1e6 * np.cos(np.linspace(0, np.pi, 4000))  # Level at both ends: mirroring adds no corner.
    clean, drifting = (make_trial(X, unit="au") for X in (data, data + drift))
    expected = values_of(data, trial=clean, bands=ALPHA)
    assert_allclose(values_of(data, trial=drifting, bands=ALPHA)[3:-3], expected[3:-3], atol=1e-4)


@methods
def test_windows_of_real_eeg_equal_a_plain_computation(real_data, method: str) -> None:
    trial = next(iter(EEGMAT.read(real_data / "realeeg" / "eegmat")))
    eeg = trial.signal("eeg").crop(0, 40).pick(["Fp1", "Fp2", "F3", "O1", "O2"])
    trial = Trial(dataset="eegmat", subject="1", trial="1", stimulus="", signals={"eeg": eeg})
    found = Connectivity(method=method, bands=ALPHA)(trial, Intervals(np.array([10.0, 18.5, 25.25]), 1.5))
    sos = butter(4, (8, 13), btype="bandpass", fs=eeg.sfreq, output="sos")
    Z = hilbert(sosfiltfilt(sos, eeg.data.astype(float), axis=-1, padtype="even", padlen=1000), axis=-1)
    for row, start in zip(found[..., 0], [10.0, 18.5, 25.25], strict=True):
        first = round(start * eeg.sfreq)
        z = Z[:, first : first + round(1.5 * eeg.sfreq)]
        for value, name in zip(row.values, row.edge.values, strict=True):
            a, b = (z[eeg.ch_names.index(part)] for part in str(name).split("-"))
            cross = a * b.conj()
            lag = cross.imag
            expected = {
                "plv": abs(np.mean(cross / abs(cross))),
                "coherence": abs(cross.mean()) / math.sqrt(np.mean(abs(a) ** 2) * np.mean(abs(b) ** 2)),
                "imaginary_coherence": lag.mean() / math.sqrt(np.mean(abs(a) ** 2) * np.mean(abs(b) ** 2)),
                "wpli": abs(lag.sum()) / abs(lag).sum(),
                "wpli2_debiased": (lag.sum() ** 2 - (lag**2).sum()) / (abs(lag).sum() ** 2 - (lag**2).sum()),
                "correlation": np.corrcoef(a.real, b.real)[0, 1],
            }[method]
            assert_allclose(value, expected, atol=2e-3)


def test_in_real_eeg_neighbours_are_locked_more_than_distant_electrodes(real_data) -> None:
    trial = next(iter(EEGMAT.read(real_data / "realeeg" / "eegmat")))
    intervals = Windowing(duration=2.0).intervals(60.0)
    plv = Connectivity(bands=ALPHA)(trial, intervals).mean("window")[:, 0]
    names = [str(name) for name in plv.edge.values]
    near, far = (
        float(np.mean([plv[names.index(name)] for name in edges]))
        for edges in (("Fp1-Fp2", "O1-O2", "F3-C3"), ("Fp1-O2", "Fp2-O1", "F7-O2"))
    )
    assert near > far + 0.1


@methods
@settings(max_examples=8)
@given(exponent=st.floats(-12, 12), seed=st.integers(0, 100))
def test_scale_does_not_matter_and_sign_only_where_it_should(method: str, exponent: float, seed: int) -> None:
    data = noise(3, 1200, seed=seed)
    before = values_of(data, bands=ALPHA, method=method)
    trial = make_trial(data * np.array([[1.0], [-(10**exponent)], [1.0]]), unit="au")
    after = values_of(data, trial=trial, bands=ALPHA, method=method)
    has_sign = method in {"imaginary_coherence", "correlation"}
    expected = before * (np.array([-1, 1, -1])[:, np.newaxis] if has_sign else 1)
    assert_allclose(after, expected, atol=1e-5)


@methods
def test_permuted_channels_give_permuted_matrices(method: str) -> None:
    data = noise(6, 1600)
    order = np.array([3, 0, 5, 1, 4, 2])
    is_signed = method == "imaginary_coherence"
    before, after = (
        as_matrices(values_of(X, method=method, bands=ALPHA), 6, axis=1, antisymmetric=is_signed)
        for X in (data, data[order])
    )
    assert_allclose(after, before[..., order, :][..., order], atol=1e-5)
    assert_allclose(before, before.swapaxes(-1, -2) * (-1 if is_signed else 1) + 2 * np.eye(6) * is_signed)


@methods
@pytest.mark.parametrize("step", [0.5, 0.25, 0.7])
def test_overlapping_windows_that_share_sums_equal_windows_alone(method: str, step: float) -> None:
    data = noise(4, 4000)
    together = values_of(data, window=1.0, step=step, method=method)
    family, trial = Connectivity(method=method), make_trial(data)
    for index in range(0, len(together), 7):
        alone = np.asarray(family(trial, Intervals(np.array([index * step]), 1.0)))
        assert_allclose(together[index], alone[0], atol=3e-6)


@methods
def test_numbers_do_not_depend_on_the_number_of_threads(method: str, monkeypatch) -> None:
    data = noise(9, 8000)
    found = []
    for n_threads in (1, 3):
        pool = ThreadPoolExecutor(n_threads)
        monkeypatch.setattr(_threads, "n_threads", lambda n_threads=n_threads: n_threads)
        monkeypatch.setattr(_threads, "_pool", lambda pool=pool: pool)
        found.append(values_of(data, method=method, window=1.0, step=0.5))
        pool.shutdown()
    assert_array_equal(found[0], found[1])


@pytest.mark.parametrize(
    ("method", "bands"), [*((name, SEED_BANDS) for name in METHODS), ("correlation", None)]
)
def test_missing_flagged_and_flat_samples_are_nan_on_their_edges_and_windows_only(method, bands) -> None:
    data = noise(4, 4000)
    data[1, 500:520] = np.nan
    data[2, 1100:1700] = data[2, 1100]
    flags = np.zeros(4000, dtype=np.uint8)
    flags[2100] = Flag.MOTION
    trial = make_trial(data, flags=flags)
    found = Connectivity(method=method, bands=bands)(trial, Windowing(duration=1.0).intervals(20.0))
    values = np.asarray(found).reshape(20, 6, -1)
    is_nan = np.isnan(values).all(axis=2)
    assert_array_equal(is_nan, np.isnan(values).any(axis=2))
    expected = np.zeros((20, 6), dtype=bool)
    touches = {
        channel: [f"E{channel}" in name.split("-") for name in found.edge.values] for channel in (1, 2)
    }
    expected[2] = touches[1]
    expected[6:8] = touches[2]  # Windows 5 and 8 are flat in part only.
    expected[10] = True
    assert_array_equal(is_nan, expected)


def test_a_channel_that_is_missing_or_flat_throughout_spoils_no_other() -> None:
    data = noise(4, 2000)
    whole = values_of(data, method="plv")
    data[0], data[3] = np.nan, 7.0
    found = values_of(data, method="plv")
    assert np.isnan(found[:, [0, 1, 2, 4, 5]]).all()
    assert_allclose(found[:, 3], whole[:, 3], atol=1e-6)


def test_a_window_that_reaches_out_of_the_recording_is_nan() -> None:
    found = Connectivity()(make_trial(noise(2, 2000)), Intervals(np.array([-0.5, 4.0, 9.5]), 1.0))
    assert_array_equal(np.isnan(found).all(axis=(1, 2)), [True, False, True])
    longer = Connectivity()(make_trial(noise(2, 2000)), Intervals(np.array([0.0]), 11.0))
    assert np.isnan(longer).all()


def test_the_table_names_edges_and_bands_and_fits_a_recipe() -> None:
    trial = make_trial(noise(3, 2000))
    recipe = Recipe(windows=Windowing(duration=2.0), features=(Connectivity(bands=SEED_BANDS),))
    found = features_of_trial(trial, recipe)["connectivity"]
    assert found.dims == ("window", "edge", "band")
    assert found.edge.values.tolist() == ["E0-E1", "E0-E2", "E1-E2"] == edge_names(["E0", "E1", "E2"])
    assert found.band.values.tolist() == list(SEED_BANDS.names)
    assert found.dtype == np.float32
    assert found.attrs["ch_names"] == ["E0", "E1", "E2"]


@methods
def test_no_windows_give_an_empty_table(method: str) -> None:
    found = Connectivity(method=method)(make_trial(noise(3, 2000)), Intervals(np.empty(0), 2.0))
    assert found.shape == (0, 3, 5)


def test_what_cannot_be_measured_is_refused() -> None:
    trial, seconds = make_trial(noise(3, 2000)), Intervals(np.array([0.0]), 1.0)
    with pytest.raises(ProtocolError, match=r"0\.5 s holds less than one cycle of delta .* at least 1 s"):
        Connectivity()(trial, Intervals(np.array([0.0]), 0.5))
    with pytest.raises(ProtocolError, match="sampled at 200 Hz holds only what lies below 100 Hz"):
        Connectivity(bands=Bands.of(high=(80, 100)))(trial, seconds)
    with pytest.raises(DataError, match=r"2 s are too short to filter delta .* more than 3 s"):
        Connectivity()(make_trial(noise(3, 400)), seconds)
    with pytest.raises(DataError, match="at least two channels, eeg has 1"):
        Connectivity()(make_trial(noise(1, 2000)), seconds)
    with pytest.raises(DataError, match="seems to be in microvolts and declared in volts"):
        Connectivity()(make_trial(1e6 * noise(3, 2000)), seconds)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="Unknown method 'pli': use one of coherence"):
        Connectivity(method="pli")
    with pytest.raises(ValueError, match="'plv' needs bands: a phase is defined in a narrow band"):
        Connectivity(bands=None)
    with pytest.raises(ValueError, match="order of at least 1, got 0"):
        Connectivity(order=0)
    with pytest.raises(ValueError, match=r"Z must be complex, .* got float64 of shape"):
        phase_locking(noise(3, 10))
    with pytest.raises(
        ValueError, match="4 channels have 6 edges, or 10 with the diagonal, got 5 along axis 1"
    ):
        as_matrices(np.zeros((2, 5, 3)), 4, axis=1)


def test_matrices_hold_each_edge_twice() -> None:
    values = noise(2, 6, 3)
    matrices = as_matrices(values, 4, axis=1, diagonal=0.0, antisymmetric=True)
    assert matrices.shape == (2, 3, 4, 4)
    assert_array_equal(matrices, -matrices.swapaxes(-1, -2))
    assert_array_equal(matrices[..., *np.triu_indices(4, k=1)], np.moveaxis(values, 1, -1))
    with_diagonal = as_matrices(np.arange(10), 4)
    assert_array_equal(with_diagonal[np.triu_indices(4)], np.arange(10))
    assert_array_equal(with_diagonal, with_diagonal.T)


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_observations_without_a_phase_are_nan_in_every_measure(bad: float) -> None:
    turning = np.exp(1j * np.random.default_rng(0).uniform(0, 6, size=(3, 100)))
    turning[1] = bad
    for measure in (
        phase_locking,
        coherence,
        imaginary_coherence,
        weighted_phase_lag,
        partial(weighted_phase_lag, debiased=True),
    ):
        assert_array_equal(np.isnan(measure(turning)), [True, False, True])


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_measures_do_not_depend_on_the_size_of_any_channel(dtype: type) -> None:
    Z = np.random.default_rng(0).normal(size=(3, 100, 2)) @ [1, 1j]
    exponents = [-30, 30, -13] if dtype == np.complex64 else [-200, 200, -13]
    sizes = np.power(10.0, exponents)[:, np.newaxis]
    for measure in (
        phase_locking,
        coherence,
        imaginary_coherence,
        weighted_phase_lag,
        partial(weighted_phase_lag, debiased=True),
    ):
        assert_allclose(measure((sizes * Z).astype(dtype)), measure(Z), atol=1e-5)


def test_no_observations_and_no_windows_give_no_numbers() -> None:
    for measure in (phase_locking, weighted_phase_lag):
        assert np.isnan(measure(np.empty((2, 3, 0), dtype=complex))).all()
        assert measure(np.empty((0, 3, 10), dtype=complex)).shape == (0, 3)


def test_a_flat_channel_has_no_correlation_whatever_its_value() -> None:
    # The mean of a thousand times 0.1 is not 0.1, so rounding would correlate two flat channels perfectly.
    X = np.stack([np.full(1000, 0.1), np.full(1000, 0.3), np.random.default_rng(0).normal(size=1000)])
    assert np.isnan(correlation(X)).all()
    X[0, 5] = np.inf
    assert np.isnan(correlation(X)).all()
