"""A folder that goes with what holds it."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

__all__ = ["PassingFolder"]


class PassingFolder:
    """A temporary folder that is removed when nothing holds this any more, or when Python ends.

    Copies of this hold the same folder.

    Attributes
    ----------
    path : Path
        The folder.

    Examples
    --------
    >>> held = PassingFolder()
    >>> path = held.path
    >>> path.is_dir()
    True
    >>> del held
    >>> path.exists()
    False
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="physioaffect-"))
        weakref.finalize(self, _remove, self.path, os.getpid())

    def __copy__(self) -> PassingFolder:
        return self

    def __deepcopy__(self, memo: Any) -> PassingFolder:
        return self


def _remove(path: Path, owner: int) -> None:
    # A forked child has a copy of all objects, but the folder is its parent's.
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)
