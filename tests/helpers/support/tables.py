"""Feature tables with known content, made without any data set."""

import numpy as np
import xarray as xr

from physioaffect.data_set import Task
from physioaffect.recording import Trial


def _rating_above_three(trial: Trial) -> str:
    return "high" if trial.ratings["valence"] > 3 else "low"


VALENCE = Task(
    name="valence",
    description="Valence above 3 is high.",
    kind="binary",
    classes=("low", "high"),
    target=_rating_above_three,
    source="rating",
)
VALENCE_SCORE = Task(
    name="valence_score",
    description="Valence as rated, 1 to 5.",
    kind="regression",
    target=lambda trial: trial.ratings["valence"],
    source="rating",
)


def feature_table(
    *,
    n_subjects: int = 4,
    n_trials: int = 6,
    n_windows: int = 5,
    effect: float = 0.0,
    nuisance: float = 1.0,
    seed: int = 0,
) -> xr.Dataset:
    """Noise of SD 0.1 around an offset per trial of SD ``nuisance``, plus ``effect`` if valence is high."""
    rng = np.random.default_rng(seed)
    subject, trial, window = (
        axis.ravel()
        for axis in np.meshgrid(range(n_subjects), range(n_trials), range(n_windows), indexing="ij")
    )
    # Half of each person's trials are high, in an order of their own.
    ratings = np.stack([rng.permutation(np.arange(n_trials) % 2) for _ in range(n_subjects)]) * 3.0 + 1
    offsets = nuisance * rng.standard_normal((n_subjects, n_trials, 3, 2))
    values = offsets[subject, trial] + 0.1 * rng.standard_normal((len(subject), 3, 2))
    values[:, 0] += effect * (ratings[subject, trial] > 3)[:, None]
    names = {
        "dataset": np.full(len(subject), "made"),
        "subject": np.array([f"S{number + 1}" for number in subject]),
        "session": np.full(len(subject), "1"),
        "trial": trial.astype(str),
        "stimulus": trial.astype(str),
        "condition": np.full(len(subject), ""),
        "tags": np.full(len(subject), ""),
        "order": trial,
        "window": window,
        "start": 2.0 * window,
        "duration": np.full(len(subject), 2.0),
        "elapsed": 100.0 * trial + 2.0 * window,
        "quality": np.ones(len(subject)),
        "valence": ratings[subject, trial],
    }
    return xr.Dataset(
        {"de": (("window", "channel", "band"), values)},
        coords={name: ("window", column) for name, column in names.items()}
        | {"channel": ["F3", "Cz", "F4"], "band": ["alpha", "beta"]},
    )
