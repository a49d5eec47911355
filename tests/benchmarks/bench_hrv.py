"""Heart rate variability in sliding windows beside NeuroKit2, window for window: run with `make bench`."""

import time
import warnings
from collections.abc import Callable

import numpy as np
import pytest

from physioaffect.features.coupling import EDAHeartCoupling
from physioaffect.features.hrv import HRV
from physioaffect.features.respiration_heart import RespirationHeartCoupling
from physioaffect.recording import Events, Signal, Trial
from physioaffect.windows import Windowing

HOUR = 3600.0
ROUNDS = 5
# Of the 3,541 windows so many, evenly spread, are enough to know the peer's time.
N_PEER = 15


def seconds_of(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


@pytest.fixture(scope="module")
def hour() -> Trial:
    """One hour of a heart at about 75 beats per minute that follows breath and blood pressure, with noise."""
    rng = np.random.default_rng(0)
    times = [0.0]
    while times[-1] < HOUR:
        now = times[-1]
        wave = 0.03 * np.sin(2 * np.pi * 0.25 * now) + 0.03 * np.sin(2 * np.pi * 0.1 * now)
        times.append(now + 0.8 + wave + 0.015 * rng.normal())
    beats = np.round(np.array(times), 3)
    ibi = Events(times=beats, values=np.diff(beats, prepend=np.nan), kind="ibi")
    even = np.arange(0, HOUR, 0.25)
    eda = 5 + np.cumsum(rng.normal(size=len(even)))[np.newaxis] / 100
    resp = np.cos(2 * np.pi * 0.25 * np.arange(0, HOUR, 0.04))[np.newaxis]
    signals: dict[str, Signal | Events] = {
        "ibi": ibi,
        "eda": Signal(data=eda, sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS"),
        "resp": Signal(data=resp, sfreq=25.0, ch_names=("RESP",), kind="resp", unit="au"),
    }
    return Trial(dataset="made", subject="1", trial="1", stimulus="none", signals=signals)


def peer_seconds(trial: Trial, windowing: Windowing, domains: tuple[str, ...]) -> float:
    """NeuroKit2's time for one window."""
    neurokit = pytest.importorskip("neurokit2")
    functions = {
        "time": neurokit.hrv_time,
        "frequency": neurokit.hrv_frequency,
        "nonlinear": neurokit.hrv_nonlinear,
    }
    starts = windowing.intervals(HOUR).starts
    chosen = starts[:: max(1, len(starts) // N_PEER)]
    ibi = trial.signals["ibi"]
    peaks = [
        np.round(1000 * ibi.crop(start, start + windowing.duration).times).astype(int) for start in chosen
    ]

    def work() -> None:
        for own in peaks:
            for domain in domains:
                functions[domain](own, sampling_rate=1000)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for domain in domains:  # What is imported once does not count.
            functions[domain](peaks[0], sampling_rate=1000)
        return seconds_of(work) / len(peaks)


@pytest.mark.benchmark(group="HRV of one hour")
@pytest.mark.parametrize(
    ("duration", "step", "most_s"),
    [(60.0, 1.0, 1.0), (60.0, 10.0, 0.1), (300.0, 1.0, 3.0), (300.0, 10.0, 0.3)],
)
@pytest.mark.parametrize(
    "domains", [("time", "frequency"), ("time", "frequency", "nonlinear")], ids=["time+frequency", "all"]
)
def bench_hrv(benchmark, hour, duration, step, most_s, domains):
    windowing = Windowing(duration=duration, step=step)
    windows = windowing.intervals(HOUR)
    family = HRV(domains=domains)
    family(hour, windows)  # What is compiled once does not count.
    theirs = [peer_seconds(hour, windowing, domains)]
    benchmark.pedantic(family, (hour, windows), rounds=ROUNDS)
    theirs.append(peer_seconds(hour, windowing, domains))  # Before and after, whatever else the machine does.
    each = benchmark.stats.stats.median / len(windows.starts)
    benchmark.extra_info |= {
        "n_windows": len(windows.starts),
        "us_per_window": 1e6 * each,
        "neurokit2_us_per_window": 1e6 * min(theirs),
        "times_faster_than_neurokit2": min(theirs) / each,
    }
    assert benchmark.stats.stats.median < most_s
    assert min(theirs) / each > 30


@pytest.mark.benchmark(group="coupling of one hour, windows of 60 s")
@pytest.mark.parametrize("step", [1.0, 10.0])
@pytest.mark.parametrize("family", [EDAHeartCoupling(), RespirationHeartCoupling(), HRV(domains=("welch",))])
def bench_coupling(benchmark, hour, family, step):
    windows = Windowing(duration=60.0, step=step).intervals(HOUR)
    benchmark.pedantic(family, (hour, windows), rounds=ROUNDS, warmup_rounds=1)
    assert benchmark.stats.stats.median < 0.5
