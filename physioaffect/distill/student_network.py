"""The student's network: a backbone, the classes, and a way into the space of prototypes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from physioaffect.distill.backbones import Backbone, backbone, backbone_of
from physioaffect.distill.student_settings import StudentSettings

__all__ = ["Outputs", "StudentNetwork", "network_of", "new_network"]

# What random numbers are for, so that none is used twice; see also `student_training`.
_BODY, _PROJECTION = 1, 2
_Made = TypeVar("_Made")


class Outputs(NamedTuple):
    """Features (n, n_features), logits (n, n_classes) and projection (n, n_dims), None without prototypes."""

    features: Tensor
    logits: Tensor
    projected: Tensor | None


class StudentNetwork(nn.Module):
    """Standardises images, sees them by a backbone, and reads its features in two linear ways.

    Parameters
    ----------
    body : Backbone
        From images to features.
    n_classes : int
        Classes.
    n_dims : int, optional
        Dimensions of the prototypes' space; without there is no projection.
    n_channels : int
        Channels of the images; grey ones are repeated where the backbone takes three.

    Notes
    -----
    Buffers ``center`` and ``scale`` (n_channels, 1, 1) hold mean and standard deviation of the training
    images' pixels.
    """

    center: Tensor
    scale: Tensor

    def __init__(self, body: Backbone, n_classes: int, n_dims: int | None, n_channels: int) -> None:
        super().__init__()
        self.body = body
        self.n_channels = n_channels
        self.register_buffer("center", torch.full((n_channels, 1, 1), 127.5))
        self.register_buffer("scale", torch.full((n_channels, 1, 1), 127.5))
        self.classifier = nn.Linear(body.n_features, n_classes)
        self.projection = nn.Linear(body.n_features, n_dims) if n_dims is not None else None

    def forward(self, images: Tensor) -> Outputs:
        """Pixels from 0 to 255, float32 (n, n_channels, size, size)."""
        standard = (images - self.center) / self.scale
        if self.n_channels == 1 and self.body.n_channels > 1:
            standard = standard.expand(-1, self.body.n_channels, -1, -1)
        features = self.body(standard.contiguous(memory_format=torch.channels_last))
        projected = self.projection(features) if self.projection is not None else None
        return Outputs(features, self.classifier(features), projected)


def new_network(
    settings: StudentSettings, *, n_classes: int, n_dims: int | None, n_channels: int, seed: int
) -> StudentNetwork:
    """Make the network that a training begins with.

    Weights depend on the seed and on what they are for: those of backbone and classes are the same with and
    without a projection, so that arms of a study begin alike.
    """
    network = _drawn(
        seed,
        _BODY,
        lambda: StudentNetwork(
            backbone(
                settings.backbone,
                image_size=settings.image_size,
                n_channels=n_channels,
                pretrained=settings.pretrained,
            ),
            n_classes,
            None,
            n_channels,
        ),
    )
    if n_dims is not None:
        n_features = network.body.n_features
        network.projection = _drawn(seed, _PROJECTION, lambda: nn.Linear(n_features, n_dims))
    return network


def _drawn(seed: int, use: int, make: Callable[[], _Made]) -> _Made:
    """Make something whose weights come from torch's generator, which is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.SeedSequence([seed, use]).generate_state(1)[0]))
        return make()


def network_of(
    config: Mapping[str, Any], n_classes: int, n_dims: int | None, n_channels: int
) -> StudentNetwork:
    """Make a network again from what `Backbone.config` told; its weights are random."""
    return StudentNetwork(backbone_of(config), n_classes, n_dims, n_channels)
