"""The networks by name."""

from __future__ import annotations

from typing import NamedTuple

from .dgcnn import DGCNNClassifier, DGCNNRegressor
from .eegnet import EEGNetClassifier
from .estimators import NetworkClassifier, NetworkRegressor
from .gcbnet import GCBNetClassifier
from .histn import HiSTNClassifier
from .lggnet import LGGNetClassifier
from .linear import LinearClassifier, LinearRegressor
from .mlp import MLPClassifier, MLPRegressor
from .rbtransformer import RBTransformerClassifier
from .rgnn import RGNNClassifier
from .tsception import TSceptionClassifier

__all__ = ["NETWORKS", "Networks"]


class Networks(NamedTuple):
    """The estimators of one network; ``regressor`` is None where it only tells classes apart."""

    classifier: type[NetworkClassifier]
    regressor: type[NetworkRegressor] | None = None


NETWORKS: dict[str, Networks] = {
    "dgcnn": Networks(DGCNNClassifier, DGCNNRegressor),
    "eegnet": Networks(EEGNetClassifier),
    "gcbnet": Networks(GCBNetClassifier),
    "histn": Networks(HiSTNClassifier),
    "lggnet": Networks(LGGNetClassifier),
    "linear": Networks(LinearClassifier, LinearRegressor),
    "mlp": Networks(MLPClassifier, MLPRegressor),
    "rbtransformer": Networks(RBTransformerClassifier),
    "rgnn": Networks(RGNNClassifier),
    "tsception": Networks(TSceptionClassifier),
}
