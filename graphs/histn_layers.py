"""Layers of HiSTN; signals are (n_signals, n_batch, n_times), so that each filter is one matrix product."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from physioaffect.errors import DataError

from .chebyshev import chebyshev_basis, laplacian, largest_eigenvalue, rescaled_laplacian
from .regions import Hierarchy
from .temporal import average_pool

__all__ = [
    "AttentionFusion",
    "ElectrodeFilters",
    "RegionMessages",
    "SeparableFusion",
    "correlate",
    "electrode_order",
    "glorot",
    "messages_between_regions",
    "weighted_sum",
]

# Longer signals are cut into blocks: their Toeplitz matrix would hold more zeros than the blocks overlap.
_LONGEST, _BLOCK = 128, 64


def correlate(x: Tensor, taps: Tensor, *, before: int, after: int) -> Tensor:
    """Filter each signal by its own kernel: ``y(t) = sum_j taps_j x(t + j - before)``, zeros outside.

    A product with the kernel's Toeplitz matrix: on a processor several times faster, forwards and backwards,
    than torch's convolution by groups.

    Parameters
    ----------
    x : Tensor, shape (n_signals, n_batch, n_times)
    taps : Tensor, shape (n_signals, n_taps)
    before, after : int
        Zeros put before and after the signal.

    Returns
    -------
    y : Tensor, shape (n_signals, n_batch, n_times + before + after - n_taps + 1)

    Examples
    --------
    >>> correlate(torch.tensor([[[1.0, 2.0, 4.0]]]), torch.tensor([[1.0, 10.0]]), before=0, after=0)
    tensor([[[21., 42.]]])
    """
    n_times, n_taps = x.shape[-1], taps.shape[-1]
    n_out = n_times + before + after - n_taps + 1
    if n_out <= _LONGEST:
        return x @ _toeplitz(taps, n_out)[..., before : before + n_times].mT
    length = max(n_taps, _BLOCK)
    n_blocks = -(-n_out // length)
    padded = functional.pad(x, (before, (n_blocks + 1) * length - n_times - before))
    blocks = padded.reshape(*x.shape[:2], n_blocks + 1, length)
    # What the end of a block needs lies in the next one.
    blocks = torch.cat([blocks[:, :, :-1], blocks[:, :, 1:, : n_taps - 1]], dim=-1)
    y = blocks.flatten(1, 2) @ _toeplitz(taps, length).mT
    return y.reshape(*x.shape[:2], n_blocks * length)[..., :n_out]


def _toeplitz(taps: Tensor, n_out: int) -> Tensor:
    """(n_signals, n_taps) -> (n_signals, n_out, n_out + n_taps - 1): row t holds the kernel from column t."""
    n_signals, n_taps = taps.shape
    width = n_out + n_taps - 1
    # One zero more than a row holds: so each row begins one sample later than the one above.
    repeated = functional.pad(taps, (0, n_out)).repeat(1, n_out)
    return repeated[:, : n_out * width].reshape(n_signals, n_out, width)


def batch_norm(n_signals: int) -> nn.BatchNorm1d:
    """Batch normalisation with Keras' defaults: epsilon 1e-3, of the running statistics 1 % new a step."""
    return nn.BatchNorm1d(n_signals, eps=1e-3, momentum=0.01)


def activate(norm: nn.BatchNorm1d, x: Tensor) -> Tensor:
    """``ELU(BN(x))``, each signal normalised over batch and time; the shape stays."""
    normed = norm(x.flatten(1)[None])
    return functional.elu(normed, inplace=True).reshape(x.shape)


def glorot(*shape: int, fan_in: int, fan_out: int) -> Tensor:
    """Uniform in ``±sqrt(6 / (fan_in + fan_out))`` (Glorot & Bengio 2010), fans as Keras counts them."""
    limit = math.sqrt(6 / (fan_in + fan_out))
    return torch.empty(shape).uniform_(-limit, limit)


def diagonal_blocks(sizes: Sequence[int]) -> Tensor:
    """Where the entries of square blocks, row by row, lie in the matrix that has them on its diagonal.

    Returns
    -------
    places : Tensor, shape (n_entries, n_nodes, n_nodes)
        Zeros and a one each: the sum, weighted by the entries, is the matrix.

    Examples
    --------
    >>> weighted_sum(torch.arange(1.0, 6.0), diagonal_blocks([2, 1])).tolist()
    [[1.0, 2.0, 0.0], [3.0, 4.0, 0.0], [0.0, 0.0, 5.0]]
    """
    group = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    inside = (group[:, None] == group).nonzero()
    places = torch.zeros(len(inside), len(group), len(group))
    places[torch.arange(len(inside)), inside[:, 0], inside[:, 1]] = 1
    return places


def electrode_order(hierarchy: Hierarchy, ch_names: Sequence[str]) -> Tensor | None:
    """Where in the input the hierarchy's electrodes are, or nothing if they are in its order.

    Raises
    ------
    DataError
        If an electrode of the hierarchy is missing, or one of the input is in no region.
    """
    if tuple(ch_names) == hierarchy.ch_names:
        return None
    order = [index for region in hierarchy.regions for index in region.indices(ch_names).tolist()]
    if left := [name for index, name in enumerate(ch_names) if index not in order]:
        raise DataError(
            f"The hierarchy {hierarchy.name!r} has no region for {', '.join(left)}. Leave these channels "
            "out: signal.pick([...]); or use regions that hold them, as neighbouring(lobes(ch_names)) does."
        )
    return torch.tensor(order)


def weighted_sum(weights: Tensor, matrices: Tensor) -> Tensor:
    """(..., n), (n, n_nodes, n_nodes) -> (..., n_nodes, n_nodes)."""
    return (weights @ matrices.flatten(1)).reshape(*weights.shape[:-1], *matrices.shape[1:])


def messages_within_regions(hierarchy: Hierarchy) -> Tensor:
    """Chebyshev polynomials of all regions' graphs, region by region, each in its block of the diagonal.

    Returns
    -------
    basis : Tensor, shape (n_orders, n_channels, n_channels)
        ``n_orders`` is the sum over regions of their hops, plus one each.
    """
    ends = list(itertools.accumulate(len(region.ch_names) for region in hierarchy.regions))
    basis = []
    for region, hops, end in zip(hierarchy.regions, hierarchy.hops, ends, strict=True):
        start = end - len(region.ch_names)
        around = (start, ends[-1] - end, start, ends[-1] - end)
        basis.append(functional.pad(_polynomials(torch.as_tensor(region.adjacency), hops), around))
    return torch.cat(basis)


def messages_between_regions(hierarchy: Hierarchy) -> Tensor:
    """Chebyshev polynomials of the graph of regions, (region_hops + 1, n_regions, n_regions)."""
    return _polynomials(torch.as_tensor(hierarchy.region_adjacency), hierarchy.region_hops)


def _polynomials(adjacency: Tensor, hops: int) -> Tensor:
    combinatorial = laplacian(adjacency)
    rescaled = rescaled_laplacian(combinatorial, largest=largest_eigenvalue(combinatorial))
    return chebyshev_basis(rescaled, order=hops).float()


class ElectrodeFilters(nn.Module):
    """``Pool_2(ELU(BN(g_c * ELU(BN(sum_f w_cf h_f * x_c)))))``: filters along time for each electrode.

    Since the first two layers are linear, the filters are mixed, and not the filtered signals.

    Parameters
    ----------
    n_channels : int
        Electrodes.
    n_filters, n_taps : int
        Temporal filters that all electrodes share, and their length in samples.
    """

    def __init__(self, n_channels: int, *, n_filters: int, n_taps: int) -> None:
        super().__init__()
        self.temporal = nn.Parameter(glorot(n_filters, n_taps, fan_in=n_taps, fan_out=n_taps * n_filters))
        fans = {"fan_in": n_channels * n_filters, "fan_out": n_filters}
        self.mixing = nn.Parameter(glorot(n_channels, n_filters, 1, **fans))
        self.mixing_norm = batch_norm(n_channels)
        self.smoothing = nn.Parameter(glorot(n_channels, 5, fan_in=5 * n_channels, fan_out=5))
        self.smoothing_norm = batch_norm(n_channels)

    def kernels(self) -> Tensor:
        """The temporal filters mixed for each electrode, (n_channels, n_taps)."""
        mixed: Tensor = self.mixing.mT @ self.temporal
        return mixed.squeeze(-2)

    def forward(self, x: Tensor) -> Tensor:
        """(n_channels, n_batch, n_times) -> (n_channels, n_batch, (n_times - 4) // 2)."""
        n_taps = self.temporal.shape[-1]
        # Keras' "same": of an odd number of zeros the larger half comes after.
        x = correlate(x, self.kernels(), before=(n_taps - 1) // 2, after=n_taps // 2)
        x = activate(self.mixing_norm, x)
        x = activate(self.smoothing_norm, correlate(x, self.smoothing, before=0, after=0))
        return average_pool(x, 2)


class RegionMessages(nn.Module):
    """``ELU(BN(Q (k_c * MP(X))))``: messages between electrodes of a region, then a separable convolution.

    Parameters
    ----------
    hierarchy : Hierarchy
        Regions, their graphs and hops.
    """

    basis: Tensor
    blocks: Tensor

    def __init__(self, hierarchy: Hierarchy) -> None:
        super().__init__()
        sizes = [len(region.ch_names) for region in hierarchy.regions]
        orders = [hops + 1 for hops in hierarchy.hops]
        self.messages = nn.Parameter(torch.cat([glorot(n, fan_in=n, fan_out=n) for n in orders]))
        self.separable = nn.Parameter(torch.cat([glorot(n, 5, fan_in=5 * n, fan_out=5) for n in sizes]))
        self.pointwise = nn.Parameter(torch.cat([glorot(n * n, 1, fan_in=n, fan_out=n) for n in sizes]))
        self.norm = batch_norm(sum(sizes))
        self.register_buffer("basis", messages_within_regions(hierarchy), persistent=False)
        self.register_buffer("blocks", diagonal_blocks(sizes), persistent=False)

    def heard(self) -> Tensor:
        """What each electrode hears of the others, (n_channels, n_channels)."""
        return weighted_sum(self.messages, self.basis)

    def forward(self, x: Tensor) -> Tensor:
        """(n_channels, n_batch, n_times) -> the same."""
        told = (self.heard() @ x.flatten(1)).reshape(x.shape)
        told = correlate(told, self.separable, before=2, after=2)
        pointwise = weighted_sum(self.pointwise[:, 0], self.blocks)
        return activate(self.norm, (pointwise @ told.flatten(1)).reshape(x.shape))


class AttentionFusion(nn.Module):
    """One signal of each group of nodes: their mean, weighted by a softmax of a map of their time means.

    For a group with time means m: ``a = softmax(K m + b)`` and ``y(t) = sum_i a_i x_i(t)``. Only the mean of
    y over time is computed, ``sum_i a_i m_i``: whatever HiSTN does with y afterwards is linear in it until it
    is averaged.

    Parameters
    ----------
    sizes : sequence of int
        Nodes of each group.
    """

    blocks: Tensor
    outside: Tensor

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        one = [torch.cat([glorot(n * n, fan_in=n, fan_out=n) for n in sizes]) for _ in range(2)]
        self.weight = nn.Parameter(torch.stack(one))
        self.bias = nn.Parameter(torch.zeros(2, sum(sizes), 1))
        self.register_buffer("blocks", diagonal_blocks(sizes), persistent=False)
        outside = torch.zeros(len(sizes), sum(sizes)).masked_fill(_membership(sizes) == 0, -math.inf)
        self.register_buffer("outside", outside[..., None], persistent=False)

    def forward(self, means: Tensor) -> Tensor:
        """(2, n_nodes, n_batch) -> (2, n_groups, n_batch), means over time of both; own weights for each."""
        scores = weighted_sum(self.weight, self.blocks) @ means + self.bias
        weights = (scores[:, None] + self.outside).softmax(dim=-2)
        return (weights * means[:, None]).sum(dim=-2)


class SeparableFusion(nn.Module):
    """One signal of each group of nodes, by a separable convolution: ``y(t) = sum_i p_i (k_i * x_i)(t)``.

    With 5 taps, zeros around the signal, ``|p_i| <= 1``. Only the mean of y over time is computed, as in
    `AttentionFusion`.

    Parameters
    ----------
    sizes : sequence of int
        Nodes of each group.
    """

    membership: Tensor

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.taps = nn.Parameter(torch.cat([glorot(n, 5, fan_in=5 * n, fan_out=5) for n in [*sizes, *sizes]]))
        weights = [torch.cat([glorot(n, 1, fan_in=n, fan_out=1) for n in sizes]) for _ in range(2)]
        self.pointwise = nn.Parameter(torch.stack(weights))
        self.register_buffer("membership", _membership(sizes), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(2, n_nodes, n_batch, n_times) -> (2, n_groups, n_batch), means over time; own weights for each."""
        filtered = correlate(x.flatten(0, 1), self.taps, before=2, after=2).mean(dim=-1)
        return self.membership @ (self.pointwise * filtered.reshape(x.shape[:-1]))


def _membership(sizes: Sequence[int]) -> Tensor:
    """(n_groups, n_nodes): 1 where a node is in a group."""
    return torch.eye(len(sizes)).repeat_interleave(torch.tensor(sizes), dim=1)
