"""Random changes of images that leave the emotion as it is, a whole batch at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = ["Augmentation", "augment"]


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How far images are changed.

    Parameters
    ----------
    flip : float
        Chance of a mirror image.
    shift : int
        Pixels by which an image is moved at most, each way: a crop of the image with its border repeated.
    contrast, brightness : float
        Contrast is multiplied by 1 ± ``contrast`` around the image's mean, and ± ``brightness`` of the
        whole range is added, both evenly distributed.
    """

    flip: float = 0.5
    shift: int = 4
    contrast: float = 0.2
    brightness: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.flip <= 1:
            raise ValueError(f"flip is a chance from 0 to 1, got {self.flip}.")
        if self.shift < 0:
            raise ValueError(f"shift is a number of pixels from 0, got {self.shift}.")
        for name in ("contrast", "brightness"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be from 0 to below 1, got {getattr(self, name)}.")


def augment(images: Tensor, settings: Augmentation, rng: np.random.Generator) -> Tensor:
    """Change each image of a batch in its own way.

    Parameters
    ----------
    images : Tensor of uint8, shape (n, n_channels, height, width)
        Grey or RGB.
    settings : Augmentation
        How far.
    rng : numpy Generator
        What is random. Draws depend on n only, so that two trainings with the same generators see the same
        images.

    Returns
    -------
    changed : Tensor of float32, shape (n, n_channels, height, width)
        From 0 to 255.

    Examples
    --------
    >>> images = torch.full((2, 1, 8, 8), 100, dtype=torch.uint8)
    >>> still = Augmentation(flip=0, shift=0, contrast=0, brightness=0)
    >>> bool((augment(images, still, np.random.default_rng(0)) == 100).all())
    True
    """
    n, n_channels, height, width = images.shape
    shifts = rng.integers(-settings.shift, settings.shift + 1, (2, n))
    is_mirrored = rng.random(n) < settings.flip
    changes = rng.uniform(-1, 1, (2, n)).astype(np.float32)
    down, right = torch.from_numpy(shifts).to(images.device, non_blocking=True)
    mirrored = torch.from_numpy(is_mirrored).to(images.device, non_blocking=True)
    # Where each pixel comes from; beyond the border from the border.
    rows = (torch.arange(height, device=images.device) + down[:, None]).clamp_(0, height - 1)
    columns = torch.arange(width, device=images.device).expand(n, width)
    columns = torch.where(mirrored[:, None], width - 1 - columns, columns)
    columns = (columns + right[:, None]).clamp_(0, width - 1)
    places = (rows[:, :, None] * width + columns[:, None, :]).reshape(n, 1, height * width)
    moved = images.reshape(n, n_channels, -1).gather(2, places.expand(n, n_channels, height * width)).float()
    factors, offsets = torch.from_numpy(changes).to(images.device, non_blocking=True)[:, :, None, None]
    factors = 1 + settings.contrast * factors
    middles = moved.mean(dim=(1, 2), keepdim=True)
    changed: Tensor = moved * factors + (middles * (1 - factors) + 255 * settings.brightness * offsets)
    return changed.clamp_(0, 255).reshape(images.shape)
