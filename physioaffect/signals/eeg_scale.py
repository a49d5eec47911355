"""Whether EEG can be in the unit that it is declared in."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect._compiled import compiled
from physioaffect.errors import DataError
from physioaffect.recording import Signal

__all__ = ["check_scale"]

# Scalp EEG swings by 1 to 200 uV; artefacts and amplifiers' drifts reach a hundred times that. Microvolts
# declared as volts, or the reverse, are wrong by a million, so bounds this wide tell them apart.
_SMALLEST, _LARGEST = 1e-9, 0.05
_USUAL = 1e-7, 1e-2
_IN_VOLTS = {"V": 1.0, "mV": 1e-3, "uV": 1e-6, "µV": 1e-6}
_MOST_CHANNELS, _MOST_SAMPLES = 16, 200


@lru_cache(maxsize=64)
def _instants(n_times: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(n_times, size=_MOST_SAMPLES)


@compiled()
def _is_as_usual(x: Any, flags: Any, smallest: Any, largest: Any) -> Any:
    """Whether the mean distance of every channel's good samples from their mean lies in between.

    Means tell it in a fifth of the time of medians. False also where one is not finite.
    """
    n = np.sum(flags == 0)
    if n == 0:
        return False
    for channel in range(len(x)):
        total, away = 0.0, 0.0
        for time in range(x.shape[1]):
            if flags[time] == 0:
                total += x[channel, time]
        for time in range(x.shape[1]):
            if flags[time] == 0:
                away += abs(x[channel, time] - total / n)
        if not smallest < away / n < largest:
            return False
    return True


def check_scale(signal: Signal, *, where: str = "The EEG") -> None:
    """Refuse EEG whose size shows that its unit is declared wrongly.

    Parameters
    ----------
    signal : Signal
        Only one in V, mV or uV is judged: by the median over its channels of the median distance from the
        channel's median. Constant channels do not count.
    where : str
        What it is, for the sentence.

    Raises
    ------
    DataError
        If it swings by more than 50 mV, as microvolts declared as volts do, or by less than 1 nV, as volts
        declared as microvolts or converted to volts twice do.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(2, 640))
    >>> check_scale(Signal(data=noise, sfreq=128.0, ch_names=("O1", "O2"), kind="eeg", unit="V"))
    Traceback (most recent call last):
    ...
    physioaffect.errors.DataError: The EEG swings by 0.66 V, expected microvolts: it seems to be in \
microvolts and declared in volts. Convert it: signal.scaled(1e-6, unit="V").
    """
    volts = _IN_VOLTS.get(signal.unit)
    if volts is None or signal.data.size == 0:
        return
    # A part of the samples tells it, and this comes before every trial. At random: evenly spaced ones may
    # meet a rhythm always at the same phase.
    picked = _instants(signal.n_times)
    every = -(-signal.n_channels // _MOST_CHANNELS)
    x, flags = signal.data[::every].take(picked, axis=1).astype(np.float64), signal.flags[picked]
    if _is_as_usual(x, flags, _USUAL[0] / volts, _USUAL[1] / volts):
        return
    x = x[:, flags == 0] * volts
    # Each channel by the samples that it has: one that is missing must not hide the others.
    known = [x] if np.isfinite(x).all() else [row[np.isfinite(row)] for row in x]
    swings = np.hstack(
        [
            np.median(np.abs(row - np.median(row, axis=-1, keepdims=True)), axis=-1)
            for row in known
            if row.size
        ]
        or [0.0]
    )
    if not (swings > 0).any():
        return
    swing = float(np.median(swings[swings > 0]))
    if volts < 1 and not _SMALLEST <= swing <= _LARGEST:
        raise DataError(
            f"{where} swings by {swing / volts:.2g} {signal.unit}, expected about {1e-5 / volts:g}: the unit "
            'is wrong. If it is in volts, say so: signal.scaled(1, unit="V"). If nobody knows, take "au".'
        )
    if swing > _LARGEST:
        raise DataError(
            f"{where} swings by {swing:.2g} V, expected microvolts: it seems to be in microvolts and "
            'declared in volts. Convert it: signal.scaled(1e-6, unit="V").'
        )
    if swing < _SMALLEST:
        raise DataError(
            f"{where} swings by {swing:.2g} V, expected microvolts: it seems to have been converted to volts "
            'twice. Convert it back: signal.scaled(1e6, unit="V").'
        )
