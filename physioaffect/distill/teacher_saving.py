"""Fitted teachers as files: weights as safetensors, everything else as JSON in the same file."""

from __future__ import annotations

import math
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_type_hints

import torch
from sklearn.exceptions import NotFittedError
from torch import Tensor

from physioaffect.distill.teacher import MapTeacher
from physioaffect.errors import DataError
from physioaffect.training import Epoch
from physioaffect.training.tensor_file import read_tensor_file, refuse_other_weights, write_tensor_file

__all__ = ["load_teacher", "save_teacher"]

# Raised whenever older versions could not read what is written.
_FORMAT = 1
_KEY = "physioaffect-teacher"

_MOST_BANDS, _MOST_PIXELS, _MOST_DIMS = 1_000, 128, 65_536
_MOST_PEOPLE = 100_000


def save_teacher(teacher: MapTeacher, path: Path | str) -> Path:
    """Write a fitted `MapTeacher` to one file.

    Parameters
    ----------
    teacher : MapTeacher
        Fitted.
    path : path
        The file, named ``.safetensors``; what is there is replaced as a whole.

    Returns
    -------
    path : Path

    Raises
    ------
    DataError
        If the file has another suffix.
    sklearn.exceptions.NotFittedError
        If it has not been fitted.

    Notes
    -----
    The weights, and the mean map and deviations of the training people, are the tensors of a safetensors
    file; settings, people, history and version are JSON in its metadata. Nothing in it can be run.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> maps = np.random.default_rng(0).normal(size=(20, 8, 8, 3))
    >>> teacher = MapTeacher(epochs=1, batch_size=5, random_state=0)
    >>> teacher = teacher.fit(maps, np.zeros((20, 2)), groups=np.repeat(["a", "b"], 10))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = load_teacher(save_teacher(teacher, Path(folder) / "teacher.safetensors"))
    >>> np.array_equal(again.embed(maps), teacher.embed(maps))
    True
    """
    path = Path(path)
    if not hasattr(teacher, "network_"):
        raise NotFittedError("This MapTeacher has not been fitted: call fit first.")
    n_bands, size, _ = teacher.network_.standardise.mean.shape
    told = {
        "format": _FORMAT,
        "version": version("physioaffect"),
        "settings": {key: value for key, value in teacher.get_params().items() if key != "device"},
        "n_bands": n_bands,
        "size": size,
        "people": list(teacher.people_),
        "validation_people": list(teacher.validation_people_),
        # JSON knows no NaN, the validation loss of a teacher without early stopping.
        "history": [[None if math.isnan(loss) else loss for loss in epoch] for epoch in teacher.history_],
    }
    weights = teacher.network_.state_dict()
    return write_tensor_file(path, "teacher", key=_KEY, told=told, tensors=weights)


def load_teacher(path: Path | str) -> MapTeacher:
    """Read a teacher that `save_teacher` wrote; the file may come from a stranger.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    teacher : MapTeacher
        Fitted; it predicts what it predicted before, to the last bit on the same machine.

    Raises
    ------
    DataError
        If the file is not such a one, is damaged, was written by a later version, or its weights are not
        those of the network that it describes.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> maps = np.random.default_rng(0).normal(size=(20, 8, 8, 3))
    >>> teacher = MapTeacher(epochs=1, batch_size=5, random_state=0)
    >>> teacher = teacher.fit(maps, np.zeros((20, 2)), groups=np.repeat(["a", "b"], 10))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_teacher(teacher, Path(folder) / "teacher.safetensors")
    ...     again = load_teacher(path)
    >>> again.people_, np.array_equal(again.predict(maps), teacher.predict(maps))
    (('b',), True)
    """
    path = Path(path)
    told, weights = _read(path)
    try:
        teacher = _teacher(told["settings"])
        n_bands, size = told["n_bands"], told["size"]
        sizes = {"n_bands": _MOST_BANDS, "size": _MOST_PIXELS, "n_dims": _MOST_DIMS}
        for (name, most), found in zip(sizes.items(), (n_bands, size, teacher.n_dims), strict=True):
            if not isinstance(found, int) or not 1 <= found <= most:
                raise ValueError(f"{name} is {found!r:.50}, which is not from 1 to {most}")
        # Without memory for any weight: whether they fit is looked at first.
        with torch.device("meta"):
            refuse_other_weights(weights, teacher.build(n_bands, size).state_dict(), path)
        network = teacher.build(n_bands, size)
        people, held_out = (_names(told[key], key) for key in ("people", "validation_people"))
        history = tuple(Epoch(*map(_number, epoch)) for epoch in told["history"])
    except DataError:
        raise
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} does not tell a teacher as save_teacher does: {error}. Save the teacher again."
        ) from error
    network.load_state_dict(weights)
    teacher.network_ = network.train(False)
    teacher.people_, teacher.validation_people_, teacher.history_ = people, held_out, history
    return teacher


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    return read_tensor_file(path, "teacher", key=_KEY, newest=_FORMAT)


def _teacher(settings: Any) -> MapTeacher:
    """Make it of settings of which each has the type that the constructor says."""
    known = {key: hint for key, hint in get_type_hints(MapTeacher.__init__).items() if key != "return"}
    if not isinstance(settings, dict) or set(settings) != set(known) - {"device"}:
        raise ValueError(f"its settings are {str(settings)[:200]}")
    for name, value in settings.items():
        kinds = (int, float) if known[name] is float else known[name]
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise ValueError(f"its setting {name} is {value!r:.50}")
    return MapTeacher(**settings)


def _names(told: Any, key: str) -> tuple[str, ...]:
    if (
        not isinstance(told, list)
        or len(told) > _MOST_PEOPLE
        or not all(isinstance(one, str) for one in told)
    ):
        raise ValueError(f"{key} are {str(told)[:200]}")
    return tuple(told)


def _number(told: Any) -> float:
    return float("nan") if told is None else float(told)
