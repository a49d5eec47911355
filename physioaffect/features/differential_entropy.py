"""Differential entropy of EEG in frequency bands, by short-time Fourier transform or by band-pass filter."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.fft import rfft
from scipy.signal import butter, sosfiltfilt
from scipy.signal.windows import hann

from physioaffect.errors import DataError, ProtocolError
from physioaffect.features.bands import SEED, Bands
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Intervals, gather

__all__ = ["ESTIMATORS", "DifferentialEntropy", "band_pass", "band_variance_stft", "gaussian_entropy"]

Floats = NDArray[np.floating[Any]]

# Edges that lie on a bin must not fall off it by rounding; a share of a bin.
_SLACK = 1e-9

# A band-pass filter rings for about this many periods of its lowest edge or its width.
_N_PERIODS = 3


def gaussian_entropy(variance: ArrayLike, *, log_base: float = math.e) -> NDArray[np.float64]:
    """Differential entropy of a Gaussian, ``h = 0.5 ln(2 pi e variance)``.

    Parameters
    ----------
    variance : array_like, shape (...)
        In the square of the signal's unit, not negative.
    log_base : float
        Base of the logarithm: e for nats, 2 for bits.

    Returns
    -------
    entropy : ndarray, shape (...)
        Relative to the signal's unit: another unit adds a constant. NaN where the variance is zero (a flat
        electrode has nothing to tell, and minus infinity would spoil every mean) or NaN.

    Raises
    ------
    ValueError
        If a variance is negative or the base is not above 1.

    Notes
    -----
    Shi, Jiao & Lu, EMBC 2013, 6627-6630, doi 10.1109/EMBC.2013.6611075.

    Examples
    --------
    >>> gaussian_entropy([1.0, 0.0]).round(4)
    array([1.4189,    nan])
    """
    _check_log_base(log_base)
    variance = np.asarray(variance, dtype=np.float64)
    if np.any(variance < 0):
        raise ValueError(f"A variance cannot be negative, got {np.nanmin(variance):g}.")
    return 0.5 * np.log(2 * np.pi * np.e * np.where(variance > 0, variance, np.nan)) / math.log(log_base)


def _check_log_base(log_base: float) -> None:
    if not log_base > 1:
        raise ValueError(f"The base of a logarithm must be above 1, got {log_base}: use math.e or 2.")


def _check_below_nyquist(bands: Bands, sfreq: float) -> None:
    for band in bands:
        if band.fmax >= sfreq / 2:
            raise ProtocolError(
                f"Cannot measure {band}: a signal sampled at {sfreq:g} Hz holds only what lies below "
                f"{sfreq / 2:g} Hz. Lower fmax, or leave this band out."
            )


def _bins(bands: Bands, *, n_times: int, sfreq: float) -> list[slice]:
    """Bins of a real DFT in [fmin, fmax) of each band."""
    slices = []
    for band in bands:
        first, stop = (math.ceil(edge * n_times / sfreq - _SLACK) for edge in (band.fmin, band.fmax))
        if stop <= first:
            raise ProtocolError(
                f"No frequency of a window of {n_times / sfreq:g} s lies in {band}. Use windows (and frames) "
                f"of at least {1 / (band.fmax - band.fmin):g} s, a wider band, or the estimator 'bandpass'."
            )
        slices.append(slice(max(first, 1), stop))
    return slices


def band_variance_stft(
    windows: Floats, *, sfreq: float, bands: Bands, frame: float | None = None
) -> NDArray[np.float64]:
    """Variance of each window in each band, from Hann-windowed periodograms.

    Parameters
    ----------
    windows : ndarray, shape (..., n_times)
        Any unit and any offset: the mean of each frame is removed first.
    sfreq : float
        Sampling rate in Hz.
    bands : Bands
        The bins with ``fmin <= f < fmax`` count, so that neighbours that share an edge share no bin.
    frame : float, optional
        Length in seconds of the frames inside a window, which overlap by half or more and are averaged: a
        longer one resolves narrower bands, more of them scatter less. Default, and where a window is
        shorter: all of it.

    Returns
    -------
    variance : ndarray, shape (..., n_bands)
        In the square of the unit: one-sided density, scaled by the sum of the squared Hann weights, summed
        over the bins and multiplied by their distance. NaN for a window with any NaN, 0 for a flat one.

    Raises
    ------
    ProtocolError
        If a band reaches the Nyquist frequency or lies between two bins.

    Notes
    -----
    The STFT energy of Duan, Zhu & Lu, NER 2013, 81-84, doi 10.1109/NER.2013.6695876, normalised so that
    white noise of variance v gives ``v * n_bins * df / (sfreq / 2)`` and a sine of amplitude A gives
    ``A**2 / 2`` if a frame holds whole periods and the band the neighbouring bins.

    Examples
    --------
    >>> t = np.arange(1000) / 200
    >>> sine = 3 * np.sin(2 * np.pi * 10 * t)
    >>> band_variance_stft(sine, sfreq=200.0, bands=Bands.of(alpha=(8, 13))).round(6)
    array([4.5])
    """
    _check_below_nyquist(bands, sfreq)
    n_all = windows.shape[-1]
    n_times = n_all if frame is None else min(n_all, round(frame * sfreq))
    bins = _bins(bands, n_times=n_times, sfreq=sfreq)
    # Spread evenly and overlapping by half at least, so that no sample of a window goes unused.
    n_frames = 1 + -(-2 * (n_all - n_times) // n_times)
    starts = np.rint(np.linspace(0, n_all - n_times, n_frames)).astype(np.intp)
    frames = np.lib.stride_tricks.sliding_window_view(windows, n_times, axis=-1)[..., starts, :]
    # The first sample goes before the mean: then flat frames become exactly zero and no offset is too large.
    centred = frames.astype(np.float64) - frames[..., :1]
    centred -= centred.mean(axis=-1, keepdims=True)
    taper = hann(n_times, sym=False)
    spectrum = rfft(centred * taper, axis=-1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    in_band = np.stack([power[..., k].sum(axis=-1).mean(axis=-1) for k in bins], axis=-1)
    # Twice, for the negative frequencies; no band holds the bins at zero and at Nyquist.
    variance: NDArray[np.float64] = 2 * in_band / (n_times * np.square(taper).sum())
    return variance


def _bridge(X: NDArray[np.float64], is_missing: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Join the samples on both sides of a gap by a line, and hold the first and last one outwards."""
    n_times = X.shape[-1]
    here = np.arange(n_times)
    before = np.maximum.accumulate(np.where(is_missing, -1, here), axis=-1)
    after = np.minimum.accumulate(np.where(is_missing, n_times, here)[..., ::-1], axis=-1)[..., ::-1]
    before, after = (
        np.where(before < 0, np.minimum(after, n_times - 1), before),
        np.where(after == n_times, np.maximum(before, 0), after),
    )
    left, right = (np.take_along_axis(X, idx, axis=-1) for idx in (before, after))
    bridged: NDArray[np.float64] = left + (right - left) * (here - before) / np.maximum(after - before, 1)
    return bridged


def band_pass(X: Floats, *, sfreq: float, bands: Bands, order: int = 4) -> NDArray[np.float64]:
    """Filter a continuous recording into bands, without a shift in time.

    Parameters
    ----------
    X : ndarray, shape (..., n_times)
        A whole trial, never a single window: a filter that starts anew in each window spends most of a short
        one settling. NaN gaps are bridged by a line while filtering.
    sfreq : float
        Sampling rate in Hz.
    bands : Bands
        Edges at which the Butterworth filter, run forwards and backwards, has lost 6 dB.
    order : int
        Order of the low-pass prototype; the band-pass has twice as many poles.

    Returns
    -------
    filtered : ndarray, shape (..., n_bands, n_times)
        In the unit of ``X``; NaN again where ``X`` is not finite.

    Raises
    ------
    ProtocolError
        If a band reaches the Nyquist frequency.
    DataError
        If the recording is too short for the filter to settle.

    Notes
    -----
    White noise keeps ``(1 - 1/(2n)) * (pi/(2n)) / sin(pi/(2n))`` of the nominal bandwidth with order n (0.898
    for 4), so entropies are lower than the STFT's by 0.05 nats: the same for every window. The delay is zero
    because the filter looks ahead, so a window knows a little of its neighbours, never of another trial.

    Examples
    --------
    >>> band_pass(np.ones((2, 1000)), sfreq=200.0, bands=Bands.of(alpha=(8, 13), beta=(14, 30))).shape
    (2, 2, 1000)
    """
    _check_below_nyquist(bands, sfreq)
    n_times = X.shape[-1]
    is_missing = ~np.isfinite(X)
    bridged = X.astype(np.float64)
    if is_missing.any():
        bridged = _bridge(bridged, is_missing)
    bridged -= bridged[..., :1].copy()
    filtered = np.empty((*X.shape[:-1], len(bands), n_times))
    for index, band in enumerate(bands):
        settling = _N_PERIODS / min(band.fmin, band.fmax - band.fmin)
        n_pad = math.ceil(settling * sfreq)
        if n_times <= n_pad:
            raise DataError(
                f"{n_times / sfreq:g} s are too short to filter {band}: the filter needs more than "
                f"{settling:g} s to settle. Leave the recording out, or use the estimator 'stft'."
            )
        sos = butter(order, (band.fmin, band.fmax), btype="bandpass", fs=sfreq, output="sos")
        # Mirrored, because SciPy's default turns the ends about their last sample, which adds a step of twice
        # its noise: 15 % more delta in 40 s of white noise.
        filtered[..., index, :] = sosfiltfilt(sos, bridged, axis=-1, padtype="even", padlen=n_pad)
    filtered[np.broadcast_to(is_missing[..., np.newaxis, :], filtered.shape)] = np.nan
    return filtered


def _present_variance(windows: Floats) -> NDArray[np.float64]:
    """Variance (1/n) over the samples that are there, NaN where there are fewer than two."""
    is_present = ~np.isnan(windows)
    if is_present.all():
        return np.asarray(windows.var(axis=-1), dtype=np.float64)
    n_present = is_present.sum(axis=-1, keepdims=True)
    mean = np.where(is_present, windows, 0).sum(axis=-1, keepdims=True) / np.maximum(n_present, 1)
    squares = np.where(is_present, np.square(windows - mean), 0).sum(axis=-1)
    return np.where(n_present[..., 0] > 1, squares / np.maximum(n_present[..., 0], 1), np.nan)


def _stft(signal: Signal, intervals: Intervals, family: DifferentialEntropy) -> NDArray[np.float64]:
    windows = gather(signal, intervals)
    return band_variance_stft(windows, sfreq=signal.sfreq, bands=family.bands, frame=family.frame)


def _bandpass(signal: Signal, intervals: Intervals, family: DifferentialEntropy) -> NDArray[np.float64]:
    bands = family.bands
    filtered = band_pass(signal.masked, sfreq=signal.sfreq, bands=bands, order=family.order)
    rows = filtered.reshape(-1, signal.n_times)
    as_signal = replace(signal, data=rows, ch_names=tuple(map(str, range(len(rows)))))
    variance = _present_variance(gather(as_signal, intervals, masked=False))
    variance = variance.reshape(-1, signal.n_channels, len(bands))
    # Where the electrode is flat only for a while, what the filter puts there belongs to the neighbours.
    windows = gather(signal, intervals)
    is_flat = np.fmax.reduce(windows, axis=-1) == np.fmin.reduce(windows, axis=-1)
    return np.where(is_flat[..., np.newaxis], np.nan, variance)


ESTIMATORS: dict[str, Callable[[Signal, Intervals, DifferentialEntropy], NDArray[np.float64]]] = {
    "bandpass": _bandpass,
    "stft": _stft,
}


@dataclass(frozen=True, kw_only=True)
class DifferentialEntropy:
    """Differential entropy per window, channel and band.

    Parameters
    ----------
    signal : str
        Name of the trial's signal.
    bands : Bands
        Take them `within` the data set's passband.
    estimator : {"stft", "bandpass"}
        `band_variance_stft` of each window by itself, or the variance of each window (1/n, its own mean
        removed) after `band_pass` over the whole trial.
    frame : float, optional
        Seconds, of the STFT only, as in `band_variance_stft`; None takes each window as one frame.
    order : int
        Of the band-pass filter only.
    log_base : float
        Base of the logarithm: e for nats, 2 for bits.

    Notes
    -----
    A window with a NaN or flagged sample is NaN with the STFT; with the band-pass its present samples count.
    An electrode that is flat throughout a window is NaN with both.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(2, 1280))
    >>> eeg = Signal(data=noise, sfreq=128.0, ch_names=("O1", "O2"), kind="eeg", unit="V")
    >>> trial = Trial(dataset="noise", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})
    >>> entropy = DifferentialEntropy(bands=SEED)(trial, Intervals(np.arange(0.0, 10.0, 2.0), 2.0))
    >>> entropy.dims, entropy.shape
    (('window', 'channel', 'band'), (5, 2, 5))
    """

    name: ClassVar[str] = "de"
    version: ClassVar[int] = 1

    signal: str = "eeg"
    bands: Bands = SEED
    estimator: Literal["stft", "bandpass"] = "stft"
    frame: float | None = 2.0
    order: int = 4
    log_base: float = math.e

    def __post_init__(self) -> None:
        if self.estimator not in ESTIMATORS:
            raise ValueError(f"Unknown estimator {self.estimator!r}: use one of {', '.join(ESTIMATORS)}.")
        if self.frame is not None and not self.frame > 0:
            raise ValueError(f"A frame needs a length above 0 s, got {self.frame}.")
        if self.order < 1:
            raise ValueError(f"A Butterworth filter needs an order of at least 1, got {self.order}.")
        _check_log_base(self.log_base)

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal it reads."""
        return (self.signal,)

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the entropies of one trial.

        Returns
        -------
        entropy : xarray.DataArray, dimensions ("window", "channel", "band")
            With the names of channels and bands as coordinates; unit, band edges, estimator and base of the
            logarithm as attributes.

        Raises
        ------
        DataError
            If the trial lacks the signal or is too short to be filtered.
        ProtocolError
            If a band reaches the Nyquist frequency or is too narrow for the windows.
        """
        signal = trial.signal(self.signal)
        if len(intervals.starts):
            variance = ESTIMATORS[self.estimator](signal, intervals, self)
        else:
            variance = np.empty((0, signal.n_channels, len(self.bands)))
        return xr.DataArray(
            gaussian_entropy(variance, log_base=self.log_base),
            dims=("window", "channel", "band"),
            coords={"channel": list(signal.ch_names), "band": list(self.bands.names)},
            attrs={
                "unit": {math.e: "nat", 2: "bit"}.get(self.log_base, f"log{self.log_base:g}"),
                "signal_unit": signal.unit,
                "band_edges_hz": [list(edges) for edges in self.bands.edges],
                "estimator": self.estimator,
                "log_base": self.log_base,
            }
            | ({"order": self.order} if self.estimator == "bandpass" else {"frame": self.frame or "window"}),
        )
