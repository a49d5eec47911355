"""Brain to face: prototypes of valence and arousal from EEG, distilled into a network that sees faces.

Prototypes, controls, scores and verdicts need no torch. Teacher and student do, and transformers
(``pip install 'physioaffect[face]'``), which are imported with the first name that needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from physioaffect.distill.anchors import ANCHORS, cell_targets, similarity_targets
from physioaffect.distill.controls import one_hot_prototypes, random_prototypes, shuffled_prototypes
from physioaffect.distill.faces_table import FaceTable, face_table
from physioaffect.distill.geometry import (
    GeometryAgreement,
    SeedStability,
    geometry_agreement,
    grid_geometry,
    seed_stability,
)
from physioaffect.distill.grid import grid_cells, grid_centres, least_empty_cells
from physioaffect.distill.prototype_files import load_prototypes, save_prototypes
from physioaffect.distill.prototype_plots import (
    plot_prototype_map,
    plot_prototype_similarity,
    plot_prototype_stability,
    plot_prototypes,
)
from physioaffect.distill.prototypes import Prototypes, valence_arousal_prototypes
from physioaffect.distill.scores import FaceScores, face_scores
from physioaffect.distill.stability import SplitHalfStability, split_half_stability
from physioaffect.distill.verdict import Verdict, does_the_brain_part_help, score_intervals

if TYPE_CHECKING:
    from physioaffect.distill.any_teacher import as_teacher
    from physioaffect.distill.backbones import BACKBONES, backbone
    from physioaffect.distill.exporting import Exported, check_export, export_student, time_export
    from physioaffect.distill.face_targets import face_cell_targets
    from physioaffect.distill.from_eeg import EEGPrototypes, eeg_prototypes
    from physioaffect.distill.held_out import HeldOut, held_out_embeddings, held_out_predictions
    from physioaffect.distill.kd import image_teacher_settings, teacher_logits
    from physioaffect.distill.losses import (
        class_loss,
        distillation_loss,
        geometry_loss,
        late_cosine,
        prototype_loss,
    )
    from physioaffect.distill.map_input import scaled_ratings
    from physioaffect.distill.model_card import ModelCard, write_model_card
    from physioaffect.distill.predicting import predict_folder
    from physioaffect.distill.student import Student, train_student
    from physioaffect.distill.student_files import load_student, save_student
    from physioaffect.distill.student_settings import StudentSettings
    from physioaffect.distill.study import ARMS, Arm, Study, run_study
    from physioaffect.distill.teacher import MapTeacher
    from physioaffect.distill.teacher_saving import load_teacher, save_teacher

__all__ = [
    "ANCHORS",
    "ARMS",
    "BACKBONES",
    "Arm",
    "EEGPrototypes",
    "Exported",
    "FaceScores",
    "FaceTable",
    "GeometryAgreement",
    "HeldOut",
    "MapTeacher",
    "ModelCard",
    "Prototypes",
    "SeedStability",
    "SplitHalfStability",
    "Student",
    "StudentSettings",
    "Study",
    "Verdict",
    "as_teacher",
    "backbone",
    "cell_targets",
    "check_export",
    "class_loss",
    "distillation_loss",
    "does_the_brain_part_help",
    "eeg_prototypes",
    "export_student",
    "face_cell_targets",
    "face_scores",
    "face_table",
    "geometry_agreement",
    "geometry_loss",
    "grid_cells",
    "grid_centres",
    "grid_geometry",
    "held_out_embeddings",
    "held_out_predictions",
    "image_teacher_settings",
    "late_cosine",
    "least_empty_cells",
    "load_prototypes",
    "load_student",
    "load_teacher",
    "one_hot_prototypes",
    "plot_prototype_map",
    "plot_prototype_similarity",
    "plot_prototype_stability",
    "plot_prototypes",
    "predict_folder",
    "prototype_loss",
    "random_prototypes",
    "run_study",
    "save_prototypes",
    "save_student",
    "save_teacher",
    "scaled_ratings",
    "score_intervals",
    "seed_stability",
    "shuffled_prototypes",
    "similarity_targets",
    "split_half_stability",
    "teacher_logits",
    "time_export",
    "train_student",
    "valence_arousal_prototypes",
    "write_model_card",
]

# torch takes seconds and is an extra, as transformers is.
_LATER = {
    "ARMS": "study",
    "Arm": "study",
    "BACKBONES": "backbones",
    "EEGPrototypes": "from_eeg",
    "Exported": "exporting",
    "HeldOut": "held_out",
    "MapTeacher": "teacher",
    "ModelCard": "model_card",
    "Student": "student",
    "StudentSettings": "student_settings",
    "Study": "study",
    "as_teacher": "any_teacher",
    "backbone": "backbones",
    "check_export": "exporting",
    "class_loss": "losses",
    "distillation_loss": "losses",
    "eeg_prototypes": "from_eeg",
    "export_student": "exporting",
    "face_cell_targets": "face_targets",
    "geometry_loss": "losses",
    "held_out_embeddings": "held_out",
    "held_out_predictions": "held_out",
    "image_teacher_settings": "kd",
    "late_cosine": "losses",
    "load_student": "student_files",
    "load_teacher": "teacher_saving",
    "predict_folder": "predicting",
    "prototype_loss": "losses",
    "run_study": "study",
    "save_student": "student_files",
    "save_teacher": "teacher_saving",
    "scaled_ratings": "map_input",
    "teacher_logits": "kd",
    "time_export": "exporting",
    "train_student": "student",
    "write_model_card": "model_card",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
