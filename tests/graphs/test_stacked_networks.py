"""Every network in a stack that stops early is, fold by fold, what it is alone."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from physioaffect.evaluation import Fold
from physioaffect.graphs import HISTN_HIERARCHIES, NETWORKS

EMOTIV = HISTN_HIERARCHIES["V0"].ch_names
N_EACH, N_FOLDS, EPOCHS = 16, 3, 10
TOLERANCE = 2e-5  # Of losses and probabilities in single precision; found: 3e-6.
# Small, so that a case takes a second.
SMALL: dict[str, dict[str, Any]] = {
    "eegnet": {"n_filters": 2},
    "gcbnet": {"n_filters": 4},
    "histn": {"n_filters": 2, "kernel": 0.125, "batch_size": 8},
    "lggnet": {"n_temporal": 4, "n_hidden": 4},
    "mlp": {"hidden": (16, 8)},
    "rbtransformer": {"width": 8, "n_heads": 2, "n_blocks": 1, "n_hidden": 8, "batch_size": 8},
    "tsception": {"n_temporal": 2, "n_spatial": 2},
}
CASES = [*sorted(NETWORKS), "rgnn with its adversary"]


def made(case: str, dropout: float) -> Any:
    name, _, adversary = case.partition(" with ")
    model = NETWORKS[name].classifier()
    own: dict[str, Any] = {"epochs": EPOCHS, "batch_size": 8, "learning_rate": 1e-2, "device": "cpu"}
    own |= {"patience": 2, "ch_names": EMOTIV}
    own |= {"node_dat": True} if adversary else {}
    own |= {key: dropout for key in model.get_params() if "dropout" in key}
    own |= {"sfreq": 64.0} if "sfreq" in model.get_params() else {}
    return model.set_params(**(own | SMALL.get(name, {})))


def windows_of(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Windows of five trials, with classes that show a little."""
    rng = np.random.default_rng(0)
    n_last = 64 if model.layout[-1] == "time" else 3
    y = rng.integers(0, 2, 5 * N_EACH)
    X = rng.standard_normal((len(y), len(EMOTIV), n_last))
    X[:, 2] *= 1 + y[:, np.newaxis]
    return X, y


def folds() -> list[Fold]:
    """Of different sizes, so that epochs end at different steps."""
    trial = np.arange(5 * N_EACH) // N_EACH
    return [
        Fold(
            name=f"fold {k}",
            train_idx=np.flatnonzero(~np.isin(trial, [k, k + 1]))[: 24 + 8 * k],
            validation_idx=np.flatnonzero(trial == k + 1),
            unlabelled_idx=np.flatnonzero(trial == k),
            test_idx=np.flatnonzero(trial == k),
        )
        for k in range(N_FOLDS)
    ]


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("case", CASES)
def test_a_stack_that_stops_early_equals_each_network_alone(case, dropout, monkeypatch):
    model = made(case, dropout)
    X, y = windows_of(model)
    fitted = {}
    for size in (1, N_FOLDS):
        monkeypatch.setattr("physioaffect.training.trainer.stack_size", lambda *_, size=size: size)
        fitted[size] = clone(model).fit_folds(X, y, folds(), seeds=[11, 12, 13])
    assert min(len(one.history_) for one in fitted[1]) < EPOCHS
    for one, other in zip(fitted[N_FOLDS], fitted[1], strict=True):
        assert len(one.history_) == len(other.history_)
        assert_allclose(one.history_, other.history_, atol=TOLERANCE)
        assert_allclose(one.predict_proba(X), other.predict_proba(X), atol=TOLERANCE)
