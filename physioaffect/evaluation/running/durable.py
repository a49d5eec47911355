"""Files and folders of a result, whole or not there, with errors that say how to go on."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd

from physioaffect.errors import RunError
from physioaffect.whole_file import replace_file, sync_folder

__all__ = [
    "cannot_write",
    "make_folder",
    "parquet_bytes",
    "read_json",
    "read_table",
    "remove",
    "told_as_broken",
    "write_whole",
]


def write_whole(path: Path, content: bytes) -> None:
    """Write a file for good: under a temporary name, synced, renamed, and the folder synced.

    After this the file survives the end of the process (SIGKILL) and of the machine; until then the file that
    was there before is untouched.

    Parameters
    ----------
    path : Path
        The file, in a folder that exists.
    content : bytes
        All of it.

    Raises
    ------
    RunError
        If the disk is full, the folder may not be written, or a sync fails.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(Path(folder) / "a.txt", b"whole")
    ...     [(file.name, file.read_text()) for file in Path(folder).iterdir()]
    [('a.txt', 'whole')]
    """
    try:
        replace_file(path, content)
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> RunError:
    """The error that says that ``path`` cannot be written, why, and what to do."""
    reason = error.strerror or str(error)
    of_the_name = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, *of_the_name):
        return RunError(f"{path} cannot be written: {reason}. Choose another --out.")
    return RunError(
        f"{path} cannot be written: {reason}. What was finished before is kept: make room on that disk, and "
        "give the same command again."
    )


def remove(path: Path) -> None:
    """Remove a file, if it is there.

    Raises
    ------
    RunError
        If it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def make_folder(path: Path) -> None:
    """Make a folder and those above it, durably; nothing if it is there.

    Raises
    ------
    RunError
        If it cannot be made.
    """
    try:
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for folder in missing:
            sync_folder(folder.parent)
    except OSError as error:
        raise cannot_write(path, error) from error


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    """A table as a Parquet file whose pages carry checksums, by which `read_table` finds flipped bits."""
    buffer = BytesIO()
    frame.to_parquet(buffer, index=False, write_page_checksum=True)
    return buffer.getvalue()


def read_table(path: Path) -> pd.DataFrame:
    """Read a Parquet file; ``OSError`` or ``ValueError`` if it is damaged."""
    # Without threads: pyarrow 26 sometimes aborts the interpreter's exit after them.
    return pd.read_parquet(path, use_threads=False, page_checksum_verification=True)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; a `RunError` says what is wrong with it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read as a run's JSON: {error}. Is the folder a result?") from None
    if not isinstance(content, dict):
        raise RunError(f"{path} holds {type(content).__name__}, not a JSON object: it is not a result.")
    return content


@contextmanager
def told_as_broken(path: Path) -> Iterator[None]:
    """Say that the run in a folder is broken, if what is read of it is not there.

    Raises
    ------
    RunError
        In place of a ``KeyError`` and the like.

    Examples
    --------
    >>> run = {}
    >>> with told_as_broken(Path("results")):  # doctest: +ELLIPSIS
    ...     run["task"]
    Traceback (most recent call last):
    ...
    physioaffect.errors.RunError: The run in results cannot be read (KeyError: 'task'): it was written by ...
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise RunError(
            f"The run in {path} cannot be read ({type(error).__name__}: {error}): it was written by another "
            "version, or is broken. Run it again."
        ) from None
