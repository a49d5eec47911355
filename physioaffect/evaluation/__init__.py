"""Protocols, metrics, honest tables and reports."""

from physioaffect.evaluation.calibration_centred import CalibrationCentred
from physioaffect.evaluation.coral import CORAL
from physioaffect.evaluation.domain_adaptation import Skada
from physioaffect.evaluation.euclidean_alignment import EuclideanAligned
from physioaffect.evaluation.experiment import evaluate
from physioaffect.evaluation.fitted_on_all import fit_on_all
from physioaffect.evaluation.models import MODELS, get_model
from physioaffect.evaluation.named import WRAPPERS, named_model
from physioaffect.evaluation.prediction import load_predictor, predict_recording
from physioaffect.evaluation.protocols import (
    PROTOCOLS,
    Fold,
    Protocol,
    calibrated_rest,
    calibrated_same_trial,
    calibrated_trials,
    get_protocol,
    loso,
    transductive,
    window_random,
    within_subject_trial,
)
from physioaffect.evaluation.results import Result
from physioaffect.evaluation.sharing import Sharing, sharing
from physioaffect.evaluation.table import make_table
from physioaffect.evaluation.transductive import PerSubjectScaled

__all__ = [
    "CORAL",
    "MODELS",
    "PROTOCOLS",
    "WRAPPERS",
    "CalibrationCentred",
    "EuclideanAligned",
    "Fold",
    "PerSubjectScaled",
    "Protocol",
    "Result",
    "Sharing",
    "Skada",
    "calibrated_rest",
    "calibrated_same_trial",
    "calibrated_trials",
    "evaluate",
    "fit_on_all",
    "get_model",
    "get_protocol",
    "load_predictor",
    "loso",
    "make_table",
    "named_model",
    "predict_recording",
    "sharing",
    "transductive",
    "window_random",
    "within_subject_trial",
]
