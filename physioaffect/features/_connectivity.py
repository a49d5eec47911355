"""Sums over pairs of channels that no matrix product gives, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect._compiled import compiled

__all__ = ["lag_sums"]


# Reassociated sums let the compiler add 16 samples at once; the order is the same on any number of threads.
@compiled(fastmath={"reassoc", "contract", "nsz"})
def lag_sums(parts: NDArray[np.floating[Any]], sums: NDArray[np.floating[Any]]) -> None:
    """Sum the imaginary cross-products of each pair, their magnitudes, squares and terms.

    Parameters
    ----------
    parts : ndarray, shape (n_windows, 2 n_channels, n_observations)
        All real parts, then all imaginary ones.
    sums : ndarray, shape (n_windows, 4, n_edges)
        Filled in: sum, sum of magnitudes, sum of squares, and sum of the magnitudes of the two products whose
        difference the imaginary part is.
    """
    n_windows, n_rows, n_observations = parts.shape
    n_channels = n_rows // 2
    for window in range(n_windows):
        edge = 0
        for i in range(n_channels):
            re_i, im_i = parts[window, i], parts[window, n_channels + i]
            for j in range(i + 1, n_channels):
                re_j, im_j = parts[window, j], parts[window, n_channels + j]
                total = magnitude = square = terms = parts.dtype.type(0)
                for t in range(n_observations):
                    ahead = im_i[t] * re_j[t]
                    behind = re_i[t] * im_j[t]
                    lag = ahead - behind
                    total += lag
                    magnitude += abs(lag)
                    square += lag * lag
                    terms += abs(ahead) + abs(behind)
                sums[window, 0, edge] = total
                sums[window, 1, edge] = magnitude
                sums[window, 2, edge] = square
                sums[window, 3, edge] = terms
                edge += 1
