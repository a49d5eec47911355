"""Dealing units (people, trials, stimuli) into groups, so that each group has its part of every class."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["InnerFold", "deal", "inner_folds", "labels_of_units"]

Indices = NDArray[np.intp]


class InnerFold(NamedTuple):
    """Rows that a candidate is fitted on, and rows that it predicts."""

    train: Indices
    test: Indices


def deal(n_units: int, n_groups: int, rng: np.random.Generator, labels: Indices | None = None) -> Indices:
    """Deal units into groups at random.

    Parameters
    ----------
    n_units, n_groups : int
        How many there are, and into how many groups they go.
    rng : numpy.random.Generator
        Decides.
    labels : ndarray of int, shape (n_units,), optional
        Class of each unit: then the groups' numbers of units of a class differ by one at most.

    Returns
    -------
    ndarray of int, shape (n_units,)
        Group of each unit, from 0; sizes of groups differ by one at most.

    Examples
    --------
    >>> groups = deal(6, 3, np.random.default_rng(0), np.array([0, 0, 0, 1, 1, 1]))
    >>> sorted(groups[:3].tolist()), sorted(groups[3:].tolist())
    ([0, 1, 2], [0, 1, 2])
    """
    order = rng.permutation(n_units)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    groups = np.empty(n_units, dtype=np.intp)
    groups[order] = np.arange(n_units) % n_groups
    return groups


def labels_of_units(units: Indices, labels: Indices) -> Indices | None:
    """Label of each unit, in the order of ``np.unique(units)``; None if a unit has several.

    Examples
    --------
    >>> labels_of_units(np.array([4, 4, 2]), np.array([1, 1, 0]))
    array([0, 1])
    >>> labels_of_units(np.array([4, 4]), np.array([1, 0])) is None
    True
    """
    _, first, inverse = np.unique(units, return_index=True, return_inverse=True)
    own = labels[first]
    return own if np.array_equal(own[inverse], labels) else None


def inner_folds(
    units: Indices, labels: Indices | None, n_folds: int, rng: np.random.Generator
) -> list[InnerFold]:
    """Cross-validate within training rows so that no unit of any level is on both sides.

    Parameters
    ----------
    units : ndarray of int, shape (n_rows, n_levels)
        Unit of each row at each level that must not be shared.
    labels : ndarray of int, shape (n_rows,), optional
        Classes: where every unit has one, units are dealt within the classes.
    n_folds : int
        At most; never more than there are units.
    rng : numpy.random.Generator
        Deals.

    Returns
    -------
    list of InnerFold
        With one level each row is predicted once. With several, fold k predicts the rows that are in group k
        of every level and fits those that are so of none; the others are out of it. Empty if a level has a
        single unit.
    """
    groups = []
    n_units = [len(np.unique(column)) for column in units.T]
    n_groups = min(n_folds, *n_units)
    if n_groups < 2:
        return []
    for column in units.T:
        present, inverse = np.unique(column, return_inverse=True)
        own = None if labels is None else labels_of_units(column, labels)
        groups.append(deal(len(present), n_groups, rng, own)[inverse])
    group = np.stack(groups, axis=1)
    sides = (
        InnerFold(np.flatnonzero((group != k).all(axis=1)), np.flatnonzero((group == k).all(axis=1)))
        for k in range(n_groups)
    )
    return [fold for fold in sides if len(fold.train) and len(fold.test)]
