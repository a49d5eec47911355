"""Networks as ONNX, run by onnxruntime, against the networks themselves."""

import json
import sys

import numpy as np
import onnxruntime
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import NotFittedError
from support.networks import CH_NAMES, ESTIMATORS, fitted, predicted, windows

from physioaffect import __version__
from physioaffect.errors import DataError
from physioaffect.features import DifferentialEntropy, Recipe
from physioaffect.features.origin import Origin
from physioaffect.graphs import MLPClassifier, export_onnx
from physioaffect.windows import Windowing

ORIGIN = Origin(
    recipe=Recipe(windows=Windowing(duration=2), features=(DifferentialEntropy(),)),
    ch_names=CH_NAMES,
    sfreq=128,
    dataset="dreamer",
    task="valence",
)


def run(path, X):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"windows": np.asarray(X, dtype=np.float32)})[0]


# Exporting takes seconds, and classifier and regressor have the same network.
@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name.endswith("Classifier")])
def test_a_classifier_says_the_same_probabilities_for_any_number_of_windows(name, tmp_path):
    check(fitted(name), tmp_path)


def test_a_regressor_says_the_same_numbers(tmp_path):
    check(fitted("LinearRegressor"), tmp_path)


@pytest.mark.parametrize("labels", ["regression", "mixture"])
def test_a_loss_that_reads_outputs_in_its_own_way_is_inside(labels, tmp_path):
    check(fitted("HiSTNClassifier", labels=labels, fusion="grouped"), tmp_path)


def check(model, folder):
    path = export_onnx(model, folder / "model.onnx")
    X = np.asarray(windows(model.layout))
    for n_windows in (1, 2, 24):
        found = run(path, X[:n_windows])
        assert_allclose(found, predicted(model, X[:n_windows]), atol=1e-5)
    assert np.ptp(found, axis=0).max() > 1e-4  # It does not say the same of all windows.
    assert sorted(one.name for one in folder.iterdir()) == ["model.onnx", "model.onnx.json"]


def test_windows_come_as_they_are_because_the_standardisation_is_inside(tmp_path):
    X = windows(("channel", "band")) * 1e-6 + 3
    model = MLPClassifier(hidden=(4,), epochs=1, batch_size=8, random_state=0).fit(X, np.resize([0, 1], 24))
    found = run(export_onnx(model, tmp_path / "model.onnx"), X)
    # As far as float32 tells these windows apart.
    assert_allclose(found, model.predict_proba(X), atol=1e-5)
    assert np.ptp(found[:, 0]) > 0.01


def test_what_input_and_output_mean_is_told_beside(tmp_path):
    path = export_onnx(fitted("LinearClassifier"), tmp_path / "model.onnx", origin=ORIGIN)
    text = (tmp_path / "model.onnx.json").read_text(encoding="utf-8")
    told = json.loads(text)
    assert told["classes"] == ["calm", "neutral", "tense"]
    assert told["ch_names"] == list(CH_NAMES)
    assert (told["layout"], told["window"]) == (["channel", "band"], [14, 4])
    assert (told["output"], told["physioaffect"]) == ("probabilities", __version__)
    assert Origin.from_json(json.dumps(told["origin"])) == ORIGIN
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (windows_in,), (out,) = session.get_inputs(), session.get_outputs()
    assert (windows_in.name, windows_in.shape) == ("windows", ["n_windows", 14, 4])
    assert (out.name, out.shape) == ("probabilities", ["n_windows", 3])


def test_what_cannot_be_exported_is_refused_in_a_sentence(tmp_path, monkeypatch):
    with pytest.raises(NotFittedError, match=r"MLPClassifier has not been fitted: call fit first"):
        export_onnx(MLPClassifier(), tmp_path / "m.onnx")
    with pytest.raises(DataError, match=r"file named \.onnx, got 'm\.pt'"):
        export_onnx(fitted("LinearClassifier"), tmp_path / "m.pt")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(DataError, match=r"needs onnx and onnxscript, .* pip install 'physioaffect\[onnx\]'"):
        export_onnx(fitted("LinearClassifier"), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
