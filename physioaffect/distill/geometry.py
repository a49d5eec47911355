"""How the prototypes of a grid lie to one another: all of them that survives when a teacher is trained again.

Two trainings of one teacher end in two spaces whose axes have nothing to do with one another, so that vectors
cannot be compared; their similarity matrices can [1]_.

References
----------
.. [1] Kriegeskorte, Mur & Bandettini, 2008. Representational similarity analysis. Frontiers in Systems
       Neuroscience 2:4. doi:10.3389/neuro.06.004.2008
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from physioaffect.distill.grid import cell_distances
from physioaffect.distill.prototypes import Prototypes
from physioaffect.errors import DataError

__all__ = ["GeometryAgreement", "SeedStability", "geometry_agreement", "grid_geometry", "seed_stability"]

Floats = NDArray[np.float64]

_FEWEST_CELLS = 4
_ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True)
class GeometryAgreement:
    """Rank correlation of two matrices over pairs of cells.

    ``correlation`` is Spearman's over the ``n_cells * (n_cells - 1) / 2`` pairs of cells that are filled in
    both; ``p_value`` the part of ``n_permutations`` orders of the cells, and of the one at hand, that give as
    large a one.
    """

    correlation: float
    p_value: float
    n_cells: int
    n_permutations: int

    def to_json(self) -> dict[str, Any]:
        """All of it, for scripts."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, eq=False)
class SeedStability:
    """What prototypes of several seeds, or teachers, have in common.

    Attributes
    ----------
    geometry : ndarray, shape (n, n)
        Spearman's correlation between the similarity matrices of each two.
    p_values : ndarray, shape (n, n)
        Of each of these.
    cosine : ndarray, shape (k * k,), or None
        Mean cosine over all pairs of the cell's prototypes, NaN where one of them is empty. None if they are
        not in one space.
    """

    geometry: Floats
    p_values: Floats
    cosine: Floats | None

    @property
    def mean_geometry(self) -> float:
        """Mean correlation over all pairs."""
        return float(self.geometry[np.triu_indices(len(self.geometry), 1)].mean())

    def to_json(self) -> dict[str, Any]:
        """All of it, for scripts."""
        cosine = None if self.cosine is None else [None if np.isnan(x) else float(x) for x in self.cosine]
        return {
            "mean_geometry": self.mean_geometry,
            "geometry": self.geometry.tolist(),
            "p_values": self.p_values.tolist(),
            "cosine": cosine,
        }


def geometry_agreement(
    first: Prototypes, second: Prototypes, *, n_permutations: int = 999, seed: int = 0
) -> GeometryAgreement:
    """Compare two grids of prototypes by their similarity matrices; their spaces may differ.

    Parameters
    ----------
    first, second : Prototypes
        With the same k. Cells that are empty in one are left out: a copy agrees with itself.
    n_permutations : int
        Orders of the cells for the p-value.
    seed : int
        Source of randomness.

    Returns
    -------
    GeometryAgreement

    Raises
    ------
    DataError
        If the grids differ, fewer than four cells are filled in both, or all similarities are equal.

    Notes
    -----
    Spearman's correlation of the upper triangles; the p-value is Mantel's, one-sided: rows and columns of one
    matrix change places together. Its null hypothesis is that cells are exchangeable: that two geometries
    have nothing to do with one another. Two that both merely fall with the distance of the cells reject it
    rightly; it does not say that they agree in more than that.

    Examples
    --------
    >>> from physioaffect.distill.anchors import ANCHORS
    >>> from physioaffect.distill.controls import one_hot_prototypes, random_prototypes
    >>> labels = one_hot_prototypes(list(ANCHORS), ANCHORS, 5, 8)
    >>> geometry_agreement(labels, labels).correlation
    1.0
    >>> geometry_agreement(labels, random_prototypes(labels, seed=0)).p_value > 0.05
    True
    """
    if first.k != second.k:
        raise DataError(
            f"One grid has {first.k} x {first.k} cells, the other {second.k} x {second.k}. Make both "
            "with one k."
        )
    return _mantel(
        first.similarity, second.similarity, ~first.is_empty & ~second.is_empty, n_permutations, seed
    )


def grid_geometry(prototypes: Prototypes, *, n_permutations: int = 999, seed: int = 0) -> GeometryAgreement:
    """Find out whether prototypes of near cells are more alike than those of far ones.

    Parameters
    ----------
    prototypes : Prototypes
        Empty cells are left out.
    n_permutations, seed : int
        As in `geometry_agreement`.

    Returns
    -------
    GeometryAgreement
        Between the similarity and minus the distance of the cells' middles; 1 if similarity falls with the
        distance throughout.

    Raises
    ------
    DataError
        As `geometry_agreement`.

    Notes
    -----
    The p-value takes cells for exchangeable. They are not where some hold more windows than others: their
    prototypes have less noise and are more alike to all, and if they lie in the corners, similarity rises
    with the distance of itself. `split_half_stability` tests the same against ratings shuffled within people,
    which keep the counts: believe that one.

    Examples
    --------
    >>> from physioaffect.distill import grid_centres, valence_arousal_prototypes
    >>> valence, arousal = grid_centres(3).T
    >>> plane = np.stack([valence, arousal, np.ones(9)], axis=1)  # Near cells have near vectors.
    >>> made = valence_arousal_prototypes(plane, valence, arousal, k=3)
    >>> found = grid_geometry(made, n_permutations=99)
    >>> found.correlation > 0.9, found.p_value
    (True, 0.01)
    """
    return _mantel(
        prototypes.similarity, -cell_distances(prototypes.k), ~prototypes.is_empty, n_permutations, seed
    )


def seed_stability(
    several: Sequence[Prototypes], *, same_space: bool, n_permutations: int = 999, seed: int = 0
) -> SeedStability:
    """Compare prototypes of several seeds with one another.

    Parameters
    ----------
    several : sequence of Prototypes
        At least two, with the same k.
    same_space : bool
        Whether their vectors mean the same: halves or subsets of people under one teacher do, teachers
        trained with different seeds do not.
    n_permutations, seed : int
        As in `geometry_agreement`.

    Returns
    -------
    SeedStability

    Raises
    ------
    DataError
        As `geometry_agreement`, or if fewer than two are given, or dimensions differ in what is said
        to be one space.

    Examples
    --------
    >>> from physioaffect.distill import valence_arousal_prototypes
    >>> rng = np.random.default_rng(0)
    >>> valence, arousal = rng.uniform(-1, 1, size=(2, 400))
    >>> plane = np.stack([valence, arousal, np.ones(400)], axis=1)
    >>> halves = [
    ...     valence_arousal_prototypes(plane[rows], valence[rows], arousal[rows], k=3)
    ...     for rows in (slice(0, 200), slice(200, 400))
    ... ]
    >>> found = seed_stability(halves, same_space=True, n_permutations=99)
    >>> float(found.p_values[0, 1]), bool(found.geometry[0, 1] > 0.9), bool(found.cosine.min() > 0.9)
    (0.01, True, True)
    """
    if len(several) < 2:
        raise DataError(f"Stability across seeds needs at least 2 sets of prototypes, got {len(several)}.")
    n = len(several)
    geometry, p_values = np.eye(n), np.full((n, n), 1 / (1 + n_permutations))
    for i, j in combinations(range(n), 2):
        found = geometry_agreement(several[i], several[j], n_permutations=n_permutations, seed=seed)
        geometry[i, j] = geometry[j, i] = found.correlation
        p_values[i, j] = p_values[j, i] = found.p_value
    if not same_space:
        return SeedStability(geometry=geometry, p_values=p_values, cosine=None)
    if len(dims := {one.n_dims for one in several}) > 1:
        raise DataError(
            f"Prototypes of {' and '.join(map(str, sorted(dims)))} dimensions are not in one space. Pass "
            "same_space=False."
        )
    vectors = np.stack([one.vectors for one in several]).astype(np.float64)
    pairs = [(vectors[i] * vectors[j]).sum(axis=-1) for i, j in combinations(range(n), 2)]
    is_empty = np.any([one.is_empty for one in several], axis=0)
    return SeedStability(
        geometry=geometry, p_values=p_values, cosine=np.where(is_empty, np.nan, np.mean(pairs, axis=0))
    )


def falls_with_distance(similarity: Floats, filled: NDArray[np.intp], k: int) -> float:
    """Spearman's correlation of similarity with minus the distance of cells; NaN if there is none."""
    pairs = np.triu_indices(len(filled), 1)
    ranks = [
        rankdata(matrix.round(12)) - (len(pairs[0]) + 1) / 2
        for matrix in (similarity[pairs], -cell_distances(k)[np.ix_(filled, filled)][pairs])
    ]
    size = np.sqrt((ranks[0] @ ranks[0]) * (ranks[1] @ ranks[1]))
    return float(ranks[0] @ ranks[1] / size) if size > 0 else float("nan")


def _mantel(
    first: Floats, second: Floats, is_used: NDArray[np.bool_], n_permutations: int, seed: int
) -> GeometryAgreement:
    if n_permutations < 1:
        raise ValueError(f"n_permutations must be at least 1, got {n_permutations!r}.")
    used = np.flatnonzero(is_used)
    n = len(used)
    if n < _FEWEST_CELLS:
        raise DataError(
            f"Only {n} cells are filled in both grids; at least {_FEWEST_CELLS} are needed to compare how "
            "cells lie to one another. Take a smaller k, or more windows."
        )
    pairs = np.triu_indices(n, 1)
    squares = []
    for matrix in (first, second):
        # Equal similarities differ in their last bits; they are to be ties.
        ranks = rankdata(matrix[np.ix_(used, used)][pairs].round(9))
        ranks -= ranks.mean()
        if not (size := np.linalg.norm(ranks)) > 0:
            raise DataError("All similarities are equal, so that there is nothing to correlate.")
        square = np.zeros((n, n))
        square[pairs] = square.T[pairs] = ranks / size
        squares.append(square)
    correlation = float((squares[0][pairs] * squares[1][pairs]).sum())
    rng = np.random.default_rng(seed)
    n_as_large = 0
    for _ in range(n_permutations):
        order = rng.permutation(n)
        shuffled = squares[1][order[pairs[0]], order[pairs[1]]]
        n_as_large += bool((squares[0][pairs] * shuffled).sum() >= correlation - _ROUNDING)
    return GeometryAgreement(
        correlation=min(1.0, max(-1.0, round(correlation, 12))),
        p_value=(1 + n_as_large) / (1 + n_permutations),
        n_cells=n,
        n_permutations=n_permutations,
    )
