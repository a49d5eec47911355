"""Maps and ratings as a teacher learns from them: checked, in one order, and with means of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physioaffect.errors import DataError

__all__ = ["checked_ratings", "filled", "images_of", "moments_of", "scaled_ratings"]

# Maps that are looked at in double precision at once: 160 MB in 32 x 32 points and five bands.
_BLOCK = 4096


def scaled_ratings(ratings: ArrayLike, *, lowest: float, highest: float) -> NDArray[np.float32]:
    """Ratings on [-1, 1]: ``(2 r - lowest - highest) / (highest - lowest)``.

    Parameters
    ----------
    ratings : array-like
        Of any shape, on a scale of which the ends are known.
    lowest, highest : float
        Ends of the scale: 1 and 5 for DREAMER, where this is ``(r - 3) / 2``; 1 and 9 for DEAP and
        MAHNOB-HCI.

    Returns
    -------
    scaled : ndarray of float32, the same shape

    Raises
    ------
    DataError
        If a rating is not on the scale or not a number.

    Examples
    --------
    >>> scaled_ratings([1, 2, 3, 5], lowest=1, highest=5)
    array([-1. , -0.5,  0. ,  1. ], dtype=float32)
    """
    if not lowest < highest:
        raise ValueError(f"A scale of ratings needs lowest < highest, got {lowest:g} and {highest:g}.")
    numbers = np.asarray(ratings, dtype=np.float64)
    if not (is_on := (numbers >= lowest) & (numbers <= highest)).all():
        raise DataError(
            f"{int((~is_on).sum())} of {numbers.size} ratings are not from {lowest:g} to {highest:g}, the "
            f"first is {numbers[~is_on].flat[0]:g}. Give the ends of the scale that was used, and leave out "
            "what was not rated."
        )
    return ((2 * numbers - lowest - highest) / (highest - lowest)).astype(np.float32)


def checked_ratings(ratings: ArrayLike, n_maps: int) -> NDArray[np.float32]:
    """Valence and arousal of each map, shape (n_maps, 2), in [-1, 1]; anything else is a `DataError`."""
    numbers = np.asarray(ratings, dtype=np.float64)
    if numbers.shape != (n_maps, 2):
        raise DataError(
            f"A teacher learns valence and arousal of each map: for {n_maps} maps ratings of shape "
            f"({n_maps}, 2), got {numbers.shape}."
        )
    if not (np.abs(numbers) <= 1).all():
        raise DataError(
            "Valence and arousal must be numbers from -1 to 1, got "
            f"{numbers[~(np.abs(numbers) <= 1)][0]:g}. Use scaled_ratings, and leave out what was not rated."
        )
    return numbers.astype(np.float32)


def images_of(maps: Any) -> NDArray[np.float32]:
    """Maps as images, (n, size, size[, n_bands]) -> (n, n_bands, size, size); a DataArray in any order.

    Nothing is copied that is single precision and has its bands first in memory, as `topographic_maps` makes
    it.
    """
    if isinstance(maps, xr.DataArray):
        others = [dim for dim in maps.dims if dim not in ("y", "x", "band")]
        if len(others) != 1 or not {"y", "x"} <= set(maps.dims):
            raise DataError(
                f"Maps have the dimensions window, y, x and band, got {', '.join(map(str, maps.dims))}."
            )
        maps = maps.transpose(others[0], "y", "x", ...).values
    maps = np.asarray(maps)
    if maps.ndim == 3:
        maps = maps[..., np.newaxis]
    if maps.ndim != 4 or maps.shape[1] != maps.shape[2] or maps.dtype.kind != "f":
        raise DataError(
            "Maps are numbers of shape (n, size, size) or (n, size, size, n_bands), as topographic_maps "
            f"gives them, got {maps.dtype} of shape {maps.shape}."
        )
    images: NDArray[np.float32] = np.moveaxis(maps, -1, 1).astype(np.float32, copy=False)
    return images


def moments_of(
    images: NDArray[np.float32], rows: NDArray[np.intp]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean map, and standard deviation of each band around it, over the pixels that are there.

    Parameters
    ----------
    images : ndarray, shape (n, n_bands, size, size)
        Maps, NaN where nothing is known.
    rows : ndarray of int
        The maps that count.

    Returns
    -------
    mean : ndarray, shape (n_bands, size, size)
        0 where no map has a value.
    deviation : ndarray, shape (n_bands, 1, 1)
        One a band, not one a pixel: pixels between electrodes vary less because they are averages, and
        would be blown up.
    """
    blocks = np.array_split(rows, 1 + len(rows) // _BLOCK)
    count = sum(np.isfinite(images[block]).sum(axis=0) for block in blocks)
    total = sum(np.nansum(images[block], axis=0, dtype=np.float64) for block in blocks)
    mean = total / np.maximum(count, 1)
    squares = sum(np.nansum((images[block] - mean) ** 2, axis=(0, 2, 3)) for block in blocks)
    deviation = np.sqrt(squares / np.maximum(np.sum(count, axis=(1, 2)), 1))
    return mean.astype(np.float32), deviation.astype(np.float32)[:, np.newaxis, np.newaxis]


def filled(images: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Maps with the mean map where they are NaN, which standardisation turns into exactly 0.

    Raises
    ------
    DataError
        If a map has no value at all, or one that is infinite.
    """
    is_missing = np.isnan(images)
    empty = np.asarray(is_missing.all(axis=(1, 2, 3)))
    if empty.any():
        raise DataError(
            f"{int(empty.sum())} of {len(empty)} maps have no value at all, the first at row "
            f"{int(empty.argmax())}. Leave these windows out."
        )
    made = np.where(is_missing, mean, images)
    broken = np.asarray(~np.isfinite(made).all(axis=(1, 2, 3)))
    if broken.any():
        raise DataError(
            f"{int(broken.sum())} of {len(broken)} maps have infinite values, the first at row "
            f"{int(broken.argmax())}. Leave these windows out."
        )
    return made
