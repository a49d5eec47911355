"""Saved networks and recordings, where tests of the commands `train` and `predict` do not reach."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import BaseEstimator

torch = pytest.importorskip("torch")

from physioaffect.datasets import DREAMER  # noqa: E402
from physioaffect.errors import DataError, ProtocolError  # noqa: E402
from physioaffect.evaluation.fitted_on_all import fit_on_all, task_and_network  # noqa: E402
from physioaffect.evaluation.prediction import Predictor, load_predictor, predict_recording  # noqa: E402
from physioaffect.features import DifferentialEntropy, Recipe  # noqa: E402
from physioaffect.features.origin import Origin  # noqa: E402
from physioaffect.graphs import LinearClassifier, TrainedWith, export_onnx  # noqa: E402
from physioaffect.recording import Signal  # noqa: E402
from physioaffect.windows import Windowing  # noqa: E402

RECIPE = Recipe(windows=Windowing(duration=2), features=(DifferentialEntropy(),))
ORIGIN = Origin(recipe=RECIPE, ch_names=("F3", "F4"), sfreq=128, classes=("calm", "tense"))


def predictor(*, layout: tuple[str, ...] = ("channel", "band")) -> Predictor:
    """One that is always as sure."""
    return Predictor(
        predict=lambda X: np.full((len(X), 2), 0.5), layout=layout, classes=ORIGIN.classes, origin=ORIGIN
    )


def recording(data: np.ndarray) -> Signal:
    return Signal(data=data, sfreq=128.0, ch_names=("F3", "F4"), kind="eeg", unit="V")


def test_where_no_window_is_whole_nothing_is_predicted():
    found = predict_recording(predictor(), recording(np.full((2, 1280), np.nan))).windows
    assert found["start"].tolist() == [0, 2, 4, 6, 8]
    assert found["prediction"].isna().all()
    assert found[["p_calm", "p_tense"]].isna().all(axis=None)


def test_a_recipe_that_makes_no_such_windows_is_refused():
    noise = 1e-5 * np.random.default_rng(0).normal(size=(2, 1280))
    with pytest.raises(ProtocolError, match=r"wants windows of edge x band, and the recipe .* makes none"):
        predict_recording(predictor(layout=("edge", "band")), recording(noise))


def test_a_network_beside_the_words_of_another_is_refused(tmp_path):
    pytest.importorskip("onnxruntime")
    X, y = np.random.default_rng(0).normal(size=(32, 2, 5)), np.arange(32) % 2
    model = LinearClassifier(epochs=1, batch_size=16, random_state=0).fit(X, y)
    path = export_onnx(model, tmp_path / "m.onnx", origin=ORIGIN)
    assert load_predictor(path).classes == ("calm", "tense")
    beside = path.with_name("m.onnx.json")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | {"window": [2, 4]}))
    with pytest.raises(
        DataError, match=r"m\.onnx and m\.onnx\.json are not of one network\. Export it again"
    ):
        load_predictor(path)


def test_without_torch_it_says_how_to_get_it(tmp_path, monkeypatch):
    (tmp_path / "m.safetensors").write_bytes(b"")
    with monkeypatch.context() as broken:
        broken.setitem(sys.modules, "physioaffect.graphs", None)
        with pytest.raises(ModuleNotFoundError, match=r"physioaffect\.graphs"):
            load_predictor(tmp_path / "m.safetensors")
    for name in [name for name in sys.modules if name.split(".")[:2] == ["physioaffect", "graphs"]]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(
        DataError, match=r"need torch, which is not installed: pip install 'physioaffect\[torch\]'"
    ):
        load_predictor(tmp_path / "m.safetensors")


def test_from_a_data_set_without_tasks_nothing_can_be_learned(tmp_path):
    with pytest.raises(ProtocolError, match=r"DREAMER has no tasks: .*Nothing can be learned\."):
        task_and_network(replace(DREAMER, tasks={}), None, "mlp", tmp_path / "m.onnx")


def test_the_seed_reaches_a_network_within_another_and_replaces_none(tmp_path):
    assert DREAMER.simulate is not None
    root = DREAMER.simulate(tmp_path / "dreamer", n_subjects=2, n_clips=4, max_seconds=6)

    def learned(seed: int, own: int | None = None) -> np.ndarray:
        model = TrainedWith(LinearClassifier(epochs=1, batch_size=8, random_state=own), mixup=0.2)
        fitted = fit_on_all(DREAMER, root, model, RECIPE, task=DREAMER.tasks["valence"], seed=seed)
        probed = np.linspace(-1, 1, 14 * 5, dtype=np.float32).reshape(1, 14, 5)
        probabilities: np.ndarray = fitted.model.predict_proba(probed)
        return probabilities

    np.testing.assert_array_equal(learned(1), learned(1))
    assert not np.array_equal(learned(1), learned(2))
    np.testing.assert_array_equal(learned(1, own=3), learned(2, own=3))


class OfElectrodes(BaseEstimator):  # type: ignore[misc]
    """Somebody's own classifier of channel x band, which tells nobody how far it is."""

    layout = ("channel", "band")

    def fit(self, X, y):
        self.shape_, self.y_ = X.shape, y
        return self


def test_an_estimator_of_ones_own_is_fitted_on_everyone_too(tmp_path):
    assert DREAMER.simulate is not None
    root = DREAMER.simulate(tmp_path / "dreamer", n_subjects=2, n_clips=4, max_seconds=6)
    told = []
    fitted = fit_on_all(
        DREAMER, root, OfElectrodes(), RECIPE, task=DREAMER.tasks["valence"],
        progress=lambda *what: told.append(what),
    )  # fmt: skip
    assert fitted.model.shape_ == (fitted.n_windows, 14, len(DifferentialEntropy().bands))
    assert set(fitted.model.y_) == {0, 1}
    assert fitted.n_subjects == 2
    # Reading is told; of the fit it says nothing.
    assert told
    assert "training" not in {name for name, _, _ in told}
