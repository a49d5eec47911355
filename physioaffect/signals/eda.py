"""Skin conductance: its slow and fast parts, and the responses in the fast one."""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, find_peaks, sosfiltfilt

from physioaffect.signals.gaps import bridge

__all__ = ["DECOMPOSITIONS", "Decompose", "Decomposition", "Responses", "highpass", "scr_peaks"]

_ORDER = 2
# Until what the filter makes of the ends of a ramp has died away to a millionth.
_PADDING_PERIODS = 4
# A response rises within a few seconds and has half recovered within ten (Boucsein 2012), so the
# level that it rises from is looked for no further away.
_CONTEXT_S = 10.0


class Decomposition(NamedTuple):
    """Skin conductance split in two, in the input's unit, each of the input's shape; NaN where it was NaN."""

    tonic: NDArray[np.float64]
    phasic: NDArray[np.float64]


class Decompose(Protocol):
    """Any function from skin conductance (last axis time) and its rate in Hz to a `Decomposition`."""

    def __call__(self, eda: NDArray[np.floating[Any]], *, sfreq: float) -> Decomposition:
        """Split it."""
        ...


class Responses(NamedTuple):
    """Skin conductance responses: sample of each peak, and its height above the level that it rose from."""

    peak_idx: NDArray[np.intp]
    amplitudes: NDArray[np.float64]


def highpass(eda: NDArray[np.floating[Any]], *, sfreq: float, cutoff: float = 0.05) -> Decomposition:
    """Split skin conductance with a zero-phase Butterworth filter.

    Parameters
    ----------
    eda : ndarray, shape (..., n_times)
        Skin conductance in microsiemens. NaN (or infinite) where missing: such gaps are bridged by straight
        lines for the filter only and are NaN in the result.
    sfreq : float
        Samples per second.
    cutoff : float
        Frequency in Hz at which half the amplitude is tonic; 0.05 Hz as in BIOPAC's AcqKnowledge [1]_.

    Returns
    -------
    decomposition : Decomposition
        ``tonic`` is the low-passed signal (second order, run forth and back), ``phasic`` the rest, so that
        they add up to ``eda``. At its ends the signal is continued by its own point reflection for four
        periods of ``cutoff``, or as far as it is long: in one shorter than a period the tonic part is little
        more than the straight line through it.

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
    if not 0 < cutoff < sfreq / 2:
        raise ValueError(
            f"Cannot split at {cutoff:g} Hz a signal sampled at {sfreq:g} Hz: the cutoff must lie between 0 "
            f"and {sfreq / 2:g} Hz."
        )
    shape = np.shape(eda)
    n_times = shape[-1]
    rows = np.reshape(eda, (math.prod(shape[:-1]), n_times)).astype(np.float64)
    is_present = np.isfinite(rows)
    rows[~is_present] = np.nan
    tonic = np.full_like(rows, np.nan)
    usable = is_present.any(axis=1)
    if usable.any():
        filled = bridge(rows[usable], ~is_present[usable])
        padding = min(n_times - 1, int(np.ceil(_PADDING_PERIODS * sfreq / cutoff)))
        sos = butter(_ORDER, cutoff, fs=sfreq, output="sos")
        tonic[usable] = sosfiltfilt(sos, filled, axis=-1, padlen=padding)
    tonic[~is_present] = np.nan
    return Decomposition(tonic.reshape(shape), (rows - tonic).reshape(shape))


DECOMPOSITIONS: dict[str, Decompose] = {"highpass": highpass}


def scr_peaks(phasic: NDArray[np.floating[Any]], *, sfreq: float, threshold: float = 0.02) -> Responses:
    """Find skin conductance responses that stand out by so many microsiemens.

    Parameters
    ----------
    phasic : ndarray, shape (n_times,)
        Phasic skin conductance in microsiemens, NaN where missing.
    sfreq : float
        Samples per second.
    threshold : float
        Smallest height above the surrounding level in microsiemens. Usual are 0.01 to 0.05; 0.02 is the
        default of EDA Explorer [1]_, which was made for wristbands.

    Returns
    -------
    responses : Responses
        In order of time. The height is the peak's prominence within ten seconds to either side. A peak beside
        a gap is left out, since it may only be where the gap begins.

    Notes
    -----
    The threshold is absolute on purpose. NeuroKit2 (0.2.13) takes a tenth of the largest peak of the whole
    recording: one artefact of 5 uS in 15 minutes of a wrist recording takes its count from 82 responses to 2.

    References
    ----------
    .. [1] Taylor, Jaques, Chen, Fedor, Sano, Picard (2015). Automatic identification of artifacts in
       electrodermal activity data. EMBC. doi:10.1109/EMBC.2015.7318762

    Examples
    --------
    >>> times = np.arange(240) / 4.0
    >>> bump = 0.3 * np.exp(-((times - 30) ** 2) / 4)
    >>> peak_idx, amplitudes = scr_peaks(bump, sfreq=4.0)
    >>> times[peak_idx], amplitudes.round(3)
    (array([30.]), array([0.3]))
    """
    if phasic.ndim != 1:
        raise ValueError(f"phasic must be (n_times,), got shape {phasic.shape}. Pass one channel: phasic[0].")
    if not threshold > 0:
        raise ValueError(f"threshold must be above 0 uS, got {threshold}.")
    is_present = np.isfinite(phasic)
    if not is_present.any():
        return Responses(np.empty(0, dtype=np.intp), np.empty(0))
    context = max(3, 2 * round(_CONTEXT_S * sfreq) + 1)
    with warnings.catch_warnings():  # Of flat tops in rounding errors, which are below any threshold.
        warnings.simplefilter("ignore", RuntimeWarning)
        peaks, found = find_peaks(bridge(phasic, ~is_present), prominence=threshold, wlen=context)
    # The ends of the recording are no gaps: find_peaks takes no peak there.
    is_whole = is_present & np.append(is_present[1:], True) & np.insert(is_present[:-1], 0, True)
    is_kept = is_whole[peaks]
    return Responses(peaks[is_kept].astype(np.intp), found["prominences"][is_kept])
