"""Finding the parts of a data set of faces in the folder that a user unpacked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from physioaffect.errors import DataError

from .simulated_mark import mark_simulated
from .world import World

__all__ = ["check_folder", "find", "new_folder"]


def check_folder(root: Path, title: str, expected: str) -> None:
    """Raise a `DataError` that says what ``expected`` is, unless ``root`` is a folder."""
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise DataError(f"{root} {what}. Give the folder of {title} that holds {expected}.")


def _inside(folder: Path) -> list[Path]:
    """List the folders in a folder; hidden ones and what a Mac adds to archives do not count."""
    try:
        children = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror}). Check its permissions.") from error
    return [child for child in children if not child.name.startswith((".", "__MACOSX")) and child.is_dir()]


def find(root: Path, is_it: Callable[[Path], bool], *, depth: int) -> Path | None:
    """Find the one folder of which ``is_it`` is true, as near as possible and ``depth`` levels down at most.

    Raises
    ------
    DataError
        If there are several on the same level.
    """
    level = [root]
    for _ in range(depth):
        if any(is_it(folder) for folder in level):
            break
        level = [child for folder in level for child in _inside(folder)]
    found = [folder for folder in level if is_it(folder)]
    if len(found) > 1:
        raise DataError(
            f"{root} holds the same part of the data set twice, in {found[0]} and in {found[1]}. Keep one of "
            "them, or give the folder of one."
        )
    return found[0] if found else None


def new_folder(root: Path | str, world: World) -> Path:
    """Make a folder for simulated faces, marked as such; a `DataError` if there is anything in it."""
    root = Path(root)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise DataError(f"{root} exists and is not empty. Give a new folder for simulated faces.")
    root.mkdir(parents=True, exist_ok=True)
    mark_simulated(root, world)
    return root
