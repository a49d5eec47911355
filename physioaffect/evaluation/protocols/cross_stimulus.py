"""Leave stimuli out, with everybody in training."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from physioaffect.data_set import Report
from physioaffect.errors import ProtocolError
from physioaffect.evaluation.protocols.dealing import deal, labels_of_units
from physioaffect.evaluation.protocols.folds import (
    Fold,
    Indices,
    Protocol,
    class_codes,
    codes,
    person_names,
)
from physioaffect.evaluation.protocols.left_out import LeftOut

__all__ = ["cross_stimulus"]


def cross_stimulus(n_folds: int | None = None) -> Protocol:
    """Test on stimuli that nobody in training met, of people whose other stimuli are in training.

    Leave-one-clip-out: all people's windows of a clip are predicted by a model of everybody's other clips.
    `loso_stimulus` holds the person out as well.

    Parameters
    ----------
    n_folds : int, optional
        Number of groups that each data set's stimuli are dealt into at random, within the classes where every
        stimulus has one label. Default: each by itself.

    Raises
    ------
    ProtocolError
        If there are fewer than two groups, or (when it splits) fewer stimuli than groups.

    Examples
    --------
    >>> cross_stimulus().name, cross_stimulus(5).name
    ('cross_stimulus', 'cross_stimulus_5fold')
    """
    name = "cross_stimulus" if n_folds is None else f"cross_stimulus_{n_folds}fold"
    if n_folds is not None and (not isinstance(n_folds, int) or n_folds < 2):
        raise ProtocolError(f"cross_stimulus needs a number of groups from 2, got {n_folds!r}.")

    def folds(coords: pd.DataFrame, rng: np.random.Generator, report: Report) -> Iterator[Fold]:
        stimuli, subjects, names = codes(coords, "stimulus"), codes(coords, "subject"), person_names(coords)
        n_stimuli = int(stimuli.max(initial=-1)) + 1
        if n_stimuli < (n_folds or 2):
            raise ProtocolError(
                f"Protocol {name} holds out one of {n_folds or 'two or more'} groups of stimuli, but there "
                f"are {n_stimuli} stimuli. Add stimuli, or use loso."
            )
        groups = stimuli if n_folds is None else _dealt(coords, stimuli, n_folds, rng)
        left_out, n_made = LeftOut(name, report), 0
        for number in range(n_folds or n_stimuli):
            is_test = groups == number
            is_known = np.isin(subjects, subjects[~is_test])
            for unit in np.unique(subjects[is_test & ~is_known]):
                person = str(names[np.flatnonzero(subjects == unit)[0]])
                left_out.add(person, "met no stimuli but those of one group")
            if not (is_test & is_known).any():
                continue
            n_made += 1
            clip = coords.iloc[int(np.argmax(is_test))]
            prefix = "" if coords["dataset"].nunique() < 2 else f"{clip['dataset']}/"
            yield Fold(
                name=str(number + 1) if n_folds else f"{prefix}{clip['stimulus']}",
                train_idx=np.flatnonzero(~is_test),
                test_idx=np.flatnonzero(is_test & is_known),
            )
        if not n_made:
            raise left_out.refuse("trains on other stimuli of the same people", "Use loso.")

    return Protocol(
        name=name,
        holds_out="stimulus",
        shares="The people and their sessions; none of the stimuli.",
        claim=(
            "Works for people whose labelled trials were used for training, when they meet new stimuli of "
            "the same kind."
        ),
        folds=folds,
    )


def _dealt(coords: pd.DataFrame, stimuli: Indices, n_folds: int, rng: np.random.Generator) -> Indices:
    """Group of each window, from 0; each data set's stimuli are dealt by themselves."""
    labels = class_codes(coords["target"].to_numpy())
    groups = np.empty(len(coords), dtype=np.intp)
    datasets = codes(coords, "dataset")
    for unit in range(int(datasets.max()) + 1):
        own = np.flatnonzero(datasets == unit)
        present, inverse = np.unique(stimuli[own], return_inverse=True)
        of_stimuli = None if labels is None else labels_of_units(stimuli[own], labels[own])
        groups[own] = deal(len(present), n_folds, rng, of_stimuli)[inverse]
    return groups
