"""A run's scores with intervals, and its models compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from physioaffect.errors import DataError
from physioaffect.evaluation.models import BASELINES
from physioaffect.evaluation.scoring import POOLED
from physioaffect.evaluation.statistics.comparison import compare_pairs
from physioaffect.evaluation.statistics.intervals import Method, mean_intervals, note_on

__all__ = ["BOUNDS", "compare_in", "with_intervals"]

KEYS = ["protocol", "model", "level", "metric"]
_SHARE, _CORRELATION = (0.0, 1.0), (-1.0, 1.0)
# Ends of the scale of each metric; one that is not here has none.
BOUNDS = {
    **dict.fromkeys(("accuracy", "balanced_accuracy", "macro_f1", "auroc"), _SHARE),
    **dict.fromkeys(("tri_p", "seq2hr", "adjacent_top1", "adjacent_top2", "top2_accuracy"), _SHARE),
    **dict.fromkeys(("kappa", "mcc", "ccc", "pearson"), _CORRELATION),
    "rmse": (0.0, np.inf),
}


def with_intervals(
    scores: pd.DataFrame,
    *,
    confidence: float = 0.95,
    method: Method | Mapping[str, Method] = "t",
    n_resamples: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Mean over subjects of every score of a run, with its interval.

    Parameters
    ----------
    scores : pandas.DataFrame
        Long, as ``Result.scores``: protocol, model, level, subject (or ``"(pooled)"``), metric, value.
    confidence : float
        Of the intervals; called so because ``level`` is trial or window here.
    method : {"t", "bootstrap", "corrected"} or mapping
        As of `mean_interval`; or one for each protocol, ``"corrected"`` for those whose folds share training
        people and ``"t"`` for those in which every person has a model of their own.
    n_resamples, seed
        As of `mean_interval`.

    Returns
    -------
    pandas.DataFrame
        Indexed by protocol, model, level, metric in the order of ``scores``: ``mean``, ``sd`` (between
        subjects), ``n_subjects``, ``low``, ``high`` (cut at the ends of the metric's scale), ``pooled``
        (over all rows at once; no interval, since its rows are not independent), ``undefined`` (the subjects
        without a score, such as AUROC with one class, joined by commas; they are not in ``n_subjects``) and
        ``note``.

    Raises
    ------
    DataError
        If columns are missing, or a subject has two values of the same score.

    Examples
    --------
    >>> rows = [("loso", "lda", "trial", f"s{i}", "accuracy", v) for i, v in enumerate([0.5, 0.6, 0.7, 0.6])]
    >>> names = ["protocol", "model", "level", "subject", "metric", "value"]
    >>> table = with_intervals(pd.DataFrame(rows, columns=names))
    >>> table[["mean", "low", "high"]].round(3).to_numpy().tolist()
    [[0.6, 0.47, 0.73]]
    """
    _check_columns(scores)
    # Codes instead of names: thirty times faster than pivoting tables of strings.
    coded = [pd.factorize(scores[name]) for name in KEYS]
    row_of = np.ravel_multi_index([codes for codes, _ in coded], [max(len(names), 1) for _, names in coded])
    row_codes, groups = pd.factorize(row_of)
    parts = np.unravel_index(groups, [max(len(names), 1) for _, names in coded])
    index = pd.MultiIndex.from_arrays(
        [names[part] for part, (_, names) in zip(parts, coded, strict=True)], names=KEYS
    )
    subject_codes, subjects = pd.factorize(scores["subject"])
    values = scores["value"].to_numpy(dtype=float)
    cells = row_codes * len(subjects) + subject_codes
    if len(np.unique(cells)) < len(cells):
        first = scores[scores.duplicated([*KEYS, "subject"])].iloc[0]
        raise DataError(
            f"Subject {first['subject']} has two values of {', '.join(str(first[name]) for name in KEYS)}. "
            "A subject has one score: average repeated runs first, and say so."
        )
    table = np.full((len(groups), len(subjects)), np.nan)
    table.ravel()[cells] = values
    is_asked = np.zeros(table.shape, dtype=bool)
    is_asked.ravel()[cells] = True
    is_person = np.asarray(subjects != POOLED)
    pooled = table[:, ~is_person][:, 0] if not is_person.all() else np.full(len(groups), np.nan)
    table, is_asked, names = table[:, is_person], is_asked[:, is_person], np.asarray(subjects)[is_person]
    bounds = np.array([BOUNDS.get(metric, (-np.inf, np.inf)) for metric in index.get_level_values("metric")])

    is_defined = np.isfinite(table)
    protocols = index.get_level_values("protocol")
    if not isinstance(method, str) and (unknown := set(protocols) - set(method)):
        raise ValueError(f"method names none for the protocols {', '.join(sorted(unknown))}.")
    methods: list[Method] = [
        method if isinstance(method, str) else method[protocol] for protocol in protocols
    ]
    columns = {name: np.full(len(groups), np.nan) for name in ("mean", "sd", "low", "high")}
    patterns, pattern_of = np.unique(is_defined, axis=0, return_inverse=True)
    for number, own in sorted(set(zip(pattern_of.ravel().tolist(), methods, strict=True))):
        if not patterns[number].any():
            continue
        rows = np.flatnonzero((pattern_of.ravel() == number) & (np.asarray(methods) == own))
        limits = mean_intervals(
            table[np.ix_(rows, np.flatnonzero(patterns[number]))].T,
            level=confidence,
            method=own,
            n_resamples=n_resamples,
            seed=seed,
            bounds=(bounds[rows, 0], bounds[rows, 1]),
        )
        for name, column in columns.items():
            column[rows] = getattr(limits, name)
    n_defined = is_defined.sum(axis=1)
    lost = is_asked & ~is_defined
    undefined = [", ".join(map(str, names[row])) if row.any() else "" for row in lost]
    notes = [
        note_on(n=int(n), sd=sd, low=low, high=high, method=own, bounds=(bound[0], bound[1]))
        for n, sd, low, high, bound, own in zip(
            n_defined, columns["sd"], columns["low"], columns["high"], bounds, methods, strict=True
        )
    ]
    notes = [
        f"{note} Undefined for {n} of {n + m} people ({who}).".lstrip() if n else note
        for note, n, m, who in zip(notes, lost.sum(axis=1), n_defined, undefined, strict=True)
    ]
    return pd.DataFrame(
        {
            "mean": columns["mean"], "sd": columns["sd"], "n_subjects": n_defined,
            "low": columns["low"], "high": columns["high"], "pooled": pooled,
            "undefined": undefined, "note": notes,
        },
        index=index,
    )  # fmt: skip


def compare_in(
    scores: pd.DataFrame,
    protocol: str,
    level: str,
    metric: str,
    *,
    baselines: Sequence[str] = BASELINES,
    confidence: float = 0.95,
    method: Method = "t",
) -> pd.DataFrame:
    """Compare the models of a run under one protocol over its subjects.

    Parameters
    ----------
    scores : pandas.DataFrame
        Long, as ``Result.scores``.
    protocol, level, metric : str
        Which scores; ``level`` is ``"trial"`` or ``"window"``.
    baselines : sequence of str
        Models that are baselines; those that the run lacks are passed over.
    confidence, method
        Of the intervals of the differences, see `mean_interval`.

    Returns
    -------
    pandas.DataFrame
        As `compare_models`, after a column ``family``: ``"models"`` for every pair of models,
        ``"baselines"`` for every model against every baseline. Holm's correction is within a family: these
        are two questions. The differences are a - b; of errors such as ``rmse`` a negative one is in favour
        of a.

    Raises
    ------
    DataError
        If the run has no such scores.

    Examples
    --------
    >>> rows = [("loso", m, "trial", str(s), "accuracy", v + 0.01 * s)
    ...         for m, v in (("lda", 0.6), ("majority", 0.5)) for s in range(8)]
    >>> scores = pd.DataFrame(rows, columns=["protocol", "model", "level", "subject", "metric", "value"])
    >>> found = compare_in(scores, "loso", "trial", "accuracy")
    >>> found[["family", "model_a", "model_b", "p_holm"]].to_numpy().tolist()
    [['baselines', 'lda', 'majority', 0.0078125]]
    """
    _check_columns(scores)
    is_asked = (scores["protocol"] == protocol) & (scores["level"] == level) & (scores["metric"] == metric)
    own = scores[is_asked & (scores["subject"] != POOLED)]
    if own.empty:
        raise DataError(
            f"The scores hold nothing for protocol {protocol}, level {level}, metric {metric}. They have "
            + "; ".join(
                f"{name}: {', '.join(map(str, scores[name].unique()))}"
                for name in ("protocol", "level", "metric")
            )
            + "."
        )
    if own.duplicated(["model", "subject"]).any():
        raise DataError(
            "A subject has two values of the same score: average repeated runs first, and say so."
        )
    wide = own.pivot(index="subject", columns="model", values="value").reindex(own["subject"].unique())
    known = [model for model in own["model"].unique() if model in baselines]
    models = [model for model in own["model"].unique() if model not in baselines]
    pairs = {
        "models": [(a, b) for place, a in enumerate(models) for b in models[place + 1 :]],
        "baselines": [(model, baseline) for model in models for baseline in known],
    }
    tables = []
    for family, own_pairs in pairs.items():
        table = compare_pairs(wide, own_pairs, level=confidence, method=method)
        table.insert(0, "family", family)
        tables.append(table)
    kept = [table for table in tables if len(table)]
    return pd.concat(kept, ignore_index=True) if kept else tables[0]


def _check_columns(scores: pd.DataFrame) -> None:
    missing = [name for name in (*KEYS, "subject", "value") if name not in scores]
    if missing:
        raise DataError(f"The scores lack the columns {', '.join(missing)}. Pass Result.scores.")
