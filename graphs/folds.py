"""Rows of a fold, and which of them a model learns from."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["FoldLike", "Rows", "merged"]


class FoldLike(Protocol):
    """The rows of a fold, as `physioaffect.evaluation.Fold` has them."""

    @property
    def name(self) -> str:
        """What the fold is called."""
        ...

    @property
    def train_idx(self) -> NDArray[np.intp]:
        """Windows to learn from."""
        ...

    @property
    def validation_idx(self) -> NDArray[np.intp]:
        """Windows to stop early by."""
        ...

    @property
    def calibration_idx(self) -> NDArray[np.intp]:
        """Labelled windows of the person to be tested."""
        ...

    @property
    def unlabelled_idx(self) -> NDArray[np.intp]:
        """Windows of the person to be tested whose labels nobody sees."""
        ...


class Rows(NamedTuple):
    """A `FoldLike` without test windows."""

    name: str
    train_idx: NDArray[np.intp]
    validation_idx: NDArray[np.intp]
    calibration_idx: NDArray[np.intp]
    unlabelled_idx: NDArray[np.intp]


def merged(fold: FoldLike, uses: frozenset[str]) -> Rows:
    """Rows of a fold, those for what the model does not use among those it learns from."""
    idle = [
        rows
        for name, rows in (("validation", fold.validation_idx), ("calibration", fold.calibration_idx))
        if name not in uses
    ]
    # What lies between training and validation is of use only where no validation is set apart.
    between: NDArray[np.intp] | None = getattr(fold, "gap_idx", None)
    if between is not None and "validation" not in uses:
        idle.append(between)
    return Rows(
        fold.name,
        np.sort(np.concatenate([fold.train_idx, *idle])) if any(map(len, idle)) else fold.train_idx,
        fold.validation_idx,
        fold.calibration_idx,
        fold.unlabelled_idx,
    )
