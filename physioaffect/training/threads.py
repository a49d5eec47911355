"""Torch's own threads and kernels, kept to what pays and what can be relied on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["no_denormals", "safe_bfloat16", "torch_threads"]


@contextmanager
def torch_threads(n_threads: int) -> Iterator[None]:
    """Let torch use at most so many threads inside; never more than it was allowed outside.

    Parameters
    ----------
    n_threads : int
        At least one.

    Examples
    --------
    >>> with torch_threads(1):
    ...     torch.get_num_threads()
    1
    """
    before = torch.get_num_threads()
    torch.set_num_threads(min(n_threads, before))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def no_denormals() -> Iterator[None]:
    """Take the smallest numbers for zero on this thread.

    The moments that Adam keeps of weights that no longer move shrink until they are denormal, which makes a
    step twice as slow.
    """
    # Torch does not tell, but who flushes them gets zero here.
    before = sys.float_info.min / 2 == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


@contextmanager
def safe_bfloat16(precision: str, device: torch.device) -> Iterator[None]:
    """On a processor and in bfloat16 let torch take its own kernels, not those of oneDNN.

    With torch 2.13 on processors with bfloat16 units the backward pass of a small ResNet through oneDNN used
    memory that nobody had written: every time other weights, now and then NaN.
    """
    if precision != "bfloat16" or device.type != "cpu":
        yield
        return
    # Not by its own context manager, which also sets what only other processors have, and warns of it.
    before = torch.backends.mkldnn.enabled
    torch.backends.mkldnn.enabled = False  # type: ignore[assignment]  # So torch describes its switch.
    try:
        yield
    finally:
        torch.backends.mkldnn.enabled = before
