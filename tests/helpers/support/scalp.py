"""EEG as it would be if the head were homogeneous: smooth over the scalp, with a spectrum that falls."""

import numpy as np

from physioaffect.montage import electrode_positions
from physioaffect.recording import Signal

CAP = (
    *("Fp1", "AF3", "F3", "F7", "FC5", "FC1", "C3", "T7", "CP5", "CP1", "P3", "P7", "PO3", "O1", "Oz", "Pz"),
    *("Fp2", "AF4", "Fz", "F4", "F8", "FC6", "FC2", "Cz", "C4", "T8", "CP6", "CP2", "P4", "P8", "PO4", "O2"),
)


def coloured(rng: np.random.Generator, n_rows: int, n_times: int, *, exponent: float = 1.0) -> np.ndarray:
    """Noise whose power falls with frequency to this exponent, each row of variance one."""
    freqs = np.fft.rfftfreq(n_times)
    freqs[0] = np.inf
    spectrum = rng.normal(size=(n_rows, len(freqs), 2)) @ [1, 1j] * freqs ** (-exponent / 2)
    rows = np.fft.irfft(spectrum, n_times)
    return np.asarray(rows / rows.std(axis=1, keepdims=True))


def field(
    rng: np.random.Generator, ch_names: tuple[str, ...], n_sources: int, *, depth: float = 0.05
) -> np.ndarray:
    """Potentials of unit dipoles so many metres from the centre, shape (n_channels, n_sources)."""
    places = electrode_positions(ch_names)
    centre = np.array([0.0, -0.016, 0.0])
    direction = rng.normal(size=(n_sources, 3))
    sources = centre + depth * direction / np.linalg.norm(direction, axis=1, keepdims=True)
    distance = places[:, np.newaxis] - sources
    moment = rng.normal(size=(n_sources, 3))
    return np.asarray((distance * moment).sum(axis=-1) / np.linalg.norm(distance, axis=-1) ** 3)


def scalp_eeg(
    seed: int = 0, *, seconds: float = 60, sfreq: float = 128.0, ch_names: tuple[str, ...] = CAP
) -> Signal:
    """EEG of 40 dipoles, 20 µV in the mean channel, with 1 µV of independent sensor noise."""
    rng = np.random.default_rng(seed)
    n_times = round(seconds * sfreq)
    data = field(rng, ch_names, 40) @ coloured(rng, 40, n_times)
    data *= 20 / data.std(axis=1).mean()
    data += rng.normal(size=data.shape)
    return Signal(data=data * 1e-6, sfreq=sfreq, ch_names=ch_names, kind="eeg", unit="V")
