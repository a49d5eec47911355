"""Units in which files come, by kind of signal, and the way to those of the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["SECONDS", "UNITS", "Unit"]

Array = NDArray[np.float64]

SECONDS: Mapping[str, float] = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_VOLTS = {"V": 1.0, "mV": 1e-3, "uV": 1e-6, "nV": 1e-9}


class Unit(NamedTuple):
    """The unit that the package uses, and the way there from that of a file."""

    ours: str
    convert: Callable[[Array], Array]


def _linear(ours: str, factors: Mapping[str, float]) -> dict[str, Unit]:
    return {name: Unit(ours, lambda x, by=by: x * by) for name, by in factors.items()}  # type: ignore[misc]


def _siemens(ohm: float) -> Unit:
    def convert(resistance: Array) -> Array:
        # An open circuit reads 0 or less on some devices: no conductance follows from that.
        return 1e6 / np.where(resistance > 0, resistance * ohm, np.nan)

    return Unit("uS", convert)


UNITS: Mapping[str, Mapping[str, Unit]] = {
    "acc": _linear("g", {"g": 1.0, "mg": 1e-3, "m/s2": 1 / 9.80665, "m/s^2": 1 / 9.80665}),
    "gyro": _linear("deg/s", {"deg/s": 1.0, "mdeg/s": 1e-3, "rad/s": 180 / np.pi}),
    "eda": _linear("uS", {"uS": 1.0, "µS": 1.0, "nS": 1e-3, "mS": 1e3, "S": 1e6})
    | {"Ohm": _siemens(1.0), "kOhm": _siemens(1e3), "MOhm": _siemens(1e6)},
    "temperature": _linear("degC", {"degC": 1.0, "°C": 1.0})
    | {
        "K": Unit("degC", lambda x: x - 273.15),
        "degF": Unit("degC", lambda x: (x - 32) / 1.8),
    },
    "hr": _linear("bpm", {"bpm": 1.0, "Hz": 60.0}),
    **{kind: _linear("V", _VOLTS) for kind in ("ecg", "eeg", "emg", "eog")},
    "ppg": {},
    "resp": _linear("V", _VOLTS) | _linear("%", {"%": 1.0}),
}
