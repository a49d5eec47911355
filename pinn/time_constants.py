"""A person's own time constants of the sudomotor system, from their recording."""

from __future__ import annotations

from collections.abc import Sequence
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
_DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, -1), (1, -1), (-1, 1))
# What a sample without a burst must pay, and one with, so that neither is drawn to zero.
_CLOSED, _OPEN = 10.0, 1e-5
_ON = 0.01
_FEWEST = 10
# The bootstrap takes stretches of so many seconds, in which a response and the next are together.
_BLOCK_S, _N_DRAWS, _LEVEL = 30.0, 400, 0.95
# An interval whose ends are further apart than this factor tells nothing that the usual constants do not.
_WIDEST = 2.0
# From this ratio on a response has one time constant and not two; 0.35 and less are usual.
_ALIKE = 0.8
# On simulated recordings of 15 dB rises come out 13 % too long, of 13 dB 25 %, of 10 dB 30 %.
_LEAST_DB = 15.0


class TimeConstants(NamedTuple):
    """Time constants in seconds, and what they rest on.

    ``criterion`` is that of Hannan and Quinn at the optimum, ``n_bursts`` how many responses it
    explains; ``settings`` are those given, with the time constants. The intervals hold 95 % of what other
    stretches of the same recording would give. ``doubts`` are sentences that say why the constants should
    not be used; there are none if they may be.
    """

    tau_rise: float
    tau_decay: float
    criterion: float
    n_bursts: int
    settings: Convex
    rise_interval: tuple[float, float]
    decay_interval: tuple[float, float]
    doubts: tuple[str, ...]


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

    Intervals are a bootstrap of stretches of 30 s: residuals and samples with a driver are summed anew for
    every pair that the search has seen, and the pair with the smallest criterion is noted. They tell how far
    the estimate depends on which responses were seen, whatever the residual is like; they do not know of the
    bias that noise brings.

    The constants are doubted where one lies at the end of the search; where the rise is more than 0.8 of the
    decay, so that the response has one time constant, not two, and another shape than this equation's is
    likely; where an interval's ends are more than a factor of 2 apart; and where noise is less than 15 dB
    below the responses, as it hides how these begin.

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
    n_most = round(longest * sfreq)
    if len(y) > n_most:
        activity = np.concatenate([[0.0], np.cumsum(np.where(first.is_present, np.abs(first.driver), 0.0))])
        begin = int(np.argmax(activity[n_most:] - activity[:-n_most]))
        y = y[begin : begin + n_most]
    search = _Search(y, sfreq, replace(settings, scale=first.scale))
    at = search.from_here(np.log([settings.tau_rise, settings.tau_decay]))
    tau_rise, tau_decay = (float(tau) for tau in np.exp(at))
    found = replace(settings, tau_rise=tau_rise, tau_decay=tau_decay)
    last = deconvolve(y, sfreq=sfreq, settings=replace(found, scale=first.scale))
    n_bursts = int(find_bursts(last).is_seen.sum())
    if n_bursts < _FEWEST:
        raise DataError(
            f"Only {n_bursts} responses to learn time constants from; it takes {_FEWEST}. Give a recording "
            "with more, or use the usual constants."
        )
    low, high = np.exp(search.intervals())
    intervals = (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))
    db = 20 * float(np.log10(np.std(last.phasic[last.is_present]) / np.nanstd(last.residual)))
    doubts = _doubts((tau_rise, tau_decay), intervals, knot=settings.knot, db=db)
    return TimeConstants(tau_rise, tau_decay, search.value(at), n_bursts, found, *intervals, doubts)


def _doubts(
    constants: tuple[float, float], intervals: Sequence[tuple[float, float]], *, knot: float, db: float
) -> tuple[str, ...]:
    """Why the constants should not be used, a sentence each."""
    said = []
    near = float(np.exp(_FIRST_STEP / 8))
    for name, tau, (low, high), ends in zip(
        ("rise", "decay"), constants, intervals, (_RISE, _DECAY), strict=True
    ):
        if tau < ends[0] * near or tau * near > ends[1]:
            said.append(
                f"the {name} of {tau:.2g} s lies at the end of the search ({ends[0]} to {ends[1]:g} s)"
            )
        if high > _WIDEST * low:
            said.append(f"the recording does not tell the {name}: it may be {low:.2g} to {high:.2g} s")
    rise, decay = constants
    if rise > _ALIKE * decay:
        said.append(
            f"rise and decay are nearly the same ({rise:.2g} and {decay:.2g} s), so that responses have "
            "another shape than the equation's"
        )
    low, high = intervals[1]
    if high > knot:
        said.append(
            f"responses may last as long as the level's knots are apart (a decay of {low:.2g} to "
            f"{high:.2g} s, knots every {knot:g} s), so that their tails may be in the level"
        )
    if db < _LEAST_DB:
        said.append(f"noise lies {db:.0f} dB below the responses, which hides how they rise")
    return tuple(said)


class _Search:
    """Pairs of time constants that were tried, with what each stretch of the recording says of them."""

    def __init__(self, y: Array, sfreq: float, settings: Convex) -> None:
        self.y, self.sfreq, self.settings = y, sfreq, settings
        self.begins = np.arange(0, len(y), max(1, round(_BLOCK_S * sfreq)))
        self.sums: dict[tuple[int, int], Array] = {}

    def from_here(self, at: Array) -> Array:
        """Go to the smallest criterion."""
        step = _FIRST_STEP
        best = self.value(at)
        while step > _LAST_STEP:
            moved = False
            for direction in _DIRECTIONS:
                there = at + step * np.array(direction)
                value = self.value(there)
                if value < best:
                    best, at, moved = value, there, True
            if not moved:
                step /= 2
        return at

    def value(self, logs: Array) -> float:
        """The criterion of a pair; infinite where nothing is looked for."""
        rise, decay = np.exp(logs)
        if not (_RISE[0] <= rise <= _RISE[1] and _DECAY[0] <= decay <= _DECAY[1] and rise < decay):
            return np.inf
        key = (round(logs[0] * 1e6), round(logs[1] * 1e6))
        if key not in self.sums:
            self.sums[key] = self._sums(float(rise), float(decay))
        return float(_criterion(self.sums[key].sum(axis=1)))

    def intervals(self) -> Array:
        """Lower and upper ends of the logarithms of both, shape (2, 2)."""
        sums = np.stack([*self.sums.values()])
        n_stretches = sums.shape[2]
        times = np.random.default_rng(0).multinomial(
            n_stretches, np.full(n_stretches, 1 / n_stretches), size=_N_DRAWS
        )
        best = _criterion(np.moveaxis(sums @ times.T, 1, 0)).argmin(axis=0)
        tails = [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]
        return np.asarray(np.quantile(np.array([*self.sums])[best] / 1e6, tails, axis=0))

    def _sums(self, tau_rise: float, tau_decay: float) -> Array:
        """Samples, squared residuals and samples with a driver of each stretch, refitted without price."""
        settings = replace(self.settings, tau_rise=tau_rise, tau_decay=tau_decay)
        assert settings.scale is not None  # The caller's.
        sparse = deconvolve(self.y, sfreq=self.sfreq, settings=settings)
        price = np.where(sparse.driver > _ON * settings.scale, _OPEN, _CLOSED)
        refitted = deconvolve(self.y, sfreq=self.sfreq, settings=settings, price=price)
        rows = (
            refitted.is_present,
            np.nan_to_num(refitted.residual) ** 2,
            refitted.driver > _ON / 10 * settings.scale,
        )
        return np.stack([np.add.reduceat(row.astype(np.float64), self.begins) for row in rows])


def _criterion(sums: Array) -> Array:
    """Of Hannan and Quinn, of the rows that `_Search` keeps."""
    n, squares, n_on = sums
    # A draw may hold nothing that is present; it says nothing, of no pair.
    n = np.maximum(n, 3.0)
    return np.asarray(n * np.log(np.maximum(squares, 1e-300) / n) + 2 * np.log(np.log(n)) * n_on)
