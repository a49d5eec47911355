"""GCB-Net against its equations in NumPy, and what its broad part keeps."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call, stack_module_state
from torch.nn import functional
from torch.testing import assert_close

from physioaffect.graphs import DGCNN, GCBNet, GCBNetClassifier
from physioaffect.training import torch_threads

Floats = NDArray[np.float64]

N_CHANNELS, N_BANDS, N_FILTERS, N_TAPS, N_CLASSES = 6, 4, 8, 3, 3
BLS: dict[str, Any] = {"bls": True, "n_feature_nodes": 5, "n_enhancement_nodes": 9}


@pytest.fixture(autouse=True)
def one_thread():
    """Several threads would wait for each other more than they work."""
    with torch_threads(1):
        yield


def tiny(seed: int = 0, **settings) -> GCBNet:
    torch.manual_seed(seed)
    sizes = {"n_channels": N_CHANNELS, "n_bands": N_BANDS, "n_outputs": N_CLASSES}
    return GCBNet(**(sizes | {"n_filters": N_FILTERS, "n_taps": N_TAPS} | settings)).eval()


def windows(n_batch: int = 8, n_channels: int = N_CHANNELS, seed: int = 1) -> Tensor:
    return torch.randn(n_batch, n_channels, N_BANDS, generator=torch.Generator().manual_seed(seed))


# Sizes.


@pytest.mark.parametrize(("bls", "expected"), [(False, 38_887), (True, 25_819)])
def test_size_on_seed_is_the_documented_one(bls, expected):
    network = GCBNet(n_channels=62, n_bands=5, n_outputs=3, bls=bls)
    graph = 62**2 + (2 * 5 + 1) * 64
    convolutions = (64 * 7 + 1) * 32 + (32 * 7 + 1) * 16
    last = (1_100 + 1) * 3 if bls else (62 * 64 + 31 * 32 + 31 * 16 + 1) * 3
    found = sum(parameter.numel() for parameter in network.parameters())
    assert found == graph + convolutions + last == expected


# The equations, in NumPy and double precision.


def convolved(x: Floats, weights: dict[str, Floats], name: str) -> Floats:
    """(n_batch, n_in, n_nodes) -> (n_batch, n_out, n_nodes), zeros beyond both ends."""
    side = N_TAPS // 2
    padded = np.pad(x, [(0, 0), (0, 0), (side, side)])
    seen = np.lib.stride_tricks.sliding_window_view(padded, N_TAPS, axis=2)
    mixed: Floats = np.einsum("oit,bint->bon", weights[f"{name}.weight"], seen)
    return mixed + weights[f"{name}.bias"][:, np.newaxis]


@pytest.mark.parametrize("n_channels", [6, 7])
@pytest.mark.parametrize("settings", [{}, BLS])
def test_follows_its_equations(n_channels, settings):
    network, x = tiny(n_channels=n_channels, **settings), windows(n_channels=n_channels)
    weights = {name: value.double().numpy() for name, value in network.state_dict().items()}
    root = np.diag(1 / np.sqrt(weights["filters.edges"].sum(axis=1)))
    heard = np.einsum("ij,bjf->bif", -root @ weights["filters.edges"] @ root, x.double().numpy())
    mixing = weights["filters.mixing"]
    graph = x.double().numpy() @ mixing[:N_BANDS] + heard @ mixing[N_BANDS:-1] + mixing[-1]
    first = np.maximum(graph, 0).transpose(0, 2, 1)
    second = np.maximum(convolved(first, weights, "convolutions.0"), 0)
    n_pairs = n_channels // 2
    second = second[..., : 2 * n_pairs].reshape(len(x), -1, n_pairs, 2).max(axis=-1)
    third = np.maximum(convolved(second, weights, "convolutions.1"), 0)
    for found, expected in zip(network.layers(x), (first, second, third), strict=True):
        assert_allclose(found.detach(), expected, atol=1e-5)
    broad = np.concatenate([layer.reshape(len(x), -1) for layer in (first, second, third)], axis=1)
    if settings:
        features = broad @ weights["nodes.feature"] + weights["nodes.feature_bias"]
        enhanced = np.tanh(features @ weights["nodes.enhancement"] + weights["nodes.enhancement_bias"])
        broad = np.concatenate([features, enhanced], axis=1)
    output = broad @ weights["output.weight"].T + weights["output.bias"]
    assert_allclose(network(x).detach(), output, atol=1e-5)


# What the broad part keeps.


def test_graph_filter_is_that_of_dgcnn():
    network, x = tiny(), windows()
    other = DGCNN(n_channels=N_CHANNELS, n_bands=N_BANDS, n_outputs=N_CLASSES, n_filters=N_FILTERS)
    other.filters.load_state_dict(network.filters.state_dict())
    assert_close(network.layers(x)[0], other.filters(x).transpose(1, 2))
    assert_close(network.adjacency(), other.adjacency())


def test_every_layer_reaches_the_output_directly():
    network, x = tiny(), windows()
    sizes = [layer[0].numel() for layer in network.layers(x)]
    weights = network.output.weight.detach().split(sizes, dim=1)
    parts = [layer.flatten(1) @ own.T for layer, own in zip(network.layers(x), weights, strict=True)]
    assert_close(network(x), sum(parts) + network.output.bias)
    assert all(part.abs().max() > 1e-3 for part in parts)


def test_order_of_electrodes_can_be_undone_only_by_mirroring():
    # A convolution knows who is next to whom, and nothing else: it can be read backwards, not shuffled.
    network, x = tiny(), windows()
    before = network(x).detach()
    with torch.no_grad():
        network.filters.edges.copy_(network.filters.edges.flip(0, 1))
        for convolution in network.convolutions:
            weight = convolution.get_parameter("weight")
            weight.copy_(weight.flip(2))
        sizes = [layer[0].numel() for layer in network.layers(x)]
        shapes = [layer.shape[1:] for layer in network.layers(x)]
        for own, shape in zip(network.output.weight.split(sizes, dim=1), shapes, strict=True):
            blocks = own.unflatten(1, shape)
            blocks.copy_(blocks.flip(2))
    assert_close(network(x.flip(1)), before, atol=1e-5, rtol=0)


@pytest.mark.parametrize("settings", [{}, BLS])
def test_dropout_acts_in_front_of_the_last_layer(settings):
    network, x = tiny(dropout=0.5, **settings), windows()
    before, bias = network(x).detach(), network.output.bias
    network.train().dropout.mask = torch.full((len(x), network.output.in_features), 3.0)
    assert_close(network(x), 3 * (before - bias) + bias, atol=1e-5, rtol=1e-5)


# The broad learning system.


def test_random_nodes_stay_as_they_were_drawn():
    network = tiny(**BLS)
    before = {name: value.clone() for name, value in network.named_buffers() if name.startswith("nodes")}
    assert set(before) == {
        f"nodes.{part}{end}" for part in ("feature", "enhancement") for end in ("", "_bias")
    }
    assert not any(name.startswith("nodes") for name, _ in network.named_parameters())
    optimiser = torch.optim.Adam(network.parameters(), lr=0.1)
    network(windows()).square().sum().backward()
    optimiser.step()
    for name, value in before.items():
        assert_close(network.get_buffer(name), value, atol=0, rtol=0)
    # They are part of what is saved, and drawn anew for another seed.
    assert before.keys() <= network.state_dict().keys()
    assert not torch.equal(tiny(seed=1, **BLS).get_buffer("nodes.feature"), before["nodes.feature"])


def test_graph_is_learned_through_the_random_nodes():
    network = tiny(**BLS)
    gradient = torch.autograd.grad(network(windows()).square().sum(), [network.filters.edges])[0]
    assert gradient.abs().max() > 1e-4


def test_enhancement_weights_are_orthonormal():
    network = tiny(**BLS)
    weights = network.get_buffer("nodes.enhancement")
    assert_close(weights @ weights.T, torch.eye(5), atol=1e-5, rtol=0)


# Copies trained as one.


@pytest.mark.parametrize("settings", [{}, BLS])
def test_copies_in_a_stack_are_what_they_are_alone(settings):
    networks = [tiny(seed, **settings).train() for seed in range(3)]
    x = torch.stack([windows(seed=seed) for seed in range(3)])
    masks = torch.rand(3, 8, networks[0].output.in_features).round() * 2
    y = torch.arange(8) % N_CLASSES

    def loss(state: dict[str, Tensor], buffers: dict[str, Tensor], mask: Tensor, x: Tensor) -> Tensor:
        state = state | buffers | {"dropout.mask": mask}
        return functional.cross_entropy(functional_call(networks[0], state, (x,)), y)

    both = torch.func.grad_and_value(loss)
    parameters, buffers = stack_module_state(networks)
    parameters = {name: value.detach() for name, value in parameters.items()}
    buffers = {name: value for name, value in buffers.items() if not name.endswith("mask")}
    gradients, losses = torch.vmap(both)(parameters, buffers, masks, x)
    for number in range(3):
        state = {name: value[number] for name, value in parameters.items()}
        kept = {name: value[number] for name, value in buffers.items()}
        gradient, value = both(state, kept, masks[number], x[number])
        assert_close(losses[number], value)
        for name, expected in gradient.items():
            assert_close(gradients[name][number], expected, atol=1e-6, rtol=1e-4)


# Learning.


@pytest.mark.parametrize("settings", [{}, {"bls": True, "n_feature_nodes": 20, "n_enhancement_nodes": 100}])
def test_learns_a_batch_by_heart(settings):
    network = tiny(dropout=0.0, **settings).train()
    x, y = windows(12), torch.arange(12) % N_CLASSES
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-2)
    for _ in range(150):
        optimiser.zero_grad()
        functional.cross_entropy(network(x), y).backward()
        optimiser.step()
    assert functional.cross_entropy(network(x), y).item() < 1e-3


@pytest.mark.parametrize("bls", [False, True])
def test_classifier_learns_what_two_electrodes_say_together(bls):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(512, 4, 2))
    y = np.where(X[:, 1, 0] * X[:, 2, 0] > 0, "same", "opposite")
    quick: dict[str, Any] = {"batch_size": 32, "learning_rate": 1e-2, "random_state": 0, "device": "cpu"}
    model = GCBNetClassifier(n_filters=16, bls=bls, dropout=0.1, epochs=20, **quick)
    assert model.fit(X[:384], y[:384]).score(X[384:], y[384:]) > 0.85


# Bad input.


def test_settings_out_of_range_are_refused():
    for name in ("n_bands", "n_outputs", "order", "n_feature_nodes", "n_enhancement_nodes"):
        with pytest.raises(ValueError, match=f"GCBNet needs {name} of at least 1, got 0"):
            tiny(**{name: 0})
    with pytest.raises(ValueError, match=r"pools two electrodes at a time, got 1\. Pass more"):
        tiny(n_channels=1)
    with pytest.raises(ValueError, match=r"halves its filters twice, got n_filters=6\. Take a"):
        tiny(n_filters=6)
    with pytest.raises(ValueError, match="an odd number of taps, got 4"):
        tiny(n_taps=4)


def test_windows_of_another_montage_are_refused():
    with pytest.raises(ValueError, match="of 6 electrodes x 4 bands, got 7 x 4"):
        tiny()(windows(n_channels=7))
