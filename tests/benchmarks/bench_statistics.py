"""Intervals, comparisons and tables of scores beside SciPy: run with `make bench`."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from physioaffect.evaluation.statistics import (
    compare_in,
    compare_models,
    mean_interval,
    mean_intervals,
    sign_flip,
    with_intervals,
)


@pytest.fixture(scope="module")
def accuracies() -> np.ndarray:
    """Balanced accuracies of 32 subjects with 40 trials each, under 100 models."""
    rng = np.random.default_rng(0)
    return rng.binomial(40, rng.beta(6, 4, size=(32, 100))) / 40


@pytest.mark.benchmark(group="interval of 32 subjects, 10,000 resamples")
@pytest.mark.parametrize(
    "way",
    [
        "studentised bootstrap",
        "scipy BCa",
        "scipy percentile",
        "t",
        "limit: drawing 320,000 places",
        "limit: one sort",
    ],
)
def bench_interval(benchmark, accuracies, way):
    scores = accuracies[:, 0]

    def of_scipy(method: Any) -> None:
        stats.bootstrap([scores], np.mean, n_resamples=10_000, method=method, rng=np.random.default_rng(0))

    numbers = np.random.default_rng(0).normal(size=10_000)
    ways = {
        "studentised bootstrap": lambda: mean_interval(scores, method="bootstrap"),
        "scipy BCa": lambda: of_scipy("BCa"),
        "scipy percentile": lambda: of_scipy("percentile"),
        "t": lambda: mean_interval(scores),
        "limit: drawing 320,000 places": lambda: np.random.default_rng(0).integers(0, 32, (10_000, 32)),
        "limit: one sort": lambda: np.sort(numbers),
    }
    benchmark.pedantic(ways[way], rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="intervals of 100 models, 32 subjects, 10,000 resamples")
@pytest.mark.parametrize("way", ["studentised bootstrap", "scipy BCa"])
def bench_many_intervals(benchmark, accuracies, way):
    ways = {
        "studentised bootstrap": lambda: mean_intervals(accuracies, method="bootstrap"),
        "scipy BCa": lambda: stats.bootstrap(
            (accuracies,), np.mean, axis=0, n_resamples=10_000, batch=100, rng=np.random.default_rng(0)
        ),
    }
    benchmark.pedantic(ways[way], rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(group="sign-flip test of 32 subjects")
@pytest.mark.parametrize("way", ["all 4,294,967,296 patterns", "scipy, 10,000 random patterns"])
def bench_sign_flip(benchmark, accuracies, way):
    differences = accuracies[:, 0] - accuracies[:, 1]
    differences[differences == 0] = 0.01
    ways = {
        "all 4,294,967,296 patterns": lambda: sign_flip(differences),
        "scipy, 10,000 random patterns": lambda: stats.permutation_test(
            (differences,), np.mean, permutation_type="samples", n_resamples=10_000, vectorized=True,
            rng=np.random.default_rng(0),
        ),
    }  # fmt: skip
    benchmark.pedantic(ways[way], rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="a run of 5 protocols, 10 models, 2 levels, 32 subjects, 10 metrics")
@pytest.mark.parametrize(
    "way", ["with_intervals, t", "with_intervals, bootstrap", "compare_in", "scipy, t, row by row"]
)
def bench_run(benchmark, way):
    index = pd.MultiIndex.from_product(
        [
            [f"protocol {number}" for number in range(5)],
            [*(f"model {number}" for number in range(8)), "majority", "prior"],
            ["trial", "window"],
            [*(f"s{number:02d}" for number in range(32)), "(pooled)"],
            ["balanced_accuracy", *(f"metric {number}" for number in range(9))],
        ],
        names=["protocol", "model", "level", "subject", "metric"],
    )
    scores = index.to_frame(index=False)
    scores["value"] = np.random.default_rng(0).random(len(scores))

    def row_by_row() -> None:
        people = scores[scores["subject"] != "(pooled)"]
        for _, own in people.groupby(["protocol", "model", "level", "metric"])["value"]:
            stats.ttest_1samp(own, 0).confidence_interval()

    ways = {
        "with_intervals, t": lambda: with_intervals(scores),
        "with_intervals, bootstrap": lambda: with_intervals(scores, method="bootstrap"),
        "compare_in": lambda: compare_in(scores, "protocol 0", "trial", "balanced_accuracy"),
        "scipy, t, row by row": row_by_row,
    }
    benchmark.pedantic(ways[way], rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(group="45 pairs of 10 models, 32 subjects")
def bench_compare_models(benchmark, accuracies):
    scores = pd.DataFrame(accuracies[:, :10]).rename(columns=str)
    benchmark.pedantic(lambda: compare_models(scores), rounds=5, warmup_rounds=1)
