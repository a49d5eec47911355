"""BIDS ``_physio.tsv.gz``: columns without a header, told by their JSON sidecar."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.recording import Signal

from .bids_files import metadata

__all__ = ["PhysioOutline", "conductance_scale", "physio_outline", "read_physio"]

# From BIDS (cardiac, respiratory) and common use; of those that mean the same the first is taken.
_KINDS = {
    "eda": ("eda", "gsr", "scl", "scr", "skinconductance", "skin_conductance"),
    "ecg": ("ecg", "ekg"),
    "ppg": ("cardiac", "ppg", "bvp", "pulse"),
    "resp": ("respiratory", "respiration", "resp"),
    "temperature": ("temperature", "temp", "skin_temperature"),
    "hr": ("hr", "heart_rate", "heartrate"),
}
_SIEMENS = {"s": 1e6, "ms": 1e3, "us": 1.0, "µs": 1.0, "μs": 1.0, "microsiemens": 1.0, "ns": 1e-3}
_VOLTS = {"v": 1.0, "mv": 1e-3, "uv": 1e-6, "µv": 1e-6, "μv": 1e-6, "nv": 1e-9}
_DEGREES = dict.fromkeys(("c", "°c", "degc", "celsius", "oc"), 1.0)
_BEATS = dict.fromkeys(("bpm", "beats/min", "1/min"), 1.0)
_UNITS = {
    "eda": ("uS", _SIEMENS),
    "ecg": ("V", _VOLTS),
    "temperature": ("degC", _DEGREES),
    "hr": ("bpm", _BEATS),
}

_BLOCK, _LONGEST_LINE = 2**20, 2**16
_LARGEST = 2**29  # Of text; an hour at 1000 Hz in eight columns has half.
# 256 MB: six columns of an hour at 1000 Hz have 173, but a file of 100 kB can promise more.
_MOST_VALUES = 2**25


class PhysioOutline(NamedTuple):
    """What a sidecar tells; ``picks`` has the position and the name of the column of each kind."""

    sfreq: float
    start: float
    n_columns: int
    picks: Mapping[str, tuple[int, str]]
    units: Mapping[str, str]


def conductance_scale(unit: str) -> float | None:
    """Tell by what to multiply a unit of conductance to get microsiemens; None if it is none."""
    return _SIEMENS.get(unit.lower())


def _meaning(column: str, sidecar: Mapping[str, Any]) -> str:
    """Name a column in lower case; BIDS' "cardiac" is a pulse unless its description says ECG."""
    about = sidecar.get(column)
    text = str(about.get("Description", "")).lower() if isinstance(about, dict) else ""
    is_ecg = column.lower() == "cardiac" and ("ecg" in text or "electrocardio" in text)
    return "ecg" if is_ecg else column.lower()


def physio_outline(root: Path, path: Path) -> PhysioOutline:
    """Read the sidecar of a physio file.

    Raises
    ------
    DataError
        If there is none, or it does not tell rate, start and columns.
    """
    sidecar = metadata(root, path, "physio")
    if not sidecar:
        name = path.name.removesuffix(".tsv.gz")
        raise DataError(
            f"{path} has no sidecar: expected {name}.json with SamplingFrequency, StartTime and Columns."
        )
    rate, start, columns = (sidecar.get(key) for key in ("SamplingFrequency", "StartTime", "Columns"))
    is_rate = isinstance(rate, int | float) and 0 < rate < 1e6
    is_start = isinstance(start, int | float) and abs(start) < 1e6
    is_list = isinstance(columns, list) and bool(columns) and all(isinstance(c, str) for c in columns)
    if not (is_rate and is_start and is_list):
        raise DataError(
            f"The sidecar of {path} has SamplingFrequency {rate!r}, StartTime {start!r} and Columns "
            f"{columns!r}; expected a rate above 0 Hz, seconds, and a list of names. Mend it."
        )
    assert isinstance(rate, int | float)
    assert isinstance(start, int | float)
    assert isinstance(columns, list)
    meanings = [_meaning(column, sidecar) for column in columns]
    picks = {}
    for kind, names in _KINDS.items():
        if present := [name for name in names if name in meanings]:
            at = meanings.index(present[0])
            picks[kind] = (at, columns[at])
    units = {}
    for kind, (_, column) in picks.items():
        about = sidecar.get(column)
        units[kind] = str(about.get("Units", "")) if isinstance(about, dict) else ""
    return PhysioOutline(float(rate), float(start), len(columns), picks, units)


def _blocks(path: Path) -> Iterator[bytes]:
    """Unpack whole lines, about a megabyte at a time."""
    size = 0
    try:
        with gzip.open(path) as stream:
            while block := stream.read(_BLOCK):
                end = stream.readline(_LONGEST_LINE)
                size += len(block) + len(end)
                if len(end) == _LONGEST_LINE and not end.endswith(b"\n"):
                    raise DataError(
                        f"{path} is no table of numbers: a line has more than {_LONGEST_LINE} characters."
                    )
                if size > _LARGEST:
                    raise DataError(
                        f"{path} expands to more than {_LARGEST // 2**20} MB of text, more than is read at "
                        "once. Divide it into runs, or write it at a lower rate."
                    )
                yield block + end
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be unpacked ({error}): it may have been cut off.") from error


def _n_rows(path: Path) -> int:
    """Count the lines up to the last that is not empty."""
    n_rows = n_lines = 0
    for block in _blocks(path):
        if filled := block.rstrip(b"\r\n"):
            n_rows = n_lines + filled.count(b"\n") + 1
        n_lines += block.count(b"\n")
    return n_rows


def _columns(path: Path, n_columns: int, picks: Sequence[int]) -> NDArray[np.float64]:
    """Read some columns, shape (n_picks, n_rows); counted first, as memory is for their numbers alone."""
    n_rows = _n_rows(path)
    if n_rows == 0:
        raise DataError(f"{path} is empty.")
    if n_rows * max(len(picks), 1) > _MOST_VALUES:
        raise DataError(
            f"{path} has {n_rows} rows, of which {len(picks)} columns would be kept; at most {_MOST_VALUES} "
            "numbers of a file are read at once. Divide it into runs, or write it at a lower rate."
        )
    values, n_read = np.empty((len(picks), n_rows)), 0
    for block in _blocks(path):
        text = block.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").rstrip("\n")
        text = text.replace("n/a", "nan")
        if not text:
            continue
        try:
            table = np.loadtxt(io.StringIO(text), delimiter="\t", comments=None, ndmin=2)
        except ValueError as error:
            raise DataError(
                f"{path} is no table of numbers ({error}). A physio file has tabs between columns and no "
                "header."
            ) from error
        if table.shape[1] != n_columns:
            raise DataError(
                f"{path} has {table.shape[1]} columns and {n_rows} rows of numbers; its sidecar names "
                f"{n_columns} columns. Mend one of them."
            )
        values[:, n_read : n_read + len(table)] = table.T[list(picks)]
        n_read += len(table)
    if n_read != n_rows:
        raise DataError(f"{path} has {n_rows - n_read} empty lines between others. Write n/a there.")
    return values


def read_physio(root: Path, path: Path) -> dict[str, Signal]:
    """Read the columns that are known, each a signal of one channel.

    Returns
    -------
    signals : dict of str to Signal
        ``eda`` in uS, ``ecg`` in V, ``temperature`` in degC and ``hr`` in bpm if the sidecar's ``Units`` can
        be converted, else and all others in ``"au"``. ``n/a`` is NaN. ``start`` is the sidecar's StartTime.

    Raises
    ------
    DataError
        If the file is damaged or does not fit its sidecar.
    """
    outline = physio_outline(root, path)
    values = _columns(path, outline.n_columns, [at for at, _ in outline.picks.values()])
    signals = {}
    values[np.isinf(values)] = np.nan
    for row, (kind, (_, column)) in enumerate(outline.picks.items()):
        unit, scales = _UNITS.get(kind, ("au", {}))
        scale = scales.get(outline.units[kind].lower())
        values[row] *= 1.0 if scale is None else scale
        signals[kind] = Signal(
            data=values[row : row + 1],
            sfreq=outline.sfreq,
            ch_names=(column,),
            kind=kind,
            unit="au" if scale is None else unit,
            start=outline.start,
        )
    return signals
