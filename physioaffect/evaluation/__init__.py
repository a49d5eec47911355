"""Protocols, metrics, honest tables and reports."""

from physioaffect.evaluation.experiment import evaluate
from physioaffect.evaluation.models import MODELS, get_model
from physioaffect.evaluation.protocols import (
    PROTOCOLS,
    Fold,
    Protocol,
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
    "MODELS",
    "PROTOCOLS",
    "Fold",
    "PerSubjectScaled",
    "Protocol",
    "Result",
    "Sharing",
    "evaluate",
    "get_model",
    "get_protocol",
    "loso",
    "make_table",
    "sharing",
    "transductive",
    "window_random",
    "within_subject_trial",
]
