"""FER+: the facts of its layout, and writing one with drawn faces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from physioaffect.errors import PhysioaffectError

from .face_drawing import draw_face, draw_valence_arousal
from .face_folders import new_folder
from .ferplus_targets import FERPLUS_EMOTIONS, VOTED
from .world import World, generator

__all__ = ["SIDE", "SPLITS", "simulate"]

SIDE = 48
# Of 28,709, 3,589 and 3,589 rows; 148, 10 and 15 are no faces.
SPLITS: Mapping[str, int] = {"Training": 28_561, "PublicTest": 3_579, "PrivateTest": 3_574}
_FER2013 = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
_ANNOTATORS = 10
_PLANTED = World.planted()
_VOTES = 12  # A stream of random numbers of its own.


def _votes(world: World, row: int, emotion: str) -> list[int]:
    """Let ten people look: seven in ten see the emotion, the others anything."""
    chances = np.full(len(VOTED), 0.3 / (len(VOTED) - 1))
    chances[VOTED.index(emotion)] = 0.7
    votes: list[int] = generator(world, "trial", row, _VOTES).multinomial(_ANNOTATORS, chances).tolist()
    return votes


def simulate(root: Path | str, world: World = _PLANTED, n_faces: int = 120) -> Path:
    """Write fer2013.csv and fer2013new.csv with drawn faces, each of another person.

    The emotions take turns, valence and arousal lie around the emotion's. As in the published files an image
    name is not the number of the row: row 17 is no face and has no name, and names after it lag behind; row
    20 has the name of row 19; row 25 has nine votes.

    Parameters
    ----------
    root : path
        The folder. It must be new or empty.
    world : World
        Strengths of affect, subject and trial, and the seed.
    n_faces : int
        Rows; one in ten is for each of the tests. Faces and votes do not depend on their number.

    Returns
    -------
    path : Path
        The folder.

    Raises
    ------
    PhysioaffectError
        If there is to be no face.
    DataError
        If the folder holds anything.
    """
    if n_faces < 1:
        raise PhysioaffectError(f"FER+ needs at least 1 face, got {n_faces}.")
    root = new_folder(root, world)
    n_tests = n_faces // 10
    usages = [
        *["Training"] * (n_faces - 2 * n_tests),
        *["PublicTest"] * n_tests,
        *["PrivateTest"] * n_tests,
    ]
    with (
        (root / "fer2013.csv").open("w", encoding="ascii", newline="") as pictures,
        (root / "fer2013new.csv").open("w", encoding="ascii", newline="") as labels,
    ):
        pictures.write("emotion,pixels,Usage\n")
        labels.write(f"Usage,Image name,{','.join(VOTED)}\n")
        for row, usage in enumerate(usages):
            emotion = FERPLUS_EMOTIONS[row % len(FERPLUS_EMOTIONS)]
            affect = draw_valence_arousal(world, row, 0, emotion)
            pixels = draw_face(world, row, 0, emotion, shape=(SIDE, SIDE), affect=affect).ravel()
            votes = _votes(world, row, emotion)
            name = f"fer{row - (row > 17) - (row == 20):07d}.png"
            if row == 17:
                pixels, votes, name = np.zeros_like(pixels), [0] * 9 + [_ANNOTATORS], ""
            elif row == 25:
                votes[int(np.argmax(votes))] -= 1
            # FER2013 knows no contempt.
            code = _FER2013.index(emotion if emotion in _FER2013 else "neutral")
            pictures.write(f"{code},{' '.join(map(str, pixels.tolist()))},{usage}\n")
            labels.write(f"{usage},{name},{','.join(map(str, votes))}\n")
    return root
