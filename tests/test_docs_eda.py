"""The page on the equation of skin conductance runs as it stands, and prints what it says."""

import re
import shlex
from pathlib import Path

import typer
from typer.testing import CliRunner

from physioaffect.cli_eda import eda

PAGE = Path(__file__).resolve().parent.parent / "docs" / "eda-equation.md"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_page_runs_and_prints_what_it_says(capsys):
    [block], [shown] = blocks("python"), blocks("text")
    exec(compile(block, "docs/eda-equation.md", "exec"), {})
    assert capsys.readouterr().out == shown


def test_the_command_runs_on_a_real_recording(real_data, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "S05_E4.zip").symlink_to(real_data / "realdata" / "stress_predict" / "S05_E4.zip")
    [command] = blocks("bash")
    program, name, *arguments = shlex.split(command)
    assert (program, name) == ("physioaffect", "eda")
    app = typer.Typer()
    app.command()(eda)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert made == {"bursts.csv", "samples.parquet", "settings.json", "eda.png", "eda.pdf"}
