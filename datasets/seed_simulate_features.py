"""The ready features of the SEED family, made of simulated EEG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .seed_files import FILE_NAMES

__all__ = ["BANDS", "BANDS_IV", "Bands", "band_variance", "feature_variables"]

Bands = Mapping[str, tuple[float, float]]
Floats = NDArray[np.float64]

BANDS: Bands = {"delta": (1, 3), "theta": (4, 7), "alpha": (8, 13), "beta": (14, 30), "gamma": (31, 50)}
BANDS_IV: Bands = {"delta": (1, 4), "theta": (4, 8), "alpha": (8, 14), "beta": (14, 31), "gamma": (31, 50)}

_N_AVERAGED = 5  # Frames of the moving average; made up, as is the weight of the smoothing.
_SMOOTHING = 0.2


def _numbered(name: str) -> bool:
    return name[-1].isdigit()


def _right_of(name: str) -> str:
    """Name the electrode opposite to one on the left."""
    letters = name.rstrip("0123456789")
    return f"{letters}{int(name[len(letters) :]) + 1}"


_LEFT = [name for name in FILE_NAMES if _numbered(name) and int(name[-1]) % 2]
_LEFT_RIGHT = [(name, _right_of(name)) for name in _LEFT]
# 23 pairs front to back; which they are and in which order is not documented.
_FRONT_BACK = [
    *((f"{row}{at}", f"{back}{at}") for row, back in (("FC", "CP"), ("F", "P")) for at in "531Z246"),
    *(("FT7", "TP7"), ("FT8", "TP8"), ("F7", "P7"), ("F8", "P8")),
    *(("FP1", "O1"), ("FPZ", "OZ"), ("FP2", "O2"), ("AF3", "CB1"), ("AF4", "CB2")),
]


def _rows(pairs: Sequence[tuple[str, str]], side: int) -> list[int]:
    return [FILE_NAMES.index(pair[side]) for pair in pairs]


def band_variance(data: Floats, *, sfreq: float, frame: float, bands: Bands) -> Floats:
    """Variance of each frame in each band from one Hann-windowed periodogram.

    Parameters
    ----------
    data : ndarray, shape (n_channels, n_times)
        Any unit.
    sfreq : float
        Sampling rate in Hz.
    frame : float
        Length of a frame in seconds; frames do not overlap, and what is left over is not used. A
        recording that is shorter makes one frame.
    bands : mapping of str to (float, float)
        Edges in Hz, both of which count.

    Returns
    -------
    variance : ndarray, shape (n_channels, n_frames, n_bands)
    """
    n_times = min(round(frame * sfreq), data.shape[1])
    n_frames = data.shape[1] // n_times
    frames = data[:, : n_frames * n_times].reshape(len(data), n_frames, n_times)
    taper = np.hanning(n_times + 1)[:-1]
    spectrum = np.fft.rfft((frames - frames.mean(axis=-1, keepdims=True)) * taper, axis=-1)
    power = 2 * np.square(np.abs(spectrum)) / (n_times * np.square(taper).sum())
    freqs = np.fft.rfftfreq(n_times, 1 / sfreq)
    is_in = [(freqs >= low) & (freqs <= high) for low, high in bands.values()]
    return np.stack([power[..., mask].sum(axis=-1) for mask in is_in], axis=-1)


def _moving_average(values: Floats) -> Floats:
    """Average each frame with those before it, so that this one does not look ahead."""
    padded = np.concatenate([np.repeat(values[:, :1], _N_AVERAGED - 1, axis=1), values], axis=1)
    view = np.lib.stride_tricks.sliding_window_view(padded, _N_AVERAGED, axis=1)
    return np.asarray(view.mean(axis=-1))


def _forwards(values: Floats) -> Floats:
    smooth = values.copy()
    for frame in range(1, values.shape[1]):
        smooth[:, frame] += (1 - _SMOOTHING) * (smooth[:, frame - 1] - values[:, frame])
    return smooth


def _both_ways(values: Floats) -> Floats:
    return _forwards(_forwards(values)[:, ::-1])[:, ::-1]


def feature_variables(variance: Floats, families: Sequence[str]) -> dict[str, Floats]:
    """Make a trial's variables without their numbers, such as ``de_LDS``.

    Parameters
    ----------
    variance : ndarray, shape (62, n_frames, n_bands)
        In each band.
    families : sequence of str
        Of ``de``, ``psd``, ``dasm``, ``rasm``, ``asm`` and ``dcau``.

    Returns
    -------
    variables : dict of str to ndarray, shape (n_rows, n_frames, n_bands)
        Rows are channels, 27 pairs (``dasm``, ``rasm``), both of these (``asm``) or 23 pairs (``dcau``).
    """
    entropy = 0.5 * np.log(2 * np.pi * np.e * np.maximum(variance, 1e-12))
    left, right = (entropy[_rows(_LEFT_RIGHT, side)] for side in (0, 1))
    front, back = (entropy[_rows(_FRONT_BACK, side)] for side in (0, 1))
    ratio = left / np.where(np.abs(right) < 1e-3, 1e-3, right)
    made = {
        "de": entropy,
        "psd": variance,
        "dasm": left - right,
        "rasm": ratio,
        "asm": np.concatenate([left - right, ratio]),
        "dcau": front - back,
    }
    return {
        f"{family}_{name}": smooth(made[family])
        for family in families
        for name, smooth in (("movingAve", _moving_average), ("LDS", _both_ways))
    }
