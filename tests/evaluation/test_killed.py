"""A run that is killed at any instant and continued gives the files of one that was not, byte for byte."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import killing

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="Needs fork and SIGKILL.")

HELPERS = Path(killing.__file__).parents[1]
FINAL = {"run.json", "predictions.parquet", "scores.parquet", "report.html"}


def kill(kind: str, folder: Path, *, seed: int = 0, n_kills: int = 0) -> dict[str, Any]:
    """See `support.killing`."""
    done = subprocess.run(
        [sys.executable, "-m", "support.killing", kind, str(folder), str(seed), str(n_kills)],
        env=os.environ | {"PYTHONPATH": str(HELPERS), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["wrong"] == [], done.stderr
    return told


@pytest.mark.slow
def test_killed_before_each_change_of_the_folder(tmp_path):
    """All instants that can be told apart, of a folder written without fitting anything."""
    told = kill("changes", tmp_path)
    assert set(told["stages"]) == {
        "before run.json", "fitting", "merging", "scoring", "removing parts", "reporting"
    }  # fmt: skip
    assert len(told["stages"]) > 40
    assert {"curves.parquet", "importance.parquet"} < set(told["files"])


@pytest.mark.slow
def test_an_evaluation_killed_at_random_moments(tmp_path):
    told = kill("classical", tmp_path, n_kills=5)
    assert len(told["stages"]) == 5
    assert set(told["files"]) >= FINAL | {"importance.parquet"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 3))
def test_an_evaluation_killed_at_ten_random_moments(tmp_path, seed):
    told = kill("classical", tmp_path, seed=seed, n_kills=10)
    assert len(told["stages"]) == 10
    assert len(set(told["stages"])) > 1


@pytest.mark.slow
def test_a_network_killed_while_it_writes(tmp_path):
    """It writes a checkpoint after each epoch, so that most of the five kills break one off."""
    told = kill("network", tmp_path, seed=5, n_kills=5)
    assert len(told["stages"]) == 5
    assert "training" in told["stages"]
    assert set(told["files"]) >= FINAL | {"curves.parquet"}
