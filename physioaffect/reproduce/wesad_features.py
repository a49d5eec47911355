"""Features of WESAD for each sensor: the statistics of Schmidt et al. (2018), as far as they are cheap."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.signal import butter, find_peaks, sosfiltfilt

from physioaffect.data_set import DataSet, Report
from physioaffect.datasets import WESAD, WESAD_CHEST
from physioaffect.errors import PhysioaffectError
from physioaffect.features import EDA, Motion, Temperature
from physioaffect.features._windowed import Array, highest, lowest, mean, per_window, sd, table
from physioaffect.recording import Signal, Trial
from physioaffect.signals.cardiac import r_peaks
from physioaffect.windows import Intervals

__all__ = ["MODALITIES", "WESAD_BOTH", "WesadStatistics"]

# 200 and 30 beats per minute.
_SHORTEST_S, _LONGEST_S = 0.3, 2.0
# As Schmidt et al. filter the breath.
_BREATH_HZ = (0.1, 0.35)

_BEATS = ("hr mean", "hr sd", "ibi mean", "ibi sd", "rmssd", "nn50", "pnn50")
_BREATHS = (
    "rate",
    "inhalation mean",
    "inhalation sd",
    "exhalation mean",
    "exhalation sd",
    "ratio",
    "stretch",
)
_MUSCLE = ("mean", "sd", "range", "absolute", "median", "p10", "p90")


def _trials(subject: str, source: Any, report: Report) -> Iterator[Trial]:
    wrist = WESAD.trials(subject, source, report)
    chest = WESAD_CHEST.trials(subject, source, lambda _: None)
    for one, other in zip(wrist, chest, strict=True):
        named = {f"wrist_{key}": signal for key, signal in one.signals.items()}
        named |= {f"chest_{key}": signal for key, signal in other.signals.items()}
        yield replace(one, signals=named)


WESAD_BOTH: DataSet = replace(
    WESAD,
    title="WESAD",
    sfreqs={f"wrist_{key}": rate for key, rate in WESAD.sfreqs.items()}
    | {f"chest_{key}": rate for key, rate in WESAD_CHEST.sfreqs.items()},
    ch_names={f"wrist_{key}": names for key, names in WESAD.ch_names.items()}
    | {f"chest_{key}": names for key, names in WESAD_CHEST.ch_names.items()},
    trials=_trials,
)
"""Both devices of WESAD in one trial, each signal with its device before its name."""


def _family(family: Any, key: str) -> Callable[[Trial, Signal, Intervals], dict[str, Array]]:
    """Take the features of a family of this package, of one device's signal."""

    def compute(trial: Trial, signal: Signal, intervals: Intervals) -> dict[str, Array]:
        found = family(replace(trial, signals={key: signal}), intervals)
        names = found[found.dims[1]].values
        return {str(name): found.values[:, column] for column, name in enumerate(names)}

    return compute


def _of_beats(beats: NDArray[np.float64], intervals: Intervals) -> dict[str, Array]:
    """Rate and variability from the times of beats in seconds; NaN of fewer than three beats."""
    values = np.full((len(intervals.starts), len(_BEATS)), np.nan)
    for row, start in enumerate(intervals.starts):
        own = beats[(beats >= start) & (beats < start + intervals.duration)]
        gaps = np.diff(own)
        is_beat = (gaps >= _SHORTEST_S) & (gaps <= _LONGEST_S)
        # Only differences between neighbours that are both plausible.
        change = np.diff(gaps)[is_beat[1:] & is_beat[:-1]]
        gaps = gaps[is_beat]
        if len(change) == 0:
            continue
        n_large = (np.abs(change) > 0.05).sum()
        rate = 60 / gaps
        values[row] = (
            rate.mean(),
            rate.std(),
            gaps.mean(),
            gaps.std(),
            np.sqrt(np.mean(change**2)),
            n_large,
            n_large / len(change),
        )
    return dict(zip(_BEATS, values.T, strict=True))


def _ecg(_trial: Trial, ecg: Signal, intervals: Intervals) -> dict[str, Array]:
    return _of_beats(ecg.start + r_peaks(ecg.masked[0], sfreq=ecg.sfreq) / ecg.sfreq, intervals)


def _bvp(_trial: Trial, pulse: Signal, intervals: Intervals) -> dict[str, Array]:
    try:
        import neurokit2  # noqa: PLC0415  It takes seconds to import, and is an extra.
    except ImportError as error:
        raise PhysioaffectError(
            "Finding beats in a pulse wave needs NeuroKit2, which is not installed. Install it with "
            'pip install "physioaffect[wearable]".'
        ) from error
    x = pulse.data[0].astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cleaned = neurokit2.ppg_clean(x, sampling_rate=pulse.sfreq)
        found = neurokit2.ppg_findpeaks(cleaned, sampling_rate=pulse.sfreq)["PPG_Peaks"]
    return _of_beats(pulse.start + np.asarray(found, dtype=float) / pulse.sfreq, intervals)


def _emg(_trial: Trial, emg: Signal, intervals: Intervals) -> dict[str, Array]:
    def compute(x: Array) -> list[Array]:
        x = x[:, 0]
        quantiles = np.nanquantile(x, (0.5, 0.1, 0.9), axis=-1)
        return [mean(x), sd(x), highest(x) - lowest(x), mean(np.abs(x)), *quantiles]

    return dict(zip(_MUSCLE, per_window(emg, intervals, compute).T, strict=True))


def _resp(_trial: Trial, breath: Signal, intervals: Intervals) -> dict[str, Array]:
    """Durations between the turning points of the filtered breath; NaN of fewer than two breaths."""
    # At the chest's 700 Hz a filter of 0.1 Hz is ill-conditioned: means of tenths of a second first.
    n_each = max(1, round(breath.sfreq / 10))
    rate = breath.sfreq / n_each
    x = breath.data[0, : breath.n_times // n_each * n_each].reshape(-1, n_each).mean(axis=1)
    values = np.full((len(intervals.starts), len(_BREATHS)), np.nan)
    if len(x) > 30:
        sos = butter(2, _BREATH_HZ, btype="bandpass", fs=rate, output="sos")
        x = sosfiltfilt(sos, x)
        tops, bottoms = (breath.start + find_peaks(sign * x)[0] / rate for sign in (1, -1))
        for row, start in enumerate(intervals.starts):
            stop = start + intervals.duration
            tops_in, bottoms_in = (turn[(turn >= start) & (turn < stop)] for turn in (tops, bottoms))
            own = x[round((start - breath.start) * rate) : round((stop - breath.start) * rate)]
            values[row] = _of_breaths(tops_in, bottoms_in, own, intervals.duration)
    return dict(zip(_BREATHS, values.T, strict=True))


def _of_breaths(
    tops: NDArray[np.float64], bottoms: NDArray[np.float64], x: NDArray[np.float64], duration: float
) -> tuple[float, ...]:
    turns = np.sort(np.concatenate([tops, bottoms]))
    lasted = np.diff(turns)
    is_in = np.isin(turns[1:], tops)
    if is_in.sum() < 2 or (~is_in).sum() < 2:
        return (np.nan,) * len(_BREATHS)
    inhaled, exhaled = lasted[is_in], lasted[~is_in]
    return (
        60 * len(tops) / duration,
        inhaled.mean(),
        inhaled.std(),
        exhaled.mean(),
        exhaled.std(),
        inhaled.mean() / exhaled.mean(),
        float(np.ptp(x)),
    )


_SENSORS: Mapping[str, Callable[[Trial, Signal, Intervals], dict[str, Array]]] = {
    "wrist_acc": _family(Motion(), "acc"),
    "wrist_ppg": _bvp,
    "wrist_eda": _family(EDA(), "eda"),
    "wrist_temperature": _family(Temperature(), "temperature"),
    "chest_acc": _family(Motion(), "acc"),
    "chest_ecg": _ecg,
    "chest_eda": _family(EDA(), "eda"),
    "chest_emg": _emg,
    "chest_resp": _resp,
    "chest_temperature": _family(Temperature(), "temperature"),
}

_WRIST = ("wrist_ppg", "wrist_eda", "wrist_temperature")
_CHEST = ("chest_ecg", "chest_eda", "chest_emg", "chest_resp", "chest_temperature")

MODALITIES: Mapping[str, tuple[str, ...]] = {
    "wrist ACC": ("wrist_acc",),
    "chest ACC": ("chest_acc",),
    "wrist BVP": ("wrist_ppg",),
    "wrist EDA": ("wrist_eda",),
    "wrist TEMP": ("wrist_temperature",),
    "wrist physiological": _WRIST,
    "chest ECG": ("chest_ecg",),
    "chest EDA": ("chest_eda",),
    "chest EMG": ("chest_emg",),
    "chest RESP": ("chest_resp",),
    "chest TEMP": ("chest_temperature",),
    "chest physiological": _CHEST,
    "all wrist": ("wrist_acc", *_WRIST),
    "all chest": ("chest_acc", *_CHEST),
    "all physiological": (*_WRIST, *_CHEST),
    "all": ("wrist_acc", *_WRIST, "chest_acc", *_CHEST),
}
"""Signals of each row of Schmidt et al.'s tables."""


@dataclass(frozen=True, kw_only=True)
class WesadStatistics:
    """Statistics of every sensor of WESAD per window, for `WESAD_BOTH`.

    Notes
    -----
    Schmidt et al. (2018), doi 10.1145/3242969.3242985, table 1, as far as this package has them: `Motion`,
    `EDA` and `Temperature`; of ECG and pulse the rate and its variability in time (not in frequency); of the
    breath durations between its turning points; of EMG seven statistics of the raw signal. Features are
    called ``wrist_eda: mean`` and so on.
    """

    name: ClassVar[str] = "wesad_statistics"
    version: ClassVar[int] = 1
    made_of: ClassVar[tuple[type, ...]] = (EDA, Motion, Temperature)

    @property
    def signals(self) -> tuple[str, ...]:
        """All sensors of both devices."""
        return tuple(_SENSORS)

    def __call__(self, trial: Trial, intervals: Intervals) -> xr.DataArray:
        """Compute the features of one trial.

        Returns
        -------
        features : xarray.DataArray, dimensions ("window", "wesad_statistics_feature")

        Raises
        ------
        DataError
            If the trial lacks a sensor.
        PhysioaffectError
            If NeuroKit2 is not installed.
        """
        found = {
            f"{key}: {name}": values
            for key, compute in _SENSORS.items()
            for name, values in compute(trial, trial.signal(key), intervals).items()
        }
        units = dict.fromkeys(found, "as the sensor")
        return table(self.name, np.stack(list(found.values()), axis=1), units, estimator="by sensor")
