"""The linear discriminant `EvenLDA` fitted to many label vectors; see `linear_permutation`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from physioaffect.evaluation.statistics._lda_kernel import solve_discriminants
from physioaffect.evaluation.statistics.trial_scores import Predicted
from physioaffect.evaluation.statistics.trial_sums import (
    CONSTANT,
    NotLinear,
    Roles,
    Side,
    TrialSums,
    add_to,
    tested,
    unpacked,
)

__all__ = ["lda_predictions"]

Floats = NDArray[np.float64]


def lda_predictions(
    sums: TrialSums, labels: NDArray[Any], roles: Roles, n_classes: int, n_features: int
) -> Predicted:
    """Fit in every fold to each of ``labels``, (m, n_cells), and predict; n_features counts constant ones."""
    counts, scores = np.zeros((2, len(labels), roles.trial_of_cell.max() + 1, n_classes))
    weights = (labels == np.arange(n_classes)[:, np.newaxis, np.newaxis]).astype(float)
    sides = [Side.of(trains) for trains in roles.trains]
    one_by_one = sides
    if not sums.fourth.size:
        one_by_one = [Side.of(trains, may_take_off=False) for trains in roles.trains]
    classes = [_within(sums, w, sides, one_by_one, n_features) for w in weights]
    one = np.ones((1, labels.shape[1]))
    totals, of_all = weights[:-1] @ sums.second, one @ sums.second
    for f, (side, tests) in enumerate(zip(sides, roles.tests, strict=True)):
        own = _Within(*(np.stack([part[f] for part in parts]) for parts in zip(*classes, strict=True)))
        seconds = side.sums(weights[:-1], sums.second, totals)
        rest = side.sums(one, sums.second, of_all)
        coef = np.empty((len(labels), n_classes - 1, sums.X.shape[1]))
        try:
            is_regular = solve_discriminants(seconds, rest, *own, n_features, coef)
        except np.linalg.LinAlgError:
            is_regular = False
        if not is_regular:
            raise NotLinear("a covariance is singular")
        coef = coef.transpose(0, 2, 1)
        middle = ((own.mean[1:] + own.mean[0]) / 2).transpose(1, 2, 0)
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


def _within(
    sums: TrialSums, weights: Floats, sides: list[Side], one_by_one: list[Side], n_features: int
) -> _Within:
    """Everything about a class that needs no covariance, all folds at once.

    Windows of the cells in ``one_by_one`` are looked at themselves to get lengths.
    """
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
    if any(side.is_complement for side in one_by_one):
        # All windows of the class, those outside of the fold included: q = w x^2 + v x + c of each, squared.
        second = unpacked(weights @ sums.second, p)
        fourth, third = np.moveaxis((weights @ sums.fourth).reshape(m, 2, p, p), 1, 0)
        w_, v_ = w.transpose(1, 0, 2), v.transpose(1, 0, 2)
        whole = ((w_ @ fourth + 2 * (v_ @ third.transpose(0, 2, 1))) * w_).sum(axis=-1)
        whole += ((v_ @ second) * v_).sum(axis=-1)
        linear = (w * total[:, 1 + p :] + v * total[:, 1 : 1 + p]).sum(axis=-1)
        lengths = whole.T + 2 * c * linear + c**2 * total[:, 0]
    for f, side in enumerate(one_by_one):
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
