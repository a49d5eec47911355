"""What makes two runs the same run: settings in words, data by content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

__all__ = ["describe", "digest", "hash_of_table", "stable_hash"]


def stable_hash(text: str) -> int:
    """Number a name, the same on every machine and in every process."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


def digest(parts: Iterable[NDArray[Any]]) -> str:
    """Sha256 of arrays: their types, shapes and values, in order."""
    total = hashlib.sha256()
    for part in parts:
        is_number = part.dtype.kind in "iufb"
        content = np.ascontiguousarray(part) if is_number else part.astype(str)
        text = content.tobytes() if is_number else "\0".join(content.ravel()).encode()
        total.update(f"{content.dtype.kind}{part.shape}\0".encode() + text + b"\0")
    return total.hexdigest()


def hash_of_table(table: xr.Dataset) -> str:
    """Sha256 of all names, values and coordinates of a feature table."""
    names = sorted(map(str, table.variables))
    return digest([np.array(names), *(np.asarray(table[name].values) for name in names)])


def describe(value: Any) -> Any:  # noqa: PLR0911  One line a type.
    """Say a setting as JSON, the same in every process: no addresses, nothing elided.

    Parameters
    ----------
    value : object
        A number, a text, an array, a function, a container or an estimator.

    Returns
    -------
    object
        Arrays are their hash, functions their name and a hash of their code, estimators their class and all
        their parameters, other objects their class and attributes.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float | np.generic):
        return repr(value.item() if isinstance(value, np.generic) else value)
    if isinstance(value, np.ndarray):
        return {"array": digest([value]), "shape": list(value.shape)}
    if isinstance(value, Mapping):
        return {str(name): describe(item) for name, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((describe(item) for item in value), key=repr)
    if isinstance(value, Sequence):
        return [describe(item) for item in value]
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, FunctionType):
        return {"function": f"{value.__module__}.{value.__qualname__}", "code": _code(value.__code__)}
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    return {"class": name, **describe(_settings(value))}


def _settings(value: Any) -> Mapping[str, Any]:
    parameters: Callable[..., Mapping[str, Any]] | None = getattr(value, "get_params", None)
    if parameters is not None:
        return parameters(deep=False)
    if isinstance(value, np.random.RandomState):
        return {"state": value.get_state(legacy=False)}
    if isinstance(value, np.random.Generator):
        return {"state": value.bit_generator.state}
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return vars(value) if hasattr(value, "__dict__") else {}


def _code(code: CodeType) -> str:
    constants = [_code(item) if isinstance(item, CodeType) else repr(item) for item in code.co_consts]
    return hashlib.sha256(code.co_code + repr((constants, code.co_names)).encode()).hexdigest()[:16]
