"""A small study with everything that can go wrong, its table and its page."""

from pathlib import Path
from typing import NamedTuple

import pytest
from support.wearables import STARTED, write_zip

from physioaffect.data_set import DataSet
from physioaffect.datasets import find_recordings, wearable
from physioaffect.features import Recipe, default_recipe, save_features
from physioaffect.quality_report import write_quality_report

MAP = """\
device = "Finger <clip>"
[[signals]]
name = "eda"
columns = ["gsr"]
unit = "uS"
sfreq = 4.0
"""


class Study(NamedTuple):
    """Where everything lies."""

    root: Path
    dataset: DataSet
    recipe: Recipe
    store: Path
    page: Path


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("quality")
    root = folder / "study"
    for number in range(1, 4):
        write_zip(root / f"S0{number}_E4.zip", 150, seed=number, started=STARTED + 3600 * number)
    (root / "S04_E4.zip").write_bytes(b"PK")
    write_zip(root / "S05" / "visit1.zip", 150, seed=5)
    write_zip(root / "S05" / "visit2.zip", 20, seed=6, started=STARTED + 86_400)
    clip = root / "a-person-with-a-<b onclick=x>name-that-does-not-end-it-goes-on-and-on-and-on"
    clip.mkdir()
    (clip / "physioaffect.toml").write_text(MAP)
    (clip / "finger.csv").write_text("gsr\n" + "3.0\n3.5\n" * 600)
    (root / "notes <i>.xlsx").write_bytes(b"PK")
    dataset = wearable(root)
    recipe = default_recipe(dataset, families=["eda", "temperature"], cleaning=())
    store = save_features(dataset, root, recipe, folder / "features.zarr")
    page = write_quality_report(
        dataset,
        root,
        recipe,
        store,
        folder / "features.html",
        passed_over=find_recordings(root).passed_over,
        command="physioaffect features wearable study -o features.zarr --report",
    )
    return Study(root, dataset, recipe, store, page)
