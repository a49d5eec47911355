"""Execute notebooks/*.ipynb, and write them with their outputs; `make docs` shows these.

    python tools/run_notebooks.py build/notebooks [NAME ...]

Real recordings are taken from the folder that PHYSIOAFFECT_DATA names, where it has them.
"""

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

SOURCE = Path(__file__).resolve().parent.parent / "notebooks"


def main(out: str, names: Sequence[str]) -> None:
    """Execute, write, and say how long each took."""
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(SOURCE.glob("*.ipynb")):
        if names and path.stem not in names:
            continue
        began, before = time.monotonic(), os.times()
        notebook: Any = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        with tempfile.TemporaryDirectory() as here:
            client = NotebookClient(
                notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": here}}
            )
            client.execute()
        nbformat.write(notebook, folder / path.name)  # type: ignore[no-untyped-call]
        after = os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        print(f"{folder / path.name}: {time.monotonic() - began:.0f} s, {used:.0f} s of processor time")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
