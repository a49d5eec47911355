"""A file beside simulated recordings whose layout has no room for a word on where they come from."""

from __future__ import annotations

from pathlib import Path

from .world import World

__all__ = ["MARK", "mark_simulated", "tags_of_folder"]

MARK = "SIMULATED.txt"


def mark_simulated(folder: Path, world: World) -> Path:
    """Write ``SIMULATED.txt`` into the folder."""
    path = folder / MARK
    path.write_text(f"Simulated by physioaffect, no recordings of anybody.\n{world}\n", encoding="ascii")
    return path


def tags_of_folder(folder: Path) -> tuple[str, ...]:
    """Tell how to tag the trials in a folder."""
    return ("simulated",) if (folder / MARK).is_file() else ()
