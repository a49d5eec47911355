"""Where classes of emotion lie in the plane of valence and arousal, and which cells their faces aim at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

from physioaffect.distill.grid import grid_cells
from physioaffect.distill.prototypes import Prototypes
from physioaffect.errors import DataError, did_you_mean

__all__ = ["ANCHORS", "anchors_of", "cell_targets", "similarity_targets", "soft_cells"]

Floats = NDArray[np.float64]

#: Valence and arousal of each class of FER+ in [-1, 1]. Our choice: the paper publishes none. Anger and fear
#: lie a tenth apart, so that no target made from these can tell them from one another.
ANCHORS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "neutral": (0.0, 0.0),
        "happiness": (0.8, 0.4),
        "surprise": (0.3, 0.8),
        "sadness": (-0.7, -0.4),
        "anger": (-0.6, 0.7),
        "disgust": (-0.7, 0.3),
        "fear": (-0.6, 0.8),
        "contempt": (-0.5, 0.2),
    }
)


def anchors_of(
    classes: Sequence[str], anchors: Mapping[str, tuple[float, float]] = ANCHORS
) -> NDArray[np.float64]:
    """Look up valence and arousal of classes.

    Parameters
    ----------
    classes : sequence of str
        Their names.
    anchors : mapping of str to (valence, arousal)
        Where they lie, in [-1, 1].

    Returns
    -------
    points : ndarray, shape (n_classes, 2)

    Raises
    ------
    DataError
        If there is no class, one has no anchor, or one lies beyond [-1, 1].

    Examples
    --------
    >>> anchors_of(["happiness", "neutral"]).tolist()
    [[0.8, 0.4], [0.0, 0.0]]
    """
    if isinstance(classes, str) or not len(classes):
        raise DataError(f"Expected a list of classes, got {classes!r}. Pass those of the face data set.")
    for name in classes:
        if name not in anchors:
            raise DataError(
                f"The class {name!r} has no anchor of valence and arousal. {did_you_mean(name, anchors)} Or "
                "pass anchors of your own."
            )
    points = np.array([anchors[name] for name in classes], dtype=np.float64)
    if points.shape != (len(classes), 2) or not (np.abs(points) <= 1).all():
        raise DataError("An anchor is a pair (valence, arousal) in [-1, 1]. Scale your anchors.")
    return points


def soft_cells(points: ArrayLike, centres: ArrayLike, *, spread: float = 0.4) -> Floats:
    """Spread points of the plane over the cells of a grid.

    Parameters
    ----------
    points : array-like, shape (n, 2)
        Valence and arousal.
    centres : array-like, shape (n_cells, 2)
        Middles of the cells, as `grid_centres` gives them.
    spread : float
        Standard deviation of the bell, in units of the ratings.

    Returns
    -------
    targets : ndarray, shape (n, n_cells)
        ``softmax(-d ** 2 / (2 * spread ** 2))`` with a point's distances d from all cells; rows add to 1.

    Raises
    ------
    DataError
        If shapes do not fit or a number is missing.
    ValueError
        If ``spread`` is not above 0.

    Examples
    --------
    Half a cell to each side of two middles:

    >>> soft_cells([[0.0, 0.5]], [[-0.5, 0.5], [0.5, 0.5]]).tolist()
    [[0.5, 0.5]]
    """
    if not (np.isfinite(spread) and spread > 0):
        raise ValueError(f"spread must be a number above 0, got {spread!r}. Cells of 5 x 5 are 0.4 wide.")
    found = [np.asarray(values, dtype=np.float64) for values in (points, centres)]
    for name, values in zip(("Points", "Centres"), found, strict=True):
        if values.ndim != 2 or values.shape[1] != 2 or not np.isfinite(values).all():
            raise DataError(
                f"{name} must be finite pairs (valence, arousal), shape (n, 2), got shape {values.shape}. "
                "Leave out what has no rating."
            )
    squared = ((found[0][:, None] - found[1][None]) ** 2).sum(axis=-1)
    return np.asarray(softmax(-squared / (2 * spread**2), axis=1))


def cell_targets(
    classes: Sequence[str],
    centres: ArrayLike,
    *,
    spread: float = 0.4,
    anchors: Mapping[str, tuple[float, float]] = ANCHORS,
) -> Floats:
    """Distribution over the prototypes that a face of each class aims at: q_pro.

    Parameters
    ----------
    classes : sequence of str
        Classes of the student, in its order.
    centres : array-like, shape (n_cells, 2)
        Middles of the cells, ``prototypes.centres``.
    spread : float
        Standard deviation of the bell, in units of the ratings: one cell of the published grid.
    anchors : mapping of str to (valence, arousal)
        Where the classes lie.

    Returns
    -------
    targets : ndarray, shape (n_classes, n_cells)
        Rows add to 1.

    Notes
    -----
    ``softmax(-d ** 2 / (2 * 0.4 ** 2))`` of the distances d from the class's anchor to all cells. The paper
    describes q_pro only as derived from the prototype field; this and the anchors are ours. These targets
    hold no EEG: what a student learns of EEG is how the prototypes lie to one another.

    Examples
    --------
    >>> from physioaffect.distill.grid import grid_centres
    >>> targets = cell_targets(["neutral", "happiness"], grid_centres(5))
    >>> targets.argmax(axis=1), targets.sum(axis=1).round(6).tolist()
    (array([12, 23]), [1.0, 1.0])
    """
    return soft_cells(anchors_of(classes, anchors), centres, spread=spread)


def similarity_targets(
    classes: Sequence[str],
    prototypes: Prototypes,
    *,
    temperature: float = 5.0,
    anchors: Mapping[str, tuple[float, float]] = ANCHORS,
) -> Floats:
    """Targets from the prototypes' own similarity, instead of from the plane.

    Parameters
    ----------
    classes : sequence of str
        Classes of the student, in its order.
    prototypes : Prototypes
        Their similarity matrix is used.
    temperature : float
        Divides cosines. They differ by 2 at most, so that at the suggested 5 no target is more than
        exp(2 / 5), or 1.5 times, another; below 0.1 targets have a clear peak.
    anchors : mapping of str to (valence, arousal)
        Where the classes lie.

    Returns
    -------
    targets : ndarray, shape (n_classes, k * k)
        ``softmax(cosines of all prototypes to that of the anchor's cell / temperature)``; rows add to 1.
        Classes whose anchors share a cell share a row.

    Raises
    ------
    DataError
        If a class has no anchor.
    ValueError
        If the temperature is not above 0.

    Examples
    --------
    >>> from physioaffect.distill.prototypes import valence_arousal_prototypes
    >>> grid = valence_arousal_prototypes([[1, 0], [0, 1]], [-0.5, 0.5], [0.5, 0.5], k=2)
    >>> similarity_targets(["sadness"], grid, temperature=1.0).round(4).tolist()
    [[0.3655, 0.3655, 0.1345, 0.1345]]
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature must be a number above 0, got {temperature!r}.")
    points = anchors_of(classes, anchors)
    cells = grid_cells(points[:, 0], points[:, 1], k=prototypes.k)
    return np.asarray(softmax(prototypes.similarity[cells] / temperature, axis=1))
