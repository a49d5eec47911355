"""Skin conductance per window: its level, its slow part, and its responses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, is_dataclass, replace
from types import FunctionType
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect.features._windowed import (
    Array,
    checked,
    highest,
    lowest,
    mean,
    per_window,
    sd,
    slope_per_minute,
    table,
)
from physioaffect.recording import Signal, Trial
from physioaffect.signals.eda import DECOMPOSITIONS, Decompose, Decomposition, scr_peaks
from physioaffect.windows import Intervals, coverage, sample_grid

__all__ = ["EDA"]

_UNITS = {
    "mean": "uS",
    "sd": "uS",
    "min": "uS",
    "max": "uS",
    "slope": "uS/min",
    "tonic_mean": "uS",
    "phasic_sd": "uS",
    "scr_rate": "1/min",
    "scr_amplitude": "uS",
}


class _Named:
    """A decomposition that a recipe can write down: its text says what it is, not where it lies in memory."""

    def __init__(self, function: Decompose) -> None:
        self._function = function
        if isinstance(function, FunctionType) and "<" not in function.__qualname__:
            self._name = f"{function.__module__}.{function.__qualname__}"
        elif is_dataclass(function) and not isinstance(function, type):
            self._name = f"{type(function).__module__}.{function!r}"
        else:
            raise ValueError(
                "decompose needs a function with a name of its own or a dataclass of settings, got "
                f"{function!r}: the recipe has to say what it was. Write it as `def` at the top of a module."
            )

    def __call__(self, eda: NDArray[np.floating[Any]], *, sfreq: float) -> Decomposition:
        return self._function(eda, sfreq=sfreq)

    def __str__(self) -> str:
        return self._name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Named) and self._function == other._function

    def __hash__(self) -> int:
        return hash(self._name)


@dataclass(frozen=True, kw_only=True)
class EDA:
    """Features of skin conductance in microsiemens.

    Parameters
    ----------
    decompose : str or callable
        How to split tonic from phasic: a name of `physioaffect.signals.eda.DECOMPOSITIONS`, a function of a
        module, or a frozen dataclass of settings, called as ``decompose(eda, sfreq=4.0)``. It sees each trial
        once and as a whole, with NaN where samples are flagged. A recipe knows it by its name: one that
        gives other numbers needs another name.
    threshold : float
        Smallest response in microsiemens that counts.

    Notes
    -----
    ``mean``, ``sd``, ``min``, ``max`` and ``slope`` (least squares, per minute) are of the signal itself,
    ``tonic_mean`` and ``phasic_sd`` of its parts. ``scr_rate`` is the number of responses that peak in the
    window per minute of it that is present, ``scr_amplitude`` their mean height, 0 if there is none. Missing
    and flagged samples are passed over; a window without any sample is NaN.

    Examples
    --------
    >>> eda = Signal(data=np.full((1, 480), 2.0), sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS")
    >>> trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"eda": eda})
    >>> features = EDA()(trial, Intervals(np.array([0.0, 60.0]), 60.0))
    >>> features.sel(eda_feature="mean").values
    array([2., 2.])
    """

    name: ClassVar[str] = "eda"
    version: ClassVar[int] = 1

    decompose: str | Decompose = "highpass"
    threshold: float = 0.02

    def __post_init__(self) -> None:
        if not self.threshold > 0:
            raise ValueError(f"threshold must be above 0 uS, got {self.threshold}.")
        if isinstance(self.decompose, str):
            if self.decompose not in DECOMPOSITIONS:
                raise ValueError(
                    f"Unknown decomposition {self.decompose!r}: use one of "
                    f"{', '.join(sorted(DECOMPOSITIONS))} or a function."
                )
        elif not isinstance(self.decompose, _Named):
            object.__setattr__(self, "decompose", _Named(self.decompose))

    @property
    def signals(self) -> tuple[str, ...]:
        """The one signal it reads."""
        return ("eda",)

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
        eda = checked(trial, "eda", unit="uS", n_channels=1)
        decompose: Callable[..., Decomposition] = (
            DECOMPOSITIONS[self.decompose] if isinstance(self.decompose, str) else self.decompose
        )
        parts = decompose(eda.masked[0], sfreq=eda.sfreq)

        def of_signals(x: Array) -> tuple[Array, ...]:
            level, tonic, phasic = x[:, 0], x[:, 1], x[:, 2]
            slope = slope_per_minute(level, sfreq=eda.sfreq)
            return mean(level), sd(level), lowest(level), highest(level), slope, mean(tonic), sd(phasic)

        stacked = replace(
            eda,
            data=np.stack([eda.data[0], parts.tonic, parts.phasic]),
            ch_names=("level", "tonic", "phasic"),
        )
        values = np.column_stack(
            [per_window(stacked, intervals, of_signals), self._responses(eda, parts, intervals)]
        )
        return table(
            "eda", values, _UNITS, estimator=f"decompose={self.decompose}, threshold={self.threshold:g} uS"
        )

    def _responses(self, eda: Signal, parts: Decomposition, intervals: Intervals) -> Array:
        """Rate and mean amplitude per window, shape (n_windows, 2)."""
        peak_idx, amplitudes = scr_peaks(parts.phasic, sfreq=eda.sfreq, threshold=self.threshold)
        # In samples, so that a peak falls into the very window that holds its sample.
        first, n_samples = sample_grid(eda, intervals)
        edges = np.stack([first, first + n_samples])
        begin, end = np.searchsorted(peak_idx, edges)
        total = np.concatenate([[0.0], np.cumsum(amplitudes)])
        count = end - begin
        minutes = coverage(eda, intervals) * intervals.duration / 60
        rate = np.divide(count, minutes, out=np.full(len(count), np.nan), where=minutes > 0)
        amplitude = np.where(minutes > 0, (total[end] - total[begin]) / np.maximum(count, 1), np.nan)
        return np.column_stack([rate, amplitude])
