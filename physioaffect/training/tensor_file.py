"""Reading what physioaffect saved as tensors with JSON beside them in one safetensors file."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor

from physioaffect.errors import DataError

__all__ = ["read_tensor_file"]

_LARGEST_FILE = 2**31
_LONGEST_TEXT = 10_000_000


def read_tensor_file(
    path: Path, kind: str, *, key: str, newest: int
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a file of tensors and what its metadata tell of them.

    Parameters
    ----------
    path : Path
        The file, at most 2 GiB.
    kind : str
        What it should hold, for messages: "network", "student".
    key : str
        Under which the metadata hold the JSON, at most 10 MB.
    newest : int
        The latest format that this version reads.

    Returns
    -------
    told : dict
        The JSON, which has a whole number as ``format``; nothing else in it is checked.
    tensors : dict of str to Tensor

    Raises
    ------
    DataError
        If there is no such file, it is too large, damaged or of another kind, or its format is later.
    """
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415  An extra.

    if not path.is_file():
        raise DataError(f"There is no file {path}: give a {kind} that physioaffect saved.")
    if path.stat().st_size > _LARGEST_FILE:
        raise DataError(f"{path} has more than 2 GiB, and is no {kind} that physioaffect saved.")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(key, "")
            if not text or len(text) > _LONGEST_TEXT:
                raise DataError(
                    f"{path} holds tensors, but is no {kind} that physioaffect saved: it does not tell "
                    f"which. Use save_{kind}."
                )
            told = json.loads(text)
            # The file is no dictionary: it cannot be iterated.
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, RecursionError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{path} is no safetensors file, or damaged: {error}. Copy it again, or save the {kind} again."
        ) from error
    if not isinstance(told, dict) or not isinstance(told.get("format"), int):
        raise DataError(f"{path} does not tell what {kind} it holds. Save the {kind} again.")
    if told["format"] > newest:
        raise DataError(
            f"{path} was written by physioaffect {str(told.get('version'))[:40]} in a later format than this "
            f"version, {version('physioaffect')}, can read. Update it."
        )
    return told, tensors
