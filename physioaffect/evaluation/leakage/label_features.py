"""Features that are the label in other clothes."""

from __future__ import annotations

from collections.abc import Iterator
from math import lgamma, log

import numpy as np
from numpy.typing import NDArray

from physioaffect.evaluation.leakage.finding import Finding, NotMade
from physioaffect.evaluation.leakage.material import Material, means_of

__all__ = ["label_features"]


def label_features(material: Material, *, alpha: float = 1e-3) -> Iterator[Finding | NotMade]:
    """Find single features that tell the label of every trial.

    A leak: between labels lies 99 % of the feature's variance, window by window (classes), or its rank
    follows the label's with a correlation of 0.99 (numbers). A warning: one cut per pair of neighbouring
    classes tells every trial's class.

    Notes
    -----
    Either is reported only if it would happen to any feature with probability below ``alpha`` were the labels
    dealt to the trials at random: of ``N! / (n_1! ... n_K!)`` ways to deal them, ``K!`` are told apart
    perfectly by one feature, and all features are allowed for (Bonferroni). So with few trials nothing can be
    said. No noise in the labels: a signal that is really as good as that would be named, too.
    """
    if material.scaled is None or material.y is None:
        yield NotMade(reason="it needs features and labels.")
        return
    X, is_complete, varying = material.scaled
    trials = material.unit("trial")
    is_complete = is_complete & (np.ones(len(X), dtype=bool) if trials is None else trials >= 0)
    X, y = X[is_complete], material.y[is_complete]
    unit = np.arange(len(X)) if trials is None else trials[is_complete]
    _, first, number = np.unique(unit, return_index=True, return_inverse=True)
    means = means_of(X, number)
    if len(first) < 2:
        return
    if material.is_class:
        strength, is_exact, log_p = _of_classes(X, y, means, y[first])
    else:
        strength, is_exact, log_p = _of_numbers(means, y[first].astype(float))
    if log_p + log(X.shape[1]) > log(alpha):
        yield NotMade(reason=f"{len(first)} trials are too few to tell a copy of the label from chance.")
        return
    for severity, is_found in (("leak", is_exact), ("warning", (strength >= 1) & ~is_exact)):
        if not is_found.any():
            continue
        told = ", ".join(varying[column] for column in np.flatnonzero(is_found)[:5])
        more = f" and {is_found.sum() - 5} more" if is_found.sum() > 5 else ""
        what = (
            "is a function of the label"
            if severity == "leak"
            else "tells the label of every trial by itself, though it is not constant within a label"
        )
        yield Finding(
            kind="label_feature",
            severity="leak" if severity == "leak" else "warning",
            sentence=f"Each of these {what}: {told}{more}. By chance one of {X.shape[1]} features would in "
            f"{len(first)} trials with p = {np.exp(log_p + log(X.shape[1])):.2g}.",
            value=float(is_found.sum()),
        )


def _of_classes(
    X: NDArray[np.float64], y: NDArray[np.generic], means: NDArray[np.float64], labels: NDArray[np.generic]
) -> tuple[NDArray[np.float64], NDArray[np.bool_], float]:
    classes, counts = np.unique(labels, return_counts=True)
    within = sum(((X[y == name] - X[y == name].mean(axis=0)) ** 2).sum(axis=0) for name in classes)
    is_exact = within < 0.01 * ((X - X.mean(axis=0)) ** 2).sum(axis=0)
    ordered = labels[np.argsort(means, axis=0, kind="stable")]
    n_changes = (ordered[1:] != ordered[:-1]).sum(axis=0)
    # A tie between classes is no separation.
    values = np.sort(means, axis=0)
    is_tied = ((ordered[1:] != ordered[:-1]) & (values[1:] - values[:-1] <= 0)).any(axis=0)
    is_told = (n_changes == len(classes) - 1) & ~is_tied
    log_p = lgamma(len(classes) + 1) + sum(lgamma(n + 1) for n in counts) - lgamma(len(labels) + 1)
    if len(classes) < 2:
        return np.zeros(X.shape[1]), np.zeros(X.shape[1], dtype=bool), 0.0
    return is_told.astype(float), is_exact & is_told, log_p


def _of_numbers(
    means: NDArray[np.float64], labels: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_], float]:
    from scipy.stats import rankdata, t  # noqa: PLC0415

    ranks, of_label = rankdata(means, axis=0), rankdata(labels)
    ranks, of_label = ranks - ranks.mean(axis=0), of_label - of_label.mean()
    size = np.linalg.norm(ranks, axis=0) * np.linalg.norm(of_label)
    rho = np.abs(of_label @ ranks) / np.where(size > 0, size, 1)
    freedom = max(len(labels) - 2, 1)
    log_p = float(log(2) + t.logsf(0.99 * np.sqrt(freedom / (1 - 0.99**2)), freedom))
    return np.zeros(len(rho)), rho >= 0.99, log_p
