"""Header of EDF and BDF files: held against the file before a library in C believes it."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, NamedTuple

from physioaffect.errors import DataError

__all__ = ["EDFBROWSER", "EdfHeader", "read_header"]

EDFBROWSER = "Open it in EDFbrowser (Tools, Header editor), which finds and mends such errors, and save it."

_LARGEST_FILE = 2**31 - 1  # pyedflib's counts are 32 bits; a week of a Faros at its fastest is 1.6 GB.


class EdfHeader(NamedTuple):
    """Seconds of a record; beginning on the recorder's clock, and how far that is from UTC, if told."""

    record_s: float
    started: datetime | None
    utc_offset: timedelta | None


def read_header(stream: BinaryIO, size: int, path: Path) -> EdfHeader:
    """Check that the file is as long as its header says and holds nothing that pyedflib cannot place."""
    main = stream.read(256)
    if main[:8] not in (b"0       ", b"\xffBIOSEMI") or len(main) < 256:
        raise DataError(
            f"{path} ({size} bytes) begins with {main[:8]!r}, not with the header of an EDF or BDF file. "
            "Give a file that a device or program saved as EDF, EDF+ or BDF."
        )
    if main[192:197] in (b"EDF+D", b"BDF+D"):
        raise DataError(
            f"{path} is discontinuous ({main[192:197].decode()}): time may be missing between its records, "
            "and pyedflib cannot tell where. Cut it at its gaps with EDFbrowser (Tools, Convert EDF+D to "
            "EDF+C) and read the pieces, each of which has a beginning of its own."
        )
    rest = main[8:] + _check_size(main, stream, size, path)
    if not all(32 <= byte < 127 for byte in rest):
        raise DataError(
            f"{path} has bytes in its header that EDF does not allow, such as a µ or an umlaut. {EDFBROWSER}"
        )
    record = main[244:252].strip()
    if not re.fullmatch(rb"\d+\.?|\d*\.\d+", record) or float(record) == 0:
        raise DataError(
            f"{path} has {record.decode()!r} as the length of its records; expected seconds above 0. "
            f"{EDFBROWSER} If it is 0, the file holds notes only: read the one with the signals."
        )
    return EdfHeader(float(record), _started(main), _utc_offset(main))


def _check_size(main: bytes, stream: BinaryIO, size: int, path: Path) -> bytes:
    """Compare the length of the file with what its header announces; give the rest of the header."""
    n_signals = _whole(main[252:256], "the number of signals", path)
    n_records = _whole(main[236:244], "the number of records", path)
    n_header = _whole(main[184:192], "the length of the header", path)
    if n_records == -1:
        raise DataError(f"{path} says that it has -1 records: its recording did not end well. {EDFBROWSER}")
    head = stream.read(256 * max(n_signals, 0))
    fields = [head[at : at + 8] for at in range(216 * n_signals, min(224 * n_signals, len(head)), 8)]
    n_per_record = [_whole(field, "the number of samples in a record", path) for field in fields]
    announced = n_header + n_records * (3 if main[:1] == b"\xff" else 2) * sum(n_per_record)
    counts = [n_signals, n_records, *n_per_record]
    if n_header != 256 * (n_signals + 1) or min(counts) < 1 or announced != size:
        raise DataError(
            f"{path} has {size} bytes, but its header announces {n_records} records of {n_signals} signals, "
            f"{announced} bytes in all. It was cut off or changed: copy it again. If the recording itself "
            f"broke off: {EDFBROWSER}"
        )
    if size > _LARGEST_FILE:
        raise DataError(
            f"{path} has 2 GiB or more. Cut it with EDFbrowser, or read channels of one rate with mne and "
            "Signal.from_mne."
        )
    return head


def _whole(field: bytes, what: str, path: Path) -> int:
    if not re.fullmatch(rb"[+-]?\d+ *", field):
        raise DataError(
            f"{path} has {field!r} as {what} in its header; expected a whole number. {EDFBROWSER}"
        )
    return int(field)


def _started(main: bytes) -> datetime | None:
    """Time on the recorder's clock; None for the day that stands for an unknown one, or for none."""
    found = re.fullmatch(rb"(\d\d)\.(\d\d)\.(\d\d)(\d\d)\.(\d\d)\.(\d\d)", main[168:184])
    if found is None or main[168:176] == b"01.01.85" or main[88:100].rstrip() == b"Startdate X":
        return None
    day, month, year, hour, minute, second = map(int, found.groups())
    with suppress(ValueError):
        return datetime(year + (1900 if year > 84 else 2000), month, day, hour, minute, second)
    return None


def _utc_offset(main: bytes) -> timedelta | None:
    """How far the clock is from UTC: the Faros writes it into the field on the recording."""
    found = re.search(rb"[ _]TZ=([+-])([01]\d)([0-5]\d)(?![^ _])", main[88:168])
    if found is None:
        return None
    sign, hours, minutes = found.groups()
    return int(sign + b"1") * timedelta(hours=int(hours), minutes=int(minutes))
