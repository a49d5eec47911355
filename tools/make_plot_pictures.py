"""Write docs/pictures/plot-*.png: the figures of docs/plots.md, of real recordings.

    python tools/make_plot_pictures.py FOLDER

FOLDER holds

* ``realeeg/eegmmidb_S001/`` and ``realeeg/eegmat/``, as make_pictures.py says,
* ``realdata/stress_predict/``: Stress-Predict (Iqbal et al. 2022, doi 10.3390/s22218135, MIT).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from make_pictures import OUT, eyes, trial_of, write
from make_protocol_picture import study

from physioaffect.datasets import EEGMAT, wearable
from physioaffect.evaluation import evaluate
from physioaffect.features import SEED_BANDS, DifferentialEntropy, Recipe, concatenate, features_of_trial
from physioaffect.plots import (
    plot_bands,
    plot_confusion,
    plot_protocol,
    plot_reliability,
    plot_signals,
    plot_subjects,
)
from physioaffect.signals.beats import BeatsFromPPG
from physioaffect.signals.eeg import clean_eeg
from physioaffect.signals.quality import MarkQuality
from physioaffect.windows import Windowing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def signals(folder: Path) -> Figure:
    """Draw the first session of Stress-Predict."""
    trial = next(iter(wearable(folder).read(folder)))
    for step in (MarkQuality(), BeatsFromPPG()):
        trial = step(trial)
    names = ["eda", "ppg", "ibi", "hr", "temperature", "acc", "tags"]
    return plot_signals(trial, names=names, title="Stress-Predict, S01")


def classes(folder: Path) -> Figure:
    """Draw differential entropy with open and with closed eyes."""
    recipe = Recipe(
        windows=Windowing(duration=4, step=2),
        features=(DifferentialEntropy(bands=SEED_BANDS.within((1, 45))),),
    )
    parts = [
        features_of_trial(trial_of(clean_eeg(signal).recording, f"eyes {name}", order), recipe)
        for order, (name, signal) in enumerate(eyes(folder).items())
    ]
    return plot_bands(concatenate(parts).de, by="condition")


def results(folder: Path) -> Iterator[tuple[str, Figure]]:
    """Draw what comes out for mental arithmetic against rest."""
    models, protocols = ["lda", "random_forest"], ["loso", "window_random"]
    result = evaluate(EEGMAT, folder, models=models, protocols=protocols)
    yield "subjects", plot_subjects(result)
    yield "confusion", plot_confusion(result, protocols="loso")
    yield "reliability", plot_reliability(result, protocols="loso")


def figures(folder: Path) -> Iterator[tuple[str, Figure]]:
    """Draw all, one after the other."""
    yield "protocol", plot_protocol("loso", study().assign(dataset="A"))
    yield "signals", signals(folder / "realdata" / "stress_predict")
    yield "classes", classes(folder / "realeeg" / "eegmmidb_S001")
    yield from results(folder / "realeeg" / "eegmat")


if __name__ == "__main__":
    for name, figure in figures(Path(sys.argv[1])):
        write(OUT / f"plot-{name}.png", figure)
