"""A run of three small folds, written straight into its folder, without fitting anything."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from physioaffect.evaluation.running.run_folder import RunFolder

RUN: dict[str, Any] = {"request": {"seed": 0}, "task": {"kind": "binary"}}
NAMES = ("00-00-0000", "00-00-0001", "00-00-0002")


def predictions(name: str) -> pd.DataFrame:
    """Twelve windows of three trials of one person."""
    rng = np.random.default_rng(NAMES.index(name))
    p = rng.random(12)
    truth = np.repeat(["low", "high", "low"], 4)
    ids = {
        "protocol": "loso",
        "model": "lda",
        "fold": name,
        "dataset": "made",
        "subject": name,
        "session": "1",
    }
    trial = np.repeat(["0", "1", "2"], 4)
    return pd.DataFrame(
        ids
        | {
            "session": "1",
            "trial": trial,
            "stimulus": trial,
            "window": np.tile(np.arange(4), 3),
            "start": 0.0,
        }
        | {"duration": 1.0, "truth": truth, "prediction": np.where(p > 0.5, "low", "high")}
        | {"p_low": p, "p_high": 1 - p}
    )


def beside(name: str) -> dict[str, pd.DataFrame]:
    """Tables of a fold; the second has learnt in no epochs."""
    number = NAMES.index(name)
    ids = {"protocol": "loso", "model": "lda", "fold": name}
    epochs = np.arange(1, 4)
    curve = pd.DataFrame(ids | {"epoch": epochs, "loss": 1 / (epochs + number), "validation": np.nan})
    importance = pd.DataFrame(ids | {"feature": ["de:Fp1:alpha", "de:Fp1:beta"], "value": [0.25, 0.75]})
    return {"curves": curve.head(0 if number == 1 else 3), "importance": importance}


def write_run(
    path: Path, done: Callable[[str], Any] = lambda _name: None, *, names: Sequence[str] = NAMES
) -> None:
    """Write whatever is missing of the run; ``done`` is called with each part that was not there."""
    with RunFolder(path, RUN) as store:
        if not store.is_finished:
            for name in names:
                if not store.has_part(name):
                    store.write_part(name, predictions(name), tables=beside(name), seconds=0.5)
                    done(name)
        store.finish(names)


def files_of(path: Path) -> dict[str, bytes]:
    """All files of the folder but the log."""
    files = (file for file in path.rglob("*") if file.is_file() and file.name != "log.jsonl")
    return {str(file.relative_to(path)): file.read_bytes() for file in files}
