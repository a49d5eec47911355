"""How far tonic part, phasic part, driver and bursts may be from the truth: intervals by refitting."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from ._redrawing import Redrawing, taken_apart
from .bursts import Bursts, find_bursts
from .deconvolution import Deconvolution

__all__ = ["Uncertainty", "uncertainty"]

Array = NDArray[np.float64]

_FEWEST = 10
# A burst of a refit is the same burst within so many seconds.
_SAME_S = 1.0


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

    The phasic part is the estimated one without the bursts that noise alone would make: those lower than 95
    of 100 bursts that are found in a level and errors e. With them noise would be counted twice, and the bias
    that it brings would not show.

    The w is a smooth curve that the tonic part could have followed besides: the second differences of its
    values at the knots are white. Those of the estimated tonic part are smaller than the true ones, as the
    splines are stiff. By how much is seen in recordings whose w is known, and the variance that explains what
    was estimated is used, but no less than the smoothness implies, :math:`\sigma^2 / \gamma`. As it rests on
    as many second differences as there are, each recording draws its own, with a chi-squared distribution
    of so many degrees of freedom. Without w, intervals would know nothing of what the splines cannot follow.

    The program is solved again with the same scale. The refits' errors
    have a mean (bias) and a standard deviation s at each sample. With z the normal quantile, intervals are

    * tonic, phasic, amplitude: estimate - bias ± z s;
    * driver and times: estimate ± z times the root mean square of errors; times with a quarter of a sample
      besides, as a burst begins anywhere between two.

    They are pointwise: at 95 %, a band leaves out 5 % of the samples, not of the recordings. They hold for
    the time constants and the scale as given, for noise that is white, and for a tonic part whose bends are
    of one size all along. On simulated recordings 93 to 97 % of the tonic part lies in the band of 95 %.
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
    redrawing = Redrawing(found, np.random.default_rng(seed))
    n = len(found.tonic)
    parts = [_Errors(n) for _ in range(3)]
    of_times, of_amplitudes = (_Errors(len(bursts.times)) for _ in range(2))
    for _ in range(n_refits):
        eda, tonic = redrawing.draw()
        again = taken_apart(found, eda)
        for errors, estimate, truth in zip(
            parts,
            (again.tonic, again.phasic, again.driver),
            (tonic, redrawing.phasic, redrawing.driver),
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
        # A driver from 0 on makes a response from 0 on.
        np.maximum(phasic_low, 0),
        np.maximum(phasic_high, 0),
        np.maximum(driver_low, 0),
        driver_high,
        np.where(is_stable, time_low, np.nan),
        np.where(is_stable, time_high, np.nan),
        np.where(is_stable, np.maximum(amplitude_low, 0), np.nan),
        np.where(is_stable, amplitude_high, np.nan),
        stability=stability,
        noise=redrawing.noise,
        level=level,
        n_refits=n_refits,
    )


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
