"""Pickle streams as Python 2 wrote them, opcode by opcode: data sets of its time are such files.

Nothing is pickled here and nothing can be but what `save` names. In protocol 0, Python 2's default, the bytes
of an array are a quoted and escaped string, two to four characters each; in protocol 2 they are themselves.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError

__all__ = ["save"]

_CHUNK = 1 << 20
_RECONSTRUCT = ("numpy.core.multiarray", "_reconstruct")
_DTYPES = {"f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"}


class _Writer:
    """Emits opcodes and remembers, as Python 2 does, what it has already written."""

    def __init__(self, file: BinaryIO, protocol: int) -> None:
        self._file, self._is_text = file, protocol == 0
        self._memo: dict[Any, int] = {}
        self._n_memoised = 0

    def _put(self, key: Any = None) -> None:
        """Number the object just written; one that may come again also gets a key."""
        number, self._n_memoised = self._n_memoised, self._n_memoised + 1
        if key is not None:
            self._memo[key] = number
        if self._is_text:
            self._file.write(b"p%d\n" % number)
        else:
            self._file.write(
                b"q" + struct.pack("<B", number) if number < 256 else b"r" + struct.pack("<I", number)
            )

    def _is_known(self, key: Any) -> bool:
        """Write a reference to what was written before, if it was."""
        number = self._memo.get(key)
        if number is None:
            return False
        if self._is_text:
            self._file.write(b"g%d\n" % number)
        else:
            self._file.write(
                b"h" + struct.pack("<B", number) if number < 256 else b"j" + struct.pack("<I", number)
            )
        return True

    def _global(self, module: str, name: str) -> None:
        if not self._is_known((module, name)):
            self._file.write(f"c{module}\n{name}\n".encode("ascii"))
            self._put((module, name))

    def _string(self, data: bytes | memoryview) -> None:
        n_bytes = len(data)
        if not self._is_text:
            head = b"U" + struct.pack("<B", n_bytes) if n_bytes < 256 else b"T" + struct.pack("<i", n_bytes)
            self._file.write(head)
            self._file.write(data)
            return
        # What Python writes for bytes is what Python 2 wrote for its strings; both quotes in front make it
        # choose the single one in every piece.
        self._file.write(b"S'")
        for begin in range(0, n_bytes, _CHUNK):
            piece = repr(b"'\"" + bytes(data[begin : begin + _CHUNK]))
            self._file.write(piece[len("b'\\'\"") : -1].encode("ascii"))
        self._file.write(b"'\n")

    def _integer(self, value: int) -> None:
        if self._is_text:
            self._file.write(b"I%d\n" % value)
        elif 0 <= value < 256:
            self._file.write(b"K" + struct.pack("<B", value))
        elif 0 <= value < 65536:
            self._file.write(b"M" + struct.pack("<H", value))
        else:
            self._file.write(b"J" + struct.pack("<i", value))

    def _tuple(self, items: tuple[Any, ...]) -> None:
        if self._is_text or len(items) > 3:
            self._file.write(b"(")
        for item in items:
            self.write(item)
        if self._is_text or len(items) > 3:
            self._file.write(b"t")
        else:
            self._file.write(b")\x85\x86\x87"[len(items) : len(items) + 1])
        if items:
            self._put()

    def _dict(self, items: Mapping[str, Any]) -> None:
        self._file.write(b"(d" if self._is_text else b"}")
        self._put()
        if not self._is_text and items:
            self._file.write(b"(")
        for key, value in items.items():
            self.write(key)
            self.write(value)
            if self._is_text:
                self._file.write(b"s")
        if not self._is_text and items:
            self._file.write(b"u")

    def _dtype(self, dtype: np.dtype[Any]) -> None:
        code = dtype.str[1:]
        if code not in _DTYPES:
            raise ValueError(f"Arrays of {dtype} cannot be written, only of {', '.join(sorted(_DTYPES))}.")
        if self._is_known(dtype.str):
            return
        self._global("numpy", "dtype")
        self._tuple((code, 0, 1))
        self._file.write(b"R")
        self._put(dtype.str)
        self._tuple((3, dtype.str[0], None, None, None, -1, -1, 0))
        self._file.write(b"b")

    def _array(self, array: NDArray[Any]) -> None:
        self._global(*_RECONSTRUCT)
        self._file.write(b"(")
        self._global("numpy", "ndarray")
        self._tuple((0,))
        self.write("b")
        self._file.write(b"t")
        self._put()
        self._file.write(b"R")
        self._put()
        self._file.write(b"(")
        self.write(1)
        self._tuple(array.shape)
        self._dtype(array.dtype)
        self.write(False)
        self._string(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        self._put()
        self._file.write(b"t")
        self._put()
        self._file.write(b"b")

    def write(self, value: Any) -> None:
        if value is None:
            self._file.write(b"N")
        elif isinstance(value, bool):
            text = b"I01\n" if value else b"I00\n"
            self._file.write(text if self._is_text else (b"\x88" if value else b"\x89"))
        elif isinstance(value, int):
            self._integer(value)
        elif isinstance(value, str):
            if not self._is_known(("string", value)):
                self._string(value.encode("latin1"))
                self._put(("string", value))
        elif isinstance(value, tuple):
            self._tuple(value)
        elif isinstance(value, Mapping):
            self._dict(value)
        elif isinstance(value, np.ndarray):
            self._array(value)
        else:
            raise ValueError(f"A {type(value).__name__} cannot be written to a pickle stream.")


def save(path: Path, value: Any, *, protocol: int) -> Path:
    """Write plain containers and arrays as Python 2's pickle would have, whole or not at all.

    Parameters
    ----------
    path : Path
        The file; its folder is made if need be.
    value : dict, tuple, str, int, bool, None or ndarray
        Nested as you like; arrays of numbers only, strings of latin-1.
    protocol : {0, 2}
        Version of the format.

    Returns
    -------
    path : Path

    Raises
    ------
    DataError
        If the file exists.
    ValueError
        If something else is in the value, or the protocol is another.
    """
    if protocol not in (0, 2):
        raise ValueError(f"protocol must be 0 or 2, got {protocol}.")
    if path.exists():
        raise DataError(f"{path} exists and is not overwritten. Remove it, or choose another folder.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        part = Path(folder) / "part"
        with part.open("wb") as file:
            file.write(b"" if protocol == 0 else b"\x80\x02")
            _Writer(file, protocol).write(value)
            file.write(b".")
        part.replace(path)
    return path
