"""All that decides how a network is trained, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from torch import Tensor

from physioaffect.training.losses import ClassLoss, CrossEntropy, NumberLoss
from physioaffect.training.sampling import Sampler, Shuffled
from physioaffect.training.schedules import Constant, Schedule

__all__ = ["Batch", "Training"]


class Batch(NamedTuple):
    """What a network's loss is computed from in one step.

    ``x`` (n_batch, ...) windows; ``y`` (n_batch, ...) what the loss compares with; ``unlabelled`` (n_batch,
    ...) windows of the person that will be tested, where the protocol grants them; ``progress`` the share of
    the training that is over, from 0 to 1.
    """

    x: Tensor
    y: Tensor
    unlabelled: Tensor | None
    progress: Tensor


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a network is trained.

    Parameters
    ----------
    epochs : int
        Passes; what a pass is, the sampler says.
    batch_size : int
        Windows a step.
    learning_rate : float
        Of the first epoch.
    optimiser : {"adam", "adamw"}
        Adam (Kingma & Ba 2015, arXiv 1412.6980), with weight decay as a penalty; or AdamW (Loshchilov &
        Hutter 2019, arXiv 1711.05101), with weight decay apart from the gradient.
    weight_decay : float
        Strength of it.
    schedule : Schedule
        By what the learning rate is multiplied in each epoch.
    patience : int, optional
        Stop when the loss on the validation windows has not become smaller for so many epochs, and keep the
        network that had the smallest. Default: no validation; keep the last.
    loss : ClassLoss or NumberLoss
        What is made small.
    sampler : Sampler
        Which windows make an epoch.
    mixup : float
        Parameter of the Beta distribution by which pairs of windows are mixed (Zhang et al. 2018, arXiv
        1710.09412); 0 mixes none.
    precision : {"float32", "bfloat16"}
        Of the products inside the network (torch's autocast); weights and sums stay float32. On
        a processor without oneDNN, whose kernels are not to be relied on in it.
    frozen : tuple of str
        Weights that stay as they are, by the beginnings of their names.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    optimiser: Literal["adam", "adamw"] = "adam"
    weight_decay: float = 0.0
    schedule: Schedule = field(default_factory=Constant)
    patience: int | None = None
    loss: ClassLoss | NumberLoss = field(default_factory=CrossEntropy)
    sampler: Sampler = field(default_factory=Shuffled)
    mixup: float = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"
    frozen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1), ("patience", 1)):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < least):
                raise ValueError(f"{name} must be a whole number from {least}, got {value!r}.")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be above 0, got {self.learning_rate}.")
        for name in ("weight_decay", "mixup"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}.")
        if self.optimiser not in ("adam", "adamw"):
            raise ValueError(f"Unknown optimiser {self.optimiser!r}: use adam or adamw.")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"Unknown precision {self.precision!r}: use float32 or bfloat16.")
