"""The figures of docs/performance.md: run with `make bench`."""

import os
from pathlib import Path

import pytest

from physioaffect.datasets import DREAMER, EEGMAT, STRESS_PREDICT, World
from physioaffect.devices.empatica import read_e4
from physioaffect.evaluation import evaluate
from physioaffect.features import default_recipe, extract

N_JOBS = os.cpu_count() or 1


@pytest.mark.benchmark(group="one Empatica E4 export of 59 minutes")
def bench_read_e4(benchmark, real_data):
    benchmark.pedantic(read_e4, (real_data / "realdata" / "stress_predict" / "S02_E4.zip",), rounds=5)


@pytest.mark.benchmark(group="from files to features")
@pytest.mark.parametrize("dataset", [EEGMAT, STRESS_PREDICT], ids=lambda dataset: str(dataset.name))
def bench_extract(benchmark, real_data, dataset):
    root = real_data / {"eegmat": "realeeg/eegmat", "stress_predict": "realdata/stress_predict"}[dataset.name]
    benchmark.pedantic(extract, (dataset, root, default_recipe(dataset)), {"n_jobs": 1}, rounds=3)


@pytest.mark.benchmark(group="from files to the table, loso")
@pytest.mark.parametrize(("name", "model"), [("eegmat", "lda"), ("stress_predict", "random_forest")])
def bench_evaluate(benchmark, real_data, tmp_path_factory, name, model):
    root = real_data / {"eegmat": "realeeg/eegmat", "stress_predict": "realdata/stress_predict"}[name]

    def whole_way() -> None:
        out: Path = tmp_path_factory.mktemp("run") / "out"
        evaluate(name, root, models=[model], protocols=["loso"], out=out, n_jobs=N_JOBS)

    benchmark.pedantic(whole_way, rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(group="simulated DREAMER, 8 people, 18 clips of 60 s")
@pytest.mark.parametrize("step", ["simulate", "read"])
def bench_dreamer(benchmark, tmp_path_factory, step):
    write = DREAMER.simulate
    assert write is not None

    def simulate() -> Path:
        return write(tmp_path_factory.mktemp("dreamer"), world=World(), n_subjects=8, max_seconds=60)

    if step == "simulate":
        benchmark.pedantic(simulate, rounds=3)
        return
    written = simulate()
    benchmark.pedantic(lambda: sum(1 for _ in DREAMER.read(written)), rounds=3)
