"""LGGNet against its size and its equations in NumPy, the graphs it gathers in, and power it can tell."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from support.copies import assert_stacked_is_alone, loss_learnt_by_heart
from support.raw_networks import Floats, Layers, correlate, leaky, n_parameters, pool, raw, shaken

from physioaffect.datasets import DEAP
from physioaffect.errors import DataError
from physioaffect.graphs import Input, LGGNet, LGGNetClassifier, local_graphs

REGIONS = [(3, 0), (1,), (2, 4)]


def tiny(seed: int = 0, **settings: Any) -> LGGNet:
    torch.manual_seed(seed)
    sizes: dict[str, Any] = {"n_channels": 5, "n_times": 60, "n_outputs": 3, "regions": REGIONS}
    more = {"n_taps": (12, 7, 3), "n_temporal": 3, "n_hidden": 4, "pool": 10, "step": 3, "dropout": 0.0}
    network: LGGNet = shaken(LGGNet(**(sizes | more | settings)))
    with torch.no_grad():  # So that some electrodes' features are cut off and some are not.
        network.local_bias.sub_(0.2)
    return network


def windows(n_batch: int = 4, seed: int = 1) -> torch.Tensor:
    return raw(n_batch, 5, 60, seed)


def about(names: tuple[str, ...], n_times: int = 128, sfreq: float | None = 128.0) -> Input:
    return Input(len(names), n_times, names, sfreq, 2)


# Its size.


def n_fused(n_times: int, taps: tuple[int, ...], width: int, step: int) -> int:
    return sum((n_times - own + 1 - width) // step + 1 for own in taps) // 2


@pytest.mark.parametrize(("kind", "R"), [("general", 11), ("frontal", 14), ("hemisphere", 17)])
def test_size_on_deap_is_the_sum_over_its_layers(kind, R):
    network = LGGNetClassifier(graphs=kind).network(about(DEAP.ch_names["eeg"], 512))
    d = 64 * n_fused(512, (64, 32, 16), 16, 4)
    layers = 64 * (64 + 32 + 16 + 3) + 65 * 64, 32 * (d + 1), R * R, 32 * (d + 1), 2 * (32 * R + 1)
    assert n_parameters(network) == sum(layers) + 2 * 2 * 64 + 2 * 2 * R
    assert kind != "hemisphere" or n_parameters(network) == 721_895


# The equations, in NumPy and double precision.


def local(own: Layers, x: Floats):
    """Features of the local graphs, (n_batch, n_regions, n_features)."""
    powers = []
    for number in range(3):
        kernels, biases = own[f"temporal.{number}.weight"][:, 0, 0], own[f"temporal.{number}.bias"]
        response = [correlate(x, kernel) + bias for kernel, bias in zip(kernels, biases, strict=True)]
        powers.append(np.log(pool(np.stack(response, axis=1) ** 2, 10, 3)))
    u = own.norm(np.concatenate(powers, axis=-1), "temporal_norm")
    fused = np.einsum("oi,bicn->bocn", own["fusion.weight"], u) + own["fusion.bias"][:, None, None]
    z = own.norm(pool(leaky(fused), 2), "fusion_norm")
    z = z.transpose(0, 2, 1, 3).reshape(len(x), 5, -1)
    filtered = np.maximum(own["local_weight"] * z - own["local_bias"], 0)
    return np.stack([filtered[:, list(rows)].mean(axis=1) for rows in REGIONS], axis=1)


def adjacency(own: Layers, features: Floats):
    similarity = np.einsum("bik,bjk->bij", features, features)
    joined = np.maximum((own["global_weight"] + own["global_weight"].T) * similarity, 0) + np.eye(
        len(REGIONS)
    )
    roots = np.sqrt(joined.sum(axis=-1))
    return joined / roots[:, :, None] / roots[:, None, :]


def reference(network: LGGNet, x: Floats):
    own = Layers(network)
    features = local(own, x)
    sent = own.norm(features, "local_norm") @ own["graph_weight"] - own["graph_bias"]
    g = own.norm(np.maximum(adjacency(own, features) @ sent, 0), "graph_norm")
    return g.reshape(len(x), -1) @ own["output.weight"].T + own["output.bias"]


@pytest.mark.parametrize("training", [True, False])
def test_follows_its_equations(training):
    network, x = tiny().train(training), windows()
    features = local(Layers(network), x.double().numpy())
    assert 0.1 < np.mean(features == 0) < 0.9
    assert_allclose(network(x).detach(), reference(network, x.double().numpy()), atol=1e-5)


def test_copies_in_a_stack_are_what_they_are_alone():
    networks = [tiny(seed, dropout=0.4) for seed in range(3)]
    assert_stacked_is_alone(networks, torch.stack([windows(6, seed) for seed in range(3)]))


def test_power_is_the_logarithm_of_the_mean_square():
    # A filter that passes all as it is; the mean square of a sine over whole periods is half of one.
    network: Any = tiny(n_times=66, n_taps=(3,), pool=16, step=8)
    with torch.no_grad():
        network.temporal[0].weight.zero_()[..., 1] = 1
        network.temporal[0].bias.zero_()
    amplitude = torch.tensor([0.5, 1, 2, 3, 10])[:, None]
    x = amplitude * torch.sin(2 * torch.pi * torch.arange(66) / 16 + 0.3)
    power = network._power(x[None]).detach()
    assert power.shape == (1, 3, 5, 7)
    expected = 2 * torch.log(amplitude) - math.log(2)
    assert_allclose(power[0], expected.expand(3, 5, 7), atol=1e-5)


def test_learns_a_batch_by_heart():
    assert loss_learnt_by_heart(tiny(), windows(12), steps=150) < 1e-3


# Its graphs.


def test_the_global_graph_is_symmetric_and_scaled_by_its_degrees():
    network, x = tiny().eval(), windows(20)
    found = network.region_adjacency(x).detach()
    assert_allclose(found, adjacency(Layers(network), local(Layers(network), x.double().numpy())), atol=1e-5)
    assert_allclose(found, found.mT, atol=1e-6)
    assert found.min() >= 0
    # Normalised so, no eigenvalue is beyond 1, and 1 is one.
    assert_allclose(torch.linalg.eigvalsh(found).amax(dim=-1), 1, atol=1e-5)
    assert (found - torch.diag_embed(found.diagonal(dim1=1, dim2=2))).max() > 0.05


def test_without_global_weights_local_graphs_keep_to_themselves():
    network = tiny().eval()
    with torch.no_grad():
        network.global_weight.zero_()
    assert_allclose(network.region_adjacency(windows()).detach(), torch.eye(3).expand(4, 3, 3), atol=1e-7)


def test_electrodes_may_be_relabelled():
    network, x, order = tiny().eval(), windows(), [3, 0, 4, 1, 2]
    relabelled = tiny(regions=[[order.index(row) for row in rows] for rows in REGIONS]).eval()
    relabelled.load_state_dict(network.state_dict())
    with torch.no_grad():
        relabelled.local_weight.copy_(network.local_weight[order])
        relabelled.local_bias.copy_(network.local_bias[order])
    expected = network(x).detach()
    assert_allclose(relabelled(x[:, order]).detach(), expected, atol=1e-5)
    assert not torch.allclose(network(x[:, order]), expected, atol=1e-3)


@pytest.mark.parametrize("kind", ["general", "frontal", "hemisphere"])
def test_local_graphs_are_found_by_name(kind):
    names = DEAP.ch_names["eeg"]
    shuffled = tuple(np.random.default_rng(0).permutation(names))
    for given in (names, shuffled):
        network = LGGNetClassifier(graphs=kind, n_temporal=2).network(about(given))
        weights = network.membership.numpy()
        found = {frozenset(np.array(given)[row > 0]) for row in weights}
        assert found == {frozenset(region.ch_names) for region in local_graphs(names, kind=kind)}
        assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)


# Bad input.


def test_electrodes_and_rate_must_be_known():
    names = ("F3", "F4")
    with pytest.raises(DataError, match=r"LGGNet needs to know its electrodes: pass ch_names=\(\.\.\.\)"):
        LGGNetClassifier().network(about(names)._replace(ch_names=None))
    with pytest.raises(DataError, match="LGGNet needs to know the sampling rate"):
        LGGNetClassifier().network(about(names, sfreq=None))
    with pytest.raises(ValueError, match="LGGNet has no local graphs 'lobes'"):
        LGGNetClassifier(graphs="lobes").network(about(names))  # type: ignore[arg-type]


@pytest.mark.parametrize("regions", [[(0, 1, 2, 3)], [(0, 1, 2, 3, 4), (4,)], [(0, 1, 2, 3, 5)]])
def test_each_row_is_in_one_region(regions):
    with pytest.raises(ValueError, match="needs each of 5 rows of a window in one region, got"):
        tiny(regions=regions)


@pytest.mark.parametrize("name", ["n_channels", "n_outputs", "n_temporal", "n_hidden", "pool", "step"])
def test_sizes_are_at_least_one(name):
    with pytest.raises(ValueError, match=f"LGGNet needs {name} of at least 1, got 0"):
        tiny(**{name: 0})


def test_short_windows_are_refused():
    with pytest.raises(
        ValueError, match="20 samples is too short for LGGNet's filters of 12, 7, 3 samples and"
    ):
        tiny(n_times=20)


@pytest.mark.parametrize(("n_channels", "n_times"), [(4, 60), (5, 61)])
def test_windows_of_another_montage_or_length_are_refused(n_channels, n_times):
    with pytest.raises(ValueError, match=f"5 electrodes x 60 samples, got {n_channels} x {n_times}"):
        tiny()(raw(2, n_channels, n_times))
