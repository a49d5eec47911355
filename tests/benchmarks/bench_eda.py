"""Skin conductance, respiration and muscle over one hour, beside NeuroKit2: run with `make bench`."""

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from physioaffect.features.eda import EDA
from physioaffect.features.emg import EMG
from physioaffect.features.recipe import Family
from physioaffect.features.respiration import Respiration
from physioaffect.features.temperature import Temperature
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Windowing

HOUR = 3600
N_WINDOWS = 3541
# The peer takes a window at a time and milliseconds for each, so a part of them is enough to know it.
N_PEER = 20


def trial_of(kind: str, data: np.ndarray, sfreq: float, unit: str) -> Trial:
    signal = Signal(data=data[np.newaxis], sfreq=sfreq, ch_names=(kind,), kind=kind, unit=unit)
    return Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={kind: signal})


def skin(sfreq: float) -> np.ndarray:
    """A drifting level with 8 responses a minute."""
    rng = np.random.default_rng(0)
    times = np.arange(round(HOUR * sfreq)) / sfreq
    eda = 3 + np.sin(times / 300) + 0.002 * rng.normal(size=times.size)
    for onset in np.cumsum(rng.uniform(3, 12, size=470)):
        first = int(onset * sfreq)
        own = times[first : first + int(30 * sfreq)] - onset
        eda[first : first + len(own)] += 0.3 * (np.exp(-own.clip(0) / 3) - np.exp(-own.clip(0) / 0.7))
    return eda


def belt(sfreq: float) -> np.ndarray:
    times = np.arange(round(HOUR * sfreq)) / sfreq
    noise = np.random.default_rng(1).normal(size=times.size)
    return np.asarray(np.sin(2 * np.pi * 0.25 * times + 3 * np.sin(times / 50)) + 0.05 * noise)


def windows_of(trial: Trial, family: Family, step: float = 1.0) -> Any:
    return family(trial, Windowing(duration=60, step=step).intervals(trial.duration))


def seconds_of(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        work()
    return time.perf_counter() - start


def compare(benchmark: Any, trial: Trial, family: Family, whole: float, each: float) -> None:
    """Run ours; the peer needs ``whole`` seconds for the recording and ``each`` for a window."""
    assert windows_of(trial, family).shape[0] == N_WINDOWS  # And what is compiled once does not count.
    benchmark.pedantic(windows_of, (trial, family), rounds=7)
    ours, peer = benchmark.stats.stats.median, whole + each * N_WINDOWS
    benchmark.extra_info |= {
        "neurokit_recording_s": whole,
        "neurokit_ms_per_window": 1e3 * each,
        "times_faster_than_neurokit": peer / ours,
    }
    assert peer > 2 * ours


@pytest.mark.benchmark(group="EDA, 1 h at 4 Hz, 3541 windows of 60 s")
def bench_eda_4_hz(benchmark: Any) -> None:
    neurokit = pytest.importorskip("neurokit2")
    eda = skin(4.0)
    kept: list[Any] = []
    whole = min(
        seconds_of(lambda: kept.append(neurokit.eda_process(eda, sampling_rate=4)[0])) for _ in range(3)
    )

    def intervalrelated() -> None:
        for k in range(N_PEER):
            neurokit.eda_intervalrelated(kept[0].iloc[k * 240 : (k + 1) * 240], sampling_rate=4)

    each = min(seconds_of(intervalrelated) for _ in range(3)) / N_PEER
    compare(benchmark, trial_of("eda", eda, 4.0, "uS"), EDA(), whole, each)
    assert benchmark.stats.stats.median < 0.1


@pytest.mark.benchmark(group="EDA, 1 h at 700 Hz, 3541 windows of 60 s")
def bench_eda_700_hz(benchmark: Any) -> None:
    neurokit = pytest.importorskip("neurokit2")
    eda = skin(700.0)
    whole = min(seconds_of(lambda: neurokit.eda_process(eda, sampling_rate=700)) for _ in range(2))
    compare(benchmark, trial_of("eda", eda, 700.0, "uS"), EDA(), whole, 0.0)


@pytest.mark.benchmark(group="respiration, 1 h at 50 Hz, 3541 windows of 60 s")
def bench_respiration(benchmark: Any) -> None:
    neurokit = pytest.importorskip("neurokit2")
    resp = belt(50.0)
    kept: list[Any] = []
    whole = min(
        seconds_of(lambda: kept.append(neurokit.rsp_process(resp, sampling_rate=50)[0])) for _ in range(3)
    )

    def intervalrelated() -> None:
        for k in range(N_PEER):
            neurokit.rsp_intervalrelated(kept[0].iloc[k * 3000 : (k + 1) * 3000], sampling_rate=50)

    each = min(seconds_of(intervalrelated) for _ in range(2)) / N_PEER
    compare(benchmark, trial_of("resp", resp, 50.0, "%"), Respiration(), whole, each)


@pytest.mark.benchmark(group="EMG, 1 h at 700 Hz, 3541 windows of 60 s")
def bench_emg(benchmark: Any) -> None:
    emg = 1e-5 * np.random.default_rng(2).normal(size=700 * HOUR)
    trial = trial_of("emg", emg, 700.0, "V")
    windows_of(trial, EMG(line=50.0))
    benchmark.pedantic(windows_of, (trial, EMG(line=50.0)), rounds=3)


@pytest.mark.benchmark(group="temperature, 1 h at 4 Hz, 3541 windows of 60 s")
def bench_temperature(benchmark: Any) -> None:
    trial = trial_of("temperature", 33 + np.sin(np.arange(4 * HOUR) / 4000), 4.0, "degC")
    windows_of(trial, Temperature())
    benchmark.pedantic(windows_of, (trial, Temperature()), rounds=7)
    assert benchmark.stats.stats.median < 0.02
