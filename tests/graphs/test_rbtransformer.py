"""RBTransformer against its equations in NumPy, its published size, and what attention cannot depend on."""

import math
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy.special import erf
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state
from torch.nn import functional

from physioaffect.features import features_of_trial
from physioaffect.graphs import MLP, LinearClassifier, LinearControl, RBTransformer, RBTransformerClassifier
from physioaffect.recording import Signal, Trial
from physioaffect.training import CrossEntropy, Dropout, torch_threads

Floats = NDArray[np.float64]

DOCS = Path(__file__).resolve().parents[2] / "docs" / "networks"

N_BLOCKS, N_HEADS, HEAD_WIDTH = 2, 3, 4


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with torch_threads(1):  # Networks of this size wait for threads longer than they compute.
        yield


def tiny(seed: int = 0, **settings: Any) -> RBTransformer:
    torch.manual_seed(seed)
    sizes = {"n_channels": 5, "n_outputs": 3, "n_bands": 4, "width": 8, "n_hidden": 6}
    heads = {"n_blocks": N_BLOCKS, "n_heads": N_HEADS, "head_width": HEAD_WIDTH}
    network = RBTransformer(**(sizes | heads | settings)).eval()
    with torch.no_grad():  # Layer normalisations begin as 1 and 0, which would hide a mistake.
        for name, parameter in network.named_parameters():
            if "norm" in name or name.endswith("feed_forward.0.weight"):
                parameter.add_(0.3 * torch.randn_like(parameter))
    return network


def windows(n_batch: int = 6, n_channels: int = 5, n_bands: int = 4, seed: int = 1) -> Tensor:
    return torch.randn(n_batch, n_channels, n_bands, generator=torch.Generator().manual_seed(seed))


def n_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


# The paper's sizes.


@pytest.mark.parametrize(("n_classes", "expected"), [(2, 662_530), (5, 662_917)])
def test_size_on_dreamer_is_the_published_one(n_classes, expected):
    assert n_parameters(RBTransformer(n_channels=14, n_outputs=n_classes)) == expected


@pytest.mark.parametrize(("n_channels", "n_bands", "n_classes"), [(32, 4, 9), (62, 5, 3), (19, 5, 2)])
@pytest.mark.parametrize("head", ["mlp", "linear"])
def test_size_is_the_sum_over_its_layers(n_channels, n_bands, n_classes, head):
    block = 256 + 128 * 576 + (192 * 128 + 128) + 256 + 2 * (128 * 128 + 128)
    hidden = (128 + 1) * 256 + (256 + 1) * 256 + (256 + 1) * 128 if head == "mlp" else 0
    expected = (n_bands + 1) * 128 + n_channels * 128 + 4 * block + 256 + hidden + (128 + 1) * n_classes
    network = RBTransformer(n_channels=n_channels, n_outputs=n_classes, n_bands=n_bands, head=head)
    assert n_parameters(network) == expected


def test_sizes_in_the_documentation_are_these():
    page = (DOCS / "rbtransformer.md").read_text(encoding="utf-8")
    rows = re.findall(r"\| \w+ \| (\d+) \| (\d+) \| (\d+) \| ([\d,]+) \| ([\d,]+) \|", page)
    assert len(rows) == 6
    for *sizes, with_mlp, with_linear in rows:
        n_channels, n_bands, n_classes = map(int, sizes)
        sizes_of = partial(RBTransformer, n_channels=n_channels, n_bands=n_bands, n_outputs=n_classes)
        assert f"{n_parameters(sizes_of(head='mlp')):,}" == with_mlp
        assert f"{n_parameters(sizes_of(head='linear')):,}" == with_linear


# The equations, in NumPy and double precision.


def linear(x: Floats, weights: dict[str, Floats], name: str) -> Floats:
    return x @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", 0.0)


def layer_norm(x: Floats, weights: dict[str, Floats], name: str) -> Floats:
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    return np.asarray(scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"])


def gelu(x: Floats) -> Floats:
    return np.asarray(x * 0.5 * (1 + erf(x / math.sqrt(2))))


def attention(x: Floats, weights: dict[str, Floats], name: str) -> tuple[Floats, Floats]:
    projected = linear(x, weights, f"{name}.projection")
    queries, keys, values = np.split(projected, 3, axis=-1)
    heads, maps = [], []
    for head in range(N_HEADS):
        own = slice(head * HEAD_WIDTH, (head + 1) * HEAD_WIDTH)
        scores = np.einsum("bie,bje->bij", queries[..., own], keys[..., own]) / math.sqrt(HEAD_WIDTH)
        exponentials = np.exp(scores)
        maps.append(exponentials / exponentials.sum(axis=-1, keepdims=True))
        heads.append(np.einsum("bij,bje->bie", maps[-1], values[..., own]))
    return linear(np.concatenate(heads, axis=-1), weights, f"{name}.output"), np.stack(maps, axis=1)


def reference(network: RBTransformer, x: Tensor, head: str) -> tuple[Floats, Floats]:
    weights = {name: value.double().numpy() for name, value in network.state_dict().items()}
    z = linear(x.double().numpy(), weights, "embedding") + weights["identity"]
    maps = []
    for number in range(N_BLOCKS):
        block = f"blocks.{number}"
        update, own = attention(layer_norm(z, weights, f"{block}.norm"), weights, f"{block}.attention")
        maps.append(own)
        z = z + update
        hidden = gelu(
            linear(layer_norm(z, weights, f"{block}.feed_forward.0"), weights, f"{block}.feed_forward.1")
        )
        z = z + linear(hidden, weights, f"{block}.feed_forward.4")
    y = layer_norm(z.mean(axis=1), weights, "norm")
    for layer in (0, 3, 6) if head == "mlp" else ():
        y = gelu(linear(y, weights, f"head.{layer}"))
    return linear(y, weights, "head.9" if head == "mlp" else "head.0"), np.stack(maps, axis=1)


@pytest.mark.parametrize("head", ["mlp", "linear"])
def test_follows_its_equations(head):
    network, x = tiny(head=head), 2 * windows()
    output, maps = reference(network, x, head)
    with torch.inference_mode():
        assert_allclose(network(x), output, atol=1e-5)
        assert_allclose(network.attention(x), maps, atol=1e-5)


def test_attention_is_scaled_dot_product_attention():
    # Its class is private.
    layer: Any = tiny().get_submodule("blocks.0.attention")
    x = 3 * windows(n_bands=8)
    query, key, value = (
        part.unflatten(-1, (N_HEADS, HEAD_WIDTH)).transpose(1, 2)
        for part in layer.projection(x).chunk(3, dim=-1)
    )
    expected = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
    assert_allclose(layer(x)[0].detach(), layer.output(expected).detach(), atol=1e-6)


# What attention cannot depend on.


def test_who_is_looked_at_adds_up_to_one():
    maps = tiny().attention(5 * windows()).detach()
    assert maps.shape == (6, N_BLOCKS, N_HEADS, 5, 5)
    assert maps.min() >= 0
    assert_allclose(maps.sum(dim=-1), 1, atol=1e-6)


def test_order_of_electrodes_matters_through_their_identities_only():
    network, x, order = tiny(), windows(), torch.tensor([3, 0, 4, 1, 2])
    before, maps = network(x).detach(), network.attention(x).detach()
    assert not torch.allclose(network(x[:, order]), before, atol=1e-3)
    with torch.no_grad():
        network.identity.copy_(network.identity[order].clone())
    assert_allclose(network(x[:, order]).detach(), before, atol=1e-5)
    assert_allclose(network.attention(x[:, order]).detach(), maps[..., order, :][..., order], atol=1e-5)


def test_without_blocks_only_the_mean_over_electrodes_is_seen():
    # Why the paper's ablation "no attention" removes more than the attention.
    network, x = tiny(n_blocks=0), windows()
    average = x.mean(dim=1, keepdim=True).expand_as(x)
    assert_allclose(network(x).detach(), network(average).detach(), atol=1e-6)
    assert not torch.allclose(tiny()(x), tiny()(average), atol=1e-3)


# Copies trained as one.


def masks(network: nn.Module, x: Tensor, seed: int) -> dict[str, Tensor]:
    """A mask for each layer of dropout."""
    generator = torch.Generator().manual_seed(seed)
    drawn: dict[str, Tensor] = {}
    hooks = []
    for name, layer in network.named_modules():
        if isinstance(layer, Dropout):

            def draw(layer: nn.Module, inputs: tuple[Tensor], name: str = name) -> None:
                assert name not in drawn
                assert isinstance(layer, Dropout)
                keep = torch.full(inputs[0].shape, 1 - layer.p)
                drawn[name] = torch.bernoulli(keep, generator=generator) / keep

            hooks.append(layer.register_forward_pre_hook(draw))
    network(x)
    for hook in hooks:
        hook.remove()
    return drawn


NETWORKS = {
    "rbtransformer": lambda seed: tiny(seed, dropout=0.3),
    "rbtransformer, linear head": lambda seed: tiny(seed, dropout=0.3, head="linear"),
    "mlp": lambda _: MLP(n_channels=5, n_bands=4, n_outputs=3, hidden=(7, 6), dropout=0.3),
    "linear": lambda _: LinearControl(n_channels=5, n_bands=4, n_outputs=3),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_copies_in_a_stack_are_what_they_are_alone(name):
    n_copies = 3
    networks = [NETWORKS[name](seed).train() for seed in range(n_copies)]
    x = torch.stack([windows(seed=seed) for seed in range(n_copies)])
    drawn = [masks(network, own, seed) for seed, (network, own) in enumerate(zip(networks, x, strict=True))]
    y = torch.arange(6) % 3

    def loss(state: dict[str, Tensor], masks: dict[str, Tensor], x: Tensor) -> Tensor:
        named = {f"{name}.mask": mask for name, mask in masks.items()}
        return functional.cross_entropy(functional_call(networks[0], state | named, (x,)), y)

    both = torch.func.grad_and_value(loss)
    parameters = {name: value.detach().clone() for name, value in stack_module_state(networks)[0].items()}
    stacked = {name: torch.stack([own[name] for own in drawn]) for name in drawn[0]}
    gradients, losses = torch.vmap(both)(parameters, stacked, x)
    for number in range(n_copies):
        alone = {name: value[number] for name, value in parameters.items()}
        gradient, value = both(alone, drawn[number], x[number])
        assert_allclose(losses[number], value, rtol=1e-5)
        for parameter, expected in gradient.items():
            assert_allclose(gradients[parameter][number], expected, atol=1e-6, rtol=1e-4, err_msg=parameter)


def test_every_dropout_acts_in_training_and_none_after_it():
    network, x = tiny(dropout=0.5), windows()
    assert_allclose(network(x).detach(), tiny(dropout=0)(x).detach(), atol=0)
    network.train()
    drawn = masks(network, x, seed=0)
    assert len(drawn) == 1 + 4 * N_BLOCKS + 3
    kept = {f"{name}.mask": torch.ones_like(mask) for name, mask in drawn.items()}
    expected = functional_call(network, kept, (x,))
    for name, mask in drawn.items():
        dropped = functional_call(network, kept | {f"{name}.mask": mask}, (x,))
        assert not torch.allclose(dropped, expected, atol=1e-5), name


def test_learns_a_batch_by_heart():
    network, x, y = tiny(dropout=0).train(), windows(12), torch.arange(12) % 3
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(150):
        optimiser.zero_grad()
        functional.cross_entropy(network(x), y).backward()
        optimiser.step()
    assert functional.cross_entropy(network(x), y).item() < 1e-3


# The classifier.


def test_is_trained_as_published():
    training = RBTransformerClassifier().training()
    assert (training.optimiser, training.weight_decay, training.epochs) == ("adamw", 1e-3, 300)
    assert (training.batch_size, training.loss, training.patience) == (
        256,
        CrossEntropy(smoothing=0.12),
        None,
    )
    rates = [training.learning_rate * training.schedule(epoch, 300) for epoch in (0, 100, 150, 300)]
    expected = [1e-6 + (1e-3 - 1e-6) * (1 + math.cos(math.pi * part)) / 2 for part in (0, 1 / 3, 1 / 2, 1)]
    assert_allclose(rates, expected, rtol=1e-9)
    assert_allclose(rates[-1], 1e-6)


def test_learns_what_two_electrodes_say_only_together():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(768, 4, 1))
    y = np.where(X[:, 1, 0] * X[:, 2, 0] > 0, "same", "opposite")
    settings: dict[str, Any] = {"epochs": 20, "batch_size": 32, "learning_rate": 5e-3, "random_state": 0}
    network = RBTransformerClassifier(
        width=16, n_blocks=1, n_heads=2, head_width=8, n_hidden=16, head="linear", **settings
    )
    assert network.fit(X[:512], y[:512]).score(X[512:], y[512:]) > 0.85
    assert LinearClassifier(**settings).fit(X[:512], y[:512]).score(X[512:], y[512:]) < 0.6


def test_the_page_runs():
    names: dict[str, Any] = {}
    page = (DOCS / "rbtransformer.md").read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(block, "rbtransformer.md", "exec"), names)
    assert names["weights"].shape == (8, 4, 6, 14, 14)
    rng = np.random.default_rng(0)
    task, rest = (
        Signal(data=1e-5 * rng.normal(size=(2, n)), sfreq=128.0, ch_names=("O1", "O2"), kind="eeg", unit="V")
        for n in (512 + 3 * 117, 61 * 128)
    )
    trial = Trial(
        dataset="noise",
        subject="1",
        trial="1",
        stimulus="none",
        signals={"eeg": task},
        baseline={"eeg": rest},
    )
    tokens = features_of_trial(trial, names["recipe"]).de
    assert (tokens.shape, tokens.attrs["unit"]) == ((4, 2, 4), "bit")
    assert np.abs(tokens.values).max() < 1  # The noise is as loud at rest.


# Bad input.


@pytest.mark.parametrize("name", ["n_channels", "n_outputs", "n_bands", "width", "n_heads", "n_hidden"])
def test_sizes_are_at_least_one(name):
    with pytest.raises(ValueError, match=f"needs {name} of at least 1, got 0"):
        tiny(**{name: 0})


def test_what_is_unknown_is_refused():
    with pytest.raises(ValueError, match="Unknown head 'conv' of RBTransformer: use one of linear, mlp"):
        tiny(head="conv")
    with pytest.raises(ValueError, match="cannot have -1 blocks: take 0 or more"):
        tiny(n_blocks=-1)
    with pytest.raises(ValueError, match="attends to nothing: give it n_blocks of at least 1"):
        tiny(n_blocks=0).attention(windows())
    with pytest.raises(ValueError, match="from 0 to below 1, got 1"):
        tiny(dropout=1)


@pytest.mark.parametrize(("n_channels", "n_bands"), [(1, 4), (6, 4), (5, 3)])
def test_windows_of_another_montage_are_refused(n_channels, n_bands):
    with pytest.raises(ValueError, match=f"of 5 electrodes x 4 bands, got {n_channels} x {n_bands}"):
        tiny()(windows(n_channels=n_channels, n_bands=n_bands))
