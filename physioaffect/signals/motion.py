"""Arithmetic of movement sensors: magnitude, tilt of gravity, units of rotation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.recording import Signal

__all__ = ["in_degrees_per_second", "magnitude", "tilt_angles"]

Array = NDArray[np.floating[Any]]

_DEGREES_PER_S = {"deg/s": 1.0, "rad/s": 180 / np.pi}


def in_degrees_per_second(gyro: Signal) -> Signal:
    """Give angular velocity in degrees per second, whichever of the two units it is in.

    Parameters
    ----------
    gyro : Signal
        In ``"deg/s"`` or ``"rad/s"``.

    Returns
    -------
    Signal
        In ``"deg/s"``: radians per second times 180 / pi.

    Raises
    ------
    DataError
        If it is in another unit.

    Examples
    --------
    >>> turn = np.full((3, 10), np.pi)
    >>> gyro = Signal(data=turn, sfreq=50.0, ch_names=("x", "y", "z"), kind="gyro", unit="rad/s")
    >>> in_degrees_per_second(gyro).data[0, 0].round(9)
    np.float64(180.0)
    """
    if gyro.unit not in _DEGREES_PER_S:
        raise DataError(
            f"The gyroscope is in {gyro.unit!r}, expected one of {', '.join(map(repr, _DEGREES_PER_S))}. If "
            'you know the scale, convert it first: signal.scaled(factor, unit="deg/s").'
        )
    return gyro if gyro.unit == "deg/s" else gyro.scaled(_DEGREES_PER_S[gyro.unit], unit="deg/s")


def magnitude(X: Array) -> Array:
    """Length of the vector whose components are the axes.

    Parameters
    ----------
    X : ndarray, shape (..., n_axes, n_times)
        Of any unit; NaN where an axis is missing makes the length NaN.

    Returns
    -------
    length : ndarray, shape (..., n_times)

    Examples
    --------
    >>> magnitude(np.array([[3.0], [0.0], [4.0]]))
    array([5.])
    """
    length: Array = np.sqrt(np.square(X).sum(axis=-2))
    return length


def tilt_angles(gravity: Array) -> Array:
    """Angle of each axis above the horizontal plane.

    Parameters
    ----------
    gravity : ndarray, shape (..., 3)
        Direction of gravity as the axes feel it at rest, of any length; not zero.

    Returns
    -------
    angles : ndarray, shape (..., 3)
        Degrees from -90 to 90: 90 where the axis points up (it then feels +1 g at rest), 0 where it is level.
        An angle that ends at both poles has no jump, so neighbouring postures never differ by a whole turn.

    Notes
    -----
    ``atan2(z, hypot(x, y))`` for the z axis, as the arm's angle of van Hees et al. (2015), A novel, open
    access method to assess sleep duration using a wrist-worn accelerometer, PLoS ONE 10(11), e0142533,
    doi:10.1371/journal.pone.0142533; the others alike.

    Examples
    --------
    >>> tilt_angles(np.array([0.0, 1.0, 1.0])).round(6)
    array([ 0., 45., 45.])
    """
    x, y, z = np.moveaxis(gravity, -1, 0)
    others = (np.hypot(y, z), np.hypot(x, z), np.hypot(x, y))
    angles = [np.arctan2(axis, rest) for axis, rest in zip((x, y, z), others, strict=True)]
    degrees: Array = np.degrees(np.stack(angles, axis=-1))
    return degrees
