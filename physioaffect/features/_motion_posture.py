"""Where gravity points, and how often steps come."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physioaffect.features import _motion_spectra as spectra
from physioaffect.features._motion_axes import Axes
from physioaffect.signals.motion import tilt_angles

__all__ = ["posture", "step_rate"]

Floats = NDArray[np.float64]

# Two seconds average over any stride, and follow an arm that is put down.
_GRAVITY_S = 2.0
# A mean shorter than this share of gravity has no direction to speak of.
_LEAST_GRAVITY = 0.1

_STEPS_HZ = (1.4, 3.0)
_SHORTEST_S = 4.0
# Power of a Hann-windowed sine lies within so many bins of its peak.
_LOBE = 2


def posture(axes: Axes) -> dict[str, Floats]:
    """Angles of the axes above the horizontal, and the spread of gravity's direction, each (n_windows,).

    Gravity is the mean over consecutive blocks of 2 s (or a shorter window) of which half is there; its
    directions are averaged as vectors. The spread is ``acos R`` in degrees, where ``R`` is the length of
    their mean, so that small angles have their root mean square for a spread, and evenly scattered ones 90.
    """
    from physioaffect.features import _motion_kernels as kernels  # noqa: PLC0415

    n = min(axes.n_samples, max(1, round(_GRAVITY_S * axes.signal.sfreq)))
    parts = spectra.cut(axes.first, axes.n_samples, n, n)
    gravity = kernels.means(axes.x[:3], axes.good, parts.starts, n, (n + 1) // 2)
    length = np.linalg.norm(gravity, axis=-1, keepdims=True)
    directions = gravity / np.where(length >= _LEAST_GRAVITY, length, np.nan)
    mean = spectra.average(directions, parts)
    resultant = np.linalg.norm(mean, axis=-1)
    angles = tilt_angles(np.where(resultant[:, np.newaxis] >= _LEAST_GRAVITY, mean, np.nan))
    # acos loses half of the digits near 1; of unit vectors atan2 is the same and keeps them.
    spread = np.degrees(np.arctan2(np.sqrt(np.maximum(1 - resultant**2, 0)), resultant))
    return {**dict(zip(("x_angle", "y_angle", "z_angle"), angles.T, strict=True)), "posture_spread": spread}


def step_rate(axes: Axes, *, threshold: float) -> Floats:
    """Steps per minute, shape (n_windows,): the mean over segments, in which no steps are 0 per minute.

    A segment of 8 s has steps if the highest peak of the magnitude's spectrum from 1.4 to 3 Hz is higher than
    both neighbours, belongs to a sine of an amplitude of at least ``threshold`` g, and holds half or more of
    the power from 0.7 Hz to 1.5 times its frequency, which is then the rate.
    """
    if axes.intervals.duration < _SHORTEST_S:
        return np.full(len(axes.first), np.nan)
    freqs, every = axes.densities
    density = every[:, 3]
    step = axes.signal.sfreq / axes.segments.n_samples
    low, high = _STEPS_HZ
    if not len(freqs) or freqs[-1] < high + _LOBE * step or not len(density):
        return np.full(len(axes.first), np.nan)
    inside = np.flatnonzero((freqs >= low) & (freqs <= high))
    at = inside[np.where(np.isnan(density), -1.0, density)[:, inside].argmax(axis=-1)]
    rows = np.arange(len(density))
    total = np.concatenate([np.zeros((len(density), 1)), np.cumsum(density, axis=-1)], axis=-1)
    power = (total[rows, at + _LOBE + 1] - total[rows, at - _LOBE]) * step
    edge = np.minimum(np.ceil(1.5 * freqs[at] / step).astype(np.intp), len(freqs) - 1)
    others = (
        total[rows, np.maximum(edge, at + _LOBE) + 1] - total[rows, int(np.ceil(low / 2 / step))]
    ) * step
    peak = spectra.peak_frequency(
        density[:, inside[0] - 1 : inside[-1] + 2], freqs[inside[0] - 1 : inside[-1] + 2]
    )
    is_peak = (density[rows, at] > density[rows, at - 1]) & (density[rows, at] > density[rows, at + 1])
    is_step = is_peak & (power >= threshold**2 / 2) & (2 * power >= others)
    rate = np.where(np.isnan(density).any(axis=-1), np.nan, np.where(is_step, 60 * peak, 0.0))
    return spectra.average(rate, axes.segments)
