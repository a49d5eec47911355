"""Entropy of a live stream: run with `make bench`."""

import numpy as np
import pytest

from physioaffect.features.bands import SEED_BANDS
from physioaffect.features.streaming import StreamingEntropy


@pytest.mark.benchmark(group="streaming DE, one second of 32 channels")
@pytest.mark.parametrize("n_chunks", [1, 8])
@pytest.mark.parametrize("sfreq", [128, 250, 500])
def bench_stream(benchmark, sfreq, n_chunks):
    """Windows of a second, a new one every half."""
    stream = StreamingEntropy(32, sfreq=sfreq, bands=SEED_BANDS, duration=1.0, step=0.5)
    second = 1e-5 * np.random.default_rng(0).standard_normal((32, sfreq))
    chunks = np.array_split(second, n_chunks, axis=1)

    def one_second() -> None:
        for chunk in chunks:
            stream.push(chunk)

    benchmark.pedantic(one_second, rounds=200, warmup_rounds=5)
