"""Connections between the hemispheres that no distance gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.montage import canonical_name, electrode_positions

__all__ = ["GLOBAL_PAIRS", "inter_hemispheric"]

GLOBAL_PAIRS = (
    ("FP1", "FP2"),
    ("AF3", "AF4"),
    ("F5", "F6"),
    ("FC5", "FC6"),
    ("C5", "C6"),
    ("CP5", "CP6"),
    ("P5", "P6"),
    ("PO5", "PO6"),
    ("O1", "O2"),
)
"""Left and right electrodes that RGNN joins across the head (doi 10.1109/TAFFC.2020.2994159)."""


def inter_hemispheric(
    adjacency: NDArray[np.floating[Any]],
    ch_names: Sequence[str],
    *,
    pairs: Sequence[tuple[str, str]] = GLOBAL_PAIRS,
) -> NDArray[np.float64]:
    """Add RGNN's global connections: ``a_ij - 1`` for left and right electrodes far apart.

    Parameters
    ----------
    adjacency : ndarray, shape (n_channels, n_channels)
        Weights up to 1, as `physioaffect.graphs.inverse_square` gives them; not changed.
    ch_names : sequence of str
        Names of its rows.
    pairs : sequence of (left, right)
        Those with an electrode that the cap lacks are left out. None changes nothing.

    Returns
    -------
    adjacency : ndarray, shape (n_channels, n_channels)
        With weights from -1 to 0 at the pairs: not for a Laplacian.

    Raises
    ------
    DataError
        If the names do not fit the matrix, or the cap has none of the pairs.

    Notes
    -----
    The global connections of RGNN (Zhong, Wang & Miao 2022, doi 10.1109/TAFFC.2020.2994159): the negative
    weight makes of the sum over neighbours a difference between the hemispheres.

    Examples
    --------
    >>> inter_hemispheric(np.array([[0.0, 0.25], [0.25, 0.0]]), ["O1", "O2"])
    array([[ 0.  , -0.75],
           [-0.75,  0.  ]])
    """
    electrode_positions(ch_names)
    if adjacency.shape != (len(ch_names),) * 2:
        raise DataError(
            f"{len(ch_names)} names of channels do not fit an adjacency of shape {adjacency.shape}. Pass the "
            "names from which it was made, in the same order."
        )
    row_of = {canonical_name(name): row for row, name in enumerate(ch_names)}
    found = [(canonical_name(left), canonical_name(right)) for left, right in pairs]
    joined = [(row_of[left], row_of[right]) for left, right in found if {left, right} <= row_of.keys()]
    changed = adjacency.astype(np.float64)
    if not found:
        return changed
    if not joined:
        raise DataError(
            f"None of the pairs {', '.join('-'.join(pair) for pair in pairs)} is among the {len(ch_names)} "
            "electrodes. Pass pairs=physioaffect.montage.mirror_pairs(ch_names) for those that the cap has, "
            "or pairs=() for none."
        )
    rows, columns = np.array(joined + [pair[::-1] for pair in joined]).T
    changed[rows, columns] -= 1
    return changed
