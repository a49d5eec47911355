"""Worlds of known truth at the level of features: quick enough to make hundreds of data sets."""

import numpy as np
import pandas as pd
import xarray as xr

from physioaffect.data_set import Task
from physioaffect.evaluation.table import Table

CLASSES = Task(
    name="felt",
    description="Above the middle is high.",
    kind="binary",
    classes=("high", "low"),
    target=lambda _: None,
    source="rating",
)
NUMBERS = Task(name="felt", description="As felt.", kind="regression", target=lambda _: None, source="rating")
BY_CLIP = Task(
    name="clip",
    description="The clip's class.",
    kind="binary",
    classes=("high", "low"),
    target=lambda _: None,
    source="stimulus",
)


def world_table(  # noqa: PLR0913
    seed: int,
    *,
    n_subjects: int = 8,
    n_trials: int = 10,
    n_windows: int = 2,
    n_features: int = 6,
    affect: float = 0.0,
    clip: float = 0.0,
    agreement: float = 0.0,
    task: Task = CLASSES,
) -> Table:
    """Windows of people who differ, in trials that differ, by normal deviates of SD 1.

    ``affect``: shift per unit of what is felt, in one direction of the features that all people share;
    ``clip``: SD of what a clip does to everyone's features; ``agreement``: SD of what it does to everyone's
    rating, beside 1 of the person's own in this trial. By the task, labels are what is felt, whether it is
    above 0, or a class of each clip that half of them have.
    """
    rng = np.random.default_rng(seed)
    subject, trial, window = (
        axis.ravel()
        for axis in np.meshgrid(range(n_subjects), range(n_trials), range(n_windows), indexing="ij")
    )
    felt = rng.standard_normal((n_subjects, n_trials)) + agreement * rng.standard_normal(n_trials)
    direction = rng.standard_normal(n_features)
    values = rng.standard_normal((n_subjects, n_features))[subject]
    values += rng.standard_normal((n_subjects, n_trials, n_features))[subject, trial]
    values += 0.5 * rng.standard_normal((len(subject), n_features))
    values += clip * rng.standard_normal((n_trials, n_features))[trial]
    values += affect * felt[subject, trial][:, None] * direction / np.linalg.norm(direction)
    labels = {
        "classes": np.where(felt[subject, trial] > 0, "high", "low"),
        "numbers": felt[subject, trial],
        "clips": rng.permutation(np.array(["high", "low"])[np.arange(n_trials) % 2])[trial],
    }
    kind = {NUMBERS.kind: "numbers"}.get(task.kind, "clips" if task.source == "stimulus" else "classes")
    coords = pd.DataFrame(
        {
            "dataset": "made",
            "subject": [f"S{number:02d}" for number in subject],
            "session": "1",
            "trial": trial.astype(str),
            "stimulus": trial.astype(str),
            "window": window,
            "order": trial,
            "start": 2.0 * window,
            "duration": 2.0,
            "elapsed": 100.0 * trial + 2.0 * window,
            "target": labels[kind],
        }
    )
    names = [f"f{number:03d}" for number in range(n_features)]
    features = xr.Dataset({"x": (("window", "feature"), values)}, coords={"feature": names})
    return Table(coords=coords, features=features, raw=None, raw_idx=np.arange(len(subject)))
