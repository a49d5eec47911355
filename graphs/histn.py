"""HiSTN: messages between electrodes of a region, then between regions, then all as one node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from physioaffect.device import Device
from physioaffect.training import (
    ClassBalanced,
    ClassLoss,
    Crops,
    CrossEntropy,
    Dropout,
    MaxNorm,
    Steps,
    Training,
)

from .estimators import Input, NetworkClassifier
from .histn_layers import (
    AttentionFusion,
    ElectrodeFilters,
    RegionMessages,
    SeparableFusion,
    electrode_order,
    glorot,
    messages_between_regions,
    weighted_sum,
)
from .known import known_electrodes, known_rate
from .ordinal_losses import GaussianMixture, TanhRegression
from .regions import HISTN_HIERARCHIES, Hierarchy
from .sizes import check_sizes

__all__ = ["HISTN_LABELS", "HiSTN", "HiSTNClassifier"]

HISTN_LABELS: dict[str, ClassLoss] = {
    "onehot": CrossEntropy(),
    "smoothed": CrossEntropy(spread=0.5),
    "regression": TanhRegression(),
    "mixture": GaussianMixture(),
}
"""What a class in an order is taken for: OneHot_N, OneHot, Regression and Mixture of the published code."""


class HiSTN(nn.Module):
    """HiSTN (Kuang et al. 2024): a hierarchy of electrodes, regions and the whole head.

    With ``*`` a filter along time, BN batch normalisation of each electrode, MP messages and F a fusion of
    nodes:

    * ``X = Drop(Pool_2(ELU(BN(g_c * ELU(BN(sum_f w_cf h_f * x_c))))))``: 8 temporal filters for all
      electrodes, mixed for each of them; ``|w_cf| <= 1``, ``|g_c| <= 1``;
    * ``A = ELU(BN(Q (k_c * MP(X))))``: messages between the electrodes of a region, then a separable
      convolution within it; ``|q_ij| <= 1``;
    * electrodes ``X + A``; regions ``MP(F(X)) + F'(A)``; the head ``G(F(X)) + G'(F'(A))``;
    * ``y = W Drop(their means over time) + b``.

    Messages are ``MP(X) = sum_k m_k T_k(2 L / lambda_max - I) X``: Chebyshev polynomials of a graph's
    combinatorial Laplacian, with one learned number for each order.

    Parameters
    ----------
    n_outputs : int
        Classes, or what the loss asks for (`HISTN_LABELS`).
    hierarchy : Hierarchy
        Regions, their graphs and the hops of messages. Default: V0 of `HISTN_HIERARCHIES`, the published one
        for DREAMER.
    ch_names : sequence of str, optional
        Electrodes in the order of the input. Default: region by region, as in the hierarchy.
    n_filters : int
        Temporal filters.
    n_taps : int
        Their length in samples: half a second at the published 128 Hz.
    fusion : {"dense", "grouped"}
        How regions are made of electrodes: "dense" weighs each electrode by a softmax of a linear map of the
        means over time, "grouped" is a separable convolution. Regions are always fused densely.
    dropout : float
        Published: 0.5 within a person, 0.2 across people.

    Raises
    ------
    DataError
        If an electrode of the hierarchy is missing, or one of the input is in no region.
    ValueError
        If there is no such fusion, a size is below 1, or the dropout is no probability below 1.

    Notes
    -----
    arXiv 2408.15255 and the code beside it. Normalisation (epsilon 1e-3, running statistics that take on 1 %
    a step) and first weights are those of Keras, where the network was published; so is the padding of the
    even kernel, 31 zeros before and 32 after.

    Two steps are computed in another way, with the same result. The first two layers are linear, so the
    filters are mixed instead of the filtered signals: one kernel an electrode. And all that follows X and A
    is linear in them until it is averaged over time, but for the softmax, which sees nothing but such
    averages; so with dense fusion only the means of X and A are carried on.

    **Deviations**: with grouped fusion the code applies a softmax to a region's only signal, which makes it
    constant; here it stays as it is. Keras divides a weight that is too long by its length plus 1e-7.
    Softmax or tanh of the output are left to the loss.

    **Parameters**: 1,181 for V0, dense fusion and five classes: 512 filters, 112 mixing, 70 second filters,
    120 separable convolution, 84 normalisation, 15 messages, 128 + 40 fusion, 100 output.

    Examples
    --------
    >>> network = HiSTN(n_outputs=5).eval()
    >>> network(torch.zeros(8, 14, 128)).shape
    torch.Size([8, 5])
    >>> sum(parameter.numel() for parameter in network.parameters())
    1181
    """

    order: Tensor | None
    region_basis: Tensor

    def __init__(
        self,
        *,
        n_outputs: int,
        hierarchy: Hierarchy = HISTN_HIERARCHIES["V0"],
        ch_names: Sequence[str] | None = None,
        n_filters: int = 8,
        n_taps: int = 64,
        fusion: Literal["dense", "grouped"] = "dense",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        check_sizes("HiSTN", n_outputs=n_outputs, n_filters=n_filters, n_taps=n_taps)
        if fusion not in ("dense", "grouped"):
            raise ValueError(f"HiSTN has no fusion {fusion!r}: use dense or grouped.")
        order = None if ch_names is None else electrode_order(hierarchy, ch_names)
        sizes = [len(region.ch_names) for region in hierarchy.regions]
        self.n_channels = sum(sizes)
        self.filters = ElectrodeFilters(self.n_channels, n_filters=n_filters, n_taps=n_taps)
        self.dropout = Dropout(dropout)
        self.within_regions = RegionMessages(hierarchy)
        self.region_fusion = AttentionFusion(sizes) if fusion == "dense" else SeparableFusion(sizes)
        n_orders = hierarchy.region_hops + 1
        self.region_messages = nn.Parameter(glorot(n_orders, fan_in=n_orders, fan_out=n_orders))
        self.head_fusion = AttentionFusion([len(sizes)])
        self.output_dropout = Dropout(dropout)
        self.output = nn.Linear(self.n_channels + len(sizes) + 1, n_outputs)
        nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("region_basis", messages_between_regions(hierarchy), persistent=False)
        # Keras takes the norm over the first dimension of a kernel, time; where it is 1, of each weight.
        bounded = ["filters.mixing", "filters.smoothing", "within_regions.pointwise"]
        bounded += ["region_fusion.pointwise"] if fusion == "grouped" else []
        self.max_norms = {name: MaxNorm(1.0, (-1,)) for name in bounded}

    def forward(self, x: Tensor) -> Tensor:
        """(n_batch, n_channels, n_times) -> (n_batch, n_outputs)."""
        if x.shape[1] != self.n_channels or x.shape[2] < 6:
            raise ValueError(
                f"This HiSTN takes windows of {self.n_channels} electrodes and at least 6 samples, got "
                f"{x.shape[1]} x {x.shape[2]}. Give it the electrodes it was made for, and longer windows if "
                "these are too short."
            )
        if self.order is not None:
            x = x[:, self.order]
        x = self.dropout(self.filters(x.transpose(0, 1)))
        means = self._levels(x, self.within_regions(x))
        output: Tensor = self.output(self.output_dropout(means.mT))
        return output

    def temporal_kernels(self) -> Tensor:
        """The temporal filters, (n_filters, n_taps), backwards in time."""
        temporal: Tensor = self.filters.temporal
        return temporal

    def electrode_kernels(self) -> Tensor:
        """The filters mixed for each electrode, (n_channels, n_taps), backwards in time."""
        kernels = self.filters.kernels()
        return kernels if self.order is None else kernels[self.order.argsort()]

    def adjacency(self) -> Tensor:
        """What each electrode hears of the others, (n_channels, n_channels)."""
        heard = self.within_regions.heard()
        if self.order is None:
            return heard
        place = self.order.argsort()
        return heard[place][:, place]

    def _levels(self, x: Tensor, aggregated: Tensor) -> Tensor:
        """Means over time of electrodes, regions and head, (n_channels + n_regions + 1, n_batch)."""
        means = torch.stack([x.mean(dim=-1), aggregated.mean(dim=-1)])
        is_dense = isinstance(self.region_fusion, AttentionFusion)
        regions = self.region_fusion(means if is_dense else torch.stack([x, aggregated]))
        head = self.head_fusion(regions)
        told = weighted_sum(self.region_messages, self.region_basis) @ regions[0]
        return torch.cat([means.sum(dim=0), told + regions[1], head.sum(dim=0)])


class HiSTNClassifier(NetworkClassifier):
    """`HiSTN` of raw windows, as a scikit-learn classifier, trained as published within a person.

    Adam, at half its rate from epoch 30; batches in which each class is equally frequent.

    Parameters
    ----------
    hierarchy : str or Hierarchy
        A name in `HISTN_HIERARCHIES` (DREAMER's electrodes), or a hierarchy of any electrodes.
    labels : {"smoothed", "onehot", "regression", "mixture"}
        What a class is taken for, a key of `HISTN_LABELS`; all but "onehot" suppose that the classes, sorted,
        are in an order and equally far apart. Of whole numbers those left out between are classes, too: of
        1, 2, 4 also 3, but of 10, 20 nothing.
    fusion, n_filters, dropout
        As for `HiSTN`.
    kernel : float
        Length of the temporal filters in seconds.
    sfreq : float, optional
        Sampling rate in Hz, for windows that do not know theirs.
    crops : bool
        Draw crops from anywhere inside the training windows of a trial (`physioaffect.training.Crops`), as
        published within a person; only for raw `Windows`. Otherwise whole windows, as published across
        people.
    epochs : int
        Passes over the training windows, or over the places that a crop may have; published: 50, or 100
        across people.
    batch_size : int
        Windows a step; published: 256, or 120 across people.
    learning_rate, weight_decay : float
        Of Adam; published: 1e-3, or 1e-2 across people.
    slower_from : int
        Epoch, counted from 0, from which the rate is multiplied by ``slower_by``; published: 30, or 50.
    slower_by : float
        Published: 0.5, or 0.2 across people.
    patience : int, optional
        Epochs without a smaller loss on the validation windows after which training stops; the network of
        the smallest is kept. Published within a person is as many as there are epochs. Default: none.
    calibration_epochs : int
        Passes over labelled windows of the person to be tested, after which come the predictions: with the
        temporal filters as they are, Adam at 1e-3 and batches of ``calibration_batch_size``, balanced by
        class. Published across people: 400 and 100, on the first 10 s of the very trials that are tested
        (protocol ``calibrated_same_trial``, which makes no claim). Default: none.
    calibration_batch_size : int
        Windows a step of these.
    ch_names : sequence of str, optional
        Names of the electrodes, in their order, for windows that do not know theirs.
    random_state : int, optional
        Seed of the first weights, the batches and the dropout.
    device : {"cpu", "cuda", "auto"}
        Where to train, as in `resolve_device`.

    Notes
    -----
    **Deviations** from arXiv 2408.15255 and its code: each electrode is standardised by the training windows,
    where theirs comes divided by its largest value in the whole trial; validation labels are smoothed like
    those of training; what is learnt of a new person (``calibration_epochs``) comes in batches in which each
    class is equally frequent, where theirs shows each window once an epoch and weighs its loss by the count
    of the commonest class over that of its own: the same in expectation, up to a constant that Adam undoes.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(64, 14, 64)), np.repeat([1, 2], 32)
    >>> ch_names = HISTN_HIERARCHIES["V0"].ch_names
    >>> model = HiSTNClassifier(sfreq=128, epochs=2, batch_size=32, ch_names=ch_names, random_state=0)
    >>> model.fit(X, y).predict_proba(X).shape
    (64, 2)
    """

    layout = ("channel", "time")

    def __init__(  # noqa: PLR0913  All settings are named.
        self,
        *,
        hierarchy: str | Hierarchy = "V0",
        labels: Literal["smoothed", "onehot", "regression", "mixture"] = "smoothed",
        fusion: Literal["dense", "grouped"] = "dense",
        n_filters: int = 8,
        kernel: float = 0.5,
        dropout: float = 0.5,
        sfreq: float | None = None,
        crops: bool = False,
        epochs: int = 50,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        slower_from: int = 30,
        slower_by: float = 0.5,
        patience: int | None = None,
        calibration_epochs: int = 0,
        calibration_batch_size: int = 100,
        ch_names: Sequence[str] | None = None,
        random_state: int | None = None,
        device: Device = "auto",
    ) -> None:
        self.hierarchy = hierarchy
        self.labels = labels
        self.fusion: Literal["dense", "grouped"] = fusion
        self.n_filters = n_filters
        self.kernel = kernel
        self.dropout = dropout
        self.sfreq = sfreq
        self.crops = crops
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.slower_from = slower_from
        self.slower_by = slower_by
        self.patience = patience
        self.calibration_epochs = calibration_epochs
        self.calibration_batch_size = calibration_batch_size
        self.ch_names = ch_names
        self.random_state = random_state
        self.device = device

    def network(self, about: Input) -> HiSTN:
        """Build the network."""
        hierarchy = self.hierarchy
        if not isinstance(hierarchy, Hierarchy):
            if hierarchy not in HISTN_HIERARCHIES:
                raise ValueError(
                    f"Unknown hierarchy {hierarchy!r}: use one of {', '.join(HISTN_HIERARCHIES)}, or a "
                    "Hierarchy."
                )
            hierarchy = HISTN_HIERARCHIES[hierarchy]
        return HiSTN(
            n_outputs=about.n_outputs,
            hierarchy=hierarchy,
            ch_names=known_electrodes(about, "HiSTN"),
            n_filters=self.n_filters,
            n_taps=round(self.kernel * known_rate(about, self.sfreq, "HiSTN")),
            fusion=self.fusion,
            dropout=self.dropout,
        )

    def loss(self) -> ClassLoss:
        """The loss of the label mode."""
        if self.labels not in HISTN_LABELS:
            raise ValueError(f"Unknown labels {self.labels!r}: use one of {', '.join(HISTN_LABELS)}.")
        return HISTN_LABELS[self.labels]

    def training(self) -> Training:
        """Adam, slower in the end, on batches balanced by class."""
        return replace(
            super().training(),
            schedule=Steps({self.slower_from: self.slower_by}),
            sampler=Crops() if self.crops else ClassBalanced(),
        )

    def calibration(self) -> Training | None:
        """Go on with labelled windows of the person to be tested, the temporal filters left as they are."""
        if self.calibration_epochs == 0:
            return None
        return Training(
            epochs=self.calibration_epochs,
            batch_size=self.calibration_batch_size,
            learning_rate=1e-3,
            loss=self.loss(),
            sampler=ClassBalanced(),
            frozen=("filters.temporal",),
        )

    def _learn_labels(self, y: NDArray[Any]) -> tuple[Any, ...]:
        seen = super()._learn_labels(y)
        if self.labels != "onehot" and self.classes_.dtype.kind in "iu":
            # A rating that nobody gave still keeps its neighbours apart.
            step = int(np.gcd.reduce(np.diff(self.classes_)))
            self.classes_ = np.arange(seen[0], seen[-1] + 1, step)
        return tuple(self.classes_.tolist())
