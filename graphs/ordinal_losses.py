"""Losses that take classes in an order for numbers: two of HiSTN's label modes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy.stats import truncnorm
from torch import Tensor
from torch.nn import functional

__all__ = ["GaussianMixture", "TanhRegression"]


@dataclass(frozen=True, slots=True)
class TanhRegression:
    """Mean of ``|tanh(output) - target|``, the classes being evenly spaced targets from -1 to 1.

    The label mode "Regression" of HiSTN (Kuang et al. 2024, arXiv 2408.15255): five classes have the targets
    -1, -0.5, 0, 0.5 and 1. The probability of a class falls off as ``exp(-distance)``, so that the nearest is
    the likeliest; no more than an order among classes can be read from it.
    """

    def n_outputs(self, n_classes: int) -> int:  # noqa: ARG002
        """One."""
        return 1

    def targets(self, y: Tensor, n_classes: int) -> Tensor:
        """Classes (n,) -> numbers (n,) from -1 to 1."""
        return torch.linspace(-1, 1, n_classes)[y]

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(n_batch, 1), (n_batch,) -> scalar."""
        return (outputs[:, 0].tanh() - targets).abs().mean()

    def probabilities(self, outputs: Tensor, n_classes: int) -> Tensor:
        """(n, 1) -> (n, n_classes)."""
        classes = torch.linspace(-1, 1, n_classes, dtype=outputs.dtype, device=outputs.device)
        return (-(outputs.tanh() - classes).abs()).softmax(dim=-1)


@dataclass(frozen=True, kw_only=True, slots=True)
class GaussianMixture:
    """Negative log-likelihood of the class number under a mixture of one Gaussian a class.

    The label mode "Mixture" of HiSTN (Kuang et al. 2024, arXiv 2408.15255). Class y stands for the number y,
    from 0. The outputs are the means, then u with the standard deviations ``0.001 + softplus(0.05 u)``, then
    the logits of the weights, one a class each.

    Parameters
    ----------
    jitter : float
        Labels are spread by a normal distribution of this standard deviation, cut at twice of it, lest a
        Gaussian collapse onto a label; 0 for none.

    Notes
    -----
    **Deviations**: published is one random jitter of each label in each step, and the share of 1024 random
    numbers from the mixture that lie nearest to a class. Here the loss is the mean over 32 equally likely
    jitters, and a probability is what the mixture has between the middles to the neighbouring classes: what
    both tend to.
    """

    jitter: float = 0.1

    def __post_init__(self) -> None:
        if not self.jitter >= 0:
            raise ValueError(f"jitter is a standard deviation, 0 or more, got {self.jitter}.")

    def n_outputs(self, n_classes: int) -> int:
        """Three a class."""
        return 3 * n_classes

    def targets(self, y: Tensor, n_classes: int) -> Tensor:  # noqa: ARG002
        """Classes (n,) -> the same as float32."""
        return y.float()

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(n_batch, 3 n_classes), (n_batch,) -> scalar."""
        means, scales, log_weights = _components(outputs)
        jitters = (torch.arange(32, device=outputs.device) + 0.5) / 32
        if self.jitter:
            spread = torch.as_tensor(truncnorm.ppf(jitters.cpu().numpy(), -2, 2), dtype=outputs.dtype)
            jitters = self.jitter * spread.to(outputs.device)
        else:
            jitters = outputs.new_zeros(1)
        # (n_batch, n_jitters, n_classes)
        z = (targets[:, None, None] + jitters[:, None] - means[:, None]) / scales[:, None]
        log_densities = -0.5 * z.square() - scales.log()[:, None] - 0.5 * math.log(2 * math.pi)
        return -(log_weights[:, None] + log_densities).logsumexp(dim=-1).mean()

    def probabilities(self, outputs: Tensor, n_classes: int) -> Tensor:
        """(n, 3 n_classes) -> (n, n_classes)."""
        means, scales, log_weights = _components(outputs)
        middles = torch.arange(n_classes - 1, dtype=outputs.dtype, device=outputs.device) + 0.5
        below = torch.special.ndtr((middles[:, None] - means[:, None]) / scales[:, None])
        cumulative = (log_weights.exp()[:, None] * below).sum(dim=-1)
        return functional.pad(functional.pad(cumulative, (1, 0)), (0, 1), value=1.0).diff(dim=-1)


def _components(outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Means, standard deviations and logarithms of the weights, (n, n_classes) each."""
    means, raw, logits = outputs.chunk(3, dim=-1)
    return means, 1e-3 + functional.softplus(0.05 * raw), logits.log_softmax(dim=-1)
