"""The folder of a result that nobody named: there as long as the result, and never after it."""

import copy
import gc
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.tables import VALENCE, feature_table

from physioaffect.errors import ProtocolError
from physioaffect.evaluation import Result, evaluate


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def evaluated(**options: Any) -> Result:
    settings: dict[str, Any] = {"models": ["lda"], "protocols": ["loso"], "task": VALENCE, "permutations": 0}
    return evaluate(options.pop("features", feature_table()), **settings | options)


def test_it_goes_with_the_result(temporary):
    result = evaluated()
    assert result.path.parent == temporary
    assert (result.path / "report.html").is_file()
    del result
    gc.collect()
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("kind", [copy.copy, copy.deepcopy, replace], ids=lambda kind: kind.__name__)
def test_it_stays_for_a_copy(temporary, kind):
    other = kind(evaluated())
    gc.collect()
    assert (other.path / "report.html").is_file()
    del other
    gc.collect()
    assert list(temporary.iterdir()) == []


def test_what_was_copied_elsewhere_stays(temporary, tmp_path):
    result = evaluated()
    path = result.path.rename(tmp_path / "kept")
    first = result.predictions
    del result
    gc.collect()
    assert len(Result.load(path).predictions) == len(first)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"models": ["xgboost"]}, ProtocolError),
        ({"features": feature_table(n_subjects=1)}, ProtocolError),  # Known only once the folds are planned.
    ],
)
def test_a_refused_call_makes_none(temporary, monkeypatch, options, error):
    made = []
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **_: made.append(1))
    with pytest.raises(error):
        evaluated(**options)
    assert made == []
    assert list(temporary.iterdir()) == []


def test_it_goes_with_the_interpreter(tmp_path):
    program = (
        "from physioaffect.evaluation.running.passing_folder import PassingFolder\n"
        "kept = PassingFolder()\n"
        "assert kept.path.is_dir()\n"
        "print(kept.path)\n"
    )
    outcome = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"TMPDIR": str(tmp_path), "TEMP": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(outcome.stdout.strip()).parent == tmp_path
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_does_not_take_it_away():
    """In a process of its own: the child has a copy of all objects, and drops them when it ends."""
    script = (
        "import os, sys\n"
        "from physioaffect.evaluation.running.passing_folder import PassingFolder\n"
        "kept = PassingFolder()\n"
        "path = kept.path\n"
        "if os.fork() == 0:\n"
        "    del kept\n"
        "    sys.exit()\n"
        "os.wait()\n"
        "before = path.is_dir()\n"
        "del kept\n"
        "print(before, path.is_dir())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
