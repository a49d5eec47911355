"""What scripts rely on: JSON on standard output, exit codes, completion, folders from the environment."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from support.cli import call

from physioaffect.cli import app
from physioaffect.datasets import DATASETS, DREAMER, check, get
from physioaffect.errors import DataError
from physioaffect.evaluation import evaluate
from physioaffect.features import default_recipe, extract


def _commands(group: Any) -> dict[str, Any]:
    """All commands by name, those of groups as ``group command``."""
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        inner = _commands(command) if hasattr(command, "commands") else {}
        found |= {f"{name} {own}": one for own, one in inner.items()} or {name: command}
    return found


COMMANDS = _commands(typer.main.get_command(app))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of data sets, with one in it."""
    folder = tmp_path_factory.mktemp("data")
    assert DREAMER.simulate is not None
    DREAMER.simulate(folder / "dreamer", n_subjects=3, n_clips=4, max_seconds=12)
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_json(name):
    assert any("--json" in parameter.opts for parameter in COMMANDS[name].params)


def test_simulate_and_datasets_print_one_json_document(tmp_path):
    code, printed, _ = call("simulate", "dreamer", tmp_path / "d", "--subjects", 1, "--clips", 2, "--json")
    assert (code, json.loads(printed)) == (
        0,
        {"dataset": "dreamer", "out": str(tmp_path / "d" / "DREAMER.mat"), "simulated": True},
    )
    code, printed, _ = call("datasets", "--json")
    assert code == 0
    assert set(DATASETS) < set(json.loads(printed))


def test_the_exit_codes_are_told_by_help():
    code, printed, _ = call("--help")
    told = " ".join(printed.split())
    assert code == 0
    for sentence in ("0 done, and nothing is wrong", "2 refused", "130 interrupted", "PHYSIOAFFECT_DATA"):
        assert sentence in told


def test_an_interruption_ends_with_130():
    program = (
        "import physioaffect.datasets as d\n"
        "def stop(*_, **__): raise KeyboardInterrupt\n"
        "d.get_any = stop\n"
        "import sys; sys.argv = ['physioaffect', 'check', 'dreamer', '/nowhere']\n"
        "from physioaffect.cli import main; main()"
    )
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert outcome.returncode == 130, outcome.stderr


def physioaffect(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = "import sys; sys.argv[0] = 'physioaffect'; from physioaffect.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_a_shell_is_shown(shell):
    options = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    outcome = physioaffect("--show-completion", shell, **options)
    assert outcome.returncode == 0, outcome.stderr
    assert "_PHYSIOAFFECT_COMPLETE" in outcome.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("physioaffect re", {"report", "reproduce"}),
        ("physioaffect check dreamx", set()),
        ("physioaffect evaluate seed_", {"seed_iv", "seed_raw", "seed_v"}),
    ],
)
def test_commands_and_data_sets_are_completed(words, expected):
    last = str(len(words.split()) - 1)
    outcome = physioaffect(_PHYSIOAFFECT_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=last)
    assert set(outcome.stdout.split()) == expected


class TestFolderFromTheEnvironment:
    def test_commands_find_the_data_set(self, data, monkeypatch, tmp_path):
        monkeypatch.setenv("PHYSIOAFFECT_DATA", str(data))
        code, printed, _ = call("check", "dreamer", "--json")
        assert code in (0, 1)
        assert json.loads(printed)["root"] == str(data / "dreamer")
        options = ("--features", "de", "--window", 4, "--jobs", 1)
        code, printed, _ = call("features", "dreamer", "--out", tmp_path / "d.zarr", *options, "--json")
        assert code == 0
        assert json.loads(printed)["n_subjects"] == 3
        more = ("--model", "lda", "--permutations", 0, "--out", tmp_path / "run")
        code, printed, _ = call("evaluate", "dreamer", *options, *more, "--json")
        assert code == 0
        assert json.loads(printed)["run"]["table"]["n_subjects"] == 3

    def test_python_finds_it_too_and_gives_the_same(self, data, monkeypatch, tmp_path):
        recipe = default_recipe(DREAMER, families=["de"], window=4)
        named = extract(DREAMER, data / "dreamer", recipe).features
        monkeypatch.setenv("PHYSIOAFFECT_DATA", str(data))
        assert extract(DREAMER, None, recipe).features.identical(named)
        assert check(DREAMER).root == str(data / "dreamer")
        assert next(DREAMER.read()).dataset == "dreamer"
        result = evaluate(
            "dreamer",
            models=["lda"],
            protocols=["loso"],
            recipe=recipe,
            permutations=0,
            out=tmp_path / "run",
        )
        assert result.run["table"]["n_subjects"] == 3

    def test_a_folder_that_is_named_goes_first(self, data, monkeypatch, tmp_path):
        monkeypatch.setenv("PHYSIOAFFECT_DATA", str(tmp_path))
        code, printed, _ = call("check", "dreamer", data / "dreamer", "--json")
        assert code in (0, 1)
        assert json.loads(printed)["root"] == str(data / "dreamer")

    @pytest.mark.parametrize("value", [None, "", "  "])
    def test_without_either_it_is_said_how_to_name_it(self, value, monkeypatch, tmp_path):
        monkeypatch.delenv("PHYSIOAFFECT_DATA", raising=False)
        if value is not None:
            monkeypatch.setenv("PHYSIOAFFECT_DATA", value)
        sentence = "Where is the data set dreamer? Name its folder, or set the environment variable"
        for command in (
            ["check"],
            ["evaluate"],
            ["features", "-o", tmp_path],
            ["train", "-o", tmp_path / "m"],
        ):
            code, printed, complaint = call(command[0], "dreamer", *command[1:])
            assert (code, printed) == (2, "")
            assert sentence in complaint
        with pytest.raises(DataError, match="Where is the data set dreamer"):
            evaluate("dreamer", models=["lda"], protocols=["loso"])
        with pytest.raises(DataError, match="Where is the data set wearable"):
            get("wearable")

    def test_an_unknown_name_is_told_before_the_folder(self, monkeypatch):
        monkeypatch.delenv("PHYSIOAFFECT_DATA", raising=False)
        code, _, complaint = call("check", "draemer")
        assert code == 2
        assert "Unknown data set 'draemer'" in complaint
