"""Tangent space of covariance matrices, fitted on training rows only (needs pyRiemann)."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from physioaffect.errors import DataError
from physioaffect.features._edges import as_matrices
from physioaffect.features.covariance import check_definite

__all__ = ["TangentSpace"]


class TangentSpace(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types.
    """Project covariances to the tangent space at the mean of those it was fitted on.

    The mean is learnt, so this is a step of a model, fitted in each fold, and not a family of features: taken
    over all windows it would tell a fold about its test windows.

    Parameters
    ----------
    metric : str
        Of pyRiemann: "riemann" (affine-invariant) or "logeuclid".

    Attributes
    ----------
    layout : tuple of str
        Of the input: what `Covariance` gives without bands and without ``log``.
    references_ : ndarray, shape (n_bands, n_channels, n_channels)
        The mean of each band.

    Raises
    ------
    ValueError
        If rows are no triangles, not of the size of those it was fitted on, not there at all, or hold NaN.
    DataError
        If pyRiemann is not installed, or a covariance is singular in double precision.

    Notes
    -----
    Barachant et al., IEEE Trans. Biomed. Eng. 59, 920-928, 2012, doi 10.1109/TBME.2011.2172210.

    Examples
    --------
    >>> rows = np.array([[1.0, 0.0, 1.0], [np.e**2, 0.0, 1.0]])  # Diagonal; their mean is (e, 1).
    >>> TangentSpace().fit(rows).transform(rows).round(6) + 0.0
    array([[-1.,  0.,  0.],
           [ 1.,  0.,  0.]])
    """

    layout = ("pair",)

    def __init__(self, metric: str = "riemann") -> None:
        self.metric = metric

    def fit(self, X: ArrayLike, y: Any = None) -> Self:  # noqa: ARG002
        """Find the mean of each band.

        Parameters
        ----------
        X : array_like, shape (n_windows, n_pairs) or (n_windows, n_pairs, n_bands)
            Upper triangles with diagonals, row by row.
        y : ignored
            As scikit-learn wants it.
        """
        try:
            from pyriemann.tangentspace import TangentSpace as OneBand  # noqa: PLC0415  It is an extra.
        except ImportError:
            raise DataError(
                "The tangent space needs pyRiemann, which is not installed: pip install "
                "'physioaffect[riemann]'."
            ) from None
        matrices = self._matrices(X)
        if matrices.shape[1] == 0:
            raise ValueError("A mean of covariances needs at least one window, got none.")
        check_definite(np.linalg.eigvalsh(matrices))
        # The mean is found by iteration; at EEG's 1e-10 V^2 its tolerance would be met by the first guess.
        self._scale = float(np.mean(np.trace(matrices, axis1=-2, axis2=-1))) / matrices.shape[-1]
        self._bands = [OneBand(metric=self.metric).fit(band / self._scale) for band in matrices]
        self.references_ = np.stack([band.reference_ * self._scale for band in self._bands])
        self.n_features_in_ = np.shape(X)[1]
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Tangent vectors of all bands side by side, shape (n_windows, n_bands * n_pairs)."""
        check_is_fitted(self, "references_")
        bands = self._matrices(X)
        (n_bands, n_channels), (n_here, n_channels_here) = (
            (len(array), array.shape[-1]) for array in (self.references_, bands)
        )
        if (n_bands, n_channels) != (n_here, n_channels_here):
            raise ValueError(
                f"Fitted on {n_channels} channels in {n_bands} band(s), got {n_channels_here} in {n_here}. "
                "Give rows of the same feature."
            )
        check_definite(np.linalg.eigvalsh(bands))
        projected = [
            band.transform(matrices / self._scale) for band, matrices in zip(self._bands, bands, strict=True)
        ]
        return np.concatenate(projected, axis=1)

    def _matrices(self, X: ArrayLike) -> NDArray[np.float64]:
        rows = np.asarray(X, dtype=np.float64)
        rows = rows[..., np.newaxis] if rows.ndim == 2 else rows
        n_channels = (math.isqrt(8 * rows.shape[1] + 1) - 1) // 2 if rows.ndim == 3 else 0
        if rows.ndim != 3 or n_channels * (n_channels + 1) // 2 != rows.shape[1]:
            raise ValueError(
                "X must be (n_windows, n_pairs) or (n_windows, n_pairs, n_bands) with the n (n + 1) / 2 "
                f"pairs of n channels, got shape {np.shape(X)}. Take it from the family Covariance."
            )
        if not np.isfinite(rows).all():
            raise ValueError(
                f"{int((~np.isfinite(rows).all(axis=(1, 2))).sum())} of {len(rows)} windows lack a "
                "covariance. Leave them out, or interpolate the channels that lack samples."
            )
        return as_matrices(rows.transpose(2, 0, 1), n_channels).astype(np.float64, copy=False)
