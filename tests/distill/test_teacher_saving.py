"""Teachers as files: the same teacher again, and a clear word on any file that is none."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from safetensors import safe_open
from safetensors.torch import save_file
from sklearn.exceptions import NotFittedError

from physioaffect.distill.teacher import MapTeacher
from physioaffect.distill.teacher_saving import load_teacher, save_teacher
from physioaffect.errors import DataError
from physioaffect.training import torch_threads

KEY = "physioaffect-teacher"
MAPS = np.random.default_rng(0).normal(size=(24, 8, 8, 3))
RATINGS = np.random.default_rng(1).uniform(-1, 1, size=(24, 2))
PEOPLE = np.repeat(["a", "b", "ü"], 8)


def fit(**settings: Any) -> MapTeacher:
    options: dict[str, Any] = {"epochs": 2, "batch_size": 4, "n_dims": 12, "random_state": 0, "device": "cpu"}
    with torch_threads(1):
        return MapTeacher(**(options | settings)).fit(MAPS, RATINGS, groups=PEOPLE)


@pytest.fixture(scope="module")
def fitted() -> MapTeacher:
    return fit()


@pytest.fixture(scope="module")
def file(fitted: MapTeacher, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted.save(tmp_path_factory.mktemp("saved") / "deep" / "teacher.safetensors")


def rewritten(file: Path, folder: Path, **changes: Any) -> Path:
    """The file with something else told, or with other weights."""
    with safe_open(file, framework="pt") as opened:
        told = json.loads(opened.metadata()[KEY])
        weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    weights |= changes.pop("weights", {})
    settings = told["settings"] | changes.pop("settings", {})
    told |= {"settings": settings} | changes
    path = folder / "changed.safetensors"
    save_file(weights, path, metadata={KEY: json.dumps(told)})
    return path


def test_is_the_same_teacher_again(fitted, file):
    again = MapTeacher.load(file)
    assert_array_equal(again.predict(MAPS), fitted.predict(MAPS))
    assert_array_equal(again.embed(MAPS), fitted.embed(MAPS))
    assert again.get_params() == fitted.get_params() | {"device": "auto"}
    assert (again.people_, again.validation_people_) == (fitted.people_, fitted.validation_people_)
    assert again.history_ == fitted.history_
    assert not any(weight.requires_grad is False for weight in again.network_.parameters())


def test_one_teacher_makes_one_file(fitted, file, tmp_path):
    again = save_teacher(load_teacher(file), tmp_path / "again.safetensors")
    assert again.read_bytes() == file.read_bytes()
    other = save_teacher(fit(random_state=1), tmp_path / "other.safetensors")
    assert other.read_bytes() != file.read_bytes()


def test_without_early_stopping_too(tmp_path):
    one = fit(patience=None)
    again = load_teacher(save_teacher(one, tmp_path / "one.safetensors"))
    assert all(math.isnan(epoch.validation_loss) for epoch in again.history_)
    assert [epoch.loss for epoch in again.history_] == [epoch.loss for epoch in one.history_]


def test_the_file_is_replaced_as_a_whole(fitted, tmp_path):
    path = tmp_path / "teacher.safetensors"
    path.write_bytes(b"old")
    save_teacher(fitted, path)
    assert [one.name for one in tmp_path.iterdir()] == ["teacher.safetensors"]
    load_teacher(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "in a later format than this version"),
        ({"format": "1"}, "does not tell what teacher it holds"),
        ({"size": 16}, r"network.features.weight is float32 \(12, 128\), expected float32 \(12, 512\)"),
        ({"size": 10**9}, "size is 1000000000, which is not from 1 to 128"),
        ({"n_bands": "3"}, "n_bands is '3'"),
        ({"settings": {"n_dims": 10**9}}, "n_dims is 1000000000"),
        ({"settings": {"n_dims": 13}}, r"network.features.bias is float32 \(12,\), expected float32 \(13,\)"),
        ({"settings": {"dropout": 2.0}}, "dropout|Dropout"),
        ({"settings": {"epochs": "2"}}, "its setting epochs is '2'"),
        ({"settings": {"patience": True}}, "its setting patience is True"),
        ({"settings": {"more": 1}}, "its settings are"),
        ({"people": "abc"}, "people are abc"),
        ({"validation_people": [1]}, r"validation_people are \[1\]"),
        ({"history": [[1, 2, 3]]}, "does not tell a teacher as save_teacher does"),
        ({"history": None}, "does not tell a teacher as save_teacher does"),
        ({"weights": {"more": torch.zeros(2)}}, r"more is float32 \(2,\), expected none"),
        ({"weights": {"network.output.bias": torch.zeros(2, dtype=torch.float64)}}, r"is float64 \(2,\)"),
    ],
)
def test_a_file_that_was_changed_is_refused(changes, message, file, tmp_path):
    with pytest.raises(DataError, match=message):
        load_teacher(rewritten(file, tmp_path, **changes))


def test_what_is_no_teacher_is_refused(fitted, file, tmp_path):
    with pytest.raises(DataError, match="There is no file"):
        load_teacher(tmp_path / "nothing.safetensors")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DataError, match="no safetensors file, or damaged"):
        load_teacher(broken)
    save_file({"a": torch.zeros(1)}, broken)
    with pytest.raises(DataError, match="holds tensors, but is no teacher that physioaffect saved"):
        load_teacher(broken)
    with pytest.raises(DataError, match=r"named .safetensors, got 'teacher.pt'"):
        save_teacher(fitted, tmp_path / "teacher.pt")
    with pytest.raises(NotFittedError, match="call fit first"):
        save_teacher(MapTeacher(), tmp_path / "teacher.safetensors")
