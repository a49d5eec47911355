"""Cleaning EEG: run with `make bench`."""

import numpy as np
import pytest

from physioaffect.datasets import DEAP
from physioaffect.recording import Signal
from physioaffect.signals.eeg import clean_eeg


@pytest.mark.benchmark(group="clean_eeg with its defaults, 32 channels at 128 Hz")
@pytest.mark.parametrize("minutes", [1, 10])
def bench_cleaning(benchmark, minutes):
    data = 1e-5 * np.random.default_rng(0).standard_normal((32, minutes * 7680))
    eeg = Signal(data=data, sfreq=128.0, ch_names=DEAP.ch_names["eeg"], kind="eeg", unit="V")
    benchmark.pedantic(clean_eeg, (eeg,), rounds=5, warmup_rounds=1)
