"""`audit`: everything that can be said of a split from coordinates, features and labels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from physioaffect.errors import DataError
from physioaffect.evaluation.leakage.coordinates import (
    future_baseline,
    rows_without_coordinates,
    shared_units,
)
from physioaffect.evaluation.leakage.duplicates import duplicate_rows, near_duplicates
from physioaffect.evaluation.leakage.finding import Audit, Finding, NotMade, ranked
from physioaffect.evaluation.leakage.label_features import label_features
from physioaffect.evaluation.leakage.material import Material, Split, declared_levels, material_of
from physioaffect.evaluation.leakage.persons import same_person_two_names
from physioaffect.evaluation.leakage.recognition import trial_recognised
from physioaffect.evaluation.leakage.smoothing import smoothed_across_trials
from physioaffect.evaluation.leakage.standardised import (
    centred_on_later,
    scaled_on_all,
    standardised_per_person,
)
from physioaffect.evaluation.leakage.synthetic import synthetic_rows
from physioaffect.evaluation.leakage.time_features import time_features
from physioaffect.evaluation.protocols.folds import Fold, Protocol

__all__ = ["audit", "audit_folds", "audit_plan", "audit_table"]

Outcome = Finding | NotMade | None | Iterator[Finding | NotMade]

# From coordinates alone: quick enough for every fold of every run.
COORDINATE_CHECKS: dict[str, Callable[[Split], Outcome]] = {
    "sharing": shared_units,
    "rows_without_coordinates": rows_without_coordinates,
    "future_baseline": future_baseline,
}
FEATURE_CHECKS: dict[str, Callable[[Split], Outcome]] = {
    "duplicate_rows": duplicate_rows,
    "near_duplicates": near_duplicates,
    "trial_recognised": trial_recognised,
    "same_person_two_names": same_person_two_names,
    "synthetic_rows": synthetic_rows,
    "scaler_on_all": scaled_on_all,
    "standardised_per_person": standardised_per_person,
    "centred_on_later": centred_on_later,
    "smoothed_across_trials": smoothed_across_trials,
}
# Whatever the split.
TABLE_CHECKS: dict[str, Callable[[Material], Outcome]] = {
    "label_feature": label_features,
    "time_feature": time_features,
}


def audit(
    coords: pd.DataFrame,
    train: NDArray[Any] | Sequence[int],
    test: NDArray[Any] | Sequence[int],
    *,
    features: NDArray[Any] | pd.DataFrame | xr.Dataset | None = None,
    labels: Sequence[Any] | NDArray[Any] | pd.Series | None = None,
    declares: Protocol | Collection[str] | None = None,
    seed: int = 0,
) -> Audit:
    """Look for leaks in one split.

    Parameters
    ----------
    coords : pandas.DataFrame
        One row per window with whatever is known of it: subject, session, trial, stimulus, start and duration
        in seconds after the trial's onset, order, elapsed, baseline_start, baseline_stop, baseline_trial,
        target. No column is required; what a missing one prevents is named in ``Audit.not_made``.
    train, test : array of int or of bool
        Positions of the rows that anything was fitted on (training, validation, calibration), and of those
        that are tested; or masks.
    features : array, DataFrame or Dataset, shape (n_windows, ...), optional
        What the model gets, after every step that was made before the split.
    labels : sequence, shape (n_windows,), optional
        Default: the column ``target`` or ``label`` of ``coords``.
    declares : Protocol or collection of str, optional
        What the claim already admits: a protocol, or some of subject, session, stimulus. Sharing of these is
        then a note. What a protocol holds out must not be shared at all.
    seed : int
        Which rows are looked at where there are too many, and the permutations.

    Returns
    -------
    Audit
        Silent (``is_clean``) on a clean split; how often not is said with each check.

    Raises
    ------
    DataError
        If rows do not match, or a side is empty or beyond the table.

    Examples
    --------
    >>> coords = pd.DataFrame({"subject": list("aabb"), "trial": [1, 2, 1, 2]})
    >>> audit(coords, [0, 2], [1, 3]).findings[0].sentence
    '2 of 2 test windows (100 %) are of a person that training windows are of, too (2 of 2).'
    >>> audit(coords, [0, 1], [2, 3]).is_clean
    True
    """
    material = material_of(coords, features=features, labels=labels)
    sides = _positions(train, len(coords), "train"), _positions(test, len(coords), "test")
    found = _split_outcomes(_split(material, *sides, declares, seed), COORDINATE_CHECKS | FEATURE_CHECKS)
    return _gathered([("", found)], _table_outcomes(material))


def audit_folds(
    coords: pd.DataFrame,
    folds: Iterable[Fold] | Mapping[str, tuple[Any, Any]],
    *,
    features: NDArray[Any] | pd.DataFrame | xr.Dataset | None = None,
    labels: Sequence[Any] | NDArray[Any] | pd.Series | None = None,
    declares: Protocol | Collection[str] | None = None,
    seed: int = 0,
) -> Audit:
    """Look for leaks in many splits of one table; each finding names its folds and tells of the worst.

    Parameters
    ----------
    coords, features, labels, declares, seed
        As in `audit`.
    folds : iterable of Fold, or mapping of str to (train, test)
        The splits. Of a `Fold`, training, validation and calibration count as train.

    Returns
    -------
    Audit
    """
    material = material_of(coords, features=features, labels=labels)
    found = [
        (name, _split_outcomes(_split(material, *sides, declares, seed), COORDINATE_CHECKS | FEATURE_CHECKS))
        for name, sides in _sides(folds, len(coords))
    ]
    return _gathered(found, _table_outcomes(material))


def audit_plan(coords: pd.DataFrame, folds: Iterable[Fold], protocol: Protocol) -> dict[str, Any]:
    """Audit the folds of a protocol by coordinates alone, quickly, as JSON can hold it.

    Parameters
    ----------
    coords : pandas.DataFrame
        One row per window.
    folds : iterable of Fold
        The folds of ``protocol``.
    protocol : Protocol
        What it declares to share is a note.

    Returns
    -------
    dict
        `Audit.to_dict`, and under ``shared`` for each known level the share of test windows, over all folds,
        that have a counterpart among the training windows.

    Examples
    --------
    >>> from physioaffect.evaluation import get_protocol
    >>> coords = pd.DataFrame({"subject": list("aabbcc"), "trial": [1, 2, 1, 2, 1, 2]})
    >>> coords = coords.assign(dataset="own", session="1", stimulus=coords["trial"], window=0)
    >>> coords["target"] = ["calm", "tense"] * 3
    >>> loso = get_protocol("loso")
    >>> told = audit_plan(coords, loso.split(coords, np.random.default_rng(0)), loso)
    >>> told["shared"], [finding["kind"] for finding in told["findings"]]
    ({'subject': 0.0, 'session': 0.0, 'trial': 0.0, 'stimulus': 1.0}, ['stimulus_shared'])
    """
    material = material_of(coords)
    found = []
    n_shared: dict[str, int] = {}
    n_test = 0
    for name, sides in _sides(folds, len(coords)):
        split = _split(material, *sides, protocol, 0)
        found.append((name, _split_outcomes(split, COORDINATE_CHECKS)))
        n_test += len(split.test)
        for level, is_shared in split.shared.items():
            n_shared[level] = n_shared.get(level, 0) + int(is_shared.sum())
    shared = {level: round(n / max(n_test, 1), 6) for level, n in n_shared.items()}
    return {**_gathered(found, {}).to_dict(), "shared": shared}


def audit_table(
    coords: pd.DataFrame,
    features: NDArray[Any] | pd.DataFrame | xr.Dataset,
    *,
    labels: Sequence[Any] | NDArray[Any] | pd.Series | None = None,
) -> dict[str, Any]:
    """Look for features that are the label or a clock, whatever the splits, as JSON can hold it.

    Parameters
    ----------
    coords, features, labels
        As in `audit`.

    Returns
    -------
    dict
        `Audit.to_dict`, of no folds.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> coords = pd.DataFrame({"subject": np.repeat(list("abcd"), 10), "trial": np.tile(np.arange(10), 4)})
    >>> coords["target"] = rng.permutation(np.repeat(["calm", "tense"], 20))
    >>> features = pd.DataFrame({"power": rng.normal(size=40), "code": coords["target"] == "tense"})
    >>> told = audit_table(coords, features.astype(float))
    >>> [(finding["kind"], finding["severity"]) for finding in told["findings"]]
    [('label_feature', 'leak')]
    """
    return _gathered([], _table_outcomes(material_of(coords, features=features, labels=labels))).to_dict()


def _sides(
    folds: Iterable[Fold] | Mapping[str, tuple[Any, Any]], n_rows: int
) -> Iterator[tuple[str, tuple[NDArray[np.intp], NDArray[np.intp]]]]:
    if isinstance(folds, Mapping):
        for name, (train, test) in folds.items():
            yield str(name), (_positions(train, n_rows, "train"), _positions(test, n_rows, "test"))
        return
    for fold in folds:
        yield fold.name, (fold.fitted_idx, fold.test_idx)


def _positions(rows: NDArray[Any] | Sequence[int], n_rows: int, side: str) -> NDArray[np.intp]:
    array = np.asarray(rows)
    if array.dtype == bool:
        if array.shape != (n_rows,):
            raise DataError(f"The mask {side} has shape {array.shape}, the table {n_rows} rows.")
        array = np.flatnonzero(array)
    if array.ndim != 1 or len(array) == 0 or array.dtype.kind not in "iu":
        raise DataError(
            f"{side} must be a list of at least one row number, got {array.dtype}, {array.shape}."
        )
    if array.min() < 0 or array.max() >= n_rows:
        raise DataError(
            f"{side} names row {array[np.argmax(np.abs(array))]}, but rows go from 0 to {n_rows - 1}."
        )
    return array.astype(np.intp)


def _split(
    material: Material,
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    declares: Protocol | Collection[str] | None,
    seed: int,
) -> Split:
    allowed, held = declared_levels(declares)
    grants = declares.grants if isinstance(declares, Protocol) else frozenset()
    return Split(
        material=material, train=train, test=test, allowed=allowed, held=held, grants=grants, seed=seed
    )


def _table_outcomes(material: Material) -> dict[str, list[Finding | NotMade]]:
    return {name: _listed(check(material)) for name, check in TABLE_CHECKS.items()}


def _split_outcomes(
    split: Split, checks: Mapping[str, Callable[[Split], Outcome]]
) -> dict[str, list[Finding | NotMade]]:
    return {name: _listed(check(split)) for name, check in checks.items()}


def _listed(outcome: Outcome) -> list[Finding | NotMade]:
    if outcome is None:
        return []
    return [outcome] if isinstance(outcome, Finding | NotMade) else list(outcome)


def _gathered(
    of_folds: Sequence[tuple[str, dict[str, list[Finding | NotMade]]]],
    of_table: dict[str, list[Finding | NotMade]],
) -> Audit:
    """One finding per kind and severity, the gravest of its folds."""
    everything = [*of_folds, ("", of_table)]
    made: dict[str, None] = {}
    not_made: dict[str, str] = {}
    groups: dict[tuple[str, str], list[tuple[str, Finding]]] = {}
    for fold, outcomes in everything:
        for check, found in outcomes.items():
            refused = [item for item in found if isinstance(item, NotMade)]
            if not refused or check == "sharing":
                made[check] = None
            for item in refused:
                not_made.setdefault(item.check or check, item.reason)
            for finding in found:
                if isinstance(finding, Finding):
                    groups.setdefault((finding.kind, finding.severity), []).append((fold, finding))
    findings = []
    for group in groups.values():
        worst_fold, worst = max(group, key=lambda pair: pair[1].value)
        folds = tuple(dict.fromkeys(fold for fold, _ in group if fold))
        told = worst.sentence
        if len(of_folds) > 1 and folds:
            told = f"In {len(folds)} of {len(of_folds)} folds; fold {worst_fold}: {told}"
        findings.append(
            Finding(kind=worst.kind, severity=worst.severity, sentence=told, value=worst.value, folds=folds)
        )
    return Audit(
        findings=ranked(findings),
        made=tuple(made),
        not_made={name: reason for name, reason in not_made.items() if name not in made},
        n_folds=len(of_folds),
    )
