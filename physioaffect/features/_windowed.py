"""What the wearable families share: statistics per window that pass over missing samples, and the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Intervals, gather, sample_grid

Array = NDArray[np.floating[Any]]

# Overlapping windows repeat samples; this many at once are 32 MB.
_BLOCK = 2**22


def checked(trial: Trial, name: str, *, unit: str, n_channels: int) -> Signal:
    """Take a signal of a trial and refuse it in another unit or with another number of channels."""
    signal = trial.signal(name)
    where = f"{name} of subject {trial.subject}, trial {trial.trial}"
    if signal.unit != unit:
        raise DataError(
            f"The {where} is in {signal.unit!r}, its features are defined in {unit!r}. If you know the "
            f'scale, convert it in a cleaning step: signal.scaled(factor, unit="{unit}").'
        )
    if signal.n_channels != n_channels:
        raise DataError(
            f"The {where} has {signal.n_channels} channels ({', '.join(signal.ch_names)}), its features need "
            f"{n_channels}. Choose in a cleaning step: signal.pick([...])."
        )
    return signal


def per_window(signal: Signal, intervals: Intervals, compute: Callable[[Array], Sequence[Array]]) -> Array:
    """Apply ``compute`` to blocks of windows, so that memory stays bounded however long the signal is.

    Parameters
    ----------
    signal : Signal
        Flagged and infinite samples come out as NaN.
    intervals : Intervals
        Windows.
    compute : callable
        From (n_windows, n_channels, n_samples) to one array of shape (n_windows,) per feature.

    Returns
    -------
    features : ndarray, shape (n_windows, n_features)
    """
    _, n_samples = sample_grid(signal, intervals)
    n_windows = max(1, _BLOCK // (n_samples * signal.n_channels))
    blocks = range(0, max(1, len(intervals.starts)), n_windows)
    cuts = (intervals._replace(starts=intervals.starts[first : first + n_windows]) for first in blocks)
    return np.concatenate([np.stack(compute(_finite(gather(signal, cut))), axis=-1) for cut in cuts])


def _finite(x: Array) -> Array:
    return np.where(np.isfinite(x), x, np.nan)


def table(
    family: str, values: Array, units: Mapping[str, str], *, estimator: str, **attrs: Sequence[float]
) -> xr.DataArray:
    """Label features of shape (n_windows, n_features) with their names, units and whatever else is told."""
    return xr.DataArray(
        values,
        dims=("window", f"{family}_feature"),
        coords=_named(f"{family}_feature", tuple(units)),
        attrs={"units": list(units.values()), "estimator": estimator, **attrs},
    )


@lru_cache(maxsize=128)
def _named(dim: str, names: tuple[str, ...]) -> xr.Coordinates:
    # A stream asks for the same names again and again; to index them costs twice as much as all the rest.
    return xr.Coordinates({dim: list(names)})


def _divided(total: Array, count: NDArray[np.integer[Any]]) -> Array:
    ratio = np.full(np.shape(total), np.nan)
    np.divide(total, count, out=ratio, where=count > 0)
    return ratio


def mean(x: Array) -> Array:
    """Mean over the last axis of what is there."""
    is_present = np.isfinite(x)
    return _divided(np.where(is_present, x, 0).sum(axis=-1), is_present.sum(axis=-1))


def sd(x: Array) -> Array:
    """Standard deviation over the last axis, dividing by the number of samples."""
    return np.sqrt(mean((x - mean(x)[..., np.newaxis]) ** 2))


def lowest(x: Array) -> Array:
    """Minimum over the last axis of what is there."""
    minimum: Array = np.fmin.reduce(x, axis=-1)
    return minimum


def highest(x: Array) -> Array:
    """Maximum over the last axis of what is there."""
    maximum: Array = np.fmax.reduce(x, axis=-1)
    return maximum


def slope_per_minute(x: Array, *, sfreq: float) -> Array:
    """Least-squares slope over the last axis, per minute; NaN where there are fewer than two samples."""
    minutes = np.where(np.isfinite(x), np.arange(x.shape[-1]) / sfreq / 60, np.nan)
    from_mean = minutes - mean(minutes)[..., np.newaxis]
    spread = mean(from_mean**2)
    slope = np.full(spread.shape, np.nan)
    np.divide(mean(from_mean * (x - mean(x)[..., np.newaxis])), spread, out=slope, where=spread > 0)
    return slope
