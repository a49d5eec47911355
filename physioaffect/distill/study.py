"""The study that asks whether prototypes from EEG help a face model: arms, seeds, tests used once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioaffect.distill.anchors import ANCHORS
from physioaffect.distill.controls import one_hot_prototypes, random_prototypes, shuffled_prototypes
from physioaffect.distill.face_targets import Targeting, face_cell_targets
from physioaffect.distill.faces_table import FaceTable
from physioaffect.distill.prototypes import Prototypes
from physioaffect.distill.student import Student, StudentSettings, train_student
from physioaffect.distill.student_files import load_student, save_student
from physioaffect.distill.study_files import StudyFolder, digest_of, logits_of, prediction_frame
from physioaffect.distill.verdict import (
    FEWEST_SEEDS,
    SMALLEST_EFFECT,
    ScoreInterval,
    Verdict,
    does_the_brain_part_help,
    score_intervals,
)
from physioaffect.errors import ProtocolError
from physioaffect.evaluation.running.run_lock import RunLock
from physioaffect.parallel import run_all
from physioaffect.progress import Progress, silent
from physioaffect.training import torch_threads

__all__ = ["ABLATION", "ARMS", "CONTROLS", "EEG", "VALIDATION", "Arm", "Study", "run_study"]

VALIDATION = "validation"


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way to train the student.

    Parameters
    ----------
    name, title : str
        Short name, and what it is.
    has_teacher, has_geometry : bool
        Whether the image teacher's logits are distilled, and whether D-Geo is on.
    prototypes : {"", "eeg", "random", "shuffled", "one_hot"}
        Which prototypes are distilled; none if empty.
    """

    name: str
    title: str
    has_teacher: bool = True
    has_geometry: bool = True
    prototypes: Literal["", "eeg", "random", "shuffled", "one_hot"] = ""

    def settings(self, settings: StudentSettings) -> StudentSettings:
        """Switch off the losses that this arm does without."""
        off = {"kd": self.has_teacher, "proto": bool(self.prototypes), "geometry": self.has_geometry}
        without: dict[str, Any] = {name: 0.0 for name, is_on in off.items() if not is_on}
        return replace(settings, **without)

    def field(self, eeg: Prototypes, classes: Sequence[str], seed: int) -> Prototypes | None:
        """Make the prototypes of this arm for a seed, in the dimension of the EEG's.

        Random and shuffled ones are drawn anew for each seed: the control is a distribution, not one lucky
        draw.
        """
        if self.prototypes == "random":
            return random_prototypes(eeg, seed=seed)
        if self.prototypes == "shuffled":
            return shuffled_prototypes(eeg, seed=seed)
        if self.prototypes == "one_hot":
            return one_hot_prototypes(classes, ANCHORS, eeg.k, eeg.n_dims)
        return eeg if self.prototypes == "eeg" else None


ABLATION = (
    Arm(name="B0", title="classes only", has_teacher=False, has_geometry=False),
    Arm(name="B1", title="+ image teacher", has_geometry=False),
    Arm(name="B2", title="+ EEG prototypes", has_geometry=False, prototypes="eeg"),
    Arm(name="B3", title="+ D-Geo (full)", prototypes="eeg"),
)
CONTROLS = (
    Arm(name="random", title="full, random prototypes", prototypes="random"),
    Arm(name="shuffled", title="full, shuffled grid", prototypes="shuffled"),
    Arm(name="one_hot", title="full, class one-hot", prototypes="one_hot"),
    Arm(name="no_eeg", title="full, no prototypes"),
)
ARMS: Mapping[str, Arm] = {arm.name: arm for arm in (*ABLATION, *CONTROLS)}
EEG = "B3"
"""The arm that the controls are controls of."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """A finished study.

    Parameters
    ----------
    path : Path
        Its folder; ``students/ARM-SEED.safetensors`` are the models.
    arms : tuple of Arm
        What was trained.
    seeds : tuple of int
        Each arm once with each.
    sets : tuple of str
        Validation, and the tests in their order.
    classes : tuple of str
        Order of the logits.
    smallest_effect : float
        Stated before the tests were opened.
    is_quick : bool
        Whether fewer than six seeds were allowed.
    """

    path: Path
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    sets: tuple[str, ...]
    classes: tuple[str, ...]
    smallest_effect: float
    is_quick: bool
    folder: StudyFolder

    @cached_property
    def predictions(self) -> Mapping[tuple[str, int], pd.DataFrame]:
        """By arm and seed one row for each face of each set."""
        return {
            (arm.name, seed): self.folder.predictions(arm.name, seed)
            for arm in self.arms
            for seed in self.seeds
        }

    def logits(self, arm: str, name: str) -> NDArray[np.float32]:
        """Logits of an arm on a set, shape (n_seeds, n_images, n_classes)."""
        frames = [self.predictions[arm, seed] for seed in self.seeds]
        return np.stack([logits_of(frame[frame["set"] == name]) for frame in frames])

    def faces(self, name: str) -> pd.DataFrame:
        """Names, identities and labels of the faces of a set."""
        frame = self.predictions[self.arms[0].name, self.seeds[0]]
        return frame.loc[frame["set"] == name, ["face", "identity", "label"]]

    def intervals(self, arm: str, name: str, *, present_only: bool = False) -> dict[str, ScoreInterval]:
        """Scores of an arm on a set, with intervals over identities and seeds."""
        faces = self.faces(name)
        return score_intervals(
            self.logits(arm, name),
            faces["label"].to_numpy(dtype=np.intp),
            faces["identity"].to_numpy(dtype=str),
            present_only=present_only,
        )

    def compare(self, arm: str, control: str, name: str, *, present_only: bool = False) -> Verdict:
        """Compare two arms on a set by macro-F1."""
        faces = self.faces(name)
        return does_the_brain_part_help(
            self.logits(arm, name),
            self.logits(control, name),
            faces["label"].to_numpy(dtype=np.intp),
            faces["identity"].to_numpy(dtype=str),
            present_only=present_only,
            smallest_effect=self.smallest_effect,
            quick=self.is_quick,
        )


def run_study(  # noqa: PLR0913  All options are named.
    train: FaceTable,
    validation: FaceTable,
    tests: Mapping[str, Callable[[], FaceTable]],
    settings: StudentSettings,
    *,
    prototypes: Prototypes,
    out: Path | str,
    teacher_logits: NDArray[np.float32] | None = None,
    arms: Sequence[Arm] = tuple(ARMS.values()),
    seeds: Sequence[int] = tuple(range(FEWEST_SEEDS)),
    smallest_effect: float = SMALLEST_EFFECT,
    targeting: Targeting = "anchors",
    quick: bool = False,
    n_jobs: int = 1,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    progress: Progress | None = None,
) -> Study:
    """Train every arm with every seed, then open the tests, once.

    Parameters
    ----------
    train, validation : FaceTable
        What students learn from, and what their best epoch is chosen by.
    tests : mapping from str to callable
        By name a function that reads a test set. None of them is called before every training has finished:
        nothing can be chosen by them.
    settings : StudentSettings
        Of the full model; each arm switches off what it does without.
    prototypes : Prototypes
        From EEG.
    out : path
        Folder of the study. What is finished is kept: killed at any moment and given again, the study
        continues and ends with the same files.
    teacher_logits : ndarray of float32, shape (n_train, n_classes), optional
        The image teacher's, for arms that distil them.
    arms : sequence of Arm
        What is trained. Default: the ablation and the four controls.
    seeds : sequence of int
        Each arm is trained once with each. All arms of a seed begin with the same weights and see the same
        batches, augmented alike, so that their differences are paired.
    smallest_effect : float
        Smallest difference of interest in macro-F1. It is written down before the tests are opened.
    targeting : {"anchors", "similarity", "own anchors", "own similarity"}
        How faces find their cells, see `face_cell_targets`.
    quick : bool
        Whether three to five seeds will do, for a run that decides nothing.
    n_jobs : int
        Trainings at a time.
    device : {"auto", "cpu", "cuda"}
        Where students are trained.
    progress : callable, optional
        Called with (what, done, total).

    Returns
    -------
    Study

    Raises
    ------
    ProtocolError
        If there are too few seeds, two arms have one name, an arm needs logits that are not given, or a test
        has other classes.
    RunError
        If ``out`` holds another study, or is being written.
    """
    names, many = [arm.name for arm in arms], len(set(seeds))
    if len(set(names)) < len(names) or not names:
        raise ProtocolError(f"A study needs arms of different names, got {', '.join(names) or 'none'}.")
    if many < len(seeds) or many < (3 if quick else FEWEST_SEEDS):
        raise ProtocolError(
            f"A study needs at least {FEWEST_SEEDS} different seeds (3 in a quick run, which decides "
            f"nothing), got {list(seeds)}."
        )
    needs = [arm.name for arm in arms if arm.has_teacher and arm.settings(settings).kd > 0]
    if needs and teacher_logits is None:
        raise ProtocolError(
            f"The arms {', '.join(needs)} distil an image teacher, and no teacher_logits are given. Train "
            "one, or ask for settings with kd=0."
        )
    tell = progress or silent
    asked = {
        "arms": [asdict(arm) for arm in arms],
        "seeds": list(seeds),
        "settings": settings.to_json(),
        "smallest_effect": smallest_effect,
        "primary": {"arm": EEG, "control": "random", "measure": "macro_f1", "set": next(iter(tests), "")},
        "tests": list(tests),
        "train": digest_of(train),
        "validation": digest_of(validation),
        "prototypes": prototypes.digest,
        "teacher": None if teacher_logits is None else digest_of_array(teacher_logits),
        "targeting": targeting,
        "is_quick": quick,
    }
    folder = StudyFolder(Path(out), asked)
    with RunLock(folder.path):
        todo = [(arm, seed) for seed in seeds for arm in arms if not folder.is_trained(arm.name, seed)]
        shared = (train, validation, settings, prototypes, teacher_logits, targeting, folder, device)
        n_done = len(arms) * len(seeds) - len(todo)
        tell("training", n_done, len(arms) * len(seeds))
        for _ in run_all(_train_one, todo, shared, n_jobs=n_jobs):
            n_done += 1
            tell("training", n_done, len(arms) * len(seeds))
        _open(folder, tests, arms, seeds, train.classes, tell)
    return Study(
        path=folder.path,
        arms=tuple(arms),
        seeds=tuple(seeds),
        sets=(VALIDATION, *tests),
        classes=train.classes,
        smallest_effect=smallest_effect,
        is_quick=quick,
        folder=folder,
    )


def _train_one(  # noqa: PLR0913, PLR0917  What all trainings share.
    item: tuple[Arm, int],
    train: FaceTable,
    validation: FaceTable,
    settings: StudentSettings,
    prototypes: Prototypes,
    teacher_logits: NDArray[np.float32] | None,
    targeting: Targeting,
    folder: StudyFolder,
    device: Literal["auto", "cpu", "cuda"],
) -> None:
    arm, seed = item
    own = arm.settings(settings)
    field = arm.field(prototypes, train.classes, seed)
    kept = folder.checkpoint(arm.name, seed)
    with torch_threads(1):
        student = train_student(
            train,
            validation,
            own,
            prototypes=field,
            cell_targets=None if field is None else face_cell_targets(train, field, own, targeting=targeting),
            teacher_logits=teacher_logits if arm.has_teacher else None,
            seed=seed,
            device=device,
            checkpoint=kept,
        )
        seen = student.logits(validation.images)
    save_student(student, folder.student(arm.name, seed))
    folder.write_validation(arm.name, seed, prediction_frame(VALIDATION, validation, seen))
    kept.unlink(missing_ok=True)


def _open(
    folder: StudyFolder,
    tests: Mapping[str, Callable[[], FaceTable]],
    arms: Sequence[Arm],
    seeds: Sequence[int],
    classes: tuple[str, ...],
    tell: Progress,
) -> None:
    """Predict all tests with all students."""
    pairs = [(arm.name, seed) for arm in arms for seed in seeds]
    if not tests or all(folder.has_tests(*pair) for pair in pairs):
        return
    students: dict[tuple[str, int], Student] = {pair: load_student(folder.student(*pair)) for pair in pairs}
    # Written before a test is read: whatever happens from here on, it was opened.
    folder.open_tests({f"{arm}-{seed}": student.digest for (arm, seed), student in students.items()})
    tables = {name: read() for name, read in tests.items()}
    for name, table in tables.items():
        if table.classes != classes:
            raise ProtocolError(
                f"The test set {name} has the classes {', '.join(table.classes)}; the students know "
                f"{', '.join(classes)}. Read it with those."
            )
    for done, (pair, student) in enumerate(students.items()):
        tell("testing", done, len(students))
        if not folder.has_tests(*pair):
            frames = [
                prediction_frame(name, table, student.logits(table.images)) for name, table in tables.items()
            ]
            folder.write_tests(*pair, pd.concat(frames, ignore_index=True))
    tell("testing", len(students), len(students))


def digest_of_array(values: NDArray[Any]) -> str:
    """Name the content of an array."""
    import hashlib  # noqa: PLC0415

    return hashlib.sha256(f"{values.shape}{values.dtype}".encode() + values.tobytes()).hexdigest()
