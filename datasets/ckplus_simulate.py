"""CK+: the facts of its layout, and writing one with drawn faces."""

from __future__ import annotations

from pathlib import Path

from physioaffect.errors import PhysioaffectError

from .face_drawing import LOOKS, draw_face
from .face_folders import new_folder
from .world import World

__all__ = ["CLASSES", "IMAGES", "LABELS", "simulate"]

CLASSES = ("neutral", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
IMAGES, LABELS = "cohn-kanade-images", "Emotion"
_SHAPE = (490, 640)
_PLANTED = World.planted()


def simulate(
    root: Path | str,
    world: World = _PLANTED,
    n_subjects: int = 4,
    n_sequences: int = 4,
    n_frames: int = 4,
    *,
    shift: float = 1.0,
) -> Path:
    """Write CK+'s layout with drawn faces: each person poses some emotions, from neutral to the peak.

    Of every four sequences one has no label: its folder is empty in one person and missing in the next.

    Parameters
    ----------
    root : path
        The folder. It must be new or empty.
    world : World
        Strengths of affect, subject and trial, and the seed.
    n_subjects : int
        People, up to 999; those there are do not depend on their number.
    n_sequences : int
        Sequences of each person, up to 999.
    n_frames : int
        Frames of each sequence, two or more.
    shift : float
        How far its look is from that of FER+; see `physioaffect.datasets.face_drawing.LOOKS`. 0: alike.

    Returns
    -------
    path : Path
        The folder.

    Raises
    ------
    PhysioaffectError
        If a number is out of its range.
    DataError
        If the folder holds anything.
    """
    from PIL import Image  # noqa: PLC0415  Takes long to import, and readers do without it.

    if not (1 <= n_subjects <= 999 and 1 <= n_sequences <= 999 and n_frames >= 2):
        raise PhysioaffectError(
            "CK+ needs 1 to 999 subjects and sequences and at least 2 frames, got "
            f"{n_subjects}, {n_sequences} and {n_frames}."
        )
    look = LOOKS["ckplus"].times(shift)
    root = new_folder(root, world)
    for subject in range(n_subjects):
        for number in range(n_sequences):
            emotion = 1 + (subject + number) % (len(CLASSES) - 1)
            name = f"S{subject + 1:03d}_{number + 1:03d}"
            place = name.replace("_", "/")
            (root / IMAGES / place).mkdir(parents=True)
            for frame in range(n_frames):
                grey = draw_face(
                    world,
                    subject,
                    number,  # One film has one light and place.
                    CLASSES[emotion],
                    shape=_SHAPE,
                    intensity=frame / (n_frames - 1),
                    look=look,
                )
                path = root / IMAGES / place / f"{name}_{frame + 1:08d}.png"
                Image.fromarray(grey).save(path, compress_level=1)
            has_label = number % 4 != 3
            if has_label or subject % 2 == 0:
                (root / LABELS / place).mkdir(parents=True)
            if has_label:
                label = root / LABELS / place / f"{name}_{n_frames:08d}_emotion.txt"
                label.write_text(f"   {emotion:.7e}\n", encoding="ascii")
    return root
