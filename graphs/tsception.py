"""TSception: temporal filters of three lengths, and spatial filters of the head and of either half."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from physioaffect.device import Device
from physioaffect.errors import DataError
from physioaffect.montage import mirror_pairs
from physioaffect.training import Dropout

from .estimators import Input, NetworkClassifier
from .known import known_electrodes, known_rate
from .temporal import average_pool, mix, padded_kernels

__all__ = ["TSception", "TSceptionClassifier"]


class TSception(nn.Module):
    """TSception (Ding et al. 2022): dynamic temporal, asymmetric spatial and high-level fusion layers.

    With x the signals of the left electrodes followed by the right ones, BN batch normalisation, phi the
    leaky rectifier (slope 0.01), [;] one after the other in time, ``*`` a convolution without padding:

    * ``u = BN([Pool_8(phi(h_1 * x + b)); Pool_8(phi(h_2 * x + b)); Pool_8(phi(h_3 * x + b))])``: n_temporal
      filters of each of three lengths, the same for all electrodes;
    * ``v = BN((Pool_2(phi(G u + g)), Pool_2(phi(H u_left + h)), Pool_2(phi(H u_right + h))))``: n_spatial
      filters over the head, and n_spatial over either half, whose weights the halves share;
    * ``z = mean_t BN(Pool_4(phi(F v + f)))``, over the three together;
    * ``y = W_2 Drop(ReLU(W_1 z + b_1)) + b_2``.

    Parameters
    ----------
    n_channels, n_times : int
        Electrodes, and samples of a window.
    pairs : sequence of (int, int)
        Rows of a window that are electrodes at mirrored places, (left, right). Other rows are not looked at.
    n_outputs : int
        Classes.
    n_taps : tuple of int
        Lengths of the temporal filters in samples: 1/2, 1/4 and 1/8 of a second at the published 128 Hz.
    n_temporal, n_spatial : int
        Filters of each length, and of the head and a half of it.
    n_hidden : int
        Width of the last hidden layer.
    pool : int
        Samples that the first pooling averages.
    dropout : float
        In the last hidden layer.

    Raises
    ------
    ValueError
        If there are no pairs, a row is in two of them, a size is below 1, a window is too short for the
        longest filter and the poolings, or the dropout is no probability below 1.

    Notes
    -----
    doi 10.1109/TAFFC.2022.3169001 (arXiv 2104.02935); sizes as in the authors' code for DEAP. The
    convolutions over electrodes and over the three are written as matrix products.

    **Deviations**: none in the network. Its order of electrodes is found by their names and not asked for.

    **Parameters**: with T, S and H filters and hidden units, k taps of all lengths together, C electrodes in
    pairs and K classes ``T (k + 5) + S (3 T C / 2 + 3 S + 7) + H (S + 1) + K (H + 1)``: 12,563 for the 28
    electrodes of DEAP that have a counterpart, 128 Hz and two classes.

    Examples
    --------
    >>> network = TSception(n_channels=5, n_times=128, n_outputs=2, pairs=[(0, 3), (1, 4)]).eval()
    >>> network(torch.zeros(8, 5, 128)).shape
    torch.Size([8, 2])
    """

    order: Tensor

    def __init__(  # noqa: PLR0913  All settings are named.
        self,
        *,
        n_channels: int,
        n_times: int,
        n_outputs: int,
        pairs: Sequence[tuple[int, int]],
        n_taps: tuple[int, ...] = (64, 32, 16),
        n_temporal: int = 15,
        n_spatial: int = 15,
        n_hidden: int = 32,
        pool: int = 8,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        sizes = {"pairs": len(pairs), "n_times": n_times, "n_outputs": n_outputs, "n_taps": min(n_taps)}
        sizes |= {"n_temporal": n_temporal, "n_spatial": n_spatial, "n_hidden": n_hidden, "pool": pool}
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"TSception needs {name} of at least 1, got {size}.")
        rows = [left for left, _ in pairs] + [right for _, right in pairs]
        if len(set(rows)) < len(rows) or not set(rows) <= set(range(n_channels)):
            raise ValueError(
                f"TSception's pairs must be of different rows of a window of {n_channels}, got {list(pairs)}."
            )
        # The spatial and the fusion layer average two and four of what the first pooling leaves.
        n_left = [(n_times - taps + 1) // pool for taps in n_taps]
        if min(n_left) < 1 or sum(n_left) < 8:
            raise ValueError(
                f"A window of {n_times} samples is too short for TSception's filters of "
                f"{', '.join(map(str, n_taps))} samples and its poolings of {pool}, 2 and 4. Make it longer."
            )
        self.window = n_channels, n_times
        self.pool = pool
        self.n_left = n_left
        self.register_buffer("order", torch.tensor(rows), persistent=False)
        self.n_taps = n_taps
        self.temporal = nn.ModuleList(nn.Conv2d(1, n_temporal, (1, taps)) for taps in n_taps)
        self.temporal_norm = nn.BatchNorm2d(n_temporal)
        self.whole_head = nn.Linear(n_temporal * len(rows), n_spatial)
        self.either_half = nn.Linear(n_temporal * len(pairs), n_spatial)
        self.spatial_norm = nn.BatchNorm2d(n_spatial)
        self.fusion = nn.Linear(n_spatial * 3, n_spatial)
        self.fusion_norm = nn.BatchNorm1d(n_spatial)
        self.output = nn.Sequential(
            nn.Linear(n_spatial, n_hidden), nn.ReLU(), Dropout(dropout), nn.Linear(n_hidden, n_outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n_batch, n_channels, n_times) -> (n_batch, n_outputs)."""
        if x.shape[1:] != self.window:
            raise ValueError(
                f"This TSception is for windows of {self.window[0]} electrodes x {self.window[1]} samples, "
                f"got {' x '.join(map(str, x.shape[1:]))}. Give it the electrodes and length it was made for."
            )
        u = self.temporal_norm(self._filtered(x[:, self.order]))
        halves = u.unflatten(2, (2, -1)).transpose(1, 2)
        views = [_over_electrodes(self.whole_head, u)[:, None], _over_electrodes(self.either_half, halves)]
        v = average_pool(functional.leaky_relu(torch.cat(views, dim=1)), 2)
        v = self.spatial_norm(v.transpose(1, 2))
        z = average_pool(functional.leaky_relu(_over_electrodes(self.fusion, v)), 4)
        output: Tensor = self.output(self.fusion_norm(z).mean(dim=-1))
        return output

    def temporal_kernels(self) -> Tensor:
        """Filters of all lengths, (n_filters, longest), backwards in time, with zeros after short ones."""
        return padded_kernels(list(self.temporal.parameters())[::2])

    def _filtered(self, x: Tensor) -> Tensor:
        """(n_batch, n_channels, n_times) -> (n_batch, n_temporal, n_channels, n_left of all lengths)."""
        scales = []
        for layer, n_taps, n_left in zip(self.temporal, self.n_taps, self.n_left, strict=True):
            # What pooling would drop is not computed.
            used = n_left * self.pool + n_taps - 1
            response = functional.leaky_relu(layer(x[:, None, :, :used]), inplace=True)
            scales.append(average_pool(response, self.pool))
        return torch.cat(scales, dim=-1)


def _over_electrodes(layer: nn.Linear, x: Tensor) -> Tensor:
    """Convolution over filters and all electrodes: (..., n_filters, n_electrodes, n) -> (..., n_out, n)."""
    return mix(layer.weight, x.flatten(-3, -2)) + layer.bias[:, None]


class TSceptionClassifier(NetworkClassifier):
    """TSception of raw windows, as a scikit-learn classifier.

    Parameters
    ----------
    n_temporal, n_spatial, n_hidden, dropout
        As for `TSception`.
    kernels : tuple of float
        Lengths of the temporal filters in seconds.
    sfreq : float, optional
        Sampling rate in Hz, for windows that do not know theirs.
    epochs : int
        Passes over the training windows; published: up to 500, keeping the network of the best validation.
    batch_size : int
        Windows a step.
    learning_rate, weight_decay : float
        Of Adam.
    patience : int, optional
        Epochs without a smaller loss on the validation windows after which training stops. Default: none.
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
    Left and right are found by name (`physioaffect.montage.mirror_pairs`), in whatever order channels come.
    Electrodes on the midline and those without a counterpart are left out, as the authors leave out DEAP's
    Fz, Cz, Pz and Oz. Electrodes of which no two mirror each other are refused.

    The first pooling averages 1/16 s, as near as whole samples allow: the published 8 samples at 128 Hz.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(64, 3, 128)), np.repeat(["calm", "tense"], 32)
    >>> model = TSceptionClassifier(sfreq=128, ch_names=("F3", "Fz", "F4"), epochs=2, batch_size=16)
    >>> model.fit(X, y).predict_proba(X).shape
    (64, 2)
    """

    layout = ("channel", "time")

    def __init__(  # noqa: PLR0913  All settings are named.
        self,
        *,
        n_temporal: int = 15,
        n_spatial: int = 15,
        n_hidden: int = 32,
        kernels: tuple[float, ...] = (0.5, 0.25, 0.125),
        dropout: float = 0.5,
        sfreq: float | None = None,
        epochs: int = 40,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        patience: int | None = None,
        label_smoothing: float = 0.0,
        ch_names: Sequence[str] | None = None,
        random_state: int | None = None,
        device: Device = "auto",
    ) -> None:
        self.n_temporal = n_temporal
        self.n_spatial = n_spatial
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

    def network(self, about: Input) -> TSception:
        """Build the network.

        Raises
        ------
        DataError
            If the electrodes or the sampling rate are not known, or no two electrodes mirror each other.
        """
        names = known_electrodes(about, "TSception")
        sfreq = known_rate(about, self.sfreq, "TSception")
        pairs = [(names.index(left), names.index(right)) for left, right in mirror_pairs(names)]
        if not pairs:
            raise DataError(
                f"TSception compares the halves of the head, but no two of {', '.join(names)} mirror each "
                "other. Use another network, or windows with both halves."
            )
        return TSception(
            n_channels=about.n_channels,
            n_times=about.n_last,
            n_outputs=about.n_outputs,
            pairs=pairs,
            n_taps=tuple(int(seconds * sfreq) for seconds in self.kernels),
            n_temporal=self.n_temporal,
            n_spatial=self.n_spatial,
            n_hidden=self.n_hidden,
            pool=max(1, round(sfreq / 16)),
            dropout=self.dropout,
        )
