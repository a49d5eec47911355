"""Windows to labelled features, one file a family."""

from physioaffect.features.aperiodic import Aperiodic
from physioaffect.features.asymmetry import ASM, DASM, DCAU, RASM
from physioaffect.features.bands import (
    BANDS,
    DEAP_BANDS,
    RBTRANSFORMER_BANDS,
    RBTRANSFORMER_PAPER_BANDS,
    SEED_BANDS,
    SEED_IV_BANDS,
    Band,
    Bands,
)
from physioaffect.features.complexity import Hjorth, LineLength
from physioaffect.features.connectivity import Connectivity
from physioaffect.features.coupling import EDAHeartCoupling
from physioaffect.features.covariance import Covariance, as_matrices
from physioaffect.features.defaults import FAMILIES, default_recipe
from physioaffect.features.differential_entropy import DifferentialEntropy
from physioaffect.features.eda import EDA
from physioaffect.features.emg import EMG
from physioaffect.features.extraction import Extracted, SubjectFeatures, extract, extract_subjects
from physioaffect.features.filter_bank import BandFilter
from physioaffect.features.fractal import FractalDimension
from physioaffect.features.frontal_alpha import FrontalAlphaAsymmetry
from physioaffect.features.heart import HeartRate
from physioaffect.features.hrv import HRV
from physioaffect.features.motion import Motion
from physioaffect.features.origin import Origin
from physioaffect.features.recipe import Family, Recipe, Step
from physioaffect.features.respiration import Respiration
from physioaffect.features.respiration_heart import RespirationHeartCoupling
from physioaffect.features.rotation import Rotation
from physioaffect.features.smoothing import LDS, MovingAverage, smooth
from physioaffect.features.spectral import BandPower, SpectralEntropy
from physioaffect.features.store import save_features
from physioaffect.features.stored import open_features, read_exclusions
from physioaffect.features.stream import Stream
from physioaffect.features.stream_channels import StreamChannel, StreamEvents, channels_of
from physioaffect.features.temperature import Temperature
from physioaffect.features.topomap import TopographicMap, topographic_maps
from physioaffect.features.trial_table import concatenate, features_of_trial

__all__ = [
    "ASM",
    "BANDS",
    "DASM",
    "DCAU",
    "DEAP_BANDS",
    "EDA",
    "EMG",
    "FAMILIES",
    "HRV",
    "LDS",
    "RASM",
    "RBTRANSFORMER_BANDS",
    "RBTRANSFORMER_PAPER_BANDS",
    "SEED_BANDS",
    "SEED_IV_BANDS",
    "Aperiodic",
    "Band",
    "BandFilter",
    "BandPower",
    "Bands",
    "Connectivity",
    "Covariance",
    "DifferentialEntropy",
    "EDAHeartCoupling",
    "Extracted",
    "Family",
    "FractalDimension",
    "FrontalAlphaAsymmetry",
    "HeartRate",
    "Hjorth",
    "LineLength",
    "Motion",
    "MovingAverage",
    "Origin",
    "Recipe",
    "Respiration",
    "RespirationHeartCoupling",
    "Rotation",
    "SpectralEntropy",
    "Step",
    "Stream",
    "StreamChannel",
    "StreamEvents",
    "SubjectFeatures",
    "Temperature",
    "TopographicMap",
    "as_matrices",
    "channels_of",
    "concatenate",
    "default_recipe",
    "extract",
    "extract_subjects",
    "features_of_trial",
    "open_features",
    "read_exclusions",
    "save_features",
    "smooth",
    "topographic_maps",
]
