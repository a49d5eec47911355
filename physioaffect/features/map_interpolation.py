"""From values at places to a grid: what each place weighs in each point, and the product that applies it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CloughTocher2DInterpolator, RBFInterpolator

__all__ = ["Interpolation", "check_interpolation", "grid_axis", "interpolate_maps", "interpolation_matrix"]

Interpolation = Literal["thin_plate", "cubic"]
Floats = NDArray[np.float64]

# Weights that make more of the electrodes' independent noise than this tell nothing about the place. SEED's,
# DEAP's and DREAMER's electrodes reach 1.4 at the edge of the map; six at the back reach 3.6 at its front.
_MAX_GAIN = 1.5

_MAX_SIZE = 128

# Rows whose maps are made in double precision at once: 17 MB in 32 x 32 points.
_BLOCK = 2048


def _thin_plate(places: Floats, points: Floats) -> Floats:
    spline = RBFInterpolator(places, np.eye(len(places)), kernel="thin_plate_spline", degree=1)
    return np.asarray(spline(points))


def _clough_tocher(places: Floats, points: Floats) -> Floats:
    # The slopes at the places solve a linear system, by Gauss-Seidel sweeps that stop at this tolerance: far
    # below it all that follows is linear in the values, so that unit vectors tell the weights.
    surface = CloughTocher2DInterpolator(places, np.eye(len(places)), tol=1e-12, maxiter=10_000)
    return np.asarray(surface(points))


_METHODS: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "thin_plate": _thin_plate,
    "cubic": _clough_tocher,
}


def grid_axis(size: int) -> Floats:
    """Points of a map along each of its axes, from -1 to 1."""
    return np.linspace(-1, 1, size)


def check_interpolation(size: int, interpolation: str) -> None:
    """Raise a `ValueError` for a map that cannot be."""
    if not 2 <= size <= _MAX_SIZE:
        raise ValueError(f"A map needs 2 to {_MAX_SIZE} points along each axis, got {size}.")
    if interpolation not in _METHODS:
        raise ValueError(f"Unknown interpolation {interpolation!r}: use one of {', '.join(_METHODS)}.")


def interpolation_matrix(
    places: NDArray[np.float64], *, size: int, interpolation: Interpolation = "thin_plate"
) -> NDArray[np.float64]:
    """Weights that interpolate values at places to a grid.

    Parameters
    ----------
    places : ndarray, shape (n_channels, 2)
        x and y as `azimuthal_projection` gives them, all different.
    size : int
        Points of the grid along each axis, from -1 to 1.
    interpolation : {"thin_plate", "cubic"}
        The thin-plate spline [1]_, or piecewise cubic patches on the triangles between places [2]_.

    Returns
    -------
    weights : ndarray, shape (size, size, n_channels)
        ``weights @ values`` is the map; first y, then x, both rising. NaN outside the unit circle, and where
        the places do not settle the value: where independent noise of standard deviation 1 would come out
        above 1.5, as far outside the places or if they lie on a line; cubic patches also end where the
        outermost places' convex hull does.

    Raises
    ------
    ValueError
        If the size is not from 2 to 128 or the interpolation is unknown.

    Notes
    -----
    Both pass through the values, reproduce constants and planes, and are linear in the values, so that one
    matrix holds all there is to know.

    * The thin-plate spline with a linear trend is the smoothest surface through all values, and does not
      favour any direction. On electrodes: [1]_.
    * Cubic patches are those of scipy's `CloughTocher2DInterpolator`, on which mne's ``plot_topomap`` and
      TorchEEG's ``ToInterpolatedGrid`` rest: cubic on three parts of each Delaunay triangle, with continuous
      slope; the slopes at the places are those of least curvature along the edges [3]_. scipy finds these by
      sweeps up to a relative tolerance of 1e-6, which depends on the values; here the sweeps go on to 1e-12,
      so that our maps differ from its by less than 1e-5 of the values' range. mne adds invented values
      around the head to go beyond the hull; here nothing is invented. Where four places lie on one circle,
      the triangles, and so the map between them, are not settled by the places.

    References
    ----------
    .. [1] Perrin et al. 1987, doi 10.1016/0013-4694(87)90141-6.
    .. [2] Alfeld 1984, doi 10.1016/0167-8396(84)90029-3.
    .. [3] Nielson 1983, doi 10.2307/2007373.

    Examples
    --------
    >>> square = np.array([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]])
    >>> interpolation_matrix(square, size=3)[1, 1].round(6)
    array([0.25, 0.25, 0.25, 0.25])
    """
    check_interpolation(size, interpolation)
    n_channels = len(places)
    weights = np.full((size, size, n_channels), np.nan)
    plane = np.column_stack([np.ones(n_channels), places])
    if np.linalg.matrix_rank(plane) < plane.shape[1]:
        return weights
    y, x = np.meshgrid(grid_axis(size), grid_axis(size), indexing="ij")
    is_inside = np.hypot(x, y) <= 1 + 1e-9
    found = _METHODS[interpolation](places, np.column_stack([x[is_inside], y[is_inside]]))
    found[np.linalg.norm(found, axis=1) > _MAX_GAIN] = np.nan
    weights[is_inside] = found
    return weights


@functools.lru_cache(maxsize=64)
def _flat_weights(places: bytes, size: int, interpolation: Interpolation) -> Floats:
    """Weights as a matrix, (n_channels, size * size); places as the bytes of (n_channels, 2) doubles."""
    weights = interpolation_matrix(
        np.frombuffer(places).reshape(-1, 2), size=size, interpolation=interpolation
    )
    flat = np.ascontiguousarray(weights.reshape(size**2, -1).T)
    flat.flags.writeable = False
    return flat


def interpolate_maps(
    values: NDArray[np.floating[Any]],
    places: NDArray[np.float64],
    *,
    size: int,
    interpolation: Interpolation = "thin_plate",
) -> NDArray[np.float32]:
    """Maps of rows of values: for all rows that lack the same places one product of two matrices.

    Parameters
    ----------
    values : ndarray, shape (n_rows, n_channels)
        Single precision is multiplied in single precision, double in double. A row's maps are interpolated
        from those of its values that are not NaN.
    places : ndarray, shape (n_channels, 2)
        As for `interpolation_matrix`.
    size, interpolation
        As for `interpolation_matrix`.

    Returns
    -------
    maps : ndarray of float32, shape (n_rows, size, size)
        NaN where `interpolation_matrix` has NaN for the places that a row has.
    """
    check_interpolation(size, interpolation)
    is_present = ~np.isnan(values)
    maps = np.empty((len(values), size**2), dtype=np.float32)
    if is_present.all():
        _multiply(values, places, size, interpolation, out=maps)
    else:
        # Packed, so that rows are compared by a few bytes.
        _, first, which = np.unique(
            np.packbits(is_present, axis=1), axis=0, return_index=True, return_inverse=True
        )
        for number, pattern in enumerate(is_present[first]):
            rows = np.flatnonzero(which.reshape(-1) == number)
            for block in np.array_split(rows, 1 + len(rows) // _BLOCK):
                own = np.empty((len(block), size**2), dtype=np.float32)
                _multiply(values[np.ix_(block, pattern)], places[pattern], size, interpolation, out=own)
                maps[block] = own
    return maps.reshape(-1, size, size)


def _multiply(
    values: NDArray[np.floating[Any]],
    places: Floats,
    size: int,
    interpolation: Interpolation,
    *,
    out: NDArray[np.float32],
) -> None:
    if len(places) == 0:
        out[:] = np.nan
        return
    weights = _flat_weights(np.ascontiguousarray(places).tobytes(), size, interpolation)
    if values.dtype == np.float32:
        np.matmul(values, weights.astype(np.float32), out=out)
        return
    for first in range(0, len(values), _BLOCK):
        out[first : first + _BLOCK] = values[first : first + _BLOCK] @ weights
