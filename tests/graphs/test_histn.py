"""HiSTN against its published size and its equations in NumPy, and what it cannot depend on."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from support.histn_numpy import Reference
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state
from torch.nn import functional

from physioaffect.errors import DataError
from physioaffect.graphs import (
    HISTN_HIERARCHIES,
    HISTN_LABELS,
    Hierarchy,
    HiSTN,
    Region,
    lobes,
    neighbouring,
)

DREAMER = ("AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4")
CAP = ["Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz", "C4", "T8", "P7", "P3", "Pz", "P4", "P8"]


def histn(version: str = "V0", seed: int = 0, **settings) -> HiSTN:
    """A network none of whose weights and statistics is at a value that would hide a mistake."""
    torch.manual_seed(seed)
    defaults: dict[str, Any] = {"n_outputs": 5, "hierarchy": HISTN_HIERARCHIES[version], "n_taps": 9}
    network = HiSTN(**(defaults | settings))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "norm" in name or "bias" in name:
                parameter.add_(0.4 * torch.randn_like(parameter))
            if name == "region_fusion.weight":
                parameter.mul_(4)
        for name, buffer in network.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(std=0.3)
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 2)
    return network


def windows(n_batch: int = 4, n_channels: int = 14, n_times: int = 40, seed: int = 1) -> Tensor:
    return torch.randn(n_batch, n_channels, n_times, generator=torch.Generator().manual_seed(seed))


def n_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


# Published sizes.


def test_every_layer_has_the_published_number_of_weights():
    counted: dict[str, int] = {}
    for name, parameter in HiSTN(n_outputs=5).named_parameters():
        layer = "norm" if "norm" in name else name.removesuffix(".weight").removesuffix(".bias")
        counted[layer] = counted.get(layer, 0) + parameter.numel()
    assert counted == {
        "filters.temporal": 512,
        "filters.mixing": 112,
        "filters.smoothing": 70,
        "norm": 3 * 28,
        "within_regions.messages": 12,
        "within_regions.separable": 70,
        "within_regions.pointwise": 50,
        "region_fusion": 128,
        "region_messages": 3,
        "head_fusion": 40,
        "output": 100,
    }
    assert sum(counted.values()) == 1181
    statistics = [buffer for name, buffer in HiSTN(n_outputs=5).named_buffers() if "running" in name]
    assert sum(buffer.numel() for buffer in statistics) == 84


@pytest.mark.parametrize(
    ("version", "fusion", "expected"),
    # Filters, mixing, second filters, normalisation are 778; then messages, separable, fusion, output.
    [
        ("V0", "grouped", 778 + (12 + 3) + (70 + 50) + 2 * 6 * 14 + 2 * 20 + 100),
        ("V1", "dense", 778 + (12 + 3) + (70 + 40) + 2 * (40 + 14) + 2 * 30 + 105),
        ("V2", "dense", 778 + (12 + 2) + (70 + 66) + 2 * (66 + 14) + 2 * 12 + 95),
    ],
)
def test_size_of_the_other_hierarchies_and_fusion(version, fusion, expected):
    assert n_parameters(HiSTN(n_outputs=5, hierarchy=HISTN_HIERARCHIES[version], fusion=fusion)) == expected


# The equations, layer by layer.


@pytest.mark.parametrize("fusion", ["dense", "grouped"])
@pytest.mark.parametrize("version", ["V0", "V1", "V2"])
def test_layer_by_layer_gives_the_same(version, fusion):
    network = histn(version, fusion=fusion).eval()
    reference = Reference(network, version, is_training=False)
    assert_allclose(network(windows()).detach(), reference(windows()), atol=1e-5)


@pytest.mark.parametrize(("n_times", "n_taps"), [(128, 64), (41, 8), (6, 64), (301, 64)])
def test_layer_by_layer_at_any_length(n_times, n_taps):
    network = histn(n_taps=n_taps).eval()
    x = windows(n_times=n_times)
    assert_allclose(network(x).detach(), Reference(network, "V0", is_training=False)(x), atol=1e-5)


def test_layer_by_layer_with_the_statistics_of_the_batch():
    network = histn(dropout=0.0)
    x = windows(n_batch=9)
    assert_allclose(network(x).detach(), Reference(network, "V0", is_training=True)(x), atol=1e-5)


# The first layers, as torch has them: eight signals of each electrode, mixed and filtered once more.


def from_batch(x, norm):
    return functional.batch_norm(x, None, None, norm.weight, norm.bias, training=True, eps=1e-3)


def published_filters(network, x):
    filters = network.filters
    n_taps = filters.temporal.shape[1]
    padded = functional.pad(x, ((n_taps - 1) // 2, n_taps // 2))
    each = functional.conv2d(padded[:, None], filters.temporal[:, None, None])
    mixed = torch.einsum("bfct, cf -> bct", each, filters.mixing[..., 0])
    normed = from_batch(mixed, filters.mixing_norm)
    smoothed = functional.conv1d(functional.elu(normed), filters.smoothing[:, None], groups=x.shape[1])
    normed = from_batch(smoothed, filters.smoothing_norm)
    return mixed, functional.avg_pool1d(functional.elu(normed), 2)


@pytest.mark.parametrize(("n_times", "n_taps"), [(128, 64), (131, 7), (10, 64), (300, 64), (257, 90)])
def test_one_kernel_an_electrode_stands_for_two_layers_forwards_and_backwards(n_times, n_taps):
    network = histn(n_taps=n_taps).double()
    x = windows(n_times=n_times).double().requires_grad_()
    inputs = [x, *network.filters.parameters()]
    collapsed = network.filters(x.transpose(0, 1))
    published = published_filters(network, x)[1].transpose(0, 1)
    assert_allclose(collapsed.detach(), published.detach(), atol=1e-10)
    direction = torch.randn_like(published)
    gradients = torch.autograd.grad(collapsed, inputs, direction)
    expected = torch.autograd.grad(published, inputs, direction)
    for gradient, one in zip(gradients, expected, strict=True):
        assert_allclose(gradient, one, atol=1e-9)


def test_running_statistics_take_on_a_hundredth_of_each_batch():
    network = histn()
    running = network.filters.get_buffer("mixing_norm.running_mean")
    before = running.clone()
    x = windows(n_batch=9)
    network(x)
    expected = 0.99 * before + 0.01 * published_filters(network, x)[0].mean(dim=(0, 2))
    assert_allclose(running, expected.detach(), atol=1e-6)


# What it cannot depend on, and what must reach every weight.


def test_electrodes_are_found_by_name_in_any_order_and_spelling():
    x = windows()
    straight = histn().eval()
    order = np.random.default_rng(0).permutation(14)
    spelt = [f"EEG {DREAMER[i].upper()}-REF" for i in order]
    shuffled = histn(ch_names=spelt).eval()
    assert_allclose(shuffled(x[:, order]).detach(), straight(x).detach(), atol=1e-6)
    assert_allclose(shuffled.adjacency().detach(), straight.adjacency().detach()[order][:, order])
    assert_allclose(shuffled.electrode_kernels().detach(), straight.electrode_kernels().detach()[order])


def test_other_regions_are_not_heard_and_every_electrode_of_a_connected_one_is():
    with torch.no_grad():
        heard = histn().adjacency().numpy()
    region = np.repeat([0, 1, 2, 3], [4, 3, 3, 4])
    assert np.all(heard[region[:, None] != region] == 0)
    # Two hops reach across regions of three and four electrodes.
    assert np.all(heard[region[:, None] == region] != 0)
    assert_allclose(heard, heard.T, atol=1e-6)


def test_dropout_is_idle_in_prediction_and_scales_in_training():
    x = windows()
    network, without = histn(dropout=0.5), histn(dropout=0.0)
    assert_allclose(network.eval()(x).detach(), without.eval()(x).detach())
    network.train().dropout.mask = torch.full((14, 4, 18), 1.0)
    network.output_dropout.mask = torch.full((4, 19), 3.0)
    bias = without.output.bias
    expected = 3 * (without.train()(x) - bias) + bias
    assert_allclose(network(x).detach(), expected.detach(), atol=1e-5)


@pytest.mark.parametrize("fusion", ["dense", "grouped"])
@pytest.mark.parametrize("labels", sorted(HISTN_LABELS))
def test_gradients_reach_every_weight_under_every_label_mode(labels, fusion):
    loss = HISTN_LABELS[labels]
    network = histn(n_outputs=loss.n_outputs(5), fusion=fusion, dropout=0.0)
    y = torch.tensor([0, 1, 2, 3, 4, 4])
    loss(network(windows(n_batch=6)), loss.targets(y, 5)).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None
        # Each single weight, for none may be cut off: the softmax alone ignores what all its scores share.
        reached = (parameter.grad.abs() > 1e-12).float().mean().item()
        assert reached > 0.99 or ("mixing" in name and reached > 0.9), name


@pytest.mark.parametrize("fusion", ["dense", "grouped"])
def test_a_stack_gives_what_each_gives_alone(fusion):
    networks = [histn(seed=seed, fusion=fusion) for seed in range(3)]
    x = torch.stack([windows(seed=10 + seed) for seed in range(3)])
    y = torch.tensor([[0, 1, 2, 3], [4, 4, 0, 2], [1, 1, 3, 0]])
    masks = (torch.rand(3, 14, 4, 18) < 0.5).float() * 2
    features = (torch.rand(3, 4, 19) < 0.5).float() * 2
    parameters, buffers = stack_module_state([histn(seed=seed, fusion=fusion) for seed in range(3)])

    def loss(weights, statistics, mask, feature, own, labels):
        state = weights | statistics | {"dropout.mask": mask, "output_dropout.mask": feature}
        return functional.cross_entropy(functional_call(networks[0], state, own), labels)

    losses = torch.vmap(loss)(parameters, buffers, masks, features, x, y)
    losses.sum().backward()
    for number, network in enumerate(networks):
        network.dropout.mask, network.output_dropout.mask = masks[number], features[number]
        alone = functional.cross_entropy(network(x[number]), y[number])
        alone.backward()
        assert_allclose(losses[number].item(), alone.item(), rtol=1e-5)
        for name, parameter in network.named_parameters():
            assert parameters[name].grad is not None
            assert parameter.grad is not None
            assert_allclose(parameters[name].grad[number], parameter.grad, atol=2e-6, err_msg=name)
        for name, statistic in network.named_buffers():
            if "running" in name:
                assert_allclose(buffers[name][number], statistic, atol=1e-6, err_msg=name)


# Bounds and first weights.


def test_bounds_of_weights_are_those_of_keras():
    network = histn(fusion="grouped")
    parameters = dict(network.named_parameters())
    assert network.max_norms.keys() == {
        "filters.mixing",
        "filters.smoothing",
        "within_regions.pointwise",
        "region_fusion.pointwise",
    }
    for name, bound in network.max_norms.items():
        long = 3 * parameters[name].detach() / parameters[name].detach().std()
        bounded = bound(long)
        if name == "filters.smoothing":  # Keras' axis 0 is time there: the five taps of an electrode.
            assert_allclose(bounded.norm(dim=-1), long.norm(dim=-1).clamp(max=1), rtol=1e-6)
            assert_allclose(functional.cosine_similarity(bounded, long), torch.ones(14), rtol=1e-6)
        else:  # Its axis 0 has one entry there, so that each weight is cut by itself.
            assert_allclose(bounded, long.clamp(-1, 1), rtol=1e-6)
    assert "region_fusion.pointwise" not in histn().max_norms


def test_first_weights_are_glorots_with_the_fans_of_keras():
    torch.manual_seed(0)
    networks = [HiSTN(n_outputs=5) for _ in range(20)]

    def drawn(name: str) -> Tensor:
        return torch.cat([network.get_parameter(name).detach().flatten() for network in networks])

    # sqrt(6 / (fan_in + fan_out)): Keras multiplies the sizes before the last two by each of those.
    limits = {
        "filters.temporal": 6 / (64 + 64 * 8),
        "filters.mixing": 6 / (8 * 14 + 8),
        "filters.smoothing": 6 / (5 * 14 + 5),
        "within_regions.messages": 6 / (3 + 3),
        "region_messages": 6 / (3 + 3),
        "head_fusion.weight": 6 / (4 + 4),
        "output.weight": 6 / (19 + 5),
        "within_regions.pointwise": 6 / (3 + 3),
        "within_regions.separable": 6 / (5 * 3 + 5),
    }
    for name, squared in limits.items():
        assert_allclose(drawn(name).abs().max(), np.sqrt(squared), rtol=0.05, err_msg=name)
    for name in ("head_fusion.bias", "region_fusion.bias", "output.bias"):
        assert torch.all(drawn(name) == 0)
    networks = [HiSTN(n_outputs=5, fusion="grouped") for _ in range(20)]
    # Of three electrodes one signal is made.
    assert_allclose(drawn("region_fusion.pointwise").abs().max(), np.sqrt(6 / (3 + 1)), rtol=0.05)
    assert_allclose(drawn("region_fusion.taps").abs().max(), np.sqrt(6 / (5 * 3 + 5)), rtol=0.05)


# Any montage.


@pytest.mark.parametrize("fusion", ["dense", "grouped"])
def test_any_cap_with_regions_will_do(fusion):
    regions = lobes(CAP, halves=True)
    assert min(len(region.ch_names) for region in regions) == 1
    network = HiSTN(n_outputs=2, hierarchy=neighbouring(regions), ch_names=CAP, fusion=fusion)
    outputs = network(windows(n_channels=17))
    outputs.sum().backward()
    assert outputs.shape == (4, 2)
    assert torch.isfinite(outputs).all()


def test_a_region_of_one_electrode_hears_itself():
    pair = Region("pair", ("F3", "F4"), (("F3", "F4"),))
    alone = Hierarchy("two", (pair, Region("one", ("Cz",))), (("pair", "one"),), (1, 2), 1)
    network = HiSTN(n_outputs=2, hierarchy=alone)
    # With no edge the rescaled Laplacian is -1, of which the polynomials are 1, -1, 1.
    weights = network.within_regions.messages.detach()[2:]
    assert_allclose(network.adjacency().detach()[2, 2], weights @ torch.tensor([1.0, -1.0, 1.0]), rtol=1e-6)


# Bad input.


def test_what_does_not_fit_is_refused():
    with pytest.raises(DataError, match=r"region 'left frontal' needs AF3, which the 13 channels lack"):
        HiSTN(n_outputs=5, ch_names=DREAMER[1:])
    with pytest.raises(DataError, match=r"'HiSTN V0' has no region for Cz, Pz\. Leave these channels out"):
        HiSTN(n_outputs=5, ch_names=["Cz", *DREAMER, "Pz"])
    with pytest.raises(ValueError, match=r"no fusion 'sparse': use dense or grouped"):
        HiSTN(n_outputs=5, fusion="sparse")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"n_taps of at least 1, got 0"):
        HiSTN(n_outputs=5, n_taps=0)
    with pytest.raises(ValueError, match=r"windows of 14 electrodes and at least 6 samples, got 13 x 40"):
        HiSTN(n_outputs=5)(windows(n_channels=13))
