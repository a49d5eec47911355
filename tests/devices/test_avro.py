"""Avro files that lie: none of them costs more memory or time than a real one, and each is an error."""

import json
import tempfile
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physioaffect.devices._avro import read_avro
from physioaffect.errors import DataError

pytest.importorskip("fastavro")

SYNC = b"0123456789abcdef"
NUMBERS = {
    "type": "record",
    "name": "R",
    "fields": [{"name": "n", "type": {"type": "array", "items": "int"}}],
}


def number(value: int) -> bytes:
    """A long as Avro writes it: zigzag, seven bits a byte."""
    value = (value << 1) ^ (value >> 63)
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])


def text(value: bytes) -> bytes:
    return number(len(value)) + value


def header(schema: Any, codec: bytes = b"null") -> bytes:
    content = schema if isinstance(schema, bytes) else json.dumps(schema).encode()
    return (
        b"Obj\1"
        + number(2)
        + text(b"avro.schema")
        + text(content)
        + text(b"avro.codec")
        + text(codec)
        + number(0)
        + SYNC
    )


def block(content: bytes, n_records: int = 1, sync: bytes = SYNC) -> bytes:
    return number(n_records) + text(content) + sync


def packed(content: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(content) + packer.flush()


ROW = number(3) + number(1) + number(-2) + number(300) + number(0)
GOOD = header(NUMBERS) + block(ROW)


def refused(path: Path, content: bytes) -> str | None:
    path.write_bytes(content)
    try:
        list(read_avro(path))
    except DataError as error:
        return str(error)
    return None


def test_a_good_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.avro"
    path.write_bytes(GOOD)
    assert list(read_avro(path)) == [{"n": [1, -2, 300]}]
    path.write_bytes(header(NUMBERS, b"deflate") + block(packed(ROW + ROW), 2) + block(packed(ROW)))
    assert list(read_avro(path)) == [{"n": [1, -2, 300]}] * 3
    path.write_bytes(header(NUMBERS))
    assert list(read_avro(path)) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD[:-1], "not whole"),
        (GOOD[:-16], "not whole"),
        (GOOD[:-17], "not whole"),
        (GOOD + b"\0", "not whole"),
        (header(NUMBERS) + block(ROW, sync=b"x" * 16), "not whole"),
        (header(NUMBERS) + block(ROW, n_records=2), "not whole"),
        (header(NUMBERS) + block(ROW + b"\0"), "not whole"),
        (header(NUMBERS) + number(1) + number(2**62) + ROW + SYNC, "not whole"),
        (header(NUMBERS) + number(1) + number(-5) + ROW + SYNC, "not whole"),
        (header(NUMBERS) + block(number(2**62) + b"\2" * 50), "not whole"),
        (header(NUMBERS) + block(number(-(2**62)) + number(9) + b"\2" * 50), "not whole"),
        (header(NUMBERS, b"deflate") + block(packed(ROW)[:-2]), "not whole"),
        (header(NUMBERS, b"deflate") + block(ROW), "not whole"),
        (header(NUMBERS, b"snappy") + block(ROW), "compressed by 'snappy'; expected deflate"),
        (header(NUMBERS, b"zstandard"), "compressed by 'zstandard'"),
        (header(b"{"), "not with the header of an Avro file"),
        (header(b"\xff\xfe"), "not with the header"),
        (header(b'"int"') + block(b""), "not whole"),
        (header(b'"null"') + block(b"", 2**40), "its records are empty"),
        (header(NUMBERS) + block(ROW, 2**40), "more than 16 MiB or 64 records"),
        (header(NUMBERS) + b"".join([block(ROW)] * 65), "more than 16 MiB or 64 records"),
    ],
)
def test_what_is_not_whole_or_claims_too_much_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    said = refused(tmp_path / "a.avro", content)
    assert said is not None
    assert f"{tmp_path / 'a.avro'} " in said
    assert message in said


def _record(**types: Any) -> dict[str, Any]:
    return {
        "type": "record",
        "name": f"R{len(types)}",
        "fields": [{"name": name, "type": kind} for name, kind in types.items()],
    }


def _deep(n: int) -> Any:
    schema: Any = "int"
    for i in range(n):
        schema = {"type": "record", "name": f"N{i}", "fields": [{"name": "a", "type": schema}]}
    return schema


def _doubling(n: int) -> Any:
    """Each type holds the one before it ten times: 10^n values of no bytes."""
    fields: list[dict[str, Any]] = [{"name": "x", "type": "int"}]
    inner: Any = "null"
    for i in range(n):
        rest = [{"name": f"f{j}", "type": f"D{i - 1}" if i else "null"} for j in range(9)]
        inner = {"type": "record", "name": f"D{i}", "fields": [{"name": "first", "type": inner}, *rest]}
    return {"type": "record", "name": "Top", "fields": [*fields, {"name": "bomb", "type": inner}]}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (_record(a={"type": "array", "items": "null"}), "arrays of something other than numbers or text"),
        (_record(a={"type": "array", "items": _record(b="int", c="int")}), "arrays of something other"),
        (
            _record(a={"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}),
            "arrays of something",
        ),
        (_record(a={"type": "map", "values": "int"}), "it has the type 'map'"),
        ({"type": "record", "name": "R", "fields": [{"name": "self", "type": "R"}]}, "'R'"),
        ({"type": "record", "name": "R", "fields": [{"name": "a", "type": ["null", "R"]}]}, "'R'"),
        (_deep(40), "too many types within types"),
        (_doubling(12), "too many types within types"),
        (_record(a={"type": "enum", "name": "R1", "symbols": ["A"]}), "it defines 'R1' twice"),
        (_record(), "its records are empty"),
        (_record(a="null"), "its records are empty"),
        (_record(a="Unknown"), "'Unknown'"),
        ({"type": "record"}, "schema that its data cannot safely be read by"),
        ({"no": "type"}, "schema that its data cannot safely be read by"),
        (7, "schema that its data cannot safely be read by"),
        ([], "schema that its data cannot safely be read by"),
        (_record(a={"type": "fixed", "name": "F", "size": "many"}), "schema that its data cannot safely"),
    ],
)
def test_a_schema_that_makes_much_of_little_is_refused(tmp_path: Path, schema: Any, message: str) -> None:
    said = refused(tmp_path / "a.avro", header(schema) + block(b"\2" * 30))
    assert said is not None
    assert "schema that its data cannot safely be read by" in said
    assert message in said


def test_a_schema_nested_a_million_times_is_refused(tmp_path: Path) -> None:
    said = refused(tmp_path / "a.avro", header(b'{"type":' * 10**6))
    assert said is not None


def test_dates_stay_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.avro"
    path.write_bytes(
        header(_record(a={"type": "long", "logicalType": "timestamp-micros"})) + block(number(2**62))
    )
    assert list(read_avro(path)) == [{"a": 2**62}]


def test_a_block_that_expands_a_thousandfold_is_refused_early(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, wbits=-15)
    zeros = bytes(2**20)
    bomb = b"".join(packer.compress(zeros) for _ in range(2**8)) + packer.flush()
    assert len(bomb) < 2**19
    path = tmp_path / "a.avro"
    path.write_bytes(header(NUMBERS, b"deflate") + block(bomb))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="would expand to more than 16 MiB"):
            list(read_avro(path))
        assert tracemalloc.get_traced_memory()[1] < 2**26
    finally:
        tracemalloc.stop()


def test_many_blocks_that_expand_are_counted_together(tmp_path: Path) -> None:
    content = packed(number(2**20) + bytes([2]) * 2**20 + number(0))
    said = refused(tmp_path / "a.avro", header(NUMBERS, b"deflate") + block(content) * 17)
    assert said is not None
    assert "more than 16 MiB" in said


def test_a_file_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.avro"
    with path.open("wb") as stream:
        stream.write(GOOD)
        stream.truncate(2**33)  # Takes no place on the disk.
    with pytest.raises(DataError, match="has more than 16 MiB, more than a device writes into one file"):
        list(read_avro(path))


@settings(max_examples=300)
@given(st.data())
def test_a_changed_file_is_refused_or_read(data: st.DataObject) -> None:
    content = bytearray(header(NUMBERS, b"deflate") + block(packed(ROW * 3), 3) + block(packed(ROW)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    with tempfile.TemporaryDirectory() as folder:
        said = refused(Path(folder) / "a.avro", bytes(content))
    assert said is None or "a.avro" in said


@settings(max_examples=200)
@given(st.binary(max_size=100), st.booleans())
def test_junk_in_a_block_is_refused_or_read(content: bytes, is_packed: bool) -> None:
    codec = b"deflate" if is_packed else b"null"
    with tempfile.TemporaryDirectory() as folder:
        said = refused(Path(folder) / "a.avro", header(NUMBERS, codec) + block(content))
    assert said is None or "a.avro" in said
