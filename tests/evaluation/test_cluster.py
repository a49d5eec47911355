"""The same numbers on a Dask cluster, also when one of its workers is killed on the way."""

import os
import re
import stat
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from support.dying import DyingOnce
from support.tables import VALENCE, feature_table

from physioaffect import parallel
from physioaffect.datasets import EEGMAT
from physioaffect.errors import RunError
from physioaffect.evaluation import evaluate
from physioaffect.features import default_recipe, extract, open_features, save_features
from physioaffect.parallel import open_cluster, run_all

distributed = pytest.importorskip("distributed")
FINAL = ("run.json", "predictions.parquet", "scores.parquet", "curves.parquet", "importance.parquet")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Two worker processes of one thread each."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    ) as cluster:
        yield cluster.scheduler_address


def final_files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FINAL if (folder / name).exists()}


@pytest.mark.slow
def test_an_evaluation_on_a_cluster_that_loses_a_worker_gives_the_same_bytes(address, tmp_path):
    features = feature_table(n_subjects=6, effect=2.0)
    files = []
    for where, cluster in (("here", None), ("there", address)):
        marker = tmp_path / "marker"
        if cluster is None:
            marker.touch()
        evaluate(
            features,
            models={"logistic": "logistic", "dying": DyingOnce(str(marker)), "ridge": "lda"},
            protocols=["loso", "window_random"],
            task=VALENCE,
            out=tmp_path / where,
            cluster=cluster,
        )
        files.append(final_files(tmp_path / where))
        marker.unlink()
    assert len(files[0]) >= 4
    assert files[0] == files[1]


def test_a_stack_of_networks_on_a_cluster_gives_the_same_bytes(address, tmp_path):
    pytest.importorskip("torch")
    from physioaffect.graphs import MLPClassifier

    features = feature_table(n_subjects=4, effect=2.0)
    for where, cluster in (("here", None), ("there", address)):
        evaluate(
            features,
            models={"mlp": MLPClassifier(epochs=2, batch_size=16)},
            protocols=["loso"],
            task=VALENCE,
            out=tmp_path / where,
            cluster=cluster,
        )
    here, there = final_files(tmp_path / "here"), final_files(tmp_path / "there")
    assert "curves.parquet" in here
    assert here == there


def test_features_made_on_a_cluster_are_the_same(address, tmp_path):
    assert EEGMAT.simulate is not None
    root = EEGMAT.simulate(tmp_path / "raw", n_subjects=3, max_seconds=60)
    recipe = default_recipe(EEGMAT, families=["de"], window=4)
    here = extract(EEGMAT, root, recipe).features
    with open_cluster(address) as client:
        there = extract(EEGMAT, root, recipe, client=client).features
        stored = open_features(save_features(EEGMAT, root, recipe, tmp_path / "f.zarr", client=client))
    assert here.identical(there)
    assert stored["subject"].values.tolist() == here["subject"].values.tolist()


def test_results_come_in_order_where_they_should(address):
    with open_cluster(address) as client:
        assert list(run_all(pow, [3, 1, 2], [2], client=client, is_ordered=True)) == [9, 1, 4]


def test_an_error_on_a_worker_is_the_error_here(address):
    with open_cluster(address) as client, pytest.raises(ZeroDivisionError):
        list(run_all(divmod, [1, 1], [0], client=client))


def test_a_task_that_kills_worker_after_worker_is_named(tmp_path):
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
        ) as cluster,
        open_cluster(cluster.scheduler_address) as client,
    ):
        assert client is not None
        client.run_on_scheduler(_forgive_nothing)
        with pytest.raises(RunError, match=r"Worker after worker of the cluster was lost over the same task"):
            list(run_all(os._exit, [1], client=client))


def _forgive_nothing(dask_scheduler) -> None:
    dask_scheduler.allowed_failures = 0


def test_workers_with_other_versions_are_refused(address, monkeypatch):
    # The workers find the function by its name, and so answer truly.
    monkeypatch.setattr(parallel, "version", lambda name: "1.0" if name == "numpy" else version(name))
    said = r"other versions, so numbers could differ: numpy .* \(here 1\.0\)"
    with pytest.raises(RunError, match=said), open_cluster(address):
        pass


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("slum", r"A cluster is 'slurm' or an address such as tcp://host:8786, got 'slum'"),
        ("tcp://127.0.0.1:9", r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"),
    ],
)
def test_a_cluster_that_is_not_there_is_named(where, said, monkeypatch):
    monkeypatch.setattr(parallel, "_SECONDS_TO_ANSWER", 1)
    with pytest.raises(RunError, match=said), open_cluster(where):
        pass


# A SLURM of one machine: it runs the script that it is given, as the real one would on some node.
SBATCH = """#!/bin/sh
cp "$1" "{folder}/script"
setsid sh "{folder}/script" > "{folder}/worker.log" 2>&1 &
echo $! > "{folder}/pid"
echo "Submitted batch job 1"
"""
SCANCEL = """#!/bin/sh
kill -- "-$(cat {folder}/pid)"
"""


def test_slurm_starts_workers_and_ends_them(tmp_path, monkeypatch):
    dask = pytest.importorskip("dask")
    pytest.importorskip("dask_jobqueue")
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        script = tmp_path / name
        script.write_text(text.format(folder=tmp_path))
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    settings = {
        "jobqueue.slurm.cores": 1,
        "jobqueue.slurm.memory": "2GB",
        "jobqueue.slurm.local-directory": str(tmp_path),
        "jobqueue.slurm.scheduler-options": {"dashboard_address": "127.0.0.1:0"},
    }
    monkeypatch.setattr(parallel, "_SECONDS_TO_START", 30)
    with dask.config.set(settings), open_cluster("slurm", n_workers=1) as client:
        assert list(run_all(pow, [2], [3], client=client)) == [8]
    assert "#SBATCH" in (tmp_path / "script").read_text()
    # Its process group is told to end; it takes a moment.
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists():
            break
        time.sleep(0.1)
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.slow
def test_the_page_on_clusters_runs(tmp_path, monkeypatch, capsys):
    page = Path(__file__).resolve().parents[2] / "docs" / "cluster.md"
    [block] = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "docs/cluster.md", "exec"), {})
    assert capsys.readouterr().out.strip().endswith("True")


def test_workers_follow_the_caller_to_another_folder(address, tmp_path, monkeypatch):
    """They are kept between calls, and relative paths must mean there what they mean here."""
    with open_cluster(address) as client:
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            monkeypatch.chdir(tmp_path / name)
            for options in ({"n_jobs": 2}, {"client": client}):
                found = run_all(os.path.realpath, [".", "."], **options)
                assert set(found) == {str((tmp_path / name).resolve())}
