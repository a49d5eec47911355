"""The perceptron on tokens against its equations in NumPy."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import erf
from sklearn.base import clone

from physioaffect.graphs import MLP, LinearControl, MLPClassifier, MLPRegressor
from physioaffect.training import torch_threads

PAGE = Path(__file__).resolve().parents[2] / "docs" / "networks" / "mlp.md"
QUICK: dict[str, Any] = {
    "hidden": (16,),
    "batch_size": 32,
    "learning_rate": 1e-2,
    "random_state": 0,
    "device": "cpu",
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with torch_threads(1):  # Networks of this size wait for threads longer than they compute.
        yield


def tiny(**settings) -> MLP:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"n_channels": 5, "n_bands": 4, "n_outputs": 3, "hidden": (7, 6)}
    return MLP(**(sizes | settings)).eval()


@pytest.mark.parametrize(("n_channels", "n_bands", "n_classes"), [(14, 4, 2), (32, 4, 9), (62, 5, 3)])
def test_size_is_the_sum_over_its_layers(n_channels, n_bands, n_classes):
    network = MLP(n_channels=n_channels, n_bands=n_bands, n_outputs=n_classes)
    n_numbers = n_channels * n_bands
    expected = (n_numbers + 1) * 256 + (256 + 1) * 256 + (256 + 1) * 128 + (128 + 1) * n_classes
    found = sum(parameter.numel() for parameter in network.parameters())
    assert found == expected == 256 * n_numbers + 98_944 + 129 * n_classes


def test_sizes_in_the_documentation_are_these():
    page = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"\| \w+ \| (\d+) × (\d+) \| (\d+) \| ([\d,]+) \| ([\d,]+) \|", page)
    assert len(rows) == 4
    for *sizes, perceptron, linear in rows:
        n_channels, n_bands, n_classes = map(int, sizes)
        for kind, shown in ((MLP, perceptron), (LinearControl, linear)):
            network = kind(n_channels=n_channels, n_bands=n_bands, n_outputs=n_classes)
            assert f"{sum(p.numel() for p in network.parameters()):,}" == shown


@pytest.mark.parametrize("hidden", [(7, 6), (7,), ()])
def test_follows_its_equations(hidden):
    network, x = tiny(hidden=hidden), 2 * torch.randn(8, 5, 4)
    weights = {name: value.double().numpy() for name, value in network.state_dict().items()}
    y = x.double().numpy().reshape(8, 20)
    for number in range(len(hidden)):
        y = y @ weights[f"layers.{3 * number}.weight"].T + weights[f"layers.{3 * number}.bias"]
        y = y * 0.5 * (1 + erf(y / math.sqrt(2)))
    last = 3 * len(hidden)
    y = y @ weights[f"layers.{last}.weight"].T + weights[f"layers.{last}.bias"]
    assert_allclose(network(x).detach(), y, atol=1e-5)


def test_order_of_electrodes_is_nothing_but_the_order_of_its_first_weights():
    network, x, order = tiny(), torch.randn(8, 5, 4), torch.tensor([3, 0, 4, 1, 2])
    before = network(x).detach()
    with torch.no_grad():
        first = network.layers.get_parameter("0.weight")
        first.copy_(first.unflatten(1, (5, 4))[:, order].flatten(1).clone())
    assert_allclose(network(x[:, order]).detach(), before, atol=1e-6)


def test_dropout_acts_in_training_only():
    network, x = tiny(dropout=0.5), torch.randn(8, 5, 4)
    assert_allclose(network(x).detach(), tiny(dropout=0)(x).detach(), atol=0)
    assert not torch.allclose(network.train()(x), network(x))


def test_settings_are_those_of_the_constructor():
    settings = MLPClassifier().get_params()
    assert settings == MLPRegressor().get_params()
    assert clone(MLPRegressor(hidden=(3,), epochs=7)).get_params() == settings | {"hidden": (3,), "epochs": 7}


def test_classifier_learns_from_windows_as_from_tables():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(384, 3, 2))
    y = np.where(X[:, 0, 0] * X[:, 2, 1] > 0, "same", "opposite")
    model = MLPClassifier(epochs=30, **QUICK).fit(X[:256], y[:256])
    assert model.score(X[256:], y[256:]) > 0.8
    table = X.reshape(len(X), -1)
    from_table = MLPClassifier(epochs=30, **QUICK).fit(table[:256], y[:256])
    assert_array_equal(from_table.predict_proba(table), model.predict_proba(X))


def test_regressor_predicts_numbers_in_their_unit():
    X = np.random.default_rng(0).normal(size=(384, 3, 2))
    y = 100 + 20 * np.abs(X[:, 0, 0])
    predicted = MLPRegressor(epochs=30, **QUICK).fit(X[:256], y[:256]).predict(X[256:])
    assert np.square(predicted - y[256:]).mean() < 0.2 * y.var()


def test_the_page_runs(capsys):
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), {})
    told = re.search(r"# (0\.\d+), then (0\.\d+)", PAGE.read_text(encoding="utf-8"))
    assert told is not None
    # Two or three windows of 128: processors round differently.
    found = list(map(float, capsys.readouterr().out.split()))
    assert_allclose(found, list(map(float, told.groups())), atol=0.025)


def test_hidden_layers_have_units():
    with pytest.raises(ValueError, match=r"at least one unit each, got \(3, 0\)"):
        tiny(hidden=(3, 0))


@pytest.mark.parametrize("kind", [MLP, LinearControl])
def test_sizes_are_at_least_one_and_kept(kind):
    with pytest.raises(ValueError, match=f"{kind.__name__} needs n_outputs of at least 1, got 0"):
        kind(n_channels=5, n_bands=4, n_outputs=0)
    # As many numbers, in another order.
    with pytest.raises(ValueError, match=f"This {kind.__name__} takes .* 5 electrodes x 4 bands, got 4 x 5"):
        kind(n_channels=5, n_bands=4, n_outputs=2)(torch.zeros(2, 4, 5))
