"""How often permutation tests find something where nothing is: the table of docs/statistics.md.

Run from the repository, takes about ten minutes: python tools/measure_permutations.py
"""

import math
import sys
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "helpers"))

from support.feature_worlds import CLASSES, NUMBERS, world_table

from physioaffect.evaluation import get_model, loso
from physioaffect.evaluation.running.fitting import fit, predict, seeded
from physioaffect.evaluation.statistics import exchange_of, permute_fits
from physioaffect.evaluation.statistics.permutation_tables import by_trial_sums, numbers_of, permutation_table
from physioaffect.evaluation.statistics.trial_scores import Predicted

N_DATA_SETS = 300
# Model, features; eight people, ten trials of one window.
CASES = [
    ("lda", 2),
    ("lda", 40),
    ("ridge", 2),
    ("ridge", 40),
    ("knn", 10),
    ("logistic", 10),
    ("random_forest", 10),
]


def rates(name: str, n_features: int) -> list[float]:
    """Share of data sets with p <= 0.05: fixed predictions as they are, spread, and refits where quick."""
    task, metric = (NUMBERS, "ccc") if name == "ridge" else (CLASSES, "balanced_accuracy")
    model = RandomForestClassifier(15) if name == "random_forest" else get_model(name, task)
    found = []
    for seed in range(N_DATA_SETS):
        table = world_table(seed, n_windows=1, n_features=n_features, task=task)
        folds = list(loso.split(table.coords, np.random.default_rng(0)))
        exchange = exchange_of(table.coords, "rating")
        labels = numbers_of(exchange.labels, task.kind, task.classes)
        X, y = table.flat(), labels[exchange.trial_of_row]
        values = np.zeros((len(X), max(1, len(task.classes))))
        for fold in folds:
            fitted = fit(seeded(model, 0), X, y, table.people, fold)
            values[fold.test_idx] = predict(fitted, X, table.people, fold, task)
        counts, scores = by_trial_sums(values, exchange.trial_of_row, len(labels), task.kind)
        predicted = Predicted(counts=counts[np.newaxis], scores=scores[np.newaxis])
        taken = np.vstack([np.arange(len(labels)), exchange.positions(199)])
        frames = [
            permutation_table(labels[taken], predicted, exchange, refitted=False, widening=widening)
            for widening in (1.0, math.sqrt(2))
        ]
        if name in ("lda", "ridge"):
            frames.append(permute_fits(table, task, folds, model, n_permutations=199))
        found.append([frame.set_index(["level", "metric"]).loc[("trial", metric), "p"] for frame in frames])
    return list((np.array(found) <= 0.05).mean(axis=0))


if __name__ == "__main__":
    for name, n_features in CASES:
        values = [f"{100 * value:.1f}" for value in rates(name, n_features)]
        print(f"| `{name}` | {n_features} | {' | '.join([*values, '-'][:3])} |", flush=True)
