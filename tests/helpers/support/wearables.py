"""Small exports of an E4, as files."""

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

STARTED = 1_644_226_061

# The map of a text table of skin conductance.
CLIP = """\
device = "Finger clip"
[[signals]]
name = "eda"
columns = ["gsr"]
unit = "uS"
sfreq = 4.0
"""


def _text(started: int, sfreq: float, values: NDArray[np.float64]) -> str:
    columns = np.atleast_2d(values)
    head = [",".join([f"{number:.6f}"] * len(columns)) for number in (started, sfreq)]
    return "\n".join([*head, *(",".join(f"{value:.6g}" for value in row) for row in columns.T)]) + "\n"


def session(seconds: int, *, started: int = STARTED, seed: int = 0) -> dict[str, str]:
    """Files of a wrist at rest: a bump of skin conductance every 20 s, a heart at 75 bpm that breathes.

    Its rate comes ten seconds late: of a shorter session there is none.
    """
    rng = np.random.default_rng(seed)
    times = np.arange(4 * seconds) / 4
    beats = np.cumsum(0.8 + 0.05 * np.sin(np.arange(2 * seconds) / 5))
    phase = np.interp(np.arange(64 * seconds) / 64, beats, np.arange(len(beats)))
    gravity = np.array([[0.0], [0.0], [64.0]])
    lengths = np.diff(beats, prepend=0.0)
    intervals = [
        f"{time:.6f},{length:.6f}\n" for time, length in zip(beats, lengths, strict=True) if time < seconds
    ]
    rate = 75 + np.sin(np.arange(10, seconds) / 7)
    files = {
        "ACC.csv": _text(started, 32, np.rint(gravity + rng.normal(scale=0.4, size=(3, 32 * seconds)))),
        "BVP.csv": _text(started, 64, 50 * np.cos(2 * np.pi * phase)),
        "EDA.csv": _text(started, 4, 2 + 0.5 * np.exp(-(((times + 10) % 20 - 10) ** 2) / 3)),
        "TEMP.csv": _text(started, 4, 33 + rng.normal(scale=0.01, size=4 * seconds)),
        "HR.csv": _text(started + 10, 1, rate),
        "IBI.csv": f"{started:.6f}, IBI\n" + "".join(intervals),
        "tags.csv": "",
    }
    return files if seconds > 10 else {name: text for name, text in files.items() if name != "HR.csv"}


def write_zip(path: Path, seconds: int, *, started: int = STARTED, seed: int = 0) -> Path:
    """Write a session as a zip, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in session(seconds, started=started, seed=seed).items():
            archive.writestr(name, text)
    return path


def write_folder(folder: Path, seconds: int, *, started: int = STARTED, seed: int = 0) -> Path:
    """Write it as the files of a folder."""
    folder.mkdir(parents=True)
    for name, text in session(seconds, started=started, seed=seed).items():
        (folder / name).write_text(text)
    return folder
