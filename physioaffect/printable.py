"""Text from files, for terminals."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str) -> str:
    r"""Escape what a terminal would obey or cannot show.

    Examples
    --------
    >>> print(printable("S01" + chr(27) + "[2J"))
    S01\x1b[2J
    """
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
