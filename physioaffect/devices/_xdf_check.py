"""The outline of an XDF file, walked through before a reader trusts the lengths that it claims.

XDF 1.0 (https://github.com/sccn/xdf/wiki/Specifications): the magic ``XDF:``, then chunks of a length (one
byte that says in how many bytes it is written, then these), a tag of two bytes and content. Streams have a
header, samples, clock offsets and a footer, each beginning with the stream's number.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from physioaffect.errors import DataError

__all__ = ["Channel", "Outline", "Stream", "walk_xdf"]

_FILE_HEADER, _STREAM_HEADER, _SAMPLES, _CLOCK_OFFSET, _BOUNDARY, _STREAM_FOOTER = range(1, 7)
_ITEM_BYTES = {"int8": 1, "int16": 2, "int32": 4, "int64": 8, "float32": 4, "double64": 8}
_MOST_CHANNELS = 4096
_MOST_STREAMS = 1024
_FASTEST_HZ = 1e6


class Channel(NamedTuple):
    """What the header says of a channel; empty where it says nothing."""

    label: str = ""
    type: str = ""
    unit: str = ""


@dataclass(kw_only=True)
class Stream:
    """What the header says of a stream."""

    name: str
    type: str
    format: str
    sfreq: float
    channels: tuple[Channel, ...]
    n_samples: int = 0
    n_offsets: int = 0


@dataclass(kw_only=True)
class Outline:
    """A file's streams by number, when its recorder says that it was made, and where its whole chunks end."""

    streams: dict[int, Stream] = field(default_factory=dict)
    made: str = ""
    end: int = 4


def walk_xdf(content: bytes, path: Path) -> Outline:
    """Walk over all chunks.

    Parameters
    ----------
    content : bytes
        The file, uncompressed.
    path : Path
        For messages.

    Returns
    -------
    Outline
        If the last chunk is cut off, ``end`` is before it.

    Raises
    ------
    DataError
        If this is no XDF, or a chunk claims what it cannot hold. The message tells where.
    """
    if content[:4] != b"XDF:":
        raise DataError(f"{path} is no XDF file: it starts with {content[:8]!r}. Give a recording in XDF.")
    outline = Outline()
    while outline.end < len(content):
        begin = outline.end
        try:
            length, at = _length(content, begin)
        except (IndexError, struct.error):
            break
        if length < 0 or length < 2:
            raise _bad(path, begin, "has no valid length")
        stop = at + length
        if stop > len(content):
            break
        (tag,) = struct.unpack_from("<H", content, at)
        try:
            _visit(outline, tag, content[at + 2 : stop])
        except (
            IndexError,
            struct.error,
            KeyError,
            ValueError,
            ParseError,
            DefusedXmlException,
            RecursionError,
        ) as error:
            if isinstance(error, DataError):
                raise
            raise _bad(path, begin, f"cannot be read ({str(error)[:80] or type(error).__name__})") from None
        outline.end = stop
    return outline


def _bad(path: Path, at: int, what: str) -> DataError:
    return DataError(f"{path} is damaged: the chunk at byte {at} {what}. Copy or record the file again.")


def _length(content: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends; -1 if it is none."""
    n_bytes = content[at]
    if n_bytes not in (1, 4, 8):
        return -1, at
    (number,) = struct.unpack_from({1: "<B", 4: "<I", 8: "<Q"}[n_bytes], content, at + 1)
    return int(number), at + 1 + n_bytes


def _visit(outline: Outline, tag: int, chunk: bytes) -> None:
    if tag == _FILE_HEADER:
        outline.made = _text(fromstring(chunk, forbid_dtd=True), "datetime")
        return
    if tag not in (_STREAM_HEADER, _SAMPLES, _CLOCK_OFFSET, _STREAM_FOOTER):
        return
    (number,) = struct.unpack_from("<I", chunk)
    if tag == _STREAM_HEADER:
        if number in outline.streams or len(outline.streams) == _MOST_STREAMS:
            raise ValueError(f"another stream of number {number}")
        outline.streams[number] = _stream(fromstring(chunk[4:].decode("utf-8", "replace"), forbid_dtd=True))
        return
    stream = outline.streams[number]
    if tag == _SAMPLES:
        stream.n_samples += _n_samples(stream, chunk)
    elif tag == _CLOCK_OFFSET:
        struct.unpack("<Idd", chunk)
        stream.n_offsets += 1
    else:
        fromstring(chunk[4:], forbid_dtd=True)


def _n_samples(stream: Stream, chunk: bytes) -> int:
    n_samples, at = _length(chunk, 4)
    n_bytes = len(chunk) - at
    # A sample is a byte, perhaps a time of eight bytes, and its values; a text has two bytes at least.
    size = len(stream.channels) * _ITEM_BYTES.get(stream.format, 2)
    is_text = stream.format == "string"
    if (
        n_samples < 0
        or n_samples * (1 + size) > n_bytes
        or (not is_text and n_samples * (9 + size) < n_bytes)
    ):
        raise ValueError(f"{n_samples} samples in {n_bytes} bytes")
    return n_samples


def _text(parent: Element, name: str) -> str:
    found = parent.find(name)
    return "" if found is None or found.text is None else found.text.strip()


def _stream(root: Element) -> Stream:
    n_channels, sfreq = int(_text(root, "channel_count")), float(_text(root, "nominal_srate") or "nan")
    form = _text(root, "channel_format")
    if not 0 < n_channels <= _MOST_CHANNELS or not 0 <= sfreq <= _FASTEST_HZ:
        raise ValueError(f"{n_channels} channels at {sfreq} Hz")
    if form != "string" and form not in _ITEM_BYTES:
        raise ValueError(f"samples of the format {form[:20]!r}")
    about = [
        Channel(_text(node, "label"), _text(node, "type"), _text(node, "unit"))
        for node in root.findall("desc/channels/channel")
    ]
    channels = tuple(about) if len(about) == n_channels else (Channel(),) * n_channels
    return Stream(
        name=_text(root, "name"), type=_text(root, "type"), format=form, sfreq=sfreq, channels=channels
    )
