"""BDF files as BioSemi's program writes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["BdfColumn", "write_bdf"]

_LOWEST, _HIGHEST = -(2**23), 2**23 - 1


class BdfColumn(NamedTuple):
    """A channel to write: values in ``unit``, or counts if that is ``"Boolean"``, shape (n_times,).

    ``step`` is about the size of a count in ``unit``; BioSemi's amplifier has 1/32 uV.
    """

    name: str
    unit: str
    values: NDArray[np.floating] | NDArray[np.integer]
    step: float = 1 / 32

    @property
    def limits(self) -> tuple[int, int]:
        """Physical values at the lowest and the highest count, whole as BioSemi's program writes them."""
        limit = round(-_LOWEST * (1.0 if self.unit == "Boolean" else self.step))
        return -limit, limit - 1


def _text(value: object, width: int) -> bytes:
    text = str(value)
    if len(text) > width:
        raise ValueError(f"{text!r} does not fit into {width} characters of a BDF header.")
    return text.ljust(width).encode("latin1")


def _packed(column: BdfColumn, n_times: int) -> NDArray[np.uint8]:
    """Three bytes per sample, little end first, shape (n_times, 3)."""
    low, high = column.limits
    scaled = (column.values[:n_times] - low) * ((_HIGHEST - _LOWEST) / (high - low)) + _LOWEST
    counts = np.clip(np.rint(scaled), _LOWEST, _HIGHEST).astype("<i4")
    packed: NDArray[np.uint8] = counts.view(np.uint8).reshape(-1, 4)[:, :3]
    return packed


def write_bdf(path: Path, columns: Sequence[BdfColumn], *, sfreq: int, note: str = "") -> None:
    """Write channels of one rate in records of one second.

    Parameters
    ----------
    path : Path
        The file.
    columns : sequence of BdfColumn
        Equally long; what is left over of the last second is not written.
    sfreq : int
        Samples per second.
    note : str
        Goes where the header has room for a word on the recording.
    """
    n_records = min(len(column.values) for column in columns) // sfreq
    is_status = [column.unit == "Boolean" for column in columns]
    head = b"\xffBIOSEMI" + _text(note, 80) + _text("", 80) + b"01.01.0900.00.00"
    head += _text(256 * (len(columns) + 1), 8) + _text("24BIT", 44)
    head += _text(n_records, 8) + _text(1, 8) + _text(len(columns), 4)
    head += b"".join(_text(column.name, 16) for column in columns)
    head += b"".join(_text("Triggers and Status" if flag else "Active Electrode", 80) for flag in is_status)
    head += b"".join(_text(column.unit, 8) for column in columns)
    head += b"".join(_text(column.limits[0], 8) for column in columns)
    head += b"".join(_text(column.limits[1], 8) for column in columns)
    head += _text(_LOWEST, 8) * len(columns) + _text(_HIGHEST, 8) * len(columns)
    head += b"".join(_text("No filtering" if flag else "HP: DC; LP: 67 Hz", 80) for flag in is_status)
    head += _text(sfreq, 8) * len(columns) + _text("Reserved", 32) * len(columns)
    packed = np.stack([_packed(column, n_records * sfreq) for column in columns])
    # Record by record, in each channel by channel.
    body = packed.reshape(len(columns), n_records, sfreq * 3).swapaxes(0, 1)
    path.write_bytes(head + np.ascontiguousarray(body).tobytes())
