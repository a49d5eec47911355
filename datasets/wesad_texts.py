"""The text files of WESAD as they are laid out there: questionnaire, readme, the chest device's samples."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["minutes_seconds", "write_quest", "write_readme", "write_respiban"]

_N_FIELDS = 27
_SENSORS = ("ECG", "EDA", "EMG", "TEMP", "XYZ", "XYZ", "XYZ", "RESPIRATION")
_ROWS_AT_ONCE = 100_000


def minutes_seconds(seconds: int) -> str:
    """Write a time as the makers' spreadsheet did: minutes.seconds as a number, without zeros at the end.

    Examples
    --------
    >>> [minutes_seconds(seconds) for seconds in (3030, 428, 1680)]
    ['50.3', '7.08', '28']
    """
    return f"{seconds // 60}.{seconds % 60:02d}".rstrip("0").rstrip(".")


def write_quest(
    path: Path,
    *,
    subject: str,
    has_colon: bool,
    intervals: Mapping[str, tuple[int, int]],
    answers: Mapping[str, Sequence[Sequence[int]]],
) -> None:
    """Write SX_quest.csv.

    Parameters
    ----------
    path : Path
        The file.
    subject : str
        Such as ``"S2"``.
    has_colon : bool
        Whether the first row begins with ``# Subj:``, as some do.
    intervals : mapping of str to (int, int)
        Beginning and end in seconds of each period, by the name in the file.
    answers : mapping of str to sequence of sequences of int
        Rows of PANAS, STAI, DIM and SSSQ.
    """
    times = list(intervals.values())
    rows = [
        [f"# Subj{':' if has_colon else ''}", subject],
        ["# ORDER", *intervals],
        ["# START", *(minutes_seconds(start) for start, _ in times)],
        ["# END", *(minutes_seconds(stop) for _, stop in times)],
    ]
    for name, answered in answers.items():
        rows += [[], *([f"# {name}", *map(str, row)] for row in answered)]
    padded = (";".join([*row, *[""] * (_N_FIELDS - len(row))]) for row in rows)
    text = "".join(f"{line}\n" for line in padded)
    path.write_bytes(text.encode("ascii"))


def write_readme(path: Path, notes: Sequence[str]) -> None:
    """Write SX_readme.txt about nobody in particular."""
    text = (
        "### Personal information ###\nAge: 27\nHeight (cm): 175\nWeight (kg): 80\nGender: male\n"
        "Dominant hand: right\n\n### Study pre-requisites ###\nDid you drink coffee today? NO\n"
        "Did you drink coffee within the last hour? NO\nDid you do any sports today? NO\n"
        "Are you a smoker? NO\nDid you smoke within the last hour? NO\nDo you feel ill today? NO\n\n"
        "### Additional notes ###\n"
    )
    path.write_bytes((text + "".join(f"{note}\n" for note in notes)).encode("ascii"))


def write_respiban(path: Path, counts: NDArray[np.int32], *, sfreq: int, started_local: datetime) -> None:
    """Write SX_respiban.txt.

    Parameters
    ----------
    path : Path
        The file.
    counts : ndarray of int, shape (n_times, 8)
        ECG, EDA, EMG, temperature, three axes and breath.
    sfreq : int
        Samples per second.
    started_local : datetime
        What the device's clock said.
    """
    at = started_local
    n_channels = len(_SENSORS)
    device = {
        "sensor": _SENSORS,
        "device name": "respiban",
        "column": ["nSeq", "DI", *(f"CH{number}" for number in range(1, n_channels + 1))],
        "sync interval": 2,
        "time": f"{at.hour}:{at.minute}:{at.second}.0",
        "date": f"{at.year}-{at.month}-{at.day}",
        "device": "respiban",
        "channels": list(range(1, n_channels + 1)),
        "sampling rate": sfreq,
        "resolution": [16] * n_channels,
    }
    with path.open("w", encoding="ascii", newline="\n") as file:
        file.write("# OpenSignals Text File Format\n")
        file.write(f"# {json.dumps({'00:00:00:00:00:00': device})}\n# EndOfHeader\n")
        for first in range(0, len(counts), _ROWS_AT_ONCE):
            rows = counts[first : first + _ROWS_AT_ONCE].tolist()
            file.write("".join("\t".join(map(str, (n, 0, *row, "\n"))) for n, row in enumerate(rows, first)))
