"""Covariance of EEG channels in each window, plain or shrunk, and its logarithm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect.errors import DataError, ProtocolError
from physioaffect.features._analytic import band_parts, transform
from physioaffect.features._blocks import is_varied
from physioaffect.features._edges import as_matrices, edge_names, upper
from physioaffect.features._threads import in_threads, one_blas_thread
from physioaffect.features.bands import Bands, check_bands
from physioaffect.recording import Signal, Trial
from physioaffect.signals.eeg_scale import check_scale
from physioaffect.windows import Intervals, gather, sample_grid

__all__ = ["ESTIMATORS", "Covariance", "as_matrices", "covariances", "log_vectors", "matrix_log"]

Floats = NDArray[np.float64]

# This many windows and what is computed from them stay in a core's cache.
_BLOCK = 16


def _no_shrinkage(centred: Floats, scm: Floats, n_channels: NDArray[np.intp]) -> Floats:  # noqa: ARG001
    return np.zeros(scm.shape[:-2])


def _divided(numerator: Floats, denominator: Floats, *, otherwise: float) -> Floats:
    share = np.full(numerator.shape, otherwise)
    np.divide(numerator, denominator, out=share, where=denominator > 0)
    return share


def _oas(centred: Floats, scm: Floats, n_channels: NDArray[np.intp]) -> Floats:
    n_times = centred.shape[-1]
    squares = np.square(scm).sum(axis=(-2, -1)) / n_channels**2
    power = np.square(np.trace(scm, axis1=-2, axis2=-1) / n_channels)
    return np.minimum(
        _divided(squares + power, (n_times + 1) * (squares - power / n_channels), otherwise=1.0), 1.0
    )


def _ledoit_wolf(centred: Floats, scm: Floats, n_channels: NDArray[np.intp]) -> Floats:
    n_times = centred.shape[-1]
    squares = np.square(scm).sum(axis=(-2, -1))
    trace = np.trace(scm, axis1=-2, axis2=-1)
    fourth = np.square(np.square(centred).sum(axis=-2)).mean(axis=-1)
    scatter = (fourth - squares) / (n_channels * n_times)
    distance = (squares - np.square(trace) / n_channels) / n_channels
    return _divided(np.minimum(scatter, distance), distance, otherwise=0.0)


ESTIMATORS = {"lwf": _ledoit_wolf, "oas": _oas, "scm": _no_shrinkage}
"""From centred windows, their covariances and channels to the weight of the identity."""


def covariances(
    X: NDArray[np.floating[Any]], *, estimator: str = "oas", is_used: NDArray[np.bool_] | None = None
) -> Floats:
    """Covariance matrices of windows, ``(1 - a) S + a tr(S)/p I`` with S divided by n.

    Parameters
    ----------
    X : ndarray, shape (..., n_channels, n_times)
        Any unit and any offset.
    estimator : {"oas", "lwf", "scm"}
        Which weight a the identity gets: that of the oracle approximating shrinkage (Chen et al., IEEE Trans.
        Signal Process. 58, 5016-5029, 2010, doi 10.1109/TSP.2010.2053029, as scikit-learn has it), of Ledoit
        & Wolf (J. Multivariate Anal. 88, 365-411, 2004, doi 10.1016/S0047-259X(03)00096-4) or none.
    is_used : ndarray of bool, shape (..., n_channels), optional
        The others take no part and come out as NaN. Default: those whose samples are all finite.

    Returns
    -------
    covariance : ndarray, shape (..., n_channels, n_channels)
        In the square of the unit.

    Notes
    -----
    The names are pyRiemann's, and so are the numbers.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(2, 5000)) * [[1.0], [2.0]]
    >>> covariances(X, estimator="scm").round(1) + 0.0
    array([[1., 0.],
           [0., 4.]])
    """
    if estimator not in ESTIMATORS:
        raise ValueError(f"Unknown estimator {estimator!r}: use one of {', '.join(ESTIMATORS)}.")
    X = np.asarray(X, dtype=np.float64)
    used = np.asarray(np.isfinite(X).all(axis=-1)) if is_used is None else is_used
    # Zeros add nothing to a sum, so with the number of channels left the formulas hold for those.
    centred = np.where(used[..., np.newaxis], X, 0.0)
    centred -= centred.mean(axis=-1, keepdims=True)
    scm = centred @ centred.swapaxes(-1, -2) / X.shape[-1]
    n_channels = np.maximum(used.sum(axis=-1), 1)
    weight = ESTIMATORS[estimator](centred, scm, n_channels)[..., np.newaxis]
    level = weight * np.trace(scm, axis1=-2, axis2=-1)[..., np.newaxis] / n_channels[..., np.newaxis]
    covariance: Floats = (1 - weight[..., np.newaxis]) * scm
    diagonal = np.arange(X.shape[-2])
    covariance[..., diagonal, diagonal] += level
    is_pair = used[..., :, np.newaxis] & used[..., np.newaxis, :]
    return np.where(is_pair, covariance, np.nan)


def check_definite(values: NDArray[np.floating[Any]]) -> None:
    """Refuse covariances that are singular in double precision, by their rising eigenvalues (..., n)."""
    is_singular = values[..., 0] <= values.shape[-1] * np.finfo(np.float64).eps * values[..., -1]
    if is_singular.any():
        raise DataError(
            f"{int(is_singular.sum())} of {is_singular.size} covariance matrices are singular, and have no "
            "logarithm: an average reference, an interpolated channel or a window with fewer samples than "
            "channels makes them so. Use the estimator 'oas' or 'lwf', or leave a channel out."
        )


def matrix_log(matrices: Floats) -> Floats:
    """Logarithm of symmetric positive definite matrices.

    Parameters
    ----------
    matrices : ndarray, shape (..., n_channels, n_channels)
        NaN anywhere in a matrix makes all of it NaN.

    Returns
    -------
    logarithm : ndarray, shape (..., n_channels, n_channels)
        Symmetric.

    Raises
    ------
    DataError
        If a matrix is singular in double precision, as after an average reference.

    Examples
    --------
    >>> matrix_log(np.diag([1.0, np.e])) + 0.0
    array([[0., 0.],
           [0., 1.]])
    """
    is_whole = np.asarray(np.isfinite(matrices).all(axis=(-2, -1)))
    n_channels = matrices.shape[-1]
    # Divided by its trace each matrix is far from the limits of the number format; the factor comes back.
    trace = np.trace(matrices, axis1=-2, axis2=-1)
    scale = np.where(is_whole & (trace > 0), trace, 1.0)[..., np.newaxis, np.newaxis]
    whole = np.where(is_whole[..., np.newaxis, np.newaxis], matrices / scale, np.eye(n_channels))
    values, vectors = np.linalg.eigh(whole)
    check_definite(values)
    values = np.log(values) + np.log(scale[..., 0])
    logarithm = (vectors * values[..., np.newaxis, :]) @ vectors.swapaxes(-1, -2)
    logarithm = (logarithm + logarithm.swapaxes(-1, -2)) / 2
    return np.where(is_whole[..., np.newaxis, np.newaxis], logarithm, np.nan)


def log_vectors(matrices: Floats) -> Floats:
    """Vectors whose distances are the log-Euclidean distances of the matrices.

    Parameters
    ----------
    matrices : ndarray, shape (..., n_channels, n_channels)
        Symmetric positive definite.

    Returns
    -------
    vectors : ndarray, shape (..., n_pairs)
        Upper triangle with diagonal of `matrix_log`, off the diagonal times the square root of 2.

    Notes
    -----
    Arsigny et al., SIAM J. Matrix Anal. Appl. 29, 328-347, 2007, doi 10.1137/050637996, section 3.

    Examples
    --------
    >>> log_vectors(np.diag([1.0, np.e])) + 0.0
    array([0., 0., 1.])
    """
    i, j = upper(matrices.shape[-1], diagonal=True)
    vectors: Floats = matrix_log(matrices)[..., i, j] * np.where(i == j, 1.0, np.sqrt(2.0))
    return vectors


@dataclass(frozen=True, kw_only=True)
class Covariance:
    """Covariance of every pair of channels per window.

    Parameters
    ----------
    signal : str
        Name of the trial's signal.
    bands : Bands, optional
        Band-pass the whole trial into each first (without a shift in time; `analytic_signal`). None takes the
        signal as it is, and there is no dimension "band".
    estimator : {"oas", "lwf", "scm"}
        As in `covariances`.
    log : bool
        Whether to give `log_vectors`, which a linear model can take as they are.
    order : int
        Of the band-pass filter.

    Notes
    -----
    A channel that lacks a sample of a window, or is flat in it, is NaN with all others, and the shrinkage is
    that of the channels left. The logarithm mixes all channels, so there the whole window is NaN.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(scale=1e-5, size=(2, 1280))
    >>> eeg = Signal(data=noise, sfreq=128.0, ch_names=("O1", "O2"), kind="eeg", unit="V")
    >>> trial = Trial(dataset="noise", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})
    >>> found = Covariance()(trial, Intervals(np.arange(0.0, 10.0, 2.0), 2.0))
    >>> found.dims, found.pair.values.tolist(), as_matrices(found, 2).shape
    (('window', 'pair'), ['O1-O1', 'O1-O2', 'O2-O2'], (5, 2, 2))
    """

    name: ClassVar[str] = "covariance"
    version: ClassVar[int] = 1

    signal: str = "eeg"
    bands: Bands | None = None
    estimator: str = "oas"
    log: bool = False
    order: int = 4

    def __post_init__(self) -> None:
        if self.estimator not in ESTIMATORS:
            raise ValueError(f"Unknown estimator {self.estimator!r}: use one of {', '.join(ESTIMATORS)}.")
        if self.order < 1:
            raise ValueError(f"A Butterworth filter needs an order of at least 1, got {self.order}.")

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal it reads."""
        return (self.signal,)

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the covariances in one trial.

        Returns
        -------
        values : xarray.DataArray, dimensions ("window", "pair") or ("window", "pair", "band")
            Pairs are named "Fp1-Fp1", "Fp1-Fp2" and so on, in the order of the upper triangle with its
            diagonal; `as_matrices` takes them back (not after ``log``, which weights them).

        Raises
        ------
        DataError
            If the trial lacks the signal, seems to be in another unit, is too short to be filtered or, with
            ``log``, has singular covariances.
        ProtocolError
            If a band reaches the Nyquist frequency, a window holds less than one cycle of it or, with
            ``log`` and without shrinkage, a window has no more samples than channels.
        """
        signal = trial.signal(self.signal)
        check_scale(signal)
        first, n_samples = sample_grid(signal, intervals)
        if self.log and self.estimator == "scm" and n_samples <= signal.n_channels:
            raise ProtocolError(
                f"{n_samples} samples of {signal.n_channels} channels have a singular covariance, and a "
                "singular matrix has no logarithm. Use longer windows, or the estimator 'oas' or 'lwf'."
            )
        if self.bands is not None:
            check_bands(self.bands, sfreq=signal.sfreq, duration=intervals.duration)
        n_pairs = len(upper(signal.n_channels, diagonal=True)[0])
        values = np.full((len(first), n_pairs, 1 if self.bands is None else len(self.bands)), np.nan)
        if len(first):
            _fill(values, signal, intervals, self)
        unit = f"{signal.unit}^2"
        attrs: dict[str, Any] = {
            "unit": f"ln({unit})" if self.log else unit,
            "signal_unit": signal.unit,
            "estimator": self.estimator,
            "log": int(self.log),
            "ch_names": list(signal.ch_names),
        }
        coords = {"pair": edge_names(signal.ch_names, diagonal=True)}
        if self.bands is None:
            return xr.DataArray(values[..., 0], dims=("window", "pair"), coords=coords, attrs=attrs)
        attrs |= {"band_edges_hz": [list(edges) for edges in self.bands.edges], "order": self.order}
        coords["band"] = list(self.bands.names)
        return xr.DataArray(values, dims=("window", "pair", "band"), coords=coords, attrs=attrs)


def _fill(values: Floats, signal: Signal, intervals: Intervals, family: Covariance) -> None:
    clean = replace(signal, data=signal.masked)
    i, j = upper(signal.n_channels, diagonal=True)
    blocks = [slice(begin, begin + _BLOCK) for begin in range(0, len(values), _BLOCK)]

    def fill(block: slice, source: Signal, index: int) -> None:
        starts = intervals._replace(starts=intervals.starts[block])
        windows = gather(clean, starts, masked=False)
        is_used = is_varied(windows)
        if source is not clean:
            windows = gather(source, starts, masked=False)
        matrices = covariances(windows, estimator=family.estimator, is_used=is_used)
        values[block, :, index] = log_vectors(matrices) if family.log else matrices[..., i, j]

    # Each window is computed by one thread, so results do not depend on how many there are.
    with one_blas_thread():
        if family.bands is None:
            in_threads(partial(fill, source=clean, index=0), blocks)
            return
        spectrum = transform(clean.data, sfreq=signal.sfreq, bands=family.bands)
        for index, band in enumerate(family.bands):
            parts = band_parts(spectrum, band=band, order=family.order, is_analytic=False, dtype=np.float64)
            filtered = replace(signal, data=parts)
            in_threads(partial(fill, source=filtered, index=index), blocks)
