"""What evaluation costs besides fitting and the report: run with `make bench`.

Splits, what they share, metrics and writing, of models that return constants, over the 23 folds of leaving
one person of a full-size DREAMER out: 18 clips, windows of 1 s. Five models are scored, as in a run of one
model and its four baselines.
"""

import importlib
import itertools
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.base import BaseEstimator, ClassifierMixin
from support.tables import VALENCE

from physioaffect.datasets import DREAMER
from physioaffect.evaluation import evaluate, evaluating
from physioaffect.evaluation.protocols import get_protocol
from physioaffect.evaluation.running import fitting
from physioaffect.evaluation.running.fitting import run_jobs
from physioaffect.evaluation.running.planning import make_jobs, make_plans
from physioaffect.evaluation.running.run_description import describe_run
from physioaffect.evaluation.running.run_folder import RunFolder
from physioaffect.evaluation.table import Table, make_table

# Seconds of the 18 clips: from the shortest to the longest of the data set, 62 minutes in all.
CLIPS = tuple(round(67 + 326 * (clip / 17) ** 1.27) for clip in range(18))
N_PEOPLE = 23
N_MODELS = 5
LIMIT = 5.0


class Constant(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The same scores for every window."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])

    def predict_proba(self, X):
        return np.tile([0.6, 0.4], (len(X), 1))


def dreamer_table() -> Table:
    """The coordinates of all windows, with one feature."""
    rng = np.random.default_rng(0)
    rows = [
        (f"S{person:02d}", f"{trial:02d}", window)
        for person, (trial, seconds) in itertools.product(range(N_PEOPLE), enumerate(CLIPS))
        for window in range(seconds)
    ]
    subject, trial, window = (np.array(column) for column in zip(*rows, strict=True))
    n_windows = len(rows)
    order = trial.astype(int)
    ratings = rng.integers(1, 6, (N_PEOPLE, len(CLIPS))).astype(float)
    onsets = np.cumsum([0, *CLIPS[:-1]])
    columns = {
        "dataset": np.full(n_windows, "dreamer"),
        "subject": subject,
        "session": np.full(n_windows, "1"),
        "trial": trial,
        "stimulus": trial,
        "condition": np.full(n_windows, ""),
        "tags": np.full(n_windows, "simulated"),
        "order": order,
        "window": window,
        "start": window.astype(float),
        "duration": np.ones(n_windows),
        "elapsed": onsets[order] + window.astype(float),
        "quality": np.ones(n_windows),
        "valence": ratings[np.unique(subject, return_inverse=True)[1], order],
    }
    features = xr.Dataset(
        {"de": (("window", "channel", "band"), rng.standard_normal((n_windows, 1, 1)))},
        coords={name: ("window", column) for name, column in columns.items()}
        | {"channel": ["AF3"], "band": ["alpha"]},
    )
    return make_table(features, VALENCE)[0]


def dreamer_features() -> xr.Dataset:
    """Noise in place of the entropies of the last minute of each clip, 14 channels and 5 bands."""
    table = dreamer_table()
    last = np.array([CLIPS[order] - 60 for order in table.coords["order"]])
    rows = np.flatnonzero(table.coords["window"].to_numpy() >= last)
    values = np.random.default_rng(1).standard_normal((len(rows), 14, 5))
    chosen = table.features.isel(window=rows).drop_dims(["channel", "band"])
    return chosen.assign(de=(("window", "channel", "band"), values)).assign_coords(
        channel=list(DREAMER.ch_names["eeg"]), band=["delta", "theta", "alpha", "beta", "gamma"]
    )


class Stopwatch:
    """Seconds spent in some functions, wherever they are called from."""

    def __init__(self, monkeypatch, places):
        self.seconds = dict.fromkeys((name for _, name in places), 0.0)
        for module, name in places:
            monkeypatch.setattr(module, name, self._timed(name, getattr(module, name)))

    def _timed(self, name, function):
        def timed(*arguments, **options):
            began = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds[name] += time.perf_counter() - began

        return timed


def evaluate_constants(table: Table, folder: Path) -> dict[str, float]:
    """Everything between the feature table and the report; returns the seconds of each step."""
    models = {f"constant {number}": Constant() for number in range(N_MODELS)}
    times = [time.perf_counter()]
    plans, _ = make_plans(table, VALENCE, [get_protocol("loso")], 0, strict=False, is_validated=False)
    times.append(time.perf_counter())
    run = describe_run({}, None, VALENCE, table, plans, models, ())
    jobs = [job for job in make_jobs(plans, models, VALENCE, 0) if job.model_name in models]
    times.append(time.perf_counter())
    with RunFolder(folder, run) as store:
        run_jobs(jobs, table, VALENCE, store, n_jobs=1, tell=lambda *_: None)
        times.append(time.perf_counter())
        store.finish([job.part for job in jobs])
    times.append(time.perf_counter())
    steps = ("splits and sharing", "description", "predictions and writing", "merging and scores")
    return dict(zip(steps, np.diff(times).tolist(), strict=True))


@pytest.mark.benchmark(group="evaluation besides fitting, 23 folds of DREAMER")
def bench_overhead(benchmark, capsys, tmp_path):
    table = dreamer_table()
    assert len(table.coords) == N_PEOPLE * sum(CLIPS)
    folders = itertools.count()
    steps = []

    def once():
        steps.append(evaluate_constants(table, tmp_path / str(next(folders))))

    benchmark.pedantic(once, rounds=3)
    benchmark.extra_info |= pd.DataFrame(steps).min().round(3).to_dict()
    with capsys.disabled():
        told = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in pd.DataFrame(steps).min().items())
        sys.stdout.write(f"\n{len(table.coords):,} windows: {told}\n")
    # The fastest round: whatever else runs on the machine can only add.
    assert benchmark.stats.stats.min < LIMIT


@pytest.mark.benchmark(group="a network's run, 23 folds of DREAMER, 24,840 windows")
def bench_share_of_a_network_run(benchmark, monkeypatch, capsys):
    """How much of a short run of DGCNN, permutations and importance included, is not fitting or reporting."""
    features = dreamer_features()
    network_estimator = importlib.import_module("physioaffect.graphs.network_estimator")
    places = [(network_estimator, "train"), (fitting, "fit"), (evaluating, "write_report")]
    watch = Stopwatch(monkeypatch, places)
    benchmark.pedantic(
        lambda: evaluate(features, task=VALENCE, models=["dgcnn"], protocols=["loso"]), rounds=1
    )
    total = benchmark.stats.stats.max
    share = 1 - sum(watch.seconds.values()) / total
    benchmark.extra_info |= {"total_s": total, "share": share} | watch.seconds
    with capsys.disabled():
        told = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in watch.seconds.items())
        sys.stdout.write(f"\n{total:.1f} s, of which {told}; the rest is {share:.1%}\n")
    assert share < 0.05
