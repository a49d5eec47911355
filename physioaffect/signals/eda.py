"""Skin conductance: its slow and fast parts, and bringing it down to the rate that it needs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt, sosfilt_zi, sosfiltfilt

from physioaffect.recording import Trial
from physioaffect.signals.eda_responses import Responses, scr_peaks
from physioaffect.signals.pieces import filtered_in_pieces
from physioaffect.signals.resampling import Resampled, bring_down, reach_of, resampled_signal

__all__ = [
    "DECOMPOSITIONS",
    "DECOMPOSITION_CONTEXTS",
    "Decompose",
    "Decomposition",
    "ResampleEDA",
    "Responses",
    "highpass",
    "highpass_causal",
    "resample_eda",
    "scr_peaks",
]

_ORDER = 2
# Until what the filter makes of the ends of a ramp has died away to a millionth.
_PADDING_PERIODS = 4
# A longer gap is not bridged even for the filter: a response lasts about as long (Boucsein 2012), so a line
# across says nothing about what was lost.
_LONGEST_BRIDGE_S = 10.0
# By then a filter's memory is below 1e-8 of what it was.
_MEMORY_PERIODS = 5
_CUTOFF_HZ, _CAUSAL_CUTOFF_HZ = 0.05, 0.016
_HIGHPASS_CONTEXT_S = _MEMORY_PERIODS / _CUTOFF_HZ + _LONGEST_BRIDGE_S
# Responses have nothing above 2 Hz, and 16 Hz is the most that their shape was ever given at (Ledalab).
_SLOWEST_HZ, _FASTEST_HZ = 4.0, 16.0


class Decomposition(NamedTuple):
    """Skin conductance split in two, in the input's unit, each of the input's shape; NaN where it was NaN."""

    tonic: NDArray[np.float64]
    phasic: NDArray[np.float64]


class Decompose(Protocol):
    """Any function from skin conductance (last axis time) and its rate in Hz to a `Decomposition`.

    If it has an attribute ``context``, two numbers, it states after how many seconds before and after a
    moment nothing changes its parts there; without one they may depend on all of the recording.
    """

    def __call__(self, eda: NDArray[np.floating[Any]], *, sfreq: float) -> Decomposition:
        """Split it."""
        ...


def highpass(eda: NDArray[np.floating[Any]], *, sfreq: float, cutoff: float = _CUTOFF_HZ) -> Decomposition:
    """Split skin conductance with a zero-phase Butterworth filter.

    Parameters
    ----------
    eda : ndarray, shape (..., n_times)
        Skin conductance in microsiemens, NaN (or infinite) where missing, as in the result. Gaps of up to
        10 s are bridged by straight lines for the filter; behind a longer one it starts anew.
    sfreq : float
        Samples per second.
    cutoff : float
        Frequency in Hz at which half the amplitude is tonic; 0.05 Hz as in BIOPAC's AcqKnowledge [1]_.

    Returns
    -------
    decomposition : Decomposition
        ``tonic`` is the low-passed signal (second order, run forth and back), ``phasic`` the rest, so that
        they add up to ``eda``. At its ends (and those of long gaps) the signal is continued by its own point
        reflection for four periods of ``cutoff``, or as far as it is long: in one shorter than a period the
        tonic part is little more than the straight line through it.

    Raises
    ------
    ValueError
        If ``cutoff`` is not between zero and half of ``sfreq``.

    Notes
    -----
    Unlike a one-way high-pass, it moves no peak in time; unlike NeuroKit2's cleaning, it does something
    below 6 Hz.

    References
    ----------
    .. [1] https://www.biopac.com/knowledge-base/phasic-eda-issue/

    Examples
    --------
    >>> times = np.arange(240) / 4.0
    >>> tonic, phasic = highpass(2 + 0.01 * times, sfreq=4.0)
    >>> bool(np.abs(phasic).max() < 1e-6)  # A ramp is all tonic.
    True
    """
    sos = _sections("lowpass", cutoff, sfreq)
    padding = int(np.ceil(_PADDING_PERIODS * sfreq / cutoff))

    def run(x: NDArray[np.float64]) -> NDArray[np.float64]:
        smoothed: NDArray[np.float64] = sosfiltfilt(sos, x, padlen=min(len(x) - 1, padding))
        return smoothed

    rows = _rows(eda)
    tonic = _along(rows, run, sfreq=sfreq, causal=False)
    return Decomposition(tonic.reshape(np.shape(eda)), (rows - tonic).reshape(np.shape(eda)))


def highpass_causal(
    eda: NDArray[np.floating[Any]], *, sfreq: float, cutoff: float = _CAUSAL_CUTOFF_HZ
) -> Decomposition:
    """Split skin conductance with a Butterworth filter that runs one way only: no sample knows the future.

    Parameters
    ----------
    eda : ndarray, shape (..., n_times)
        Skin conductance in microsiemens, NaN (or infinite) where missing, as in the result. Over gaps of up
        to 10 s the last sample is held for the filter; behind a longer one it starts anew.
    sfreq : float
        Samples per second.
    cutoff : float
        Frequency in Hz at which the power is halved; 0.016 Hz is the time constant of 10 s of AC-coupled
        amplifiers [1]_. One way, 0.05 Hz would take away four tenths of a response.

    Returns
    -------
    decomposition : Decomposition
        ``phasic`` is the high-passed signal (second order), ``tonic`` the rest. The filter starts as if the
        first sample had been there for ever.

    Raises
    ------
    ValueError
        If ``cutoff`` is not between zero and half of ``sfreq``.

    Notes
    -----
    For live use; `highpass` is better where the whole recording is at hand. Of a response that rises in 2 s
    and halves in 5 s, both leave onset and peak where they are and 0.87 of the height, but take the half
    recovery for 3.1 s (`highpass`) and 1.9 s, because the phasic part runs below zero behind it, here for
    half a minute.

    References
    ----------
    .. [1] Boucsein (2012). Electrodermal activity, 2nd edition. Springer.
       doi:10.1007/978-1-4614-1126-0

    Examples
    --------
    >>> tonic, phasic = highpass_causal(np.full(240, 2.0), sfreq=4.0)
    >>> bool(np.abs(phasic).max() < 1e-12)  # A constant is all tonic.
    True
    """
    sos = _sections("highpass", cutoff, sfreq)
    settled = sosfilt_zi(sos)

    def run(x: NDArray[np.float64]) -> NDArray[np.float64]:
        fast: NDArray[np.float64] = sosfilt(sos, x, zi=settled * x[0])[0]
        return fast

    rows = _rows(eda)
    phasic = _along(rows, run, sfreq=sfreq, causal=True)
    return Decomposition((rows - phasic).reshape(np.shape(eda)), phasic.reshape(np.shape(eda)))


@lru_cache(maxsize=16)  # A stream asks for the same ones every second.
def _sections(kind: Literal["lowpass", "highpass"], cutoff: float, sfreq: float) -> NDArray[np.float64]:
    if not 0 < cutoff < sfreq / 2:
        raise ValueError(
            f"Cannot split at {cutoff:g} Hz a signal sampled at {sfreq:g} Hz: the cutoff must lie between 0 "
            f"and {sfreq / 2:g} Hz."
        )
    sos: NDArray[np.float64] = butter(_ORDER, cutoff, btype=kind, fs=sfreq, output="sos")
    return sos


def _rows(eda: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    shape = np.shape(eda)
    rows = np.reshape(eda, (math.prod(shape[:-1]), shape[-1])).astype(np.float64)
    rows[~np.isfinite(rows)] = np.nan
    return rows


def _along(
    rows: NDArray[np.float64],
    run: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    *,
    sfreq: float,
    causal: bool,
) -> NDArray[np.float64]:
    longest = int(_LONGEST_BRIDGE_S * sfreq)
    one = partial(filtered_in_pieces, run=run, longest=longest, causal=causal)
    return np.stack([one(row) for row in rows]) if len(rows) else np.empty_like(rows)


DECOMPOSITIONS: dict[str, Decompose] = {"highpass": highpass, "highpass_causal": highpass_causal}
"""Decompositions by name."""

DECOMPOSITION_CONTEXTS: dict[str, tuple[float, float]] = {
    "highpass": (_HIGHPASS_CONTEXT_S, _HIGHPASS_CONTEXT_S),
    "highpass_causal": (_MEMORY_PERIODS / _CAUSAL_CUTOFF_HZ + _LONGEST_BRIDGE_S, 0.0),
}
"""Seconds before and after a moment outside of which nothing changes a decomposition by name (to 1e-8)."""


def resample_eda(eda: NDArray[np.floating[Any]], *, sfreq: float, to: float = 8.0) -> Resampled:
    """Bring skin conductance that was recorded fast down to 4-16 Hz.

    Parameters
    ----------
    eda : ndarray, shape (n_times,)
        Skin conductance, NaN (or infinite) where missing or not to be trusted.
    sfreq : float
        Samples per second.
    to : float
        New rate in Hz, from 4 to 16 and not above ``sfreq``.

    Returns
    -------
    resampled : Resampled
        Behind the zero-phase anti-alias filter of `physioaffect.signals.resampling.bring_down`: at 8 Hz,
        what lies below 3.2 Hz passes, what lies above 4 Hz is taken down by 80 dB. NaN where any sample that
        a new one stands for is missing.

    Raises
    ------
    ValueError
        If ``to`` is out of that range: above 16 Hz there is nothing but noise, below 4 Hz the rise of a
        response is lost.

    Examples
    --------
    >>> eda, sfreq = resample_eda(np.full(7000, 2.0), sfreq=700.0)
    >>> len(eda), sfreq
    (80, 8.0)
    """
    _check_rate(to)
    return bring_down(eda, sfreq=sfreq, to=to)


def _check_rate(to: float) -> None:
    if not _SLOWEST_HZ <= to <= _FASTEST_HZ:
        raise ValueError(
            f"Skin conductance is brought down to {_SLOWEST_HZ:g}-{_FASTEST_HZ:g} Hz, got {to:g} Hz: below, "
            "the rise of a response is lost, above there is nothing but noise."
        )


@dataclass(frozen=True, kw_only=True)
class ResampleEDA:
    """Cleaning step that brings the signal ``eda`` down to a rate of 4-16 Hz; slower ones stay as they are.

    Parameters
    ----------
    sfreq : float
        New rate in Hz.

    Notes
    -----
    See `resample_eda`. Flagged samples take no part; a new sample has the flags of all those that it stands
    for, and is NaN if it stands for a missing or flagged one. New samples are counted from the trial's onset.

    Examples
    --------
    >>> from physioaffect.recording import Signal
    >>> eda = Signal(data=np.full((1, 7000), 2.0), sfreq=700.0, ch_names=("EDA",), kind="eda", unit="uS")
    >>> trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"eda": eda})
    >>> ResampleEDA(sfreq=4.0)(trial).signal("eda").data.shape
    (1, 40)
    """

    name: ClassVar[str] = "eda_resample"
    version: ClassVar[int] = 1

    sfreq: float = 8.0

    def __post_init__(self) -> None:
        _check_rate(self.sfreq)

    @property
    def context(self) -> tuple[float, float]:
        """Seconds before and after that have a part in a moment: twice the filter's reach, for gaps."""
        reach = float(math.ceil(2 * reach_of(to=self.sfreq)))
        return reach, reach

    def __call__(self, trial: Trial) -> Trial:
        """Return the trial with its skin conductance at the new rate.

        Raises
        ------
        DataError
            If the trial has no ``eda``.
        """
        eda = trial.signal("eda")
        if eda.sfreq <= self.sfreq:
            return trial
        return replace(trial, signals={**trial.signals, "eda": resampled_signal(eda, to=self.sfreq)})
