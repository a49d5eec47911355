"""One second of a wristband into a stream: run with `make bench`."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from physioaffect.features import Recipe
from physioaffect.features.eda import EDA
from physioaffect.features.hrv import HRV
from physioaffect.features.motion import Motion
from physioaffect.features.recipe import Step
from physioaffect.features.stream import Stream
from physioaffect.features.stream_channels import StreamChannel
from physioaffect.features.temperature import Temperature
from physioaffect.signals.beats import BeatsFromPPG
from physioaffect.signals.quality_marking import MarkQuality
from physioaffect.windows import Windowing

CHANNELS = {
    "ppg": StreamChannel(sfreq=64.0, ch_names=("BVP",), kind="ppg", unit="au"),
    "acc": StreamChannel(sfreq=32.0, ch_names=("ACC_X", "ACC_Y", "ACC_Z"), kind="acc", unit="g"),
    "eda": StreamChannel(sfreq=4.0, ch_names=("EDA",), kind="eda", unit="uS"),
    "temperature": StreamChannel(sfreq=4.0, ch_names=("TEMP",), kind="temperature", unit="degC"),
}
CLEANING: dict[str, tuple[Step, ...]] = {
    "live": (MarkQuality(off_body=None, temperature=None), BeatsFromPPG()),
    "all rules": (MarkQuality(), BeatsFromPPG()),
}
RECIPE = Recipe(
    windows=Windowing(duration=60, step=10),
    features=(EDA(decompose="highpass_causal"), HRV(), Motion(), Temperature()),
)
N_TIMED = 120


def seconds_of_a_wrist(n_seconds: int) -> list[dict[str, np.ndarray]]:
    """A regular heart, a hand that moves now and then, a response every nine seconds."""
    rng = np.random.default_rng(0)
    made = []
    for second in range(n_seconds):
        t = {name: second + np.arange(round(one.sfreq)) / one.sfreq for name, one in CHANNELS.items()}
        ppg = np.exp(3 * np.cos(2 * np.pi * (1.1 * t["ppg"] + 0.5 * np.sin(t["ppg"] / 8))))
        acc = np.array([[0.0], [0.6], [0.8]]) + 0.01 * rng.normal(size=(3, 32))
        eda = (
            3
            + np.sin(t["eda"] / 80)
            + 0.3 * np.sin(np.pi * (t["eda"] % 9) / 9) ** 4
            + 0.002 * rng.normal(size=4)
        )
        skin = 33 + 0.2 * np.sin(t["temperature"] / 100) + 0.01 * rng.normal(size=4)
        made.append(
            {"ppg": ppg[np.newaxis], "acc": acc, "eda": eda[np.newaxis], "temperature": skin[np.newaxis]}
        )
    return made


@pytest.mark.benchmark(group="streaming, one second of all E4 signals, 60-s windows")
@pytest.mark.parametrize("cleaning", CLEANING)
@pytest.mark.parametrize(
    ("step", "every", "clean_every"),
    [(10.0, None, 0.0), (1.0, 10.0, 0.0), (1.0, None, 5.0), (1.0, None, 0.0)],
)
def bench_one_second(
    benchmark: Any, cleaning: str, step: float, every: float | None, clean_every: float
) -> None:
    recipe = replace(RECIPE, windows=replace(RECIPE.windows, step=step), cleaning=CLEANING[cleaning])
    stream = Stream(recipe, CHANNELS, every=every, clean_every=clean_every)
    n_before = round(stream.latency) + 600
    seconds = seconds_of_a_wrist(n_before + N_TIMED + 20)
    for second in seconds[:n_before]:
        stream.push(second)
    rest, tables = iter(seconds[n_before:]), []
    cpu = time.process_time()
    benchmark.pedantic(lambda: tables.append(stream.push(next(rest))), rounds=N_TIMED)
    # Windows come in some of the seconds only, so the mean and the longest tell more than the median.
    benchmark.extra_info |= {
        "latency_s": stream.latency,
        "mean_ms": 1e3 * benchmark.stats.stats.mean,
        "longest_ms": 1e3 * benchmark.stats.stats.max,
        "mean_cpu_ms": 1e3 * (time.process_time() - cpu) / N_TIMED,
        "n_windows": stream.n_windows,
    }
    last = next(table for table in reversed(tables) if table is not None)
    for family in ("eda", "hrv", "motion", "temperature"):
        assert np.isfinite(last[family]).mean() > 0.5
    if (every or step) == 10:
        assert benchmark.extra_info["mean_cpu_ms"] < 5
