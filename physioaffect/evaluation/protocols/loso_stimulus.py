"""Leave a person and stimuli out at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from physioaffect.data_set import Report
from physioaffect.errors import ProtocolError
from physioaffect.evaluation.protocols.dealing import deal, labels_of_units
from physioaffect.evaluation.protocols.folds import Fold, Protocol, class_codes, codes, person_names
from physioaffect.evaluation.protocols.left_out import LeftOut

__all__ = ["loso_stimulus"]


def loso_stimulus(n_folds: int = 3) -> Protocol:
    """Test one person on stimuli that nobody in training met.

    Stimuli are dealt into groups, within the classes where every stimulus has one label. For each person and
    group the test is that person's windows of that group; training has the other people's windows of the
    other groups, so every window is predicted once. In the world of SEED, where a clip fixes the label, a
    model that has learnt to tell clips is at chance here and not under `loso`.

    Validation takes a share of the training people and a share of the training stimuli: it consists of the
    former's windows of the latter, and the windows that share only one of both are left to models that use
    no validation.

    Parameters
    ----------
    n_folds : int
        Number of groups of stimuli.

    Raises
    ------
    ProtocolError
        If there are fewer than two groups, or (when it splits) fewer stimuli than groups, or one person.

    Examples
    --------
    >>> loso_stimulus().name
    'loso_stimulus_3fold'
    """
    name = f"loso_stimulus_{n_folds}fold"
    if not isinstance(n_folds, int) or n_folds < 2:
        raise ProtocolError(f"loso_stimulus needs a number of groups from 2, got {n_folds!r}.")

    def folds(coords: pd.DataFrame, rng: np.random.Generator, report: Report) -> Iterator[Fold]:
        subjects, stimuli = codes(coords, "subject"), codes(coords, "stimulus")
        names = person_names(coords)
        n_people, n_stimuli = (int(units.max(initial=-1)) + 1 for units in (subjects, stimuli))
        if n_people < 2 or n_stimuli < n_folds:
            raise ProtocolError(
                f"Protocol {name} holds out a person and one of {n_folds} groups of stimuli, but there are "
                f"{n_people} people and {n_stimuli} stimuli. Add people or stimuli, or use "
                + ("loso." if n_people > 1 else "within_subject_trial.")
            )
        labels = class_codes(coords["target"].to_numpy())
        of_stimuli = None if labels is None else labels_of_units(stimuli, labels)
        groups = deal(n_stimuli, n_folds, rng, of_stimuli)[stimuli]
        # Somebody can be tested: of two groups, each was met by someone, and there are two people.
        left_out = LeftOut(name, report)
        for unit, row in enumerate(np.unique(subjects, return_index=True)[1]):
            is_own = subjects == unit
            for number in np.unique(groups[is_own]):
                train_idx = np.flatnonzero(~is_own & (groups != number))
                if not len(train_idx):
                    left_out.add(
                        str(names[row]), f"cannot be tested on group {number + 1}: nobody else met others"
                    )
                    continue
                yield Fold(
                    name=f"{names[row]}-{number + 1}",
                    train_idx=train_idx,
                    test_idx=np.flatnonzero(is_own & (groups == number)),
                )

    return Protocol(
        name=name,
        holds_out=("subject", "stimulus"),
        shares="The laboratory and the kind of stimuli; nothing of the person, and none of the stimuli.",
        claim="Works for a new person who meets new stimuli of the same kind.",
        folds=folds,
    )
