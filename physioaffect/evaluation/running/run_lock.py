"""One writer for each result folder: a lock that ends with its process, however that ends."""

from __future__ import annotations

import errno
import os
import socket
import sys
import warnings
import weakref
from contextlib import suppress
from pathlib import Path

from physioaffect.errors import RunError
from physioaffect.evaluation.running.durable import cannot_write

__all__ = ["LOCK", "RunLock"]

# Name of the file in a result folder that its writer has locked; removed when the writer lets go.
LOCK = "run.lock"

if sys.platform == "win32":  # pragma: no cover  Only where there is msvcrt.
    import msvcrt

    def _lock(handle: int) -> None:
        # Bytes that are locked cannot be read by others there: one far behind what the file says.
        os.lseek(handle, 2**30, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)

    def _remove_and_close(handle: int, path: Path) -> None:
        # What is open cannot be removed there; who opened it meanwhile keeps it.
        os.close(handle)
        with suppress(PermissionError):
            path.unlink(missing_ok=True)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _remove_and_close(handle: int, path: Path) -> None:
        # Removed first, while nobody else can have locked it.
        path.unlink(missing_ok=True)
        os.close(handle)


class RunLock:
    """The right to write into a result folder, until `release`, the end of a ``with``, or of the process.

    The operating system keeps the lock, not the file: what a killed process left behind keeps nobody out.
    Reading needs none.

    Parameters
    ----------
    folder : Path
        The result folder, which exists.

    Raises
    ------
    RunError
        If another run is writing there, in this process or any other, or the folder may not be written.

    Warns
    -----
    UserWarning
        If the file system knows no locks, such as NFS mounted without them: then nobody is kept out.

    Notes
    -----
    flock(2); a locked byte on Windows. Over NFS, Linux turns flock into a lock of the server, except where it
    is mounted with ``nolock`` or ``local_lock=flock``: there two machines do not see each other's locks.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, RunLock(Path(folder)):
    ...     RunLock(Path(folder))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    physioaffect.errors.RunError: ... is being written by ... Wait until it has ended, ...
    """

    def __init__(self, folder: Path) -> None:
        path = folder / LOCK
        while True:
            try:
                handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            except OSError as error:
                raise cannot_write(path, error) from error
            try:
                _take(handle, folder)
            except BaseException:
                os.close(handle)
                raise
            if _is_still(handle, path):
                break
            os.close(handle)  # Its owner removed the file while we were opening it.
        _sign(handle)
        # Lets others write, when it is called, when nobody holds this object, or at the interpreter's end.
        self.release = weakref.finalize(self, _let_go, handle, path, os.getpid())

    def __enter__(self) -> RunLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _take(handle: int, folder: Path) -> None:
    try:
        _lock(handle)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            raise RunError(
                f"{folder} is being written by {_holder(handle)}. Wait until it has ended, or choose another "
                "--out."
            ) from None
        warnings.warn(
            f"{folder} is on a file system without locks ({error.strerror}): make sure that no other run "
            "writes there.",
            stacklevel=3,
        )


def _is_still(handle: int, path: Path) -> bool:
    """Whether ``path`` is the file that was opened."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _sign(handle: int) -> None:
    """Say who holds the lock, for the message that others get."""
    try:
        os.ftruncate(handle, 0)
        os.write(handle, f"process {os.getpid()} on {socket.gethostname()}".encode())
    except OSError:
        return  # A disk may be full; the lock holds without a name.


def _holder(handle: int) -> str:
    try:
        text = os.read(handle, 200).decode(errors="replace").strip()
    except OSError:
        text = ""
    return text or "another process"


def _let_go(handle: int, path: Path, owner: int) -> None:
    # A forked child shares the lock but does not own it: it closes its copy, which releases nothing.
    if os.getpid() == owner:
        _remove_and_close(handle, path)
    else:
        os.close(handle)
