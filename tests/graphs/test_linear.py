"""The linear control against closed forms."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy import stats
from scipy.special import softmax
from sklearn.linear_model import Ridge

from physioaffect.graphs import LinearClassifier, LinearControl, LinearRegressor
from physioaffect.training import torch_threads

# Whole batches, so that nothing but the penalised loss decides.
SETTLED: dict[str, Any] = {
    "batch_size": 90,
    "epochs": 400,
    "learning_rate": 3e-2,
    "random_state": 0,
    "device": "cpu",
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with torch_threads(1):  # Networks of this size wait for threads longer than they compute.
        yield


def standardised(*shape: int) -> NDArray[np.float64]:
    return np.asarray(stats.zscore(np.random.default_rng(0).normal(size=shape)))


@pytest.mark.parametrize(("n_channels", "n_bands", "n_classes"), [(14, 4, 2), (62, 5, 3)])
def test_has_a_weight_for_each_number_and_class(n_channels, n_bands, n_classes):
    network = LinearControl(n_channels=n_channels, n_bands=n_bands, n_outputs=n_classes)
    assert sum(p.numel() for p in network.parameters()) == n_classes * (n_channels * n_bands + 1)


def test_is_linear_and_begins_at_zero():
    network, x = LinearControl(n_channels=5, n_bands=4, n_outputs=3), torch.randn(2, 8, 5, 4)
    assert not network(x[0]).detach().any()
    torch.manual_seed(0)
    torch.nn.init.normal_(network.layer.weight)
    torch.nn.init.normal_(network.layer.bias)
    mixed = network(0.3 * x[0] + 0.7 * x[1])
    assert_allclose(mixed.detach(), (0.3 * network(x[0]) + 0.7 * network(x[1])).detach(), atol=1e-5)


@pytest.mark.parametrize("weight_decay", [0.05, 0.5])
def test_classifier_ends_where_the_penalised_loss_is_flat(weight_decay):
    X, y = standardised(90, 3, 2), np.arange(90) % 3
    X[y == 1, 0] += 1
    X = np.asarray(stats.zscore(X))
    model = LinearClassifier(weight_decay=weight_decay, **SETTLED).fit(X, y)
    outputs = model.outputs(X)
    p = softmax(outputs, axis=1)
    assert_allclose(model.predict_proba(X), p, atol=1e-6)
    with_one = np.concatenate([X.reshape(90, -1), np.ones((90, 1))], axis=1)
    weights = np.linalg.lstsq(with_one, outputs, rcond=None)[0]
    slope = with_one.T @ (p - np.eye(3)[y]) / 90
    assert np.abs(slope).max() > 0.02
    assert_allclose(slope + weight_decay * weights, 0, atol=1e-4)


@pytest.mark.parametrize("weight_decay", [0.05, 0.5])
def test_regressor_is_ridge_regression(weight_decay):
    X = standardised(90, 3, 2)
    y = 70 + stats.zscore(2 * X[:, 0, 1] + np.random.default_rng(1).normal(size=90))
    found = LinearRegressor(weight_decay=weight_decay, **SETTLED).fit(X, y).predict(X)
    # The mean of squares against half of the penalty.
    table = X.reshape(90, -1)
    expected = Ridge(alpha=90 * weight_decay / 2).fit(table, y).predict(table)
    assert_allclose(found, expected, atol=1e-3)
    assert np.std(found) < 0.95 * np.std(y)
