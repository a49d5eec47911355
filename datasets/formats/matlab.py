"""MATLAB v5 files from strangers, read without trusting them.

SciPy reads them by their own claims: version 1.17 ends the interpreter over a flipped bit in a type, and over
cells nested 20 000 deep. So here is a reader of what data sets use, which is structs, cells, characters and
real numbers from little-endian machines. Format: The MathWorks, "MAT-File Format", chapter 1 (level 5).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from physioaffect.errors import DataError

from .matlab_elements import COMPRESSED, MATRIX, Damaged, Header, Stream, read_array, read_header

__all__ = ["Loaded", "Variables", "browse", "load"]

Shapes = Mapping[str, tuple[int, ...]]

_N_HEADER = 128
_HDF5 = b"\x89HDF\r\n\x1a\n"


class Loaded(NamedTuple):
    """A variable, and a note where something about the file is odd (empty otherwise)."""

    value: Any
    note: str


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

    header: Header
    stream: Stream
    end: int
    n_bytes: int  # Expanded.
    next_position: int


def _enter(file: BinaryIO, position: int, size: int) -> _Found:
    """Read the header of the variable that begins at a position of a file of that size."""
    file.seek(position)
    start = file.read(8)
    if len(start) < 8:
        raise Damaged("it ends in the middle of an element")
    kind, length = struct.unpack("<II", start)
    position += 8 + length
    if position > size:
        raise Damaged(f"it is cut short: {position} bytes are announced, there are {size}")
    stream = Stream(file, length, is_compressed=kind == COMPRESSED)
    if kind == COMPRESSED:
        kind, length = struct.unpack("<II", stream.read(8))
    if kind != MATRIX:
        raise Damaged("it holds something that is no variable")
    end = stream.position + length
    return _Found(read_header(stream, end), stream, end, length, position)


def _walk(path: Path, file: BinaryIO, variable: str) -> Iterator[tuple[int, _Found]]:
    """Enter every variable; where each begins."""
    size, position = path.stat().st_size, _N_HEADER
    _check_start(path, file, variable)
    if size == _N_HEADER:
        raise Damaged("it is a header with nothing after it")
    while position < size:
        found = _enter(file, position, size)
        yield position, found
        position = found.next_position


def _content(found: _Found, largest: int) -> Loaded:
    if found.n_bytes > largest:
        raise Damaged(f"{found.header.name} expands to {found.n_bytes} bytes, more than {largest}")
    return Loaded(read_array(found.stream, found.header, found.end), found.stream.oddity())


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
    except Damaged as error:
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
                raise Damaged(f"it holds {name or 'a variable without a name'} twice")
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
