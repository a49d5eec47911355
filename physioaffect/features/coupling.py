"""How skin conductance and heart rate go together, per window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect.features._nn import NN, nn_of
from physioaffect.features._windowed import Array, checked, table
from physioaffect.features.decomposing import checked_decomposition, context_of, function_of
from physioaffect.recording import Signal, Trial
from physioaffect.signals.eda import Decompose, ResampleEDA
from physioaffect.windows import Intervals

__all__ = ["EDAHeartCoupling", "rate_per_second"]

_UNITS = {
    "phasic_r": "1",
    "phasic_r_largest": "1",
    "phasic_lag": "s",
    "tonic_r": "1",
    "tonic_r_largest": "1",
    "tonic_lag": "s",
}
# Three cycles of the wave at which the usual decomposition splits (0.05 Hz), and fifteen.
_PHASIC_S, _TONIC_S = 60.0, 300.0
_FEWEST = 30
# Faster recordings have nothing but noise there: see ResampleEDA.
_FASTEST_HZ = 16.0
# Twenty beats per minute.
_LONGEST_S = 3.0
_EDGE_S = 1e-6


class _Seconds:
    """Means over whole seconds after the trial's onset, the first of them ``first``."""

    def __init__(self, first: int, n: int) -> None:
        self.first, self.n = first, n

    def rate(self, nn: NN) -> Array:
        return rate_per_second(nn, first=self.first, n_seconds=self.n)

    def of(self, signal: Signal, x: Array) -> Array:
        """Mean of the samples in each second; NaN where fewer than half of them are there."""
        second = np.floor(signal.times + _EDGE_S).astype(np.intp) - self.first
        is_there = np.isfinite(x) & (second >= 0) & (second < self.n)
        count = np.bincount(second[is_there], minlength=self.n)
        total = np.bincount(second[is_there], weights=x[is_there], minlength=self.n)
        is_enough = count >= np.maximum(signal.sfreq / 2, 1)
        return np.where(is_enough, total / np.maximum(count, 1), np.nan)


def rate_per_second(nn: NN, *, first: int, n_seconds: int) -> NDArray[np.float64]:
    """Mean heart rate in each second.

    Parameters
    ----------
    nn : NN
        Trusted intervals between beats. Those of more than 3 s are left out.
    first : int
        Seconds after the trial's onset at which the first begins.
    n_seconds : int
        How many.

    Returns
    -------
    rate : ndarray, shape (n_seconds,)
        Beats per minute: the part of a beat that falls into each second, over the time that intervals cover.
        NaN where they cover less than half of it.
    """
    is_kept = nn.ms <= 1e3 * _LONGEST_S
    if not is_kept.any():
        return np.full(n_seconds, np.nan)
    begins, ends = nn.begins[is_kept], nn.ends[is_kept]
    begins = np.maximum(begins, np.concatenate([[-np.inf], ends[:-1]]))
    corners = np.stack([begins, ends], axis=1).ravel()
    steps = np.repeat([[0.0, 1.0]], len(begins), axis=0)
    beats = np.cumsum(steps)
    seconds = np.cumsum(np.stack([np.zeros(len(begins)), ends - begins], axis=1))
    edges = first + np.arange(n_seconds + 1.0)
    n_beats = np.diff(np.interp(edges, corners, beats))
    covered = np.diff(np.interp(edges, corners, seconds))
    rate = np.full(n_seconds, np.nan)
    np.divide(60 * n_beats, covered, out=rate, where=covered >= 0.5)
    return rate


@dataclass(frozen=True, kw_only=True)
class EDAHeartCoupling:
    """Correlation of heart rate with skin conductance, at once and at the lag where it is largest.

    Parameters
    ----------
    decompose : str or callable
        How to split tonic from phasic, as in `EDA`.
    source : str
        Name of the trial's intervals between beats.
    max_lag : int
        Largest lag in seconds, either way.

    Notes
    -----
    Both parts of the skin conductance and the heart rate are averaged over whole seconds, and lose
    their straight line in each window. ``phasic_r`` is Pearson's correlation of the phasic part with the
    heart rate in the same second; ``phasic_r_largest`` that of the largest size among lags up to ``max_lag``
    and ``phasic_lag`` its lag: positive if the skin follows the heart. ``tonic_r`` and so on are the same of
    the tonic part. Only pairs of seconds within the window count of which both are there, 30 or more; seconds
    with less than half of their samples, or of their time within trusted intervals, are not there. A part
    that does not change has no correlation: NaN.

    Windows carry the phasic ones from 60 s on, three cycles of the slowest phasic wave, and the tonic ones
    from 300 s on: two slow waves in a minute are always alike or opposed. Even so there is chance: white
    noise in 60 s gives a ``phasic_r`` of zero with a standard deviation of 0.13, and a ``phasic_r_largest``
    of a size of 0.3 among the 21 lags; waves as slow as those of the body give more. Compare with windows of
    other people or other times, not with zero.

    A second of the heart rate rests on the whole interval around it, up to 3 s.

    Examples
    --------
    >>> from physioaffect.recording import Events
    >>> beats = Events(times=np.arange(1.0, 130.0), values=np.ones(129), kind="ibi")
    >>> eda = Signal(data=np.ones((1, 480)), sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS")
    >>> signals = {"eda": eda, "ibi": beats}
    >>> trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals=signals)
    >>> EDAHeartCoupling()(trial, Intervals(np.array([0.0]), 60.0)).sel(eda_heart_feature="phasic_r").values
    array([nan])
    """

    name: ClassVar[str] = "eda_heart"
    version: ClassVar[int] = 1
    made_of: ClassVar[tuple[type, ...]] = (ResampleEDA,)
    min_coverage: ClassVar[float] = 0.8

    decompose: str | Decompose = "highpass"
    source: str = "ibi"
    max_lag: int = 10

    def __post_init__(self) -> None:
        if not 0 <= self.max_lag <= 30:
            raise ValueError(f"max_lag is a number of seconds from 0 to 30, got {self.max_lag}.")
        object.__setattr__(self, "decompose", checked_decomposition(self.decompose))

    @property
    def signals(self) -> tuple[str, ...]:
        """The two things it reads."""
        return ("eda", self.source)

    @property
    def context(self) -> tuple[float, float]:
        """Seconds before and after a window outside of which nothing changes its features."""
        known = context_of(self.decompose)
        own = ResampleEDA().context[0] + 1, ResampleEDA().context[1] + 1
        return max(known[0] + own[0], _LONGEST_S), max(known[1] + own[1], _LONGEST_S)

    def coverage(self, trial: Trial, intervals: Intervals) -> NDArray[np.float64]:
        """Share of each window's whole seconds that have both, shape (n_windows,).

        Raises
        ------
        DataError
            If the trial lacks either, or they are not in microsiemens and seconds.
        """
        seconds, first, last = _grid(intervals)
        eda = checked(trial, "eda", unit="uS", n_channels=1)
        level = seconds.of(eda, eda.masked[0])
        total = np.concatenate([[0], np.cumsum(np.isfinite(level + seconds.rate(nn_of(trial, self.source))))])
        share: NDArray[np.float64] = (total[last] - total[first]) / np.maximum(last - first, 1)
        return share

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the features of one trial.

        Returns
        -------
        features : xarray.DataArray, dimensions ("window", "eda_heart_feature")

        Raises
        ------
        DataError
            If the trial lacks either, or they are not in microsiemens and seconds.
        """
        from physioaffect.features._coupling_kernels import lagged_correlation  # noqa: PLC0415  Numba.

        eda = checked(trial, "eda", unit="uS", n_channels=1)
        if eda.sfreq > _FASTEST_HZ:
            eda = ResampleEDA()(replace(trial, signals={"eda": eda})).signal("eda")
        decompose = function_of(self.decompose)
        parts = decompose(eda.masked[0].astype(np.float64), sfreq=eda.sfreq)
        seconds, first, last = _grid(intervals)
        rate = seconds.rate(nn_of(trial, self.source))
        values = np.full((len(first), len(_UNITS)), np.nan)
        for columns, part, shortest in (
            (slice(0, 3), parts.phasic, _PHASIC_S),
            (slice(3, 6), parts.tonic, _TONIC_S),
        ):
            if intervals.duration >= shortest * (1 - 1e-9):
                level = seconds.of(eda, part)
                lagged_correlation(rate, level, first, last, self.max_lag, _FEWEST, values[:, columns])
        values[self.coverage(trial, intervals) < self.min_coverage] = np.nan
        minimum = [_PHASIC_S] * 3 + [_TONIC_S] * 3
        return table(
            self.name,
            values,
            _UNITS,
            estimator=f"decompose={self.decompose}, Pearson's r of means over seconds without their "
            f"straight line, lags up to {self.max_lag} s",
            minimum_seconds=minimum,
        )


def _grid(intervals: Intervals) -> tuple[_Seconds, NDArray[np.intp], NDArray[np.intp]]:
    """Whole seconds, and of each window the first that lies in it and the first behind."""
    begins = np.ceil(intervals.starts - _EDGE_S).astype(np.intp)
    ends = np.maximum(begins, np.floor(intervals.starts + intervals.duration + _EDGE_S).astype(np.intp))
    first = int(begins.min(initial=0))
    return _Seconds(first, int(ends.max(initial=first)) - first), begins - first, ends - first
