"""A folder of wristband sessions to one table, and to its page: run with `make bench`.

Reading, quality, beats and the usual families, 60-s windows every 10 s. Needs PHYSIOAFFECT_TEST_DATA.
"""

import os
import shutil
from pathlib import Path

import pytest
from joblib import parallel_config

from physioaffect.data_set import DataSet
from physioaffect.datasets import wearable
from physioaffect.features import Recipe, default_recipe, features_of_trial, open_features, save_features
from physioaffect.quality_report import write_quality_report

FOLDER = os.environ.get("PHYSIOAFFECT_TEST_DATA")
pytestmark = pytest.mark.skipif(not FOLDER, reason="needs real recordings: set PHYSIOAFFECT_TEST_DATA")
ROOT = Path(FOLDER or ".") / "realdata" / "stress_predict"
N_JOBS = 2


def usual(dataset: DataSet) -> Recipe:
    return default_recipe(dataset, window=60, step=10)


def megabytes(field: str) -> float:
    """Memory of this process: VmRSS now, VmHWM at its highest since the last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


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


def bench_one_zip_to_all_features(benchmark):
    """From the zip to the table in memory: all families that fit, and the memory that they take."""
    path = ROOT / "S05_E4.zip"
    dataset = wearable(path)
    recipe = usual(dataset)

    def once() -> int:
        return sum(features_of_trial(trial, recipe).sizes["window"] for trial in dataset.read(path))

    once()
    Path("/proc/self/clear_refs").write_text("5")
    before = megabytes("VmRSS")
    once()
    peak = megabytes("VmHWM") - before
    benchmark.extra_info |= {"windows": benchmark.pedantic(once, rounds=5), "peak_MB_above": peak}


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
