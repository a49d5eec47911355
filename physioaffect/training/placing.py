"""How many networks to run as one, and on how many threads."""

from __future__ import annotations

import torch
from torch import nn

from physioaffect.training.settings import Training

__all__ = ["is_large", "stack_size"]


def stack_size(network: nn.Module, n_networks: int, device: torch.device) -> int:
    """Networks that are best run as one, by a rule that asks for no measurement, so that results repeat.

    On a graphics card all of them. On a processor one by one, each on a core of its own, unless the network
    says by ``cpu_stack`` that so many copies cost less than one after another: small products gain from fewer
    calls, larger ones lose as they outgrow the caches.
    """
    if not getattr(network, "stackable", True):
        return 1
    if device.type == "cuda":
        return n_networks
    # At least two stacks, for two cores.
    return min(int(getattr(network, "cpu_stack", 1)), -(-n_networks // 2))


def is_large(network: nn.Module, training: Training) -> bool:
    """Whether the products of one network are worth more than one thread."""
    n_weights = sum(weight.numel() for weight in network.parameters())
    return n_weights * training.batch_size > 5e7
