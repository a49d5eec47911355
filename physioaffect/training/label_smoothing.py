"""Labels of classes that have an order, spread over their neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["gaussian_label_smoothing"]


def gaussian_label_smoothing(n_classes: int, spread: float) -> NDArray[np.float64]:
    """Probabilities that a Gaussian around each of n ordered classes gives to all of them.

    ``q_k = exp(-(k - y)² / (2 spread²)) / sum_j exp(-(j - y)² / (2 spread²))`` for the true class y: an error
    by one class costs less than an error by two.

    Parameters
    ----------
    n_classes : int
        Classes, in order and equally far apart.
    spread : float
        Standard deviation of the Gaussian, in classes; HiSTN's is 0.5. The narrower, the nearer to one-hot
        labels.

    Returns
    -------
    table : ndarray, shape (n_classes, n_classes)
        Row y holds the probabilities of true class y and adds up to 1.

    Raises
    ------
    ValueError
        If there is no class, or the spread is not above 0.

    Notes
    -----
    The "spatially smoothed label encoding" of HiSTN (Kuang et al. 2024, arXiv 2408.15255). Only training
    labels are smoothed there, not those of validation and test.

    Examples
    --------
    >>> gaussian_label_smoothing(3, 0.5).round(4)
    array([[8.805e-01, 1.192e-01, 3.000e-04],
           [1.065e-01, 7.870e-01, 1.065e-01],
           [3.000e-04, 1.192e-01, 8.805e-01]])
    """
    if n_classes < 1:
        raise ValueError(f"Smoothing needs at least one class, got n_classes={n_classes}.")
    if not spread > 0:
        raise ValueError(f"The spread is a width in classes, above 0, got {spread}.")
    classes = np.arange(n_classes)
    weights = np.exp(-0.5 * ((classes - classes[:, np.newaxis]) / spread) ** 2)
    table: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return table
