"""Draw the picture of docs/protocols.md: one split of each protocol in a small study.

Usage: .venv/bin/python tools/make_protocol_picture.py docs/pictures/protocols.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from physioaffect._drawing import new_figure
from physioaffect._style import PAGE, in_style
from physioaffect.evaluation.protocols import get_protocol
from physioaffect.plots.protocol import add_legend, draw_fold

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


@in_style
def draw(path: Path) -> None:
    """Draw all and save."""
    coords = study()
    alone = coords.assign(dataset="A")
    figure = new_figure(PAGE, 6.6)
    axes = figure.subplots(4, 3)
    shown: set[str] = set()
    for ax, (name, number) in zip(axes.flat, DRAWN.items(), strict=True):
        table = coords if name == "cross_dataset" else alone
        folds = list(get_protocol(name).split(table, np.random.default_rng(1)))
        shown |= draw_fold(ax, table, folds[number])
        ax.set_title(f"{name}\nfold {number + 1} of {len(folds)}", family="monospace", fontsize=8)
    add_legend(figure, shown)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
