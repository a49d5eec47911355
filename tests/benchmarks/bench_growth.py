"""Cost of differential entropy over 100 times the samples and 100 times the bands: run with `make bench`.

Each row also says what a sample of a channel costs in a band: where that stays the same, growth is linear;
where it falls, what is done once for all bands is shared by more of them.
"""

import sys

import numpy as np
import pytest

from physioaffect.features.bands import Bands
from physioaffect.features.filter_bank import BandFilter, band_variance_filtered
from physioaffect.features.stft import band_variance_frames

SFREQ, N_CHANNELS = 128, 32
N_BANDS = 25  # Of 2 Hz, as many as fit well below half the sampling rate.

ESTIMATORS = {
    "stft": band_variance_frames,
    "causal": lambda *X, **how: band_variance_filtered(*X, band_filter=BandFilter(phase="causal"), **how),
    "zero phase": band_variance_filtered,
}


def bands_of_two_hertz(n_bands):
    """Side by side from 4 Hz on, and again from there when all are used."""
    low = [4 + 2 * (k % N_BANDS) for k in range(n_bands)]
    return Bands.of(**{f"band{k}": (fmin, fmin + 2) for k, fmin in enumerate(low)})


def measure(benchmark, capsys, estimator, *, n_minutes, n_bands):
    n_times = n_minutes * 60 * SFREQ
    X = 1e-5 * np.random.default_rng(0).standard_normal((N_CHANNELS, n_times), dtype=np.float32)
    how = {"sfreq": float(SFREQ), "bands": bands_of_two_hertz(n_bands)}
    first = np.arange(0, n_times, SFREQ)
    benchmark.pedantic(
        ESTIMATORS[estimator], (X, first, SFREQ), how, rounds=max(5, 100 // n_minutes), warmup_rounds=1
    )
    # The fastest round: whatever else runs on the machine can only add.
    each = benchmark.stats.stats.min / (X.size * n_bands) * 1e9
    benchmark.extra_info["ns per sample, channel and band"] = each
    with capsys.disabled():
        sys.stdout.write(f"\n{estimator}, {n_minutes} min, {n_bands} bands: {each:.3f} ns each\n")


@pytest.mark.benchmark(group="DE grows with the samples, 32 channels, 4 bands")
@pytest.mark.parametrize("n_minutes", [1, 10, 100])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def bench_samples(benchmark, capsys, estimator, n_minutes):
    measure(benchmark, capsys, estimator, n_minutes=n_minutes, n_bands=4)


@pytest.mark.benchmark(group="DE grows with the bands, 32 channels, 10 minutes")
@pytest.mark.parametrize("n_bands", [1, 10, 100])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def bench_bands(benchmark, capsys, estimator, n_bands):
    measure(benchmark, capsys, estimator, n_minutes=10, n_bands=n_bands)
