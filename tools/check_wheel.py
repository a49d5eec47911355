"""Build the sdist, the wheel from it, install the wheel into an empty environment and use it from there.

    python -P tools/check_wheel.py
    python -P tools/check_wheel.py --constraints constraints-oldest.txt --extras wearable -- tests/signals

What is behind ``--`` goes to pytest instead of the usual short tests. Nothing of the checkout but its tests
can be imported there: the package is the one in the wheel.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_MEGABYTES = 2
# What shows that every room is there and works: signals, windows, a reader, features, an evaluation.
TESTS = ["tests/test_recording.py", "tests/test_windows.py", "tests/datasets/test_unpickle.py"]
RUN = [
    ["simulate", "dreamer", "data", "--subjects", "3", "--clips", "4", "--seconds", "20"],
    ["check", "dreamer", "data", "--json"],
    ["features", "dreamer", "data", "--out", "dreamer.zarr", "--jobs", "1"],
    ["evaluate", "dreamer", "data", "--model", "lda", "--permutations", "0", "--jobs", "1"],
]


def build(into: Path) -> tuple[Path, Path]:
    """Build the source distribution, and the wheel from what the former holds."""
    subprocess.run(
        [sys.executable, "-P", "-m", "build", "--no-isolation", "-o", str(into), str(ROOT)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    [sdist], [wheel] = into.glob("*.tar.gz"), into.glob("*.whl")
    return sdist, wheel


def install(wheel: Path, folder: Path, *, constraints: Path, extras: str) -> Path:
    """Make an environment with the wheel, what it asks for and what the tests ask for; give its programs."""
    venv.create(folder, with_pip=True)
    programs = folder / "bin"
    asked = f"{wheel}[{extras}]" if extras else str(wheel)
    pip = [str(programs / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-c", str(constraints), asked, "pytest", "hypothesis"], check=True)
    return programs


def main() -> int:
    """Build, install, test."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--constraints", type=Path, default=ROOT / "constraints.txt")
    parser.add_argument("--extras", default="")
    parser.add_argument("tests", nargs="*", default=TESTS)
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sdist, wheel = build(folder)
        megabytes = wheel.stat().st_size / 1e6
        print(
            f"{sdist.name} {sdist.stat().st_size / 1e6:.1f} MB, {wheel.name} {megabytes:.1f} MB", flush=True
        )
        if megabytes > MOST_MEGABYTES:
            print(f"The wheel may have {MOST_MEGABYTES} MB: leave out what nobody imports.")
            return 1
        programs = install(
            wheel, folder / "venv", constraints=asked.constraints.resolve(), extras=asked.extras
        )
        print(f"installed after {time.monotonic() - began:.0f} s", flush=True)
        elsewhere = folder / "elsewhere"
        elsewhere.mkdir()
        environment = os.environ | {"PYTHONSAFEPATH": "1"}
        environment.pop("PYTHONPATH", None)
        where = subprocess.run(
            [programs / "python", "-c", "import physioaffect; print(physioaffect.__file__)"],
            cwd=elsewhere,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        if not where.startswith(str(folder)):
            print(f"This would test {where.strip()}, not the wheel.")
            return 1
        for command in RUN:
            subprocess.run(
                [programs / "physioaffect", *command],
                cwd=elsewhere,
                env=environment,
                check=True,
                stdout=subprocess.DEVNULL,
            )
        # Old packages warn of what newer ones have changed since; that is nothing to mend.
        options = ["-q", "-W", "default", "-p", "no:cacheprovider", "-m", "not slow"]
        outcome = subprocess.run(
            [programs / "pytest", *options, *asked.tests], cwd=ROOT, env=environment, check=False
        )
    print(f"{time.monotonic() - began:.0f} s")
    return outcome.returncode


if __name__ == "__main__":
    sys.exit(main())
