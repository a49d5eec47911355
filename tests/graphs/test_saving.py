"""Networks on disk: the same after as before, and nothing else can be in the file."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from safetensors import safe_open
from safetensors.torch import save_file
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from support.networks import CH_NAMES, ESTIMATORS, fitted, predicted, windows

from physioaffect import __version__
from physioaffect.errors import DataError
from physioaffect.features import DifferentialEntropy, Recipe
from physioaffect.features.origin import Origin
from physioaffect.graphs import (
    HISTN_HIERARCHIES,
    BraindecodeClassifier,
    Hierarchy,
    HiSTNClassifier,
    MLPClassifier,
    Region,
    TrainedWith,
    load_network,
    load_origin,
    save_network,
)
from physioaffect.training import Cosine, CrossEntropy, Steps, SubjectBalanced
from physioaffect.windows import Windowing

ORIGIN = Origin(
    recipe=Recipe(windows=Windowing(duration=2, step=0.5), features=(DifferentialEntropy(),)),
    ch_names=CH_NAMES,
    sfreq=128,
    dataset="dreamer",
    task="valence",
    classes=("low", "high"),
)
MLP = ("MLPClassifier",)


def again(model, folder: Path):
    return load_network(save_network(model, folder / "model.safetensors"))


def plain(model) -> dict:
    """Settings with what is nested, as text, in which NaN equals NaN."""
    return {name: repr(value) for name, value in model.get_params().items()}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_network_is_the_same_after_as_before(name, tmp_path):
    model = fitted(name)
    loaded = again(model, tmp_path)
    X = windows(model.layout)
    assert type(loaded) is type(model)
    assert plain(loaded) == plain(model)
    assert_array_equal(predicted(loaded, X), predicted(model, X))
    assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.input_ == model.input_
    assert (loaded.ch_names_, loaded.n_features_in_) == (model.ch_names_, model.n_features_in_)
    assert_array_equal(loaded.history_, model.history_)
    assert not loaded.network_.training


def test_a_network_that_came_back_can_learn_and_be_saved_again(tmp_path):
    model = fitted("MLPClassifier")
    X, y = windows(model.layout), np.resize(["calm", "neutral", "tense"], 24)
    loaded = again(again(model, tmp_path), tmp_path)
    assert_array_equal(clone(loaded).fit(X, y).predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    "labels",
    [
        np.array([3, 7, 9], dtype=np.int16),
        np.array([False, True]),
        np.array(["Freude", "Ärger", "楽しい"]),
        np.array(["a", "b"], dtype=object),
        np.array([1.0, 2.0]),
    ],
    ids=str,
)
def test_classes_come_back_with_their_type(labels, tmp_path):
    X = windows(("channel", "band"))
    model = MLPClassifier(hidden=(4,), epochs=1, batch_size=8, random_state=0).fit(X, np.resize(labels, 24))
    loaded = again(model, tmp_path)
    assert loaded.classes_.dtype.kind == labels.dtype.kind
    assert_array_equal(loaded.classes_, model.classes_)
    assert_array_equal(loaded.predict(X), model.predict(X))


def test_a_hierarchy_of_ones_own_comes_back(tmp_path):
    regions = tuple(Region(f"part {n}", HISTN_HIERARCHIES["V0"].ch_names[n::2]) for n in range(2))
    own = Hierarchy("own", regions, (("part 0", "part 1"),), (1, 1), 1)
    X = windows(("channel", "time"))
    model = HiSTNClassifier(hierarchy=own, labels="mixture", epochs=1, batch_size=8, random_state=0)
    loaded = again(model.fit(X, np.resize([0, 1, 2], 24)), tmp_path)
    assert loaded.hierarchy == own
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_a_network_trained_in_another_way_comes_back(tmp_path):
    X, y = windows(("channel", "band")), np.resize([0, 1, 2], 24)
    model = TrainedWith(
        MLPClassifier(hidden=(4,), epochs=2, batch_size=8, random_state=0),
        sampler=SubjectBalanced(),
        mixup=0.2,
        schedule=Steps({1: 0.5}),
        criterion=CrossEntropy(spread=0.5),
    ).fit(X, y, groups=np.arange(24) % 3)
    loaded = again(model, tmp_path)
    assert plain(loaded) == plain(model)
    assert loaded.schedule(1, 2) == 0.5
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_odd_numbers_among_settings_come_back(tmp_path):
    X, y = windows(("channel", "band")), np.resize([0, 1], 24)
    rate: Any = np.float32(1e-3)
    model = MLPClassifier(hidden=[3, 4], learning_rate=rate, epochs=1, batch_size=8, random_state=2**40)
    loaded = again(model.fit(X, y), tmp_path)
    assert (loaded.hidden, loaded.learning_rate, loaded.random_state) == ([3, 4], float(rate), 2**40)


def test_what_it_learned_from_comes_back(tmp_path):
    path = save_network(fitted(*MLP), tmp_path / "m.safetensors", origin=ORIGIN)
    assert load_origin(path) == ORIGIN
    assert load_origin(save_network(fitted(*MLP), path)) is None
    assert [one.name for one in tmp_path.iterdir()] == ["m.safetensors"]


def test_the_file_is_json_and_tensors_and_says_its_version(tmp_path):
    path = save_network(fitted(*MLP), tmp_path / "m.safetensors")
    with safe_open(path, framework="np") as file:
        told = json.loads(file.metadata()["physioaffect"])
        assert set(file.keys()) == set(fitted(*MLP).network_.state_dict())
    assert told["estimator"]["kind"] == "MLPClassifier"
    assert (told["format"], told["version"]) == (1, __version__)


def test_electrodes_are_found_by_name_and_another_montage_is_refused(tmp_path):
    model = fitted("EEGNetClassifier")
    loaded = again(model, tmp_path)
    X = windows(model.layout)
    assert_array_equal(loaded.predict_proba(X.pick(CH_NAMES[::-1])), model.predict_proba(X))
    with pytest.raises(
        DataError, match=r"knows the channels AF3, .*; the windows have F7, .*: AF3 is missing"
    ):
        loaded.predict(X.pick(CH_NAMES[1:]))


FUNCTION: Any = len
CLASS: Any = Cosine


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (BraindecodeClassifier(), r"BraindecodeClassifier could not be made again .* Use export_onnx"),
        (MLPClassifier(hidden=FUNCTION), r"hidden of MLPClassifier is <built-in .* which no file can hold"),
        (
            TrainedWith(MLPClassifier(), schedule=CLASS),
            r"schedule of TrainedWith is <class .* no file can hold",
        ),
    ],
    ids=["foreign", "function", "class"],
)
def test_what_could_not_be_made_again_is_not_saved(model, said, tmp_path):
    for name in ("network_", "input_", "history_", "classes_"):
        setattr(model, name, getattr(fitted(*MLP), name))
    with pytest.raises(DataError, match=said):
        save_network(model, tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


def test_only_what_is_fitted_and_well_named_is_saved(tmp_path):
    with pytest.raises(NotFittedError, match=r"MLPClassifier has not been fitted: call fit first"):
        save_network(MLPClassifier(), tmp_path / "m.safetensors")
    with pytest.raises(DataError, match=r"file named \.safetensors, got 'm\.pkl'"):
        save_network(fitted(*MLP), tmp_path / "m.pkl")


def rewritten(folder: Path, change=lambda told: None, tensors=lambda weights: weights) -> Path:
    """A saved perceptron, with something changed in its JSON or its weights."""
    path = save_network(fitted(*MLP), folder / "m.safetensors", origin=ORIGIN)
    with safe_open(path, framework="pt") as file:
        told = json.loads(file.metadata()["physioaffect"])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    text = change(told) or json.dumps(told)
    save_file(tensors(weights), path, metadata={"physioaffect": text})
    return path


def at(place: str, value: object):
    """A change of one place of the JSON; the value ``...`` drops it."""

    def change(told: dict) -> None:
        *steps, last = place.split("/")
        for step in steps:
            told = told[step]
        if value is ...:
            del told[last]
        else:
            told[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (at("format", 2), r"written by physioaffect \S+ in a later format .* Update it"),
        (at("format", ...), "does not tell what network it holds"),
        (at("estimator/kind", "Popen"), r"which physioaffect did not write: 'Popen'"),
        (at("estimator/kind", "Hierarchy"), r"which physioaffect did not write: .*unexpected keyword"),
        (at("estimator/kind", ["os"]), r"which physioaffect did not write"),
        (at("estimator", 3), r"tells class of its network as no network has it"),
        (at("estimator/value/magic", 3), r"unexpected keyword argument 'magic'"),
        (at("estimator/value/hidden", {"kind": "eval", "value": "1"}), r"did not write: 'eval'"),
        (
            at("estimator/value/hidden", {"kind": "array of object", "value": [1]}),
            r"did not write: 'array of obj",
        ),
        (at("estimator/value/hidden", "abc"), r"settings of which no network can be made"),
        (
            at("estimator/value/hidden", [10**6, 10**6]),
            r"would be larger than the 113,.* weights in the file",
        ),
        (at("estimator/value/hidden", [10**15]), r"settings of which no network can be made"),
        (
            at("estimator/value/hidden", [1] * 3),
            r"network\.layers\.0\.bias is float32 \(256,\), expected .*\(1,\)",
        ),
        (at("input/value", [["n_channels", 3]]), r"does not tell all of its network: .*missing 4"),
        (at("fitted", ...), r"does not tell all of its network: 'fitted'"),
        (at("fitted/network_", 1), r"tells fitted of its network as no network has it"),
        (at("fitted/classes_", ...), r"tells classes_ of its network as"),
        (at("fitted/classes_", "ab"), r"tells classes_ of its network as"),
        (at("fitted/ch_names_", None), r"tells fitted of its network as"),
        (at("scales_outputs", True), r"output_center is none, expected float32 \(\)"),
        (at("history", [[1, None]]), r"does not tell all of its network"),
        (lambda told: "[" * 10**6, r"is no safetensors file, or damaged"),
        (lambda told: "{", r"is no safetensors file, or damaged"),
        (lambda told: "[]", r"does not tell what network it holds"),
        (lambda told: " " * (10**7 + 1), r"no network that physioaffect saved: it does not tell which"),
    ],
)
def test_a_changed_file_is_refused_in_a_sentence(change, said, tmp_path):
    path = rewritten(tmp_path, change)
    with pytest.raises(DataError, match=said):
        load_network(path)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("n_channels", 10**9),
        ("n_channels", 0),
        ("n_last", 2.5),
        ("n_outputs", 10**9),
        ("ch_names", "AF3"),
        ("ch_names", None),
        ("sfreq", "fast"),
    ],
)
def test_an_impossible_input_is_refused_in_a_sentence(place, value, tmp_path):
    def change(told):
        for pair in told["input"]["value"]:
            if pair[0] == place:
                pair[1] = value

    with pytest.raises(DataError, match=r"of its network as no network has it|does not tell"):
        load_network(rewritten(tmp_path, change))


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        (lambda weights: dict(list(weights.items())[1:]), r"is none, expected float32"),
        (lambda weights: weights | {"extra": torch.zeros(3)}, r"extra is float32 \(3,\), expected none"),
        (lambda weights: {k: v.double() for k, v in weights.items()}, r"is float64 .*, expected float32"),
    ],
    ids=["fewer", "more", "type"],
)
def test_other_weights_are_refused_by_name(tensors, said, tmp_path):
    with pytest.raises(DataError, match=r"weights in .* are not those of the network .*" + said):
        load_network(rewritten(tmp_path, tensors=tensors))


def test_files_of_another_kind_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"There is no file .*none\.safetensors"):
        load_network(tmp_path / "none.safetensors")
    foreign = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(3)}, foreign)
    with pytest.raises(DataError, match=r"holds tensors, but is no network that physioaffect saved"):
        load_network(foreign)
    path = save_network(fitted(*MLP), tmp_path / "m.safetensors")
    whole = path.read_bytes()
    for damaged in (b"", b"PK\x03\x04" * 100, whole[:1000], whole[:-1], b"\xff" * 8 + whole[8:]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=re.escape(str(path)) + " is no safetensors file, or damaged"):
            load_network(path)
