"""How a student is trained: the published values, and what was chosen where they are not known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from physioaffect.distill.augmentation import Augmentation
from physioaffect.distill.backbones import BACKBONES
from physioaffect.distill.losses import Distance, late_cosine
from physioaffect.errors import DataError, did_you_mean

__all__ = ["Precision", "StudentSettings"]

Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class StudentSettings:
    """Network, losses and training of a student.

    Parameters
    ----------
    backbone : str
        One of ``BACKBONES``.
    image_size : int
        Side of the images in pixels.
    pretrained : str, optional
        Folder with weights to begin with (see `backbone`); random ones without.
    epochs, batch_size : int
        Passes over the training images, and images a step. What does not fill a batch waits for the next
        epoch, which has another order.
    learning_rate, weight_decay : float
        Of AdamW; the rate falls with half a cosine from epoch to epoch. Biases and the weights of
        normalisations do not decay.
    clip : float
        Longest gradient, all weights together.
    smoothing, is_weighted : float, bool
        Of `class_loss`; ``is_weighted`` says whether classes count by the inverse root of their frequency.
    kd, proto, geometry : float
        Weights of `distillation_loss`, `prototype_loss` and `geometry_loss`; 0 switches one off.
    temperature, kd_kind : float, str
        Of `distillation_loss`.
    tau, spread : float
        Of `prototype_loss`; and the width around a class's anchor, if its targets are made here.
    ramp : tuple of int
        Epochs between which the weight of `geometry_loss` rises (`late_cosine`).
    positive, margin, gate : tuple of str, float, float
        Of `geometry_loss`: its classes of high valence, and the probability of them together from which an
        image counts.
    augmentation : Augmentation
        How images are changed.
    precision : {"auto", "float32", "bfloat16"}
        Of the products inside the network (torch's autocast); weights, sums and losses are float32.
        "auto" is bfloat16 on a graphics card. On a processor it is float32: bfloat16 does not pay there,
        because training must do without oneDNN, whose kernels are fast in it but not to be relied on.

    Examples
    --------
    >>> StudentSettings(kd=0, proto=0, geometry=0).smoothing  # Cross-entropy alone.
    0.055
    """

    backbone: str = "resnet18"
    image_size: int = 48
    pretrained: str | None = None
    epochs: int = 100
    batch_size: int = 128
    learning_rate: float = 2e-4
    weight_decay: float = 0.05
    clip: float = 1.0
    smoothing: float = 0.055
    is_weighted: bool = True
    kd: float = 0.30
    proto: float = 0.12
    geometry: float = 0.012
    temperature: float = 5.0
    kd_kind: Distance = "kl"
    tau: float = 0.90
    spread: float = 0.4
    ramp: tuple[int, int] = (20, 60)
    positive: tuple[str, ...] = ("happiness", "surprise")
    margin: float = 0.5
    gate: float = 0.2
    augmentation: Augmentation = field(default_factory=Augmentation)
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise ValueError(
                f"There is no backbone {self.backbone!r}. {did_you_mean(self.backbone, BACKBONES)}"
            )
        for name, least in (("image_size", 8), ("epochs", 1), ("batch_size", 2)):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < least:
                raise ValueError(f"{name} must be a whole number from {least}, got {getattr(self, name)!r}.")
        for name in ("learning_rate", "clip", "temperature", "tau", "spread"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}.")
        for name in ("weight_decay", "kd", "proto", "geometry", "margin"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}.")
        for name in ("smoothing", "gate"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is a share from 0 to below 1, got {getattr(self, name)}.")
        for name, values in (("kd_kind", Distance), ("precision", Precision)):
            if getattr(self, name) not in get_args(values):
                raise ValueError(
                    f"{name} must be one of {', '.join(get_args(values))}, got {getattr(self, name)!r}."
                )
        late_cosine(0, *self.ramp)

    def to_json(self) -> dict[str, Any]:
        """All of it, for files."""
        return asdict(self) | {"ramp": list(self.ramp), "positive": list(self.positive)}

    @classmethod
    def from_json(cls, told: Any) -> StudentSettings:
        """Make the settings that `to_json` told; a `DataError` if they are none."""
        names = {one.name for one in fields(cls)}
        if not isinstance(told, Mapping) or not set(told) <= names:
            unknown = sorted(set(told) - names)[:1] if isinstance(told, Mapping) else told
            raise DataError(f"These are no settings of a student: {str(unknown)[:80]}.")
        values = dict(told)
        try:
            for name in ("ramp", "positive"):
                if name in values:
                    values[name] = tuple(values[name])
            if "augmentation" in values:
                values["augmentation"] = Augmentation(**values["augmentation"])
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise DataError(f"These are no settings of a student: {error}") from error
