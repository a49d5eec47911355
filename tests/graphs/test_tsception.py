"""TSception against its size and its equations in NumPy, and what its halves of the head mean."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from support.copies import assert_stacked_is_alone, loss_learnt_by_heart
from support.raw_networks import Floats, Layers, correlate, leaky, n_parameters, pool, raw, shaken

from physioaffect.datasets import DEAP
from physioaffect.errors import DataError
from physioaffect.graphs import Input, TSception, TSceptionClassifier

PAIRS = [(0, 4), (3, 1)]


def tiny(seed: int = 0, **settings: Any) -> TSception:
    torch.manual_seed(seed)
    sizes: dict[str, Any] = {"n_channels": 5, "n_times": 60, "n_outputs": 3, "pairs": PAIRS, "pool": 4}
    more = {"n_taps": (12, 7, 3), "n_temporal": 3, "n_spatial": 4, "n_hidden": 6, "dropout": 0.0}
    network: TSception = shaken(TSception(**(sizes | more | settings)))
    return network


def windows(n_batch: int = 4, seed: int = 1) -> torch.Tensor:
    return raw(n_batch, 5, 60, seed)


def about(names: tuple[str, ...], n_times: int = 128, sfreq: float | None = 128.0) -> Input:
    return Input(len(names), n_times, names, sfreq, 2)


# Its size.


def test_size_on_deap_is_that_of_the_authors_network():
    names = DEAP.ch_names["eeg"]
    network = TSceptionClassifier().network(about(names, 512))
    # Three lengths of 15 filters; 28 and 14 electrodes; three views; two layers; three normalisations.
    temporal, spatial = 15 * (64 + 32 + 16 + 3), 15 * (15 * 28 + 1) + 15 * (15 * 14 + 1)
    assert n_parameters(network) == temporal + spatial + 15 * (15 * 3 + 1) + 16 * 32 + 33 * 2 + 3 * 30
    assert n_parameters(network) == 12_563


@pytest.mark.parametrize(("T", "S", "H", "K", "n_pairs"), [(15, 15, 32, 2, 14), (3, 4, 6, 5, 2)])
def test_size_is_the_sum_over_its_layers(T, S, H, K, n_pairs):
    pairs = [(number, number + n_pairs) for number in range(n_pairs)]
    network = TSception(
        n_channels=2 * n_pairs, n_times=99, n_outputs=K, pairs=pairs, n_temporal=T, n_spatial=S, n_hidden=H
    )
    C, k = 2 * n_pairs, 64 + 32 + 16
    assert n_parameters(network) == T * (k + 5) + S * (3 * T * C // 2 + 3 * S + 7) + H * (S + 1) + K * (H + 1)


# The equations, in NumPy and double precision.


def views(own: Layers, u: Floats):
    """Responses over the whole head, its left and its right half: (n_batch, n_spatial, 3, n)."""
    left, right = np.split(u, 2, axis=2)
    parts = [("whole_head", u), ("either_half", left), ("either_half", right)]
    maps = [
        np.einsum("stc,btcn->bsn", own[f"{name}.weight"].reshape(-1, *part.shape[1:3]), part)
        for name, part in parts
    ]
    return np.stack(
        [row + own[f"{name}.bias"][:, None] for row, (name, _) in zip(maps, parts, strict=True)], axis=2
    )


def reference(network: TSception, x: Floats):
    own = Layers(network)
    x = x[:, [left for left, _ in PAIRS] + [right for _, right in PAIRS]]
    scales = []
    for number in range(3):
        kernels, biases = own[f"temporal.{number}.weight"][:, 0, 0], own[f"temporal.{number}.bias"]
        response = [correlate(x, kernel) + bias for kernel, bias in zip(kernels, biases, strict=True)]
        scales.append(pool(leaky(np.stack(response, axis=1)), 4))
    u = own.norm(np.concatenate(scales, axis=-1), "temporal_norm")
    v = own.norm(pool(leaky(views(own, u)), 2), "spatial_norm")
    fusion = own["fusion.weight"].reshape(-1, *v.shape[1:3])
    z = np.einsum("osv,bsvn->bon", fusion, v) + own["fusion.bias"][:, None]
    z = own.norm(pool(leaky(z), 4), "fusion_norm").mean(axis=-1)
    hidden = np.maximum(z @ own["output.0.weight"].T + own["output.0.bias"], 0)
    return hidden @ own["output.3.weight"].T + own["output.3.bias"]


@pytest.mark.parametrize("training", [True, False])
def test_follows_its_equations(training):
    network, x = tiny().train(training), windows()
    expected = reference(network, x.double().numpy())
    assert_allclose(network(x).detach(), expected, atol=1e-5)


def test_copies_in_a_stack_are_what_they_are_alone():
    networks = [tiny(seed, dropout=0.4) for seed in range(3)]
    assert_stacked_is_alone(networks, torch.stack([windows(6, seed) for seed in range(3)]))


def test_shows_its_filters_of_all_lengths():
    network: Any = tiny()
    kernels = network.temporal_kernels()
    assert kernels.shape == (9, 12)
    assert not kernels[3:6, 7:].any()
    assert_allclose(kernels[3:6, :7].detach(), network.temporal[1].weight[:, 0, 0].detach())


def test_learns_a_batch_by_heart():
    assert loss_learnt_by_heart(tiny(), windows(12), steps=150) < 1e-3


# The halves of the head.


def test_what_mirrors_nothing_is_not_looked_at():
    network, x = tiny().eval(), windows()
    changed = x.clone()
    changed[:, 2] += 100
    assert_allclose(network(changed).detach(), network(x).detach(), atol=0)


def test_a_network_that_treats_the_halves_alike_does_not_see_a_mirrored_head():
    network, x = tiny().eval(), windows()
    mirrored = x[:, [4, 3, 2, 1, 0]]
    assert not torch.allclose(network(mirrored), network(x), atol=1e-3)
    with torch.no_grad():
        whole = network.whole_head.weight.view(4, 3, 2, 2)  # Filters, temporal ones, halves, pairs.
        whole[:, :, 1] = whole[:, :, 0]
        fusion = network.fusion.weight.view(4, 4, 3)
        fusion[..., 2] = fusion[..., 1]
    # The weights over a half are shared already.
    assert_allclose(network(mirrored).detach(), network(x).detach(), atol=1e-5)


def test_electrodes_are_told_by_name_and_not_by_place():
    names = ("F3", "C3", "O1", "Fz", "F4", "C4", "O2")
    order = [6, 0, 3, 5, 1, 4, 2]  # The left ones in the same order, the others anywhere.
    settings = TSceptionClassifier(n_temporal=3, n_spatial=4, n_hidden=5, dropout=0)
    shuffled = tuple(names[row] for row in order)
    assert shuffled == ("O2", "F3", "Fz", "C4", "C3", "F4", "O1")
    networks = []
    for given in (names, shuffled):
        torch.manual_seed(0)
        networks.append(shaken(settings.network(about(given))))
    x = raw(3, 7, 128)
    assert_allclose(networks[1](x[:, order]).detach(), networks[0](x).detach(), atol=1e-6)
    assert not torch.allclose(networks[0](x[:, order]), networks[0](x), atol=1e-3)


def test_order_on_deap_is_the_authors():
    names = DEAP.ch_names["eeg"]
    chosen = [names[row] for row in TSceptionClassifier().network(about(names)).order]
    left = "Fp1 AF3 F3 F7 FC5 FC1 C3 T7 CP5 CP1 P3 P7 PO3 O1"
    right = "Fp2 AF4 F4 F8 FC6 FC2 C4 T8 CP6 CP2 P4 P8 PO4 O2"
    assert chosen == f"{left} {right}".split()


# Bad input.


def test_electrodes_must_be_known_and_mirror_each_other():
    names = ("F3", "F4")
    with pytest.raises(DataError, match=r"TSception needs to know its electrodes: pass ch_names=\(\.\.\.\)"):
        TSceptionClassifier().network(about(names)._replace(ch_names=None))
    with pytest.raises(DataError, match=r"no two of F3, Fz, O2 mirror each other. Use another network"):
        TSceptionClassifier().network(about(("F3", "Fz", "O2")))
    with pytest.raises(DataError, match="No position is known for 'EOG'"):
        TSceptionClassifier().network(about(("F3", "EOG")))
    with pytest.raises(DataError, match="TSception needs to know the sampling rate"):
        TSceptionClassifier().network(about(names, sfreq=None))


@pytest.mark.parametrize("pairs", [[(0, 5)], [(0, 1), (1, 2)], [(-1, 0)]])
def test_pairs_are_of_different_rows(pairs):
    with pytest.raises(ValueError, match="pairs must be of different rows of a window of 5, got"):
        tiny(pairs=pairs)


@pytest.mark.parametrize("name", ["n_outputs", "n_temporal", "n_spatial", "n_hidden", "pool"])
def test_sizes_are_at_least_one(name):
    with pytest.raises(ValueError, match=f"TSception needs {name} of at least 1, got 0"):
        tiny(**{name: 0})


def test_no_pairs_and_short_windows_are_refused():
    with pytest.raises(ValueError, match="needs pairs of at least 1, got 0"):
        tiny(pairs=[])
    with pytest.raises(
        ValueError, match="14 samples is too short for TSception's filters of 12, 7, 3 samples"
    ):
        tiny(n_times=14)


@pytest.mark.parametrize(("n_channels", "n_times"), [(4, 60), (5, 61)])
def test_windows_of_another_montage_or_length_are_refused(n_channels, n_times):
    with pytest.raises(ValueError, match=f"5 electrodes x 60 samples, got {n_channels} x {n_times}"):
        tiny()(raw(2, n_channels, n_times))
