"""Band features beside TorchEEG, LibEER and mne-features, which are no dependencies: run with `make bench`.

A peer that cannot be imported is skipped. They ask for old versions of what physioaffect needs, so they go in
without them: ``pip install --no-deps torcheeg==1.1.3 spectrum mne-features && pip install torch``.
TorchEEG's filters are then designed by today's SciPy, which takes 1.6 times as long over it as its own 1.10.
LibEER 0.1.4 cannot be imported as the package that it is. Its module of features can, its folder as path:
``pip install --no-deps --target DIR LibEER`` and ``PYTHONPATH=DIR/LibEER/data_utils``.
"""

import importlib
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from physioaffect.features import RBTRANSFORMER_BANDS, SEED_BANDS, Bands
from physioaffect.features.differential_entropy import gaussian_entropy
from physioaffect.features.filter_bank import BandFilter, band_variance_filtered
from physioaffect.features.stft import band_variance_frames

Floats = NDArray[Any]


class Shape(NamedTuple):
    """Trials cut into windows of 1 s."""

    n_trials: int
    n_channels: int
    n_seconds: int
    sfreq: int
    bands: Bands

    @property
    def edges(self) -> dict[str, list[float]]:
        return {band.name: [band.fmin, band.fmax] for band in self.bands}


SHAPES = {
    "DEAP, one subject": Shape(40, 32, 60, 128, RBTRANSFORMER_BANDS),
    "SEED, one trial": Shape(1, 62, 227, 200, SEED_BANDS),
}


def filtered(X: Floats, shape: Shape, band_filter: BandFilter) -> None:
    first = np.arange(0, X.shape[-1], shape.sfreq)
    gaussian_entropy(
        band_variance_filtered(
            X, first, shape.sfreq, sfreq=shape.sfreq, bands=shape.bands, band_filter=band_filter
        )
    )


def stft(X: Floats, shape: Shape) -> None:
    first = np.arange(0, X.shape[-1], shape.sfreq)
    gaussian_entropy(band_variance_frames(X, first, shape.sfreq, sfreq=shape.sfreq, bands=shape.bands))


OURS: dict[str, Callable[[Floats, Shape], None]] = {
    "filter bank, causal, order 5": lambda X, shape: filtered(X, shape, BandFilter(order=5, phase="causal")),
    "filter bank, causal, order 4": lambda X, shape: filtered(X, shape, BandFilter(phase="causal")),
    "filter bank, zero phase, order 4": lambda X, shape: filtered(X, shape, BandFilter()),
    "stft": stft,
}


def imported(module: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(module)
        except ImportError as error:
            pytest.skip(f"{error}; the head of {__name__} says how to install the peers")


def torcheeg(shape: Shape, name: str) -> Callable[[Floats], Any]:
    transform = getattr(imported("torcheeg.transforms.numpy.band"), name)
    of_chunk = transform(sampling_rate=shape.sfreq, band_dict=shape.edges)
    return lambda chunk: of_chunk(eeg=chunk)


def mne_features(shape: Shape) -> Callable[[Floats], Any]:
    of_chunk = imported("mne_features.univariate").compute_pow_freq_bands
    return lambda chunk: of_chunk(shape.sfreq, chunk, freq_bands=shape.edges, normalize=False)


def libeer(shape: Shape, name: str) -> Callable[[Floats], Any]:
    of_trial = getattr(imported("preprocess"), name)
    return lambda trial: of_trial(trial, shape.sfreq, [*shape.edges.values()], 1, 0)


class Peer(NamedTuple):
    """``prepare(shape)`` gives what is called with each window, or with each whole trial."""

    prepare: Callable[[Shape], Callable[[Floats], Any]]
    n_most: int = 2400
    takes_trials: bool = False


# The first one needs more than 10 ms for a window, so a part of them is enough to know it.
PEERS = {
    "torcheeg BandDifferentialEntropy": Peer(lambda shape: torcheeg(shape, "BandDifferentialEntropy"), 100),
    "torcheeg BandDifferentialEntropyV1": Peer(lambda shape: torcheeg(shape, "BandDifferentialEntropyV1")),
    "LibEER de": Peer(lambda shape: libeer(shape, "de_extraction"), takes_trials=True),
    "LibEER de_reduced": Peer(lambda shape: libeer(shape, "de_reduced_extraction"), takes_trials=True),
    "mne-features pow_freq_bands": Peer(mne_features),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", [*OURS, *PEERS])
def bench_band_features(benchmark, name, shape):
    n_trials, n_channels, n_seconds, sfreq, _ = SHAPES[shape]
    X = np.random.default_rng(0).standard_normal((n_trials, n_channels, n_seconds * sfreq), dtype=np.float32)
    n_all = n_measured = n_trials * n_seconds
    if name in PEERS:
        peer = PEERS[name]
        of_chunk, n_measured = peer.prepare(SHAPES[shape]), min(n_all, peer.n_most)
        chunks = X
        if not peer.takes_trials:
            chunks = X.reshape(n_trials, n_channels, n_seconds, sfreq).swapaxes(1, 2)
            chunks = chunks.reshape(n_all, n_channels, sfreq)[:n_measured]
        # The peers are spared the conversion.
        chunks = chunks.astype(np.float64)

        def work() -> None:
            for chunk in chunks:
                of_chunk(chunk)

    else:

        def work() -> None:
            OURS[name](X, SHAPES[shape])

    benchmark.group = f"band features, {shape}: {n_all} windows of {n_channels} x {sfreq}"
    work()  # What is compiled and imported once does not count.
    cpu = time.process_time()
    benchmark.pedantic(work, rounds=7)
    cpu = time.process_time() - cpu
    benchmark.extra_info |= {
        "windows_measured": n_measured,
        "us_per_window": 1e6 * benchmark.stats.stats.median / n_measured,
        "cpu_us_per_window": 1e6 * cpu / 7 / n_measured,
        "ms_for_all_windows": 1e3 * benchmark.stats.stats.median * n_all / n_measured,
    }
