"""Prototypes as files: numbers as safetensors, everything else as JSON beside them, both under one digest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.distill.prototypes import FORMAT, Prototypes
from physioaffect.errors import DataError
from physioaffect.whole_file import save_file

__all__ = ["load_prototypes", "save_prototypes"]

_KEY = "physioaffect_prototypes"
_LARGEST_FILE = 2**28
_LONGEST_TEXT = 2**22
_ARRAYS = {
    "vectors": np.float32,
    "counts": np.int64,
    "confidence": np.float32,
    "filled_from": np.int64,
    "n_people": np.int64,
}
# What other files begin with that are offered as prototypes: the published ones are an archive of numpy.
_OTHERS = {b"PK\x03\x04": "an archive of numpy or torch", b"\x93NUMPY": "an array of numpy"}


def save_prototypes(prototypes: Prototypes, path: Path | str) -> Path:
    """Write prototypes to two files.

    Parameters
    ----------
    prototypes : Prototypes
        What to write.
    path : path
        The file of numbers, named ``.safetensors``; origin, counts for reading and digest go to
        ``<path>.json``. What is there is replaced.

    Returns
    -------
    path : Path

    Raises
    ------
    DataError
        If the name has another suffix, they are larger than could be read again, or the disk is full.

    Notes
    -----
    Equal prototypes make equal files, to the last byte.

    Examples
    --------
    >>> import tempfile
    >>> from physioaffect.distill.anchors import ANCHORS
    >>> from physioaffect.distill.controls import one_hot_prototypes
    >>> made = one_hot_prototypes(list(ANCHORS), ANCHORS, 5, 16)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = load_prototypes(save_prototypes(made, Path(folder) / "made.safetensors"), expect_dims=16)
    >>> again.digest == made.digest
    True
    """
    from safetensors.numpy import save  # noqa: PLC0415  It comes with an extra.

    path = Path(path)
    if path.suffix != ".safetensors":
        raise DataError(f"Prototypes are saved as a file named .safetensors, got {path.name!r}. Rename it.")
    arrays = {name: np.array(found) for name in _ARRAYS if (found := getattr(prototypes, name)) is not None}
    # One key only: safetensors writes several in no order.
    content = save(arrays, metadata={_KEY: prototypes.digest})
    text = (json.dumps(prototypes.to_json(), sort_keys=True, indent=1) + "\n").encode()
    for found, most, what in (
        (content, _LARGEST_FILE, "Prototypes"),
        (text, _LONGEST_TEXT, "The origin of prototypes"),
    ):
        if len(found) > most:
            raise DataError(
                f"{what} would be {len(found):,} bytes, more than the {most:,} that are read again. Take a "
                "smaller dimension, or a shorter origin."
            )
    save_file(path, content)
    save_file(_beside(path), text)
    return path


def load_prototypes(
    path: Path | str, *, expect_dims: int | None = None, expect_digest: str | None = None
) -> Prototypes:
    """Read prototypes that `save_prototypes` wrote; the files may come from a stranger.

    Parameters
    ----------
    path : path
        The ``.safetensors`` file, with its ``.json`` beside it.
    expect_dims : int, optional
        The dimension that a student projects to; another is refused.
    expect_digest : str, optional
        The digest, or its beginning (8 characters or more), that a record of a run names; another is refused.

    Returns
    -------
    Prototypes

    Raises
    ------
    DataError
        If a file is missing, too large, of another kind, of a later version or damaged; if content and
        digest differ; or if it is not what was expected.

    Notes
    -----
    Digests tell that content is what it was, not who made it: whoever can write both files can write a
    digest that fits. Against that pass ``expect_digest``.

    Examples
    --------
    >>> import tempfile
    >>> from physioaffect.distill.anchors import ANCHORS
    >>> from physioaffect.distill.controls import one_hot_prototypes
    >>> made = one_hot_prototypes(list(ANCHORS), ANCHORS, 5, 16)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_prototypes(made, Path(folder) / "made.safetensors")
    ...     again = load_prototypes(path, expect_digest=made.digest[:8])
    >>> again.k, again.vectors.shape
    (5, (25, 16))
    """
    path = Path(path)
    told, digest_beside = _told(path)
    arrays, digest_within = _arrays(path)
    if digest_within != digest_beside:
        raise DataError(
            f"{path.name} and {_beside(path).name} do not belong together: the digest of one begins with "
            f"{digest_within[:12]!r}, of the other with {digest_beside[:12]!r}. Copy both from one folder."
        )
    try:
        found = Prototypes(k=told["k"], origin=told["origin"], **arrays)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise DataError(f"{path} holds no valid prototypes: {error} Make them again.") from error
    if found.digest != digest_beside:
        raise DataError(
            f"The content of {path.name} has the digest {found.digest[:12]}, expected {digest_beside[:12]} "
            "as written beside it: numbers or origin were changed after saving. Get the files again, or make "
            "the prototypes again."
        )
    if differ := [name for name, value in found.to_json().items() if told.get(name) != value]:
        raise DataError(
            f"{_beside(path).name} tells another {' and '.join(differ)} than {path.name} holds: it was "
            "changed after saving. Get the files again, or make the prototypes again."
        )
    if expect_dims is not None and found.n_dims != expect_dims:
        raise DataError(
            f"{path.name} holds prototypes of {found.n_dims} dimensions, expected {expect_dims}. Set the "
            "student's projection to that dimension, or take prototypes of a teacher with the other."
        )
    if expect_digest is not None and (len(expect_digest) < 8 or not found.digest.startswith(expect_digest)):
        raise DataError(
            f"{path.name} holds prototypes with the digest {found.digest[:12]}, expected "
            f"{expect_digest[:12]!r}. They are others than the run was made with: find those, or train again."
        )
    return found


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _read(path: Path, most: int) -> bytes:
    if not path.is_file():
        raise DataError(
            f"There is no file {path}. Prototypes are two files: NAME.safetensors and NAME.safetensors.json."
        )
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > most:
        raise DataError(f"{path} has more than {most:,} bytes, and holds no prototypes that we saved.")
    return content


def _told(path: Path) -> tuple[dict[str, Any], str]:
    if path.suffix != ".safetensors":
        raise DataError(
            f"Prototypes are read from a file named .safetensors, got {path.name!r}. Make them with "
            "save_prototypes: files that can run code when opened are not read."
        )
    beside = _beside(path)
    try:
        told = json.loads(_read(beside, _LONGEST_TEXT))
    except DataError:
        raise
    except (ValueError, RecursionError) as error:
        raise DataError(f"{beside} is no JSON: {str(error)[:200]}. Get the files again.") from error
    if not isinstance(told, dict) or not isinstance(told.get("digest"), str):
        raise DataError(f"{beside} does not tell of prototypes: it has no digest. Get the files again.")
    if told.get("format") != FORMAT:
        raise DataError(
            f"{beside.name} has the format {str(told.get('format'))[:20]!r}, expected {FORMAT}. Read it with "
            "the version of physioaffect that wrote it."
        )
    return told, told["digest"]


def _arrays(path: Path) -> tuple[dict[str, NDArray[Any]], str]:
    from safetensors import SafetensorError  # noqa: PLC0415
    from safetensors.numpy import load  # noqa: PLC0415

    content = _read(path, _LARGEST_FILE)
    for start, what in _OTHERS.items():
        if content.startswith(start):
            raise DataError(f"{path} is {what}, expected safetensors. Make it with save_prototypes.")
    try:
        arrays = load(content)
        length = int.from_bytes(content[:8], "little")
        digest = json.loads(content[8 : 8 + length])["__metadata__"][_KEY]
    except (SafetensorError, AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} is damaged or no file that save_prototypes wrote: {str(error)[:200]}. Get it again."
        ) from error
    needed = set(_ARRAYS) - {"n_people"}
    if not needed <= set(arrays) <= set(_ARRAYS):
        raise DataError(
            f"{path} holds {', '.join(sorted(arrays))[:200] or 'nothing'}, expected {', '.join(_ARRAYS)}. "
            "Make it with save_prototypes."
        )
    for name, value in arrays.items():
        if value.dtype != _ARRAYS[name]:
            raise DataError(
                f"{name} in {path.name} is {value.dtype}, expected {np.dtype(_ARRAYS[name])}. Make it again "
                "with save_prototypes."
            )
    return arrays, str(digest)
