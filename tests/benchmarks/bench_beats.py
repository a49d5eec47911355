"""An hour of beats with their quality, beside NeuroKit2's pipelines: run with `make bench`."""

import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.hearts import breathing_beats, ecg_of, ppg_of

from physioaffect.recording import Signal
from physioaffect.signals.beats import beats_from_ecg, beats_from_ppg

HOUR = 3600.0


def peer(function: Callable[..., object], x: np.ndarray, sfreq: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        function(x, sampling_rate=int(sfreq))


def seconds_of(work: Callable[[], object], n: int = 1) -> float:
    taken = []
    for _ in range(n):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def beside(benchmark, ours: Callable[[], object], theirs: Callable[[], object]) -> None:
    """Time ours, and say how many times as long the peer takes and what ours needs at most."""
    ours()
    peer_s = seconds_of(theirs)
    benchmark.pedantic(ours, rounds=5, iterations=1, warmup_rounds=1)
    tracemalloc.start()
    ours()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    benchmark.extra_info["peak_mb"] = round(peak / 1e6, 1)
    benchmark.extra_info["neurokit2_s"] = round(peer_s, 2)
    benchmark.extra_info["ratio"] = round(peer_s / benchmark.stats.stats.median, 1)


@pytest.mark.benchmark(group="PPG beats with quality, 1 h at 64 Hz")
def bench_ppg(benchmark) -> None:
    import neurokit2

    x = ppg_of(breathing_beats(HOUR), sfreq=64.0, duration=HOUR, noise=0.05)
    assert np.isfinite(beats_from_ppg(x, sfreq=64.0).intervals).mean() > 0.7
    beside(benchmark, lambda: beats_from_ppg(x, sfreq=64.0), lambda: peer(neurokit2.ppg_process, x, 64.0))


@pytest.mark.benchmark(group="ECG beats with quality, 1 h at 700 Hz")
def bench_ecg(benchmark) -> None:
    import neurokit2

    x = ecg_of(breathing_beats(HOUR), sfreq=700.0, duration=HOUR, noise=0.02)
    assert np.isfinite(beats_from_ecg(x, sfreq=700.0).intervals).mean() > 0.95
    beside(benchmark, lambda: beats_from_ecg(x, sfreq=700.0), lambda: peer(neurokit2.ecg_process, x, 700.0))


@pytest.mark.benchmark(group="PPG beats with quality, the context of one second of a stream at 64 Hz")
def bench_ppg_update(benchmark) -> None:
    x = ppg_of(breathing_beats(121), sfreq=64.0, duration=121, noise=0.05)
    benchmark.pedantic(lambda: beats_from_ppg(x, sfreq=64.0), rounds=50, iterations=1, warmup_rounds=5)


@pytest.mark.benchmark(group="PPG beats with quality, one E4 session")
def bench_session(benchmark, real_data: Path) -> None:
    from physioaffect.devices.empatica import read_e4

    ppg = read_e4(real_data / "realdata" / "stress_predict" / "S06_E4.zip").signals["ppg"]
    assert isinstance(ppg, Signal)
    x = ppg.masked[0]
    benchmark.pedantic(lambda: beats_from_ppg(x, sfreq=64.0), rounds=5, iterations=1, warmup_rounds=1)
