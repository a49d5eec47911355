"""One number from a NumPy file, by its bytes: no array of the file's choosing is made, nothing evaluated."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from physioaffect.errors import DataError

__all__ = ["read_npy_scalar"]

_LARGEST = 4096
_MAGIC = b"\x93NUMPY"
_HEADER = re.compile(
    rb"\{'descr': '([<>|])([A-Za-z])(\d{0,3})', "
    rb"'fortran_order': (?:True|False), 'shape': \((?:1,)?\), \}\s*"
)
_WIDTHS = {"i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8), "U": range(1, 256), "S": range(1, 1024)}
_ADVICE = "Take it from the archive again."


def read_npy_scalar(path: Path) -> float:
    """Read a 0-d array (or one of a single element) that holds a number, or the text of one.

    Parameters
    ----------
    path : Path
        The ``.npy`` file, at most 4096 bytes.

    Returns
    -------
    value : float

    Raises
    ------
    DataError
        If the file is missing, too large, cut off, holds Python objects or anything but one finite number.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}). {_ADVICE}") from error
    value = _value(content)
    if value is None or not math.isfinite(value):
        raise DataError(
            f"{path} does not hold one number: it begins with {content[:80]!r}. Expected a NumPy file of at "
            f"most {_LARGEST} bytes with one number or its text; Python objects are not read. {_ADVICE}"
        )
    return value


def _value(content: bytes) -> float | None:
    # Version 1 has two bytes of length, the later ones four.
    start = 10 if content[6:7] == b"\1" else 12
    size = int.from_bytes(content[8:start], "little")
    header = _HEADER.fullmatch(content[start : start + size])
    if not content.startswith(_MAGIC) or len(content) > _LARGEST or header is None:
        return None
    order, kind, width = (group.decode("ascii") for group in header.groups())
    payload = content[start + size :]
    n_characters = int(width or 0)
    n_bytes = 4 * n_characters if kind == "U" else n_characters
    if n_characters not in _WIDTHS.get(kind, ()) or len(payload) != n_bytes:
        return None
    if kind not in "US":
        return float(np.frombuffer(payload, dtype=f"{order}{kind}{width}")[0])
    encoding = "ascii" if kind == "S" else "utf-32-be" if order == ">" else "utf-32-le"
    try:
        return float(payload.decode(encoding).rstrip("\0"))
    except ValueError:
        return None
