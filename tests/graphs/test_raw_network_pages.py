"""The pages of networks on raw windows: their code runs, and their sizes are those of the networks."""

import re
from pathlib import Path

import pytest

from physioaffect.datasets import DEAP, DREAMER, EEGMAT, SEED
from physioaffect.graphs import (
    EEGNetClassifier,
    Input,
    LGGNetClassifier,
    NetworkClassifier,
    TSceptionClassifier,
)
from physioaffect.training import torch_threads

PAGES = Path(__file__).resolve().parent.parent.parent / "docs" / "networks"
DATA = {
    "DREAMER": (DREAMER, 128, 2),
    "DEAP": (DEAP, 128, 2),
    "SEED": (SEED, 200, 3),
    "eegmat": (EEGMAT, 500, 2),
}


def size(model: NetworkClassifier, about: Input) -> int:
    return sum(parameter.numel() for parameter in model.network(about).parameters())


def row(page: str, data: str) -> list[str]:
    """What a page's table of sizes says of a data set, in the order that each page has its columns in."""
    dataset, sfreq, n_classes = DATA[data]
    names = dataset.ch_names["eeg"]
    about = Input(len(names), 4 * sfreq, names, float(sfreq), n_classes)
    cells = [str(len(names)), f"{sfreq} Hz", str(n_classes)]
    if page == "eegnet":
        models: list[NetworkClassifier] = [EEGNetClassifier(), EEGNetClassifier(n_filters=4)]
    elif page == "lggnet":
        models = [LGGNetClassifier(graphs=kind) for kind in ("general", "frontal", "hemisphere")]
    else:
        network = TSceptionClassifier().network(about)
        weights = f"{size(TSceptionClassifier(), about):,}"
        return [*cells[1:], weights, cells[0], str(len(network.order))]
    return cells + [f"{size(model, about):,}" for model in models]


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("page", ["eegnet", "tsception", "lggnet"])
def test_sizes_on_a_page_are_those_of_its_network(page, data):
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    assert f"| {data} | {' | '.join(row(page, data))} |" in text


@pytest.mark.parametrize("page", ["eegnet", "tsception", "lggnet"])
def test_code_on_a_page_runs_and_prints_what_it_says(page, capsys):
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    with torch_threads(1):
        for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
            exec(compile(block, f"{page}.md", "exec"), names)
    said = re.findall(r"^print\(.*?\)  # (.*)$", text, re.MULTILINE)
    assert capsys.readouterr().out.splitlines() == said
    assert said
