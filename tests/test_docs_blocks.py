"""Every block of code on the pages is run by a test, or says why not."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main
from support.cli import call
from support.docs_runners import OWN, PROGRAMS, RUNNERS
from support.pages_of_docs import PAGES, ROOT, blocks, lines_of, text_of

from physioaffect.cli import app
from physioaffect.datasets import DATASETS, EEGMAT

# Lines of bash that no test runs as they stand, by how they begin, and why.
NOT_RUN = {
    "make ": "a test below looks for each target; CI runs those of the README",
    "pip install": "installs from the network; the packaging tests install the wheel",
    "dask ": "waits for ever; tests/evaluation/test_cluster.py starts the same from Python",
    ".venv/bin/python tools/": "takes from 10 minutes to hours; the tests hold part of what it makes",
    "python tools/": "takes minutes; tests/evaluation/report holds what it makes",
    "physioaffect distill": "needs faces; tests/test_cli_distill.py runs each of them on drawn ones",
    "physioaffect reproduce neurogaze": "takes minutes; tests/reproduce/test_neurogaze.py runs less of it",
    "physioaffect reproduce histn path/to": "needs DREAMER; test_histn_training.py simulates it",
    "physioaffect reproduce rbtransformer": "takes minutes; test_reproduce_page.py runs it on less",
    "physioaffect reproduce wesad path/to": "needs WESAD; tests/reproduce runs it on a simulated one",
    "physioaffect reproduce wears": "takes minutes; test_reproduce_page.py runs it with --quick",
    "physioaffect run": "takes minutes; tests/test_cli_sweeps.py runs a smaller file",
    "physioaffect compare": "needs two runs; tests/test_cli_sweeps.py makes and compares them",
    "physioaffect audit": "needs tables; tests/evaluation/test_leakage_docs.py writes them and runs it",
    "physioaffect evaluate eegmat path/to/eegmat --model": "takes minutes; the page of all networks runs "
    "one like it, and tests/graphs every network by its name",
    "physioaffect evaluate dreamer": "takes minutes; tests/graphs and tests/test_docs_site.py run less of it",
    "physioaffect simulate dreamer null": "goes with the line after it",
}


def reason_not_to_run(words: list[str]) -> str | None:
    line = " ".join(words)
    if "--cluster" in words:
        return "needs a cluster; tests/evaluation/test_cluster.py starts one"
    return next((reason for start, reason in NOT_RUN.items() if line.startswith(start)), None)


def test_every_block_of_code_is_run_by_a_test_that_is_there():
    run_by = {
        block: (path, test) for path, tests in RUNNERS.items() for test in tests for block in tests[test]
    }
    shown = {f"{page} {kind}" for page in PAGES for kind in ("bash", "python") if blocks(page, kind)}
    explained = {
        f"{page} bash" for page in PAGES if lines_of(page) and all(map(reason_not_to_run, lines_of(page)))
    }
    assert shown - set(run_by) - explained == set()
    assert set(run_by) - shown == set()
    for block, (path, test) in run_by.items():
        source = (ROOT / path).read_text(encoding="utf-8")
        assert f"def {test}(" in source, (path, test)
        assert path == OWN or re.search(rf"\b{Path(block.split()[0]).stem}\b", source), (path, block)


@pytest.mark.parametrize("page", PAGES)
def test_commands_stand_in_blocks_that_say_their_language(page):
    bare = re.findall(r"^```\n(.*?)^```$", _other_blocks_removed(text_of(page)), re.DOTALL | re.MULTILINE)
    assert [block for block in bare if block.startswith("physioaffect ")] == []


def _other_blocks_removed(text: str) -> str:
    """Else the end of one block looks like the beginning of the next."""
    return re.sub(r"^```[^\n]+\n.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def test_a_block_without_a_language_would_be_found():
    planted = "```python\nx = 1\n```\n\n```\nphysioaffect check dreamer PATH\n```\n"
    assert "physioaffect check" in _other_blocks_removed(planted)
    assert "x = 1" not in _other_blocks_removed(planted)


@pytest.mark.parametrize("page", PAGES)
def test_every_target_of_make_is_there_and_ci_runs_those_of_the_readme(page):
    known = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    in_ci = set(re.findall(r"^make (\S+)", (ROOT / ".ci/run").read_text(encoding="utf-8"), re.MULTILINE))
    shown = {words[1] for words in lines_of(page) if words[0] == "make"}
    assert shown <= known
    if page == "README.md":
        assert "demo" in shown <= in_ci


def test_every_reason_not_to_run_a_command_is_needed():
    lines = [" ".join(words) for page in PAGES for words in lines_of(page)]
    unused = [start for start in NOT_RUN if not any(line.startswith(start) for line in lines)]
    assert unused == []


@pytest.mark.slow
@pytest.mark.parametrize("page", [*PROGRAMS, "docs/evaluation.md"])
def test_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    if page == "docs/evaluation.md":
        EEGMAT.simulate("path/to/eegmat", n_subjects=5, max_seconds=60)  # type: ignore[misc]
    names: dict[str, object] = {}
    for block in blocks(page, "python"):
        exec(compile(block, page, "exec"), names)


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNERS[OWN]["test_commands_on_a_page_run"])
def test_commands_on_a_page_run(page, tmp_path, monkeypatch, real_data):
    """As they stand; PATH, FOLDER and the like are small simulated data sets, and one real recording."""
    page = page.removesuffix(" bash")
    monkeypatch.chdir(tmp_path)
    EEGMAT.simulate("path/to/eegmat", n_subjects=5, max_seconds=60)  # type: ignore[misc]
    (tmp_path / "S05_E4.zip").symlink_to(real_data / "realdata" / "stress_predict" / "S05_E4.zip")
    for name in ("recording.edf", "REC.edf"):
        (tmp_path / name).symlink_to(tmp_path / "path/to/eegmat/Subject00_2.edf")
    for words in lines_of(page):
        if reason_not_to_run(words) is None:
            program, *arguments = words
            assert program == "physioaffect"
            code, printed, complained = call(*(stands_for(word, arguments) for word in arguments))
            assert code == 0, (words, printed, complained)


SMALL = {"max_seconds": 60, "n_subjects": 5}  # Four people fill a batch of 64 windows.
SIMULATED = {
    "eegmat": SMALL,
    "stress_predict": {"n_subjects": 3},
    "deap": {"n_subjects": 2, "n_clips": 4, "max_seconds": 10},
    "wesad": {"n_subjects": 2, "max_seconds": 60},
    "dreamer": {"n_subjects": 3, "n_clips": 8, "max_seconds": 30},
}


def stands_for(word: str, arguments: list[str]) -> str:
    """What a placeholder is: the simulated data set that the command names."""
    name = next((known for known in SIMULATED if known in arguments), "stress_predict")
    if word == "PATH" and "bids" in arguments:
        from support.bids import write_study  # It needs mne-bids.

        return str(write_study(Path("study"), n_subjects=3)) if not Path("study").exists() else "study"
    if word in {"PATH", "FOLDER"} and not Path("simulated", name).exists():
        DATASETS[name].simulate(f"simulated/{name}", **SIMULATED[name])  # type: ignore[misc]
    return f"simulated/{name}" if word in {"PATH", "FOLDER"} else word


@pytest.mark.slow
def test_the_page_on_commands_runs(tmp_path, monkeypatch, capsys):
    """docs/cli.md, with the output of each command where the page sends it."""
    monkeypatch.chdir(tmp_path)
    for line in blocks("docs/cli.md", "bash")[0].splitlines():
        command, _, file = line.partition(" > ")
        code, printed, complained = call(*shlex.split(command)[1:])
        assert code == 0, complained
        if file:
            Path(file).write_text(printed)
    [block] = blocks("docs/cli.md", "python")
    exec(compile(block, "docs/cli.md", "exec"), {})
    assert capsys.readouterr().out.startswith("good\n")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_shown_is_one_that_the_program_takes(page):
    group = typer.main.get_command(app)
    for program, *words in lines_of(page):
        if program == "physioaffect":
            command: Any = group
            while hasattr(command, "commands"):
                command = command.commands[words.pop(0)]
            command.make_context(command.name, words)
