"""The table of docs/eeg-features.md is what the recordings give."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_the_log_ratios_of_three_recordings_are_those_in_the_docs(
    real_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "make_pictures.py"))
    tool["print_table"](tool["changes"](real_data / "realeeg"))
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == 19
    text = (ROOT / "docs" / "eeg-features.md").read_text(encoding="utf-8")
    shown = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| ")}
    for row in rows:
        assert [cell.strip() for cell in row.split("|")] == [
            cell.strip() for cell in shown[row.split("|")[1].strip()].split("|")
        ]
