"""What a network's last layer sees of a window: its penultimate activations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from physioaffect.errors import ProtocolError

__all__ = ["Penultimate"]


class Penultimate(nn.Module):
    """The input of a network's last linear layer, as a network of its own.

    The last layer is the one whose outputs are the network's, but for a fixed scale and centre: it is found
    by running the network, so that no network needs to say which of its layers that is.

    Parameters
    ----------
    network : nn.Module
        Ends in a linear layer.

    Raises
    ------
    ProtocolError
        When run, if the network does not end in a linear layer.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """(n_batch, ...) -> (n_batch, n_dims)."""
        seen: list[tuple[Tensor, Tensor]] = []

        def remember(_layer: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            seen.append((args[0], output))

        hooks: list[Any] = [
            layer.register_forward_hook(remember)
            for layer in self.network.modules()
            if isinstance(layer, nn.Linear)
        ]
        try:
            outputs = self.network(x)
        finally:
            for hook in hooks:
                hook.remove()
        if not seen or not torch.equal(_scaled(self.network, seen[-1][1]), outputs):
            raise ProtocolError(
                f"{type(getattr(self.network, 'network', self.network)).__name__} does not end in a linear "
                "layer, before which its features could be taken. Use another network."
            )
        return seen[-1][0].flatten(1)


def _scaled(network: Any, outputs: Tensor) -> Tensor:
    """Outputs of the last layer as a `physioaffect.training.Standardised` network of numbers gives them."""
    if not getattr(network, "scales_outputs", False):
        return outputs
    scaled: Tensor = network.output_center + network.output_spread * outputs
    return scaled
