"""People who differ, made without any data set: raw windows and features with known laws."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioaffect.evaluation.models import uses_of
from physioaffect.evaluation.protocols.folds import Fold
from physioaffect.evaluation.running.fitting import fit
from physioaffect.recording import Signal
from physioaffect.windows import Intervals, Windows


class People(NamedTuple):
    """Windows, their labels (0 or 1) and their people, row by row."""

    X: Any
    y: NDArray[np.intp]
    groups: NDArray[np.str_]


def raw_people(*, effect: float, n_people: int = 8, n_trials: int = 6, seed: int = 0) -> People:
    """White noise in three sources, mixed in each person's way.

    In class 1 the first source is ``exp(effect)`` times as loud, and the second as many times as faint. Each
    trial has four windows of a second at 64 Hz. The mixings are symmetric: they stretch, and turn nothing.
    """
    rng = np.random.default_rng(seed)
    trials, labels, people = [], [], []
    for person in range(n_people):
        axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        mixing = axes * np.exp(rng.normal(scale=2, size=3)) @ axes.T
        for label in rng.permutation(np.arange(n_trials) % 2):
            sources = (
                rng.normal(size=(3, 256)) * np.exp(label * np.array([effect, -effect, 0]))[:, np.newaxis]
            )
            data = 1e-5 * mixing @ sources
            trials.append(Signal(data=data, sfreq=64.0, ch_names=("A", "B", "C"), kind="eeg", unit="V"))
            labels += [label] * 4
            people += [f"S{person}"] * 4
    windows = Windows(trials, [Intervals(np.arange(4.0), 1.0)] * len(trials))
    return People(windows, np.array(labels), np.array(people))


def feature_people(
    *,
    effect: float,
    offset: float = 0.0,
    gain: float = 0.0,
    n_people: int = 8,
    n_windows: int = 60,
) -> People:
    """White noise on two features, plus ``effect`` on the first in class 1; a gain and offset per person."""
    rng = np.random.default_rng(0)
    y = np.tile(np.arange(n_windows) % 2, n_people)
    groups = np.repeat([f"S{person}" for person in range(n_people)], n_windows)
    X = rng.normal(size=(len(y), 2)) + effect * np.array([1.0, 0.0]) * y[:, np.newaxis]
    gains = np.exp(gain * rng.normal(size=(n_people, 2)))
    offsets = offset * rng.normal(size=(n_people, 2))
    return People(X * np.repeat(gains, n_windows, axis=0) + np.repeat(offsets, n_windows, axis=0), y, groups)


def fold_of(test: str, groups: NDArray[np.str_], *, n_calibration: int = 0) -> Fold:
    """Hold one person out, who is seen unlabelled and whose first windows calibrate."""
    own = np.flatnonzero(groups == test)
    return Fold(
        name=test,
        train_idx=np.flatnonzero(groups != test),
        calibration_idx=own[:n_calibration],
        unlabelled_idx=own[n_calibration:],
        test_idx=own[n_calibration:],
    )


def loso_accuracy(model: Any, people: People, *, n_calibration: int = 0) -> float:
    """Share of right predictions, each person held out once."""
    right = []
    for name in np.unique(people.groups):
        fold = fold_of(name, people.groups, n_calibration=n_calibration)
        fitted = fit(model, *people, fold)
        rows = fold.test_idx
        asked = people.X.select(rows) if isinstance(people.X, Windows) else people.X[rows]
        options = {"groups": people.groups[rows]} if "groups" in uses_of(model) else {}
        right.append(fitted.predict(asked, **options) == people.y[rows])
    return float(np.mean(np.concatenate(right)))
