"""Filters over whole EEG recordings: offset, band-pass, another sampling rate."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError, ProtocolError

__all__ = ["BandPass", "band_pass", "remove_dc", "resample", "resample_mask"]

Method = Literal["fir", "fir_causal", "iir_causal"]
_METHODS = ("fir", "fir_causal", "iir_causal")


def check_method(owner: str, method: str) -> None:
    if method not in _METHODS:
        raise ValueError(f"{owner} knows the methods {', '.join(_METHODS)}, got {method!r}.")


@dataclass(frozen=True, kw_only=True)
class BandPass:
    """Edges of a band-pass in Hz.

    Parameters
    ----------
    fmin, fmax : float, optional
        Everything from ``fmin`` to ``fmax`` passes; None leaves that side open.
    lower_transition, upper_transition : float
        Width in Hz over which the gain falls from one to zero outside the edges of the FIR filters. The lower
        one is at most ``fmin``, the upper one at most what is left below Nyquist. With the defaults the
        filter is 3.3 s long and nothing is left at 50 Hz and above, so that mains hum is gone in every
        country.
    method : {"fir", "fir_causal", "iir_causal"}
        ``"fir"``: a symmetric FIR filter centred on each sample, so that no phase is moved, and the output
        knows up to half a filter of the future. ``"fir_causal"``: the same gain with minimum phase; late, but
        no sample depends on later ones. ``"iir_causal"``: a Butterworth filter run forwards, with the edges
        at half power.
    order : int
        Order of ``"iir_causal"``.
    """

    fmin: float | None = 1.0
    fmax: float | None = 45.0
    lower_transition: float = 1.0
    upper_transition: float = 5.0
    method: Method = "fir"
    order: int = 4

    def __post_init__(self) -> None:
        check_method("BandPass", self.method)
        if self.fmin is None and self.fmax is None:
            raise ValueError("BandPass needs fmin, fmax or both. To skip it, set the step to None.")
        if not (0 if self.fmin is None else self.fmin) < (np.inf if self.fmax is None else self.fmax) or (
            self.fmin is not None and not self.fmin > 0
        ):
            raise ValueError(f"BandPass needs 0 < fmin < fmax, got fmin={self.fmin} and fmax={self.fmax} Hz.")
        if not (self.lower_transition > 0 and self.upper_transition > 0 and self.order > 0):
            raise ValueError("BandPass needs transitions and an order above 0.")


def remove_dc(X: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Subtract each channel's median over time.

    Parameters
    ----------
    X : ndarray, shape (..., n_times)
        In any unit; NaN where missing.

    Returns
    -------
    ndarray, shape (..., n_times)
        The median, where others subtract the mean, since no spike can move it.

    Examples
    --------
    >>> remove_dc(np.array([[4.0, 5.0, 90.0, np.nan]]))
    array([[-1.,  0., 85., nan]])
    """
    is_present = np.isfinite(X).any(axis=-1, keepdims=True)
    filled = np.where(is_present, X, 0.0).astype(np.float64)
    whole = np.isfinite(filled).all()
    middle = np.median(filled, axis=-1) if whole else np.nanmedian(filled, axis=-1)
    return np.asarray(X - middle[..., np.newaxis], dtype=np.float64)


def design_fir(
    sfreq: float, fmin: float | None, fmax: float | None, low: float, high: float, phase: str
) -> Any:
    import mne  # noqa: PLC0415  mne takes a second to import.

    return mne.filter.create_filter(
        None,
        sfreq,
        fmin,
        fmax,
        l_trans_bandwidth=low,
        h_trans_bandwidth=high,
        phase=phase,
        verbose="error",
    )


def check_length(n_taps: int, n_times: int, sfreq: float, what: str, mend: str) -> None:
    if n_taps > n_times:
        raise ProtocolError(
            f"The {what} filter is {n_taps / sfreq:.3g} s long, the signal {n_times / sfreq:.3g} s: it would "
            f"be made of its own edges. {mend}"
        )


def run_forwards(taps: NDArray[np.float64], X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Run an FIR filter in which no sample meets a later one, started as if at its first value."""
    from scipy.signal import lfilter  # noqa: PLC0415

    # The state of a filter that has always met this value; SciPy's lfilter_zi solves a large system for it.
    start = np.cumsum(taps[:0:-1])[::-1] * X[..., :1]
    return np.asarray(lfilter(taps, [1.0], X, axis=-1, zi=start)[0])


def run_sections(sos: NDArray[np.float64], X: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.signal import sosfilt, sosfilt_zi  # noqa: PLC0415

    start = sosfilt_zi(sos)[(slice(None), *(np.newaxis,) * (X.ndim - 1))] * X[np.newaxis, ..., :1]
    return np.asarray(sosfilt(sos, X, axis=-1, zi=start)[0])


def band_pass(X: NDArray[np.floating[Any]], settings: BandPass, *, sfreq: float) -> NDArray[np.float64]:
    """Keep a band of frequencies of a continuous recording.

    Parameters
    ----------
    X : ndarray, shape (..., n_times)
        Without gaps, in any unit.
    settings : BandPass
        Edges and method.
    sfreq : float
        Samples per second.

    Returns
    -------
    ndarray, shape (..., n_times)
        In the same unit. The zero-phase filter continues the signal beyond its ends by its point reflection,
        the causal ones start as if the first value had always been there.

    Raises
    ------
    ProtocolError
        If an edge lies at or above Nyquist, or an FIR filter is longer than the signal.
    DataError
        If a value is missing.

    Notes
    -----
    The FIR filters are `mne.filter.create_filter`'s (Hamming window, 3.3 / transition seconds long); the
    zero-phase one is applied by `mne.filter.filter_data`.

    Examples
    --------
    >>> times = np.arange(0, 20, 1 / 128)
    >>> alpha, hum = np.sin(2 * np.pi * 10 * times), np.sin(2 * np.pi * 50 * times)
    >>> kept = band_pass(alpha + hum, BandPass(), sfreq=128)
    >>> bool(np.abs(kept - alpha)[500:-500].max() < 0.01)
    True
    """
    fmin, fmax, nyquist = settings.fmin, settings.fmax, sfreq / 2
    x = whole(X)
    if max(fmin or 0, fmax or 0) >= nyquist:
        raise ProtocolError(
            f"Cannot band-pass up to {max(fmin or 0, fmax or 0):g} Hz: a signal sampled at {sfreq:g} Hz "
            f"holds nothing above {nyquist:g} Hz. Set fmax=None, or lower it."
        )
    if settings.method == "iir_causal":
        from scipy.signal import butter  # noqa: PLC0415

        if fmin and fmax:
            sos = butter(settings.order, [fmin, fmax], "bandpass", fs=sfreq, output="sos")
        elif fmin:
            sos = butter(settings.order, fmin, "highpass", fs=sfreq, output="sos")
        else:
            sos = butter(settings.order, fmax or nyquist, "lowpass", fs=sfreq, output="sos")
        return run_sections(sos, x)
    low = min(settings.lower_transition, fmin) if fmin else settings.lower_transition
    high = min(settings.upper_transition, nyquist - fmax) if fmax else settings.upper_transition
    phase = "zero" if settings.method == "fir" else "minimum"
    taps = design_fir(sfreq, fmin, fmax, low, high, phase)
    mend = "Widen the transitions (raise fmin), use method='iir_causal', or leave the step out."
    check_length(len(taps), x.shape[-1], sfreq, "band-pass", mend)
    if phase == "minimum":
        return run_forwards(taps, x)
    import mne  # noqa: PLC0415

    filtered = mne.filter.filter_data(
        x, sfreq, fmin, fmax, l_trans_bandwidth=low, h_trans_bandwidth=high, phase=phase, verbose="error"
    )
    return np.asarray(filtered, dtype=np.float64)


def resample(X: NDArray[np.floating[Any]], *, sfreq: float, to: float) -> NDArray[np.float64]:
    """Change the sampling rate with a zero-phase anti-aliasing filter.

    Parameters
    ----------
    X : ndarray, shape (..., n_times)
        Without gaps, in any unit.
    sfreq, to : float
        Samples per second now and then.

    Returns
    -------
    ndarray, shape (..., n_new)
        ``n_new`` is ``n_times * to / sfreq``, rounded. Sample zero keeps its time.

    Raises
    ------
    ValueError
        If the rates are in no ratio of whole numbers up to 1,000.
    DataError
        If a value is missing.

    Notes
    -----
    Polyphase FIR of `mne.filter.resample`, which wraps SciPy's ``resample_poly``.

    Examples
    --------
    >>> resample(np.ones((2, 512)), sfreq=512, to=128).shape
    (2, 128)
    """
    ratio = Fraction(to / sfreq).limit_denominator(1000) if to > 0 else Fraction(0)
    if ratio <= 0 or ratio.numerator > 1000 or abs(float(ratio) * sfreq / to - 1) > 1e-9:
        raise ValueError(
            f"Cannot resample from {sfreq:g} to {to:g} Hz: expected rates in a ratio of whole numbers up to "
            f"1,000. Choose another rate, e.g. {sfreq / 2:g} Hz."
        )
    import mne  # noqa: PLC0415

    X = whole(X)
    resampled = mne.filter.resample(
        X, up=ratio.numerator, down=ratio.denominator, method="polyphase", verbose="error"
    )
    return np.asarray(resampled, dtype=np.float64)


def whole(X: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Refuse gaps, which a filter would spread over seconds."""
    values: NDArray[np.float64] = np.asarray(X, dtype=np.float64)
    if not np.isfinite(values).all():
        raise DataError(
            f"{np.count_nonzero(~np.isfinite(values))} samples are NaN or infinite, and a filter would "
            "spread them over seconds. Use clean_eeg, which bridges gaps and restores them."
        )
    return values


def resample_mask(mask: NDArray[np.bool_], n_new: int, ratio: float) -> NDArray[np.bool_]:
    """Whether any sample that a new one stands for is in the mask; ``ratio`` is old rate / new rate.

    Parameters
    ----------
    mask : ndarray of bool, shape (..., n_times)
        Of the samples at the old rate.
    n_new : int
        Samples at the new rate.
    ratio : float
        Old rate / new rate.

    Returns
    -------
    mask : ndarray of bool, shape (..., n_new)

    Examples
    --------
    >>> resample_mask(np.arange(16) == 9, n_new=4, ratio=4.0)
    array([False, False,  True, False])
    """
    centre = np.arange(n_new) * ratio
    n_old = mask.shape[-1]
    first = np.clip(np.floor(centre - ratio / 2 + 0.5).astype(int), 0, n_old - 1)
    last = np.clip(np.floor(centre + ratio / 2 + 0.5).astype(int), first + 1, n_old)
    last[-1:] = n_old  # What is left over behind the last new sample counts as its own.
    total = np.concatenate(
        [np.zeros((*mask.shape[:-1], 1), dtype=np.int64), np.cumsum(mask, axis=-1)], axis=-1
    )
    return np.asarray(total[..., last] - total[..., first] > 0)
