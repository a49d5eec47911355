"""Permutation tests with refits: a model learns permuted labels as it learnt the true ones."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import clone

from physioaffect.data_set import Task
from physioaffect.evaluation.models import FitsFolds, uses_of
from physioaffect.evaluation.protocols.folds import Fold, Indices
from physioaffect.evaluation.running.fitting import fit, predict, seeded
from physioaffect.evaluation.statistics.exchange import Exchange, exchange_of
from physioaffect.evaluation.statistics.exchange_words import Level
from physioaffect.evaluation.statistics.linear_permutation import Linear, linear_predictions, recognise
from physioaffect.evaluation.statistics.permutation_tables import by_trial_sums, numbers_of, permutation_table
from physioaffect.evaluation.statistics.trial_scores import Predicted
from physioaffect.evaluation.statistics.trial_sums import NotLinear, Roles
from physioaffect.evaluation.table import Table
from physioaffect.native_threads import one_native_thread

__all__ = ["permute_fits"]

# Relabellings after which folds that have stayed the same are taken not to depend on labels.
_ENOUGH = 5
Resplit = Callable[[pd.DataFrame], Iterable[Fold]]


def permute_fits(  # noqa: PLR0913
    table: Table,
    task: Task,
    folds: Sequence[Fold],
    model: Any,
    *,
    n_permutations: int = 1000,
    seed: int = 0,
    seeds: Sequence[int] | None = None,
    level: Level | None = None,
    resplit: Resplit | None = None,
    n_jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Refit a model to permuted labels in every fold and compare its score with theirs.

    This holds its level whatever the model and the protocol: all that is done with the true labels is done
    with the permuted ones. The pipelines that `recognise` knows (``lda`` and ``ridge``, also within
    `PerSubjectScaled`) are fitted to all label vectors at once, with the same numbers; any other model is
    fitted ``n_permutations`` times in every fold.

    Parameters
    ----------
    table : Table
        Windows with their labels.
    task : Task
        Its ``source`` decides what is exchanged.
    folds : sequence of Fold
        Of one protocol, as they were used for the scores.
    model : estimator
        Not fitted; the same that was scored.
    n_permutations : int
        Relabellings.
    seed : int
        Draws them.
    seeds : sequence of int, optional
        One a fold, for a model with randomness: the same for every relabelling. Default: 0 for each.
    level : {"trial", "stimulus", "subject"}, optional
        See `exchange_of`.
    resplit : callable, optional
        From coords with permuted ``target`` to folds. Protocols that look at labels to make folds (stratified
        folds, first trials of each class) need it; where the first relabellings leave the folds as they are,
        these are used for all.
    n_jobs : int
        Threads for recognised models, processes for others.
    progress : callable, optional
        Called with (relabellings done, all of them), for models that are not recognised.

    Returns
    -------
    pandas.DataFrame
        One row per level ("trial", "window") and metric: level, metric, observed, chance (mean over the
        relabellings), low and high (their 2.5 and 97.5 % quantiles), p, n_permutations, n_distinct,
        exchange, refitted (True), tests (what a small p says, and what not). If nothing can be exchanged,
        all but ``observed`` is NaN and ``tests`` says why.

    Raises
    ------
    DataError
        If a trial has two labels or none.
    ProtocolError
        If stimuli cannot be exchanged as asked.
    ValueError
        If ``n_permutations`` is below 1.

    Examples
    --------
    >>> import xarray as xr
    >>> from physioaffect.datasets import DREAMER
    >>> from physioaffect.evaluation import get_model, loso
    >>> coords = pd.DataFrame({"subject": np.repeat(list("abcd"), 8), "trial": np.tile(np.arange(8), 4)})
    >>> coords = coords.assign(dataset="own", session="1", stimulus=coords["trial"], window=0, start=0.0)
    >>> coords = coords.assign(duration=4.0, target=np.where(coords["trial"] % 2, "high", "low"))
    >>> values = np.random.default_rng(0).normal(size=(32, 2)) + (coords[["trial"]].to_numpy() % 2)
    >>> features = xr.Dataset({"power": (("window", "band"), values)})
    >>> task = DREAMER.tasks["valence"]
    >>> table = Table(coords=coords, features=features, raw=None, raw_idx=np.arange(32))
    >>> folds = list(loso.split(coords, np.random.default_rng(0)))
    >>> found = permute_fits(table, task, folds, get_model("lda", task), n_permutations=99)
    >>> found.set_index(["level", "metric"]).loc[("trial", "macro_f1"), ["n_permutations", "p"]].tolist()
    [99.0, 0.01]
    """
    exchange = exchange_of(table.coords, task.source, level=level)
    labels = numbers_of(exchange.labels, task.kind, task.classes)
    taken = np.arange(len(labels))[np.newaxis]
    if exchange.n_distinct > 1:
        taken = np.vstack([taken, exchange.positions(n_permutations, seed)])
    all_folds: list[Sequence[Fold]] = [list(folds)]
    if resplit is not None:
        all_folds += _resplit(resplit, table.coords, exchange, taken[1:], folds)
    predicted = None
    if (linear := recognise(model)) is not None:
        try:
            predicted = _at_once(linear, table, task, labels[taken], exchange, all_folds, n_jobs)
        except NotLinear:
            predicted = None
    if predicted is None:
        given = [0] * len(folds) if seeds is None else list(seeds)
        predicted = _one_by_one(
            model, table, task, labels[taken], exchange, all_folds, given, n_jobs, progress
        )
    return permutation_table(labels[taken], predicted, exchange, refitted=True)


def _resplit(
    resplit: Resplit,
    coords: pd.DataFrame,
    exchange: Exchange,
    taken: Indices,
    folds: Sequence[Fold],
) -> list[Sequence[Fold]]:
    """Make the folds of each relabelling; none if they do not depend on labels."""
    made: list[Sequence[Fold]] = []
    for b, row in enumerate(taken):
        if b == _ENOUGH and all(_are_same(own, folds) for own in made):
            return []
        made.append(list(resplit(coords.assign(target=exchange.labels[row][exchange.trial_of_row]))))
    return [] if all(_are_same(own, folds) for own in made) else made


def _are_same(some: Sequence[Fold], others: Sequence[Fold]) -> bool:
    def parts(fold: Fold) -> list[Indices]:
        return [fold.train_idx, fold.validation_idx, fold.calibration_idx, fold.unlabelled_idx, fold.test_idx]

    return len(some) == len(others) and all(
        np.array_equal(mine, other)
        for one, another in zip(some, others, strict=True)
        for mine, other in zip(parts(one), parts(another), strict=True)
    )


def _at_once(
    linear: Linear,
    table: Table,
    task: Task,
    labels: NDArray[Any],
    exchange: Exchange,
    folds: Sequence[Sequence[Fold]],
    n_jobs: int,
) -> Predicted:
    X = table.flat()
    if linear.is_scaled:
        X = _scaled_within_people(X, table.people, folds)
    roles = Roles.of(folds, exchange.trial_of_row)
    return linear_predictions(linear, X, labels, roles, n_classes=len(task.classes), n_jobs=n_jobs)


def _scaled_within_people(
    X: NDArray[np.float64], people: NDArray[np.str_], folds: Sequence[Sequence[Fold]]
) -> NDArray[np.float64]:
    """Standardise as `PerSubjectScaled` does where each fold has a person's windows whole or not at all."""
    for fold in {id(f): f for own in folds for f in own}.values():
        is_there = np.zeros(len(X), dtype=bool)
        is_there[fold.fitted_idx] = is_there[fold.unlabelled_idx] = True
        if np.isin(people[~is_there], people[is_there]).any():
            raise NotLinear("people are divided")
    scaled = np.empty_like(X)
    for person in np.unique(people):
        own = X[people == person]
        spread = own.std(axis=0)
        scaled[people == person] = (own - own.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return scaled


def _one_by_one(  # noqa: PLR0913, PLR0917
    model: Any,
    table: Table,
    task: Task,
    labels: NDArray[Any],
    exchange: Exchange,
    folds: Sequence[Sequence[Fold]],
    seeds: Sequence[int],
    n_jobs: int,
    progress: Callable[[int, int], None] | None,
) -> Predicted:
    layout = getattr(model, "layout", None)
    X = table.inputs(tuple(layout) if layout is not None else None)
    groups, trial_of_row = table.people, exchange.trial_of_row
    # A network takes all cores by itself.
    n_jobs = 1 if isinstance(model, FitsFolds) else n_jobs
    jobs = (
        delayed(_refit)(
            b, model, X, row[trial_of_row], groups, folds[b % len(folds)], seeds, task, trial_of_row
        )
        for b, row in enumerate(labels)
    )
    found: list[Any] = [None] * len(labels)
    for done, (b, counts, scores) in enumerate(
        Parallel(n_jobs=n_jobs, return_as="generator_unordered")(jobs), start=1
    ):
        found[b] = (counts, scores)
        if progress is not None:
            progress(done, len(labels))
    counts, scores = (np.stack([own[part] for own in found]) for part in (0, 1))
    return Predicted(counts=counts, scores=scores)


def _refit(  # noqa: PLR0913, PLR0917
    b: int,
    model: Any,
    X: Any,
    y: NDArray[Any],
    groups: NDArray[Any],
    folds: Sequence[Fold],
    seeds: Sequence[int],
    task: Task,
    trial_of_row: Indices,
) -> tuple[int, NDArray[np.float64], NDArray[np.float64]]:
    """Fit to one label vector in all folds; predictions added up by trial."""
    with one_native_thread(), warnings.catch_warnings():
        # A relabelling may leave a class one window, of which scikit-learn warns; it counts as it is.
        warnings.simplefilter("ignore")
        if isinstance(model, FitsFolds):
            options = {"groups": groups} if "groups" in uses_of(model) else {}
            fitted = clone(model).fit_folds(X, y, folds, seeds=seeds, **options)
            parts = [predict(own, X, groups, fold, task) for own, fold in zip(fitted, folds, strict=True)]
        else:
            parts = [
                _fit_one(model, X, y, groups, fold, seeds[f % len(seeds)], task)
                for f, fold in enumerate(folds)
            ]
    rows = np.concatenate([fold.test_idx for fold in folds])
    values = np.concatenate(parts)
    return b, *by_trial_sums(values, trial_of_row[rows], int(trial_of_row.max()) + 1, task.kind)


def _fit_one(
    model: Any,
    X: Any,
    y: NDArray[Any],
    groups: NDArray[Any],
    fold: Fold,
    seed: int,
    task: Task,
) -> NDArray[np.float64]:
    present = np.unique(y[fold.fitted_idx])
    if task.kind != "regression" and len(present) == 1:
        # A relabelling may leave one class to train on; then there is but one thing to predict.
        return np.tile(np.eye(len(task.classes))[present], (len(fold.test_idx), 1))
    return predict(fit(seeded(model, seed), X, y, groups, fold), X, groups, fold, task)
