"""The checkout, the wheel and the rooms agree with one another."""

import os
import re
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


def test_the_citation_says_what_the_package_says():
    lines = (ROOT / "CITATION.cff").read_text().splitlines()
    told = dict(line.split(": ", 1) for line in lines if re.match(r"[a-z-]+: ", line))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (told["title"], told["license"]) == (project["name"], project["license"])
    # Git's tags tell the version; a copy here would be wrong from the next tag on.
    assert project["dynamic"] == ["version"]
    assert not {"version", "date-released"} & set(told)


def test_every_package_is_listed():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {
        ".".join([name, *init.parent.relative_to(ROOT / folder).parts])
        for folder, name in TOP.items()
        for init in (ROOT / folder).rglob("__init__.py")
    }
    assert found == set(listed)


def test_the_oldest_versions_tested_are_those_that_are_asked_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["wearable"]]
    lines = [line for line in (ROOT / "constraints-oldest.txt").read_text().splitlines() if line[:1] != "#"]
    tested = dict(line.split("==") for line in lines)
    assert len(tested) == len(lines) == len(asked)
    for one in asked:
        found = re.fullmatch(r"([\w-]+)>=([\d.]+)(?:,<\d+)?", one)
        assert found, one
        name, lowest = found.groups()
        # 1.0 and 1.0.0 are one version.
        assert f"{tested[name]}.0.0".startswith(f"{lowest}."), one


def scm_version(folder: Path) -> str:
    program = "from setuptools_scm import get_version; print(get_version(root='.', **CONFIG))"
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools_scm"]
    outcome = python("-P", "-W", "ignore", "-c", program.replace("CONFIG", repr(config)), cwd=folder)
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout.strip()


def test_the_version_follows_git(tmp_path):
    def git(*arguments: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", *who, *arguments]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    assert scm_version(tmp_path) == "0.1.0.dev0"  # An unpacked archive of the source.
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "first")
    assert re.fullmatch(r"0\.1(\.0)?\.dev1", scm_version(tmp_path))  # A clone without tags.
    git("tag", "v0.2.0")
    assert scm_version(tmp_path) == "0.2.0"
    git("commit", "-q", "--allow-empty", "-m", "second")
    assert scm_version(tmp_path) == "0.2.1.dev1"


def test_the_package_imports_nothing_slow(tmp_path):
    slow = "numpy, pandas, scipy, sklearn, torch, mne, numba, xarray, matplotlib, neurokit2"
    program = f"import sys, physioaffect; print([m for m in '{slow}'.split(', ') if m in sys.modules])"
    assert python("-c", program, cwd=tmp_path).stdout.strip() == "[]"


def test_help_waits_for_no_scientific_package(tmp_path):
    slow = "numpy, pandas, scipy, sklearn, torch, mne, numba, xarray, matplotlib"
    program = f"import sys, physioaffect.cli; print([m for m in '{slow}'.split(', ') if m in sys.modules])"
    assert python("-c", program, cwd=tmp_path).stdout.strip() == "[]"


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

    def test_is_smaller_than_two_megabytes(self, site):
        [wheel] = site.parent.glob("*.whl")
        assert wheel.stat().st_size < 2e6

    def test_brings_licence_and_notices(self, site):
        [about] = site.glob("*.dist-info")
        assert sorted(path.name for path in (about / "licenses").iterdir()) == ["LICENSE", "NOTICE"]

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
