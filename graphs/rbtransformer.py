"""RBTransformer: attention between electrodes, whose tokens are entropies in bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

from physioaffect.device import Device
from physioaffect.training import Cosine, Dropout, Training

from .estimators import Input, NetworkClassifier
from .mlp import perceptron
from .sizes import check_sizes, check_windows

__all__ = ["RBTransformer", "RBTransformerClassifier"]

HEADS: dict[str, tuple[int, ...]] = {"linear": (), "mlp": (256, 256, 128)}
"""Hidden layers of each head."""


class _Attention(nn.Module):
    """``W_o concat_h Drop(softmax(Q_h K_h^T / sqrt(head_width))) V_h + b_o`` between electrodes."""

    def __init__(self, width: int, *, n_heads: int, head_width: int, dropout: float) -> None:
        super().__init__()
        self.shape = 3, n_heads, head_width
        self.projection = nn.Linear(width, 3 * n_heads * head_width, bias=False)
        self.dropout = Dropout(dropout)
        self.output = nn.Linear(n_heads * head_width, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n_batch, n_channels, width) -> the same, and weights (n_batch, n_heads, n_channels, same)."""
        # Each (n_batch, n_heads, n_channels, head_width).
        query, key, value = self.projection(x).unflatten(-1, self.shape).permute(2, 0, 3, 1, 4)
        # There are fewer queries to scale than scores.
        weights = (self.shape[-1] ** -0.5 * query @ key.mT).softmax(dim=-1)
        mixed = self.dropout(weights) @ value
        return self.output(mixed.transpose(1, 2).flatten(2)), weights


class _Block(nn.Module):
    """Attention, then two layers for each electrode by itself; each is added to what came in."""

    def __init__(self, width: int, *, n_heads: int, head_width: int, n_hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = _Attention(width, n_heads=n_heads, head_width=head_width, dropout=dropout)
        self.dropout = Dropout(dropout)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), *perceptron(width, (n_hidden,), width, dropout=dropout), Dropout(dropout)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n_batch, n_channels, width) -> the same, and the attention's weights."""
        update, weights = self.attention(self.norm(x))
        x = x + self.dropout(update)
        return x + self.feed_forward(x), weights


class RBTransformer(nn.Module):
    """RBTransformer (Kumar, Bhandari & Maragatham 2025): self-attention over electrodes.

    With x_c the band entropies of electrode c, W, E and b learned, LN layer normalisation:

    * tokens ``z_c = Drop(W x_c + b + E_c)``; E_c is the electrode's identity;
    * each block, for all electrodes at once,
      ``z <- z + Drop(W_o concat_h Drop(softmax(Q_h K_h^T / sqrt(d_h))) V_h + b_o)`` with
      ``(Q_h, K_h, V_h) = LN(z) (W_q, W_k, W_v)_h``, then
      ``z <- z + Drop(W_2 Drop(GELU(W_1 LN(z) + b_1)) + b_2)``;
    * output ``head(LN(mean_c z_c))``: Linear-GELU-Drop three times (256, 256, 128), then Linear.

    Parameters
    ----------
    n_channels : int
        Electrodes. Their order is part of the network: each has its own E_c.
    n_outputs : int
        Classes.
    n_bands : int
        Bands of each electrode.
    width : int
        Length of a token, d.
    n_blocks : int
        Blocks of attention; 0 for the paper's ablation, which leaves of the electrodes only their mean.
    n_heads, head_width : int
        Heads and the length of each, d_h; together they may be wider than the token.
    n_hidden : int
        Hidden width of the layers for each electrode by itself.
    head : {"mlp", "linear"}
        Three hidden layers, as in the paper's figure and its code, or one linear map, as in its equation.
    dropout : float
        After the embedding, on the attention's weights, after each layer's output and in the head.

    Raises
    ------
    ValueError
        If a size is below 1, the head is unknown or the dropout is no probability below 1.

    Notes
    -----
    arXiv 2511.13954 (version 1). Where its text is silent the sizes are those of its code; text and code
    differ in the head only.

    **Deviations**: none in the network. For those of training and of the tokens see
    `RBTransformerClassifier` and the network's page in the documentation.

    **Parameters**: 662,530 for DREAMER (14 electrodes, four bands) with two classes, 662,917 with five;
    128 (C + B) of them know the electrodes and bands.

    Examples
    --------
    >>> network = RBTransformer(n_channels=14, n_outputs=2).eval()
    >>> network(torch.zeros(8, 14, 4)).shape
    torch.Size([8, 2])
    >>> network.attention(torch.zeros(8, 14, 4)).shape
    torch.Size([8, 4, 6, 14, 14])
    """

    def __init__(  # noqa: PLR0913  All settings are named.
        self,
        *,
        n_channels: int,
        n_outputs: int,
        n_bands: int = 4,
        width: int = 128,
        n_blocks: int = 4,
        n_heads: int = 6,
        head_width: int = 32,
        n_hidden: int = 128,
        head: Literal["mlp", "linear"] = "mlp",
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        check_sizes("RBTransformer", n_channels=n_channels, n_outputs=n_outputs, n_bands=n_bands)
        check_sizes("RBTransformer", width=width, n_heads=n_heads, head_width=head_width, n_hidden=n_hidden)
        if n_blocks < 0:
            raise ValueError(f"RBTransformer cannot have {n_blocks} blocks: take 0 or more.")
        if head not in HEADS:
            raise ValueError(
                f"Unknown head {head!r} of RBTransformer: use one of {', '.join(sorted(HEADS))}."
            )
        self.embedding = nn.Linear(n_bands, width)
        self.identity = nn.Parameter(torch.randn(n_channels, width))
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(
            _Block(width, n_heads=n_heads, head_width=head_width, n_hidden=n_hidden, dropout=dropout)
            for _ in range(n_blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.head = perceptron(width, HEADS[head], n_outputs, dropout=dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(n_batch, n_channels, n_bands) -> (n_batch, n_outputs)."""
        tokens, _ = self._attend(x)
        output: Tensor = self.head(self.norm(tokens.mean(dim=1)))
        return output

    def attention(self, x: Tensor) -> Tensor:
        """Who looks at whom: weights of each block and head before their dropout.

        Parameters
        ----------
        x : Tensor, shape (n_batch, n_channels, n_bands)
            Windows, as for the network.

        Returns
        -------
        weights : Tensor, shape (n_batch, n_blocks, n_heads, n_channels, n_channels)
            Row: the electrode that looks. Column: the one that it looks at. Each row adds up to 1.

        Raises
        ------
        ValueError
            If the network has no blocks.
        """
        if len(self.blocks) == 0:
            raise ValueError(
                "An RBTransformer without blocks attends to nothing: give it n_blocks of at least 1."
            )
        _, weights = self._attend(x)
        return torch.stack(weights, dim=1)

    def _attend(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        check_windows("RBTransformer", x, len(self.identity), self.embedding.in_features)
        x = self.dropout(self.embedding(x) + self.identity)
        maps = []
        for block in self.blocks:
            x, weights = block(x)
            maps.append(weights)
        return x, maps


class RBTransformerClassifier(NetworkClassifier):
    """`RBTransformer` as a scikit-learn classifier, trained as published.

    AdamW, its rate falling along half a cosine to a thousandth over all epochs; cross-entropy with
    smoothed labels.

    Parameters
    ----------
    width, n_blocks, n_heads, head_width, n_hidden, head, dropout
        As for `RBTransformer`.
    epochs : int
        Passes over the training windows.
    batch_size : int
        Windows a step.
    learning_rate : float
        Of the first epoch; a thousandth of it at the end.
    weight_decay : float
        Of AdamW.
    patience : int, optional
        Epochs without a smaller loss on the validation windows after which training stops. Default: none,
        as published.
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
    **Deviations** from arXiv 2511.13954 and its code: the batch stays at 256 windows, where theirs shrinks to
    64 after epoch 150; classes are not made equally frequent by SMOTE; each number of the input is
    standardised by the training windows, where theirs goes in as it is; no windows are thrown away at random
    beforehand.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(64, 14, 4)), np.repeat(["calm", "tense"], 32)
    >>> X[y == "tense", :2] += 2
    >>> model = RBTransformerClassifier(n_blocks=1, epochs=5, batch_size=16, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (64, 2)
    """

    layout = ("channel", "band")

    def __init__(  # noqa: PLR0913  All settings are named.
        self,
        *,
        width: int = 128,
        n_blocks: int = 4,
        n_heads: int = 6,
        head_width: int = 32,
        n_hidden: int = 128,
        head: Literal["mlp", "linear"] = "mlp",
        dropout: float = 0.1,
        epochs: int = 300,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-3,
        patience: int | None = None,
        label_smoothing: float = 0.12,
        ch_names: Sequence[str] | None = None,
        random_state: int | None = None,
        device: Device = "auto",
    ) -> None:
        self.width = width
        self.n_blocks = n_blocks
        self.n_heads = n_heads
        self.head_width = head_width
        self.n_hidden = n_hidden
        self.head: Literal["mlp", "linear"] = head
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

    def network(self, about: Input) -> RBTransformer:
        """Build the network."""
        return RBTransformer(
            n_channels=about.n_channels,
            n_outputs=about.n_outputs,
            n_bands=about.n_last,
            width=self.width,
            n_blocks=self.n_blocks,
            n_heads=self.n_heads,
            head_width=self.head_width,
            n_hidden=self.n_hidden,
            head=self.head,
            dropout=self.dropout,
        )

    def training(self) -> Training:
        """AdamW along half a cosine."""
        return replace(super().training(), optimiser="adamw", schedule=Cosine(last=1e-3))
