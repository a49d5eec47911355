"""GCB-Net: DGCNN's graph filter, convolutions above it, and the outputs of all layers side by side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from physioaffect.device import Device
from physioaffect.training import Dropout

from .dgcnn import LearnedGraphConvolution
from .estimators import Input, NetworkClassifier
from .sizes import check_sizes, check_windows

__all__ = ["GCBNet", "GCBNetClassifier"]

_POOL = 2


class _BroadNodes(nn.Module):
    """Random nodes of a broad learning system: ``[Z, tanh(Z W_h + b_h)]`` with ``Z = x W_e + b_e``.

    The weights are drawn once and kept: they are buffers, so that no optimiser finds them.
    """

    feature: Tensor
    feature_bias: Tensor
    enhancement: Tensor
    enhancement_bias: Tensor

    def __init__(self, n_in: int, n_feature: int, n_enhancement: int) -> None:
        super().__init__()
        self.register_buffer("feature", nn.init.xavier_uniform_(torch.empty(n_in, n_feature)))
        self.register_buffer("feature_bias", torch.empty(n_feature).uniform_(-1, 1))
        self.register_buffer("enhancement", nn.init.orthogonal_(torch.empty(n_feature, n_enhancement)))
        self.register_buffer("enhancement_bias", torch.empty(n_enhancement).uniform_(-1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(n_batch, n_in) -> (n_batch, n_feature + n_enhancement)."""
        features = x @ self.feature + self.feature_bias
        enhanced = (features @ self.enhancement + self.enhancement_bias).tanh()
        return torch.cat([features, enhanced], dim=1)


class GCBNet(nn.Module):
    """GCB-Net (Zhang, Wang, Xu & Chen 2022): a graph filter, two convolutions, and all their outputs at once.

    With X the bands of each electrode and electrodes in the order they come in:

    * ``H_1 = ReLU(sum_k T_k(L~) X W_k + b)`` on a learned graph (see `LearnedGraphConvolution`);
    * ``H_2 = MaxPool_2(ReLU(w_2 * H_1 + b_2))``, a convolution along the electrodes;
    * ``H_3 = ReLU(w_3 * H_2 + b_3)``, another;
    * ``y = W_o Drop([vec H_1, vec H_2, vec H_3]) + b_o``, the broad part.

    With ``bls`` the three go first through a broad learning system (Chen & Liu 2018): its feature nodes
    ``Z = [vec H_1, vec H_2, vec H_3] W_e + b_e`` and enhancement nodes ``E = tanh(Z W_h + b_h)`` have random
    weights that stay as drawn, and ``y = W_o Drop([Z, E]) + b_o``.

    Parameters
    ----------
    n_channels : int
        Electrodes, 2 or more.
    n_bands : int
        Bands of each electrode.
    n_outputs : int
        Classes.
    n_filters : int
        Graph filters, a multiple of 4; the convolutions have half and a quarter as many.
    order : int
        Highest order of the polynomials, their number K less 1.
    n_taps : int
        Length of the convolutions in electrodes, odd.
    bls : bool
        Whether the outputs pass the broad learning system.
    n_feature_nodes, n_enhancement_nodes : int
        Its size.
    dropout : float
        In front of the last layer.

    Raises
    ------
    ValueError
        If a size is out of range or the dropout is no probability below 1.

    Notes
    -----
    doi 10.1109/TAFFC.2019.2937768; the broad learning system is that of doi 10.1109/TNNLS.2017.2716952.

    **What we fix**: of the paper we know the abstract (a graph convolution, several regular convolutions, a
    concatenation that preserves the outputs of all layers, and a broad learning system to enhance them). The
    number of convolutions, their taps and widths, the pooling, the dropout and the size of the broad
    learning system (100 and 1,000 nodes) are those of LibEER's network of that name; K = 2 is DGCNN's. A
    convolution runs along the electrodes as they are listed, so that, unlike in DGCNN, their order matters.

    **Deviations**: 2, a bound, stands for the largest eigenvalue of L. The last layer of the broad learning
    system is trained by gradient descent together with the rest, where Chen & Liu solve a ridge regression.
    They also make W_e sparse by an autoencoder; here it stays as drawn. (LibEER trains its random weights,
    too, and lets each enhancement node see a tenth of the features; here they see all, as in Chen & Liu.)

    **Parameters**: ``C^2 + ((order + 1) B + 1) F`` of the graph filter, ``t F^2 / 2 + F / 2`` and
    ``t F^2 / 8 + F / 4`` of the convolutions of t taps, and K outputs' ``n + 1`` each, with n numbers side by
    side (``C F + floor(C / 2) 3 F / 4``), or the 1,100 nodes: 38,887 for SEED (62 electrodes, five bands,
    three classes), 25,819 with ``bls``.

    Examples
    --------
    >>> network = GCBNet(n_channels=62, n_bands=5, n_outputs=3).eval()
    >>> network(torch.zeros(8, 62, 5)).shape
    torch.Size([8, 3])
    """

    def __init__(  # noqa: PLR0913  All settings are named.
        self,
        *,
        n_channels: int,
        n_bands: int,
        n_outputs: int,
        n_filters: int = 64,
        order: int = 1,
        n_taps: int = 7,
        bls: bool = False,
        n_feature_nodes: int = 100,
        n_enhancement_nodes: int = 1000,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        check_sizes("GCBNet", n_bands=n_bands, n_outputs=n_outputs, order=order, n_taps=n_taps)
        check_sizes("GCBNet", n_feature_nodes=n_feature_nodes, n_enhancement_nodes=n_enhancement_nodes)
        if n_channels < _POOL:
            raise ValueError(
                f"GCBNet pools two electrodes at a time, got {n_channels}. Pass more electrodes, or use MLP."
            )
        if n_filters < 4 or n_filters % 4:
            raise ValueError(
                f"GCBNet halves its filters twice, got n_filters={n_filters}. Take a multiple of 4."
            )
        if n_taps % 2 == 0:
            raise ValueError(
                f"A convolution that keeps the number of electrodes has an odd number of taps, got {n_taps}."
            )
        self.shape = n_channels, n_bands
        self.filters = LearnedGraphConvolution(
            *self.shape, n_filters, order=order, basis="chebyshev", bias=True
        )
        widths = n_filters, n_filters // 2, n_filters // 4
        self.convolutions = nn.ModuleList(
            nn.Conv1d(n_in, n_out, n_taps, padding="same") for n_in, n_out in pairwise(widths)
        )
        n_broad = n_channels * widths[0] + n_channels // _POOL * (widths[1] + widths[2])
        self.nodes = _BroadNodes(n_broad, n_feature_nodes, n_enhancement_nodes) if bls else None
        self.dropout = Dropout(dropout)
        self.output = nn.Linear(n_feature_nodes + n_enhancement_nodes if bls else n_broad, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(n_batch, n_channels, n_bands) -> (n_batch, n_outputs)."""
        broad = torch.cat([layer.flatten(1) for layer in self.layers(x)], dim=1)
        if self.nodes is not None:
            broad = self.nodes(broad)
        output: Tensor = self.output(self.dropout(broad))
        return output

    def layers(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """H_1, H_2 and H_3, each (n_batch, n_filters, n_nodes)."""
        check_windows("GCBNet", x, *self.shape)
        first, second = self.convolutions
        filtered = self.filters(x).transpose(1, 2)
        pooled = functional.max_pool1d(first(filtered).relu(), _POOL)
        return filtered, pooled, second(pooled).relu()

    def adjacency(self) -> Tensor:
        """The learned graph, (n_channels, n_channels): row i holds what electrode i hears of the others."""
        return self.filters.adjacency()


class GCBNetClassifier(NetworkClassifier):
    """`GCBNet` as a scikit-learn classifier: Adam at a constant rate on the cross-entropy.

    Parameters
    ----------
    n_filters, order, n_taps, bls, n_feature_nodes, n_enhancement_nodes, dropout
        As for `GCBNet`; with ``bls=True`` it is GCBNet-BLS.
    epochs : int
        Passes over the training windows.
    batch_size : int
        Windows a step.
    learning_rate : float
        Of Adam.
    weight_decay : float
        Strength of the penalty ``weight_decay / 2 * |weights|^2``.
    patience : int, optional
        Epochs without a smaller loss on the validation windows after which training stops. Default: none.
    label_smoothing : float
        Share of a label that is spread over all classes.
    ch_names : sequence of str, optional
        Names of the electrodes, in their order.
    random_state : int, optional
        Seed of the first weights, the random nodes, the batches and the dropout.
    device : {"cpu", "cuda", "auto"}
        Where to train, as in `resolve_device`.

    Notes
    -----
    How long and how fast it is trained is our choice.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(64, 14, 4)), np.repeat(["calm", "tense"], 32)
    >>> X[y == "tense", :2] += 2
    >>> float(GCBNetClassifier(epochs=10, batch_size=16, random_state=0).fit(X, y).score(X, y))
    1.0
    """

    layout = ("channel", "band")

    def __init__(  # noqa: PLR0913  All settings are named.
        self,
        *,
        n_filters: int = 64,
        order: int = 1,
        n_taps: int = 7,
        bls: bool = False,
        n_feature_nodes: int = 100,
        n_enhancement_nodes: int = 1000,
        dropout: float = 0.5,
        epochs: int = 40,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-4,
        patience: int | None = None,
        label_smoothing: float = 0.0,
        ch_names: Sequence[str] | None = None,
        random_state: int | None = None,
        device: Device = "auto",
    ) -> None:
        self.n_filters = n_filters
        self.order = order
        self.n_taps = n_taps
        self.bls = bls
        self.n_feature_nodes = n_feature_nodes
        self.n_enhancement_nodes = n_enhancement_nodes
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.patience = patience
        self.label_smoothing = label_smoothing
        self.ch_names = ch_names
        self.random_state = random_state
        self.device = device

    def network(self, about: Input) -> GCBNet:
        """Build the network."""
        return GCBNet(
            n_channels=about.n_channels,
            n_bands=about.n_last,
            n_outputs=about.n_outputs,
            n_filters=self.n_filters,
            order=self.order,
            n_taps=self.n_taps,
            bls=self.bls,
            n_feature_nodes=self.n_feature_nodes,
            n_enhancement_nodes=self.n_enhancement_nodes,
            dropout=self.dropout,
        )
