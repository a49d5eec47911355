"""Recordings made from a result, as it says that they could have been: what a bootstrap takes apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.signal import lfilter

from physioaffect.errors import DataError

from .bursts import find_bursts
from .deconvolution import Deconvolution, solved

__all__ = ["Redrawing", "taken_apart"]

Array = NDArray[np.float64]

# Of an integrated random walk that forgets: straight lines change nothing else, so that it need not go far.
_WANDERING = [1.0, -1.8, 0.81]
_FORGOTTEN = 40
# Residuals are drawn so many seconds at a time where they correlate with their neighbours by more than this.
# Elsewhere one by one: in blocks they would lack the slow part of the noise, which the splines have taken.
_BLOCK_S, _WHITE = 4.0, 0.3
# Above this share of the scale a driver is counted as on.
_ON = 1e-3
# Recordings of each kind that are made to learn what noise and stiffness do, before any is counted.
_N_PILOTS = 5
# Bursts lower than this quantile of those that noise alone makes are taken for noise.
_AS_NOISE = 0.95
# Of everything that a driver makes, however small.
_SMALLEST = 1e-4
# With fewer bends nothing is known of their size; a level of five or more has one.
_FEWEST_BENDS = 5


class Redrawing:
    """What is true in the recordings that are made, and the recordings, one by one.

    ``phasic`` and ``driver`` are those of the result without the bursts that noise alone would make,
    ``noise`` is the standard deviation of what is drawn besides.
    """

    def __init__(self, found: Deconvolution, rng: np.random.Generator) -> None:
        if not np.isfinite(found.tonic + found.phasic).all():
            raise DataError(
                "The tonic part is not known everywhere: the recording was taken apart in pieces, some of "
                "them empty. Take the stretches between long gaps one by one."
            )
        self.found, self.rng = found, rng
        self.residuals = _residuals(found)
        self.noise = float(self.residuals.std())
        if not self.noise > 0:
            raise DataError(
                "The fit leaves no residual, so nothing is known of the noise. Use a real recording."
            )
        is_white = _echo(found.residual) <= _WHITE
        self.n_block = 1 if is_white else max(1, round(_BLOCK_S * found.sfreq))
        self.n_per_knot = max(2, round(found.settings.knot * found.sfreq))
        self.driver, self.phasic = self._without_what_noise_makes()
        self.n_bends = max(len(_bends(found.tonic, self.n_per_knot)), _FEWEST_BENDS)
        self.bend = self._bend()

    def draw(self) -> tuple[Array, Array]:
        """One recording, and its tonic part."""
        # The size of bends is itself known from so many only.
        size = self.bend * float(np.sqrt(self.n_bends / self.rng.chisquare(self.n_bends)))
        tonic = self.found.tonic + self._wander(size)
        return tonic + self.phasic + self._errors(), tonic

    def _without_what_noise_makes(self) -> tuple[Array, Array]:
        """The driver without bursts that are as low as those of a recording of a level and noise."""
        found = self.found
        heights = np.concatenate(
            [
                find_bursts(taken_apart(found, self._errors()), threshold=_SMALLEST * found.scale).amplitudes
                for _ in range(_N_PILOTS)
            ]
        )
        bursts = find_bursts(found, threshold=_SMALLEST * found.scale)
        if not len(heights) or not len(bursts.times):
            return found.driver, found.phasic
        # Every sample of the driver belongs to the burst that is nearest.
        edges = (bursts.times[1:] + bursts.times[:-1]) / 2
        nearest = np.searchsorted(edges, (np.arange(len(found.driver)) + 0.5) / found.sfreq)
        is_kept = (bursts.amplitudes >= np.quantile(heights, _AS_NOISE))[nearest]
        driver = np.where(is_kept, found.driver, 0.0)
        gone = found.settings.skin.respond(found.driver - driver, sfreq=found.sfreq)
        return driver, found.phasic - gone

    def _bend(self) -> float:
        """Standard deviation of the true level's second differences from knot to knot.

        Those of the estimated level are smaller, as splines are stiff, and larger, as they follow noise. How
        much of either is seen in recordings with a level that does not bend, and that bends by a known size.
        """
        found = self.found
        # What the smoothness says of a level before it is seen.
        implied = self.noise**2 / (found.settings.smoothness * found.sfreq / 4)
        seen = _size(found.tonic, self.n_per_knot)
        trial = implied + seen

        def mean_of(level: Callable[[], Array | float]) -> float:
            made = (
                taken_apart(found, level() + self.phasic + self._errors()).tonic for _ in range(_N_PILOTS)
            )
            return float(np.mean([_size(tonic, self.n_per_knot) for tonic in made]))

        of_noise = mean_of(lambda: 0.0)
        of_both = mean_of(lambda: self._wander(float(np.sqrt(trial))))
        kept = max((of_both - of_noise) / trial, 1e-3)
        return float(np.sqrt(max((seen - of_noise) / kept, implied)))

    def _wander(self, size: float) -> Array:
        """A smooth curve that the level could have followed besides."""
        n_knots = len(self.found.tonic) // self.n_per_knot + 4
        white = size * self.rng.standard_normal(n_knots + _FORGOTTEN)
        knots = np.arange(n_knots) * self.n_per_knot
        values = np.asarray(lfilter([1.0], _WANDERING, white))[_FORGOTTEN:]
        return np.asarray(CubicSpline(knots, values)(np.arange(len(self.found.tonic))))

    def _errors(self) -> Array:
        """Residuals drawn in blocks, so that what they have in common with their neighbours stays."""
        n = len(self.found.tonic)
        begins = self.rng.integers(len(self.residuals), size=-(-n // self.n_block))
        idx = (begins[:, np.newaxis] + np.arange(self.n_block)).ravel()[:n]
        return np.asarray(self.residuals[idx % len(self.residuals)])


def taken_apart(found: Deconvolution, eda: Array) -> Deconvolution:
    """Solve the program of a result for another recording, as present as its own was."""
    settings = replace(found.settings, scale=found.scale)
    return solved(eda, found.is_present, found.sfreq, found.scale, settings)


def _residuals(found: Deconvolution) -> Array:
    """Residuals of the size that errors have: corrected for what was fitted."""
    residuals = found.residual[np.isfinite(found.residual)]
    n = len(residuals)
    n_on = int((found.driver[found.is_present] > _ON * found.scale).sum())
    n_fitted = n_on + n / (2 * found.settings.knot * found.sfreq)
    return np.asarray((residuals - residuals.mean()) * np.sqrt(n / max(n - n_fitted, n / 4)))


def _echo(residual: Array) -> float:
    """Correlation of the residual with itself a sample later."""
    x = residual - np.nanmean(residual)
    pairs = x[1:] * x[:-1]
    return float(np.nanmean(pairs) / np.nanvar(x)) if np.isfinite(pairs).any() else 0.0


def _bends(level: Array, n_per_knot: int) -> Array:
    return np.diff(level[::n_per_knot], 2)


def _size(level: Array, n_per_knot: int) -> float:
    bends = _bends(level, n_per_knot)
    return float(np.mean(bends**2)) if len(bends) else 0.0
