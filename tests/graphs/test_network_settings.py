"""What a classifier is told reaches its network, under the same name and with the same default."""

import sys
from inspect import signature
from typing import Any

import pytest
from torch import nn

from physioaffect.graphs import (
    DGCNN,
    HISTN_HIERARCHIES,
    MLP,
    RGNN,
    DGCNNClassifier,
    DGCNNRegressor,
    GCBNet,
    GCBNetClassifier,
    HiSTN,
    HiSTNClassifier,
    Input,
    MLPClassifier,
    MLPRegressor,
    RBTransformer,
    RBTransformerClassifier,
    RGNNClassifier,
)

ELECTRODES = ("F3", "F4", "O1", "O2")
SETTINGS = {
    DGCNNClassifier: (DGCNN, "n_filters order n_hidden basis band_norm bias dropout"),
    DGCNNRegressor: (DGCNN, "n_filters order n_hidden basis band_norm bias dropout"),
    GCBNetClassifier: (GCBNet, "n_filters order n_taps bls n_feature_nodes n_enhancement_nodes dropout"),
    HiSTNClassifier: (HiSTN, "hierarchy fusion n_filters dropout"),
    MLPClassifier: (MLP, "hidden dropout"),
    MLPRegressor: (MLP, "hidden dropout"),
    RBTransformerClassifier: (RBTransformer, "width n_blocks n_heads head_width n_hidden head dropout"),
    RGNNClassifier: (RGNN, "n_hidden n_hops dropout sparsity node_dat domain_weight"),
}


@pytest.mark.parametrize("estimator", SETTINGS)
def test_every_setting_reaches_the_network(estimator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    network, names = SETTINGS[estimator]
    told: dict[str, Any] = {name: object() for name in names.split()}
    if "hierarchy" in told:
        told["hierarchy"] = HISTN_HIERARCHIES["V1"]
    passed: dict[str, Any] = {}
    monkeypatch.setattr(sys.modules[estimator.__module__], network.__name__, lambda **kw: passed.update(kw))
    estimator(**told).network(Input(4, 3, ELECTRODES, 128.0, 2))
    assert {name: passed[name] for name in told} == told
    assert passed["n_outputs"] == 2


@pytest.mark.parametrize("estimator", SETTINGS)
def test_defaults_are_those_of_the_network(estimator: Any) -> None:
    network: type[nn.Module] = SETTINGS[estimator][0]
    its, own = signature(network).parameters, signature(estimator).parameters
    for name in set(its) & set(own) - {"hierarchy", "ch_names"}:
        assert own[name].default == its[name].default, name
