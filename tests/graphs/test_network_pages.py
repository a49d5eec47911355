"""Sizes that the pages of the networks tell are those of the networks."""

from pathlib import Path

import pytest

from physioaffect.datasets import DEAP, DREAMER, EEGMAT, SEED
from physioaffect.graphs import (
    HISTN_HIERARCHIES,
    NETWORKS,
    HiSTNClassifier,
    Input,
    NetworkClassifier,
    lobes,
    neighbouring,
)

PAGES = Path(__file__).resolve().parents[2] / "docs" / "networks"
PAGE_OF = {name: f"{name}.md" for name in NETWORKS} | {"linear": "mlp.md"}
# Title on the page, bands of the usual features, classes.
DATA = [(DREAMER, "DREAMER", 4, 2), (DEAP, "DEAP", 4, 2), (SEED, "SEED", 5, 3), (EEGMAT, "eegmat", 5, 2)]


def n_parameters(model: NetworkClassifier, about: Input) -> int:
    return sum(weight.numel() for weight in model.network(about).parameters())


def rows_of(name: str, title: str) -> list[str]:
    lines = (PAGES / PAGE_OF[name]).read_text(encoding="utf-8").split("## Size")[1].splitlines()
    return [line for line in lines if line.startswith(f"| {title} |")]


@pytest.mark.parametrize(("dataset", "title", "n_bands", "n_classes"), DATA, ids=lambda value: str(value)[:8])
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "histn"])
def test_the_page_tells_the_number_of_weights(name, dataset, title, n_bands, n_classes):
    model = NETWORKS[name].classifier()
    names, sfreq = dataset.ch_names["eeg"], dataset.sfreqs["eeg"]
    # Four bands of RBTransformer on every data set but eegmat.
    n_bands = 4 if name == "rbtransformer" and title == "SEED" else n_bands
    n_last = n_bands if model.layout[-1] == "band" else round(4 * sfreq)
    about = Input(len(names), n_last, names, sfreq, n_classes)
    assert any(f"| {n_parameters(model, about):,} |" in row for row in rows_of(name, title))


@pytest.mark.parametrize("fusion", ["dense", "grouped"])
def test_the_page_of_histn_tells_the_number_of_weights(fusion):
    column = {"dense": -3, "grouped": -2}[fusion]
    told = {}
    for dataset, title, _, n_classes in DATA:
        names, sfreq = dataset.ch_names["eeg"], dataset.sfreqs["eeg"]
        hierarchies = (
            {(version, k): HISTN_HIERARCHIES[version] for version in HISTN_HIERARCHIES for k in (5, 2)}
            if title == "DREAMER"
            else {("halves of lobes", n_classes): neighbouring(lobes(names, halves=True))}
        )
        for (version, k), hierarchy in hierarchies.items():
            model = HiSTNClassifier(hierarchy=hierarchy, fusion=fusion)
            about = Input(len(names), 128, names, sfreq, k)
            told[title, version, str(k)] = f"{n_parameters(model, about):,}"
    rows = [
        [cell.strip() for cell in row.split("|")] for _, title, *_ in DATA for row in rows_of("histn", title)
    ]
    assert len(rows) == 7
    for row in rows:
        assert row[column] == told[row[1], row[4], row[5]], row
