"""SX.pkl of WESAD: two devices aligned by the makers, and a label for every sample of the chest."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.recording import Flag, Signal

from .unpickle import load

__all__ = ["CHEST", "DEVICES", "LABEL_RATE", "WRIST", "Device", "Recording", "Stretch", "read_recording"]

LABEL_RATE = 700.0
_LABELS = range(8)
_MOST_CHANGES = 1000
_SLACK = 1.0  # Seconds by which the devices may differ in length.
_ADVICE = "Use the file as it was distributed."


class Sensor(NamedTuple):
    """What an array of the pickle is: how it is called there, and by how much to multiply it."""

    key: str
    kind: str
    sfreq: float
    unit: str
    ch_names: tuple[str, ...]
    factor: float = 1.0
    plausible: tuple[float, float] = (-np.inf, np.inf)


class Device(NamedTuple):
    """One of the two devices: its name in the pickle, and its sensors by the name of their signal."""

    key: str
    sensors: Mapping[str, Sensor]


_AXES = ("ACC_X", "ACC_Y", "ACC_Z")
_DEGREES = (10.0, 50.0)

# Of the chest plausible is what the device can give: 3 V and 16 bits through the formulas of its makers.
WRIST = Device(
    "wrist",
    {
        "eda": Sensor("EDA", "eda", 4.0, "uS", ("EDA",), plausible=(0.0, 100.0)),
        "temperature": Sensor("TEMP", "temperature", 4.0, "degC", ("TEMP",), plausible=_DEGREES),
        "acc": Sensor("ACC", "acc", 32.0, "g", _AXES, factor=1 / 64, plausible=(-2.0, 2.0)),
        "ppg": Sensor("BVP", "ppg", 64.0, "au", ("BVP",)),
    },
)
CHEST = Device(
    "chest",
    {
        "ecg": Sensor("ECG", "ecg", LABEL_RATE, "V", ("ECG",), factor=1e-3, plausible=(-1.5e-3, 1.5e-3)),
        "eda": Sensor("EDA", "eda", LABEL_RATE, "uS", ("EDA",), plausible=(0.0, 25.0)),
        "emg": Sensor("EMG", "emg", LABEL_RATE, "V", ("EMG",), factor=1e-3, plausible=(-1.5e-3, 1.5e-3)),
        "resp": Sensor("Resp", "resp", LABEL_RATE, "%", ("RESP",), plausible=(-50.0, 50.0)),
        "temperature": Sensor("Temp", "temperature", LABEL_RATE, "degC", ("TEMP",), plausible=_DEGREES),
        "acc": Sensor("ACC", "acc", LABEL_RATE, "g", _AXES, plausible=(-6.61, 6.51)),
    },
)
DEVICES = {device.key: device for device in (WRIST, CHEST)}


class Stretch(NamedTuple):
    """Samples [first, last) of the chest that have one label."""

    label: int
    first: int
    last: int

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return (self.last - self.first) / LABEL_RATE


class Recording(NamedTuple):
    """One device of one person; ``signals`` hold the file's own numbers, and may be views on it."""

    path: Path
    device: Device
    signals: dict[str, Signal]
    stretches: tuple[Stretch, ...]

    def cut(self, stretch: Stretch) -> dict[str, Signal]:
        """Take a stretch of every signal at its own rate, in the unit that the signal says."""
        begin, end = stretch.first / LABEL_RATE, stretch.last / LABEL_RATE
        return {
            name: self._converted(name, signal.crop(begin, end, onset=begin))
            for name, signal in self.signals.items()
        }

    def _converted(self, name: str, signal: Signal) -> Signal:
        sensor = self.device.sensors[name]
        data = signal.data.astype(np.float64, order="C")  # A copy, which outlives the file.
        if np.isinf(data).any():
            raise DataError(f"{self.path} has infinite values in {self.device.key} {sensor.key}. {_ADVICE}")
        data *= sensor.factor
        low, high = sensor.plausible
        is_odd = ((data < low) | (data > high)).any(axis=0)
        return replace(signal, data=data, flags=np.where(is_odd, np.uint8(Flag.OUT_OF_RANGE), np.uint8(0)))


def _item(mapping: Any, key: str, path: Path, where: str) -> Any:
    if not isinstance(mapping, dict):
        raise DataError(f"{path} holds no dictionary {where}; expected one with {key!r}. {_ADVICE}")
    if key not in mapping:
        found = ", ".join(repr(name)[:40] for name in list(mapping)[:12]) or "nothing"
        raise DataError(
            f"{path} has no {key!r} {where}; it has {found}. Upper and lower case matter: the chest has "
            f"'Temp' and 'Resp', the wrist 'TEMP'. {_ADVICE}"
        )
    return mapping[key]


def _labels(recording: dict[str, Any], path: Path) -> NDArray[np.integer[Any]]:
    labels = _item(recording, "label", path, "at its top")
    if not isinstance(labels, np.ndarray) or labels.ndim != 1 or labels.dtype.kind not in "iu":
        what = f"{labels.dtype} {labels.shape}" if isinstance(labels, np.ndarray) else "no array"
        raise DataError(f"{path} has labels that are {what}; expected whole numbers, (time,). {_ADVICE}")
    if len(labels) == 0 or labels.min() not in _LABELS or labels.max() not in _LABELS:
        found = f"{labels.min()} to {labels.max()}" if len(labels) else "none"
        raise DataError(f"{path} has the labels {found}; expected 0 to {_LABELS[-1]}. {_ADVICE}")
    return labels


def _stretches(labels: NDArray[np.integer[Any]], path: Path) -> tuple[Stretch, ...]:
    edges = np.flatnonzero(labels[1:] != labels[:-1]) + 1
    if len(edges) > _MOST_CHANGES:
        raise DataError(f"{path} changes its label {len(edges)} times; expected about 20 times. {_ADVICE}")
    bounds = [0, *edges.tolist(), len(labels)]
    return tuple(Stretch(int(labels[first]), first, last) for first, last in itertools.pairwise(bounds))


def _signal(array: Any, sensor: Sensor, seconds: float, path: Path, where: str) -> Signal:
    n_channels = len(sensor.ch_names)
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        what = f"{array.dtype} numbers" if isinstance(array, np.ndarray) else "no array"
        raise DataError(f"{path} has {what} in {where}; expected floats, (time, {n_channels}). {_ADVICE}")
    if array.ndim != 2 or array.shape[1] != n_channels:
        raise DataError(
            f"{path} has shape {array.shape} in {where}; expected (time, {n_channels}). {_ADVICE}"
        )
    if abs(len(array) / sensor.sfreq - seconds) > _SLACK:
        raise DataError(
            f"{path} has {len(array)} samples in {where}, which last {len(array) / sensor.sfreq:g} s at "
            f"{sensor.sfreq:g} Hz; expected {seconds:g} s as the labels last. {_ADVICE}"
        )
    return Signal(
        data=array.T, sfreq=sensor.sfreq, ch_names=sensor.ch_names, kind=sensor.kind, unit=sensor.unit
    )


def read_recording(path: Path, device: Device, subject: str) -> Recording:
    """Read one device out of a person's pickle.

    Parameters
    ----------
    path : Path
        ``SX.pkl``. Nothing in it is executed.
    device : Device
        `WRIST` or `CHEST`.
    subject : str
        Who it must be.

    Returns
    -------
    Recording

    Raises
    ------
    DataError
        If the file is not such a recording, is somebody else's, or its arrays do not fit together.
    """
    recording = load(path)
    found = _item(recording, "subject", path, "at its top")
    if not isinstance(found, str) or found != subject:
        raise DataError(
            f"{path} says that it is of {str(found)[:40]!r}; expected {subject!r}, as the folder is called. "
            "Put each file into its own person's folder."
        )
    labels = _labels(recording, path)
    arrays = _item(_item(recording, "signal", path, "at its top"), device.key, path, "in its signals")
    signals = {
        name: _signal(
            _item(arrays, sensor.key, path, f"in its signals of the {device.key}"),
            sensor,
            len(labels) / LABEL_RATE,
            path,
            f"{device.key} {sensor.key}",
        )
        for name, sensor in device.sensors.items()
    }
    return Recording(path, device, signals, _stretches(labels, path))
