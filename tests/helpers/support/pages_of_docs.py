"""The pages of the documentation and the blocks of code on them."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
# As sources: what is made from the package is in folders called generated.
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("**/*.md")]
    if "generated" not in path.parts
)


def text_of(page: str) -> str:
    """Source of a page, named from the root."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, kind: str) -> list[str]:
    """Its blocks of a language."""
    return re.findall(rf"```{kind}\n(.*?)```", text_of(page), re.DOTALL)


def lines_of(page: str) -> list[list[str]]:
    """Each line of the page's bash blocks as words, without comments and without where output goes."""
    lines = [line for block in blocks(page, "bash") for line in block.replace("\\\n", " ").splitlines()]
    words = [shlex.split(part, comments=True) for line in lines for part in line.split("&&")]
    return [line[: line.index(">")] if ">" in line else line for line in words if line]
