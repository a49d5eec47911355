"""Rows that lie exactly between two others, as SMOTE and mixup make them."""

from __future__ import annotations

import numpy as np

from physioaffect.evaluation.leakage.finding import Finding, NotMade
from physioaffect.evaluation.leakage.material import Split
from physioaffect.evaluation.leakage.neighbours import nearest

__all__ = ["synthetic_rows"]

MAX_ROWS = 1500
N_NEIGHBOURS = 20
# 1 + the cosine of the angle at a row between two others it lies between, for an angle of 1e-4 off straight.
_STRAIGHT = 0.5e-8


def synthetic_rows(split: Split) -> Finding | NotMade | None:
    """Rows on the straight line between two of their neighbours, where the three are not on one side.

    Notes
    -----
    Recorded rows never lie on a line: in ``D`` dimensions two directions are opposite within an angle of 1e-4
    with probability below ``1e-4 ** (D - 1)``, so that among the 285,000 pairs looked at in four dimensions
    one in a million tables has a row by chance. Three rows are asked for. Windows filled in by linear
    interpolation are found, too.
    """
    material = split.material
    if material.scaled is None:
        return NotMade(reason="no features were given.")
    X, is_complete, _ = material.scaled
    rows = np.concatenate([split.train, split.test])
    rows = rows[is_complete[rows]]
    if X.shape[1] < 4 or len(rows) < 2 * N_NEIGHBOURS:
        return NotMade(reason="it needs four features that vary and forty complete rows.")
    is_test = np.zeros(len(X), dtype=bool)
    is_test[split.test] = True
    asked = split.some(rows, MAX_ROWS)
    found = nearest(X, asked, rows, N_NEIGHBOURS)
    upper = np.triu_indices(found.rows.shape[1], 1)
    n_made = {True: 0, False: 0}
    for row, neighbours, distances in zip(asked, found.rows, found.distances, strict=True):
        is_apart = distances > 1e-9
        direction = (X[neighbours] - X[row]) / np.where(is_apart, distances, 1)[:, np.newaxis]
        cosine = (direction @ direction.T)[upper]
        pairs = np.flatnonzero((cosine <= -1 + _STRAIGHT) & is_apart[upper[0]] & is_apart[upper[1]])
        ends = is_test[neighbours[np.stack([upper[0][pairs], upper[1][pairs]])]]
        if (ends != is_test[row]).any():
            n_made[bool(is_test[row])] += 1
    if sum(n_made.values()) < 3:
        return None
    return Finding(
        kind="synthetic_rows",
        severity="leak",
        sentence=f"Of {len(asked)} rows looked at, {n_made[False]} training and {n_made[True]} test rows lie "
        "exactly between two others of which at least one is on the other side: they were made before the "
        "split.",
        value=sum(n_made.values()) / len(asked),
    )
