"""Settings of networks as JSON and back: plain values, and the classes that are listed here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from physioaffect.errors import DataError
from physioaffect.training import (
    ClassBalanced,
    Constant,
    Cosine,
    Crops,
    CrossEntropy,
    Shuffled,
    Steps,
    SubjectBalanced,
    Trials,
)

from .estimators import NetworkEstimator
from .networks import NETWORKS
from .ordinal_losses import GaussianMixture, TanhRegression
from .regions import Hierarchy, Region
from .trained_with import TrainedWith

__all__ = ["ESTIMATORS", "from_plain", "to_plain"]

# Nothing but these is ever made from a file: estimators, and frozen dataclasses that are their settings.
ESTIMATORS: Mapping[str, type[NetworkEstimator]] = {
    one.__name__: one for one in (*(one for both in NETWORKS.values() for one in both if one), TrainedWith)
}
_CLASSES: Mapping[str, type] = {
    one.__name__: one
    for one in (
        *ESTIMATORS.values(),
        ClassBalanced,
        Constant,
        Cosine,
        Crops,
        CrossEntropy,
        GaussianMixture,
        Hierarchy,
        Region,
        Shuffled,
        Steps,
        SubjectBalanced,
        TanhRegression,
        Trials,
    )
}
_DTYPES: tuple[str, ...] = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_DTYPES += ("float16", "float32", "float64")
# Arrays of names are written without a length: a stranger's could be of any.
_NAMES = {"U": "str", "O": "object"}


def to_plain(value: Any, where: str) -> Any:
    """Say a value in what JSON knows; what is no such is an object with ``kind`` and ``value``.

    Parameters
    ----------
    value : object
        None, bool, int, float, str, a list, tuple, dict, array or listed class of these.
    where : str
        What the value is, for the error.

    Raises
    ------
    DataError
        If it is anything else.
    """
    if isinstance(value, np.generic):
        value = value.item()
    is_plain = value is None or isinstance(value, bool | int | str)
    if is_plain or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, list):
        return [to_plain(item, where) for item in value]
    kind, inner = _told(value, where)
    return {"kind": kind, "value": inner}


def _told(value: Any, where: str) -> tuple[str, Any]:
    """Kind of a value that JSON does not know, and what it is made of."""
    if isinstance(value, float):
        return "float", repr(value)
    if isinstance(value, tuple):
        return "tuple", [to_plain(item, where) for item in value]
    if isinstance(value, dict):
        return "dict", [[to_plain(item, where) for item in pair] for pair in value.items()]
    if isinstance(value, np.ndarray) and value.ndim:
        dtype = _NAMES.get(value.dtype.kind, value.dtype.name)
        values = to_plain(value.tolist(), where)
        if dtype in _DTYPES or (dtype in _NAMES.values() and _all_names(values)):
            return f"array of {dtype}", values
    listed = _CLASSES.get(type(value).__name__)
    if listed is not None and type(value) is listed:
        own = (
            value.get_params(deep=False)
            if isinstance(value, NetworkEstimator)
            else {field.name: getattr(value, field.name) for field in fields(listed)}
        )
        return listed.__name__, {
            name: to_plain(item, f"{name} of {listed.__name__}") for name, item in own.items()
        }
    raise DataError(
        f"{where} is {value!r:.80}, which no file can hold: expected numbers, names, sequences, arrays, or "
        f"what of physioaffect is {', '.join(sorted(set(_CLASSES) - set(ESTIMATORS)))}."
    )


def from_plain(told: Any, where: str) -> Any:
    """Make the value that `to_plain` told.

    Raises
    ------
    DataError
        If it did not tell this.
    """
    if told is None or isinstance(told, bool | int | float | str):
        return told
    if isinstance(told, list):
        return [from_plain(item, where) for item in told]
    try:
        return _made(told["kind"], told["value"], where)
    except DataError:
        raise
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise DataError(
            f"{where} is {told!r:.80}, which physioaffect did not write: {error}. Save the network again."
        ) from error


def _made(kind: str, value: Any, where: str) -> Any:
    """The value of a kind."""
    if kind == "float" and value in ("inf", "-inf", "nan"):
        return float(value)
    if kind == "tuple":
        return tuple(from_plain(list(value), where))
    if kind == "dict":
        return dict(from_plain(list(value), where))
    if kind in _CLASSES:
        return _CLASSES[kind](**{name: from_plain(item, where) for name, item in value.items()})
    before, _, dtype = kind.partition("array of ")
    if not before and (dtype in _DTYPES or (dtype in _NAMES.values() and _all_names(value))):
        return np.array(from_plain(list(value), where), dtype=dtype)
    raise KeyError(kind)


def _all_names(values: Any) -> bool:
    return all(map(_all_names, values)) if isinstance(values, list) else isinstance(values, str)
