"""Heart rate from an electrocardiogram."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError, PhysioaffectError
from physioaffect.recording import Signal, Trial

__all__ = ["HeartRateFromECG", "ecg_heart_rate", "r_peaks"]

# What lies outside is a missed or an invented beat rather than a heart: 200 and 30 beats per minute.
_SHORTEST_S, _LONGEST_S = 0.3, 2.0

# Below this the filters that the detector relies on have nothing to work on.
_SLOWEST_HZ = 50.0
_SHORTEST_RECORDING_S = 3.0


def _neurokit() -> Any:
    try:
        import neurokit2  # noqa: PLC0415  It takes seconds to import, and is an extra.
    except ImportError as error:
        raise PhysioaffectError(
            "Finding heart beats in an ECG needs NeuroKit2, which is not installed. Install it with "
            'pip install "physioaffect[wearable]".'
        ) from error
    return neurokit2


def r_peaks(ecg: NDArray[np.floating[Any]], *, sfreq: float) -> NDArray[np.intp]:
    """Find the R peaks of an electrocardiogram with NeuroKit2.

    Parameters
    ----------
    ecg : ndarray, shape (n_times,)
        One lead in any unit, either way up or down as it was recorded; NaN where missing.
    sfreq : float
        Samples per second, at least 50.

    Returns
    -------
    peak_idx : ndarray, shape (n_beats,)
        Samples; none inside a gap, and none at all in less than 3 s.

    Raises
    ------
    DataError
        If ``sfreq`` is too low.
    PhysioaffectError
        If NeuroKit2 is not installed.

    Notes
    -----
    ``ecg_clean`` and ``ecg_peaks`` only: ``ecg_process`` spends 99 % of its time on the shape of each beat.
    Gaps are bridged by straight lines, on which there is nothing to find.
    """
    if ecg.ndim != 1:
        raise ValueError(f"ecg must be (n_times,), got shape {ecg.shape}. Pass one lead: ecg[0].")
    if sfreq < _SLOWEST_HZ:
        raise DataError(
            f"Heart beats cannot be found in an ECG sampled at {sfreq:g} Hz; it takes {_SLOWEST_HZ:g} Hz or "
            "more. Use the original recording, or features that do not need the ECG."
        )
    neurokit = _neurokit()
    is_present = np.isfinite(ecg)
    if is_present.sum() < _SHORTEST_RECORDING_S * sfreq:
        return np.empty(0, dtype=np.intp)
    samples = np.arange(len(ecg))
    bridged = np.interp(samples, samples[is_present], ecg[is_present])
    with warnings.catch_warnings():  # It warns of empty slices where it finds no beat.
        warnings.simplefilter("ignore")
        cleaned = neurokit.ecg_clean(bridged, sampling_rate=sfreq)
        _, found = neurokit.ecg_peaks(cleaned, sampling_rate=sfreq)
    peak_idx = np.asarray(found["ECG_R_Peaks"], dtype=np.intp)
    seen: NDArray[np.intp] = peak_idx[is_present[peak_idx]]
    return seen


def ecg_heart_rate(
    ecg: NDArray[np.floating[Any]], *, sfreq: float, rate_sfreq: float = 4.0
) -> NDArray[np.float64]:
    """Heart rate between the R peaks of an electrocardiogram.

    Parameters
    ----------
    ecg : ndarray, shape (n_times,)
        One lead in any unit, NaN where missing.
    sfreq : float
        Samples per second.
    rate_sfreq : float
        Samples per second of the result.

    Returns
    -------
    rate : ndarray, shape (n_rates,)
        Beats per minute at ``k / rate_sfreq`` seconds: exact half way between two beats, linear between such
        points. NaN before the first beat and after the last, and throughout an interval between beats
        that is shorter than 0.3 s, longer than 2 s or has a gap in it.

    Raises
    ------
    DataError
        If ``sfreq`` is too low.
    PhysioaffectError
        If NeuroKit2 is not installed.
    """
    peak_idx = r_peaks(ecg, sfreq=sfreq)
    n_missing = np.concatenate([[0], np.cumsum(~np.isfinite(ecg))])
    n_rates = int(np.floor(len(ecg) / sfreq * rate_sfreq))
    return _rate(peak_idx / sfreq, np.diff(n_missing[peak_idx]) > 0, np.arange(n_rates) / rate_sfreq)


def _rate(
    beats: NDArray[np.float64], has_gap: NDArray[np.bool_], times: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Rate at ``times`` from beats in seconds and whether the interval after each but the last has a gap."""
    intervals = np.diff(beats)
    is_plausible = (intervals >= _SHORTEST_S) & (intervals <= _LONGEST_S) & ~has_gap
    if not is_plausible.any():
        return np.full(len(times), np.nan)
    middles = (beats[:-1] + intervals / 2)[is_plausible]
    rate = np.interp(times, middles, 60 / intervals[is_plausible])
    # Interval -1 lies before the first beat, the last one behind the last beat.
    inside = np.concatenate([is_plausible, [False]])
    return np.where(inside[np.searchsorted(beats, times, side="right") - 1], rate, np.nan)


@dataclass(frozen=True, kw_only=True)
class HeartRateFromECG:
    """Cleaning step that adds the signal ``hr`` in beats per minute, made of the trial's ``ecg``.

    Parameters
    ----------
    channel : str, optional
        Name of the lead. Default: the first.
    sfreq : float
        Samples per second of the heart rate.

    Notes
    -----
    See `ecg_heart_rate`. Flagged stretches of the ECG count as missing; an ``hr`` that the trial had is
    replaced.
    """

    name: ClassVar[str] = "ecg_heart_rate"
    version: ClassVar[int] = 1

    channel: str | None = None
    sfreq: float = 4.0

    def __post_init__(self) -> None:
        if not self.sfreq > 0:
            raise ValueError(f"The heart rate needs a sampling rate above 0 Hz, got {self.sfreq}.")

    def __call__(self, trial: Trial) -> Trial:
        """Return the trial with its heart rate.

        Raises
        ------
        DataError
            If the trial has no ECG, or not that lead, or at too low a rate.
        PhysioaffectError
            If NeuroKit2 is not installed.
        """
        ecg = trial.signal("ecg")
        if self.channel is not None and self.channel not in ecg.ch_names:
            raise DataError(
                f"The ecg of subject {trial.subject}, trial {trial.trial} has no channel {self.channel!r}: "
                f"it has {', '.join(ecg.ch_names)}."
            )
        lead = 0 if self.channel is None else ecg.ch_names.index(self.channel)
        rate = ecg_heart_rate(ecg.masked[lead], sfreq=ecg.sfreq, rate_sfreq=self.sfreq)
        hr = Signal(
            data=rate[np.newaxis], sfreq=self.sfreq, ch_names=("HR",), kind="hr", unit="bpm", start=ecg.start
        )
        return replace(trial, signals={**trial.signals, "hr": hr})
