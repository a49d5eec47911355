"""Settings of the multi-task network, which cannot be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["PINNSettings"]

Heads = Literal["both", "eda", "emotion"]
Derivative = Literal["total", "partial"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PINNSettings:
    """Everything about the network but its seed and its device.

    Parameters
    ----------
    hidden : tuple of int
        Widths of the layers that both heads share; tanh, which has a derivative everywhere.
    heads : {"both", "eda", "emotion"}
        What is learned; one head alone is an ablation.
    physics_weight : float
        Weight of the squared residual of the equation, in s²: with 10⁴, a residual of one standard deviation
        of EDA in 100 s costs what an error of one standard deviation costs. 0 is the ablation.
    emotion_weight : float
        Weight of the cross-entropy.
    ramp : float
        Share of the steps over which the weight of the physics grows from 0.
    derivative : {"total", "partial"}
        "total": dE/dt follows the windowed physiology as it changes with time. "partial" holds it fixed, and
        is the derivative of the trace only where nothing else in the input depends on time.
    is_clock_for_emotion : bool
        Whether the classes may be told by the time within the condition. Conditions differ in length, so that
        a late hour names the long ones.
    person_sd : float, optional
        Standard deviation in uS of each person's own level at rest (E_0): a random effect with a Gaussian
        prior. Default: all people have one level.
    start_sd : float, optional
        Standard deviation in uS of what a condition begins with and its person then loses at the equation's
        own rate: the homogeneous solution. Default: where a condition starts has to be in the input.
    steps, batch_size, learning_rate, weight_decay
        AdamW: number of steps, windows in each, rate at the first step (falling to 0 as a cosine), decay.
    confidence : float
        Of the intervals of the equation's constants.

    Examples
    --------
    >>> PINNSettings(heads="eda", physics_weight=0.0).uses_physics
    False
    """

    hidden: tuple[int, ...] = (64, 64, 64)
    heads: Heads = "both"
    physics_weight: float = 1e4
    emotion_weight: float = 1.0
    ramp: float = 0.2
    derivative: Derivative = "total"
    is_clock_for_emotion: bool = False
    person_sd: float | None = None
    start_sd: float | None = None
    steps: int = 2000
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if self.heads not in get_args(Heads) or self.derivative not in get_args(Derivative):
            raise ValueError(
                f"heads is one of {', '.join(get_args(Heads))} and derivative one of "
                f"{', '.join(get_args(Derivative))}, got {self.heads!r} and {self.derivative!r}."
            )
        if not self.hidden or min(self.hidden) < 1 or min(self.steps, self.batch_size) < 1:
            raise ValueError(
                "hidden needs at least one layer, and layers, steps and batch_size are from 1, got "
                f"{self.hidden}, {self.steps} and {self.batch_size}."
            )
        if min(self.physics_weight, self.emotion_weight, self.weight_decay) < 0 or not self.learning_rate > 0:
            raise ValueError(
                "Weights are from 0 and the learning rate above it, got "
                f"physics_weight={self.physics_weight}, emotion_weight={self.emotion_weight}, "
                f"weight_decay={self.weight_decay} and learning_rate={self.learning_rate}."
            )
        if not (0 <= self.ramp <= 1 and 0 < self.confidence < 1):
            raise ValueError(
                f"ramp is a share from 0 to 1 and confidence lies between them, got {self.ramp} and "
                f"{self.confidence}."
            )
        for name, sd in (("person_sd", self.person_sd), ("start_sd", self.start_sd)):
            if sd is not None and not sd > 0:
                raise ValueError(f"{name} is above 0 uS, or None for no such effect, got {sd}.")

    @property
    def has_eda(self) -> bool:
        """Whether there is a head for the EDA trace."""
        return self.heads != "emotion"

    @property
    def has_emotion(self) -> bool:
        """Whether there is a head for classes."""
        return self.heads != "eda"

    @property
    def uses_physics(self) -> bool:
        """Whether the equation has any weight."""
        return self.has_eda and self.physics_weight > 0
