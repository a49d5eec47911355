"""A file that is either whole or not there, whatever happens to the process or the machine in between."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from physioaffect.errors import DataError

__all__ = ["PARTIAL", "replace_file", "save_file", "sync_folder", "write_all_synced", "write_synced"]

# Ending of the name under which a file is written before it is renamed.
PARTIAL = ".partial"


def replace_file(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, sync it, rename it, and sync the folder.

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
    OSError
        If the disk is full, the folder may not be written, or a sync fails.
    """
    partial = path.with_name(path.name + PARTIAL)
    try:
        # Synced before the rename: a name that is durable must not stand for bytes that are not.
        write_synced(partial, content)
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_synced(path: Path, content: bytes | memoryview) -> None:
    """Write a file that survives a loss of power once this returns; before that there may be half of it."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def write_all_synced(files: Iterable[tuple[Path, bytes | memoryview]]) -> None:
    """Write files as `write_synced` does, and wait for the disk when all are written.

    Forty small files take a fifth of the time: a file system with a journal commits it once, not after each.
    """
    written = []
    for path, content in files:
        with path.open("wb") as stream:
            stream.write(content)
            stream.flush()
            if hasattr(os, "posix_fadvise"):
                # Linux begins to write at once, without letting this thread wait.
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        written.append(path)
    for path in written:
        # Open for writing, too: Windows syncs no other.
        with path.open("rb+") as stream:
            os.fsync(stream.fileno())


def save_file(path: Path, content: bytes) -> Path:
    """Write a file that a user named, and the folders above it.

    Parameters
    ----------
    path : Path
        The file; what is there is replaced as a whole.
    content : bytes
        All of it.

    Returns
    -------
    path : Path

    Raises
    ------
    DataError
        If it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_file(Path(folder) / "new" / "a.txt", b"whole").read_text()
    'whole'
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written: {error.strerror or error}. Make room, or name another."
        ) from error
    return path


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable; nothing where folders cannot be synced (Windows, some networks)."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
