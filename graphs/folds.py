"""Rows of a fold, and which of them a model learns from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError

__all__ = ["FoldLike", "Labelled", "Rows", "Unlabelled", "merged", "together"]

# Windows, labels and people; the last may be None.
Labelled = tuple[Any, NDArray[Any], NDArray[Any] | None]
Unlabelled = tuple[Any, NDArray[Any] | None]


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


class Together(NamedTuple):
    """All windows of one fit: in parts, their labels and people side by side, and which are for what."""

    windows: Sequence[Any]
    labels: NDArray[Any]
    people: NDArray[Any] | None
    rows: Rows


def together(
    training: Labelled,
    *,
    validation: Labelled | None,
    calibration: Labelled | None,
    target: Unlabelled | None,
) -> Together:
    """Put the windows of one fit behind one another, as a fold of one set has them.

    Raises
    ------
    DataError
        If the people of some windows are known and those of others are not.
    """
    known = [part for part in (training, validation, calibration) if part is not None]
    windows, labels, people = (list(values) for values in zip(*known, strict=True))
    sizes = [len(part[1]) if part is not None else 0 for part in (training, validation, calibration)]
    ends = np.cumsum([0, *sizes])
    train, validated, calibrated = (np.arange(*ends[place : place + 2]) for place in range(3))
    n_new = 0
    if target is not None:
        n_new = len(target[0])
        windows.append(target[0])
        # Their labels are never looked at: they are none.
        labels.append(np.repeat(labels[0][:1], n_new))
        people.append(target[1])
    if training[2] is not None and any(some is None for some in people):
        raise DataError(
            "The people of some windows are known and those of others are not: pass groups also in "
            "validation, calibration and target."
        )
    return Together(
        windows,
        np.concatenate(labels),
        np.concatenate([np.asarray(some) for some in people]) if training[2] is not None else None,
        Rows("fit", train, validated, calibrated, ends[-1] + np.arange(n_new)),
    )
