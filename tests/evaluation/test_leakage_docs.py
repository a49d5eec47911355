"""The page on the audit runs as it stands, and what it says is printed is printed."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from physioaffect.cli_audit import audit
from physioaffect.evaluation.leakage import KINDS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "leakage-audit.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """What the page takes as given: a folder as TorchEEG's KFoldGroupbyTrial writes it, and tables."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "split").mkdir()
    subject, trial, chunk = (
        axis.ravel() for axis in np.meshgrid(range(3), range(4), range(10), indexing="ij")
    )
    info = pd.DataFrame(
        {"subject_id": subject, "trial_id": trial, "start_at": 128 * chunk, "end_at": 128 * chunk + 128}
    )
    info["clip_id"] = [f"{s}_{n}" for n, s in enumerate(subject)]
    for fold in range(5):
        is_test = chunk // 2 == fold
        info[~is_test].to_csv(tmp_path / "split" / f"train_fold_{fold}.csv", index=False)
        info[is_test].to_csv(tmp_path / "split" / f"test_fold_{fold}.csv", index=False)
    coords = info.rename(columns={"subject_id": "subject", "trial_id": "trial"}).assign(stimulus=trial)
    coords.drop(columns=["start_at", "end_at", "clip_id"]).to_csv(tmp_path / "coords.csv", index_label="row")
    sides = pd.DataFrame({"row": range(len(info)), "side": np.where(subject == 0, "test", "train")})
    sides.to_csv(tmp_path / "splits.csv", index=False)
    X = np.random.default_rng(0).standard_normal((len(info), 4))
    pd.DataFrame(X, columns=list("abcd")).to_csv(tmp_path / "features.csv", index_label="row")
    return tmp_path


def test_the_page_runs_from_top_to_bottom(folder, capsys):
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "docs/leakage-audit.md", "exec"), names)
    printed = capsys.readouterr().out
    [shown] = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    for line in shown.splitlines():
        for part in line.split(" ... "):
            assert part in printed
    for said in re.findall(r"print\(.*?\)  # (.*)", PAGE):
        for part in said.split("..."):
            assert part.strip() in printed
    assert "leak selection_on_all selected changed" in printed
    assert printed.count("leak: trial_shared. In 5 of 5 folds") == 2  # Dealt by window, and TorchEEG's.


def test_the_commands_run(folder):
    app = typer.Typer()
    app.command()(audit)
    codes = []
    [commands] = re.findall(r"```bash\n(physioaffect.*?)```", PAGE, re.DOTALL)
    for line in commands.splitlines():
        program, command, *arguments = shlex.split(line)
        assert (program, command) == ("physioaffect", "audit")
        codes.append(CliRunner().invoke(app, arguments).exit_code)
    # The first has a stimulus on both sides; the second declares it.
    assert codes == [1, 0]


def test_every_kind_is_on_the_page():
    assert [kind for kind in KINDS if f"`{kind}`" not in PAGE and kind != "random_fit"] == []
