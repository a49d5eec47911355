"""Windows to labelled features, one file a family."""

from physioaffect.features.bands import BANDS, RBTRANSFORMER, RBTRANSFORMER_PAPER, SEED, SEED_IV, Band, Bands
from physioaffect.features.defaults import FAMILIES, default_recipe
from physioaffect.features.differential_entropy import DifferentialEntropy
from physioaffect.features.eda import EDA
from physioaffect.features.extraction import Extracted, SubjectFeatures, extract, extract_subjects
from physioaffect.features.heart import HeartRate
from physioaffect.features.motion import Motion
from physioaffect.features.recipe import Family, Recipe, Step
from physioaffect.features.temperature import Temperature
from physioaffect.features.trial_table import concatenate, features_of_trial

__all__ = [
    "BANDS",
    "EDA",
    "FAMILIES",
    "RBTRANSFORMER",
    "RBTRANSFORMER_PAPER",
    "SEED",
    "SEED_IV",
    "Band",
    "Bands",
    "DifferentialEntropy",
    "Extracted",
    "Family",
    "HeartRate",
    "Motion",
    "Recipe",
    "Step",
    "SubjectFeatures",
    "Temperature",
    "concatenate",
    "default_recipe",
    "extract",
    "extract_subjects",
    "features_of_trial",
]
