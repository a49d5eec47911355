"""The network that reads valence and arousal off maps of the head."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from physioaffect.training import Batch, ConcordanceAndError, Dropout

__all__ = ["MapEmbedding", "MapNetwork", "consistency_ramp"]

# Pixels between the points of the noise, as between electrodes of a small cap on 32 pixels.
_NOISE_STEP = 8


def consistency_ramp(progress: Tensor, length: float) -> Tensor:
    """Weight of consistency at a share of the training: ``exp(-5 (1 - min(progress / length, 1))²)``.

    Laine & Aila 2017, arXiv 1610.02242, section 2.1: first the labels, then agreement on what they taught.

    Examples
    --------
    >>> consistency_ramp(torch.tensor([0.0, 0.2, 0.4, 1.0]), 0.4).round(decimals=3)
    tensor([0.0070, 0.2870, 1.0000, 1.0000])
    """
    return torch.exp(-5 * (1 - (progress / length).clamp(max=1)).square())


class MapNetwork(nn.Module):
    """Small convolutional network on maps of bands, with two outputs.

    Three times ``h <- pool(gelu(conv3x3(h)))`` with 32, 64 and 128 filters and pooling of two by two by the
    mean; then ``e = gelu(W h + b)``, the penultimate features, and ``(valence, arousal) = V drop(e) + c``.

    In training a smooth noise field is added to the standardised maps: independent signs on a grid of one
    point for eight pixels, times ``noise``, drawn between the points linearly. It is as if each electrode had
    noise of its own.

    Parameters
    ----------
    n_bands : int
        Bands, which are the channels of the image.
    size : int
        Pixels of a map along each axis; 8 or more.
    n_dims : int
        Penultimate features.
    dropout : float
        Share of penultimate features that is dropped in training.
    noise : float
        Standard deviation of the noise at its points, in the bands' standard deviations.
    consistency, ramp : float
        Weight of consistency on unlabelled maps, and share of the training over which it rises.

    Notes
    -----
    There is no batch normalisation, which would let maps of other people in a batch change a map's features,
    nor any within a map, which would remove the level that tells arousal.

    The loss is that of `ConcordanceAndError` on labelled maps, and with unlabelled maps besides

    ``consistency * consistency_ramp(progress) * mean |f(u + n1) - f(u + n2)|²``,

    f being the network with its dropout, n1 and n2 two draws of the noise: the Pi model of Laine & Aila 2017,
    arXiv 1610.02242. A map without a label is not asked what it is, only to be the same seen twice.

    Examples
    --------
    >>> MapNetwork(n_bands=5, size=32)(torch.zeros(7, 5, 32, 32)).shape
    torch.Size([7, 2])
    """

    # One teacher is trained at a time, and `torch.vmap` knows no order of memory.
    stackable = False

    across: Tensor

    def __init__(
        self,
        *,
        n_bands: int,
        size: int,
        n_dims: int = 256,
        dropout: float = 0.3,
        noise: float = 0.3,
        consistency: float = 0.1,
        ramp: float = 0.4,
    ) -> None:
        super().__init__()
        if n_bands < 1 or n_dims < 1 or size < 8:
            raise ValueError(
                "A network on maps needs one band or more, maps of 8 x 8 pixels or more and one feature or "
                f"more, got {n_bands} bands, {size} x {size} pixels and n_dims={n_dims}."
            )
        if not (noise >= 0 and consistency >= 0 and 0 < ramp <= 1):
            raise ValueError(
                "noise and consistency must be 0 or more, and ramp above 0 and at most 1, got "
                f"noise={noise}, consistency={consistency} and ramp={ramp}."
            )
        self.loss = ConcordanceAndError()
        self.noise, self.consistency, self.ramp = noise, consistency, ramp
        # Zero or two, less one: a sign.
        self.signs = Dropout(0.5)
        self.register_buffer("across", torch.from_numpy(_linear(size)), persistent=False)
        widths = (n_bands, 32, 64, 128)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise(widths)
        )
        self.features = nn.Linear(widths[-1] * (size // 8) ** 2, n_dims)
        self.dropout = Dropout(dropout)
        self.output = nn.Linear(n_dims, 2)

    def embed(self, x: Tensor) -> Tensor:
        """(n_batch, n_bands, size, size) -> penultimate features, (n_batch, n_dims)."""
        n_points = self.across.shape[1]
        # Asked in prediction, too, where it lets all pass: so the trainer learns how many signs to draw.
        signs = self.signs(x.new_ones(*x.shape[:2], n_points, n_points)) - 1
        if self.training:
            x = x + self.noise * (self.across @ signs @ self.across.T)
        # In this order of memory a step takes three quarters of the time on a processor.
        x = x.contiguous(memory_format=torch.channels_last)
        for convolution in self.convolutions:
            x = functional.avg_pool2d(functional.gelu(convolution(x)), 2)
        features: Tensor = functional.gelu(self.features(x.flatten(1)))
        return features

    def forward(self, x: Tensor) -> Tensor:
        """(n_batch, n_bands, size, size) -> valence and arousal, (n_batch, 2)."""
        outputs: Tensor = self.output(self.dropout(self.embed(x)))
        return outputs

    def objective(self, call: Callable[..., Any], batch: Batch) -> Tensor:
        """Loss of a batch, a scalar."""
        if batch.unlabelled is None:
            return self.loss(call(batch.x), batch.y)
        n_known, n_new = len(batch.x), len(batch.unlabelled)
        # One pass of all, in which every map has noise and dropout of its own.
        outputs = call(torch.cat([batch.x, batch.unlabelled, batch.unlabelled]))
        known, first, second = outputs.split([n_known, n_new, n_new])
        disagreement = (first - second).square().mean()
        weight = self.consistency * consistency_ramp(batch.progress, self.ramp)
        loss: Tensor = self.loss(known, batch.y) + weight * disagreement
        return loss


class MapEmbedding(nn.Module):
    """The penultimate features of a standardised `MapNetwork`, as a network of its own."""

    def __init__(self, standardised: Any) -> None:
        super().__init__()
        self.standardise, self.network = standardised.standardise, standardised.network

    def forward(self, x: Tensor) -> Tensor:
        """(n_batch, n_bands, size, size) -> (n_batch, n_dims)."""
        features: Tensor = self.network.embed(self.standardise(x))
        return features


def _linear(size: int) -> NDArray[np.float32]:
    """Matrix that draws lines between values at points apart from each other, (size, n_points)."""
    points = np.linspace(0, size - 1, size // _NOISE_STEP + 1)
    pixels = np.arange(size)
    columns = [np.interp(pixels, points, unit) for unit in np.eye(len(points))]
    return np.stack(columns, axis=1).astype(np.float32)
