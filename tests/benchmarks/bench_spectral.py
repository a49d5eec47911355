"""Spectral, aperiodic and complexity features in the shape of one subject of DEAP: run with `make bench`."""

import numpy as np
import pytest
from scipy.signal import welch

from physioaffect.features import SEED_BANDS, Family
from physioaffect.features.aperiodic import Aperiodic
from physioaffect.features.complexity import Hjorth, LineLength
from physioaffect.features.fractal import FractalDimension
from physioaffect.features.spectral import BandPower, SpectralEntropy
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Windowing

BANDS = SEED_BANDS.within((4, 45))


def make_trial(n_seconds: int) -> Trial:
    """32 channels at 128 Hz."""
    data = 1e-5 * np.random.default_rng(0).standard_normal((32, n_seconds * 128)).astype(np.float32)
    names = tuple(f"E{number}" for number in range(32))
    eeg = Signal(data=data, sfreq=128.0, ch_names=names, kind="eeg", unit="V")
    return Trial(dataset="made", subject="1", trial="1", stimulus="1", signals={"eeg": eeg})


@pytest.fixture(scope="module")
def deap_like() -> list[Trial]:
    """Forty trials of a minute."""
    return [make_trial(60)] * 40


FAMILIES: dict[str, Family] = {
    "band power, welch": BandPower(bands=BANDS),
    "band power, multitaper": BandPower(bands=BANDS, estimator="multitaper"),
    "spectral entropy": SpectralEntropy(edges=(4, 45)),
    "hjorth": Hjorth(),
    "line length": LineLength(),
    "higuchi": FractalDimension(methods=("higuchi",)),
    "katz and petrosian": FractalDimension(methods=("katz", "petrosian")),
}


@pytest.mark.benchmark(group="40 trials of 60 windows of 1 s, 32 channels at 128 Hz, 4 bands")
@pytest.mark.parametrize("name", [*FAMILIES, "scipy welch alone"])
def bench_families(benchmark, deap_like, name):
    intervals = Windowing(duration=1).intervals(60)

    def whole_subject() -> None:
        for trial in deap_like:
            if name in FAMILIES:
                FAMILIES[name](trial, intervals)
            else:
                welch(trial.signal("eeg").data.reshape(32, 60, 128).astype(np.float64), 128, nperseg=128)

    benchmark.pedantic(whole_subject, rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="cost grows with the number of windows: welch band power, 32 channels")
@pytest.mark.parametrize("n_seconds", [60, 600, 6000])
def bench_length(benchmark, n_seconds):
    trial, intervals = make_trial(n_seconds), Windowing(duration=1).intervals(n_seconds)
    benchmark.pedantic(BandPower(bands=BANDS), (trial, intervals), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="aperiodic part, 6 windows of 10 s, 32 channels")
def bench_aperiodic(benchmark):
    pytest.importorskip("specparam")
    trial, intervals = make_trial(60), Windowing(duration=10).intervals(60)
    benchmark.pedantic(Aperiodic(edges=(4.0, 45.0)), (trial, intervals), rounds=3, warmup_rounds=1)
