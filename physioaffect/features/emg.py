"""Electromyogram per window: how much, how steady, and at which frequencies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.fft import rfft, rfftfreq
from scipy.signal import get_window

from physioaffect.features._windowed import Array, checked, table
from physioaffect.recording import Signal, Trial
from physioaffect.signals.emg import EMG_CONTEXT_S, ENVELOPE_SFREQ, emg_band, emg_bursts, emg_envelope
from physioaffect.windows import Intervals, sample_grid

__all__ = ["EMG"]

_UNITS = {
    "rms": "V",
    "mav": "V",
    "waveform_length": "V/s",
    "zero_crossings": "1/s",
    "slope_changes": "1/s",
    "median_frequency": "Hz",
    "mean_frequency": "Hz",
    "static_level": "V",
    "median_level": "V",
    "peak_level": "V",
    "burst_rate": "1/min",
    "burst_amplitude": "V",
}
_QUANTILES = (0.1, 0.5, 0.9)
# Seven even bands up to half of WESAD's rate.
_BANDS = tuple((50.0 * k, 50.0 * (k + 1)) for k in range(7))
_SEGMENT_S = 1.0
# Segments at once: 32 MB at 1000 Hz.
_BLOCK = 2**22


@dataclass(frozen=True, kw_only=True)
class EMG:
    """Features of a surface electromyogram in volts.

    Parameters
    ----------
    fmin, fmax : float
        Edges in Hz of the band that is kept.
    line : float, optional
        Frequency of the mains, 50 or 60 Hz, to be taken out with its harmonics. Default: not at all.
    threshold : float
        Smallest burst in volts that counts.

    Notes
    -----
    All are of the filtered signal (`physioaffect.signals.emg.emg_band`). ``rms`` is the root mean square,
    ``mav`` the mean absolute value (the integrated EMG over the time), ``waveform_length`` the way up and
    down per second; ``zero_crossings`` and ``slope_changes`` are counts per second of changes of the sign of
    the signal and of its slope, without a dead zone; zero counts as positive.

    ``median_frequency`` halves the power of the spectrum, ``mean_frequency`` is its mean, from ``fmin`` to
    ``fmax``; ``power_0_50`` to ``power_300_350`` are the powers in seven bands of 50 Hz [1]_ in squared
    volts, as far as half of the sampling rate reaches. Welch's method: segments of a second that overlap by
    half and lie in the window, with a Hann window, counted from the trial's onset; those with a missing
    sample are left out, and in a window that holds none the features of the spectrum are NaN.

    Of the envelope (`physioaffect.signals.emg.emg_envelope`, tenths of a second): ``static_level``,
    ``median_level`` and ``peak_level`` are its tenth, fiftieth and ninetieth percentile [2]_;
    ``burst_rate`` counts peaks that stand out by ``threshold`` per minute of envelope that is there,
    ``burst_amplitude`` is their mean height, 0 if there is none (peaks as in [1]_, in volts here).

    Missing and flagged samples are passed over.

    References
    ----------
    .. [1] Schmidt, Reiss, Duerichen, Marberger, Van Laerhoven (2018). Introducing WESAD. ICMI, table 1.
       doi:10.1145/3242969.3242985
    .. [2] Jonsson (1982). Measurement and evaluation of local muscular strain in the shoulder during
       constrained work. J. Human Ergol. 11, 73-88. doi:10.11183/jhe1972.11.73

    Examples
    --------
    >>> tone = 1e-4 * np.sin(2 * np.pi * 100 * np.arange(7000) / 700)
    >>> emg = Signal(data=tone[np.newaxis], sfreq=700.0, ch_names=("EMG",), kind="emg", unit="V")
    >>> trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"emg": emg})
    >>> features = EMG()(trial, Intervals(np.array([2.0]), 5.0))
    >>> features.sel(emg_feature=["zero_crossings", "mean_frequency"]).values.round(0)
    array([[200., 100.]])
    """

    name: ClassVar[str] = "emg"
    version: ClassVar[int] = 1

    fmin: float = 20.0
    fmax: float = 450.0
    line: float | None = None
    threshold: float = 10e-6

    def __post_init__(self) -> None:
        if not 0 < self.fmin < self.fmax:
            raise ValueError(f"The band needs 0 < fmin < fmax, got {self.fmin:g} and {self.fmax:g} Hz.")
        if self.line is not None and not self.line > 0:
            raise ValueError(f"The mains frequency must be above 0 Hz, got {self.line}. Give 50, 60 or None.")
        if not self.threshold > 0:
            raise ValueError(f"threshold must be above 0 V, got {self.threshold}.")

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal it reads."""
        return ("emg",)

    @property
    def context(self) -> tuple[float, float]:
        """Seconds before and after a window outside of which nothing changes its features."""
        around = float(math.ceil(EMG_CONTEXT_S))
        return around, around

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the features of one trial.

        Returns
        -------
        features : xarray.DataArray, dimensions ("window", "emg_feature")

        Raises
        ------
        DataError
            If the trial lacks the signal, or it is not in volts, has several channels or less than 256
            samples a second.
        """
        emg = checked(trial, "emg", unit="V", n_channels=1)
        x = emg_band(emg.masked[0], sfreq=emg.sfreq, fmin=self.fmin, fmax=self.fmax, line=self.line)
        first, n_samples = sample_grid(emg, intervals)
        values = _of_amplitude(x, first, n_samples, emg.sfreq)
        values |= self._of_spectrum(x, emg, first, n_samples)
        values |= self._of_envelope(x, emg, intervals)
        names = [*_UNITS, *(name for name in values if name not in _UNITS)]
        units = {name: _UNITS.get(name, "V^2") for name in names}
        has_any = np.isfinite(values["rms"])[:, np.newaxis]
        stacked = np.where(has_any, np.stack([values[name] for name in names], axis=1), np.nan)
        band = f"{self.fmin:g}-{min(self.fmax, emg.sfreq / 2):g} Hz"
        estimator = f"{band}, Welch with segments of {_SEGMENT_S:g} s, bursts of {self.threshold:g} V"
        return table("emg", stacked, units, estimator=estimator)

    def _of_spectrum(
        self, x: NDArray[np.float64], emg: Signal, first: NDArray[np.intp], n_samples: int
    ) -> dict[str, Array]:
        segment = round(_SEGMENT_S * emg.sfreq)
        hop = segment // 2
        # From the trial's onset on, wherever the signal begins.
        begin = -round(emg.start * emg.sfreq) % hop
        starts = np.arange(begin, len(x) - segment + 1, hop)
        freqs, power = _spectra(x, starts, segment, emg.sfreq)
        is_there = ~np.isnan(power[:, 0]) if len(power) else np.zeros(0, dtype=bool)
        total = _running(np.where(is_there[:, np.newaxis], power, 0))
        count = _running(is_there.astype(np.float64)[:, np.newaxis])
        begin_idx = np.searchsorted(starts, first)
        stop_idx = np.maximum(np.searchsorted(starts, first + n_samples - segment, side="right"), begin_idx)
        n_segments = count[stop_idx] - count[begin_idx]
        sums = total[stop_idx] - total[begin_idx]
        density = np.divide(sums, n_segments, out=np.full_like(sums, np.nan), where=n_segments > 0)
        width = freqs[1] - freqs[0]
        values = _of_frequencies(freqs, density, self.fmin, min(self.fmax, emg.sfreq / 2))
        for low, high in _BANDS:
            if high <= emg.sfreq / 2:
                inside = (freqs >= low) & (freqs < high)
                values[f"power_{low:g}_{high:g}"] = density[:, inside].sum(axis=1) * width
        return values

    def _of_envelope(self, x: NDArray[np.float64], emg: Signal, intervals: Intervals) -> dict[str, Array]:
        from physioaffect.features import _window_kernels as kernels  # noqa: PLC0415  It imports numba.

        envelope = emg_envelope(x, sfreq=emg.sfreq, start=emg.start)
        # Tenths that lie in the window.
        origin = math.ceil(emg.start * ENVELOPE_SFREQ - 1e-9)
        begin = np.ceil(intervals.starts * ENVELOPE_SFREQ - 1e-6).astype(np.intp) - origin
        stop = np.floor((intervals.starts + intervals.duration) * ENVELOPE_SFREQ + 1e-6).astype(np.intp)
        edges = np.clip(np.stack([begin, stop - origin]), 0, len(envelope))
        edges[1] = np.maximum(edges[1], edges[0])
        levels = kernels.quantiles_per_window(envelope, edges[0], edges[1], np.array(_QUANTILES))
        bursts = emg_bursts(envelope, threshold=self.threshold)
        inside = np.searchsorted(bursts.peak_idx, edges)
        found = kernels.events_per_window(bursts.amplitudes, inside[0], inside[1]).T
        n_there = _running(np.isfinite(envelope).astype(np.float64)[:, np.newaxis])[:, 0]
        minutes = (n_there[edges[1]] - n_there[edges[0]]) / ENVELOPE_SFREQ / 60
        rate = np.divide(found[0], minutes, out=np.full(len(minutes), np.nan), where=minutes > 0)
        return {
            "static_level": levels[:, 0],
            "median_level": levels[:, 1],
            "peak_level": levels[:, 2],
            "burst_rate": rate,
            "burst_amplitude": np.where(found[0] > 0, found[1], np.where(minutes > 0, 0, np.nan)),
        }


def _running(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of the first 0, 1, ... rows."""
    return np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0)])


def _of_amplitude(
    x: NDArray[np.float64], first: NDArray[np.intp], n_samples: int, sfreq: float
) -> dict[str, Array]:
    is_missing = np.isnan(x)
    x = np.where(is_missing, 0.0, x)
    slope = np.diff(x)
    is_up, is_rising = x >= 0, slope >= 0

    def mean_of(values: NDArray[Any], n_before: int) -> Array:
        """Mean of values that are made of each sample and so many before it."""
        return _window_means(values, is_missing, first, n_samples, n_before)

    return {
        "rms": np.sqrt(mean_of(np.square(x), 0)),
        "mav": mean_of(np.abs(x), 0),
        "waveform_length": mean_of(np.abs(slope), 1) * sfreq,
        "zero_crossings": mean_of(is_up[1:] != is_up[:-1], 1) * sfreq,
        "slope_changes": mean_of(is_rising[1:] != is_rising[:-1], 2) * sfreq,
    }


def _window_means(
    values: NDArray[Any],
    is_missing: NDArray[np.bool_],
    first: NDArray[np.intp],
    n_samples: int,
    n_before: int,
) -> Array:
    """Means over windows of values to which no missing sample belongs.

    Sums between neighbouring edges of windows are added up over the trial: overlapping windows share them,
    at the price of a rounding error of 1e-13 of the trial's sum.
    """
    begin, stop = np.clip(np.stack([first, first + max(n_samples - n_before, 0)]), 0, len(values))
    edges = np.unique(np.concatenate([begin, stop]))
    means = np.full(len(first), np.nan)
    if len(edges) < 2:
        return means
    counts = np.diff(edges).astype(np.float64)
    if is_missing.any():
        n_lost = np.concatenate([[0], np.cumsum(is_missing)])
        is_lost = n_lost[n_before + 1 :] - n_lost[: len(values)] > 0
        values = np.where(is_lost, 0, values)
        counts -= np.add.reduceat(is_lost[: edges[-1]], edges[:-1], dtype=np.float64)
    sums = np.add.reduceat(values[: edges[-1]], edges[:-1], dtype=np.float64)
    total = _running(np.stack([sums, counts], axis=1))
    within = total[np.searchsorted(edges, stop)] - total[np.searchsorted(edges, begin)]
    np.divide(np.maximum(within[:, 0], 0), within[:, 1], out=means, where=within[:, 1] > 0)
    return means


def _spectra(
    x: NDArray[np.float64], starts: NDArray[np.intp], segment: int, sfreq: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Power density of each segment, NaN where a sample of it is missing."""
    freqs = rfftfreq(segment, 1 / sfreq)
    power = np.empty((len(starts), len(freqs)))
    taper = get_window("hann", segment)
    scale = 2 / (sfreq * (taper**2).sum())
    size = max(1, _BLOCK // segment)
    if len(starts):
        every = np.lib.stride_tricks.sliding_window_view(x, segment)
        for begin in range(0, len(starts), size):
            block = slice(begin, begin + size)
            spectrum = rfft(every[starts[block]] * taper, axis=1)
            power[block] = scale * (spectrum.real**2 + spectrum.imag**2)
    power[:, 0] /= 2
    if segment % 2 == 0:
        power[:, -1] /= 2
    return freqs, power


def _of_frequencies(
    freqs: NDArray[np.float64], density: NDArray[np.float64], fmin: float, fmax: float
) -> dict[str, Array]:
    """Median and mean frequency; a bin's power counts as even between half way to its neighbours."""
    inside = (freqs >= fmin) & (freqs <= fmax)
    own, width = freqs[inside], freqs[1] - freqs[0]
    weights = density[:, inside]
    total = weights.sum(axis=1)
    has_any = total > 0
    mean = np.divide(weights @ own, total, out=np.full(len(total), np.nan), where=has_any)
    cumulative = np.cumsum(weights, axis=1)
    half = total / 2
    bin_idx = np.argmax(cumulative >= half[:, np.newaxis], axis=1)
    rows = np.arange(len(total))
    missing = cumulative[rows, bin_idx] - half
    share = np.divide(missing, weights[rows, bin_idx], out=np.zeros(len(total)), where=has_any)
    median = np.where(has_any, own[bin_idx] + width / 2 - share * width, np.nan)
    return {"median_frequency": median, "mean_frequency": mean}
