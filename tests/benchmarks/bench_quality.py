"""Marking the quality of a whole session and of a day of skin conductance."""

from pathlib import Path

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from physioaffect.devices.empatica import read_e4
from physioaffect.recording import Trial
from physioaffect.signals.quality import MarkQuality, eda_flags, quality_table
from physioaffect.windows import Windowing


def bench_one_e4_session(benchmark: BenchmarkFixture, real_data: Path) -> None:
    """All signals of 59 minutes, and the table of 60-s windows every 10 s."""
    session = read_e4(real_data / "realdata" / "stress_predict" / "S02_E4.zip")
    trial = Trial(dataset="e4", subject="2", trial="1", stimulus="none", signals=session.signals, elapsed=0.0)
    intervals = Windowing(duration=60, step=10).intervals(trial.duration)

    def mark() -> float:
        return float(quality_table(MarkQuality()(trial), intervals).coverage.mean())

    coverage = benchmark.pedantic(mark, rounds=7, warmup_rounds=1)
    benchmark.extra_info["seconds"] = trial.duration
    assert 0.7 < coverage < 1


def bench_a_day_of_skin_conductance(benchmark: BenchmarkFixture) -> None:
    """24 h at 4 Hz."""
    rng = np.random.default_rng(0)
    eda = 2 + 0.3 * np.sin(np.arange(24 * 3600 * 4) / 240) + 0.002 * rng.normal(size=24 * 3600 * 4)
    flags = benchmark.pedantic(eda_flags, (eda,), {"sfreq": 4.0}, rounds=7, warmup_rounds=1)
    assert not flags.any()


def bench_an_hour_of_skin_conductance_at_700_hz(benchmark: BenchmarkFixture) -> None:
    """1 h at the rate of a RespiBAN."""
    rng = np.random.default_rng(0)
    eda = 2 + 0.3 * np.sin(np.arange(3600 * 700) / 42000) + 0.002 * rng.normal(size=3600 * 700)
    flags = benchmark.pedantic(eda_flags, (eda,), {"sfreq": 700.0}, rounds=5, warmup_rounds=1)
    assert not flags.any()
