"""Rows of features that stand on both sides, exactly or with a little noise."""

from __future__ import annotations

import numpy as np

from physioaffect.evaluation.leakage.finding import Finding, NotMade
from physioaffect.evaluation.leakage.material import Split
from physioaffect.evaluation.leakage.neighbours import nearest

__all__ = ["duplicate_rows", "near_duplicates"]

MAX_ROWS = 4000
# In SDs of a feature: closer rows are the same but for rounding.
EXACT = 1e-9


def duplicate_rows(split: Split) -> Finding | NotMade | None:
    """Test rows that equal a training row in every feature, bit for bit.

    Recorded signals never coincide by chance; features that take few values do. If no feature is close to
    continuous (more than half of its values distinct once duplicate rows are gone), this is a warning.
    """
    X = split.material.X
    if X is None:
        return NotMade(reason="no features were given.")
    is_complete = np.asarray(np.isfinite(X).all(axis=1))
    train, test = (rows[is_complete[rows]] for rows in (split.train, split.test))
    # Zero has two signs that are equal and look different in memory.
    rows = np.ascontiguousarray(np.concatenate([X[train], X[test]]) + 0.0)
    keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    unique, first, number = np.unique(keys, return_index=True, return_inverse=True)
    is_in_train = np.zeros(len(unique), dtype=bool)
    is_in_train[number[: len(train)]] = True
    n_equal = int(is_in_train[number[len(train) :]].sum())
    if n_equal == 0:
        return None
    distinct = max(len(np.unique(column)) for column in rows[first].T)
    is_continuous = 2 * distinct > len(first)
    return Finding(
        kind="duplicate_rows",
        severity="leak" if is_continuous else "warning",
        sentence=f"{n_equal} of {len(test)} test rows equal a training row in all {X.shape[1]} features."
        + ("" if is_continuous else " These features take few values, so that rows may coincide by chance."),
        value=n_equal / len(test),
    )


def near_duplicates(split: Split, *, alpha: float = 1e-3) -> Finding | NotMade | None:
    """Test rows far closer to their nearest training row than to the next ones.

    Notes
    -----
    For points spread evenly in ``D`` dimensions, the ratio of the distances to the nearest and to the
    ``k``-th nearest is distributed as ``P(ratio < r) = 1 - (1 - r ** D) ** (k - 1)``, at most
    ``(k - 1) * r ** D`` [1]_. ``D`` is that of training rows among training rows of other units, by the
    quartile of their largest ratios of nearest to second, which many copies among them leave alone; units are
    people, sessions or trials, the widest that the split holds out, or rows. Clusters make that too large, so
    it is at most the covariance's ``trace(C) ** 2 / trace(C ** 2)``. ``k`` is 5, so that up to four
    copies are found, or 2 where trials have fewer than eight windows. With ``n`` test rows looked at, a row
    is flagged below ``alpha / n``.

    References
    ----------
    .. [1] Facco, E., d'Errico, M., Rodriguez, A., & Laio, A. (2017). Estimating the intrinsic dimension of
       datasets by a minimal neighborhood information. Scientific Reports, 7, 12140, eq. 3.
       doi:10.1038/s41598-017-11873-y
    """
    material = split.material
    if material.scaled is None:
        return NotMade(reason="no features were given.")
    X, is_complete, _ = material.scaled
    train = split.train[is_complete[split.train]]
    test, reference = split.some(split.test, MAX_ROWS), split.some(train, MAX_ROWS)
    if X.shape[1] < 2 or len(train) < 20 or len(test) == 0:
        return NotMade(reason="it needs two features that vary and twenty complete training rows.")
    units = np.arange(len(X)) if split.held_unit is None else split.held_unit
    if len(np.unique(units[train])) < 3:
        return NotMade(reason="it needs three training units to compare with.")
    trials = material.unit("trial")
    k = 5 if trials is not None and np.median(np.unique(trials[train], return_counts=True)[1]) >= 8 else 2
    usual = nearest(X, reference, train, 2, units=units).distances
    usual = usual[(usual[:, 1] > EXACT) & np.isfinite(usual[:, 1])]
    if len(usual) < 20:
        return NotMade(reason="training rows are copies of each other.")
    dimension = np.log(4 / 3) / max(-np.log(np.quantile(usual[:, 0] / usual[:, 1], 0.75)), 1e-6)
    covariance = np.cov(X[reference], rowvar=False)
    dimension = min(dimension, float(np.trace(covariance) ** 2 / np.sum(covariance**2)))
    distances = nearest(X, test, train, k, units=units).distances
    # Exact duplicates are counted elsewhere.
    is_asked = (distances[:, 0] > EXACT) & np.isfinite(distances[:, -1])
    ratio = np.where(is_asked, distances[:, 0] / np.where(is_asked, distances[:, -1], 1), 1.0)
    is_near = np.log(k - 1) + dimension * np.log(ratio) < np.log(alpha / len(test))
    if not is_near.any():
        return None
    return Finding(
        kind="near_duplicates",
        severity="leak",
        sentence=f"{is_near.sum()} of {len(test)} test rows lie {1 / ratio[is_near].max():.3g} times or more "
        f"closer to one training row than to the {'second' if k == 2 else 'fifth'} nearest; in the "
        f"{dimension:.3g} dimensions of these rows one would by chance with p < {alpha:g}.",
        value=float(is_near.mean()),
    )
