"""Permutation tests at the size of DREAMER and DEAP: run with `make bench`."""

import numpy as np
import pandas as pd
import pytest
from support.feature_worlds import CLASSES, NUMBERS, world_table

from physioaffect.evaluation import get_model
from physioaffect.evaluation.protocols import get_protocol
from physioaffect.evaluation.statistics import permute_fits, permute_predictions


@pytest.mark.benchmark(
    group="1,000 permutations, refitted: 23 people, 18 clips of 60 windows, 70 features, loso"
)
@pytest.mark.parametrize(("name", "task"), [("lda", CLASSES), ("ridge", NUMBERS)], ids=["lda", "ridge"])
@pytest.mark.parametrize("n_jobs", [1, 2])
def bench_permute_fits(benchmark, name, task, n_jobs):
    table = world_table(0, n_subjects=23, n_trials=18, n_windows=60, n_features=70, task=task)
    folds = list(get_protocol("loso").split(table.coords, np.random.default_rng(0)))
    model = get_model(name, task)
    benchmark.pedantic(
        permute_fits, (table, task, folds, model), {"n_permutations": 1000, "n_jobs": n_jobs}, rounds=3
    )


@pytest.mark.benchmark(
    group="1,000 permutations, refitted: 12 people, 24 clips of 1 or 10 windows, 310 features, loso"
)
@pytest.mark.parametrize("n_windows", [1, 10])
def bench_permute_wide_fits(benchmark, n_windows):
    table = world_table(
        0, n_subjects=12, n_trials=24, n_windows=n_windows, n_features=310, affect=0.5, task=CLASSES
    )
    folds = list(get_protocol("loso").split(table.coords, np.random.default_rng(0)))
    model = get_model("lda", CLASSES)
    benchmark.pedantic(permute_fits, (table, CLASSES, folds, model), {"n_permutations": 1000}, rounds=2)


@pytest.mark.benchmark(
    group="1,000 permutations, predictions fixed: 32 people, 40 clips of 60 windows, 5 models"
)
@pytest.mark.parametrize("task", [CLASSES, NUMBERS], ids=["classes", "numbers"])
def bench_permute_predictions(benchmark, task):
    table = world_table(0, n_subjects=32, n_trials=40, n_windows=60, n_features=1, task=task)
    rng = np.random.default_rng(0)
    own = table.coords.assign(protocol="loso", fold=table.coords["subject"], truth=table.coords["target"])
    if task is NUMBERS:
        models = [own.assign(model=name, prediction=rng.standard_normal(len(own))) for name in "abcde"]
    else:
        chances = [rng.random(len(own)) for _ in range(5)]
        models = [own.assign(model=str(m), p_high=p, p_low=1 - p) for m, p in enumerate(chances)]
    predictions = pd.concat(models, ignore_index=True)
    described = {"kind": task.kind, "classes": list(task.classes), "source": task.source}
    benchmark.pedantic(permute_predictions, (predictions, described), {"n_permutations": 1000}, rounds=3)
