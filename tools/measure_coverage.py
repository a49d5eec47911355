"""Make the tables of interval coverage in docs/statistics.md.

    python tools/measure_coverage.py [REPETITIONS]

Prints Markdown: how often 95 % intervals of the mean over subjects hold the true mean, for several kinds of
scores and numbers of subjects; and the same for a leave-one-subject-out evaluation that is simulated as a
whole, where the scores are not independent. With 10,000 repetitions (the default) the figures are good to
0.4 points (two standard errors at 95 %) and it takes some five minutes; SciPy's intervals are measured on a
fifth of them.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from threadpoolctl import threadpool_limits

from physioaffect.evaluation.statistics import mean_intervals
from physioaffect.evaluation.statistics.intervals import Method

SUBJECTS = (8, 15, 23, 32)
World = Callable[[int, int, np.random.Generator], NDArray[np.float64]]


def few_trials(mean: float, sd: float, n_trials: int) -> World:
    """Balanced accuracies of so many trials, half of each class, of subjects whose true score is beta."""
    concentration = mean * (1 - mean) / sd**2 - 1

    def draw(n_subjects: int, n_repetitions: int, rng: np.random.Generator) -> NDArray[np.float64]:
        true = rng.beta(mean * concentration, (1 - mean) * concentration, (n_subjects, n_repetitions))
        return rng.binomial(n_trials, true) / n_trials

    return draw


# True mean of each, and how to draw (n_subjects, n_repetitions) scores.
WORLDS: dict[str, tuple[float, World]] = {
    "normal, SD 0.10": (0.6, lambda n, r, rng: rng.normal(0.6, 0.1, (n, r))),
    "18 trials, 0.50 ± 0.05": (0.5, few_trials(0.5, 0.05, 18)),
    "18 trials, 0.65 ± 0.10": (0.65, few_trials(0.65, 0.1, 18)),
    "18 trials, 0.75 ± 0.10": (0.75, few_trials(0.75, 0.1, 18)),
    "40 trials, 0.60 ± 0.10": (0.6, few_trials(0.6, 0.1, 40)),
    "2 trials, 0.60 ± 0.15": (0.6, few_trials(0.6, 0.15, 2)),
    "18 trials, 0.85 ± 0.12": (0.85, few_trials(0.85, 0.12, 18)),
    "18 trials, 0.95 ± 0.06": (0.95, few_trials(0.95, 0.06, 18)),
    "2 trials, 0.85 ± 0.15": (0.85, few_trials(0.85, 0.15, 2)),
    "errors (gamma, shape 2)": (2.0, lambda n, r, rng: rng.gamma(2.0, 1.0, (n, r))),
}
# Where both methods are claimed to hold 95 %: scores that are not close to the end of their scale.
CLAIMED = tuple(WORLDS)[:6]
METHODS: tuple[Method, ...] = ("t", "bootstrap", "corrected")
PEERS = ("percentile", "BCa")
SHOWN = ("t", "bootstrap", *PEERS)


def covers(low: NDArray[np.float64], high: NDArray[np.float64], mean: float) -> float:
    """Share of intervals that hold the mean; an interval that is NaN holds nothing."""
    return float(np.mean((low <= mean + 1e-12) & (high >= mean - 1e-12)))


def coverage(
    name: str, n: int, n_repetitions: int, methods: Iterable[Any] = METHODS, *, n_resamples: int = 10_000
) -> dict[str, float]:
    """Coverage of 95 % intervals of n subjects' mean, by method."""
    mean, draw = WORLDS[name]
    scores = draw(n, n_repetitions, np.random.default_rng([n, *name.encode()]))
    bounds = (-np.inf, np.inf) if name.startswith(("normal", "errors")) else (0.0, 1.0)
    found = {}
    for method in methods:
        if method in PEERS:
            found[method] = covers(*_of_scipy(scores[:, : n_repetitions // 5], method), mean)
        else:
            limits = mean_intervals(scores, method=method, bounds=bounds, n_resamples=n_resamples)
            found[method] = covers(limits.low, limits.high, mean)
    return found


def _of_scipy(scores: NDArray[np.float64], method: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    data: Any = (scores.T,)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Equal scores have no BCa interval.
        found = stats.bootstrap(
            data,
            np.mean,
            axis=-1,
            n_resamples=2000,
            batch=20,
            method=method,
            rng=np.random.default_rng(0),
        )
    limits: Any = found.confidence_interval
    return limits.low, limits.high


def loso_scores(n: int, n_repetitions: int, effect: float) -> NDArray[np.float64]:
    """Balanced accuracies of two models, leaving one subject out: (2, n_subjects, n_repetitions).

    18 trials a subject and two sets of ten features of unit noise, one for each model. In each set the
    classes' difference has length ``effect`` and differs between subjects by 0.3 a feature, so the models
    are equally good. Both classify by the nearer class mean.
    """
    rng = np.random.default_rng([n, int(100 * effect)])
    n_trials, n_features = 9, 10
    scores = np.empty((2, n, n_repetitions))
    for repetition in range(n_repetitions):
        gap = 0.3 * rng.standard_normal((2, n, 1, 1, n_features))
        gap[..., 0] += effect
        X = rng.standard_normal((2, n, 2, n_trials, n_features)) + gap * np.array([-0.5, 0.5])[:, None, None]
        means = X.mean(axis=3)  # (2, n_subjects, n_classes, n_features)
        others = (means.sum(axis=1, keepdims=True) - means) / (n - 1)
        middle, normal = others.mean(axis=2), others[:, :, 1] - others[:, :, 0]
        side = ((X - middle[:, :, None, None]) @ normal[:, :, None, :, None])[..., 0] > 0
        scores[:, :, repetition] = (side == np.array([False, True])[:, None]).mean(axis=(2, 3))
    return scores


def of_loso(n: int, n_repetitions: int, effect: float) -> dict[str, float]:
    """Coverage in a whole leave-one-subject-out evaluation, and how often two equal models seem to differ."""
    first, second = loso_scores(n, n_repetitions, effect)
    mean = float(first.mean())
    found = {"score": mean}
    for method in METHODS:
        limits = mean_intervals(first, method=method, bounds=(0, 1))
        found[method] = covers(limits.low, limits.high, mean)
    found["variance"] = float(first.mean(axis=0).var() / np.mean(first.var(axis=0, ddof=1) / n))
    tests: dict[str, Method] = {"paired t test": "t", "paired, corrected": "corrected"}
    for name, method in tests.items():
        limits = mean_intervals(first - second, method=method)
        found[name] = 1 - covers(limits.low, limits.high, 0.0)
    return found


def print_rows(
    first: str, columns: Iterable[str], rows: Iterable[tuple[str, list[dict[str, float]]]]
) -> None:
    """Print a Markdown table: a row for each kind of scores, percent by numbers of subjects in the cells."""
    columns = list(columns)
    print(f"| {first} | " + " | ".join(columns) + " |")
    print("| --- |" + " --- |" * len(columns))
    for name, found in rows:
        cells = [
            " / ".join(
                f"{own[c]:.2f}" if c in {"score", "variance"} else f"{100 * own[c]:.1f}" for own in found
            )
            for c in columns
        ]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def main(n_repetitions: int = 10_000) -> None:
    """Measure and print."""
    print(f"Percent of {n_repetitions} intervals, at {' / '.join(map(str, SUBJECTS))} subjects.\n")
    iid = ((name, [coverage(name, n, n_repetitions, SHOWN) for n in SUBJECTS]) for name in WORLDS)
    print_rows("scores", SHOWN, iid)
    print()
    loso = (
        (f"{effect:g}", [of_loso(n, n_repetitions, effect) for n in SUBJECTS])
        for effect in (0.0, 0.3, 0.6, 1.2, 2.4)
    )
    print_rows("effect", ("score", *METHODS, "variance", "paired t test", "paired, corrected"), loso)


if __name__ == "__main__":
    with threadpool_limits(1):
        main(*map(int, sys.argv[1:]))
