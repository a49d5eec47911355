"""MATLAB v5 files written by SciPy, without holding them in memory."""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError

__all__ = ["Later", "save"]

_HEADER, _CHUNK, _COMPRESSED = 128, 1 << 20, 15


class Later:
    """An array that is made at the moment when it is written."""

    def __init__(self, make: Callable[[], NDArray[Any]]) -> None:
        self._make = make

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self._make(), dtype=dtype)


def save(path: Path, variable: str, value: Any) -> Path:
    """Write one variable to a compressed MATLAB v5 file, equal for equal values, whole or not at all.

    `scipy.io.savemat` with compression holds the variable twice; so it writes plainly to a temporary file in
    the same folder, which is then compressed at zlib's fastest level.

    Parameters
    ----------
    path : Path
        The file; its folder is made if need be.
    variable : str
        Name of the variable.
    value : dict or array
        As `scipy.io.savemat` takes it; arrays may be `Later`.

    Returns
    -------
    path : Path

    Raises
    ------
    DataError
        If the file exists.
    """
    from scipy.io import savemat  # noqa: PLC0415

    if path.exists():
        raise DataError(f"{path} exists and is not overwritten. Remove it, or choose another folder.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        plain_path, part = Path(folder) / "plain.mat", Path(folder) / "part.mat"
        savemat(plain_path, {variable: value})
        with plain_path.open("rb") as plain, part.open("wb") as file:
            # SciPy's text holds the time of day, which would change the file's fingerprint.
            file.write(b"MATLAB 5.0 MAT-file, written by physioaffect".ljust(116) + plain.read(_HEADER)[116:])
            file.write(bytes(8))
            deflate = zlib.compressobj(1)
            while chunk := plain.read(_CHUNK):
                file.write(deflate.compress(chunk))
            file.write(deflate.flush())
            n_bytes = file.tell() - _HEADER - 8
            file.seek(_HEADER)
            file.write(struct.pack("<II", _COMPRESSED, n_bytes))
        part.replace(path)
    return path
