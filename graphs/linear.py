"""Linear map of flattened tokens: the least that a network must beat."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from physioaffect.device import Device

from .estimators import Input, NetworkClassifier, NetworkEstimator, NetworkRegressor
from .sizes import check_sizes, check_windows

__all__ = ["LinearClassifier", "LinearControl", "LinearRegressor"]


class LinearControl(nn.Module):
    """Linear map of a window's flattened tokens, ``y = W vec(x) + b``.

    With the cross-entropy it is multinomial logistic regression, with the squared error linear regression,
    trained as the networks are: what these gain over it, they owe to their layers and not to their
    trainer. It starts at zero, so that nothing in its weights is left over from chance.

    Parameters
    ----------
    n_channels : int
        Electrodes.
    n_bands : int
        Numbers of each electrode.
    n_outputs : int
        Classes, or 1 for a number.

    Raises
    ------
    ValueError
        If a size is below 1.

    Notes
    -----
    No paper's: a control that we chose. It has ``K (n + 1)`` parameters, for n numbers a window and K
    outputs: 114 on 14 electrodes, four bands and two classes.

    Examples
    --------
    >>> import torch
    >>> LinearControl(n_channels=14, n_bands=4, n_outputs=2)(torch.ones(8, 14, 4)).shape
    torch.Size([8, 2])
    """

    # Measured: see docs/performance.md.
    cpu_stack = 8

    def __init__(self, *, n_channels: int, n_bands: int, n_outputs: int) -> None:
        super().__init__()
        check_sizes("LinearControl", n_channels=n_channels, n_bands=n_bands, n_outputs=n_outputs)
        self.shape = n_channels, n_bands
        self.layer = nn.Linear(n_channels * n_bands, n_outputs)
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(n_batch, n_channels, n_bands) -> (n_batch, n_outputs)."""
        check_windows("LinearControl", x, *self.shape)
        output: Tensor = self.layer(x.flatten(1))
        return output


class _Settings(NetworkEstimator):
    """What classifier and regressor share."""

    layout = ("channel", "band")
    takes_tables = True

    def __init__(  # noqa: PLR0913  All settings are named.
        self,
        *,
        epochs: int = 50,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-3,
        patience: int | None = None,
        ch_names: Sequence[str] | None = None,
        random_state: int | None = None,
        device: Device = "auto",
    ) -> None:
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.patience = patience
        self.ch_names = ch_names
        self.random_state = random_state
        self.device = device

    def network(self, about: Input) -> LinearControl:
        """Build the network."""
        return LinearControl(n_channels=about.n_channels, n_bands=about.n_last, n_outputs=about.n_outputs)


class LinearClassifier(_Settings, NetworkClassifier):
    """`LinearControl` as a scikit-learn classifier: multinomial logistic regression.

    Adam at a constant rate on the cross-entropy. Takes tables, (n_windows, n_features), too.

    Parameters
    ----------
    epochs : int
        Passes over the training windows.
    batch_size : int
        Windows a step.
    learning_rate : float
        Of Adam.
    weight_decay : float
        Strength of the penalty ``weight_decay / 2 * (|W|^2 + |b|^2)``, on standardised windows.
    patience : int, optional
        Epochs without a smaller loss on the validation windows after which training stops. Default: none.
    ch_names : sequence of str, optional
        Names of the electrodes, in their order.
    random_state : int, optional
        Seed of the batches.
    device : {"cpu", "cuda", "auto"}
        Where to train, as in `resolve_device`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(64, 14, 4)), np.repeat(["calm", "tense"], 32)
    >>> X[y == "tense", :2] += 2
    >>> float(LinearClassifier(batch_size=16, random_state=0).fit(X, y).score(X, y))
    1.0
    """


class LinearRegressor(_Settings, NetworkRegressor):
    """`LinearControl` as a scikit-learn regressor: linear regression with a ridge.

    The mean squared error; parameters as for `LinearClassifier`.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(64, 14, 4))
    >>> LinearRegressor(epochs=1, batch_size=16, random_state=0).fit(X, X[:, 0, 0]).predict(X).shape
    (64,)
    """
