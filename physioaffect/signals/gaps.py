"""Gaps: what stands in for samples that are missing while a filter runs over them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["bridge"]


def bridge(X: NDArray[np.float64], is_missing: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Join the samples on both sides of a gap by a line, and hold the first and last one outwards.

    A channel without any sample becomes zero.
    """
    n_times = X.shape[-1]
    here = np.arange(n_times)
    before = np.maximum.accumulate(np.where(is_missing, -1, here), axis=-1)
    after = np.minimum.accumulate(np.where(is_missing, n_times, here)[..., ::-1], axis=-1)[..., ::-1]
    before, after = (
        np.where(before < 0, np.minimum(after, n_times - 1), before),
        np.where(after == n_times, np.maximum(before, 0), after),
    )
    left, right = (np.take_along_axis(X, idx, axis=-1) for idx in (before, after))
    bridged: NDArray[np.float64] = left + (right - left) * (here - before) / np.maximum(after - before, 1)
    bridged[is_missing.all(axis=-1)] = 0
    return bridged
