"""EEGNet: temporal filters, spatial filters of each, and a separable convolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from physioaffect.device import Device
from physioaffect.training import Dropout, MaxNorm, Training

from .estimators import Input, NetworkClassifier
from .known import known_rate
from .temporal import average_pool, filter_each, mix, response_moments

__all__ = ["EEGNet", "EEGNetClassifier"]

# Keras' default, with which the published network was trained; torch's is 1e-5.
_EPSILON = 1e-3


class EEGNet(nn.Module):
    """EEGNet (Lawhern et al. 2018): a filter bank, spatial filters of each band, and their combination.

    With x the signal of electrode c, BN batch normalisation, ``*`` a convolution padded to equal length:

    * ``u_f,c = BN(h_f * x_c)``: F1 temporal filters, the same for all electrodes;
    * ``v_f,d = Drop(Pool_4(ELU(BN(sum_c w_f,d,c u_f,c))))``: D spatial filters of each, ``|w_f,d| <= 1``;
    * ``z_j = Drop(Pool_8(ELU(BN(sum_f,d p_j,fd (g_f,d * v_f,d)))))``: a separable convolution, F2 outputs;
    * ``y = A vec(z) + a``, each row ``|A_k| <= 0.25``.

    Parameters
    ----------
    n_channels, n_times : int
        Electrodes, and samples of a window.
    n_outputs : int
        Classes.
    n_filters : int
        Temporal filters, F1.
    depth : int
        Spatial filters of each, D.
    n_combined : int, optional
        Outputs of the separable convolution, F2. Default: F1 D, as published.
    n_taps : int
        Length of the temporal filters in samples: half a second at the published 128 Hz.
    n_taps_separable : int
        Length of the second ones, after the first pooling: half a second there too.
    pools : tuple of (int, int)
        Samples that the two poolings average.
    dropout : float
        Published: 0.25 across people, 0.5 within a person.

    Raises
    ------
    ValueError
        If a size is below 1, a window is shorter than both poolings together, or the dropout is no
        probability below 1.

    Notes
    -----
    Table 2 of doi 10.1088/1741-2552/aace8c (arXiv 1611.08024); EEGNet-8,2 by default, and EEGNet-4,2 with
    ``n_filters=4``. Bounds of weights as in the authors' code, normalisation and first weights as in Keras.

    The spatial filters are applied before the temporal ones: both are linear and act on different axes, so
    they commute, and F1 D signals are filtered in place of C. The batch normalisation between them needs mean
    and variance of what is then never computed; they are found from the filter and the signal's second
    moments (`response_moments`). The result is the published network's.

    **Deviations**: running statistics forget at torch's rate 0.1 a step, not Keras' 0.01, since short
    trainings would end before these have settled. Softmax is left to the loss. `EEGNetClassifier` leaves the
    shift of the first normalisation at zero: the second one takes it out again, so that its gradient is
    nothing but rounding, of which Adam makes steps of full size.

    **Parameters**: ``F1 n_taps + 2 F1 + F1 D (C + 2 + n_taps_separable + F2) + 2 F2 + K (F2 n + 1)`` for K
    classes, with n the window's length divided by both pools: 2,258 for 64 electrodes, 128 samples and two
    classes, 1,066 with F1 = 4, as in the paper's table 3.

    Examples
    --------
    >>> network = EEGNet(n_channels=32, n_times=128, n_outputs=2).eval()
    >>> network(torch.zeros(8, 32, 128)).shape
    torch.Size([8, 2])
    >>> network.temporal_kernels().shape
    torch.Size([8, 64])
    """

    def __init__(  # noqa: PLR0913  All settings are named.
        self,
        *,
        n_channels: int,
        n_times: int,
        n_outputs: int,
        n_filters: int = 8,
        depth: int = 2,
        n_combined: int | None = None,
        n_taps: int = 64,
        n_taps_separable: int = 16,
        pools: tuple[int, int] = (4, 8),
        dropout: float = 0.25,
    ) -> None:
        super().__init__()
        n_spatial = n_filters * depth
        n_combined = n_spatial if n_combined is None else n_combined
        sizes = {"n_channels": n_channels, "n_times": n_times, "n_outputs": n_outputs, "n_filters": n_filters}
        sizes |= {"depth": depth, "n_combined": n_combined, "n_taps": n_taps}
        sizes |= {"n_taps_separable": n_taps_separable, "pools": min(pools)}
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"EEGNet needs {name} of at least 1, got {size}.")
        n_left = n_times // pools[0] // pools[1]
        if n_left < 1:
            raise ValueError(
                f"EEGNet averages {pools[0]} x {pools[1]} samples, a window has {n_times}. Make windows "
                "longer, or the pools smaller."
            )
        self.window = n_channels, n_times
        self.pools = pools
        self.temporal = nn.Parameter(torch.empty(n_filters, n_taps))
        self.temporal_norm = nn.BatchNorm1d(n_filters, eps=_EPSILON)
        self.spatial = nn.Parameter(torch.empty(n_filters, depth, n_channels))
        self.spatial_norm = nn.BatchNorm1d(n_spatial, eps=_EPSILON)
        self.separable = nn.Parameter(torch.empty(n_spatial, n_taps_separable))
        self.pointwise = nn.Parameter(torch.empty(n_combined, n_spatial))
        self.pointwise_norm = nn.BatchNorm1d(n_combined, eps=_EPSILON)
        self.dropouts = nn.ModuleList(Dropout(dropout) for _ in range(2))
        self.dense = nn.Linear(n_combined * n_left, n_outputs)
        self.max_norms = {"spatial": MaxNorm(1.0, (-1,)), "dense.weight": MaxNorm(0.25, (-1,))}
        _glorot(self.temporal, n_taps, n_taps * n_filters)
        _glorot(self.spatial, n_channels * n_filters, n_channels * depth)
        _glorot(self.separable, n_taps_separable * n_spatial, n_taps_separable)
        _glorot(self.pointwise, n_spatial, n_combined)
        _glorot(self.dense.weight, n_combined * n_left, n_outputs)
        nn.init.zeros_(self.dense.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(n_batch, n_channels, n_times) -> (n_batch, n_outputs)."""
        if x.shape[1:] != self.window:
            raise ValueError(
                f"This EEGNet is for windows of {self.window[0]} electrodes x {self.window[1]} samples, got "
                f"{' x '.join(map(str, x.shape[1:]))}. Give it the electrodes and length it was made for."
            )
        x = self._filtered(x)
        x = average_pool(functional.elu(self.spatial_norm(x)), self.pools[0])
        x = filter_each(self.dropouts[0](x)[:, :, None], self.separable).squeeze(2)
        x = self.pointwise_norm(mix(self.pointwise, x))
        x = average_pool(functional.elu(x), self.pools[1])
        output: Tensor = self.dense(self.dropouts[1](x).flatten(1))
        return output

    def temporal_kernels(self) -> Tensor:
        """The temporal filters, (n_filters, n_taps), backwards in time."""
        return self.temporal

    def spatial_filters(self) -> Tensor:
        """Weights of the electrodes in each spatial filter, (n_filters, depth, n_channels)."""
        return self.spatial

    def _filtered(self, x: Tensor) -> Tensor:
        """Both filters and the normalisation between, (n_batch, ..., n_times): n_channels -> F1 D signals."""
        norm = self.temporal_norm
        mean, variance = self._response(x)
        scale = norm.weight * (variance + norm.eps).rsqrt()
        shift = norm.bias - scale * mean
        mixed = mix(self.spatial.flatten(0, 1), x).reshape(x.shape[0], *self.spatial.shape[:2], -1)
        filtered = filter_each(mixed, scale[:, None] * self.temporal)
        return (filtered + (shift[:, None] * self.spatial.sum(dim=-1))[..., None]).flatten(1, 2)

    def _response(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the temporal filters' responses: of this batch in training."""
        norm = self.temporal_norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.momentum is not None
        if not self.training:
            return norm.running_mean, norm.running_var
        mean, variance = (moment.to(x.dtype) for moment in response_moments(x, self.temporal))
        with torch.no_grad():  # As in torch.nn.BatchNorm1d, which keeps the unbiased variance.
            unbiased = variance * (x.numel() / (x.numel() - 1))
            for running, now in ((norm.running_mean, mean), (norm.running_var, unbiased)):
                running.mul_(1 - norm.momentum).add_(norm.momentum * now)
        return mean, variance


def _glorot(weight: Tensor, fan_in: int, fan_out: int) -> None:
    """Draw weights as Keras does, which counts the inputs of a depthwise kernel in its own way."""
    bound = math.sqrt(6 / (fan_in + fan_out))
    nn.init.uniform_(weight, -bound, bound)


class EEGNetClassifier(NetworkClassifier):
    """EEGNet-8,2 of raw windows, as a scikit-learn classifier.

    Parameters
    ----------
    n_filters, depth, n_combined, dropout
        As for `EEGNet`.
    kernel : float
        Length of the temporal filters in seconds; published: half of one.
    sfreq : float, optional
        Sampling rate in Hz, for windows that do not know theirs.
    epochs : int
        Passes over the training windows; published: up to 500, keeping the network of the smallest
        validation loss.
    batch_size : int
        Windows a step.
    learning_rate, weight_decay : float
        Of Adam.
    patience : int, optional
        Epochs without a smaller loss on the validation windows after which training stops. Default: none.
    label_smoothing : float
        Share of a label that is spread over all classes.
    ch_names : sequence of str, optional
        Names of the electrodes, in their order.
    random_state : int, optional
        Seed of the first weights, the batches and the dropout.
    device : {"cpu", "cuda", "auto"}
        Where to train, as in `resolve_device`.

    Notes
    -----
    The published network is made for 128 Hz. At another rate the first pooling comes as near to 32 Hz as
    whole samples allow, so that later layers see what they see there.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(64, 4, 64)), np.repeat(["calm", "tense"], 32)
    >>> model = EEGNetClassifier(sfreq=128, epochs=2, batch_size=16, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (64, 2)
    """

    layout = ("channel", "time")

    def __init__(  # noqa: PLR0913  All settings are named.
        self,
        *,
        n_filters: int = 8,
        depth: int = 2,
        n_combined: int | None = None,
        kernel: float = 0.5,
        dropout: float = 0.25,
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
        self.n_filters = n_filters
        self.depth = depth
        self.n_combined = n_combined
        self.kernel = kernel
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

    def network(self, about: Input) -> EEGNet:
        """Build the network."""
        sfreq = known_rate(about, self.sfreq, "EEGNet")
        return EEGNet(
            n_channels=about.n_channels,
            n_times=about.n_last,
            n_outputs=about.n_outputs,
            n_filters=self.n_filters,
            depth=self.depth,
            n_combined=self.n_combined,
            n_taps=round(self.kernel * sfreq),
            pools=(max(1, round(sfreq / 32)), 8),
            dropout=self.dropout,
        )

    def training(self) -> Training:
        """Adam on all but the shift of the first normalisation, whose gradient is nothing but rounding."""
        return replace(super().training(), frozen=("temporal_norm.bias",))
