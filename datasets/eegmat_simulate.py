"""EEG during mental arithmetic from a `World`: two EDF+ files a person, as on PhysioNet."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError, PhysioaffectError

from .simulate import simulate_ecg, simulate_eeg
from .world import Moment, World

__all__ = ["EQUIPMENT", "simulate"]

EQUIPMENT = "Simulated_by_physioaffect"  # EDF+ has no spaces there.

_PLANTED = World.planted()
_SFREQ = 500
_PASSBAND = (0.5, 45.0)
_ELECTRODES = (
    *("Fp1", "Fp2", "F3", "F4", "F7", "F8", "T3", "T4", "C3", "C4"),
    *("T5", "T6", "P3", "P4", "O1", "O2", "Fz", "Cz", "Pz"),
)
_LABELS = (*(f"EEG {name}" for name in _ELECTRODES), "EEG A2-A1", "ECG ECG")
_PREFILTER = "HP:0.500000Hz LP:45.000000Hz RF:50Hz"
_REST, _TASK, _PADDING, _SHORTEST = 180, 60, 2, 60
# Valence and arousal, made up: subtracting is less pleasant and more exciting than resting.
_AFFECT = ((0.5, -0.5), (-0.5, 0.5))


def _recording(world: World, moment: Moment, seconds: int) -> NDArray[np.float64]:
    """EEG in uV and ECG in mV, shape (21, n_times), with the padding."""
    n_times = seconds * _SFREQ
    eeg = simulate_eeg(world, moment, ch_names=_ELECTRODES, sfreq=_SFREQ, n_times=n_times, passband=_PASSBAND)
    # The device's high-pass leaves no offset.
    eeg -= eeg.mean(axis=1, keepdims=True)
    ears = 0.3 * (eeg[_ELECTRODES.index("T4")] - eeg[_ELECTRODES.index("T3")])
    ecg = simulate_ecg(world, moment, sfreq=_SFREQ, n_times=n_times)
    good = np.concatenate([1e6 * eeg, 1e6 * ears[np.newaxis], 1e3 * ecg])
    return np.pad(good, ((0, 0), (0, _PADDING * _SFREQ)))


def _write(path: Path, data: NDArray[np.float64], number: int) -> None:
    import pyedflib  # noqa: PLC0415  Only who simulates needs it.

    headers: list[dict[str, Any]] = []
    for label, channel in zip(_LABELS, data, strict=True):
        # Eight characters for each limit, and a little room for their rounding.
        limit = math.ceil(np.abs(channel).max() * 100 + 1) / 100
        headers.append(
            {
                "label": label,
                "dimension": "mV" if label.startswith("ECG") else "uV",
                "sample_frequency": _SFREQ,
                "physical_min": -limit,
                "physical_max": limit,
                "digital_min": -32768,
                "digital_max": 32767,
                "prefilter": _PREFILTER,
                "transducer": "",
            }
        )
    with pyedflib.EdfWriter(str(path), len(_LABELS), file_type=pyedflib.FILETYPE_EDFPLUS) as writer:
        writer.setSignalHeaders(headers)
        writer.setPatientCode(str(number))
        writer.setPatientName(f"Subject{number}")
        writer.setEquipment(EQUIPMENT)
        writer.setStartdatetime(datetime(2011, 1, 1))
        writer.writeSamples(list(data))


def simulate(
    root: Path | str, world: World = _PLANTED, n_subjects: int = 36, max_seconds: float | None = None
) -> Path:
    """Write the data set from a world: ``Subject00_1.edf`` (rest), ``Subject00_2.edf`` (task) and so on.

    Parameters
    ----------
    root : path
        The folder; it must hold no such files.
    world : World
        Strengths of all effects, and the seed. ``stimulus`` tells task from rest, too, and so does ``drift``,
        as rest always comes first.
    n_subjects : int
        People; those there are do not depend on their number.
    max_seconds : float, optional
        Rest is cut to so many whole seconds. At least 60, the length of the task and of a trial.

    Returns
    -------
    root : Path

    Raises
    ------
    PhysioaffectError
        If a number is out of its range.
    DataError
        If the data set is there already.
    """
    root = Path(root)
    if not 1 <= n_subjects <= 100:
        raise PhysioaffectError(f"EEGMAT needs 1 to 100 subjects, got {n_subjects}.")
    if max_seconds is not None and not _SHORTEST <= max_seconds < math.inf:
        raise PhysioaffectError(
            f"max_seconds must be at least {_SHORTEST} s, the length of a trial of EEGMAT, got {max_seconds}."
        )
    root.mkdir(parents=True, exist_ok=True)
    if there := sorted(root.glob("Subject[0-9][0-9]_[12].edf")):
        raise DataError(f"{there[0]} exists: nothing is overwritten. Name another folder.")
    rest = _REST if max_seconds is None else min(_REST, int(max_seconds))
    for subject in range(n_subjects):
        for order, seconds in enumerate((rest, _TASK)):
            valence, arousal = _AFFECT[order]
            moment = Moment(
                subject=subject,
                trial=order,
                stimulus=order,
                valence=valence,
                arousal=arousal,
                elapsed=order * rest,
            )
            _write(
                root / f"Subject{subject:02d}_{order + 1}.edf", _recording(world, moment, seconds), subject
            )
    return root
