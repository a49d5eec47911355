"""How much a signal moves and how irregular it is: Hjorth's parameters and line length."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect.features._blocks import Floats, per_window_and_channel, prepared
from physioaffect.recording import Trial
from physioaffect.signals.eeg_scale import check_scale
from physioaffect.windows import Intervals

__all__ = ["Hjorth", "LineLength", "hjorth", "line_length"]

_HJORTH = ("activity", "mobility", "complexity")

# A variance below this share of the mean square is what rounding leaves of a straight line.
_ROUNDING = 1e-12


def _variance(x: NDArray[np.float64], total: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance (1/n) of values of a known sum; zero where it is no more than rounding of their square."""
    n_times = x.shape[-1]
    mean_square = np.vecdot(x, x) / n_times
    variance = mean_square - np.square(total / n_times)
    return np.where(variance <= _ROUNDING * mean_square, 0.0, variance)


def hjorth(X: Floats, *, sfreq: float) -> NDArray[np.float64]:
    """Hjorth's activity, mobility and complexity.

    Parameters
    ----------
    X : ndarray, shape (..., n_times)
        Windows of any unit and any offset.
    sfreq : float
        Sampling rate in Hz.

    Returns
    -------
    parameters : ndarray, shape (..., 3)
        Activity, the variance, in the square of the unit; mobility, the standard deviation of the first
        derivative over that of the signal, in radians per second; complexity, the mobility of the first
        derivative over that of the signal, without unit. NaN for a window with a NaN or infinite sample, or
        without any change; a straight line has no complexity, which is NaN.

    Raises
    ------
    ProtocolError
        If a window has fewer than four samples.

    Notes
    -----
    Hjorth, Electroencephalogr. Clin. Neurophysiol. 29, 306-310, 1970, doi 10.1016/0013-4694(70)90143-4.
    Derivatives are differences between neighbours times ``sfreq``, variances divide by the number of values.
    A sine of amplitude A and frequency f has activity ``A**2 / 2``, mobility ``2 sfreq sin(pi f / sfreq)``,
    that is nearly ``2 pi f``, and complexity 1.

    Examples
    --------
    >>> t = np.arange(2000) / 1000
    >>> hjorth(3 * np.sin(2 * np.pi * 10 * t), sfreq=1000.0).round(2)
    array([ 4.5 , 62.81,  1.  ])
    """
    x = prepared(X, 4, "Hjorth's complexity")
    variances = [_variance(x, x.sum(axis=-1))]
    for _ in range(2):
        # Differences add up to the distance between the ends.
        total = x[..., -1] - x[..., 0]
        x = np.diff(x, axis=-1)
        variances.append(_variance(x, total))
    activity, first, second = variances
    with np.errstate(invalid="ignore", divide="ignore"):
        mobility = np.sqrt(first / activity)
        complexity = np.sqrt(second / first) / mobility
    return np.stack([activity, sfreq * mobility, np.where(first > 0, complexity, np.nan)], axis=-1)


def line_length(X: Floats, *, sfreq: float) -> NDArray[np.float64]:
    """Way up and down that a signal makes in a second.

    Parameters
    ----------
    X : ndarray, shape (..., n_times)
        Windows of any unit and any offset.
    sfreq : float
        Sampling rate in Hz.

    Returns
    -------
    length : ndarray, shape (...)
        Mean absolute difference between neighbours times ``sfreq``, in the unit per second. NaN for a window
        with a NaN or infinite sample, or without any change.

    Raises
    ------
    ProtocolError
        If a window has fewer than two samples.

    Notes
    -----
    Esteller et al., EMBC 2001, 1707-1710, doi 10.1109/IEMBS.2001.1020545, where it is the sum over a window:
    per second, it does not depend on the length of the window. A sine of amplitude A and frequency f whose
    crests are sampled has ``4 A f``.

    Examples
    --------
    >>> float(line_length(np.array([0.0, 2.0, 1.0, 2.0, 0.0]), sfreq=100.0))
    150.0
    """
    x = prepared(X, 2, "Line length")
    steps = np.diff(x, axis=-1)
    length: NDArray[np.float64] = np.abs(steps, out=steps).mean(axis=-1) * sfreq
    return length


@dataclass(frozen=True, kw_only=True)
class Hjorth:
    """Hjorth's activity, mobility and complexity per window and channel.

    Parameters
    ----------
    signal : str
        Name of the trial's signal.

    Notes
    -----
    As `hjorth`. A window with a NaN or flagged sample, or without any change, is NaN in that channel.

    Examples
    --------
    >>> from physioaffect.recording import Signal
    >>> noise = 1e-5 * np.random.default_rng(0).normal(size=(2, 1280))
    >>> eeg = Signal(data=noise, sfreq=128.0, ch_names=("O1", "O2"), kind="eeg", unit="V")
    >>> trial = Trial(dataset="noise", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})
    >>> Hjorth()(trial, Intervals(np.arange(0.0, 10.0, 2.0), 2.0)).hjorth_feature.values.tolist()
    ['activity', 'mobility', 'complexity']
    """

    name: ClassVar[str] = "hjorth"
    version: ClassVar[int] = 1

    signal: str = "eeg"

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal it reads."""
        return (self.signal,)

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the parameters of one trial.

        Returns
        -------
        parameters : xarray.DataArray, dimensions ("window", "channel", "hjorth_feature")

        Raises
        ------
        DataError
            If the trial lacks the signal, or it cannot be in the unit that it is declared in.
        ProtocolError
            If the windows are too short.
        """
        signal = trial.signal(self.signal)
        check_scale(signal)
        return xr.DataArray(
            per_window_and_channel(signal, intervals, partial(hjorth, sfreq=signal.sfreq), len(_HJORTH)),
            dims=("window", "channel", "hjorth_feature"),
            coords={"channel": list(signal.ch_names), "hjorth_feature": list(_HJORTH)},
            attrs={
                "units": [f"{signal.unit}^2", "rad/s", "1"],
                "signal_unit": signal.unit,
                "estimator": "differences between neighbouring samples",
            },
        )


@dataclass(frozen=True, kw_only=True)
class LineLength:
    """Line length per second, per window and channel.

    Parameters
    ----------
    signal : str
        Name of the trial's signal.

    Notes
    -----
    As `line_length`. A window with a NaN or flagged sample, or without any change, is NaN in that channel.

    Examples
    --------
    >>> from physioaffect.recording import Signal
    >>> noise = 1e-5 * np.random.default_rng(0).normal(size=(2, 1280))
    >>> eeg = Signal(data=noise, sfreq=128.0, ch_names=("O1", "O2"), kind="eeg", unit="V")
    >>> trial = Trial(dataset="noise", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})
    >>> LineLength()(trial, Intervals(np.arange(0.0, 10.0, 2.0), 2.0)).shape
    (5, 2)
    """

    name: ClassVar[str] = "line_length"
    version: ClassVar[int] = 1

    signal: str = "eeg"

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal it reads."""
        return (self.signal,)

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the line length of one trial.

        Returns
        -------
        length : xarray.DataArray, dimensions ("window", "channel")

        Raises
        ------
        DataError
            If the trial lacks the signal, or it cannot be in the unit that it is declared in.
        ProtocolError
            If the windows are too short.
        """
        signal = trial.signal(self.signal)
        check_scale(signal)
        return xr.DataArray(
            per_window_and_channel(signal, intervals, partial(line_length, sfreq=signal.sfreq)),
            dims=("window", "channel"),
            coords={"channel": list(signal.ch_names)},
            attrs={
                "unit": f"{signal.unit}/s",
                "signal_unit": signal.unit,
                "estimator": "mean absolute difference between neighbouring samples, per second",
            },
        )
