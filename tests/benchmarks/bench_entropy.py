"""Differential entropy beside SciPy, and the limits of the machine: run with `make bench`."""

from typing import Any

import numpy as np
import pytest
from scipy.signal import butter, sosfilt, sosfiltfilt

from physioaffect.features import (
    SEED_BANDS,
    BandFilter,
    DifferentialEntropy,
    Recipe,
    features_of_trial,
)
from physioaffect.features.filter_bank import band_variance_filtered
from physioaffect.features.stft import band_variance_frames
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Windowing

BANDS = SEED_BANDS.within((4, 45))


@pytest.fixture(scope="module")
def subject() -> np.ndarray:
    """As many samples as one subject of DEAP: 40 clips of 60 s, 32 channels at 128 Hz."""
    return np.random.default_rng(0).standard_normal((40, 32, 7680)).astype(np.float32)


@pytest.mark.benchmark(group="DE of one DEAP subject: 40 x 60 windows of 1 s, 32 channels, 4 bands")
@pytest.mark.parametrize(
    "way",
    [
        "filter bank, causal",
        "filter bank, zero phase",
        "filter bank, zero phase, double precision",
        "stft",
        "scipy sosfilt and var",
        "scipy sosfiltfilt and var",
        "stft as one BLAS product (dgemm, halved by symmetry)",
        "limit: reading the samples once",
    ],
)
def bench_subject(benchmark, subject, way):
    first = np.arange(0, 7680, 128)

    def filtered(phase: Any, precision: Any = "auto") -> np.ndarray:
        return 0.5 * np.log(
            2 * np.pi * np.e
            * band_variance_filtered(
                subject, first, 128, sfreq=128.0, bands=BANDS, band_filter=BandFilter(phase=phase),
                precision=precision,
            )
        )  # fmt: skip

    def scipy_way(filter_: Any) -> None:
        for band in BANDS:
            sos = butter(4, (band.fmin, band.fmax), "bandpass", fs=128, output="sos")
            np.log(filter_(sos, subject).reshape(40, 32, 60, 128).var(axis=-1))

    frames, dft = np.zeros((76_800, 64)), np.zeros((64, 38))
    ways = {
        "filter bank, causal": lambda: filtered("causal"),
        "filter bank, zero phase": lambda: filtered("zero"),
        "filter bank, zero phase, double precision": lambda: filtered("zero", "double"),
        "stft": lambda: np.log(band_variance_frames(subject, first, 128, sfreq=128.0, bands=BANDS)),
        "scipy sosfilt and var": lambda: scipy_way(sosfilt),
        "scipy sosfiltfilt and var": lambda: scipy_way(sosfiltfilt),
        "stft as one BLAS product (dgemm, halved by symmetry)": lambda: (frames @ dft, frames @ dft),
        "limit: reading the samples once": subject.sum,
    }
    benchmark.pedantic(ways[way], rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="the same as 40 trials through features_of_trial, table included")
@pytest.mark.parametrize("estimator", ["stft", "bandpass"])
def bench_trials(benchmark, subject, estimator):
    names = tuple(f"E{number}" for number in range(32))

    def fresh() -> tuple[tuple[list[Trial]], dict[str, Any]]:  # A trial remembers its entropies.
        trials = [
            Trial(
                dataset="made", subject="1", trial=str(number), stimulus="1",
                signals={"eeg": Signal(data=1e-5 * clip, sfreq=128.0, ch_names=names, kind="eeg", unit="V")},
            )
            for number, clip in enumerate(subject)
        ]  # fmt: skip
        return (trials,), {}

    family = DifferentialEntropy(bands=BANDS, estimator=estimator)
    recipe = Recipe(windows=Windowing(duration=1), features=(family,))
    benchmark.pedantic(
        lambda trials: [features_of_trial(trial, recipe) for trial in trials],
        setup=fresh, rounds=5, warmup_rounds=1,
    )  # fmt: skip


@pytest.mark.benchmark(group="1,000 windows of 62 x 200 samples, 5 bands")
@pytest.mark.parametrize("way", ["filter bank, causal", "filter bank, zero phase", "stft"])
def bench_seed_windows(benchmark, way):
    X = np.random.default_rng(0).standard_normal((62, 200_000)).astype(np.float32)
    first = np.arange(0, 200_000, 200)
    if way == "stft":
        benchmark.pedantic(
            lambda: band_variance_frames(X, first, 200, sfreq=200.0, bands=SEED_BANDS),
            rounds=5,
            warmup_rounds=1,
        )
        return
    filter_ = BandFilter(phase="causal" if "causal" in way else "zero")
    benchmark.pedantic(
        lambda: band_variance_filtered(X, first, 200, sfreq=200.0, bands=SEED_BANDS, band_filter=filter_),
        rounds=5,
        warmup_rounds=1,
    )
