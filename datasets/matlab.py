"""MATLAB v5 files from strangers, read without trusting them.

SciPy reads them by their own claims: version 1.17 ends the interpreter over a flipped bit in a type, and over
cells nested 20 000 deep. So here is a reader of what data sets use, which is structs, cells, characters and
real numbers from little-endian machines. Format: The MathWorks, "MAT-File Format", chapter 1 (level 5).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError

__all__ = ["Loaded", "Variables", "browse", "load"]

Shapes = Mapping[str, tuple[int, ...]]

_N_HEADER = 128
_CHUNK = 1 << 20
_DEEPEST = 16
_MOST_CELLS, _MOST_LINES = 1_000_000, 10_000
_LONGEST_NAME = 63
_MATRIX, _COMPRESSED = 14, 15
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
_HDF5 = b"\x89HDF\r\n\x1a\n"


class Loaded(NamedTuple):
    """A variable, and a note where something about the file is odd (empty otherwise)."""

    value: Any
    note: str


class _Damaged(ValueError):
    """What is wrong with a file, as a part of a sentence."""


class _Stream:
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
                raise _Damaged(f"its compressed data are damaged ({error})") from None
            if self._buffer or not raw:
                return bool(self._buffer)

    def pieces(self, n_bytes: int) -> Iterator[bytes]:
        """Take so many bytes, in pieces."""
        while n_bytes:
            if self._at == len(self._buffer) and not self._refill():
                raise _Damaged("its data end before everything that they announce has come")
            piece = self._buffer[self._at : self._at + n_bytes]
            self._at += len(piece)
            self.position += len(piece)
            n_bytes -= len(piece)
            yield piece

    def read(self, n_bytes: int) -> bytes:
        return b"".join(self.pieces(n_bytes))

    def skip_to(self, position: int) -> None:
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


def _tag(stream: _Stream, end: int) -> _Element:
    """Read the tag of an element, which must end where its holder ends or before."""
    if end - stream.position < 8:
        raise _Damaged("an element is too short")
    start = stream.read(8)
    kind, n_bytes = struct.unpack("<II", start)
    if n_packed := kind >> 16:
        if n_packed > 4:
            raise _Damaged("a short element is longer than 4 bytes")
        return _Element(kind & 0xFFFF, n_packed, start[4 : 4 + n_packed])
    if n_bytes > end - stream.position:
        raise _Damaged("an element is longer than what holds it")
    return _Element(kind, n_bytes, None)


def _small(stream: _Stream, end: int, *, longest: int) -> bytes:
    """Read an element of a few bytes."""
    element = _tag(stream, end)
    if element.packed is not None:
        return element.packed
    if element.n_bytes > longest:
        raise _Damaged("a name or a size is longer than it may be")
    data = stream.read(element.n_bytes)
    stream.skip_to(min(end, stream.position + -element.n_bytes % 8))
    return data


class _Header(NamedTuple):
    kind: int
    is_complex: bool
    shape: tuple[int, ...]
    name: str


def _read_header(stream: _Stream, end: int) -> _Header:
    flags = _small(stream, end, longest=8)
    sizes = _small(stream, end, longest=4 * 32)
    name = _small(stream, end, longest=_LONGEST_NAME)
    if len(flags) != 8 or len(sizes) % 4 or len(sizes) < 8:
        raise _Damaged("an array has no proper header")
    shape = struct.unpack(f"<{len(sizes) // 4}i", sizes)
    if min(shape) < 0 or prod(max(size, 1) for size in shape) > 1 << 40:
        raise _Damaged(f"an array claims the shape {shape}")
    flag = struct.unpack("<II", flags)[0]
    return _Header(flag & 0xFF, bool(flag & _IS_COMPLEX), shape, name.decode("latin1"))


def _read_data(stream: _Stream, end: int) -> tuple[int, NDArray[np.uint8]]:
    """Read the element that holds an array's numbers or characters: its type and its bytes."""
    element = _tag(stream, end)
    if element.packed is not None:
        return element.kind, np.frombuffer(element.packed, dtype=np.uint8)
    data, filled = np.empty(element.n_bytes, dtype=np.uint8), 0
    for piece in stream.pieces(element.n_bytes):
        data[filled : filled + len(piece)] = np.frombuffer(piece, dtype=np.uint8)
        filled += len(piece)
    return element.kind, data


def _read_text(stream: _Stream, header: _Header, end: int) -> str:
    """Read characters; the rows of a table of characters become lines."""
    kind, data = _read_data(stream, end)
    if kind not in _CODECS:
        raise _Damaged(f"characters are stored as type {kind}, which is none")
    text = data.tobytes().decode(_CODECS[kind], errors="replace")
    n_rows = min(header.shape[0], len(text))
    if n_rows > _MOST_LINES:
        raise _Damaged(f"it holds a table of {n_rows} lines of text, more than {_MOST_LINES}")
    return "\n".join(text[row::n_rows] for row in range(n_rows))  # Stored column by column.


def _read_numbers(stream: _Stream, header: _Header, end: int) -> NDArray[Any]:
    kind, data = _read_data(stream, end)
    if header.is_complex or kind not in _NUMBERS:
        raise _Damaged("it holds complex numbers, or numbers of a type that is none")
    dtype = np.dtype(_NUMBERS[kind])
    if len(data) != prod(header.shape) * dtype.itemsize:
        raise _Damaged(f"an array of shape {header.shape} has {len(data)} bytes of {dtype.name}")
    return data.view(dtype).reshape(header.shape, order="F")


def _read_arrays(stream: _Stream, n_arrays: int, end: int, depth: int) -> list[Any]:
    """Read the arrays in a cell array or struct."""
    if depth == _DEEPEST or 8 * n_arrays > end - stream.position:
        raise _Damaged("its arrays nest too deep, or claim more cells than there are")
    # A cell costs some 200 bytes here, of which a compressed file need hold next to none.
    stream.n_cells += n_arrays
    if stream.n_cells > _MOST_CELLS:
        raise _Damaged(f"it holds more than {_MOST_CELLS} cells and fields")
    values: list[Any] = []
    for _ in range(n_arrays):
        element = _tag(stream, end)
        if element.kind != _MATRIX or element.packed is not None:
            raise _Damaged("a cell holds something that is no array")
        if element.n_bytes:
            array_end = stream.position + element.n_bytes
            values.append(_read_array(stream, _read_header(stream, array_end), array_end, depth + 1))
        else:
            values.append(np.empty((0, 0)))
    return values


def _shaped(values: list[Any], shape: tuple[int, ...]) -> NDArray[np.object_]:
    cells = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):  # All at once, NumPy would look into them.
        cells[index] = value
    return cells.reshape(shape, order="F")


def _read_structs(stream: _Stream, header: _Header, end: int, depth: int) -> Any:
    width = max(struct.unpack("<i", _small(stream, end, longest=4).ljust(4, b"\0"))[0], 1)
    joined = _small(stream, end, longest=1 << 12)
    names = [joined[at : at + width].split(b"\0")[0].decode("latin1") for at in range(0, len(joined), width)]
    n_structs = prod(header.shape)
    values = iter(_read_arrays(stream, n_structs * len(names), end, depth))
    structs = [{name: next(values) for name in names} for _ in range(n_structs if names else 0)]
    return structs[0] if len(structs) == 1 else _shaped(structs, header.shape if names else (0, 0))


def _read_array(stream: _Stream, header: _Header, end: int, depth: int = 0) -> Any:
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
        raise _Damaged("it holds a sparse array, an object or a function, which no data set here has")
    stream.skip_to(end)
    return value


def _check_start(path: Path, file: BinaryIO, variable: str) -> None:
    """Check the first 128 bytes."""
    header = file.read(_N_HEADER)
    if not header:
        raise DataError(f"{path} is empty. Download or copy it again.")
    if header.startswith((_HDF5, b"MATLAB 7.3")):
        raise DataError(
            f"{path} was saved by MATLAB in its version 7.3, which is HDF5; expected version 5. Load it in "
            f"MATLAB and save it again with save('{path.name}', '{variable}', '-v7'), or use the file as it "
            "was distributed."
        )
    if header[124:] != b"\x00\x01IM":
        raise DataError(
            f"{path} is not a MATLAB v5 file: it begins with {header[:16]!r}. Download it again; a web page "
            "saved in its place looks like this."
        )


class _Found(NamedTuple):
    """A variable whose header has been read; the stream stands before its content."""

    header: _Header
    stream: _Stream
    end: int
    n_bytes: int  # Expanded.
    next_position: int


def _enter(file: BinaryIO, position: int, size: int) -> _Found:
    """Read the header of the variable that begins at a position of a file of that size."""
    file.seek(position)
    start = file.read(8)
    if len(start) < 8:
        raise _Damaged("it ends in the middle of an element")
    kind, length = struct.unpack("<II", start)
    position += 8 + length
    if position > size:
        raise _Damaged(f"it is cut short: {position} bytes are announced, there are {size}")
    stream = _Stream(file, length, is_compressed=kind == _COMPRESSED)
    if kind == _COMPRESSED:
        kind, length = struct.unpack("<II", stream.read(8))
    if kind != _MATRIX:
        raise _Damaged("it holds something that is no variable")
    end = stream.position + length
    return _Found(_read_header(stream, end), stream, end, length, position)


def _walk(path: Path, file: BinaryIO, variable: str) -> Iterator[tuple[int, _Found]]:
    """Enter every variable; where each begins."""
    size, position = path.stat().st_size, _N_HEADER
    _check_start(path, file, variable)
    if size == _N_HEADER:
        raise _Damaged("it is a header with nothing after it")
    while position < size:
        found = _enter(file, position, size)
        yield position, found
        position = found.next_position


def _content(found: _Found, largest: int) -> Loaded:
    if found.n_bytes > largest:
        raise _Damaged(f"{found.header.name} expands to {found.n_bytes} bytes, more than {largest}")
    return Loaded(_read_array(found.stream, found.header, found.end), found.stream.oddity())


def _find(path: Path, file: BinaryIO, variable: str, largest: int) -> Loaded:
    names = []
    for _, found in _walk(path, file, variable):
        if found.header.name == variable:
            return _content(found, largest)
        names.append(found.header.name or "something without a name")
    raise DataError(f"{path} has no variable {variable}; it has {', '.join(names)}. Is it another data set?")


@contextmanager
def _explained(path: Path, what: str) -> Iterator[None]:
    """Turn whatever reading a file may raise into a `DataError`."""
    try:
        yield
    except _Damaged as error:
        raise DataError(
            f"{path} cannot be read: {error}. Download or copy it again, and compare its size with the "
            "original's."
        ) from None
    except MemoryError:
        raise DataError(f"{path} cannot be read: there is too little memory for {what}.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None


def _with_note(path: Path, loaded: Loaded) -> Loaded:
    return Loaded(loaded.value, f"{path} was read although {loaded.note}." if loaded.note else "")


class Variables:
    """The variables of an open file, each read when it is asked for; made by `browse`.

    ``shapes`` tells the names, in the file's order, and the shapes that their headers claim.
    """

    def __init__(self, path: Path, file: BinaryIO, places: dict[str, int], shapes: Shapes) -> None:
        self._path, self._file, self._places = path, file, places
        self.shapes = shapes

    def load(self, name: str, *, largest: int = 4_000_000_000) -> Loaded:
        """Read one variable of those in ``shapes``, as `load` does."""
        with _explained(self._path, name):
            found = _enter(self._file, self._places[name], self._path.stat().st_size)
            return _with_note(self._path, _content(found, largest))


@contextmanager
def browse(path: Path, example: str) -> Iterator[Variables]:
    """Open a MATLAB v5 file to read several of its variables, one at a time, in any order.

    Parameters
    ----------
    path : Path
        The file. All headers are read at once, so that a file cut short is refused before anything is read.
    example : str
        Name of a variable that it should have, for the sentence on version 7.3.

    Raises
    ------
    DataError
        As `load`, and if a name occurs twice.
    """
    with _explained(path, "its variables"), path.open("rb") as file:
        places: dict[str, int] = {}
        shapes: dict[str, tuple[int, ...]] = {}
        for position, found in _walk(path, file, example):
            name = found.header.name
            if name in places:
                raise _Damaged(f"it holds {name or 'a variable without a name'} twice")
            places[name], shapes[name] = position, found.header.shape
        yield Variables(path, file, places, shapes)


def load(path: Path, variable: str, *, largest: int = 4_000_000_000) -> Loaded:
    """Read one variable of a MATLAB v5 file.

    Parameters
    ----------
    path : Path
        The file.
    variable : str
        Name of the variable; the others are passed over.
    largest : int
        Bytes that it may expand to.

    Returns
    -------
    Loaded
        A struct is a dict, a cell array an object array, characters are str, numbers arrays in column-major
        order of the type they are stored in: integers where MATLAB found that they suffice. A struct array
        of another size than one is an object array of dicts.

    Raises
    ------
    DataError
        If the file cannot be read, is not MATLAB v5, is cut short or damaged, or lacks the variable.
    """
    with _explained(path, variable), path.open("rb") as file:
        return _with_note(path, _find(path, file, variable, largest))
