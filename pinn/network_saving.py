"""A fitted network as one file: weights as safetensors, everything else as JSON in its metadata."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from sklearn.exceptions import NotFittedError

from physioaffect.errors import DataError

from .network import MultiTaskPINN
from .network_module import PINNModule, Scales
from .network_physics import Identified
from .network_settings import PINNSettings

__all__ = ["load_pinn", "save_pinn"]

_FORMAT, _KEY = 1, "physioaffect_pinn"
_LARGEST_FILE = 2**30
_MOST_NUMBERS = 50_000_000


def save_pinn(model: MultiTaskPINN, path: Path | str) -> Path:
    """Write a fitted network; what is there is replaced as a whole.

    Parameters
    ----------
    model : MultiTaskPINN
        Fitted. Its history is not kept.
    path : path
        Named ``.safetensors``.

    Returns
    -------
    path : Path

    Raises
    ------
    DataError
        If the file has another suffix.
    sklearn.exceptions.NotFittedError
        If it has not been fitted.

    Examples
    --------
    >>> import tempfile
    >>> from physioaffect.pinn.network_simulation import simulate_conditions
    >>> made = simulate_conditions(n_people=2, seconds=100)
    >>> told = {"time": made.time, "reports": made.reports}
    >>> model = MultiTaskPINN(PINNSettings(steps=5)).fit(None, made.y, eda=made.eda, **told)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = load_pinn(save_pinn(model, Path(folder) / "network.safetensors"))
    >>> np.array_equal(again.predict_eda(None, **told), model.predict_eda(None, **told))
    True
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise DataError(f"A network is saved as a file named .safetensors, got {path.name!r}. Rename it.")
    if not hasattr(model, "network_"):
        raise NotFittedError(f"This {type(model).__name__} has not been fitted: call fit first.")
    classes = model.classes_.tolist() if model.settings.has_emotion else []
    found = model.physics_
    told = {
        "format": _FORMAT,
        "settings": asdict(model.settings),
        "random_state": model.random_state,
        "classes": classes,
        "n_features": model.n_features_in_,
        "n_reports": model.n_reports_,
        "people": list(model._people),
        "conditions": list(model._conditions),
        "physics": None
        if found is None
        else asdict(found) | {"drive": found.drive.tolist(), "covariance": _plain(found.covariance)},
    }
    weights = {
        name: values.detach().cpu().clone().contiguous()
        for name, values in model.network_.state_dict().items()
    }
    content = save(weights, metadata={_KEY: json.dumps(told, allow_nan=False)})
    partial = path.with_name(f"{path.name}.tmp")
    partial.write_bytes(content)
    partial.replace(path)
    return path


def _plain(covariance: np.ndarray[Any, Any]) -> list[list[float | None]]:
    """As JSON has it, which knows no NaN."""
    return [[value if np.isfinite(value) else None for value in row] for row in covariance.tolist()]


def load_pinn(path: Path | str) -> MultiTaskPINN:
    """Read a network that `save_pinn` wrote; nothing in the file can be run.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    model : MultiTaskPINN
        On the processor; it predicts what it predicted before.

    Raises
    ------
    DataError
        If the file is none of these, or damaged.

    Examples
    --------
    >>> import tempfile
    >>> from physioaffect.pinn.network_simulation import simulate_conditions
    >>> made = simulate_conditions(n_people=2, seconds=100)
    >>> told = {"time": made.time, "reports": made.reports}
    >>> model = MultiTaskPINN(PINNSettings(steps=5)).fit(None, made.y, eda=made.eda, **told)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = load_pinn(save_pinn(model, Path(folder, "network.safetensors")))
    >>> again.classes_
    array(['amusement', 'baseline', 'stress'], dtype='<U9')
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"There is no file {path}: give a network that save_pinn wrote.")
    if path.stat().st_size > _LARGEST_FILE:
        raise DataError(f"{path} has more than 1 GiB, and is no network that save_pinn wrote.")
    try:
        with safe_open(path, framework="pt") as file:
            told = json.loads((file.metadata() or {}).get(_KEY, "null"))
            # The file is no dictionary: it cannot be iterated.
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, RecursionError, ValueError) as error:
        raise DataError(f"{path} is no safetensors file, or damaged: {error}. Save it again.") from error
    if not isinstance(told, dict) or told.get("format") != _FORMAT:
        raise DataError(f"{path} holds no network that save_pinn of this version wrote. Save it again.")
    try:
        return _made(told, weights)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise DataError(f"{path} does not tell all of its network: {error}. Save it again.") from error


def _made(told: dict[str, Any], weights: dict[str, torch.Tensor]) -> MultiTaskPINN:
    settings = PINNSettings(**told["settings"] | {"hidden": tuple(told["settings"]["hidden"])})
    n_inputs = 1 + int(told["n_features"]) + int(told["n_reports"])
    widths = (n_inputs, *settings.hidden)
    if sum(a * b for a, b in zip(widths[:-1], widths[1:], strict=True)) > _MOST_NUMBERS:  # noqa: RUF007
        raise ValueError("it would be larger than any that can be trained")
    model = MultiTaskPINN(settings, random_state=int(told["random_state"]), device="cpu")
    model.n_features_in_, model.n_reports_ = int(told["n_features"]), int(told["n_reports"])
    model._people = {str(name): number for number, name in enumerate(told["people"])}
    model._conditions = {str(name): number for number, name in enumerate(told["conditions"])}
    if settings.has_emotion:
        model.classes_ = np.array(told["classes"])
    found = told["physics"]
    model.physics_ = None
    if found is not None:
        covariance = np.array(found["covariance"], dtype=np.float64)  # None becomes NaN.
        model.physics_ = Identified(
            **found | {"drive": np.array(found["drive"], dtype=np.float64), "covariance": covariance}
        )
    with torch.random.fork_rng(devices=[]):
        network = PINNModule(
            settings,
            Scales(inputs_mean=np.zeros(n_inputs), inputs_sd=np.ones(n_inputs), eda_mean=0.0, eda_sd=1.0),
            n_reports=model.n_reports_,
            n_classes=len(told["classes"]),
            n_people=len(model._people),
            n_conditions=len(model._conditions),
        )
    network.load_state_dict(weights)
    model.network_ = network.train(False)
    return model
