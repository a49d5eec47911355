"""Faces of a data set as arrays: images of one size, soft labels, and who is on them."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physioaffect.data_set import Exclusion, Report, raise_unless_expected
from physioaffect.datasets import FERPLUS_EMOTIONS
from physioaffect.distill.soft_targets import SoftTargets, TargetKind
from physioaffect.errors import DataError, did_you_mean
from physioaffect.faces import Face, FaceSet

__all__ = ["FaceTable", "TargetKind", "face_table", "squared"]

_SIDES = (8, 512)
_SMALLEST_FACE = 12  # Pixels; below, no brow can be told from an eye.
_MOST_BYTES = 8 * 2**30
_AT_ONCE = 1024
_MOST_REASONS = 40
_TOLERANCE = 1e-4


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceTable:
    """Faces as arrays with a row each.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width) or (n, height, width, 3)
        Grey or RGB.
    targets : ndarray of float32, shape (n, n_classes)
        Soft labels; rows add up to 1.
    classes : tuple of str
        Names of the columns of ``targets``.
    identities : ndarray of str, shape (n,)
        The person where the data set tells, else the name of the face. Faces with the same pixels share the
        identity of the first of them, so that whoever draws identities draws copies together.
    splits, faces : ndarray of str, shape (n,)
        The makers' split and the name of each face.
    valence, arousal : ndarray of float32, shape (n,)
        From -1 to 1; NaN where unknown.
    dataset : str
        Where they are from.
    exclusions : mapping of str to int
        Why faces were left out, and how many; names, paths and numbers are left out of the reasons.
    copies : ndarray of str, shape (n,), optional
        Name of the first face in the table that has the very same pixels: its own, where it is the first,
        which is the default for all.
    """

    images: NDArray[np.uint8]
    targets: NDArray[np.float32]
    classes: tuple[str, ...]
    identities: NDArray[np.str_]
    splits: NDArray[np.str_]
    faces: NDArray[np.str_]
    valence: NDArray[np.float32]
    arousal: NDArray[np.float32]
    dataset: str
    exclusions: Mapping[str, int] = field(default_factory=dict)
    copies: NDArray[np.str_] = field(default_factory=lambda: np.empty(0, dtype=np.str_))

    def __post_init__(self) -> None:
        if not self.copies.size:
            object.__setattr__(self, "copies", self.faces)
        images, n = self.images, len(self.images)
        if images.dtype != np.uint8 or not (images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)):
            raise DataError(
                "images must be uint8 of shape (n, height, width) or (n, height, width, 3), got "
                f"{images.dtype} of shape {images.shape}."
            )
        if self.targets.shape != (n, len(self.classes)):
            raise DataError(
                f"targets must be (n, n_classes) = {(n, len(self.classes))}, got shape {self.targets.shape}."
            )
        is_sound = np.isfinite(self.targets).all() and (self.targets >= 0).all()
        if not is_sound or (abs(self.targets.sum(axis=1) - 1) > _TOLERANCE).any():
            raise DataError("Each row of targets must be probabilities that add up to 1. Leave others out.")
        for name in ("identities", "splits", "faces", "valence", "arousal", "copies"):
            if getattr(self, name).shape != (n,):
                raise DataError(
                    f"{name} must have one value for each of {n} faces, got {getattr(self, name).shape}."
                )

    def __len__(self) -> int:
        """Count the faces."""
        return len(self.images)

    @property
    def labels(self) -> NDArray[np.intp]:
        """The likeliest class of each face, shape (n,); of equal ones the first."""
        labels: NDArray[np.intp] = self.targets.argmax(axis=1)
        return labels

    def take(self, rows: ArrayLike) -> FaceTable:
        """Keep some faces: their numbers in the order wanted, or a mask."""
        chosen = np.asarray(rows)
        parts = {
            one.name: getattr(self, one.name)[chosen]
            for one in fields(self)
            if isinstance(getattr(self, one.name), np.ndarray)
        }
        return replace(self, **parts)

    def split(self, name: str) -> FaceTable:
        """Keep the faces of one of the makers' splits; a `DataError` if there are none."""
        chosen = self.splits == name
        if not chosen.any():
            known = did_you_mean(name, np.unique(self.splits).tolist())
            raise DataError(f"{self.dataset} has no face in the split {name!r}. {known}")
        return self.take(chosen)

    def copies_in(self, split: str, *, of: str) -> NDArray[np.intp]:
        """Rows of a split whose very pixels also occur in another one.

        Published test sets hold copies of training faces. Near copies (cut or scaled otherwise) are not
        found.

        Parameters
        ----------
        split, of : str
            The split looked at, such as ``"PrivateTest"``, and the one its faces should not be from.

        Returns
        -------
        rows : ndarray of int
            Rows of this table.
        """
        known = np.unique(self.copies[self.splits == of])
        return np.flatnonzero((self.splits == split) & np.isin(self.copies, known))


def squared(image: NDArray[np.uint8], size: int, *, grey: bool = True) -> NDArray[np.uint8]:
    """Cut the largest square out of the middle of an image and scale it.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width) or (height, width, 3)
        Grey or RGB. No face is looked for: it should fill the middle.
    size : int
        Side in pixels.
    grey : bool
        Whether to turn colours into grey, by the luma of ITU-R BT.601 as in Pillow.

    Returns
    -------
    image : ndarray of uint8, shape (size, size), or (size, size, 3) unless ``grey``
        Scaled by Pillow's bilinear filter, which averages where it shrinks. An image that has the size
        already comes back as it is.

    Raises
    ------
    DataError
        If a side of it is shorter than 12 pixels.

    Examples
    --------
    >>> squared(np.full((100, 60, 3), 7, dtype=np.uint8), 48).shape
    (48, 48)
    """
    height, width = image.shape[:2]
    if (side := min(height, width)) < _SMALLEST_FACE:
        raise DataError(
            f"is {width} x {height} pixels; expected at least {_SMALLEST_FACE} a side, for a face to be seen"
        )
    is_grey = image.ndim == 2
    if is_grey is grey and height == width == size:
        return image
    from PIL import Image  # noqa: PLC0415  FER+ does without it.

    top, left = (height - side) // 2, (width - side) // 2
    picture = Image.fromarray(image[top : top + side, left : left + side])
    if is_grey is not grey:
        picture = picture.convert("L" if grey else "RGB")
    if side != size:
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(picture)


class _Rows:
    """What is kept of face after face; images in blocks, as their number is not known before."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape, self._blocks, self.n = shape, list[NDArray[np.uint8]](), 0
        self.targets: list[NDArray[np.float32]] = []
        self.columns: dict[str, list[Any]] = {
            name: [] for name in ("identities", "splits", "faces", "valence", "arousal", "copies")
        }
        self._first: dict[bytes, int] = {}

    def add(self, face: Face, image: NDArray[np.uint8], target: NDArray[np.float32]) -> None:
        place = self.n % _AT_ONCE
        if place == 0:
            if (self.n + _AT_ONCE) * int(np.prod(self._shape)) > _MOST_BYTES:
                raise DataError(
                    f"More than {self.n:,} images of {' x '.join(map(str, self._shape))} would need over "
                    f"{_MOST_BYTES // 2**30} GiB. Ask for a smaller size."
                )
            self._blocks.append(np.empty((_AT_ONCE, *self._shape), dtype=np.uint8))
        self._blocks[-1][place] = image
        self.targets.append(target)
        # Of the picture as it came: two films may look alike once they are small.
        shape = f"{face.image.shape}".encode()
        key = hashlib.blake2b(face.image.tobytes(), digest_size=16, person=shape[:16]).digest()
        first = self._first.setdefault(key, self.n)
        columns = self.columns
        columns["faces"].append(face.face)
        columns["splits"].append(face.split)
        columns["valence"].append(np.nan if face.valence is None else face.valence)
        columns["arousal"].append(np.nan if face.arousal is None else face.arousal)
        columns["copies"].append(columns["faces"][first])
        own = face.face if first == self.n else columns["identities"][first]
        columns["identities"].append(face.subject if face.subject is not None else own)
        self.n += 1

    def images(self) -> NDArray[np.uint8]:
        return np.concatenate(self._blocks)[: self.n]


class _Tally:
    """Counts exclusions by reason, and passes each on."""

    def __init__(self, report: Report) -> None:
        self._report, self.counts = report, Counter[str]()

    def __call__(self, exclusion: Exclusion) -> None:
        self._report(exclusion)
        reason = exclusion.reason.replace(exclusion.trial, "...") if exclusion.trial else exclusion.reason
        reason = re.sub(r"(?<!\w)\d([\d,.]*\d)?(?!\w)", "...", re.sub(r"\S*/\S*", "...", reason))
        known = reason in self.counts or len(self.counts) < _MOST_REASONS
        self.counts[reason if known else "other reasons"] += 1


def face_table(
    faceset: FaceSet,
    root: Path | str,
    *,
    size: int = 48,
    classes: Sequence[str] = FERPLUS_EMOTIONS,
    target: TargetKind = "probability",
    grey: bool = True,
    report: Report | None = None,
) -> FaceTable:
    """Read a data set of faces into arrays.

    Parameters
    ----------
    faceset : FaceSet
        The data set, such as ``FERPLUS``.
    root : path
        Its folder as distributed.
    size : int
        Side of the images in pixels, 8 to 512. The square in the middle is scaled; no face is looked for.
    classes : sequence of str
        Emotions in the order of the targets' columns. Faces of others are left out.
    target : {"probability", "majority"}
        Votes as shares, or the one class that more than half of the votes are for. For FER+ by the rules of
        its makers (`FERPLUS_TARGETS`).
    grey : bool
        Grey images of shape (size, size); otherwise RGB, (size, size, 3).
    report : callable, optional
        Called with an `Exclusion` for every face that is left out. Without it the first that nobody expects,
        such as a broken image, raises.

    Returns
    -------
    table : FaceTable
        In the order of the files.

    Raises
    ------
    ValueError
        If a setting is none.
    DataError
        If the folder is not this data set, no face is left, the images would take more than 8 GiB, or
        (without ``report``) a face cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> from physioaffect.datasets import FERPLUS
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = face_table(FERPLUS, FERPLUS.simulate(Path(folder) / "ferplus", n_faces=30), size=32)
    >>> table.images.shape[1:], table.split("Training").targets.shape[1]
    ((32, 32), 8)
    """
    classes = tuple(classes)
    if not _SIDES[0] <= size <= _SIDES[1]:
        raise ValueError(f"size must be {_SIDES[0]} to {_SIDES[1]} pixels, got {size}.")
    if len(set(classes)) != len(classes) or len(classes) < 2:
        raise ValueError(f"classes must be at least two different names, got {classes}.")
    if target not in get_args(TargetKind):
        raise ValueError(f"target must be one of {', '.join(get_args(TargetKind))}, got {target!r}.")
    if unknown := [name for name in classes if name not in faceset.classes]:
        raise ValueError(
            f"{faceset.title} has no class {unknown[0]!r}. {did_you_mean(unknown[0], faceset.classes)}"
        )
    tally = _Tally(report or raise_unless_expected)
    to_target = SoftTargets(faceset, classes, target)
    rows = _Rows((size, size) if grey else (size, size, 3))
    resize = partial(squared, size=size, grey=grey)
    for face in faceset.read(root, report=tally):
        exclude = partial(_excluded, faceset, face)
        row = to_target(face.votes)
        if isinstance(row, str):
            # What people could not agree on is in the nature of the data; an image without votes is not.
            tally(exclude(row, expected=bool(face.votes)))
            continue
        try:
            image = resize(face.image)
        except DataError as error:
            tally(exclude(str(error)))
            continue
        rows.add(face, image, row)
    if not rows.n:
        raise DataError(
            f"No face of {faceset.title} in {root} can be used: "
            + (
                "; ".join(f"{count} x {reason}" for reason, count in tally.counts.most_common(3))
                or "it is empty."
            )
        )
    columns: dict[str, NDArray[Any]] = {
        name: np.array(values, dtype=np.float32 if name in {"valence", "arousal"} else np.str_)
        for name, values in rows.columns.items()
    }
    return FaceTable(
        images=rows.images(),
        targets=np.stack(rows.targets),
        classes=classes,
        dataset=faceset.name,
        exclusions=dict(tally.counts),
        **columns,
    )


def _excluded(faceset: FaceSet, face: Face, why: str, *, expected: bool = False) -> Exclusion:
    reason = f"Face {face.face} of {faceset.title} {why}."
    return Exclusion(subject=face.subject or "", trial=face.face, reason=reason, expected=expected)
