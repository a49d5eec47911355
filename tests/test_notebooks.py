"""Every notebook runs from top to bottom, in an empty folder, without a warning, and ends with a figure."""

import os
import re
from pathlib import Path
from typing import ClassVar

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
EXECUTED = FOLDER.parent / "build" / "notebooks"  # Where `make docs` finds them, so that they run once.
# Where the environment's real recordings lie that a notebook takes if PHYSIOAFFECT_DATA has them.
REAL = {"eegmat": "realeeg/eegmat", "stress_predict": "realdata/stress_predict"}

# Each is to take less than 60 s of processor time; on a core that others use, too, it counts up to half more.
MOST_SECONDS = 90


def _seconds_of_children():
    """Processor time of the kernels that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def read(path):
    with path.open(encoding="utf-8") as file:
        return nbformat.read(file, as_version=nbformat.NO_CONVERT)


def run(name, folder):
    """Execute a notebook in a folder, and give it back with what its code printed."""
    notebook = read(FOLDER / f"{name}.ipynb")
    client = NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    before = _seconds_of_children()
    client.execute()  # An error in a cell is raised, with its traceback.
    assert _seconds_of_children() - before < MOST_SECONDS
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    streams = [out for cell in cells for out in cell.outputs if out.output_type == "stream"]
    assert "".join(out.text for out in streams if out.name == "stderr") == ""
    assert any("image/png" in out.get("data", {}) for out in cells[-1].outputs)
    return notebook, "".join(out.text for out in streams)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)
    assert path.stat().st_size < 30_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_says_first_what_will_be_known_and_uses_public_names(path):
    cells = read(path).cells
    first = cells[0].source
    assert first.startswith(f"# {int(path.stem[:2])}. ")
    assert "At the end you will know" in first
    assert re.findall(r"^(\d)\. ", first, re.MULTILINE) == ["1", "2", "3"]
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    imported = re.findall(r"^(?:from|import) (physioaffect\S*)", code, re.MULTILINE)
    assert imported
    assert not [name for name in imported if "._" in name]


class Executed:
    """Tests of one notebook: pytest-xdist deals classes to processes, so that they run side by side."""

    name: ClassVar[str]

    @pytest.fixture(autouse=True)
    def _own_folders(self, monkeypatch, tmp_path):
        monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))  # Nobody's own settings count.
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        monkeypatch.delenv("PHYSIOAFFECT_DATA", raising=False)

    @pytest.mark.slow
    def test_it_runs_on_simulated_data(self, tmp_path):
        folder = tmp_path / "here"
        folder.mkdir()
        notebook, printed = run(self.name, folder)
        assert "Real recordings" not in printed
        assert list(folder.iterdir()) == []
        EXECUTED.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, EXECUTED / f"{self.name}.ipynb")


class OnRealData(Executed):
    """Of a notebook that takes real recordings where there are any."""

    data: ClassVar[str]

    @pytest.mark.slow
    def test_it_runs_on_real_recordings(self, real_data, monkeypatch, tmp_path):
        folder = tmp_path / "data"
        folder.mkdir()
        (folder / self.data).symlink_to(real_data / REAL[self.data])
        monkeypatch.setenv("PHYSIOAFFECT_DATA", str(folder))
        _, printed = run(self.name, tmp_path)
        assert "Real recordings" in printed


class TestFirstLook(OnRealData):
    name, data = "01-first-look", "eegmat"


class TestLeakage(Executed):
    name = "02-leakage"


class TestElectrodeGraphs(Executed):
    name = "03-electrode-graphs"


class TestWristbandWeek(OnRealData):
    name, data = "04-wristband-week", "stress_predict"


class TestEDAEquation(Executed):
    name = "05-eda-equation"


class TestBrainToFace(Executed):
    name = "06-brain-to-face"


def test_every_notebook_is_executed():
    classes = {*Executed.__subclasses__(), *OnRealData.__subclasses__()} - {OnRealData}
    assert sorted(one.name for one in classes) == [path.stem for path in NOTEBOOKS]
