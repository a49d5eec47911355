"""Zips as an Empatica E4 exports them, from signals in physical units."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["E4_RATES", "E4Recording", "write_e4_zip"]

E4_RATES = {"acc": 32.0, "ppg": 64.0, "eda": 4.0, "temperature": 4.0, "hr": 1.0}
# The device shows the mean of ten seconds, so its first value comes after ten.
_HR_DELAY = 10


class E4Recording(NamedTuple):
    """One session: ``acc`` in g of shape (3, n_times), the others (1, n_times), at `E4_RATES`.

    ``started`` is in seconds since 1970, ``beats`` and ``presses`` (of the button) in seconds after it.
    """

    started: int
    acc: NDArray[np.float64]
    ppg: NDArray[np.float64]
    eda: NDArray[np.float64]
    temperature: NDArray[np.float64]
    beats: NDArray[np.float64]
    presses: tuple[int, ...] = ()


def _heart_rate(beats: NDArray[np.float64], seconds: int) -> NDArray[np.float64]:
    """Mean rate in bpm over the ten seconds before each second from the tenth on."""
    ends = np.arange(_HR_DELAY, seconds)
    first, last = (np.searchsorted(beats, ends - shift) for shift in (_HR_DELAY, 0))
    n_intervals = np.maximum(last - first - 1, 1)
    known = np.minimum([first, last - 1], max(len(beats) - 1, 0))
    lengths = beats[known[1]] - beats[known[0]] if len(beats) > 1 else np.ones(len(ends))
    return np.where(lengths > 0, 60 * n_intervals / np.where(lengths > 0, lengths, 1.0), 70.0)


def _text(started: float, sfreq: float, columns: NDArray[np.float64], number: str) -> str:
    head = [", ".join([f"{value:.6f}"] * len(columns)) for value in (started, sfreq)]
    return "\n".join([*head, *(",".join(number % value for value in row) for row in columns.T), ""])


def write_e4_zip(path: Path, recording: E4Recording, *, tags_name: str = "tags.csv", note: str = "") -> Path:
    """Write the session's csv files and ``info.txt`` into a zip; the same session gives the same bytes.

    Parameters
    ----------
    path : Path
        The zip; its folder must exist.
    recording : E4Recording
        What was recorded.
    tags_name : str
        Name of the file with the presses of the button.
    note : str
        Goes into ``info.txt``.
    """
    started, seconds = recording.started, int(recording.eda.shape[1] / E4_RATES["eda"])
    intervals = np.diff(recording.beats, prepend=np.nan)
    # The device leaves out what it does not trust.
    is_kept = (intervals > 0.3) & (intervals < 2.0)
    pairs = zip(recording.beats[is_kept], intervals[is_kept], strict=True)
    files = {
        "ACC.csv": _text(started, E4_RATES["acc"], np.rint(recording.acc * 64), "%d"),
        "BVP.csv": _text(started, E4_RATES["ppg"], recording.ppg, "%.2f"),
        "EDA.csv": _text(started, E4_RATES["eda"], recording.eda, "%.6f"),
        "TEMP.csv": _text(started, E4_RATES["temperature"], recording.temperature, "%.2f"),
        "IBI.csv": f"{started:.6f}, IBI\n" + "".join(f"{time:.6f},{length:.6f}\n" for time, length in pairs),
        tags_name: "".join(f"{started + press}\r\n" for press in recording.presses),
        "info.txt": f"{note}\n.csv files in this archive are as an Empatica E4 exports them.\n",
    }
    if seconds > _HR_DELAY:
        rate = _heart_rate(recording.beats, seconds)[np.newaxis]
        files["HR.csv"] = _text(started + _HR_DELAY, E4_RATES["hr"], rate, "%.2f")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            # A fixed date, where writestr would take the clock's.
            info = zipfile.ZipInfo(name, date_time=(2020, 1, 1, 0, 0, 0))
            archive.writestr(info, files[name], zipfile.ZIP_DEFLATED)
    return path
