"""Neuroscan CNT files, as little of them as MNE reads: setup, electrodes, samples, an empty event table.

Layout: the structures SETUP, ELECTLOC and TEEG, https://paulbourke.net/dataformats/eeg/, checked against the
reader in MNE 1.13.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError

__all__ = ["save"]

_SETUP, _ELECTRODE = 900, 75
_STEP = 0.03  # Microvolts of one count; counts are 32 bits wide.
_LARGEST = 2_000_000_000  # Beyond, the position of the event table does not fit its field.


def _setup(n_channels: int, n_times: int, sfreq: int, date: str, label: str) -> bytearray:
    """Fill in the first 900 bytes; the date is yyyymmdd."""
    setup = bytearray(_SETUP)
    setup[:12] = b"Version 3.0\0"
    setup[205:225] = label.encode("ascii")[:19].ljust(20, b"\0")
    setup[225:235] = f"{date[4:6]}/{date[6:]}/{date[2:4]}".encode().ljust(10, b"\0")
    setup[235:247] = b"09:00:00".ljust(12, b"\0")
    struct.pack_into("<H", setup, 370, n_channels)
    struct.pack_into("<H", setup, 376, sfreq)
    struct.pack_into("<i", setup, 864, n_times)
    struct.pack_into("<i", setup, 886, _SETUP + n_channels * (_ELECTRODE + 4 * n_times))
    struct.pack_into("<f", setup, 890, n_times / sfreq)
    return setup


def _electrode(name: str, place: float) -> bytearray:
    """Describe one channel; the position, a turn around the screen, is of no use to anyone."""
    record = bytearray(_ELECTRODE)
    record[:10] = name.encode("ascii").ljust(10, b"\0")
    struct.pack_into("<2f", record, 19, 300 + 200 * np.cos(place), 300 + 200 * np.sin(place))
    struct.pack_into("<f", record, 59, 1.0)
    struct.pack_into("<f", record, 71, 204.8 * _STEP)
    return record


def save(
    path: Path,
    *,
    ch_names: Sequence[str],
    sfreq: int,
    n_times: int,
    pieces: Iterable[tuple[int, NDArray[np.float64]]],
    date: str,
    label: str = "",
) -> Path:
    """Write a continuous recording, zero (and a hole in the file) wherever no piece lies.

    Parameters
    ----------
    path : Path
        The file; its folder is made if need be.
    ch_names : sequence of str
        At most ten ASCII characters each.
    sfreq : int
        Samples per second.
    n_times : int
        Samples per channel.
    pieces : iterable of (int, ndarray of shape (n_channels, n))
        First sample, and volts.
    date : str
        Day of the recording, yyyymmdd.
    label : str
        Label of the session.

    Returns
    -------
    path : Path

    Raises
    ------
    DataError
        If the file exists or would be larger than 2 GB.
    """
    n_channels = len(ch_names)
    data_at = _SETUP + _ELECTRODE * n_channels
    events_at = data_at + 4 * n_channels * n_times
    if path.exists():
        raise DataError(f"{path} exists and is not overwritten. Remove it, or choose another folder.")
    if events_at > _LARGEST:
        raise DataError(f"{path} would have {events_at} bytes; CNT files end at 2 GB. Make it shorter.")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(_setup(n_channels, n_times, sfreq, date, label))
        for index, name in enumerate(ch_names):
            file.write(_electrode(name, 2 * np.pi * index / n_channels))
        for first, volts in pieces:
            file.seek(data_at + 4 * n_channels * first)
            file.write(np.rint(volts.T * (1e6 / _STEP)).astype("<i4").tobytes())
        file.seek(events_at)
        file.write(struct.pack("<Bii", 1, 0, 0))
    part.replace(path)
    return path
