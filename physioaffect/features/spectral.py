"""Power of EEG in frequency bands, and how evenly it is spread over frequencies."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import entr

from physioaffect.features._blocks import Floats, per_window_and_channel
from physioaffect.features._density import (
    Density,
    check_welch,
    multitaper_density,
    welch_density,
)
from physioaffect.features.bands import SEED_BANDS, Band, Bands, band_bins, check_below_nyquist
from physioaffect.recording import Trial
from physioaffect.signals.eeg_scale import check_scale
from physioaffect.windows import Intervals

__all__ = [
    "DENSITIES",
    "BandPower",
    "Density",
    "SpectralEntropy",
    "band_power",
    "multitaper_density",
    "spectral_entropy",
    "welch_density",
]

# Power below this share of a window's is what rounding leaves of nothing.
_ROUNDING = 1e-26

DENSITIES: dict[str, Callable[..., Density]] = {"multitaper": multitaper_density, "welch": welch_density}


def band_power(
    X: Floats,
    *,
    sfreq: float,
    bands: Bands,
    total: tuple[float, float] | None = None,
    density: Callable[..., Density] = welch_density,
) -> NDArray[np.float64]:
    """Power in each band: the density summed over its bins, times their distance.

    Parameters
    ----------
    X : ndarray, shape (..., n_times)
        Windows of any unit and any offset.
    sfreq : float
        Sampling rate in Hz.
    bands : Bands
        The bins with ``fmin <= f < fmax`` count, so that neighbours that share an edge share no bin.
    total : tuple of float, optional
        Lowest and highest frequency in Hz of the power that is 1; shares of it are returned then. It must
        hold all bands.
    density : callable
        `welch_density`, `multitaper_density`, or a ``functools.partial`` of one with other settings.

    Returns
    -------
    power : ndarray, shape (..., n_bands)
        In the square of the unit, or shares from 0 to 1. NaN for a window with a NaN or infinite sample, or
        without any change; shares are NaN where the total is no more than rounding.

    Raises
    ------
    ProtocolError
        If a band (or the total) reaches the Nyquist frequency, or lies between two frequencies.

    Examples
    --------
    >>> t = np.arange(1000) / 200
    >>> sine = 3 * np.sin(2 * np.pi * 10 * t)
    >>> band_power(sine, sfreq=200.0, bands=Bands.of(theta=(4, 8), alpha=(8, 13))).round(6)
    array([0. , 4.5])
    """
    check_below_nyquist(bands, sfreq=sfreq)
    whole = None if total is None else _whole(bands, total)
    if whole is not None:
        check_below_nyquist(whole, sfreq=sfreq)
    freqs, values = density(X, sfreq=sfreq)
    inside = band_bins(bands, duration=1 / freqs[1])
    power = np.stack([values[..., first:stop].sum(axis=-1) for first, stop in inside], axis=-1)
    if whole is None:
        absolute: NDArray[np.float64] = power * freqs[1]
        return absolute
    ((first, stop),) = band_bins(whole, duration=1 / freqs[1])
    shares: NDArray[np.float64] = power / _total(values, first, stop)
    return shares


def _whole(bands: Bands, total: tuple[float, float]) -> Bands:
    """Make a band of the total, which must hold those that are shares of it."""
    whole = Band(name="total", fmin=total[0], fmax=total[1])
    if outside := [band for band in bands if band.fmin < whole.fmin or band.fmax > whole.fmax]:
        raise ValueError(
            f"{outside[0]} is no share of a total from {whole.fmin:g} to {whole.fmax:g} Hz, because it "
            "reaches out of it. Widen the total, or leave this band out."
        )
    return Bands((whole,))


def _total(density: NDArray[np.float64], first: int, stop: int) -> NDArray[np.float64]:
    """Sum over these bins, shape (..., 1), NaN where it is no more than rounding of what lies in others."""
    total = density[..., first:stop].sum(axis=-1, keepdims=True)
    return np.where(total > _ROUNDING * density.sum(axis=-1, keepdims=True), total, np.nan)


def spectral_entropy(
    X: Floats,
    *,
    sfreq: float,
    edges: tuple[float, float] = (1.0, 45.0),
    segment: float = 2.0,
    overlap: float = 0.5,
) -> NDArray[np.float64]:
    """Shannon entropy of the spectrum's shape: 1 if all frequencies are equally strong, 0 if there is one.

    Parameters
    ----------
    X : ndarray, shape (..., n_times)
        Windows of any unit and any offset.
    sfreq : float
        Sampling rate in Hz.
    edges : tuple of float
        Lowest and highest frequency in Hz; the bins with ``fmin <= f < fmax`` count.
    segment, overlap : float
        As in `welch_density`.

    Returns
    -------
    entropy : ndarray, shape (...)
        From 0 to 1: divided by the logarithm of the number of bins. NaN for a window with a NaN or infinite
        sample, without any change, or with no more than rounding between the edges.

    Raises
    ------
    ProtocolError
        If the edges reach the Nyquist frequency or hold fewer than two bins.

    Notes
    -----
    Inouye et al., Electroencephalogr. Clin. Neurophysiol. 79, 204-210, 1991, doi
    10.1016/0013-4694(91)90138-T, with the density of Welch's method. White noise stays below 1, because its
    estimated density scatters: a single segment of many bins has ``1 - 0.42 / ln(n_bins)``. Compare only
    windows of one length.

    Examples
    --------
    >>> t = np.arange(1000) / 200
    >>> noise = np.random.default_rng(0).normal(size=1000)
    >>> windows = np.stack([np.sin(2 * np.pi * 10 * t), noise])
    >>> spectral_entropy(windows, sfreq=200.0).round(2)
    array([0.19, 0.97])
    """
    band = Bands((Band(name="the spectrum", fmin=edges[0], fmax=edges[1]),))
    check_below_nyquist(band, sfreq=sfreq)
    freqs, values = welch_density(X, sfreq=sfreq, segment=segment, overlap=overlap)
    # Two bins at least: one alone has an entropy of zero, and nothing to be divided by.
    ((first, stop),) = band_bins(band, duration=1 / freqs[1], n_needed=2)
    shares = values[..., first:stop] / _total(values, first, stop)
    entropy: NDArray[np.float64] = entr(shares).sum(axis=-1) / np.log(stop - first)
    return entropy


@dataclass(frozen=True, kw_only=True)
class BandPower:
    """Power per window, channel and band.

    Parameters
    ----------
    signal : str
        Name of the trial's signal.
    bands : Bands
        Take them `within` the data set's passband.
    estimator : {"welch", "multitaper"}
        `welch_density` or `multitaper_density` of each window by itself.
    scale : {"absolute", "relative", "log"}
        The square of the signal's unit, the share of the power in ``total``, or the natural logarithm of the
        absolute power.
    total : tuple of float, optional
        Lowest and highest frequency in Hz of the whole that relative power is a share of. Default: from the
        lowest to the highest edge of the bands, with the gaps between them.
    segment, overlap : float
        Of Welch's method only: length of the segments in seconds (a shorter window is one segment) and the
        share of it that the next one repeats.
    bandwidth : float
        Of the multitaper only: width in Hz over which it smooths.

    Notes
    -----
    A window with a NaN or flagged sample, or without any change, is NaN in that channel.

    Examples
    --------
    >>> from physioaffect.recording import Signal
    >>> noise = 1e-5 * np.random.default_rng(0).normal(size=(2, 1280))
    >>> eeg = Signal(data=noise, sfreq=128.0, ch_names=("O1", "O2"), kind="eeg", unit="V")
    >>> trial = Trial(dataset="noise", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})
    >>> power = BandPower(bands=SEED_BANDS)(trial, Intervals(np.arange(0.0, 10.0, 2.0), 2.0))
    >>> power.dims, power.shape
    (('window', 'channel', 'band'), (5, 2, 5))
    """

    name: ClassVar[str] = "band_power"
    version: ClassVar[int] = 1

    signal: str = "eeg"
    bands: Bands = SEED_BANDS
    estimator: Literal["welch", "multitaper"] = "welch"
    scale: Literal["absolute", "relative", "log"] = "absolute"
    total: tuple[float, float] | None = None
    segment: float = 2.0
    overlap: float = 0.5
    bandwidth: float = 4.0

    def __post_init__(self) -> None:
        if self.estimator not in DENSITIES:
            raise ValueError(f"Unknown estimator {self.estimator!r}: use one of {', '.join(DENSITIES)}.")
        if self.scale not in {"absolute", "relative", "log"}:
            raise ValueError(f"Unknown scale {self.scale!r}: use one of absolute, relative, log.")
        if self.total is not None:
            if self.scale != "relative":
                raise ValueError(f"total belongs to the scale 'relative', got it with {self.scale!r}.")
            _whole(self.bands, self.total)
        check_welch(self.segment, self.overlap)
        if not 0 < self.bandwidth < math.inf:
            raise ValueError(f"A multitaper needs a bandwidth above 0 Hz, got {self.bandwidth}.")

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal it reads."""
        return (self.signal,)

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the power of one trial.

        Returns
        -------
        power : xarray.DataArray, dimensions ("window", "channel", "band")
            With the names of channels and bands as coordinates; unit, band edges and estimator as
            attributes.

        Raises
        ------
        DataError
            If the trial lacks the signal, or it cannot be in the unit that it is declared in.
        ProtocolError
            If a band reaches the Nyquist frequency or is too narrow for the windows.
        """
        signal = trial.signal(self.signal)
        check_scale(signal)
        settings: dict[str, Any] = (
            {"segment": self.segment, "overlap": self.overlap}
            if self.estimator == "welch"
            else {"bandwidth": self.bandwidth}
        )
        total = self._total if self.scale == "relative" else None
        power = per_window_and_channel(
            signal,
            intervals,
            partial(
                band_power,
                sfreq=signal.sfreq,
                bands=self.bands,
                total=total,
                density=partial(DENSITIES[self.estimator], **settings),
            ),
            len(self.bands),
        )
        unit = {"absolute": f"{signal.unit}^2", "relative": "1", "log": f"ln({signal.unit}^2)"}[self.scale]
        if self.scale == "log":
            power = np.log(np.where(power > 0, power, np.nan))
        return xr.DataArray(
            power,
            dims=("window", "channel", "band"),
            coords={"channel": list(signal.ch_names), "band": list(self.bands.names)},
            attrs={
                "unit": unit,
                "signal_unit": signal.unit,
                "band_edges_hz": [list(edges) for edges in self.bands.edges],
                "estimator": self.estimator,
                "scale": self.scale,
                **settings,
            }
            | ({} if total is None else {"total_hz": list(total)}),
        )

    @property
    def _total(self) -> tuple[float, float]:
        edges = self.bands.edges
        return self.total or (min(low for low, _ in edges), max(high for _, high in edges))


@dataclass(frozen=True, kw_only=True)
class SpectralEntropy:
    """Spectral entropy per window and channel.

    Parameters
    ----------
    signal : str
        Name of the trial's signal.
    edges : tuple of float
        Lowest and highest frequency in Hz; keep them inside the data set's passband.
    segment, overlap : float
        As in `welch_density`.

    Notes
    -----
    A window with a NaN or flagged sample, or without any change, is NaN in that channel.

    Examples
    --------
    >>> from physioaffect.recording import Signal
    >>> noise = 1e-5 * np.random.default_rng(0).normal(size=(2, 1280))
    >>> eeg = Signal(data=noise, sfreq=128.0, ch_names=("O1", "O2"), kind="eeg", unit="V")
    >>> trial = Trial(dataset="noise", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})
    >>> SpectralEntropy()(trial, Intervals(np.arange(0.0, 10.0, 5.0), 5.0)).shape
    (2, 2)
    """

    name: ClassVar[str] = "spectral_entropy"
    version: ClassVar[int] = 1

    signal: str = "eeg"
    edges: tuple[float, float] = (1.0, 45.0)
    segment: float = 2.0
    overlap: float = 0.5

    def __post_init__(self) -> None:
        Band(name="the spectrum", fmin=self.edges[0], fmax=self.edges[1])
        check_welch(self.segment, self.overlap)

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal it reads."""
        return (self.signal,)

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the entropy of one trial.

        Returns
        -------
        entropy : xarray.DataArray, dimensions ("window", "channel")
            From 0 to 1, with the names of channels as coordinates and the settings as attributes.

        Raises
        ------
        DataError
            If the trial lacks the signal, or it cannot be in the unit that it is declared in.
        ProtocolError
            If the edges reach the Nyquist frequency or hold too few frequencies.
        """
        signal = trial.signal(self.signal)
        check_scale(signal)
        settings: dict[str, Any] = {"edges": self.edges, "segment": self.segment, "overlap": self.overlap}
        return xr.DataArray(
            per_window_and_channel(
                signal, intervals, partial(spectral_entropy, sfreq=signal.sfreq, **settings)
            ),
            dims=("window", "channel"),
            coords={"channel": list(signal.ch_names)},
            attrs={
                "unit": "1",
                "estimator": "welch",
                "edges_hz": list(self.edges),
                "segment": self.segment,
                "overlap": self.overlap,
            },
        )
