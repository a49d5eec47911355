"""Text that says of what values something is made: the same in every process, another for other values."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor, nn

from physioaffect.identity import describe

__all__ = ["described"]

# What torch keeps in every module: layers and weights, which are gone through apart, hooks and the mode.
_OF_TORCH = frozenset(vars(nn.Module()))
# Arguments of an estimator that say where it is computed, or are a seed: a replica tells its own.
_ELSEWHERE = ("device", "random_state")
# Where something lies in memory differs from process to process.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def described(value: Any) -> str:
    """Say a value as text.

    Parameters
    ----------
    value : object
        Numbers, text, arrays, tensors, functions, dataclasses, estimators and networks, and sequences, sets
        and mappings of these. Of anything else its ``repr`` is taken, without addresses.

    Returns
    -------
    text : str
        Of arrays a hash; of networks every weight, buffer and plain attribute; of estimators their arguments
        but device and seed.

    Examples
    --------
    >>> described({"rate": 0.1, "bands": ["alpha", "beta"]})
    "{'bands': ('alpha', 'beta',), 'rate': 0.1,}"
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + " ".join(sorted(f"{described(k)}: {described(v)}," for k, v in value.items())) + "}"
    if isinstance(value, set | frozenset):
        return "{" + " ".join(sorted(f"{described(item)}," for item in value)) + "}"
    # A named tuple, too; and who gave a list first, and then a tuple, means the same.
    if isinstance(value, list | tuple):
        return "(" + " ".join(f"{described(item)}," for item in value) + ")"
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        return _described_array(value)
    return _described_object(value)


def _described_array(values: np.ndarray[Any, Any]) -> str:
    if values.dtype.hasobject:
        return described(values.tolist())
    digest = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
    return f"{values.dtype.str}{values.shape}{digest}"


def _described_object(value: Any) -> str:
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, nn.Module):
        return "; ".join(f"{name}: {_described_layer(layer)}" for name, layer in value.named_modules())
    if is_dataclass(value) and not isinstance(value, type):
        return kind + described({field.name: getattr(value, field.name) for field in fields(value)})
    if hasattr(value, "get_params") and not isinstance(value, type):
        arguments: dict[str, Any] = value.get_params(deep=False)
        return kind + described({k: v for k, v in arguments.items() if k not in _ELSEWHERE})
    if callable(value) and (isinstance(value, partial) or hasattr(value, "__qualname__")):
        # By code and what it was made with, too: functions of one name, as lambdas are, may differ.
        return json.dumps(describe(value), sort_keys=True)
    return f"{kind} {_ADDRESS.sub('', repr(value))}"


def _described_layer(layer: nn.Module) -> str:
    """What one layer is made of, without the layers inside it."""
    weights = dict(layer.named_parameters(recurse=False))
    # Those that are no part of the state, too: a graph, an order of electrodes.
    buffers = dict(layer.named_buffers(recurse=False))
    settings = {name: value for name, value in vars(layer).items() if name not in _OF_TORCH}
    return f"{type(layer).__module__}.{type(layer).__qualname__}{described([weights, buffers, settings])}"
