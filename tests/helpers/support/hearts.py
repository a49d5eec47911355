"""Hearts that beat when they are told to, and records in MIT's formats."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Q, R, S and T: delay after the R peak in seconds, height in millivolts, width in seconds.
_WAVES = ((-0.04, -0.1, 0.01), (0.0, 1.0, 0.012), (0.04, -0.2, 0.01), (0.25, 0.25, 0.04))

Shape = Callable[[Floats], Floats]


def _complex(t: Floats) -> Floats:
    waves = [height * np.exp(-((t - delay) ** 2) / (2 * width**2)) for delay, height, width in _WAVES]
    return np.asarray(np.sum(waves, axis=0))


def _pulse(t: Floats) -> Floats:
    """The wrist's: up within 0.16 s, then down until the next foot, with a dicrotic wave on the way."""
    later = np.maximum(t, 0)
    ascent = (1 - np.cos(np.pi * np.minimum(later / 0.16, 1))) / 2
    return ascent * np.exp(-later / 0.4) + 0.08 * np.exp(-((t - 0.38) ** 2) / (2 * 0.05**2))


def _sum_of(beats: Floats, shape: Shape, *, sfreq: float, duration: float) -> Floats:
    times = np.arange(round(duration * sfreq)) / sfreq
    x = np.zeros_like(times)
    for beat in beats:
        near = slice(*np.searchsorted(times, [beat - 0.5, beat + 8]))
        x[near] += shape(times[near] - beat)
    return x


def ecg_of(beats: Floats, *, sfreq: float, duration: float, noise: float = 0.01) -> Floats:
    """One lead in millivolts whose R peaks are at ``beats``."""
    clean = _sum_of(beats, _complex, sfreq=sfreq, duration=duration)
    return clean + np.random.default_rng(0).normal(scale=noise, size=len(clean))


def ppg_of(beats: Floats, *, sfreq: float, duration: float, noise: float = 0.01) -> Floats:
    """A pulse wave, systole up, whose feet are at ``beats``."""
    clean = _sum_of(beats, _pulse, sfreq=sfreq, duration=duration)
    return clean + np.random.default_rng(0).normal(scale=noise, size=len(clean))


def breathing_beats(
    duration: float, *, mean: float = 0.8, depth: float = 0.05, breath: float = 0.25
) -> Floats:
    """Beats whose intervals follow the breath, from 0.7 s on."""
    beats = [0.7]
    while beats[-1] < duration - 1:
        beats.append(beats[-1] + mean + depth * np.sin(2 * np.pi * breath * beats[-1]))
    return np.array(beats)


def read_mit_bih(path: Path, n_times: int) -> Floats:
    """First lead in millivolts of a record in format 212: two 12-bit samples in three bytes."""
    triples = np.fromfile(path, dtype=np.uint8).reshape(-1, 3).astype(np.int64)[:n_times]
    first = triples[:, 0] | (triples[:, 1] & 0x0F) << 8
    return (np.where(first > 2047, first - 4096, first) - 1024) / 200


def read_beats(path: Path) -> NDArray[np.int64]:
    """Samples of the beats in an annotation file: 6 bits of code and 10 of distance."""
    words = np.fromfile(path, dtype="<u2").tolist()
    beats, sample, at = [], 0, 0
    while words[at]:
        code, distance = words[at] >> 10, words[at] & 1023
        at += 1
        if code == 59:  # A long distance follows.
            sample += (words[at] << 16) + words[at + 1]
            at += 2
        elif code == 63:  # A text of so many bytes follows.
            at += (distance + 1) // 2
        elif code < 60:
            sample += distance
            if 1 <= code <= 13:
                beats.append(sample)
    return np.array(beats)
