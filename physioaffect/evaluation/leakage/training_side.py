"""Everything that training left behind, taken apart into named values that can be compared."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

__all__ = ["Part", "distance", "parts_of"]

_DEPTH = 6

_KINDS = (
    ("stopped_on_test", r"epoch|n_iter|best_|stop|alpha_$|C_$|n_estimators_$|l1_ratio_$"),
    ("selection_on_all", r"select|support|chosen|ranking|pvalues|feature_names"),
    ("scaler_on_all", r"scal|features|transformed|whiten|imput|normali|centre|center|rows|components"),
)


class Part(NamedTuple):
    """A named value of the training side, and the kind of leak that a change of it is."""

    name: str
    kind: str
    value: Any


def parts_of(outcome: Any) -> list[Part]:
    """Take the outcome of a training run apart.

    Parameters
    ----------
    outcome : mapping, estimator or value
        A mapping from names to values, in the order in which they were made: arrays, numbers, texts,
        containers, estimators. Of an estimator, every attribute that ends with an underscore; of a pipeline,
        step by step; of a torch module, its parameters and buffers. Times are left out.

    Returns
    -------
    list of Part
    """
    return list(_walk("", "", outcome, 0))


def _walk(name: str, kind: str, value: Any, depth: int) -> Iterator[Part]:
    if depth > _DEPTH or re.search(r"time|duration", name.rsplit(".", 1)[-1]):
        return
    value = _as_array(value)
    is_array = isinstance(value, np.ndarray) and value.dtype != object
    if is_array or value is None or isinstance(value, bool | int | float | str | bytes | np.generic):
        yield Part(name or "outcome", kind or _kind_of(name), value)
        return
    for key, own, inner in _inside(name, kind, value):
        yield from _walk(key, own, inner, depth + 1)


def _as_array(value: Any) -> Any:
    if isinstance(value, pd.DataFrame | pd.Series):
        return value.to_numpy()
    if isinstance(value, xr.DataArray):
        return value.values
    return value.detach().cpu().numpy() if _is_tensor(value) else value


def _inside(name: str, kind: str, value: Any) -> list[tuple[str, str, Any]]:  # noqa: PLR0911  One a type.
    """Name, kind and value of what something consists of; nothing where that is not known."""
    if isinstance(value, Mapping):
        return [(_joined(name, key), kind, item) for key, item in value.items()]
    if isinstance(value, set | frozenset):
        value = sorted(value, key=str)
    if isinstance(value, np.ndarray):
        value = list(value.ravel())
    if isinstance(value, list | tuple):
        return [(_joined(name, number), kind, item) for number, item in enumerate(value)]
    if hasattr(value, "steps"):
        return [(_joined(name, step), kind, item) for step, item in value.steps]
    if hasattr(value, "state_dict"):
        return [(name, kind, dict(value.state_dict()))]
    if hasattr(value, "get_params"):
        fitted = {key: item for key, item in vars(value).items() if key.endswith("_") and key[0] != "_"}
        own = kind or _kind_of_estimator(value)
        return [(_joined(name, key), _kind_of_attribute(own, key), item) for key, item in fitted.items()]
    if type(value).__module__.startswith("sklearn.") and hasattr(value, "__getstate__"):
        return [(name, kind, value.__getstate__())]  # Trees keep their nodes there.
    return []


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _joined(name: str, key: object) -> str:
    return f"{name}.{key}" if name else str(key)


def _kind_of(name: str) -> str:
    for kind, pattern in _KINDS:
        if re.search(pattern, name, re.IGNORECASE):
            return kind
    return "trained_on_test"


def _kind_of_estimator(estimator: Any) -> str:
    if hasattr(estimator, "get_support"):
        return "selection_on_all"
    if hasattr(estimator, "transform") and not hasattr(estimator, "predict"):
        return "scaler_on_all"
    return "trained_on_test"


def _kind_of_attribute(kind: str, name: str) -> str:
    """A model's number of iterations is of another kind than its weights."""
    is_stop = kind == "trained_on_test" and _kind_of(name) == "stopped_on_test"
    return "stopped_on_test" if is_stop else kind


def distance(a: Any, b: Any) -> float:
    """How far two values of a part are apart: 0 if equal, else for numbers their RMS difference, else 1."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype.fields or b.dtype.fields:  # Nodes of trees.
        return float(a.shape != b.shape or a.tobytes() != b.tobytes())
    if a.shape != b.shape or a.dtype.kind not in "iufb" or b.dtype.kind not in "iufb":
        return float(a.shape != b.shape or not np.array_equal(a, b))
    if np.array_equal(a, b, equal_nan=a.dtype.kind == "f" and b.dtype.kind == "f"):
        return 0.0
    difference = a.astype(float) - b.astype(float)
    return float(np.sqrt(np.nanmean(difference**2))) if np.isfinite(difference).any() else 1.0
