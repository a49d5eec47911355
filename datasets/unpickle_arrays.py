"""NumPy's arrays in a pickle, built from bytes: every argument is checked.

The names are those that NumPy itself writes. What they stand for is done here; nothing is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import prod
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["CALLS", "NAMES", "Array", "Blob", "DType", "Name", "Refused"]

# Numbers, and strings of a fixed length.
_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|[SU][1-9]\d{0,6}")
_MOST_AXES = 32
_LARGEST = 1 << 48
_HIGHEST_CHARACTER = 0x10FFFF


class Refused(ValueError):
    """What a stream may not hold, as the part of a sentence after a colon."""


class Blob(NamedTuple):
    """Bytes of the stream, not copied, and what they were there: a ``str`` of Python 2, or bytes."""

    view: memoryview
    kind: Literal["str", "bytes", "bytearray"]


class Name(NamedTuple):
    """A global that may be named: what the file calls it, and what that stands for."""

    full: str
    meaning: str


def _is_whole(value: Any) -> bool:
    """Tell integers; a bool is none."""
    return type(value) is int


def _short_text(value: Any) -> str:
    """Take a word, in either Python's spelling; what is no word is a text that fits nothing."""
    if isinstance(value, Blob) and value.kind == "str" and len(value.view) <= 32:
        return str(value.view, "latin-1")
    return value if type(value) is str else ""


class DType:
    """A type of numbers, complete once its state has come."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._made: np.dtype[Any] | None = None

    def build(self, state: Any) -> None:
        """Take the state, which says the order of bytes and repeats the size."""
        if self._made is not None or type(state) is not tuple or len(state) != 8 or state[0] != 3:
            raise Refused("a dtype has a second state, or one that is not NumPy's version 3")
        order, extra, sizes = _short_text(state[1]), state[2:5], state[5:]
        made = np.dtype(self._text)
        is_text, has_order = made.kind in "SU", made.byteorder != "|"
        expected = (made.itemsize, made.alignment) if is_text else (-1, -1)
        flags = (0, 8) if is_text else (0,)  # 8: memory is cleared first, which NumPy asks for in U.
        if (
            order not in ({"=", "<", ">"} if has_order else {"|", "=", "<", ">"})
            or any(item is not None for item in extra)
            or not all(map(_is_whole, sizes))
            or sizes[:2] != expected
            or sizes[2] not in flags
        ):
            raise Refused(f"the dtype {self._text} has a state that does not belong to it")
        self._made = np.dtype(("" if order == "=" else order) + self._text) if has_order else made

    def made(self) -> np.dtype[Any]:
        """Give the dtype."""
        if self._made is None:
            raise Refused(f"the dtype {self._text} is used before its state has come")
        return self._made


def _values(view: memoryview, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Look at the bytes as numbers; those that no memory of NumPy's own could hold are refused."""
    if len(view) == 0:
        values = np.empty(0, dtype)
        values.flags.writeable = False
        return values
    values = np.frombuffer(view, dtype)
    if dtype.kind == "b" and values.view(np.uint8).max() > 1:
        raise Refused("an array of truth values holds bytes other than 0 and 1")
    code_points = np.dtype("u4").newbyteorder(dtype.byteorder)
    if dtype.kind == "U" and values.view(code_points).max() > _HIGHEST_CHARACTER:
        raise Refused("an array of characters holds numbers that are no character's")
    return values


def _shape(shape: Any, dtype: np.dtype[Any], view: memoryview) -> tuple[int, ...]:
    if type(shape) is not tuple or len(shape) > _MOST_AXES or not all(map(_is_whole, shape)):
        raise Refused("an array has a shape that is no tuple of whole numbers")
    if any(size < 0 for size in shape) or prod(max(size, 1) for size in shape) * dtype.itemsize > _LARGEST:
        raise Refused(f"an array claims the shape {shape}"[:160])
    if prod(shape) * dtype.itemsize != len(view):
        raise Refused(f"an array of shape {shape} and {dtype} has {len(view)} bytes"[:160])
    return shape


def _dtype_of(value: Any) -> np.dtype[Any]:
    if not isinstance(value, DType):
        raise Refused("an array's dtype is none")
    return value.made()


class Array:
    """An array, complete once its state has come."""

    def __init__(self, made: NDArray[Any] | None = None) -> None:
        self._made = made

    def build(self, state: Any) -> None:
        """Take the state: version, shape, dtype, whether columns come first, bytes."""
        if self._made is not None or type(state) is not tuple or len(state) != 5 or state[0] != 1:
            raise Refused("an array has a second state, or one that is not NumPy's version 1")
        _, shape, dtype_, is_fortran, blob = state
        dtype = _dtype_of(dtype_)
        if not isinstance(blob, Blob) or blob.kind == "bytearray":
            raise Refused("an array's content is no string of bytes; arrays of objects are never read")
        if type(is_fortran) not in {bool, int} or is_fortran not in {0, 1}:
            raise Refused("an array does not say in which order its axes lie")
        shape = _shape(shape, dtype, blob.view)
        self._made = _values(blob.view, dtype).reshape(shape, order="F" if is_fortran else "C")

    def made(self) -> NDArray[Any]:
        """Give the array, a view on the stream."""
        if self._made is None:
            raise Refused("an array is announced whose content never comes")
        return self._made


Charge = Callable[[int], None]


def _call_reconstruct(args: tuple[Any, ...], _: Charge) -> Array:
    if len(args) != 3 or not isinstance(args[0], Name) or args[0].meaning != "ndarray":
        raise Refused("_reconstruct makes something else than an ndarray")
    code = str(args[2].view[:2], "latin-1") if isinstance(args[2], Blob) else args[2]
    if type(args[1]) is not tuple or args[1] != (0,) or not _is_whole(args[1][0]) or code != "b":
        raise Refused("_reconstruct has other arguments than NumPy gives it")
    return Array()


def _call_dtype(args: tuple[Any, ...], _: Charge) -> DType:
    if len(args) != 3 or any(type(flag) not in {bool, int} or flag not in {0, 1} for flag in args[1:]):
        raise Refused("dtype has other arguments than NumPy gives it")
    text = _short_text(args[0])
    if not _DTYPE.fullmatch(text):
        hint = "; arrays of objects are never read" if text.startswith("O") else ""
        raise Refused(f"it has the dtype {text[:32]!r}, neither numbers nor fixed strings{hint}")
    return DType(text)


def _call_scalar(args: tuple[Any, ...], _: Charge) -> np.generic:
    if len(args) != 2 or not isinstance(args[1], Blob) or args[1].kind == "bytearray":
        raise Refused("scalar has other arguments than a dtype and its bytes")
    dtype = _dtype_of(args[0])
    if len(args[1].view) != dtype.itemsize:
        raise Refused(f"a number of type {dtype} has {len(args[1].view)} bytes")
    value: np.generic = _values(args[1].view, dtype)[0]
    return value


def _call_encode(args: tuple[Any, ...], charge: Charge) -> Blob:
    if len(args) != 2 or type(args[0]) is not str or type(args[1]) is not str or args[1] != "latin1":
        raise Refused("_codecs.encode is asked for something else than a text in latin1")
    charge(len(args[0]))
    try:
        return Blob(memoryview(args[0].encode("latin-1")), "bytes")
    except UnicodeEncodeError:
        raise Refused("_codecs.encode is given characters that latin1 does not have") from None


def _call_frombuffer(args: tuple[Any, ...], _: Charge) -> Array:
    is_permuted = len(args) == 5
    if len(args) not in {4, 5} or not isinstance(args[0], Blob) or args[0].kind == "str":
        raise Refused("_frombuffer has other arguments than NumPy gives it")
    dtype, order = _dtype_of(args[1]), args[3]
    shape = _shape(args[2], dtype, args[0].view)
    values = _values(args[0].view, dtype)
    if not is_permuted or args[4] is None:
        if type(order) is not str or order not in {"C", "F"}:
            raise Refused("_frombuffer does not say in which order the axes lie")
        return Array(values.reshape(shape, order="F" if order == "F" else "C"))
    axes = args[4]
    is_whole = type(axes) is tuple and all(map(_is_whole, axes))
    if type(order) is not str or order != "K" or not is_whole or sorted(axes) != list(range(len(shape))):
        raise Refused("_frombuffer does not say in which order the axes lie")
    return Array(values.reshape(shape).transpose(axes))


CALLS: Mapping[str, Callable[[tuple[Any, ...], Charge], Any]] = {
    "dtype": _call_dtype,
    "encode": _call_encode,
    "frombuffer": _call_frombuffer,
    "reconstruct": _call_reconstruct,
    "scalar": _call_scalar,
}
"""What is done where the stream calls a name; the second argument is told how many bytes are made."""

NAMES: Mapping[str, str] = {
    "_codecs.encode": "encode",
    "numpy.dtype": "dtype",
    "numpy.ndarray": "ndarray",
    **{
        f"numpy.{core}.{name}": meaning
        for core in ("core", "_core")  # Before and since NumPy 2.
        for name, meaning in {
            "multiarray._reconstruct": "reconstruct",
            "multiarray.scalar": "scalar",
            "numeric._frombuffer": "frombuffer",
        }.items()
    },
}
"""Every global that a stream may name, and what it stands for."""
