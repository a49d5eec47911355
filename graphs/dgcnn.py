"""DGCNN: Chebyshev filters on a graph of electrodes that is learned with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from physioaffect.device import Device
from physioaffect.training import Dropout

from .chebyshev import chebyshev_basis, normalised_adjacency
from .estimators import Input, NetworkClassifier, NetworkEstimator, NetworkRegressor
from .sizes import check_sizes, check_windows

__all__ = [
    "BASES",
    "DGCNN",
    "DGCNNClassifier",
    "DGCNNRegressor",
    "LearnedGraphConvolution",
    "across_electrodes",
]


def _chebyshev(spread: Tensor, order: int) -> list[Tensor]:
    # With the bound 2 of a normalised Laplacian as its largest eigenvalue, 2 L / 2 - I is -D^-1/2 A D^-1/2.
    return [-spread] if order == 1 else list(chebyshev_basis(-spread, order=order)[1:])


def _powers(spread: Tensor, order: int) -> list[Tensor]:
    powers = [spread]
    while len(powers) < order:
        powers.append(powers[-1] @ spread)
    return powers


BASES: dict[str, Callable[[Tensor, int], list[Tensor]]] = {"chebyshev": _chebyshev, "powers": _powers}
"""Polynomials of orders 1 to ``order`` in ``D^-1/2 A D^-1/2``; that of order 0 is I in each."""


def _drawn(fan_in: int, shape: tuple[int, ...]) -> Tensor:
    """Weights as nn.Linear draws them."""
    return nn.init.uniform_(torch.empty(shape), -(fan_in**-0.5), fan_in**-0.5)


def across_electrodes(matrix: Tensor, x: Tensor) -> Tensor:
    """``Y_b = M X_b`` for each window b, as one product instead of one a window.

    Parameters
    ----------
    matrix : Tensor, shape (n_out, n_channels)
        What each new node hears of each electrode.
    x : Tensor, shape (n_batch, n_channels, n_features)

    Returns
    -------
    y : Tensor, shape (n_batch, n_out, n_features)

    Examples
    --------
    >>> across_electrodes(torch.tensor([[1.0, -1.0]]), torch.tensor([[[3.0], [1.0]]])).tolist()
    [[[2.0]]]
    """
    n_batch, n_channels, n_features = x.shape
    rows = x.transpose(1, 2).reshape(n_batch * n_features, n_channels)
    return (rows @ matrix.T).view(n_batch, n_features, len(matrix)).transpose(1, 2)


class LearnedGraphConvolution(nn.Module):
    """``Z = ReLU(sum_k P_k X W_k + b)``, with P_k polynomials of a learned graph.

    The graph is ``A = ReLU(A*)`` with A* learned freely; ``D = diag(sum_j a_ij)``; P_0 = I. With the basis
    "chebyshev" ``P_k = T_k(2 L / 2 - I)`` and ``L = I - D^-1/2 A D^-1/2``, with "powers"
    ``P_k = (D^-1/2 A D^-1/2)^k``. A node that hears of none is left out of the sums, 1 / 0 being read as 0.

    Parameters
    ----------
    n_channels, n_bands : int
        Electrodes, and numbers of each.
    n_filters : int
        Numbers of each electrode afterwards.
    order : int
        Highest k: 1 or more.
    basis : {"chebyshev", "powers"}
        A key of `BASES`.
    bias : bool
        Whether there is b, one for each filter.
    """

    def __init__(
        self, n_channels: int, n_bands: int, n_filters: int, *, order: int, basis: str, bias: bool
    ) -> None:
        super().__init__()
        if basis not in BASES:
            raise ValueError(f"Unknown basis {basis!r}: use one of {', '.join(BASES)}.")
        self.order = order
        self.basis = basis
        self.bias = bias
        # Where A* is negative no gradient passes: drawn with both signs, half of the edges would never be.
        self.edges = nn.Parameter(nn.init.xavier_normal_(torch.empty(n_channels, n_channels)).abs_())
        # Rows are in the order of `heard`. A bias as one more row saves two passes over all that is filtered.
        n_heard = (order + 1) * n_bands
        self.mixing = nn.Parameter(_drawn(n_heard, (n_heard + bias, n_filters)))

    def forward(self, x: Tensor) -> Tensor:
        """(n_batch, n_channels, n_bands) -> (n_batch, n_channels, n_filters)."""
        polynomials = BASES[self.basis](self.spread(), self.order)
        heard = [x, *(across_electrodes(polynomial, x) for polynomial in polynomials)]
        n_batch, n_channels, _ = x.shape
        if self.bias:
            heard.append(x.new_ones(1, 1, 1).expand(n_batch, n_channels, 1))
        # In two dimensions, so that what ReLU overwrites is no view, which autograd would have to rebuild.
        mixed = torch.cat(heard, dim=-1).view(n_batch * n_channels, -1) @ self.mixing
        return mixed.relu_().view(n_batch, n_channels, -1)

    def adjacency(self) -> Tensor:
        """``A = ReLU(A*)``, (n_channels, n_channels): row i holds what electrode i hears of the others."""
        return self.edges.relu()

    def spread(self) -> Tensor:
        """``D^-1/2 A D^-1/2``, (n_channels, n_channels)."""
        adjacency = self.adjacency()
        return normalised_adjacency(adjacency, adjacency.sum(dim=-1))


class DGCNN(nn.Module):
    """Dynamical graph convolutional network (Song, Zheng, Song & Cui 2020).

    With X the bands of each electrode: ``Z = ReLU(sum_k T_k(L~) X W_k + b)`` on a learned graph (see
    `LearnedGraphConvolution`), then ``y = W_o ReLU(W_h vec(Z) + b_h) + b_o``.

    Parameters
    ----------
    n_channels : int
        Electrodes.
    n_bands : int
        Bands of each electrode.
    n_outputs : int
        Classes, or 1 for a number.
    n_filters : int
        Graph filters, each a sum over all bands.
    order : int
        Highest order of the polynomials, the paper's K less 1: how many edges away an electrode hears.
    n_hidden : int
        Units of the fully connected layer.
    basis : {"chebyshev", "powers"}
        Polynomials of the rescaled Laplacian, or powers of the normalised adjacency.
    band_norm : bool
        Whether each band is first standardised by the mean and variance of a batch, over its windows and
        electrodes.
    bias : bool
        Whether the graph filters have a bias.
    dropout : float
        Of Z.

    Raises
    ------
    ValueError
        If a size is below 1, the basis is unknown or the dropout is no probability below 1.

    Notes
    -----
    doi 10.1109/TAFFC.2018.2817622. TorchEEG's DGCNN is ``basis="powers", band_norm=True, bias=False``: its
    outputs are the same with the same weights, though it draws the graph's with both signs.

    **What the paper leaves open**: the sizes, where TorchEEG's defaults are taken (K = 2, 32 filters, 64
    units); whether each filter has a coefficient for each order and band or for each order alone: here for
    each, so that the graph filter and the 1 x 1 convolution are one product, as in ChebConv; how the weights
    are drawn: the graph's as absolute values of Xavier's normal, others by torch's defaults.

    **Deviations**: 2, a bound, stands for the largest eigenvalue of L. The graph is trained by the optimiser
    like all else; the paper gives it a rule of its own, ``A* <- (1 - rho) A* + rho dLoss/dA*``. Its penalty
    on the norm of all weights is ``weight_decay``, on the square of the norm.

    **Parameters**: ``C^2 + ((order + 1) B + 1) F + (C F + 1) H + (H + 1) K`` for B bands, F filters, H units
    and K classes: 131,431 for SEED (62 electrodes, five bands, three classes).

    Examples
    --------
    >>> network = DGCNN(n_channels=62, n_bands=5, n_outputs=3).eval()
    >>> network(torch.zeros(8, 62, 5)).shape
    torch.Size([8, 3])
    >>> network.adjacency().shape
    torch.Size([62, 62])
    """

    # Measured: see docs/performance.md.
    cpu_stack = 8

    def __init__(  # noqa: PLR0913  All settings are named.
        self,
        *,
        n_channels: int,
        n_bands: int,
        n_outputs: int,
        n_filters: int = 32,
        order: int = 1,
        n_hidden: int = 64,
        basis: str = "chebyshev",
        band_norm: bool = False,
        bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_sizes("DGCNN", n_channels=n_channels, n_bands=n_bands, n_outputs=n_outputs)
        check_sizes("DGCNN", n_filters=n_filters, order=order, n_hidden=n_hidden)
        self.shape = n_channels, n_bands
        self.norm = nn.BatchNorm1d(n_bands) if band_norm else None
        self.filters = LearnedGraphConvolution(*self.shape, n_filters, order=order, basis=basis, bias=bias)
        self.dropout = Dropout(dropout)
        n_in = n_channels * n_filters
        # Inputs in rows, unlike nn.Linear: a stack's gradient then has the layout of its weights, and is not
        # copied. These are nearly all weights there are.
        self.hidden = nn.Parameter(_drawn(n_in, (n_in, n_hidden)))
        self.hidden_bias = nn.Parameter(_drawn(n_in, (n_hidden,)))
        self.output = nn.Linear(n_hidden, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(n_batch, n_channels, n_bands) -> (n_batch, n_outputs)."""
        check_windows("DGCNN", x, *self.shape)
        if self.norm is not None:
            x = self.norm(x.transpose(1, 2)).transpose(1, 2)
        filtered = self.dropout(self.filters(x).flatten(1))
        output: Tensor = self.output(torch.addmm(self.hidden_bias, filtered, self.hidden).relu_())
        return output

    def adjacency(self) -> Tensor:
        """The learned graph, (n_channels, n_channels): row i holds what electrode i hears of the others."""
        return self.filters.adjacency()


class _Settings(NetworkEstimator):
    """What classifier and regressor share."""

    layout = ("channel", "band")

    def __init__(  # noqa: PLR0913  All settings are named.
        self,
        *,
        n_filters: int = 32,
        order: int = 1,
        n_hidden: int = 64,
        basis: str = "chebyshev",
        band_norm: bool = False,
        bias: bool = True,
        dropout: float = 0.0,
        epochs: int = 40,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-4,
        patience: int | None = None,
        ch_names: Sequence[str] | None = None,
        random_state: int | None = None,
        device: Device = "auto",
    ) -> None:
        self.n_filters = n_filters
        self.order = order
        self.n_hidden = n_hidden
        self.basis = basis
        self.band_norm = band_norm
        self.bias = bias
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.patience = patience
        self.ch_names = ch_names
        self.random_state = random_state
        self.device = device

    def network(self, about: Input) -> DGCNN:
        """Build the network."""
        return DGCNN(
            n_channels=about.n_channels,
            n_bands=about.n_last,
            n_outputs=about.n_outputs,
            n_filters=self.n_filters,
            order=self.order,
            n_hidden=self.n_hidden,
            basis=self.basis,
            band_norm=self.band_norm,
            bias=self.bias,
            dropout=self.dropout,
        )


class DGCNNClassifier(_Settings, NetworkClassifier):
    """`DGCNN` as a scikit-learn classifier: Adam at a constant rate on the cross-entropy.

    Parameters
    ----------
    n_filters, order, n_hidden, basis, band_norm, bias, dropout
        As for `DGCNN`.
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
    ch_names : sequence of str, optional
        Names of the electrodes, in their order.
    random_state : int, optional
        Seed of the first weights, the batches and the dropout.
    device : {"cpu", "cuda", "auto"}
        Where to train, as in `resolve_device`.

    Notes
    -----
    The paper does not say how long and how fast it is trained; these are our choices.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(64, 14, 4)), np.repeat(["calm", "tense"], 32)
    >>> X[y == "tense", :2] += 2
    >>> float(DGCNNClassifier(epochs=10, batch_size=16, random_state=0).fit(X, y).score(X, y))
    1.0
    """


class DGCNNRegressor(_Settings, NetworkRegressor):
    """`DGCNN` as a scikit-learn regressor, on the mean squared error; parameters as for `DGCNNClassifier`.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(64, 14, 4))
    >>> DGCNNRegressor(epochs=1, batch_size=16, random_state=0).fit(X, X[:, 0, 0]).predict(X).shape
    (64,)
    """
