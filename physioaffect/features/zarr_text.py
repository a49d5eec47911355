"""Columns of text as Zarr's ``vlen-utf8``."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError

__all__ = ["decode_texts", "encode_texts"]

_LARGEST_TEXT = 2**28  # NumPy gives every text of a column the room of the longest.


def encode_texts(values: NDArray[Any]) -> bytes:
    """Encode as ``vlen-utf8``: a count, then each text's length and bytes, run by run of equal texts."""
    chunk = [struct.pack("<I", len(values))]
    edges = _edges(values)
    for text, length in zip(values[edges[:-1]].tolist(), np.diff(edges).tolist(), strict=True):
        encoded = text.encode()
        chunk.append((struct.pack("<I", len(encoded)) + encoded) * length)
    return b"".join(chunk)


def _edges(values: NDArray[Any]) -> NDArray[np.intp]:
    """Where runs of equal values begin, and the end."""
    changes = np.flatnonzero(values[1:] != values[:-1]) + 1
    return np.concatenate([[0], changes, [len(values)]]) if len(values) else np.zeros(1, dtype=np.intp)


def decode_texts(chunk: bytes, n_texts: int, where: str) -> NDArray[np.str_]:
    """Decode ``vlen-utf8``."""
    texts: list[str] = []
    lengths: list[int] = []
    try:
        (count,) = struct.unpack_from("<I", chunk)
        offset, n_found = 4, 0
        while n_found < n_texts:
            (length,) = struct.unpack_from("<I", chunk, offset)
            item = chunk[offset : offset + 4 + length]
            if len(item) < 4 + length:
                break
            first = n_found
            while n_found < n_texts and chunk.startswith(item, offset):
                offset += len(item)
                n_found += 1
            texts.append(item[4:].decode())
            lengths.append(n_found - first)
    except (struct.error, UnicodeDecodeError):
        count = -1
    if count != n_texts or sum(lengths) != n_texts or offset != len(chunk):
        raise DataError(f"{where} is damaged: it does not hold {n_texts} texts. Make the features anew.")
    if max(map(len, texts), default=0) * n_texts > _LARGEST_TEXT:
        raise DataError(f"{where} holds texts that are too long to lie in one column.")
    return np.repeat(np.array(texts, dtype=np.str_), lengths)
