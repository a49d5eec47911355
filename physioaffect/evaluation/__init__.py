"""Protocols, metrics, honest tables and reports."""

from physioaffect.evaluation.adaptation.calibration_centred import CalibrationCentred
from physioaffect.evaluation.adaptation.calibration_referenced import CalibrationReferenced
from physioaffect.evaluation.adaptation.coral import CORAL
from physioaffect.evaluation.adaptation.domain_adaptation import Skada
from physioaffect.evaluation.adaptation.euclidean_alignment import EuclideanAligned
from physioaffect.evaluation.adaptation.transductive import PerSubjectScaled
from physioaffect.evaluation.evaluating import evaluate
from physioaffect.evaluation.fitted_on_all import fit_on_all
from physioaffect.evaluation.joined import common_task, join_features
from physioaffect.evaluation.leakage import Audit, audit, audit_folds, probe
from physioaffect.evaluation.models import MODELS, get_model
from physioaffect.evaluation.models.named import WRAPPERS, named_model
from physioaffect.evaluation.models.tuned import Tuned
from physioaffect.evaluation.prediction import load_predictor, predict_recording
from physioaffect.evaluation.protocols import (
    PROTOCOLS,
    Fold,
    Protocol,
    calibrated_rest,
    calibrated_same_rest,
    calibrated_same_trial,
    calibrated_trials,
    cross_dataset,
    cross_session,
    cross_stimulus,
    front_back,
    get_protocol,
    loso,
    loso_kfold,
    loso_stimulus,
    transductive,
    trial_blocks,
    trial_chunk,
    window_random,
    within_subject_trial,
    within_subject_trial_kfold,
    within_subject_trial_loto,
)
from physioaffect.evaluation.protocols.recommended import RECOMMENDED, recommended
from physioaffect.evaluation.results import Result
from physioaffect.evaluation.sharing import Sharing, sharing
from physioaffect.evaluation.table import make_table

__all__ = [
    "CORAL",
    "MODELS",
    "PROTOCOLS",
    "RECOMMENDED",
    "WRAPPERS",
    "Audit",
    "CalibrationCentred",
    "CalibrationReferenced",
    "EuclideanAligned",
    "Fold",
    "PerSubjectScaled",
    "Protocol",
    "Result",
    "Sharing",
    "Skada",
    "Tuned",
    "audit",
    "audit_folds",
    "calibrated_rest",
    "calibrated_same_rest",
    "calibrated_same_trial",
    "calibrated_trials",
    "common_task",
    "cross_dataset",
    "cross_session",
    "cross_stimulus",
    "evaluate",
    "fit_on_all",
    "front_back",
    "get_model",
    "get_protocol",
    "join_features",
    "load_predictor",
    "loso",
    "loso_kfold",
    "loso_stimulus",
    "make_table",
    "named_model",
    "predict_recording",
    "probe",
    "recommended",
    "sharing",
    "transductive",
    "trial_blocks",
    "trial_chunk",
    "window_random",
    "within_subject_trial",
    "within_subject_trial_kfold",
    "within_subject_trial_loto",
]
