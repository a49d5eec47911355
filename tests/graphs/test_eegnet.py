"""EEGNet against its published size, the convolutions it is made of, and a rhythm that it must find."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from support.copies import assert_stacked_is_alone, loss_learnt_by_heart
from torch import Tensor, nn
from torch.nn import functional

from physioaffect.errors import DataError
from physioaffect.graphs import EEGNet, EEGNetClassifier, Input
from physioaffect.recording import Signal
from physioaffect.windows import Intervals, Windows

Floats = NDArray[np.float64]


def tiny(seed: int = 0, **settings: Any) -> EEGNet:
    """A network whose normalisations are not at 1 and 0, which would hide a mistake."""
    torch.manual_seed(seed)
    sizes = {"n_channels": 5, "n_times": 70, "n_outputs": 3, "n_filters": 3, "n_taps": 12}
    more = {"n_taps_separable": 6, "n_combined": 4, "dropout": 0.0}
    network = EEGNet(**(sizes | more | settings))
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if "norm" in name and value.is_floating_point():
                value.add_(0.3 * torch.rand_like(value))
        network.dense.bias.normal_()
    return network


def windows(n_batch: int = 4, n_channels: int = 5, n_times: int = 70, seed: int = 1) -> Tensor:
    return torch.randn(n_batch, n_channels, n_times, generator=torch.Generator().manual_seed(seed)) + 0.5


def n_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


# The paper's sizes, at 128 Hz: 64 electrodes for 1 s, 64 for 1.5 s, 22 for 2 s (filters of 1/4 s there).

PUBLISHED: dict[str, tuple[dict[str, Any], int, int]] = {
    "P300": ({"n_channels": 64, "n_times": 128, "n_outputs": 2}, 1_066, 2_258),
    "MRCP": ({"n_channels": 64, "n_times": 192, "n_outputs": 2}, 1_098, 2_322),
    "SMR": ({"n_channels": 22, "n_times": 256, "n_outputs": 4, "n_taps": 32}, 796, 1_716),
}


@pytest.mark.parametrize("task", PUBLISHED)
def test_sizes_are_the_published_ones(task):
    sizes, four, eight = PUBLISHED[task]
    assert n_parameters(EEGNet(**sizes, n_filters=4)) == four
    assert n_parameters(EEGNet(**sizes)) == eight


@pytest.mark.parametrize(("n_filters", "depth", "n_combined"), [(8, 2, None), (3, 4, 5), (1, 1, 1)])
def test_size_is_the_sum_over_its_layers(n_filters, depth, n_combined):
    network = tiny(n_filters=n_filters, depth=depth, n_combined=n_combined)
    n_spatial, combined = n_filters * depth, n_combined or n_filters * depth
    norms = 2 * (n_filters + n_spatial + combined)
    filters = n_filters * 12 + n_spatial * 5 + n_spatial * 6 + n_spatial * combined
    assert n_parameters(network) == filters + norms + 3 * (combined * (70 // 4 // 8) + 1)


# The equations as published, every response of every electrode, in NumPy and double precision.


def same(x: Floats, kernel: Floats):
    before = (len(kernel) - 1) // 2
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(before, len(kernel) - 1 - before)])
    return np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis=-1) @ kernel


def pool(x: Floats, size: int):
    n_pools = x.shape[-1] // size
    return x[..., : n_pools * size].reshape(*x.shape[:-1], n_pools, size).mean(axis=-1)


def elu(x: Floats):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


class Reference:
    """EEGNet's layers in the paper's order; statistics are those of the batch in training."""

    def __init__(self, network: EEGNet, *, training: bool) -> None:
        self.weights = {name: value.double().numpy() for name, value in network.state_dict().items()}
        self.training = training
        self.seen: dict[str, tuple[Floats, Floats]] = {}

    def norm(self, x: Floats, name: str):
        axes = (0, *range(2, x.ndim))
        shape = (1, -1) + (1,) * (x.ndim - 2)
        self.seen[name] = x.mean(axis=axes), x.var(axis=axes, ddof=1)
        mean, variance = x.mean(axis=axes), x.var(axis=axes)
        if not self.training:
            mean, variance = self.weights[f"{name}.running_mean"], self.weights[f"{name}.running_var"]
        scaled = (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + 1e-3)
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return scaled * weight.reshape(shape) + bias.reshape(shape)

    def __call__(self, x: Floats):
        own = self.weights
        u = self.norm(np.stack([same(x, kernel) for kernel in own["temporal"]], axis=1), "temporal_norm")
        v = np.einsum("fdc,bfct->bfdt", own["spatial"], u)
        v = pool(elu(self.norm(v.reshape(len(x), -1, x.shape[-1]), "spatial_norm")), 4)
        z = np.stack([same(v[:, row], kernel) for row, kernel in enumerate(own["separable"])], axis=1)
        z = self.norm(np.einsum("oi,bit->bot", own["pointwise"], z), "pointwise_norm")
        z = pool(elu(z), 8).reshape(len(x), -1)
        return z @ own["dense.weight"].T + own["dense.bias"]


@pytest.mark.parametrize("n_times", [70, 128])
def test_follows_its_equations_after_training(n_times):
    network, x = tiny(n_times=n_times).eval(), windows(n_times=n_times)
    expected = Reference(network, training=False)(x.double().numpy())
    assert_allclose(network(x).detach(), expected, atol=1e-5)


@pytest.mark.parametrize("n_taps", [12, 13, 90])
def test_follows_its_equations_in_training(n_taps):
    network, x = tiny(n_taps=n_taps).train(), windows()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    reference = Reference(network, training=True)
    assert_allclose(network(x).detach(), reference(x.double().numpy()), atol=1e-5)
    for name, (mean, variance) in reference.seen.items():  # As torch's batch normalisation remembers them.
        after = network.state_dict()
        for statistic, own in (("running_mean", mean), ("running_var", variance)):
            expected = 0.9 * before[f"{name}.{statistic}"].double() + 0.1 * torch.from_numpy(own)
            assert_allclose(after[f"{name}.{statistic}"], expected, atol=1e-5)


def test_has_the_gradients_of_the_convolutions_it_is_made_of():
    network, x, y = tiny(n_taps=13, n_taps_separable=5).train(), windows(), torch.tensor([0, 1, 2, 0])
    n_filters, depth, n_channels = network.spatial.shape
    kernel = network.temporal.detach().clone().requires_grad_()
    spatial = network.spatial.detach().clone().requires_grad_()
    u = functional.conv2d(x[:, None], kernel[:, None, None], padding="same")
    norm = network.temporal_norm
    weight, bias = (part.detach().clone().requires_grad_() for part in (norm.weight, norm.bias))
    u = functional.batch_norm(u, None, None, weight, bias, training=True, eps=norm.eps)
    u = functional.conv2d(u, spatial.reshape(-1, 1, n_channels, 1), groups=n_filters)
    separable = network.separable[:, None]
    v = functional.avg_pool1d(functional.elu(network.spatial_norm(u.squeeze(2))), 4)
    z = functional.conv1d(v, separable, groups=n_filters * depth, padding="same")
    z = functional.conv1d(z, network.pointwise[:, :, None])
    z = functional.avg_pool1d(functional.elu(network.pointwise_norm(z)), 8)
    published = functional.cross_entropy(network.dense(z.flatten(1)), y)
    expected = torch.autograd.grad(published, [kernel, spatial, weight, bias])
    own = [network.temporal, network.spatial, norm.weight, norm.bias]
    found = torch.autograd.grad(functional.cross_entropy(network(x), y), own)
    for gradient, right in zip(found, expected, strict=True):
        assert_allclose(gradient, right, atol=1e-6)


# What it cannot depend on.


def test_electrodes_may_be_relabelled():
    network, x, order = tiny().eval(), windows(), torch.tensor([3, 0, 4, 1, 2])
    expected = network(x).detach()
    assert not torch.allclose(network(x[:, order]), expected, atol=1e-3)
    with torch.no_grad():
        network.spatial.copy_(network.spatial[..., order].clone())
    assert_allclose(network(x[:, order]).detach(), expected, atol=1e-6)


def test_copies_in_a_stack_are_what_they_are_alone():
    networks = [tiny(seed, dropout=0.4) for seed in range(3)]
    assert_stacked_is_alone(networks, torch.stack([windows(6, seed=seed) for seed in range(3)]))


# What it learns.


def test_learns_a_batch_by_heart():
    assert loss_learnt_by_heart(tiny(), windows(12), steps=150, rate=0.03) < 1e-3


def rhythm(n_windows: int, frequency: float, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Noise of four electrodes; in half of the windows the third has a rhythm of any phase besides."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_windows, 4, 128))
    y = np.where(rng.permutation(n_windows) % 2, "rhythm", "rest")
    phase = rng.uniform(0, 2 * np.pi, size=(n_windows, 1))
    wave = np.sin(2 * np.pi * frequency * np.arange(128) / 128 + phase)
    X[y == "rhythm", 2] += 1.0 * wave[y == "rhythm"]
    return X, y


def as_windows(X: NDArray[np.float64], sfreq: float = 128.0) -> Windows:
    names = ("F3", "F4", "O1", "O2")
    trials = [Signal(data=x, sfreq=sfreq, ch_names=names, kind="eeg", unit="au") for x in X]
    return Windows(trials, [Intervals(np.zeros(1), X.shape[-1] / sfreq)] * len(X))


@pytest.mark.parametrize("frequency", [12.0, 30.0])
def test_its_filters_find_a_rhythm_planted_in_noise(frequency):
    X, y = rhythm(512, frequency)
    model = EEGNetClassifier(epochs=15, batch_size=32, learning_rate=5e-3, random_state=0, device="cpu")
    model.fit(as_windows(X[:384]), y[:384])
    assert model.score(as_windows(X[384:]), y[384:]) > 0.8
    network: Any = model.network_.network
    # How much of each frequency gets through to the third electrode's output, over all filters.
    spectrum = np.abs(np.fft.rfft(network.temporal_kernels().detach().numpy(), n=128)) ** 2
    share = np.einsum("fk,fd->k", spectrum, network.spatial_filters()[..., 2].detach().numpy() ** 2)
    assert abs(share[2:].argmax() + 2 - frequency) <= 2
    gains = (network.spatial_filters().detach().numpy() ** 2).sum(axis=(0, 1))
    assert gains.argmax() == 2


def test_weights_stay_within_the_published_bounds():
    X, y = rhythm(64, 12.0)
    model = EEGNetClassifier(epochs=2, batch_size=16, learning_rate=1.0, random_state=0, device="cpu")
    network: Any = model.fit(as_windows(X), y).network_.network
    assert_allclose(network.spatial.detach().norm(dim=-1), 1, atol=1e-5)  # Steps of 1 overshoot all of them.
    assert network.dense.weight.detach().norm(dim=-1).max() < 0.25 + 1e-6


# Windows at other rates, and bad input.


@pytest.mark.parametrize(("sfreq", "n_taps", "first"), [(128.0, 64, 4), (200.0, 100, 6), (256.0, 128, 8)])
def test_filters_and_pools_last_as_long_at_any_rate(sfreq, n_taps, first):
    about = Input(4, round(2 * sfreq), None, sfreq, 2)
    network = EEGNetClassifier().network(about)
    assert (network.temporal.shape[-1], network.pools) == (n_taps, (first, 8))


def test_the_rate_must_be_known_and_one():
    about = Input(4, 128, None, None, 2)
    with pytest.raises(DataError, match=r"EEGNet needs to know the sampling rate: pass sfreq=\.\.\. in Hz"):
        EEGNetClassifier().network(about)
    assert EEGNetClassifier(sfreq=128).network(about).temporal.shape[-1] == 64
    with pytest.raises(DataError, match=r"samples come at 128 Hz, the windows say 200 Hz. Leave sfreq out"):
        EEGNetClassifier(sfreq=128).network(about._replace(sfreq=200.0))
    with pytest.raises(DataError, match="a sampling rate above 0 Hz, got -1"):
        EEGNetClassifier(sfreq=-1).network(about)


@pytest.mark.parametrize("name", ["n_channels", "n_outputs", "n_filters", "depth", "n_combined", "n_taps"])
def test_sizes_are_at_least_one(name):
    with pytest.raises(ValueError, match=f"EEGNet needs {name} of at least 1, got 0"):
        tiny(**{name: 0})


def test_short_windows_are_refused():
    with pytest.raises(ValueError, match=r"averages 4 x 8 samples, a window has 31. Make windows longer"):
        tiny(n_times=31)


@pytest.mark.parametrize(("n_channels", "n_times"), [(4, 70), (5, 71)])
def test_windows_of_another_montage_or_length_are_refused(n_channels, n_times):
    with pytest.raises(ValueError, match=f"5 electrodes x 70 samples, got {n_channels} x {n_times}"):
        tiny()(windows(n_channels=n_channels, n_times=n_times))
