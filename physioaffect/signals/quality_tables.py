"""What the flags of a trial add up to: per window, and for a whole recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physioaffect.recording import Flag, Signal, Trial
from physioaffect.signals.quality_local import runs
from physioaffect.signals.quality_marking import UNITS
from physioaffect.windows import Intervals, coverage, sample_grid

__all__ = ["REASONS", "SignalQuality", "quality_summary", "quality_table", "unit_notes"]

REASONS: tuple[str, ...] = tuple(flag.name.lower() for flag in Flag if flag.name is not None)

# Skin that conducts more than this is not known; what lies above is another unit.
_HIGHEST_EDA = 60.0
_LOWEST_EDA = 1e-3
_FEVER, _FROST = 45.0, 10.0
_GRAVITY = (0.5, 2.0)


@dataclass(frozen=True, kw_only=True)
class SignalQuality:
    """How much of one signal can be used, and why not the rest.

    Parameters
    ----------
    name, kind, unit : str
        Of the signal.
    sfreq : float
        Samples per second.
    duration : float
        Seconds.
    coverage : float
        Share of the samples that are present and not flagged, NaN without samples.
    shares : mapping of str to float
        Share of the samples for each of `REASONS`; a sample may have several.
    longest_good : float
        Seconds of the longest stretch without a flag or a gap.
    notes : tuple of str
        What looks wrong with the unit, and which rules could not be applied.
    """

    name: str
    kind: str
    unit: str
    sfreq: float
    duration: float
    coverage: float
    shares: Mapping[str, float]
    longest_good: float
    notes: tuple[str, ...] = ()


def quality_summary(trial: Trial) -> tuple[SignalQuality, ...]:
    """Sum up the flags of every sampled signal of a trial.

    Parameters
    ----------
    trial : Trial
        Usually after `MarkQuality`.

    Returns
    -------
    summary : tuple of SignalQuality
        In the order of the trial's signals. Missing samples count as gaps whether flagged or not.

    Examples
    --------
    >>> eda = Signal(data=np.full((1, 240), 850.0), sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS")
    >>> trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"eda": eda})
    >>> quality_summary(trial)[0].coverage
    1.0
    """
    return tuple(
        _summed(name, signal) for name, signal in trial.signals.items() if isinstance(signal, Signal)
    )


def _summed(name: str, signal: Signal) -> SignalQuality:
    good = runs(signal.is_good)
    longest = int((good.stops - good.starts).max(initial=0))
    flags = _with_gaps(signal)
    return SignalQuality(
        name=name,
        kind=signal.kind,
        unit=signal.unit,
        sfreq=signal.sfreq,
        duration=signal.duration,
        coverage=float(signal.is_good.mean()) if signal.n_times else float("nan"),
        shares={
            reason: float(((flags & flag) > 0).mean()) if signal.n_times else float("nan")
            for reason, flag in zip(REASONS, Flag, strict=True)
        },
        longest_good=longest / signal.sfreq,
        notes=unit_notes(signal),
    )


def _with_gaps(signal: Signal) -> NDArray[np.uint8]:
    is_present = np.isfinite(signal.data).all(axis=0)
    return np.where(is_present, signal.flags, signal.flags | np.uint8(Flag.GAP))


def quality_table(trial: Trial, intervals: Intervals, *, signals: Sequence[str] | None = None) -> xr.Dataset:
    """Tell for each window and signal how much can be used, and why not the rest.

    Parameters
    ----------
    trial : Trial
        Usually after `MarkQuality`.
    intervals : Intervals
        Windows in seconds after the trial's onset.
    signals : sequence of str, optional
        Names of sampled signals. Default: all that the trial has.

    Returns
    -------
    table : xarray.Dataset
        ``coverage`` (window, signal), the share of a window's samples that are present and not flagged, and
        ``share`` (window, signal, reason), the share flagged for each of `REASONS`; where a signal does not
        reach, or is missing, is ``gap``. Samples with several flags count for each.

    Raises
    ------
    DataError
        If the trial has no such signal.

    Examples
    --------
    >>> flags = np.zeros(240, dtype=np.uint8)
    >>> flags[:60] = Flag.MOTION
    >>> eda = Signal(
    ...     data=np.ones((1, 240)), sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS", flags=flags
    ... )
    >>> trial = Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={"eda": eda})
    >>> table = quality_table(trial, Intervals(np.array([0.0, 30.0]), 30.0))
    >>> table.coverage.sel(signal="eda").values, table.share.sel(signal="eda", reason="motion").values
    (array([0.5, 1. ]), array([0.5, 0. ]))
    """
    if signals is None:
        signals = [name for name, signal in trial.signals.items() if isinstance(signal, Signal)]
    chosen = [trial.signal(name) for name in signals]
    n_windows = len(intervals.starts)
    covered = np.zeros((n_windows, len(chosen)))
    shares = np.zeros((n_windows, len(chosen), len(REASONS)))
    for column, signal in enumerate(chosen):
        covered[:, column] = coverage(signal, intervals)
        shares[:, column] = _shares(signal, intervals)
    return xr.Dataset(
        {"coverage": (("window", "signal"), covered), "share": (("window", "signal", "reason"), shares)},
        coords={
            "signal": list(signals),
            "reason": list(REASONS),
            "start": ("window", intervals.starts),
            "duration": intervals.duration,
        },
    )


def _shares(signal: Signal, intervals: Intervals) -> NDArray[np.float64]:
    first, n_samples = sample_grid(signal, intervals)
    edges = np.clip(np.stack([first, first + n_samples]), 0, signal.n_times)
    flags = _with_gaps(signal)
    shares = np.zeros((len(first), len(REASONS)))
    for column, flag in enumerate(Flag):
        is_flagged = (flags & flag) > 0
        if is_flagged.any():
            total = np.concatenate([[0], np.cumsum(is_flagged)])
            shares[:, column] = (total[edges[1]] - total[edges[0]]) / n_samples
    beyond = n_samples - (edges[1] - edges[0])
    shares[:, REASONS.index("gap")] += beyond / n_samples
    return shares


def unit_notes(signal: Signal) -> tuple[str, ...]:
    """Say in sentences what looks wrong with a signal's unit; empty where nothing does.

    Examples
    --------
    >>> nano = Signal(data=np.full((1, 240), 850.0), sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS")
    >>> unit_notes(nano)[0][:64]
    'The median of eda is 850 uS, more than skin conducts (60 uS). If'
    """
    expected = UNITS.get(signal.kind)
    if expected is None:
        return ()
    if signal.unit != expected:
        return (
            f"The {signal.kind} is in {signal.unit!r}, so the rules in {expected} were not applied to it. If "
            f'you know the scale, convert it: signal.scaled(factor, unit="{expected}").',
        )
    present = signal.data[np.isfinite(signal.data)]
    if not present.size:
        return ()
    notes = {"eda": _eda_notes, "temperature": _temperature_notes, "acc": _acc_notes}
    return notes[signal.kind](signal) if signal.kind in notes else ()


def _eda_notes(signal: Signal) -> tuple[str, ...]:
    values = signal.data[np.isfinite(signal.data)]
    middle = float(np.median(values))
    if middle > _HIGHEST_EDA:
        return (
            f"The median of eda is {middle:.3g} uS, more than skin conducts ({_HIGHEST_EDA:g} uS). If it is "
            "in nS, multiply by 0.001; if it is resistance in kOhm, take 1000 / x.",
        )
    if 0 < values.max() < _LOWEST_EDA:
        return (
            f"The highest eda is {values.max():.3g} uS, less than an open circuit reads. If it is in S, "
            "multiply by 1e6; if it is in mS, by 1000.",
        )
    if values.min() < -1.0:
        return (
            f"The lowest eda is {values.min():.3g} uS, but conductance is not negative. It may have been "
            "filtered or standardised: give the signal as it was recorded.",
        )
    return ()


def _temperature_notes(signal: Signal) -> tuple[str, ...]:
    middle = float(np.median(signal.data[np.isfinite(signal.data)]))
    if _FROST <= middle <= _FEVER:
        return ()
    return (
        f"The median of temperature is {middle:.4g} degC, which no skin has. If it is in Fahrenheit, take "
        "(x - 32) / 1.8; if it is in Kelvin, take x - 273.15.",
    )


def _acc_notes(signal: Signal) -> tuple[str, ...]:
    size = np.sqrt(np.square(signal.data).sum(axis=0))
    middle = float(np.median(size[np.isfinite(size)])) if np.isfinite(size).any() else 1.0
    if signal.n_channels != 3 or _GRAVITY[0] <= middle <= _GRAVITY[1]:
        return ()
    return (
        f"The median size of acc is {middle:.3g} g, but at rest it is 1 g. If it is in m/s2, divide by "
        "9.80665; if it is in counts of an Empatica E4, divide by 64.",
    )
