"""What the documentation shows runs as it stands."""

import re
import shlex
from pathlib import Path

import numpy as np
import pyedflib
import pytest
from typer.testing import CliRunner

from physioaffect.cli import app
from physioaffect.evaluation import Result

ROOT = Path(__file__).resolve().parent.parent


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Four people, six films of 10 s, four electrodes and an ECG, as an EDF file each, and their ratings."""
    folder = tmp_path / "study"
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = ["subject,film,valence"]
    for subject in range(1, 5):
        for film in range(1, 7):
            lines.append(f"s{subject:02d},film{film},{3 + 4 * (film % 2)}")
            writer = pyedflib.EdfWriter(str(folder / f"s{subject:02d}_film{film}.edf"), 5)
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
                    for name in ("EEG F3", "EEG F4", "EEG O1", "EEG O2", "ECG ECG")
                ]
            )
            writer.writeSamples([20 * rng.standard_normal(1280) for _ in range(5)])
            writer.close()
    (folder / "ratings.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_your_own_data_runs_from_top_to_bottom(study, monkeypatch, capsys):
    monkeypatch.chdir(study.parent)
    names: dict[str, object] = {}
    for block in blocks("docs/your-own-data.md"):
        exec(compile(block, "docs/your-own-data.md", "exec"), names)
    # What EDF has besides, mne calls EEG, too.
    assert names["features"]["channel"].values.tolist() == ["F3", "F4", "O1", "O2"]  # type: ignore[index]
    printed = capsys.readouterr().out
    assert "within_subject_trial lda" in re.sub(r" +", " ", printed)
    assert (study.parent / "results" / "study" / "report.html").exists()


@pytest.mark.slow
def test_the_readme_runs_on_real_recordings(real_data, monkeypatch, capsys, tmp_path):
    [block] = blocks("README.md")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "path" / "to").mkdir(parents=True)
    (tmp_path / "path" / "to" / "eegmat").symlink_to(real_data / "realeeg" / "eegmat")
    smaller = block.replace('"random_forest"', '"knn"')  # The same call, sooner.
    exec(compile(smaller, "README.md", "exec"), {})
    assert "clock is as good" in capsys.readouterr().out


@pytest.mark.slow
def test_the_page_on_eeg_runs_on_real_recordings(real_data, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    eegmat = tmp_path / "path" / "to" / "eegmat"
    eegmat.mkdir(parents=True)
    for path in sorted((real_data / "realeeg" / "eegmat").glob("Subject0[01]_?.edf")):  # Two people, sooner.
        (eegmat / path.name).symlink_to(path)
    (tmp_path / "eegmmidb_S001").symlink_to(real_data / "realeeg" / "eegmmidb_S001")
    names: dict[str, object] = {}
    page = (ROOT / "docs/eeg-features.md").read_text(encoding="utf-8")
    for kind, block in re.findall(r"```(bash|python)\n(.*?)```", page, re.DOTALL):
        if kind == "python":
            exec(compile(block, "docs/eeg-features.md", "exec"), names)
            continue
        for line in block.splitlines():
            program, *arguments = shlex.split(line)
            assert program == "physioaffect"
            result = CliRunner().invoke(app, arguments)
            assert result.exit_code == 0, result.output
    printed = capsys.readouterr().out
    for shown in (
        "cleaned: 3.5 % marked",
        "cleaned: nothing found",
        "[3.29 3.36 1.87]",
        "12 of 29 windows lost",
    ):
        assert shown in page
        assert shown in printed
    pictures = {path.stem for path in tmp_path.glob("*.png")}
    assert pictures == {
        *("bands", "de", "topomap", "hjorth", "dasm", "rasm", "asm", "dcau", "aperiodic", "connectivity"),
        *("hjorth-course", "faa-course", "spectral_entropy-course", "line_length-course"),
        *("fractal_dimension-course", "covariance", "eegmat", "deap", "seed"),
    }


@pytest.mark.slow
def test_the_scores_on_real_recordings_are_those_in_the_docs(real_data, tmp_path):
    lda = "evaluate", "eegmat", str(real_data / "realeeg" / "eegmat"), "--model", "lda", "--features", "de"
    protocols = "loso", "loso_transductive"
    options = "--protocol", ",".join(protocols), "--out", str(tmp_path / "de")
    assert CliRunner().invoke(app, [*lda, *options]).exit_code == 0
    scores = Result.load(tmp_path / "de").summary().xs("balanced_accuracy", level="metric")
    page = (ROOT / "docs/evaluation.md").read_text(encoding="utf-8")
    for protocol in protocols:
        for model in ("lda", "majority", "prior", "clock_forest", "clock_1nn"):
            own = scores.xs((protocol, model), level=("protocol", "model")).loc[["trial", "window"]]
            shown = " | ".join(
                f"{mean:.2f} ± {sd:.2f}" for mean, sd in zip(own["mean"], own["sd"], strict=True)
            )
            assert f"| `{protocol}` | `{model}` | {shown} |" in page


def test_pictures_are_small():
    pictures = sorted((ROOT / "docs" / "pictures").glob("*.png"))
    assert pictures
    assert [path.name for path in pictures if path.stat().st_size > 150_000] == []


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *sorted(p.name for p in ROOT.glob("docs/*.md"))]
)
def test_every_link_leads_somewhere(page):
    path = ROOT / page if (ROOT / page).exists() else ROOT / "docs" / page
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert target.startswith("http") or (path.parent / target).exists(), target


def test_the_page_on_the_two_task_network_runs_from_top_to_bottom(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks("docs/pinn-network.md"):
        exec(compile(block, "docs/pinn-network.md", "exec"), names)


def test_the_index_of_networks_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks("docs/networks/README.md"):
        exec(compile(block, "docs/networks/README.md", "exec"), names)
    assert "(240, 2)" in capsys.readouterr().out
    assert (tmp_path / "model.safetensors").stat().st_size > 10_000


def test_the_index_of_networks_names_them_all():
    from physioaffect.graphs import NETWORKS

    page = (ROOT / "docs/networks/README.md").read_text(encoding="utf-8")
    for name in NETWORKS:
        assert f"`{name}`" in page
    for link in re.findall(r"\(([a-z]+\.md)\)", page):
        assert (ROOT / "docs/networks" / link).exists(), link
