"""What a network needs so that any number of its copies can be trained as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Dropout", "MaxNorm", "Standardise", "Standardised"]


class Dropout(nn.Module):
    """Set elements to zero at random, and scale up the others: ``x * mask / (1 - p)`` (Srivastava 2014).

    As ``torch.nn.Dropout``, but the trainer can hand it the mask, so that a network trained beside others
    draws what it would have drawn alone. In any other loop it draws from torch's own generator.

    Parameters
    ----------
    p : float
        Probability of zero, from 0 to below 1.
    """

    mask: Tensor

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"Dropout needs a probability from 0 to below 1, got {p}.")
        self.p = p
        self.register_buffer("mask", torch.empty(0), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same."""
        if not self.training or self.p == 0:
            return x
        if self.mask.numel() == 0:
            return functional.dropout(x, self.p)
        return x * self.mask

    def extra_repr(self) -> str:
        """Settings, as torch prints them."""
        return f"p={self.p}"


class MaxNorm(NamedTuple):
    """Bound on the Euclidean norm of a parameter over some of its dimensions.

    ``dims`` count from the end (negative), so that they stay right for a stack of networks.
    """

    limit: float
    dims: tuple[int, ...]

    def __call__(self, weight: Tensor) -> Tensor:
        """Scale down what is longer than the limit; any shape -> the same."""
        norm = torch.linalg.vector_norm(weight, dim=self.dims, keepdim=True)
        bounded: Tensor = weight * (self.limit / norm.clamp(min=self.limit))
        return bounded


class Standardise(nn.Module):
    """``(x - mean) / scale``, with numbers that are fitted once on the training windows.

    Parameters
    ----------
    shape : tuple of int
        Shape that broadcasts against a window, e.g. (n_channels, n_bands) or (n_channels, 1).
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(shape))

    def fit(self, mean: Tensor, deviation: Tensor) -> None:
        """Take over mean and standard deviation; what does not vary is left unscaled."""
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(deviation > 0, deviation, 1.0))

    def forward(self, x: Tensor) -> Tensor:
        """``(n_batch, *window)`` -> the same."""
        return (x - self.mean) / self.scale


class Standardised(nn.Module):
    """A network behind its own `Standardise`; what the network tells the trainer is passed on.

    Parameters
    ----------
    network : nn.Module
        Gets the standardised windows.
    shape : tuple of int
        As for `Standardise`.
    """

    output_center: Tensor
    output_spread: Tensor

    def __init__(self, network: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.standardise = Standardise(shape)
        self.network = network
        self.scales_outputs = False
        self.stackable = getattr(network, "stackable", True)
        self.cpu_stack = getattr(network, "cpu_stack", 1)
        bounds = getattr(network, "max_norms", {})
        self.max_norms = {f"network.{name}": bound for name, bound in bounds.items()}
        if hasattr(network, "objective"):
            self.objective = network.objective
        if hasattr(network, "penalty"):
            self.penalty = self._penalty

    def forward(self, x: Tensor, *args: Tensor, **options: Tensor) -> Tensor:
        """``(n_batch, *window)`` -> what the network gives."""
        outputs: Tensor = self.network(self.standardise(x), *args, **options)
        return self.output_center + self.output_spread * outputs if self.scales_outputs else outputs

    def scale_outputs(self, center: float, spread: float) -> None:
        """Let the network's outputs be multiples of ``spread`` around ``center`` from now on."""
        self.scales_outputs = True
        self.register_buffer("output_center", torch.tensor(center))
        self.register_buffer("output_spread", torch.tensor(spread))

    def _penalty(self, parameters: Mapping[str, Tensor]) -> Tensor:
        own = {name.removeprefix("network."): weight for name, weight in parameters.items()}
        return self.network.penalty(own)  # type: ignore[operator,no-any-return]
