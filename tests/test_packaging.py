"""The checkout, the wheel and the rooms agree with one another."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOP = {
    "physioaffect": "physioaffect",
    "graphs": "physioaffect.graphs",
    "pinn": "physioaffect.pinn",
    "datasets": "physioaffect.datasets",
}


def python(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_package_is_listed():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {
        ".".join([name, *init.parent.relative_to(ROOT / folder).parts])
        for folder, name in TOP.items()
        for init in (ROOT / folder).rglob("__init__.py")
    }
    assert found == set(listed)


def test_the_top_level_datasets_says_where_the_real_one_is():
    outcome = python("-c", "import datasets", cwd=ROOT)
    assert "Import physioaffect.datasets, not datasets." in outcome.stderr


def test_importing_the_package_imports_no_room(tmp_path):
    program = "import sys, physioaffect; print(*(m for m in sys.modules if m.startswith('physioaffect.')))"
    assert python("-c", program, cwd=tmp_path).stdout.strip() == ""


def test_features_and_evaluation_do_not_import_torch(tmp_path):
    rooms = "physioaffect.evaluation, physioaffect.pinn, physioaffect.signals.eda"
    program = f"import sys, {rooms}; print('torch' in sys.modules)"
    assert python("-c", program, cwd=tmp_path).stdout.strip() == "False"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    program = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1]); import lint_imports; "
        "print(lint_imports.unpack_wheel(pathlib.Path(sys.argv[2])))"
    )
    outcome = python("-P", "-c", program, str(ROOT / "tools"), str(folder), cwd=folder)
    assert outcome.returncode == 0, outcome.stderr
    return Path(outcome.stdout.strip())


def lint(site: Path) -> subprocess.CompletedProcess[str]:
    program = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1]); import lint_imports; "
        "outcome = lint_imports.lint(pathlib.Path(sys.argv[2])); "
        "print(outcome.stdout, outcome.stderr); sys.exit(outcome.returncode)"
    )
    return python("-P", "-c", program, str(ROOT / "tools"), str(site), cwd=site)


class TestWheel:
    def test_holds_the_package_alone_with_its_data_and_without_the_stubs(self, site):
        assert [p.name for p in site.iterdir() if not p.name.endswith(".dist-info")] == ["physioaffect"]
        assert (site / "physioaffect" / "py.typed").exists()
        assert (site / "physioaffect" / "evaluation" / "report" / "report.html").exists()
        assert (site / "physioaffect" / "datasets" / "dreamer.py").exists()
        assert not list(site.rglob("*.pyi"))

    def test_imports_without_the_checkout(self, site, tmp_path):
        program = "import physioaffect.evaluation as e; print(e.__file__)"
        outcome = python("-P", "-c", program, cwd=tmp_path, PYTHONPATH=str(site))
        assert outcome.stdout.startswith(str(site)), outcome.stderr

    def test_imports_point_one_way(self, site):
        outcome = lint(site)
        assert outcome.returncode == 0, outcome.stdout

    def test_a_planted_violation_is_found(self, site):
        victim = site / "physioaffect" / "recording.py"
        before = victim.read_text()
        victim.write_text(before + "\nimport physioaffect.evaluation\n")
        try:
            outcome = lint(site)
        finally:
            victim.write_text(before)
        assert outcome.returncode != 0
        assert "physioaffect.recording -> physioaffect.evaluation" in outcome.stdout
