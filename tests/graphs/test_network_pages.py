"""The pages of networks: their code runs, and their sizes are those of the networks."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from physioaffect.graphs import DGCNN, RGNN, GCBNet
from physioaffect.training import torch_threads

PAGES = Path(__file__).resolve().parent.parent.parent / "docs" / "networks"
SIZE = re.compile(r"\| \w+ \| (\d+) × (\d+) \| (\d+) \| ([\d,]+) \| ([\d,]+) \|")

# Of each page, what the two columns of sizes are of; called with electrodes, bands and classes.
Make = Callable[[int, int, int], nn.Module]
COLUMNS: dict[str, tuple[Make, Make]] = {
    "dgcnn": (
        lambda c, b, k: DGCNN(n_channels=c, n_bands=b, n_outputs=k),
        lambda c, b, k: DGCNN(
            n_channels=c, n_bands=b, n_outputs=k, basis="powers", band_norm=True, bias=False
        ),
    ),
    "gcbnet": (
        lambda c, b, k: GCBNet(n_channels=c, n_bands=b, n_outputs=k),
        lambda c, b, k: GCBNet(n_channels=c, n_bands=b, n_outputs=k, bls=True),
    ),
    "rgnn": (
        lambda c, b, k: RGNN(adjacency=np.eye(c), n_bands=b, n_outputs=k),
        lambda c, b, k: RGNN(adjacency=np.eye(c), n_bands=b, n_outputs=k, node_dat=True),
    ),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_sizes_on_a_page_are_those_of_its_network(name):
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    rows = [tuple(int(number.replace(",", "")) for number in row) for row in SIZE.findall(page)]
    assert len(rows) == 4
    for n_channels, n_bands, n_classes, *expected in rows:
        networks = [make(n_channels, n_bands, n_classes) for make in COLUMNS[name]]
        assert [sum(p.numel() for p in network.parameters()) for network in networks] == expected


@pytest.mark.parametrize("name", COLUMNS)
def test_code_on_a_page_runs_and_prints_what_it_says(name, capsys):
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    with torch_threads(1):
        for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
            exec(compile(block, f"{name}.md", "exec"), names)
    said = re.findall(r"^print\(.*\)  # (.*)$", page, re.MULTILINE)
    assert capsys.readouterr().out.splitlines() == said
