"""What is added is tested by being added: simulate, check, read and evaluate of every data set."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioaffect.data_set import DataSet, Exclusion
from physioaffect.datasets import DATASETS, FACE_SETS, check
from physioaffect.evaluation import evaluate

SIMULATED = sorted(name for name, dataset in DATASETS.items() if dataset.simulate is not None)
SIMULATED_FACES = sorted(name for name, faces in FACE_SETS.items() if faces.simulate is not None)
# Large even when small.
SLOW = ("seed_raw", "seed_v", "wesad", "wesad_chest")
N_SUBJECTS = 3
# Where trials have a length of their own, and where writing everything takes long.
OWN: Mapping[str, Mapping[str, Any]] = {
    "eegmat": {"max_seconds": 60.0},
    "eegmat_whole": {"max_seconds": 60.0},
    "wesad": {"is_raw_written": False},
    "wesad_chest": {"is_raw_written": False},
}


def simulate(dataset: DataSet, folder: Path) -> Path:
    assert dataset.simulate is not None
    accepted = inspect.signature(dataset.simulate).parameters
    small: dict[str, Any] = {"n_subjects": N_SUBJECTS, "max_seconds": 1.5 * dataset.window}
    if "n_clips" in accepted:
        small["n_clips"] = min(6, accepted["n_clips"].default)
    return dataset.simulate(folder, **{**small, **OWN.get(dataset.name, {})})


def is_checked_good(dataset: DataSet, root: Path) -> None:
    result = check(dataset, root)
    assert result.deviations == ()
    assert "These are simulated data, no recordings of people." in result.notes
    assert [row.what for row in result.rows if row.is_good is False] == []


def is_read_as_promised(dataset: DataSet, root: Path) -> None:
    exclusions: list[Exclusion] = []
    identifiers = set()
    for trial in dataset.read(root, report=exclusions.append):
        identifiers.add((trial.subject, trial.session, trial.trial))
        assert trial.dataset == dataset.name
        assert "simulated" in trial.tags
        for name, sfreq in dataset.sfreqs.items():
            signal = trial.signal(name)
            assert signal.sfreq == sfreq
            assert signal.ch_names == dataset.ch_names.get(name, signal.ch_names)
            assert np.isfinite(signal.data).any()
        for name, value in trial.ratings.items():
            low, high = dataset.ratings.get(name, (-np.inf, np.inf))
            assert np.isnan(value) or low <= value <= high
    assert [item for item in exclusions if not item.expected] == []
    assert len({subject for subject, _, _ in identifiers}) == N_SUBJECTS


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in SIMULATED]
)
def test_what_is_simulated_is_found_good_read_and_evaluated(name, tmp_path):
    dataset = DATASETS[name]
    root = simulate(dataset, tmp_path / "simulated")
    assert all(path.is_file() for path in dataset.files(root))
    is_checked_good(dataset, root)
    is_read_as_promised(dataset, root)
    result = evaluate(dataset, root, models=["logistic"], protocols=["loso"], out=tmp_path / "out")
    assert result.run["table"]["simulated"]
    assert result.run["table"]["n_subjects"] == N_SUBJECTS
    assert result.run["exclusions"] == [] or all(item["expected"] for item in result.run["exclusions"])


@pytest.mark.parametrize("name", SIMULATED_FACES)
def test_faces_are_simulated_checked_and_read(name, tmp_path):
    faces = FACE_SETS[name]
    assert faces.simulate is not None
    root = faces.simulate(tmp_path / name)
    result = check(faces, root)
    assert result.deviations == ()
    read = list(faces.read(root, report=lambda _: None))
    assert read
    assert len({face.face for face in read}) == len(read)
    assert {face.split for face in read} <= {*faces.splits}
    assert {label for face in read for label in face.votes} <= {*faces.classes}
