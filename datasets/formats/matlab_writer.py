"""MATLAB v5 files written by SciPy, without holding them in memory."""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError

__all__ = ["Later", "save", "save_all"]

_HEADER, _CHUNK, _COMPRESSED = 128, 1 << 20, 15


class Later:
    """An array that is made at the moment when it is written."""

    def __init__(self, make: Callable[[], NDArray[Any]]) -> None:
        self._make = make

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self._make(), dtype=dtype)


def save(path: Path, variable: str, value: Any) -> Path:
    """Write one variable to a compressed MATLAB v5 file: `save_all` with one."""
    return save_all(path, {variable: value})


def save_all(path: Path, variables: Mapping[str, Any]) -> Path:
    """Write a compressed MATLAB v5 file, equal for equal values, whole or not at all.

    `scipy.io.savemat` with compression holds a variable twice; so it writes plainly to a temporary file in
    the same folder, which is then compressed at zlib's fastest level, variable by variable.

    Parameters
    ----------
    path : Path
        The file; its folder is made if need be.
    variables : mapping of str to dict or array
        At least one, in the order in which they are written, each as `scipy.io.savemat` takes it; arrays may
        be `Later`.

    Returns
    -------
    path : Path

    Raises
    ------
    DataError
        If the file exists.
    """
    if path.exists():
        raise DataError(f"{path} exists and is not overwritten. Remove it, or choose another folder.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        plain_path, part = Path(folder) / "plain.mat", Path(folder) / "part.mat"
        with part.open("wb") as file:
            for name, value in variables.items():
                _append(file, plain_path, name, value)
        part.replace(path)
    return path


def _append(file: BinaryIO, plain_path: Path, name: str, value: Any) -> None:
    """Write one variable as a compressed element, after the file's header if it is the first."""
    from scipy.io import savemat  # noqa: PLC0415

    savemat(plain_path, {name: value})
    with plain_path.open("rb") as plain:
        header = plain.read(_HEADER)
        if file.tell() == 0:
            # SciPy's text holds the time of day, which would change the file's fingerprint.
            file.write(b"MATLAB 5.0 MAT-file, written by physioaffect".ljust(116) + header[116:])
        begin = file.tell()
        file.write(bytes(8))
        deflate = zlib.compressobj(1)
        while chunk := plain.read(_CHUNK):
            file.write(deflate.compress(chunk))
        file.write(deflate.flush())
    end = file.tell()
    file.seek(begin)
    file.write(struct.pack("<II", _COMPRESSED, end - begin - 8))
    file.seek(end)
