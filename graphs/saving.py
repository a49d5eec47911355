"""Fitted networks as files: weights as safetensors, everything else as JSON beside them in the same file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import NotFittedError
from torch import Tensor
from torch.overrides import TorchFunctionMode

from physioaffect.errors import DataError
from physioaffect.features.origin import Origin
from physioaffect.training import Epoch, Standardised
from physioaffect.training.tensor_file import read_tensor_file, refuse_other_weights, write_tensor_file

from .estimators import Input, NetworkClassifier, NetworkEstimator
from .setting_values import ESTIMATORS, from_plain, to_plain

__all__ = ["load_network", "load_origin", "save_network"]

# Raised whenever older versions could not read what is written.
_FORMAT = 1
_KEY = "physioaffect"

_LARGEST_WINDOW = 10_000_000
_MOST_CHANNELS = 4_096
_MOST_OUTPUTS = 10_000
# Numbers that a network may hold beside its weights, such as its graph.
_MOST_CONSTANTS = 10_000_000

# What fitting leaves behind besides the network, its input and its history.
_FITTED = ("ch_names_", "classes_", "feature_names_in_", "n_features_in_")


def save_network(estimator: NetworkEstimator, path: Path | str, *, origin: Origin | None = None) -> Path:
    """Write a fitted network to one file.

    Parameters
    ----------
    estimator : NetworkClassifier or NetworkRegressor
        One of ``NETWORKS``, or one `TrainedWith` other settings; fitted.
    path : path
        The file, named ``.safetensors``; what is there is replaced as a whole.
    origin : Origin, optional
        What it learned from; without it the command ``predict`` cannot make its windows.

    Returns
    -------
    path : Path

    Raises
    ------
    DataError
        If the class is not of this package, a setting cannot be written, or the file has another suffix.
    sklearn.exceptions.NotFittedError
        If it has not been fitted.

    Notes
    -----
    The weights and buffers of the network, its standardisation included, are the tensors of a safetensors
    file; class, settings, classes, input, history, version and origin are JSON in its metadata. Nothing in it
    can be run.

    Examples
    --------
    >>> import tempfile
    >>> from physioaffect.graphs.linear import LinearClassifier
    >>> X = np.random.default_rng(0).normal(size=(32, 3, 2))
    >>> model = LinearClassifier(epochs=1, batch_size=16, random_state=0).fit(X, X[:, 0, 0] > 0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = load_network(save_network(model, Path(folder) / "linear.safetensors"))
    >>> np.array_equal(again.predict_proba(X), model.predict_proba(X))
    True
    """
    path, name = Path(path), type(estimator).__name__
    if ESTIMATORS.get(name) is not type(estimator):
        raise DataError(
            f"{name} could not be made again from a file, as {', '.join(ESTIMATORS)} can. Use export_onnx, "
            "which writes any network."
        )
    if not hasattr(estimator, "network_"):
        raise NotFittedError(f"This {name} has not been fitted: call fit first.")
    left = {key for key in vars(estimator) if key.endswith("_") and not key.startswith("_")}
    assert left <= {"network_", "input_", "history_", *_FITTED}, left
    told = {
        "format": _FORMAT,
        "version": version("physioaffect"),
        "estimator": to_plain(estimator, f"A setting of {name}"),
        "fitted": {key: to_plain(getattr(estimator, key), key) for key in _FITTED if hasattr(estimator, key)},
        "input": to_plain(estimator.input_._asdict(), "input_"),
        "scales_outputs": estimator.network_.scales_outputs,
        "history": to_plain([list(epoch) for epoch in estimator.history_], "history_"),
        "origin": origin.to_json() if origin is not None else None,
    }
    weights = estimator.network_.state_dict()
    return write_tensor_file(path, "network", key=_KEY, told=told, tensors=weights)


def load_network(path: Path | str) -> NetworkEstimator:
    """Read a network that `save_network` wrote; the file may come from a stranger.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    estimator : NetworkClassifier or NetworkRegressor
        Fitted; it predicts what it predicted before, to the last bit on the same machine.

    Raises
    ------
    DataError
        If the file is not such a one, is damaged, was written by a later version, or its weights are not
        those of the network that it describes.
    """
    path = Path(path)
    told, weights = _read(path)
    try:
        estimator: NetworkEstimator = from_plain(told["estimator"], "the network")
        fitted = {key: from_plain(value, key) for key, value in told["fitted"].items()}
        shape = Input(**from_plain(told["input"], "input"))
        history = tuple(
            Epoch(float(loss), float(validated)) for loss, validated in from_plain(told["history"], "history")
        )
        scales_outputs = told["scales_outputs"] is True
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise DataError(f"{path} does not tell all of its network: {error}. Save it again.") from error
    _check_told(estimator, shape, fitted, path)
    try:
        with torch.random.fork_rng(devices=[]), _Bounded(sum(map(Tensor.numel, weights.values()))):
            network = _network(estimator, shape, scales_outputs=scales_outputs)
    except Exception as error:  # Settings from a stranger may break a network in any way.
        raise DataError(f"{path} has settings of which no network can be made: {error}") from error
    refuse_other_weights(weights, network.state_dict(), path)
    network.load_state_dict(weights)
    estimator.network_ = network.train(False)
    estimator.input_ = shape
    estimator.history_ = history
    for key, value in fitted.items():
        setattr(estimator, key, value)
    return estimator


def load_origin(path: Path | str) -> Origin | None:
    """Read what a saved network learned from, None if nobody told.

    Parameters
    ----------
    path : path
        What `save_network` wrote.

    Returns
    -------
    origin : Origin or None

    Raises
    ------
    DataError
        As `load_network`, or if the recipe is none that `Recipe.from_json` knows.

    Examples
    --------
    >>> import tempfile
    >>> from physioaffect.features import DifferentialEntropy, Recipe
    >>> from physioaffect.graphs.linear import LinearClassifier
    >>> from physioaffect.windows import Windowing
    >>> recipe = Recipe(windows=Windowing(duration=4), features=(DifferentialEntropy(),))
    >>> origin = Origin(recipe=recipe, ch_names=("F3", "F4"), sfreq=128, classes=("calm", "tense"))
    >>> X = np.random.default_rng(0).normal(size=(32, 2, 5))
    >>> model = LinearClassifier(epochs=1, batch_size=16, random_state=0).fit(X, X[:, 0, 0] > 0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_network(model, Path(folder) / "linear.safetensors", origin=origin)
    ...     print(load_origin(path).ch_names)
    ('F3', 'F4')
    """
    origin = _read(Path(path))[0].get("origin")
    return Origin.from_json(origin) if isinstance(origin, str) else None


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    return read_tensor_file(path, "network", key=_KEY, newest=_FORMAT)


def _network(estimator: NetworkEstimator, shape: Input, *, scales_outputs: bool) -> Standardised:
    last = 1 if estimator.layout[-1] == "time" else shape.n_last
    network = Standardised(estimator.network(shape), (shape.n_channels, last))
    if scales_outputs:
        network.scale_outputs(0.0, 1.0)
    return network


class _Bounded(TorchFunctionMode):
    """Stops a network that asks for more memory than the weights in its file are worth.

    Weights begin as ``torch.empty``, which takes no memory until it is written to.
    """

    def __init__(self, n_numbers: int) -> None:
        super().__init__()
        self._most, self._n_weights = n_numbers + _MOST_CONSTANTS, 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, Tensor):
            self._n_weights += made.numel() if func is torch.empty else 0
            if max(made.numel(), self._n_weights) > self._most:
                raise DataError(
                    f"it would be larger than the {self._most - _MOST_CONSTANTS:,} weights in the file."
                )
        return made


def _check_told(estimator: Any, shape: Input, fitted: Mapping[str, Any], path: Path) -> None:
    """Refuse what no fitted network has; settings check themselves when the network is made."""
    sizes, names, classes = shape[:2], shape.ch_names, fitted.get("classes_")
    is_classifier = isinstance(estimator, NetworkClassifier)
    is_fine = {
        "class": isinstance(estimator, NetworkEstimator),
        "fitted": set(fitted) <= set(_FITTED) and fitted.get("ch_names_") == names,
        "n_channels and n_last": all(isinstance(size, int) and size > 0 for size in sizes)
        and shape.n_channels <= _MOST_CHANNELS
        and math.prod(sizes) <= _LARGEST_WINDOW,
        "n_outputs": isinstance(shape.n_outputs, int) and 0 < shape.n_outputs <= _MOST_OUTPUTS,
        "ch_names": names is None
        or (
            isinstance(names, tuple)
            and len(names) == shape.n_channels
            and all(isinstance(name, str) for name in names)
        ),
        "sfreq": shape.sfreq is None or (isinstance(shape.sfreq, int | float) and shape.sfreq > 0),
        "classes_": (isinstance(classes, np.ndarray) and classes.ndim == 1 and len(classes) > 1)
        if is_classifier
        else classes is None,
    }
    if wrong := [name for name, holds in is_fine.items() if not holds]:
        raise DataError(
            f"{path} tells {wrong[0]} of its network as no network has it. Save the network again."
        )
