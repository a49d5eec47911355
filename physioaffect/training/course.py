"""One network's way through its epochs: what it sees, how it does, when it ends."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from physioaffect.training.sampling import Population
from physioaffect.training.settings import Training

__all__ = ["Course", "Epoch", "Replica", "State", "Trained"]

State = dict[str, Tensor]

# What random numbers are for, so that none is used twice.
_ORDER, _UNLABELLED, _MIX = range(3)


@dataclass(frozen=True, kw_only=True, eq=False)
class Replica:
    """One network's windows, by row, and its seed.

    ``validation`` are the windows of early stopping; ``unlabelled`` those of the person that will be tested.
    Numbers to predict are learnt as multiples of ``spread`` around ``center``.
    """

    name: str
    seed: int
    train: NDArray[np.intp]
    validation: NDArray[np.intp] | None = None
    unlabelled: NDArray[np.intp] | None = None
    center: float = 0.0
    spread: float = 1.0


class Epoch(NamedTuple):
    """Mean loss of an epoch's batches, and loss on the validation windows after it (NaN without any)."""

    loss: float
    validation_loss: float


class Trained(NamedTuple):
    """Weights and buffers of a trained network, on the processor, and how it went."""

    state: State
    history: tuple[Epoch, ...]


@dataclass(kw_only=True)
class Course:
    """Where one network is on its way; what is random depends on its seed and the epoch only.

    ``number`` tells it from the others, whose names may be the same (one fold with several seeds).
    """

    number: int
    replica: Replica
    population: Population
    training: Training
    position: int = 0
    loss_sum: float = 0.0
    history: list[Epoch] = field(default_factory=list)
    best: float = math.inf
    since_best: int = 0
    best_state: State | None = None
    _drawn: tuple[Tensor, ...] | None = None

    @property
    def n_steps(self) -> int:
        """Batches in an epoch."""
        return self.training.sampler.n_steps(self.population, self.training.batch_size)

    @property
    def epoch(self) -> int:
        """The epoch at hand, from 0."""
        return len(self.history)

    @property
    def rate(self) -> float:
        """Learning rate of the epoch at hand."""
        training = self.training
        return training.learning_rate * training.schedule(self.epoch, training.epochs)

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done or patience is at its end."""
        patience = self.training.patience
        return self.epoch >= self.training.epochs or (patience is not None and self.since_best >= patience)

    def draws(self, device: torch.device) -> tuple[Tensor, ...]:
        """Rows, shifts, rows of the target, mixing partners and weights of the epoch at hand.

        Each is of shape (n_steps, batch_size), the last (n_steps, 1), and of no element where there are none.
        """
        if self._drawn is None:
            size = self.training.batch_size
            draw = self.training.sampler(self.population, size, self._rng(_ORDER))
            parts: list[NDArray[Any]] = [draw.rows, _nothing() if draw.shifts is None else draw.shifts]
            shape = draw.rows.shape
            target = self.replica.unlabelled
            parts.append(
                _nothing()
                if target is None
                else target[_repeated(len(target), shape, self._rng(_UNLABELLED))]
            )
            if self.training.mixup:
                rng = self._rng(_MIX)
                parts.append(rng.permuted(np.tile(np.arange(size), (shape[0], 1)), axis=1))
                parts.append(rng.beta(self.training.mixup, self.training.mixup, size=(shape[0], 1)))
            else:
                parts += [_nothing(), _nothing()]
            self._drawn = tuple(torch.from_numpy(np.ascontiguousarray(part)).to(device) for part in parts)
        return self._drawn

    def _rng(self, use: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence([self.replica.seed, use, self.epoch]))

    def end_epoch(self, validation_loss: float, state: State | None) -> bool:
        """Note how the epoch went; says whether the network is better than ever (its state is then kept)."""
        self.history.append(Epoch(self.loss_sum / self.n_steps, validation_loss))
        self.position, self.loss_sum, self._drawn = 0, 0.0, None
        if self.training.patience is None:
            return False
        if validation_loss < self.best:
            self.best, self.since_best, self.best_state = validation_loss, 0, state
            return True
        self.since_best += 1
        return False

    def to_json(self) -> dict[str, Any]:
        """All but the windows and the best state."""
        return {
            "number": self.number,
            "position": self.position,
            "loss_sum": self.loss_sum,
            "history": [list(epoch) for epoch in self.history],
            "best": self.best,
            "since_best": self.since_best,
        }

    def load(self, told: dict[str, Any], best_state: State | None) -> None:
        """Put back what `to_json` told."""
        self.position, self.loss_sum = told["position"], told["loss_sum"]
        self.history = [Epoch(*epoch) for epoch in told["history"]]
        self.best, self.since_best, self.best_state = told["best"], told["since_best"], best_state


def _nothing() -> NDArray[np.intp]:
    return np.empty(0, dtype=np.intp)


def _repeated(n: int, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.intp]:
    """Each of n once before any comes twice, in random order."""
    wanted = int(np.prod(shape))
    rounds = [rng.permutation(n) for _ in range(-(-wanted // n))]
    return np.concatenate(rounds)[:wanted].reshape(shape)
