"""Students as files: weights as safetensors, everything else as JSON in the same file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from physioaffect.device import Device, resolve_device
from physioaffect.distill.student import Student
from physioaffect.distill.student_network import StudentNetwork, network_of
from physioaffect.distill.student_settings import StudentSettings
from physioaffect.distill.student_training import StudentEpoch
from physioaffect.errors import DataError
from physioaffect.training.tensor_file import read_tensor_file, refuse_other_weights, write_tensor_file

__all__ = ["load_student", "save_student"]

# Raised whenever older versions could not read what is written.
_FORMAT = 1
_KEY = "physioaffect_student"
_MOST_CLASSES, _MOST_DIMS = 1000, 65_536
_AGAIN = "Copy the file again, or save the student again."


def save_student(student: Student, path: Path | str) -> Path:
    """Write a student to one file.

    Parameters
    ----------
    student : Student
        Trained.
    path : path
        The file, named ``.safetensors``; what is there is replaced as a whole.

    Returns
    -------
    path : Path

    Raises
    ------
    DataError
        If the file has another suffix.

    Notes
    -----
    Weights and standardisation are the tensors of a safetensors file; classes, settings, backbone, history,
    the digest of the prototypes, origin and a digest of it all are JSON in its metadata. Nothing in it can
    be run.

    Examples
    --------
    >>> import tempfile
    >>> from physioaffect.datasets import FERPLUS
    >>> from physioaffect.distill import StudentSettings, face_table, train_student
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     faces = face_table(FERPLUS, FERPLUS.simulate(Path(folder, "ferplus"), n_faces=30), size=16)
    >>> settings = StudentSettings(
    ...     backbone="resnet_tiny", image_size=16, epochs=1, batch_size=8, kd=0, proto=0, geometry=0
    ... )
    >>> student = train_student(faces, faces, settings, device="cpu")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = load_student(save_student(student, Path(folder, "student.safetensors")))
    >>> again.digest == student.digest
    True
    """
    network = student.network
    told = {
        "format": _FORMAT,
        "version": version("physioaffect"),
        "digest": student.digest,
        "classes": list(student.classes),
        "settings": student.settings.to_json(),
        "backbone": network.body.config,
        "n_channels": network.n_channels,
        "n_dims": network.projection.out_features if network.projection is not None else None,
        "history": [list(epoch) for epoch in student.history],
        "best_epoch": student.best_epoch,
        "prototypes": student.prototypes,
        "origin": dict(student.origin),
    }
    weights = network.state_dict()
    return write_tensor_file(Path(path), "student", key=_KEY, told=told, tensors=weights)


def load_student(path: Path | str, *, device: Device = "cpu") -> Student:
    """Read a student that `save_student` wrote; the file may come from a stranger.

    Parameters
    ----------
    path : path
        The file.
    device : {"cpu", "cuda", "auto"}
        Where the student shall be.

    Returns
    -------
    student : Student
        It predicts what it predicted before, to the last bit on the same machine.

    Raises
    ------
    DataError
        If the file is not such a one, is damaged or was changed, was written by a later version, or its
        weights are not those of the network that it describes.

    Examples
    --------
    >>> import tempfile
    >>> from physioaffect.datasets import FERPLUS
    >>> from physioaffect.distill import StudentSettings, face_table, train_student
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     faces = face_table(FERPLUS, FERPLUS.simulate(Path(folder, "ferplus"), n_faces=30), size=16)
    >>> settings = StudentSettings(
    ...     backbone="resnet_tiny", image_size=16, epochs=1, batch_size=8, kd=0, proto=0, geometry=0
    ... )
    >>> student = train_student(faces, faces, settings, device="cpu")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_student(student, Path(folder, "student.safetensors"))
    ...     again = load_student(path)
    >>> np.array_equal(again.logits(faces.images), student.logits(faces.images))
    True
    """
    path = Path(path)
    told, weights = _read(path)
    try:
        classes, n_channels, n_dims = told["classes"], told["n_channels"], told["n_dims"]
        settings = StudentSettings.from_json(told["settings"])
        history = tuple(StudentEpoch(*map(float, epoch)) for epoch in told["history"])
        digest, prototypes, origin = str(told["digest"]), str(told["prototypes"]), dict(told["origin"])
        best_epoch, config = int(told["best_epoch"]), dict(told["backbone"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} does not tell all of its student: {error}. {_AGAIN}") from error
    is_fine = (
        isinstance(classes, list)
        and 2 <= len(classes) <= _MOST_CLASSES
        and all(isinstance(name, str) for name in classes)
        and n_channels in (1, 3)
        and (n_dims is None or (isinstance(n_dims, int) and 0 < n_dims <= _MOST_DIMS))
        and config.get("image_size") == settings.image_size
    )
    if not is_fine:
        raise DataError(f"{path} tells classes, channels or sizes that no student has. {_AGAIN}")
    network = _network(path, weights, config, (len(classes), n_dims, n_channels))
    network.load_state_dict(weights)
    network.to(device=resolve_device(device), memory_format=torch.channels_last)  # type: ignore[call-overload]
    student = Student(
        network=network.train(False),
        classes=tuple(classes),
        settings=settings,
        history=history,
        best_epoch=best_epoch,
        prototypes=prototypes,
        origin=origin,
    )
    if student.digest != digest:
        raise DataError(
            f"{path} was changed after it was saved: its digest is {student.digest[:12]}, expected "
            f"{digest[:12]}. {_AGAIN}"
        )
    return student


def _network(
    path: Path, weights: Mapping[str, Tensor], config: Mapping[str, Any], sizes: tuple[int, int | None, int]
) -> StudentNetwork:
    """Make the network, once its weights are known to be those in the file, and so no larger than it."""
    try:
        # Without memory: what a stranger describes may be of any size.
        with torch.device("meta"):
            outline = network_of(config, *sizes).state_dict()
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    refuse_other_weights(weights, outline, path)
    with torch.random.fork_rng(devices=[]):
        return network_of(config, *sizes)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    return read_tensor_file(path, "student", key=_KEY, newest=_FORMAT)
