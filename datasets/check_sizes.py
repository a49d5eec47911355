"""Whether a signal's numbers can be in the unit that it says: a wrong scale is a factor of ten at least."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.recording import Signal

__all__ = ["implausible", "typical_size"]

_N_LOOKED_AT = 10_000


class _Size(NamedTuple):
    """What is taken of a signal, in words and as a function of (n_channels, n_times), and its bounds."""

    what: str
    of: Callable[[NDArray[np.float64]], float]
    lowest: float
    highest: float


def _length(x: NDArray[np.float64]) -> float:
    return float(np.median(np.sqrt(np.square(x).sum(axis=0))))


def _swing(x: NDArray[np.float64]) -> float:
    return float(np.median(np.abs(x - np.median(x, axis=1, keepdims=True))))


def _median(x: NDArray[np.float64]) -> float:
    return float(np.median(x))


# A body at rest feels 1 g. Skin has hundredths of a microsiemens where it is dry, and rarely more than 40.
# Electrodes on the body give microvolts to a few millivolts, beside offsets that do not count here.
_SIZES = {
    ("acc", "g"): _Size("median length", _length, 0.5, 2.0),
    ("eda", "uS"): _Size("median", _median, 0.01, 100.0),
    ("temperature", "degC"): _Size("median", _median, 15.0, 45.0),
    ("hr", "bpm"): _Size("median", _median, 30.0, 220.0),
}
_SIZES |= {
    (kind, "V"): _Size("median distance from its median", _swing, lowest, 5e-3)
    for kind, lowest in (("ecg", 1e-6), ("eeg", 1e-7), ("emg", 1e-7), ("eog", 1e-7))
}


def typical_size(signal: Signal) -> float | None:
    """Compute the number by which a signal is judged, flagged samples included; None if it is not judged."""
    size = _SIZES.get((signal.kind, signal.unit))
    x = signal.data[:, :: max(1, signal.n_times // _N_LOOKED_AT)].astype(np.float64)
    x = x[~np.isnan(x).all(axis=1)]
    x = x[:, np.isfinite(x).all(axis=0)]
    if signal.unit == "V" and x.size:
        x = x[np.ptp(x, axis=1) > 0]  # That an electrode is flat is said elsewhere.
    return None if size is None or x.size == 0 else size.of(x)


def implausible(kind: str, unit: str, size: float) -> str:
    """Say how a size lies outside what a body gives; nothing if it does not.

    Examples
    --------
    >>> implausible("acc", "g", 64.2)
    'has a median length of 64.2 g, expected 0.5 to 2'
    """
    expected = _SIZES[kind, unit]
    if expected.lowest <= size <= expected.highest:
        return ""
    bounds = f"{expected.lowest:g} to {expected.highest:g}"
    return f"has a {expected.what} of {size:.3g} {unit}, expected {bounds}"
