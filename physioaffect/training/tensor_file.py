"""Tensors with JSON beside them in one safetensors file: how networks, teachers and students are saved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor

from physioaffect.errors import DataError
from physioaffect.whole_file import save_file

__all__ = ["read_tensor_file", "refuse_other_weights", "write_tensor_file"]

_LARGEST_FILE = 2**31
_LONGEST_TEXT = 10_000_000


def write_tensor_file(
    path: Path, kind: str, *, key: str, told: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> Path:
    """Write a file that `read_tensor_file` reads; nothing in it can be run.

    Parameters
    ----------
    path : Path
        The file, named ``.safetensors``; what is there is replaced as a whole.
    kind : str
        What it holds, for messages: "network", "student".
    key : str
        Under which the metadata hold ``told`` as JSON.
    told : mapping
        What is to be known of the tensors, its ``format`` a whole number.
    tensors : mapping from str to Tensor
        Weights and buffers, on any device.

    Returns
    -------
    path : Path

    Raises
    ------
    DataError
        If the file has another suffix, or cannot be written.
    """
    from safetensors.torch import save  # noqa: PLC0415  An extra.

    if path.suffix != ".safetensors":
        raise DataError(f"A {kind} is saved as a file named .safetensors, got {path.name!r}. Rename it.")
    # Copies: tensors that share memory are refused by safetensors.
    plain = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    return save_file(path, save(plain, metadata={key: json.dumps(told, allow_nan=False)}))


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


def refuse_other_weights(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path) -> None:
    """Compare names, shapes and types of what is in the file with what the network has.

    Raises
    ------
    DataError
        If they differ.
    """
    for name in sorted({*weights, *expected}):
        there, own = (
            f"{str(one[name].dtype).removeprefix('torch.')} {tuple(one[name].shape)}"
            if name in one
            else "none"
            for one in (weights, expected)
        )
        if there != own:
            raise DataError(
                f"The weights in {path} are not those of the network that it describes: {name[:80]} is "
                f"{there}, expected {own}. It was changed, or written by another version: save it again."
            )
