"""Students as ONNX, for machines without torch."""

from __future__ import annotations

import json
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from physioaffect.distill.student import Student
from physioaffect.distill.student_network import StudentNetwork
from physioaffect.errors import DataError
from physioaffect.training.quiet_exporter import quiet_exporter

__all__ = ["Exported", "Timing", "check_export", "export_student", "time_export"]

_FORMAT = 1
_CLOSE = 1e-4
_EXAMPLES = 17  # Another number than the export was traced with.
_SHORTEST = 1e-9


class Exported(NamedTuple):
    """Where the file is, and the largest difference of its logits and probabilities from torch's."""

    path: Path
    difference: float


class Timing(NamedTuple):
    """Median seconds of a call, and images a second, at a number of images."""

    n_images: int
    seconds: float
    images_per_second: float


class _Deployed(nn.Module):
    """Images as they come, (n, size, size) or (n, size, size, 3), to logits and probabilities."""

    def __init__(self, network: StudentNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        first = images.unsqueeze(1) if self.network.n_channels == 1 else images.permute(0, 3, 1, 2)
        logits = self.network(first.float()).logits
        return logits, logits.softmax(dim=1)


def export_student(student: Student, path: Path | str) -> Exported:
    """Write a student as ONNX, and beside it what its input and outputs mean; checked against torch.

    Parameters
    ----------
    student : Student
        Trained, on the processor.
    path : path
        The file, named ``.onnx``; ``<path>.json`` is written beside it.

    Returns
    -------
    exported : Exported

    Raises
    ------
    DataError
        If onnx, onnxscript and onnxruntime are not installed, the file has another suffix, or what
        onnxruntime computes differs from torch by more than 1e-4; the file is then removed.

    Notes
    -----
    The input ``images`` is uint8, (n, size, size), or (n, size, size, 3) for a student of colour images, for
    any n: standardisation is inside, cutting and scaling to size are not. Outputs are ``logits`` and
    ``probabilities``, (n, n_classes), in the order of ``classes`` in the JSON. No face detector is included.

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
    ...     made = export_student(student, Path(folder, "student.onnx"))
    ...     print(made.path.name, made.difference < 1e-4)
    student.onnx True
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise DataError(f"A student is exported to a file named .onnx, got {path.name!r}. Rename it.")
    try:
        import onnxruntime  # noqa: F401, PLC0415
        import onnxscript  # noqa: F401, PLC0415  Torch asks for it late, and in another way.
    except ImportError as error:
        raise DataError(
            "Exporting needs onnx, onnxscript and onnxruntime, which are not all installed: pip install "
            "'physioaffect[onnx]'"
        ) from error
    if student.network.center.device.type != "cpu":
        raise DataError("A student is exported from the processor: load it with device='cpu'.")
    example = (torch.zeros((2, *_shape(student)), dtype=torch.uint8),)
    shapes = ({0: torch.export.Dim("n_images", min=1)},)
    deployed = _Deployed(student.network).train(False)
    with quiet_exporter(), torch.no_grad():
        # By itself, because torch.onnx would fall back on a fixed number of images without a word.
        program = torch.export.export(deployed, example, dynamic_shapes=shapes)
        exported = torch.onnx.export(
            program,
            example,
            input_names=["images"],
            output_names=["logits", "probabilities"],
            dynamic_shapes=shapes,
            dynamo=True,
            verbose=False,
        )
    assert exported is not None  # As dynamo gives it.
    path.parent.mkdir(parents=True, exist_ok=True)
    exported.save(path, external_data=False)
    try:
        difference = check_export(student, path)
    except DataError:
        path.unlink()
        raise
    told = {
        "format": _FORMAT,
        "physioaffect": version("physioaffect"),
        "classes": list(student.classes),
        "image_size": student.settings.image_size,
        "n_channels": student.n_channels,
        "student": student.digest,
        "prototypes": student.prototypes,
        "difference_from_torch": difference,
        "origin": dict(student.origin),
    }
    beside = path.with_name(f"{path.name}.json")
    beside.write_text(json.dumps(told, indent=1, allow_nan=False), encoding="utf-8")
    return Exported(path, difference)


def check_export(student: Student, path: Path | str) -> float:
    """Compare onnxruntime with torch on random and even images, one at a time and several together.

    Parameters
    ----------
    student : Student
        Trained, on the processor.
    path : path
        What `export_student` wrote of it.

    Returns
    -------
    difference : float
        The largest, of logits and of probabilities.

    Raises
    ------
    DataError
        If it is above 1e-4 or no number.

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
    ...     path = export_student(student, Path(folder, "student.onnx")).path
    ...     print(check_export(student, path) < 1e-4)
    True
    """
    session = _session(path)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (_EXAMPLES, *_shape(student)), dtype=np.uint8)
    images[0], images[1] = 0, 255
    largest = 0.0
    for batch in (images, images[2:3]):
        logits, probabilities = session.run(["logits", "probabilities"], {"images": batch})
        for own, theirs in ((student.logits(batch), logits), (student.predict_proba(batch), probabilities)):
            if own.shape != theirs.shape:
                raise DataError(f"{path} gives {theirs.shape} for {own.shape}: export the student again.")
            largest = max(largest, float(np.abs(own - theirs).max()))
    if not largest <= _CLOSE:
        raise DataError(
            f"{path} differs from torch by {largest:.2g}, expected at most {_CLOSE:g}. Update onnxruntime, "
            "or report this backbone."
        )
    return largest


def time_export(path: Path | str, *, n_images: int = 1, n_rounds: int = 30, n_threads: int = 1) -> Timing:
    """Time onnxruntime on the processor.

    Parameters
    ----------
    path : path
        What `export_student` wrote.
    n_images, n_rounds, n_threads : int
        Images a call, calls of which the median counts (after three that do not), threads.

    Returns
    -------
    timing : Timing

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
    ...     path = export_student(student, Path(folder, "student.onnx")).path
    ...     timing = time_export(path, n_images=4, n_rounds=3)
    >>> timing.n_images, timing.images_per_second == 4 / timing.seconds
    (4, True)
    """
    if min(n_images, n_rounds, n_threads) < 1:
        raise ValueError("n_images, n_rounds and n_threads must be 1 or more.")
    session = _session(path, n_threads)
    shape = [n_images, *session.get_inputs()[0].shape[1:]]
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    taken: list[float] = []
    for _ in range(n_rounds + 3):
        start = time.perf_counter()
        session.run(["probabilities"], {"images": images})
        taken.append(time.perf_counter() - start)
    seconds = max(float(np.median(taken[3:])), _SHORTEST)
    return Timing(n_images, seconds, n_images / seconds)


def _session(path: Path | str, n_threads: int = 1) -> Any:
    import onnxruntime  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _shape(student: Student) -> tuple[int, ...]:
    size = student.settings.image_size
    return (size, size) if student.n_channels == 1 else (size, size, 3)
