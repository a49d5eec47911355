"""Differential entropy of EEG in frequency bands, by short-time Fourier transform or by band-pass filter."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from typing import Any, ClassVar, Literal
from weakref import WeakKeyDictionary

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physioaffect._compiled import compiled
from physioaffect.device import Device, check_device, resolve_device
from physioaffect.features._filter_kernel import native
from physioaffect.features.bands import SEED_BANDS, Bands, check_bands
from physioaffect.features.filter_bank import BandFilter, band_variance_filtered
from physioaffect.features.stft import band_variance_frames
from physioaffect.features.tapers import Taper, check_taper
from physioaffect.recording import Signal, Trial
from physioaffect.signals.eeg_scale import check_scale
from physioaffect.windows import Intervals, sample_grid

__all__ = ["ESTIMATORS", "DifferentialEntropy", "gaussian_entropy"]


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
    is_positive = variance > 0
    if is_positive.all():  # As it mostly is: two passes less.
        entropy = np.log(variance)
    else:
        if np.any(variance < 0):
            raise ValueError(f"A variance cannot be negative, got {np.nanmin(variance):g}.")
        entropy = np.log(variance, out=np.full(variance.shape, np.nan), where=is_positive)
    entropy += math.log(2 * math.pi * math.e)
    entropy *= 0.5 / math.log(log_base)
    return np.asarray(entropy)


def _check_log_base(log_base: float) -> None:
    if not log_base > 1:
        raise ValueError(f"The base of a logarithm must be above 1, got {log_base}: use math.e or 2.")


def _stft(signal: Signal, intervals: Intervals, family: DifferentialEntropy) -> NDArray[np.float64]:
    compute = band_variance_frames
    if family.device != "cpu":
        from physioaffect.features import _on_device  # noqa: PLC0415  It needs torch.

        compute = partial(_on_device.band_variance_frames, device=family.device)
    return compute(
        signal.masked,
        *sample_grid(signal, intervals),
        sfreq=signal.sfreq,
        bands=family.bands,
        frame=family.frame,
        taper=family.taper,
    )


def _bandpass(signal: Signal, intervals: Intervals, family: DifferentialEntropy) -> NDArray[np.float64]:
    check_bands(family.bands, sfreq=signal.sfreq, duration=intervals.duration)
    first, n_samples = sample_grid(signal, intervals)
    present = native(signal.masked)
    compute = partial(band_variance_filtered, precision=family.precision)
    if family.device != "cpu":
        from physioaffect.features import _on_device  # noqa: PLC0415  It needs torch.

        compute = partial(_on_device.band_variance_filtered, device=family.device)
    variance = compute(
        present,
        first,
        n_samples,
        sfreq=signal.sfreq,
        bands=family.bands,
        band_filter=family.filter,
    )
    # Where the electrode is flat only for a while, what the filter puts there belongs to the neighbours.
    variance[_is_flat(present, first, n_samples)] = np.nan
    return variance


@compiled()
def _is_flat(X: Any, first: Any, n_samples: Any) -> Any:
    """Whether all finite samples of a window are the same, shape (n_windows, n_channels)."""
    is_flat = np.ones((len(first), len(X)), dtype=np.bool_)
    for window in range(len(first)):
        for channel in range(len(X)):
            start = max(0, first[window])
            stop = min(X.shape[1], first[window] + n_samples)
            while start < stop and not np.isfinite(X[channel, start]):
                start += 1
            for time in range(start + 1, stop):
                if np.isfinite(X[channel, time]) and X[channel, time] != X[channel, start]:
                    is_flat[window, channel] = False
                    break
    return is_flat


@lru_cache(maxsize=64)  # xarray takes longer to make one than a trial takes to be filtered.
def _empty(n_windows: int, channels: tuple[str, ...], unit: str, family: DifferentialEntropy) -> xr.DataArray:
    """Make a table that lacks nothing but the numbers."""
    bands = family.bands
    if family.estimator == "bandpass":
        settings = asdict(family.filter)
    else:
        settings = {"frame": "window" if family.frame is None else family.frame, "taper": family.taper}
    return xr.DataArray(
        np.empty((n_windows, len(channels), len(bands))),
        dims=("window", "channel", "band"),
        coords={"channel": list(channels), "band": list(bands.names)},
        attrs={
            "unit": {math.e: "nat", 2: "bit"}.get(family.log_base, f"log{family.log_base:g}"),
            "signal_unit": unit,
            "band_edges_hz": [list(edges) for edges in bands.edges],
            "estimator": family.estimator,
            "device": family.device,
            "log_base": family.log_base,
        }
        | settings,
    )


# Asymmetries and maps start from the same entropies, which live as long as their trial.
_known: WeakKeyDictionary[Trial, dict[Hashable, NDArray[np.float64]]] = WeakKeyDictionary()


def _shared(trial: Trial, intervals: Intervals, family: DifferentialEntropy) -> NDArray[np.float64]:
    known = _known.setdefault(trial, {})
    key = (family, intervals.starts.tobytes(), intervals.duration)
    if key not in known:
        signal = trial.signal(family.signal)
        if len(intervals.starts):
            variance = ESTIMATORS[family.estimator](signal, intervals, family)
        else:
            variance = np.empty((0, signal.n_channels, len(family.bands)))
        known[key] = gaussian_entropy(variance, log_base=family.log_base)
    return known[key].copy()


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
        `band_variance_stft` of each window by itself, or `band_variance_filtered`: the variance of each
        window (1/n, its own mean removed) after a filter over the whole trial.
    frame : float, optional
        Seconds, of the STFT only, as in `band_variance_stft`; None takes each window as one frame.
    taper : {"hann", "hann_symmetric", "hanning"}
        Of the STFT only: by which window that goes by Hann's name a frame is weighed, as in `Taper`.
    filter : BandFilter
        Order, design and phase, of the band-pass only.
    precision : {"auto", "double"}
        Of the band-pass only, as in `band_variance_filtered`.
    log_base : float
        Base of the logarithm: e for nats, 2 for bits.
    device : {"cpu", "cuda", "auto"}
        Where to compute, as in `resolve_device`. Elsewhere than on the processor the precision is double.

    Notes
    -----
    A window with a NaN or flagged sample is NaN with the STFT; with the band-pass its present samples count.
    An electrode that is flat throughout a window is NaN with both.

    Examples
    --------
    >>> noise = 20e-6 * np.random.default_rng(0).normal(size=(2, 1280))
    >>> eeg = Signal(data=noise, sfreq=128.0, ch_names=("O1", "O2"), kind="eeg", unit="V")
    >>> trial = Trial(dataset="noise", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})
    >>> entropy = DifferentialEntropy(bands=SEED_BANDS)(trial, Intervals(np.arange(0.0, 10.0, 2.0), 2.0))
    >>> entropy.dims, entropy.shape
    (('window', 'channel', 'band'), (5, 2, 5))
    """

    name: ClassVar[str] = "de"
    version: ClassVar[int] = 3

    signal: str = "eeg"
    bands: Bands = SEED_BANDS
    estimator: Literal["stft", "bandpass"] = "stft"
    frame: float | None = 2.0
    taper: Taper = "hann"
    filter: BandFilter = BandFilter()
    precision: Literal["auto", "double"] = "auto"
    log_base: float = math.e
    device: Device = "cpu"

    def __post_init__(self) -> None:
        if self.estimator not in ESTIMATORS:
            raise ValueError(f"Unknown estimator {self.estimator!r}: use one of {', '.join(ESTIMATORS)}.")
        if self.frame is not None and not self.frame > 0:
            raise ValueError(f"A frame needs a length above 0 s, got {self.frame}.")
        if self.precision not in ("auto", "double"):
            raise ValueError(f"The precision is 'auto' or 'double', got {self.precision!r}.")
        check_taper(self.taper)
        _check_log_base(self.log_base)
        check_device(self.device)

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
            If the trial lacks the signal or is too short to be filtered, or the device needs torch.
        ProtocolError
            If there is no such device, a band reaches the Nyquist frequency, or the windows are too short for
            it: the STFT needs a frequency of theirs in each band, the band-pass a cycle of its lower edge.
        """
        device = resolve_device(self.device)
        settled = self if device == self.device else replace(self, device=device)
        signal = trial.signal(self.signal)
        check_scale(signal, where=f"The {self.signal} of subject {trial.subject}, trial {trial.trial}")
        entropy = _shared(trial, intervals, settled)
        empty = _empty(len(entropy), signal.ch_names, signal.unit, settled)
        return empty.copy(deep=False, data=entropy)
