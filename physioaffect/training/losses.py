"""What a network is trained to make small, and how its outputs are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from physioaffect.training.label_smoothing import gaussian_label_smoothing

__all__ = [
    "ClassLoss",
    "Concordance",
    "ConcordanceAndError",
    "CrossEntropy",
    "MeanSquaredError",
    "NumberLoss",
]


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
    """A frozen dataclass that trains a regressor with one output, or with several at once."""

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(n_batch, 1), (n_batch,) -> loss, a scalar; of several outputs (n_batch, n_outputs) each."""
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
        return _discordance(outputs[:, :1], targets[:, None]).mean()


@dataclass(frozen=True, kw_only=True, slots=True)
class ConcordanceAndError:
    """``mean_k (1 - CCC_k) + weight * mean_k MSE_k`` over several numbers that are predicted at once.

    The concordance asks for the right spread and the right order, which the squared error alone gives up for
    numbers that are hard to predict; the squared error keeps small or equal batches from deciding anything.

    Parameters
    ----------
    weight : float
        Of the mean squared error; with numbers in [-1, 1] both parts are of one size at the weight 1.

    Notes
    -----
    `Concordance` of each column of a batch, as for continuous affect (Valence-Arousal Estimation of the ABAW
    challenges, Kollias 2022, arXiv 2202.10659); the sum with the squared error is our choice.
    """

    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.weight >= 0:
            raise ValueError(f"The weight of the squared error must be 0 or more, got {self.weight}.")

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(n_batch, n_outputs), (n_batch, n_outputs) -> scalar."""
        if outputs.shape != targets.shape:
            # Otherwise each output would silently be compared with every target.
            raise ValueError(
                f"Outputs and targets must have one shape, got {tuple(outputs.shape)} and "
                f"{tuple(targets.shape)}. Give a target for each output."
            )
        error = (outputs - targets).square().mean()
        return _discordance(outputs, targets).mean() + self.weight * error


def _discordance(outputs: Tensor, targets: Tensor) -> Tensor:
    """One minus the concordance of each column: (n_batch, n_outputs) each -> (n_outputs,)."""
    dx, dy = outputs - outputs.mean(dim=0), targets - targets.mean(dim=0)
    apart = (outputs.mean(dim=0) - targets.mean(dim=0)).square()
    # Kept from 0 / 0, where both are constant and equal.
    total = (dx.square().mean(dim=0) + dy.square().mean(dim=0) + apart).clamp(min=1e-12)
    return 1 - 2 * (dx * dy).mean(dim=0) / total
