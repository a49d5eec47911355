"""A person's own time constants of the sudomotor system, from their recording."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError

from .bursts import find_bursts
from .deconvolution import Convex, deconvolve

__all__ = ["TimeConstants", "estimate_time_constants"]

Array = NDArray[np.float64]

# Where is looked, in seconds: single responses recover in 2 to 10 s and rise in 1 to 3 (Boucsein 2012).
_RISE = (0.1, 3.0)
_DECAY = (0.8, 15.0)
# Of the whole ranges in logarithms: first steps, and where to stop (1.5 % of a time constant).
_FIRST_STEP, _LAST_STEP = np.log(1.6), np.log(1.015)
# What a sample without a burst must pay, and one with, so that neither is drawn to zero.
_CLOSED, _OPEN = 10.0, 1e-5
_ON = 0.01
_FEWEST = 10


class TimeConstants(NamedTuple):
    """Time constants in seconds, and what they rest on.

    ``criterion`` is that of Hannan and Quinn at the optimum, ``n_bursts`` how many responses it
    explains; ``settings`` are those given, with the time constants.
    """

    tau_rise: float
    tau_decay: float
    criterion: float
    n_bursts: int
    settings: Convex


def estimate_time_constants(
    eda: NDArray[np.floating[Any]],
    *,
    sfreq: float,
    settings: Convex = Convex(),
    longest: float = 1200.0,
) -> TimeConstants:
    """Estimate rise and decay from the responses in a recording.

    Parameters
    ----------
    eda : ndarray, shape (n_times,)
        Skin conductance in microsiemens, NaN where missing.
    sfreq : float
        Samples per second.
    settings : Convex
        Everything but the time constants, from which the search begins.
    longest : float
        Of a longer recording the part of so many seconds with most phasic activity is used.

    Returns
    -------
    TimeConstants

    Raises
    ------
    DataError
        As by `deconvolve`, and if there are fewer than 10 responses to learn from.

    Notes
    -----
    For each pair of constants the program is solved, then the driver is refitted without its price where it
    was not zero, and held at zero elsewhere: the residuals of that fit give a likelihood, in which the
    price, which shrinks responses and prefers long constants, has no part. A pair that needs more driver to
    explain as much is held against it by the criterion of Hannan and Quinn [1]_,
    ``n log(RSS / n) + 2 log(log(n)) n_on``, with the number of samples in which the refitted driver is not
    zero. The Bayesian criterion charges twice as much, which buys short bursts with slow rises (on simulated
    recordings of 20 dB rises are 14 % too long, 23 % where the level walks); counting bursts and not samples
    charges nothing for long ones, and ends at the shortest constants on real recordings. The smallest is
    found by a search along and across both logarithms, with steps from 60 % to 1.5 %.

    References
    ----------
    .. [1] Hannan and Quinn (1979). The determination of the order of an autoregression. J. R. Stat. Soc. B
       41(2), 190-195. doi:10.1111/j.2517-6161.1979.tb01072.x

    Examples
    --------
    >>> from physioaffect.pinn import Sudomotor, simulate_eda
    >>> made = simulate_eda(600, skin=Sudomotor(tau_rise=0.5, tau_decay=4.0), snr_db=30, seed=1)
    >>> found = estimate_time_constants(made.eda, sfreq=4.0)
    >>> bool(abs(found.tau_decay / 4 - 1) < 0.15)
    True
    """
    first = deconvolve(eda, sfreq=sfreq, settings=settings)
    y, sfreq = np.where(first.is_present, first.tonic + first.phasic + first.residual, np.nan), first.sfreq
    fixed = replace(settings, scale=first.scale)
    n_most = round(longest * sfreq)
    if len(y) > n_most:
        activity = np.concatenate([[0.0], np.cumsum(np.where(first.is_present, np.abs(first.driver), 0.0))])
        begin = int(np.argmax(activity[n_most:] - activity[:-n_most]))
        y = y[begin : begin + n_most]
    known: dict[tuple[int, int], float] = {}
    step = _FIRST_STEP
    at = np.log([settings.tau_rise, settings.tau_decay])
    best = _criterion(y, sfreq, fixed, at)
    while step > _LAST_STEP:
        moved = False
        for direction in ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, -1), (1, -1), (-1, 1)):
            there = at + step * np.array(direction)
            key = (round(there[0] * 1e6), round(there[1] * 1e6))
            if key not in known:
                known[key] = _criterion(y, sfreq, fixed, there)
            if known[key] < best:
                best, at, moved = known[key], there, True
        if not moved:
            step /= 2
    found = replace(settings, tau_rise=float(np.exp(at[0])), tau_decay=float(np.exp(at[1])))
    bursts = find_bursts(deconvolve(y, sfreq=sfreq, settings=replace(found, scale=first.scale)))
    n_bursts = int(bursts.is_seen.sum())
    if n_bursts < _FEWEST:
        raise DataError(
            f"Only {n_bursts} responses to learn time constants from; it takes {_FEWEST}. Give a recording "
            "with more, or use the usual constants."
        )
    return TimeConstants(found.tau_rise, found.tau_decay, best, n_bursts, found)


def _criterion(y: Array, sfreq: float, settings: Convex, logs: Array) -> float:
    tau_rise, tau_decay = np.exp(logs)
    if not (
        _RISE[0] <= tau_rise <= _RISE[1] and _DECAY[0] <= tau_decay <= _DECAY[1] and tau_rise < tau_decay
    ):
        return np.inf
    settings = replace(settings, tau_rise=float(tau_rise), tau_decay=float(tau_decay))
    assert settings.scale is not None  # The caller's.
    sparse = deconvolve(y, sfreq=sfreq, settings=settings)
    price = np.where(sparse.driver > _ON * settings.scale, _OPEN, _CLOSED)
    refitted = deconvolve(y, sfreq=sfreq, settings=settings, price=price)
    n = int(refitted.is_present.sum())
    n_on = int((refitted.driver > _ON / 10 * settings.scale).sum())
    return float(n * np.log(np.nansum(refitted.residual**2) / n) + 2 * np.log(np.log(n)) * n_on)
