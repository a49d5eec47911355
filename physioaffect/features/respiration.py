"""Respiration per window: how fast, how deep, and how regular."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect.features._window_spectrum import Spectra, window_spectra
from physioaffect.features._windowed import Array, checked, table
from physioaffect.recording import Signal, Trial
from physioaffect.signals.respiration import (
    BREATH_CONTEXT_S,
    Breathing,
    Breaths,
    breathing,
    find_breaths,
    slowed,
)
from physioaffect.windows import Intervals, sample_grid

__all__ = ["Respiration"]

# "own" stands for the unit of the signal.
_UNITS = {
    "rate": "1/min",
    "rate_sd": "1/min",
    "depth": "own",
    "depth_cv": "1",
    "period_cv": "1",
    "inspiration": "s",
    "inspiration_sd": "s",
    "expiration": "s",
    "expiration_sd": "s",
    "ratio": "1",
    "rvt": "own/s",
    "stretch": "own",
    "centroid": "Hz",
    "spectral_width": "Hz",
    "spectral_entropy": "1",
    "low_high": "1",
}

_SEGMENT_S = 30.0
_SPECTRUM_HZ = (0.05, 1.5)
_LOW_HIGH_HZ = 0.25
# Breaths that fill less of a window do not tell its rate.
_LEAST_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class Respiration:
    """Features of respiration from a belt that is stretched by inspiration, in any unit.

    Parameters
    ----------
    min_breaths : int
        Whole breaths below which a window has no features of breaths; at least 2.

    Notes
    -----
    Of the breaths (`physioaffect.signals.respiration.find_breaths`) that have their peak in the window:
    ``rate`` is their number over the sum of their durations, ``rate_sd`` the standard deviation of the rates
    of single breaths; ``depth`` the mean height from trough to peak in the unit of the signal; ``depth_cv``
    and ``period_cv`` are standard deviations over means; ``inspiration`` and ``expiration`` the mean
    durations of the two parts, with their standard deviations, and ``ratio`` the one mean over the other;
    ``rvt`` the mean of depth over duration, the respiratory volume per time [1]_. All are NaN with fewer
    than ``min_breaths``, or if the breaths' durations add up to less than half of the window.

    Of the signal from 0.05 to 3 Hz: ``stretch`` is the distance from its lowest to its highest value [2]_.
    Of its spectrum by Welch's method (segments of 30 s with a Hann window, each without its straight
    line, that overlap by half) from 0.05 to 1.5 Hz: ``centroid`` is the mean frequency and ``spectral_width``
    the standard deviation around it, ``spectral_entropy`` goes from 0 for one frequency to 1 for an
    even spectrum, ``low_high`` is the logarithm of the power below over that above 0.25 Hz [3]_. NaN in
    windows of less than 30 s, and where no segment has 95 % of its samples.

    Standard deviations divide by the number. Only depth, rvt and stretch depend on the unit, none on the
    offset. Flagged samples are missing, and a breath with a missing sample in it does not count.

    References
    ----------
    .. [1] Birn, Diamond, Smith, Bandettini (2006). Separating respiratory-variation-related fluctuations from
       neuronal-activity-related fluctuations in fMRI. NeuroImage 31, 1536-1548.
       doi:10.1016/j.neuroimage.2006.02.048
    .. [2] Schmidt, Reiss, Duerichen, Marberger, Van Laerhoven (2018). Introducing WESAD. ICMI, table 1.
       doi:10.1145/3242969.3242985
    .. [3] Koelstra et al. (2012). DEAP. IEEE Trans. Affect. Comput. 3, 18-31, table 4.
       doi:10.1109/T-AFFC.2011.15

    Examples
    --------
    >>> belt = 3 * np.sin(2 * np.pi * 0.25 * np.arange(6000) / 50)
    >>> resp = Signal(data=belt[np.newaxis], sfreq=50.0, ch_names=("RESP",), kind="resp", unit="%")
    >>> trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"resp": resp})
    >>> features = Respiration()(trial, Intervals(np.array([30.0]), 60.0))
    >>> features.sel(respiration_feature=["rate", "depth", "ratio"]).values.round(2)
    array([[15.,  6.,  1.]])
    """

    name: ClassVar[str] = "respiration"
    version: ClassVar[int] = 1

    min_breaths: int = 3

    def __post_init__(self) -> None:
        if self.min_breaths < 2:
            raise ValueError(
                f"min_breaths must be at least 2, got {self.min_breaths}: one breath has no regularity."
            )

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal it reads."""
        return ("resp",)

    @property
    def context(self) -> tuple[float, float]:
        """Seconds before and after a window outside of which nothing changes its features."""
        around = float(math.ceil(BREATH_CONTEXT_S))
        return around, around

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the features of one trial.

        Returns
        -------
        features : xarray.DataArray, dimensions ("window", "respiration_feature")

        Raises
        ------
        DataError
            If the trial lacks the signal, or it has several channels or less than 4 samples a second.
        """
        resp = checked(trial, "resp", unit=trial.signal("resp").unit, n_channels=1)
        slow = slowed(resp)
        x = slow.masked[0]
        values = self._of_breaths(find_breaths(x, sfreq=slow.sfreq), slow.start, intervals)
        values |= _of_signal(breathing(x, sfreq=slow.sfreq), slow, intervals)
        units = {name: unit.replace("own", resp.unit) for name, unit in _UNITS.items()}
        stacked = np.stack([values[name] for name in units], axis=1)
        estimator = (
            f"at least {self.min_breaths} breaths, spectra of segments of {_SEGMENT_S:g} s, "
            "1/n standard deviation"
        )
        return table("respiration", stacked, units, estimator=estimator)

    def _of_breaths(self, breaths: Breaths, start: float, intervals: Intervals) -> dict[str, Array]:
        from physioaffect.features import _window_kernels as kernels  # noqa: PLC0415  It imports numba.

        edges = np.stack([intervals.starts, intervals.starts + intervals.duration])
        begin, stop = np.searchsorted(start + breaths.peaks, edges)
        inspired, expired = breaths.peaks - breaths.starts, breaths.stops - breaths.peaks
        periods = breaths.stops - breaths.starts

        def of(x: Array) -> Array:
            found: Array = kernels.events_per_window(x, begin, stop)
            return found.T

        n_breaths, period, total, _, period_sd = of(periods)
        _, depth, _, _, depth_sd = of(breaths.depths)
        _, inspiration, _, _, inspiration_sd = of(inspired)
        _, expiration, _, _, expiration_sd = of(expired)
        is_enough = (n_breaths >= self.min_breaths) & (total >= _LEAST_SHARE * intervals.duration)
        values = {
            "rate": 60 / period,
            "rate_sd": of(60 / periods)[4],
            "depth": depth,
            "depth_cv": depth_sd / depth,
            "period_cv": period_sd / period,
            "inspiration": inspiration,
            "inspiration_sd": inspiration_sd,
            "expiration": expiration,
            "expiration_sd": expiration_sd,
            "ratio": inspiration / expiration,
            "rvt": of(breaths.depths / periods)[1],
        }
        return {name: np.where(is_enough, value, np.nan) for name, value in values.items()}


def _of_signal(clean: Breathing, resp: Signal, intervals: Intervals) -> dict[str, Array]:
    from physioaffect.features import _window_kernels as kernels  # noqa: PLC0415  It imports numba.

    first, n_samples = sample_grid(resp, intervals)
    found = kernels.moments(clean.data, first, n_samples)
    segment = round(_SEGMENT_S * clean.sfreq)
    spectra = window_spectra(clean.data, first, n_samples, sfreq=clean.sfreq, segment=segment, taper="hann")
    return {"stretch": found[:, kernels.HIGHEST] - found[:, kernels.LOWEST], **_of_spectra(spectra)}


def _of_spectra(spectra: Spectra) -> dict[str, NDArray[np.float64]]:
    inside = (spectra.freqs >= _SPECTRUM_HZ[0]) & (spectra.freqs <= _SPECTRUM_HZ[1])
    freqs, density = spectra.freqs[inside], spectra.density[:, inside]
    total = density.sum(axis=1, keepdims=True)
    share = np.divide(density, total, out=np.full_like(density, np.nan), where=total > 0)
    centroid = share @ freqs
    width = np.sqrt((share * (freqs - centroid[:, np.newaxis]) ** 2).sum(axis=1))
    # 0 log 0 is 0.
    entropy = -(share * np.log(np.where(share > 0, share, 1))).sum(axis=1) / np.log(len(freqs))
    low = share[:, freqs < _LOW_HIGH_HZ].sum(axis=1)
    with np.errstate(divide="ignore"):
        low_high = np.log(low) - np.log(1 - low)
    return {
        "centroid": centroid,
        "spectral_width": width,
        "spectral_entropy": entropy,
        "low_high": np.where(np.isfinite(low_high), low_high, np.nan),
    }
