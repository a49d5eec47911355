"""LGGNet: power of temporal filters, gathered in local graphs that a learned global graph joins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from physioaffect.device import Device
from physioaffect.training import Dropout

from .estimators import Input, NetworkClassifier
from .grouping import local_graphs
from .known import known_electrodes, known_rate
from .temporal import average_pool, mix, padded_kernels

__all__ = ["LGGNet", "LGGNetClassifier"]


class LGGNet(nn.Module):
    """LGGNet (Ding et al. 2023): local and global graphs of the power of temporal filters.

    With x_c the signal of electrode c, BN batch normalisation, phi the leaky rectifier (slope 0.01), P power
    ``log(mean(y^2))`` over windows of ``pool`` samples every ``step``, ``*`` a convolution without padding:

    * ``u_c = BN([P(h_1 * x_c + b_1); P(h_2 * x_c + b_2); P(h_3 * x_c + b_3)])``: n_temporal filters of each
      of three lengths, the same for all electrodes, one length after the other in time;
    * ``z_c = vec(BN(Pool_2(phi(Q u_c + q))))``, which fuses filters;
    * ``l_r = mean_{c in r} ReLU(w_c z_c - beta_c)``: each electrode weighted by itself (local filtering), and
      averaged over its local graph r;
    * ``A = I + ReLU((G + G^T) l l^T)``, element by element: similarity of local graphs, weighted by the
      learned G, for each window by itself;
    * ``g = BN(ReLU(D^-1/2 A D^-1/2 (BN(l) W - w)))``, D the row sums of A;
    * ``y = V Drop(vec(g)) + v``.

    Parameters
    ----------
    n_channels, n_times : int
        Electrodes, and samples of a window.
    n_outputs : int
        Classes.
    regions : sequence of sequences of int
        Rows of a window that are the electrodes of each local graph, every row in one.
    n_taps : tuple of int
        Lengths of the temporal filters in samples: 1/2, 1/4 and 1/8 of a second at the published 128 Hz.
    n_temporal : int
        Filters of each length.
    n_hidden : int
        Features of a local graph after the global one.
    pool, step : int
        Samples over which power is taken, and from one such window to the next.
    dropout : float
        Before the last layer.

    Raises
    ------
    ValueError
        If a row is in no region or in two, a size is below 1, a window is too short for the longest filter
        and two windows of power, or the dropout is no probability below 1.

    Notes
    -----
    doi 10.1109/TNNLS.2023.3236635 (arXiv 2105.02786); sizes as in the authors' code for DEAP. As there, what
    a local graph, fully connected, does with its electrodes is to average them.

    **Deviations**: none in the network.

    **Parameters**: with T filters, k taps of all lengths together, C electrodes in R local graphs, H hidden
    features, n fused samples of power, ``d = T n`` and K classes
    ``T (k + T + 8) + C (d + 1) + R^2 + 4 R + H (d + 1) + K (R H + 1)``: 721,895 for DEAP's 32 electrodes in
    the 17 graphs of the hemispheres, 4 s at 128 Hz and two classes.

    Examples
    --------
    >>> network = LGGNet(n_channels=3, n_times=128, n_outputs=2, regions=[(0, 2), (1,)]).eval()
    >>> network(torch.zeros(8, 3, 128)).shape
    torch.Size([8, 2])
    >>> network.region_adjacency(torch.zeros(8, 3, 128)).shape
    torch.Size([8, 2, 2])
    """

    membership: Tensor

    def __init__(  # noqa: PLR0913  All settings are named.
        self,
        *,
        n_channels: int,
        n_times: int,
        n_outputs: int,
        regions: Sequence[Sequence[int]],
        n_taps: tuple[int, ...] = (64, 32, 16),
        n_temporal: int = 64,
        n_hidden: int = 32,
        pool: int = 16,
        step: int = 4,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        sizes = {
            "n_channels": n_channels,
            "n_times": n_times,
            "n_outputs": n_outputs,
            "regions": len(regions),
        }
        sizes |= {"n_taps": min(n_taps), "n_temporal": n_temporal, "n_hidden": n_hidden, "pool": pool}
        sizes |= {"step": step}
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"LGGNet needs {name} of at least 1, got {size}.")
        if sorted(row for region in regions for row in region) != list(range(n_channels)):
            raise ValueError(
                f"LGGNet needs each of {n_channels} rows of a window in one region, got {list(regions)}."
            )
        n_powers = [(n_times - taps + 1 - pool) // step + 1 for taps in n_taps]
        if min(n_powers) < 1 or sum(n_powers) < 2:
            raise ValueError(
                f"A window of {n_times} samples is too short for LGGNet's filters of "
                f"{', '.join(map(str, n_taps))} samples and power over {pool}. Make it longer."
            )
        self.window = n_channels, n_times
        self.pool, self.step = pool, step
        n_regions, n_features = len(regions), n_temporal * (sum(n_powers) // 2)
        self.temporal = nn.ModuleList(nn.Conv2d(1, n_temporal, (1, taps)) for taps in n_taps)
        self.temporal_norm = nn.BatchNorm2d(n_temporal)
        self.fusion = nn.Linear(n_temporal, n_temporal)
        self.fusion_norm = nn.BatchNorm2d(n_temporal)
        self.local_weight = nn.Parameter(torch.empty(n_channels, n_features))
        self.local_bias = nn.Parameter(torch.zeros(n_channels, 1))
        self.global_weight = nn.Parameter(torch.empty(n_regions, n_regions))
        self.local_norm = nn.BatchNorm1d(n_regions)
        self.graph_weight = nn.Parameter(torch.empty(n_features, n_hidden))
        self.graph_bias = nn.Parameter(torch.zeros(n_hidden))
        self.graph_norm = nn.BatchNorm1d(n_regions)
        self.dropout = Dropout(dropout)
        self.output = nn.Linear(n_regions * n_hidden, n_outputs)
        nn.init.xavier_uniform_(self.local_weight)
        nn.init.xavier_uniform_(self.global_weight)
        nn.init.xavier_uniform_(self.graph_weight, gain=1.414)
        membership = torch.zeros(n_regions, n_channels)
        for number, region in enumerate(regions):
            membership[number, list(region)] = 1 / len(region)
        self.register_buffer("membership", membership, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(n_batch, n_channels, n_times) -> (n_batch, n_outputs)."""
        local = self._local(x)
        projected = self.local_norm(local) @ self.graph_weight - self.graph_bias
        g = self.graph_norm(functional.relu(self._adjacency(local) @ projected))
        output: Tensor = self.output(self.dropout(g.flatten(1)))
        return output

    def temporal_kernels(self) -> Tensor:
        """Filters of all lengths, (n_filters, longest), backwards in time, with zeros after short ones."""
        return padded_kernels(list(self.temporal.parameters())[::2])

    def region_adjacency(self, x: Tensor) -> Tensor:
        """Global graph of each window, as it is multiplied by.

        Parameters
        ----------
        x : Tensor, shape (n_batch, n_channels, n_times)
            Windows, as for the network.

        Returns
        -------
        adjacency : Tensor, shape (n_batch, n_regions, n_regions)
            ``D^-1/2 A D^-1/2``: symmetric, none below 0.
        """
        return self._adjacency(self._local(x))

    def _local(self, x: Tensor) -> Tensor:
        """Features of local graphs: (n_batch, n_channels, n_times) -> (n_batch, n_regions, n_features)."""
        if x.shape[1:] != self.window:
            raise ValueError(
                f"This LGGNet is for windows of {self.window[0]} electrodes x {self.window[1]} samples, got "
                f"{' x '.join(map(str, x.shape[1:]))}. Give it the electrodes and length it was made for."
            )
        u = self.temporal_norm(self._power(x))
        fused = mix(self.fusion.weight, u.flatten(2)) + self.fusion.bias[:, None]
        fused = average_pool(functional.leaky_relu(fused.reshape(u.shape)), 2)
        z = self.fusion_norm(fused).transpose(1, 2).flatten(2)
        return mix(self.membership, functional.relu(self.local_weight * z - self.local_bias))

    def _power(self, x: Tensor) -> Tensor:
        """(n_batch, n_channels, n_times) -> (n_batch, n_temporal, n_channels, n_powers of all lengths)."""
        squares = [layer(x[:, None]).square() for layer in self.temporal]
        powers = [functional.avg_pool2d(square, (1, self.pool), (1, self.step)) for square in squares]
        return torch.log(torch.cat(powers, dim=-1))

    def _adjacency(self, local: Tensor) -> Tensor:
        """(n_batch, n_regions, n_features) -> (n_batch, n_regions, n_regions)."""
        weight = self.global_weight + self.global_weight.mT
        joined = functional.relu(weight * (local @ local.mT))
        joined = joined + torch.eye(len(weight), dtype=joined.dtype, device=joined.device)
        scale = joined.sum(dim=-1).rsqrt()
        return scale[..., :, None] * joined * scale[..., None, :]


class LGGNetClassifier(NetworkClassifier):
    """LGGNet of raw windows, as a scikit-learn classifier.

    Parameters
    ----------
    graphs : {"hemisphere", "general", "frontal"}
        Local graphs, found by the electrodes' names: kinds of `physioaffect.graphs.local_graphs`.
    n_temporal, n_hidden, dropout
        As for `LGGNet`.
    kernels : tuple of float
        Lengths of the temporal filters in seconds.
    sfreq : float, optional
        Sampling rate in Hz, for windows that do not know theirs.
    epochs : int
        Passes over the training windows; published: up to 200, stopped early.
    batch_size : int
        Windows a step.
    learning_rate, weight_decay : float
        Of Adam.
    patience : int, optional
        Epochs without a smaller loss on the validation windows after which training stops; published: 20.
        Default: none.
    label_smoothing : float
        Share of a label that is spread over all classes.
    ch_names : sequence of str, optional
        Names of the electrodes, in their order, for windows that do not name theirs.
    random_state : int, optional
        Seed of the first weights, the batches and the dropout.
    device : {"cpu", "cuda", "auto"}
        Where to train, as in `resolve_device`.

    Notes
    -----
    Power is taken over 1/8 s every 1/32 s, as near as whole samples allow: the published 16 and 4 samples at
    128 Hz.

    **Deviations** from the authors' training: no second training on the validation windows after the first.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(64, 3, 128)), np.repeat(["calm", "tense"], 32)
    >>> model = LGGNetClassifier(
    ...     n_temporal=4, sfreq=128, ch_names=("F3", "Fz", "F4"), epochs=2, batch_size=16, random_state=0
    ... )
    >>> model.fit(X, y).predict_proba(X).shape
    (64, 2)
    """

    layout = ("channel", "time")

    def __init__(  # noqa: PLR0913  All settings are named.
        self,
        *,
        graphs: Literal["hemisphere", "general", "frontal"] = "hemisphere",
        n_temporal: int = 64,
        n_hidden: int = 32,
        kernels: tuple[float, ...] = (0.5, 0.25, 0.125),
        dropout: float = 0.5,
        sfreq: float | None = None,
        epochs: int = 40,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        patience: int | None = None,
        label_smoothing: float = 0.1,
        ch_names: Sequence[str] | None = None,
        random_state: int | None = None,
        device: Device = "auto",
    ) -> None:
        self.graphs = graphs
        self.n_temporal = n_temporal
        self.n_hidden = n_hidden
        self.kernels = kernels
        self.dropout = dropout
        self.sfreq = sfreq
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.patience = patience
        self.label_smoothing = label_smoothing
        self.ch_names = ch_names
        self.random_state = random_state
        self.device = device

    def network(self, about: Input) -> LGGNet:
        """Build the network.

        Raises
        ------
        DataError
            If the electrodes or the sampling rate are not known.
        """
        names = known_electrodes(about, "LGGNet")
        sfreq = known_rate(about, self.sfreq, "LGGNet")
        step = max(1, round(sfreq / 32))
        return LGGNet(
            n_channels=about.n_channels,
            n_times=about.n_last,
            n_outputs=about.n_outputs,
            regions=[
                [names.index(name) for name in region.ch_names]
                for region in local_graphs(names, kind=self.graphs)
            ],
            n_taps=tuple(int(seconds * sfreq) for seconds in self.kernels),
            n_temporal=self.n_temporal,
            n_hidden=self.n_hidden,
            pool=4 * step,
            step=step,
            dropout=self.dropout,
        )
