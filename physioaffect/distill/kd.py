"""The image teacher of distillation, and its logits, computed once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from physioaffect.distill.faces_table import FaceTable
from physioaffect.distill.student import Student
from physioaffect.distill.student_settings import StudentSettings
from physioaffect.errors import DataError

__all__ = ["image_teacher_settings", "teacher_logits"]


def image_teacher_settings(settings: StudentSettings, *, backbone: str = "resnet50") -> StudentSettings:
    """Settings of a teacher for students of these settings: a larger network, cross-entropy alone.

    Where the reference's logits come from is not published. As its EEG teacher rates valence and arousal and
    knows no classes, a larger network trained on the same faces is the likeliest.

    Parameters
    ----------
    settings : StudentSettings
        Of the students.
    backbone : str
        Of the teacher.

    Returns
    -------
    settings : StudentSettings
        For `train_student`, which needs no prototypes then.

    Examples
    --------
    >>> teacher = image_teacher_settings(StudentSettings())
    >>> teacher.backbone, teacher.kd, teacher.proto, teacher.geometry
    ('resnet50', 0.0, 0.0, 0.0)
    """
    pretrained = settings.pretrained if backbone == settings.backbone else None
    return replace(settings, backbone=backbone, pretrained=pretrained, kd=0.0, proto=0.0, geometry=0.0)


def teacher_logits(teacher: Student, faces: FaceTable) -> NDArray[np.float32]:
    """Logits of a teacher for faces as they are, not augmented; to be kept and used in every epoch.

    Parameters
    ----------
    teacher : Student
        Trained on the same classes, in the same order.
    faces : FaceTable
        The students' training faces.

    Returns
    -------
    logits : ndarray of float32, shape (n, n_classes)
        For ``train_student(..., teacher_logits=...)``.

    Raises
    ------
    DataError
        If classes or images are not those of the teacher.

    Notes
    -----
    The student sees a changed image and the teacher's opinion of the unchanged one, which saves a pass of
    the larger network each step. A teacher trained on these very faces is more certain of them than of new
    ones; so it is in the usual recipe.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from physioaffect.datasets import FERPLUS
    >>> from physioaffect.distill import StudentSettings, face_table, train_student
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     faces = face_table(FERPLUS, FERPLUS.simulate(Path(folder, "ferplus"), n_faces=30), size=16)
    >>> settings = StudentSettings(
    ...     backbone="resnet_tiny", image_size=16, epochs=1, batch_size=8, kd=0, proto=0, geometry=0
    ... )
    >>> student = train_student(faces, faces, settings, device="cpu")
    >>> logits = teacher_logits(student, faces)
    >>> logits.shape == faces.targets.shape, logits.dtype
    (True, dtype('float32'))
    """
    if teacher.classes != faces.classes:
        raise DataError(
            f"The teacher knows the classes {', '.join(teacher.classes)}; the faces are of "
            f"{', '.join(faces.classes)}. Read the faces with the teacher's classes."
        )
    return teacher.logits(faces.images)
