"""TorchEEG's differential entropies, which tools/make_torcheeg_reference.py has stored."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.signal.windows import hann

from physioaffect.features import Bands, DifferentialEntropy
from physioaffect.features.filter_bank import BandFilter
from physioaffect.features.stft import band_variance_stft
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Intervals

REFERENCE = Path(__file__).parent.parent / "data" / "torcheeg_de.json"


@pytest.fixture(scope="module")
def torcheeg() -> dict[str, Any]:
    """Settings, chunks (n_chunks, n_channels, n_times) and entropies (n_chunks, n_channels, n_bands)."""
    stored: dict[str, Any] = json.loads(REFERENCE.read_text(encoding="utf-8"))
    v1 = "BandDifferentialEntropyV1"
    for name in ("chunks", "BandDifferentialEntropy", v1, v1 + "_without_mean"):
        stored[name] = np.array(stored[name], dtype=np.float64)
    return stored


def test_its_band_differential_entropy_is_a_causal_filter_that_starts_from_rest_in_each_chunk(torcheeg):
    family = DifferentialEntropy(
        bands=Bands.of(**torcheeg["bands"]),
        estimator="bandpass",
        filter=BandFilter(order=torcheeg["order"], phase="causal", start="rest"),
        precision="double",
        log_base=2,
    )
    found = []
    for chunk in torcheeg["chunks"]:
        names = tuple(f"E{number}" for number in range(len(chunk)))
        eeg = Signal(data=chunk, sfreq=torcheeg["sfreq"], ch_names=names, kind="eeg", unit="au")
        trial = Trial(dataset="made", subject="1", trial="1", stimulus="1", signals={"eeg": eeg})
        found.append(family(trial, Intervals(np.zeros(1), trial.duration)).values[0])
    assert_allclose(found, torcheeg["BandDifferentialEntropy"], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("of", "tolerance"), [("_without_mean", 1e-6), ("", 0.15)])
def test_its_v1_is_our_periodogram_by_the_symmetric_window_from_one_bin_lower(torcheeg, of, tolerance):
    """It leaves the mean in, of which that window lets some into the lowest band: up to 0.13 bits here."""
    bands = Bands.of(**{name: (fmin - 1, fmax) for name, (fmin, fmax) in torcheeg["bands"].items()})
    n_bins = [fmax - fmin + 1 for fmin, fmax in torcheeg["bands"].values()]
    variance = band_variance_stft(
        torcheeg["chunks"], sfreq=torcheeg["sfreq"], bands=bands, taper="hann_symmetric"
    )
    power = variance * 128 / 2 * np.square(hann(128, sym=True)).sum() / n_bins
    expected = torcheeg["BandDifferentialEntropyV1" + of]
    assert_allclose(np.log2(100 * power), expected, rtol=0, atol=tolerance)
