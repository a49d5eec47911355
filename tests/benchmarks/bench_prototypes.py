"""Prototypes from 50,000 windows of 256 dimensions, beside the same as a loop over cells in numpy.

Run with `pytest tests/benchmarks/bench_prototypes.py -o python_files='bench_*.py' -o
python_functions='bench_*' -p no:xdist --benchmark-only`.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.distill.grid import grid_cells
from physioaffect.distill.prototype_files import load_prototypes, save_prototypes
from physioaffect.distill.prototypes import Prototypes, valence_arousal_prototypes
from physioaffect.distill.stability import split_half_stability

N_WINDOWS, N_DIMS, N_PEOPLE, N_TRIALS = 50_000, 256, 23, 18
rng = np.random.default_rng(0)
TRIAL = np.sort(rng.integers(0, N_PEOPLE * N_TRIALS, N_WINDOWS))
PEOPLE = TRIAL // N_TRIALS
VALENCE, AROUSAL = rng.choice([-1, -0.5, 0, 0.5, 1], (2, N_PEOPLE * N_TRIALS))[:, TRIAL]
X = rng.standard_normal((N_WINDOWS, N_DIMS), dtype=np.float32) + 1


def by_cells() -> NDArray[Any]:
    """What one would write: no checks, no confidence, no people."""
    units = X / np.linalg.norm(X, axis=1, keepdims=True)
    cells = grid_cells(VALENCE, AROUSAL)
    means = np.stack([units[cells == cell].mean(axis=0) for cell in range(25)])
    return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True))


def bench_prototypes(benchmark: Any) -> None:
    def ours() -> Prototypes:
        return valence_arousal_prototypes(X, VALENCE, AROUSAL, people=PEOPLE)

    # In turns, and in seconds of work, so that what else the machine does falls on both.
    in_turns = [(_timed(ours), _timed(by_cells)) for _ in range(9)]
    found = benchmark.pedantic(ours, rounds=7, warmup_rounds=1)
    np.testing.assert_allclose(found.vectors, by_cells(), atol=1e-5)
    for name, times in zip(
        ("ours, CPU s", "loop over cells, CPU s"), zip(*in_turns, strict=True), strict=True
    ):
        benchmark.extra_info[name] = float(np.median(times))
    benchmark.extra_info["ratio"] = float(np.median([own / other for own, other in in_turns]))
    assert benchmark.stats.stats.max < 30


def bench_stability(benchmark: Any) -> None:
    benchmark.pedantic(
        lambda: split_half_stability(X, VALENCE, AROUSAL, people=PEOPLE, trials=TRIAL), rounds=3
    )


def bench_files(benchmark: Any, tmp_path: Path) -> None:
    found = valence_arousal_prototypes(X, VALENCE, AROUSAL)
    benchmark(lambda: load_prototypes(save_prototypes(found, tmp_path / "eeg.safetensors")))


def _timed(work: Any) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
