"""What is shown of a signal, and in which words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physioaffect.recording import Signal

__all__ = ["place_of", "shown_of", "title_of", "unit_of"]

Array = NDArray[np.float64]

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
