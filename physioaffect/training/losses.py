"""What a network is trained to make small, and how its outputs are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from physioaffect.training.label_smoothing import gaussian_label_smoothing

__all__ = ["ClassLoss", "Concordance", "CrossEntropy", "MeanSquaredError", "NumberLoss"]


class ClassLoss(Protocol):
    """A frozen dataclass that trains a classifier."""

    def n_outputs(self, n_classes: int) -> int:
        """Outputs that the network needs."""
        ...

    def targets(self, y: Tensor, n_classes: int) -> Tensor:
        """Turn classes (n,) from 0 into what the loss compares with, shape (n, ...), float32."""
        ...

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(n_batch, n_outputs), (n_batch, ...) -> mean loss, a scalar."""
        ...

    def probabilities(self, outputs: Tensor, n_classes: int) -> Tensor:
        """(n, n_outputs) -> (n, n_classes), rows adding up to 1."""
        ...


class NumberLoss(Protocol):
    """A frozen dataclass that trains a regressor with one output."""

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(n_batch, 1), (n_batch,) -> loss, a scalar."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class CrossEntropy:
    """``-sum_k q_k log p_k`` with p the softmax of the outputs and q the smoothed label.

    Parameters
    ----------
    smoothing : float
        Share of a label that is spread over all classes alike (Szegedy et al. 2016, arXiv 1512.00567).
    spread : float, optional
        For classes in an order: width of a Gaussian around the label, in classes (see
        `gaussian_label_smoothing`); instead of ``smoothing``.
    """

    smoothing: float = 0.0
    spread: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing < 1:
            raise ValueError(f"Label smoothing is a share from 0 to below 1, got {self.smoothing}.")
        if self.spread is not None and (not self.spread > 0 or self.smoothing):
            raise ValueError(
                f"A spread is a width above 0 and takes the place of smoothing, got spread={self.spread} and "
                f"smoothing={self.smoothing}."
            )

    def n_outputs(self, n_classes: int) -> int:
        """One a class."""
        return n_classes

    def targets(self, y: Tensor, n_classes: int) -> Tensor:
        """Classes (n,) -> probabilities (n, n_classes)."""
        if self.spread is not None:
            table = torch.as_tensor(gaussian_label_smoothing(n_classes, self.spread), dtype=torch.float32)
        else:
            table = (1 - self.smoothing) * torch.eye(n_classes) + self.smoothing / n_classes
        return table[y]

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(n_batch, n_classes), (n_batch, n_classes) -> scalar."""
        return functional.cross_entropy(outputs, targets)

    def probabilities(self, outputs: Tensor, n_classes: int) -> Tensor:  # noqa: ARG002
        """Softmax."""
        return outputs.softmax(dim=-1)


@dataclass(frozen=True, slots=True)
class MeanSquaredError:
    """Mean of ``(output - target)²``."""

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(n_batch, 1), (n_batch,) -> scalar."""
        return (outputs[:, 0] - targets).square().mean()


@dataclass(frozen=True, slots=True)
class Concordance:
    """One minus Lin's concordance correlation of a batch: ``1 - 2 s_xy / (s_x² + s_y² + (m_x - m_y)²)``.

    Lin 1989, doi 10.2307/2532051, with the moments divided by n. A batch of equal targets has the loss 1.
    """

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(n_batch, 1), (n_batch,) -> scalar."""
        x = outputs[:, 0]
        dx, dy = x - x.mean(), targets - targets.mean()
        apart = (x.mean() - targets.mean()).square()
        # Kept from 0 / 0, where both are constant and equal.
        total = (dx.square().mean() + dy.square().mean() + apart).clamp(min=1e-12)
        return 1 - 2 * (dx * dy).mean() / total
