"""Copies of a network, alone and in a stack."""

from collections.abc import Sequence

import torch
from numpy.testing import assert_allclose
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state
from torch.nn import functional

from physioaffect.training import Dropout, torch_threads


def dropout_masks(network: nn.Module, x: Tensor, seed: int) -> dict[str, Tensor]:
    """A mask for each layer of dropout; the network is called once, without leaving a trace."""
    generator = torch.Generator().manual_seed(seed)
    drawn: dict[str, Tensor] = {}
    hooks = []
    for name, layer in network.named_modules():
        if isinstance(layer, Dropout):

            def draw(layer: nn.Module, inputs: tuple[Tensor], name: str = name) -> None:
                assert isinstance(layer, Dropout)
                assert name not in drawn
                keep = torch.full(inputs[0].shape, 1 - layer.p)
                drawn[f"{name}.mask"] = torch.bernoulli(keep, generator=generator) / keep

            hooks.append(layer.register_forward_pre_hook(draw))
    with torch.no_grad():
        network.eval()(x)
    for hook in hooks:
        hook.remove()
    network.train()
    return drawn


def assert_stacked_is_alone(networks: Sequence[nn.Module], x: Tensor) -> None:
    """Losses, gradients and running statistics of one step, x (n_networks, n_batch, ...), with dropout."""
    with torch_threads(1):
        _assert_stacked_is_alone(networks, x)


def _assert_stacked_is_alone(networks: Sequence[nn.Module], x: Tensor) -> None:
    drawn = [
        dropout_masks(network, own, seed) for seed, (network, own) in enumerate(zip(networks, x, strict=True))
    ]
    y = torch.arange(x.shape[1]) % 3

    def loss(parameters: dict[str, Tensor], buffers: dict[str, Tensor], own: Tensor) -> Tensor:
        return functional.cross_entropy(functional_call(networks[0], parameters | buffers, (own,)), y)

    kept = set(networks[0].state_dict())
    stacked, statistics = stack_module_state(list(networks))
    parameters = {name: value.detach().clone() for name, value in stacked.items()}
    buffers = {name: value.clone() for name, value in statistics.items() if name in kept}
    before = {name: value.clone() for name, value in buffers.items()}
    masks = {name: torch.stack([own[name] for own in drawn]) for name in drawn[0]}
    both = torch.func.grad_and_value(loss)
    gradients, losses = torch.vmap(both)(parameters, buffers | masks, x)
    for number in range(len(networks)):
        own = {name: value[number] for name, value in parameters.items()}
        statistic = {name: value[number].clone() for name, value in before.items()}
        gradient, value = both(own, statistic | drawn[number], x[number])
        assert_allclose(losses[number], value, rtol=1e-5)
        # Gradients that are zero but for rounding, of biases before a normalisation, are compared on the
        # scale of the others.
        scale = max(float(part.abs().max()) for part in gradient.values())
        for name, expected in gradient.items():
            assert_allclose(gradients[name][number], expected, atol=2e-5 * scale, rtol=1e-3, err_msg=name)
        for name, expected in statistic.items():
            assert_allclose(buffers[name][number], expected, atol=1e-5, rtol=1e-4, err_msg=name)
    changed = [name for name in before if not torch.equal(before[name], buffers[name])]
    assert any("running" in name for name in changed) or not before


def loss_learnt_by_heart(network: nn.Module, x: Tensor, *, steps: int, rate: float = 1e-2) -> float:
    """Cross-entropy on one batch of three classes in turn, after steps of Adam on it."""
    y = torch.arange(len(x)) % 3
    optimiser = torch.optim.Adam(network.train().parameters(), lr=rate)
    with torch_threads(1):
        for _ in range(steps):
            optimiser.zero_grad()
            functional.cross_entropy(network(x), y).backward()
            optimiser.step()
    return functional.cross_entropy(network(x), y).item()
