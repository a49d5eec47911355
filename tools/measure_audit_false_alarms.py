"""Measure how often the leakage audit flags a clean split.

``python tools/measure_audit_false_alarms.py 100`` makes that many tables in each of eleven worlds, splits
each by person and by trial, audits both and prints what was flagged.
"""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioaffect.evaluation.leakage import audit

N_SUBJECTS, N_TRIALS, N_WINDOWS, N_FEATURES = 12, 12, 10, 20
WORLDS = (
    "plain",
    "heavy tails",
    "mixed",
    "random walk",
    "pure random walk",
    "noise",
    "overlapping windows",
    "smoothed within trials",
    "few features",
    "labelled",
    "drift",
)


def table(world: str, rng: np.random.Generator) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Make coordinates and features in which nothing is wrong."""
    grid = np.meshgrid(range(N_SUBJECTS), range(N_TRIALS), range(N_WINDOWS), indexing="ij")
    subject, trial, window = (axis.ravel() for axis in grid)
    n, p = len(subject), N_FEATURES
    session = N_SUBJECTS, N_TRIALS * N_WINDOWS, p

    def draw(*shape: int) -> NDArray[np.float64]:
        return rng.standard_t(3, shape) if world == "heavy tails" else rng.standard_normal(shape)

    people = draw(N_SUBJECTS, p)[subject]
    X = people + 0.5 * draw(N_SUBJECTS, N_TRIALS, p)[subject, trial] + 0.4 * draw(n, p)
    label = np.stack([rng.permutation(np.arange(N_TRIALS) % 2) for _ in range(N_SUBJECTS)])[subject, trial]
    if world == "mixed":
        X = X @ draw(p, p) / 4
    elif world == "random walk":
        X = people + 0.4 * draw(n, p) + np.cumsum(0.3 * draw(*session), axis=1).reshape(n, p)
    elif world == "pure random walk":
        X = np.cumsum(draw(*session), axis=1).reshape(n, p)
    elif world == "noise":
        X = draw(n, p)
    elif world == "overlapping windows":
        halves = draw(N_SUBJECTS, N_TRIALS, N_WINDOWS + 1, p)
        X += 0.4 * ((halves[:, :, 1:] + halves[:, :, :-1]) / 2).reshape(n, p)
    elif world == "smoothed within trials":
        own = pd.DataFrame(X).groupby(subject * N_TRIALS + trial)
        X = own.transform(lambda part: part.rolling(5, center=True, min_periods=1).mean()).to_numpy()
    elif world == "few features":
        X = X[:, :3]
    elif world == "labelled":
        X += label[:, np.newaxis] * (np.arange(p) < 5)
    elif world == "drift":
        X += (trial * N_WINDOWS + window)[:, np.newaxis] / (N_TRIALS * N_WINDOWS) * draw(p)
    coords = pd.DataFrame(
        {
            "subject": subject,
            "session": "1",
            "trial": trial,
            "order": trial,
            "start": 2.0 * window,
            "duration": 2.0,
            "elapsed": 60.0 * trial + 2.0 * window,
            "target": np.where(label, "high", "low"),
        }
    )
    return coords, X


def main(n_seeds: int) -> None:
    """Print what was flagged in each world."""
    for world in WORLDS:
        flagged: Counter[str] = Counter()
        for seed in range(n_seeds):
            coords, X = table(world, np.random.default_rng(seed))
            person, trial = coords["subject"].to_numpy(), coords["trial"].to_numpy()
            for is_test, declares in ((person < 2, ()), (trial % 4 == 0, ("subject", "session"))):
                train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
                flagged.update(audit(coords, train, test, features=X, declares=declares).kinds)
        print(f"{world}: flagged in {2 * n_seeds} clean splits: {dict(flagged) or 'nothing'}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
