"""What makes two runs the same run: settings in words, data by content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

__all__ = ["describe", "digest", "hash_of_table", "stable_hash"]


def stable_hash(text: str) -> int:
    """Number a name, the same on every machine and in every process.

    Examples
    --------
    >>> stable_hash("loso") == stable_hash("loso"), stable_hash("loso") == stable_hash("LOSO")
    (True, False)
    """
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


def digest(parts: Iterable[NDArray[Any]]) -> str:
    """Sha256 of arrays: their types, shapes and values, in order.

    Examples
    --------
    >>> digest([np.arange(6)]) == digest([np.arange(6).reshape(2, 3)])
    False
    """
    total = hashlib.sha256()
    for part in parts:
        is_number = part.dtype.kind in "iufb"
        content = np.ascontiguousarray(part) if is_number else part.astype(str)
        text = content.tobytes() if is_number else "\0".join(content.ravel()).encode()
        total.update(f"{content.dtype.kind}{part.shape}\0".encode() + text + b"\0")
    return total.hexdigest()


def hash_of_table(table: xr.Dataset) -> str:
    """Sha256 of all names, values and coordinates of a feature table.

    Examples
    --------
    >>> table = xr.Dataset({"de": ("window", [1.0, 2.0])})
    >>> hash_of_table(table) == hash_of_table(table.rename(de="hjorth"))
    False
    """
    names = sorted(map(str, table.variables))
    return digest([np.array(names), *(np.asarray(table[name].values) for name in names)])


def describe(value: Any) -> Any:
    """Say a setting as JSON, the same in every process: no addresses, nothing elided.

    Parameters
    ----------
    value : object
        A number, a text, an array, a function, a container or an estimator.

    Returns
    -------
    object
        Arrays are their hash, functions their name, a hash of their code and what they were made with
        (defaults, and variables of the function around), estimators their class and all their parameters,
        other objects their class and attributes.

    Examples
    --------
    >>> describe({"rate": 0.1, "bands": ("alpha", "beta")})
    {'rate': '0.1', 'bands': ['alpha', 'beta']}
    """
    return _said(value, ())


def _said(value: Any, around: tuple[Any, ...]) -> Any:  # noqa: PLR0911  One line a type.
    """As `describe`; ``around`` are the functions and objects that are being told: some hold themselves."""
    say = partial(_said, around=around)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float | np.generic):
        return repr(value.item() if isinstance(value, np.generic) else value)
    if isinstance(value, np.ndarray):
        return {"array": digest([value]), "shape": list(value.shape)}
    if isinstance(value, Mapping):
        return {str(name): say(item) for name, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(say, value), key=repr)
    if isinstance(value, Sequence):
        return [say(item) for item in value]
    if isinstance(value, _CODE):
        return _told_code(value, around)
    name = _name(type(value))
    if hasattr(value, "__array__"):  # Tables and tensors.
        return {"class": name, **say(np.asarray(value.detach().cpu() if hasattr(value, "detach") else value))}
    if any(value is one for one in around):
        return {"class": name}
    return {"class": name, **_said(_settings(value), (*around, value))}


_CODE = (type, ModuleType, FunctionType, MethodType, BuiltinFunctionType, partial, np.ufunc)


def _told_code(value: Any, around: tuple[Any, ...]) -> Any:
    """What can be called, or holds what can."""
    say = partial(_said, around=around)
    if isinstance(value, type):
        return _name(value)
    if isinstance(value, FunctionType):
        return _function(value, around)
    if isinstance(value, partial):
        return {"partial": say(value.func), "args": say(value.args), "options": say(value.keywords)}
    if isinstance(value, MethodType):
        return {"method": say(value.__func__), "of": say(value.__self__)}
    return {"class": _name(type(value)), "name": value.__name__}


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _function(function: FunctionType, around: tuple[Any, ...]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "function": f"{function.__module__}.{function.__qualname__}",
        "code": _code(function.__code__),
    }
    if any(function is one for one in around):
        return said
    say = partial(_said, around=(*around, function))
    variables = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    made_with = {
        "defaults": list(function.__defaults__ or ()),
        "options": function.__kwdefaults__ or {},
        # One that is not assigned yet cannot be looked at.
        "variables": {name: cell.cell_contents for name, cell in variables if _is_assigned(cell)},
    }
    return said | {name: say(values) for name, values in made_with.items() if values}


def _is_assigned(cell: CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


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
    constants = [_constant(item) for item in code.co_consts]
    return hashlib.sha256(code.co_code + repr((constants, code.co_names)).encode()).hexdigest()[:16]


def _constant(value: Any) -> str:
    if isinstance(value, CodeType):
        return _code(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_constant, value))})"
    # The order of a set differs from process to process.
    return f"{{{', '.join(sorted(map(repr, value)))}}}" if isinstance(value, frozenset) else repr(value)
