"""Write tests/data/torcheeg_de.json: what TorchEEG makes of a few chunks of EEG-like noise.

Needs TorchEEG, which asks for old versions of what physioaffect needs, so it goes in without them::

    pip install --no-deps torcheeg==1.1.3 spectrum && pip install torch
    python tools/make_torcheeg_reference.py
"""

from __future__ import annotations

import importlib
import json
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np

OUT = Path(__file__).resolve().parent.parent / "tests" / "data" / "torcheeg_de.json"
SEED = 0
N_CHUNKS, N_CHANNELS, N_TIMES = 6, 4, 128


def main() -> None:
    """Make the chunks, let TorchEEG measure them and write both."""
    band = importlib.import_module("torcheeg.transforms.numpy.band")
    rng = np.random.default_rng(SEED)
    white = rng.normal(scale=50, size=(N_CHUNKS, N_CHANNELS, N_TIMES))
    offset = rng.normal(scale=300, size=(N_CHUNKS, N_CHANNELS, 1))
    # Whole numbers, so that the file holds exactly what was measured.
    chunks = np.rint(white + 0.3 * white.cumsum(axis=-1) + offset)
    filtered, periodogram = band.BandDifferentialEntropy(), band.BandDifferentialEntropyV1()
    if filtered.band_dict != periodogram.band_dict or filtered.sampling_rate != N_TIMES:
        raise SystemExit("TorchEEG's defaults have changed: one sampling rate and set of bands is expected.")
    contents = {
        "what": "Chunks of EEG-like noise with an offset, in no unit, and their differential entropies by "
        "TorchEEG with its default settings, in bits.",
        "made_by": "tools/make_torcheeg_reference.py",
        "versions": {name: version(name) for name in ("torcheeg", "numpy", "scipy")}
        | {"python": platform.python_version()},
        "generator": "numpy.random.default_rng(0): white noise, plus 0.3 of its running sum, plus an offset",
        "sfreq": filtered.sampling_rate,
        "order": filtered.order,
        "bands": filtered.band_dict,
        "chunks": chunks.astype(int).tolist(),
        "BandDifferentialEntropy": [filtered(eeg=chunk)["eeg"].tolist() for chunk in chunks],
        "BandDifferentialEntropyV1": [periodogram(eeg=chunk)["eeg"].tolist() for chunk in chunks],
        "BandDifferentialEntropyV1_without_mean": [
            periodogram(eeg=chunk - chunk.mean(axis=-1, keepdims=True))["eeg"].tolist() for chunk in chunks
        ],
    }
    lines = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in contents.items())
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"Wrote {OUT}.")


if __name__ == "__main__":
    main()
