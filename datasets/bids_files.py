"""The text files of a BIDS data set: names and their entities, inherited sidecars, tables."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from physioaffect.errors import DataError

__all__ = [
    "check_inside",
    "entities",
    "inherited",
    "metadata",
    "number",
    "read_json",
    "read_text",
    "read_tsv",
]

_LARGEST = 64 * 2**20


def check_inside(root: Path, path: Path) -> None:
    """Refuse what a link puts outside the data set; links to git-annex' own folder in it are usual."""
    place = Path(os.path.realpath(path))
    if not place.is_relative_to(os.path.realpath(root)):
        raise DataError(
            f"{path} is a link to {place}, which lies outside the data set {root}. Put the file itself there "
            "(with git-annex: git annex unlock)."
        )


def entities(path: Path) -> dict[str, str]:
    """Take the name apart: ``sub-01_task-rest_eeg.edf`` gives sub 01, task rest."""
    parts = path.name.partition(".")[0].split("_")[:-1]
    return {key: value for key, _, value in (part.partition("-") for part in parts)}


def inherited(root: Path, path: Path, suffix: str) -> list[Path]:
    """Find the files that apply to a recording, from the root's down to its own folder's.

    Parameters
    ----------
    root : Path
        Of the data set.
    path : Path
        A recording below it.
    suffix : str
        How the names end, such as ``"events.tsv"``.
    """
    own = entities(path).items()
    folders = [root]
    for part in path.parent.relative_to(root).parts:
        folders.append(folders[-1] / part)
    found: list[Path] = []
    for folder in folders:
        candidates = [file for file in folder.glob(f"*{suffix}") if _has_suffix(file, suffix)]
        fitting = [file for file in candidates if entities(file).items() <= own]
        # Within a folder the one with more entities is nearer.
        found += sorted(fitting, key=lambda file: (len(entities(file)), file.name))
    return found


def _has_suffix(path: Path, suffix: str) -> bool:
    return path.name == suffix or path.name.endswith(f"_{suffix}")


def read_text(path: Path) -> str:
    """Read a text of a sensible size."""
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= _LARGEST else b""
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    if size > _LARGEST:
        raise DataError(
            f"{path} has more than {_LARGEST // 2**20} MB, too much for a table. Is it the right file?"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text in UTF-8 (byte {error.start}). Save it as UTF-8.") from error


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    try:
        content = json.loads(read_text(path))
    except DataError:  # It is a ValueError, too.
        raise
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON ({error}). Mend it.") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} holds {type(content).__name__}, expected a JSON object.")
    return content


def metadata(root: Path, path: Path, suffix: str) -> dict[str, Any]:
    """Join the sidecars of a recording, the nearer ones last."""
    joined: dict[str, Any] = {}
    for sidecar in inherited(root, path, f"{suffix}.json"):
        joined |= read_json(sidecar)
    return joined


def read_tsv(path: Path, *needed: str) -> list[dict[str, str]]:
    """Read a table with tabs and a header, a mapping for each row.

    Raises
    ------
    DataError
        If a row is of another length than the header, or a needed column is missing.
    """
    lines = read_text(path).replace("\r\n", "\n").rstrip("\n").split("\n")
    header = [name.strip() for name in lines[0].split("\t")]
    if lacking := [name for name in needed if name not in header]:
        raise DataError(
            f"{path} lacks the column {lacking[0]}; it has {', '.join(header)[:200]}. Columns are separated "
            "by tabs."
        )
    if len(set(header)) < len(header):
        raise DataError(f"{path} has two columns of one name: {', '.join(header)[:200]}.")
    rows = []
    for number_of_line, line in enumerate(lines[1:], start=2):
        fields = [field.strip() for field in line.split("\t")]
        if len(fields) != len(header):
            raise DataError(
                f"{path} has {len(fields)} fields in line {number_of_line}, its header {len(header)}. Mend "
                "that line."
            )
        rows.append(dict(zip(header, fields, strict=True)))
    return rows


def number(row: Mapping[str, str], name: str) -> float:
    """Read a field as a number; NaN if it is not one (``n/a``)."""
    try:
        value = float(row.get(name, "nan"))
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
