"""Mixtures of EEG channels that depend only on where they are: interpolation and reference."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError, ProtocolError

__all__ = ["interpolation_weights", "reference_matrix"]

# MNE's usual centre of a head in metres, where the electrodes are too few or too flat to tell their own.
_CENTRE, _RADIUS = (0.0, 0.0, 0.04), 0.095
_Places = tuple[tuple[float, float, float], ...]


def _sphere(positions: NDArray[np.float64]) -> tuple[tuple[float, float, float], float]:
    """Centre and radius of the sphere through the electrodes, in metres."""
    if len(positions) >= 8:
        # |p|^2 = 2 p.c + (r^2 - |c|^2) is linear in the centre c.
        system = np.column_stack([2 * positions, np.ones(len(positions))])
        solution, _, rank, _ = np.linalg.lstsq(system, (positions**2).sum(axis=1), rcond=1e-6)
        centre = solution[:3]
        radius = float(np.sqrt(max(solution[3] + centre @ centre, 0)))
        if rank == 4 and 0.06 < radius < 0.13:
            return (float(centre[0]), float(centre[1]), float(centre[2])), radius
    return _CENTRE, _RADIUS


def _info(places: _Places) -> Any:
    import mne  # noqa: PLC0415  mne takes a second to import.

    names = [str(index) for index in range(len(places))]
    info = mne.create_info(names, 100.0, "eeg", verbose="error")
    placed = dict(zip(names, np.array(places), strict=True))
    return info.set_montage(mne.channels.make_dig_montage(placed, coord_frame="head"), verbose="error")


def _mixing(places: _Places) -> Any:
    """A recording in which each sample is one at a single channel: what MNE makes of it are the weights."""
    import mne  # noqa: PLC0415

    return mne.io.RawArray(np.eye(len(places)), _info(places), verbose="error")


@functools.lru_cache(maxsize=256)
def _interpolation(places: _Places, bad: tuple[int, ...]) -> NDArray[np.float64]:
    raw = _mixing(places)
    raw.info["bads"] = [str(index) for index in bad]
    raw.interpolate_bads(origin=_sphere(np.array(places))[0], verbose="error")
    return np.asarray(raw.get_data()[list(bad)])


@functools.lru_cache(maxsize=16)
def _rest(places: _Places) -> NDArray[np.float64]:
    import mne  # noqa: PLC0415

    centre, radius = _sphere(np.array(places))
    sphere = mne.make_sphere_model(r0=centre, head_radius=radius, verbose="error")
    # A grid of 15 mm through the brain, without its centre, where a dipole has no potential outside.
    sources = mne.setup_volume_source_space(sphere=sphere, pos=15.0, exclude=30.0, verbose="error")
    raw = _mixing(places)
    forward = mne.make_forward_solution(raw.info, None, sources, sphere, meg=False, verbose="error")
    referenced, _ = mne.set_eeg_reference(raw, "REST", forward=forward, verbose="error")
    return np.asarray(referenced.get_data())


def _key(positions: NDArray[np.float64]) -> _Places:
    return tuple((float(x), float(y), float(z)) for x, y, z in positions)


def interpolation_weights(positions: NDArray[np.float64], bad_idx: Sequence[int]) -> NDArray[np.float64]:
    """Weights that make bad channels from the good ones by spherical splines.

    Parameters
    ----------
    positions : ndarray, shape (n_channels, 3)
        Places of the electrodes in metres.
    bad_idx : sequence of int
        Which are to be made.

    Returns
    -------
    weights : ndarray, shape (n_bad, n_channels)
        Zero at all bad channels. They depend on nothing but places.

    Raises
    ------
    DataError
        If a place is NaN, or fewer than four good channels are left.

    Notes
    -----
    `mne.io.Raw.interpolate_bads` (Perrin et al. 1989, doi 10.1016/0013-4694(89)90180-6), around the centre of
    the sphere through the electrodes.

    Examples
    --------
    >>> from physioaffect.montage import electrode_positions
    >>> places = electrode_positions(["F3", "Fz", "F4", "Cz", "C3", "C4", "P3", "Pz", "P4"])
    >>> interpolation_weights(places, [3]).sum(axis=1).round(9)  # A constant field stays one.
    array([1.])
    """
    _check_places(positions)
    if len(positions) - len(bad_idx) < 4:
        raise DataError(
            f"Only {len(positions) - len(bad_idx)} good channels are left, expected at least four to "
            "interpolate from. Leave this recording out, or keep bad channels: interpolate=False."
        )
    return _interpolation(_key(positions), tuple(int(index) for index in bad_idx))


def _check_places(positions: NDArray[np.float64]) -> None:
    if not np.isfinite(positions).all():
        raise DataError(
            f"{np.isnan(positions).any(axis=1).sum()} channels have no known position on the head. Give them "
            "names of the 10-05 system or a montage, or leave them out."
        )


def reference_matrix(
    reference: str | Sequence[str], *, ch_names: Sequence[str], positions: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Matrix that changes the reference of EEG.

    Parameters
    ----------
    reference : {"average", "rest"} or sequence of str
        The mean of all channels; a point at infinity (REST); or the mean of named channels, such as the
        mastoids ``("M1", "M2")``.
    ch_names : sequence of str
        The good channels.
    positions : ndarray, shape (n_channels, 3), optional
        Places in metres, needed for ``"rest"``.

    Returns
    -------
    matrix : ndarray, shape (n_channels, n_channels)
        To multiply the data with.

    Raises
    ------
    ProtocolError
        If a reference channel is not there.
    DataError
        If a position is not known for ``"rest"``.

    Notes
    -----
    REST: Yao (2001), doi 10.1088/0967-3334/22/4/305, by `mne.set_eeg_reference` with dipoles on a grid of 15
    mm in a spherical head through the electrodes. The original reference does not matter to either.

    Examples
    --------
    >>> reference_matrix(["M1"], ch_names=["Cz", "M1"])
    array([[ 1., -1.],
           [ 0.,  0.]])
    """
    n_channels = len(ch_names)
    if reference == "average":
        return np.eye(n_channels) - 1 / n_channels
    if reference == "rest":
        places = np.full((n_channels, 3), np.nan) if positions is None else positions
        _check_places(places)
        return _rest(_key(places))
    missing = [name for name in reference if name not in ch_names]
    if missing:
        raise ProtocolError(
            f"The reference {missing[0]!r} is no good channel of this recording; there are "
            f"{', '.join(ch_names)}. Choose one of these, or 'average'."
        )
    weights = np.isin(list(ch_names), list(reference)) / len(set(reference))
    return np.eye(n_channels) - weights
