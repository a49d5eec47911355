"""Scores of a face model: over all classes, and over those that a test set has.

A test set often lacks a class (CK+ has few neutral faces in some lists and no contempt in others). "8-way"
scores let the model say any class. "Present-only" scores mask the classes that the test set lacks before the
likeliest is taken, so that a model cannot lose by saying what could not be right. The two answer different
questions and are both told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physioaffect.errors import DataError

__all__ = ["MEASURES", "FaceScores", "confusions", "face_scores", "labels_of", "scores_of_confusions"]

# By name, with their titles; the first is what systems are compared by.
MEASURES = {"macro_f1": "macro-F1", "accuracy": "accuracy", "balanced_accuracy": "balanced accuracy"}
_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class FaceScores:
    """Scores from 0 to 1 over ``n`` images.

    The first three let the model say any class; those with ``present_`` only the classes in ``present``.
    ``n_tied`` is the number of images whose soft label has no single likeliest class.
    """

    accuracy: float
    macro_f1: float
    balanced_accuracy: float
    present_accuracy: float
    present_macro_f1: float
    present_balanced_accuracy: float
    n: int
    n_tied: int
    present: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it, for scripts."""
        return asdict(self) | {"present": list(self.present)}


def labels_of(targets: ArrayLike, n_classes: int) -> NDArray[np.intp]:
    """Class of each image: of a soft label the likeliest, of equal ones the first.

    Parameters
    ----------
    targets : array-like of int, shape (n,), or of float, shape (n, n_classes)
        Numbers of classes, or probabilities.
    n_classes : int
        How many there are.

    Returns
    -------
    labels : ndarray of int, shape (n,)

    Raises
    ------
    DataError
        If a number is no class, or a row is no distribution.

    Examples
    --------
    >>> labels_of([[0.2, 0.8], [0.5, 0.5]], 2)
    array([1, 0])
    """
    found = np.asarray(targets)
    if found.ndim == 1 and np.issubdtype(found.dtype, np.integer):
        if len(found) and not (found.min() >= 0 and found.max() < n_classes):
            raise DataError(
                f"Labels must be numbers of {n_classes} classes, 0 to {n_classes - 1}; got {found.min()} to "
                f"{found.max()}."
            )
        return found.astype(np.intp)
    if found.ndim != 2 or found.shape[1] != n_classes:
        raise DataError(
            f"Targets must be whole numbers (n,) or probabilities (n, {n_classes}), got {found.dtype} of "
            f"shape {found.shape}."
        )
    if not np.isfinite(found).all() or (found < 0).any() or (abs(found.sum(axis=1) - 1) > _TOLERANCE).any():
        raise DataError(
            "Each row of the targets must be probabilities that add up to 1. Leave the others out."
        )
    likeliest: NDArray[np.intp] = found.argmax(axis=1)
    return likeliest


def confusions(
    scores: ArrayLike, labels: NDArray[np.intp], *, allowed: NDArray[np.bool_] | None = None
) -> NDArray[np.intp]:
    """Cell of the confusion matrix that each image falls in: ``label * n_classes + predicted``.

    Parameters
    ----------
    scores : array-like, shape (n, n_classes)
        Logits or probabilities: only their order counts.
    labels : ndarray of int, shape (n,)
        True classes.
    allowed : ndarray of bool, shape (n_classes,), optional
        Classes that may be said; the scores of others are masked before the largest is taken.

    Returns
    -------
    cells : ndarray of int, shape (n,)
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2 or len(values) != len(labels):
        raise DataError(
            f"Scores must be (n, n_classes) with a row for each of {len(labels)} images, got shape "
            f"{values.shape}."
        )
    if np.isnan(values).any():
        raise DataError(
            f"{int(np.isnan(values).any(axis=1).sum())} of {len(values)} images have a score that is no "
            "number: the training of this model diverged. Lower its learning rate."
        )
    if allowed is not None:
        values = np.where(allowed, values, -np.inf)
    cells: NDArray[np.intp] = labels * values.shape[1] + values.argmax(axis=1)
    return cells


def scores_of_confusions(
    matrices: NDArray[np.floating[Any]], *, present_only: bool = False
) -> Mapping[str, NDArray[np.float64]]:
    """Accuracy, macro-F1 and balanced accuracy of many confusion matrices at once.

    Parameters
    ----------
    matrices : ndarray, shape (..., n_classes, n_classes)
        True classes in rows, predicted ones in columns; counts, or weights that add up.
    present_only : bool
        Whether the mean of F1 is over the classes that occur (rows that are not empty). Default: over all
        classes, with an F1 of 0 for a class that neither occurs nor is said.

    Returns
    -------
    scores : mapping from measure to ndarray, shape (...)
        Balanced accuracy is always the mean recall of classes that occur: others have none.

    Examples
    --------
    >>> found = scores_of_confusions(np.array([[3.0, 1.0], [0.0, 4.0]]))
    >>> [round(float(found[name]), 4) for name in MEASURES]
    [0.873, 0.875, 0.875]
    """
    hits = np.diagonal(matrices, axis1=-2, axis2=-1).astype(np.float64)
    true, said = matrices.sum(axis=-1), matrices.sum(axis=-2)
    occurs = true > 0
    n_occur = np.maximum(occurs.sum(axis=-1), 1)
    f1 = 2 * hits / np.where(true + said > 0, true + said, 1)
    recall = hits / np.where(occurs, true, 1)
    counted = np.where(occurs, f1, 0).sum(axis=-1) / n_occur if present_only else f1.mean(axis=-1)
    total = np.maximum(true.sum(axis=-1), np.finfo(float).tiny)
    return {
        "accuracy": hits.sum(axis=-1) / total,
        "macro_f1": counted,
        "balanced_accuracy": recall.sum(axis=-1) / n_occur,
    }


def face_scores(scores: ArrayLike, targets: ArrayLike, classes: Sequence[str]) -> FaceScores:
    """Score a face model on a test set.

    Parameters
    ----------
    scores : array-like, shape (n, n_classes)
        Logits or probabilities.
    targets : array-like of int, shape (n,), or of float, shape (n, n_classes)
        True classes, or soft labels, of which the likeliest class counts.
    classes : sequence of str
        Names in the order of the columns.

    Returns
    -------
    FaceScores

    Raises
    ------
    DataError
        If there is no image, shapes do not fit, or a score is no number.

    Notes
    -----
    Macro-F1 over 8 classes is scikit-learn's ``f1_score(labels=range(8), average="macro", zero_division=0)``:
    a class that the test set lacks counts as 0, so that on such a set macro-F1 cannot reach 1. Present-only
    is the same over the classes that occur, after masking. The papers that print "8-way" and "present-only"
    do not define them; that accuracies differ, too, shows that the classes were masked before the argmax.

    Examples
    --------
    >>> found = face_scores([[0.1, 0.3, 0.6], [0.7, 0.2, 0.1]], [1, 0], ("sad", "glad", "odd"))
    >>> found.accuracy, found.present_accuracy, found.present
    (0.5, 1.0, ('sad', 'glad'))
    """
    n_classes = len(classes)
    labels = labels_of(targets, n_classes)
    if not len(labels):
        raise DataError("There is no image to score: every one was left out, or the split is empty.")
    width = np.shape(scores)[-1] if np.ndim(scores) else 0
    if width != n_classes:
        raise DataError(f"Scores have {width} columns, expected {n_classes}: {', '.join(classes)}.")
    is_present = np.bincount(labels, minlength=n_classes) > 0
    told: dict[str, float] = {}
    for prefix, allowed in (("", None), ("present_", is_present)):
        cells = confusions(scores, labels, allowed=allowed)
        matrix = np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes).astype(float)
        found = scores_of_confusions(matrix, present_only=bool(prefix))
        told |= {f"{prefix}{name}": float(value) for name, value in found.items()}
    soft = np.asarray(targets)
    n_tied = 0
    if soft.ndim == 2:
        n_tied = int(((soft == soft.max(axis=1, keepdims=True)).sum(axis=1) > 1).sum())
    present = tuple(name for name, there in zip(classes, is_present, strict=True) if there)
    return FaceScores(**told, n=len(labels), n_tied=n_tied, present=present)
