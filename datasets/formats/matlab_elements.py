"""The elements inside a MATLAB v5 file: tags, headers and arrays, each expanded as it is asked for."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from math import prod
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["COMPRESSED", "MATRIX", "Damaged", "Header", "Stream", "read_array", "read_header"]

_CHUNK = 1 << 20
_DEEPEST = 16
_MOST_CELLS, _MOST_LINES = 1_000_000, 10_000
_LONGEST_NAME = 63
MATRIX, COMPRESSED = 14, 15
_NUMBERS = {
    1: "<i1",
    2: "<u1",
    3: "<i2",
    4: "<u2",
    5: "<i4",
    6: "<u4",
    7: "<f4",
    9: "<f8",
    12: "<i8",
    13: "<u8",
}
_CODECS = {1: "utf-8", 2: "utf-8", 4: "utf-16-le", 16: "utf-8", 17: "utf-16-le", 18: "utf-32-le"}
_CELL, _STRUCT, _CHARACTERS = 1, 2, 4
_NUMERIC = range(6, 16)
_IS_COMPLEX = 0x0800


class Damaged(ValueError):
    """What is wrong with a file, as a part of a sentence."""


class Stream:
    """The bytes of one element of a file, expanded as they are asked for."""

    def __init__(self, file: BinaryIO, n_bytes: int, *, is_compressed: bool) -> None:
        self._file, self._n_left = file, n_bytes
        self._inflate = zlib.decompressobj() if is_compressed else None
        self._buffer, self._at = b"", 0
        self.position = 0
        self.n_cells = 0  # Read so far, of cells and fields.

    def _refill(self) -> bool:
        """Fetch more; False where there is no more."""
        self._at = 0
        while True:
            raw = self._inflate.unconsumed_tail if self._inflate else b""
            if not raw:
                raw = self._file.read(min(_CHUNK // 4, self._n_left))
                self._n_left -= len(raw)
            try:
                self._buffer = self._inflate.decompress(raw, _CHUNK) if self._inflate else raw
            except zlib.error as error:
                raise Damaged(f"its compressed data are damaged ({error})") from None
            if self._buffer or not raw:
                return bool(self._buffer)

    def pieces(self, n_bytes: int) -> Iterator[bytes]:
        """Take so many bytes, in pieces."""
        while n_bytes:
            if self._at == len(self._buffer) and not self._refill():
                raise Damaged("its data end before everything that they announce has come")
            piece = self._buffer[self._at : self._at + n_bytes]
            self._at += len(piece)
            self.position += len(piece)
            n_bytes -= len(piece)
            yield piece

    def read(self, n_bytes: int) -> bytes:
        """Take so many bytes at once."""
        return b"".join(self.pieces(n_bytes))

    def skip_to(self, position: int) -> None:
        """Pass over everything before a position."""
        for _ in self.pieces(position - self.position):
            pass

    def oddity(self) -> str:
        """Say what is odd about the end of the data, after all that is wanted has been read."""
        if self._inflate is None:
            return ""
        if self._at < len(self._buffer) or self._refill():
            return "there are more compressed data than the variable needs"
        return "" if self._inflate.eof else "the checksum of its compressed data is missing"


class _Element(NamedTuple):
    """Type of an element and its length; the bytes themselves where they are packed into its tag."""

    kind: int
    n_bytes: int
    packed: bytes | None


def _tag(stream: Stream, end: int) -> _Element:
    """Read the tag of an element, which must end where its holder ends or before."""
    if end - stream.position < 8:
        raise Damaged("an element is too short")
    start = stream.read(8)
    kind, n_bytes = struct.unpack("<II", start)
    if n_packed := kind >> 16:
        if n_packed > 4:
            raise Damaged("a short element is longer than 4 bytes")
        return _Element(kind & 0xFFFF, n_packed, start[4 : 4 + n_packed])
    if n_bytes > end - stream.position:
        raise Damaged("an element is longer than what holds it")
    return _Element(kind, n_bytes, None)


def _small(stream: Stream, end: int, *, longest: int) -> bytes:
    """Read an element of a few bytes."""
    element = _tag(stream, end)
    if element.packed is not None:
        return element.packed
    if element.n_bytes > longest:
        raise Damaged("a name or a size is longer than it may be")
    data = stream.read(element.n_bytes)
    stream.skip_to(min(end, stream.position + -element.n_bytes % 8))
    return data


class Header(NamedTuple):
    """What comes before the content of an array."""

    kind: int
    is_complex: bool
    shape: tuple[int, ...]
    name: str


def read_header(stream: Stream, end: int) -> Header:
    """Read kind, shape and name of an array that ends there at the latest."""
    flags = _small(stream, end, longest=8)
    sizes = _small(stream, end, longest=4 * 32)
    name = _small(stream, end, longest=_LONGEST_NAME)
    if len(flags) != 8 or len(sizes) % 4 or len(sizes) < 8:
        raise Damaged("an array has no proper header")
    shape = struct.unpack(f"<{len(sizes) // 4}i", sizes)
    if min(shape) < 0 or prod(max(size, 1) for size in shape) > 1 << 40:
        raise Damaged(f"an array claims the shape {shape}")
    flag = struct.unpack("<II", flags)[0]
    return Header(flag & 0xFF, bool(flag & _IS_COMPLEX), shape, name.decode("latin1"))


def _read_data(stream: Stream, end: int) -> tuple[int, NDArray[np.uint8]]:
    """Read the element that holds an array's numbers or characters: its type and its bytes."""
    element = _tag(stream, end)
    if element.packed is not None:
        return element.kind, np.frombuffer(element.packed, dtype=np.uint8)
    data, filled = np.empty(element.n_bytes, dtype=np.uint8), 0
    for piece in stream.pieces(element.n_bytes):
        data[filled : filled + len(piece)] = np.frombuffer(piece, dtype=np.uint8)
        filled += len(piece)
    return element.kind, data


def _read_text(stream: Stream, header: Header, end: int) -> str:
    """Read characters; the rows of a table of characters become lines."""
    kind, data = _read_data(stream, end)
    if kind not in _CODECS:
        raise Damaged(f"characters are stored as type {kind}, which is none")
    text = data.tobytes().decode(_CODECS[kind], errors="replace")
    n_rows = min(header.shape[0], len(text))
    if n_rows > _MOST_LINES:
        raise Damaged(f"it holds a table of {n_rows} lines of text, more than {_MOST_LINES}")
    return "\n".join(text[row::n_rows] for row in range(n_rows))  # Stored column by column.


def _read_numbers(stream: Stream, header: Header, end: int) -> NDArray[Any]:
    kind, data = _read_data(stream, end)
    if header.is_complex or kind not in _NUMBERS:
        raise Damaged("it holds complex numbers, or numbers of a type that is none")
    dtype = np.dtype(_NUMBERS[kind])
    if len(data) != prod(header.shape) * dtype.itemsize:
        raise Damaged(f"an array of shape {header.shape} has {len(data)} bytes of {dtype.name}")
    return data.view(dtype).reshape(header.shape, order="F")


def _read_arrays(stream: Stream, n_arrays: int, end: int, depth: int) -> list[Any]:
    """Read the arrays in a cell array or struct."""
    if depth == _DEEPEST or 8 * n_arrays > end - stream.position:
        raise Damaged("its arrays nest too deep, or claim more cells than there are")
    # A cell costs some 200 bytes here, of which a compressed file need hold next to none.
    stream.n_cells += n_arrays
    if stream.n_cells > _MOST_CELLS:
        raise Damaged(f"it holds more than {_MOST_CELLS} cells and fields")
    values: list[Any] = []
    for _ in range(n_arrays):
        element = _tag(stream, end)
        if element.kind != MATRIX or element.packed is not None:
            raise Damaged("a cell holds something that is no array")
        if element.n_bytes:
            array_end = stream.position + element.n_bytes
            values.append(read_array(stream, read_header(stream, array_end), array_end, depth + 1))
        else:
            values.append(np.empty((0, 0)))
    return values


def _shaped(values: list[Any], shape: tuple[int, ...]) -> NDArray[np.object_]:
    cells = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):  # All at once, NumPy would look into them.
        cells[index] = value
    return cells.reshape(shape, order="F")


def _read_structs(stream: Stream, header: Header, end: int, depth: int) -> Any:
    width = max(struct.unpack("<i", _small(stream, end, longest=4).ljust(4, b"\0"))[0], 1)
    joined = _small(stream, end, longest=1 << 12)
    names = [joined[at : at + width].split(b"\0")[0].decode("latin1") for at in range(0, len(joined), width)]
    n_structs = prod(header.shape)
    values = iter(_read_arrays(stream, n_structs * len(names), end, depth))
    structs = [{name: next(values) for name in names} for _ in range(n_structs if names else 0)]
    return structs[0] if len(structs) == 1 else _shaped(structs, header.shape if names else (0, 0))


def read_array(stream: Stream, header: Header, end: int, depth: int = 0) -> Any:
    """Read what follows an array's header; afterwards the stream stands at its end."""
    value: Any
    if header.kind == _CELL:
        value = _shaped(_read_arrays(stream, prod(header.shape), end, depth), header.shape)
    elif header.kind == _STRUCT:
        value = _read_structs(stream, header, end, depth)
    elif header.kind == _CHARACTERS:
        value = _read_text(stream, header, end)
    elif header.kind in _NUMERIC:
        value = _read_numbers(stream, header, end)
    else:
        raise Damaged("it holds a sparse array, an object or a function, which no data set here has")
    stream.skip_to(end)
    return value
