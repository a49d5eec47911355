"""Networks inside `evaluate`: trained together, to be continued, the same numbers everywhere."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from joblib.parallel import get_active_backend
from support.tables import VALENCE, feature_table

from physioaffect.data_set import Task
from physioaffect.datasets import DREAMER, World
from physioaffect.device import resolve_device
from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation import Result, evaluate, get_model
from physioaffect.evaluation.models import MODELS, NETWORKS
from physioaffect.evaluation.running.fitting import _Epochs
from physioaffect.graphs import NETWORKS as KNOWN
from physioaffect.graphs import EEGNetClassifier, MLPClassifier, MLPRegressor


def run(out: Path, **options: Any) -> Result:
    settings: dict[str, Any] = {
        "models": {"mlp": MLPClassifier(hidden=(8,), epochs=6, batch_size=16)},
        "protocols": ["loso"],
        "task": VALENCE,
        "out": out,
    }
    features = options.pop("features", feature_table(n_subjects=4, n_trials=8, effect=5.0))
    return evaluate(features, **settings | options)


def test_the_names_are_those_of_the_networks():
    assert set(NETWORKS) == set(KNOWN)
    assert set(NETWORKS) <= set(MODELS)
    for name in NETWORKS:
        assert isinstance(get_model(name, VALENCE), KNOWN[name].classifier)


def test_a_network_that_only_tells_classes_apart_is_refused_numbers():
    task = Task(name="score", description="", kind="regression", source="rating", target=lambda trial: 1.0)
    with pytest.raises(ProtocolError, match=r"no model 'eegnet' for the regression task score: use .*mlp"):
        get_model("eegnet", task)
    assert isinstance(get_model("mlp", task), MLPRegressor)


def test_a_fault_of_our_own_is_not_taken_for_a_lack_of_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "physioaffect.graphs", None)
    with pytest.raises(ModuleNotFoundError, match=r"physioaffect\.graphs"):
        get_model("dgcnn", VALENCE)


def test_without_torch_networks_say_how_to_get_it(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[:2] == ["physioaffect", "graphs"]]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(
        DataError, match=r"need torch, which is not installed: pip install 'physioaffect\[torch\]'"
    ):
        get_model("dgcnn", VALENCE)


def test_a_strong_effect_is_found(tmp_path):
    model = MLPClassifier(hidden=(8,), epochs=60, batch_size=16)
    result = run(tmp_path / "out", models={"mlp": model})
    assert result.cells()["loso", "mlp", "trial", "balanced_accuracy"].mean > 0.9


def test_bytes_do_not_depend_on_processes(tmp_path):
    one, two = (
        run(tmp_path / str(n), n_jobs=n, protocols=["loso", "loso_transductive"]).path for n in (1, 2)
    )
    assert (one / "predictions.parquet").read_bytes() == (two / "predictions.parquet").read_bytes()


def test_an_interrupted_training_is_continued_with_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("physioaffect.training.checkpoint.EVERY", 0.0)
    whole = run(tmp_path / "whole")
    out = tmp_path / "broken"

    def stop(what: str, done: int, total: int) -> None:
        if what == "training mlp" and done == 15:
            assert total == 4 * 6
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(out, progress=stop)
    assert list((out / "checkpoints").rglob("*.safetensors"))
    seen: list[int] = []
    again = run(out, progress=lambda what, done, _total: seen.append(done) if "training" in what else None)
    assert len(seen) < 4 * 6
    for name in ("predictions", "scores"):
        assert (again.path / f"{name}.parquet").read_bytes() == (whole.path / f"{name}.parquet").read_bytes()
    assert not (out / "checkpoints").exists()


def test_what_is_told_of_a_stack_finds_joblib_as_it_was(tmp_path):
    seen = []

    def tell(what: str, _done: int, _total: int) -> None:
        if what == "fitting":
            seen.append(get_active_backend()[1])

    before = get_active_backend()[1]
    run(tmp_path / "out", progress=tell, n_jobs=2)
    assert set(seen) == {before}


def test_early_stopping_sees_validation_people_only(tmp_path):
    """Noise: where the test person's windows were looked at, the score would not be at chance."""
    model = MLPClassifier(hidden=(8,), epochs=8, batch_size=16, patience=2)
    result = run(tmp_path / "out", models={"mlp": model}, features=feature_table(n_subjects=6, n_trials=10))
    # 60 trials: a coin lies within 0.5 +- 0.17 in 99 % of all worlds.
    assert abs(result.cells()["loso", "mlp", "trial", "balanced_accuracy"].mean - 0.5) < 0.17


def test_the_version_of_torch_is_recorded(tmp_path):
    import torch

    result = run(tmp_path / "out")
    assert result.run["request"]["versions"]["torch"] == torch.__version__
    assert result.run["devices"] == [resolve_device("auto")]
    wrapped = run(tmp_path / "wrapped", models=["coral+mlp"], protocols=["loso_transductive"])
    assert wrapped.run["request"]["versions"]["torch"] == torch.__version__
    assert "torch" not in run(tmp_path / "no", models=["lda"]).run["request"]["versions"]


def test_raw_windows_are_learnt_from_a_file(tmp_path):
    simulate = DREAMER.simulate
    assert simulate is not None
    folder = simulate(tmp_path / "d", world=World(), n_subjects=3, n_clips=6, max_seconds=12).parent
    model = EEGNetClassifier(epochs=2, batch_size=8)
    result = evaluate(DREAMER, folder, models={"eegnet": model}, protocols=["loso"], out=tmp_path / "out")
    scores = result.predictions.query("model == 'eegnet'")
    assert len(scores) == len(result.predictions.query("model == 'majority'"))
    assert np.isfinite(scores.filter(like="p_").to_numpy()).all()


def test_wrappers_have_names(tmp_path):
    result = run(tmp_path / "out", models=["coral+lda", "scaled+mlp"], protocols=["loso_transductive"])
    assert {"coral+lda", "scaled+mlp"} <= set(result.predictions["model"])
    with pytest.raises(ProtocolError, match=r"Nothing called .carol. can be wrapped .* as in coral[+]lda"):
        run(tmp_path / "no", models=["carol+lda"])


def test_epochs_of_a_calibration_are_told_apart():
    told = []
    tell = _Epochs("training histn", 2, lambda *one: told.append(one))
    for name, done in (("fold a", 1), ("fold b", 1), ("fold a", 2), ("fold a, calibration", 1)):
        tell(name, done, 10 if "calibration" in name else 2)
    assert told == [
        ("training histn", 1, 4),
        ("training histn", 2, 4),
        ("training histn", 3, 4),
        ("training histn, calibration", 1, 20),
    ]
