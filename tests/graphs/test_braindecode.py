"""Networks of braindecode among ours, and ours against them."""

import sys
import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from support.copies import assert_stacked_is_alone
from support.raw_networks import n_parameters, raw, shaken
from torch import nn

from physioaffect.errors import DataError
from physioaffect.graphs import BraindecodeClassifier, EEGNet, Input
from physioaffect.recording import Signal
from physioaffect.training import Dropout, torch_threads
from physioaffect.windows import Intervals, Windows

NAMES = ("Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4")
FAST: dict[str, Any] = {"epochs": 2, "batch_size": 8, "random_state": 0, "device": "cpu"}

needs_braindecode = pytest.mark.skipif(
    find_spec("braindecode") is None,
    reason="braindecode is not installed: pip install 'physioaffect[braindecode]'",
)


@pytest.fixture(autouse=True)
def _one_thread():
    with torch_threads(1):
        yield


def network_of(model: str, *, n_times: int = 256, n_channels: int = 8, **settings: Any) -> Any:
    about = Input(n_channels, n_times, NAMES[:n_channels], 128.0, 3)
    return BraindecodeClassifier(model=model, settings=settings).network(about)


def planted(n_windows: int = 48) -> tuple[Windows, np.ndarray]:
    """Windows in a third of which the fourth electrode is louder, in another third the sixth."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n_windows, 8, 256)), np.arange(n_windows) % 3
    X[y == 1, 3] *= 3
    X[y == 2, 5] *= 3
    trials = [Signal(data=x, sfreq=128.0, ch_names=NAMES, kind="eeg", unit="au") for x in X]
    return Windows(trials, [Intervals(np.zeros(1), 2.0)] * n_windows), np.array(["a", "b", "c"])[y]


# Taking over.


@needs_braindecode
def test_a_model_has_its_published_size_and_our_dropout():
    network = network_of("ShallowFBCSPNet", n_times=512)
    # 40 temporal filters of 25 samples with a bias, 40 spatial ones, normalisation, and pools of 75 every 15.
    n_pools = (512 - 25 + 1 - 75) // 15 + 1
    assert n_parameters(network) == 40 * 26 + 40 * 40 * 8 + 2 * 40 + 3 * (40 * n_pools + 1)
    assert [type(layer) for layer in network.modules() if "Dropout" in type(layer).__name__] == [Dropout]


@needs_braindecode
@pytest.mark.parametrize("model", ["ShallowFBCSPNet", "ATCNet", "SCCNet", "TSception"])
def test_copies_in_a_stack_are_what_they_are_alone(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Some find two seconds short.
        networks = []
        for seed in range(2):
            torch.manual_seed(seed)
            networks.append(network_of(model))
    assert all(network.stackable for network in networks)
    assert any(isinstance(layer, Dropout) for layer in networks[0].modules())
    assert_stacked_is_alone(networks, torch.stack([raw(6, 8, 256, seed) for seed in range(2)]))


@needs_braindecode
def test_whole_channels_are_dropped_as_before():
    layers = [type(layer).__name__ for layer in network_of("BDTCN", drop_prob=0.4).modules()]
    assert "Dropout1d" not in layers
    channel_dropout = next(
        layer for layer in network_of("BDTCN", drop_prob=0.4).modules() if "_Channel" in type(layer).__name__
    )
    x = torch.ones(50, 30, 8)
    torch.manual_seed(0)
    dropped = channel_dropout.train()(x)
    assert_allclose(dropped.unique(), [0, 1 / 0.6], rtol=1e-6)
    assert_array_equal(dropped, dropped[:, :, :1].expand_as(dropped))
    assert_array_equal(channel_dropout.eval()(x), x)


# Training.


@needs_braindecode
def test_learns_what_is_planted():
    X, y = planted(96)
    model = BraindecodeClassifier(**(FAST | {"epochs": 15, "learning_rate": 3e-3}))
    assert model.fit(X.select(np.arange(60)), y[:60]).score(X.select(np.arange(60, 96)), y[60:]) > 0.8
    assert model.predict_proba(X).shape == (96, 3)


@needs_braindecode
@pytest.mark.parametrize("model", ["ShallowFBCSPNet", "EEGConformer", "EEGNet"])
def test_the_same_seed_trains_the_same_network(model):
    # EEGConformer draws random numbers in its attention; torch cannot stack the bounds of EEGNet's weights.
    X, y = planted(24)
    one, two = (BraindecodeClassifier(model=model, **FAST).fit(X, y).predict_proba(X) for _ in range(2))
    assert_array_equal(one, two)
    other = BraindecodeClassifier(model=model, **(FAST | {"random_state": 1})).fit(X, y)
    assert not np.allclose(other.predict_proba(X), one)
    assert other.network_.stackable == (model == "ShallowFBCSPNet")


@needs_braindecode
def test_what_a_network_draws_by_itself_differs_from_step_to_step():
    network = network_of("EEGConformer").train()
    x = raw(4, 8, 256)
    for layer in network.network.modules():
        if isinstance(layer, Dropout):
            layer.p = 0.0
    torch.manual_seed(0)
    state = torch.random.get_rng_state()
    first, second = network(x), network(x)
    assert not torch.allclose(first, second)
    torch.random.set_rng_state(state)
    assert_array_equal(network(x).detach(), first.detach())


# Their implementation of one of ours. (Their TSception is that of 2020, without the fusion layer.)


@needs_braindecode
@pytest.mark.parametrize("training", [True, False])
def test_our_eegnet_is_theirs(training):
    # With filters of odd length: theirs pads even ones to one sample more than Keras does.
    settings: dict[str, Any] = {
        "n_filters": 4,
        "depth": 2,
        "n_taps": 31,
        "n_taps_separable": 15,
        "dropout": 0,
    }
    ours = shaken(EEGNet(n_channels=8, n_times=256, n_outputs=3, **settings)).train(training)
    theirs = network_of(
        "EEGNet",
        F1=4,
        D=2,
        kernel_length=31,
        depthwise_kernel_length=15,
        drop_prob=0,
        final_layer_with_constraint=True,
    ).network.train(training)
    with torch.no_grad():
        ours.spatial.div_(
            2 * ours.spatial.norm(dim=-1, keepdim=True)
        )  # Within their bounds, and so unchanged.
        ours.dense.weight.div_(8 * ours.dense.weight.norm(dim=-1, keepdim=True))
        own = dict(theirs.named_parameters())
        ours_by_name = {
            "conv_temporal": ours.temporal,
            "conv_spatial": ours.spatial,
            "final_layer": ours.dense.weight,
        }
        ours_by_name |= {"conv_separable_depth": ours.separable, "conv_separable_point": ours.pointwise}
        for start, weight in ours_by_name.items():
            (name,) = (name for name in own if name.startswith(start) and "bias" not in name)
            own[name].copy_(weight.reshape(own[name].shape))
        theirs.final_layer.linearconstraint.bias.copy_(ours.dense.bias)
    norms = {
        "bnorm_temporal": ours.temporal_norm,
        "bnorm_1": ours.spatial_norm,
        "bnorm_2": ours.pointwise_norm,
    }
    for name, norm in norms.items():
        getattr(theirs, name).load_state_dict(norm.state_dict())
    x = raw(5, 8, 256)
    assert_allclose(ours(x).detach(), theirs(x).detach(), atol=2e-6)


# Bad input.


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "braindecode.models.util", None)
    with pytest.raises(DataError, match=r"needs braindecode: pip install 'physioaffect\[braindecode\]'"):
        network_of("ShallowFBCSPNet")


@needs_braindecode
def test_an_unknown_model_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no model 'EEGNetv4': use one of ATCNet, .*ShallowFBCSPNet"):
        network_of("EEGNetv4")


@needs_braindecode
def test_what_a_model_cannot_take_is_refused_in_its_words():
    with pytest.raises(
        ValueError, match="ShallowFBCSPNet refuses windows of 8 channels x 30 samples, or its set"
    ):
        network_of("ShallowFBCSPNet", n_times=30)
    with pytest.raises(ValueError, match=r"or its settings: .*unexpected keyword argument 'n_filter'"):
        network_of("ShallowFBCSPNet", n_filter=3)


@needs_braindecode
def test_a_model_that_does_not_classify_windows_is_refused():
    with pytest.raises(
        ValueError, match=r"SignalJEPA gives shape \(2, 8, 64\) for two windows, expected \(2, 3\)"
    ):
        network_of("SignalJEPA")


@needs_braindecode
def test_electrodes_are_passed_on_where_their_places_are_known():
    about = Input(8, 256, NAMES, 128.0, 3)
    assert isinstance(BraindecodeClassifier(model="EEGSym").network(about), nn.Module)
    for names in (None, ("A", *NAMES[1:])):
        with pytest.raises(ValueError, match=r"EEGSym refuses windows .*chs_info not specified"):
            BraindecodeClassifier(model="EEGSym").network(about._replace(ch_names=names))
