"""Filters of raw signals as matrix products, which take less time than torch's own convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Moments", "average_pool", "filter_each", "mix", "padded_kernels", "response_moments"]

# Shorter blocks than this make products too small to be worth their calls.
_SHORTEST_BLOCK = 32
# Beyond this, a product with the weights of all means costs more than it saves in calls.
_LONGEST_POOLED = 64


class Moments(NamedTuple):
    """Mean and variance of the response to each filter, (n_filters,), in double precision."""

    mean: Tensor
    variance: Tensor


def filter_each(x: Tensor, kernels: Tensor) -> Tensor:
    """Filter each group of signals by its own kernel, a depthwise convolution.

    ``y_f(t) = sum_k h_f(k) x_f(t + k - (n_taps - 1) // 2)`` with zeros around the signal (Keras' "same"):
    blocks of the signal are multiplied by the kernel's Toeplitz matrix.

    Parameters
    ----------
    x : Tensor, shape (n_batch, n_filters, depth, n_times)
        Signals; those in one group share a kernel.
    kernels : Tensor, shape (n_filters, n_taps)
        Impulse responses, backwards in time.

    Returns
    -------
    y : Tensor, shape (n_batch, n_filters, depth, n_times)

    Examples
    --------
    >>> filter_each(torch.tensor([[[[1.0, 2.0, 4.0]]]]), torch.tensor([[0.0, 1.0, 10.0]]))
    tensor([[[[21., 42.,  4.]]]])
    """
    n_batch, n_filters, depth, n_times = x.shape
    n_taps = kernels.shape[-1]
    length = max(n_taps, _SHORTEST_BLOCK)
    n_blocks = -(-n_times // length)
    before = (n_taps - 1) // 2
    padded = functional.pad(x, (before, (n_blocks + 1) * length - n_times - before))
    blocks = padded.transpose(0, 1).reshape(n_filters, n_batch * depth, n_blocks + 1, length)
    # What a block's last sample needs lies in the next one. (Tensor.unfold has no gradient under vmap.)
    blocks = torch.cat([blocks[:, :, :-1], blocks[:, :, 1:, : n_taps - 1]], dim=-1)
    y = blocks.flatten(1, 2) @ _toeplitz(kernels, length)
    return y.reshape(n_filters, n_batch, depth, -1)[..., :n_times].transpose(0, 1)


def _toeplitz(kernels: Tensor, length: int) -> Tensor:
    """(n_filters, n_taps) -> (n_filters, length + n_taps - 1, length): the kernel of column t is in row t."""
    n_filters, n_taps = kernels.shape
    width = length + n_taps - 1
    # One zero more than a row holds: so each row begins one sample later than the one above.
    repeated = functional.pad(kernels, (0, length)).repeat(1, length)
    return repeated[:, : length * width].reshape(n_filters, length, width).mT


def response_moments(x: Tensor, kernels: Tensor) -> Moments:
    """Mean and variance of all signals' responses to each filter, without computing a response.

    With R the second moments of the windows that the kernel slides over, ``E[y_f^2] = h_f^T R h_f``.

    Parameters
    ----------
    x : Tensor, shape (n_batch, n_channels, n_times)
        Signals; every filter is applied to all of them, as in `filter_each`.
    kernels : Tensor, shape (n_filters, n_taps)
        As in `filter_each`.

    Returns
    -------
    moments : Moments
        Over batch, channels and times, the variance divided by their number.

    Examples
    --------
    >>> response_moments(torch.tensor([[[1.0, 2.0, 4.0]]]), torch.tensor([[2.0]])).mean
    tensor([4.6667], dtype=torch.float64)
    """
    n_taps = kernels.shape[-1]
    # Double precision: where a filter passes little of the signal, its power is a small difference.
    signals = x.flatten(0, 1).double()
    filters = kernels.double()
    count = signals.numel()
    first = _sums_of_windows(signals.sum(dim=0), n_taps)
    sums = _sums_of_windows(_lagged_products(signals, n_taps), n_taps)
    taps = torch.arange(n_taps, device=x.device)
    second = sums[torch.minimum(taps, taps[:, None]), (taps - taps[:, None]).abs()]
    mean = filters @ first / count
    power = ((filters @ second) * filters).sum(dim=-1) / count
    return Moments(mean, power - mean.square())


def _lagged_products(signals: Tensor, n_lags: int) -> Tensor:
    """Sums over signals of ``x(t) x(t + lag)``: (n_signals, n_times) -> (n_times, n_lags)."""
    n_times = signals.shape[-1]
    length = min(max(n_lags, _SHORTEST_BLOCK), n_times)
    padded = functional.pad(signals, (0, length + n_lags))
    width = length + n_lags - 1
    blocks = [
        padded[:, start : start + length].mT @ padded[:, start : start + width]
        for start in range(0, n_times, length)
    ]
    # Row t of a block holds the products of its sample t; those with lag 0 are on its diagonal.
    lagged = torch.stack(blocks).as_strided((len(blocks), length, n_lags), (length * width, width + 1, 1))
    return lagged.flatten(0, 1)[:n_times]


def _sums_of_windows(rows: Tensor, n_taps: int) -> Tensor:
    """Sum for each tap what it meets, zeros around the signal: (n_times, ...) -> (n_taps, ...)."""
    n_times = len(rows)
    around = (0, 0) * (rows.ndim - 1) + ((n_taps - 1) // 2 + 1, n_taps // 2)
    total = functional.pad(rows, around).cumsum(dim=0)
    return total[n_times:] - total[:n_taps]


def average_pool(x: Tensor, size: int) -> Tensor:
    """Means of ``size`` samples each along the last axis; samples left over at the end are dropped.

    Products with a matrix of weights take less time than torch's pooling.

    Examples
    --------
    >>> average_pool(torch.tensor([1.0, 3.0, 5.0, 9.0, 100.0]), 2)
    tensor([2., 7.])
    """
    n_times = x.shape[-1]
    n_pools = n_times // size
    if n_times <= _LONGEST_POOLED:
        return x @ functional.pad(_pools(n_pools, size, x), (0, 0, 0, n_times % size))
    group = next(group for group in (8, 4, 2, 1) if n_pools % group == 0)
    blocks = x[..., : n_pools * size].reshape(-1, group * size)
    return (blocks @ _pools(group, size, x)).reshape(*x.shape[:-1], n_pools)


def _pools(n_pools: int, size: int, like: Tensor) -> Tensor:
    """Weights of neighbouring means, (n_pools * size, n_pools)."""
    identity = torch.eye(n_pools, dtype=like.dtype, device=like.device)
    return identity.repeat_interleave(size, dim=0) / size


def mix(weight: Tensor, x: Tensor) -> Tensor:
    """Sums of signals by weights: (n_out, n_in), (..., n_in, n_times) -> (..., n_out, n_times).

    Half the time of ``weight @ x``, which lays out x anew.

    Examples
    --------
    >>> mix(torch.tensor([[1.0, -1.0]]), torch.tensor([[[3.0, 4.0], [1.0, 1.0]]]))
    tensor([[[2., 3.]]])
    """
    return weight.expand(*x.shape[:-2], -1, -1) @ x


def padded_kernels(kernels: Sequence[Tensor]) -> Tensor:
    """Kernels of several lengths, (n_filters, ..., n_taps) each, as one table with zeros after short ones.

    Examples
    --------
    >>> padded_kernels([torch.ones(1, 3), torch.ones(1, 2)])
    tensor([[1., 1., 1.],
            [1., 1., 0.]])
    """
    longest = max(kernel.shape[-1] for kernel in kernels)
    flat = [kernel.reshape(len(kernel), -1) for kernel in kernels]
    return torch.cat([functional.pad(kernel, (0, longest - kernel.shape[-1])) for kernel in flat])
