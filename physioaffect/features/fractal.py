"""How much of the plane a signal fills: fractal dimensions of Higuchi, Katz and Petrosian."""

from __future__ import annotations

from collections.abc import Callable
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

__all__ = ["FRACTAL_DIMENSIONS", "FractalDimension", "higuchi", "katz", "petrosian"]

# A curve that is shorter than this share of the longest is what rounding, also to single precision, leaves.
_ROUNDING = 1e-8


def higuchi(X: Floats, *, kmax: int = 10) -> NDArray[np.float64]:
    """Higuchi's fractal dimension.

    Parameters
    ----------
    X : ndarray, shape (..., n_times)
        Windows of any unit and any offset.
    kmax : int
        Largest distance in samples at which the length of the curve is measured; at least 2.

    Returns
    -------
    dimension : ndarray, shape (...)
        1 for a straight line, 1.5 for Brownian motion, 2 for white noise. NaN for a window with a NaN or
        infinite sample, without any change, or that repeats itself, but for rounding, every so many samples
        up to ``kmax``.

    Raises
    ------
    ProtocolError
        If a window has fewer than ``2 * kmax`` samples.

    Notes
    -----
    Higuchi, Physica D 31, 277-283, 1988, doi 10.1016/0167-2789(88)90081-4, with all distances from 1 to
    ``kmax`` weighted equally in the regression of log length on log distance.

    Examples
    --------
    >>> float(higuchi(np.arange(100.0)).round(6))
    1.0
    """
    if kmax < 2:
        raise ValueError(f"kmax must be at least 2, because a slope needs two distances, got {kmax}.")
    x = prepared(X, 2 * kmax, f"Higuchi's dimension with kmax = {kmax}")
    n_times = x.shape[-1]
    distances = np.arange(1, kmax + 1)
    lengths = np.empty((*x.shape[:-1], kmax))
    steps = np.empty_like(x)
    for k in distances:
        # Curve m takes every k-th difference from sample m on, so each weight is its curve's normalisation.
        n_in_curve = (n_times - 1 - np.arange(k)) // k
        weights = ((n_times - 1) / (n_in_curve * k) / k / k)[np.arange(n_times - k) % k]
        differences = np.subtract(x[..., k:], x[..., :-k], out=steps[..., :-k])
        np.abs(differences, out=differences)
        lengths[..., k - 1] = differences @ weights
    is_long = lengths > _ROUNDING * lengths.max(axis=-1, keepdims=True)
    regressor = np.log(distances) - np.log(distances).mean()
    slopes = np.log(np.where(is_long, lengths, np.nan)) @ regressor
    dimension: NDArray[np.float64] = -slopes / (regressor @ regressor)
    return dimension


def katz(X: Floats) -> NDArray[np.float64]:
    """Katz' fractal dimension.

    Parameters
    ----------
    X : ndarray, shape (..., n_times)
        Windows of any unit and any offset.

    Returns
    -------
    dimension : ndarray, shape (...)
        1 for a signal that only rises or only falls, larger the more it turns. NaN for a window with a NaN
        or infinite sample, without any change, or whose largest distance from the first sample is not above
        its mean step, where the definition divides by zero or turns negative.

    Raises
    ------
    ProtocolError
        If a window has fewer than three samples.

    Notes
    -----
    Katz, Comput. Biol. Med. 18, 145-156, 1988, doi 10.1016/0010-4825(88)90041-8:
    ``log(n) / (log(n) + log(d / L))`` for ``n`` steps that add up to the length ``L`` and reach the distance
    ``d``, both along the signal's axis only: time has another unit.

    Examples
    --------
    >>> float(katz(np.arange(10.0)))
    1.0
    """
    x = prepared(X, 3, "Katz' dimension")
    n_steps = x.shape[-1] - 1
    steps = np.diff(x, axis=-1)
    length = np.abs(steps, out=steps).sum(axis=-1)
    extent = np.abs(x, out=x).max(axis=-1)  # The first sample has been subtracted.
    relative = np.where(extent * n_steps > length, extent / np.where(length > 0, length, np.nan), np.nan)
    # Rounding must not lift the sum of a line's steps below its extent.
    dimension: NDArray[np.float64] = np.log(n_steps) / (np.log(n_steps) + np.log(np.minimum(relative, 1.0)))
    return dimension


def petrosian(X: Floats) -> NDArray[np.float64]:
    """Petrosian's fractal dimension.

    Parameters
    ----------
    X : ndarray, shape (..., n_times)
        Windows of any unit and any offset.

    Returns
    -------
    dimension : ndarray, shape (...)
        1 for a signal that only rises or only falls, larger the more often it turns. NaN for a window with a
        NaN or infinite sample, or without any change.

    Raises
    ------
    ProtocolError
        If a window has fewer than three samples.

    Notes
    -----
    Petrosian, CBMS 1995, 212-217, doi 10.1109/CBMS.1995.465426:
    ``log(n) / (log(n) + log(n / (n + 0.4 n_turns)))`` for ``n`` samples and ``n_turns`` changes of sign
    between neighbouring differences. A turn over a plateau of equal samples is none.

    Examples
    --------
    >>> float(petrosian(np.arange(10.0)))
    1.0
    """
    x = prepared(X, 3, "Petrosian's dimension")
    n_times = x.shape[-1]
    is_up, is_down = x[..., 1:] > x[..., :-1], x[..., 1:] < x[..., :-1]
    is_turn = (is_up[..., 1:] & is_down[..., :-1]) | (is_down[..., 1:] & is_up[..., :-1])
    n_turns = np.where(np.isnan(x[..., 0]), np.nan, np.count_nonzero(is_turn, axis=-1))
    dimension: NDArray[np.float64] = np.log(n_times) / (
        np.log(n_times) + np.log(n_times / (n_times + 0.4 * n_turns))
    )
    return dimension


FRACTAL_DIMENSIONS: dict[str, Callable[..., NDArray[np.float64]]] = {
    "higuchi": higuchi,
    "katz": katz,
    "petrosian": petrosian,
}


@dataclass(frozen=True, kw_only=True)
class FractalDimension:
    """Fractal dimensions per window and channel.

    Parameters
    ----------
    signal : str
        Name of the trial's signal.
    methods : tuple of {"higuchi", "katz", "petrosian"}
        Which, in this order.
    kmax : int
        Of `higuchi` only.

    Notes
    -----
    A window with a NaN or flagged sample, or without any change, is NaN in that channel.

    Examples
    --------
    >>> from physioaffect.recording import Signal
    >>> noise = 1e-5 * np.random.default_rng(0).normal(size=(2, 1280))
    >>> eeg = Signal(data=noise, sfreq=128.0, ch_names=("O1", "O2"), kind="eeg", unit="V")
    >>> trial = Trial(dataset="noise", subject="1", trial="1", stimulus="none", signals={"eeg": eeg})
    >>> FractalDimension()(trial, Intervals(np.arange(0.0, 10.0, 2.0), 2.0)).shape
    (5, 2, 3)
    """

    name: ClassVar[str] = "fractal_dimension"
    version: ClassVar[int] = 1

    signal: str = "eeg"
    methods: tuple[str, ...] = tuple(FRACTAL_DIMENSIONS)
    kmax: int = 10

    def __post_init__(self) -> None:
        if unknown := [name for name in self.methods if name not in FRACTAL_DIMENSIONS]:
            raise ValueError(f"Unknown method {unknown[0]!r}: use some of {', '.join(FRACTAL_DIMENSIONS)}.")
        if not self.methods or len(set(self.methods)) < len(self.methods):
            raise ValueError(f"methods need at least one, and each once, got {self.methods}.")
        if self.kmax < 2:
            raise ValueError(
                f"kmax must be at least 2, because a slope needs two distances, got {self.kmax}."
            )

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal it reads."""
        return (self.signal,)

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the dimensions of one trial.

        Returns
        -------
        dimension : xarray.DataArray, dimensions ("window", "channel", "fractal_feature")

        Raises
        ------
        DataError
            If the trial lacks the signal, or it cannot be in the unit that it is declared in.
        ProtocolError
            If the windows are too short.
        """
        signal = trial.signal(self.signal)
        check_scale(signal)
        functions = [
            partial(higuchi, kmax=self.kmax) if name == "higuchi" else FRACTAL_DIMENSIONS[name]
            for name in self.methods
        ]

        def compute(windows: Floats) -> NDArray[np.float64]:
            return np.stack([function(windows) for function in functions], axis=-1)

        return xr.DataArray(
            per_window_and_channel(signal, intervals, compute, len(functions)),
            dims=("window", "channel", "fractal_feature"),
            coords={"channel": list(signal.ch_names), "fractal_feature": list(self.methods)},
            attrs={"unit": "1"} | ({"kmax": self.kmax} if "higuchi" in self.methods else {}),
        )
