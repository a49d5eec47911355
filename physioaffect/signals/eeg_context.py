"""What the steps of EEG cleaning pass on: the recording, what it taught, and the record of what was done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.montage import electrode_positions
from physioaffect.signals.eeg_artefacts import AsrModel, IcaModel
from physioaffect.signals.eeg_report import StepRecord

if TYPE_CHECKING:
    from physioaffect.signals.eeg import EEGCleaning


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """EEG with what is known about it; ``positions`` is NaN where unknown, ``marked`` are the user's bads."""

    X: NDArray[np.floating[Any]]
    eog: NDArray[np.floating[Any]]
    flags: NDArray[np.uint8]
    sfreq: float
    ch_names: tuple[str, ...]
    positions: NDArray[np.float64] | None = None
    marked: tuple[str, ...] = ()

    def places(self) -> NDArray[np.float64]:
        """Positions, taken from the names where nobody gave any; shape (n_channels, 3)."""
        if self.positions is not None and np.isfinite(self.positions).any():
            return self.positions
        return np.concatenate([_place(name) for name in self.ch_names])


def _place(name: str) -> NDArray[np.float64]:
    try:
        return electrode_positions([name])
    except DataError:
        return np.full((1, 3), np.nan)


@dataclass(kw_only=True, eq=False)
class Learned:
    """What one recording taught, so that its baseline gets exactly the same treatment."""

    bad: dict[str, str] = field(default_factory=dict)
    line: float | None = None
    good: tuple[str, ...] = ()
    eyes: NDArray[np.float64] | None = None
    ica: IcaModel | None = None
    asr: AsrModel | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Context:
    """One run of the steps.

    They read from it, note in ``steps`` what they did and in ``learned`` what they saw.
    ``is_fixed`` says that ``learned`` comes from another recording and must be used as it is.
    """

    recording: Recording
    cleaning: EEGCleaning
    learned: Learned
    is_fixed: bool
    is_open: NDArray[np.bool_]
    steps: list[StepRecord] = field(default_factory=list)

    def note(self, name: str, summary: str, **details: Any) -> None:
        """Add a record."""
        self.steps.append(StepRecord(name=name, summary=summary, **details))
