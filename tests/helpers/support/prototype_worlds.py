"""Embeddings of EEG whose truth is known: with or without valence and arousal in them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVELS = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])


class World(NamedTuple):
    """Windows of people in trials, rated once a trial."""

    X: NDArray[np.float64]
    valence: NDArray[np.float64]
    arousal: NDArray[np.float64]
    people: NDArray[np.intp]
    trials: NDArray[np.intp]


def bump(valence: NDArray[np.float64], arousal: NDArray[np.float64]) -> NDArray[np.float64]:
    """A surface over the plane on which nearness falls with distance: 16 bells on a 4 x 4 raster."""
    at = np.stack(np.meshgrid(*[np.linspace(-1, 1, 4)] * 2), axis=-1).reshape(-1, 2)
    squared = (valence[:, None] - at[:, 0]) ** 2 + (arousal[:, None] - at[:, 1]) ** 2
    return np.exp(-squared / (2 * 0.6**2))


def world(
    seed: int,
    *,
    signal: float,
    n_people: int = 12,
    n_trials: int = 20,
    n_windows: int = 4,
    n_dims: int = 24,
    levels: NDArray[np.float64] = LEVELS,
) -> World:
    """Draw a direction that all share, one of each person and trial, and ``signal`` times that of ratings."""
    rng = np.random.default_rng(seed)
    n = n_people * n_trials
    ratings = rng.choice(levels, (2, n))
    mixing = rng.standard_normal((16, n_dims)) / np.sqrt(16)
    of_trial = (
        2.0 * rng.standard_normal(n_dims)
        + np.repeat(rng.standard_normal((n_people, n_dims)), n_trials, axis=0)
        + 0.7 * rng.standard_normal((n, n_dims))
        + signal * bump(*ratings) @ mixing
    )
    X = np.repeat(of_trial, n_windows, axis=0) + 0.7 * rng.standard_normal((n * n_windows, n_dims))
    person = np.repeat(np.arange(n_people), n_trials)
    trial = np.tile(np.arange(n_trials), n_people)
    return World(X, *(np.repeat(one, n_windows) for one in (*ratings, person, trial)))
