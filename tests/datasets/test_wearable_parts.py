"""Recordings of one person are worked on by several processes, and the result is that of one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from joblib import parallel_config
from support.wearables import STARTED, write_zip

from physioaffect.data_set import DataSet
from physioaffect.datasets import wearable
from physioaffect.features import (
    default_recipe,
    extract,
    extraction,
    open_features,
    read_exclusions,
    save_features,
)
from physioaffect.features.recipe import Recipe
from physioaffect.parallel import run_all
from physioaffect.quality_report import page, write_quality_report


def study(root: Path) -> tuple[DataSet, Recipe]:
    """Four sessions of one person, whose names are in another order, a broken and a short one; and others."""
    for number, name in enumerate("cadb"):
        write_zip(root / "P1" / f"{name}.zip", 80 + 10 * number, started=STARTED + 3600 * number, seed=number)
    (root / "P1" / "aa.zip").write_bytes(b"PK")
    write_zip(root / "P1" / "bb.zip", 20, started=STARTED + 90_000)
    write_zip(root / "P2.zip", 80, seed=9)
    (root / "P3.zip").write_bytes(b"PK")
    dataset = wearable(root)
    return dataset, default_recipe(dataset, families=["eda", "hr", "temperature"])


def contents(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else path.rglob("*")
    return {str(one.relative_to(path.parent)): one.read_bytes() for one in files if one.is_file()}


def made(root: Path, out: Path, dataset: DataSet, recipe: Recipe, n_jobs: int) -> dict[str, bytes]:
    store = save_features(dataset, root, recipe, out / "table.zarr", n_jobs=n_jobs)
    write_quality_report(dataset, root, recipe, store, out / "table.html", n_jobs=n_jobs)
    return {**contents(out / "table.zarr"), **contents(out / "table.html")}


@pytest.mark.parametrize("backend", ["threading", "loky"])
@pytest.mark.usefixtures("workers_at_once")
def test_table_and_page_are_byte_by_byte_those_of_one_process(backend: str, tmp_path: Path) -> None:
    root = tmp_path / "in"
    dataset, recipe = study(root)
    one = made(root, tmp_path / "one", dataset, recipe, 1)
    with parallel_config(backend=backend):
        assert made(root, tmp_path / "two", dataset, recipe, 2) == one
    assert len(one) > 20


def test_sessions_come_in_order_of_time_and_each_says_what_was_wrong_with_it(tmp_path: Path) -> None:
    root = tmp_path / "in"
    dataset, recipe = study(root)
    out = save_features(dataset, root, recipe, tmp_path / "out.zarr")
    table = open_features(out)
    own = table["trial"].values[table["subject"].values == "P1"]
    assert list(dict.fromkeys(own)) == ["c.zip", "a.zip", "d.zip", "b.zip"]
    read = [trial.trial for trial in dataset.read(root, subjects=["P1"], report=lambda _: None)]
    assert [name for name in read if name != "bb.zip"] == list(dict.fromkeys(own))
    left = {(one.subject, one.trial): one for one in read_exclusions(out)}
    assert set(left) == {("P1", "aa.zip"), ("P1", "bb.zip"), ("P3", "")}
    assert "not a readable zip" in left["P1", "aa.zip"].reason
    assert left["P1", "bb.zip"].expected
    # What one recording gives does not depend on the others.
    alone = wearable(root / "P1" / "d.zip")
    expected = extract(alone, root / "P1" / "d.zip", recipe).features
    is_d = table["trial"].values == "d.zip"
    for name in expected.data_vars:
        np.testing.assert_array_equal(table[name].values[is_d], expected[name].values.astype(np.float32))


def test_every_recording_is_a_task_and_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "in"
    dataset, recipe = study(root)
    tasks: list[list[str]] = []
    read: list[str] = []

    def noted(function: Any, items: Any, *rest: Any, **how: Any) -> Any:
        tasks.append([f"{who}: {', '.join(one.name for one in part.recordings)}" for who, part, *_ in items])
        return run_all(function, items, *rest, **how)

    def counted(paths: Any, **how: Any) -> Any:
        read.extend(path.name for path in paths)
        return read_device(paths, **how)

    read_device = wearable.__globals__["read_device"]
    monkeypatch.setattr(extraction, "run_all", noted)
    monkeypatch.setattr(page, "run_all", noted)
    monkeypatch.setitem(wearable.__globals__, "read_device", counted)
    with parallel_config(backend="threading"):
        store = save_features(dataset, root, recipe, tmp_path / "out.zarr", n_jobs=2)
        once = ["P2.zip", "P3.zip", "a.zip", "aa.zip", "b.zip", "bb.zip", "c.zip", "d.zip"]
        assert sorted(read) == once
        read.clear()
        write_quality_report(dataset, root, recipe, store, tmp_path / "out.html", n_jobs=2)
    assert sorted(read) == once
    named = [f"P1: {name}" for name in ("a.zip", "aa.zip", "b.zip", "bb.zip", "c.zip", "d.zip")]
    assert tasks == [[*named, "P2: P2.zip", "P3: P3.zip"]] * 2
