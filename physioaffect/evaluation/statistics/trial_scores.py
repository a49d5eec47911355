"""Scores of many relabellings at once, from what each trial's predictions add up to.

All windows of a trial have its label, so the confusion of a person follows from how many windows of each
trial were predicted as what, and sums of squares likewise; no permutation looks at a window again. The values
equal those of `physioaffect.evaluation.scoring.metrics`, which the tests check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physioaffect.evaluation.protocols.folds import Indices

__all__ = [
    "LOWER_IS_BETTER",
    "Predicted",
    "class_scores_by_subject",
    "mean_scores",
    "number_scores_by_subject",
]

Floats = NDArray[np.float64]
LOWER_IS_BETTER = frozenset({"rmse"})


@dataclass(frozen=True, kw_only=True, eq=False)
class Predicted:
    """What predictions add up to by trial; the first axis has one entry per relabelling, or just one.

    Classes: ``counts`` (n, n_trials, n_classes) windows predicted as each class, ``scores`` their summed
    scores.
    Numbers: ``counts`` (n, n_trials, 1) windows, ``scores`` (n, n_trials, 2) sums and sums of squares of the
    predictions.
    """

    counts: Floats
    scores: Floats


def _by_subject(values: Floats, subject: Indices) -> Floats:
    """Sum over the trials (second axis) of each subject; trials are sorted by subject."""
    starts = np.flatnonzero(np.r_[True, np.diff(subject) > 0])
    sums: Floats = np.add.reduceat(values, starts, axis=1)
    return sums


def _ratio(above: Floats, below: Floats) -> Floats:
    """Divide; NaN where there is nothing to divide by."""
    nothing = np.full(np.broadcast(above, below).shape, np.nan)
    quotient: Floats = np.divide(above, below, out=nothing, where=below > 0)
    return quotient


def _macro_f1(confusion: Floats, total: Floats) -> Floats:  # noqa: ARG001
    right = np.einsum("...kk->...k", confusion)
    either = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    return mean_scores(_ratio(2 * right, either))


def _balanced_accuracy(confusion: Floats, total: Floats) -> Floats:  # noqa: ARG001
    right = np.einsum("...kk->...k", confusion)
    return mean_scores(_ratio(right, confusion.sum(axis=-1)))


def _accuracy(confusion: Floats, total: Floats) -> Floats:
    # A person none of whose trials is tested has none.
    return _ratio(np.einsum("...kk->...", confusion), total)


def _kappa(confusion: Floats, total: Floats) -> Floats:
    by_chance = (confusion.sum(axis=-1) * confusion.sum(axis=-2)).sum(axis=-1)
    by_chance = _ratio(by_chance, total)
    return _ratio(np.einsum("...kk->...", confusion) - by_chance, total - by_chance)


def _mcc(confusion: Floats, total: Floats) -> Floats:
    true, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    above = np.einsum("...kk->...", confusion) * total - (true * predicted).sum(axis=-1)
    spreads = (total**2 - (true**2).sum(axis=-1)) * (total**2 - (predicted**2).sum(axis=-1))
    return _ratio(above, np.sqrt(spreads))


# From confusions (..., true class, predicted class) and their totals.
_OF_CLASSES: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "macro_f1": _macro_f1,
    "balanced_accuracy": _balanced_accuracy,
    "accuracy": _accuracy,
    "kappa": _kappa,
    "mcc": _mcc,
}


def class_scores_by_subject(
    labels: Indices, predicted: Predicted, subject: Indices
) -> dict[tuple[str, str], Floats]:
    """Score classes.

    Parameters
    ----------
    labels : ndarray of int, shape (n, n_trials)
        True class of each trial, under each relabelling.
    predicted : Predicted
        Of the same trials, which are sorted by subject.
    subject : ndarray of int, shape (n_trials,)
        Ascending.

    Returns
    -------
    dict
        By (level, metric): ndarray, shape (n, n_subjects); NaN where a score is undefined.
    """
    n_classes = predicted.counts.shape[-1]
    chosen = np.asarray(predicted.scores.argmax(axis=-1))
    at_level = {"trial": np.eye(n_classes)[chosen], "window": predicted.counts}
    scores = {}
    for level, counts in at_level.items():
        rows = [
            _by_subject(np.where((labels == k)[..., np.newaxis], counts, 0.0), subject)
            for k in range(n_classes)
        ]
        confusion = np.stack(rows, axis=-2)
        total = confusion.sum(axis=(-2, -1))
        for name, metric in _OF_CLASSES.items():
            scores[level, name] = metric(confusion, total)
    return scores


def number_scores_by_subject(
    labels: Floats, predicted: Predicted, subject: Indices
) -> dict[tuple[str, str], Floats]:
    """Score numbers; as `class_scores_by_subject`, with the true number of each trial as ``labels``."""
    n, (sums, squares) = predicted.counts[..., 0], np.moveaxis(predicted.scores, -1, 0)
    mean = sums / n
    scores = {}
    # Counted from the same origin, so that little is lost where sums are subtracted.
    origin = labels[:1].mean()
    y = labels - origin
    for level, (weight, p, pp) in {
        "trial": (np.ones_like(n), mean - origin, (mean - origin) ** 2),
        "window": (n, sums - n * origin, squares - 2 * origin * sums + n * origin**2),
    }.items():
        total, sy, syy, sp, spp, syp = (
            _by_subject(np.broadcast_to(values, y.shape), subject)
            for values in (weight, weight * y, weight * y**2, p, pp, y * p)
        )
        var_y, var_p = syy / total - (sy / total) ** 2, spp / total - (sp / total) ** 2
        # Rounding leaves a little of the variance of a constant.
        var_y, var_p = (
            np.where(v > 1e-12 * (1 + s / total), v, 0.0) for v, s in ((var_y, syy), (var_p, spp))
        )
        both = np.where((var_y > 0) & (var_p > 0), syp / total - sy * sp / total**2, 0.0)
        scores[level, "ccc"] = _ratio(2 * both, var_y + var_p + ((sy - sp) / total) ** 2)
        scores[level, "pearson"] = _ratio(both, np.sqrt(var_y * var_p))
        scores[level, "rmse"] = np.sqrt(np.maximum(syy - 2 * syp + spp, 0) / total)
    return scores


def mean_scores(scores: Floats) -> Floats:
    """Mean over the last axis (subjects) of what is defined; NaN if nothing is."""
    is_there = ~np.isnan(scores)
    return _ratio(np.where(is_there, scores, 0.0).sum(axis=-1), is_there.sum(axis=-1).astype(float))
