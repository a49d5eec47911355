"""Folds, and what a protocol promises about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioaffect.data_set import Report
from physioaffect.errors import ProtocolError
from physioaffect.evaluation.protocols.dealing import labels_of_units
from physioaffect.identity import stable_hash
from physioaffect.windows import overlaps

if TYPE_CHECKING:
    from physioaffect.evaluation.protocols.cross_validator import CrossValidator

__all__ = [
    "LEVELS",
    "Fold",
    "Indices",
    "Protocol",
    "class_codes",
    "codes",
    "is_categorical",
    "person_names",
]

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

    ``train_idx`` and ``validation_idx`` carry labels; ``gap_idx`` holds labelled windows that share a unit
    with both (a training person's windows of a validation stimulus): only models that set no validation
    apart learn from them. ``calibration_idx`` holds labelled windows of the held-out unit that have left the
    test; ``unlabelled_idx`` windows that may be seen without their labels; ``test_idx`` those that are
    predicted. ``units``, (n_windows, n_levels), numbers the units of all windows of the table by which
    validation was cut, and by which a search within the training side has to be.
    """

    name: str
    train_idx: Indices
    validation_idx: Indices = field(default_factory=_nothing)
    gap_idx: Indices = field(default_factory=_nothing)
    calibration_idx: Indices = field(default_factory=_nothing)
    unlabelled_idx: Indices = field(default_factory=_nothing)
    test_idx: Indices
    units: Indices | None = None

    @property
    def fitted_idx(self) -> Indices:
        """All windows whose labels a model may see, in the order of the table."""
        return np.sort(
            np.concatenate([self.train_idx, self.validation_idx, self.gap_idx, self.calibration_idx])
        )


def codes(coords: pd.DataFrame, level: str) -> NDArray[np.intp]:
    """Number the units of a level (a key of ``LEVELS``) from 0, one number per window.

    Parameters
    ----------
    coords : pandas.DataFrame
        One row per window.
    level : str
        A key of ``LEVELS``.

    Returns
    -------
    codes : ndarray of int, shape (n_windows,)

    Examples
    --------
    >>> coords = pd.DataFrame({"subject": list("aabb"), "trial": [1, 2, 1, 2]})
    >>> coords = coords.assign(dataset="own", session="1")
    >>> codes(coords, "subject"), codes(coords, "trial")
    (array([0, 0, 1, 1]), array([0, 1, 2, 3]))
    """
    numbers = np.zeros(len(coords), dtype=np.intp)
    for column in LEVELS[level]:  # A tenth of the time of grouping by all of them.
        own, found = pd.factorize(coords[column], use_na_sentinel=False)
        numbers = pd.factorize(numbers * len(found) + own)[0]
    return np.asarray(numbers, dtype=np.intp)


def person_names(coords: pd.DataFrame) -> NDArray[np.str_]:
    """Name of each window's person, shape (n_windows,); after the data set's where there are several.

    Parameters
    ----------
    coords : pandas.DataFrame
        One row per window, with the columns ``dataset`` and ``subject``.

    Examples
    --------
    >>> person_names(pd.DataFrame({"dataset": ["deap", "dreamer"], "subject": ["1", "1"]}))
    array(['deap/1', 'dreamer/1'], dtype='<U9')
    >>> person_names(pd.DataFrame({"dataset": ["deap", "deap"], "subject": ["1", "2"]}))
    array(['1', '2'], dtype='<U1')
    """
    subject = coords["subject"].to_numpy(dtype=str)
    if coords["dataset"].nunique() < 2:
        return subject
    return np.asarray(np.char.add(np.char.add(coords["dataset"].to_numpy(dtype=str), "/"), subject), np.str_)


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How people, trials and windows are divided.

    What is random goes by the order in which units come in the table; nothing else depends on that order.

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
        Share of the training units that is set apart for models that use validation: at least one, of each
        class if every unit has one label, and none of a single unit. With several levels it is a share of
        the units of each: windows of chosen units at all levels validate, those at none train, and the
        others lie between.
    validates : str or tuple of str, optional
        Levels of these units. Default: ``holds_out``.
    units : callable, optional
        ``units(coords)``: numbers the units of each window for validation, shape (n_windows, n_levels), where
        they are no level.
    is_within_trials : bool
        Whether both sides may hold windows of one trial that must not overlap in time: then training windows
        that overlap a test or validation window are dropped.
    """

    name: str
    holds_out: str | tuple[str, ...]
    shares: str
    claim: str | None
    folds: Callable[[pd.DataFrame, np.random.Generator, Report], Iterator[Fold]]
    grants: frozenset[str] = frozenset()
    validation: float = 0.2
    validates: str | tuple[str, ...] | None = None
    units: Callable[[pd.DataFrame], Indices] | None = None
    is_within_trials: bool = False

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels of ``holds_out``."""
        return (self.holds_out,) if isinstance(self.holds_out, str) else self.holds_out

    def rng(self, seed: int) -> np.random.Generator:
        """Make the generator that `evaluate` gives to ``split`` with this seed."""
        return np.random.default_rng(np.random.SeedSequence([seed, stable_hash(self.name)]))

    def as_cv(self, coords: pd.DataFrame, *, seed: int = 0) -> CrossValidator:
        """Make what scikit-learn takes as ``cv=``: the same train and test windows as in `evaluate`.

        Parameters
        ----------
        coords : pandas.DataFrame
            As in `split`, a row for each row of the ``X`` that scikit-learn gets, such as ``Table.coords``.
        seed : int
            As in `evaluate`.

        Returns
        -------
        CrossValidator

        Raises
        ------
        ProtocolError
            If the protocol lets models see unlabelled test windows, which scikit-learn does not pass on.

        Examples
        --------
        >>> from sklearn.dummy import DummyClassifier
        >>> from sklearn.model_selection import cross_val_score
        >>> from physioaffect.evaluation import loso
        >>> coords = pd.DataFrame({"subject": ["ann", "ann", "bob", "bob"], "trial": ["1", "2", "1", "2"]})
        >>> coords = coords.assign(dataset="own", session="1", stimulus=coords["trial"], window=0)
        >>> coords["target"] = ["calm", "tense", "calm", "tense"]
        >>> cv = loso.as_cv(coords)
        >>> X = np.zeros((4, 1))
        >>> [float(score) for score in cross_val_score(DummyClassifier(), X, coords["target"], cv=cv)]
        [0.5, 0.5]
        """
        from physioaffect.evaluation.protocols.cross_validator import CrossValidator  # noqa: PLC0415

        return CrossValidator(protocol=self, coords=coords, seed=seed)

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
        levels = {level: codes(coords, level) for level in self.levels}
        units = self._units(coords)
        labels = class_codes(coords["target"].to_numpy())
        n_folds = 0
        for fold in self.folds(coords, rng, report or (lambda _: None)):
            n_folds += 1
            if self.is_within_trials:
                fold = replace(fold, train_idx=_apart(coords, fold.train_idx, fold.test_idx))  # noqa: PLW2901
            if not len(fold.train_idx) or not len(fold.test_idx):
                raise ProtocolError(f"Protocol {self.name} leaves a side of its fold {fold.name} empty.")
            for level, numbers in levels.items():
                if shared := np.intersect1d(numbers[fold.fitted_idx], numbers[fold.test_idx]).size:
                    raise ProtocolError(
                        f"Protocol {self.name} promises to hold out every {level}, but in its fold "
                        f"{fold.name} {shared} of them are on both sides. Mend its folds or its holds_out."
                    )
            divided = _with_validation(fold, units, labels, self.validation, rng)
            if self.is_within_trials:
                divided = _with_gap(coords, divided) or replace(fold, units=units)
            yield divided
        if n_folds == 0:
            raise ProtocolError(f"Protocol {self.name} makes no fold of these data: no subject qualifies.")

    def _units(self, coords: pd.DataFrame) -> Indices:
        """Units by which validation is cut, shape (n_windows, n_levels)."""
        if self.units is not None:
            return self.units(coords)
        levels = self.validates or self.levels
        levels = (levels,) if isinstance(levels, str) else levels
        return np.stack([codes(coords, level) for level in levels], axis=1)


def _with_validation(
    fold: Fold, units: Indices, labels: Indices | None, share: float, rng: np.random.Generator
) -> Fold:
    """Move a share of the training units, cut by the same levels, to validation."""
    train = fold.train_idx
    own = None if labels is None else labels[train]
    is_chosen = np.ones((len(train), units.shape[1]), dtype=bool)
    for level, column in enumerate(units[train].T):
        # Among what the units chosen so far have, so that these windows exist.
        rows = is_chosen[:, :level].all(axis=1)
        chosen = _chosen(column[rows], None if own is None else own[rows], share, rng)
        is_chosen[:, level] = np.isin(column, chosen)
    is_validation = is_chosen.all(axis=1)
    # Who was drawn but met none of the stimuli that were drawn validates nothing, and need not be set aside.
    for level, column in enumerate(units[train].T):
        is_chosen[:, level] = np.isin(column, column[is_validation])
    is_train = ~is_chosen.any(axis=1)
    if not is_validation.any() or not is_train.any():  # Of a single unit none is set apart.
        return replace(fold, units=units)
    return replace(
        fold,
        train_idx=train[is_train],
        validation_idx=train[is_validation],
        gap_idx=train[~is_train & ~is_validation],
        units=units,
    )


def _chosen(units: Indices, labels: Indices | None, share: float, rng: np.random.Generator) -> Indices:
    """Draw a share of the units, within the classes where each unit has one label; none of a single unit."""
    present = np.unique(units)
    if len(present) < 2:
        return present[:0]
    own = None if labels is None else labels_of_units(units, labels)
    if own is not None:
        of_class = [rng.permutation(present[own == label]) for label in np.unique(own)]
        drawn = [some[: max(1, round(share * len(some)))] for some in of_class if len(some) > 1]
        if drawn:
            return np.concatenate(drawn)
    return rng.permutation(present)[: max(1, round(share * len(present)))]


def class_codes(target: NDArray[Any]) -> Indices | None:
    """Number the classes; None for numbers as labels."""
    return np.asarray(pd.factorize(target, sort=True)[0], dtype=np.intp) if is_categorical(target) else None


def _with_gap(coords: pd.DataFrame, fold: Fold) -> Fold | None:
    """Take training windows that overlap validation windows out of training; None if nothing is left."""
    train_idx = _apart(coords, fold.train_idx, fold.validation_idx)
    if not len(train_idx):
        return None
    between = np.setdiff1d(fold.train_idx, train_idx)
    return replace(fold, train_idx=train_idx, gap_idx=np.union1d(fold.gap_idx, between))


def _apart(coords: pd.DataFrame, rows: Indices, others: Indices) -> Indices:
    """Those of ``rows`` that overlap none of the others in time."""
    start = coords["start"].to_numpy(dtype=float)
    duration = float(coords["duration"].max())
    # Each trial at a place of its own on one axis of time.
    start = start - start.min() + codes(coords, "trial") * (np.ptp(start) + 2 * duration)
    return rows[~overlaps(start[rows], start[others], duration)]


def is_categorical(target: NDArray[Any]) -> bool:
    """Whether labels are classes, not numbers."""
    return target.dtype.kind not in "fc"
