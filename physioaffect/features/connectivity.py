"""Connectivity of EEG channels: phase locking, coherence, phase lag and correlation of every pair."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.features._analytic import (
    analytic_signal,
    band_parts,
    independent_phases,
    transform,
)
from physioaffect.features._blocks import is_varied
from physioaffect.features._edges import as_matrices, edge_names, upper
from physioaffect.features._measures import (
    COMPLEX_METHODS,
    Method,
    coherence,
    correlation,
    imaginary_coherence,
    phase_locking,
    weighted_phase_lag,
)
from physioaffect.features._threads import in_threads, one_blas_thread
from physioaffect.features.bands import SEED_BANDS, Bands, check_bands
from physioaffect.recording import Signal, Trial
from physioaffect.signals.eeg_scale import check_scale
from physioaffect.windows import Intervals, gather, sample_grid

__all__ = [
    "METHODS",
    "Connectivity",
    "analytic_signal",
    "as_matrices",
    "coherence",
    "correlation",
    "edge_names",
    "imaginary_coherence",
    "independent_phases",
    "phase_locking",
    "weighted_phase_lag",
]

Floats = NDArray[np.floating[Any]]

METHODS = (*COMPLEX_METHODS, "correlation")
"""Names that `Connectivity` knows."""

# This many windows and what is computed from them stay in a core's cache.
_BLOCK = 16


def _shared_step(first: NDArray[np.intp], n_samples: int) -> int:
    """Samples of the segments that neighbouring windows share whole, or the window itself."""
    steps = np.unique(np.diff(first))
    shares = len(steps) == 1 and 0 < steps[0] < n_samples and n_samples % steps[0] == 0
    return int(steps[0]) if shares else n_samples


def _cut(parts: Floats, first: NDArray[np.intp], n_samples: int) -> Floats:
    every = np.lib.stride_tricks.sliding_window_view(parts, n_samples, axis=-1)
    return every.swapaxes(0, 1)[first]


def _over_time(parts: Floats, first: NDArray[np.intp], n_samples: int, method: Method | None) -> Floats:
    """Values of the windows that begin at the samples ``first``, from band-passed or analytic signals."""
    if method is None:
        return correlation(_cut(parts, first, n_samples))
    # Sums over a window are sums of sums over segments, so overlapping windows compute each segment once.
    step = _shared_step(first, n_samples)
    n_segments = n_samples // step
    begins = first
    if n_segments > 1:
        begins = first[0] + step * np.arange(len(first) + n_segments - 1)
    sums = method.sums(_cut(parts, begins, step))
    if n_segments > 1:
        sums = np.lib.stride_tricks.sliding_window_view(sums, n_segments, axis=0).sum(axis=-1)
    return method.value(sums, len(parts) // 2)


def _fill(values: Floats, signal: Signal, intervals: Intervals, family: Connectivity) -> None:
    first, n_samples = sample_grid(signal, intervals)
    clean = replace(signal, data=signal.masked)
    method = COMPLEX_METHODS.get(family.method)
    n_windows = max(_BLOCK, 4 * n_samples // _shared_step(first, n_samples))
    blocks = [slice(begin, begin + n_windows) for begin in range(0, len(first), n_windows)]
    is_unusable = np.empty((len(first), signal.n_channels), dtype=bool)

    def look(block: slice) -> None:
        windows = gather(clean, intervals._replace(starts=intervals.starts[block]), masked=False)
        is_unusable[block] = ~is_varied(windows)
        if family.bands is None:
            values[block, :, 0] = correlation(windows)

    # Each window is computed by one thread, so results do not depend on how many there are.
    with one_blas_thread():
        in_threads(look, blocks)
        if family.bands is not None and signal.n_times >= n_samples:
            # A window that reaches out of the recording has been found unusable.
            begins = np.clip(first, 0, signal.n_times - n_samples)
            spectrum = transform(clean.data, sfreq=signal.sfreq, bands=family.bands)
            for index, band in enumerate(family.bands):
                parts = band_parts(
                    spectrum,
                    band=band,
                    order=family.order,
                    is_analytic=method is not None,
                    is_of_phases=method is not None and method.is_of_phases,
                )

                def compute(block: slice, parts: Floats = parts, index: int = index) -> None:
                    values[block, :, index] = _over_time(parts, begins[block], n_samples, method)

                in_threads(compute, blocks)
    i, j = upper(signal.n_channels)
    values[is_unusable[:, i] | is_unusable[:, j]] = np.nan


@dataclass(frozen=True, kw_only=True)
class Connectivity:
    """One measure of connectivity per window, pair of channels and band.

    Parameters
    ----------
    signal : str
        Name of the trial's signal.
    bands : Bands, optional
        Take them `within` the data set's passband. None, for the correlation only: the signal as it is, and
        no dimension "band".
    method : str
        "plv" (`phase_locking`), "coherence" (`coherence`, not squared), "imaginary_coherence"
        (`imaginary_coherence`, signed), "wpli" or "wpli2_debiased" (`weighted_phase_lag`), each over the
        samples of `analytic_signal` in the window; or "correlation" (`correlation`) of the filtered signal.
    order : int
        Of the band-pass filter.

    Notes
    -----
    Filter and Hilbert's transform run over the whole trial, never over a window from rest. A window of T
    seconds holds about T times the bandwidth independent phases, so short windows of narrow bands report much
    connectivity where there is none: over 1 s of noise a PLV of 0.52 in SEED's delta and 0.18 in its gamma
    band. The attribute ``plv_of_noise`` has the figure of each band (`independent_phases`); compare
    conditions of equal windows only.

    A channel that lacks a sample of a window, or is flat in it, is NaN on its edges and on no other.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(scale=1e-5, size=(3, 1280))
    >>> eeg = Signal(data=noise, sfreq=128.0, ch_names=("Fp1", "Fp2", "Cz"), kind="eeg", unit="V")
    >>> trial = Trial(dataset="noise", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})
    >>> plv = Connectivity()(trial, Intervals(np.arange(0.0, 10.0, 2.0), 2.0))
    >>> plv.dims, plv.shape, plv.edge.values.tolist()
    (('window', 'edge', 'band'), (5, 3, 5), ['Fp1-Fp2', 'Fp1-Cz', 'Fp2-Cz'])
    >>> as_matrices(plv, 3, axis=1).shape
    (5, 5, 3, 3)
    """

    name: ClassVar[str] = "connectivity"
    version: ClassVar[int] = 1

    signal: str = "eeg"
    bands: Bands | None = SEED_BANDS
    method: str = "plv"
    order: int = 4

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"Unknown method {self.method!r}: use one of {', '.join(METHODS)}.")
        if self.bands is None and self.method != "correlation":
            raise ValueError(
                f"The method {self.method!r} needs bands: a phase is defined in a narrow band only. Choose "
                "bands, or the method 'correlation'."
            )
        if self.order < 1:
            raise ValueError(f"A Butterworth filter needs an order of at least 1, got {self.order}.")

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal it reads."""
        return (self.signal,)

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the connectivity in one trial.

        Returns
        -------
        values : xarray.DataArray of float32, dimensions ("window", "edge", "band")
            Edges are named "Fp1-Fp2", in the order of the upper triangle; `as_matrices` takes them back.

        Raises
        ------
        DataError
            If the trial lacks the signal, has one channel, seems to be in another unit or is too short to be
            filtered.
        ProtocolError
            If a band reaches the Nyquist frequency or a window holds less than one cycle of it.
        """
        signal = trial.signal(self.signal)
        if signal.n_channels < 2:
            raise DataError(
                f"Connectivity needs at least two channels, {self.signal} has {signal.n_channels}. Leave "
                "this family out."
            )
        check_scale(signal)
        first, n_samples = sample_grid(signal, intervals)
        duration = n_samples / signal.sfreq
        if self.bands is not None:
            check_bands(self.bands, sfreq=signal.sfreq, duration=intervals.duration)
        shape = len(first), len(upper(signal.n_channels)[0]), 1 if self.bands is None else len(self.bands)
        values = np.full(shape, np.nan, dtype=np.float32)
        if len(first):
            _fill(values, signal, intervals, self)
        attrs: dict[str, Any] = {
            "unit": "1",
            "signal_unit": signal.unit,
            "estimator": self.method,
            "ch_names": list(signal.ch_names),
        }
        coords = {"edge": edge_names(signal.ch_names)}
        if self.bands is None:
            return xr.DataArray(values[..., 0], dims=("window", "edge"), coords=coords, attrs=attrs)
        attrs |= {"band_edges_hz": [list(edges) for edges in self.bands.edges], "order": self.order}
        if self.method == "plv":
            attrs["plv_of_noise"] = [
                round((np.pi / 4 / independent_phases(band, duration=duration, sfreq=signal.sfreq)) ** 0.5, 3)
                for band in self.bands
            ]
        coords["band"] = list(self.bands.names)
        return xr.DataArray(values, dims=("window", "edge", "band"), coords=coords, attrs=attrs)
