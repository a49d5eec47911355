"""NeuroGaze-Distill (arXiv 2509.11916): prototypes from EEG in a face model, with the controls it lacked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from physioaffect.datasets import DREAMER
from physioaffect.distill.faces_table import FaceTable
from physioaffect.distill.from_eeg import eeg_prototypes
from physioaffect.distill.kd import image_teacher_settings, teacher_logits
from physioaffect.distill.prototype_files import save_prototypes
from physioaffect.distill.scores import MEASURES
from physioaffect.distill.student import Student, StudentSettings, train_student
from physioaffect.distill.student_files import load_student, save_student
from physioaffect.distill.study import ARMS, EEG, VALIDATION, Study, run_study
from physioaffect.distill.study_cards import cards_of
from physioaffect.distill.study_files import digest_of
from physioaffect.distill.teacher import MapTeacher
from physioaffect.distill.verdict import FEWEST_SEEDS, Verdict
from physioaffect.errors import ProtocolError, RunError
from physioaffect.evaluation.running.durable import read_json, write_whole
from physioaffect.progress import Progress, silent
from physioaffect.reproduce.neurogaze_data import face_data, files_of, simulate_all
from physioaffect.reproduce.neurogaze_words import PUBLISHED, differences_of, read_study
from physioaffect.reproduce.running import Reproduction, write_json
from physioaffect.reproduce.values import Published, Request, Row, System

__all__ = ["NEUROGAZE", "FaceReproduction", "FaceRow", "reproduce_neurogaze"]

_TASK = "eight emotions"


@dataclass(frozen=True, kw_only=True)
class FaceRow:
    """A line of the table: a measure of an arm on a set, mean over seeds and interval, in per cent."""

    arm: str
    title: str
    set: str
    present_only: bool
    measure: str
    mean: float
    low: float
    high: float
    n_seeds: int
    published: Published | None


@dataclass(frozen=True, kw_only=True)
class FaceReproduction(Reproduction):
    """A `Reproduction` with intervals over identities and seeds, and the answer to the question.

    ``table`` has a row for each arm, set, way of counting and measure; ``answers`` the verdict and the other
    comparisons by (control, set), the verdict first; ``study`` all predictions.
    """

    table: tuple[FaceRow, ...]
    answers: dict[tuple[str, str], Verdict]
    study: Study

    def to_json(self) -> dict[str, Any]:
        """All of it, table and comparisons too, for scripts."""
        return super().to_json() | {
            "table": [asdict(row) for row in self.table],
            "answers": [
                {"control": control, "set": name, **verdict.to_json()}
                for (control, name), verdict in self.answers.items()
            ],
        }


def settings_of(*, is_quick: bool) -> tuple[StudentSettings, MapTeacher, str]:
    """Settings of students, EEG teacher, and the backbone of the image teacher."""
    if is_quick:
        # The ramp of D-Geo from a fifth to three fifths of the training, as published.
        students = StudentSettings(
            backbone="resnet_tiny", epochs=10, batch_size=64, learning_rate=2e-3, ramp=(2, 6)
        )
        return students, MapTeacher(epochs=20, n_dims=64), "resnet_tiny"
    return StudentSettings(), MapTeacher(), "resnet50"


def reproduce_neurogaze(  # noqa: PLR0913  All options are named.
    root: Path | str | None = None,
    *,
    out: Path | str,
    quick: bool = False,
    tasks: Sequence[str] | None = None,
    subjects: Sequence[str] | None = None,
    seed: int = 0,
    n_jobs: int = 1,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    progress: Progress | None = None,
) -> FaceReproduction:
    """Run the whole chain: EEG, teacher, prototypes, image teacher, ablation, controls, tests, verdict.

    Parameters
    ----------
    root : path, optional
        A folder with ``dreamer``, ``ferplus``, ``affectnet`` and ``ckplus`` in it, each as distributed.
        Default: all four are simulated within ``out``.
    out : path
        Folder of the results. Given again after an interruption, every training that is finished is kept.
    quick : bool
        Small network, few faces, three seeds: whether it runs, no estimate.
    tasks : sequence of str, optional
        There is one.
    subjects : sequence of str, optional
        Only these people of DREAMER.
    seed : int
        Of the teachers; students have 0 to 5 (0 to 2 in a quick run), whatever it is.
    n_jobs : int
        Trainings, or people, at a time.
    device : {"auto", "cpu", "cuda"}
        Where networks are trained.
    progress : callable, optional
        Called with (what, done, total).

    Returns
    -------
    FaceReproduction

    Raises
    ------
    DataError
        If ``root`` lacks a data set, or nothing in one can be used.
    RunError
        If ``out`` holds another run.
    """
    if tasks is not None and tuple(tasks) != (_TASK,):
        raise ProtocolError(f"{NEUROGAZE.title} has one task, {_TASK!r}; got {', '.join(tasks)}.")
    out = Path(out)
    tell = progress or silent
    is_own_world = root is None
    if root is None:
        (out / "simulated").mkdir(parents=True, exist_ok=True)
        tell("simulating", 0, 1)
        root = simulate_all(out / "simulated", quick)
        tell("simulating", 1, 1)
    root = Path(root)
    files_of(root)
    out.mkdir(parents=True, exist_ok=True)
    students, map_teacher, teacher_backbone = settings_of(is_quick=quick)
    brain = eeg_prototypes(
        DREAMER,
        root / "dreamer",
        out=out,
        window=4.0,
        teacher=map_teacher,
        subjects=subjects,
        seed=seed,
        n_jobs=n_jobs,
        device=device,
        progress=tell,
    )
    save_prototypes(brain.prototypes, out / "prototypes.safetensors")
    data = face_data(root, size=students.image_size)
    teacher_settings = image_teacher_settings(students, backbone=teacher_backbone)
    teacher = _image_teacher(data.train, data.validation, teacher_settings, out, seed, device, tell)
    study = run_study(
        data.train,
        data.validation,
        data.tests,
        students,
        prototypes=brain.prototypes,
        out=out / "study",
        teacher_logits=_logits(teacher, data.train, out),
        seeds=range(3 if quick else FEWEST_SEEDS),
        quick=quick,
        n_jobs=n_jobs,
        device=device,
        progress=tell,
    )
    is_simulated = is_own_world or data.is_simulated or brain.is_simulated
    request = Request(
        dataset=NEUROGAZE.datasets["dreamer"],
        is_quick=quick,
        is_simulated=is_simulated,
        is_own_world=is_own_world,
        variant=next(iter(NEUROGAZE.variants)),
        tasks=(_TASK,),
        seed=seed,
        device=device,
    )
    tell("scoring", 0, 1)
    table = table_of(study)
    cards_of(
        study,
        facts={
            "network": f"{students.backbone} of transformers, {students.image_size} x {students.image_size} "
            "pixels, grey",
            "classes": ", ".join(study.classes),
            "prototypes": f"sha256 {brain.prototypes.digest}",
        },
        data=(
            f"Learned from FER+ Training, {len(data.train)} faces; chosen by PublicTest, "
            f"{len(data.validation)} faces.",
            brain.sentence(),
        ),
        protocol=("Arms of one seed share first weights, batches and changes of images.",),
        is_simulated=is_simulated,
    )
    made = FaceReproduction(
        system=NEUROGAZE,
        request=request,
        rows=rows_of_table(table),
        differences=(*read_study(study, brain), *differences_of(request), *data.sentences()),
        exclusions={},
        n_people=brain.n_people,
        path=out,
        table=table,
        answers=answers_of(study),
        study=study,
    )
    write_json(made)
    from physioaffect.reproduce.neurogaze_page import write_face_page  # noqa: PLC0415  jinja2 is late.

    write_face_page(made)
    tell("scoring", 1, 1)
    return made


def _image_teacher(
    train: FaceTable,
    validation: FaceTable,
    settings: StudentSettings,
    out: Path,
    seed: int,
    device: Literal["auto", "cpu", "cuda"],
    tell: Progress,
) -> Student:
    """Train the image teacher, or read the one of an interrupted run of the same."""
    path, about = out / "image-teacher.safetensors", out / "image-teacher.run.json"
    asked = {"settings": settings.to_json(), "train": digest_of(train), "seed": seed}
    asked = json.loads(json.dumps(asked))
    if about.exists():
        if read_json(about) != asked:
            raise RunError(
                f"{out} holds another run, whose image teacher was trained on other faces or otherwise. Ask "
                "for the same to continue it, or choose another folder."
            )
        return load_student(path)
    teacher = train_student(
        train,
        validation,
        settings,
        seed=seed,
        device=device,
        checkpoint=out / "image-teacher.checkpoint.safetensors",
        progress=lambda done, total: tell("image teacher", done, total),
    )
    save_student(teacher, path)
    write_whole(about, (json.dumps(asked, indent=1) + "\n").encode())
    return teacher


def _logits(teacher: Student, train: FaceTable, out: Path) -> NDArray[np.float32]:
    """Logits of the teacher, kept: computed anew on another machine they could differ in the last bit."""
    path = out / "image-teacher-logits.npy"
    if path.exists():
        kept: NDArray[np.float32] = np.load(path, allow_pickle=False)
        return kept
    from io import BytesIO  # noqa: PLC0415

    found = teacher_logits(teacher, train)
    buffer = BytesIO()
    np.save(buffer, found, allow_pickle=False)
    write_whole(path, buffer.getvalue())
    return found


def table_of(study: Study) -> tuple[FaceRow, ...]:
    """Score every arm on every set, both ways."""
    rows = []
    for name in study.sets:
        for present_only in (False, True):
            for arm in study.arms:
                found = study.intervals(arm.name, name, present_only=present_only)
                printed = PUBLISHED.get((arm.name, name, present_only), {})
                for measure in MEASURES:
                    mean, low, high = (100 * value for value in found[measure])
                    rows.append(
                        FaceRow(
                            arm=arm.name,
                            title=arm.title,
                            set=name,
                            present_only=present_only,
                            measure=measure,
                            mean=mean,
                            low=low,
                            high=high,
                            n_seeds=len(study.seeds),
                            published=printed.get(measure),
                        )
                    )
    return tuple(rows)


def answers_of(study: Study) -> dict[tuple[str, str], Verdict]:
    """EEG against each control on each test: on the first all classes, on others those that are there."""
    controls = [arm.name for arm in study.arms if arm.name in ARMS and not arm.name.startswith("B")]
    return {
        (control, name): study.compare(EEG, control, name, present_only=name != study.sets[1])
        for name in study.sets[1:]
        for control in controls
    }


def rows_of_table(table: Sequence[FaceRow]) -> tuple[Row, ...]:
    """The same table for those who list all reproductions alike."""
    return tuple(
        Row(
            evaluation=f"{row.set}, {'present-only' if row.present_only else '8-way'}",
            protocol="FER+ training" if row.set in (VALIDATION, "FER+ test") else "no fine-tuning",
            is_published=row.set != "FER+ test",
            claim="For new faces like these." if row.set != VALIDATION else "Chosen by: too good.",
            model=f"{row.arm} {row.title}",
            is_baseline=not row.arm.startswith("B"),
            score=row.measure,
            by_trial=False,
            published=row.published,
            mean=row.mean,
            sd=(row.high - row.low) / 2,
            n=row.n_seeds,
            over="seeds",
            shared=0.0,
        )
        for row in table
    )


NEUROGAZE = System(
    run=reproduce_neurogaze,
    name="neurogaze",
    title="NeuroGaze-Distill",
    citation=(
        "Li, Xu, Zhao, Zhu (2025). NeuroGaze-Distill: Brain-informed Distillation and Depression-Inspired "
        "Geometric Priors for Robust Facial Emotion Recognition."
    ),
    url="https://arxiv.org/abs/2509.11916",
    datasets={
        "dreamer": replace(
            DREAMER,
            title="DREAMER, FER+, AffectNet and CK+",
            layout="Folders dreamer, ferplus, affectnet and ckplus, each with the data set as distributed.",
            files=lambda root: files_of(Path(root)),
        )
    },
    differences=differences_of,
    simulate=simulate_all,
    world="in which EEG tells valence and arousal and faces are drawings that follow them",
    variants={"paper": "as far as notes and abstract tell"},
    tasks={"dreamer": (_TASK,)},
    default_tasks={"dreamer": (_TASK,)},
)
