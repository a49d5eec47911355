"""What is in a folder, for sentences about folders that are something else than they should be."""

from __future__ import annotations

from pathlib import Path

__all__ = ["contents"]

_MOST = 8


def contents(folder: Path) -> str:
    """Name the first few things in a folder and count the others; hidden ones are passed over."""
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return (", ".join(names[:_MOST]) or "nothing") + more
