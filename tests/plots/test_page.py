"""docs/plots.md runs as it stands, and names every picture that there is."""

import re

import pytest
from support.pages_of_docs import ROOT, blocks

from physioaffect import plots

PAGE = "docs/plots.md"


def test_the_page_names_every_picture():
    named = set(re.findall(r"`(plot_\w+)`", (ROOT / PAGE).read_text(encoding="utf-8")))
    assert named == set(plots.__all__)


@pytest.mark.slow
def test_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks(PAGE, "python"):
        exec(compile(block, PAGE, "exec"), names)
    shown = set(re.findall(r'savefig\("(\S+)"', (ROOT / PAGE).read_text(encoding="utf-8")))
    assert {path.name for path in tmp_path.glob("*.png")} == {name for name in shown if name.endswith(".png")}
