"""A network trained in another way than its paper's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray
from sklearn.base import clone
from torch import nn

from physioaffect.training import ClassLoss, Sampler, Schedule, SubjectBalanced, Training

from .estimators import NetworkClassifier
from .inputs import Input

__all__ = ["TrainedWith"]


class TrainedWith(NetworkClassifier):
    """A classifier whose network is trained with other batches, mixing, rates or loss.

    Parameters
    ----------
    model : NetworkClassifier
        Says all that is not said here.
    sampler : Sampler, optional
        Which windows make an epoch: `ClassBalanced`, `SubjectBalanced` (needs ``groups``), `Trials`.
    mixup : float, optional
        Parameter of mixup's Beta distribution (Zhang et al. 2018, arXiv 1710.09412); 0.2 is usual.
    schedule : Schedule, optional
        How the learning rate changes: `Cosine`, `Steps`.
    criterion : ClassLoss, optional
        `CrossEntropy` with labels smoothed evenly or, for classes in an order, by a Gaussian.
    precision : {"float32", "bfloat16"}, optional
        Of the products inside the network.

    Examples
    --------
    >>> from physioaffect.graphs import MLPClassifier
    >>> model = TrainedWith(MLPClassifier(epochs=3), sampler=SubjectBalanced(), mixup=0.2)
    >>> sorted(model.uses)
    ['checkpoint', 'groups', 'progress']
    """

    def __init__(
        self,
        model: NetworkClassifier,
        *,
        sampler: Sampler | None = None,
        mixup: float | None = None,
        schedule: Schedule | None = None,
        criterion: ClassLoss | None = None,
        precision: str | None = None,
    ) -> None:
        self.model = model
        self.sampler = sampler
        self.mixup = mixup
        self.schedule = schedule
        self.criterion = criterion
        self.precision = precision

    def __getattr__(self, name: str) -> Any:
        # What is kept for all networks is kept by the one inside.
        if name in ("ch_names", "device", "layout", "patience", "random_state"):
            return getattr(self.model, name)
        raise AttributeError(f"{type(self).__name__} has no {name}.")

    @property
    def takes_tables(self) -> bool:  # type: ignore[override]
        """Whether the model does."""
        return self.model.takes_tables

    @property
    def uses(self) -> frozenset[str]:
        """What the model uses; the people, too, if batches are balanced by person."""
        return self.model.uses | ({"groups"} if isinstance(self.sampler, SubjectBalanced) else set())

    def network(self, about: Input) -> nn.Module:
        """Build the model's network."""
        return self.model.network(about)

    def training(self) -> Training:
        """Train as the model does, but for what was said here."""
        said: dict[str, Any] = {
            "sampler": self.sampler,
            "mixup": self.mixup,
            "schedule": self.schedule,
            "loss": self.criterion,
            "precision": self.precision,
        }
        return replace(self.model.training(), **{k: v for k, v in said.items() if v is not None})

    def calibration(self) -> Training | None:
        """Go on learning as the model does."""
        return self.model.calibration()

    def _learn_labels(self, y: NDArray[Any]) -> tuple[Any, ...]:
        model = clone(self.model)
        labels: tuple[Any, ...] = model._learn_labels(y)
        self.classes_ = model.classes_
        return labels
