"""Tables as files inside of the page."""

from __future__ import annotations

import base64
import gzip
from typing import NamedTuple

import pandas as pd

__all__ = ["Download", "csv_download", "text_download"]

_PLAIN_LIMIT = 100_000
_EMBEDDED_LIMIT = 400_000
# Writing more takes longer than all the rest of a report.
_MOST_ROWS = 25_000


class Download(NamedTuple):
    """A link: file name, what it holds, its address (None if too large to embed) and size in words."""

    name: str
    what: str
    uri: str | None
    size: str


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1000:.0f} kB" if n_bytes >= 1000 else f"{n_bytes} bytes"


def csv_download(frame: pd.DataFrame, name: str, what: str) -> Download:
    """Embed a table as CSV: as it is up to 100 kB, compressed beyond, not at all if that is over 400 kB.

    Numbers have six decimals.
    """
    if len(frame) > _MOST_ROWS:
        return Download(f"{name}.gz", what, None, f"{len(frame)} rows")
    content = frame.round(6).to_csv(index=False, lineterminator="\n").encode()
    if len(content) <= _PLAIN_LIMIT:
        encoded = base64.b64encode(content).decode()
        return Download(name, what, f"data:text/csv;charset=utf-8;base64,{encoded}", _size(len(content)))
    # Without a time the same table gives the same bytes.
    packed = gzip.compress(content, mtime=0)
    size = _size(len(packed))
    if len(packed) * 4 / 3 > _EMBEDDED_LIMIT:
        return Download(f"{name}.gz", what, None, size)
    encoded = base64.b64encode(packed).decode()
    return Download(f"{name}.gz", what, f"data:application/gzip;base64,{encoded}", size)


def text_download(text: str, name: str, what: str) -> Download:
    """Embed a text."""
    content = text.encode()
    encoded = base64.b64encode(content).decode()
    return Download(name, what, f"data:text/plain;charset=utf-8;base64,{encoded}", _size(len(content)))
