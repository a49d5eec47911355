"""DGCNN against its equations in NumPy, spectral theory, torch-geometric and TorchEEG."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from sklearn.base import clone
from torch import Tensor
from torch.func import functional_call, stack_module_state
from torch.nn import functional
from torch.testing import assert_close

from physioaffect.graphs import (
    DGCNN,
    DGCNNClassifier,
    DGCNNRegressor,
    normalised_laplacian,
    rescaled_laplacian,
)
from physioaffect.training import torch_threads

N_CHANNELS, N_BANDS, N_FILTERS, N_HIDDEN, N_CLASSES = 6, 4, 3, 7, 3
TORCHEEG: dict[str, Any] = {"basis": "powers", "band_norm": True, "bias": False}


@pytest.fixture(autouse=True)
def one_thread():
    """Several threads would wait for each other more than they work."""
    with torch_threads(1):
        yield


def tiny(seed: int = 0, **settings) -> DGCNN:
    torch.manual_seed(seed)
    sizes = {"n_channels": N_CHANNELS, "n_bands": N_BANDS, "n_outputs": N_CLASSES}
    network = DGCNN(**(sizes | {"n_filters": N_FILTERS, "n_hidden": N_HIDDEN} | settings)).eval()
    with torch.no_grad():  # Both signs, so that ReLU has edges to cut.
        network.filters.edges.sub_(0.1)
    return network


def windows(n_batch: int = 8, seed: int = 1) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(n_batch, N_CHANNELS, N_BANDS, generator=draw)


def gradient_of_graph(network: DGCNN, outputs: Tensor) -> Tensor:
    return torch.autograd.grad(outputs.square().sum(), [network.filters.edges])[0]


def n_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


# Sizes.


def test_size_on_seed_is_the_documented_one():
    assert n_parameters(DGCNN(n_channels=62, n_bands=5, n_outputs=3)) == 131_431
    # TorchEEG's own network, counted from its layers.
    graph, bands, hidden, output = 62**2, 2 * 5 * 32, 62 * 32 * 64 + 64, 64 * 3 + 3
    same = DGCNN(n_channels=62, n_bands=5, n_outputs=3, **TORCHEEG)
    assert n_parameters(same) == graph + bands + 2 * 5 + hidden + output == 131_409


@pytest.mark.parametrize(("n_channels", "n_bands", "order", "n_classes"), [(14, 4, 1, 2), (32, 5, 3, 9)])
def test_size_is_the_sum_over_its_layers(n_channels, n_bands, order, n_classes):
    network = DGCNN(n_channels=n_channels, n_bands=n_bands, n_outputs=n_classes, order=order)
    graph = n_channels**2 + ((order + 1) * n_bands + 1) * 32
    assert n_parameters(network) == graph + (n_channels * 32 + 1) * 64 + 65 * n_classes


# The equations, in NumPy and double precision.


def polynomials(edges: NDArray[np.float64], order: int, basis: str) -> list[NDArray[np.float64]]:
    graph = np.maximum(edges, 0)
    root = np.diag(1 / np.sqrt(graph.sum(axis=1)))
    spread = root @ graph @ root
    if basis == "powers":
        return [np.linalg.matrix_power(spread, k) for k in range(order + 1)]
    eye = np.eye(len(edges))
    rescaled = 2 * (eye - spread) / 2 - eye
    found = [eye, rescaled]
    for _ in range(order):
        found.append(2 * rescaled @ found[-1] - found[-2])
    return found[: order + 1]


@pytest.mark.parametrize("basis", ["chebyshev", "powers"])
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_follows_its_equations(basis, order, bias):
    network, x = tiny(basis=basis, order=order, bias=bias), windows()
    weights = {name: value.double().numpy() for name, value in network.state_dict().items()}
    mixing = weights["filters.mixing"]
    filtered = mixing[-1] if bias else np.zeros(N_FILTERS)
    for k, polynomial in enumerate(polynomials(weights["filters.edges"], order, basis)):
        heard = np.einsum("ij,bjf->bif", polynomial, x.double().numpy())
        filtered = filtered + heard @ mixing[k * N_BANDS : (k + 1) * N_BANDS]
    filtered = np.maximum(filtered, 0)
    assert_allclose(network.filters(x).detach(), filtered, atol=1e-5)
    hidden = np.maximum(filtered.reshape(len(x), -1) @ weights["hidden"] + weights["hidden_bias"], 0)
    output = hidden @ weights["output.weight"].T + weights["output.bias"]
    assert_allclose(network(x).detach(), output, atol=1e-5)


def test_bands_are_standardised_over_windows_and_electrodes_of_a_batch():
    network, x = tiny(band_norm=True).train(), 3 * windows() + torch.arange(N_BANDS)
    mean = x.double().numpy().mean(axis=(0, 1))
    spread = np.sqrt(x.double().numpy().var(axis=(0, 1)) + 1e-5)
    standardised = torch.from_numpy((x.numpy() - mean) / spread).float()
    plain = tiny()
    assert_close(network(x), plain(standardised), atol=1e-5, rtol=0)
    assert_allclose(network.state_dict()["norm.running_mean"], 0.1 * mean, rtol=1e-5)


# The graph filter against others and against theory.


def undirected(network: DGCNN) -> Tensor:
    """Make the graph an undirected one without loops."""
    edges = network.filters.edges.detach().abs()
    edges = (edges + edges.T).fill_diagonal_(0)
    network.load_state_dict({"filters.edges": edges}, strict=False)
    return edges


@pytest.mark.parametrize("order", [1, 2, 3])
def test_graph_filter_is_torch_geometrics_chebconv(order):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch_geometric.nn import ChebConv
    network, x = tiny(order=order), windows()
    layer, edges = network.filters, undirected(network)
    peer = ChebConv(N_BANDS, N_FILTERS, K=order + 1, normalization="sym")
    with torch.no_grad():
        for k, linear in enumerate(peer.lins):
            linear.weight.copy_(layer.mixing[k * N_BANDS : (k + 1) * N_BANDS].T)
        peer.bias.copy_(layer.mixing[-1])
    index = edges.nonzero().T
    expected = peer(x, index, edges[index[0], index[1]], lambda_max=torch.tensor(2.0)).relu()
    assert_close(layer(x), expected, atol=1e-5, rtol=0)


def test_graph_filter_is_a_filter_of_the_graphs_frequencies():
    network, x = tiny(order=3), windows()
    layer, edges = network.filters, undirected(network)
    root = edges.sum(dim=1).rsqrt()
    frequencies, waves = torch.linalg.eigh(torch.eye(N_CHANNELS) - root[:, None] * edges * root)
    filtered = layer.mixing[-1].expand(len(x), N_CHANNELS, N_FILTERS).clone()
    for k in range(4):
        gain = torch.cos(k * torch.arccos((frequencies - 1).clamp(-1, 1)))
        weights = layer.mixing[k * N_BANDS : (k + 1) * N_BANDS]
        filtered += waves @ (gain[:, None] * (waves.T @ x)) @ weights
    assert_close(layer(x), filtered.relu(), atol=1e-5, rtol=0)


def test_spread_is_the_rescaled_laplacian_turned_round():
    layer = tiny().filters
    expected = rescaled_laplacian(normalised_laplacian(layer.adjacency()), largest=2)
    assert_close(-layer.spread(), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("basis", ["chebyshev", "powers"])
def test_an_electrode_hears_as_many_edges_away_as_the_order_is(order, basis):
    layer, x = tiny(order=order, basis=basis).filters, windows()
    with torch.no_grad():  # Each hears of the next.
        layer.edges.copy_(torch.eye(N_CHANNELS).roll(1, dims=1))
    for away in range(1, N_CHANNELS):
        changed = x.clone()
        changed[:, away] += 5
        is_heard = not torch.allclose(layer(changed)[:, 0], layer(x)[:, 0])
        assert is_heard == (away <= order)


def test_relabelled_electrodes_give_the_same_answer_with_their_graph_relabelled():
    network, x, order = tiny(), windows(), torch.tensor([3, 0, 5, 1, 4, 2])
    before = network(x).detach()
    assert not torch.allclose(network(x[:, order]), before, atol=1e-3)
    with torch.no_grad():
        network.filters.edges.copy_(network.filters.edges[order][:, order].clone())
        rows = network.hidden.view(N_CHANNELS, N_FILTERS, N_HIDDEN)
        rows.copy_(rows[order].clone())
    assert_close(network(x[:, order]), before, atol=1e-5, rtol=0)


def test_every_edge_begins_above_zero_and_is_learned():
    network = DGCNN(n_channels=N_CHANNELS, n_bands=N_BANDS, n_outputs=2)
    assert network.adjacency().min() > 0
    assert gradient_of_graph(network, network(windows())).abs().min() > 0


def test_first_weights_are_drawn_as_the_page_says():
    torch.manual_seed(0)
    network = DGCNN(n_channels=62, n_bands=5, n_outputs=3)
    edges = network.filters.edges.detach()
    # Xavier's variance 2 / (62 + 62), and the fourth moment of a normal distribution.
    assert_allclose(edges.square().mean(), 1 / 62, rtol=0.05)
    assert_allclose(edges.pow(4).mean(), 3 / 62**2, rtol=0.15)
    # As nn.Linear draws: uniform up to the root of 1 / n_in, of which there are ten and 62 x 32.
    for weights, n_in in ((network.filters.mixing, 10), (network.hidden, 62 * 32)):
        assert_allclose(weights.detach().abs().max(), n_in**-0.5, rtol=0.03)
        assert_allclose(weights.detach().square().mean(), 1 / (3 * n_in), rtol=0.1)


def test_an_edge_below_zero_is_no_edge_and_stays_none():
    network = tiny()
    is_cut = network.filters.edges < 0
    assert is_cut.any()
    assert network.adjacency()[is_cut].max() == 0
    assert gradient_of_graph(network, network(windows()))[is_cut].abs().max() == 0


def test_a_node_without_edges_hears_itself_only_and_harms_none():
    network, x = tiny(), windows()
    with torch.no_grad():
        network.filters.edges[2] = -1
    spread = network.filters.spread().detach()
    assert_close(spread[2], torch.zeros(N_CHANNELS))
    assert_close(spread[:, 2], torch.zeros(N_CHANNELS))
    assert gradient_of_graph(network, network(x)).isfinite().all()


# TorchEEG.


REFERENCE = json.loads((Path(__file__).parent.parent / "data" / "torcheeg_dgcnn.json").read_text("utf-8"))


def wave(number: int, shape: tuple[int, ...]) -> Tensor:
    """The formula of tools/make_dgcnn_reference.py."""
    return torch.from_numpy(0.4 * np.sin((np.arange(np.prod(shape)) + 9 * number) ** 2).reshape(shape))


@pytest.mark.parametrize("n_layers", [2, 3, 4])
def test_equals_torcheegs_network_with_its_settings(n_layers):
    expected = REFERENCE["n_layers"][str(n_layers)]
    theirs = {name: wave(number, shape) for number, (name, shape) in enumerate(expected["shapes"].items())}
    network = tiny(order=n_layers - 1, n_hidden=64, **TORCHEEG).double()
    ours = {
        "filters.edges": theirs["A"],
        "filters.mixing": torch.cat([theirs[f"layer1.gc1.{k}.weight"] for k in range(n_layers)]),
        "norm.weight": theirs["BN1.weight"],
        "norm.bias": theirs["BN1.bias"],
        "hidden": theirs["fc1.linear.weight"].T,
        "hidden_bias": theirs["fc1.linear.bias"],
        "output.weight": theirs["fc2.linear.weight"],
        "output.bias": theirs["fc2.linear.bias"],
    }
    assert ours.keys() == dict(network.named_parameters()).keys()
    network.load_state_dict(ours, strict=False)
    x = 5 * wave(100, (5, N_CHANNELS, N_BANDS)) + 1
    training = network.train()(x)
    assert_allclose(training.detach(), expected["training"], rtol=1e-8)
    assert_allclose(gradient_of_graph(network, training), expected["gradient_of_A"], rtol=1e-7, atol=1e-8)
    for name in ("running_mean", "running_var"):
        assert_allclose(network.state_dict()[f"norm.{name}"], expected[name], rtol=1e-12)
    assert_allclose(network.eval()(x).detach(), expected["after_training"], rtol=1e-8)


# Copies trained as one.


@pytest.mark.parametrize("settings", [{}, {"order": 2}, TORCHEEG, {"dropout": 0.5}])
def test_copies_in_a_stack_are_what_they_are_alone(settings):
    networks = [tiny(seed, **settings).train() for seed in range(3)]
    x = torch.stack([windows(seed=seed) for seed in range(3)])
    masks = torch.rand(3, 8, N_CHANNELS * N_FILTERS).round() * 2
    y = torch.arange(8) % N_CLASSES

    def loss(state: dict[str, Tensor], buffers: dict[str, Tensor], mask: Tensor, x: Tensor) -> Tensor:
        state = state | buffers | {"dropout.mask": mask}
        return functional.cross_entropy(functional_call(networks[0], state, (x,)), y)

    both = torch.func.grad_and_value(loss)
    parameters, buffers = stack_module_state(networks)
    parameters = {name: value.detach() for name, value in parameters.items()}
    buffers = {name: value for name, value in buffers.items() if not name.endswith("mask")}
    alone = []
    for number, (mask, own) in enumerate(zip(masks, x, strict=True)):
        state = {name: value[number] for name, value in parameters.items()}
        kept = {name: value[number].clone() for name, value in buffers.items()}
        alone.append(both(state, kept, mask, own))
    gradients, losses = torch.vmap(both)(parameters, buffers, masks, x)
    for number, (gradient, value) in enumerate(alone):
        assert_close(losses[number], value)
        for name, expected in gradient.items():
            assert_close(gradients[name][number], expected, atol=1e-6, rtol=1e-4)


def test_dropout_acts_in_training_only():
    network, x = tiny(dropout=0.5), windows()
    assert_close(network(x), tiny()(x), atol=0, rtol=0)
    assert not torch.allclose(network.train()(x), network(x))


# Learning.


def test_learns_a_batch_by_heart():
    network, x, y = tiny(n_filters=8, n_hidden=16).train(), windows(12), torch.arange(12) % 3
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(200):
        optimiser.zero_grad()
        functional.cross_entropy(network(x), y).backward()
        optimiser.step()
    assert functional.cross_entropy(network(x), y).item() < 1e-3


QUICK: dict[str, Any] = {"batch_size": 32, "learning_rate": 1e-2, "random_state": 0, "device": "cpu"}


def test_classifier_learns_what_two_electrodes_say_together():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(512, 4, 2))
    y = np.where(X[:, 1, 0] * X[:, 2, 0] > 0, "same", "opposite")
    model = DGCNNClassifier(epochs=20, **QUICK).fit(X[:384], y[:384])
    assert model.score(X[384:], y[384:]) > 0.85


def test_regressor_predicts_numbers_in_their_unit():
    X = np.random.default_rng(0).normal(size=(512, 4, 2))
    y = 100 + 20 * np.abs(X[:, 0, 0])
    predicted = DGCNNRegressor(epochs=20, **QUICK).fit(X[:384], y[:384]).predict(X[384:])
    assert np.square(predicted - y[384:]).mean() < 0.2 * y.var()


def test_settings_are_those_of_the_constructor():
    settings = DGCNNClassifier().get_params()
    assert settings == DGCNNRegressor().get_params()
    assert clone(DGCNNRegressor(order=2, epochs=7)).get_params() == settings | {"order": 2, "epochs": 7}


# Bad input.


@pytest.mark.parametrize("name", ["n_channels", "n_bands", "n_outputs", "n_filters", "order", "n_hidden"])
def test_sizes_are_at_least_one(name):
    with pytest.raises(ValueError, match=f"DGCNN needs {name} of at least 1, got 0"):
        tiny(**{name: 0})


def test_what_is_unknown_is_refused():
    with pytest.raises(ValueError, match="Unknown basis 'fourier': use one of chebyshev, powers"):
        tiny(basis="fourier")
    with pytest.raises(ValueError, match="from 0 to below 1, got 1"):
        tiny(dropout=1)


@pytest.mark.parametrize(("n_channels", "n_bands"), [(1, 4), (7, 4), (6, 3)])
def test_windows_of_another_montage_are_refused(n_channels, n_bands):
    with pytest.raises(ValueError, match=f"of 6 electrodes x 4 bands, got {n_channels} x {n_bands}"):
        tiny()(torch.zeros(2, n_channels, n_bands))
