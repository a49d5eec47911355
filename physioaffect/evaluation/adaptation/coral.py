"""CORAL: training features take on the covariance of the new person's unlabelled ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation.adaptation.wrapping import Part, Wrapper, flat, like, needs_features

__all__ = ["CORAL"]

Floats = NDArray[np.float64]


class CORAL(Wrapper):
    r"""Give the training features the mean and covariance of the unlabelled target, then fit a model.

    .. math:: x' = \mu_T + S\,(C_T + \lambda I)^{1/2} (C_S + \lambda I)^{-1/2} S^{-1} (x - \mu_S)

    with S the standard deviations of the training features (source), in units of which both covariances C are
    taken, each about its own mean. Validation windows, of the training people, are mapped alike; those of the
    target, and of calibration, stay as they are. Nobody's labels are used.

    Parameters
    ----------
    model : estimator
        A model of features; those of several dimensions are taken side by side. It gets what it ``uses``.
    regularisation : float
        The :math:`\lambda`, in units of a training feature's variance: at 0 the covariances match exactly,
        but few windows make them singular; the larger, the less is changed but the mean. Default: 1, as
        published.

    Attributes
    ----------
    matrix_ : ndarray, shape (n_features, n_features)
        Applied from the right to centred rows, in the features' units.
    source_mean_, target_mean_ : ndarray, shape (n_features,)
        The two means.

    Raises
    ------
    ValueError
        If the regularisation is negative, or the model takes raw windows or covariances.
    DataError
        If a training feature's covariance is singular and there is no regularisation.
    ProtocolError
        If there are fewer than two unlabelled windows.

    Notes
    -----
    Sun, Feng & Saenko, AAAI 2016, arXiv 1511.05547, algorithm 1.

    **Deviations**

    * The paper wants both domains normalised beforehand. Here the target is left alone and the training
      features are moved onto its mean, which for a model with an intercept is the same; variances match, too.
    * All training people together are one source.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(200) % 2
    >>> X = rng.normal(size=(200, 2)) + 3 * y[:, np.newaxis]
    >>> wider = 10 * X + 70  # The same, as another amplifier sees it.
    >>> model = CORAL(LogisticRegression()).fit(X, y, target=(wider, np.full(200, "Ann")))
    >>> bool((model.predict(wider) == y).mean() > 0.95)
    True
    """

    own_uses = frozenset({"unlabelled"})

    def __init__(self, model: Any, regularisation: float = 1.0) -> None:
        super().__init__(model)
        self.regularisation = regularisation

    def _learn(self, parts: Mapping[str, Part]) -> None:
        if not self.regularisation >= 0:
            raise ValueError(f"CORAL needs a regularisation of at least 0, got {self.regularisation}.")
        needs_features(self.model, "CORAL mixes features", "Use EuclideanAligned.")
        source = flat(parts["train"].X)
        target = flat(parts["target"].X) if "target" in parts else source[:0]
        if len(target) < 2:
            raise ProtocolError(
                f"CORAL needs the covariance of unlabelled windows, got {len(target)} of them. Pass them to "
                "fit as target=(X, groups)."
            )
        self.source_mean_, self.target_mean_ = source.mean(axis=0), target.mean(axis=0)
        spread = source.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        ridge = self.regularisation * np.eye(source.shape[1])
        whitening = _power(_covariance(source / spread) + ridge, -0.5)
        colouring = _power(_covariance(target / spread) + ridge, 0.5)
        self.matrix_ = (whitening @ colouring) / spread[:, np.newaxis] * spread

    def _change(self, part: Part, role: str) -> Any:
        if role not in ("train", "validation"):
            return part.X
        moved = (flat(part.X) - self.source_mean_) @ self.matrix_ + self.target_mean_
        return like(part.X, moved.reshape(part.X.shape))


def _covariance(rows: Floats) -> Floats:
    return np.atleast_2d(np.cov(rows, rowvar=False))


def _power(matrix: Floats, exponent: float) -> Floats:
    """Power of a symmetric matrix that has no negative eigenvalues but by rounding."""
    values, vectors = np.linalg.eigh(matrix)
    is_null = values <= len(values) * np.finfo(np.float64).eps * max(values[-1], 0.0)
    if exponent < 0 and is_null.any():
        raise DataError(
            f"The covariance of the training features is singular in {int(is_null.sum())} of {len(values)} "
            "directions, so it cannot be undone. Take a regularisation above 0, or fewer features."
        )
    return np.asarray((vectors * np.where(is_null, 0.0, values) ** exponent) @ vectors.T)
