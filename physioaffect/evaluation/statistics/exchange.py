"""What a permutation test may exchange: the labels, at the level at which they were given.

Under the null hypothesis labels could have been dealt out differently. Which other deals count is decided by
how the labels came about, never by how many windows were cut: a rating belongs to one trial of one person, a
clip's emotion to the clip, alike for everyone who saw it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation.protocols.folds import Indices, codes
from physioaffect.evaluation.statistics.exchange_words import Level, what_it_tests

__all__ = ["Exchange", "Level", "exchange_of", "level_for", "permuted_labels"]

# Beyond this a count is only a figure of speech.
_MANY = 1e15


@dataclass(frozen=True, kw_only=True, eq=False)
class Exchange:
    """Which relabellings of a data set count as equally likely under the null hypothesis.

    Attributes
    ----------
    name : str
        What is exchanged, in words.
    level : {"trial", "stimulus", "subject"}
        What moves as a whole.
    trials : pandas.DataFrame
        One row per trial, in the order of their first windows, with the columns of ``coords``.
    trial_of_row : ndarray of int, shape (n_windows,)
        The trial of each window.
    labels : ndarray, shape (n_trials,)
        Label of each trial.
    n_distinct : float
        Number of relabellings that differ, the present one included; infinite beyond 1e15.
    n_subjects : int
        People whose labels can change.
    tests : str
        What a small p-value says, and what it does not.
    """

    name: str
    level: Level
    trials: pd.DataFrame
    trial_of_row: Indices
    labels: NDArray[Any]
    n_distinct: float
    n_subjects: int
    tests: str
    # Positions that change places among themselves, and what position each trial takes of them.
    _groups: tuple[Indices, ...]
    _unit: Indices
    _place: Indices

    def positions(self, n_permutations: int, seed: int = 0) -> Indices:
        """Draw relabellings, as the trial whose label each trial takes.

        Parameters
        ----------
        n_permutations : int
            How many, from 1.
        seed : int
            Source of randomness.

        Returns
        -------
        positions : ndarray of int, shape (n_permutations, n_trials)
            ``labels[positions]`` are the permuted labels. Each is drawn evenly from all; the present one may
            be among them.

        Raises
        ------
        ProtocolError
            If every relabelling is the present one.
        ValueError
            If ``n_permutations`` is below 1.
        """
        if n_permutations < 1:
            raise ValueError(f"n_permutations must be at least 1, got {n_permutations}.")
        if self.n_distinct < 2:
            raise ProtocolError(self.tests)
        rng = np.random.default_rng(seed)
        moved = np.tile(np.arange(self._place.shape[1]), (n_permutations, 1))
        for group in self._groups:
            moved[:, group] = rng.permuted(np.tile(group, (n_permutations, 1)), axis=1)
        rows = np.arange(len(self._unit))
        taken: Indices = self._place[self._owner, :][rows, moved[:, self._unit]]
        return taken

    @property
    def _owner(self) -> Indices:
        """Row of ``_place`` of each trial: its person and session where those matter, else 0."""
        if len(self._place) == 1:
            return np.zeros(len(self._unit), dtype=np.intp)
        return codes(self.trials, "session")


def exchange_of(
    coords: pd.DataFrame,
    source: str,
    *,
    level: Level | None = None,
    within: Sequence[Any] | NDArray[Any] | None = None,
) -> Exchange:
    """Decide what may be exchanged.

    Labels by ``"rating"`` and by ``"condition"`` are exchanged among the trials of a person, and of a session
    if there are several. Labels by ``"stimulus"`` are exchanged among the stimuli, in the same way for
    everyone; among those of a session if no stimulus occurs in two. Where all labels of each person are
    equal, they are exchanged among people.

    Parameters
    ----------
    coords : pandas.DataFrame
        One row per window: dataset, subject, session, trial, stimulus, ``target``, and ``order`` if known.
    source : {"rating", "condition", "stimulus"}
        Where the labels come from (``Task.source``).
    level : {"trial", "stimulus", "subject"}, optional
        Another level than follows from ``source``. ``"stimulus"`` with ratings exchanges all ratings of one
        stimulus for all of another, in the same way for everyone: then a small p cannot come from stimuli
        that are recognised and that people agree on.
    within : sequence, shape (n_windows,), optional
        Exchange only trials, stimuli or people that are alike in this, such as the fold in which they are
        tested.

    Returns
    -------
    Exchange
        One with ``n_distinct`` of 1 if nothing can be exchanged; its ``tests`` then says why.

    Raises
    ------
    DataError
        If a trial has two labels or none, or a stimulus has two although it is to give the label.
    ProtocolError
        If stimuli are to be exchanged that a person met twice in a session.
    ValueError
        If ``source`` or ``level`` is unknown.

    Examples
    --------
    >>> coords = pd.DataFrame({"dataset": "made", "subject": ["A"] * 4 + ["B"] * 4, "session": "1"})
    >>> coords = coords.assign(trial=[*"1234"] * 2, stimulus=[*"1234"] * 2, target=[*"llhhlhhh"])
    >>> exchange = exchange_of(coords, "rating")
    >>> exchange.name, exchange.n_distinct
    ('trial within subject', 24.0)
    """
    if source not in ("rating", "condition", "stimulus"):
        raise ValueError(f"source must be rating, condition or stimulus, got {source!r}.")
    if level not in (None, "trial", "stimulus", "subject"):
        raise ValueError(f"level must be trial, stimulus, subject or None, got {level!r}.")
    trial_of_row = codes(coords, "trial")
    first = np.unique(trial_of_row, return_index=True)[1]
    trials = coords.iloc[first].reset_index(drop=True)
    labels = np.array(trials["target"].to_list())
    _check_labels(coords, trial_of_row, labels)
    subject = codes(trials, "subject")
    apart = np.zeros(len(trials), dtype=np.intp) if within is None else _numbered(np.asarray(within)[first])
    if level is None:
        is_constant = all(len(np.unique(labels[subject == s])) == 1 for s in range(subject.max() + 1))
        level = "stimulus" if source == "stimulus" else "subject" if is_constant else "trial"
    if level == "stimulus":
        made = _by_stimulus(trials, labels, apart, label_is_fixed=source == "stimulus")
    elif level == "subject":
        made = _by_subject(trials, labels, apart)
    else:
        made = _by_trial(trials, apart)
    name, groups, unit, place = made
    groups, counts = _that_differ(groups, place, labels)
    movable = {int(u) for group in groups for u in group}
    n_subjects = len(np.unique(subject[np.isin(unit, list(movable))]))
    n_distinct = math.exp(min(sum(counts), 700.0))
    n_distinct = math.inf if n_distinct > _MANY else float(round(n_distinct))
    return Exchange(
        name=name,
        level=level,
        trials=trials,
        trial_of_row=trial_of_row,
        labels=labels,
        n_distinct=n_distinct,
        n_subjects=n_subjects,
        tests=what_it_tests(trials, labels, source, level, n_distinct, n_subjects),
        _groups=tuple(groups),
        _unit=unit,
        _place=place,
    )


def level_for(holds_out: Sequence[str], source: str) -> Level | None:
    """Choose the level that a protocol's claim asks for; None for what follows from the source.

    Who claims that a model works for new stimuli must not be helped by a chance resemblance of stimuli that
    everyone rates alike: then all ratings of a stimulus are exchanged together.

    Parameters
    ----------
    holds_out : sequence of str
        What the protocol keeps out of training, as ``Protocol.holds_out``.
    source : str
        Where the labels come from, as ``Task.source``.

    Examples
    --------
    >>> level_for(("subject", "stimulus"), "rating")
    'stimulus'
    """
    return "stimulus" if source == "rating" and "stimulus" in holds_out else None


def permuted_labels(
    coords: pd.DataFrame, source: str, n_permutations: int, seed: int = 0, *, level: Level | None = None
) -> NDArray[Any]:
    """Labels of all windows under random relabellings.

    Parameters
    ----------
    coords, source, level
        As for `exchange_of`.
    n_permutations : int
        How many.
    seed : int
        Source of randomness; the same seed gives the same labels.

    Returns
    -------
    labels : ndarray, shape (n_permutations, n_windows)

    Raises
    ------
    DataError, ProtocolError, ValueError
        As `exchange_of`, and a ProtocolError if nothing can be exchanged.

    Examples
    --------
    >>> coords = pd.DataFrame({"dataset": "made", "subject": "A", "session": "1", "trial": [*"1122"]})
    >>> coords = coords.assign(stimulus=coords["trial"], target=[*"llhh"])
    >>> permuted_labels(coords, "rating", 3, seed=1).tolist()
    [['l', 'l', 'h', 'h'], ['l', 'l', 'h', 'h'], ['h', 'h', 'l', 'l']]
    """
    exchange = exchange_of(coords, source, level=level)
    taken = exchange.labels[exchange.positions(n_permutations, seed)]
    return np.asarray(taken[:, exchange.trial_of_row])


def _numbered(values: NDArray[Any]) -> Indices:
    return np.unique(values, return_inverse=True)[1].astype(np.intp)


def _check_labels(coords: pd.DataFrame, trial_of_row: Indices, labels: NDArray[Any]) -> None:
    missing = pd.isna(coords["target"])
    if missing.any():
        raise DataError(
            f"{int(missing.sum())} of {len(coords)} windows have no label, so their labels cannot be "
            "permuted. Leave them out first."
        )
    differs = coords["target"].to_numpy() != labels[trial_of_row]
    if differs.any():
        row = coords.iloc[int(np.flatnonzero(differs)[0])]
        raise DataError(
            f"Windows of trial {row['trial']} of subject {row['subject']} have different labels. Labels are "
            "permuted by the trial, so a trial needs one: cut it where its label changes."
        )


def _grouped(keys: Indices, unit: Indices) -> list[Indices]:
    """Units by the key of their trials."""
    key_of_unit = np.zeros(unit.max() + 1, dtype=np.intp)
    key_of_unit[unit] = keys
    return [np.flatnonzero(key_of_unit == key) for key in np.unique(key_of_unit)]


_Made = tuple[str, list[Indices], Indices, Indices]


def _by_trial(trials: pd.DataFrame, apart: Indices) -> _Made:
    session = codes(trials, "session")
    many = session.max() > codes(trials, "subject").max()
    unit = np.arange(len(trials))
    name = "trial within session of a subject" if many else "trial within subject"
    return name, _grouped(_joint(session, apart), unit), unit, unit[np.newaxis]


def _by_subject(trials: pd.DataFrame, labels: NDArray[Any], apart: Indices) -> _Made:
    unit = codes(trials, "subject")
    first = np.unique(unit, return_index=True)[1]
    if (labels != labels[first][unit]).any():
        raise ProtocolError(
            "People cannot be exchanged for one another where a person's trials have different labels. Use "
            "level='trial'."
        )
    groups = _grouped(_joint(codes(trials, "dataset"), apart), unit)
    return "subject", groups, unit, first[np.newaxis]


def _by_stimulus(
    trials: pd.DataFrame, labels: NDArray[Any], apart: Indices, *, label_is_fixed: bool
) -> _Made:
    unit, session = codes(trials, "stimulus"), codes(trials, "session")
    n_units = unit.max() + 1
    if label_is_fixed:
        first = np.unique(unit, return_index=True)[1]
        if (differs := labels != labels[first][unit]).any():
            row = trials.iloc[int(np.flatnonzero(differs)[0])]
            raise DataError(
                f"Stimulus {row['stimulus']} has more than one label, though the task says that stimuli give "
                "the label. Say source='rating' or 'condition', or tell its versions apart."
            )
        # Stimuli that only ever occur in one session of everyone stay in it.
        named = _numbered(trials["session"].to_numpy(dtype=str))
        is_nested = np.unique(np.stack([unit, named]), axis=1).shape[1] == n_units
        keys = [codes(trials, "dataset"), *([named] if is_nested else [])]
        groups = _grouped(_joint(*keys, _pattern(unit, codes(trials, "subject"), apart)[unit]), unit)
        return "stimulus-to-label map", groups, unit, first[np.newaxis]
    if np.unique(np.stack([session, unit]), axis=1).shape[1] < len(trials):
        raise ProtocolError(
            "A stimulus occurs twice in a session of one person, so stimuli cannot be exchanged as wholes. "
            "Use level='trial'."
        )
    place = np.full((session.max() + 1, n_units), -1, dtype=np.intp)
    place[session, unit] = np.arange(len(trials))
    # Only stimuli that the same people met in the same sessions can take each other's ratings.
    groups = _grouped(_pattern(unit, session, apart + 1)[unit], unit)
    return "all ratings of a stimulus", groups, unit, place


def _pattern(unit: Indices, owner: Indices, values: Indices) -> Indices:
    """Number stimuli by what they have with each owner, 0 where they did not meet; shape (n_units,)."""
    table = np.zeros((unit.max() + 1, owner.max() + 1), dtype=np.intp)
    table[unit, owner] = values
    return np.unique(table, axis=0, return_inverse=True)[1].ravel().astype(np.intp)


def _joint(*keys: Indices) -> Indices:
    """Number combinations of keys."""
    return np.unique(np.stack(keys), axis=1, return_inverse=True)[1].ravel().astype(np.intp)


def _that_differ(
    groups: list[Indices], place: Indices, labels: NDArray[Any]
) -> tuple[list[Indices], list[float]]:
    """Leave out groups of units that have the same labels; log of the number of arrangements of the rest."""
    numbers = _numbered(labels)
    # Labels of a unit: one, or of a stimulus as rated by everyone; -1 where someone did not meet it.
    profiles = np.where(place >= 0, numbers[place], -1).T
    left, counts = [], []
    for group in groups:
        _, sizes = np.unique(profiles[group], axis=0, return_counts=True)
        if len(sizes) > 1:
            left.append(group)
            counts.append(math.lgamma(len(group) + 1) - sum(math.lgamma(n + 1) for n in sizes))
    return left, counts
