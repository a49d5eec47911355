"""The data sets, one file each, read as they are distributed."""

if __name__ == "datasets":  # Found by the bare name, so this folder hides Hugging Face datasets.
    raise ImportError(
        "Import physioaffect.datasets, not datasets. If you want Hugging Face datasets, do not "
        "start Python in the repository root, or start it with python -P."
    )

from collections.abc import Callable
from pathlib import Path

from physioaffect.data_folder import data_folder
from physioaffect.data_set import DataSet
from physioaffect.errors import DataError
from physioaffect.faces import FaceSet

from . import unpickle
from .affectnet import AFFECTNET
from .bids import bids
from .check import CheckResult, check
from .check_tally import CheckRow
from .ckplus import CKPLUS
from .condition_tasks import condition_task
from .deap import DEAP, DEAP_ORIGINAL
from .dreamer import DREAMER
from .eegmat import EEGMAT, EEGMAT_WHOLE
from .face_drawing import LOOKS, Look, draw_face
from .ferplus import FERPLUS
from .ferplus_targets import FERPLUS_EMOTIONS, FERPLUS_TARGETS, ferplus_majority, ferplus_probability
from .formats.images import read_image
from .mahnob import MAHNOB
from .seed import SEED, SEED_RAW
from .seed_features import seed_features, seed_iv_features, seed_v_features
from .seed_iv import SEED_IV
from .seed_v import SEED_V
from .simulate import simulate_ecg, simulate_eeg, simulate_ratings
from .simulate_peripheral import (
    simulate_acc,
    simulate_beats,
    simulate_conductance,
    simulate_ppg,
    simulate_respiration,
    simulate_temperature,
)
from .simulated_mark import tags_of_folder
from .stress_predict import STRESS_PREDICT
from .watch import WATCH
from .wearable import wearable
from .wearable_files import find_recordings
from .wesad import WESAD, WESAD_CHEST, wesad_e4, wesad_quest, wesad_respiban
from .world import RHYTHMS, WORLDS, Moment, World, band_gains, heart_rate, latent_affect

__all__ = [
    "AFFECTNET",
    "CKPLUS",
    "DATASETS",
    "DEAP",
    "DEAP_ORIGINAL",
    "DREAMER",
    "EEGMAT",
    "EEGMAT_WHOLE",
    "FACE_SETS",
    "FAMILIES_OF_DATASETS",
    "FERPLUS",
    "FERPLUS_EMOTIONS",
    "FERPLUS_TARGETS",
    "LOOKS",
    "MAHNOB",
    "RHYTHMS",
    "SEED",
    "SEED_IV",
    "SEED_RAW",
    "SEED_V",
    "STRESS_PREDICT",
    "WATCH",
    "WESAD",
    "WESAD_CHEST",
    "WORLDS",
    "CheckResult",
    "CheckRow",
    "Look",
    "Moment",
    "World",
    "band_gains",
    "bids",
    "check",
    "condition_task",
    "draw_face",
    "ferplus_majority",
    "ferplus_probability",
    "find_recordings",
    "get",
    "get_any",
    "get_faces",
    "heart_rate",
    "latent_affect",
    "read_image",
    "seed_features",
    "seed_iv_features",
    "seed_v_features",
    "simulate_acc",
    "simulate_beats",
    "simulate_conductance",
    "simulate_ecg",
    "simulate_eeg",
    "simulate_ppg",
    "simulate_ratings",
    "simulate_respiration",
    "simulate_temperature",
    "tags_of_folder",
    "unpickle",
    "wearable",
    "wesad_e4",
    "wesad_quest",
    "wesad_respiban",
]

DATASETS = {
    dataset.name: dataset
    for dataset in (
        DEAP,
        DEAP_ORIGINAL,
        DREAMER,
        EEGMAT,
        EEGMAT_WHOLE,
        MAHNOB,
        SEED,
        SEED_IV,
        SEED_RAW,
        SEED_V,
        STRESS_PREDICT,
        WATCH,
        WESAD,
        WESAD_CHEST,
    )
}

FACE_SETS = {faces.name: faces for faces in (AFFECTNET, CKPLUS, FERPLUS)}

# Data sets whose value is made from what lies in a folder.
FAMILIES_OF_DATASETS: dict[str, Callable[[Path], DataSet]] = {"bids": bids, "wearable": wearable}


def get(name: str, root: Path | str | None = None) -> DataSet:
    """Look a data set up by name; a `DataError` names those that are known.

    What a member of ``FAMILIES_OF_DATASETS`` holds is told by its folder: the one passed as ``root``, or
    ``$PHYSIOAFFECT_DATA/<name>``.

    Parameters
    ----------
    name : str
        One of ``DATASETS`` or ``FAMILIES_OF_DATASETS``.
    root : path, optional
        The folder; only families of data sets look into it.

    Raises
    ------
    DataError
        If there is no such data set, or the folder of a family's member holds none.

    Examples
    --------
    >>> get("wesad").n_subjects, list(get("eegmat").tasks)
    (15, ['arithmetic'])
    """
    if name in FAMILIES_OF_DATASETS:
        return FAMILIES_OF_DATASETS[name](data_folder(name, root))
    if name in FACE_SETS:
        raise DataError(f"{FACE_SETS[name].title} has faces, not recordings: use get_faces({name!r}).")
    if name not in DATASETS:
        known = sorted({*DATASETS, *FAMILIES_OF_DATASETS})
        raise DataError(f"Unknown data set {name!r}: use one of {', '.join(known)}.")
    return DATASETS[name]


def get_any(name: str, root: Path | str | None = None) -> DataSet | FaceSet:
    """Look up a data set of recordings or of faces.

    Parameters
    ----------
    name : str
        One of ``DATASETS``, ``FAMILIES_OF_DATASETS`` or ``FACE_SETS``.
    root : path, optional
        As for `get`.

    Raises
    ------
    DataError
        If there is no such data set.

    Examples
    --------
    >>> get_any("wesad").title, get_any("ckplus").title
    ('WESAD (wrist)', 'CK+')
    """
    if name in FACE_SETS:
        return FACE_SETS[name]
    if name not in {*DATASETS, *FAMILIES_OF_DATASETS}:
        known = sorted({*DATASETS, *FAMILIES_OF_DATASETS, *FACE_SETS})
        raise DataError(f"Unknown data set {name!r}: use one of {', '.join(known)}.")
    return get(name, root)


def get_faces(name: str) -> FaceSet:
    """Look a data set of faces up by name.

    Parameters
    ----------
    name : str
        One of `FACE_SETS`.

    Raises
    ------
    DataError
        If there is none of that name; it says which there are.

    Examples
    --------
    >>> get_faces("ckplus").name
    'ckplus'
    """
    if name not in FACE_SETS:
        raise DataError(f"Unknown data set of faces {name!r}: use one of {', '.join(sorted(FACE_SETS))}.")
    return FACE_SETS[name]
