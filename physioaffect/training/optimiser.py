"""Adam for a stack of networks, each with a learning rate of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from physioaffect.training.settings import Training

__all__ = ["StackedAdam"]


class StackedAdam:
    """Adam or AdamW on the weights of a stack: elementwise, so that each network gets what it would alone.

    Parameters
    ----------
    parameters : mapping from str to Tensor
        Weights, (n_networks, ...) each, or of a single network.
    training : Training
        Says which of the two, and the weight decay.
    """

    def __init__(self, parameters: Mapping[str, Tensor], training: Training) -> None:
        make = torch.optim.AdamW if training.optimiser == "adamw" else torch.optim.Adam
        self._parameters = parameters
        # One pass over the memory instead of ten.
        self._adam = make(
            list(parameters.values()),
            lr=training.learning_rate,
            weight_decay=training.weight_decay,
            fused=True,
        )

    def step(self, rates: Sequence[float]) -> None:
        """Take a step with the gradients at hand; ``rates`` has a learning rate for each network."""
        highest = max(rates)
        self._adam.param_groups[0]["lr"] = highest
        if min(rates) == highest:
            self._adam.step()
        else:
            # Both kinds of Adam move a weight in proportion to the learning rate.
            before = [weight.detach().clone() for weight in self._parameters.values()]
            self._adam.step()
            share = torch.tensor([rate / highest for rate in rates])
            with torch.no_grad():
                for weight, old in zip(self._parameters.values(), before, strict=True):
                    own = share.to(weight).reshape(-1, *[1] * (weight.ndim - 1))
                    weight.copy_(torch.lerp(old, weight, own))
        self._adam.zero_grad()

    def state(self) -> dict[str, Tensor]:
        """What is remembered from step to step, by the weight's name and its own: ``weight/exp_avg``."""
        return {
            f"{name}/{key}": value
            for name, weight in self._parameters.items()
            for key, value in self._adam.state[weight].items()
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` gave."""
        for name, weight in self._parameters.items():
            self._adam.state[weight] = {
                key.rpartition("/")[2]: value
                for key, value in state.items()
                if key.rpartition("/")[0] == name
            }
