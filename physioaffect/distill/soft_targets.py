"""Soft labels of faces from the votes of those who looked at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from physioaffect.datasets import FERPLUS, FERPLUS_TARGETS
from physioaffect.faces import FaceSet

__all__ = ["SoftTargets", "TargetKind"]

TargetKind = Literal["probability", "majority"]
_Target = Callable[[Mapping[str, float]], Mapping[str, float] | None]


def _shares(votes: Mapping[str, float]) -> Mapping[str, float]:
    return votes


def _winner(votes: Mapping[str, float]) -> Mapping[str, float] | None:
    top = max(votes, key=votes.__getitem__)
    return {top: 1.0} if votes[top] > 0.5 * sum(votes.values()) else None


class SoftTargets:
    """Soft labels from votes. The votes of ten people repeat, so that each is worked out once.

    Parameters
    ----------
    faceset : FaceSet
        Where the votes are from; those of FER+ are read by the rules of its makers.
    classes : sequence of str
        Columns of the labels.
    kind : {"probability", "majority"}
        Shares of the votes, or the one class with more than half of them.
    """

    def __init__(self, faceset: FaceSet, classes: Sequence[str], kind: TargetKind) -> None:
        self._classes = classes
        self._known: dict[tuple[tuple[str, float], ...], NDArray[np.float32] | str] = {}
        # Where some may vote for "unknown" and "NF", the makers of FER+ say what counts.
        is_ferplus = set(faceset.classes) == set(FERPLUS.classes)
        self._rule: _Target = (
            FERPLUS_TARGETS[kind] if is_ferplus else {"probability": _shares, "majority": _winner}[kind]
        )

    def __call__(self, votes: Mapping[str, float]) -> NDArray[np.float32] | str:
        """Probabilities, shape (n_classes,), or why there are none."""
        key = tuple(votes.items())
        if key not in self._known:
            self._known[key] = self._of(votes)
        return self._known[key]

    def _of(self, votes: Mapping[str, float]) -> NDArray[np.float32] | str:
        if not votes or not sum(votes.values()) > 0:
            return "has no votes, so no label"
        target = self._rule(votes)
        if target is None:
            return "has votes that agree on no emotion"
        total = sum(target.values())
        row = np.array([target.get(name, 0.0) / total for name in self._classes])
        if row.sum() <= 0.5:
            # Without the name: reasons are counted.
            return f"is of a class that is not among {', '.join(self._classes)}"
        shares: NDArray[np.float32] = (row / row.sum()).astype(np.float32)
        return shares
