"""Features relative to the rest before the trial."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect.errors import DataError

__all__ = ["BASELINES", "remove_baseline"]

# A spread below this share of the mean is what rounding leaves of none.
_ROUNDING = 1e-12

BASELINES = ("ratio", "subtract", "z")


def remove_baseline(
    values: xr.DataArray, rest: xr.DataArray, *, how: Literal["ratio", "subtract", "z"]
) -> xr.DataArray:
    """Express features of a trial relative to the same features at rest.

    Parameters
    ----------
    values, rest : xarray.DataArray, dimensions ("window", ...)
        The same features of the trial and of the rest before it.
    how : {"ratio", "subtract", "z"}
        Divided by the mean over the windows at rest, less that mean, or that and divided by the standard
        deviation (1/(n-1)) over the windows at rest.

    Returns
    -------
    xarray.DataArray
        As ``values``; the attribute ``baseline`` says how, and the unit of a ratio or z is 1. NaN where the
        rest has no number to offer: no window, a mean of zero to divide by, or windows that do not differ.

    Raises
    ------
    DataError
        If the rest has other channels or bands, or ``how`` is "z" and it holds fewer than two windows.

    Notes
    -----
    A ratio has a meaning for powers, not for entropies or other logarithms, whose zero depends on the unit:
    for those subtract, which is the logarithm of the ratio of powers.

    Examples
    --------
    >>> rest, task = (xr.DataArray(np.array(x), dims="window") for x in ([1.0, 3.0], [4.0]))
    >>> remove_baseline(task, rest, how="ratio").values
    array([2.])
    """
    if how not in BASELINES:
        raise ValueError(f"Unknown way {how!r} to remove a baseline: use one of {', '.join(BASELINES)}.")
    n_windows = rest.sizes["window"]
    if how == "z" and n_windows < 2:
        raise DataError(
            f"A standard deviation at rest needs two windows there, got {n_windows}. Take shorter windows or "
            "baseline='subtract'."
        )
    for dim in values.dims[1:]:
        here, there = (list(map(str, part[dim].values)) for part in (values, rest))
        if here != there:
            raise DataError(
                f"The {dim} of the trial is {', '.join(here)}, that of the rest {', '.join(there)}: give "
                "both the same, in the same order."
            )
    x: NDArray[np.float64] = rest.values.astype(np.float64)
    is_there = np.isfinite(x)
    n = is_there.sum(axis=0)
    mean = _over(np.where(is_there, x, 0).sum(axis=0), n)
    y: NDArray[Any] = values.values
    if how == "subtract":
        y = y - mean
    elif how == "ratio":
        y = _over(y, np.broadcast_to(mean, y.shape))
    else:
        squares = np.where(is_there, np.square(x - mean), 0).sum(axis=0)
        sd = np.sqrt(_over(squares, n - 1))
        # The mean of equal numbers may differ from them by rounding.
        sd = np.where(sd > _ROUNDING * np.abs(mean), sd, np.nan)
        y = _over(y - mean, np.broadcast_to(sd, y.shape))
    attrs = values.attrs | {"baseline": how}
    if how != "subtract" and "unit" in attrs:
        attrs["unit"] = "1"
    if how != "subtract" and "units" in attrs:
        attrs["units"] = ["1"] * len(attrs["units"])
    found = values.copy(data=y)
    found.attrs = attrs
    return found


def _over(numerator: NDArray[Any], denominator: NDArray[Any]) -> NDArray[np.float64]:
    ratio = np.full(np.shape(numerator), np.nan)
    np.divide(numerator, denominator, out=ratio, where=(denominator > 0) | (denominator < 0))
    return ratio
