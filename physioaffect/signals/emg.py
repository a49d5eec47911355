"""Electromyogram: the band of muscle, and its envelope."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, find_peaks, iirnotch, sosfiltfilt, tf2sos

from physioaffect.errors import DataError
from physioaffect.signals.pieces import filtered_in_pieces

__all__ = ["EMG_CONTEXT_S", "ENVELOPE_SFREQ", "Bursts", "emg_band", "emg_bursts", "emg_envelope"]

_ORDER = 4
# Of each notch between its -3 dB points; as wide at every harmonic, so that little of the muscle goes.
_NOTCH_HZ = 1.0
# The median frequency of a surface EMG lies at 50 to 110 Hz: slower recordings hold less than half of it.
_SLOWEST_HZ = 256.0
# Above this share of half the rate a low-pass has nothing left to take away.
_LARGEST_EDGE = 0.95
_LONGEST_BRIDGE_S = 0.05
_PADDING_S = 8.0

ENVELOPE_SFREQ = 10.0
"""Values of the envelope per second."""

_BURST_CONTEXT_S = 5.0

EMG_CONTEXT_S = _PADDING_S + 2 * _BURST_CONTEXT_S + 1
"""Nothing further away than so many seconds changes band, envelope or burst (to 1e-8, the notch's memory)."""


def emg_band(
    emg: NDArray[np.floating[Any]],
    *,
    sfreq: float,
    fmin: float = 20.0,
    fmax: float = 450.0,
    line: float | None = None,
) -> NDArray[np.float64]:
    """Keep the band of a surface electromyogram, without the mains.

    Parameters
    ----------
    emg : ndarray, shape (n_times,)
        In any unit; NaN (or infinite) where missing, as in the result. Gaps of up to 50 ms are bridged for
        the filters, which start anew behind longer ones.
    sfreq : float
        Samples per second, at least 256.
    fmin, fmax : float
        Edges in Hz. Without a low-pass where ``fmax`` is not below half of ``sfreq``.
    line : float, optional
        Frequency of the mains in Hz (50 or 60), which is taken out with its harmonics. Default: not at all.

    Returns
    -------
    filtered : ndarray, shape (n_times,)
        In the unit of ``emg``.

    Raises
    ------
    DataError
        If ``sfreq`` is too low.
    ValueError
        If the edges or the mains frequency are not below each other and half of ``sfreq``.

    Notes
    -----
    A fourth-order Butterworth high-pass and low-pass and notches 1 Hz wide, each run forth and back. The
    lower edge of 20 Hz is the one that De Luca et al. [1]_ recommend against movement.

    References
    ----------
    .. [1] De Luca, Gilmore, Kuznetsov, Roy (2010). Filtering the surface EMG signal: movement artifact and
       baseline noise contamination. J. Biomech. 43, 1573-1579. doi:10.1016/j.jbiomech.2010.01.027

    Examples
    --------
    >>> times = np.arange(2000) / 1000
    >>> filtered = emg_band(3 + np.sin(2 * np.pi * 100 * times), sfreq=1000.0)
    >>> bool(np.abs(filtered - np.sin(2 * np.pi * 100 * times))[500:1500].max() < 0.01)
    True
    """
    if emg.ndim != 1:
        raise ValueError(f"emg must be (n_times,), got shape {emg.shape}. Pass one channel: emg[0].")
    if sfreq < _SLOWEST_HZ:
        raise DataError(
            f"An electromyogram sampled at {sfreq:g} Hz holds less than half of what a muscle gives; it "
            f"takes {_SLOWEST_HZ:g} Hz or more. Use the original recording."
        )
    nyquist = sfreq / 2
    if not 0 < fmin < min(fmax, nyquist):
        raise ValueError(
            f"The band needs 0 < fmin < fmax, and fmin below {nyquist:g} Hz, got fmin={fmin:g} and "
            f"fmax={fmax:g} Hz."
        )
    if line is not None and not 0 < line < nyquist:
        raise ValueError(
            f"The mains frequency must lie between 0 and {nyquist:g} Hz, got {line:g}. Give 50, 60 or None."
        )
    sections = [butter(_ORDER, fmin, btype="highpass", fs=sfreq, output="sos")]
    top = nyquist
    if fmax < _LARGEST_EDGE * nyquist:
        sections.append(butter(_ORDER, fmax, btype="lowpass", fs=sfreq, output="sos"))
        top = fmax
    if line is not None:
        harmonics = np.arange(line, min(top, _LARGEST_EDGE * nyquist), line)
        sections += [tf2sos(*iirnotch(f, f / _NOTCH_HZ, fs=sfreq)) for f in harmonics if f >= fmin]
    sos = np.concatenate(sections)
    padding = int(_PADDING_S * sfreq)

    def run(x: NDArray[np.float64]) -> NDArray[np.float64]:
        done: NDArray[np.float64] = sosfiltfilt(sos, x, padlen=min(len(x) - 1, padding))
        return done

    return filtered_in_pieces(emg, run, longest=int(_LONGEST_BRIDGE_S * sfreq))


def emg_envelope(
    filtered: NDArray[np.floating[Any]], *, sfreq: float, start: float = 0.0
) -> NDArray[np.float64]:
    """Root mean square of tenths of a second.

    Parameters
    ----------
    filtered : ndarray, shape (n_times,)
        What `emg_band` returns; NaN where missing.
    sfreq : float
        Samples per second.
    start : float
        Time of the first sample in seconds. Tenths are counted from time zero, wherever the signal begins.

    Returns
    -------
    envelope : ndarray, shape (n_tenths,)
        In the unit of ``filtered``; NaN where less than half of a tenth is there. The first value is of the
        first whole tenth.

    Examples
    --------
    >>> emg_envelope(np.tile([3.0, -3.0], 500), sfreq=1000.0)[:3]
    array([3., 3., 3.])
    """
    edges = envelope_edges(len(filtered), sfreq=sfreq, start=start)
    is_there = np.isfinite(filtered)
    squares = np.where(is_there, filtered, 0.0) ** 2
    if len(edges) < 2:
        return np.empty(0)
    inside = slice(0, edges[-1])
    total = np.add.reduceat(squares[inside], edges[:-1])
    count = np.add.reduceat(is_there[inside].astype(np.intp), edges[:-1])
    mean_square = np.divide(total, count, out=np.full(len(total), np.nan), where=2 * count >= np.diff(edges))
    return np.asarray(np.sqrt(mean_square))


def envelope_edges(n_times: int, *, sfreq: float, start: float = 0.0) -> NDArray[np.intp]:
    """First samples of the whole tenths of a second, and the end of the last one."""
    first = int(np.ceil(start * ENVELOPE_SFREQ - 1e-9))
    stop = int(np.floor((start + n_times / sfreq) * ENVELOPE_SFREQ + 1e-9))
    tenths = np.arange(first, stop + 1) / ENVELOPE_SFREQ
    return np.asarray(np.round((tenths - start) * sfreq), dtype=np.intp)


class Bursts(NamedTuple):
    """Bursts of a muscle in order of time: place in the envelope, and height above the foot."""

    peak_idx: NDArray[np.intp]
    amplitudes: NDArray[np.float64]


def emg_bursts(envelope: NDArray[np.floating[Any]], *, threshold: float) -> Bursts:
    """Find peaks of the envelope that stand out by ``threshold`` from what is within five seconds.

    The envelope is averaged over three tenths first. A peak beside a gap does not count.

    Examples
    --------
    >>> envelope = np.full(100, 2e-6)
    >>> envelope[40:46] = 50e-6
    >>> emg_bursts(envelope, threshold=10e-6).amplitudes.round(7)
    array([4.8e-05])
    """
    if not threshold > 0:
        raise ValueError(f"threshold must be above 0 V, got {threshold}.")
    if len(envelope) < 3:
        return Bursts(np.empty(0, dtype=np.intp), np.empty(0))
    smooth = np.convolve(envelope, np.full(3, 1 / 3), mode="same")
    smooth[:1], smooth[-1:] = np.nan, np.nan  # Where one of the three is not there.
    is_missing = np.isnan(smooth)
    if is_missing.all():
        return Bursts(np.empty(0, dtype=np.intp), np.empty(0))
    walled = np.where(is_missing, np.nanmax(smooth) + 2 * threshold, smooth)
    peaks, found = find_peaks(
        walled, prominence=threshold, wlen=2 * round(_BURST_CONTEXT_S * ENVELOPE_SFREQ) + 1
    )
    is_there = ~is_missing[peaks]
    return Bursts(peaks[is_there].astype(np.intp), found["prominences"][is_there])
