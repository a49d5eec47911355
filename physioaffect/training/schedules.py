"""How the learning rate changes from epoch to epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Constant", "Cosine", "Schedule", "Steps"]


class Schedule(Protocol):
    """A frozen dataclass that says by what the first learning rate is multiplied."""

    def __call__(self, epoch: int, n_epochs: int) -> float:
        """Factor in an epoch, counted from 0."""
        ...


@dataclass(frozen=True, slots=True)
class Constant:
    """The same learning rate throughout."""

    def __call__(self, epoch: int, n_epochs: int) -> float:  # noqa: ARG002
        """Return 1."""
        return 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Cosine:
    """Half a cosine from 1 down to ``last`` (Loshchilov & Hutter 2017, arXiv 1608.03983, without restarts).

    Parameters
    ----------
    last : float
        Factor that would be reached after the last epoch.

    Examples
    --------
    >>> Cosine(last=0.0)(50, 100)
    0.5
    """

    last: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.last <= 1:
            raise ValueError(f"A cosine schedule ends at a factor from 0 to 1, got last={self.last}.")

    def __call__(self, epoch: int, n_epochs: int) -> float:
        """Factor in an epoch, counted from 0."""
        return self.last + (1 - self.last) * (1 + math.cos(math.pi * epoch / n_epochs)) / 2


@dataclass(frozen=True, slots=True)
class Steps:
    """Factors from certain epochs on.

    Parameters
    ----------
    factors : mapping from int to float
        Epoch (counted from 0) from which each factor holds; before the first it is 1.

    Examples
    --------
    >>> Steps({30: 0.5})(29, 50), Steps({30: 0.5})(30, 50)
    (1.0, 0.5)
    """

    factors: Mapping[int, float]

    def __post_init__(self) -> None:
        if any(epoch < 0 or not factor > 0 for epoch, factor in self.factors.items()):
            raise ValueError(f"Steps need epochs from 0 and factors above 0, got {dict(self.factors)}.")

    def __call__(self, epoch: int, n_epochs: int) -> float:  # noqa: ARG002
        """Factor in an epoch, counted from 0."""
        past = [start for start in self.factors if start <= epoch]
        return self.factors[max(past)] if past else 1.0
