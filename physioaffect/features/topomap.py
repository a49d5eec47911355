"""Maps of the head: entropies of the electrodes interpolated to a grid."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

from physioaffect.errors import ProtocolError
from physioaffect.features.differential_entropy import DifferentialEntropy
from physioaffect.montage import electrode_positions
from physioaffect.recording import Trial
from physioaffect.signals.eeg_scale import check_scale
from physioaffect.windows import Intervals

__all__ = ["TopographicMap", "azimuthal_projection", "interpolation_matrix"]

# Metres. Centre of the sphere that fits the template's 10-05 electrodes best, to the millimetre.
_CENTRE = (0.0, -0.016, 0.0)

# From the vertex to the edge of the map: outside the ring of Fpz, T7, Oz and T8, at 81 to 97 degrees.
_EDGE = math.radians(100)

# Weights that make more of the electrodes' independent noise than this tell nothing about the place. SEED's,
# DEAP's and DREAMER's electrodes reach 1.4 at the edge of the map; six at the back reach 3.6 at its front.
_MAX_GAIN = 1.5

_MAX_SIZE = 128

# Windows whose maps are made at once in double precision: 10 MB in 32 x 32 points and five bands.
_BLOCK = 256


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


def _axis(size: int) -> NDArray[np.float64]:
    return np.linspace(-1, 1, size)


def interpolation_matrix(places: NDArray[np.float64], *, size: int) -> NDArray[np.float64]:
    """Weights that interpolate values at places to a grid.

    Parameters
    ----------
    places : ndarray, shape (n_channels, 2)
        x and y as `azimuthal_projection` gives them, all different.
    size : int
        Points of the grid along each axis, from -1 to 1.

    Returns
    -------
    weights : ndarray, shape (size, size, n_channels)
        ``weights @ values`` is the map; first y, then x, both rising. NaN outside the unit circle, and where
        the places do not settle the value: where independent noise of standard deviation 1 would come out
        above 1.5, as far outside the places or if they lie on a line.

    Raises
    ------
    ValueError
        If the size is not from 2 to 128.

    Notes
    -----
    The thin-plate spline with a linear trend: the smoothest surface through all values. It reproduces
    constants and planes, and does not favour any direction. On electrodes: Perrin et al. 1987, doi
    10.1016/0013-4694(87)90141-6.

    Examples
    --------
    >>> square = np.array([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]])
    >>> interpolation_matrix(square, size=3)[1, 1].round(6)
    array([0.25, 0.25, 0.25, 0.25])
    """
    _check_size(size)
    n_channels = len(places)
    weights = np.full((size, size, n_channels), np.nan)
    plane = np.column_stack([np.ones(n_channels), places])
    if np.linalg.matrix_rank(plane) < plane.shape[1]:
        return weights
    y, x = np.meshgrid(_axis(size), _axis(size), indexing="ij")
    is_inside = np.hypot(x, y) <= 1 + 1e-9
    spline = RBFInterpolator(places, np.eye(n_channels), kernel="thin_plate_spline", degree=1)
    found = spline(np.column_stack([x[is_inside], y[is_inside]]))
    found[np.linalg.norm(found, axis=1) > _MAX_GAIN] = np.nan
    weights[is_inside] = found
    return weights


def _check_size(size: int) -> None:
    if not 2 <= size <= _MAX_SIZE:
        raise ValueError(f"A map needs 2 to {_MAX_SIZE} points along each axis, got {size}.")


@functools.lru_cache(maxsize=16)
def _weights(ch_names: tuple[str, ...], size: int) -> NDArray[np.float64]:
    weights = interpolation_matrix(azimuthal_projection(electrode_positions(ch_names)), size=size)
    weights.flags.writeable = False
    return weights


@dataclass(frozen=True, kw_only=True)
class TopographicMap:
    """Maps of differential entropy over the head, one per window and band.

    Parameters
    ----------
    entropy : DifferentialEntropy
        Signal, bands, estimator and base of the logarithm.
    size : int
        Points of the map along each axis.

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

    def __post_init__(self) -> None:
        _check_size(self.size)

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
        if np.isnan(_weights(signal.ch_names, self.size)).all():
            raise ProtocolError(
                "A map needs three electrodes or more that lie on no line, got "
                f"{', '.join(signal.ch_names)}. Leave this feature out."
            )
        entropy = self.entropy(trial, intervals)
        axis = _axis(self.size)
        return xr.DataArray(
            self._maps(entropy.values, signal.ch_names),
            dims=("window", "y", "x", "band"),
            coords={"y": axis, "x": axis, "band": entropy.indexes["band"].to_list()},
            attrs=entropy.attrs
            | {"projection": "azimuthal equidistant", "interpolation": "thin-plate spline"},
        )

    def _maps(self, values: NDArray[np.float64], ch_names: tuple[str, ...]) -> NDArray[np.float32]:
        n_windows, _, n_bands = values.shape
        maps = np.full((n_windows, self.size**2, n_bands), np.nan, dtype=np.float32)
        is_present = ~np.isnan(values).any(axis=-1)
        patterns, which = np.unique(is_present, axis=0, return_inverse=True)
        for index, pattern in enumerate(patterns):
            kept = tuple(name for name, is_kept in zip(ch_names, pattern, strict=True) if is_kept)
            if not kept:
                continue
            weights = _weights(kept, self.size).reshape(self.size**2, -1)
            rows = np.flatnonzero(which.reshape(-1) == index)
            for block in np.array_split(rows, 1 + len(rows) // _BLOCK):
                maps[block] = weights @ values[block][:, pattern]
        return maps.reshape(n_windows, self.size, self.size, n_bands)
