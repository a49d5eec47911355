"""Penultimate activations: what a network's outputs are a linear map of."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from torch import nn

from physioaffect.errors import DataError, ProtocolError
from physioaffect.graphs import NETWORKS, Input, MLPClassifier

NAMES = ("AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4")
EVERY = [model for pair in NETWORKS.values() for model in pair if model is not None]


@pytest.mark.parametrize("model", EVERY, ids=lambda model: model.__name__)
def test_outputs_are_an_affine_map_of_them(model):
    is_raw, is_number = model.layout[-1] == "time", model.__name__.endswith("Regressor")
    X = np.random.default_rng(0).normal(size=(48, 14, 128 if is_raw else 4))
    y = X[:, 0, 0] if is_number else np.arange(48) % 3
    fitted = model(epochs=1, batch_size=16, ch_names=NAMES, random_state=0, device="cpu")
    if "sfreq" in fitted.get_params():
        fitted.set_params(sfreq=128.0)
    fitted.fit(X, y)
    embedded, outputs = fitted.embed(X), fitted.outputs(X)
    assert embedded.shape[0] == 48
    assert embedded.shape[1] >= outputs.shape[1]
    last = [layer for layer in fitted.network_.modules() if isinstance(layer, nn.Linear)]
    fits = [layer for layer in last if layer.in_features == embedded.shape[1]]
    found = []
    for layer in fits:
        bias = 0 if layer.bias is None else layer.bias.detach().numpy()
        if layer.out_features != outputs.shape[1]:
            continue
        told = embedded @ layer.weight.detach().double().numpy().T + bias
        if is_number:
            told = fitted.network_.output_center.item() + fitted.network_.output_spread.item() * told
        found.append(np.abs(told - outputs).max())
    assert min(found) < 1e-4 * max(1, np.abs(outputs).max())
    # Each window's do not depend on the others'.
    assert_allclose(fitted.embed(X[5:7]), embedded[5:7], atol=1e-4 * np.abs(embedded).max())


def test_leaves_the_network_as_it_was():
    X = np.random.default_rng(0).normal(size=(20, 3, 2))
    fitted = MLPClassifier(hidden=(5,), epochs=1, batch_size=10, random_state=0, device="cpu")
    fitted.fit(X, np.arange(20) % 2)
    before = fitted.outputs(X)
    assert fitted.embed(X).shape == (20, 5)
    assert_array_equal(fitted.outputs(X), before)
    assert not any(layer._forward_hooks for layer in fitted.network_.modules())


class Squashed(MLPClassifier):
    """Ends in no linear layer."""

    def network(self, about: Input) -> nn.Module:  # type: ignore[override]
        return nn.Sequential(super().network(about), nn.Tanh())


def test_a_network_that_ends_otherwise_is_refused():
    X = np.random.default_rng(0).normal(size=(20, 3, 2))
    fitted = Squashed(epochs=1, batch_size=10, random_state=0, device="cpu").fit(X, np.arange(20) % 2)
    with pytest.raises(ProtocolError, match="Sequential does not end in a linear layer"):
        fitted.embed(X)


def test_nothing_is_embedded_before_fitting_or_of_no_windows():
    X = np.random.default_rng(0).normal(size=(20, 3, 2))
    with pytest.raises(NotFittedError, match="call fit first"):
        MLPClassifier().embed(X)
    fitted = MLPClassifier(epochs=1, batch_size=10, random_state=0, device="cpu").fit(X, np.arange(20) % 2)
    with pytest.raises(DataError, match="There are no windows to embed"):
        fitted.embed(X[:0])
