"""Whole DEAP from its files to entropies on disk, beside TorchEEG: run with `make bench`.

TorchEEG is no dependency, and skipped if it cannot be imported: ``pip install --no-deps torcheeg==1.1.3 lmdb
xmltodict spectrum && pip install torch``.
"""

import importlib
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from joblib import cpu_count, parallel_config

from physioaffect.datasets import DEAP, World
from physioaffect.features import SEED_BANDS, DifferentialEntropy, Recipe, save_features
from physioaffect.windows import Windowing

BANDS = SEED_BANDS.within((4, 45))
N_FILES = 32


@pytest.fixture(scope="module")
def deap(tmp_path_factory) -> Iterator[Path]:
    """All 32 people, simulated at full size: two minutes and 3.3 GB, which are removed at the end."""
    assert DEAP.simulate is not None
    folder = tmp_path_factory.mktemp("deap")
    yield DEAP.simulate(folder / "deap", World())
    shutil.rmtree(folder)


@pytest.fixture
def out(tmp_path) -> Iterator[Path]:
    yield tmp_path / "out"
    # A benchmark that was skipped has made nothing.
    shutil.rmtree(tmp_path / "out", ignore_errors=True)


@pytest.mark.benchmark(group="whole DEAP, 32 files of 103 MB, to differential entropy on disk")
@pytest.mark.parametrize("estimator", ["stft", "bandpass"])
def bench_whole_deap(benchmark, deap, out, estimator):
    family = DifferentialEntropy(bands=BANDS, estimator=estimator)
    recipe = Recipe(windows=Windowing(duration=1), features=(family,))

    def fresh() -> tuple[tuple[Path], dict[str, Any]]:
        # Of its own for each round: ext4 makes files slowly in the seconds after as many were deleted.
        return (out / f"{uuid4()}.zarr",), {}

    def once(store: Path) -> None:
        # As the command `physioaffect features` does.
        with parallel_config(backend="threading"):
            save_features(DEAP, deap, recipe, store, n_jobs=cpu_count())

    benchmark.pedantic(once, setup=fresh, rounds=5, warmup_rounds=1)


COMMAND = """
import sys
from pathlib import Path
from physioaffect.cli import app
sys.argv = ["physioaffect", "features", "deap", *sys.argv[1:]]
try:
    app()
finally:
    # Not getrusage: its maximum is that of the process that started this one, too.
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    print(f"peak {peak / 1024:.0f}", file=sys.stderr)
"""


@pytest.mark.benchmark(group="the whole command in a process of its own, imports included, and its peak")
def bench_command(benchmark, deap, out):
    def once() -> None:
        store = str(out / f"{uuid4()}.zarr")
        given = [sys.executable, "-c", COMMAND, str(deap), "-o", store, "--window", "1"]
        told = subprocess.run(given, check=True, capture_output=True, text=True)
        benchmark.extra_info["peak_MB"] = int(told.stderr.split("peak ")[-1])

    benchmark.pedantic(once, rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(group="one of the 32 files, as TorchEEG's DEAPDataset reads, computes and keeps it")
def bench_torcheeg(benchmark, deap, out):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            datasets = importlib.import_module("torcheeg.datasets")
            transforms = importlib.import_module("torcheeg.transforms")
        except ImportError as error:
            pytest.skip(f"{error}; the head of {__name__} says how to install it")
    files = out / "files"
    files.mkdir(parents=True)
    (first,) = deap.rglob("s01.dat")
    (files / first.name).symlink_to(first)
    edges = {band.name: [band.fmin, band.fmax] for band in BANDS}

    def once() -> None:
        datasets.DEAPDataset(
            root_path=str(files),
            io_path=str(out / "kept"),
            chunk_size=128,
            num_baseline=3,
            baseline_chunk_size=128,
            offline_transform=transforms.BandDifferentialEntropy(band_dict=edges),
            io_mode="pickle",
            verbose=False,
        )

    # Once is enough for minutes.
    benchmark.pedantic(once, rounds=1)
    benchmark.extra_info["seconds_for_all_files"] = benchmark.stats.stats.median * N_FILES
