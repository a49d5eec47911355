"""RGNN: a graph of electrodes that begins as anatomy has it, two hops, a sum, and two regularisers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, overload

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from physioaffect.device import Device
from physioaffect.errors import DataError, ProtocolError
from physioaffect.training import Batch, Dropout, Training

from .adjacency import inverse_square
from .chebyshev import normalised_adjacency
from .dgcnn import across_electrodes
from .emotion_labels import EmotionDL
from .estimators import Input, NetworkClassifier
from .hemispheres import GLOBAL_PAIRS, inter_hemispheric
from .known import known_electrodes
from .sizes import check_sizes, check_windows

__all__ = ["RGNN", "RGNNClassifier"]


class Judged(NamedTuple):
    """Outputs (n_batch, n_outputs), and of each node the domain's (n_batch, n_channels, 2)."""

    outputs: Tensor
    domains: Tensor


def reverse_gradient(x: Tensor, strength: Tensor) -> Tensor:
    """``x`` itself, whose gradient comes back times ``-strength`` (Ganin et al. 2016, arXiv 1505.07818)."""
    scaled = strength * x
    return x.detach() + (scaled.detach() - scaled)


def reversal_strength(progress: Tensor) -> Tensor:
    """``2 / (1 + exp(-10 p)) - 1``, from 0 to 1 as p does."""
    return 2 / (1 + (-10 * progress).exp()) - 1


class RGNN(nn.Module):
    """Regularised graph network (Zhong, Wang & Miao 2022).

    With X the bands of each electrode, A learned and symmetric, and ``D = diag(sum_j |a_ij|)``:

    * ``H = ReLU(S^L X W + b)`` with ``S = D^-1/2 A D^-1/2``: simple graph convolution over L hops;
    * ``y = W_o Drop(sum_i H_i) + b_o``, the sum being over electrodes;
    * the training adds ``sparsity * sum_ij |a_ij|``;
    * with ``node_dat`` it adds the mean over windows and electrodes of ``-log p(0 | H_i)`` on windows of
      training and of ``-log p(1 | H_i)`` on windows of the target, where ``p = softmax(W_d H_i + b_d)`` and
      what comes back from it to H is multiplied by ``-(2 / (1 + exp(-10 t)) - 1)``, t being the share of the
      training that is over: H learns to hide whose window it is.

    Parameters
    ----------
    adjacency : array-like, shape (n_channels, n_channels)
        Where A begins: symmetric, of any sign, self loops included.
    n_bands : int
        Bands of each electrode.
    n_outputs : int
        Classes.
    n_hidden : int
        Numbers of each electrode after the convolution.
    n_hops : int
        L.
    dropout : float
        In front of the last layer.
    sparsity : float
        Strength of the penalty on A.
    node_dat : bool
        Whether electrodes are trained to hide the domain. Needs windows of the target.
    domain_weight : float
        What the domain's loss is multiplied by.

    Raises
    ------
    DataError
        If the adjacency is not square, symmetric and finite.
    ValueError
        If a size is below 1, a strength is negative or the dropout is no probability below 1.

    Notes
    -----
    doi 10.1109/TAFFC.2020.2994159, arXiv 1907.07835. L = 2 and the dropout are published; the paper tunes
    the width, the penalty and the rate for each experiment. Simple graph convolution: Wu et al. 2019, arXiv
    1902.07153.

    **Deviations**: the domain's loss is a mean over windows and electrodes, where the paper writes a sum (a
    ``domain_weight`` of n_channels makes it one over electrodes). The penalty counts each pair of electrodes
    twice, as the norm of a matrix does.

    **Parameters**: ``C (C + 1) / 2 + (B + 1) H + (H + 1) K``, and ``2 (H + 1)`` more with ``node_dat``: 2,244
    for SEED (62 electrodes, five bands, three classes), 2,310 with it.

    Examples
    --------
    >>> network = RGNN(adjacency=np.eye(62), n_bands=5, n_outputs=3).eval()
    >>> network(torch.zeros(8, 62, 5)).shape
    torch.Size([8, 3])
    """

    # Measured: see docs/performance.md.
    cpu_stack = 8

    place: Tensor

    def __init__(  # noqa: PLR0913  All settings are named.
        self,
        *,
        adjacency: ArrayLike,
        n_bands: int,
        n_outputs: int,
        n_hidden: int = 32,
        n_hops: int = 2,
        dropout: float = 0.7,
        sparsity: float = 0.01,
        node_dat: bool = False,
        domain_weight: float = 1.0,
    ) -> None:
        super().__init__()
        first = _symmetric(np.asarray(adjacency, dtype=np.float64))
        check_sizes("RGNN", n_bands=n_bands, n_outputs=n_outputs, n_hidden=n_hidden, n_hops=n_hops)
        for name, strength in {"sparsity": sparsity, "domain_weight": domain_weight}.items():
            if not strength >= 0:
                raise ValueError(f"RGNN needs {name} of 0 or more, got {strength}.")
        self.shape = len(first), n_bands
        self.n_hops = n_hops
        self.sparsity = sparsity
        self.node_dat = node_dat
        self.domain_weight = domain_weight
        rows, columns = np.tril_indices(len(first))
        place = np.empty(first.shape, dtype=np.int64)
        place[rows, columns] = place[columns, rows] = np.arange(len(rows))
        self.register_buffer("place", torch.from_numpy(place.ravel()), persistent=False)
        self.edges = nn.Parameter(torch.from_numpy(first[rows, columns]).float())
        self.convolution = nn.Linear(n_bands, n_hidden)
        self.dropout = Dropout(dropout)
        self.output = nn.Linear(n_hidden, n_outputs)
        self.domain = nn.Linear(n_hidden, 2) if node_dat else None

    @overload
    def forward(self, x: Tensor) -> Tensor: ...
    @overload
    def forward(self, x: Tensor, strength: Tensor) -> Judged: ...

    def forward(self, x: Tensor, strength: Tensor | None = None) -> Tensor | Judged:
        """(n_batch, n_channels, n_bands) -> (n_batch, n_outputs); with a strength, the domain besides."""
        check_windows("RGNN", x, *self.shape)
        hops = spread = self.spread()
        for _ in range(1, self.n_hops):
            hops = hops @ spread
        nodes = self.convolution(across_electrodes(hops, x)).relu()
        outputs: Tensor = self.output(self.dropout(nodes.sum(dim=1)))
        if strength is None or self.domain is None:
            return outputs
        return Judged(outputs, self.domain(reverse_gradient(nodes, strength)))

    def adjacency(self) -> Tensor:
        """A, (n_channels, n_channels)."""
        return _matrix(self.edges, self.place)

    def spread(self) -> Tensor:
        """S, (n_channels, n_channels)."""
        adjacency = self.adjacency()
        return normalised_adjacency(adjacency, adjacency.abs().sum(dim=-1))

    def penalty(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """``sparsity * sum_ij |a_ij|``."""
        return self.sparsity * _matrix(parameters["edges"], self.place).abs().sum()

    def objective(self, call: Callable[..., Any], batch: Batch) -> Tensor:
        """Cross-entropy, and with ``node_dat`` the domain's."""
        if not self.node_dat:
            return functional.cross_entropy(call(batch.x), batch.y)
        if batch.unlabelled is None:
            raise ProtocolError(
                "NodeDAT learns from unlabelled windows of the people that will be tested. Pass "
                "target=(X, groups) to fit, use a protocol that grants them, or node_dat=False."
            )
        n_known = len(batch.x)
        both = torch.cat([batch.x, batch.unlabelled])
        judged: Judged = call(both, reversal_strength(batch.progress))
        domains = judged.domains.log_softmax(dim=-1)
        told_apart = -domains[:n_known, ..., 0].mean() - domains[n_known:, ..., 1].mean()
        loss = functional.cross_entropy(judged.outputs[:n_known], batch.y)
        return loss + self.domain_weight * told_apart


def _matrix(edges: Tensor, place: Tensor) -> Tensor:
    """Lower triangle as one row -> symmetric matrix."""
    n_channels = round(len(place) ** 0.5)
    return edges.index_select(0, place).view(n_channels, n_channels)


def _symmetric(adjacency: NDArray[np.float64]) -> NDArray[np.float64]:
    got = None
    if adjacency.ndim != 2 or not adjacency.shape[0] == adjacency.shape[1] > 0:
        got = f"shape {adjacency.shape}. Pass a row and a column for each electrode"
    elif not np.isfinite(adjacency).all():
        got = "weights that are not finite. Replace what is missing"
    elif not np.allclose(adjacency, adjacency.T):
        got = "one that is not symmetric. Average it with its transpose"
    if got is not None:
        raise DataError(
            f"RGNN begins from a symmetric matrix of finite weights, (n_channels, n_channels), got {got}."
        )
    return adjacency


class RGNNClassifier(NetworkClassifier):
    """`RGNN` as a scikit-learn classifier: Adam at a constant rate, from the graph of its electrodes.

    The graph begins with ``a_ij = min(1, delta / d_ij²)``, d being the distance of two electrodes, ones on
    the diagonal, and ``a_ij - 1`` for pairs across the head.

    Parameters
    ----------
    n_hidden, n_hops, dropout, sparsity, node_dat, domain_weight
        As for `RGNN`. With ``node_dat`` it is transductive: it learns from the test person's windows, without
        their labels.
    delta : float
        In square metres, as for `inverse_square`.
    pairs : sequence of (left, right)
        As for `inter_hemispheric`: the nine of the paper, of which the cap must have one; for another cap
        `physioaffect.montage.mirror_pairs` of its electrodes, or none.
    emotion_dl : {"seed", "seed-iv"}, optional
        Whose emotions the labels are, to be smoothed as `EmotionDL` does. Default: they are not.
    noise : float
        As for `EmotionDL`.
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
        Names of the electrodes, in their order; needed where the windows do not name their channels.
    random_state : int, optional
        Seed of the first weights, the batches and the dropout.
    device : {"cpu", "cuda", "auto"}
        Where to train, as in `resolve_device`.

    Notes
    -----
    The paper's batch size; the number of epochs is our choice, and the noise and the penalty, which it tunes,
    are LibEER's.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(64, 4, 5)), np.repeat(["calm", "tense"], 32)
    >>> X[y == "tense", :2] += 2
    >>> settings = {"epochs": 20, "learning_rate": 1e-2, "random_state": 0}
    >>> model = RGNNClassifier(ch_names=("F7", "F3", "O1", "O2"), **settings).fit(X, y)
    >>> float(model.score(X, y)) > 0.9
    True
    """

    layout = ("channel", "band")

    def __init__(  # noqa: PLR0913  All settings are named.
        self,
        *,
        n_hidden: int = 32,
        n_hops: int = 2,
        dropout: float = 0.7,
        sparsity: float = 0.01,
        node_dat: bool = False,
        domain_weight: float = 1.0,
        delta: float = 5e-4,
        pairs: Sequence[tuple[str, str]] = GLOBAL_PAIRS,
        emotion_dl: str | None = None,
        noise: float = 0.1,
        epochs: int = 40,
        batch_size: int = 16,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-4,
        patience: int | None = None,
        ch_names: Sequence[str] | None = None,
        random_state: int | None = None,
        device: Device = "auto",
    ) -> None:
        self.n_hidden = n_hidden
        self.n_hops = n_hops
        self.dropout = dropout
        self.sparsity = sparsity
        self.node_dat = node_dat
        self.domain_weight = domain_weight
        self.delta = delta
        self.pairs = pairs
        self.emotion_dl = emotion_dl
        self.noise = noise
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.patience = patience
        self.ch_names = ch_names
        self.random_state = random_state
        self.device = device

    @property
    def uses(self) -> frozenset[str]:
        """With ``node_dat`` also the unlabelled windows of the people to be tested."""
        return super().uses | ({"unlabelled"} if self.node_dat else set())

    def network(self, about: Input) -> RGNN:
        """Build the network."""
        electrodes = known_electrodes(about, "RGNN")
        near = inverse_square(electrodes, delta=self.delta) + np.eye(len(electrodes))
        return RGNN(
            adjacency=inter_hemispheric(near, electrodes, pairs=self.pairs),
            n_bands=about.n_last,
            n_outputs=about.n_outputs,
            n_hidden=self.n_hidden,
            n_hops=self.n_hops,
            dropout=self.dropout,
            sparsity=self.sparsity,
            node_dat=self.node_dat,
            domain_weight=self.domain_weight,
        )

    def training(self) -> Training:
        """Adam, on the labels as they are or as EmotionDL spreads them."""
        plain = super().training()
        if self.emotion_dl is None:
            return plain
        return replace(plain, loss=EmotionDL(emotions=self.emotion_dl, noise=self.noise))

    def _learn_labels(self, y: NDArray[Any]) -> tuple[Any, ...]:
        labels = super()._learn_labels(y)
        if self.emotion_dl is not None:
            EmotionDL(emotions=self.emotion_dl, noise=self.noise).check_classes(labels)
        return labels
