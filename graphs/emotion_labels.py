"""Labels of emotions that admit how near two emotions are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from physioaffect.errors import ProtocolError
from physioaffect.training import CrossEntropy

__all__ = ["EMOTIONS", "EmotionDL"]

EMOTIONS: dict[str, tuple[str, ...]] = {
    "seed": ("negative", "neutral", "positive"),
    "seed-iv": ("neutral", "sad", "fear", "happy"),
}
"""Emotions that EmotionDL knows, in the order of their numbers."""

# Row: the label. Column: which share of the noise goes to that emotion; the label keeps the rest.
_SHARES = {
    "seed": ((0, 2 / 3, 0), (1 / 3, 0, 1 / 3), (0, 2 / 3, 0)),
    "seed-iv": (
        (0, 1 / 4, 1 / 4, 1 / 4),
        (1 / 3, 0, 1 / 3, 0),
        (1 / 4, 1 / 4, 0, 1 / 4),
        (1 / 3, 0, 1 / 3, 0),
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class EmotionDL:
    """Cross-entropy with emotion-aware label distributions (Zhong, Wang & Miao 2022).

    A person who was shown a sad clip may have felt nothing, or fear, but hardly happiness: a share of each
    label goes to the emotions near it in valence and arousal, and none to the opposite one.

    ======== ======== ================= ================= ================= =================
    of       label    label 0           label 1           label 2           label 3
    ======== ======== ================= ================= ================= =================
    SEED     negative ``1 - 2 e / 3``   ``2 e / 3``       0
    SEED     neutral  ``e / 3``         ``1 - 2 e / 3``   ``e / 3``
    SEED     positive 0                 ``2 e / 3``       ``1 - 2 e / 3``
    SEED-IV  neutral  ``1 - 3 e / 4``   ``e / 4``         ``e / 4``         ``e / 4``
    SEED-IV  sad      ``e / 3``         ``1 - 2 e / 3``   ``e / 3``         0
    SEED-IV  fear     ``e / 4``         ``e / 4``         ``1 - 3 e / 4``   ``e / 4``
    SEED-IV  happy    ``e / 3``         0                 ``e / 3``         ``1 - 2 e / 3``
    ======== ======== ================= ================= ================= =================

    Parameters
    ----------
    emotions : {"seed", "seed-iv"}
        A key of `EMOTIONS`. The paper defines no others.
    noise : float
        e, from 0 to 1.

    Raises
    ------
    ValueError
        If the emotions are unknown or the noise is out of range.

    Notes
    -----
    doi 10.1109/TAFFC.2020.2994159, arXiv 1907.07835. They minimise the Kullback-Leibler divergence, which is
    less than the cross-entropy by a number that no weight changes.

    Examples
    --------
    >>> EmotionDL(emotions="seed", noise=0.3).table()
    tensor([[0.8000, 0.2000, 0.0000],
            [0.1000, 0.8000, 0.1000],
            [0.0000, 0.2000, 0.8000]])
    """

    emotions: str
    noise: float = 0.1

    def __post_init__(self) -> None:
        if self.emotions not in EMOTIONS:
            raise ValueError(
                f"EmotionDL is defined for the emotions of {', '.join(EMOTIONS)} only, got "
                f"{self.emotions!r}. Use emotion_dl=None for others."
            )
        if not 0 <= self.noise <= 1:
            raise ValueError(f"The noise of labels is a share from 0 to 1, got {self.noise}.")

    def table(self) -> Tensor:
        """Distribution of each label, (n_classes, n_classes)."""
        spread = self.noise * torch.tensor(_SHARES[self.emotions])
        return spread + (1 - spread.sum(dim=1)).diag()

    def check_classes(self, classes: Sequence[Any]) -> None:
        """Raise a `ProtocolError` if classes, sorted, are not these emotions in their order."""
        names = EMOTIONS[self.emotions]
        expected = names if isinstance(classes[0], str) else range(len(names))
        # SEED itself counts from -1.
        counted = classes if isinstance(classes[0], str) else [number - classes[0] for number in classes]
        if tuple(counted) != tuple(expected):
            numbered = ", ".join(f"{number} {name}" for number, name in enumerate(names))
            raise ProtocolError(
                f"EmotionDL of {self.emotions} knows the classes {numbered}; training has "
                f"{', '.join(map(str, classes))}. Pass these numbers, windows of each, or emotion_dl=None."
            )

    def n_outputs(self, n_classes: int) -> int:
        """One a class."""
        return n_classes

    def targets(self, y: Tensor, n_classes: int) -> Tensor:
        """Classes (n,) -> distributions (n, n_classes)."""
        self.check_classes(range(n_classes))
        return self.table()[y]

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(n_batch, n_classes), (n_batch, n_classes) -> scalar."""
        return CrossEntropy()(outputs, targets)

    def probabilities(self, outputs: Tensor, n_classes: int) -> Tensor:
        """Softmax."""
        return CrossEntropy().probabilities(outputs, n_classes)
