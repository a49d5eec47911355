"""How far tonic part, phasic part, driver and bursts may be from the truth: intervals by refitting."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.signal import lfilter
from scipy.stats import norm

from physioaffect.errors import DataError

from .bursts import Bursts, find_bursts
from .deconvolution import Deconvolution, solved

__all__ = ["Uncertainty", "uncertainty"]

Array = NDArray[np.float64]

# Of an integrated random walk that forgets: straight lines change nothing else, so that it need not go far.
_WANDERING = [1.0, -1.8, 0.81]
_FORGOTTEN = 40
_FEWEST = 10
# Residuals are drawn so many seconds at a time where they correlate with their neighbours by more than this.
# Elsewhere one by one: in blocks they would lack the slow part of the noise, which the splines have taken.
_BLOCK_S, _WHITE = 4.0, 0.3
# A burst of a refit is the same burst within so many seconds.
_SAME_S = 1.0
# Above this share of the scale a driver is counted as on.
_ON = 1e-3


class Uncertainty(NamedTuple):
    """Lower and upper ends of intervals; those of the bursts are of shape (n_bursts,), others (n_times,).

    The ends for tonic and phasic part and for amplitudes are corrected for the bias that refitting shows, so
    that the estimate need not lie in the middle, or between them at all. ``stability`` is the share of refits
    that find the burst again within 1 s; times and amplitudes of one that fewer than half find again are NaN.
    ``noise`` is the standard deviation of the residual in microsiemens, corrected for what was fitted.
    """

    tonic_low: Array
    tonic_high: Array
    phasic_low: Array
    phasic_high: Array
    driver_low: Array
    driver_high: Array
    time_low: Array
    time_high: Array
    amplitude_low: Array
    amplitude_high: Array
    stability: Array
    noise: float
    level: float
    n_refits: int


def uncertainty(
    found: Deconvolution,
    bursts: Bursts | None = None,
    *,
    n_refits: int = 50,
    level: float = 0.95,
    seed: int = 0,
) -> Uncertainty:
    r"""Estimate intervals by a bootstrap: make recordings from the result, take them apart, see the errors.

    Parameters
    ----------
    found : Deconvolution
        The result.
    bursts : Bursts, optional
        Its bursts. Default: `find_bursts` with its defaults.
    n_refits : int
        Recordings to make, at least 10. An hour at 4 Hz takes some 20 ms each.
    level : float
        Nominal coverage.
    seed : int
        Seed.

    Returns
    -------
    Uncertainty

    Raises
    ------
    ValueError
        If there are fewer than 10 refits, or the level is not between 0 and 1.
    DataError
        If the fit leaves no residual to draw from.

    Notes
    -----
    A recording is made as tonic part + w + phasic part + e. The errors e are drawn from the residuals, in
    blocks of 4 s where each of them correlates with the next by more than 0.3, otherwise one by one, and
    scaled by :math:`\sqrt{n / (n - m)}` for m samples with a driver and a spline for two knots.
    The w is a smooth curve that the tonic part could have followed besides: the second differences of its
    values at the knots are white with the variance of those of the estimated tonic part plus the variance
    that the smoothness implies, :math:`\sigma^2 / \gamma`. Without it, intervals would know nothing of what
    the splines are too stiff to follow. The program is solved again with the same scale. The refits' errors
    have a mean (bias) and a standard deviation s at each sample. With z the normal quantile, intervals are

    * tonic, phasic, amplitude: estimate - bias ± z s;
    * driver and times: estimate ± z times the root mean square of errors; times with a quarter of a sample
      besides, as a burst begins anywhere between two.

    They are pointwise: at 95 %, a band leaves out 5 % of the samples, not of the recordings. They hold for
    the time constants and the scale as given, for noise that is white, and for a tonic part whose bends are
    of one size all along. On simulated recordings 77-97 % of the tonic part lies in the band of 95 %:
    less where the noise is as large as the responses (10 dB) or the level bends more than the splines can.
    ``docs/eda-equation.md`` has the table. The driver of one sample is hardly known: what it is worth is its
    area over a second or two, which the amplitude tells.

    Examples
    --------
    >>> from physioaffect.pinn import deconvolve, simulate_eda
    >>> made = simulate_eda(300, seed=1)
    >>> found = deconvolve(made.eda, sfreq=4.0)
    >>> band = uncertainty(found, n_refits=20)
    >>> inside = (band.tonic_low < made.tonic) & (made.tonic < band.tonic_high)
    >>> bool(inside.mean() > 0.8)
    True
    """
    if n_refits < _FEWEST or not 0 < level < 1:
        raise ValueError(
            f"It takes n_refits from {_FEWEST} on and a level between 0 and 1, got {n_refits} and {level}."
        )
    bursts = find_bursts(found) if bursts is None else bursts
    settings, rng = replace(found.settings, scale=found.scale), np.random.default_rng(seed)
    residuals, noise = _residuals(found)
    made = found.tonic + found.phasic
    if not np.isfinite(made).all():
        raise DataError(
            "The tonic part is not known everywhere: the recording was taken apart in pieces, some of them "
            "empty. Take the stretches between long gaps one by one."
        )
    n, n_block = len(made), 1
    if _echo(found.residual) > _WHITE:
        n_block = max(1, round(_BLOCK_S * found.sfreq))
    wander = _Wander(found, noise, rng)
    parts = [_Errors(n) for _ in range(3)]
    of_times, of_amplitudes = (_Errors(len(bursts.times)) for _ in range(2))
    for _ in range(n_refits):
        w = wander()
        y = made + w + _drawn(residuals, n, n_block, rng)
        again = solved(y, found.is_present, found.sfreq, found.scale, settings)
        for errors, estimate, truth in zip(
            parts,
            (again.tonic, again.phasic, again.driver),
            (found.tonic + w, found.phasic, found.driver),
            strict=True,
        ):
            errors.add(estimate - truth)
        nearest = _matched(bursts, find_bursts(again))
        of_times.add(nearest[0] - bursts.times)
        of_amplitudes.add(nearest[1] - bursts.amplitudes)
    z = float(norm.ppf(0.5 + level / 2))
    tonic_low, tonic_high = parts[0].corrected(found.tonic, z)
    phasic_low, phasic_high = parts[1].corrected(found.phasic, z)
    driver_low, driver_high = parts[2].around(found.driver, z)
    stability = of_times.n / n_refits
    is_stable = stability >= 0.5
    time_low, time_high = of_times.around(bursts.times, z, besides=0.25 / found.sfreq)
    amplitude_low, amplitude_high = of_amplitudes.corrected(bursts.amplitudes, z)
    return Uncertainty(
        tonic_low,
        tonic_high,
        phasic_low,
        phasic_high,
        np.maximum(driver_low, 0),
        driver_high,
        np.where(is_stable, time_low, np.nan),
        np.where(is_stable, time_high, np.nan),
        np.where(is_stable, np.maximum(amplitude_low, 0), np.nan),
        np.where(is_stable, amplitude_high, np.nan),
        stability=stability,
        noise=noise,
        level=level,
        n_refits=n_refits,
    )


def _residuals(found: Deconvolution) -> tuple[Array, float]:
    """Residuals of the size that errors have, and their standard deviation."""
    residuals = found.residual[np.isfinite(found.residual)]
    n = len(residuals)
    n_on = int((found.driver[found.is_present] > _ON * found.scale).sum())
    n_fitted = n_on + n / (2 * found.settings.knot * found.sfreq)
    residuals = (residuals - residuals.mean()) * np.sqrt(n / max(n - n_fitted, n / 4))
    noise = float(residuals.std())
    if noise > 0:
        return residuals, noise
    raise DataError("The fit leaves no residual, so nothing is known of the noise. Use a real recording.")


def _drawn(residuals: Array, n: int, n_block: int, rng: np.random.Generator) -> Array:
    """Draw residuals in blocks, so that what they have in common with their neighbours stays."""
    begins = rng.integers(len(residuals), size=-(-n // n_block))
    idx = (begins[:, np.newaxis] + np.arange(n_block)).ravel()[:n]
    return np.asarray(residuals[idx % len(residuals)])


def _echo(residual: Array) -> float:
    """Correlation of the residual with itself a sample later."""
    x = residual - np.nanmean(residual)
    pairs = x[1:] * x[:-1]
    return float(np.nanmean(pairs) / np.nanvar(x)) if np.isfinite(pairs).any() else 0.0


class _Wander:
    """Draws of a smooth curve that the tonic part could have followed besides."""

    def __init__(self, found: Deconvolution, noise: float, rng: np.random.Generator) -> None:
        self.n, self.rng = len(found.tonic), rng
        self.n_per_knot = max(2, round(found.settings.knot * found.sfreq))
        bends = np.diff(found.tonic[:: self.n_per_knot], 2)
        implied = noise**2 / (found.settings.smoothness * found.sfreq / 4)
        self.size = float(np.sqrt(implied + (np.mean(bends**2) if len(bends) else 0.0)))

    def __call__(self) -> Array:
        n_knots = self.n // self.n_per_knot + 4
        white = self.size * self.rng.standard_normal(n_knots + _FORGOTTEN)
        knots = np.arange(n_knots) * self.n_per_knot
        values = np.asarray(lfilter([1.0], _WANDERING, white))[_FORGOTTEN:]
        return np.asarray(CubicSpline(knots, values)(np.arange(self.n)))


class _Errors:
    """Mean and variance of errors that come one by one, NaN where there is none."""

    def __init__(self, n: int) -> None:
        self.n, self.sum, self.squares = np.zeros(n), np.zeros(n), np.zeros(n)

    def add(self, errors: Array) -> None:
        is_there = np.isfinite(errors)
        kept = np.where(is_there, errors, 0.0)
        self.n += is_there
        self.sum += kept
        self.squares += kept**2

    def corrected(self, estimate: Array, z: float) -> tuple[Array, Array]:
        n = np.maximum(self.n, 2)
        bias = self.sum / n
        reach = z * np.sqrt(np.maximum(self.squares / n - bias**2, 0.0) * n / (n - 1))
        return estimate - bias - reach, estimate - bias + reach

    def around(self, estimate: Array, z: float, *, besides: float = 0.0) -> tuple[Array, Array]:
        reach = z * np.sqrt(self.squares / np.maximum(self.n, 1) + besides**2)
        return estimate - reach, estimate + reach


def _matched(bursts: Bursts, again: Bursts) -> tuple[Array, Array]:
    """Time and amplitude of the nearest burst of a refit, NaN if there is none near enough."""
    if not len(again.times):
        nothing = np.full(len(bursts.times), np.nan)
        return nothing, nothing
    right = np.clip(np.searchsorted(again.times, bursts.times), 0, len(again.times) - 1)
    left = np.maximum(right - 1, 0)
    is_left = np.abs(again.times[left] - bursts.times) < np.abs(again.times[right] - bursts.times)
    nearest = np.where(is_left, left, right)
    is_near = np.abs(again.times[nearest] - bursts.times) <= _SAME_S
    return (
        np.where(is_near, again.times[nearest], np.nan),
        np.where(is_near, again.amplitudes[nearest], np.nan),
    )
