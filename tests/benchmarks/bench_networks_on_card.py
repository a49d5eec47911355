"""All folds of an evaluation on a graphics card, at full size: BENCH_DEVICE=cuda; elsewhere a small part.

What a processor does of it only shows that the benchmark runs, and its figures are no one's target.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
import torch
from support.training_worlds import World

from physioaffect.training import ClassBalanced

DEVICE = torch.device(os.environ.get("BENCH_DEVICE", "cpu"))
IS_CARD = DEVICE.type == "cuda"
# Of DREAMER's 23 people: 18 clips of 60 windows of a second each, of which the others are for training.
N_OF_PERSON = 18 * 60
N_PEOPLE, N_SEEDS, HISTN_EPOCHS = (23, 5, 100) if IS_CARD else (3, 1, 1)
N_FOLDS, N_SEED_WINDOWS = (15, 50_000) if IS_CARD else (2, 256)
# A processor takes minutes for a few windows in bfloat16.
PRECISIONS = ["float32", "bfloat16"] if IS_CARD else ["float32"]


class PreTraining(World):
    """HiSTN's, before any fine-tuning: batches of 120, balanced by class."""

    sampler = ClassBalanced()


@contextmanager
def busy() -> Iterator[list[float]]:
    """Collect the share of time in per cent in which the card did something, twice a second."""
    shares: list[float] = []
    ended = Event()
    query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]

    def look() -> None:
        while not ended.wait(0.5):
            shares.append(float(subprocess.run(query, capture_output=True, check=True).stdout.split()[0]))

    watcher = Thread(target=look)
    if IS_CARD and shutil.which(query[0]):
        watcher.start()
    try:
        yield shares
    finally:
        ended.set()
        if watcher.is_alive():
            watcher.join()


def settled(benchmark: Any, work: Any, n_windows: int) -> None:
    """Run once, to the end of what the card was given; say the throughput."""

    def run() -> None:
        work()
        if IS_CARD:
            torch.cuda.synchronize()

    with busy() as shares:
        benchmark.pedantic(run, rounds=1)
    benchmark.extra_info |= {
        "device": str(DEVICE) if not IS_CARD else torch.cuda.get_device_name(),
        "windows_per_s": n_windows / benchmark.stats.stats.median,
        "busy_per_cent": float(np.mean(shares)) if shares else None,
    }


@pytest.mark.parametrize("precision", PRECISIONS)
def bench_histn_of_all_folds_and_seeds(benchmark: Any, precision: Any) -> None:
    """Leave one person out of DREAMER, each fold with each seed."""
    world = PreTraining("histn", (14, 128), 5, N_PEOPLE * N_OF_PERSON, DEVICE)
    n_windows = (N_PEOPLE - 1) * N_OF_PERSON
    n_networks = N_PEOPLE * N_SEEDS
    world.epochs(n_networks, batch_size=120, n_windows=1_200, precision=precision)  # Kernels are chosen.
    settled(
        benchmark,
        lambda: world.epochs(
            n_networks, epochs=HISTN_EPOCHS, batch_size=120, n_windows=n_windows, precision=precision
        ),
        n_networks * HISTN_EPOCHS * (n_windows // 120 * 120),
    )


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("way", ["stacked", "one after another"])
def bench_rbtransformer_folds(benchmark: Any, way: str, precision: Any) -> None:
    """Three epochs of each fold of SEED's size."""
    world = World("rbtransformer", (62, 5), 3, N_SEED_WINDOWS, DEVICE)
    options: dict[str, Any] = {"batch_size": 256, "precision": precision}
    options["stack"] = N_FOLDS if way == "stacked" else 1
    world.epochs(N_FOLDS, n_windows=256, **options)
    settled(
        benchmark,
        lambda: world.epochs(N_FOLDS, epochs=3, **options),
        N_FOLDS * 3 * (N_SEED_WINDOWS // 256 * 256),
    )
