"""Draw the picture of docs/protocols.md: one split of each protocol in a small study.

Usage: .venv/bin/python tools/make_protocol_picture.py docs/pictures/protocols.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from physioaffect.evaluation.protocols import get_protocol
from physioaffect.evaluation.protocols.folds import Fold, person_names

# Of each protocol the fold that is drawn.
DRAWN = {
    "window_random": 0,
    "trial_chunk_5": 2,
    "within_subject_trial": 6,
    "within_subject_trial_loto": 16,
    "front_back": 4,
    "trial_blocks_3fold": 7,
    "cross_session": 4,
    "loso": 2,
    "loso_3fold": 1,
    "loso_stimulus_3fold": 7,
    "cross_dataset": 1,
    "calibrated_trials_2": 2,
}
ROLES = {
    "not used": "#e8e8e8",
    "trained on": "#9ecae1",
    "between both": "#deebf7",
    "validation": "#3182bd",
    "calibration": "#fdae6b",
    "tested": "#d94801",
}


def study() -> pd.DataFrame:
    """Six people of two data sets, two sessions of six trials, the same six stimuli in each, five windows."""
    rows = [
        {
            "dataset": "A" if subject < 3 else "B",
            "subject": f"{subject + 1}",
            "session": str(session + 1),
            "trial": str(trial + 1),
            "stimulus": str(trial + 1),
            "condition": "",
            "order": trial,
            "window": window,
            "start": 2.0 * window,
            "duration": 2.0,
            "target": ("low", "high")[trial % 2],
        }
        for subject in range(6)
        for session in range(2)
        for trial in range(6)
        for window in range(5)
    ]
    return pd.DataFrame(rows)


def roles(coords: pd.DataFrame, fold: Fold) -> np.ndarray:
    """Number of the role of each window, a row per person."""
    role = np.zeros(len(coords), dtype=int)
    parts = (fold.train_idx, fold.gap_idx, fold.validation_idx, fold.calibration_idx, fold.test_idx)
    for number, rows in enumerate(parts, start=1):
        role[rows] = number
    return role.reshape(coords["subject"].nunique(), -1)


def draw(path: Path) -> None:
    """Draw all and save."""
    coords = study()
    alone = coords.assign(dataset="A")
    figure, axes = plt.subplots(4, 3, figsize=(11, 8.2), layout="constrained")
    for axis, (name, number) in zip(axes.flat, DRAWN.items(), strict=True):
        table = coords if name == "cross_dataset" else alone
        folds = list(get_protocol(name).split(table, np.random.default_rng(1)))
        grid = roles(table, folds[number])
        axis.imshow(
            grid,
            cmap=ListedColormap(list(ROLES.values())),
            vmin=0,
            vmax=len(ROLES) - 1,
            aspect="auto",
            interpolation="none",
        )
        axis.set_title(f"{name}\nfold {number + 1} of {len(folds)}", fontsize=10, family="monospace")
        n_windows = grid.shape[1]
        for edge in range(0, n_windows + 1, 5):
            axis.axvline(edge - 0.5, color="white", linewidth=3 if edge == n_windows // 2 else 1)
        for edge in range(len(grid)):
            axis.axhline(edge - 0.5, color="white", linewidth=2)
        axis.set_xticks(
            [n_windows / 4 - 0.5, 3 * n_windows / 4 - 0.5], ["session 1", "session 2"], fontsize=8
        )
        axis.set_yticks(range(len(grid)), dict.fromkeys(person_names(table)), fontsize=8)
        axis.set_ylabel("person", fontsize=8)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
    figure.legend(
        handles=[Patch(color=color, label=role) for role, color in ROLES.items()],
        loc="outside lower center",
        ncols=len(ROLES),
        frameon=False,
    )
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
