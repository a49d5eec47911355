"""Scores of predictions of classes that have an order, such as ratings from 1 to 5.

Each takes ``(truth, scores, classes)``: the true classes (n,), a number for each class (n, n_classes), higher
meaning more of it, and all classes (n_classes,) in their order, which is that of the columns. Each returns a
share from 0 to 1. Of equal scores the lower class comes first.

The measures are those of HiSTN (Kuang et al. 2024, arXiv 2408.15255).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ORDINAL", "adjacent_top1", "adjacent_top2", "seq2hr", "top2_accuracy", "tri_p"]

_Scores = NDArray[np.floating[Any]]


def tri_p(truth: NDArray[Any], scores: _Scores, classes: NDArray[Any]) -> float:
    """Share of predictions that are right or one class off: the three central diagonals of the confusions.

    Parameters
    ----------
    truth, scores, classes : ndarray
        As all measures of this file.

    Returns
    -------
    float

    Notes
    -----
    The published code leaves classes that neither occur nor are predicted out of the matrix, so that the two
    neighbours of a missing class count as one off. Here two classes are neighbours only if they are in
    ``classes``.

    Examples
    --------
    >>> scores = np.array([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1], [0.7, 0.2, 0.1]])
    >>> round(tri_p(np.array([1, 2, 3]), scores, np.array([1, 2, 3])), 4)
    0.6667
    """
    true, ranked = _ranked(truth, scores, classes)
    return float(np.mean(np.abs(ranked[:, 0] - true) <= 1))


def seq2hr(truth: NDArray[Any], scores: _Scores, classes: NDArray[Any]) -> float:
    """Sequential top-2 hit rate: the two best classes are neighbours, and one of them is true.

    Parameters
    ----------
    truth, scores, classes : ndarray
        As all measures of this file.

    Returns
    -------
    float
        NaN if there are fewer than three classes, where any two are neighbours.

    Examples
    --------
    >>> scores = np.array([[0.5, 0.4, 0.1], [0.5, 0.1, 0.4]])
    >>> seq2hr(np.array([2, 1]), scores, np.array([1, 2, 3]))
    0.5
    """
    true, ranked = _ranked(truth, scores, classes)
    is_hit = (ranked[:, :2] == true[:, np.newaxis]).any(axis=1)
    return _share_of_neighbours(ranked, is_hit)


def adjacent_top1(truth: NDArray[Any], scores: _Scores, classes: NDArray[Any]) -> float:
    """Share where the two best classes are neighbours and the best is true; NaN below three classes."""
    true, ranked = _ranked(truth, scores, classes)
    return _share_of_neighbours(ranked, ranked[:, 0] == true)


def adjacent_top2(truth: NDArray[Any], scores: _Scores, classes: NDArray[Any]) -> float:
    """Share where the two best classes are neighbours, true or not; NaN below three classes."""
    _, ranked = _ranked(truth, scores, classes)
    return _share_of_neighbours(ranked, np.ones(len(ranked), dtype=np.bool_))


def top2_accuracy(truth: NDArray[Any], scores: _Scores, classes: NDArray[Any]) -> float:
    """Share where the true class is one of the two best among those that occur in ``truth``.

    The scores of other classes are left out first, as published: the measure knows which classes the test
    has. NaN if fewer than three classes occur, because two are always the best two.
    """
    true, _ = _ranked(truth, scores, classes)
    present = np.unique(true)
    if len(present) < 3:
        return float("nan")
    order = np.argsort(-scores[:, present], axis=1, kind="stable")
    return float(np.mean((present[order[:, :2]] == true[:, np.newaxis]).any(axis=1)))


def _ranked(
    truth: NDArray[Any], scores: _Scores, classes: NDArray[Any]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """True classes by place, and places of all classes from the best to the worst."""
    if scores.shape != (len(truth), len(classes)):
        raise ValueError(
            f"{len(truth)} predictions of {len(classes)} classes need scores of shape "
            f"{(len(truth), len(classes))}, got {scores.shape}."
        )
    is_class = np.asarray(truth)[:, np.newaxis] == np.asarray(classes)
    if not is_class.any(axis=1).all():
        unknown = np.asarray(truth)[~is_class.any(axis=1)][0]
        raise ValueError(f"The true class {unknown} is none of the classes {', '.join(map(str, classes))}.")
    return is_class.argmax(axis=1), np.argsort(-scores, axis=1, kind="stable")


def _share_of_neighbours(ranked: NDArray[np.intp], also: NDArray[np.bool_]) -> float:
    if ranked.shape[1] < 3:
        return float("nan")
    return float(np.mean((np.abs(ranked[:, 0] - ranked[:, 1]) == 1) & also))


ORDINAL: dict[str, Callable[[NDArray[Any], _Scores, NDArray[Any]], float]] = {
    "tri_p": tri_p,
    "seq2hr": seq2hr,
    "adjacent_top1": adjacent_top1,
    "adjacent_top2": adjacent_top2,
    "top2_accuracy": top2_accuracy,
}
