"""The linear discriminant `EvenLDA` fitted to many label vectors; see `linear_permutation`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from physioaffect.evaluation.statistics.trial_scores import Predicted
from physioaffect.evaluation.statistics.trial_sums import (
    CONSTANT,
    NotLinear,
    Roles,
    Side,
    TrialSums,
    add_to,
    tested,
)

__all__ = ["lda_predictions"]

Floats = NDArray[np.float64]


def lda_predictions(
    sums: TrialSums, labels: NDArray[Any], roles: Roles, n_classes: int, n_features: int
) -> Predicted:
    """Fit in every fold to each of ``labels``, (m, n_cells), and predict; n_features counts constant ones."""
    m, p = len(labels), sums.X.shape[1]
    counts, scores = np.zeros((2, m, roles.trial_of_cell.max() + 1, n_classes))
    weights = [(labels == k).astype(float) for k in range(n_classes)]
    sides = [Side.of(trains) for trains in roles.trains]
    classes = [_within(sums, w, sides, n_features) for w in weights]
    one = np.ones((1, labels.shape[1]))
    totals, of_all = [w @ sums.second for w in weights[:-1]], one @ sums.second
    for f, (side, tests) in enumerate(zip(sides, roles.tests, strict=True)):
        covariance = np.zeros((m, p, p))
        rest = side.sums(one, sums.second, of_all)
        for k, own in enumerate(classes):
            if k < n_classes - 1:
                second = side.sums(weights[k], sums.second, totals[k])
                rest = rest - second
            else:
                second = rest  # The last class is what the others leave.
            second = second.reshape(m, p, p)
            second /= own.n[f][:, np.newaxis, np.newaxis]
            mean = own.mean[f]
            second -= mean[:, :, np.newaxis] * mean[:, np.newaxis, :]
            shrinkage, mu = _shrinkage(second, own, f, n_features)
            variance = np.einsum("bii->bi", second)
            added = shrinkage[:, np.newaxis] * mu * variance
            second *= (1 - shrinkage)[:, np.newaxis, np.newaxis]
            variance += added  # On the diagonal of ``second``.
            covariance += second
        covariance /= n_classes
        means = [own.mean[f] for own in classes]
        between = np.stack([mean - means[0] for mean in means[1:]], axis=-1)
        middle = np.stack([(mean + means[0]) / 2 for mean in means[1:]], axis=-1)
        coef = np.linalg.solve(covariance, between)
        rows, starts, trials, is_tested = tested(sums, roles, tests)
        values = np.tensordot(sums.X[rows], coef, axes=(1, 1)) - (middle * coef).sum(axis=1)
        if n_classes == 2:
            second_class = expit(values[..., 0])
            probable = np.stack([1 - second_class, second_class], axis=-1)
            chosen = np.stack([values[..., 0] <= 0, values[..., 0] > 0], axis=-1)
        else:
            values = np.concatenate([np.zeros((*values.shape[:2], 1)), values], axis=-1)
            probable = softmax(values, axis=-1)
            chosen = np.eye(n_classes, dtype=bool)[values.argmax(axis=-1)]
        for found, there in ((chosen, counts), (probable, scores)):
            added = np.add.reduceat(found.astype(float), starts, axis=0).transpose(1, 0, 2)
            add_to(there, trials, added * is_tested[..., np.newaxis])
    return Predicted(counts=counts, scores=scores)


class _Within(NamedTuple):
    """A class in every fold: windows (n_folds, m), mean and 1 / variance (n_folds, m, p), and z's lengths."""

    n: Floats
    mean: Floats
    weight: Floats
    # Sum over windows of the fourth power of the length of the standardised window.
    lengths: Floats


def _within(sums: TrialSums, weights: Floats, sides: list[Side], n_features: int) -> _Within:
    """Everything about a class that needs no covariance, all folds at once."""
    m, p = len(weights), sums.X.shape[1]
    total = weights @ sums.first
    table = np.stack([side.sums(weights, sums.first, total) for side in sides])
    n, mean = table[..., 0], table[..., 1 : 1 + p]
    if (n < 2).any():
        raise NotLinear("a class lacks two training windows")
    n1 = n[..., np.newaxis]
    mean = mean / n1
    variance = table[..., 1 + p :] / n1 - mean**2
    if (variance < CONSTANT).any():
        raise NotLinear("a feature is constant in a class")
    w = 1 / variance
    v = -2 * w * mean
    c = (w * mean**2).sum(axis=-1)
    lengths = np.zeros(n.shape)
    if n_features == 1:
        return _Within(n, mean, w, lengths)
    if any(side.is_complement for side in sides):
        # All windows of the class, those outside of the fold included: q = w x^2 + v x + c of each, squared.
        second = (weights @ sums.second).reshape(m, p, p)
        fourth, third = np.moveaxis((weights @ sums.fourth).reshape(m, 2, p, p), 1, 0)
        w_, v_ = w.transpose(1, 0, 2), v.transpose(1, 0, 2)
        whole = ((w_ @ fourth + 2 * (v_ @ third.transpose(0, 2, 1))) * w_).sum(axis=-1)
        whole += ((v_ @ second) * v_).sum(axis=-1)
        linear = (w * total[:, 1 + p :] + v * total[:, 1 : 1 + p]).sum(axis=-1)
        lengths = whole.T + 2 * c * linear + c**2 * total[:, 0]
    for f, side in enumerate(sides):
        rows = np.concatenate([sums.rows[cell] for cell in side.cells])
        starts = np.cumsum([0] + [len(sums.rows[cell]) for cell in side.cells[:-1]])
        X = sums.X[rows]
        q = X**2 @ w[f].T
        q += X @ v[f].T
        q += c[f]
        q *= q
        few = (np.add.reduceat(q, starts, axis=0).T * weights[:, side.cells] * side.is_in).sum(axis=1)
        lengths[f] = lengths[f] - few if side.is_complement else few
    return _Within(n, mean, w, lengths)


def _shrinkage(covariance: Floats, own: _Within, f: int, n_features: int) -> tuple[Floats, float]:
    """Shrinkage (m,) by Ledoit & Wolf of the standardised features, and what they are shrunk to."""
    p = covariance.shape[-1]
    # Features that never vary count in n_features and so in mu, as they do in scikit-learn.
    mu = p / n_features
    if n_features == 1:
        return np.zeros(len(covariance)), mu
    w = own.weight[f]
    square = ((np.square(covariance) @ w[..., np.newaxis])[..., 0] * w).sum(axis=1)
    beta = (own.lengths[f] / own.n[f] - square) / (n_features * own.n[f])
    delta = (square - 2 * mu * p + n_features * mu**2) / n_features
    beta = np.minimum(beta, delta)
    return np.divide(beta, delta, out=np.zeros_like(beta), where=beta != 0), mu
