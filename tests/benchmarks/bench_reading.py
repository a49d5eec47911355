"""Exports of wristbands to signals: run with `make bench`."""

import zipfile
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from physioaffect.devices.embraceplus import read_embraceplus
from physioaffect.devices.empatica import read_e4
from physioaffect.devices.joining import join_sessions


def with_pandas(path: Path) -> dict[str, np.ndarray]:
    """What most of the peers do: each file of the zip by pandas, unchecked."""
    with zipfile.ZipFile(path) as archive:
        return {
            name: pd.read_csv(BytesIO(archive.read(name)), header=None, skiprows=2).to_numpy()
            for name in archive.namelist()
            if Path(name).name in ("ACC.csv", "BVP.csv", "EDA.csv", "TEMP.csv", "HR.csv")
        }


@pytest.mark.benchmark(group="read one Empatica E4 export of 59 minutes")
@pytest.mark.parametrize("reader", [read_e4, with_pandas], ids=["ours", "pandas"])
def bench_e4(benchmark, real_data: Path, reader: Callable[[Path], object]) -> None:
    path = real_data / "realdata" / "stress_predict" / "S02_E4.zip"
    benchmark.pedantic(reader, (path,), rounds=9, warmup_rounds=1)


@pytest.mark.benchmark(group="read 25 Empatica E4 exports, 23 hours")
def bench_25_sessions(benchmark, real_data: Path) -> None:
    paths = sorted((real_data / "realdata" / "stress_predict").glob("S*_E4.zip"))
    assert len(paths) == 25
    benchmark.pedantic(lambda: [read_e4(path) for path in paths], rounds=5)


@pytest.mark.benchmark(group="read one EmbracePlus file of 30 minutes")
def bench_embraceplus(benchmark, real_data: Path) -> None:
    path = real_data / "realdata" / "embraceplus" / "test_data.avro"
    benchmark.pedantic(read_embraceplus, (path,), rounds=9, warmup_rounds=1)


@pytest.mark.benchmark(group="join 48 recordings of 30 minutes to a day")
def bench_join(benchmark, real_data: Path) -> None:
    first = read_embraceplus(real_data / "realdata" / "embraceplus" / "test_data.avro")
    assert first.started_at is not None
    day = [
        first._replace(started_at=first.started_at + timedelta(seconds=1811.003 * number))
        for number in range(48)
    ]
    benchmark.pedantic(join_sessions, (day,), rounds=5)
