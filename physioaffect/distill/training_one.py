"""One student from files to files: faces, prototypes, a model card beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from physioaffect.data_set import Report
from physioaffect.datasets import tags_of_folder
from physioaffect.device import check_device
from physioaffect.distill.anchors import ANCHORS
from physioaffect.distill.controls import one_hot_prototypes, random_prototypes, shuffled_prototypes
from physioaffect.distill.face_targets import Targeting, face_cell_targets
from physioaffect.distill.faces_table import FaceTable, face_table
from physioaffect.distill.kd import teacher_logits
from physioaffect.distill.model_card import ModelCard, in_percent, write_model_card
from physioaffect.distill.prototype_files import load_prototypes
from physioaffect.distill.prototypes import Prototypes
from physioaffect.distill.scores import MEASURES, FaceScores, face_scores
from physioaffect.distill.student import Student, StudentSettings, train_student
from physioaffect.distill.student_files import load_student, save_student
from physioaffect.distill.verdict import score_intervals
from physioaffect.errors import ProtocolError
from physioaffect.faces import FaceSet
from physioaffect.progress import Progress

__all__ = ["TrainOne", "TrainedOne", "train_one"]

_CONTROLS = ("random", "shuffled", "one_hot")


@dataclass(frozen=True, kw_only=True)
class TrainOne:
    """What to train; see the command ``physioaffect distill train``.

    Parameters
    ----------
    faceset, root : FaceSet, Path
        Its first split is learned from, its second chosen by.
    out : Path
        The student's file.
    prototypes : Path, optional
        Prototypes to distil; none without.
    control : str, optional
        "random", "shuffled" or "one_hot" in their place.
    targeting : str
        See `face_cell_targets`.
    teacher : Path, optional
        A student whose logits are distilled.
    backbone, size, epochs, learning_rate, has_geometry
        See `StudentSettings`; None: the published value.
    seed, device : int, str
        As for `train_student`.
    """

    faceset: FaceSet
    root: Path
    out: Path
    prototypes: Path | None = None
    control: str | None = None
    targeting: str = "anchors"
    teacher: Path | None = None
    backbone: str = "resnet18"
    size: int = 48
    epochs: int | None = None
    learning_rate: float | None = None
    has_geometry: bool = True
    seed: int = 0
    device: str = "auto"

    def settings(self) -> StudentSettings:
        """Settings of the student: what has no file is switched off."""
        given: dict[str, Any] = {"epochs": self.epochs, "learning_rate": self.learning_rate}
        plain = StudentSettings(
            backbone=self.backbone,
            image_size=self.size,
            **{name: value for name, value in given.items() if value is not None},
        )
        # The ramp of D-Geo goes from a fifth to three fifths of the published 100 epochs.
        values = {
            name: getattr(plain, name)
            for name in ("backbone", "image_size", "epochs", "learning_rate", "kd", "proto", "geometry")
        }
        values["kd"] *= self.teacher is not None
        values["proto"] *= self.prototypes is not None
        values["geometry"] *= self.has_geometry
        return StudentSettings(**values, ramp=(plain.epochs // 5, 3 * plain.epochs // 5))


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedOne:
    """A student, where its card is, what it learned from, and its scores on the faces it was chosen by."""

    student: Student
    card: Path
    n_train: int
    n_validation: int
    exclusions: Mapping[str, int]
    scores: FaceScores


def train_one(asked: TrainOne, *, report: Report, progress: Progress | None = None) -> TrainedOne:
    """Train a student and write it and its model card.

    Parameters
    ----------
    asked : TrainOne
        What to train.
    report : callable
        Called with an `Exclusion` for every face that is left out.
    progress : callable, optional
        Called with (what, done, total).

    Returns
    -------
    TrainedOne

    Raises
    ------
    ProtocolError
        If the set of faces has no validation split, or a control is asked for without prototypes.
    DataError
        If files cannot be used.
    ValueError
        If a setting is none.
    """
    check_device(asked.device)
    device = cast(Literal["auto", "cpu", "cuda"], asked.device)
    splits = [name for name in asked.faceset.splits if name]
    if len(splits) < 2:
        raise ProtocolError(
            f"{asked.faceset.title} has no split to choose an epoch by, and is for tests only. Train on "
            "ferplus or affectnet."
        )
    if asked.control is not None and (asked.control not in _CONTROLS or asked.prototypes is None):
        raise ProtocolError(
            f"A control is one of {', '.join(_CONTROLS)} in the place of given prototypes, got "
            f"{asked.control!r} {'with' if asked.prototypes else 'without'} --prototypes."
        )
    settings = asked.settings()
    prototypes = _prototypes(asked)
    teacher = load_student(asked.teacher) if asked.teacher is not None else None
    table = face_table(asked.faceset, asked.root, size=asked.size, report=report)
    train, validation = table.split(splits[0]), table.split(splits[1])
    logits: NDArray[np.float32] | None = teacher_logits(teacher, train) if teacher is not None else None

    def tell(done: int, total: int) -> None:
        if progress is not None:
            progress("training", done, total)

    targeting = cast(Targeting, asked.targeting)
    student = train_student(
        train,
        validation,
        settings,
        prototypes=prototypes,
        cell_targets=None
        if prototypes is None
        else face_cell_targets(train, prototypes, settings, targeting=targeting),
        teacher_logits=logits,
        seed=asked.seed,
        device=device,
        progress=tell,
    )
    save_student(student, asked.out)
    seen = student.logits(validation.images)
    card = write_model_card(
        _card(asked, student, train, validation, seen, prototypes), asked.out.with_suffix(".card.html")
    )
    return TrainedOne(
        student=student,
        card=card,
        n_train=len(train),
        n_validation=len(validation),
        exclusions=table.exclusions,
        scores=face_scores(seen, validation.targets, validation.classes),
    )


def _prototypes(asked: TrainOne) -> Prototypes | None:
    if asked.prototypes is None:
        return None
    eeg = load_prototypes(asked.prototypes)
    if asked.control == "random":
        return random_prototypes(eeg, seed=asked.seed)
    if asked.control == "shuffled":
        return shuffled_prototypes(eeg, seed=asked.seed)
    if asked.control == "one_hot":
        return one_hot_prototypes(list(ANCHORS), ANCHORS, eeg.k, eeg.n_dims)
    return eeg


def _card(
    asked: TrainOne,
    student: Student,
    train: FaceTable,
    validation: FaceTable,
    seen: NDArray[np.float32],
    prototypes: Prototypes | None,
) -> ModelCard:
    numbers = {}
    for way in (f"{len(validation.classes)}-way", "present-only"):
        found = score_intervals(
            seen[None], validation.targets, validation.identities, present_only=way == "present-only"
        )
        numbers[f"validation, {way}"] = tuple(in_percent(found[name]) for name in MEASURES)
    said = "without prototypes"
    if prototypes is not None:
        said = (
            f"prototypes {asked.control or 'of EEG'}, sha256 {prototypes.digest}, cells by {asked.targeting}"
        )
    is_simulated = bool(tags_of_folder(asked.root)) or bool(
        prototypes is not None and "'simulated': True" in str(prototypes.origin)
    )
    simulated = ("Trained on simulated data: it knows drawn faces, and nothing about people.",)
    return ModelCard(
        title=asked.out.stem,
        facts={
            "network": f"{asked.backbone} of transformers, {asked.size} x {asked.size} pixels, grey",
            "classes": ", ".join(student.classes),
            "trained with": f"{said}; {'an' if asked.teacher else 'no'} image teacher",
            "seed": str(asked.seed),
            "digest": student.digest,
        },
        data=(
            f"{asked.faceset.title}: learned from {len(train)} faces, epoch chosen by "
            f"{len(validation)} others.",
            f"Licence of the data: {asked.faceset.licence}",
        ),
        protocol=(
            "One training. No test was opened; `physioaffect distill evaluate` does that.",
            "Validation chose the epoch, so the numbers below are too good.",
        ),
        measures=tuple(MEASURES.values()),
        numbers=numbers,
        verdict=(
            "One training cannot tell. `physioaffect reproduce neurogaze` compares EEG prototypes with "
            "random, shuffled, one-hot and no prototypes over several seeds.",
        ),
        counted="of this one training, with a 95 % interval over identities.",
        warnings=simulated if is_simulated else (),
    )
