"""Movement features of one hour: run with `make bench`.

neurokit2 has none of these, so the peer is what a user would write: numpy and scipy, window by window.
"""

import time

import numpy as np
import pytest
import scipy.stats
from scipy.signal import find_peaks, welch

from physioaffect.features.motion import Motion
from physioaffect.features.rotation import Rotation
from physioaffect.recording import Signal, Trial
from physioaffect.windows import Intervals

SFREQ = 32.0
# It takes milliseconds for each window, so a part of them is enough to know it.
N_PEER = 100


def trial_of(minutes: float, kind: str = "acc", unit: str = "g") -> Trial:
    rng = np.random.default_rng(0)
    data = np.array([[0.0], [0.6], [0.8]]) + 0.05 * rng.normal(size=(3, round(60 * minutes * SFREQ)))
    data = np.round(64 * data) / 64
    signal = Signal(data=data, sfreq=SFREQ, ch_names=("x", "y", "z"), kind=kind, unit=unit)
    return Trial(dataset="made", subject="1", trial="1", stimulus="none", signals={kind: signal})


def peer(acc: np.ndarray, starts: np.ndarray, n_samples: int) -> np.ndarray:
    """The same statistics, spectra and posture of each window by itself."""
    rows = []
    for first in starts:
        x = acc[:, first : first + n_samples]
        x = np.concatenate([x, np.sqrt((x**2).sum(axis=0))[np.newaxis]])
        away = x - x.mean(axis=1, keepdims=True)
        freqs, density = welch(x, fs=SFREQ, nperseg=256)
        share = density[:, 1:64] / density[:, 1:64].sum(axis=1, keepdims=True)
        gravity = x[:3].reshape(3, -1, 64).mean(axis=2)
        peaks, _ = find_peaks(density[3])
        rows.append(
            np.concatenate(
                [
                    *(
                        x.mean(axis=1),
                        x.std(axis=1),
                        np.sqrt((x**2).mean(axis=1)),
                        x.min(axis=1),
                        x.max(axis=1),
                    ),
                    np.subtract(*np.percentile(x, [75, 25], axis=1)),
                    *(scipy.stats.skew(x, axis=1), scipy.stats.kurtosis(x, axis=1)),
                    ((away[:, 1:] >= 0) != (away[:, :-1] >= 0)).mean(axis=1) * SFREQ,
                    *(density[:, (freqs > 0) & (freqs < 3)].sum(axis=1), density[:, 24:64].sum(axis=1)),
                    *(freqs[density.argmax(axis=1)], -(share * np.log(share)).sum(axis=1)),
                    np.corrcoef(x[:3])[[0, 0, 1], [1, 2, 2]],
                    [
                        np.maximum(x[3] - 1, 0).mean(),
                        np.abs(away[3]).mean(),
                        np.abs(away[:3]).sum(axis=0).mean(),
                    ],
                    [np.sqrt(np.square(np.diff(x[:3], axis=1) * SFREQ).sum(axis=0).mean())],
                    np.degrees(np.arcsin((gravity / np.linalg.norm(gravity, axis=0)).mean(axis=1))),
                    [60 * freqs[peaks[density[3][peaks].argmax()]] if len(peaks) else 0.0],
                ]
            )
        )
    return np.array(rows)


@pytest.mark.parametrize(("minutes", "step"), [(60.0, 1.0), (56.0, 10.0)], ids=["1h-step1s", "56min-step10s"])
def bench_motion(benchmark, minutes, step):
    """Windows of 60 s of acceleration at 32 Hz, all 64 features."""
    trial = trial_of(minutes)
    cut = Intervals(np.arange(0.0, 60 * minutes - 60 + 1e-6, step), 60.0)
    Motion()(trial, cut)  # Compiled.
    acc = trial.signal("acc").data
    starts = np.round(cut.starts * SFREQ).astype(int)
    chosen = starts[:: max(1, len(starts) // N_PEER)][:N_PEER]
    began = time.perf_counter()
    peer(acc, chosen, round(60 * SFREQ))
    each = (time.perf_counter() - began) / len(chosen)
    benchmark.pedantic(lambda: Motion()(trial, cut), rounds=5, warmup_rounds=1)
    benchmark.extra_info["n_windows"] = len(starts)
    benchmark.extra_info["loop_s"] = each * len(starts)
    benchmark.extra_info["ratio"] = each * len(starts) / benchmark.stats.stats.median


def bench_rotation(benchmark):
    """An hour of a gyroscope, a window every second."""
    trial = trial_of(60.0, "gyro", "deg/s")
    cut = Intervals(np.arange(0.0, 3540.0, 1.0), 60.0)
    benchmark.pedantic(lambda: Rotation()(trial, cut), rounds=5, warmup_rounds=1)
