"""The plane of valence and arousal cut into k x k cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physioaffect.errors import DataError

__all__ = ["cell_distances", "grid_cells", "grid_centres", "least_empty_cells", "nearest_filled"]

MOST_CELLS_AN_AXIS = 50

# Ratings are kept as float32 in places, where -0.6 is a little below -0.6. Without a tolerance a rating on an
# edge would change its cell with the type of the array that it passed through.
_ROUNDING = 1e-6


def check_k(k: int) -> None:
    """Refuse a number of cells along an axis that is none."""
    if not isinstance(k, int | np.integer) or isinstance(k, bool) or not 1 <= k <= MOST_CELLS_AN_AXIS:
        raise ValueError(
            f"k, the number of cells along each axis, must be a whole number from 1 to {MOST_CELLS_AN_AXIS}, "
            f"got {k!r}. The published grid has k=5."
        )


def grid_centres(k: int) -> NDArray[np.float64]:
    """Middles of the cells.

    Parameters
    ----------
    k : int
        Cells along each axis, from 1 to 50.

    Returns
    -------
    centres : ndarray, shape (k * k, 2)
        Valence and arousal of cell ``valence_cell * k + arousal_cell``, both rising, in [-1, 1].

    Examples
    --------
    >>> grid_centres(5)[:6].tolist()
    [[-0.8, -0.8], [-0.8, -0.4], [-0.8, 0.0], [-0.8, 0.4], [-0.8, 0.8], [-0.4, -0.8]]
    """
    check_k(k)
    # From whole numbers, so that the grid is symmetric about 0 to the last bit.
    middles = (2 * np.arange(k) + 1 - k) / k
    return np.stack(np.meshgrid(middles, middles, indexing="ij"), axis=-1).reshape(-1, 2)


def grid_cells(valence: ArrayLike, arousal: ArrayLike, *, k: int = 5) -> NDArray[np.intp]:
    """Find the cell of each rating.

    Parameters
    ----------
    valence, arousal : array-like, shape (n,)
        Ratings in [-1, 1]; (score - 3) / 2 for scores from 1 to 5, (score - 5) / 4 for 1 to 9.
    k : int
        Cells along each axis.

    Returns
    -------
    cells : ndarray of int, shape (n,)
        ``valence_cell * k + arousal_cell``.

    Raises
    ------
    DataError
        If a rating is missing or beyond [-1, 1], or the two have different shapes.

    Notes
    -----
    Cells hold their lower edge and not their upper one, the last also its upper one: cell j is
    [-1 + 2 j / k, -1 + 2 (j + 1) / k). A rating within 1e-6 of an edge counts as on it. With odd k no edge is
    at 0; with even k neutral ratings fall in the upper cells.

    Examples
    --------
    The five values that DREAMER's scores take, and an edge.

    >>> grid_cells([-1, -0.5, 0, 0.5, 1, 0.2], [-1] * 6, k=5) // 5
    array([0, 1, 2, 3, 4, 3])
    """
    check_k(k)
    both = [_ratings(values, name) for values, name in ((valence, "valence"), (arousal, "arousal"))]
    if both[0].shape != both[1].shape:
        raise DataError(
            f"Valence has {len(both[0])} ratings and arousal {len(both[1])}. Pass one each for each window."
        )
    along = [_along(values, k) for values in both]
    return along[0] * k + along[1]


def _ratings(values: ArrayLike, name: str) -> NDArray[np.float64]:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1:
        raise DataError(f"{name} must be one rating for each window, shape (n,), got shape {found.shape}.")
    if missing := int(np.isnan(found).sum()):
        raise DataError(
            f"{missing} of {len(found)} ratings of {name} are missing (NaN). Leave those windows out, of the "
            "embeddings, too."
        )
    if len(found) and not (found.min() >= -1 - _ROUNDING and found.max() <= 1 + _ROUNDING):
        raise DataError(
            f"Ratings of {name} must lie in [-1, 1], got {found.min():g} to {found.max():g}. Scale them: "
            "(score - 3) / 2 for scores from 1 to 5, (score - 5) / 4 for scores from 1 to 9."
        )
    return found


def _along(values: NDArray[np.float64], k: int) -> NDArray[np.intp]:
    position = (values + 1) * k / 2
    edge = np.round(position)
    position = np.where(np.abs(position - edge) <= _ROUNDING * k / 2, edge, position)
    return np.clip(np.floor(position), 0, k - 1).astype(np.intp)


def least_empty_cells(
    valence_levels: ArrayLike | None, arousal_levels: ArrayLike | None = None, *, k: int
) -> int:
    """Count the cells that stay empty however many windows there are.

    Parameters
    ----------
    valence_levels : array-like or None
        The values in [-1, 1] that ratings of valence can take; None for a continuous scale.
    arousal_levels : array-like or None
        Those of arousal. Default: the same.
    k : int
        Cells along each axis.

    Returns
    -------
    n_empty : int
        ``k * k - rows * columns``, where rows and columns are the intervals that some level falls into. A
        scale of n values reaches at most n intervals, so that at least ``k * k - n * n`` cells stay empty.

    Examples
    --------
    Self-reports of DREAMER take five values: a 7 x 7 grid is empty in 24 cells of 49 by construction.

    >>> dreamer = [-1, -0.5, 0, 0.5, 1]
    >>> least_empty_cells(dreamer, k=7), least_empty_cells(dreamer, k=5), least_empty_cells(None, k=7)
    (24, 0, 0)
    """
    check_k(k)
    if arousal_levels is None:
        arousal_levels = valence_levels
    reached = [
        k if levels is None else len(np.unique(_along(_ratings(levels, name), k)))
        for levels, name in ((valence_levels, "valence"), (arousal_levels, "arousal"))
    ]
    return k * k - reached[0] * reached[1]


def cell_distances(k: int) -> NDArray[np.float64]:
    """Distance of the cells' middles from one another, shape (k * k, k * k), in units of the ratings."""
    return np.sqrt(_squared_steps(k)) * (2 / k)


def _squared_steps(k: int) -> NDArray[np.intp]:
    # In whole steps, so that equal distances are equal.
    at = np.stack(np.divmod(np.arange(k * k), k), axis=-1)
    steps: NDArray[np.intp] = ((at[:, None] - at[None, :]) ** 2).sum(axis=-1)
    return steps


def nearest_filled(counts: NDArray[np.integer], k: int) -> NDArray[np.intp]:
    """For each cell the filled cell whose middle is nearest: itself, where it is filled.

    Parameters
    ----------
    counts : ndarray of int, shape (k * k,)
        Windows in each cell.
    k : int
        Cells along each axis.

    Returns
    -------
    source : ndarray of int, shape (k * k,)
        Of equally near cells the one with the most windows; of those the one with the smallest number.

    Examples
    --------
    >>> nearest_filled(np.array([3, 0, 0, 5]), 2)
    array([0, 3, 3, 3])
    """
    filled = np.flatnonzero(counts)
    if not len(filled):
        raise DataError("Every cell is empty: there is no window to make prototypes of.")
    # The first of the smallest is taken, so that what is preferred comes first.
    filled = filled[np.argsort(-counts[filled], kind="stable")]
    nearest: NDArray[np.intp] = filled[_squared_steps(k)[:, filled].argmin(axis=1)]
    return nearest
