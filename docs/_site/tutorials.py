"""The notebooks as pages: with what their cells print and draw, where `make docs` has executed them."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXECUTED = ROOT / "build" / "notebooks"  # As the Makefile has it.


def _sources(notebook: str) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(notebook)["cells"]]


def pages() -> dict[str, str]:
    """File name and content of each notebook; outputs of a notebook that has changed since are left out."""
    made = {}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        executed = EXECUTED / path.name
        if executed.exists():
            with_outputs = executed.read_text(encoding="utf-8")
            text = with_outputs if _sources(with_outputs) == _sources(text) else text
        made[path.name] = text
    return made
