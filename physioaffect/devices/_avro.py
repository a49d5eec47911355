"""Avro files, held to what they may claim before their bytes are decoded: sizes, counts and their schema.

The container is taken apart here, since a library would expand its blocks without a limit; the records in it
are decoded by fastavro.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from physioaffect.errors import DataError, PhysioaffectError

__all__ = ["read_avro"]

# Half an hour of an EmbracePlus with all of its sensors expands to a few MiB. As Python's numbers, which is
# what fastavro gives, these take up to 36 times as much.
_LARGEST = 16 * 2**20
_MOST_RECORDS = 64
_DEEPEST, _MOST_TYPES = 32, 10_000

_LEAST_BYTES = {
    "null": 0,
    "boolean": 1,
    "int": 1,
    "long": 1,
    "float": 4,
    "double": 8,
    "bytes": 1,
    "string": 1,
}
_HEADER = {
    "type": "record",
    "name": "Header",
    "fields": [
        {"name": "magic", "type": {"type": "fixed", "name": "Magic", "size": 4}},
        {"name": "meta", "type": {"type": "map", "values": "bytes"}},
        {"name": "sync", "type": {"type": "fixed", "name": "Sync", "size": 16}},
    ],
}
_DAMAGE = (EOFError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)


def _fastavro() -> Any:
    try:
        import fastavro  # noqa: PLC0415  It is an extra.
    except ImportError as error:
        raise PhysioaffectError(
            "Reading Avro files needs fastavro, which is not installed. Install it with "
            'pip install "physioaffect[wearable]".'
        ) from error
    return fastavro


def read_avro(path: Path) -> Iterator[dict[str, Any]]:
    """Give the records of a file, one after another.

    Parameters
    ----------
    path : path
        An Avro object container file of records, uncompressed or compressed by deflate, that expands to
        16 MiB at most.

    Raises
    ------
    DataError
        If it cannot be read, is no such file, is not whole, or claims what no such file can hold.
    PhysioaffectError
        If fastavro is not installed.
    """
    fastavro = _fastavro()
    stream = BytesIO(_content(path))
    try:
        header = fastavro.schemaless_reader(stream, _HEADER, None)
        schema = json.loads(header["meta"]["avro.schema"])
        codec = header["meta"].get("avro.codec", b"null")
    except _DAMAGE:
        header, schema, codec = {"magic": b""}, None, b""
    if header["magic"] != b"Obj\1":
        raise DataError(
            f"{path} begins with {stream.getvalue()[:12]!r}, not with the header of an Avro file. Give a "
            ".avro file as it was downloaded; if it is one, it was cut off: download it again."
        )
    if codec not in (b"null", b"deflate"):
        raise DataError(
            f"{path} is compressed by {codec[:20].decode('latin1')!r}; expected deflate or no compression. "
            "Download it again as the device's makers provide it."
        )
    try:
        if _Types().least_bytes(schema) == 0:
            raise ValueError("its records are empty")
        schema = fastavro.parse_schema(schema)
    except (*_DAMAGE, fastavro.schema.SchemaParseException, fastavro.schema.UnknownType) as error:
        raise DataError(
            f"{path} has a schema that its data cannot safely be read by: {str(error)[:80]}. Give the raw "
            "file of a device as it was downloaded."
        ) from None
    n_expanded, n_records = 0, 0
    while stream.tell() < len(stream.getbuffer()):
        try:
            n_here, n_bytes = (fastavro.schemaless_reader(stream, "long", None) for _ in range(2))
            packed = stream.read(n_bytes) if 0 <= n_bytes <= _LARGEST else b""
            if len(packed) != n_bytes or stream.read(16) != header["sync"]:
                raise EOFError
            block = _expanded(packed, codec, _LARGEST - n_expanded)
        except (*_DAMAGE, zlib.error):
            raise _cut(path) from None
        n_expanded += len(block)
        n_records += max(n_here, 0)
        if n_expanded > _LARGEST or n_records > _MOST_RECORDS:
            raise DataError(
                f"{path} would expand to more than {_LARGEST / 2**20:g} MiB or {_MOST_RECORDS} records, more "
                "than a device writes into one file. Download it again; if it is right, cut it into files of "
                "an hour."
            )
        inner = BytesIO(block)
        for _ in range(n_here):
            try:
                record = fastavro.schemaless_reader(inner, schema, None)
            except _DAMAGE:
                raise _cut(path) from None
            yield record
        if inner.read(1):
            raise _cut(path)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Give a .avro file.") from error
    if len(content) > _LARGEST:
        raise DataError(
            f"{path} has more than {_LARGEST / 2**20:g} MiB, more than a device writes into one file. Give "
            "the files as they were downloaded."
        )
    return content


def _cut(path: Path) -> DataError:
    return DataError(
        f"{path} is an Avro file that is not whole: it was cut off or changed. Download it again, or leave "
        "it out: the time that it covered is then a gap."
    )


def _expanded(packed: bytes, codec: bytes, limit: int) -> bytes:
    """Expand to one byte above the limit at most, which the caller counts."""
    if codec == b"null":
        return packed
    expander = zlib.decompressobj(-15)
    expanded = expander.decompress(packed, limit + 1)
    if len(expanded) <= limit and not expander.eof:
        raise EOFError
    return expanded


class _Types:
    """Walk through a schema, and refuse one by which a few bytes become many values or endless work."""

    def __init__(self) -> None:
        self.named: dict[str, tuple[int, int]] = {}  # Fewest bytes, and number of types in it.
        self.n_types = 0

    def least_bytes(self, schema: Any, depth: int = 0) -> int:
        """Give the fewest bytes that a value of this type takes."""
        self.n_types += 1
        if depth > _DEEPEST or self.n_types > _MOST_TYPES:  # Those of named types count anew.
            raise ValueError("it has too many types within types")
        if isinstance(schema, str):
            if schema in _LEAST_BYTES:
                return _LEAST_BYTES[schema]
            # A type that contains itself has no entry yet.
            least, n_types = self.named[schema.rpartition(".")[2]]
            self.n_types += n_types
            return least
        if isinstance(schema, list):
            return 1 + min(self.least_bytes(choice, depth + 1) for choice in schema)
        # Numbers stay numbers: a decimal of a million digits or a date in the year 10^6 helps nobody.
        schema.pop("logicalType", None)
        kind = schema["type"]
        if kind == "array":
            if not isinstance(schema["items"], str) or _LEAST_BYTES.get(schema["items"], 0) == 0:
                raise ValueError("it has arrays of something other than numbers or text")
            return 1
        if kind in ("record", "enum", "fixed"):
            return self._named(schema, kind, depth)
        if isinstance(kind, str) and kind not in _LEAST_BYTES:
            raise ValueError(f"it has the type {kind[:30]!r}")
        return self.least_bytes(kind, depth + 1)

    def _named(self, schema: dict[str, Any], kind: str, depth: int) -> int:
        least, n_before = 1, self.n_types
        if kind == "record":
            least = sum(self.least_bytes(field["type"], depth + 1) for field in schema["fields"])
        elif kind == "fixed":
            least = max(int(schema["size"]), 0)
        name = schema["name"].rpartition(".")[2]
        if name in self.named:
            raise ValueError(f"it defines {name[:30]!r} twice")
        self.named[name] = least, self.n_types - n_before
        return least
