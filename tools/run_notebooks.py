"""Execute notebooks/*.ipynb, and write them with their outputs as .ipynb and .html.

    python tools/run_notebooks.py build/notebooks [NAME ...]

Real recordings are taken from the folder that PHYSIOAFFECT_DATA names, where it has them. A page is one
file that asks nothing of the network.
"""

import html
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
from markdown_it import MarkdownIt
from nbclient import NotebookClient

SOURCE = Path(__file__).resolve().parent.parent / "notebooks"

_STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }
pre { overflow-x: auto; padding: 0.6em; } pre.code { background: #f3f3f3; }
table { border-collapse: collapse; font-size: 14px; } td, th { padding: 0.2em 0.6em; text-align: right; }
img { max-width: 100%; }
"""


def _outputs(cell: Any) -> Iterator[str]:
    """Each output of a cell, in the richest of the forms that it has."""
    for output in cell.outputs:
        data = output.get("data", {})
        if output.output_type == "stream":
            yield f"<pre>{html.escape(output.text)}</pre>"
        elif "image/png" in data:
            yield f'<p><img alt="Figure" src="data:image/png;base64,{data["image/png"].strip()}"></p>'
        elif "text/html" in data:
            yield str(data["text/html"])
        elif "text/plain" in data:
            yield f"<pre>{html.escape(data['text/plain'])}</pre>"


def page(notebook: Any, title: str) -> str:
    """Render an executed notebook as one page."""
    markdown = MarkdownIt("commonmark").enable("table")
    parts = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(markdown.render(cell.source))
        else:
            parts += [f'<pre class="code">{html.escape(cell.source)}</pre>', *_outputs(cell)]
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def main(out: str, names: Sequence[str]) -> None:
    """Execute, write, and say how long each took."""
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(SOURCE.glob("*.ipynb")):
        if names and path.stem not in names:
            continue
        began = time.monotonic()
        notebook: Any = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        with tempfile.TemporaryDirectory() as here:
            client = NotebookClient(
                notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": here}}
            )
            client.execute()
        nbformat.write(notebook, folder / path.name)  # type: ignore[no-untyped-call]
        written = folder / f"{path.stem}.html"
        written.write_text(page(notebook, path.stem), encoding="utf-8")
        print(f"{written}: {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
