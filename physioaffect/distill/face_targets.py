"""Targets among the prototypes for each face: from its own valence and arousal where they are known."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from physioaffect.distill.anchors import cell_targets, similarity_targets, soft_cells
from physioaffect.distill.faces_table import FaceTable
from physioaffect.distill.grid import grid_cells
from physioaffect.distill.prototypes import Prototypes
from physioaffect.distill.student_settings import StudentSettings
from physioaffect.errors import DataError

__all__ = ["Targeting", "face_cell_targets"]

Targeting = Literal["anchors", "similarity", "own anchors", "own similarity"]


def face_cell_targets(
    table: FaceTable, prototypes: Prototypes, settings: StudentSettings, *, targeting: Targeting = "anchors"
) -> NDArray[np.float32]:
    """Distribution over the prototypes' cells that each face aims at.

    Parameters
    ----------
    table : FaceTable
        Faces with soft labels, and with valence and arousal where the data set has them.
    prototypes : Prototypes
        Their grid, and for ``"similarity"`` and ``"own similarity"`` how alike they are.
    settings : StudentSettings
        ``spread`` of the bell, ``tau`` of the similarities.
    targeting : {"anchors", "similarity", "own anchors", "own similarity"}
        ``"anchors"``: a bell around the anchor of the class, ``softmax(-d^2 / (2 spread^2))``.
        ``"similarity"``: ``softmax(cosines to the prototype of the anchor's cell / tau)``. With ``"own"`` the
        point is the face's own valence and arousal in place of its class's anchor, where they are known. A
        soft label mixes the targets of its classes.

    Returns
    -------
    targets : ndarray of float32, shape (n_faces, n_cells)
        Rows add to 1.

    Notes
    -----
    Bells hold no EEG. The mean prototype that a class is pulled to is then ``m_c = sum_k q_ck p_k``, and with
    random prototypes, whose cosines are about 0, ``<m_c, m_d>`` is about ``<q_c, q_d>``: classes that lie
    near each other in the plane are pulled together *by the targets*, whatever the prototypes are. So
    random prototypes with bells know some of the plane's geometry, too, and EEG's differ from them only by
    what their own similarity adds to the overlap of bells. With similarities all geometry is the prototypes'
    own, and random ones have none.

    A similarity target is reached exactly by the feature ``p_j`` of the cell, where the loss is 0.

    Examples
    --------
    >>> from physioaffect.distill.anchors import ANCHORS
    >>> from physioaffect.distill.controls import one_hot_prototypes
    >>> table = FaceTable(
    ...     images=np.zeros((1, 8, 8), np.uint8), targets=np.eye(1, 2, dtype=np.float32),
    ...     classes=("happiness", "sadness"), identities=np.array(["a"]), splits=np.array([""]),
    ...     faces=np.array(["a"]), valence=np.array([-0.8], np.float32), arousal=np.array([0], np.float32),
    ...     dataset="drawn",
    ... )
    >>> found = [
    ...     face_cell_targets(table, one_hot_prototypes(list(ANCHORS), ANCHORS, 5, 16), StudentSettings(),
    ...                       targeting=one).argmax() for one in ("anchors", "own anchors")]
    >>> [int(one) for one in found]
    [23, 2]
    """
    if targeting not in get_args(Targeting):
        raise ValueError(f"targeting must be one of {', '.join(get_args(Targeting))}, got {targeting!r}.")
    if targeting.endswith("anchors"):
        of_class = cell_targets(table.classes, prototypes.centres, spread=settings.spread)
    else:
        of_class = similarity_targets(table.classes, prototypes, temperature=settings.tau)
    found = table.targets @ of_class.astype(np.float32)
    if not targeting.startswith("own"):
        return found
    own = np.isfinite(table.valence) & np.isfinite(table.arousal)
    if not own.any():
        raise DataError(
            f"No face of {table.dataset} has valence and arousal, and targets were to be made of them. Use a "
            "data set that has them, such as AffectNet, or targets of the classes."
        )
    points = np.stack([table.valence[own], table.arousal[own]], axis=1).astype(float)
    if targeting == "own anchors":
        found[own] = soft_cells(points, prototypes.centres, spread=settings.spread)
    else:
        cells = grid_cells(points[:, 0], points[:, 1], k=prototypes.k)
        found[own] = softmax(prototypes.similarity[cells] / settings.tau, axis=1)
    return found
