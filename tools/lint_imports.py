"""Hold the imports of the built wheel against the contracts in pyproject.toml.

import-linter must see ``physioaffect.graphs`` and its sisters where they are installed: in the checkout they
lie in folders of their own, and it would report that they do not exist. So this builds the wheel, unpacks it
into a temporary folder and runs there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def unpack_wheel(into: Path) -> Path:
    """Build the wheel from a copy of the checkout, unpack it and return the folder with the package."""
    source = into / "source"
    left_out = shutil.ignore_patterns(".*", "build", "dist", "demo", "results", "*.egg-info", "tests")
    shutil.copytree(ROOT, source, ignore=left_out)
    subprocess.run(
        [sys.executable, "-P", "-m", "build", "-w", "--no-isolation", "-o", str(into), str(source)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    [wheel] = into.glob("*.whl")
    site = into / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def lint(site: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the package in ``site``, from there, so that nothing of the checkout is seen."""
    return subprocess.run(
        [
            str(Path(sys.executable).with_name("lint-imports")),
            "--config",
            str(ROOT / "pyproject.toml"),
            "--no-cache",
        ],
        cwd=site,
        env=os.environ | {"PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def main() -> int:
    """Build, lint, report."""
    with tempfile.TemporaryDirectory() as folder:
        outcome = lint(unpack_wheel(Path(folder)))
    print(outcome.stdout + outcome.stderr)
    return outcome.returncode


if __name__ == "__main__":
    sys.exit(main())
