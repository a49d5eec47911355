"""Pickle streams of Python 2 (protocol 2), written by hand: an array's bytes are a byte string."""

import struct
from typing import Any

import numpy as np


def _string(data: bytes) -> bytes:
    head = b"U" + struct.pack("<B", len(data)) if len(data) < 256 else b"T" + struct.pack("<i", len(data))
    return head + data


def _opcodes(value: Any) -> bytes:  # noqa: PLR0911  One return per type.
    match value:
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            return b"J" + struct.pack("<i", value)
        case str():
            return _string(value.encode("latin1"))
        case tuple():
            return b"(" + b"".join(map(_opcodes, value)) + b"t"
        case dict():
            return b"}(" + b"".join(_opcodes(key) + _opcodes(item) for key, item in value.items()) + b"u"
        case np.ndarray():
            code = value.dtype.str
            return (
                b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n"
                + _opcodes((0,))
                + _opcodes("b")
                + b"tR("
                + _opcodes(1)
                + _opcodes(value.shape)
                + b"cnumpy\ndtype\n"
                + _opcodes((code[1:], 0, 1))
                + b"R"
                + _opcodes((3, code[0], None, None, None, -1, -1, 0))
                + b"b"
                + _opcodes(False)
                + _string(value.tobytes())
                + b"tb"
            )
    raise ValueError(f"not of Python 2: {type(value)}")


def python2_pickle(value: Any) -> bytes:
    """Write dicts, tuples, strings, whole numbers, None and arrays."""
    return b"\x80\x02" + _opcodes(value) + b"."
