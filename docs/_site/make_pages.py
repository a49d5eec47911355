"""Writes the pages that are made from the package: into folders called `generated`, which git ignores."""

from pathlib import Path


def write(folder: Path, pages: dict[str, str]) -> None:
    """Make a folder hold these pages and no others; what has not changed is not touched."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
