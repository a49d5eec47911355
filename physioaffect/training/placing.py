"""How many networks to run as one, and on how many threads."""

from __future__ import annotations

import torch
from torch import nn

from physioaffect.training.settings import Training

__all__ = ["is_large", "stack_size"]


def stack_size(device: torch.device) -> int:
    """Networks that are best run as one, by a rule that asks for no measurement, so that results repeat.

    On a graphics card all of them. On a processor one by one, each on a core of its own: the products of a
    stack do not fit its caches, which costs more than fewer calls save (docs/performance.md).
    """
    return 2**20 if device.type == "cuda" else 1


def is_large(network: nn.Module, training: Training) -> bool:
    """Whether the products of one network are worth more than one thread."""
    n_weights = sum(weight.numel() for weight in network.parameters())
    return n_weights * training.batch_size > 5e7
