"""How many networks to run as one."""

from __future__ import annotations

import torch

__all__ = ["stack_size"]


def stack_size(device: torch.device) -> int:
    """Networks that are best run as one, by a rule that asks for no measurement, so that results repeat.

    On a graphics card all of them. On a processor one by one, each on a core of its own: the products of a
    stack do not fit its caches, which costs more than fewer calls save (docs/performance.md).
    """
    return 2**20 if device.type == "cuda" else 1
