"""What integrated gradients must be: closed forms, completeness for every network, and what is refused."""

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from torch import Tensor, nn

from physioaffect.errors import DataError
from physioaffect.features import SEED_BANDS, Bands
from physioaffect.graphs import (
    NETWORKS,
    HiSTNClassifier,
    LinearClassifier,
    LinearRegressor,
    MLPClassifier,
    NetworkRegressor,
    Region,
    TrainedWith,
    electrode_importance,
    integrated_gradients,
    region_importance,
)
from physioaffect.recording import Signal
from physioaffect.windows import Windowing, Windows

NAMES = ("AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4")
N_WINDOWS = 32
LABELS = np.array(["calm", "tense"])[np.arange(N_WINDOWS) // 8 % 2]
FAST: dict[str, Any] = {"epochs": 2, "batch_size": 16, "random_state": 0, "device": "cpu"}


def bands_of(names: tuple[str, ...] = NAMES, seed: int = 0) -> xr.DataArray:
    X = np.random.default_rng(seed).normal(3.0, 2.0, size=(N_WINDOWS, len(NAMES), 4))
    X[LABELS == "tense", 2] += 3
    X = X[:, [NAMES.index(name) for name in names]]
    coords = {"channel": list(names), "band": ["theta", "alpha", "beta", "gamma"]}
    return xr.DataArray(X, dims=("window", "channel", "band"), coords=coords)


def raw() -> Windows:
    rng = np.random.default_rng(0)
    trials = [
        Signal(
            data=5 + (1 + trial % 2) * rng.standard_normal((len(NAMES), 8 * 128)),
            sfreq=128.0,
            ch_names=NAMES,
            kind="eeg",
            unit="au",
        )
        for trial in range(4)
    ]
    return Windows(trials, [Windowing(duration=1).intervals(8.0)] * 4)


def windows_for(model: Any) -> Any:
    return bands_of() if model.layout[-1] == "band" else raw()


def rows_of(X: Any, chosen: slice) -> Any:
    return X.select(np.arange(len(X))[chosen]) if isinstance(X, Windows) else X[chosen]


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    found = {}
    for name, networks in NETWORKS.items():
        model = networks.classifier(**FAST)
        if name == "lggnet":
            model.set_params(n_temporal=4)
        found[name] = model.fit(windows_for(model), LABELS)
    return found


def log_odds(model: Any, X: Any) -> np.ndarray:
    p = model.predict_proba(X)
    return np.asarray(np.log(p[:, 1] / p[:, 0]))


def at_mean(model: Any) -> float:
    """Log-odds of the window that is the mean of those of training."""
    shape = model.input_.n_channels, model.input_.n_last
    mean = model.network_.standardise.mean.expand(shape).numpy()
    return float(log_odds(model, mean[np.newaxis])[0])


@pytest.mark.parametrize("name", NETWORKS)
def test_attributions_add_up_to_what_the_output_is_above_that_of_the_mean(name, fitted):
    model = fitted[name]
    X = rows_of(windows_for(model), slice(None, None, 4))
    found = integrated_gradients(model, X, n_steps=64)
    expected = log_odds(model, X) - at_mean(model)
    # Kinks of rectifiers, and of logarithms of a power that vanishes with the signal, slow the integral down.
    atol = 0.02 * max(1.0, float(np.ptp(expected)))
    assert_allclose(found.sum(found.dims[1:]), expected, atol=atol)
    gap = np.abs(found.sum(found.dims[1:]).values - expected).max()
    assert found.attrs["gap"] == pytest.approx(gap, abs=1e-4)
    assert found.dims == ("window", *model.layout)
    assert found["channel"].values.tolist() == list(NAMES)
    assert found.attrs["of"] == "log-odds of 'tense'"


def test_smooth_networks_are_integrated_to_rounding(fitted):
    for name in ("linear", "mlp", "rbtransformer", "histn"):
        model = fitted[name]
        X = rows_of(windows_for(model), slice(None, None, 4))
        assert integrated_gradients(model, X, n_steps=64).attrs["gap"] < 1e-4, name


def test_a_linear_map_gives_weights_times_distance_from_the_mean(fitted):
    model = fitted["linear"]
    X = bands_of(seed=1)
    mean, scale = (getattr(model.network_.standardise, name).numpy() for name in ("mean", "scale"))
    weight = model.network_.network.layer.weight.detach().numpy()
    slope = (weight[1] - weight[0]).reshape(mean.shape) / scale
    assert_allclose(integrated_gradients(model, X), slope * (X.values - mean), atol=1e-5)
    # The other class is the same with the other sign, and another baseline moves the origin.
    assert_allclose(integrated_gradients(model, X, target="calm"), -slope * (X.values - mean), atol=1e-5)
    assert_allclose(integrated_gradients(model, X, baseline=X[4]), slope * (X - X[4]).values, atol=1e-5)


class Product(nn.Module):
    """First electrode times second, whatever the others are."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x[:, 0] * x[:, 1]


class Power(nn.Module):
    """Sum of squares of all samples."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x.square().sum(dim=(1, 2))[:, None]


class Given(NetworkRegressor):
    """A network that is hardly trained."""

    def __init__(self, network_class: Any, layout: tuple[str, ...], ch_names: Any = None) -> None:
        self.network_class, self.layout = network_class, layout  # type: ignore[misc]
        self.epochs, self.batch_size, self.learning_rate, self.weight_decay = 1, 4, 1e-12, 0.0
        self.patience, self.ch_names, self.random_state, self.device = None, ch_names, 0, "cpu"

    def network(self, about: Any) -> nn.Module:
        made: nn.Module = self.network_class()
        return made


def test_a_product_is_shared_out_in_halves_and_who_takes_no_part_gets_nothing():
    # Mean 0 and SD 1, so that standardising changes nothing; the third electrode takes no part.
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T[:, :, np.newaxis]
    y = 7 + 2.0 * signs[:, 0, 0] * signs[:, 1, 0]
    model = Given(Product, ("channel", "band")).fit(signs, y)
    found = integrated_gradients(model, signs, n_steps=2)[:, :, 0]
    half = (y - 7) / 2
    assert_allclose(found, np.stack([half, half, 0 * half], axis=1), atol=1e-6)
    assert found.attrs["of"] == "predicted number"


@pytest.mark.parametrize("n_times", [64, 63])
def test_power_is_shared_out_among_samples_as_squares_and_among_frequencies_as_the_periodogram(n_times):
    t = np.arange(8 * n_times) / 64
    data = np.random.default_rng(0).normal(size=(2, len(t)))
    data[1] = np.sin(2 * np.pi * 16 * t)
    eeg = Signal(data=data, sfreq=64.0, ch_names=("F3", "F4"), kind="eeg", unit="au")
    X = Windows([eeg], [Windowing(duration=n_times / 64).intervals(len(t) / 64)])
    model = Given(Power, ("channel", "time")).fit(X, np.arange(8.0))
    standardise, spread = model.network_.standardise, float(model.network_.output_spread)
    z = (X[:] - standardise.mean.numpy()) / standardise.scale.numpy()
    assert_allclose(integrated_gradients(model, X, n_steps=2), spread * z**2, rtol=1e-4, atol=1e-5)
    found = integrated_gradients(model, X, n_steps=2, spectral=True)
    periodogram = np.abs(np.fft.fft(z, axis=-1)) ** 2 / n_times
    periodogram[..., 1:] += periodogram[..., :0:-1].copy()
    n_freqs = n_times // 2 + 1
    periodogram[..., 1:] /= np.where(2 * np.arange(1, n_times) == n_times, 2, 1)
    assert_allclose(found, spread * periodogram[..., :n_freqs], rtol=1e-3, atol=1e-4)
    assert_allclose(found["frequency"], np.arange(n_freqs) * 64 / n_times)
    if n_times == 64:
        assert float(found.sel(channel="F4", frequency=16).mean()) == pytest.approx(spread * 64, rel=1e-3)


@pytest.mark.parametrize("name", ["eegnet", "histn", "lggnet", "tsception"])
def test_frequencies_share_out_what_samples_do(name, fitted):
    X = raw().select(np.arange(0, 32, 8))
    by_time = integrated_gradients(fitted[name], X, n_steps=4)
    by_frequency = integrated_gradients(fitted[name], X, n_steps=4, spectral=True)
    assert_allclose(by_frequency.sum("frequency"), by_time.sum("time"), atol=1e-6)
    assert_allclose(by_time["time"][:2], [0, 1 / 128])


def test_importance_is_the_share_of_variance_and_adds_up_to_one(fitted):
    model = fitted["mlp"]
    X = bands_of()
    attributions = integrated_gradients(model, X).values
    said = attributions.sum(axis=(1, 2))
    expected = [[np.cov(own, said)[0, 1] / np.var(said, ddof=1) for own in row] for row in attributions.T]
    importance = electrode_importance(model, X)
    assert_allclose(importance, np.transpose(expected), atol=1e-6)
    assert float(importance.sum()) == pytest.approx(1)
    # What is explained may be turned round: the shares are the same.
    assert_allclose(electrode_importance(model, X, target="calm"), importance, atol=1e-6)
    assert importance["band"].values.tolist() == ["theta", "alpha", "beta", "gamma"]
    assert importance.attrs["of"] == "share of the variance of the log-odds of 'tense'"


def test_the_electrode_that_tells_classes_apart_is_the_most_important():
    model = LinearClassifier(**(FAST | {"epochs": 20, "learning_rate": 0.03}))
    importance = electrode_importance(model.fit(bands_of(), LABELS), bands_of()).sum("band").to_series()
    first, second, *_ = importance.sort_values(ascending=False).items()
    assert first[0] == "F3"
    assert first[1] > 2 * second[1]


@pytest.mark.parametrize("name", ["rbtransformer", "rgnn"])
def test_electrodes_are_known_by_name_and_not_by_place(name, fitted):
    turned = bands_of(tuple(reversed(NAMES)))
    one, other = (integrated_gradients(fitted[name], X, n_steps=2) for X in (bands_of(), turned))
    assert_array_equal(one, other)
    assert one["channel"].values.tolist() == other["channel"].values.tolist() == list(NAMES)


def test_bands_and_what_lies_in_none_share_out_raw_windows(fitted):
    model = fitted["histn"]
    whole = electrode_importance(model, raw())
    importance = electrode_importance(model, raw(), bands=Bands.of(alpha=(8, 13), beta=(13, 30)))
    assert whole.dims == ("channel",)
    assert importance["band"].values.tolist() == ["alpha", "beta", "other"]
    assert_allclose(importance.sum("band"), whole, atol=1e-6)
    frequencies = integrated_gradients(model, raw(), spectral=True)
    said = frequencies.sum(("channel", "frequency"))
    # Windows of one second: the frequencies are whole numbers, and the upper edge belongs to the next band.
    alpha = frequencies.sel(frequency=[8, 9, 10, 11, 12]).sum("frequency")
    shares = (alpha * (said - said.mean())).mean("window") / said.var()
    assert_allclose(importance.sel(band="alpha"), shares, atol=1e-6)


def test_regions_hold_the_sum_of_their_electrodes(fitted):
    importance = electrode_importance(fitted["linear"], bands_of())
    lobes = region_importance(importance)
    assert lobes.dims == ("region", "band")
    assert float(lobes.sum()) == pytest.approx(1)
    left = importance.sel(channel=["AF3", "F7", "F3"]).sum("channel")
    assert_allclose(lobes.sel(region="left frontal"), left)
    own = region_importance(importance, [Region("two", ("O2", "AF3"))])
    assert_allclose(own.sel(region="two"), importance.sel(channel=["O2", "AF3"]).sum("channel"))
    assert own.attrs == importance.attrs


def test_tables_have_features():
    X = bands_of().values.reshape(N_WINDOWS, -1)
    model = MLPClassifier(hidden=(8,), **FAST).fit(X, LABELS)
    assert electrode_importance(model, X).dims == ("feature",)


def test_a_network_trained_otherwise_is_explained_like_itself():
    plain = HiSTNClassifier(sfreq=128, ch_names=NAMES, **FAST)
    X = raw()[:]
    found = integrated_gradients(TrainedWith(plain).fit(X, LABELS), X, n_steps=2, spectral=True)
    assert_allclose(found, integrated_gradients(plain.fit(X, LABELS), X, n_steps=2, spectral=True))


@pytest.mark.parametrize("labels", ["regression", "mixture"])
def test_whatever_gives_probabilities_has_log_odds(labels):
    model = HiSTNClassifier(labels=labels, **FAST).fit(raw(), LABELS)
    found = integrated_gradients(model, raw())
    assert_allclose(found.sum(("channel", "time")), log_odds(model, raw()) - at_mean(model), atol=0.02)


def test_log_odds_are_right_where_probabilities_are_rounded_to_one():
    model = LinearClassifier(**FAST).fit(bands_of(), LABELS)
    network: Any = model.network_.network
    with torch.no_grad():
        network.layer.weight.mul_(1e3)
    found = integrated_gradients(model, bands_of())
    assert np.abs(found.sum(("channel", "band"))).max() > 50
    assert found.attrs["gap"] < 1e-3 * float(np.abs(found.sum(("channel", "band"))).max())


def test_looking_changes_nothing(fitted):
    model, X = fitted["dgcnn"], bands_of()
    kept, before = X.copy(deep=True), model.predict_proba(X)
    integrated_gradients(model, X)
    assert X.identical(kept)
    assert_array_equal(model.predict_proba(X), before)
    assert all(weight.requires_grad and weight.grad is None for weight in model.network_.parameters())


class TestRefused:
    def test_a_class_that_there_is_not_or_that_must_be_named(self, fitted):
        with pytest.raises(ValueError, match="There is no class 'glad': use one of 'calm', 'tense'"):
            integrated_gradients(fitted["linear"], bands_of(), target="glad")
        three = LinearClassifier(**FAST).fit(bands_of(), np.arange(N_WINDOWS) % 3)
        with pytest.raises(ValueError, match="Say which of the classes 0, 1, 2 to look at"):
            integrated_gradients(three, bands_of())
        assert integrated_gradients(three, bands_of(), target=2).attrs["of"] == "log-odds of 2"

    def test_a_class_of_a_number(self):
        model = LinearRegressor(**FAST).fit(bands_of(), np.arange(32.0))
        with pytest.raises(ValueError, match=r"predicts one number\. Leave target=1 out"):
            integrated_gradients(model, bands_of(), target=1)

    def test_a_baseline_that_is_no_window(self, fitted):
        with pytest.raises(ValueError, match=r"must be a window, 14 x 4 .*, got shape \(3,\)"):
            integrated_gradients(fitted["linear"], bands_of(), baseline=[1, 2, 3])

    def test_no_steps_no_windows_and_no_fit(self, fitted):
        with pytest.raises(ValueError, match="at least one step, got n_steps=0"):
            integrated_gradients(fitted["linear"], bands_of(), n_steps=0)
        with pytest.raises(DataError, match="There is no window to look at"):
            integrated_gradients(fitted["linear"], bands_of()[:0])
        with pytest.raises(NotFittedError, match="has not been fitted: call fit first"):
            integrated_gradients(LinearClassifier(), bands_of())

    def test_frequencies_of_what_is_no_signal(self, fitted):
        with pytest.raises(ValueError, match="windows of channel x band, which have no frequencies"):
            electrode_importance(fitted["linear"], bands_of(), bands=SEED_BANDS)

    def test_bands_that_overlap(self, fitted):
        with pytest.raises(ValueError, match=r"Bands that overlap .*: low \(1-10 Hz\), high \(8-40 Hz\)"):
            electrode_importance(fitted["histn"], raw(), bands=Bands.of(low=(1, 10), high=(8, 40)))

    def test_windows_that_are_all_alike(self, fitted):
        with pytest.raises(DataError, match="is the same for all 4 windows"):
            electrode_importance(fitted["mlp"], bands_of()[[3, 3, 3, 3]])

    def test_regions_of_electrodes_without_names(self):
        model = LinearClassifier(**FAST).fit(bands_of().values, LABELS)
        with pytest.raises(DataError, match="needs electrodes with names"):
            region_importance(electrode_importance(model, bands_of().values))
