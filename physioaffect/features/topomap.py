"""Maps of the head: entropies of the electrodes interpolated to a grid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect.errors import DataError, ProtocolError
from physioaffect.features.differential_entropy import DifferentialEntropy
from physioaffect.features.map_interpolation import (
    Interpolation,
    check_interpolation,
    grid_axis,
    interpolate_maps,
    interpolation_matrix,
)
from physioaffect.montage import electrode_positions
from physioaffect.recording import Trial
from physioaffect.signals.eeg_scale import check_scale
from physioaffect.windows import Intervals

__all__ = [
    "TopographicMap",
    "azimuthal_projection",
    "interpolate_maps",
    "interpolation_matrix",
    "topographic_maps",
]

# Metres. Centre of the sphere that fits the template's 10-05 electrodes best, to the millimetre.
_CENTRE = (0.0, -0.016, 0.0)

# From the vertex to the edge of the map: outside the ring of Fpz, T7, Oz and T8, at 81 to 97 degrees.
_EDGE = math.radians(100)

_TOLD: Mapping[str, str] = {"thin_plate": "thin-plate spline", "cubic": "Clough-Tocher cubic"}


def azimuthal_projection(positions: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Flatten the head so that distances and directions from the vertex are kept.

    Parameters
    ----------
    positions : ndarray, shape (n, 3)
        In metres, as `physioaffect.montage.electrode_positions` gives them.

    Returns
    -------
    places : ndarray, shape (n, 2)
        x to the right, y to the front, the vertex at the origin. The unit is the edge of the map, 100 degrees
        from the vertex, so that the electrodes of the 10-20 system lie inside.

    Notes
    -----
    The azimuthal equidistant projection of the direction seen from the centre of the head, as in Bashivan et
    al. 2016, arXiv 1511.06448.

    Examples
    --------
    >>> azimuthal_projection(electrode_positions(["F3", "O2"])).round(2)
    array([[-0.37,  0.52],
           [ 0.25, -0.81]])
    """
    x, y, z = (np.asarray(positions, dtype=np.float64) - _CENTRE).T
    from_axis = np.hypot(x, y)
    # The vertex itself has no direction, and needs none.
    scale = np.arctan2(from_axis, z) / _EDGE / np.where(from_axis > 0, from_axis, 1)
    return np.stack([x * scale, y * scale], axis=-1)


def topographic_maps(
    values: NDArray[np.floating[Any]],
    *,
    ch_names: Sequence[str] | None = None,
    positions: NDArray[np.floating[Any]] | None = None,
    size: int = 32,
    interpolation: Interpolation = "thin_plate",
) -> NDArray[np.float32]:
    """Maps of any numbers that electrodes have, thousands at once.

    Parameters
    ----------
    values : ndarray, shape (n, n_channels) or (n, n_channels, n_bands)
        One number, or one a band, for each electrode. float32 is faster; then sums are in single precision,
        too. An electrode that is NaN in any band is left out of that row's maps.
    ch_names : sequence of str, optional
        The electrodes, as `physioaffect.montage.electrode_positions` knows them.
    positions : ndarray, shape (n_channels, 3), optional
        Their places in metres on a head like the template's, instead of names.
    size : int
        Points of a map along each axis.
    interpolation : {"thin_plate", "cubic"}
        As for `interpolation_matrix`.

    Returns
    -------
    maps : ndarray of float32, shape (n, size, size) or (n, size, size, n_bands)
        First y (to the front), then x (to the right). NaN outside the head, and where the electrodes do not
        settle the value. In memory the bands come before y and x, as networks for images want them.

    Raises
    ------
    DataError
        If a value is infinite, an electrode's name is unknown or the shapes do not fit.
    ValueError
        If size or interpolation cannot be.

    Notes
    -----
    One product of two matrices for all rows, as `interpolate_maps`; the matrix is computed once per montage.

    Examples
    --------
    >>> names = ("Fz", "C3", "Cz", "C4", "Pz")
    >>> values = np.random.default_rng(0).normal(size=(1000, 5, 4)).astype(np.float32)
    >>> topographic_maps(values, ch_names=names, size=16).shape
    (1000, 16, 16, 4)
    """
    if (ch_names is None) == (positions is None):
        raise ValueError("Maps need the electrodes' names or their positions, one of the two.")
    where = electrode_positions(tuple(ch_names)) if ch_names is not None else np.asarray(positions)
    values = np.asarray(values)
    if values.ndim not in (2, 3) or values.dtype.kind not in "fiu" or values.shape[1] != len(where):
        raise DataError(
            f"Values to map are numbers of shape (n, n_channels) or (n, n_channels, n_bands) for "
            f"{len(where)} electrodes, got {values.dtype} of shape {values.shape}."
        )
    if values.dtype != np.float32:
        values = values.astype(np.float64)
    if np.isinf(values).any():
        raise DataError("Some values to map are infinite. Set them to NaN, and they are left out.")
    places = azimuthal_projection(where)
    options: dict[str, Any] = {"size": size, "interpolation": interpolation}
    if values.ndim == 2:
        return interpolate_maps(values, places, **options)
    n_rows, n_channels, n_bands = values.shape
    is_lacking = np.isnan(values).any(axis=2, keepdims=True)
    if is_lacking.any():
        values = np.where(is_lacking, np.float32(np.nan), values)
    by_band = values.transpose(0, 2, 1)
    maps = interpolate_maps(by_band.reshape(-1, n_channels), places, **options)
    return np.moveaxis(maps.reshape(n_rows, n_bands, size, size), 1, -1)


@dataclass(frozen=True, kw_only=True)
class TopographicMap:
    """Maps of differential entropy over the head, one per window and band.

    Parameters
    ----------
    entropy : DifferentialEntropy
        Signal, bands, estimator and base of the logarithm.
    size : int
        Points of the map along each axis.
    interpolation : {"thin_plate", "cubic"}
        As for `interpolation_matrix`.

    Notes
    -----
    `interpolation_matrix` on the flattened template head (`azimuthal_projection`), computed once per montage.
    An electrode whose entropy is NaN in any band is left out of that window's maps: they are interpolated
    from the others, and NaN where those do not settle the value.

    Examples
    --------
    >>> from physioaffect.recording import Signal
    >>> noise = 1e-5 * np.random.default_rng(0).normal(size=(5, 1280))
    >>> names = ("Fz", "C3", "Cz", "C4", "Pz")
    >>> eeg = Signal(data=noise, sfreq=128.0, ch_names=names, kind="eeg", unit="V")
    >>> trial = Trial(dataset="noise", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})
    >>> maps = TopographicMap(size=16)(trial, Intervals(np.arange(0.0, 10.0, 2.0), 2.0))
    >>> maps.dims, maps.shape
    (('window', 'y', 'x', 'band'), (5, 16, 16, 5))
    """

    name: ClassVar[str] = "topomap"
    version: ClassVar[int] = 1

    entropy: DifferentialEntropy = field(default_factory=DifferentialEntropy)
    size: int = 32
    interpolation: Interpolation = "thin_plate"

    def __post_init__(self) -> None:
        check_interpolation(self.size, self.interpolation)

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal it reads."""
        return self.entropy.signals

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the maps of one trial.

        Returns
        -------
        maps : xarray.DataArray of float32, dimensions ("window", "y", "x", "band")
            In nats or bits as the entropies, of whose attributes it has all. x rises to the right, y to the
            front, from -1 to 1; NaN outside the head.

        Raises
        ------
        DataError
            If the trial lacks the signal, or an electrode's name is unknown.
        ProtocolError
            If the electrodes span no map, or a band cannot be measured.
        """
        signal = trial.signal(self.entropy.signal)
        check_scale(signal, where=f"The EEG of subject {trial.subject}, trial {trial.trial}")
        places = azimuthal_projection(electrode_positions(signal.ch_names))
        nothing = np.zeros((1, len(places)))
        if np.isnan(
            interpolate_maps(nothing, places, size=self.size, interpolation=self.interpolation)
        ).all():
            raise ProtocolError(
                "A map needs three electrodes or more that lie on no line, got "
                f"{', '.join(signal.ch_names)}. Leave this feature out."
            )
        entropy = self.entropy(trial, intervals)
        maps = topographic_maps(
            entropy.values, ch_names=signal.ch_names, size=self.size, interpolation=self.interpolation
        )
        axis = grid_axis(self.size)
        return xr.DataArray(
            maps,
            dims=("window", "y", "x", "band"),
            coords={"y": axis, "x": axis, "band": entropy.indexes["band"].to_list()},
            attrs=entropy.attrs
            | {"projection": "azimuthal equidistant", "interpolation": _TOLD[self.interpolation]},
        )
