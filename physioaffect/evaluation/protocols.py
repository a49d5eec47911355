"""Protocols: what is held out, what train and test still share, and which claim a score then supports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold

from physioaffect.errors import ProtocolError
from physioaffect.recording import Exclusion, Report

__all__ = [
    "PROTOCOLS",
    "Fold",
    "Protocol",
    "get_protocol",
    "loso",
    "transductive",
    "window_random",
    "within_subject_trial",
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
        unit of which is ever on both sides; checked for every fold. Validation is cut by the first.
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
    """

    name: str
    holds_out: str | tuple[str, ...]
    shares: str
    claim: str | None
    folds: Callable[[pd.DataFrame, np.random.Generator, Report], Iterator[Fold]]
    grants: frozenset[str] = frozenset()
    validation: float = 0.2

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
            yield _with_validation(fold, units[self.levels[0]], self.validation, rng)
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


def _is_categorical(target: NDArray[Any]) -> bool:
    return target.dtype.kind not in "fc"


def _loso_folds(coords: pd.DataFrame, rng: np.random.Generator, report: Report) -> Iterator[Fold]:  # noqa: ARG001
    units = codes(coords, "subject")
    names = person_names(coords)
    first_rows = np.unique(units, return_index=True)[1]
    if len(first_rows) < 2:
        raise ProtocolError(
            f"Protocol loso holds out one subject and trains on the others, but there is only "
            f"{len(first_rows)}: {', '.join(map(str, names[first_rows]))}. Add people, or use "
            "within_subject_trial."
        )
    for unit, row in enumerate(first_rows):
        yield Fold(
            name=str(names[row]),
            train_idx=np.flatnonzero(units != unit),
            test_idx=np.flatnonzero(units == unit),
        )


def _window_folds(coords: pd.DataFrame, rng: np.random.Generator, report: Report) -> Iterator[Fold]:  # noqa: ARG001
    target = coords["target"].to_numpy()
    n_splits = 5
    if _is_categorical(target):
        rarest = pd.Series(target).value_counts()
        if rarest.min() < n_splits:
            raise ProtocolError(
                f"Protocol window_random deals windows into {n_splits} folds, but class "
                f"{rarest.idxmin()!r} has only {rarest.min()}. Use shorter windows."
            )
        splitter: StratifiedKFold | KFold = StratifiedKFold(n_splits, shuffle=True, random_state=_seed(rng))
    elif len(target) < n_splits:
        raise ProtocolError(f"Protocol window_random needs at least {n_splits} windows, got {len(target)}.")
    else:
        splitter = KFold(n_splits, shuffle=True, random_state=_seed(rng))
    for number, (train_idx, test_idx) in enumerate(splitter.split(target, target), start=1):
        yield Fold(name=str(number), train_idx=train_idx, test_idx=test_idx)


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _trial_folds(coords: pd.DataFrame, rng: np.random.Generator, report: Report) -> Iterator[Fold]:
    subjects, trials = codes(coords, "subject"), codes(coords, "trial")
    names = person_names(coords)
    target = coords["target"].to_numpy()
    reasons = []
    for unit, row in enumerate(np.unique(subjects, return_index=True)[1]):
        name = str(names[row])
        own = np.flatnonzero(subjects == unit)
        own_trials, first = np.unique(trials[own], return_index=True)
        labels = target[own][first]
        splitter, lacking = _trial_splitter(labels, _seed(rng))
        if splitter is None:
            reasons.append(f"subject {name} has {lacking}")
            report(
                Exclusion(
                    subject=name,
                    reason=f"Protocol within_subject_trial needs two trials of each class: it has {lacking}.",
                    expected=True,
                )
            )
            continue
        for number, (train, test) in enumerate(splitter.split(labels, labels), start=1):
            yield Fold(
                name=f"{name}-{number}",
                train_idx=own[np.isin(trials[own], own_trials[train])],
                test_idx=own[np.isin(trials[own], own_trials[test])],
            )
    if len(reasons) == subjects.max(initial=-1) + 1:
        raise ProtocolError(
            "Protocol within_subject_trial trains on some trials of a person and tests on others, so each "
            f"class needs two trials a person, but {reasons[0] if reasons else 'there is nobody'}"
            f"{' and so on' if len(reasons) > 1 else ''}. Use loso, or a task with more trials."
        )


def _trial_splitter(labels: NDArray[Any], seed: int) -> tuple[StratifiedKFold | KFold | None, str]:
    """At most five folds, at least one trial of each class in each; or None and what is lacking."""
    if not _is_categorical(labels):
        if len(labels) < 2:
            return None, f"{len(labels)} trial"
        return KFold(min(5, len(labels)), shuffle=True, random_state=seed), ""
    counts = pd.Series(labels).value_counts()
    if len(counts) < 2 or counts.min() < 2:
        return None, ", ".join(f"{count} of {name!r}" for name, count in counts.items())
    return StratifiedKFold(min(5, int(counts.min())), shuffle=True, random_state=seed), ""


loso = Protocol(
    name="loso",
    holds_out="subject",
    shares="Stimuli, where everyone met the same ones; nothing of the person.",
    claim="Works for a new person who meets stimuli like those of the training people.",
    folds=_loso_folds,
)
within_subject_trial = Protocol(
    name="within_subject_trial",
    holds_out="trial",
    shares="The person and the session; no trial.",
    claim="Works for other trials of a person whose labelled trials were used for training.",
    folds=_trial_folds,
)
window_random = Protocol(
    name="window_random",
    holds_out="window",
    shares="The person, the session, the trial and its label; with overlapping windows the samples too.",
    claim=None,
    folds=_window_folds,
)


def transductive(protocol: Protocol) -> Protocol:
    """Let models see the test windows of ``protocol``, without their labels.

    Features are then standardised within each person (by that person's own windows), and models that use
    ``"unlabelled"`` receive the test windows when they are fitted.
    """

    def folds(coords: pd.DataFrame, rng: np.random.Generator, report: Report) -> Iterator[Fold]:
        for fold in protocol.folds(coords, rng, report):
            yield replace(fold, unlabelled_idx=fold.test_idx)

    claim = protocol.claim and (
        f"{protocol.claim} Only once all of the test windows have been recorded: their features, not their "
        "labels, were used."
    )
    return replace(
        protocol,
        name=f"{protocol.name}_transductive",
        shares=f"{protocol.shares} Also the test windows themselves, unlabelled.",
        claim=claim,
        folds=folds,
        grants=protocol.grants | {"unlabelled"},
    )


PROTOCOLS = {
    protocol.name: protocol for protocol in (window_random, within_subject_trial, loso, transductive(loso))
}


def get_protocol(protocol: str | Protocol) -> Protocol:
    """Look a protocol up by name; a `Protocol` is returned as it is."""
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in PROTOCOLS:
        raise ProtocolError(f"Unknown protocol {protocol!r}: use one of {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[protocol]
