"""Pickles: what is read of good ones, and that bad ones are refused by a sentence and do nothing."""

import math
import os
import pickle  # noqa: TID251  Makes the streams; nothing is unpickled here.
import re
import struct
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from physioaffect.datasets import unpickle
from physioaffect.errors import DataError

PROTOCOLS = range(6)
loads = unpickle.loads


def refuse(stream: bytes, match: str, **budget: Any) -> None:
    with pytest.raises(DataError, match=match):
        loads(stream, budget=unpickle.Budget(**budget))


def same(found: Any, expected: Any) -> None:
    """Equal in value and in type, down to the last array."""
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            same(found[key], value)
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    elif isinstance(expected, np.ndarray | np.generic):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        assert found.tobytes() == expected.tobytes()
    else:
        assert found == expected or (math.isnan(found) and math.isnan(expected))


def is_plain(value: Any) -> bool:
    """Whether a value is of the kinds that may come out, all the way down."""
    if type(value) is dict:
        return all(type(key) in {str, bytes, int} and is_plain(item) for key, item in value.items())
    if type(value) in {list, tuple}:
        return all(map(is_plain, value))
    if isinstance(value, np.ndarray):
        value.tobytes()  # That reading all of it is safe.
        return type(value) is np.ndarray and value.dtype.kind in "iufbSU" and not value.flags.writeable
    if isinstance(value, np.generic):
        return value.dtype.kind in "iufbSU"
    return value is None or type(value) in {str, bytes, int, float, bool}


# Streams of Python 2, written by hand

RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
DTYPE_STATE = b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"


def old_dtype(code: bytes = b"f8", state: bytes = DTYPE_STATE) -> bytes:
    return b"cnumpy\ndtype\n" + b"U" + bytes([len(code)]) + code + b"K\x00K\x01\x87R" + state


def old_array(
    payload: bytes,
    shape: tuple[int, ...],
    dtype: bytes = old_dtype(),
    *,
    version: bytes = b"K\x01",
    is_fortran: bytes = b"\x89",
    n_bytes: int | None = None,
) -> bytes:
    """An array as Python 2 stores it: its bytes are a string, as they are."""
    sizes = b"(" + b"".join(b"J" + struct.pack("<i", size) for size in shape) + b"t"
    announced = struct.pack("<I", len(payload) if n_bytes is None else n_bytes)
    content = b"(" + version + sizes + dtype + is_fortran + b"T" + announced + payload + b"tb"
    return RECONSTRUCT + content


def old(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


NUMBERS = np.arange(12.0).reshape(3, 4)
GOOD = old(
    b"}(U\x06labels"
    + old_array(NUMBERS.tobytes(), (3, 4))
    + b"U\x04dataq\x01"
    + old_array(b"", (0, 4))
    + b"u"
)


# What is read


VALUES: dict[str, Any] = {
    "plain": {
        "a": 1,
        b"b": [1, -5, 2**70, -(2**200), 2.5, 1e-300, None, True, False, "é\n\\u1234", b"\x00\xff'"],
    },
    "floats": (float("inf"), float("-inf"), float("nan"), -0.0, 1.5),
    "nested": [[], (), {}, (1,), (1, 2), (1, 2, 3), (1, (2, (3, {"x": [4]}))), {5: {-6: 7}}],
    "long": ["x" * 300, b"y" * 300, "z" * 70_000, list(range(3000)), {str(i): i for i in range(1500)}],
    "astral": "\U0001f9e0 \ud800 \x00 \r\x1a",
    "matrix": NUMBERS,
    "fortran": np.asfortranarray(NUMBERS),
    "permuted": np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2),
    "strided": np.arange(24.0).reshape(4, 6)[::2, 1::2],
    "big-endian": np.arange(5, dtype=">i4"),
    "text": np.array(["ab", "ü\U0001f9e0", ""]),
    "big-endian text": np.array(["ab", "ü"]).astype(">U2"),
    "old text": np.array([b"ab", b"\xff", b""]),
    "truth": np.array([[True, False]]),
    "no axes": np.array(5.0),
    "scalars": [
        np.float32(3.5),
        np.int64(-3),
        np.uint8(255),
        np.bool_(True),
        np.str_("abü"),
        np.bytes_(b"x"),
    ],
    "every number": [np.array([0, 1, 100], dtype=kind) for kind in "bBhHiIqQefd"],
    "one array thrice": [NUMBERS, [NUMBERS, NUMBERS]],
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", VALUES)
def test_what_python_writes_is_read(name: str, protocol: int) -> None:
    same(loads(pickle.dumps(VALUES[name], protocol)), VALUES[name])


ARRAYS = npst.arrays(
    st.one_of(
        npst.integer_dtypes(),
        npst.unsigned_integer_dtypes(),
        npst.floating_dtypes(sizes=(16, 32, 64)),
        npst.boolean_dtypes(),
        npst.byte_string_dtypes(max_len=5),
    ),
    npst.array_shapes(max_dims=4, max_side=4),
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**300), 2**300)
    | st.floats()
    | st.text()
    | st.binary(min_size=1)
    | ARRAYS
)
KEYS = st.text() | st.binary(min_size=1) | st.integers(-(2**63), 2**63 - 1)
PLAIN = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner),
    max_leaves=10,
)


@given(PLAIN, st.sampled_from(PROTOCOLS))
def test_whatever_plain_value_python_writes_is_read(value: Any, protocol: int) -> None:
    same(loads(pickle.dumps(value, protocol)), value)


def test_strings_of_python_2_are_latin_1() -> None:
    assert loads(old(b"]q\x00(U\x04dataU\x01\xe9T\x02\x00\x00\x00\xff\x00e")) == ["data", "é", "ÿ\x00"]
    assert loads(b"(lp0\nS'a\\xe9\\'\\\\\\n'\np1\naS\"it's\"\np2\na.") == ["aé'\\\n", "it's"]
    assert loads(b"(dp0\nS'b'\np1\nI01\nsS'c'\nL12345678901234567890L\nsVn\\u00e9\nF2.5\ns.") == {
        "b": True,
        "c": 12345678901234567890,
        "né": 2.5,
    }


def test_arrays_of_python_2_are_views_on_the_stream() -> None:
    found = loads(GOOD)
    same(found["labels"], NUMBERS)
    assert found["data"].shape == (0, 4)
    assert np.shares_memory(found["labels"], np.frombuffer(GOOD, np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        found["labels"][0, 0] = 1


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_arrays_of_python_3_are_views_too_since_protocol_3(protocol: int) -> None:
    stream = pickle.dumps([NUMBERS], protocol)
    assert np.shares_memory(loads(stream)[0], np.frombuffer(stream, np.uint8))


def test_protocol_0_of_python_2_is_read_too() -> None:
    payload = repr(NUMBERS.tobytes())[1:].encode()
    stream = (
        b"cnumpy.core.multiarray\n_reconstruct\np0\n(cnumpy\nndarray\np1\n(I0\ntp2\nS'b'\np3\ntp4\nRp5\n"
        b"(I1\n(I3\nI4\ntp6\ncnumpy\ndtype\np7\n(S'f8'\np8\nI0\nI1\ntp9\nRp10\n(I3\nS'<'\np11\nNNNI-1\nI-1\nI0\n"
        b"tp12\nbI00\nS" + payload + b"\np13\ntp14\nb."
    )
    same(loads(stream), NUMBERS)


def test_a_file_is_mapped_and_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "s01.dat"
    numbers = np.arange(2e6)
    path.write_bytes(old(b"}U\x04data" + old_array(numbers.tobytes(), (2_000_000,)) + b"s"))
    tracemalloc.start()
    found = unpickle.load(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200_000
    assert found["data"][1_234_567] == 1_234_567
    assert_array_equal(found["data"], numbers)


def test_files_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    (tmp_path / "empty.dat").touch()
    with pytest.raises(DataError, match=r"empty\.dat is empty\. Download or copy it again\."):
        unpickle.load(tmp_path / "empty.dat")
    with pytest.raises(DataError, match=r"s99\.dat cannot be read: .*No such file"):
        unpickle.load(tmp_path / "s99.dat")
    with pytest.raises(DataError, match=r"cannot be read: "):
        unpickle.load(tmp_path)
    (tmp_path / "page.dat").write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(
        DataError,
        match=r"page\.dat is refused at byte 1: 0x3c is no opcode\. Only plain containers .* Download",
    ):
        unpickle.load(tmp_path / "page.dat")


# What is refused, and does nothing


class Acts:
    """Calls a function with arguments when it is unpickled."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self._call = function, args

    def __reduce__(self) -> Any:
        return self._call


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("function", "name"), [(os.system, r"(posix|nt)\.system"), (eval, r"(builtins|__builtin__)\.eval")]
)
def test_nothing_named_is_called(
    tmp_path: Path, protocol: int, function: Callable[..., Any], name: str
) -> None:
    canary = tmp_path / "canary"
    command = f"touch {canary}" if function is os.system else f"open({str(canary)!r}, 'w')"
    for value in (Acts(function, command), {"data": [NUMBERS, Acts(function, command)]}):
        refuse(pickle.dumps(value, protocol), f"it names the global '{name}', which no data set needs")
    assert not canary.exists()


def test_a_call_inside_a_call_is_not_made_either(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    inner = Acts(os.mkdir, str(canary))
    refuse(pickle.dumps(Acts(getattr, Acts(getattr, inner, "x"), "y"), 2), "global '__builtin__.getattr'")
    stream = b"c_codecs\nencode\n(cos\nmkdir\n(S'" + str(canary).encode() + b"'\ntRS'latin1'\ntR."
    refuse(stream, r"global 'os\.mkdir'")
    refuse(b"\x80\x04\x8c\x02os\x8c\x06system\x93.", r"global 'os\.system'")
    refuse(b"\x80\x04N\x8c\x06system\x93.", "global 'something that is no text'")
    assert not canary.exists()


@pytest.mark.parametrize(
    ("args", "match"),
    [
        (b"X\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86", "something else than a text in latin1"),
        (b"X\x01\x00\x00\x00aX\x04\x00\x00\x00idna\x86", "something else than a text in latin1"),
        (b"X\x01\x00\x00\x00aX\x05\x00\x00\x00utf-8\x86", "something else than a text in latin1"),
        (b"U\x01aU\x06latin1\x86", "something else than a text in latin1"),
        (b"X\x01\x00\x00\x00a\x85", "something else than a text in latin1"),
        (b"X\x02\x00\x00\x00\xc4\x80X\x06\x00\x00\x00latin1\x86", "characters that latin1 does not have"),
    ],
)
def test_codecs_encode_knows_latin_1_only(args: bytes, match: str) -> None:
    refuse(old(b"c_codecs\nencode\n" + args + b"R"), f"_codecs.encode is .*{match}")


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"(ios\nsystem\n", "INST"),
        (b"(cnumpy\nndarray\no", "OBJ"),
        (b"cnumpy\nndarray\n)\x81", "NEWOBJ"),
        (b"cnumpy\nndarray\n)}\x92", "NEWOBJ_EX"),
        (b"\x82\x01", "EXT1"),
        (b"Pname\n", "PERSID"),
        (b"NQ", "BINPERSID"),
        (b"\x8f", "EMPTY_SET"),
        (b"\x97", "NEXT_BUFFER"),
    ],
)
def test_opcodes_that_make_other_things_are_named(body: bytes, name: str) -> None:
    refuse(old(body), f"it has the opcode {name}\\.")


@pytest.mark.parametrize(
    ("body", "match"),
    [
        (b"NNR", "it calls something that is no name"),
        (b"cnumpy\nndarray\n)R", r"it calls numpy\.ndarray"),
        (b"cnumpy\ndtype\nNR", r"it calls numpy\.dtype"),
        (b"]}b", "a state to something that is neither an array nor a dtype"),
        (b"cnumpy\nndarray\n}b", "a state to something that is neither an array nor a dtype"),
        (b"cnumpy\nfromfile\n", r"global 'numpy\.fromfile'"),
        (b"cnumpy.core.multiarray\nfromstring\n", r"global 'numpy\.core\.multiarray\.fromstring'"),
        (b"cnumpy\nndarray.dump\n", r"global 'numpy\.ndarray\.dump'"),
        (b"cnumpy\nndarray\n", "its value holds a name or a dtype"),
        (old_dtype(), "its value holds a name or a dtype"),
        (RECONSTRUCT, "an array is announced whose content never comes"),
        (b"]" + RECONSTRUCT + b"a", "an array is announced whose content never comes"),
        (b"\x96\x02\x00\x00\x00\x00\x00\x00\x00ab", "a bytearray that is no array's"),
    ],
)
def test_names_are_of_use_for_arrays_only(body: bytes, match: str) -> None:
    refuse(old(body), match)


# Arrays that are not


@pytest.mark.parametrize(
    ("code", "match"),
    [
        (b"O8", "dtype 'O8', neither numbers nor fixed strings; arrays of objects are never read"),
        (b"M8", "dtype 'M8', neither numbers nor fixed strings"),
        (b"m8[ns]", "neither numbers"),
        (b"V8", "neither numbers"),
        (b"c16", "neither numbers"),
        (b"f16", "neither numbers"),
        (b"f8,f8", "neither numbers"),
        (b"<f8", "neither numbers"),
        (b"S0", "neither numbers"),
        (b"S99999999", "neither numbers"),
        (b"i3", "neither numbers"),
        (b"float64", "neither numbers"),
    ],
)
def test_only_numbers_and_fixed_strings_are_elements(code: bytes, match: str) -> None:
    refuse(old(old_array(bytes(8), (1,), old_dtype(code))), match)


@pytest.mark.parametrize(
    "array", [np.array([None]), np.array(["x"], object), np.zeros(1, "M8[s]"), np.zeros(1, "f8,i4")]
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_other_arrays_that_python_writes_are_refused(array: NDArray[Any], protocol: int) -> None:
    refuse(pickle.dumps(array, protocol), "neither numbers nor fixed strings")


NINE = DTYPE_STATE.replace(b"tb", b"Ntb")


@pytest.mark.parametrize(
    ("state", "match"),
    [
        (b"", "dtype f8 is used before its state"),
        (DTYPE_STATE * 2, "a dtype has a second state"),
        (DTYPE_STATE.replace(b"K\x03", b"K\x04"), "not NumPy's version 3"),
        (NINE, "not NumPy's version 3"),
        (b"Nb", "not NumPy's version 3"),
        (DTYPE_STATE.replace(b"<", b"|"), "state that does not belong to it"),
        (DTYPE_STATE.replace(b"<", b"x"), "state that does not belong to it"),
        (DTYPE_STATE.replace(b"NNN", b"N)N"), "state that does not belong to it"),
        (DTYPE_STATE.replace(b"K\x00tb", b"K\x3ftb"), "state that does not belong to it"),
        (DTYPE_STATE.replace(b"J\xff\xff\xff\xffK", b"K\x08K"), "state that does not belong to it"),
    ],
)
def test_a_dtypes_state_must_be_numpys(state: bytes, match: str) -> None:
    refuse(old(old_array(bytes(8), (1,), old_dtype(state=state))), match)


ONE = bytes(8)


@pytest.mark.parametrize(
    ("stream", "match"),
    [
        (old_array(ONE, (-1,)), r"claims the shape \(-1,\)"),
        (old_array(ONE, (-1, -1)), r"claims the shape \(-1, -1\)"),
        (old_array(ONE, (2,)), r"shape \(2,\) and float64 has 8 bytes"),
        (old_array(b"", (1,)), r"shape \(1,\) and float64 has 0 bytes"),
        (old_array(ONE, (2**31 - 1,) * 4), "claims the shape"),
        (old_array(b"", (0, *(2**31 - 1,) * 3)), "claims the shape"),
        (old_array(ONE, (1,) * 33), "shape that is no tuple of whole numbers"),
        (old_array(ONE, (1,), version=b"K\x02"), "not NumPy's version 1"),
        (old_array(ONE, (1,), is_fortran=b"N"), "in which order its axes lie"),
        (old_array(ONE, (1,), is_fortran=b"K\x02"), "in which order its axes lie"),
        (old_array(ONE, (1,), b"N"), "dtype is none"),
        (old_array(ONE, (1,)).replace(b"T\x08\x00\x00\x00" + ONE, b"]"), "arrays of objects are never read"),
        (old_array(ONE, (1,)) + b"Nb", "second state"),
        (RECONSTRUCT.replace(b"K\x00\x85", b"K\x01\x85"), "other arguments than NumPy gives it"),
        (RECONSTRUCT.replace(b"U\x01b", b"U\x01O"), "other arguments than NumPy gives it"),
        (RECONSTRUCT.replace(b"cnumpy\nndarray", b"cnumpy\ndtype"), "something else than an ndarray"),
        (old_array(b"\x02", (1,), old_dtype(b"b1")), "truth values holds bytes other than 0 and 1"),
        (
            old_array(b"\x00\x00\x11\x00", (1,), old_dtype(b"U1", b"(K\x03U\x01<NNNK\x04K\x04K\x00tb")),
            "numbers that are no character's",
        ),
        (b"cnumpy.core.multiarray\nscalar\n" + old_dtype() + b"U\x04abcd\x86R", "float64 has 4 bytes"),
        (b"cnumpy.core.multiarray\nscalar\n" + old_dtype() + b"N\x86R", "other arguments than a dtype"),
        (
            b"cnumpy._core.numeric\n_frombuffer\n(B"
            + struct.pack("<I", 8)
            + ONE
            + old_dtype()
            + b"K\x01\x85X\x01\x00\x00\x00KtR",
            "in which order the axes lie",
        ),
        (
            b"cnumpy._core.numeric\n_frombuffer\n(C\x08"
            + ONE
            + old_dtype()
            + b"K\x01\x85X\x01\x00\x00\x00KK\x01\x85tR",
            "in which order the axes lie",
        ),
        (b"cnumpy\ndtype\n" + b"U\x02f8K\x02K\x01\x87R", "dtype has other arguments than NumPy gives it"),
        (
            b"cnumpy._core.numeric\n_frombuffer\n(U\x00" + old_dtype() + b"K\x00\x85X\x01\x00\x00\x00CtR",
            "other arguments than NumPy gives it",
        ),
    ],
)
def test_an_array_is_what_its_bytes_can_be(stream: bytes, match: str) -> None:
    refuse(old(stream), match)


def test_a_mark_can_be_thrown_away_like_a_value() -> None:
    assert loads(b"N(0.") is None
    assert loads(b"NK\x010.") is None


def test_lines_may_end_as_on_windows() -> None:
    assert loads(b"S'abc'\r\n.") == "abc"
    assert loads(b"S'abc'\n.") == "abc"


def test_a_lack_of_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "frombuffer", fail)
    with pytest.raises(DataError, match="there is too little memory for it"):
        loads(GOOD)


def test_ten_gigabytes_are_not_believed() -> None:
    tracemalloc.start()
    refuse(
        old(old_array(bytes(1000), (1_250_000_000,), n_bytes=2_000_000_000)), "2000000000 bytes are announced"
    )
    refuse(old(old_array(bytes(1000), (1_250_000_000,))), r"shape \(1250000000,\) and float64 has 1000 bytes")
    huge = struct.pack("<Q", 10_000_000_000)
    for code in (b"\x8e", b"\x8d", b"\x96"):
        refuse(b"\x80\x05" + code + huge + b"x.", "10000000000 bytes are announced where 2 are left")
    refuse(b"\x80\x04\x95" + huge + b"N.", "10000000000 bytes are announced where 2 are left")
    refuse(b"\x80\x02\x8b\xff\xff\xff\x7f.", "a whole number is announced with 2147483647 bytes")
    refuse(b"\x80\x02\x8b\xff\xff\xff\xff.", "a whole number is announced with -1 bytes")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


# Streams that are not whole, or not one


@pytest.mark.parametrize("tenth", range(10))
@pytest.mark.parametrize("protocol", [*PROTOCOLS, "old"])
def test_a_stream_cut_short_is_refused(tenth: int, protocol: int | str) -> None:
    value = {"data": NUMBERS, "labels": ["a", 1.5, 2**40]}
    stream = GOOD if isinstance(protocol, str) else pickle.dumps(value, protocol)
    refuse(stream[: len(stream) * tenth // 10], "is refused at byte")


def test_a_good_stream_has_no_good_beginning() -> None:
    for end in range(len(GOOD)):
        refuse(GOOD[:end], "ends|announced")


@pytest.mark.parametrize(
    ("stream", "match"),
    [
        (b"", "at byte 0: it ends before its last opcode"),
        (b"\x80\x06N.", "protocol 6 is announced"),
        (b"N\x80\x02.", "protocol 2 is announced, in the middle"),
        (b".", "it ends with values left over"),
        (b"NN.", "it ends with values left over"),
        (b"N(.", "it ends with values left over"),
        (b"N.N.", "2 bytes follow its end"),
        (b"0.", "takes from an empty stack"),
        (b"q\x00.", "takes from an empty stack"),
        (b"(2.", "takes from an empty stack"),
        (b"t.", "a mark that was never set"),
        (b"h\x05.", "it recalls value 5, which it has not stored"),
        (b"g-1\n.", "it recalls value -1"),
        (b"}NNs.", "a key that is neither text nor a whole number"),
        (b"(Nd.", "a key without a value"),
        (b"NNa.", "appends to something that is no list"),
        (b"NK\x01Ns.", "something that is no dict"),
        (b"I1_0\n.", r"b'1_0' is no whole number"),
        (b"I 1\n.", "is no whole number"),
        (b"I" + b"9" * 601 + b"\n.", "is no whole number"),
        (b"I" + b"9" * 5000 + b"\n.", "a line is longer than it may be"),
        (b"F1_0\n.", r"b'1_0' is no number"),
        (b"I1", "ends in the middle of a line"),
        (b"Sab\n.", "not quoted as Python 2 does"),
        (b"S'\n.", "not quoted as Python 2 does"),
        (b"S'a\\'\n.", "not quoted as Python 2 does"),
        (b"S'\\q'\n.", "not quoted as Python 2 does"),
        (b"S'\\N{DIGIT ONE}'\n.", "not quoted as Python 2 does"),
        (b"X\x01\x00\x00\x00\xff.", "a text is no utf-8"),
        (b"V\\u12\n.", "a text is no raw-unicode-escape"),
        (b"c\xff\nx\n.", "a text is no utf-8"),
    ],
)
def test_a_damaged_stream_is_told_by_its_first_fault(stream: bytes, match: str) -> None:
    refuse(stream, match)


@pytest.mark.parametrize("text", [rb"\q", rb"\\\q", rb"a\N{DIGIT ONE}", rb"\x41\y"])
def test_a_wrong_escape_is_refused_where_warnings_are_ignored(text: bytes) -> None:
    """As they are in every program but a test; and no thread changes what others are warned of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        refuse(b"S'" + text + b"'\n.", "not quoted as Python 2 does")


@pytest.mark.parametrize("text", [b"", b"\\", b"\\\\", b"a\\n\n\\", bytes(range(256))])
def test_backslashes_come_back(text: bytes) -> None:
    quoted = repr(text)[1:].encode()
    assert unpickle.loads(b"S" + quoted + b"\n.") == text.decode("latin-1")


@given(st.text("\\n", max_size=30), st.integers(2, 5))
def test_pieces_of_a_text_make_no_difference(text: str, n_bytes: int) -> None:
    pairs = re.findall(r"\\(.)", text)  # From left to right, as escapes are read.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("physioaffect.datasets.unpickle._PIECE", n_bytes)
        counted = unpickle._n_pairs_of_backslashes(memoryview(text.encode()))
    assert counted == pairs.count("\\")


# Bombs


@pytest.mark.parametrize("code", [b"\x85", b"]", b"(", b"l", b"d"])
def test_depth_is_bounded(code: bytes) -> None:
    n = 100_000
    bombs = {
        b"\x85": b"N" + b"\x85" * n,
        b"]": b"]" * n + b"a" * (n - 1),
        b"(": b"(" * n + b"t" * n,
        b"l": b"(" * n + b"l" * n,
        b"d": b"}" + b"K\x01}" * n + b"s" * n,
    }
    refuse(old(bombs[code]), "containers hold themselves or lie more than 32 deep")


def test_depth_cannot_be_had_through_the_memo() -> None:
    # Each list holds the one before it 20 deep; the outer list holds all, so that each is met shallow first.
    links = b"".join(b"h" + bytes([i]) + b"\x85" * 20 + b"q" + bytes([i + 1]) + b"0" for i in range(20))
    everyone = b"](" + b"".join(b"h" + bytes([i]) for i in range(21)) + b"e"
    refuse(old(b")q\x000" + links + everyone), "lie more than 32 deep")


@pytest.mark.parametrize("body", [b"]q\x00h\x00a", b"}q\x00U\x01ah\x00s", b"]q\x00h\x00\x85a"])
def test_what_holds_itself_is_refused(body: bytes) -> None:
    refuse(old(body), "containers hold themselves")


def test_what_is_small_only_because_it_is_shared_is_refused() -> None:
    laughs = (
        b"](K\x01K\x02e"
        + b"q\x00"
        + b"".join(b"](" + b"h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1]) for i in range(28))
    )
    begin = time.monotonic()
    refuse(old(b"](" + laughs + b"e"), "it unfolds to more than 4000000 values")
    assert time.monotonic() - begin < 5


def test_memory_is_bounded_by_the_size_of_the_stream() -> None:
    text = b"X" + struct.pack("<I", 1 << 20) + b"x" * (1 << 20) + b"q\x000X\x06\x00\x00\x00latin1q\x010"
    encode = b"c_codecs\nencode\nh\x00h\x01\x86R0"
    refuse(old(text + encode * 1000), "more memory than a data file of its size needs")
    refuse(old(b"X\x02\x00\x00\x00ab"), "more memory", memory=1)
    # Slots of the memo are not made in advance.
    assert loads(old(b"Nr\xff\xff\xff\xff")) is None


def test_opcodes_and_time_are_bounded() -> None:
    refuse(old(b"N0" * 100 + b"N"), "more than 50 opcodes", opcodes=50)
    refuse(old(b"N"), "takes longer than -1 s", seconds=-1)
    begin = time.monotonic()
    refuse(old(b"N0" * 600_000), "more than 1000000 opcodes", opcodes=1_000_000)
    assert time.monotonic() - begin < 30


@pytest.mark.parametrize("key", [b"G" + struct.pack(">d", 1.5), b")", b"N", b"\x88", b"]", b"}"])
def test_keys_are_text_or_numbers(key: bytes) -> None:
    refuse(old(b"}" + key + b"Ns"), "a key that is neither text nor a whole number of 64 bits")


def test_keys_that_share_a_hash_are_refused() -> None:
    colliding = {number * (2**61 - 1): None for number in range(1, 200)}
    assert len({hash(number) for number in colliding}) == 1
    refuse(pickle.dumps(colliding, 2), "a key that is neither text nor a whole number of 64 bits")


def test_a_key_comes_once_and_keys_are_bounded() -> None:
    refuse(old(b"}(U\x01aNU\x01aNu"), "a dict has the key 'a' twice")
    refuse(pickle.dumps(dict.fromkeys(range(100_001)), 2), "a dict has more than 100000 keys")


# Anything at all


def attempt(stream: bytes) -> None:
    try:
        value = loads(stream, budget=unpickle.Budget(opcodes=10_000))
    except DataError:
        return
    assert is_plain(value)


@given(st.binary(max_size=200))
def test_random_bytes_do_no_harm(stream: bytes) -> None:
    attempt(stream)
    attempt(b"\x80\x04" + stream + b".")


PIECES = (
    *(bytes([code]) for code in b"N()]}0123.aeudlstbR\x85\x86\x87\x88\x89\x93\x94\x81"),
    *(b"q\x00", b"q\x01", b"h\x00", b"h\x01", b"K\x00", b"K\x01", b"U\x01b", b"C\x08" + bytes(8), b"I01\n"),
    *(b"X\x06\x00\x00\x00latin1", b"c_codecs\nencode\n", b"cnumpy\ndtype\n", b"cnumpy\nndarray\n"),
    *(RECONSTRUCT, old_dtype(), DTYPE_STATE, old_array(bytes(8), (1,)), b"cnumpy.core.multiarray\nscalar\n"),
    b"cnumpy._core.numeric\n_frombuffer\n",
)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=30))
def test_random_opcodes_do_no_harm(pieces: list[bytes]) -> None:
    attempt(b"".join(pieces))
    attempt(b"".join(pieces) + b".")


GOOD_STREAMS = [
    GOOD,
    *(pickle.dumps({"data": [NUMBERS, "é", b"x", 1.5]}, protocol) for protocol in PROTOCOLS),
]


@settings(max_examples=300)
@given(st.sampled_from(GOOD_STREAMS), st.data())
def test_mutated_good_streams_do_no_harm(stream: bytes, data: st.DataObject) -> None:
    changed = bytearray(stream)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(changed) - 1))
        kind = data.draw(st.sampled_from(["set", "insert", "delete", "copy"]))
        if kind == "set":
            changed[place] = data.draw(st.integers(0, 255))
        elif kind == "insert":
            changed[place:place] = data.draw(st.binary(max_size=4))
        elif kind == "delete" and len(changed) > 8:
            del changed[place : place + data.draw(st.integers(1, 4))]
        else:
            changed[place:place] = changed[: data.draw(st.integers(0, len(changed)))]
    attempt(bytes(changed))
