"""Connectivity and covariance of one session of SEED: run with `make bench`."""

import time
from collections.abc import Callable

import numpy as np
import pytest

from physioaffect.features.bands import SEED_BANDS
from physioaffect.features.connectivity import METHODS, Connectivity
from physioaffect.features.covariance import Covariance
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Windowing

SFREQ, N_CHANNELS, N_TRIALS, SECONDS = 200.0, 62, 15, 227
N_WINDOWS = N_TRIALS * SECONDS

# It needs 0.1 s for each window, so a part of them is enough to know it.
N_PEER = 50


@pytest.fixture(scope="module")
def seed_like() -> list[Trial]:
    """As many samples as one session of SEED: 15 trials, 3,405 windows of 1 s."""
    rng = np.random.default_rng(0)
    names = tuple(f"E{number}" for number in range(N_CHANNELS))
    trials = []
    for number in range(N_TRIALS):
        data = rng.normal(scale=1e-5, size=(N_CHANNELS, SECONDS * int(SFREQ)))
        eeg = Signal(data=data, sfreq=SFREQ, ch_names=names, kind="eeg", unit="V")
        trials.append(
            Trial(dataset="made", subject="1", trial=str(number), stimulus="1", signals={"eeg": eeg})
        )
    return trials


def ours(trials: list[Trial], family: Connectivity | Covariance, step: float = 1.0) -> None:
    for trial in trials:
        family(trial, Windowing(duration=1.0, step=step).intervals(trial.duration))


def peer(trials: list[Trial]) -> None:
    """PLV over the time of each window with one wavelet in the middle of each band, the least it can do."""
    from mne_connectivity import spectral_connectivity_time

    data = trials[0].signal("eeg").data[:, : N_PEER * int(SFREQ)]
    spectral_connectivity_time(
        data.reshape(N_CHANNELS, N_PEER, -1).swapaxes(0, 1),
        freqs=np.array([2.0, 5.5, 10.5, 22.0, 40.0]),
        n_cycles=np.array([1.2, 3.0, 5.0, 7.0, 7.0]),
        fmin=[fmin for fmin, _ in SEED_BANDS.edges],
        fmax=[fmax for _, fmax in SEED_BANDS.edges],
        method="plv",
        faverage=True,
        sfreq=SFREQ,
        mode="cwt_morlet",
        verbose="error",
    )


def seconds_of(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@pytest.mark.benchmark(group="PLV, 62 channels, 3405 windows of 1 s, 5 bands")
def bench_plv(benchmark, seed_like):
    ours(seed_like[:1], Connectivity())  # What is imported and compiled once does not count.
    peer_each = seconds_of(lambda: peer(seed_like)) / N_PEER
    benchmark.pedantic(ours, (seed_like, Connectivity()), rounds=5)
    each = benchmark.stats.stats.median / N_WINDOWS
    benchmark.extra_info |= {
        "ms_per_window": 1e3 * each,
        "mne_connectivity_ms_per_window": 1e3 * peer_each,
        "times_faster_than_mne_connectivity": peer_each / each,
    }
    assert peer_each / each > 5


@pytest.mark.benchmark(group="connectivity, 62 channels, one trial of 227 s, 5 bands")
@pytest.mark.parametrize("step", [1.0, 0.1])
@pytest.mark.parametrize("method", METHODS)
def bench_methods(benchmark, seed_like, method, step):
    benchmark.pedantic(ours, (seed_like[:1], Connectivity(method=method), step), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="covariance, 62 channels, one trial of 227 s")
@pytest.mark.parametrize("log", [False, True], ids=["plain", "log"])
@pytest.mark.parametrize("bands", [None, SEED_BANDS], ids=["broad", "bands"])
def bench_covariance(benchmark, seed_like, bands, log):
    benchmark.pedantic(ours, (seed_like[:1], Covariance(bands=bands, log=log)), rounds=5, warmup_rounds=1)
