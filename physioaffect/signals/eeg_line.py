"""Mains hum: finding its frequency, and taking it and its harmonics out of a recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import ProtocolError
from physioaffect.signals.eeg_filter import (
    Method,
    check_length,
    check_method,
    design_fir,
    run_forwards,
    run_sections,
    whole,
)

__all__ = ["LineNoise", "harmonics", "line_frequency", "remove_line"]

# How far a line's peak must stand above its neighbourhood: 10 dB.
_PEAK = 10.0


@dataclass(frozen=True, kw_only=True)
class LineNoise:
    """Mains hum, and its harmonics below Nyquist.

    Parameters
    ----------
    frequency : float, optional
        Of the mains in Hz: 50 or 60. None looks for it in each recording (`line_frequency`); the report says
        what was found, and where no peak stands out nothing is filtered.
    width : float
        Width of each notch in Hz.
    method : {"fir", "fir_causal", "iir_causal"}
        As in `BandPass`.
    """

    frequency: float | None = None
    width: float = 1.0
    method: Method = "fir"

    def __post_init__(self) -> None:
        check_method("LineNoise", self.method)
        if self.frequency is not None and not self.frequency > 0:
            raise ValueError(f"LineNoise needs a frequency above 0 Hz, got {self.frequency}.")
        if not self.width > 0:
            raise ValueError(f"LineNoise needs a width above 0 Hz, got {self.width}.")


def line_frequency(X: NDArray[np.floating[Any]], *, sfreq: float) -> float | None:
    """Find the frequency of the mains in a recording: 50 Hz, 60 Hz or none.

    Parameters
    ----------
    X : ndarray, shape (n_channels, n_times)
        Without gaps, in any unit.
    sfreq : float
        Samples per second.

    Returns
    -------
    frequency : float or None
        The one whose power, in the median over channels, stands more above its neighbourhood (3 Hz to each
        side), if by more than 10 dB.

    Examples
    --------
    >>> times = np.arange(0, 20, 1 / 256)
    >>> noise = np.random.default_rng(0).normal(size=(3, len(times)))
    >>> line_frequency(noise + np.sin(2 * np.pi * 60 * times), sfreq=256)
    60.0
    """
    from scipy.signal import welch  # noqa: PLC0415

    n_segment = min(X.shape[-1], round(4 * sfreq))
    freqs, power = welch(X, sfreq, nperseg=n_segment)
    heights = {}
    for candidate in (50.0, 60.0):
        distance = np.abs(freqs - candidate)
        is_peak, is_near = distance <= 0.5, (distance > 1) & (distance <= 3)
        if candidate + 3 <= sfreq / 2 and is_peak.any() and is_near.any():
            around = np.maximum(np.median(power[..., is_near], axis=-1), np.finfo(float).tiny)
            heights[candidate] = float(np.median(power[..., is_peak].max(axis=-1) / around))
    best = max(heights, key=heights.__getitem__, default=None)
    return best if best is not None and heights[best] > _PEAK else None


def harmonics(frequency: float, *, sfreq: float, width: float) -> list[float]:
    """Frequency and its multiples whose notch lies below Nyquist, in Hz.

    Parameters
    ----------
    frequency : float
        Of the mains, in Hz.
    sfreq : float
        Samples per second.
    width : float
        Half of what a notch takes out, in Hz.

    Examples
    --------
    >>> harmonics(50, sfreq=256, width=1), harmonics(50, sfreq=500, width=1)
    ([50, 100], [50, 100, 150, 200])
    """
    top = sfreq / 2 - width - 1  # The transition of one hertz must fit too.
    return [multiple * frequency for multiple in range(1, int(top / frequency) + 1)]


def remove_line(
    X: NDArray[np.floating[Any]], settings: LineNoise, *, sfreq: float, frequency: float
) -> NDArray[np.float64]:
    """Notch out the mains and its harmonics below Nyquist.

    Parameters
    ----------
    X : ndarray, shape (..., n_times)
        Without gaps, in any unit.
    settings : LineNoise
        Width and method.
    sfreq, frequency : float
        Samples per second; the frequency of the mains in Hz.

    Returns
    -------
    ndarray, shape (..., n_times)
        In the same unit.

    Raises
    ------
    ProtocolError
        If the filter is longer than the signal, or the mains' frequency is above Nyquist.
    DataError
        If a value is missing.

    Examples
    --------
    >>> times = np.arange(0, 20, 1 / 256)
    >>> hum = np.sin(2 * np.pi * 50 * times) + np.sin(2 * np.pi * 100 * times)
    >>> bool(np.abs(remove_line(hum, LineNoise(), sfreq=256, frequency=50))[900:-900].max() < 0.01)
    True
    """
    X = whole(X)
    stops = harmonics(frequency, sfreq=sfreq, width=settings.width)
    if not stops:
        raise ProtocolError(
            f"Cannot notch {frequency:g} Hz out of a signal sampled at {sfreq:g} Hz: it holds nothing above "
            f"{sfreq / 2:g} Hz. Leave this step out: line=None."
        )
    if settings.method == "iir_causal":
        from scipy.signal import iirnotch, tf2sos  # noqa: PLC0415

        return run_sections(
            np.vstack([tf2sos(*iirnotch(stop, stop / settings.width, fs=sfreq)) for stop in stops]), X
        )
    phase = "zero" if settings.method == "fir" else "minimum"
    half = settings.width / 2
    taps = [design_fir(sfreq, stop + half, stop - half, 0.5, 0.5, phase) for stop in stops]
    mend = "Leave this step out (a band-pass below the mains removes it too), or use method='iir_causal'."
    check_length(len(taps[0]), X.shape[-1], sfreq, "notch", mend)
    if phase == "minimum":
        for part in taps:
            X = run_forwards(part, X)
        return X
    import mne  # noqa: PLC0415

    notched = mne.filter.notch_filter(
        X, sfreq, stops, notch_widths=settings.width, trans_bandwidth=1.0, verbose="error"
    )
    return np.asarray(notched, dtype=np.float64)
