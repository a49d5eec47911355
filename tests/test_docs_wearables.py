"""The page on wearables runs as it stands, and prints what it says."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from physioaffect.cli import app
from physioaffect.datasets import find_recordings
from physioaffect.devices.map_file import read_map

PAGE = Path(__file__).resolve().parent.parent / "docs" / "wearables.md"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.slow
def test_the_page_runs_on_real_recordings(real_data, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stress_predict").symlink_to(real_data / "realdata" / "stress_predict")
    names: dict[str, object] = {}
    # What listens to a live stream ends with the stream; tests/features/test_stream*.py hold it to the batch.
    for block in (block for block in blocks("python") if "connect_lsl" not in block):
        exec(compile(block, "docs/wearables.md", "exec"), names)
    printed = capsys.readouterr().out
    shown = [block for block in blocks("text") if not block.startswith("file\t")]
    assert printed == "".join(shown)
    assert (tmp_path / "table.html").stat().st_size < 25 * 100_000


def test_the_command_runs_on_a_real_recording(real_data, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "stress_predict"
    folder.mkdir()
    for name in ("S01_E4.zip", "LICENSE"):
        (folder / name).write_bytes((real_data / "realdata" / "stress_predict" / name).read_bytes())
    command, _ = blocks("bash")
    program, *arguments = shlex.split(command)
    assert program == "physioaffect"
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "1 person: features.zarr" in result.output
    assert (tmp_path / "features.html").exists()


def test_the_map_and_the_table_of_sessions_are_whole(tmp_path):
    [stated] = blocks("toml")
    (tmp_path / "physioaffect.toml").write_text(stated)
    csv_map = read_map(tmp_path / "physioaffect.toml")
    assert csv_map.device == "Finger clip"
    [sessions] = [block for block in blocks("text") if block.startswith("file\t")]
    (tmp_path / "sessions.tsv").write_text(sessions)
    for day in ("monday", "friday"):
        (tmp_path / day).mkdir()
        (tmp_path / day / "a.zip").write_bytes(b"PK")
    found = find_recordings(tmp_path)
    assert [one.session for one in found.people["ann"]] == ["after", "before"]
