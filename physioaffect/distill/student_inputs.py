"""What a student is trained on, checked and put on the device."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from physioaffect.distill.anchors import cell_targets as targets_of_anchors
from physioaffect.distill.faces_table import FaceTable
from physioaffect.distill.prototypes import Prototypes
from physioaffect.distill.student_network import StudentNetwork
from physioaffect.distill.student_settings import StudentSettings
from physioaffect.distill.student_training import Known
from physioaffect.errors import DataError

__all__ = [
    "channels_first",
    "check_tables",
    "checked_cells",
    "checked_logits",
    "known_faces",
    "positive_classes",
    "standardise",
]

_TOLERANCE = 1e-3


def check_tables(train: FaceTable, validation: FaceTable | None, settings: StudentSettings) -> None:
    """Refuse tables that do not fit the settings or one another, or lack a class."""
    side = settings.image_size
    for name, table in (("train", train), ("validation", validation)):
        if table is None:
            continue
        if table.images.shape[1:3] != (side, side):
            raise DataError(
                f"Images of {name} are {table.images.shape[1]} x {table.images.shape[2]} pixels, settings "
                f"say image_size={side}. Read the faces with size={side}, or set image_size."
            )
        if table.classes != train.classes or table.images.ndim != train.images.ndim:
            raise DataError(
                f"Faces of train and validation must have the same classes and colours, got {train.classes} "
                f"and {table.classes}, {train.images.shape} and {table.images.shape}."
            )
        if len(table) < 2:
            raise DataError(f"{name} has {len(table)} faces; expected at least 2, better thousands.")
    counts = train.targets.sum(axis=0)
    if absent := [name for name, count in zip(train.classes, counts, strict=True) if not count > 0]:
        raise DataError(
            f"No training face is of the class {', '.join(absent)}: a student could not learn it. Read the "
            "faces with classes that occur, or add faces."
        )


def checked_cells(
    prototypes: Prototypes, given: ArrayLike | None, train: FaceTable, settings: StudentSettings
) -> NDArray[np.float32]:
    """Where each face belongs, (n_train, n_cells), from targets of classes or of faces that fit."""
    vectors, n_classes = prototypes.vectors, len(train.classes)
    if vectors.ndim != 2 or len(vectors) != prototypes.k**2:
        raise DataError(
            f"Prototypes must be (k², n_dims) = ({prototypes.k**2}, n_dims), got {vectors.shape}."
        )
    lengths = np.linalg.norm(vectors, axis=1)
    if not np.allclose(lengths, 1, atol=_TOLERANCE):
        raise DataError(
            f"Prototypes must have unit length, got {lengths.min():.3g} to {lengths.max():.3g}. Divide each "
            "by its length."
        )
    if given is None:
        given = targets_of_anchors(train.classes, prototypes.centres, spread=settings.spread)
    found = np.asarray(given, dtype=np.float64)
    if found.shape not in {(n_classes, len(vectors)), (len(train), len(vectors))}:
        raise DataError(
            f"cell_targets must be (n_classes, n_cells) = {(n_classes, len(vectors))} or (n_train, n_cells) "
            f"= {(len(train), len(vectors))} for prototypes of k={prototypes.k}, got {found.shape}: they are "
            "for another grid, other classes or other faces."
        )
    if not (found >= 0).all() or not np.allclose(found.sum(axis=1), 1, atol=_TOLERANCE):
        raise DataError("Each row of cell_targets must be probabilities that add up to 1.")
    # A soft label is of several classes, and so of their places.
    return (found if len(found) == len(train) else train.targets @ found).astype(np.float32)


def checked_logits(given: ArrayLike | None, train: FaceTable) -> NDArray[np.float32]:
    """Logits of a teacher, (n_train, n_classes), once they fit the faces."""
    found = np.asarray(given, dtype=np.float32)
    if found.shape != train.targets.shape:
        raise DataError(
            f"teacher_logits must be (n_train, n_classes) = {train.targets.shape}, got {found.shape}. "
            "Compute them for these very faces."
        )
    if not np.isfinite(found).all():
        raise DataError("teacher_logits hold values that are no numbers: that teacher's training diverged.")
    return found


def positive_classes(classes: tuple[str, ...], settings: StudentSettings) -> tuple[int, ...]:
    """Numbers of the classes that `geometry_loss` keeps compact; none if it is switched off."""
    if not settings.geometry > 0:
        return ()
    if unknown := [name for name in settings.positive if name not in classes]:
        raise DataError(
            f"settings.positive names the class {unknown[0]!r}, but the classes are {', '.join(classes)}. "
            "Set it to classes of high valence among them, or geometry=0."
        )
    return tuple(classes.index(name) for name in settings.positive)


def standardise(network: StudentNetwork, images: NDArray[np.uint8]) -> None:
    """Note mean and spread of the training pixels, from how often each of the 256 values occurs."""
    planes = images[..., np.newaxis] if images.ndim == 3 else images
    values = np.arange(256.0)
    for channel in range(planes.shape[-1]):
        counts = np.bincount(planes[..., channel].ravel(), minlength=256)
        mean = np.average(values, weights=counts)
        spread = np.sqrt(np.average((values - mean) ** 2, weights=counts))
        network.center[channel] = float(mean)
        network.scale[channel] = max(float(spread), 1.0)


def channels_first(images: NDArray[Any], size: int, n_channels: int) -> Tensor:
    """Check images, and bring (n, size, size) or (n, size, size, 3) to (n, n_channels, size, size)."""
    expected = (size, size) if n_channels == 1 else (size, size, 3)
    if images.dtype != np.uint8 or images.shape[1:] != expected:
        raise DataError(
            f"Images must be uint8 of shape (n, {', '.join(map(str, expected))}), got {images.dtype} of "
            f"shape {images.shape}. `squared` cuts and scales an image, face_table those of a data set."
        )
    last = images[..., np.newaxis] if n_channels == 1 else images
    first = np.ascontiguousarray(last.transpose(0, 3, 1, 2))
    # Torch warns of arrays that may not be written to, such as those that processes share.
    return torch.from_numpy(first if first.flags.writeable else first.copy())


def known_faces(
    table: FaceTable,
    device: torch.device,
    n_channels: int,
    cells: NDArray[np.float32] | None = None,
    logits: NDArray[np.float32] | None = None,
) -> Known:
    """Put a table on the device."""
    return Known(
        images=channels_first(table.images, table.images.shape[1], n_channels).to(device),
        targets=torch.tensor(table.targets, device=device),
        labels=torch.tensor(table.labels, device=device),
        teacher_logits=torch.tensor(logits, device=device) if logits is not None else None,
        cell_targets=torch.tensor(cells, device=device) if cells is not None else None,
    )
