"""What is shown of a signal, in which words, and why some of its samples are not trusted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.recording import Flag, Signal

__all__ = ["REASONS", "Reason", "place_of", "reasons_of", "shown_of", "title_of", "unit_of"]

Array = NDArray[np.float64]

# In the order in which a sample with several is counted: what there is nothing of comes first.
REASONS = {
    "gap": (Flag.GAP, "gap"),
    "missing": (None, "missing"),
    "off_body": (Flag.OFF_BODY, "off body"),
    "flat": (Flag.FLAT, "flat"),
    "clipped": (Flag.CLIPPED, "clipped"),
    "out_of_range": (Flag.OUT_OF_RANGE, "out of range"),
    "settling": (Flag.SETTLING, "settling"),
    "motion": (Flag.MOTION, "motion"),
}
_ORDER = ("eda", "ppg", "ecg", "ibi", "hr", "resp", "temperature", "acc", "gyro", "emg", "eeg", "eog")
_TITLES = {
    "acc": "acceleration",
    "ecg": "ECG",
    "eda": "skin conductance",
    "eeg": "EEG",
    "emg": "EMG",
    "eog": "EOG",
    "gyro": "rotation",
    "hr": "heart rate",
    "ibi": "intervals between beats",
    "ppg": "pulse wave",
    "resp": "respiration",
    "temperature": "skin temperature",
}
_UNITS = {"uS": "µS", "degC": "°C", "au": "a.u."}
# Of these the length of the vector is drawn.
_VECTORS = ("acc", "gyro")


class Reason(NamedTuple):
    """Why samples are not trusted: ``is_it`` where it holds, ``is_first`` where no earlier reason does."""

    name: str
    title: str
    is_it: NDArray[np.bool_]
    is_first: NDArray[np.bool_]


def reasons_of(signal: Signal) -> Iterator[Reason]:
    """Yield the reasons, in the order of `REASONS`, that hold anywhere.

    A sample belongs to the first of its reasons: where ``is_first`` of all of them is put together, each
    sample that is not good is there once.

    Examples
    --------
    >>> flags = np.array([0, 8, 9, 1], dtype=np.uint8)  # Motion is 8, off the body 1.
    >>> eda = Signal(data=np.ones((1, 4)), sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS", flags=flags)
    >>> [(one.title, one.is_it.sum().item(), one.is_first.sum().item()) for one in reasons_of(eda)]
    [('off body', 2, 2), ('motion', 2, 1)]
    """
    is_left = ~signal.is_good
    for name, (flag, title) in REASONS.items():
        is_it = (
            (signal.flags & int(flag) > 0)
            if flag
            else ~np.isfinite(signal.data.sum(axis=0)) & (signal.flags == 0)
        )
        if is_it.any():
            yield Reason(name, title, is_it, is_it & is_left)
            is_left = is_left & ~is_it


def shown_of(signal: Signal) -> tuple[Array, str]:
    """Choose the one line that stands for a signal, and say what it is if that is not the signal itself.

    Examples
    --------
    >>> acc = Signal(data=np.array([[3.0], [4.0]]), sfreq=32.0, ch_names=("X", "Y"), kind="acc", unit="g")
    >>> shown_of(acc)
    (array([5.]), 'length of the vector')
    """
    data = np.asarray(signal.data, dtype=np.float64)
    if signal.n_channels == 1:
        return data[0], ""
    if signal.kind in _VECTORS:
        return np.sqrt(np.square(data).sum(axis=0)), "length of the vector"
    return data[0], f"{signal.ch_names[0]}, the first of {signal.n_channels} channels"


def place_of(name: str) -> tuple[int, str]:
    """Where a signal stands among others."""
    kind = name.partition("_")[0]
    return (_ORDER.index(kind) if kind in _ORDER else len(_ORDER), name)


def title_of(name: str, kind: str) -> str:
    """Name of a signal in words.

    Examples
    --------
    >>> title_of("eda", "eda"), title_of("hr_device", "hr")
    ('skin conductance', 'heart rate of the device')
    """
    title = _TITLES.get(kind, kind)
    if name == kind:
        return title
    return f"{title} of the device" if name.endswith("_device") else f"{title} ({name})"


def unit_of(signal: Signal) -> tuple[float, str]:
    """Factor and name of the unit in which a signal is shown."""
    if signal.unit == "V":
        return (1e6, "µV") if signal.kind == "eeg" else (1e3, "mV")
    return 1.0, _UNITS.get(signal.unit, signal.unit)
