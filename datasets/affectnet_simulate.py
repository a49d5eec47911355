"""AffectNet: the facts of its two layouts, and writing them with drawn faces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from physioaffect.errors import PhysioaffectError

from .face_drawing import LOOKS, Look, draw_face, draw_valence_arousal
from .face_folders import new_folder
from .world import World

__all__ = ["CLASSES", "COLUMNS", "IMAGES", "LISTS", "PARTS", "simulate"]

CLASSES = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
PARTS: Mapping[str, str] = {"train": "train_set", "val": "val_set"}
LISTS: Mapping[str, str] = {"train": "training.csv", "val": "validation.csv"}
IMAGES = "Manually_Annotated_Images"
COLUMNS = ("subDirectory_filePath", "expression", "valence", "arousal")

_HEADER = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
)
_SIDE, _N_LANDMARKS = 224, 68
_TINT = (1.0, 0.86, 0.78)
_PLANTED = World.planted()


class _Drawn(NamedTuple):
    number: int
    split: str
    expression: int
    valence: float
    arousal: float

    def save(self, path: Path, world: World, look: Look) -> None:
        from PIL import Image  # noqa: PLC0415  Takes long to import, and readers do without it.

        emotion = CLASSES[self.expression] if self.expression < len(CLASSES) else "neutral"
        affect = (self.valence, self.arousal) if self.valence >= -1 else None
        grey = draw_face(world, self.number, 0, emotion, shape=(_SIDE, _SIDE), affect=affect, look=look)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((grey[..., np.newaxis] * np.array(_TINT)).astype(np.uint8)).save(path, quality=90)


def _save_compact(root: Path, world: World, face: _Drawn, look: Look) -> None:
    folder = root / PARTS[face.split]
    face.save(folder / "images" / f"{face.number}.jpg", world, look)
    (folder / "annotations").mkdir(exist_ok=True)
    values = {"exp": face.expression, "val": face.valence, "aro": face.arousal}
    for name, value in values.items():
        # In the published files numbers are often text.
        array = np.array(str(value)) if face.number % 2 else np.array(value)
        np.save(folder / "annotations" / f"{face.number}_{name}.npy", array, allow_pickle=False)
    landmarks = np.full(2 * _N_LANDMARKS, _SIDE / 2)
    np.save(folder / "annotations" / f"{face.number}_lnd.npy", landmarks, allow_pickle=False)


def _save_full(root: Path, world: World, face: _Drawn, look: Look) -> None:
    listed = f"{1 + face.number % 3}/{face.number:08x}.jpg"
    face.save(root / IMAGES / listed, world, look)
    landmarks = ";".join([str(_SIDE / 2)] * (2 * _N_LANDMARKS))
    path = root / LISTS[face.split]
    with path.open("a", encoding="ascii", newline="") as stream:
        if stream.tell() == 0:
            stream.write(f"{_HEADER}\n")
        box = f"0,0,{_SIDE},{_SIDE}"
        stream.write(f"{listed},{box},{landmarks},{face.expression},{face.valence:g},{face.arousal:g}\n")


def simulate(
    root: Path | str,
    world: World = _PLANTED,
    n_faces: int = 40,
    *,
    is_full_release: bool = False,
    shift: float = 1.0,
) -> Path:
    """Write AffectNet's layout with drawn faces, each of another person.

    The emotions take turns, valence and arousal lie around the emotion's. In the full release the last three
    faces of each split are marked as none of the emotions, as uncertain and as no face.

    Parameters
    ----------
    root : path
        The folder. It must be new or empty.
    world : World
        Strengths of affect, subject and trial, and the seed.
    n_faces : int
        Faces, a quarter of them in val.
    is_full_release : bool
        Lists and pictures of the full release. Default: the compact one of 2021.
    shift : float
        How far its look is from that of FER+; see `physioaffect.datasets.face_drawing.LOOKS`. 0: alike.

    Returns
    -------
    path : Path
        The folder.

    Raises
    ------
    PhysioaffectError
        If there are not enough faces for both splits, or the shift is negative.
    DataError
        If the folder holds anything.
    """
    least = 16 if is_full_release else 4
    if n_faces < least:
        raise PhysioaffectError(f"AffectNet needs at least {least} faces here, got {n_faces}.")
    look = LOOKS["affectnet"].times(shift)
    root = new_folder(root, world)
    numbers = {"train": range(n_faces - n_faces // 4), "val": range(n_faces - n_faces // 4, n_faces)}
    for split, faces in numbers.items():
        for number in faces:
            expression = number % len(CLASSES)
            affect = draw_valence_arousal(world, number, 0, CLASSES[expression])
            face = _Drawn(number, split, expression, round(affect[0], 4), round(affect[1], 4))
            if is_full_release and (others := number - faces.stop + 3) >= 0:
                face = face._replace(expression=len(CLASSES) + others)
                face = face if others == 0 else face._replace(valence=-2.0, arousal=-2.0)
            (_save_full if is_full_release else _save_compact)(root, world, face, look)
    return root
