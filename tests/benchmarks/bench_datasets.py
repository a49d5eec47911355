"""Reading data sets: run with `make bench`."""

import pickle  # noqa: TID251  The yardstick; it reads only what this file has simulated.
from pathlib import Path

import numpy as np
import pytest

from physioaffect.datasets import DEAP, World, unpickle


@pytest.fixture(scope="module")
def deap(tmp_path_factory) -> Path:
    """One person of full size: 103 MB."""
    assert DEAP.simulate is not None
    return DEAP.simulate(tmp_path_factory.mktemp("deap"), World(), n_subjects=1)


@pytest.mark.benchmark(group="one DEAP file of 103 MB from a warm cache")
@pytest.mark.parametrize(
    "what", ["map", "float32, clip by clip", "float32", "trials", "pickle.load, float32"]
)
def bench_read_deap(benchmark, deap, what):
    path = deap / "data_preprocessed_python" / "s01.dat"
    path.read_bytes()

    def clip_by_clip() -> None:
        for clip in unpickle.load(path)["data"]:
            clip.astype(np.float32)

    def unpickled() -> None:
        with path.open("rb") as stream:
            pickle.load(stream, encoding="latin1")["data"].astype(np.float32)  # noqa: S301

    ways = {
        "map": lambda: unpickle.load(path),
        "float32, clip by clip": clip_by_clip,
        "float32": lambda: unpickle.load(path)["data"].astype(np.float32),
        "trials": lambda: sum(1 for _ in DEAP.read(deap)),
        "pickle.load, float32": unpickled,
    }
    benchmark.pedantic(ways[what], rounds=20, warmup_rounds=2)
