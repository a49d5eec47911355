"""Models and protocols by name with the settings of an experiment file, checked before anything runs."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.pipeline import Pipeline

from physioaffect.data_set import Task
from physioaffect.errors import DataError, PhysioaffectError, did_you_mean
from physioaffect.evaluation.models.named import named_model
from physioaffect.evaluation.protocols import MAKERS, Protocol, get_protocol

__all__ = ["configured_model", "configured_protocol"]

# Protocols with settings; those that take them in their names are the same, but for what stands there.
# TOML has no word for it.
_NONE = "none"


class _Number:
    """Stands for the type of a setting whose default is a number, where that is all that is known."""


_SIMPLE: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    _Number: "a number",
    str: "a text",
    bool: "true or false",
    types.NoneType: f'"{_NONE}"',
}


def configured_model(name: str, settings: Mapping[str, Any], task: Task) -> Any:
    """Build a model and change some of its settings.

    Parameters
    ----------
    name : str
        As for `named_model`.
    settings : mapping
        By name: those of the model itself, not of the pipeline around it, and those of what is wrapped
        around it. Lists stand for tuples too, and ``"none"`` for None.
    task : Task
        Decides between classifier and regressor.

    Raises
    ------
    DataError
        If there is no such setting, or its value has the wrong type or is refused.
    ProtocolError
        If there is no such model.

    Examples
    --------
    >>> from physioaffect.datasets import EEGMAT
    >>> configured_model("logistic", {"C": 0.1}, EEGMAT.tasks["arithmetic"])[-1].C
    0.1
    """
    model = named_model(name, task)
    layers = _layers(model)
    known = {key: layer for layer in layers for key in _settable(layer)}
    for key, value in settings.items():
        if key == "random_state":
            raise DataError(f"{name} gets its random_state from the seeds of the experiment: leave it out.")
        if key not in known:
            there = did_you_mean(key, known) if known else "It takes none."
            raise DataError(f"{name} has no setting {key[:80]!r}. {there}")
        set_one = None if value == _NONE else value
        hint = _hint(known[key], key)
        _check_type(name, key, set_one, hint)
        known[key].set_params(**{key: _like(set_one, hint)})
    for layer in layers:
        _check_values(name, layer)
    return model


def configured_protocol(name: str, settings: Mapping[str, Any]) -> Protocol:
    """Look a protocol up, or make one with settings.

    Parameters
    ----------
    name : str
        As for `get_protocol`, or, with settings, ``calibrated_trials`` and the like.
    settings : mapping
        The arguments of the function of that name.

    Raises
    ------
    DataError
        If the protocol takes no such setting, or its value has the wrong type.
    ProtocolError
        If there is no such protocol, or it refuses the value.

    Examples
    --------
    >>> configured_protocol("calibrated_trials", {"n_trials": 5}).name
    'calibrated_trials_5'
    """
    if not settings:
        return get_protocol(name)
    if name not in MAKERS:
        get_protocol(name)  # An unknown one is told first.
        raise DataError(
            f"Protocol {name} takes no settings, got {', '.join(settings)}. "
            f"Those that do: {', '.join(MAKERS)}."
        )
    make, _ = MAKERS[name]
    hints = typing.get_type_hints(make)
    known = list(inspect.signature(make).parameters)
    for key, value in settings.items():
        if key not in known:
            raise DataError(f"Protocol {name} has no setting {key[:80]!r}. {did_you_mean(key, known)}")
        _check_type(f"Protocol {name}", key, value, hints.get(key, Any))
    return make(**settings)


def _layers(model: Any) -> list[Any]:
    """What is wrapped around a model, outermost first, and the model itself without its pipeline."""
    layers = []
    while not isinstance(model, Pipeline) and hasattr(model, "get_params") and "model" in _own(model):
        layers.append(model)
        model = model.model
    return [*layers, model.steps[-1][1] if isinstance(model, Pipeline) else model]


def _own(layer: Any) -> Mapping[str, Any]:
    parameters: Mapping[str, Any] = layer.get_params(deep=False)
    return parameters


def _settable(layer: Any) -> list[str]:
    return [key for key in _own(layer) if key not in ("model", "random_state")]


def _hint(layer: Any, key: str) -> Any:
    """Type of a constructor's argument; Any for most of scikit-learn's, which check themselves."""
    hint = typing.get_type_hints(type(layer).__init__).get(key, Any)
    if hint is Any and type(_own(layer)[key]) in (int, float):
        return _Number  # They take true for 1.
    return hint


def _check_type(name: str, key: str, value: Any, hint: Any) -> None:
    if not _fits(value, hint):
        shown = _NONE if value is None else value
        raise DataError(f"{key} of {name} is {shown!r}; expected {_said(hint)}.")


def _fits(value: Any, hint: Any) -> bool:  # noqa: PLR0911  One line a kind.
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, one) for one in inside)
    if origin is typing.Literal:
        return value in inside and not isinstance(value, bool)
    if origin in (tuple, list, Sequence):
        items = [one for one in inside if one is not Ellipsis]
        if not isinstance(value, list):
            return False
        if origin is tuple and Ellipsis not in inside:
            return len(value) == len(items) and all(map(_fits, value, items))
        return all(_fits(item, items[0]) for item in value)
    if hint in (None, types.NoneType):
        return value is None
    if hint is _Number:
        return not isinstance(value, bool)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint in (int, str, bool):
        return type(value) is hint
    return False  # A class of ours: only from Python.


def _like(value: Any, hint: Any) -> Any:
    """Make tuples of lists where a type is told, as the defaults are."""
    if isinstance(value, list) and hint is not Any:
        return tuple(_like(item, hint) for item in value)
    return value


def _said(hint: Any) -> str:
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if origin in (typing.Union, types.UnionType):
        return " or ".join(filter(None, map(_said, inside)))
    if origin is typing.Literal:
        return f"one of {', '.join(map(repr, inside))}"
    if origin in (tuple, list, Sequence):
        return f"a list, each {_said(inside[0])}"
    return ""  # A class of ours is set from Python only.


def _check_values(name: str, layer: Any) -> None:
    """Let a model refuse values now that it would refuse when it is fitted."""
    try:
        if hasattr(layer, "_parameter_constraints"):
            layer._validate_params()
        if callable(training := getattr(layer, "training", None)):
            training()
    except ValueError as error:
        kind = type(error) if isinstance(error, PhysioaffectError) else DataError
        raise kind(f"{name}: {error}") from None
