"""A delimited text file as columns, fast where it is whole and by line number where it is not."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physioaffect.errors import DataError

__all__ = ["LARGEST_FILE", "Layout", "TextTable", "head_of", "open_table", "read_bytes", "split_line"]

LARGEST_FILE = 2**31
_LONGEST_HEADER = 2**16
_NUMBER = re.compile(r"\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\s*", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """How the text is written; the fields are those of `physioaffect.devices.csv_map.CsvMap`."""

    delimiter: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    comment: str = ""
    header_line: int = 1
    first_line: int | None = None
    missing: tuple[str, ...] = ()
    may_end_early: bool = False


@dataclass(frozen=True, kw_only=True)
class TextTable:
    r"""An opened table.

    Parameters
    ----------
    path : Path
        For messages.
    layout : Layout
        How it is written.
    header : tuple of str
        Names of the columns, in order; numbers from 1 where the file has no header.
    body : bytes
        Lines of data in UTF-8, ended by ``\n`` or ``\r\n``.
    first_line : int
        Line number of the first of them in the file.
    """

    path: Path
    layout: Layout
    header: tuple[str, ...]
    body: bytes
    first_line: int

    def position(self, name: str) -> int:
        """Index of a column; `DataError` if it is missing or there are two."""
        found = [index for index, column in enumerate(self.header) if column == name]
        if len(found) == 1:
            return found[0]
        shown = ", ".join(self.header[:60])
        problem = f"has {len(found)} columns called {name!r}" if found else f"has no column {name!r}"
        raise DataError(
            f"{self.path} {problem}; its columns are {shown}. Correct the map, or give another file."
        )

    def columns(self, kinds: Mapping[str, type]) -> dict[str, Any]:
        """Parse columns.

        Parameters
        ----------
        kinds : mapping of str to type
            ``float`` or ``str`` for each column wanted.

        Returns
        -------
        dict of str to array
            For numbers an ndarray of float64 with NaN where there is none; for texts a pyarrow array of
            strings with null where the cell is empty.

        Raises
        ------
        DataError
            If a line has another number of cells than the header, or a cell is no finite number.
        """
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.csv as pc  # noqa: PLC0415

        at = {name: self.position(name) for name in kinds}
        is_blank = self.body.startswith((b"\n", b"\r\n")) or b"\n\n" in self.body or b"\n\r\n" in self.body
        if is_blank and len(self.header) > 1:
            # Pyarrow would pass over empty lines, and the count of lines would be wrong from there on.
            raise self._broken(kinds, "it has an empty line")
        labels = [str(index) for index in range(len(self.header))]
        types = {
            str(at[name]): pa.float64() if kind is float else pa.string() for name, kind in kinds.items()
        }
        try:
            table = pc.read_csv(
                pa.BufferReader(self.body),
                read_options=pc.ReadOptions(column_names=labels, block_size=_block_size(self.body)),
                parse_options=pc.ParseOptions(delimiter=self.layout.delimiter, ignore_empty_lines=False),
                convert_options=pc.ConvertOptions(
                    column_types=types,
                    include_columns=list(dict.fromkeys(types)),
                    null_values=["", *self.layout.missing],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,
                    decimal_point=self.layout.decimal,
                ),
            )
        except pa.ArrowInvalid as error:
            raise self._broken(kinds, str(error)) from None
        result: dict[str, Any] = {}
        for name, kind in kinds.items():
            column = table.column(str(at[name]))
            if kind is float:
                values = column.to_numpy()
                if np.isinf(values).any() or (column.null_count < np.count_nonzero(np.isnan(values))):
                    raise self._broken(kinds, "a number is not finite")
                result[name] = values
            else:
                result[name] = column.combine_chunks()
        return result

    def _broken(self, kinds: Mapping[str, type], why: str) -> DataError:
        """Find the first line that is at fault, slowly."""
        at = {self.position(name): name for name in kinds if kinds[name] is float}
        empty = {"", *self.layout.missing}
        text = io.StringIO(self.body.decode("utf-8"), newline="")
        reader = csv.reader(text, delimiter=self.layout.delimiter)
        try:
            for cells in reader:
                number = self.first_line + reader.line_num - 1
                if len(cells) != len(self.header):
                    found = f"{len(cells)} cells" if cells else "nothing"
                    return self._bad_line(number, f"{found}; expected {len(self.header)} cells")
                for index, name in at.items():
                    cell = cells[index].replace(self.layout.decimal, ".")
                    if cells[index] not in empty and not (
                        _NUMBER.fullmatch(cell) and np.isfinite(float(cell))
                    ):
                        return self._bad_line(
                            number, f"{cells[index][:40]!r} in column {name!r}; expected a number"
                        )
        except csv.Error as error:
            why = str(error)
        return DataError(f"{self.path} cannot be read as a table: {why[:200]}. Export it again.")

    def _bad_line(self, number: int, what: str) -> DataError:
        n_lines = self.body.count(b"\n") + 1
        cure = "Export the file again or mend that line; cells without a value can be named in the map."
        if number >= self.first_line + n_lines - 1:
            cure = "It is the last line: if the file was cut off there, delete it."
        return DataError(f"{self.path} has {what} in line {number}. {cure}")


def _block_size(body: bytes) -> int:
    # A line may not be longer than a block, and a file with one huge line is not worth more memory.
    return int(min(max(len(body) // 8, 2**20), 2**24))


def open_table(path: Path, layout: Layout) -> TextTable:
    """Read a file, which may be compressed with gzip (``.gz``), and find its header.

    Raises
    ------
    DataError
        If the file cannot be read, is larger than 2 GB, is not in the encoding stated, or holds no line of
        data.
    """
    content = _as_utf8(read_bytes(path), path, layout.encoding)
    is_ended = content.endswith((b"\n", b"\r"))
    if b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    at, line = 0, 1
    comment = layout.comment.encode()
    while comment and content.startswith(comment, at):
        at, line = _next_line(content, at), line + 1
    header: tuple[str, ...] = ()
    first = layout.header_line + 1 if layout.first_line is None else layout.first_line
    for number in range(1, first):
        if number == layout.header_line:
            header = _cells(content[at : at + _LONGEST_HEADER], layout, path)
        at, line = _next_line(content, at), line + 1
    # Blank lines at the end are none; the rest is copied once, as it may be large.
    blank = b"\r\n\t " if layout.delimiter not in "\t " else b"\r\n"
    tail = content[-_LONGEST_HEADER:].rstrip(blank)
    body = content[at : len(content) - min(len(content), _LONGEST_HEADER) + len(tail)]
    if not tail:
        body = body.rstrip(blank)
    if not body:
        raise DataError(
            f"{path} holds no line of data: it ends before line {line}. Export it again, or correct "
            "header_line and first_line in the map."
        )
    if not header:
        n_columns = len(_cells(body[:_LONGEST_HEADER], layout, path))
        header = tuple(str(number) for number in range(1, n_columns + 1))
    if layout.may_end_early:
        body = _padded(body, len(header), layout.delimiter.encode(), path, is_ended)
    return TextTable(path=path, layout=layout, header=header, body=body, first_line=line)


def head_of(path: Path, n_lines: int, *, encoding: str = "utf-8") -> list[str]:
    """Give the first lines of a file, as many as there are, without their ends."""
    start = _as_utf8(read_bytes(path, _LONGEST_HEADER * n_lines), path, encoding, is_whole=False)
    return start.decode("utf-8", errors="replace").replace("\r\n", "\n").split("\n")[:n_lines]


def split_line(line: str, delimiter: str, path: Path) -> tuple[str, ...]:
    """Cells of one line, without quotes and blanks around them."""
    try:
        cells = next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error as error:
        raise DataError(f"{path} has a header that cannot be read ({error}). Export it again.") from None
    return tuple(cell.strip() for cell in cells)


def read_bytes(path: Path, n_bytes: int | None = None) -> bytes:
    """Read the whole file, or only its first bytes."""
    most = LARGEST_FILE + 1 if n_bytes is None else n_bytes
    try:
        with path.open("rb") as stream:
            is_packed = stream.read(2) == b"\x1f\x8b"
            stream.seek(0)
            if is_packed:
                with gzip.open(stream) as unpacked:
                    content = unpacked.read(most)
            else:
                content = stream.read(most)
    except (zlib.error, gzip.BadGzipFile, EOFError) as error:
        raise DataError(f"{path} is a damaged gzip file ({error}). Copy it again.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}. Give a text table.") from None
    if len(content) > LARGEST_FILE:
        raise DataError(
            f"{path} holds more than {LARGEST_FILE / 2**30:g} GB of text. Split it, by day perhaps."
        )
    if not content or content.isspace():
        raise DataError(f"{path} is empty. Export it again.")
    return content


def _as_utf8(content: bytes, path: Path, encoding: str, *, is_whole: bool = True) -> bytes:
    is_utf8 = encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig", "ascii")
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff") or (is_utf8 and b"\0" in content[:4096])
    try:
        if is_utf8 and not wide:
            content = content.removeprefix(b"\xef\xbb\xbf")
            if not content.isascii():
                # A part of a file may end within a character.
                codecs.getincrementaldecoder("utf-8")().decode(content, final=is_whole)
        elif not is_utf8:
            decoder = codecs.getincrementaldecoder(encoding)()
            content = decoder.decode(content, final=is_whole).removeprefix("\ufeff").encode()
            wide = False
    except UnicodeError as error:
        raise DataError(
            f"{path} is not in the encoding {encoding} ({str(error)[:120]}). State its encoding in the map, "
            "such as 'latin-1' or 'utf-16', or save it as UTF-8."
        ) from None
    if wide or b"\0" in content:
        raise DataError(
            f"{path} is no text in {encoding}: it starts with {content[:12]!r}. If it is text in another "
            "encoding, such as 'utf-16', state it in the map."
        )
    return content


def _next_line(content: bytes, at: int) -> int:
    end = content.find(b"\n", at)
    return len(content) if end < 0 else end + 1


def _cells(start: bytes, layout: Layout, path: Path) -> tuple[str, ...]:
    line, end, _ = start.partition(b"\n")
    if not end and len(start) == _LONGEST_HEADER:
        raise DataError(f"{path} has a line of more than {_LONGEST_HEADER} bytes: it is no table of text.")
    return split_line(line.decode("utf-8").rstrip("\r"), layout.delimiter, path)


def _padded(body: bytes, n_columns: int, delimiter: bytes, path: Path, is_ended: bool) -> bytes:
    """Put the delimiters at the end of lines that lack them."""
    if b'"' in body:
        raise DataError(f"{path} has quoted cells; may_end_early is for tables without. Correct the map.")
    lines = body.replace(b"\r\n", b"\n").split(b"\n")
    lacking = [n_columns - 1 - line.count(delimiter) for line in lines]
    if not is_ended and len(lines) > 1 and lacking[-1] > max(lacking[-2], 0):
        raise DataError(
            f"{path} ends within its last line, which has {n_columns - lacking[-1]} cells: the file was cut "
            "off. Copy it again, or delete that line."
        )
    # Empty lines stay empty, and lines that are too long too long, so that they are found.
    return b"\n".join(
        [line + delimiter * n if line else line for line, n in zip(lines, lacking, strict=True)]
    )
