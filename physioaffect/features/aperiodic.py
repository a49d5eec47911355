"""The part of an EEG spectrum that falls with frequency, apart from its peaks: offset and exponent."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect.errors import DataError, ProtocolError
from physioaffect.features._blocks import Floats, per_window_and_channel
from physioaffect.features._density import check_welch, welch_density
from physioaffect.features.bands import Band, Bands, band_bins, check_below_nyquist
from physioaffect.recording import Trial
from physioaffect.signals.eeg_scale import check_scale
from physioaffect.windows import Intervals

__all__ = ["Aperiodic", "aperiodic", "fit_aperiodic"]

_FEATURES = ("offset", "exponent")

# As many as the line has parameters, and one to tell whether it is one.
_N_BINS = 3


def fit_aperiodic(
    freqs: Floats,
    density: Floats,
    *,
    peak_width: tuple[float, float] = (2.0, 8.0),
    max_n_peaks: int = 4,
    min_peak_height: float = 0.1,
) -> NDArray[np.float64]:
    """Offset and exponent of spectra, by specparam's 'fixed' mode.

    Parameters
    ----------
    freqs : ndarray, shape (n_freqs,)
        In Hz, evenly spaced, above zero; all of them are fitted.
    density : ndarray, shape (..., n_freqs)
        In the square of a unit per Hz.
    peak_width : tuple of float
        Narrowest and widest peak in Hz.
    max_n_peaks : int
        Most peaks to be taken out of a spectrum; 0 fits a straight line to all of it.
    min_peak_height : float
        Of a peak, in powers of ten above the line.

    Returns
    -------
    parameters : ndarray, shape (..., 2)
        Offset, the base-10 logarithm of the density at 1 Hz, and exponent b of ``1 / f**b``. NaN for a
        spectrum that is not positive and finite throughout, or whose fit failed.

    Raises
    ------
    DataError
        If specparam is not installed.
    ValueError
        If the frequencies do not rise evenly from above zero.
    ProtocolError
        If there are fewer than three frequencies, or they are too far apart for the narrowest peak.

    Notes
    -----
    Donoghue et al., Nat. Neurosci. 23, 1655-1665, 2020, doi 10.1038/s41593-020-00744-x, through the
    library of its authors, which takes 1 to 5 ms of one core a spectrum: the most where
    there is noise that it tries as peaks.

    Examples
    --------
    >>> freqs = np.arange(1, 45.5, 0.5)
    >>> fit_aperiodic(freqs, 100 / freqs**1.5).round(6)
    array([2. , 1.5])
    """
    try:
        from specparam import SpectralGroupModel  # noqa: PLC0415  It is an extra, and takes a second.
    except ImportError as error:
        raise DataError(
            "The aperiodic part of a spectrum needs specparam, which is not installed: "
            "pip install 'physioaffect[aperiodic]'"
        ) from error
    if len(freqs) < _N_BINS:
        raise ProtocolError(
            f"A line takes at least {_N_BINS} frequencies, got {len(freqs)}. Use longer windows or wider "
            "edges."
        )
    resolution = float(freqs[1] - freqs[0])
    if not freqs[0] > 0 or not np.allclose(np.diff(freqs), resolution, rtol=1e-3, atol=0) or resolution < 0:
        raise ValueError(
            f"freqs must rise evenly from above 0 Hz, got {freqs[0]:g}, {freqs[1]:g} to {freqs[-1]:g} Hz. "
            "Leave zero out, and do not take logarithms."
        )
    if max_n_peaks and peak_width[0] <= 1.5 * resolution:
        raise ProtocolError(
            f"Peaks of {peak_width[0]:g} Hz cannot be told from noise in a spectrum with a frequency every "
            f"{resolution:g} Hz. Use windows (and segments) of more than {1.5 / peak_width[0]:g} s, or a "
            "wider narrowest peak."
        )
    rows = density.reshape(-1, len(freqs))
    is_good = (np.isfinite(rows) & (rows > 0)).all(axis=-1)
    parameters = np.full((len(rows), len(_FEATURES)), np.nan)
    # The library takes spectra that are 1 throughout for missing ones; of those the parameters are known.
    is_one = (rows == 1).all(axis=-1)
    parameters[is_one] = 0.0
    is_good &= ~is_one
    if is_good.any():
        model: Any = SpectralGroupModel(
            aperiodic_mode="fixed",
            peak_width_limits=peak_width,
            max_n_peaks=max_n_peaks,
            min_peak_height=min_peak_height,
            verbose=False,
        )
        # Its measures of fit divide by the spread of the line, which is zero where the spectrum is flat.
        with np.errstate(invalid="ignore", divide="ignore"):
            model.fit(np.asarray(freqs, dtype=np.float64), rows[is_good].astype(np.float64))
        parameters[is_good] = model.get_params("aperiodic")
    return parameters.reshape(*density.shape[:-1], len(_FEATURES))


def aperiodic(  # noqa: PLR0913  All but the signal are named settings of one method.
    X: Floats,
    *,
    sfreq: float,
    edges: tuple[float, float] = (1.0, 45.0),
    segment: float = 2.0,
    overlap: float = 0.5,
    peak_width: tuple[float, float] = (2.0, 8.0),
    max_n_peaks: int = 4,
    min_peak_height: float = 0.1,
) -> NDArray[np.float64]:
    """Offset and exponent of the Welch spectra of windows.

    Parameters
    ----------
    X : ndarray, shape (..., n_times)
        Windows of any unit and any offset.
    sfreq : float
        Sampling rate in Hz.
    edges : tuple of float
        Lowest and highest frequency in Hz; the bins with ``fmin <= f < fmax`` are fitted.
    segment, overlap : float
        As in `physioaffect.features.spectral.welch_density`.
    peak_width, max_n_peaks, min_peak_height
        As in `fit_aperiodic`.

    Returns
    -------
    parameters : ndarray, shape (..., 2)
        As `fit_aperiodic`; NaN, too, for a window with a NaN or infinite sample, or without any change.

    Raises
    ------
    DataError
        If specparam is not installed.
    ProtocolError
        If the edges reach the Nyquist frequency or the windows are too short for them.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=6000)
    >>> bool(abs(aperiodic(noise, sfreq=200.0)[1]) < 0.1)
    True
    """
    band = Bands((Band(name="the spectrum", fmin=edges[0], fmax=edges[1]),))
    check_below_nyquist(band, sfreq=sfreq)
    freqs, density = welch_density(X, sfreq=sfreq, segment=segment, overlap=overlap)
    ((first, stop),) = band_bins(band, duration=1 / freqs[1], n_needed=_N_BINS)
    return fit_aperiodic(
        freqs[first:stop],
        density[..., first:stop],
        peak_width=peak_width,
        max_n_peaks=max_n_peaks,
        min_peak_height=min_peak_height,
    )


@dataclass(frozen=True, kw_only=True)
class Aperiodic:
    """Offset and exponent of the aperiodic part of the spectrum, per window and channel.

    Parameters
    ----------
    signal : str
        Name of the trial's signal.
    edges : tuple of float
        Lowest and highest frequency in Hz; keep them inside the data set's passband, whose flanks are steep.
    segment, overlap : float
        As in `physioaffect.features.spectral.welch_density`.
    peak_width, max_n_peaks, min_peak_height
        As in `fit_aperiodic`.

    Notes
    -----
    Needs the extra ``physioaffect[aperiodic]``, and 1 to 5 ms of one core a window and channel. Windows of
    10 s or more average enough segments for an exponent that is within about 0.1 of the truth. A window with
    a NaN or flagged sample, or without any change, is NaN in that channel.

    Examples
    --------
    >>> from physioaffect.recording import Signal
    >>> noise = 1e-5 * np.random.default_rng(0).normal(size=(2, 2560))
    >>> eeg = Signal(data=noise, sfreq=128.0, ch_names=("O1", "O2"), kind="eeg", unit="V")
    >>> trial = Trial(dataset="noise", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})
    >>> Aperiodic()(trial, Intervals(np.array([0.0, 10.0]), 10.0)).aperiodic_feature.values.tolist()
    ['offset', 'exponent']
    """

    name: ClassVar[str] = "aperiodic"
    version: ClassVar[int] = 1

    signal: str = "eeg"
    edges: tuple[float, float] = (1.0, 45.0)
    segment: float = 2.0
    overlap: float = 0.5
    peak_width: tuple[float, float] = (2.0, 8.0)
    max_n_peaks: int = 4
    min_peak_height: float = 0.1

    def __post_init__(self) -> None:
        Band(name="the spectrum", fmin=self.edges[0], fmax=self.edges[1])
        check_welch(self.segment, self.overlap)
        if not 0 < self.peak_width[0] < self.peak_width[1]:
            raise ValueError(f"peak_width needs 0 < narrowest < widest in Hz, got {self.peak_width}.")
        if self.max_n_peaks < 0:
            raise ValueError(f"max_n_peaks must not be negative, got {self.max_n_peaks}.")
        if not self.min_peak_height >= 0:
            raise ValueError(f"min_peak_height must not be negative, got {self.min_peak_height}.")

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal it reads."""
        return (self.signal,)

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Fit the spectra of one trial.

        Returns
        -------
        parameters : xarray.DataArray, dimensions ("window", "channel", "aperiodic_feature")
            With the names of channels as coordinates; units and settings as attributes.

        Raises
        ------
        DataError
            If specparam is not installed, the trial lacks the signal, or the signal cannot be in the unit
            that it is declared in.
        ProtocolError
            If the edges reach the Nyquist frequency or the windows are too short for them.
        """
        signal = trial.signal(self.signal)
        check_scale(signal)
        settings: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("edges", "segment", "overlap", "peak_width", "max_n_peaks", "min_peak_height")
        }
        return xr.DataArray(
            per_window_and_channel(
                signal,
                intervals,
                partial(aperiodic, sfreq=signal.sfreq, **settings),
                len(_FEATURES),
                is_threaded=False,  # specparam changes the filters of warnings, which all threads share.
            ),
            dims=("window", "channel", "aperiodic_feature"),
            coords={"channel": list(signal.ch_names), "aperiodic_feature": list(_FEATURES)},
            attrs={
                "units": [f"log10({signal.unit}^2/Hz)", "1"],
                "signal_unit": signal.unit,
                "estimator": "specparam, fixed",
            }
            | {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()},
        )
