"""Folds, and what a protocol promises about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioaffect.errors import ProtocolError
from physioaffect.recording import Report

__all__ = ["Fold", "Indices", "Protocol", "codes", "is_categorical", "person_names"]

Indices = NDArray[np.intp]


def _nothing() -> Indices:
    return np.empty(0, dtype=np.intp)


# What a level is made of: a trial's number repeats in every session, a session's in every subject.
LEVELS = {
    "dataset": ("dataset",),
    "subject": ("dataset", "subject"),
    "session": ("dataset", "subject", "session"),
    "trial": ("dataset", "subject", "session", "trial"),
    "stimulus": ("dataset", "stimulus"),
    "window": ("dataset", "subject", "session", "trial", "window"),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Fold:
    """One split, as positions in the table of windows.

    ``train_idx`` and ``validation_idx`` carry labels; ``calibration_idx`` holds labelled windows of the
    held-out unit that have left the test; ``unlabelled_idx`` windows that may be seen without their labels;
    ``test_idx`` those that are predicted.
    """

    name: str
    train_idx: Indices
    validation_idx: Indices = field(default_factory=_nothing)
    calibration_idx: Indices = field(default_factory=_nothing)
    unlabelled_idx: Indices = field(default_factory=_nothing)
    test_idx: Indices

    @property
    def fitted_idx(self) -> Indices:
        """All windows whose labels a model may see, in the order of the table."""
        return np.sort(np.concatenate([self.train_idx, self.validation_idx, self.calibration_idx]))


def codes(coords: pd.DataFrame, level: str) -> NDArray[np.intp]:
    """Number the units of a level (a key of ``LEVELS``) from 0, one number per window."""
    numbers = coords.groupby(list(LEVELS[level]), sort=False, observed=True).ngroup()
    return np.asarray(numbers, dtype=np.intp)


def person_names(coords: pd.DataFrame) -> NDArray[np.str_]:
    """Name of each window's person, shape (n_windows,); after the data set's where there are several."""
    subject = coords["subject"].to_numpy(dtype=str)
    if coords["dataset"].nunique() < 2:
        return subject
    return np.char.add(np.char.add(coords["dataset"].to_numpy(dtype=str), "/"), subject)


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How people, trials and windows are divided.

    Parameters
    ----------
    name : str
        Name on the command line.
    holds_out : str or tuple of str
        Levels (``"dataset"``, ``"subject"``, ``"session"``, ``"trial"``, ``"stimulus"``, ``"window"``) no
        unit of which is ever on both sides; checked for every fold.
    shares : str
        What train and test still have in common, in words.
    claim : str, optional
        What a good score shows. None: nothing, and every result is watermarked.
    folds : callable
        ``folds(coords, rng, report)``: yields `Fold` without validation.
    grants : frozenset of str
        What a model may look at besides training windows: ``"unlabelled"``, ``"calibration"``.
    validation : float
        Share of the training units that is set apart for models that use validation.
    validates : str, optional
        Level of these units. Default: the first of ``holds_out``.
    """

    name: str
    holds_out: str | tuple[str, ...]
    shares: str
    claim: str | None
    folds: Callable[[pd.DataFrame, np.random.Generator, Report], Iterator[Fold]]
    grants: frozenset[str] = frozenset()
    validation: float = 0.2
    validates: str | None = None

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels of ``holds_out``."""
        return (self.holds_out,) if isinstance(self.holds_out, str) else self.holds_out

    def split(
        self, coords: pd.DataFrame, rng: np.random.Generator, report: Report | None = None
    ) -> Iterator[Fold]:
        """Divide the windows.

        Parameters
        ----------
        coords : pandas.DataFrame
            One row per window with the columns dataset, subject, session, trial, stimulus, window and
            ``target``, its label.
        rng : numpy.random.Generator
            Decides whatever is random.
        report : callable, optional
            Called with an `Exclusion` for each subject that cannot be evaluated in this way.

        Yields
        ------
        Fold

        Raises
        ------
        ProtocolError
            If the data cannot support the protocol at all, or a fold breaks its promise.
        """
        units = {level: codes(coords, level) for level in self.levels}
        of_validation = codes(coords, self.validates or self.levels[0])
        n_folds = 0
        for fold in self.folds(coords, rng, report or (lambda _: None)):
            n_folds += 1
            if not len(fold.train_idx) or not len(fold.test_idx):
                raise ProtocolError(f"Protocol {self.name} leaves a side of its fold {fold.name} empty.")
            for level, numbers in units.items():
                if shared := np.intersect1d(numbers[fold.fitted_idx], numbers[fold.test_idx]).size:
                    raise ProtocolError(
                        f"Protocol {self.name} promises to hold out every {level}, but in its fold "
                        f"{fold.name} {shared} of them are on both sides. Mend its folds or its holds_out."
                    )
            yield _with_validation(fold, of_validation, self.validation, rng)
        if n_folds == 0:
            raise ProtocolError(f"Protocol {self.name} makes no fold of these data: no subject qualifies.")


def _with_validation(fold: Fold, units: Indices, share: float, rng: np.random.Generator) -> Fold:
    """Move a share of the training units, cut by the same level, to validation; none of a single unit."""
    present = np.unique(units[fold.train_idx])
    n_validation = round(share * len(present)) if len(present) > 1 else 0
    chosen = rng.permutation(present)[:n_validation]
    is_validation = np.isin(units[fold.train_idx], chosen)
    return replace(
        fold, train_idx=fold.train_idx[~is_validation], validation_idx=fold.train_idx[is_validation]
    )


def is_categorical(target: NDArray[Any]) -> bool:
    """Whether labels are classes, not numbers."""
    return target.dtype.kind not in "fc"
