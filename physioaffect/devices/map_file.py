"""A map of text tables, written as TOML beside them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from physioaffect.devices.csv_map import CsvMap, EventMap, FlagMap, SignalMap, TimeMap
from physioaffect.errors import DataError

__all__ = ["MAP_NAME", "read_map"]

MAP_NAME = "physioaffect.toml"
_LARGEST_MAP = 2**20
_TABLES: Mapping[str, type] = MappingProxyType(
    {"time": TimeMap, "signals": SignalMap, "events": EventMap, "flags": FlagMap}
)


def read_map(path: Path | str) -> CsvMap:
    '''Read a map from TOML.

    Parameters
    ----------
    path : path
        A TOML file whose keys are those of `CsvMap`, with one table ``[time]`` and lists of tables
        ``[[signals]]``, ``[[events]]`` and ``[[flags]]`` whose keys are those of `TimeMap`, `SignalMap`,
        `EventMap` and `FlagMap`.

    Returns
    -------
    CsvMap

    Raises
    ------
    DataError
        If the file cannot be read, is no TOML, has a key that no map has, lacks one, or has a value of
        the wrong type.

    Examples
    --------
    A watch that writes one measurement a line, ``2019-10-16T12:09:00.511+02:00;HEART_RATE;79.0``:

    >>> text = """
    ... device = "Garmin"
    ... delimiter = ";"
    ... header_line = 0
    ... key = "2"
    ... value = "3"
    ... [time]
    ... column = "1"
    ... unit = "text"
    ... [[signals]]
    ... name = "hr"
    ... columns = ["HEART_RATE"]
    ... unit = "bpm"
    ... sfreq = 1
    ... shared = "last"
    ... """
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "physioaffect.toml")
    ...     _ = path.write_text(text)
    ...     read_map(path).signals[0].kind
    'hr'
    '''
    path = Path(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST_MAP + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Give a map in TOML.") from None
    if len(content) > _LARGEST_MAP:
        raise DataError(f"{path} has more than {_LARGEST_MAP} bytes: it is no map.")
    try:
        table = tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no TOML: {str(error)[:200]}. Mend it.") from None
    made: dict[str, Any] = {}
    for key, value in table.items():
        cls = _TABLES.get(key)
        if cls is None:
            made[key] = value
        elif key == "time":
            made[key] = _make(cls, value, "[time]", path)
        elif isinstance(value, list):
            made[key] = tuple(_make(cls, item, f"[[{key}]]", path) for item in value)
        else:
            raise DataError(f"{path}: {key} must be a list of tables: write [[{key}]], not [{key}].")
    made.setdefault("signals", ())
    result = _make(CsvMap, made, "the map", path)
    assert isinstance(result, CsvMap)
    return result


def _make(cls: type, table: object, where: str, path: Path) -> object:
    if not isinstance(table, dict):
        raise DataError(f"{path}: {where} must be a table of keys and values.")
    known = {field.name: field for field in fields(cls)}
    if unknown := sorted(set(table) - set(known)):
        raise DataError(
            f"{path}: {where} has a key {unknown[0]!r} that nothing reads; known are {', '.join(known)}. "
            "Correct its spelling."
        )
    lacking = [name for name, field in known.items() if field.default is MISSING and name not in table]
    if lacking:
        raise DataError(f"{path}: {where} lacks {', '.join(lacking)}.")
    values = {key: _typed(key, value, str(known[key].type), where, path) for key, value in table.items()}
    try:
        return cls(**values)
    except ValueError as error:
        raise DataError(f"{path}: {where}: {error}") from None


_IS: Mapping[str, tuple[str, Any]] = MappingProxyType(
    {
        "a text": ("str", str),
        "a number": ("float", (int, float)),
        "a whole number": ("int", int),
        "true or false": ("bool", bool),
    }
)


def _typed(key: str, value: object, annotation: str, where: str, path: Path) -> object:
    """Check a value from TOML against the annotation of its field; lists become tuples."""
    annotation = annotation.replace("StampKind", "str").replace("Rate", "float | tuple[float, ...]")
    if annotation.startswith("Literal"):
        annotation = "str"  # Which texts, the class says itself.
    allowed = []
    for part in annotation.split(" | "):
        for words, (name, types) in _IS.items():
            if part == name:
                allowed.append(words)
                if _is(value, types):
                    return value
            elif part == f"tuple[{name}, ...]":
                allowed.append(f"a list, each item {words}")
                if isinstance(value, list) and all(_is(item, types) for item in value):
                    return tuple(value)
        if "Map" in part:  # Made already.
            return value
    raise DataError(f"{path}: {where}: {key} must be {' or '.join(allowed)}; got {str(value)[:60]!r}.")


def _is(value: object, types: Any) -> bool:
    return isinstance(value, types) and (types is bool or not isinstance(value, bool))
