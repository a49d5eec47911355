"""Prototypes that hold no EEG: what a student must be compared with before a brain is given the credit.

The student reaches prototypes through a projection that it learns, so that it can make up for any rotation of
them: all that it can learn from is how similar prototypes of different cells are. Each control breaks that in
its own way and leaves the rest as it is (the grid, which cells are copies of which, counts, confidence).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from physioaffect.distill.anchors import anchors_of
from physioaffect.distill.grid import grid_centres
from physioaffect.distill.prototypes import Prototypes
from physioaffect.errors import DataError

__all__ = ["one_hot_prototypes", "random_prototypes", "shuffled_prototypes"]


def random_prototypes(like: Prototypes, *, seed: int, mean_similarity: float | None = None) -> Prototypes:
    """Random unit vectors in the place of prototypes.

    Parameters
    ----------
    like : Prototypes
        Whose grid, dimension, copies, counts and confidence to take.
    seed : int
        Source of randomness, not negative.
    mean_similarity : float, optional
        The cosine that two of them have in expectation, from 0 to below 1. Default: 0, even directions.
        Prototypes of EEG often share most of their direction; ``"random"`` then differs from them in how
        close together they lie, too. To have that the same, pass the mean of ``like``'s own similarity.

    Returns
    -------
    Prototypes
        One direction for each filled cell, drawn evenly from the sphere; empty cells copy the same cells
        as before. The origin says what it is, of which prototypes, and with which seed.

    Examples
    --------
    >>> from physioaffect.distill.anchors import ANCHORS
    >>> eeg = one_hot_prototypes(list(ANCHORS), ANCHORS, 5, 16)
    >>> control = random_prototypes(eeg, seed=1)
    >>> control.origin["control"], control.digest != eeg.digest
    ('random', True)
    """
    _check_seed(seed)
    rng = np.random.default_rng(seed)
    shared = 0.0 if mean_similarity is None else mean_similarity
    if not 0 <= shared < 1:
        raise ValueError(f"mean_similarity must be from 0 to below 1, got {shared!r}.")
    directions = rng.standard_normal((like.k**2, like.n_dims))
    if shared > 0:
        if like.n_dims < 2:
            raise DataError("One dimension has no directions but two; a mean similarity needs at least 2.")
        middle = rng.standard_normal(like.n_dims)
        middle /= np.linalg.norm(middle)
        directions -= np.outer(directions @ middle, middle)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        directions = np.sqrt(shared) * middle + np.sqrt(1 - shared) * directions
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    origin: dict[str, Any] = {"control": "random", "seed": int(seed), "mean_similarity": float(shared)}
    return replace(like, vectors=directions[like.filled_from].astype(np.float32), origin=origin | _of(like))


def shuffled_prototypes(like: Prototypes, *, seed: int) -> Prototypes:
    """The same prototypes, each at another cell.

    Parameters
    ----------
    like : Prototypes
        At least three cells must be filled: with two nothing changes between them.
    seed : int
        Source of randomness, not negative.

    Returns
    -------
    Prototypes
        Prototypes of filled cells change places; no one keeps its own, and all such orders are equally
        likely. Counts, people and confidence go with them. Empty cells copy the same cells as before. The
        origin's ``geometry_kept`` is Spearman's correlation between the similarities of pairs of filled
        cells before and after: near 1 for an order that leaves neighbours neighbours, such as a mirror
        image, which controls for nothing; then take another seed.

    Raises
    ------
    DataError
        If fewer than three cells are filled.

    Notes
    -----
    No prototype keeps its place, since of all orders only one in e has none that does, and a cell that kept
    its own would leave EEG in the control. The similarities as a set, unlike those of `random_prototypes`,
    are exactly those of the EEG.

    Examples
    --------
    >>> from physioaffect.distill.prototypes import valence_arousal_prototypes
    >>> eeg = valence_arousal_prototypes(np.eye(4), [-1, -1, 1, 1], [-1, 1, -1, 1], k=2)
    >>> shuffled_prototypes(eeg, seed=0).similarity.diagonal().tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    _check_seed(seed)
    filled = np.flatnonzero(~like.is_empty)
    if len(filled) < 3:
        raise DataError(
            f"Only {len(filled)} cells are filled; at least 3 are needed to put prototypes elsewhere. Use "
            "random_prototypes, or more windows."
        )
    order = _derangement(len(filled), np.random.default_rng(seed))
    moved = np.arange(like.k**2)
    moved[filled] = filled[order]
    pairs = np.triu_indices(len(filled), 1)
    before = like.similarity[np.ix_(filled, filled)]
    after = before[np.ix_(order, order)]
    kept = 1.0 if np.ptp(before[pairs]) == 0 else float(spearmanr(before[pairs], after[pairs]).statistic)
    origin: dict[str, Any] = {"control": "shuffled", "seed": int(seed), "geometry_kept": round(kept, 4)}
    return replace(
        like,
        vectors=like.vectors[moved][like.filled_from],
        counts=like.counts[moved],
        confidence=like.confidence[moved],
        n_people=None if like.n_people is None else like.n_people[moved],
        origin=origin | _of(like),
    )


def one_hot_prototypes(
    classes: Sequence[str],
    anchors: Mapping[str, tuple[float, float]],
    k: int,
    n_dims: int,
) -> Prototypes:
    """Prototypes that are labels: cells of one class share a direction, and classes have nothing in common.

    Parameters
    ----------
    classes : sequence of str
        Classes of the student.
    anchors : mapping of str to (valence, arousal)
        Where they lie, such as `ANCHORS`.
    k : int
        Cells along each axis.
    n_dims : int
        Dimension of the prototypes, at least the number of classes; further ones are 0.

    Returns
    -------
    Prototypes
        Each cell has the unit vector of the class whose anchor is nearest to its middle, of equally near ones
        that named first. Counts are 0, the confidence is 1. ``classes_without_cell`` of the origin names
        classes that are nearest to no cell: with `ANCHORS` and k=5 it is anger, which fear covers.

    Raises
    ------
    DataError
        If a class has no anchor or there are more classes than dimensions.

    Examples
    --------
    >>> from physioaffect.distill.anchors import ANCHORS
    >>> control = one_hot_prototypes(list(ANCHORS), ANCHORS, 5, 16)
    >>> control.vectors[12].argmax(), control.origin["classes_without_cell"]
    (np.int64(0), ['anger'])
    """
    points = anchors_of(classes, anchors)
    if n_dims < len(classes):
        raise DataError(
            f"One-hot prototypes of {len(classes)} classes need as many dimensions, got n_dims={n_dims}. "
            "Take a larger dimension of prototypes."
        )
    # Rounded, so that anchors that are equally far count so.
    squared = ((grid_centres(k)[:, None] - points[None]) ** 2).sum(axis=-1).round(9)
    nearest = squared.argmin(axis=1)
    return Prototypes(
        vectors=np.eye(len(classes), n_dims, dtype=np.float32)[nearest],
        k=k,
        counts=np.zeros(k * k, dtype=np.int64),
        confidence=np.ones(k * k, dtype=np.float32),
        filled_from=np.arange(k * k),
        origin={
            "control": "one_hot",
            "classes": list(classes),
            "anchors": points.tolist(),
            "classes_without_cell": [
                name for index, name in enumerate(classes) if index not in set(nearest.tolist())
            ],
        },
    )


def _derangement(n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw evenly from the orders that leave nothing in its place."""
    places = np.arange(n)
    while True:  # One order in e = 2.7 is one, so that this ends.
        order = rng.permutation(n)
        if (order != places).all():
            return order


def _of(like: Prototypes) -> dict[str, Any]:
    return {"of": like.digest, "of_origin": dict(like.origin)}


def _check_seed(seed: int) -> None:
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"seed must be a whole number from 0, got {seed!r}.")
