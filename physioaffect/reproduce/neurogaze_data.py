"""Data of the bridge from brain to face: one folder with EEG and three sets of faces, real or simulated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from physioaffect.datasets import AFFECTNET, CKPLUS, DREAMER, FERPLUS, World, tags_of_folder
from physioaffect.distill.faces_table import FaceTable, face_table
from physioaffect.errors import DataError
from physioaffect.faces import FaceSet

__all__ = ["FOLDERS", "FULL", "QUICK", "FaceData", "Sizes", "face_data", "files_of", "simulate_all"]

FOLDERS = ("dreamer", "ferplus", "affectnet", "ckplus")
TRAIN, VALIDATION, TEST = "Training", "PublicTest", "PrivateTest"


class Sizes(NamedTuple):
    """How much is simulated: faces, people, films a person, seconds a clip."""

    ferplus: int
    affectnet: int
    ckplus_people: int
    ckplus_films: int
    dreamer_people: int
    dreamer_clips: int
    dreamer_seconds: float


# Faint expressions on people and pictures that differ more than usual, or all models would be right.
FACES = World(affect=0.35, subject=1.5, trial=2.5)
QUICK = Sizes(1400, 480, 14, 7, 8, 18, 16.0)
FULL = Sizes(12_000, 2000, 40, 7, 23, 18, 60.0)


@dataclass(frozen=True, kw_only=True)
class FaceData:
    """Faces to learn from and to choose by, and functions that read the tests when they are opened.

    Parameters
    ----------
    train, validation : FaceTable
        FER+'s Training and PublicTest.
    tests : mapping from str to callable
        FER+'s PrivateTest, AffectNet's val (train and val where ``val`` is missing) and CK+.
    is_simulated : bool
        Whether any of the sets is drawn.
    exclusions : mapping of str to int
        Why faces of FER+ were left out, and how many.
    n_copies : int
        Faces of PrivateTest whose very pixels are in Training.
    """

    train: FaceTable
    validation: FaceTable
    tests: Mapping[str, Callable[[], FaceTable]]
    is_simulated: bool
    exclusions: Mapping[str, int]
    n_copies: int

    def sentences(self) -> tuple[str, ...]:
        """Say what was left out, and what is in both."""
        left_out = "; ".join(f"{count} x {reason}" for reason, count in self.exclusions.items())
        copies = f"{self.n_copies} faces of FER+ test have the very pixels of a training face. They are kept."
        return (
            *([f"Left out of FER+: {left_out}"] if left_out else []),
            *([copies] if self.n_copies else []),
        )


def files_of(root: Path) -> list[Path]:
    """Every file that would be opened; a `DataError` if one of the four data sets is missing."""
    missing = [name for name in FOLDERS if not (root / name).exists()]
    if missing:
        raise DataError(
            f"{root} has no folder {' nor '.join(missing)}. Expected {', '.join(FOLDERS)}, each with the "
            "data set as distributed."
        )
    files = list(DREAMER.files(root / "dreamer"))
    for known in (FERPLUS, AFFECTNET, CKPLUS):
        files += known.files(root / known.name)
    return files


def face_data(root: Path, *, size: int) -> FaceData:
    """Read FER+'s Training and PublicTest; the tests are not opened.

    FER+ is one file: its PrivateTest is read with the rest, looked at for copies of training faces, and
    dropped.

    Parameters
    ----------
    root : Path
        With the folders of ``FOLDERS``.
    size : int
        Side of the images in pixels.
    """
    ferplus = face_table(FERPLUS, root / "ferplus", size=size, report=_nobody)
    return FaceData(
        train=ferplus.split(TRAIN),
        validation=ferplus.split(VALIDATION),
        tests={
            "FER+ test": partial(_split, FERPLUS, root / "ferplus", size, TEST),
            "AffectNet": partial(_split, AFFECTNET, root / "affectnet", size, "val"),
            "CK+": partial(_split, CKPLUS, root / "ckplus", size, ""),
        },
        exclusions=ferplus.exclusions,
        n_copies=len(ferplus.copies_in(TEST, of=TRAIN)),
        is_simulated=any(tags_of_folder(root / name) for name in FOLDERS),
    )


def _split(faceset: FaceSet, root: Path, size: int, split: str) -> FaceTable:
    return face_table(faceset, root, size=size, report=_nobody).split(split)


def _nobody(_exclusion: object) -> None:
    """Exclusions are counted in the table."""


def simulate_all(folder: Path, is_quick: bool) -> Path:
    """Write all four layouts; what is there is kept."""
    sizes = QUICK if is_quick else FULL
    brain = World.planted()
    writers: Mapping[str, Callable[[Path], object]] = {
        "dreamer": lambda path: DREAMER.simulate(  # type: ignore[misc]
            path,
            brain,
            n_subjects=sizes.dreamer_people,
            n_clips=sizes.dreamer_clips,
            max_seconds=sizes.dreamer_seconds,
        ),
        "ferplus": lambda path: FERPLUS.simulate(path, FACES, n_faces=sizes.ferplus),  # type: ignore[misc]
        "affectnet": lambda path: AFFECTNET.simulate(path, FACES, n_faces=sizes.affectnet),  # type: ignore[misc]
        "ckplus": lambda path: CKPLUS.simulate(  # type: ignore[misc]
            path, FACES, n_subjects=sizes.ckplus_people, n_sequences=sizes.ckplus_films, n_frames=2
        ),
    }
    for name, write in writers.items():
        if not (folder / name).exists():
            partial_folder = folder / f"{name}.partial"
            write(partial_folder)
            partial_folder.rename(folder / name)
    return folder
