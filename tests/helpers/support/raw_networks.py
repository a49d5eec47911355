"""What the NumPy references of networks on raw windows share; all in double precision."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Floats = NDArray[np.float64]


def shaken(network: Any) -> Any:
    """Move normalisations and biases from 1 and 0, which would hide a mistake."""
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if ("norm" in name or "bias" in name) and value.is_floating_point():
                value.add_(0.3 * torch.rand_like(value))
    return network


def raw(n_batch: int, n_channels: int, n_times: int, seed: int = 1) -> Tensor:
    return torch.randn(n_batch, n_channels, n_times, generator=torch.Generator().manual_seed(seed)) + 0.5


def n_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def correlate(x: Floats, kernel: Floats):
    """Response of every signal to one kernel where all of it fits."""
    return np.lib.stride_tricks.sliding_window_view(x, len(kernel), axis=-1) @ kernel


def pool(x: Floats, size: int, step: int | None = None):
    starts = range(0, x.shape[-1] - size + 1, step or size)
    return np.stack([x[..., start : start + size].mean(axis=-1) for start in starts], axis=-1)


def leaky(x: Floats):
    return np.where(x > 0, x, 0.01 * x)


class Layers:
    """Weights of a network, and batch normalisation by them."""

    def __init__(self, network: nn.Module) -> None:
        self.own = {name: value.double().numpy() for name, value in network.state_dict().items()}
        self.training = network.training
        self.epsilons = {name: getattr(layer, "eps", 0.0) for name, layer in network.named_modules()}

    def __getitem__(self, name: str):
        return self.own[name]

    def norm(self, x: Floats, name: str):
        """Over all axes but the second, with the batch's statistics in training."""
        axes = (0, *range(2, x.ndim))
        mean, variance = x.mean(axis=axes), x.var(axis=axes)
        if not self.training:
            mean, variance = self[f"{name}.running_mean"], self[f"{name}.running_var"]
        shape = (-1,) + (1,) * (x.ndim - 2)
        scale = self[f"{name}.weight"] / np.sqrt(variance + self.epsilons[name])
        return (x - mean.reshape(shape)) * scale.reshape(shape) + self[f"{name}.bias"].reshape(shape)
