"""An interrupted fit goes on from its checkpoint, and from no other's."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from physioaffect.errors import RunError
from physioaffect.graphs import (
    HISTN_HIERARCHIES,
    DGCNNClassifier,
    HiSTNClassifier,
    MLPClassifier,
    RGNNClassifier,
    TrainedWith,
)
from physioaffect.training import Cosine, SubjectBalanced

EMOTIV = HISTN_HIERARCHIES["V0"].ch_names
N_WINDOWS = 64
PEOPLE = np.arange(N_WINDOWS) % 4
FAST: dict[str, Any] = {"epochs": 4, "batch_size": 16, "random_state": 0, "device": "cpu"}


def by_person(**said: Any) -> TrainedWith:
    return TrainedWith(MLPClassifier(hidden=(8,), **FAST), sampler=SubjectBalanced(), **said)


def histn(**said: Any) -> HiSTNClassifier:
    return HiSTNClassifier(**(FAST | {"sfreq": 64, "ch_names": EMOTIV, "n_filters": 2} | said))


def rgnn(**said: Any) -> RGNNClassifier:
    return RGNNClassifier(**(FAST | {"ch_names": EMOTIV} | said))


# One training, and another of the same windows, labels, seed and first weights.
OTHERS: dict[str, tuple[Any, dict[str, Any], Any, dict[str, Any]]] = {
    "dropout": (MLPClassifier(dropout=0.1, **FAST), {}, MLPClassifier(dropout=0.8, **FAST), {}),
    "penalty": (rgnn(sparsity=0.01), {}, rgnn(sparsity=5.0), {}),
    "hops": (rgnn(n_hops=2), {}, rgnn(n_hops=1), {}),
    "basis": (DGCNNClassifier(basis="powers", **FAST), {}, DGCNNClassifier(**FAST), {}),
    "people": (by_person(), {"groups": PEOPLE}, by_person(), {"groups": np.sort(PEOPLE)}),
    "order of the electrodes": (histn(), {}, histn(ch_names=EMOTIV[::-1]), {}),
    "names of the electrodes": (DGCNNClassifier(ch_names=EMOTIV, **FAST), {}, DGCNNClassifier(**FAST), {}),
    "labels of validation": (
        MLPClassifier(patience=4, **FAST),
        {"turned": False},
        MLPClassifier(patience=4, **FAST),
        {"turned": True},
    ),
}


def data(model: Any) -> tuple[np.ndarray, np.ndarray]:
    n_last = 64 if model.layout[-1] == "time" else 4
    X = np.random.default_rng(0).normal(size=(N_WINDOWS, len(EMOTIV), n_last))
    return X, np.where(X[:, 0, 0] > 0, "calm", "tense")


def fit(model: Any, options: dict[str, Any], folder: Path | None, *, stop: bool = False) -> list[int]:
    """Fit in place; returns the epochs that were told."""
    X, y = data(model)
    options = dict(options)
    if "turned" in options:
        labels = np.roll(y, 1) if options.pop("turned") else y
        options["validation"] = (X, labels, None)
    told: list[int] = []

    def tell(_name: str, done: int, _epochs: int) -> None:
        told.append(done)
        if stop and done == 3:
            raise KeyboardInterrupt

    model.fit(X, y, checkpoint=folder, progress=tell, **options)
    return told


@pytest.mark.parametrize("other", OTHERS)
def test_a_fit_goes_on_from_its_own_checkpoint_and_refuses_anothers(other, tmp_path, monkeypatch):
    monkeypatch.setattr("physioaffect.training.checkpoint.EVERY", 0.0)
    model, options, changed, changed_options = OTHERS[other]
    with pytest.raises(KeyboardInterrupt):
        fit(model, options, tmp_path, stop=True)
    with pytest.raises(RunError, match=r"is the checkpoint of another training .* Remove it, or name"):
        fit(changed, changed_options, tmp_path)
    # The control: what was refused to another is there for its own, to the last bit.
    assert fit(model, options, tmp_path) == [3, 4]
    resumed = model.predict_proba(data(model)[0])
    fit(model, options, None)
    assert_array_equal(resumed, model.predict_proba(data(model)[0]))


def test_another_seed_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("physioaffect.training.checkpoint.EVERY", 0.0)
    with pytest.raises(KeyboardInterrupt):
        fit(MLPClassifier(**FAST), {}, tmp_path, stop=True)
    with pytest.raises(RunError, match=r"other settings, windows, labels, seeds"):
        fit(MLPClassifier(**(FAST | {"random_state": 1})), {}, tmp_path)


def test_settings_that_are_equal_but_not_the_same_go_on(tmp_path, monkeypatch):
    """As another process makes them, which has them at other places of its memory."""
    monkeypatch.setattr("physioaffect.training.checkpoint.EVERY", 0.0)
    options = {"groups": PEOPLE}
    with pytest.raises(KeyboardInterrupt):
        fit(by_person(schedule=Cosine(last=0.1)), options, tmp_path, stop=True)
    assert fit(by_person(schedule=Cosine(last=0.1)), options, tmp_path) == [3, 4]


def test_an_interrupted_calibration_goes_on_and_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("physioaffect.training.checkpoint.EVERY", 0.0)
    model = histn(calibration_epochs=5, calibration_batch_size=16)
    X, y = data(model)
    own: dict[str, Any] = {"groups": PEOPLE, "calibration": (X[::2], y[::2], np.full(N_WINDOWS // 2, 9))}

    def fitted(folder=None, *, stop_at=None):
        told = []

        def tell(name, done, total):
            told.append((name.rpartition(", ")[2], done, total))
            if told[-1][:2] == stop_at:
                raise KeyboardInterrupt

        model.fit(X, y, checkpoint=folder, progress=tell, **own)
        return told

    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path, stop_at=("calibration", 3))
    resumed = fitted(tmp_path)
    # Nothing that was learnt before is learnt again, nor are the calibration's first epochs.
    assert [done for what, done, _ in resumed if what == "calibration"] == [3, 4, 5]
    assert {total for what, _, total in resumed if what == "calibration"} == {5}
    assert len([what for what, _, _ in resumed if what != "calibration"]) <= 1
    probabilities = model.predict_proba(X)
    everything = fitted()
    assert [done for what, done, _ in everything if what == "calibration"] == [1, 2, 3, 4, 5]
    assert_array_equal(probabilities, model.predict_proba(X))
