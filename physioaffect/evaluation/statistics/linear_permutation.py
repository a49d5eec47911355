r"""A linear model refitted to many label vectors at once, with the numbers that fitting it each time gives.

Labels belong to trials, so everything that a linear model learns follows from sums over whole trials, which
are made once: :math:`\sum x`, :math:`\sum x x^T` and, for the Ledoit-Wolf shrinkage, :math:`\sum x^2 {x^2}^T`
and :math:`\sum x^2 x^T` (:math:`x^2` element by element). The class sums of all label vectors are then one
matrix product, and those of a fold the difference to the trials it leaves out.

*Linear discriminant* (`EvenLDA` behind a ``StandardScaler``). Its covariance is the mean over classes of
:math:`(1 - s_k) S_k + s_k \mu \, \mathrm{diag}(S_k)`, where :math:`S_k` is the covariance within class k and
:math:`s_k` the shrinkage of Ledoit & Wolf (2004, doi 10.1016/S0047-259X(03)00096-4, section 3.3) on the
features standardised within the class, z:

.. math:: s_k = \min(b, d) / d, \quad d = \|R_k - \mu I\|^2 / p, \quad
   b = \left(\tfrac{1}{n_k} \sum_i \|z_i\|^4 - \|R_k\|^2\right) / (p n_k).

With weights :math:`w_j = 1 / \mathrm{var}_j` and class mean m, :math:`\|z_i\|^2 = w^T x_i^2 - 2 (w m)^T x_i +
w^T m^2`, so that the sum of its squares needs only the sums above; where windows are few, it is made from the
windows instead. Nothing is approximated. The scaler in front changes no decision, because the shrinkage is
towards the diagonal and everything else follows affine changes of the features.

*Ridge regression* behind a ``StandardScaler`` has one factorisation a fold for all label vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from physioaffect.evaluation.adaptation.transductive import PerSubjectScaled
from physioaffect.evaluation.models import EvenLDA
from physioaffect.evaluation.statistics.lda_permutation import lda_predictions
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
from physioaffect.native_threads import one_native_thread

__all__ = ["Linear", "linear_predictions", "recognise"]

Floats = NDArray[np.float64]
# Label vectors at a time: their class sums then stay in the processor's cache.
_CHUNK = 50
# Sums of trials in bytes beyond which it is better to fit again and again.
_MOST = 2**31


@dataclass(frozen=True, kw_only=True)
class Linear:
    """A model whose fits follow from sums; ``alpha`` is the ridge's, ``is_scaled`` within each person."""

    kind: Literal["lda", "ridge"]
    alpha: float = 0.0
    is_scaled: bool = False


def recognise(model: Any) -> Linear | None:
    """Tell whether a model is one of those above, by itself or in a `PerSubjectScaled`; None if not."""
    is_scaled = type(model) is PerSubjectScaled
    inside = model.model if is_scaled else model
    if type(inside) is not Pipeline or len(inside.steps) != 2:
        return None
    scaler, last = (step for _, step in inside.steps)
    if type(scaler) is not StandardScaler or not (scaler.with_mean and scaler.with_std):
        return None
    if type(last) is EvenLDA and last.shrinkage == "auto":
        return Linear(kind="lda", is_scaled=is_scaled)
    defaults = Ridge(alpha=last.alpha).get_params() if type(last) is Ridge else None
    if defaults is not None and np.ndim(last.alpha) == 0 and last.alpha > 0:
        given = last.get_params() | {"random_state": None, "copy_X": True}
        if given == defaults:
            return Linear(kind="ridge", alpha=float(last.alpha), is_scaled=is_scaled)
    return None


def linear_predictions(
    linear: Linear, X: Floats, labels: NDArray[Any], roles: Roles, *, n_classes: int, n_jobs: int = 1
) -> Predicted:
    """Fit to every label vector in every fold and predict.

    Parameters
    ----------
    linear : Linear
        The model. Features that it standardises within each person must be so already.
    X : ndarray, shape (n_windows, n_features)
        Finite features.
    labels : ndarray, shape (n, n_trials)
        Numbers, or positions of classes.
    roles : Roles
        Folds.
    n_classes : int
        Number of classes; ignored for numbers.
    n_jobs : int
        Threads.

    Returns
    -------
    Predicted
        For all trials; nothing is counted in those that no fold tests.

    Raises
    ------
    NotLinear
        If a class lacks two windows in a training set, a feature is constant in a fold or class but not in
        all, a covariance is singular after shrinkage, or the sums need too much memory.
    """
    spread = X.std(axis=0)
    is_varied = spread > 0
    n_features = X.shape[1]
    X = (X[:, is_varied] - X[:, is_varied].mean(axis=0)) / spread[is_varied]
    n_cells, n_folds, (n_windows, p) = len(roles.trial_of_cell), len(roles.trains), X.shape
    # What the lengths of standardised windows cost a label vector: from the windows, 2 p products for each of
    # them and fold; from sums, 2 p^2 a cell to add them up and 3 p^2 a fold.
    with_fourth = linear.kind == "lda" and 2 * n_windows * n_folds > (2 * n_cells + 3 * n_folds) * p
    n_sums = p * (p + 1) // 2 + (2 * p * p if with_fourth else 0)
    if n_cells * n_sums * 8 > _MOST:
        raise NotLinear("the sums need too much memory")
    sums = TrialSums.of(X, roles.cell_of_row, n_cells, with_fourth=with_fourth)
    of_cell = labels[:, roles.trial_of_cell]
    chunks = [slice(start, start + _CHUNK) for start in range(0, len(labels), _CHUNK)]

    def run(chunk: slice) -> Predicted:
        there = slice(None) if roles.trains.shape[1] == 1 else chunk
        own = Roles(
            cell_of_row=roles.cell_of_row,
            trial_of_cell=roles.trial_of_cell,
            trains=roles.trains[:, there],
            tests=roles.tests[:, there],
        )
        if linear.kind == "ridge":
            return ridge_predictions(sums, of_cell[chunk], own, linear.alpha)
        return lda_predictions(sums, of_cell[chunk], own, n_classes, n_features)

    with one_native_thread():
        parts = Parallel(n_jobs=n_jobs, prefer="threads")(delayed(run)(chunk) for chunk in chunks)
    return Predicted(
        counts=np.concatenate([part.counts for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
    )


def ridge_predictions(sums: TrialSums, labels: NDArray[Any], roles: Roles, alpha: float) -> Predicted:
    p, n_trials = sums.X.shape[1], roles.trial_of_cell.max() + 1
    counts, scores = np.zeros((len(labels), n_trials, 1)), np.zeros((len(labels), n_trials, 2))
    one = np.ones((1, labels.shape[1]))
    y = labels.astype(float)
    totals = [one @ sums.first, one @ sums.second, y @ sums.first]
    for trains, tests in zip(roles.trains, roles.tests, strict=True):
        side = Side.of(trains)
        first = side.sums(one, sums.first, totals[0])
        n, mean = first[:, :1], first[:, 1 : 1 + p] / first[:, :1]
        gram = unpacked(side.sums(one, sums.second, totals[1]), p)
        gram -= n[..., np.newaxis] * mean[:, :, np.newaxis] * mean[:, np.newaxis, :]
        variance = np.einsum("bii->bi", gram) / n
        if (variance < CONSTANT).any():
            raise NotLinear("a feature is constant in a fold")
        spread = np.sqrt(variance)
        gram /= spread[:, :, np.newaxis] * spread[:, np.newaxis, :]
        np.einsum("bii->bi", gram)[...] += alpha
        with_y = side.sums(y, sums.first, totals[2])[:, : 1 + p]
        right = (with_y[:, 1:] - with_y[:, :1] * mean) / spread
        if len(gram) == 1:
            coef = np.linalg.solve(gram[0], right.T).T
        else:
            coef = np.linalg.solve(gram, right[..., np.newaxis])[..., 0]
        coef = coef / spread
        rows, starts, trials, is_tested = tested(sums, roles, tests)
        values = sums.X[rows] @ coef.T + ((with_y[:, :1] / n)[:, 0] - (mean * coef).sum(axis=1))
        found = (np.ones_like(values), values, values**2)
        added = [np.add.reduceat(part, starts, axis=0).T * is_tested for part in found]
        add_to(counts, trials, added[0][..., np.newaxis])
        add_to(scores, trials, np.stack(added[1:], axis=-1))
    return Predicted(counts=counts, scores=scores)
