"""Train on some trials of a person and test on others of the same person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold

from physioaffect.data_set import Report
from physioaffect.errors import ProtocolError
from physioaffect.evaluation.protocols.dealing import deal
from physioaffect.evaluation.protocols.folds import (
    Fold,
    Indices,
    Protocol,
    class_codes,
    codes,
    is_categorical,
    person_names,
)
from physioaffect.evaluation.protocols.left_out import LeftOut

__all__ = ["within_subject_trial", "within_subject_trial_kfold", "within_subject_trial_loto"]

# From the labels of a person's trials to the fold of each, or to what is lacking.
_Deal = Callable[[NDArray[Any], np.random.Generator], Indices | str]


def _at_most_five(labels: NDArray[Any], rng: np.random.Generator) -> Indices | str:
    """At most five folds, at least one trial of each class in each."""
    seed = int(rng.integers(2**31))
    if lacking := _lacking(labels):
        return lacking
    splitter: StratifiedKFold | KFold
    if is_categorical(labels):
        n_rarest = min(_counts(labels).values())
        splitter = StratifiedKFold(min(5, n_rarest), shuffle=True, random_state=seed)
    else:
        splitter = KFold(min(5, len(labels)), shuffle=True, random_state=seed)
    folds = np.empty(len(labels), dtype=np.intp)
    for number, (_, test) in enumerate(splitter.split(labels, labels)):
        folds[test] = number
    return folds


def _one_each(labels: NDArray[Any], rng: np.random.Generator) -> Indices | str:  # noqa: ARG001
    return _lacking(labels) or np.arange(len(labels))


def _into(n_folds: int) -> _Deal:
    def dealt(labels: NDArray[Any], rng: np.random.Generator) -> Indices | str:
        if lacking := _lacking(labels):
            return lacking
        if len(labels) < n_folds:
            return f"{len(labels)} trials"
        return deal(len(labels), n_folds, rng, class_codes(labels))

    return dealt


def _lacking(labels: NDArray[Any]) -> str:
    """What a person has too little of, in words: two trials of each class let training know every class."""
    if not is_categorical(labels):
        return f"{len(labels)} trial" if len(labels) < 2 else ""
    counts = _counts(labels)
    if len(counts) < 2 or min(counts.values()) < 2:
        return ", ".join(f"{count} of {name!r}" for name, count in counts.items())
    return ""


def _counts(labels: NDArray[Any]) -> dict[Any, int]:
    """How many trials each class has, the most frequent first."""
    return dict(Counter(labels.tolist()).most_common())


def _protocol(name: str, dealt: _Deal, needs: str) -> Protocol:
    def folds(coords: pd.DataFrame, rng: np.random.Generator, report: Report) -> Iterator[Fold]:
        subjects, trials = codes(coords, "subject"), codes(coords, "trial")
        names = person_names(coords)
        target = coords["target"].to_numpy()
        left_out, n_made = LeftOut(name, report), 0
        for unit, row in enumerate(np.unique(subjects, return_index=True)[1]):
            person = str(names[row])
            own = np.flatnonzero(subjects == unit)
            own_trials, first = np.unique(trials[own], return_index=True)
            fold_of_trial = dealt(target[own][first], rng)
            if isinstance(fold_of_trial, str):
                left_out.add(person, f"has {fold_of_trial}, and {needs} are needed")
                continue
            fold_of_row = fold_of_trial[np.searchsorted(own_trials, trials[own])]
            for number in range(int(fold_of_trial.max()) + 1):
                n_made += 1
                yield Fold(
                    name=f"{person}-{number + 1}",
                    train_idx=own[fold_of_row != number],
                    test_idx=own[fold_of_row == number],
                )
        if not n_made:
            raise left_out.refuse(
                "trains on some trials of a person and tests on others, so each class needs two trials a "
                "person",
                "Use loso, or a task with more trials.",
            )

    return Protocol(
        name=name,
        holds_out="trial",
        shares="The person and the session; stimuli, where sessions repeat them; no trial.",
        claim="Works for other trials of a person whose labelled trials were used for training.",
        folds=folds,
    )


within_subject_trial = _protocol("within_subject_trial", _at_most_five, "two trials of each class")
within_subject_trial_loto = _protocol("within_subject_trial_loto", _one_each, "two trials of each class")


def within_subject_trial_kfold(n_folds: int = 10) -> Protocol:
    """K-fold over each person's trials, dealt within the classes.

    Unlike `within_subject_trial`, which makes fewer folds of a person with few trials of a class, this makes
    exactly so many: classes differ by one trial at most between folds, and a fold may lack a rare one in its
    test. Training always knows every class.

    Parameters
    ----------
    n_folds : int
        Number of folds; a person with fewer trials is left out and reported.

    Raises
    ------
    ProtocolError
        If there are fewer than two folds, or (when it splits) nobody qualifies.

    Examples
    --------
    >>> within_subject_trial_kfold().name
    'within_subject_trial_10fold'
    """
    if not isinstance(n_folds, int) or n_folds < 2:
        raise ProtocolError(f"within_subject_trial_kfold needs a number of folds from 2, got {n_folds!r}.")
    return _protocol(
        f"within_subject_trial_{n_folds}fold",
        _into(n_folds),
        f"two trials of each class and {n_folds} in all",
    )
