"""Rows of large CSV files, streamed: one line at a time is in memory."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import NamedTuple

from physioaffect.errors import DataError

__all__ = ["Row", "read_rows"]

_LONGEST_HEADER = 4096
_BUFFER = 2**20  # Many lines: some have 8 kB.


class Row(NamedTuple):
    """One line: its number in the file, from 1, and the fields asked for, or what is wrong with it."""

    line: int
    fields: tuple[bytes, ...]
    problem: str = ""


def read_rows(path: Path, columns: Sequence[str], *, longest: int) -> Generator[Row, None, None]:
    """Stream some columns, looked up by name, of a CSV file whose fields hold no commas.

    Blanks and quotes around names and fields are stripped, lines may end in CRLF, and blank lines do not
    count. A line with more or fewer fields than the header has a ``problem`` in place of fields.

    Parameters
    ----------
    path : Path
        The file.
    columns : sequence of str
        Names in the header; the fields come in this order.
    longest : int
        Bytes that a line may have; beyond, the file is something else.

    Yields
    ------
    Row

    Raises
    ------
    DataError
        If the file cannot be read, its header lacks a column or has it twice, or a line is too long.
    """
    try:
        with path.open("rb", buffering=_BUFFER) as stream:
            header = stream.readline(_LONGEST_HEADER)
            places, n_fields = _places(path, header, columns)
            for number, line in enumerate(iter(lambda: stream.readline(longest + 1), b""), start=2):
                if len(line) > longest:
                    raise DataError(
                        f"{path} has more than {longest} bytes in line {number}; expected "
                        f"{', '.join(columns[:4])} in one line each. Download it again."
                    )
                fields = line.split(b",")
                if len(fields) == n_fields:
                    yield Row(number, tuple([fields[place].strip(b' "\t\r\n') for place in places]))
                elif not line.isspace():
                    problem = f"has {len(fields)} fields; expected {n_fields} as in the header"
                    yield Row(number, (), problem)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}). Check the file.") from error


def _places(path: Path, header: bytes, columns: Sequence[str]) -> tuple[list[int], int]:
    text = header.decode("utf-8-sig", errors="replace")
    names = [name.strip(' "\t\r\n') for name in text.split(",")]
    for column in columns:
        if names.count(column) != 1:
            how_often = "twice" if column in names else "nowhere"
            raise DataError(
                f"{path} has the column {column!r} {how_often} in its first line, {text[:120]!r}; expected "
                f"{', '.join(columns)}. Use the file as it was distributed."
            )
    return [names.index(column) for column in columns], len(names)
