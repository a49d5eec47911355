"""Gaps: what stands in for samples that are missing while a filter runs over them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["bridge"]


def bridge(X: NDArray[np.floating[Any]], is_missing: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Join the samples on both sides of a gap by a line, and hold the first and last one outwards.

    A channel without any sample becomes zero. The result is a copy; time is the last axis.

    Examples
    --------
    >>> X = np.array([np.nan, 1.0, np.nan, 3.0, np.nan])
    >>> bridge(X, np.isnan(X))
    array([1., 1., 2., 3., 3.])
    """
    bridged: NDArray[np.float64] = np.array(X, dtype=np.float64)
    samples = np.arange(X.shape[-1])
    for row in map(tuple, np.argwhere(is_missing.any(axis=-1))):
        known = ~is_missing[row]
        bridged[row] = np.interp(samples, samples[known], bridged[row][known]) if known.any() else 0.0
    return bridged
