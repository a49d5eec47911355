"""Skin conductance per window: its level, its slow part, and its responses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect.features._window_spectrum import band_power, window_spectra
from physioaffect.features._windowed import Array, checked, table
from physioaffect.features.decomposing import checked_decomposition, context_of, function_of
from physioaffect.recording import Trial
from physioaffect.signals.eda import (
    Decompose,
    Decomposition,
    ResampleEDA,
    Responses,
    scr_peaks,
)
from physioaffect.signals.eda_responses import RESPONSE_CONTEXT_S
from physioaffect.windows import Intervals, coverage, sample_grid

__all__ = ["EDA"]

_UNITS = {
    "mean": "uS",
    "sd": "uS",
    "min": "uS",
    "max": "uS",
    "slope": "uS/min",
    "derivative_abs": "uS/s",
    "derivative_sd": "uS/s",
    "derivative_max": "uS/s",
    "second_derivative_abs": "uS/s^2",
    "second_derivative_sd": "uS/s^2",
    "tonic_mean": "uS",
    "tonic_slope": "uS/min",
    "phasic_mean": "uS",
    "phasic_sd": "uS",
    "phasic_energy": "uS^2",
    "phasic_area": "uS s/min",
    "scr_rate": "1/min",
    "scr_amplitude": "uS",
    "scr_amplitude_sum": "uS/min",
    "scr_amplitude_max": "uS",
    "scr_area": "uS s",
    "scr_share": "1",
}
_INCOMPLETE_UNITS = {
    "scr_rise_time": "s",
    "scr_recovery_time": "s",
    "sympathetic_power": "uS^2",
    "sympathetic_share": "1",
}

# Faster recordings have nothing but noise there: see ResampleEDA.
_FASTEST_HZ = 16.0
# Posada-Quintero et al. (2016): band, and segments of 128 samples at 2 Hz.
_SYMPATHETIC_HZ = (0.045, 0.25)
_LOWEST_HZ = 0.01
_SEGMENT_S = 64.0


@dataclass(frozen=True, kw_only=True)
class EDA:
    """Features of skin conductance in microsiemens.

    Parameters
    ----------
    decompose : str or callable
        How to split tonic from phasic: a name of `physioaffect.features.decomposing.DECOMPOSITIONS`, a
        function of a module, or a frozen dataclass of settings, called as ``decompose(eda, sfreq=4.0)``. It
        sees each trial once and as a whole, with NaN where samples are flagged. A recipe knows it by its
        name: one that gives other numbers needs another name.
    threshold : float
        Smallest response in microsiemens that counts.
    incomplete : bool
        Whether to add the features that not every window has. Windows that lack a feature are left out of an
        evaluation, so they are asked for by name.

    Notes
    -----
    ``mean``, ``sd``, ``min``, ``max`` and ``slope`` (least squares, per minute) are of the signal itself.
    ``derivative_abs``, ``derivative_sd`` and ``derivative_max`` are the mean of the absolute, the standard
    deviation and the largest of the differences between neighbouring samples, per second; the second
    derivative is the same of those differences. They grow with the sampling rate where there is noise.
    ``tonic_mean``, ``tonic_slope``, ``phasic_mean`` and ``phasic_sd`` are of the two parts;
    ``phasic_energy`` is the mean square of the phasic part, ``phasic_area`` the area under its positive
    values per minute. Standard deviations divide by the number of samples; missing and flagged
    samples are passed over; a window without any sample is NaN.

    Of the responses (`physioaffect.signals.eda.scr_peaks`) that peak in the window, ``scr_rate`` is the
    number and ``scr_amplitude_sum`` the sum of heights, both per minute of the window that is present;
    ``scr_amplitude``, ``scr_amplitude_max`` and ``scr_area`` are the mean and the largest height and the mean
    area, 0 if there is none. ``scr_share`` is the share of present samples between the onset and half
    recovery of a response.

    With ``incomplete``: ``scr_rise_time`` and ``scr_recovery_time``, the means over the responses that have
    one, are NaN without any. ``sympathetic_power`` is the power from 0.045 to 0.25 Hz [1]_ of the signal by
    Welch's method, ``sympathetic_share`` its share of all power above 0.01 Hz: as in the paper in segments
    of 64 s with a Blackman window that overlap by half, here each without its straight line instead of
    after a high-pass at 0.01 Hz. NaN in windows of less than 64 s, and where no segment has 95 % of its
    samples.

    What was recorded at more than 16 Hz is brought down to 8 Hz first, as by
    `physioaffect.signals.eda.ResampleEDA`.

    References
    ----------
    .. [1] Posada-Quintero, Florian, Orjuela-Canon, Aljama-Corrales, Charleston-Villalobos, Chon (2016). Power
       spectral density analysis of electrodermal activity for sympathetic function assessment. Ann. Biomed.
       Eng. 44, 3124-3135. doi:10.1007/s10439-016-1606-6

    Examples
    --------
    >>> from physioaffect.recording import Signal
    >>> eda = Signal(data=np.full((1, 480), 2.0), sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS")
    >>> trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"eda": eda})
    >>> features = EDA()(trial, Intervals(np.array([0.0, 60.0]), 60.0))
    >>> features.sel(eda_feature="mean").values
    array([2., 2.])
    """

    name: ClassVar[str] = "eda"
    version: ClassVar[int] = 2

    decompose: str | Decompose = "highpass"
    threshold: float = 0.02
    incomplete: bool = False

    def __post_init__(self) -> None:
        if not self.threshold > 0:
            raise ValueError(f"threshold must be above 0 uS, got {self.threshold}.")
        object.__setattr__(self, "decompose", checked_decomposition(self.decompose))

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal it reads."""
        return ("eda",)

    @property
    def context(self) -> tuple[float, float]:
        """Seconds before and after a window outside of which nothing changes its features.

        Infinite for a decomposition that does not say it (an attribute ``context``). A response in the window
        may reach ten seconds out of it, its neighbour ten more, and so may what that one stands out from.
        """
        known = context_of(self.decompose)
        around = 3 * RESPONSE_CONTEXT_S + ResampleEDA().context[0]
        return known[0] + around, known[1] + around

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the features of one trial.

        Returns
        -------
        features : xarray.DataArray, dimensions ("window", "eda_feature")

        Raises
        ------
        DataError
            If the trial lacks the signal, or it is not in microsiemens or has several channels.
        """
        recorded = checked(trial, "eda", unit="uS", n_channels=1)
        eda = recorded
        if eda.sfreq > _FASTEST_HZ:
            eda = ResampleEDA()(replace(trial, signals={"eda": eda})).signal("eda")
        decompose = function_of(self.decompose)
        level: NDArray[np.float64] = eda.masked[0].astype(np.float64)
        level[~np.isfinite(level)] = np.nan
        parts = decompose(level, sfreq=eda.sfreq)
        # In samples, so that a peak falls into the very window that holds its sample.
        first, n_samples = sample_grid(eda, intervals)
        responses = scr_peaks(parts.phasic, eda=level, sfreq=eda.sfreq, threshold=self.threshold)
        minutes = coverage(eda, intervals) * intervals.duration / 60
        values = _of_signals(level, parts, first, n_samples, eda.sfreq)
        values |= _of_responses(responses, level, first, n_samples, minutes)
        units: Mapping[str, str] = _UNITS
        if self.incomplete:
            values |= _of_power(level, first, n_samples, eda.sfreq)
            units = _UNITS | _INCOMPLETE_UNITS
        estimator = f"decompose={self.decompose}, threshold={self.threshold:g} uS"
        if eda is not recorded:
            estimator += f", brought down to {eda.sfreq:g} Hz"
        if self.incomplete:
            estimator += f", sympathetic power of segments of {_SEGMENT_S:g} s"
        stacked = np.stack([values[name] for name in units], axis=1)
        return table("eda", np.where(minutes[:, np.newaxis] > 0, stacked, np.nan), units, estimator=estimator)


def _of_signals(
    level: Array, parts: Decomposition, first: NDArray[np.intp], n_samples: int, sfreq: float
) -> dict[str, Array]:
    from physioaffect.features import _window_kernels as kernels  # noqa: PLC0415  It imports numba.

    def of(x: Array, n: int = n_samples) -> Array:
        found: Array = kernels.moments(np.ascontiguousarray(x, dtype=np.float64), first, n)
        return found.T

    per_minute = 60 * sfreq
    speed = np.diff(level) * sfreq
    force = np.diff(speed) * sfreq
    whole, tonic, phasic = of(level), of(parts.tonic), of(parts.phasic)
    one, two = of(speed, n_samples - 1), of(force, n_samples - 2)
    positive = of(np.where(np.isnan(parts.phasic), np.nan, np.maximum(parts.phasic, 0)))
    return {
        "mean": whole[kernels.MEAN],
        "sd": whole[kernels.SD],
        "min": whole[kernels.LOWEST],
        "max": whole[kernels.HIGHEST],
        "slope": whole[kernels.SLOPE] * per_minute,
        "derivative_abs": of(np.abs(speed), n_samples - 1)[kernels.MEAN],
        "derivative_sd": one[kernels.SD],
        "derivative_max": one[kernels.HIGHEST],
        "second_derivative_abs": of(np.abs(force), n_samples - 2)[kernels.MEAN],
        "second_derivative_sd": two[kernels.SD],
        "tonic_mean": tonic[kernels.MEAN],
        "tonic_slope": tonic[kernels.SLOPE] * per_minute,
        "phasic_mean": phasic[kernels.MEAN],
        "phasic_sd": phasic[kernels.SD],
        "phasic_energy": phasic[kernels.MEAN] ** 2 + phasic[kernels.SD] ** 2,
        "phasic_area": positive[kernels.MEAN] * 60,
    }


def _of_responses(
    responses: Responses, level: Array, first: NDArray[np.intp], n_samples: int, minutes: Array
) -> dict[str, Array]:
    from physioaffect.features import _window_kernels as kernels  # noqa: PLC0415  It imports numba.

    begin, stop = np.searchsorted(responses.peak_idx, np.stack([first, first + n_samples]))

    def of(values: Array) -> Array:
        found: Array = kernels.events_per_window(values, begin, stop)
        return found.T

    count, amplitude, total, highest, _ = of(responses.amplitudes)
    with np.errstate(divide="ignore", invalid="ignore"):  # Windows without a sample are NaN in the end.
        rate, total = count / minutes, total / minutes
    change = np.bincount(responses.onset_idx, minlength=len(level) + 1)
    change -= np.bincount(responses.stop_idx, minlength=len(level) + 1)
    responding = np.where(np.isnan(level), np.nan, np.cumsum(change)[:-1] > 0)
    return {
        "scr_rate": rate,
        "scr_amplitude": np.where(count > 0, amplitude, 0),
        "scr_amplitude_sum": total,
        "scr_amplitude_max": np.where(count > 0, highest, 0),
        "scr_area": np.where(count > 0, of(responses.areas)[1], 0),
        "scr_share": kernels.moments(responding, first, n_samples)[:, kernels.MEAN],
        "scr_rise_time": of(responses.rise_times)[1],
        "scr_recovery_time": of(responses.recovery_times)[1],
    }


def _of_power(
    level: NDArray[np.float64], first: NDArray[np.intp], n_samples: int, sfreq: float
) -> dict[str, Array]:
    segment = round(_SEGMENT_S * sfreq)
    spectra = window_spectra(level, first, n_samples, sfreq=sfreq, segment=segment, taper="blackman")
    low, high = _SYMPATHETIC_HZ
    if high >= sfreq / 2:
        nothing = np.full(len(first), np.nan)
        return {"sympathetic_power": nothing, "sympathetic_share": nothing}
    power, total = band_power(spectra, low, high), band_power(spectra, _LOWEST_HZ, np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(total > 0, power / total, np.nan)
    return {"sympathetic_power": power, "sympathetic_share": share}
