"""What the documentation shows runs as it stands."""

import re
from pathlib import Path

import numpy as np
import pyedflib
import pytest

ROOT = Path(__file__).resolve().parent.parent


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Four people, six films of 10 s, four channels, as an EDF file each, and their ratings."""
    folder = tmp_path / "study"
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = ["subject,film,valence"]
    for subject in range(1, 5):
        for film in range(1, 7):
            lines.append(f"s{subject:02d},film{film},{3 + 4 * (film % 2)}")
            writer = pyedflib.EdfWriter(str(folder / f"s{subject:02d}_film{film}.edf"), 4)
            writer.setSignalHeaders(
                [
                    {
                        "label": name,
                        "dimension": "uV",
                        "sample_frequency": 128,
                        "physical_min": -500,
                        "physical_max": 500,
                        "digital_min": -32768,
                        "digital_max": 32767,
                    }
                    for name in ("F3", "F4", "O1", "O2")
                ]
            )
            writer.writeSamples([20 * rng.standard_normal(1280) for _ in range(4)])
            writer.close()
    (folder / "ratings.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_your_own_data_runs_from_top_to_bottom(study, monkeypatch, capsys):
    monkeypatch.chdir(study.parent)
    names: dict[str, object] = {}
    for block in blocks("docs/your-own-data.md"):
        exec(compile(block, "docs/your-own-data.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "within_subject_trial lda" in re.sub(r" +", " ", printed)
    assert (study.parent / "results" / "study" / "report.html").exists()


def test_the_readme_runs_on_real_recordings(real_data, monkeypatch, capsys, tmp_path):
    [block] = blocks("README.md")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "path" / "to").mkdir(parents=True)
    (tmp_path / "path" / "to" / "eegmat").symlink_to(real_data / "realeeg" / "eegmat")
    smaller = block.replace('"random_forest"', '"knn"')  # The same call, sooner.
    exec(compile(smaller, "README.md", "exec"), {})
    assert "clock is as good" in capsys.readouterr().out


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *sorted(p.name for p in ROOT.glob("docs/*.md"))]
)
def test_every_link_leads_somewhere(page):
    path = ROOT / page if (ROOT / page).exists() else ROOT / "docs" / page
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert target.startswith("http") or (path.parent / target).exists(), target
