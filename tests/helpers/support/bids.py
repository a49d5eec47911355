"""A small study in BIDS: EEG and ECG of clips, with files in every format that is read."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from physioaffect.data_set import Exclusion
from physioaffect.datasets import Moment, World, bids, simulate_ecg, simulate_eeg
from physioaffect.recording import Trial

mne_bids = pytest.importorskip("mne_bids")
pyedflib = pytest.importorskip("pyedflib")

NAMES = ("F3", "F4", "P3", "P4")
SFREQ = 128
CLIPS = (("sad", 10.0), ("glad", 30.0), ("sad", 50.0), ("glad", 70.0))  # Condition and onset; 15 s each.
SECONDS = 90


def write_edf(path: Path, eeg: np.ndarray, other: np.ndarray, label: str = "ECG", unit: str = "uV") -> Path:
    """Micro-units in 16 bits, 0.1 a step, rounded down."""
    data = np.concatenate([eeg, other]) * 1e6
    headers = [
        {
            "label": name,
            "dimension": unit if name == label else "uV",
            "sample_frequency": SFREQ,
            "physical_min": -3276.8,
            "physical_max": 3276.7,
            "digital_min": -32768,
            "digital_max": 32767,
        }
        for name in (*NAMES, label)
    ]
    with pyedflib.EdfWriter(str(path), len(headers), file_type=pyedflib.FILETYPE_EDFPLUS) as writer:
        writer.setSignalHeaders(headers)
        writer.writeSamples(list(data))
    return path


def write_bdf(path: Path, data: np.ndarray) -> Path:
    headers = pyedflib.highlevel.make_signal_headers(
        [*NAMES, "ECG"], "uV", SFREQ, -3000, 3000, -8388608, 8388607
    )
    with pyedflib.EdfWriter(str(path), len(headers), file_type=pyedflib.FILETYPE_BDFPLUS) as writer:
        writer.setSignalHeaders(headers)
        writer.writeSamples(list(data * 1e6))
    return path


def recording(subject: int) -> tuple[np.ndarray, np.ndarray]:
    """A rest with clips in it, glad ones of high valence."""
    world = World()
    eeg, ecg = np.zeros((len(NAMES), SECONDS * SFREQ)), np.zeros((1, SECONDS * SFREQ))
    for start in range(0, SECONDS, 5):
        clip = next((c for c, (_, onset) in enumerate(CLIPS) if onset <= start < onset + 15), None)
        valence = 0.0 if clip is None else (1.0 if CLIPS[clip][0] == "glad" else -1.0)
        moment = Moment(subject=subject, trial=start, stimulus=0, valence=valence)
        part = slice(start * SFREQ, (start + 5) * SFREQ)
        eeg[:, part] = simulate_eeg(world, moment, ch_names=NAMES, sfreq=SFREQ, n_times=5 * SFREQ)
        ecg[:, part] = simulate_ecg(world, moment, sfreq=SFREQ, n_times=5 * SFREQ)
    return eeg, ecg


def write_study(root: Path, *, n_subjects: int = 3, has_events: bool = True) -> Path:
    import mne

    scratch = root.parent / f"{root.name}-scratch"
    scratch.mkdir()
    for subject in range(n_subjects):
        raw = mne.io.read_raw_edf(write_edf(scratch / f"{subject}.edf", *recording(subject)), verbose="error")
        raw.set_channel_types({"ECG": "ecg"}, verbose="error")
        if has_events:
            onsets, names = [onset for _, onset in CLIPS], [name for name, _ in CLIPS]
            raw.set_annotations(mne.Annotations(onsets, [15.0] * len(CLIPS), names), verbose="error")
        path = mne_bids.BIDSPath(subject=f"{subject + 1:02d}", task="clips", datatype="eeg", root=root)
        mne_bids.write_raw_bids(raw, path, overwrite=True, verbose="error")
    return root


def eeg_file(root: Path, ending: str, subject: str = "01") -> Path:
    return root / f"sub-{subject}" / "eeg" / f"sub-{subject}_task-clips_{ending}"


def write_physio(root: Path, columns: dict[str, np.ndarray], **sidecar: Any) -> Path:
    folder = root / "sub-01" / "eeg"
    folder.mkdir(parents=True, exist_ok=True)
    about = {"SamplingFrequency": 4.0, "StartTime": 0.0, "Columns": list(columns)} | sidecar
    (folder / "sub-01_task-clips_physio.json").write_text(json.dumps(about))
    rows = [
        "\t".join("n/a" if np.isnan(v) else f"{v:.12f}" for v in row)
        for row in zip(*columns.values(), strict=True)
    ]
    path = folder / "sub-01_task-clips_physio.tsv.gz"
    path.write_bytes(gzip.compress(("\n".join(rows) + "\n").encode()))
    return path


def read(root: Path, **options: Any) -> tuple[list[Trial], list[Exclusion]]:
    exclusions: list[Exclusion] = []
    return list(bids(root, **options).read(root, report=exclusions.append)), exclusions


def write_eeglab(root: Path, *, data: Any) -> Path:
    """A header that holds the samples in microvolts, or the name of the file that does."""
    folder = root / "sub-01" / "eeg"
    folder.mkdir(parents=True)
    (root / "dataset_description.json").write_text('{"Name": "Set", "BIDSVersion": "1.9.0"}')
    (folder / "sub-01_task-clips_eeg.json").write_text(json.dumps({"SamplingFrequency": SFREQ}))
    rows = ["name\ttype\tunits", *(f"{name}\tEEG\tuV" for name in NAMES)]
    (folder / "sub-01_task-clips_channels.tsv").write_text("\n".join(rows) + "\n")
    places = np.array([(name, k) for k, name in enumerate(NAMES)], dtype=[("labels", "O"), ("urchan", "O")])
    content = {
        "setname": "set",
        "nbchan": float(len(NAMES)),
        "trials": 1.0,
        "srate": float(SFREQ),
        "pnts": float(SECONDS * SFREQ),
        "xmin": 0.0,
        "xmax": SECONDS - 1 / SFREQ,
        "data": data,
        "chanlocs": places,
        "event": np.empty((0, 0)),
        "epoch": np.empty((0, 0)),
    }
    path = folder / "sub-01_task-clips_eeg.set"
    savemat(path, {"EEG": content}, appendmat=False)
    return path
