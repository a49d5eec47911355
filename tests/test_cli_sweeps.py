import csv
import json
import re
import shlex
from pathlib import Path

import pytest
from support.cli import call

from physioaffect.datasets import DREAMER
from physioaffect.evaluation.sweeps import sweep as sweep_module

SMALL = """\
seeds = [0, 1]
permutations = 20
models = ["lda", "knn"]
protocols = ["loso"]

[datasets.dreamer]
path = "dreamer"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data and an experiment that has been run."""
    folder = tmp_path_factory.mktemp("experiment")
    assert DREAMER.simulate is not None
    DREAMER.simulate(folder / "dreamer", n_subjects=3, max_seconds=6)
    (folder / "small.toml").write_text(SMALL)
    code, printed, complained = call("run", folder / "small.toml", "--jobs", 1)
    assert code == 0, complained
    assert "dreamer: valence (SIMULATED DATA)" in printed
    assert "lda - knn" in printed
    assert "2 of 2 runs finished" in printed
    assert "dreamer-valence-seed0: finished in" in complained
    return folder


def test_run_writes_the_comparison_and_given_again_it_only_reads(folder):
    page = folder / "results" / "small" / "compare.html"
    content = page.read_text()
    assert "Comparison of <em>2 runs</em>" in content
    code, printed, complained = call("run", folder / "small.toml")
    assert code == 0
    assert "2 of 2 runs finished, 2 of them before" in printed
    assert complained.count("finished before") == 2
    assert page.read_text() == content


def test_a_dry_run_prints_the_plan_and_writes_nothing(folder, tmp_path):
    code, printed, _ = call("run", folder / "small.toml", "--dry-run", "--out", tmp_path / "new")
    assert code == 0
    assert re.search(r"dreamer-valence-seed1 +dreamer +valence +1", printed)
    assert "2 runs into" in printed
    assert not (tmp_path / "new").exists()
    told = json.loads(call("run", folder / "small.toml", "--dry-run", "--json", "--only", "*1")[1])
    assert [(row["run"], row["state"]) for row in told["runs"]] == [("dreamer-valence-seed1", "finished")]


def test_what_is_wrong_in_a_file_is_a_sentence_and_exit_code_2(folder):
    (folder / "wrong.toml").write_text(SMALL.replace("seeds", "seedz"))
    code, printed, complained = call("run", folder / "wrong.toml")
    assert (code, printed) == (2, "")
    assert "wrong.toml, line 1: there is no key 'seedz'. Did you mean seeds?" in complained
    code, _, complained = call("run", folder / "small.toml", "--only", "dreamer-valance-seed0")
    assert code == 2
    assert "Did you mean dreamer-valence-seed0?" in complained


def test_a_failing_run_is_named_and_the_exit_code_is_1(folder, tmp_path, monkeypatch):
    def broken(*_: object, out: Path, **__: object) -> None:
        raise ZeroDivisionError("[bold]no markup[/bold]")

    monkeypatch.setattr(sweep_module, "evaluate", broken)
    command = ("run", folder / "small.toml", "--out", tmp_path / "new")
    code, printed, complained = call(*command)
    assert code == 1
    assert "0 of 2 runs finished, 2 failed" in printed
    assert "Failed: dreamer-valence-seed0. ZeroDivisionError: [bold]no markup[/bold]" in printed
    assert "Traceback" in complained
    code, printed, _ = call(*command, "--strict")
    assert code == 1
    assert "0 of 2 runs finished, 1 failed, 1 not begun" in printed
    code, printed, complained = call(*command, "--json")
    told = json.loads(printed)
    assert (code, complained) == (1, "")
    assert [run["status"] for run in told["runs"]] == ["failed", "failed"]
    assert told["comparison"] is None


def test_compare_prints_and_writes_what_it_is_asked_for(folder, tmp_path):
    out = folder / "results" / "small"
    runs = sorted(out.glob("dreamer-*"))
    code, printed, _ = call("compare", *runs, "--csv", tmp_path / "t.csv", "--html", tmp_path / "t.html")
    assert code == 0
    assert "clock_forest" in printed
    with (tmp_path / "t.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["model"] for row in rows][:2] == ["lda", "knn"]
    assert (tmp_path / "t.html").read_text() == (out / "compare.html").read_text()
    told = json.loads(
        call("compare", out, "--json", "--level", "window", "--metric", "auroc", "--baselines")[1]
    )
    assert {row["metric"] for row in told["scores"]} == {"auroc"}
    assert told["level"] == "window"
    assert len(told["pairs"]) == 6 * 5 / 2
    assert "needs at least 6 data sets" in told["ranks"]["loso"]["refused"]


def test_compare_refuses_in_words(folder, tmp_path):
    for arguments, said in (
        ((tmp_path,), "holds no finished run"),
        ((folder / "results" / "small", "--level", "fold"), "--level is trial or window, got 'fold'"),
        ((folder / "results" / "small", "--metric", "rmse"), "has no metric 'rmse'"),
    ):
        code, _, complained = call("compare", *arguments)
        assert code == 2
        assert said in complained


PAGE = (Path(__file__).parent.parent / "docs" / "experiments.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.slow
def test_the_page_on_experiments_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    [file] = blocks("toml")
    Path("emotion.toml").write_text(file)
    Path("wrong.toml").write_text(file.replace("epochs", "epoch"))
    outputs = []
    for block in blocks("bash"):
        for line in block.replace("\\\n", " ").splitlines():
            program, *arguments = shlex.split(line)
            assert program == "physioaffect"
            code, printed, complained = call(*arguments)
            assert code == 0, complained
            outputs.append(" ".join(printed.split()))
    plan, error = blocks("text")
    for line in plan.splitlines():
        assert " ".join(line.replace("─", "").split()) in outputs[2]
    assert call("run", "wrong.toml")[2].replace("wrong.toml", "emotion.toml") == error.strip()
    assert "6 of 6 runs finished" in outputs[3]
    assert Path("table.csv").exists()
    assert Path("two-seeds.html").exists()
    for block in blocks("python"):
        exec(compile(block, "docs/experiments.md", "exec"), {})
    assert "small_dgcnn" in capsys.readouterr().out


def test_every_key_of_a_file_is_on_the_page_and_in_its_example():
    from physioaffect.evaluation.sweeps import experiment_file

    for key in (*experiment_file._TOP, *experiment_file._DATASET):
        assert f"`{key}`" in PAGE, key
        assert re.search(rf"\b{key}\b", blocks("toml")[0]) or key == "clean", key
