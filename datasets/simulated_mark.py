"""A file beside simulated recordings whose layout has no room for a word on where they come from."""

from __future__ import annotations

from pathlib import Path

from physioaffect.errors import DataError

from .world import World

__all__ = ["MARK", "mark_simulated", "new_marked_folder", "tags_of_folder"]

MARK = "SIMULATED.txt"


def mark_simulated(folder: Path, world: World) -> Path:
    """Write ``SIMULATED.txt`` into the folder."""
    path = folder / MARK
    path.write_text(f"Simulated by physioaffect, no recordings of anybody.\n{world}\n", encoding="ascii")
    return path


def new_marked_folder(folder: Path, world: World) -> Path:
    """Make a folder and mark it; a `DataError` if it exists."""
    if folder.exists():
        raise DataError(f"{folder} exists and is not overwritten. Remove it, or choose another folder.")
    folder.mkdir(parents=True)
    mark_simulated(folder, world)
    return folder


def tags_of_folder(folder: Path) -> tuple[str, ...]:
    """Tell how to tag the trials in a folder.

    Parameters
    ----------
    folder : Path
        A data set's folder.

    Returns
    -------
    tags : tuple of str
        ``("simulated",)`` if the folder has ``SIMULATED.txt``, which every simulation writes; else empty.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     before = tags_of_folder(Path(folder))
    ...     _ = mark_simulated(Path(folder), World())
    ...     print(before, tags_of_folder(Path(folder)))
    () ('simulated',)
    """
    return ("simulated",) if (folder / MARK).is_file() else ()
