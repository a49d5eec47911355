"""A folder of wristband sessions to one table, and to its page: run with `make bench`.

Reading, quality, beats and the usual families, 60-s windows every 10 s. Needs PHYSIOAFFECT_TEST_DATA.
"""

import os
import shutil
from pathlib import Path

import pytest
from joblib import parallel_config

from physioaffect.datasets import wearable
from physioaffect.features import Recipe, default_recipe, open_features, save_features
from physioaffect.quality_report import write_quality_report
from physioaffect.recording import DataSet
from physioaffect.signals.beats import BeatsFromPPG
from physioaffect.signals.quality import MarkQuality

FOLDER = os.environ.get("PHYSIOAFFECT_TEST_DATA")
pytestmark = pytest.mark.skipif(not FOLDER, reason="needs real recordings: set PHYSIOAFFECT_TEST_DATA")
ROOT = Path(FOLDER or ".") / "realdata" / "stress_predict"
N_JOBS = 2


def usual(dataset: DataSet) -> Recipe:
    return default_recipe(dataset, window=60, step=10, cleaning=(MarkQuality(), BeatsFromPPG()))


def to_table(root: Path, out: Path, n_jobs: int) -> Path:
    shutil.rmtree(out, ignore_errors=True)
    dataset = wearable(root)
    with parallel_config(backend="threading"):
        return save_features(dataset, root, usual(dataset), out, n_jobs=n_jobs)


def bench_one_zip_to_a_table(benchmark, tmp_path):
    path = ROOT / "S01_E4.zip"
    to_table(path, tmp_path / "out.zarr", 1)  # Compiled and imported.
    out = benchmark.pedantic(to_table, args=(path, tmp_path / "out.zarr", 1), rounds=5)
    benchmark.extra_info["windows"] = open_features(out).sizes["window"]


def bench_25_sessions_to_a_table(benchmark, tmp_path):
    to_table(ROOT / "S01_E4.zip", tmp_path / "warm.zarr", 1)
    out = benchmark.pedantic(to_table, args=(ROOT, tmp_path / "out.zarr", N_JOBS), rounds=5)
    benchmark.extra_info["windows"] = open_features(out).sizes["window"]


def bench_25_sessions_to_a_page(benchmark, tmp_path):
    store, dataset = to_table(ROOT, tmp_path / "out.zarr", N_JOBS), wearable(ROOT)
    recipe = usual(dataset)

    def write() -> Path:
        with parallel_config(backend="threading"):
            return write_quality_report(dataset, ROOT, recipe, store, tmp_path / "a.html", n_jobs=N_JOBS)

    benchmark.extra_info["megabytes"] = benchmark.pedantic(write, rounds=5).stat().st_size / 1e6
