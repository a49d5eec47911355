"""The data sets, one file each, read as they are distributed."""

if __name__ == "datasets":  # Found by the bare name, so this folder hides Hugging Face datasets.
    raise ImportError(
        "Import physioaffect.datasets, not datasets. If you want Hugging Face datasets, do not "
        "start Python in the repository root, or start it with python -P."
    )

from physioaffect.errors import DataError
from physioaffect.recording import DataSet

from .dreamer import DREAMER
from .eegmat import EEGMAT, EEGMAT_WHOLE
from .simulate import simulate_ecg, simulate_eeg, simulate_ratings
from .stress_predict import STRESS_PREDICT
from .world import RHYTHMS, WORLDS, Moment, World, band_gains, heart_rate, latent_affect

__all__ = [
    "DATASETS",
    "DREAMER",
    "EEGMAT",
    "EEGMAT_WHOLE",
    "RHYTHMS",
    "STRESS_PREDICT",
    "WORLDS",
    "Moment",
    "World",
    "band_gains",
    "get",
    "heart_rate",
    "latent_affect",
    "simulate_ecg",
    "simulate_eeg",
    "simulate_ratings",
]

DATASETS = {dataset.name: dataset for dataset in (DREAMER, EEGMAT, EEGMAT_WHOLE, STRESS_PREDICT)}


def get(name: str) -> DataSet:
    """Look a data set up by name; a `DataError` names those that are known."""
    if name not in DATASETS:
        raise DataError(f"Unknown data set {name!r}: use one of {', '.join(sorted(DATASETS))}.")
    return DATASETS[name]
