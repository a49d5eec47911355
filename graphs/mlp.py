"""Multilayer perceptron on flattened tokens: the control that knows no graph and no attention."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from physioaffect.device import Device
from physioaffect.training import Dropout

from .estimators import Input, NetworkClassifier, NetworkEstimator, NetworkRegressor
from .sizes import check_sizes, check_windows

__all__ = ["MLP", "MLPClassifier", "MLPRegressor", "perceptron"]


def perceptron(n_in: int, hidden: Sequence[int], n_outputs: int, *, dropout: float) -> nn.Sequential:
    """Linear layers, with GELU and dropout after all but the last: (..., n_in) -> (..., n_outputs)."""
    if any(width < 1 for width in hidden):
        raise ValueError(f"Hidden layers need at least one unit each, got {tuple(hidden)}.")
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(n_in, width), nn.GELU(), Dropout(dropout)]
        n_in = width
    return nn.Sequential(*layers, nn.Linear(n_in, n_outputs))


class MLP(nn.Module):
    """Multilayer perceptron on a window's flattened tokens.

    ``y = W_L h_(L-1) + b_L`` with ``h_l = Drop(GELU(W_l h_(l-1) + b_l))`` and ``h_0 = vec(x)``.

    The control that belongs beside a network on a graph: it sees the same numbers and may use each
    electrode as it likes, but nothing in it knows which of them are neighbours. What a graph or attention
    adds is what the other network gains over this one.

    Parameters
    ----------
    n_channels : int
        Electrodes.
    n_bands : int
        Numbers of each electrode.
    n_outputs : int
        Classes, or 1 for a number.
    hidden : sequence of int
        Width of each hidden layer, none for a linear map. The default is the head of `RBTransformer`, so that
        of that network only the electrodes' tokens and their attention are missing.
    dropout : float
        After each hidden layer.

    Raises
    ------
    ValueError
        If a size is below 1 or the dropout is no probability below 1.

    Notes
    -----
    No paper's: a control that we chose. Hendrycks & Gimpel 2016, arXiv 1606.08415, for GELU (exact, by the
    error function).

    With the defaults it has ``256 n + 98,944 + 129 K`` parameters, for n numbers a window and K outputs:
    113,538 on 14 electrodes, four bands and two classes.

    Examples
    --------
    >>> import torch
    >>> MLP(n_channels=14, n_bands=4, n_outputs=2)(torch.zeros(8, 14, 4)).shape
    torch.Size([8, 2])
    """

    # Measured: see docs/performance.md.
    cpu_stack = 8

    def __init__(
        self,
        *,
        n_channels: int,
        n_bands: int,
        n_outputs: int,
        hidden: Sequence[int] = (256, 256, 128),
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        check_sizes("MLP", n_channels=n_channels, n_bands=n_bands, n_outputs=n_outputs)
        self.shape = n_channels, n_bands
        self.layers = perceptron(n_channels * n_bands, hidden, n_outputs, dropout=dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(n_batch, n_channels, n_bands) -> (n_batch, n_outputs)."""
        check_windows("MLP", x, *self.shape)
        output: Tensor = self.layers(x.flatten(1))
        return output


class _Settings(NetworkEstimator):
    """What classifier and regressor share."""

    layout = ("channel", "band")
    takes_tables = True

    def __init__(  # noqa: PLR0913  All settings are named.
        self,
        *,
        hidden: Sequence[int] = (256, 256, 128),
        dropout: float = 0.1,
        epochs: int = 50,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-3,
        patience: int | None = None,
        ch_names: Sequence[str] | None = None,
        random_state: int | None = None,
        device: Device = "auto",
    ) -> None:
        self.hidden = hidden
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.patience = patience
        self.ch_names = ch_names
        self.random_state = random_state
        self.device = device

    def network(self, about: Input) -> MLP:
        """Build the network."""
        return MLP(
            n_channels=about.n_channels,
            n_bands=about.n_last,
            n_outputs=about.n_outputs,
            hidden=self.hidden,
            dropout=self.dropout,
        )


class MLPClassifier(_Settings, NetworkClassifier):
    """`MLP` as a scikit-learn classifier.

    Adam at a constant rate on the cross-entropy. Takes tables, (n_windows, n_features), too.

    Parameters
    ----------
    hidden, dropout
        As for `MLP`.
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

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(64, 14, 4)), np.repeat(["calm", "tense"], 32)
    >>> X[y == "tense", :2] += 2
    >>> float(MLPClassifier(epochs=10, batch_size=16, random_state=0).fit(X, y).score(X, y))
    1.0
    """


class MLPRegressor(_Settings, NetworkRegressor):
    """`MLP` as a scikit-learn regressor, on the mean squared error; parameters as for `MLPClassifier`.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(64, 14, 4))
    >>> MLPRegressor(epochs=1, batch_size=16, random_state=0).fit(X, X[:, 0, 0]).predict(X).shape
    (64,)
    """
