"""Graphs of electrodes as adjacency matrices, from their places on the head.

Each function takes names of electrodes, or places of one's own, and returns a symmetric matrix of
weights from 0 to 1 with zeros on the diagonal. Where a network wants self loops, add ``np.eye(n_channels)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import cdist

from physioaffect.errors import DataError

# The sphere on which the maps of the head are drawn, so that a graph and a map agree on who is beside whom.
from physioaffect.features.topomap import _CENTRE
from physioaffect.montage import electrode_positions

from .connectivity import check_undirected

__all__ = [
    "ADJACENCIES",
    "Electrodes",
    "delaunay",
    "distance",
    "electrode_graph",
    "full",
    "inverse_square",
    "k_nearest",
]

Electrodes: TypeAlias = Sequence[str] | NDArray[np.floating[Any]]
"""Names of the 10-05 system, or places in metres of shape (n_channels, 3)."""

# Metres. Places nearer than this are the same place given twice.
_SAME_PLACE = 1e-6

# Metres from the middle of a head, amply.
_LARGEST_HEAD = 0.5

# Electrodes at exactly the same distance, as on an ideal sphere, differ by rounding alone.
_TIE = 1 + 1e-9


def _places(electrodes: Electrodes) -> NDArray[np.float64]:
    if isinstance(electrodes, np.ndarray):
        if electrodes.ndim != 2 or electrodes.shape[1] != 3:
            raise DataError(
                f"Places of electrodes must have shape (n_channels, 3), got {electrodes.shape}. Pass x, y "
                "and z in metres, or the electrodes' names."
            )
        places = electrodes.astype(np.float64)
        if not np.isfinite(places).all():
            raise DataError("A place of an electrode is not a number. Leave out channels without a place.")
        if np.abs(places).max() > _LARGEST_HEAD:
            raise DataError(
                f"Places of electrodes are in metres, got one at {np.abs(places).max():g}. Divide "
                "centimetres by 100, millimetres by 1000."
            )
    else:
        if isinstance(electrodes, str):
            raise DataError(f"Electrodes come as a list of names, got the text {electrodes!r}.")
        places = electrode_positions(electrodes)
    if len(places) < 2:
        raise DataError(f"A graph of electrodes needs two of them or more, got {len(places)}.")
    return places


def _distances(electrodes: Electrodes) -> NDArray[np.float64]:
    """Distances in metres, infinite from each electrode to itself."""
    places = _places(electrodes)
    metres = cdist(places, places)
    np.fill_diagonal(metres, np.inf)
    if metres.min() < _SAME_PLACE:
        row, column = sorted(divmod(int(metres.argmin()), len(places)))
        raise DataError(f"Electrodes {row} and {column} are at the same place. Leave one of them out.")
    return metres


def distance(
    electrodes: Electrodes, *, sigma: float | None = None, threshold: float = 0.0
) -> NDArray[np.float64]:
    """Join electrodes by a Gaussian kernel of their distance: ``a_ij = exp(-d_ij^2 / (2 sigma^2))``.

    Parameters
    ----------
    electrodes : sequence of str, or ndarray of shape (n_channels, 3)
        Names of the 10-05 system, or places in metres.
    sigma : float, optional
        Width of the kernel in metres. By default the mean distance from an electrode to its nearest one, so
        that nearest electrodes are joined with about 0.6 on any cap (3.0 cm for SEED's, 4.1 cm for DEAP's,
        4.6 cm for DREAMER's).
    threshold : float
        Weights below it become 0; from 0 (none does) to below 1.

    Returns
    -------
    adjacency : ndarray, shape (n_channels, n_channels)

    Raises
    ------
    DataError
        If there are fewer than two electrodes, one is unknown, or two are at one place.
    ValueError
        If a setting is out of range.

    Notes
    -----
    The thresholded Gaussian kernel of Shuman et al. 2013, equation 1, doi 10.1109/MSP.2012.2235192, which
    leaves sigma open and has the threshold as a distance. Distances are straight lines, not along the scalp.

    Examples
    --------
    >>> distance(["Fz", "Cz", "Pz"], threshold=0.1).round(2)
    array([[0.  , 0.6 , 0.17],
           [0.6 , 0.  , 0.61],
           [0.17, 0.61, 0.  ]])
    """
    if sigma is not None and not sigma > 0:
        raise ValueError(f"sigma is a length in metres above 0, such as 0.04, got {sigma}.")
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold must lie from 0 to below 1, the range of the weights, got {threshold}.")
    metres = _distances(electrodes)
    width = float(metres.min(axis=1).mean()) if sigma is None else sigma
    weights = np.exp(-0.5 * (metres / width) ** 2)
    return np.where(weights >= threshold, weights, 0.0)


def inverse_square(electrodes: Electrodes, *, delta: float = 5e-4) -> NDArray[np.float64]:
    """Join electrodes by the inverse square of their distance: ``a_ij = min(1, delta / d_ij^2)``.

    Parameters
    ----------
    electrodes : sequence of str, or ndarray of shape (n_channels, 3)
        Names of the 10-05 system, or places in metres.
    delta : float
        Square of the distance in metres up to which the weight is 1. The published value is 5 cm² (2.2 cm).

    Returns
    -------
    adjacency : ndarray, shape (n_channels, n_channels)

    Raises
    ------
    DataError
        As `distance`.
    ValueError
        If ``delta`` is not positive.

    Notes
    -----
    The local connections of RGNN (Zhong, Wang & Miao 2022, doi 10.1109/TAFFC.2020.2994159). They chose delta
    so that about 20 % of the entries exceed 0.1; on the template head 17 % do for SEED's cap, 20 % for DEAP's
    and 28 % for DREAMER's, the diagonal included. Their diagonal is 1, ours 0 as everywhere here.

    Examples
    --------
    >>> inverse_square(["Fz", "Cz", "Pz"]).round(3)
    array([[0.   , 0.087, 0.025],
           [0.087, 0.   , 0.091],
           [0.025, 0.091, 0.   ]])
    """
    if not delta > 0:
        raise ValueError(f"delta is a squared distance in square metres above 0, such as 5e-4, got {delta}.")
    return np.asarray(np.minimum(1.0, delta / _distances(electrodes) ** 2))


def k_nearest(electrodes: Electrodes, *, k: int = 4) -> NDArray[np.float64]:
    """Join each electrode with its nearest ones, with weight 1.

    Parameters
    ----------
    electrodes : sequence of str, or ndarray of shape (n_channels, 3)
        Names of the 10-05 system, or places in metres.
    k : int
        Number of nearest electrodes, below the number of electrodes.

    Returns
    -------
    adjacency : ndarray, shape (n_channels, n_channels)
        An edge is there if either end counts the other among its nearest, so that a node may have more than
        ``k``; electrodes that are equally far away are in or out together.

    Raises
    ------
    DataError
        As `distance`.
    ValueError
        If ``k`` is out of range.

    Examples
    --------
    >>> k_nearest(["Fz", "Cz", "Pz"], k=1)
    array([[0., 1., 0.],
           [1., 0., 1.],
           [0., 1., 0.]])
    """
    metres = _distances(electrodes)
    if not 1 <= k < len(metres):
        raise ValueError(f"k must lie from 1 to {len(metres) - 1} for {len(metres)} electrodes, got {k}.")
    reach = np.partition(metres, k - 1, axis=1)[:, k - 1 : k] * _TIE
    is_near = metres <= reach
    return (is_near | is_near.T).astype(np.float64)


def delaunay(electrodes: Electrodes) -> NDArray[np.float64]:
    """Join neighbours of the spherical Delaunay triangulation, with weight 1.

    Parameters
    ----------
    electrodes : sequence of str, or ndarray of shape (n_channels, 3)
        Names of the 10-05 system, or places in metres on MNE's template head: x to the right, y to the front.

    Returns
    -------
    adjacency : ndarray, shape (n_channels, n_channels)
        A planar graph without settings: any two electrodes whose Voronoi cells on the sphere touch.

    Raises
    ------
    DataError
        As `distance`, and if there are fewer than three electrodes or all lie on a circle through the neck.

    Notes
    -----
    Places are moved along the radius to the sphere that fits the 10-05 electrodes; the triangles are the
    facets of their convex hull (Brown 1979, doi 10.1016/0020-0190(79)90074-7). A point at the neck, left out
    afterwards, keeps the hull from closing the head from below with edges from ear to ear. This is the planar
    Delaunay triangulation of the stereographic projection from the neck.

    Examples
    --------
    >>> delaunay(["Cz", "Fz", "T7", "Pz", "T8"])
    array([[0., 1., 1., 1., 1.],
           [1., 0., 1., 0., 1.],
           [1., 1., 0., 1., 0.],
           [1., 0., 1., 0., 1.],
           [1., 1., 0., 1., 0.]])
    """
    _distances(electrodes)
    radii = _places(electrodes) - _CENTRE
    n_channels = len(radii)
    on_sphere = np.vstack([radii / np.linalg.norm(radii, axis=1, keepdims=True), (0.0, 0.0, -1.0)])
    try:
        triangles = ConvexHull(on_sphere).simplices
    except QhullError:
        raise DataError(
            f"{n_channels} electrodes make no triangle on the head: it takes three or more that do not lie "
            "in one vertical plane through its middle. Use distance or k_nearest."
        ) from None
    adjacency = np.zeros((n_channels + 1, n_channels + 1))
    for first, second in ((0, 1), (1, 2), (2, 0)):
        adjacency[triangles[:, first], triangles[:, second]] = 1
    return np.maximum(adjacency, adjacency.T)[:-1, :-1]


def full(electrodes: Electrodes) -> NDArray[np.float64]:
    """Join every electrode with every other, with weight 1.

    Parameters
    ----------
    electrodes : sequence of str, or ndarray of shape (n_channels, 3)
        Names of the 10-05 system, or places in metres.

    Returns
    -------
    adjacency : ndarray, shape (n_channels, n_channels)

    Raises
    ------
    DataError
        As `distance`.

    Examples
    --------
    >>> full(["Fz", "Cz"])
    array([[0., 1.],
           [1., 0.]])
    """
    return np.isfinite(_distances(electrodes)).astype(np.float64)


ADJACENCIES: dict[str, Callable[[Electrodes], NDArray[np.float64]]] = {
    "delaunay": delaunay,
    "distance": distance,
    "full": full,
    "inverse_square": inverse_square,
    "k_nearest": k_nearest,
}
"""Graphs that follow from the electrodes' places alone, by name."""


def electrode_graph(
    electrodes: Electrodes, kind: str | Callable[[Electrodes], NDArray[np.float64]] = "distance"
) -> NDArray[np.float64]:
    """Make a graph of electrodes by the name of its kind.

    Parameters
    ----------
    electrodes : sequence of str, or ndarray of shape (n_channels, 3)
        Names of the 10-05 system, or places in metres.
    kind : str or callable
        A key of `ADJACENCIES`, or a function of the electrodes.

    Returns
    -------
    adjacency : ndarray, shape (n_channels, n_channels)

    Raises
    ------
    DataError
        As `distance`, or if the function's matrix is not one of an undirected graph.
    ValueError
        If no graph has this name.

    Examples
    --------
    >>> electrode_graph(["Fz", "Cz"], "full")
    array([[0., 1.],
           [1., 0.]])
    """
    if isinstance(kind, str):
        if kind not in ADJACENCIES:
            raise ValueError(f"Unknown graph {kind!r}: use one of {', '.join(ADJACENCIES)} or a function.")
        return ADJACENCIES[kind](electrodes)
    return check_undirected(kind(electrodes), len(electrodes))
