"""Electrode graphs and the networks on them.

This room knows nothing of data sets or evaluation; its networks need torch (``pip install
'physioaffect[torch]'``).
"""

from .adjacency import ADJACENCIES, delaunay, distance, electrode_graph, full, inverse_square, k_nearest
from .braindecode import BraindecodeClassifier
from .chebyshev import (
    chebyshev_basis,
    laplacian,
    largest_eigenvalue,
    normalised_laplacian,
    rescaled_laplacian,
)
from .connectivity import functional
from .dgcnn import DGCNN, DGCNNClassifier, DGCNNRegressor
from .drawing import plot_adjacency, plot_graph, plot_hierarchy
from .eegnet import EEGNet, EEGNetClassifier
from .emotion_labels import EmotionDL
from .estimators import NetworkClassifier, NetworkRegressor
from .export import export_onnx
from .gcbnet import GCBNet, GCBNetClassifier
from .geometric import DenseGraph, from_geometric, to_geometric
from .grouping import lobes, local_graphs, neighbouring
from .hemispheres import GLOBAL_PAIRS, inter_hemispheric
from .histn import HISTN_LABELS, HiSTN, HiSTNClassifier
from .importance import electrode_importance, integrated_gradients, region_importance
from .inputs import Input
from .inside import attention_maps, learned_adjacency, temporal_filters
from .inside_plots import plot_attention, plot_filters, plot_importance
from .lggnet import LGGNet, LGGNetClassifier
from .linear import LinearClassifier, LinearControl, LinearRegressor
from .mlp import MLP, MLPClassifier, MLPRegressor
from .networks import NETWORKS, Networks
from .ordinal_losses import GaussianMixture, TanhRegression
from .rbtransformer import RBTransformer, RBTransformerClassifier
from .regions import HISTN_HIERARCHIES, Hierarchy, Region
from .rgnn import RGNN, RGNNClassifier
from .saving import load_network, load_origin, save_network
from .trained_with import TrainedWith
from .tsception import TSception, TSceptionClassifier

__all__ = [
    "ADJACENCIES",
    "DGCNN",
    "GLOBAL_PAIRS",
    "HISTN_HIERARCHIES",
    "HISTN_LABELS",
    "MLP",
    "NETWORKS",
    "RGNN",
    "BraindecodeClassifier",
    "DGCNNClassifier",
    "DGCNNRegressor",
    "DenseGraph",
    "EEGNet",
    "EEGNetClassifier",
    "EmotionDL",
    "GCBNet",
    "GCBNetClassifier",
    "GaussianMixture",
    "HiSTN",
    "HiSTNClassifier",
    "Hierarchy",
    "Input",
    "LGGNet",
    "LGGNetClassifier",
    "LinearClassifier",
    "LinearControl",
    "LinearRegressor",
    "MLPClassifier",
    "MLPRegressor",
    "NetworkClassifier",
    "NetworkRegressor",
    "Networks",
    "RBTransformer",
    "RBTransformerClassifier",
    "RGNNClassifier",
    "Region",
    "TSception",
    "TSceptionClassifier",
    "TanhRegression",
    "TrainedWith",
    "attention_maps",
    "chebyshev_basis",
    "delaunay",
    "distance",
    "electrode_graph",
    "electrode_importance",
    "export_onnx",
    "from_geometric",
    "full",
    "functional",
    "integrated_gradients",
    "inter_hemispheric",
    "inverse_square",
    "k_nearest",
    "laplacian",
    "largest_eigenvalue",
    "learned_adjacency",
    "load_network",
    "load_origin",
    "lobes",
    "local_graphs",
    "neighbouring",
    "normalised_laplacian",
    "plot_adjacency",
    "plot_attention",
    "plot_filters",
    "plot_graph",
    "plot_hierarchy",
    "plot_importance",
    "region_importance",
    "rescaled_laplacian",
    "save_network",
    "temporal_filters",
    "to_geometric",
]
