"""Where data sets lie: one environment variable names the folder that holds them all."""

from __future__ import annotations

import os
from pathlib import Path

from physioaffect.errors import DataError

__all__ = ["VARIABLE", "data_folder"]

VARIABLE = "PHYSIOAFFECT_DATA"


def data_folder(name: str, root: Path | str | None = None) -> Path:
    """Give the folder of a data set: the one that was passed, or ``$PHYSIOAFFECT_DATA/<name>``.

    Parameters
    ----------
    name : str
        Name of the data set, such as ``"dreamer"``.
    root : path, optional
        Its folder, where it is known; then the variable is not looked at.

    Returns
    -------
    Path
        It need not exist: readers say what they miss in it.

    Raises
    ------
    DataError
        If neither a folder is passed nor the variable set.

    Examples
    --------
    >>> data_folder("dreamer", "somewhere/dreamer").as_posix()
    'somewhere/dreamer'
    """
    if root is not None:
        return Path(root)
    base = os.environ.get(VARIABLE, "").strip()
    if not base:
        raise DataError(
            f"Where is the data set {name}? Name its folder, or set the environment variable {VARIABLE} to "
            f"the folder in which {name} lies. How to get it: physioaffect datasets {name}."
        )
    return Path(base).expanduser() / name
