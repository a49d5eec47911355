"""RBTransformer's training as published: half of the epochs with large batches, half with small ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from torch import nn

from physioaffect.evaluation import Fold
from physioaffect.graphs import Input, NetworkClassifier, RBTransformerClassifier
from physioaffect.progress import Progress
from physioaffect.reproduce.kept_by_model import kept_by_model
from physioaffect.training import Schedule, Training

__all__ = ["Part", "PublishedRBTransformer"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A stretch of a longer schedule: epoch 0 is its epoch ``first``, and it has ``of`` in all.

    Examples
    --------
    >>> from physioaffect.training import Cosine
    >>> Part(schedule=Cosine(), first=150, of=300)(0, 150)
    0.5
    """

    schedule: Schedule
    first: int
    of: int

    def __call__(self, epoch: int, n_epochs: int) -> float:  # noqa: ARG002
        """Factor in an epoch, counted from 0."""
        return self.schedule(self.first + epoch, self.of)


class PublishedRBTransformer(NetworkClassifier):
    """An `RBTransformerClassifier` whose batches become smaller half way.

    Parameters
    ----------
    model : RBTransformerClassifier
        All other settings; its ``batch_size`` is that of the first half.
    later_batch_size : int
        Published: 64.
    """

    layout = ("channel", "band")
    __getattr__ = kept_by_model

    def __init__(self, model: RBTransformerClassifier, *, later_batch_size: int = 64) -> None:
        self.model = model
        self.later_batch_size = later_batch_size

    @property
    def uses(self) -> frozenset[str]:
        """No windows besides those of training."""
        return frozenset({"checkpoint", "progress"})

    def network(self, about: Input) -> nn.Module:
        """Build the model's network."""
        return self.model.network(about)

    def _half(self, first: int, epochs: int, batch_size: int) -> Training:
        whole = self.model.training()
        part = Part(schedule=whole.schedule, first=first, of=whole.epochs)
        return replace(whole, epochs=epochs, batch_size=batch_size, schedule=part)

    def training(self) -> Training:
        """The first half; one epoch more of an odd number."""
        n_epochs = self.model.epochs
        return self._half(0, n_epochs - n_epochs // 2, self.model.batch_size)

    def calibration(self) -> Training | None:
        """The second half, on the same windows."""
        n_later = self.model.epochs // 2
        return self._half(self.model.epochs - n_later, n_later, self.later_batch_size) if n_later else None

    def fit_folds(
        self,
        X: Any,
        y: ArrayLike,
        folds: Sequence[Fold],  # type: ignore[override]
        *,
        seeds: Sequence[int],
        groups: ArrayLike | None = None,  # noqa: ARG002
        checkpoint: Path | None = None,
        progress: Progress | None = None,
    ) -> list[Any]:
        """Train one network a fold."""
        own = []
        for fold in folds:
            rows = fold.fitted_idx
            # What is called calibration is here the second half of training.
            own.append(Fold(name=fold.name, train_idx=rows, calibration_idx=rows, test_idx=rows[:0]))
        return self._fit_all(
            [clone(self) for _ in own],
            [X],
            self._checked_labels(np.asarray(y)),
            own,
            seeds,
            groups=None,
            checkpoint=checkpoint,
            progress=progress,
        )
