"""Training of one network, or of all networks of an evaluation as one.

This room needs torch (``pip install 'physioaffect[torch]'``) and knows nothing of electrodes or evaluation.
"""

from physioaffect.training.course import Epoch, Replica, Trained
from physioaffect.training.group import predict
from physioaffect.training.label_smoothing import gaussian_label_smoothing
from physioaffect.training.layers import Dropout, MaxNorm, Standardise, Standardised
from physioaffect.training.losses import (
    ClassLoss,
    Concordance,
    ConcordanceAndError,
    CrossEntropy,
    MeanSquaredError,
    NumberLoss,
)
from physioaffect.training.sampling import (
    ClassBalanced,
    Crops,
    Draw,
    Population,
    Sampler,
    Shuffled,
    SubjectBalanced,
    Trials,
)
from physioaffect.training.schedules import Constant, Cosine, Schedule, Steps
from physioaffect.training.settings import Batch, Training
from physioaffect.training.source import Source
from physioaffect.training.stack import Stack
from physioaffect.training.threads import torch_threads
from physioaffect.training.trainer import train

__all__ = [
    "Batch",
    "ClassBalanced",
    "ClassLoss",
    "Concordance",
    "ConcordanceAndError",
    "Constant",
    "Cosine",
    "Crops",
    "CrossEntropy",
    "Draw",
    "Dropout",
    "Epoch",
    "MaxNorm",
    "MeanSquaredError",
    "NumberLoss",
    "Population",
    "Replica",
    "Sampler",
    "Schedule",
    "Shuffled",
    "Source",
    "Stack",
    "Standardise",
    "Standardised",
    "Steps",
    "SubjectBalanced",
    "Trained",
    "Training",
    "Trials",
    "gaussian_label_smoothing",
    "predict",
    "torch_threads",
    "train",
]
